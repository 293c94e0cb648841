//! What is asked of `pg_catalog`. It works from PostgreSQL 12 on; nothing of a request is ever in these texts. Lists are
//! given as JSON, for which there is a parser.

/// Schemas of the user's own, with comments and who may use them.
pub(super) const SCHEMAS: &str = "
    SELECT n.nspname, obj_description(n.oid, 'pg_namespace'),
           (SELECT json_agg(CASE WHEN a.grantee = 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END)
              FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a WHERE a.privilege_type = 'USAGE')
      FROM pg_namespace n
     WHERE n.nspname !~ '^pg_(toast|temp)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')";

/// Roles: name, whether row security does not hold, whether requests may run as it, whose rights it has.
pub(super) const ROLES: &str = "
    SELECT r.rolname, r.rolbypassrls OR r.rolsuper, pg_has_role(session_user, r.oid, 'MEMBER'),
           (SELECT json_agg(g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid)
      FROM pg_roles r WHERE r.rolname !~ '^pg_'";

/// Types that are not built in, and arrays of any: oid, schema, name, kind, category, element, base type, and the labels of an
/// enumeration. Row types of tables are left out.
pub(super) const TYPES: &str = "
    SELECT t.oid, n.nspname, t.typname, format_type(t.oid, NULL), t.typtype, t.typcategory, t.typelem, t.typbasetype, t.typnotnull,
           CASE WHEN t.typtype = 'e'
                THEN (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid) END
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
      LEFT JOIN pg_class c ON c.oid = t.typrelid
      LEFT JOIN pg_type element ON element.oid = t.typelem AND t.typcategory = 'A'
      LEFT JOIN pg_class row ON row.oid = element.typrelid
     WHERE (t.typrelid = 0 OR c.relkind = 'c') AND (element.oid IS NULL OR element.typrelid = 0 OR row.relkind = 'c')";

/// Relations: oid, schema, name, kind, row type, comment, row security, what can be done with it, grants.
pub(super) const RELATIONS: &str = "
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltype, d.description, c.relrowsecurity, c.relforcerowsecurity,
           CASE WHEN c.relkind IN ('r', 'p') THEN 28 ELSE pg_relation_is_updatable(c.oid, true) END,
           (SELECT json_agg(json_build_array(CASE WHEN a.grantee = 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END, a.privilege_type))
              FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
             WHERE a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Columns: relation, number, name, type, its modifier, its printed name, whether NULL is refused, identity, generated, default,
/// comment, grants.
pub(super) const COLUMNS: &str = "
    SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod),
           a.attnotnull, a.attidentity, a.attgenerated,
           CASE WHEN a.attidentity <> '' THEN
             (SELECT format('nextval(%L)', format('%I.%I', sn.nspname, s.relname))
                FROM pg_depend i JOIN pg_class s ON s.oid = i.objid JOIN pg_namespace sn ON sn.oid = s.relnamespace
               WHERE i.classid = 'pg_class'::regclass AND i.refclassid = 'pg_class'::regclass AND i.deptype = 'i'
                 AND i.refobjid = a.attrelid AND i.refobjsubid = a.attnum AND s.relkind = 'S')
                ELSE pg_get_expr(f.adbin, f.adrelid) END,
           d.description,
           CASE WHEN a.attacl IS NOT NULL THEN
             (SELECT json_agg(json_build_array(CASE WHEN g.grantee = 0 THEN 'public' ELSE pg_get_userbyid(g.grantee) END, g.privilege_type))
                FROM aclexplode(a.attacl) g) END
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
      LEFT JOIN pg_description d ON d.objoid = a.attrelid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
     WHERE a.attnum > 0 AND NOT a.attisdropped
       AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     ORDER BY a.attrelid, a.attnum";

/// The members of row types that are no relation's: type, name, type of the member, its modifier, its printed name.
pub(super) const ATTRIBUTES: &str = "
    SELECT c.reltype, a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod)
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'c' AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     ORDER BY c.reltype, a.attnum";

/// Primary keys, unique constraints and foreign keys: relation, name, kind, columns, referenced relation and columns, and what a
/// foreign key does.
pub(super) const CONSTRAINTS: &str = "
    SELECT o.conrelid, o.conname, o.contype, array_to_json(o.conkey), o.confrelid, array_to_json(o.confkey), o.confdeltype, o.confupdtype
      FROM pg_constraint o JOIN pg_namespace n ON n.oid = o.connamespace
     WHERE o.contype IN ('p', 'u', 'f') AND o.conparentid = 0
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     ORDER BY o.conrelid, o.conname";

/// The queries of views: view, parsed query.
pub(super) const RULES: &str = "
    SELECT r.ev_class, r.ev_action
      FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE r.rulename = '_RETURN' AND c.relkind IN ('v', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Functions: oid, schema, name, names and modes of all arguments, types of the input arguments and of all, how many have defaults,
/// variadic, result, set, volatility, security definer, strict, rows, comment, executors.
pub(super) const ROUTINES: &str = "
    SELECT p.oid, n.nspname, p.proname, array_to_json(p.proargnames), array_to_json(p.proargmodes),
           array_to_json(p.proargtypes::oid[]), array_to_json(p.proallargtypes),
           (SELECT json_agg(format_type(t.oid, NULL) ORDER BY t.place) FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t(oid, place)),
           p.pronargdefaults, p.provariadic <> 0, p.prorettype, p.proretset, p.provolatile, p.prosecdef, p.proisstrict, p.prorows = 1,
           d.description,
           (SELECT json_agg(CASE WHEN a.grantee = 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END)
              FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.privilege_type = 'EXECUTE')
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
     WHERE p.prokind = 'f' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     ORDER BY n.nspname, p.proname, p.oid";
