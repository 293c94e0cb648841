-- Writes down a change of a row, in its transaction. The arguments: which values stand in the entry (none, changed, all), the
-- columns whose values stand in none (JSON), the columns of the key, one by one. Rows are hashed as row_to_json prints them in
-- UTC. The words that are no SQL are put in by audit_functions.rs.
CREATE OR REPLACE FUNCTION pando.audit_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp PRINTING
AS $audit$
DECLARE
  old_row json;
  new_row json;
  key text;
  change text := '';
  shown text := '';
BEGIN
  IF TG_OP = 'INSERT' THEN
    new_row := row_to_json(NEW);
  ELSIF TG_OP = 'DELETE' THEN
    old_row := row_to_json(OLD);
  ELSIF TG_OP = 'UPDATE' THEN
    old_row := row_to_json(OLD);
    new_row := row_to_json(NEW);
    SELECT '"columns":[' || coalesce(string_agg(to_json(pair.name)::text, ','), '') || '],'
      INTO change FROM ROWS FROM (json_each(old_row), json_each(new_row)) AS pair (name, old, same, new)
     WHERE pair.old::text <> pair.new::text;
  END IF;
  IF TG_OP <> 'TRUNCATE' AND TG_NARGS > 2 THEN
    key := '{';
    FOR place IN 2 .. TG_NARGS - 1 LOOP
      key := concat(key, CASE WHEN place > 2 THEN ',' END, to_json(TG_ARGV[place]), ':',
                    coalesce(old_row, new_row) -> TG_ARGV[place]);
    END LOOP;
    key := concat(key, '}');
  END IF;
  IF old_row IS NOT NULL THEN
    change := change || '"old":"' || encode(sha256(convert_to(old_row::text, 'UTF8')), 'hex') || '",';
  END IF;
  IF new_row IS NOT NULL THEN
    change := change || '"new":"' || encode(sha256(convert_to(new_row::text, 'UTF8')), 'hex') || '",';
  END IF;
  IF TG_ARGV[0] <> 'none' AND TG_OP <> 'TRUNCATE' THEN
    SELECT string_agg(to_json(side.name)::text || ':{' || coalesce((
        SELECT string_agg(to_json(v.key)::text || ':' || v.value::text, ',' ORDER BY v.place)
          FROM json_each(side.line) WITH ORDINALITY AS v (key, value, place)
         WHERE (TG_ARGV[0] = 'all' OR side.other IS NULL OR v.value::text IS DISTINCT FROM (side.other -> v.key)::text)
           AND NOT EXISTS (SELECT FROM json_array_elements_text(TG_ARGV[1]::json) AS masked (name) WHERE masked.name = v.key)
      ), '') || '}', ',' ORDER BY side.place)
      INTO shown
      FROM (VALUES (1, 'old', old_row, new_row), (2, 'new', new_row, old_row)) AS side (place, name, line, other)
     WHERE side.line IS NOT NULL;
    -- A row of any size has an entry that can be sealed: the hashes above cover what is left out.
    change := change || CASE WHEN octet_length(shown) > MOST_VALUES THEN '"values_left_out":' || octet_length(shown) || ','
                             ELSE '"values":{' || shown || '},' END;
  END IF;
  INSERT INTO pando.audit_entries (transaction_number, at, action, relation, key, change, context)
  VALUES (txid_current(), clock_timestamp(), lower(TG_OP), TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, key,
          '{' || rtrim(change, ',') || '}',
          ASKED);
  RETURN NULL;
END
$audit$;
REVOKE ALL ON FUNCTION pando.audit_change() FROM PUBLIC
