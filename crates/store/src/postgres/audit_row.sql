-- The same as pando.audit_change(), for what most tables are: no values, one column that is the key. Each write pays for it, so it is
-- one statement, and sets no search_path: whoever calls may have any, so everything says its schema. The arguments: the name of
-- the key as JSON with its colon, and the name. The words that are no SQL are put in by audit_functions.rs.
CREATE OR REPLACE FUNCTION pando.THIS() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER PRINTING
AS $audit$
BEGIN
  IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
    INSERT INTO pando.audit_entries (transaction_number, at, action, relation, key, change, context)
    VALUES (pg_catalog.txid_current(), pg_catalog.clock_timestamp(), 'insert',
            TG_TABLE_SCHEMA::pg_catalog.text OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) TG_TABLE_NAME::pg_catalog.text,
            '{' OPERATOR(pg_catalog.||) TG_ARGV[0] OPERATOR(pg_catalog.||)
              (pg_catalog.row_to_json(NEW) OPERATOR(pg_catalog.->) TG_ARGV[1])::pg_catalog.text OPERATOR(pg_catalog.||) '}',
            '{"new":"' OPERATOR(pg_catalog.||) HASH(NEW) OPERATOR(pg_catalog.||) '"}', ASKED);
  ELSIF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
    INSERT INTO pando.audit_entries (transaction_number, at, action, relation, key, change, context)
    SELECT pg_catalog.txid_current(), pg_catalog.clock_timestamp(), 'update',
           TG_TABLE_SCHEMA::pg_catalog.text OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) TG_TABLE_NAME::pg_catalog.text,
           '{' OPERATOR(pg_catalog.||) TG_ARGV[0] OPERATOR(pg_catalog.||)
             (pg_catalog.row_to_json(OLD) OPERATOR(pg_catalog.->) TG_ARGV[1])::pg_catalog.text OPERATOR(pg_catalog.||) '}',
           '{"columns":[' OPERATOR(pg_catalog.||)
             coalesce(pg_catalog.string_agg(pg_catalog.to_json(pair.name)::pg_catalog.text, ','), '')
             OPERATOR(pg_catalog.||) '],"old":"' OPERATOR(pg_catalog.||) HASH(OLD)
             OPERATOR(pg_catalog.||) '","new":"' OPERATOR(pg_catalog.||) HASH(NEW) OPERATOR(pg_catalog.||) '"}', ASKED
      FROM ROWS FROM (pg_catalog.json_each(pg_catalog.row_to_json(OLD)), pg_catalog.json_each(pg_catalog.row_to_json(NEW)))
           AS pair (name, before, same, after)
     WHERE pair.before::pg_catalog.text OPERATOR(pg_catalog.<>) pair.after::pg_catalog.text;
  ELSE
    INSERT INTO pando.audit_entries (transaction_number, at, action, relation, key, change, context)
    VALUES (pg_catalog.txid_current(), pg_catalog.clock_timestamp(), 'delete',
            TG_TABLE_SCHEMA::pg_catalog.text OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) TG_TABLE_NAME::pg_catalog.text,
            '{' OPERATOR(pg_catalog.||) TG_ARGV[0] OPERATOR(pg_catalog.||)
              (pg_catalog.row_to_json(OLD) OPERATOR(pg_catalog.->) TG_ARGV[1])::pg_catalog.text OPERATOR(pg_catalog.||) '}',
            '{"old":"' OPERATOR(pg_catalog.||) HASH(OLD) OPERATOR(pg_catalog.||) '"}', ASKED);
  END IF;
  RETURN NULL;
END
$audit$;
REVOKE ALL ON FUNCTION pando.THIS() FROM PUBLIC
