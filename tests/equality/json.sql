s.jb -> 'a'
s.jb -> 'b'
s.jb -> 'b' -> 'c'
s.jb -> 'b' -> 'c' -> 0
s.jb -> 'b' -> 'c' -> -1
s.jb -> 'b' -> 'c' -> 9
s.jb -> 'b' -> 'c' ->> 1
s.jb -> 'b' -> 'c' ->> 2
s.jb -> 'b' -> 'c' ->> 4
s.jb ->> 'a'
s.jb ->> 'b'
s.jb ->> 's'
s.jb ->> 'n'
s.jb -> 'n'
s.jb ->> 'missing'
s.jb -> 'missing' -> 'x'
s.jb ->> 'n' is null
s.jb -> 'n' is null
s.jb -> s.nt
s.jb -> lower('A')
s.jb ->> s.v
s.arr -> 0
s.arr -> -1
s.arr ->> 1
s.arr ->> 3
s.arr -> s.ni
s.arr -> 'x'
s.arr -> '0'
s.jb -> 0
s.j -> 'a'
s.j ->> 'a'
s.j -> 'b' -> 'c' ->> 1
s.j -> 'b'
s.jb #> '{b,c,0}'
s.jb #>> '{b,c,1}'
s.jb #>> '{b,c,-1}'
s.jb #> '{b,x,0}'
s.jb #> '{}'
s.jb #>> '{n}'
s.j #> '{b,c}'
s.j #>> '{b,c,0}'
s.jb #> '{b,"c",0}'
s.jb #>> '{b,c,NULL}'
s.jb = '{"k": 100, "a": 1, "b": {"c": [10, "x", null, true, 1.5]}, "s": "tëxt", "n": null}'
s.jb = s.jb
s.jb <> '{}'
s.jb > '[]'
s.j = s.j
s.njb = '{}'
'{"a": 1.0}'::jsonb = '{"a": 1}'::jsonb
'{"a": 1, "b": 2}'::jsonb = '{"b": 2, "a": 1}'::jsonb
'[1,2]'::jsonb = '[2,1]'::jsonb
'1.10'::jsonb
'1e5'::jsonb
'1E-5'::jsonb
'-0'::jsonb
'-0.0'::jsonb
'123456789012345678901234567890'::jsonb
'"\u00e9"'::jsonb
'"\ud83d\ude00"'::jsonb
'"\u0000"'::jsonb
'"\u0000"'::json
'"a\/b"'::jsonb
'"tab\t"'::jsonb
'  {"b" : 1 , "a":[ ]}  '::jsonb
'{"bb": 1, "a": 2, "aaa": 3, "c": 4}'::jsonb
'{"": 1}'::jsonb
'nul'::jsonb
'[1,]'::jsonb
'{"a": 01}'::jsonb
'"a'::jsonb
'{"b": 1, "a": 2, "b": 3}'::json
s.jb || '{"z": 1}'
s.jb || '{"a": null}'
s.arr || '[1, 2]'
s.arr || '5'
'[1]'::jsonb || '2'::jsonb
'1'::jsonb || '2'::jsonb
'{"a":1}'::jsonb || '[1]'::jsonb
'[1]'::jsonb || '{"a":1}'::jsonb
'{"a":1}'::jsonb || '5'::jsonb
s.jb || s.njb
s.jb - 'a'
s.jb - 'missing'
s.arr - 0
s.arr - -1
s.arr - 99
s.arr - 'two'
s.jb - 0
'5'::jsonb - 'a'
s.jb #- '{b,c,0}'
s.jb #- '{b,c}'
s.jb #- '{x,y}'
s.jb @> '{"a": 1}'
s.jb @> '{"b": {"c": [10]}}'
s.jb @> '{"a": 2}'
s.jb @> '{}'
s.arr @> '[1, 3]'
s.arr @> '1'
s.arr @> '"two"'
s.arr @> '[[1]]'
s.arr @> '[{"x": []}]'
'[1, [2, 3]]'::jsonb @> '[[3]]'
'[1, 1]'::jsonb @> '[1, 1, 1]'
'"a"'::jsonb @> '"a"'
'{"a": [1,2]}'::jsonb @> '{"a": 1}'
'1.0'::jsonb @> '1'
'{"a": 1}' <@ s.jb
s.jb <@ s.jb
s.jb ? 'a'
s.jb ? 'zz'
s.arr ? 'two'
s.arr ? '1'
'"foo"'::jsonb ? 'foo'
s.jb ?| array['a', 'zz']
s.jb ?& array['a', 'b']
s.jb ?& array['a', 'zz']
jsonb_typeof(s.jb)
jsonb_typeof(s.jb -> 'a')
jsonb_typeof(s.jb -> 'n')
jsonb_typeof(s.jb -> 's')
jsonb_typeof(s.arr)
jsonb_typeof('true')
jsonb_typeof(s.njb)
json_typeof(s.j)
json_typeof(s.j -> 'a')
jsonb_array_length(s.arr)
jsonb_array_length('[]')
jsonb_array_length(s.jb)
jsonb_array_length('5')
json_array_length(s.j -> 'b' -> 'c')
json_array_length(s.j)
jsonb_build_object('a', 1, 'b', 'x', 'c', null)
jsonb_build_object('a', s.n, 'b', s.tz, 'c', s.b, 'd', s.jb, 'e', s.d)
jsonb_build_object('a')
jsonb_build_object(null, 1)
jsonb_build_object()
jsonb_build_object('b', 1, 'a', 2, 'b', 3)
jsonb_build_object(1, 2)
jsonb_build_array(1, 'x', null, s.n, s.b, s.arr)
jsonb_build_array()
json_build_object('a', 1, 'b', 'x')
json_build_object('z', s.jb, 'a', s.j)
json_build_object('a', 1, 'a', 2)
json_build_array(1, 'x', null, 2.50)
json_build_array(s.ts, s.dt, s.u)
to_jsonb(s.n)
to_jsonb(s.t)
to_jsonb(s.tz)
to_jsonb(s.b)
to_jsonb(s.jb)
to_jsonb(s.nt)
to_jsonb(e.nan)
to_jsonb(e.esc)
to_jsonb(s.d)
to_jsonb('x'::text)
to_json(s.t)
to_json(s.n)
to_json(s.j)
to_json(e.quoted)
row_to_json(s)
jsonb_set(s.jb, '{a}', '5')
jsonb_set(s.jb, '{b,c,0}', '"new"')
jsonb_set(s.jb, '{b,c,-1}', 'null')
jsonb_set(s.jb, '{new}', '1')
jsonb_set(s.jb, '{new}', '1', false)
jsonb_set(s.jb, '{x,y}', '1')
jsonb_set(s.jb, '{b,c,99}', '1')
jsonb_set(s.jb, '{b,c,x}', '1')
jsonb_set('5', '{a}', '1')
jsonb_set(s.jb, '{}', '1')
jsonb_set(s.jb, null, '1')
jsonb_set(s.arr, '{1}', '{"z":1}')
jsonb_insert('[0,1,2]', '{1}', '9')
jsonb_insert('{"a":1}', '{b}', '2')
jsonb_strip_nulls(s.jb)
jsonb_strip_nulls('{"a":null,"b":[null,{"c":null}]}')
json_strip_nulls('{"a":null, "b": 1}')
jsonb_pretty('{"a":[1,{"b":2}],"c":{}}')
jsonb_extract_path(s.jb, 'b', 'c')
jsonb_extract_path_text(s.jb, 'b', 'c', '1')
json_extract_path_text(s.j, 'b', 'c', '1')
jsonb_path_exists(s.jb, '$.a')
jsonb_object_keys(s.jb)
(s.jb ->> 'k')::numeric * 2
(s.jb ->> 'a')::integer + 1
coalesce(s.jb ->> 'missing', 'none')
(s.jb -> 'b' -> 'c' ->> 4)::numeric
s.jb ->> 'k' > '5'
(s.jb ->> 'k')::integer > 5
s.jb -> 'k' > '5'
s.jb['a']
s.jb['b']['c'][0]
jsonb_build_object('when', s.dt, 'for', interval '1 day', 'id', s.u, 'bytes', s.by)
'{"a":1}'::json ->> 'a'
'[1,2,3]'::json -> 1
'[1,2,3]'::json ->> -1
'{"a":{"b":[1,{"c":"d"}]}}'::jsonb #>> '{a,b,1,c}'
'{"1": 5, "a": {"0": 7}}'::jsonb #> '{1}'
'{"1": 5, "a": {"0": 7}}'::jsonb #>> '{a,0}'
'{"1": 5}'::jsonb -> '1'
'{"1": 5}'::jsonb -> 1
'5'::jsonb -> 0
'5'::json -> 0
'5'::jsonb #> '{0}'
'"x"'::jsonb ->> 0
s.jb #>> array['b', 'c', '1']
s.jb #> '{b,c}' -> 1
s.jb['b']['c'][1]
s.j['a']
