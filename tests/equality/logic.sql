true and null
false and null
true or null
null or false
not null::boolean
s.nb is null
s.nb is true
s.nb is not true
s.nb is false
s.nb is unknown
s.nb is not unknown
s.b is true
s.b and s.nb
s.b or s.nb
s.b = s.nb
s.b > false
s.b = 't'
s.b = 'yes'
s.b::integer + 1
s.b + 1
s.i4 and true
null is null
null = null
s.ni = s.ni
s.ni is null
s.ni is not null
s.ni isnull
s.i4 notnull
s.ni is distinct from null
s.ni is not distinct from null
s.i4 is distinct from s.ni
s.i4 is distinct from -42
s.i4 is distinct from -42.0
1 is distinct from 1.0
s.n is distinct from 12.5
e.nan is distinct from e.nan
s.t is distinct from 'x'
s.jb is distinct from s.jb
s.i4 between -50 and 0
s.i4 between 0 and -50
s.i4 between symmetric 0 and -50
s.i4 not between -50 and 0
s.i4 not between symmetric 0 and -50
s.i4 between s.ni and 0
s.n between 12.5 and 12.50
s.t between 'A' and 'Z'
s.i4 in (1, -42, 3)
s.i4 in (1, null)
s.i4 not in (1, null)
s.i4 in (-42, null)
s.i4 in (-42.0, 1)
s.n in (12.5)
s.i2 in (7, 100000)
s.t in ('a', 'Hello, Wörld')
s.ni in (1)
s.i4 in ('1', '-42')
s.i4 in ('x')
s.i4 = any (array[1, -42])
s.i4 = any ('{1,-42}')
s.i4 <> all (array[1, 2])
s.i4 > all (array[-100, -50])
s.i4 > any (array[-100, 50])
s.i4 = any (array[]::integer[])
s.i4 in (select i from m)
s.i4 not in (select i from m)
7 in (select i from m)
exists (select 1 from m where m.i > s.i2)
exists (select 1 from m where m.i = s.i2)
(select max(i) from m)
(select i from m where id = 1)
(select i from m where id = 99)
(select i from m)
s.i4 = -42
s.i4 = -42.0
s.i4 = '-42'
s.i4 = 'x'
s.i4 = s.t
s.i4 < s.i8
s.i4 < s.n
s.i4 < s.d
s.n = s.d
s.n82 = 3.14
s.n82 = 3.140
s.n82 = s.d
s.d = 0.1
s.d = '0.1'
s.i8 = 9000000000
s.i8 = 9e9
e.i8 = 9223372036854775807
e.i8 = 9223372036854775808
e.i8 = 9223372036854775807.0
e.i8 < 9223372036854775807.5
e.i8::double precision = e.i8
e.i8 = 9223372036854775808::double precision
s.i2 = 70000
s.i2 = 7.0
s.i2 > 6.9999999999999999999
s.t = 'Hello, Wörld'
s.t <> 'x'
s.t != 'x'
s.v = 'Ab c'
s.v = s.t
'a' < 'b'
'a' = 'a '
'a'::text = 'a '::varchar
s.u = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
s.u = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'
s.u = 'x'
s.u = s.t
s.u < 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
s.by = '\x00ff10'
s.by < '\x01'
s.by || '\x01'
row(1, 2) = row(1, 2)
(1, 2) < (1, 3)
(s.i4, s.t) in ((1, 'a'))
s.t = 1
s.b = 1
num_nulls(s.ni, s.i4, null)
num_nonnulls(s.ni, s.i4)
pg_typeof(s.n)
version() is not null
current_user = session_user
exists (select 1 from m where t is null)
not exists (select 1 from m where id > 100)
s.i4 = (select count(*) from m)
case when exists (select 1 from m) then 'some' else 'none' end
array[1, 2]
array_length(array[1, 2], 1)
cardinality(array[1])
xmlelement(name a)
to_tsvector('a b') @@ to_tsquery('a')
-- which operator binds first
'a' || 1 + 2
1 + 2 || 'a'
s.jb -> 'b' ->> 'c' || 'x'
s.jb ->> 'a' = '1'
s.jb -> 'k' ->> 0 like '1%'
not s.b = false
s.i4 = -42 is true
7 - 2 - 1
2 * 3 % 4
-2 ^ 2
2 ^ 3 ^ 2
2 * 3 ^ 2
- s.i4 % 5
1 - -1
- 2147483648
-2147483648::integer
- 9223372036854775808
-1::smallint
-1.5::integer
s.b and not s.b or s.b
s.b or s.b and not s.b
s.t like 'H' || '%'
s.t ~ 'h' || 'e' or true
s.i4 between -50 and 0 and true
s.i4 between 1 and 2 or true
5 in (5) = true
s.i4 < 0 = true
not s.i4 in (1, 2)
not s.i4 between 1 and 2
not s.t like 'x'
not s.b is null
s.b is not null = true
s.i4 + 1 > s.i2 * 2
s.i4::text || 'x'
s.dt + 1 > s.dt
s.jb @> '{"a": 1}' and true
s.jb ? 'a' = true
not s.jb ? 'a'
s.jb - 'a' ? 'a'
s.jb || '{"z": 1}' ? 'z'
5 & 3 | 8
5 & 3 = 1
1 | 2 + 4
s.ts at time zone 'UTC' > s.tz
s.ts + interval '1 day' at time zone 'UTC'
s.ts::date + 1
s.t collate "C" || 'x' collate "C"
case when s.b then 1 end + 1
s.i4 is distinct from s.ni and true
s.i4 is distinct from 1 + 1
interval '1 day' * 2 + interval '1 hour'
