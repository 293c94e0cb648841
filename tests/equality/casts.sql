'1'::integer
' 12 '::integer
'+5'::integer
'1.0'::integer
''::integer
'abc'::integer
'2147483648'::integer
'-2147483648'::integer
'99999'::smallint
'9223372036854775808'::bigint
'1e3'::integer
'1e3'::numeric
'0x10'::integer
'1_000'::integer
'.5'::numeric
'5.'::numeric
'-.5e-3'::numeric
'1e131072'::numeric
'1e-16384'::numeric
'NaN'::numeric
'-nan'::numeric
'inf'::numeric
'Infinity'::numeric(5,2)
'1.005'::numeric(5,2)
'-1.005'::numeric(5,2)
'999.995'::numeric(5,2)
'0.00'::numeric(5,2)
1.5::integer
2.5::integer
-2.5::integer
3.5::integer
0.5::integer
2.5::double precision::integer
3.5::double precision::integer
-0.5::double precision::integer
s.n::integer
s.n82::integer
s.d::integer
s.r::integer
s.n82::numeric(3,1)
s.n::numeric(3,2)
s.i8::integer
s.i4::smallint
e.i4::smallint
e.i4::real
e.i8::double precision
e.i8::real
e.i8::numeric
e.n::integer
e.n::bigint
e.n::double precision
e.n::real
e.tiny::double precision
e.tiny::integer
e.nan::integer
e.nan::double precision
e.inf::bigint
e.inf::double precision
e.d::numeric
e.d::real
e.d::bigint
e.dz::integer
e.dz::numeric
e.dz::text
s.d::numeric
s.d::real
s.r::numeric
s.r::double precision
s.r::text
s.d::text
1e20::double precision::text
1e-5::double precision::text
123456.789::real::text
(1.0/3)::double precision::text
(1.0/3)::real
s.n::text
s.n82::text
s.i4::text
s.i8::text
s.b::text
s.b::integer
s.b::bigint
s.i4::boolean
0::boolean
s.i8::boolean
s.n::boolean
'yes'::boolean
'of'::boolean
'o'::boolean
'TRUE '::boolean
'1'::boolean
'2'::boolean
e.digits::integer
e.word::integer
e.empty::integer
e.blank::integer
e.digits::numeric
e.digits::boolean
e.empty::text
s.t::integer
s.t::varchar(5)
s.t::varchar
'abcdef'::varchar(3)
'äöüß'::varchar(2)
s.i4::varchar(2)
s.v::text
s.v::varchar(2)
s.nt::integer
s.ni::text
null::integer
null::text
null
s.u::text
s.u::uuid
'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid
'{a0eebc999c0b4ef8bb6d6bb9bd380a11}'::uuid
'a0eebc99'::uuid
s.t::uuid
s.u::integer
s.i4::uuid
s.i4::date
s.dt::integer
s.dt::text
s.dt::timestamp
s.dt::timestamptz
s.dt::time
s.ts::date
s.ts::time
s.ts::text
s.ts::timestamptz
s.tz::date
s.tz::time
s.tz::timestamp
s.tz::text
s.tm::text
s.tm::timestamp
s.tm::interval
e.dt::timestamp
e.dt::text
e.inf_ts::date
e.inf_ts::timestamptz
e.inf_ts::text
e.inf_ts::time
s.j::jsonb
s.jb::json
s.j::text
s.jb::text
s.jb::integer
(s.jb -> 'k')::integer
(s.jb -> 'k')::numeric
(s.jb -> 'k')::boolean
(s.jb -> 'n')::integer
(s.jb -> 's')::text
(s.jb ->> 'k')::integer
(s.jb ->> 's')::integer
'{"a":1'::jsonb
'{"a":1,"a":2}'::jsonb
'{"a":1,"a":2}'::json
s.t::jsonb
e.digits::jsonb
'\x0001'::bytea
'abc'::bytea
'a\\b'::bytea
'a\b'::bytea
s.by::text
s.t::bytea
cast('12' as integer)
cast(s.i4 as text)
integer '7'
date '2024-02-30'
date '2024-02-29'
timestamp '2024-02-29 25:00'
bool 't'
double precision '1.5'
'a'::char(3)
'abc'::char(2)
'x'::"char"
'{1,2}'::integer[]
s.i4::oid
'3 days'::interval
s.t::interval
'now'::timestamp
'today'::date
1::text || 2
s.i4 || 'x'
s.i4 || s.t
s.i4 || s.i4
s.n || ''
s.b || ''
s.dt || ''
s.tz || ''
s.d || ''
s.jb || ''
s.u || ''
