//! What decides besides rows what is shown, and of which no trigger tells: grants, policies, views, functions, memberships, how values are
//! printed, and whether the triggers are still there. It is asked for with the catalog, in the same moment, and compared every second.

use std::collections::BTreeSet;

use wire::Connection;

/// A hash of it. Of rows of `pg_class` only what matters: emptying a table makes a new one. Types are those of columns, and of what views,
/// policies and functions name, with those that they are made of: each is
/// looked for by its number, since every table has two. Of what is the server's own, and hardly ever changed, only numbers are
/// taken: a newer row has a greater one. Settings are what a session begins with, and comes back to, not what this one has set.
const FINGERPRINT: &str = "WITH RECURSIVE users (class, object) AS (
    SELECT 'pg_catalog.pg_rewrite'::regclass::oid, oid FROM pg_catalog.pg_rewrite WHERE ev_class = ANY ($1::oid[])
    UNION ALL SELECT 'pg_catalog.pg_policy'::regclass::oid, oid FROM pg_catalog.pg_policy WHERE polrelid = ANY ($1::oid[])
    UNION ALL SELECT 'pg_catalog.pg_proc'::regclass::oid, unnest($2::oid[])),
  types (oid) AS (
    (SELECT atttypid FROM pg_catalog.pg_attribute WHERE attrelid = ANY ($1::oid[]) AND attnum > 0
     UNION SELECT d.refobjid FROM users JOIN pg_catalog.pg_depend AS d ON d.classid = users.class AND d.objid = users.object
       WHERE d.refclassid = 'pg_catalog.pg_type'::regclass)
    UNION SELECT part.oid FROM types CROSS JOIN LATERAL (
      SELECT typelem, typbasetype, typrelid FROM pg_catalog.pg_type WHERE oid = types.oid OFFSET 0) AS t CROSS JOIN LATERAL (
      SELECT t.typelem AS oid UNION ALL SELECT t.typbasetype UNION ALL SELECT rngsubtype FROM pg_catalog.pg_range WHERE rngtypid = types.oid
      UNION ALL SELECT atttypid FROM pg_catalog.pg_attribute WHERE attrelid = t.typrelid AND attnum > 0) AS part WHERE part.oid <> 0)
  SELECT encode(sha256(convert_to(coalesce(string_agg(concat_ws(' ', f.kind, f.place, f.value), ',' ORDER BY f.kind, f.place, f.value), ''),
      'UTF8')), 'hex') FROM (
    SELECT 'class' AS kind, c.oid::text AS place, concat_ws(' ', c.relname, c.relnamespace, c.relowner, c.relkind, c.relrowsecurity,
        c.relforcerowsecurity, c.relispartition, c.relacl, c.reloptions) AS value FROM pg_catalog.pg_class AS c WHERE c.oid = ANY ($1::oid[])
    UNION ALL SELECT 'attribute', ctid::text, xmin::text FROM pg_catalog.pg_attribute WHERE attrelid = ANY ($1::oid[])
    UNION ALL SELECT 'policy', ctid::text, xmin::text FROM pg_catalog.pg_policy WHERE polrelid = ANY ($1::oid[])
    UNION ALL SELECT 'rewrite', ctid::text, xmin::text FROM pg_catalog.pg_rewrite WHERE ev_class = ANY ($1::oid[])
    UNION ALL SELECT 'trigger', ctid::text, xmin::text FROM pg_catalog.pg_trigger WHERE tgrelid = ANY ($1::oid[]) AND tgname ~ '^pando_changes'
    UNION ALL SELECT 'inherits', ctid::text, xmin::text FROM pg_catalog.pg_inherits WHERE inhrelid = ANY ($1::oid[]) OR inhparent = ANY ($1::oid[])
    UNION ALL SELECT 'subscription', s.srrelid::text, '' FROM pg_catalog.pg_subscription_rel AS s WHERE s.srrelid = ANY ($1::oid[])
    UNION ALL SELECT 'namespace', n.ctid::text, n.xmin::text FROM pg_catalog.pg_namespace AS n
      WHERE n.nspname = 'pando' OR n.oid IN (SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = ANY ($1::oid[]))
    UNION ALL SELECT 'function', ctid::text, xmin::text FROM pg_catalog.pg_proc
      WHERE oid = ANY ($2::oid[]) OR pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pando') AND proname IN ('note_change', 'note_rows')
    UNION ALL SELECT 'type', ctid::text, xmin::text FROM pg_catalog.pg_type WHERE oid = ANY (ARRAY(SELECT oid FROM types))
    UNION ALL SELECT 'label', ctid::text, xmin::text FROM pg_catalog.pg_enum WHERE enumtypid = ANY (ARRAY(SELECT oid FROM types))
    UNION ALL SELECT 'part', ctid::text, xmin::text FROM pg_catalog.pg_attribute
      WHERE attrelid IN (SELECT typrelid FROM pg_catalog.pg_type WHERE oid = ANY (ARRAY(SELECT oid FROM types)) AND typrelid <> 0)
    UNION ALL SELECT 'cast', c.ctid::text, concat_ws(' ', c.xmin, p.ctid, p.xmin) FROM pg_catalog.pg_cast AS c
      LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = c.castfunc WHERE c.oid >= 16384
    UNION ALL SELECT 'operator', count(*)::text, sum(xmin::text::bigint)::text FROM pg_catalog.pg_operator WHERE oid >= 16384
    UNION ALL SELECT 'search', count(*)::text, sum(t.xmin::text::bigint)::text FROM (SELECT xmin FROM pg_catalog.pg_ts_config
      UNION ALL SELECT xmin FROM pg_catalog.pg_ts_config_map UNION ALL SELECT xmin FROM pg_catalog.pg_ts_dict) AS t
    UNION ALL SELECT 'default', name, reset_val FROM pg_catalog.pg_settings WHERE name IN ('DateStyle', 'IntervalStyle', 'TimeZone',
      'bytea_output', 'default_text_search_config', 'extra_float_digits', 'lc_monetary', 'lc_numeric', 'lc_time', 'quote_all_identifiers',
      'search_path', 'timezone_abbreviations', 'transform_null_equals', 'xmlbinary')
    UNION ALL SELECT 'member', ctid::text, xmin::text FROM pg_catalog.pg_auth_members
    UNION ALL SELECT 'setting', ctid::text, xmin::text FROM pg_catalog.pg_db_role_setting
    UNION ALL SELECT 'role', oid::text, concat_ws(' ', rolname, rolsuper, rolinherit, rolbypassrls) FROM pg_catalog.pg_roles) AS f";

/// Takes it, of these relations and functions.
///
/// # Errors
/// Those of the connection.
pub(in crate::postgres) async fn fingerprint(
    connection: &mut Connection,
    relations: &BTreeSet<u32>,
    functions: &BTreeSet<u32>,
) -> Result<String, wire::Error> {
    let rows = connection.query(FINGERPRINT, &[&listed(relations), &listed(functions)]).await?;
    Ok(rows.first().and_then(|row| row.get(0)).unwrap_or_default().to_owned())
}

fn listed(numbers: &BTreeSet<u32>) -> String {
    format!("{{{}}}", numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
}
