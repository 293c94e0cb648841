-- Every routine that Pando defines, over boundaries of its types.
(-9223372036854775808) # 255::bigint
null::bigint # 255::bigint
(-9223372036854775808) # (-9223372036854775808)
9223372036854775807 # 9223372036854775807
9223372036854775807 # 0::bigint
null::bigint # (-9223372036854775808)
3 # (-2147483648)
1 # 1
2147483647 # 7
-1 # 12
-3 # -1
100 # 7
0 # null::integer
1 # 12
(-32768)::smallint # (-32768)::smallint
(-32768)::smallint # 32767::smallint
32767::smallint # 0::smallint
0::smallint # (-32768)::smallint
32767::smallint # (-32768)::smallint
'{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb #- '{b,c}'
'[]'::jsonb #- '{c,d,0}'
'[1, "a", null, {"a": 1}]'::jsonb #- '{b,c}'
'{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb #- '{0}'
'{}'::jsonb #- '{c,d,0}'
'"a"'::jsonb #- '{zz}'
'null'::jsonb #- '{b,c}'
'[1, "a", null, {"a": 1}]'::jsonb #- '{c,d,0}'
'"x"'::json #> '{zz}'
'{"a":{"b":[null,{"c":null}]}, "a": 2}'::json #> '{-1}'
'[1, [2], null]'::json #> '{zz}'
'"x"'::json #> '{a,NULL}'
'"x"'::json #> '{0}'
'[1, [2], null]'::json #> '{}'
'[1, [2], null]'::json #> '{c,d,0}'
'"a"'::jsonb #> '{0}'
'{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb #> '{b,c}'
'5'::jsonb #> '{-1}'
'{}'::jsonb #> '{a}'
'5'::jsonb #> '{zz}'
null::jsonb #> '{a,NULL}'
'[]'::jsonb #> '{c,d,0}'
null::jsonb #> '{a}'
'"x"'::json #>> '{zz}'
'"x"'::json #>> '{}'
'{"a": 1, "b": null}'::json #>> '{0}'
'"x"'::json #>> '{c,d,0}'
'{"a": 1, "b": null}'::json #>> '{a,NULL}'
'{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb #>> '{}'
'{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb #>> '{c,d,0}'
null::jsonb #>> '{}'
'[]'::jsonb #>> '{a}'
'[1, "a", null, {"a": 1}]'::jsonb #>> '{0}'
'null'::jsonb #>> '{c,d,0}'
'{}'::jsonb #>> '{a,NULL}'
'[]'::jsonb #>> '{b,c}'
0::bigint & 0::bigint
255::bigint & 255::bigint
(-9223372036854775808) & 0::bigint
9223372036854775807 & 0::bigint
(-9223372036854775808) & (-9223372036854775808)
255::bigint & 9223372036854775807
null::bigint & 0::bigint
2 & 2147483647
-3 & -1
2024 & 2147483647
0 & 12
2147483647 & 3
null::integer & 1
2024 & 3
2147483647 & -3
7::smallint & (-32768)::smallint
7::smallint & 7::smallint
7::smallint & 32767::smallint
32767::smallint & (-32768)::smallint
0::smallint & 0::smallint
(-32768)::smallint & 32767::smallint
1e-300::float8 * interval '0'
-0.0::float8 * interval '-1 mon -1 day -1 hour'
0.1::float8 * interval '-1 mon -1 day -1 hour'
'Infinity'::float8 * interval '-1 day 02:03:04.000005'
1e300::float8 * interval '-1 day 02:03:04.000005'
1e300::float8 * interval '2147483647 days'
1e300::float8 * interval '-1 mon -1 day -1 hour'
interval '5 years 7 mons' * -0.0::float8
interval '1 mon' * 0.1::float8
interval '-1 mon -1 day -1 hour' * 1234567.891::float8
interval '-1 day 02:03:04.000005' * 1234567.891::float8
interval '-1 day 02:03:04.000005' * '-Infinity'::float8
interval '0' * 0.1::float8
interval '1 year -3 mons 40 days -25:00:00.5' * '-Infinity'::float8
interval '-1 mon -1 day -1 hour' * 1.5::float8
date '2023-03-31' + 100
date '2023-03-31' + 2024
date '2000-01-01' + 2024
date '0044-03-15 BC' + -1
date '0044-03-15 BC' + 0
date '0044-03-15 BC' + (-2147483648)
null::date + 12
date '5874897-12-31' + interval '2147483647 days'
date '9999-12-31' + interval '1 year -3 mons 40 days -25:00:00.5'
date '0001-01-01' + interval '0.1 sec'
date '0044-03-15 BC' + interval '1 mon'
date '2024-02-29' + interval '-1 day 02:03:04.000005'
date '0001-01-01' + interval '1 year -3 mons 40 days -25:00:00.5'
date '2023-03-31' + interval '0'
date '1999-12-31' + interval '1 mon'
date 'infinity' + time '23:59:59.999999'
date '5874897-12-31' + time '24:00'
date 'infinity' + time '12:34:56.789'
date '0044-03-15 BC' + time '00:00'
date '9999-12-31' + time '12:34:56.789'
date '5874897-12-31' + time '12:34:56.789'
date '0001-01-01' + time '23:59:59.999999'
2147483647 + date '0044-03-15 BC'
2147483647 + date '0001-01-01'
0 + null::date
12 + date '0044-03-15 BC'
(-2147483648) + date '2024-02-29'
-1 + date '0044-03-15 BC'
100 + date '5874897-12-31'
interval '-1 day 02:03:04.000005' + date '0001-01-01'
interval '1 mon' + date '9999-12-31'
interval '0.1 sec' + date '0001-01-01'
interval '0.1 sec' + null::date
interval '1 mon' + date '1999-12-31'
interval '0' + date 'infinity'
interval '1 mon' + date '2000-01-01'
interval '0.1 sec' + interval '2147483647 days'
interval '0.1 sec' + interval '1 mon'
interval '-1 day 02:03:04.000005' + interval '2147483647 days'
interval '-1 mon -1 day -1 hour' + interval '5 years 7 mons'
interval '0.1 sec' + interval '5 years 7 mons'
interval '0.1 sec' + interval '0'
interval '178956970 years' + interval '2147483647 days'
interval '0.1 sec' + interval '0.1 sec'
interval '2147483647 days' + time '23:59:59.999999'
interval '0.1 sec' + time '24:00'
interval '0.1 sec' + time '23:59:59.999999'
interval '35 days 27 hours' + time '00:00'
interval '35 days 27 hours' + time '12:34:56.789'
interval '-1 mon -1 day -1 hour' + time '00:00'
interval '0' + time '12:34:56.789'
interval '-1 day 02:03:04.000005' + timestamp '0044-03-15 12:00 BC'
interval '178956970 years' + timestamp '2000-01-01'
interval '1 year -3 mons 40 days -25:00:00.5' + timestamp '2024-12-31 00:00:00'
interval '1 year -3 mons 40 days -25:00:00.5' + timestamp '-infinity'
interval '1 year -3 mons 40 days -25:00:00.5' + timestamp '4713-01-01 00:00 BC'
interval '0' + timestamp '2000-01-01'
interval '35 days 27 hours' + timestamp '4713-01-01 00:00 BC'
interval '1 year -3 mons 40 days -25:00:00.5' + timestamp '0044-03-15 12:00 BC'
interval '1 year -3 mons 40 days -25:00:00.5' + timestamptz '2024-02-29 12:00+00'
interval '35 days 27 hours' + timestamptz '0099-05-05 01:02:03 BC'
interval '35 days 27 hours' + timestamptz '1999-12-31 23:59:59.5+00'
interval '35 days 27 hours' + timestamptz '2000-01-01 00:00+02'
interval '-1 mon -1 day -1 hour' + timestamptz '1999-12-31 23:59:59.5+00'
interval '-1 day 02:03:04.000005' + timestamptz '2024-02-29 12:00+00'
interval '-1 mon -1 day -1 hour' + timestamptz '2024-03-31 00:59:59+00'
interval '-1 mon -1 day -1 hour' + timestamptz '0099-05-05 01:02:03 BC'
time '12:34:56.789' + null::date
time '00:00' + date '2023-03-31'
time '24:00' + date '0001-01-01'
time '00:00' + date '2000-01-01'
time '23:59:59.999999' + date '2000-01-01'
time '00:00' + date 'infinity'
time '24:00' + date '2024-02-29'
time '23:59:59.999999' + interval '178956970 years'
time '23:59:59.999999' + interval '35 days 27 hours'
time '24:00' + interval '35 days 27 hours'
time '23:59:59.999999' + interval '0.1 sec'
time '12:34:56.789' + interval '-1 mon -1 day -1 hour'
time '00:00' + interval '178956970 years'
time '00:00' + interval '1 year -3 mons 40 days -25:00:00.5'
time '12:34:56.789' + interval '-1 day 02:03:04.000005'
timestamp '-infinity' + interval '1 mon'
timestamp '2000-01-01' + interval '178956970 years'
timestamp '2000-01-01' + interval '5 years 7 mons'
timestamp '0044-03-15 12:00 BC' + interval '-1 day 02:03:04.000005'
timestamp '-infinity' + interval '-1 day 02:03:04.000005'
timestamp '4713-01-01 00:00 BC' + interval '1 mon'
timestamp '2024-12-31 00:00:00' + interval '0.1 sec'
timestamp '2023-01-31 10:00' + interval '178956970 years'
timestamptz '0099-05-05 01:02:03 BC' + interval '1 year -3 mons 40 days -25:00:00.5'
timestamptz '2024-03-31 00:59:59+00' + interval '0.1 sec'
timestamptz '2024-02-29 12:00+00' + interval '0'
timestamptz '2024-03-31 00:59:59+00' + interval '1 year -3 mons 40 days -25:00:00.5'
timestamptz '1999-12-31 23:59:59.5+00' + interval '1 mon'
timestamptz '2000-01-01 00:00+02' + interval '0'
timestamptz '1999-12-31 23:59:59.5+00' + interval '178956970 years'
timestamptz '0099-05-05 01:02:03 BC' + interval '0'
date 'infinity' - null::date
date '0001-01-01' - date '0044-03-15 BC'
date 'infinity' - date '9999-12-31'
date '2024-02-29' - date 'infinity'
date '2024-02-29' - date '2024-02-29'
date '2024-02-29' - date '0001-01-01'
date '0001-01-01' - date '1999-12-31'
date '0001-01-01' - null::date
date '1999-12-31' - 100
date '2000-01-01' - null::integer
date '2023-03-31' - null::integer
null::date - 2147483647
date '2023-03-31' - 2147483647
date 'infinity' - 2024
date '1999-12-31' - 2
date '9999-12-31' - 2
date '0044-03-15 BC' - interval '35 days 27 hours'
date '9999-12-31' - interval '1 mon'
date '0044-03-15 BC' - interval '1 mon'
date '2000-01-01' - interval '178956970 years'
date '2023-03-31' - interval '1 year -3 mons 40 days -25:00:00.5'
date '2024-02-29' - interval '-1 day 02:03:04.000005'
date '2023-03-31' - interval '0.1 sec'
date 'infinity' - interval '5 years 7 mons'
- interval '0'
- interval '178956970 years'
- interval '1 mon'
- interval '2147483647 days'
- interval '1 year -3 mons 40 days -25:00:00.5'
interval '-1 mon -1 day -1 hour' - interval '-1 mon -1 day -1 hour'
interval '0.1 sec' - interval '-1 mon -1 day -1 hour'
interval '0' - interval '1 mon'
interval '178956970 years' - interval '0'
interval '-1 mon -1 day -1 hour' - interval '1 year -3 mons 40 days -25:00:00.5'
interval '1 mon' - interval '-1 mon -1 day -1 hour'
interval '35 days 27 hours' - interval '-1 day 02:03:04.000005'
interval '2147483647 days' - interval '178956970 years'
null::jsonb - null::integer
'"a"'::jsonb - 2
null::jsonb - 12
'{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb - 1
'{}'::jsonb - 1
'5'::jsonb - 7
'{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb - 7
'{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb - 3
'{}'::jsonb - 'year'
'"a"'::jsonb - 'a'
null::jsonb - 'hex'
'5'::jsonb - 'year'
'null'::jsonb - 'hex'
'[]'::jsonb - 'UTC'
'[[1]]'::jsonb - 'Hello, Wörld'
'{}'::jsonb - 'UTC'
time '23:59:59.999999' - interval '1 mon'
time '12:34:56.789' - interval '0.1 sec'
time '23:59:59.999999' - interval '0.1 sec'
time '00:00' - interval '5 years 7 mons'
time '23:59:59.999999' - interval '-1 day 02:03:04.000005'
time '00:00' - interval '1 mon'
time '23:59:59.999999' - interval '-1 mon -1 day -1 hour'
time '00:00' - interval '35 days 27 hours'
time '12:34:56.789' - time '00:00'
time '00:00' - time '23:59:59.999999'
time '12:34:56.789' - time '24:00'
time '00:00' - time '12:34:56.789'
time '00:00' - time '00:00'
time '24:00' - time '00:00'
time '24:00' - time '23:59:59.999999'
timestamp '0044-03-15 12:00 BC' - interval '0'
timestamp '4713-01-01 00:00 BC' - interval '2147483647 days'
timestamp '2023-01-31 10:00' - interval '-1 day 02:03:04.000005'
timestamp '4713-01-01 00:00 BC' - interval '178956970 years'
timestamp '2024-02-29 23:59:59.999999' - interval '5 years 7 mons'
timestamp '0044-03-15 12:00 BC' - interval '-1 day 02:03:04.000005'
timestamp '1969-07-20 20:17:40.5' - interval '-1 mon -1 day -1 hour'
timestamp '-infinity' - interval '178956970 years'
timestamp '1969-07-20 20:17:40.5' - timestamp '2024-02-29 23:59:59.999999'
timestamp '4713-01-01 00:00 BC' - timestamp '2024-02-29 23:59:59.999999'
timestamp '4713-01-01 00:00 BC' - timestamp '-infinity'
timestamp '2000-01-01' - timestamp '0044-03-15 12:00 BC'
timestamp '0001-01-01' - timestamp '-infinity'
timestamp '4713-01-01 00:00 BC' - timestamp '4713-01-01 00:00 BC'
timestamp '4713-01-01 00:00 BC' - timestamp '2000-01-01'
timestamptz '0099-05-05 01:02:03 BC' - interval '0'
timestamptz '1999-12-31 23:59:59.5+00' - interval '-1 day 02:03:04.000005'
timestamptz 'infinity' - interval '1 mon'
timestamptz '1999-12-31 23:59:59.5+00' - interval '2147483647 days'
timestamptz '2024-03-31 00:59:59+00' - interval '0.1 sec'
timestamptz 'infinity' - interval '178956970 years'
timestamptz 'infinity' - interval '0'
timestamptz '2000-01-01 00:00+02' - interval '-1 day 02:03:04.000005'
timestamptz '0099-05-05 01:02:03 BC' - timestamptz '2024-03-31 00:59:59+00'
timestamptz '2000-01-01 00:00+02' - timestamptz '2024-02-29 12:00+00'
timestamptz '0099-05-05 01:02:03 BC' - timestamptz '1999-12-31 23:59:59.5+00'
timestamptz '1999-12-31 23:59:59.5+00' - timestamptz '2000-01-01 00:00+02'
timestamptz '0099-05-05 01:02:03 BC' - timestamptz '2024-02-29 12:00+00'
timestamptz '2024-03-31 00:59:59+00' - timestamptz '2024-02-29 12:00+00'
interval '2147483647 days' / 0.1::float8
interval '35 days 27 hours' / 0.0::float8
interval '1 year -3 mons 40 days -25:00:00.5' / 0.0::float8
interval '2147483647 days' / 1234567.891::float8
interval '2147483647 days' / '-Infinity'::float8
interval '178956970 years' / -2.5::float8
interval '35 days 27 hours' / 'Infinity'::float8
'[1, "a", null, {"a": 1}]'::jsonb <@ '[]'::jsonb
'{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb <@ '[]'::jsonb
'[]'::jsonb <@ 'null'::jsonb
'[1, "a", null, {"a": 1}]'::jsonb <@ '"a"'::jsonb
'{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb <@ '{}'::jsonb
'{}'::jsonb <@ '[]'::jsonb
'[1, "a", null, {"a": 1}]'::jsonb <@ 'null'::jsonb
'null'::jsonb <@ '[1, "a", null, {"a": 1}]'::jsonb
'[]'::jsonb ? 'aXbXc'
'{}'::jsonb ? ''
'{}'::jsonb ? 'a'
'{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb ? 'year'
'{}'::jsonb ? 'year'
'5'::jsonb ? '  pad '
'{}'::jsonb ? 'aXbXc'
null::jsonb ? 'ÄÖ☕𝄞x'
'"a"'::jsonb ?& '{a,NULL}'
'null'::jsonb ?& '{a}'
'null'::jsonb ?& '{0}'
'[1, "a", null, {"a": 1}]'::jsonb ?& '{a}'
'null'::jsonb ?& '{b,c}'
'5'::jsonb ?& '{-1}'
'[[1]]'::jsonb ?& '{a}'
null::jsonb ?& '{c,d,0}'
'5'::jsonb ?| '{b,c}'
'null'::jsonb ?| '{a,NULL}'
'{}'::jsonb ?| '{-1}'
'null'::jsonb ?| '{0}'
'{}'::jsonb ?| '{b,c}'
null::jsonb ?| '{zz}'
'[1, "a", null, {"a": 1}]'::jsonb ?| '{c,d,0}'
'5'::jsonb @> '[1, "a", null, {"a": 1}]'::jsonb
'"a"'::jsonb @> null::jsonb
'[[1]]'::jsonb @> null::jsonb
'"a"'::jsonb @> '[[1]]'::jsonb
'[]'::jsonb @> '[[1]]'::jsonb
'null'::jsonb @> '5'::jsonb
null::jsonb @> '"a"'::jsonb
'"a"'::jsonb @> '[1, "a", null, {"a": 1}]'::jsonb
-2.5::float8 ^ 'Infinity'::float8
3::float8 ^ 1.5::float8
'Infinity'::float8 ^ 1e300::float8
'Infinity'::float8 ^ 1e-300::float8
-0.0::float8 ^ 1e300::float8
0.0::float8 ^ '-Infinity'::float8
'-Infinity'::float8 ^ '-Infinity'::float8
3::float8 ^ 1e300::float8
'aXbXc' ^@ '%_\\'
'ÄÖ☕𝄞x' ^@ 'hex'
'' ^@ '12'
'%_\\' ^@ null::text
'ÄÖ☕𝄞x' ^@ 'Hello, Wörld'
'year' ^@ 'X'
'X' ^@ 'year'
'hex' ^@ '  pad '
0::bigint | (-9223372036854775808)
9223372036854775807 | 255::bigint
255::bigint | 255::bigint
255::bigint | (-9223372036854775808)
0::bigint | 9223372036854775807
0::bigint | 255::bigint
255::bigint | null::bigint
255::bigint | 0::bigint
1 | 7
2147483647 | 100
100 | 2
12 | 1
2 | -1
-1 | 2147483647
null::integer | 1
2024 | 2024
32767::smallint | 0::smallint
0::smallint | 0::smallint
7::smallint | 7::smallint
0::smallint | (-32768)::smallint
7::smallint | (-32768)::smallint
(-32768)::smallint | 7::smallint
'\x5c27'::bytea || '\x616263'::bytea
'\x00ff80'::bytea || '\x'::bytea
'\x'::bytea || '\x616263'::bytea
'\x616263'::bytea || '\x00ff80'::bytea
'\x5c27'::bytea || '\x00ff80'::bytea
'{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb || '{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb
'"a"'::jsonb || '[[1]]'::jsonb
'null'::jsonb || '[1, "a", null, {"a": 1}]'::jsonb
'{}'::jsonb || '"a"'::jsonb
'null'::jsonb || '[]'::jsonb
'{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb || '[]'::jsonb
age(timestamp '2023-01-31 10:00', timestamp '0044-03-15 12:00 BC')
age(timestamp '2024-02-29 23:59:59.999999', timestamp '-infinity')
age(timestamp '0001-01-01', timestamp '2000-01-01')
age(timestamp '0044-03-15 12:00 BC', timestamp '4713-01-01 00:00 BC')
age(timestamp '0044-03-15 12:00 BC', timestamp '-infinity')
age(timestamp '0044-03-15 12:00 BC', timestamp '0044-03-15 12:00 BC')
age(timestamp '4713-01-01 00:00 BC', timestamp '0044-03-15 12:00 BC')
age(timestamp '-infinity', timestamp '-infinity')
age(timestamptz '2024-03-31 00:59:59+00', timestamptz '0099-05-05 01:02:03 BC')
age(timestamptz 'infinity', timestamptz '0099-05-05 01:02:03 BC')
age(timestamptz '2000-01-01 00:00+02', timestamptz '2000-01-01 00:00+02')
age(timestamptz 'infinity', timestamptz 'infinity')
age(timestamptz '2024-02-29 12:00+00', timestamptz '2024-03-31 00:59:59+00')
age(timestamptz '0099-05-05 01:02:03 BC', timestamptz '2000-01-01 00:00+02')
age(timestamptz 'infinity', timestamptz '2024-03-31 00:59:59+00')
age(timestamptz '2000-01-01 00:00+02', timestamptz '2024-03-31 00:59:59+00')
ascii(null::text)
ascii('Hello, Wörld')
ascii('aXbXc')
ascii('')
ascii('UTC')
ascii('12')
bit_length('\x616263'::bytea)
bit_length('\x'::bytea)
bit_length('\x00ff80'::bytea)
bit_length('\x5c27'::bytea)
bit_length('year')
bit_length('UTC')
bit_length('aXbXc')
bit_length('ÄÖ☕𝄞x')
bit_length('12')
bit_length('Hello, Wörld')
bit_length('a')
bit_length('')
btrim('%_\\', 'a')
btrim('ÄÖ☕𝄞x', 'aXbXc')
btrim('a', 'X')
btrim('hex', '  pad ')
btrim('aXbXc', 'ÄÖ☕𝄞x')
btrim('hex', '%_\\')
btrim('hex', 'aXbXc')
btrim('a', '')
chr(2024)
chr(100)
chr(2)
chr(-3)
chr(2147483647)
concat('  pad ', timestamp '4713-01-01 00:00 BC', '-Infinity'::float8, 9223372036854775807)
concat('ÄÖ☕𝄞x', -2.5::float8, '%_\\', date '2024-02-29')
concat('{"a":{"b":[null,{"c":null}]}, "a": 2}'::json)
concat((-9223372036854775808))
concat(interval '2147483647 days', 'X')
concat(99999999999999999999, 0.0::float8, null::bigint, '-Infinity'::numeric, timestamp '2024-12-31 00:00:00')
concat(255::bigint)
concat(0.0, 123456789.987654321, '')
concat('{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb, timestamp '0001-01-01', 'X', '  pad ', '5'::jsonb)
concat(0, date '2000-01-01')
concat_ws('hex', 1e300::float8, '"x"'::json, (-9223372036854775808), -0.0::float8)
concat_ws('Hello, Wörld', date 'infinity', null::integer, 'a', '{"a":{"b":[null,{"c":null}]}, "a": 2}'::json)
concat_ws('UTC', '{"a": 1, "b": null}'::json, 7, timestamp '-infinity')
concat_ws('ÄÖ☕𝄞x', '[[1]]'::jsonb, 'NaN'::numeric)
concat_ws('ÄÖ☕𝄞x', '5'::json, '5'::json, timestamp '0044-03-15 12:00 BC', 'year')
concat_ws('  pad ', 1e-300::float8, interval '0.1 sec', 100, 9223372036854775807, '-Infinity'::float8)
concat_ws('year', '%_\\')
concat_ws('X', time '00:00', 'Infinity'::numeric, 100, 3::float8)
date_part('hour', date '2000-01-01')
date_part('decade', date '5874897-12-31')
date_part('day', date '1999-12-31')
date_part('hour', date '2023-03-31')
date_part('doy', null::date)
date_part('second', date '1999-12-31')
date_part('minute', date '2023-03-31')
date_part('isodow', date '5874897-12-31')
date_part('timezone_minute', date '1999-12-31')
date_part('julian', date '2000-01-01')
date_part('century', date 'infinity')
date_part('decade', date '9999-12-31')
date_part('decade', date 'infinity')
date_part('milliseconds', null::date)
date_part('microseconds', date '0044-03-15 BC')
date_part('microseconds', date '1999-12-31')
date_part('minute', date 'infinity')
date_part('isoyear', date '1999-12-31')
date_part('millennium', date '2000-01-01')
date_part('week', date 'infinity')
date_part('microseconds', date '0001-01-01')
date_part('epoch', date '1999-12-31')
date_part('timezone_hour', date '2000-01-01')
date_part('timezone_hour', null::date)
date_part('month', interval '-1 day 02:03:04.000005')
date_part('year', interval '2147483647 days')
date_part('microseconds', interval '2147483647 days')
date_part('quarter', interval '1 mon')
date_part('century', interval '0')
date_part('hour', interval '1 mon')
date_part('milliseconds', interval '5 years 7 mons')
date_part('isoyear', interval '0')
date_part('day', interval '-1 mon -1 day -1 hour')
date_part('epoch', interval '1 year -3 mons 40 days -25:00:00.5')
date_part('isodow', interval '5 years 7 mons')
date_part('decade', interval '1 mon')
date_part('hour', interval '5 years 7 mons')
date_part('nonsense', interval '5 years 7 mons')
date_part('quarter', interval '0')
date_part('month', interval '-1 mon -1 day -1 hour')
date_part('millennium', interval '1 year -3 mons 40 days -25:00:00.5')
date_part('month', interval '0')
date_part('timezone', interval '0')
date_part('year', interval '-1 mon -1 day -1 hour')
date_part('dow', interval '-1 mon -1 day -1 hour')
date_part('second', interval '5 years 7 mons')
date_part('century', interval '-1 day 02:03:04.000005')
date_part('milliseconds', interval '1 mon')
date_part('doy', time '12:34:56.789')
date_part('day', time '12:34:56.789')
date_part('hour', time '12:34:56.789')
date_part('timezone_minute', time '23:59:59.999999')
date_part('timezone_hour', time '00:00')
date_part('timezone_hour', time '23:59:59.999999')
date_part('week', time '24:00')
date_part('dow', time '24:00')
date_part('timezone_minute', time '24:00')
date_part('dow', time '00:00')
date_part('century', time '24:00')
date_part('dow', time '12:34:56.789')
date_part('year', time '24:00')
date_part('week', time '12:34:56.789')
date_part('milliseconds', time '00:00')
date_part('dow', time '23:59:59.999999')
date_part('isoyear', time '24:00')
date_part('isodow', time '23:59:59.999999')
date_part('minute', time '00:00')
date_part('month', time '23:59:59.999999')
date_part('timezone_hour', time '12:34:56.789')
date_part('day', time '24:00')
date_part('epoch', timestamp '1969-07-20 20:17:40.5')
date_part('minute', timestamp '2024-12-31 00:00:00')
date_part('century', timestamp '1969-07-20 20:17:40.5')
date_part('day', timestamp '2000-01-01')
date_part('week', timestamp '4713-01-01 00:00 BC')
date_part('milliseconds', timestamp '-infinity')
date_part('minute', timestamp '2024-02-29 23:59:59.999999')
date_part('doy', timestamp '2024-12-31 00:00:00')
date_part('month', timestamp '2023-01-31 10:00')
date_part('day', timestamp '1969-07-20 20:17:40.5')
date_part('timezone_hour', timestamp '0044-03-15 12:00 BC')
date_part('timezone', timestamp '2023-01-31 10:00')
date_part('timezone', timestamp '0044-03-15 12:00 BC')
date_part('doy', timestamp '1969-07-20 20:17:40.5')
date_part('isoyear', timestamp '0044-03-15 12:00 BC')
date_part('week', timestamp '2024-12-31 00:00:00')
date_part('hour', timestamp '1969-07-20 20:17:40.5')
date_part('microseconds', timestamp '0044-03-15 12:00 BC')
date_part('month', timestamp '0001-01-01')
date_part('timezone_minute', timestamp '2024-02-29 23:59:59.999999')
date_part('timezone_minute', timestamp '2024-12-31 00:00:00')
date_part('hour', timestamp '2023-01-31 10:00')
date_part('timezone', timestamptz 'infinity')
date_part('julian', timestamptz '2024-02-29 12:00+00')
date_part('century', timestamptz '2024-02-29 12:00+00')
date_part('dow', timestamptz '1999-12-31 23:59:59.5+00')
date_part('isoyear', timestamptz '2000-01-01 00:00+02')
date_part('dow', timestamptz 'infinity')
date_part('timezone_minute', timestamptz '1999-12-31 23:59:59.5+00')
date_part('isodow', timestamptz '0099-05-05 01:02:03 BC')
date_part('isodow', timestamptz '2000-01-01 00:00+02')
date_part('year', timestamptz '2024-03-31 00:59:59+00')
date_part('doy', timestamptz 'infinity')
date_part('hour', timestamptz '2024-03-31 00:59:59+00')
date_part('minute', timestamptz '1999-12-31 23:59:59.5+00')
date_part('day', timestamptz 'infinity')
date_part('epoch', timestamptz '0099-05-05 01:02:03 BC')
date_part('timezone_minute', timestamptz '2024-03-31 00:59:59+00')
date_part('month', timestamptz '2024-02-29 12:00+00')
date_part('minute', timestamptz '2024-03-31 00:59:59+00')
date_part('millennium', timestamptz '2024-02-29 12:00+00')
date_part('epoch', timestamptz '2024-03-31 00:59:59+00')
date_trunc('month', interval '0.1 sec')
date_trunc('week', interval '1 year -3 mons 40 days -25:00:00.5')
date_trunc('year', interval '-1 day 02:03:04.000005')
date_trunc('timezone', interval '-1 day 02:03:04.000005')
date_trunc('milliseconds', interval '1 year -3 mons 40 days -25:00:00.5')
date_trunc('doy', interval '178956970 years')
date_trunc('second', interval '0')
date_trunc('day', interval '-1 mon -1 day -1 hour')
date_trunc('timezone', interval '178956970 years')
date_trunc('second', interval '-1 mon -1 day -1 hour')
date_trunc('isodow', interval '1 year -3 mons 40 days -25:00:00.5')
date_trunc('decade', interval '0.1 sec')
date_trunc('doy', interval '0')
date_trunc('isoyear', interval '178956970 years')
date_trunc('timezone', interval '0.1 sec')
date_trunc('microseconds', interval '-1 mon -1 day -1 hour')
date_trunc('quarter', interval '1 mon')
date_trunc('timezone_hour', interval '178956970 years')
date_trunc('timezone_minute', interval '-1 mon -1 day -1 hour')
date_trunc('decade', interval '-1 day 02:03:04.000005')
date_trunc('epoch', interval '1 mon')
date_trunc('timezone_hour', timestamp '2024-12-31 00:00:00')
date_trunc('isodow', timestamp '0001-01-01')
date_trunc('epoch', timestamp '2000-01-01')
date_trunc('decade', timestamp '0001-01-01')
date_trunc('timezone_hour', timestamp '2023-01-31 10:00')
date_trunc('quarter', timestamp '-infinity')
date_trunc('week', timestamp '2024-12-31 00:00:00')
date_trunc('isoyear', timestamp '1969-07-20 20:17:40.5')
date_trunc('quarter', timestamp '2024-12-31 00:00:00')
date_trunc('day', timestamp '4713-01-01 00:00 BC')
date_trunc('microseconds', timestamp '1969-07-20 20:17:40.5')
date_trunc('timezone', timestamp '2024-02-29 23:59:59.999999')
date_trunc('century', timestamp '0001-01-01')
date_trunc('decade', timestamp '-infinity')
date_trunc('year', timestamp '2024-02-29 23:59:59.999999')
date_trunc('century', timestamp '2023-01-31 10:00')
date_trunc('dow', timestamp '0001-01-01')
date_trunc('quarter', timestamp '2024-02-29 23:59:59.999999')
date_trunc('minute', timestamp '4713-01-01 00:00 BC')
date_trunc('microseconds', timestamp '2024-02-29 23:59:59.999999')
date_trunc('year', timestamp '2024-12-31 00:00:00')
date_trunc('century', timestamp '2000-01-01')
date_trunc('epoch', timestamptz '1999-12-31 23:59:59.5+00')
date_trunc('julian', timestamptz '2000-01-01 00:00+02')
date_trunc('dow', timestamptz '0099-05-05 01:02:03 BC')
date_trunc('century', timestamptz '0099-05-05 01:02:03 BC')
date_trunc('minute', timestamptz '2000-01-01 00:00+02')
date_trunc('quarter', timestamptz '0099-05-05 01:02:03 BC')
date_trunc('doy', timestamptz '2000-01-01 00:00+02')
date_trunc('minute', timestamptz '2024-03-31 00:59:59+00')
date_trunc('microseconds', timestamptz '2024-02-29 12:00+00')
date_trunc('minute', timestamptz 'infinity')
date_trunc('hour', timestamptz '2024-03-31 00:59:59+00')
date_trunc('timezone_hour', timestamptz '2000-01-01 00:00+02')
date_trunc('timezone_minute', timestamptz '1999-12-31 23:59:59.5+00')
date_trunc('week', timestamptz '1999-12-31 23:59:59.5+00')
date_trunc('year', timestamptz '2024-03-31 00:59:59+00')
date_trunc('timezone_hour', timestamptz '0099-05-05 01:02:03 BC')
date_trunc('isodow', timestamptz '0099-05-05 01:02:03 BC')
date_trunc('epoch', timestamptz '2024-02-29 12:00+00')
date_trunc('second', timestamptz '2024-03-31 00:59:59+00')
date_trunc('month', timestamptz '2024-03-31 00:59:59+00')
date_trunc('julian', timestamptz '2024-03-31 00:59:59+00')
date_trunc('week', timestamptz '2000-01-01 00:00+02')
date_trunc('microseconds', timestamptz '2000-01-01 00:00+02', 'UTC')
date_trunc('hour', timestamptz '2024-03-31 00:59:59+00', '+03')
date_trunc('julian', timestamptz '2024-02-29 12:00+00', 'Europe/Berlin')
date_trunc('minute', timestamptz 'infinity', 'Europe/Berlin')
date_trunc('epoch', timestamptz '0099-05-05 01:02:03 BC', 'Nowhere')
date_trunc('epoch', timestamptz '2024-02-29 12:00+00', 'Nowhere')
date_trunc('dow', timestamptz '0099-05-05 01:02:03 BC', 'Europe/Berlin')
date_trunc('epoch', timestamptz '1999-12-31 23:59:59.5+00', 'UTC')
date_trunc('century', timestamptz '2024-02-29 12:00+00', 'UTC')
date_trunc('doy', timestamptz '2024-02-29 12:00+00', '+03')
date_trunc('year', timestamptz 'infinity', 'Asia/Kathmandu')
date_trunc('dow', timestamptz '2024-02-29 12:00+00', 'EST')
date_trunc('day', timestamptz '2024-02-29 12:00+00', 'Nowhere')
date_trunc('isodow', timestamptz '2000-01-01 00:00+02', 'Europe/Berlin')
date_trunc('hour', timestamptz '1999-12-31 23:59:59.5+00', 'Europe/Berlin')
date_trunc('timezone_hour', timestamptz '2024-03-31 00:59:59+00', 'UTC')
date_trunc('millennium', timestamptz '2024-02-29 12:00+00', 'Nowhere')
date_trunc('decade', timestamptz '2024-02-29 12:00+00', 'UTC')
date_trunc('decade', timestamptz '2024-02-29 12:00+00', '+03')
date_trunc('timezone_minute', timestamptz 'infinity', 'Nowhere')
date_trunc('epoch', timestamptz '1999-12-31 23:59:59.5+00', 'America/New_York')
date_trunc('timezone_hour', timestamptz '2000-01-01 00:00+02', 'UTC')
date_trunc('epoch', timestamptz '2024-03-31 00:59:59+00', 'Europe/Berlin')
date_trunc('decade', timestamptz '2000-01-01 00:00+02', 'Asia/Kathmandu')
date_trunc('milliseconds', timestamptz '2000-01-01 00:00+02', 'Nowhere')
decode('ÄÖ☕𝄞x', 'hex')
decode('aXbXc', 'base64')
decode(null::text, 'hex')
decode('aXbXc', 'escape')
decode('UTC', 'escape')
decode('X', 'base64')
decode('12', 'escape')
decode('UTC', 'hex')
div(0.0, 'Infinity'::numeric)
div(123456789.987654321, -0.05)
div(1e-20, 123456789.987654321)
div('Infinity'::numeric, -0.05)
div(-0.05, 1.50)
div(-0.05, -1.5)
div(-1.5, 0.0)
div(0.0, 1.50)
encode('\x'::bytea, 'escape')
encode('\x00ff80'::bytea, 'base64')
encode('\x00ff80'::bytea, 'escape')
encode('\x'::bytea, 'hex')
extract(isoyear from date '9999-12-31')
extract(milliseconds from date '0001-01-01')
extract(timezone_minute from date '2000-01-01')
extract(nonsense from date '2023-03-31')
extract(hour from date '1999-12-31')
extract(milliseconds from date '1999-12-31')
extract(hour from date '2024-02-29')
extract(month from date '2000-01-01')
extract(timezone_hour from date 'infinity')
extract(doy from date '2000-01-01')
extract(minute from date '2000-01-01')
extract(timezone_hour from date '1999-12-31')
extract(century from date '9999-12-31')
extract(millennium from date '2023-03-31')
extract(decade from date '2024-02-29')
extract(quarter from date 'infinity')
extract(century from date '2024-02-29')
extract(nonsense from date '9999-12-31')
extract(millennium from date '5874897-12-31')
extract(epoch from null::date)
extract(century from date '5874897-12-31')
extract(year from date '2023-03-31')
extract(epoch from date '2000-01-01')
extract(quarter from null::date)
extract(nonsense from interval '1 mon')
extract(julian from interval '5 years 7 mons')
extract(milliseconds from interval '-1 day 02:03:04.000005')
extract(isoyear from interval '178956970 years')
extract(second from interval '35 days 27 hours')
extract(year from interval '0.1 sec')
extract(milliseconds from interval '178956970 years')
extract(month from interval '1 mon')
extract(quarter from interval '2147483647 days')
extract(hour from interval '2147483647 days')
extract(nonsense from interval '1 year -3 mons 40 days -25:00:00.5')
extract(doy from interval '5 years 7 mons')
extract(quarter from interval '0.1 sec')
extract(decade from interval '5 years 7 mons')
extract(second from interval '178956970 years')
extract(milliseconds from interval '0')
extract(doy from interval '1 year -3 mons 40 days -25:00:00.5')
extract(hour from interval '-1 day 02:03:04.000005')
extract(doy from interval '0.1 sec')
extract(hour from interval '-1 mon -1 day -1 hour')
extract(quarter from interval '-1 day 02:03:04.000005')
extract(week from interval '35 days 27 hours')
extract(day from interval '35 days 27 hours')
extract(timezone_hour from interval '1 mon')
extract(quarter from interval '0')
extract(century from time '24:00')
extract(dow from time '23:59:59.999999')
extract(week from time '23:59:59.999999')
extract(isodow from time '23:59:59.999999')
extract(julian from time '00:00')
extract(quarter from time '24:00')
extract(epoch from time '23:59:59.999999')
extract(isodow from time '24:00')
extract(second from time '12:34:56.789')
extract(isoyear from time '23:59:59.999999')
extract(minute from time '24:00')
extract(decade from time '24:00')
extract(nonsense from time '23:59:59.999999')
extract(minute from time '23:59:59.999999')
extract(millennium from time '24:00')
extract(second from time '23:59:59.999999')
extract(millennium from time '23:59:59.999999')
extract(decade from time '00:00')
extract(second from time '00:00')
extract(milliseconds from time '12:34:56.789')
extract(dow from timestamp '-infinity')
extract(milliseconds from timestamp '2000-01-01')
extract(timezone_hour from timestamp '2000-01-01')
extract(decade from timestamp '0044-03-15 12:00 BC')
extract(week from timestamp '4713-01-01 00:00 BC')
extract(month from timestamp '2024-02-29 23:59:59.999999')
extract(week from timestamp '2023-01-31 10:00')
extract(nonsense from timestamp '0044-03-15 12:00 BC')
extract(epoch from timestamp '-infinity')
extract(isodow from timestamp '2024-02-29 23:59:59.999999')
extract(minute from timestamp '-infinity')
extract(timezone from timestamp '2023-01-31 10:00')
extract(year from timestamp '0044-03-15 12:00 BC')
extract(dow from timestamp '2023-01-31 10:00')
extract(microseconds from timestamp '0044-03-15 12:00 BC')
extract(timezone_minute from timestamp '1969-07-20 20:17:40.5')
extract(isodow from timestamp '2023-01-31 10:00')
extract(millennium from timestamp '-infinity')
extract(dow from timestamp '0044-03-15 12:00 BC')
extract(week from timestamp '1969-07-20 20:17:40.5')
extract(decade from timestamp '2023-01-31 10:00')
extract(doy from timestamp '4713-01-01 00:00 BC')
extract(year from timestamp '2023-01-31 10:00')
extract(epoch from timestamptz '2024-02-29 12:00+00')
extract(timezone_minute from timestamptz '2000-01-01 00:00+02')
extract(timezone_hour from timestamptz '1999-12-31 23:59:59.5+00')
extract(year from timestamptz 'infinity')
extract(doy from timestamptz '2024-03-31 00:59:59+00')
extract(month from timestamptz '1999-12-31 23:59:59.5+00')
extract(julian from timestamptz '2000-01-01 00:00+02')
extract(second from timestamptz '2024-02-29 12:00+00')
extract(milliseconds from timestamptz '0099-05-05 01:02:03 BC')
extract(quarter from timestamptz '2024-03-31 00:59:59+00')
extract(isoyear from timestamptz 'infinity')
extract(nonsense from timestamptz 'infinity')
extract(epoch from timestamptz '2024-03-31 00:59:59+00')
extract(epoch from timestamptz '1999-12-31 23:59:59.5+00')
extract(dow from timestamptz '2024-02-29 12:00+00')
extract(isodow from timestamptz '2000-01-01 00:00+02')
extract(week from timestamptz '0099-05-05 01:02:03 BC')
extract(hour from timestamptz '2024-02-29 12:00+00')
extract(timezone from timestamptz '1999-12-31 23:59:59.5+00')
extract(timezone_hour from timestamptz '2024-03-31 00:59:59+00')
extract(decade from timestamptz '1999-12-31 23:59:59.5+00')
extract(week from timestamptz 'infinity')
gcd(0::bigint, 0::bigint)
gcd(0::bigint, 255::bigint)
gcd(255::bigint, (-9223372036854775808))
gcd(null::bigint, (-9223372036854775808))
gcd(0::bigint, 9223372036854775807)
gcd((-9223372036854775808), 255::bigint)
gcd(null::bigint, 9223372036854775807)
gcd(255::bigint, 255::bigint)
gcd(2, -1)
gcd(-1, 12)
gcd(1, 12)
gcd(12, null::integer)
gcd(2, 100)
gcd(null::integer, 2147483647)
gcd(2024, 2)
gcd(-1, -3)
initcap('year')
initcap('hex')
initcap('aXbXc')
initcap('12')
initcap('%_\\')
initcap('X')
initcap('Hello, Wörld')
isfinite(null::date)
isfinite(date '9999-12-31')
isfinite(date '1999-12-31')
isfinite(date 'infinity')
isfinite(date '2023-03-31')
isfinite(date '0044-03-15 BC')
isfinite(date '2024-02-29')
isfinite(interval '178956970 years')
isfinite(interval '-1 mon -1 day -1 hour')
isfinite(interval '0')
isfinite(interval '2147483647 days')
isfinite(interval '35 days 27 hours')
isfinite(interval '5 years 7 mons')
isfinite(interval '-1 day 02:03:04.000005')
isfinite(timestamp '2024-12-31 00:00:00')
isfinite(timestamp '1969-07-20 20:17:40.5')
isfinite(timestamp '-infinity')
isfinite(timestamp '2023-01-31 10:00')
isfinite(timestamp '2024-02-29 23:59:59.999999')
isfinite(timestamp '2000-01-01')
isfinite(timestamp '0001-01-01')
isfinite(timestamptz '2024-02-29 12:00+00')
isfinite(timestamptz '0099-05-05 01:02:03 BC')
isfinite(timestamptz '2024-03-31 00:59:59+00')
isfinite(timestamptz '2000-01-01 00:00+02')
isfinite(timestamptz '1999-12-31 23:59:59.5+00')
json_array_length('{"a":{"b":[null,{"c":null}]}, "a": 2}'::json)
json_array_length('{"a": 1, "b": null}'::json)
json_array_length('[1, [2], null]'::json)
json_array_length('"x"'::json)
json_array_length('5'::json)
json_build_array()
json_build_array('"x"'::json, date '5874897-12-31', 2147483647, timestamp '2024-12-31 00:00:00')
json_build_array('5'::json, 'UTC', timestamptz 'infinity', '\x5c27'::bytea, '\x616263'::bytea)
json_build_array('5'::json, timestamp '0001-01-01', '{}'::jsonb, 123456789.987654321, 12)
json_build_array(interval '1 mon', 7::smallint, date '0001-01-01', 'year')
json_build_array(timestamptz 'infinity', '\x'::bytea, 1, time '24:00')
json_build_array(255::bigint)
json_build_array(32767::smallint, '5'::jsonb, 3, date '2000-01-01')
json_build_array(time '24:00', '12', date '0044-03-15 BC', date '2024-02-29')
json_build_array(interval '-1 day 02:03:04.000005', date '1999-12-31')
json_build_array(date 'infinity', 2147483647)
json_build_object()
json_build_object(timestamp '0044-03-15 12:00 BC', '[[1]]'::jsonb, interval '35 days 27 hours', '', 100)
json_build_object(date '2024-02-29', interval '-1 day 02:03:04.000005', time '12:34:56.789')
json_build_object(timestamptz 'infinity', -1.5, '{}'::jsonb, date '2024-02-29')
json_build_object(3::float8, 0.1::float8, timestamptz '0099-05-05 01:02:03 BC')
json_build_object(null::integer)
json_build_object(timestamp '0001-01-01', timestamptz '2024-03-31 00:59:59+00', '  pad ')
json_build_object(timestamp '2024-12-31 00:00:00')
json_build_object(timestamptz '2024-02-29 12:00+00')
json_build_object('{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb, 'hex', date '2023-03-31')
json_build_object(date '1999-12-31', interval '0.1 sec', '\x616263'::bytea, -3)
json_extract_path('[1, [2], null]'::json, 'UTC')
json_extract_path('[1, [2], null]'::json, 'ÄÖ☕𝄞x', 'a', 'year', 'ÄÖ☕𝄞x')
json_extract_path('"x"'::json, 'hex', 'X', 'X')
json_extract_path('5'::json, 'aXbXc', 'ÄÖ☕𝄞x')
json_extract_path('5'::json, 'X', '', '%_\\', '%_\\')
json_extract_path('"x"'::json, 'aXbXc', 'ÄÖ☕𝄞x', 'X')
json_extract_path('{"a":{"b":[null,{"c":null}]}, "a": 2}'::json, 'ÄÖ☕𝄞x', '  pad ', 'year')
json_extract_path('{"a": 1, "b": null}'::json, 'ÄÖ☕𝄞x', '  pad ', 'ÄÖ☕𝄞x', 'UTC')
json_extract_path_text('[1, [2], null]'::json, null::text, 'year', 'a')
json_extract_path_text('"x"'::json, 'UTC')
json_extract_path_text('"x"'::json, 'X', null::text, '', 'aXbXc', '%_\\')
json_extract_path_text('{"a": 1, "b": null}'::json, '')
json_extract_path_text('"x"'::json, null::text, 'hex')
json_extract_path_text('{"a":{"b":[null,{"c":null}]}, "a": 2}'::json, 'X')
json_extract_path_text('"x"'::json, null::text, 'Hello, Wörld', 'year', 'year', 'UTC')
json_extract_path_text('{"a": 1, "b": null}'::json, '  pad ', '', 'year', 'year', '12')
json_strip_nulls('[1, [2], null]'::json)
json_strip_nulls('{"a": 1, "b": null}'::json)
json_strip_nulls('"x"'::json)
json_strip_nulls('5'::json)
json_typeof('{"a":{"b":[null,{"c":null}]}, "a": 2}'::json)
json_typeof('5'::json)
json_typeof('[1, [2], null]'::json)
json_typeof('"x"'::json)
json_typeof('{"a": 1, "b": null}'::json)
jsonb_array_length('{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb)
jsonb_array_length('[[1]]'::jsonb)
jsonb_array_length(null::jsonb)
jsonb_array_length('[1, "a", null, {"a": 1}]'::jsonb)
jsonb_array_length('null'::jsonb)
jsonb_build_array()
jsonb_build_array(timestamp '0044-03-15 12:00 BC', timestamp '1969-07-20 20:17:40.5', timestamptz '1999-12-31 23:59:59.5+00', 7)
jsonb_build_array('{"a": 1, "b": null}'::json, '-Infinity'::float8, time '23:59:59.999999', 0)
jsonb_build_array(timestamptz '2024-03-31 00:59:59+00')
jsonb_build_array(7::smallint, '\x616263'::bytea, 7, timestamp '4713-01-01 00:00 BC')
jsonb_build_array(3::float8)
jsonb_build_array('a')
jsonb_build_array('null'::jsonb)
jsonb_build_array(7::smallint)
jsonb_build_array(2)
jsonb_build_array('Hello, Wörld', 0.0, interval '178956970 years', time '12:34:56.789')
jsonb_build_object()
jsonb_build_object(true, interval '-1 mon -1 day -1 hour')
jsonb_build_object('aXbXc', 0.0::float8)
jsonb_build_object(interval '-1 mon -1 day -1 hour', interval '5 years 7 mons')
jsonb_build_object(-1.5)
jsonb_build_object(interval '1 year -3 mons 40 days -25:00:00.5', date 'infinity', false, timestamptz 'infinity', '\x00ff80'::bytea)
jsonb_build_object('aXbXc', interval '0', '%_\\')
jsonb_build_object('12')
jsonb_build_object('\x00ff80'::bytea)
jsonb_build_object('year', 1e300::float8, 1e-20, 1e-20, interval '-1 mon -1 day -1 hour')
jsonb_build_object(2147483647, '[[1]]'::jsonb, '"a"'::jsonb, date '1999-12-31', timestamp '-infinity')
jsonb_extract_path('[]'::jsonb, 'ÄÖ☕𝄞x')
jsonb_extract_path('[[1]]'::jsonb, '12', 'year', 'Hello, Wörld', 'Hello, Wörld', 'hex')
jsonb_extract_path('[]'::jsonb, 'year')
jsonb_extract_path('null'::jsonb, '12', 'aXbXc')
jsonb_extract_path('{}'::jsonb, 'hex', 'hex', null::text, 'ÄÖ☕𝄞x')
jsonb_extract_path('{}'::jsonb, '', null::text, 'year')
jsonb_extract_path('[]'::jsonb, null::text, 'UTC', '', 'Hello, Wörld', null::text)
jsonb_extract_path('null'::jsonb, '  pad ', 'aXbXc', 'aXbXc')
jsonb_extract_path_text('"a"'::jsonb, 'hex', '12', '%_\\', 'UTC')
jsonb_extract_path_text('[]'::jsonb, '%_\\')
jsonb_extract_path_text('null'::jsonb, 'Hello, Wörld', null::text, 'hex')
jsonb_extract_path_text('{}'::jsonb, 'Hello, Wörld')
jsonb_extract_path_text('5'::jsonb, '%_\\', 'hex', 'hex', 'X', 'year')
jsonb_extract_path_text('[]'::jsonb, 'X', 'a', 'X', 'X')
jsonb_extract_path_text('null'::jsonb, '  pad ', 'hex', 'hex', 'UTC')
jsonb_extract_path_text('{}'::jsonb, null::text, '')
jsonb_insert('null'::jsonb, '{b,c}', '"a"'::jsonb)
jsonb_insert('{}'::jsonb, '{a}', 'null'::jsonb)
jsonb_insert('[[1]]'::jsonb, '{}', null::jsonb)
jsonb_insert('[]'::jsonb, '{}', '"a"'::jsonb)
jsonb_insert('null'::jsonb, '{-1}', null::jsonb)
jsonb_insert('[]'::jsonb, '{b,c}', null::jsonb)
jsonb_insert('"a"'::jsonb, '{0}', '"a"'::jsonb)
jsonb_insert('"a"'::jsonb, '{}', '5'::jsonb)
jsonb_insert('{}'::jsonb, '{a,NULL}', '[]'::jsonb, false)
jsonb_insert(null::jsonb, '{c,d,0}', '"a"'::jsonb, true)
jsonb_insert('[[1]]'::jsonb, '{a,NULL}', '[1, "a", null, {"a": 1}]'::jsonb, false)
jsonb_insert('[[1]]'::jsonb, '{}', '5'::jsonb, false)
jsonb_insert('{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb, '{a,NULL}', '{}'::jsonb, true)
jsonb_insert('[1, "a", null, {"a": 1}]'::jsonb, '{a}', '"a"'::jsonb, false)
jsonb_insert('"a"'::jsonb, '{-1}', '{}'::jsonb, false)
jsonb_insert('[1, "a", null, {"a": 1}]'::jsonb, '{b,c}', '5'::jsonb, false)
jsonb_pretty('{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb)
jsonb_pretty('[]'::jsonb)
jsonb_pretty('"a"'::jsonb)
jsonb_pretty('5'::jsonb)
jsonb_pretty('null'::jsonb)
jsonb_pretty('[1, "a", null, {"a": 1}]'::jsonb)
jsonb_pretty(null::jsonb)
jsonb_set('[]'::jsonb, '{b,c}', '[[1]]'::jsonb)
jsonb_set('[1, "a", null, {"a": 1}]'::jsonb, '{zz}', '[1, "a", null, {"a": 1}]'::jsonb)
jsonb_set('[1, "a", null, {"a": 1}]'::jsonb, '{-1}', '[]'::jsonb)
jsonb_set('"a"'::jsonb, '{}', null::jsonb)
jsonb_set('null'::jsonb, '{c,d,0}', '[[1]]'::jsonb)
jsonb_set('5'::jsonb, '{a,NULL}', '"a"'::jsonb)
jsonb_set('"a"'::jsonb, '{c,d,0}', '{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb)
jsonb_set('{}'::jsonb, '{a,NULL}', '{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb)
jsonb_set(null::jsonb, '{a}', '{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb, false)
jsonb_set(null::jsonb, '{b,c}', '{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb, true)
jsonb_set('5'::jsonb, '{a,NULL}', '{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb, true)
jsonb_set('{}'::jsonb, '{b,c}', '[1, "a", null, {"a": 1}]'::jsonb, false)
jsonb_set('[]'::jsonb, '{a,NULL}', '{}'::jsonb, false)
jsonb_set('[1, "a", null, {"a": 1}]'::jsonb, '{a,NULL}', '[[1]]'::jsonb, false)
jsonb_set('5'::jsonb, '{b,c}', '"a"'::jsonb, true)
jsonb_set('{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb, '{b,c}', '"a"'::jsonb, true)
jsonb_strip_nulls('5'::jsonb)
jsonb_strip_nulls('"a"'::jsonb)
jsonb_strip_nulls('[1, "a", null, {"a": 1}]'::jsonb)
jsonb_strip_nulls('[]'::jsonb)
jsonb_strip_nulls('[[1]]'::jsonb)
jsonb_strip_nulls('null'::jsonb)
jsonb_strip_nulls('{"a": 1, "b": null, "c": {"d": [1, 2]}}'::jsonb)
jsonb_typeof('[[1]]'::jsonb)
jsonb_typeof('[]'::jsonb)
jsonb_typeof('"a"'::jsonb)
jsonb_typeof('[1, "a", null, {"a": 1}]'::jsonb)
jsonb_typeof('5'::jsonb)
justify_days(interval '1 mon')
justify_days(interval '1 year -3 mons 40 days -25:00:00.5')
justify_days(interval '2147483647 days')
justify_days(interval '0.1 sec')
justify_days(interval '178956970 years')
justify_days(interval '35 days 27 hours')
justify_hours(interval '0')
justify_hours(interval '1 year -3 mons 40 days -25:00:00.5')
justify_hours(interval '1 mon')
justify_hours(interval '178956970 years')
justify_hours(interval '5 years 7 mons')
justify_hours(interval '-1 mon -1 day -1 hour')
justify_hours(interval '2147483647 days')
lcm(0::bigint, (-9223372036854775808))
lcm(255::bigint, 255::bigint)
lcm(0::bigint, 9223372036854775807)
lcm(null::bigint, 0::bigint)
lcm(9223372036854775807, null::bigint)
lcm(255::bigint, (-9223372036854775808))
lcm(9223372036854775807, (-9223372036854775808))
lcm(7, 3)
lcm(2, 2)
lcm(1, 7)
lcm(3, 7)
lcm(-1, 0)
lcm(2024, 3)
lcm(-1, null::integer)
lcm(0, 100)
left('hex', 2147483647)
left('ÄÖ☕𝄞x', 2147483647)
left('Hello, Wörld', 100)
left('', 12)
left('X', 3)
left('Hello, Wörld', -3)
left('aXbXc', 0)
left('aXbXc', 2)
length('\x616263'::bytea)
length('\x00ff80'::bytea)
length('\x'::bytea)
length('\x5c27'::bytea)
'aXb%' like 'hex' escape '%_\\'
'aXb%' like 'Hello, Wörld' escape '  pad '
'aXb%' like 'Hello, Wörld' escape null::text
'aXb%' like 'year' escape 'UTC'
'aXb%' like 'year' escape 'hex'
'aXb%' like '  pad ' escape null::text
'aXb%' like '%_\\' escape '  pad '
'aXb%' like '' escape 'a'
lpad('UTC', 2024)
lpad('X', 7)
lpad('UTC', 0)
lpad('X', 12)
lpad('ÄÖ☕𝄞x', -3)
lpad('%_\\', null::integer)
lpad('12', 1)
lpad('', 7)
lpad('hex', 100, 'Hello, Wörld')
lpad('year', 3, '  pad ')
lpad('Hello, Wörld', (-2147483648), 'ÄÖ☕𝄞x')
lpad('', -1, 'UTC')
lpad('ÄÖ☕𝄞x', (-2147483648), null::text)
lpad('', -3, 'X')
lpad('12', 2147483647, 'a')
lpad('a', -3, 'UTC')
ltrim('  pad ')
ltrim('ÄÖ☕𝄞x')
ltrim('hex')
ltrim('UTC')
ltrim('aXbXc')
ltrim(null::text)
ltrim('')
ltrim('%_\\')
ltrim('a')
ltrim('UTC', '12')
ltrim('12', 'X')
ltrim('', 'X')
ltrim('hex', 'X')
ltrim('Hello, Wörld', '')
ltrim('  pad ', 'a')
ltrim('  pad ', null::text)
ltrim('Hello, Wörld', 'Hello, Wörld')
make_date(1, 29, 29)
make_date(-44, 2024, 2024)
make_date(1, 2, 29)
make_date(2024, 23, 59)
make_date(23, 13, -44)
make_date(2, 13, 1)
make_date(31, 1, 12)
make_date(2024, 29, 1)
make_interval(-1, 0, null::integer, 7, 2024, 7, -0.0::float8)
make_interval(-3, 7, 2, -3, 2024, 7, -0.0::float8)
make_interval(-1, null::integer, -3, 2, 7, null::integer, 1234567.891::float8)
make_time(2024, 31, 0)
make_time(-44, 12, 0)
make_time(31, 0, 59.999999)
make_time(-44, 59, 0)
make_time(2, 12, 60.5)
make_time(0, 13, 0)
make_time(2024, 2024, 1.5)
make_time(29, 59, 1.5)
make_timestamp(29, 59, -44, 2024, 23, 0)
make_timestamp(29, 1, -44, 2024, 0, 59.999999)
make_timestamp(2024, 29, 1, 29, 31, 59.999999)
make_timestamp(1, 2024, 23, -44, 29, 0)
make_timestamp(13, 23, -44, 12, 13, 0)
make_timestamp(-44, 12, 29, 0, 23, 60)
make_timestamp(29, 2, 1, -44, 29, 60.5)
make_timestamp(23, 23, 2, 59, 0, 59.999999)
make_timestamptz(-44, 31, 13, -44, 29, 1.5)
make_timestamptz(13, 13, 29, 2024, 2, 60)
make_timestamptz(2, 2, -44, -44, 0, 1.5)
make_timestamptz(0, 2024, 31, 12, 2, 60)
make_timestamptz(-44, 31, 13, 29, 29, 59.999999)
make_timestamptz(29, 2024, 2024, 12, -44, 0)
make_timestamptz(23, 31, 13, 59, 2024, 1.5)
make_timestamptz(0, 13, 31, 1, -44, 59.999999)
make_timestamptz(59, 12, 0, 31, 59, 60, 'Europe/Berlin')
make_timestamptz(59, 2, 23, 23, 29, 1.5, 'UTC')
make_timestamptz(13, 29, 59, 59, 12, 60.5, 'Asia/Kathmandu')
make_timestamptz(1, 2024, 0, -44, 23, 0, 'EST')
make_timestamptz(0, 23, 12, 0, 29, 1.5, '+03')
make_timestamptz(1, 0, 13, 13, 29, 60, 'America/New_York')
make_timestamptz(31, 0, -44, -44, 23, 60.5, 'Nowhere')
make_timestamptz(31, 2024, 13, 0, 13, 60, 'Europe/Berlin')
md5('\x616263'::bytea)
md5('\x00ff80'::bytea)
md5('\x5c27'::bytea)
md5('\x'::bytea)
md5('  pad ')
md5('aXbXc')
md5('')
md5('%_\\')
md5(null::text)
md5('12')
md5('X')
min_scale(1e-20)
min_scale(99999999999999999999)
min_scale(-0.05)
min_scale('Infinity'::numeric)
min_scale(7)
min_scale('-Infinity'::numeric)
num_nonnulls('ÄÖ☕𝄞x', timestamp '0044-03-15 12:00 BC', timestamptz '0099-05-05 01:02:03 BC')
num_nonnulls(true, 'a', timestamptz '0099-05-05 01:02:03 BC')
num_nonnulls(date '0001-01-01')
num_nonnulls('hex', '-Infinity'::float8)
num_nonnulls(date '9999-12-31', 'Infinity'::float8, timestamptz '2000-01-01 00:00+02')
num_nonnulls(timestamp '2024-02-29 23:59:59.999999', 7, '\x'::bytea, 2024, 0.1::float8)
num_nonnulls('Infinity'::float8, 1234567.891::float8, '{"a": 1, "b": null}'::json, timestamp '2023-01-31 10:00')
num_nonnulls(99999999999999999999, interval '1 mon', date '0001-01-01', interval '2147483647 days', '[1, "a", null, {"a": 1}]'::jsonb)
num_nonnulls(2147483647)
num_nonnulls('NaN'::numeric, 0.0::float8, null::text)
num_nulls(date '2023-03-31', (-2147483648), 1)
num_nulls(interval '1 mon', 99999999999999999999, '5'::jsonb)
num_nulls('\x00ff80'::bytea, 0.1::float8, timestamp '4713-01-01 00:00 BC', 100, date '0001-01-01')
num_nulls('[1, "a", null, {"a": 1}]'::jsonb, date '2023-03-31', 0::smallint)
num_nulls('\x616263'::bytea, 2024, '-Infinity'::float8, null::integer, '12')
num_nulls(timestamp '-infinity', 0, 7, time '12:34:56.789', timestamp '4713-01-01 00:00 BC')
num_nulls(interval '1 mon')
num_nulls('a', '5'::json, '', 1e-20)
num_nulls('', 123456789.987654321, 1e-300::float8, '{}'::jsonb, 'hex')
num_nulls('a', timestamptz 'infinity', '  pad ', 12, (-2147483648))
octet_length('\x5c27'::bytea)
octet_length('\x616263'::bytea)
octet_length('\x00ff80'::bytea)
octet_length('\x'::bytea)
octet_length('a')
octet_length('Hello, Wörld')
octet_length('X')
octet_length('12')
octet_length(null::text)
octet_length('aXbXc')
octet_length('hex')
overlay('', 'year', 0)
overlay('year', 'hex', (-2147483648))
overlay('ÄÖ☕𝄞x', 'Hello, Wörld', 2024)
overlay('  pad ', 'ÄÖ☕𝄞x', 3)
overlay('Hello, Wörld', '', 3)
overlay('year', 'a', (-2147483648))
overlay('a', 'ÄÖ☕𝄞x', 2)
overlay('12', null::text, 7)
overlay('', '', 2, 7)
overlay(null::text, 'hex', 0, 100)
overlay('', null::text, 2, 2)
overlay('  pad ', '', -1, (-2147483648))
overlay('Hello, Wörld', 'ÄÖ☕𝄞x', 0, 100)
overlay('%_\\', 'aXbXc', (-2147483648), 3)
overlay('12', 'a', 2, null::integer)
overlay('aXbXc', 'year', 2024, (-2147483648))
pi()
position('aXbXc' in '  pad ')
position('aXbXc' in '%_\\')
position('12' in 'UTC')
position('hex' in '')
position('a' in '  pad ')
position('Hello, Wörld' in 'Hello, Wörld')
position('aXbXc' in 'ÄÖ☕𝄞x')
position('' in 'Hello, Wörld')
pow(1e-300::float8, '-Infinity'::float8)
pow(3::float8, 'Infinity'::float8)
pow(1.5::float8, 'Infinity'::float8)
pow(3::float8, '-Infinity'::float8)
pow('Infinity'::float8, '-Infinity'::float8)
pow(1234567.891::float8, 1.5::float8)
pow(1.5::float8, '-Infinity'::float8)
pow('Infinity'::float8, 3::float8)
power(1e300::float8, '-Infinity'::float8)
power(1e300::float8, 0.1::float8)
power(1e-300::float8, 'Infinity'::float8)
power(0.0::float8, 1e-300::float8)
power(1234567.891::float8, 0.0::float8)
power('Infinity'::float8, -2.5::float8)
power(1e300::float8, -2.5::float8)
quote_literal('a')
quote_literal('  pad ')
quote_literal('%_\\')
quote_literal('X')
quote_literal('hex')
quote_literal('Hello, Wörld')
quote_literal('12')
repeat('hex', 2)
repeat('Hello, Wörld', -3)
repeat('ÄÖ☕𝄞x', 2)
repeat('UTC', 7)
repeat('aXbXc', null::integer)
repeat(null::text, 2)
repeat('%_\\', 100)
repeat('X', 2)
replace('  pad ', '12', 'year')
replace('Hello, Wörld', 'UTC', '%_\\')
replace(null::text, '12', null::text)
replace('ÄÖ☕𝄞x', 'X', '  pad ')
replace('aXbXc', null::text, 'X')
replace('  pad ', 'Hello, Wörld', 'hex')
replace('a', 'year', 'X')
replace('a', 'X', '%_\\')
reverse('UTC')
reverse('hex')
reverse('aXbXc')
reverse('')
reverse('year')
reverse(null::text)
reverse('Hello, Wörld')
reverse('%_\\')
right('', 7)
right('UTC', 1)
right('UTC', -1)
right('hex', 2)
right('ÄÖ☕𝄞x', 2)
right('year', 1)
right('a', 2147483647)
right('ÄÖ☕𝄞x', 12)
rpad('X', 12)
rpad('%_\\', 2)
rpad('a', 2024)
rpad('%_\\', 1)
rpad('  pad ', 3)
rpad('Hello, Wörld', 2024)
rpad('aXbXc', 3)
rpad('ÄÖ☕𝄞x', 7)
rpad('12', 12, 'year')
rpad('year', -1, '%_\\')
rpad('Hello, Wörld', 0, 'ÄÖ☕𝄞x')
rpad('year', 12, 'year')
rpad('UTC', -3, 'aXbXc')
rpad('', null::integer, 'UTC')
rpad('UTC', 100, '  pad ')
rpad('aXbXc', -3, 'year')
rtrim('a')
rtrim('Hello, Wörld')
rtrim('%_\\')
rtrim(null::text)
rtrim('UTC')
rtrim('  pad ')
rtrim('year')
rtrim('', 'aXbXc')
rtrim('', null::text)
rtrim('Hello, Wörld', 'aXbXc')
rtrim('  pad ', 'hex')
rtrim('%_\\', 'Hello, Wörld')
rtrim('aXbXc', 'UTC')
rtrim('', 'X')
rtrim('%_\\', 'year')
scale(7)
scale(-1.5)
scale(-0.05)
scale(123456789.987654321)
scale('-Infinity'::numeric)
scale(99999999999999999999)
scale(1e-20)
scale('Infinity'::numeric)
sign(1234567.891::float8)
sign(-0.0::float8)
sign('Infinity'::float8)
sign(0.0::float8)
sign(1.5::float8)
sign(1e-300::float8)
sign(0.0)
sign(123456789.987654321)
sign(7)
sign(1.50)
sign('NaN'::numeric)
sign('Infinity'::numeric)
'aXb%' similar to 'UTC'
'aXb%' similar to 'aXbXc'
'aXb%' similar to null::text
'aXb%' similar to '  pad '
'aXb%' similar to '%_\\'
'aXb%' similar to 'X'
'aXb%' similar to 'a'
'aXb%' similar to 'ÄÖ☕𝄞x'
'aXb%' similar to 'aXbXc' escape '12'
'aXb%' similar to 'ÄÖ☕𝄞x' escape 'UTC'
'aXb%' similar to 'X' escape 'UTC'
'aXb%' similar to 'UTC' escape 'year'
'aXb%' similar to 'year' escape '12'
'aXb%' similar to 'X' escape ''
'aXb%' similar to 'year' escape 'UTC'
'aXb%' similar to '  pad ' escape 'aXbXc'
split_part('year', 'X', 12)
split_part('Hello, Wörld', '12', 12)
split_part('  pad ', '', 2024)
split_part('hex', 'X', 3)
split_part('Hello, Wörld', 'X', -1)
split_part('hex', 'year', 2)
split_part('X', '%_\\', 2)
split_part('', 'Hello, Wörld', -3)
sqrt('Infinity'::float8)
sqrt('-Infinity'::float8)
sqrt(1.5::float8)
sqrt(1e300::float8)
sqrt(1234567.891::float8)
sqrt(1e-300::float8)
sqrt(-2.5::float8)
sqrt(0.1::float8)
starts_with('year', '12')
starts_with('  pad ', 'UTC')
starts_with('  pad ', '')
starts_with('X', 'UTC')
starts_with('12', 'Hello, Wörld')
starts_with('year', 'ÄÖ☕𝄞x')
starts_with('UTC', '%_\\')
starts_with('Hello, Wörld', 'UTC')
strpos('Hello, Wörld', null::text)
strpos(null::text, '  pad ')
strpos('ÄÖ☕𝄞x', 'year')
strpos('a', 'X')
strpos('aXbXc', 'hex')
strpos('Hello, Wörld', 'year')
strpos('year', 'Hello, Wörld')
strpos(null::text, '12')
substr('hex', 7)
substr('  pad ', 1)
substr('UTC', 3)
substr('', -3)
substr('12', 2)
substr('', 0)
substr('%_\\', 3)
substr('UTC', 3, 100)
substr('a', -1, -3)
substr('12', 100, (-2147483648))
substr('ÄÖ☕𝄞x', 3, -1)
substr('X', 1, 0)
substr('', 100, 12)
substr('12', 1, 2024)
substr('UTC', -3, 2024)
substring(null::text, 3)
substring('a', null::integer)
substring('12', 7)
substring('12', 2)
substring('hex', 2147483647)
substring('ÄÖ☕𝄞x', 0)
substring('ÄÖ☕𝄞x', 1)
substring('year', 3)
substring('year', (-2147483648), 2024)
substring('year', 2024, 3)
substring('year', 2, 1)
substring('Hello, Wörld', 2024, 0)
substring('', 12, 7)
substring('Hello, Wörld', 3, -3)
substring('Hello, Wörld', null::integer, 2147483647)
substring('year', -1, 1)
timezone(interval '178956970 years', timestamp '2024-12-31 00:00:00')
timezone(interval '35 days 27 hours', timestamp '1969-07-20 20:17:40.5')
timezone(interval '-1 mon -1 day -1 hour', timestamp '2024-12-31 00:00:00')
timezone(interval '0', timestamp '2024-12-31 00:00:00')
timezone(interval '1 year -3 mons 40 days -25:00:00.5', timestamp '0001-01-01')
timezone(interval '-1 mon -1 day -1 hour', timestamp '-infinity')
timezone(interval '0', timestamp '2024-02-29 23:59:59.999999')
timezone(interval '1 mon', timestamp '2000-01-01')
timezone(interval '5 years 7 mons', timestamptz '2024-02-29 12:00+00')
timezone(interval '35 days 27 hours', timestamptz '2024-03-31 00:59:59+00')
timezone(interval '0', timestamptz 'infinity')
timezone(interval '35 days 27 hours', timestamptz 'infinity')
timezone(interval '1 year -3 mons 40 days -25:00:00.5', timestamptz '1999-12-31 23:59:59.5+00')
timezone(interval '5 years 7 mons', timestamptz '0099-05-05 01:02:03 BC')
timezone(interval '-1 day 02:03:04.000005', timestamptz '2000-01-01 00:00+02')
timezone(interval '0', timestamptz '2000-01-01 00:00+02')
timezone('Europe/Berlin', timestamp '4713-01-01 00:00 BC')
timezone('Nowhere', timestamp '2023-01-31 10:00')
timezone('UTC', timestamp '2024-02-29 23:59:59.999999')
timezone('Asia/Kathmandu', timestamp '4713-01-01 00:00 BC')
timezone('EST', timestamp '0044-03-15 12:00 BC')
timezone('Europe/Berlin', timestamp '2024-12-31 00:00:00')
timezone('Asia/Kathmandu', timestamp '0001-01-01')
timezone('EST', timestamptz '2000-01-01 00:00+02')
timezone('America/New_York', timestamptz '2024-03-31 00:59:59+00')
timezone('Nowhere', timestamptz '2024-03-31 00:59:59+00')
timezone('+03', timestamptz '2024-02-29 12:00+00')
timezone('EST', timestamptz '1999-12-31 23:59:59.5+00')
timezone('UTC', timestamptz 'infinity')
timezone('UTC', timestamptz '2024-02-29 12:00+00')
timezone('Asia/Kathmandu', timestamptz '2000-01-01 00:00+02')
to_char(timestamp '1969-07-20 20:17:40.5', 'HH12:MI:SS AM MS Y,YYY YYY YY Y')
to_char(timestamp '-infinity', 'YYYY-MM-DD HH24:MI:SS.US')
to_char(timestamp '4713-01-01 00:00 BC', 'Dy Mon DY MON D W')
to_char(timestamp '2024-12-31 00:00:00', 'Dy Mon DY MON D W')
to_char(timestamp '0044-03-15 12:00 BC', 'HH12:MI:SS AM MS Y,YYY YYY YY Y')
to_char(timestamp '2000-01-01', 'Dy Mon DY MON D W')
to_char(timestamp '4713-01-01 00:00 BC', 'HH12:MI:SS AM MS Y,YYY YYY YY Y')
to_char(timestamp '0001-01-01', 'FMDay FMMonth DDth YYYY BC')
to_char(timestamp '2023-01-31 10:00', 'Dy Mon DY MON D W')
to_char(timestamp '2000-01-01', 'YYYY-MM-DD HH24:MI:SS.US')
to_char(timestamp '-infinity', 'Dy Mon DY MON D W')
to_char(timestamp '2023-01-31 10:00', 'IYYY-IW-ID DDD Q WW CC J')
to_char(timestamp '4713-01-01 00:00 BC', 'FMDay FMMonth DDth YYYY BC')
to_char(timestamp '-infinity', 'IYYY-IW-ID DDD Q WW CC J')
to_char(timestamp '0001-01-01', 'YYYY-MM-DD HH24:MI:SS.US')
to_char(timestamp '0044-03-15 12:00 BC', 'FMDay FMMonth DDth YYYY BC')
to_char(timestamp '4713-01-01 00:00 BC', 'YYYY-MM-DD HH24:MI:SS.US')
to_char(timestamp '1969-07-20 20:17:40.5', 'Dy Mon DY MON D W')
to_char(timestamptz '2000-01-01 00:00+02', 'FMDay FMMonth DDth YYYY BC')
to_char(timestamptz '2000-01-01 00:00+02', 'Dy Mon DY MON D W')
to_char(timestamptz '2024-02-29 12:00+00', 'YYYY-MM-DD HH24:MI:SS.US')
to_char(timestamptz '2000-01-01 00:00+02', 'IYYY-IW-ID DDD Q WW CC J')
to_char(timestamptz '2024-02-29 12:00+00', 'IYYY-IW-ID DDD Q WW CC J')
to_char(timestamptz '2024-02-29 12:00+00', 'HH12:MI:SS AM MS Y,YYY YYY YY Y')
to_char(timestamptz 'infinity', 'FMDay FMMonth DDth YYYY BC')
to_char(timestamptz '0099-05-05 01:02:03 BC', 'Dy Mon DY MON D W')
to_char(timestamptz '2024-02-29 12:00+00', 'Dy Mon DY MON D W')
to_char(timestamptz '2024-03-31 00:59:59+00', 'HH12:MI:SS AM MS Y,YYY YYY YY Y')
to_char(timestamptz '0099-05-05 01:02:03 BC', 'YYYY-MM-DD HH24:MI:SS.US')
to_char(timestamptz '0099-05-05 01:02:03 BC', 'FMDay FMMonth DDth YYYY BC')
to_char(timestamptz 'infinity', 'YYYY-MM-DD HH24:MI:SS.US')
to_hex(9223372036854775807)
to_hex((-9223372036854775808))
to_hex(null::bigint)
to_hex(0::bigint)
to_hex(255::bigint)
to_hex(2024)
to_hex((-2147483648))
to_hex(2)
to_hex(100)
to_hex(3)
to_hex(1)
to_hex(-1)
to_hex(7)
to_json(timestamp '2023-01-31 10:00')
to_json(null::jsonb)
to_json(12)
to_json(time '12:34:56.789')
to_json(1)
to_json(interval '-1 mon -1 day -1 hour')
to_json(7)
to_json(2147483647)
to_json(0.0::float8)
to_jsonb(interval '2147483647 days')
to_jsonb('{}'::jsonb)
to_jsonb(99999999999999999999)
to_jsonb('{"a":{"b":[null,{"c":null}]}, "a": 2}'::json)
to_jsonb(interval '5 years 7 mons')
to_jsonb(interval '35 days 27 hours')
to_jsonb(timestamptz '2024-02-29 12:00+00')
to_jsonb('a')
to_jsonb('5'::jsonb)
to_jsonb((-9223372036854775808))
to_timestamp(1.5::float8)
to_timestamp(1e300::float8)
to_timestamp('Infinity'::float8)
to_timestamp(3::float8)
to_timestamp(0.1::float8)
to_timestamp(0.0::float8)
to_timestamp(-0.0::float8)
translate('a', 'ÄÖ☕𝄞x', 'X')
translate('ÄÖ☕𝄞x', 'hex', null::text)
translate('a', '', 'year')
translate('  pad ', '%_\\', 'ÄÖ☕𝄞x')
translate('  pad ', 'UTC', '12')
translate('', null::text, '12')
translate('a', 'hex', '')
translate('12', 'a', 'a')
trim_scale(1e-20)
trim_scale(-1.5)
trim_scale(99999999999999999999)
trim_scale(7)
trim_scale('Infinity'::numeric)
trim_scale(-0.05)
trunc(1e-300::float8)
trunc(3::float8)
trunc(0.1::float8)
trunc(0.0::float8)
trunc('Infinity'::float8)
trunc(-2.5::float8)
trunc('-Infinity'::numeric)
trunc(0.0)
trunc(1.50)
trunc(-1.5)
trunc(-0.05)
trunc(7)
trunc('Infinity'::numeric)
trunc('-Infinity'::numeric, -1)
trunc('-Infinity'::numeric, 7)
trunc(123456789.987654321, (-2147483648))
trunc(99999999999999999999, 1)
trunc('NaN'::numeric, -3)
trunc(99999999999999999999, 2)
trunc(1e-20, -1)
trunc(-0.05, (-2147483648))
