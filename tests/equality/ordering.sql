'a' < 'B'
'B' < 'a'
'Z' < 'a'
'a' < 'á'
'é' > 'z'
'a b' < 'ab'
'a-b' < 'ab'
'_' < 'a'
'10' < '9'
'' < ' '
'ab' < 'abc'
'ß' > 'ss'
'𝄞' > 'ﬀ'
'a' collate "C" < 'B'
'a' collate "POSIX" < 'B'
s.t collate "C" = s.t
'a' collate "en_US" < 'B'
'a' collate "default" < 'B'
s.t < s.v
e.word > s.t
lower('Ä') = 'ä'
upper('straße')
e.uni > s.t
'a' || chr(10) > 'a'
SELECT t AS value FROM m ORDER BY t
SELECT t AS value FROM m ORDER BY t DESC
SELECT t AS value FROM m ORDER BY t NULLS FIRST
SELECT t AS value FROM m ORDER BY t DESC NULLS LAST
SELECT t AS value FROM m ORDER BY t COLLATE "C" DESC
SELECT t AS value FROM m ORDER BY lower(t), id
SELECT i AS value FROM m ORDER BY i, id
SELECT i AS value FROM m ORDER BY i DESC, id
SELECT i AS value FROM m ORDER BY i NULLS FIRST, id
SELECT id AS value FROM m ORDER BY n, id
SELECT id AS value FROM m ORDER BY n DESC, id
SELECT n AS value FROM m ORDER BY n NULLS FIRST, id
SELECT id AS value FROM m ORDER BY d, id
SELECT id AS value FROM m ORDER BY l DESC, id
SELECT id AS value FROM m ORDER BY b, id
SELECT id AS value FROM m ORDER BY b DESC, id DESC
SELECT dt AS value FROM m ORDER BY dt, id
SELECT ts AS value FROM m ORDER BY ts DESC, id
SELECT jb AS value FROM m ORDER BY jb, id
SELECT jb AS value FROM m ORDER BY jb DESC, id
SELECT id AS value FROM m ORDER BY jb ->> 'a', id
SELECT id AS value FROM m ORDER BY n * -1, id
SELECT id AS value FROM m ORDER BY coalesce(i, 100), id
SELECT id AS value FROM m ORDER BY i IS NULL, i, id
SELECT id AS value FROM m ORDER BY CASE g WHEN 'b' THEN 0 ELSE 1 END, id
SELECT id AS value FROM m ORDER BY t LIMIT 2 OFFSET 1
SELECT id AS value FROM m ORDER BY i LIMIT 0
SELECT id AS value FROM m WHERE n > 1.1 ORDER BY id
SELECT id AS value FROM m WHERE n = 1.1 ORDER BY id
SELECT id AS value FROM m WHERE n >= 1.10 ORDER BY id
SELECT id AS value FROM m WHERE n IN (1.1, 100) ORDER BY id
SELECT id AS value FROM m WHERE jb = '{"a": 1.00}' ORDER BY id
SELECT id AS value FROM m WHERE t > 'a' ORDER BY id
SELECT id AS value FROM m WHERE t = '' ORDER BY id
SELECT id AS value FROM m WHERE t <> 'b' ORDER BY id
SELECT id AS value FROM m WHERE NOT (i > 1) ORDER BY id
SELECT id AS value FROM m WHERE ts > '2024-02-29 12:00+02' ORDER BY id
SELECT id AS value FROM m WHERE dt + 30 > date '2024-03-01' ORDER BY id
SELECT id AS value FROM m WHERE ts - interval '1 day' < '2024-02-28 10:00+00' ORDER BY id
SELECT id AS value FROM m ORDER BY ts - timestamptz '2024-01-01 00:00+00', id
SELECT ts - timestamptz '2024-01-01 00:00+00' AS value FROM m ORDER BY 1 NULLS FIRST
SELECT id AS value FROM m ORDER BY i * interval '1 day', id
SELECT DISTINCT n AS value FROM m WHERE id IN (1, 5) ORDER BY n
SELECT DISTINCT i AS value FROM m ORDER BY i
SELECT DISTINCT g AS value FROM m ORDER BY g DESC
SELECT DISTINCT ts AS value FROM m ORDER BY ts
SELECT DISTINCT b AS value FROM m ORDER BY b
SELECT DISTINCT lower(t) AS value FROM m ORDER BY lower(t)
SELECT count(*) AS value FROM (SELECT DISTINCT n FROM m) x
SELECT count(*) AS value FROM (SELECT DISTINCT jb FROM m) x
SELECT count(*) AS value FROM (SELECT n + 0.00 AS n FROM m UNION SELECT n FROM m) x
SELECT count(*) AS value FROM (SELECT n FROM m UNION ALL SELECT n FROM m) x
SELECT count(*) AS value FROM (SELECT n * 1.0 AS n FROM m INTERSECT SELECT n FROM m) x
SELECT count(*) AS value FROM (SELECT n * 1.0 AS n FROM m EXCEPT SELECT n FROM m) x
SELECT count(*) AS value FROM (SELECT DISTINCT n * 1.00 AS k FROM m) x
SELECT count(*) AS value FROM (SELECT DISTINCT (jb -> 'a') AS k FROM m) x
SELECT count(*) AS value FROM (SELECT DISTINCT i * interval '1 day' AS k FROM m) x
SELECT i AS value FROM m UNION SELECT 2.5 ORDER BY 1
SELECT 1 AS value UNION SELECT 2 ORDER BY value DESC
SELECT 'a' AS value UNION ALL SELECT 'B' ORDER BY 1
SELECT n AS value FROM m WHERE n IN (SELECT n * 1.0 FROM m) ORDER BY id
SELECT a.id AS value FROM m a JOIN m b ON a.n = b.n * 1.00 AND a.id <> b.id ORDER BY a.id
SELECT a.id AS value FROM m a LEFT JOIN m b ON a.i = b.i AND a.id < b.id WHERE b.id IS NULL ORDER BY a.id
SELECT a.id AS value FROM m a JOIN m b USING (g) WHERE b.id = 3 ORDER BY a.id
