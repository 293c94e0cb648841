-- Writes down a change of a row, in its transaction. The arguments: which values stand in the entry (none, changed, all), the
-- columns of the key, the columns whose values stand in none; lists are JSON. Rows are hashed as to_json prints them in UTC.
CREATE OR REPLACE FUNCTION pando.audit_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO' SET "IntervalStyle" = 'postgres'
SET bytea_output = 'hex' SET extra_float_digits = '1'
AS $audit$
DECLARE
  old_row json;
  new_row json;
  key text;
  change text := '';
  shown text := '';
BEGIN
  IF TG_OP IN ('UPDATE', 'DELETE') THEN old_row := to_json(OLD); END IF;
  IF TG_OP IN ('INSERT', 'UPDATE') THEN new_row := to_json(NEW); END IF;
  IF TG_OP <> 'TRUNCATE' THEN
    SELECT '{' || string_agg(to_json(name)::text || ':' || (coalesce(old_row, new_row) -> name)::text, ',' ORDER BY place) || '}'
      INTO key FROM json_array_elements_text(TG_ARGV[1]::json) WITH ORDINALITY AS named (name, place);
  END IF;
  IF TG_OP = 'UPDATE' THEN
    SELECT '"columns":[' || coalesce(string_agg(to_json(n.key)::text, ',' ORDER BY n.place), '') || ']'
      INTO change FROM json_each(new_row) WITH ORDINALITY AS n (key, value, place)
     WHERE n.value::text IS DISTINCT FROM (old_row -> n.key)::text;
  END IF;
  IF old_row IS NOT NULL THEN
    change := change || ',"old":"' || encode(sha256(convert_to(old_row::text, 'UTF8')), 'hex') || '"';
  END IF;
  IF new_row IS NOT NULL THEN
    change := change || ',"new":"' || encode(sha256(convert_to(new_row::text, 'UTF8')), 'hex') || '"';
  END IF;
  IF TG_ARGV[0] <> 'none' AND TG_OP <> 'TRUNCATE' THEN
    SELECT string_agg(to_json(side.name)::text || ':{' || coalesce((
        SELECT string_agg(to_json(v.key)::text || ':' || v.value::text, ',' ORDER BY v.place)
          FROM json_each(side.line) WITH ORDINALITY AS v (key, value, place)
         WHERE (TG_ARGV[0] = 'all' OR side.other IS NULL OR v.value::text IS DISTINCT FROM (side.other -> v.key)::text)
           AND NOT EXISTS (SELECT FROM json_array_elements_text(TG_ARGV[2]::json) AS masked (name) WHERE masked.name = v.key)
      ), '') || '}', ',' ORDER BY side.place)
      INTO shown
      FROM (VALUES (1, 'old', old_row, new_row), (2, 'new', new_row, old_row)) AS side (place, name, line, other)
     WHERE side.line IS NOT NULL;
    change := change || ',"values":{' || shown || '}';
  END IF;
  INSERT INTO pando.audit_entries (transaction_number, at, action, relation, key, change, context)
  VALUES (txid_current(), clock_timestamp(), lower(TG_OP), TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, key,
          '{' || ltrim(change, ',') || '}',
          coalesce(nullif(current_setting('pando.audit', true), ''),
                   '{"outside":' || to_json(session_user::text)::text || '}'));
  RETURN NULL;
END
$audit$;
REVOKE ALL ON FUNCTION pando.audit_change() FROM PUBLIC
