SELECT count(*) AS value FROM m
SELECT count(i) AS value FROM m
SELECT count(DISTINCT i) AS value FROM m
SELECT count(DISTINCT n) AS value FROM m
SELECT count(DISTINCT t) AS value FROM m
SELECT count(DISTINCT jb) AS value FROM m
SELECT count(DISTINCT ts) AS value FROM m
SELECT count(*) FILTER (WHERE b) AS value FROM m
SELECT count(i) FILTER (WHERE b) AS value FROM m
SELECT count(DISTINCT i) FILTER (WHERE i > 0) AS value FROM m
SELECT sum(i) AS value FROM m
SELECT sum(l) AS value FROM m
SELECT sum(sm) AS value FROM m
SELECT sum(n) AS value FROM m
SELECT sum(d) AS value FROM m
SELECT sum(r) AS value FROM m
SELECT sum(i) AS value FROM m WHERE false
SELECT sum(n) FILTER (WHERE b) AS value FROM m
SELECT sum(i * 1.5) AS value FROM m
SELECT sum(DISTINCT i) AS value FROM m
SELECT sum(DISTINCT n) AS value FROM m
SELECT sum(t) AS value FROM m
SELECT sum(b::integer) AS value FROM m
SELECT sum(i)::integer AS value FROM m
SELECT avg(i) AS value FROM m
SELECT avg(l) AS value FROM m
SELECT avg(n) AS value FROM m
SELECT avg(d) AS value FROM m
SELECT avg(r) AS value FROM m
SELECT avg(sm) AS value FROM m
SELECT avg(i) AS value FROM m WHERE false
SELECT avg(i)::numeric(10,2) AS value FROM m
SELECT round(avg(i), 2) AS value FROM m
SELECT round(avg(n), 1) AS value FROM m
SELECT avg(DISTINCT i) AS value FROM m
SELECT min(i) AS value FROM m
SELECT max(n) AS value FROM m
SELECT min(n) AS value FROM m
SELECT max(t) AS value FROM m
SELECT min(t) AS value FROM m
SELECT max(d) AS value FROM m
SELECT min(dt) AS value FROM m
SELECT max(ts) AS value FROM m
SELECT max(b) AS value FROM m
SELECT max(jb) AS value FROM m
SELECT max(l) - min(l) AS value FROM m
SELECT max(dt) - min(dt) AS value FROM m
SELECT max(ts) - min(ts) AS value FROM m
SELECT bool_and(b) AS value FROM m
SELECT bool_or(b) AS value FROM m
SELECT every(b) AS value FROM m
SELECT bool_and(b) AS value FROM m WHERE false
SELECT bool_and(i > -10) AS value FROM m
SELECT string_agg(t, ',') AS value FROM m
SELECT string_agg(t, ',' ORDER BY t) AS value FROM m
SELECT string_agg(t, ',' ORDER BY t DESC) AS value FROM m
SELECT string_agg(t, ', ' ORDER BY id) AS value FROM m
SELECT string_agg(g, '' ORDER BY id DESC) AS value FROM m
SELECT string_agg(t, NULL ORDER BY id) AS value FROM m
SELECT string_agg(DISTINCT g, ',') AS value FROM m
SELECT string_agg(DISTINCT g, ',' ORDER BY g) AS value FROM m
SELECT string_agg(t, '') AS value FROM m WHERE false
SELECT string_agg(t, ',' ORDER BY t) FILTER (WHERE b) AS value FROM m
SELECT string_agg(i::text, '+' ORDER BY i) AS value FROM m
SELECT array_agg(i) AS value FROM m
SELECT array_agg(i ORDER BY i) AS value FROM m
SELECT json_agg(i ORDER BY id) AS value FROM m
SELECT json_agg(t ORDER BY id) AS value FROM m
SELECT jsonb_agg(i ORDER BY id) AS value FROM m
SELECT jsonb_agg(n ORDER BY n DESC) AS value FROM m
SELECT jsonb_agg(t ORDER BY t) AS value FROM m
SELECT jsonb_agg(ts ORDER BY id) AS value FROM m
SELECT jsonb_agg(jb ORDER BY id) AS value FROM m
SELECT jsonb_agg(i) AS value FROM m WHERE false
SELECT jsonb_agg(jsonb_build_object('id', id, 't', t) ORDER BY id) AS value FROM m
SELECT json_agg(json_build_object('id', id) ORDER BY id) AS value FROM m
SELECT jsonb_agg(i ORDER BY id) FILTER (WHERE i IS NOT NULL) AS value FROM m
SELECT jsonb_object_agg(id, t) AS value FROM m
SELECT jsonb_object_agg(g, i ORDER BY id) AS value FROM m
SELECT json_object_agg(id, t ORDER BY id) AS value FROM m
SELECT coalesce(jsonb_agg(i), '[]') AS value FROM m WHERE false
SELECT coalesce(sum(i), 0) AS value FROM m WHERE false
SELECT sum(i) / count(*) AS value FROM m
SELECT sum(i) * 1.0 / count(i) AS value FROM m
SELECT sum(n) / nullif(count(n), 0) AS value FROM m
SELECT count(*)::text || ' rows' AS value FROM m
SELECT sum(ts - timestamptz '2024-01-01 00:00+00') AS value FROM m
SELECT avg(ts - timestamptz '2024-01-01 00:00+00') AS value FROM m
SELECT max(ts - timestamptz '2024-01-01 00:00+00') AS value FROM m
SELECT min(i * interval '1 day') AS value FROM m
SELECT sum(interval '1 day') AS value FROM m
SELECT stddev(i) AS value FROM m
SELECT variance(n) AS value FROM m
SELECT corr(i, d) AS value FROM m
SELECT bit_and(i) AS value FROM m
SELECT mode() WITHIN GROUP (ORDER BY i) AS value FROM m
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY i) AS value FROM m
SELECT sum(i) AS value FROM m GROUP BY g ORDER BY g
SELECT count(*) AS value FROM m GROUP BY g ORDER BY count(*), g
SELECT g || count(*) AS value FROM m GROUP BY g ORDER BY 1
SELECT g AS value FROM m GROUP BY g HAVING count(*) > 1 ORDER BY g
SELECT g AS value FROM m GROUP BY g HAVING sum(i) IS NULL OR sum(i) > 2 ORDER BY g
SELECT count(*) AS value FROM m GROUP BY n ORDER BY n
SELECT count(*) AS value FROM m GROUP BY n * 1.00 ORDER BY n * 1.00
SELECT count(*) AS value FROM m GROUP BY jb ORDER BY jb
SELECT count(*) AS value FROM m GROUP BY lower(t) ORDER BY lower(t)
SELECT count(*) AS value FROM m GROUP BY date_trunc('month', ts) ORDER BY date_trunc('month', ts)
SELECT date_trunc('month', ts) AS value FROM m GROUP BY 1 ORDER BY 1
SELECT count(*) AS value FROM m GROUP BY extract(year from dt) ORDER BY extract(year from dt)
SELECT count(*) AS value FROM m GROUP BY i * interval '24 hours' ORDER BY i * interval '24 hours'
SELECT count(*) AS value FROM m GROUP BY b ORDER BY b NULLS FIRST
SELECT max(length(t)) AS value FROM m
SELECT sum(CASE WHEN b THEN 1 ELSE 0 END) AS value FROM m
SELECT sum(i) OVER (ORDER BY id) AS value FROM m
SELECT row_number() OVER (ORDER BY id) AS value FROM m
SELECT rank() OVER (PARTITION BY g ORDER BY i) AS value FROM m
SELECT lag(i) OVER (ORDER BY id) AS value FROM m
SELECT sum(sum(i)) OVER () AS value FROM m
SELECT i AS value FROM m GROUP BY g
SELECT sum(count(*)) AS value FROM m
SELECT count(*) AS value FROM m WHERE count(*) > 1
SELECT DISTINCT ON (g) id AS value FROM m ORDER BY g, id
SELECT id AS value FROM m CROSS JOIN LATERAL (SELECT 1) x
SELECT value FROM generate_series(1, 3) AS value
SELECT unnest(array[1, 2]) AS value
SELECT n AS value FROM m TABLESAMPLE SYSTEM (50)
SELECT value FROM (VALUES (1), (2)) AS x(value)
SELECT max(i) AS value FROM (SELECT i FROM m WHERE i > 0) x
