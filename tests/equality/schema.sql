-- What the expressions of this folder read: `s` has one row with a value of every type, `e` one row of edge values,
-- `m` several rows for aggregates and orders, `w` words with an order of their own.
CREATE TABLE s (
  id integer PRIMARY KEY,
  i2 smallint, i4 integer, i8 bigint, n numeric, n82 numeric(8,2), r real, d double precision,
  b boolean, t text, v varchar(12), u uuid, dt date, tm time, ts timestamp, tz timestamptz,
  j json, jb jsonb, arr jsonb, by bytea,
  ni integer, nn numeric, nd double precision, nb boolean, nt text, ndt date, nts timestamp, ntz timestamptz, njb jsonb
);
INSERT INTO s VALUES (1, 7, -42, 9000000000, 12.50, 3.14, 1.5, 0.1, true, 'Hello, Wörld', 'Ab c', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  '2024-02-29', '13:45:30.25', '2024-01-31 23:59:59.5', '2024-03-31 00:30:00+00',
  '{"a": 1, "b": {"c": [10, "x", null]}, "a": 2}', '{"a": 1, "b": {"c": [10, "x", null, true, 1.50]}, "s": "tëxt", "n": null, "k": 100}',
  '[1, "two", 3.0, null, {"x": [1]}]', '\x00ff10',
  null, null, null, null, null, null, null, null, null);

CREATE TABLE e (
  id integer PRIMARY KEY,
  i2 smallint, i4 integer, i8 bigint, i8n bigint, n numeric, tiny numeric, nan numeric, inf numeric, d double precision, dz double precision,
  empty text, blank text, wild text, uni text, esc text, quoted text, digits text, word text,
  dt date, ts timestamp, tz timestamptz, leap date, inf_ts timestamp, zero integer
);
INSERT INTO e VALUES (1, 32767, 2147483647, 9223372036854775807, -9223372036854775808, 99999999999999999999999999.999999, 0.000000000000000000001,
  'NaN', 'Infinity', 1.7976931348623157e308, -0.0,
  '', '  pad  ', '50%_off\now', 'Ünïcödé ☕ 𝄞', E'tab\there\nline', 'a"b''c\d', '007', 'MiXed CaSe',
  '0044-03-15 BC', '294246-12-31 23:59:59.999999', '1900-01-01 00:00:00+00', '2000-02-29', 'infinity', 0);

CREATE TABLE m (
  id integer PRIMARY KEY, g text, i integer, l bigint, n numeric, d double precision, t text, b boolean, dt date, ts timestamptz, jb jsonb, sm smallint, r real
);
INSERT INTO m VALUES
  (1, 'a', 1, 9223372036854775807, 1.10, 0.1, 'b', true, '2024-01-31', '2024-01-31 10:00:00+00', '{"a": 1}', 1, 0.1),
  (2, 'a', 2, 1, 2.2, 0.2, 'B', false, '2024-02-29', '2024-02-29 10:00:00+00', '[1]', 2, 0.2),
  (3, 'b', null, null, null, null, null, null, null, null, null, null, null),
  (4, 'b', -5, -9, -0.30, -0.5, '', true, '1999-12-31', '1999-12-31 23:59:59.999999+00', '"x"', -3, 1.5),
  (5, 'b', 2, 9007199254740993, 100.000, 1e10, 'é', true, '2024-02-29', '2024-02-29 10:00:00+00', 'null', 2, 3.25),
  (6, 'c', 7, 10, 1.1, 0.1, 'a b', false, '0001-01-01', '2030-06-15 12:00:00+00', '{"a": 1.0}', 7, 0.1);
