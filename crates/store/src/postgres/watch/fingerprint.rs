//! What decides besides rows what is shown, and of which no trigger tells: grants, policies, views, functions, memberships, and whether
//! the triggers are still there. It is asked for with the catalog, in the same moment, and compared every second.

use std::collections::BTreeSet;

use wire::Connection;

/// A hash of it. Of rows of `pg_class` only what matters: emptying a table makes a new one.
const FINGERPRINT: &str = "SELECT encode(sha256(convert_to(coalesce(string_agg(concat_ws(' ', f.kind, f.place, f.value), ',' ORDER BY f.kind, f.place, f.value), ''),
      'UTF8')), 'hex') FROM (
    SELECT 'class' AS kind, c.oid::text AS place, concat_ws(' ', c.relname, c.relnamespace, c.relowner, c.relkind, c.relrowsecurity,
        c.relforcerowsecurity, c.relispartition, c.relacl, c.reloptions) AS value FROM pg_catalog.pg_class AS c WHERE c.oid = ANY ($1::oid[])
    UNION ALL SELECT 'attribute', ctid::text, xmin::text FROM pg_catalog.pg_attribute WHERE attrelid = ANY ($1::oid[])
    UNION ALL SELECT 'policy', ctid::text, xmin::text FROM pg_catalog.pg_policy WHERE polrelid = ANY ($1::oid[])
    UNION ALL SELECT 'rewrite', ctid::text, xmin::text FROM pg_catalog.pg_rewrite WHERE ev_class = ANY ($1::oid[])
    UNION ALL SELECT 'trigger', ctid::text, xmin::text FROM pg_catalog.pg_trigger WHERE tgrelid = ANY ($1::oid[]) AND tgname = 'pando_changes'
    UNION ALL SELECT 'inherits', ctid::text, xmin::text FROM pg_catalog.pg_inherits WHERE inhrelid = ANY ($1::oid[]) OR inhparent = ANY ($1::oid[])
    UNION ALL SELECT 'subscription', s.srrelid::text, '' FROM pg_catalog.pg_subscription_rel AS s WHERE s.srrelid = ANY ($1::oid[])
    UNION ALL SELECT 'namespace', n.ctid::text, n.xmin::text FROM pg_catalog.pg_namespace AS n
      WHERE n.nspname = 'pando' OR n.oid IN (SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = ANY ($1::oid[]))
    UNION ALL SELECT 'function', ctid::text, xmin::text FROM pg_catalog.pg_proc
      WHERE oid = ANY ($2::oid[]) OR pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pando') AND proname = 'note_change'
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
