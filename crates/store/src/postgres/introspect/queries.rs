//! What is asked of `pg_catalog`. It works from PostgreSQL 12 on; nothing of a request is ever in these texts. Lists are
//! given as JSON, for which there is a parser.

/// One moment, in which names are printed with their schemas and values alike, whatever the database is set to. A lock that
/// somebody holds on a table, or a server without breath, must not keep this server from ever starting. Each of these statements runs
/// once, so compiling one never pays, however long the catalog is.
pub(super) const BEGIN: &str = "
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL search_path TO '';
    SET LOCAL statement_timeout TO '60s';
    SET LOCAL jit TO off;
    SET LOCAL DateStyle TO ISO;
    SET LOCAL IntervalStyle TO postgres;
    SET LOCAL TimeZone TO UTC;
    SET LOCAL bytea_output TO hex;
    SET LOCAL extra_float_digits TO 1;
    SET LOCAL standard_conforming_strings TO on;
    SET LOCAL quote_all_identifiers TO off";

/// Schemas of the user's own, with comments and who may use them.
pub(super) const SCHEMAS: &str = "
    SELECT n.nspname, obj_description(n.oid, 'pg_namespace'),
           (SELECT json_agg(CASE WHEN a.grantee = 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END)
              FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a WHERE a.privilege_type = 'USAGE')
      FROM pg_namespace n
     WHERE n.nspname !~ '^pg_(toast|temp)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')";

/// Roles: name, whether row security does not hold, whether requests may run as it, whose rights it has without `SET ROLE`.
/// From 16 on a membership says by itself whether `SET ROLE` and rights come with it, and may be granted several times.
pub(super) const ROLES: &str = "
    SELECT r.rolname, r.rolbypassrls OR r.rolsuper,
           pg_has_role(session_user, r.oid,
                       CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END),
           (SELECT json_agg(DISTINCT g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
             WHERE m.member = r.oid AND pg_has_role(r.oid, g.oid, 'USAGE'))
      FROM pg_roles r WHERE r.rolname !~ '^pg_'";

/// What roles have set for themselves, in this database last: role, setting, value, whether anybody may set it.
pub(super) const ROLE_SETTINGS: &str = "
    SELECT r.rolname, split.name, split.value,
           p.context IS NOT NULL AND (p.context = 'user' OR (p.context = 'superuser' AND current_setting('is_superuser') = 'on'))
      FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
     CROSS JOIN unnest(s.setconfig) AS setting
     CROSS JOIN LATERAL (SELECT substr(setting, 1, strpos(setting, '=') - 1),
                                substr(setting, strpos(setting, '=') + 1)) AS split (name, value)
      LEFT JOIN pg_settings p ON p.name = split.name
     WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
       AND split.name !~ '^pgrst[.]'
     ORDER BY r.rolname, s.setdatabase";

/// What the role that logs in was granted to set (`GRANT SET ON PARAMETER`), which there is from 15 on.
pub(super) const GRANTED_SETTINGS: &str = "
    SELECT name FROM pg_settings WHERE context = 'superuser' AND has_parameter_privilege(name, 'SET')";

/// Types that are not built in, and arrays of any: oid, schema, name, printed name, kind, category, element, base type, whether
/// a domain refuses NULL, its modifier, and the labels of an enumeration. Row types of tables are left out.
pub(super) const TYPES: &str = "
    SELECT t.oid, n.nspname, t.typname, format_type(t.oid, NULL), t.typtype, t.typcategory, t.typelem, t.typbasetype, t.typnotnull, t.typtypmod,
           CASE WHEN t.typtype = 'e'
                THEN (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid) END
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
      LEFT JOIN pg_class c ON c.oid = t.typrelid
      LEFT JOIN pg_type element ON element.oid = t.typelem AND t.typcategory = 'A'
      LEFT JOIN pg_class row ON row.oid = element.typrelid
     WHERE (t.typrelid = 0 OR c.relkind = 'c') AND (element.oid IS NULL OR element.typrelid = 0 OR row.relkind = 'c')";

/// Casts of domains that happen by themselves, through functions that the role that logs in may run: domain, direction, schema
/// and name of the function.
pub(super) const REPRESENTATIONS: &str = "
    SELECT CASE WHEN s.typtype = 'd' THEN s.oid ELSE t.oid END,
           CASE WHEN s.typtype = 'd' THEN 'to json' WHEN s.oid = 'json'::regtype THEN 'from json' ELSE 'from text' END,
           n.nspname, p.proname
      FROM pg_cast c JOIN pg_type s ON s.oid = c.castsource JOIN pg_type t ON t.oid = c.casttarget
      JOIN pg_proc p ON p.oid = c.castfunc JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE c.castcontext = 'i' AND c.castmethod = 'f' AND p.pronargs = 1 AND has_function_privilege(p.oid, 'EXECUTE')
       AND ((s.typtype = 'd' AND t.oid = 'json'::regtype)
            OR (t.typtype = 'd' AND s.oid IN ('json'::regtype, 'text'::regtype)))";

/// Relations: oid, schema, name, kind, row type, comment, row security, grants, whether there are triggers for each row before it is
/// inserted or updated, whether a write does nothing else than what it says: the system's functions are
/// not among what depends on others. Partitions are left out: they are reached through their table.
///
/// `calling` is what may call a volatile function of the schema's own: what depends on one, and on that again. What runs a language, an
/// access method or a dictionary is volatile by its nature, and no such function. A column makes a type of its
/// relation's row type; a check makes one of its domain; policies and rules make relations, which others read. Keys to other tables read
/// past all of that.
pub(super) const RELATIONS: &str = "
    WITH RECURSIVE calling(class, object) AS (
        SELECT 'pg_proc'::regclass::oid, p.oid FROM pg_proc p JOIN pg_type t ON t.oid = p.prorettype
         WHERE p.provolatile = 'v' AND NOT 'internal'::regtype = ANY (p.proargtypes) AND t.typname !~ '(^internal|_handler)$'
         UNION
        SELECT found.class, found.object
          FROM calling o CROSS JOIN LATERAL (
               SELECT CASE WHEN c.relkind IN ('r', 'p', 'c') THEN 'pg_type'::regclass ELSE u.classid END,
                      CASE WHEN c.relkind IN ('r', 'p', 'c') THEN c.reltype ELSE u.objid END
                 FROM pg_depend u LEFT JOIN pg_class c ON u.classid = 'pg_class'::regclass AND c.oid = u.objid
                WHERE u.refclassid = o.class AND u.refobjid = o.object AND u.classid <> 'pg_language'::regclass
                UNION ALL
               SELECT 'pg_type'::regclass, k.contypid FROM pg_constraint k
                WHERE o.class = 'pg_constraint'::regclass AND k.oid = o.object AND k.contypid <> 0
                UNION ALL
               SELECT 'pg_class'::regclass, y.polrelid FROM pg_policy y WHERE o.class = 'pg_policy'::regclass AND y.oid = o.object
                UNION ALL
               SELECT 'pg_class'::regclass, r.ev_class FROM pg_rewrite r WHERE o.class = 'pg_rewrite'::regclass AND r.oid = o.object
          ) AS found(class, object))
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltype, d.description, c.relrowsecurity, c.relforcerowsecurity,
           (SELECT json_agg(json_build_array(CASE WHEN a.grantee = 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END, a.privilege_type))
              FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
             WHERE a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')),
           EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0),
           c.relkind IN ('r', 'v')
             AND NOT EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace pn ON pn.oid = p.pronamespace
                              WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND pn.nspname <> 'pando')
             AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN')
             AND c.oid NOT IN (SELECT inhrelid FROM pg_inherits UNION ALL SELECT inhparent FROM pg_inherits)
             AND c.oid NOT IN (SELECT k.confrelid FROM pg_constraint k JOIN pg_class p ON p.oid = k.conrelid WHERE p.relispartition)
             AND c.oid NOT IN (
                   SELECT f.adrelid FROM calling o JOIN pg_attrdef f ON o.class = 'pg_attrdef'::regclass AND f.oid = o.object
                   UNION ALL SELECT y.polrelid FROM calling o JOIN pg_policy y ON o.class = 'pg_policy'::regclass AND y.oid = o.object
                   UNION ALL SELECT k.conrelid FROM calling o JOIN pg_constraint k ON o.class = 'pg_constraint'::regclass AND k.oid = o.object
                              WHERE k.contype <> 'f'
                   UNION ALL SELECT i.indrelid FROM calling o JOIN pg_index i ON o.class = 'pg_class'::regclass AND i.indexrelid = o.object
                   UNION ALL SELECT a.attrelid FROM calling o JOIN pg_attribute a ON o.class = 'pg_type'::regclass AND a.atttypid = o.object)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// What can be done with views and foreign tables: oid, bits. PostgreSQL fails for a foreign data wrapper without a handler.
pub(super) const POSSIBLE: &str = "
    SELECT c.oid, pg_relation_is_updatable(c.oid, true)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_foreign_table t ON t.ftrelid = c.oid
      LEFT JOIN pg_foreign_server s ON s.oid = t.ftserver
      LEFT JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
     WHERE (c.relkind = 'v' OR (c.relkind = 'f' AND NOT c.relispartition AND w.fdwhandler <> 0))
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Columns: relation, number, name, type, its modifier, its printed name, whether NULL is refused, identity, generated, default
/// (that of its domain where it has none), comment, grants.
pub(super) const COLUMNS: &str = "
    SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod),
           a.attnotnull, a.attidentity, a.attgenerated,
           CASE WHEN a.attidentity <> '' THEN
             (SELECT format('nextval(%L)', format('%I.%I', sn.nspname, s.relname))
                FROM pg_depend i JOIN pg_class s ON s.oid = i.objid JOIN pg_namespace sn ON sn.oid = s.relnamespace
               WHERE i.classid = 'pg_class'::regclass AND i.refclassid = 'pg_class'::regclass AND i.deptype = 'i'
                 AND i.refobjid = a.attrelid AND i.refobjsubid = a.attnum AND s.relkind = 'S')
                ELSE coalesce(pg_get_expr(f.adbin, f.adrelid), pg_get_expr(t.typdefaultbin, 0)) END,
           d.description,
           CASE WHEN a.attacl IS NOT NULL THEN
             (SELECT json_agg(json_build_array(CASE WHEN g.grantee = 0 THEN 'public' ELSE pg_get_userbyid(g.grantee) END, g.privilege_type))
                FROM aclexplode(a.attacl) g) END
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_type t ON t.oid = a.atttypid AND t.typtype = 'd'
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

/// Primary keys, unique constraints, foreign keys and checks: relation, name, kind, columns, referenced relation and columns, what a
/// foreign key does, and the text of a check. Not those of periods (PostgreSQL 18, `WITHOUT OVERLAPS`, `PERIOD`), whose columns are not compared for equality:
/// no row is found by them, and nothing is inserted or merged.
pub(super) const CONSTRAINTS: &str = "
    SELECT o.conrelid, o.conname, o.contype, array_to_json(o.conkey), o.confrelid, array_to_json(o.confkey), o.confdeltype, o.confupdtype,
           CASE WHEN o.contype = 'c' THEN pg_get_expr(o.conbin, o.conrelid) END
      FROM pg_constraint o JOIN pg_namespace n ON n.oid = o.connamespace
     WHERE o.contype IN ('p', 'u', 'f', 'c') AND o.conrelid <> 0 AND o.conparentid = 0
       AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = o.conindid AND i.indisexclusion)
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     ORDER BY o.conrelid, o.conname";

/// Indexes that are whole and hold all rows: relation, name, whether values occur once, the first column where rows are found by
/// comparing it and else 0.
pub(super) const INDEXES: &str = "
    SELECT i.indrelid, c.relname, i.indisunique, CASE WHEN m.amname IN ('btree', 'hash', 'brin') THEN i.indkey[0] ELSE 0 END
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE i.indisvalid AND i.indpred IS NULL
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     ORDER BY i.indrelid, c.relname";

/// The queries of views: view, parsed query. One beyond 64 MiB, which nobody writes, is not looked into.
pub(super) const RULES: &str = "
    SELECT r.ev_class, r.ev_action
      FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE r.rulename = '_RETURN' AND c.relkind IN ('v', 'm') AND octet_length(r.ev_action::text) <= 67108864
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// What aggregates are called, the server's own among them.
pub(super) const AGGREGATES: &str = "SELECT DISTINCT proname FROM pg_proc WHERE prokind = 'a'";

/// Aggregates over rows whose outcome is a domain that is called like a media type: schema, name, row type (that of any rows is
/// `anyelement`), media type.
pub(super) const MEDIA_HANDLERS: &str = "
    SELECT n.nspname, p.proname, p.proargtypes[0], lower(t.typname)
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      JOIN pg_type t ON t.oid = p.prorettype
     WHERE p.prokind = 'a' AND p.pronargs = 1 AND t.typtype = 'd'
       AND (t.typname ~* '^[a-z0-9.-]+/[a-z0-9.+-]+$' OR t.typname = '*/*')
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     ORDER BY n.nspname, p.proname, p.oid";

/// Functions: oid, schema, name, names and modes of all arguments, types of the input arguments and of all, how many have defaults,
/// variadic, result, set, volatility, security definer, strict, rows, comment, executors, `SET` clauses. Left out is what no statement can
/// call: triggers, handlers, and whatever takes the server's inside. Aggregates, window functions and procedures are not
/// called at `/rpc`.
pub(super) const ROUTINES: &str = "
    SELECT p.oid, n.nspname, p.proname, array_to_json(p.proargnames), array_to_json(p.proargmodes),
           array_to_json(p.proargtypes::oid[]), array_to_json(p.proallargtypes),
           (SELECT json_agg(format_type(t.oid, NULL) ORDER BY t.place) FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t(oid, place)),
           p.pronargdefaults, p.provariadic <> 0, p.prorettype, p.proretset, p.provolatile, p.prosecdef, p.proisstrict, p.prorows = 1,
           d.description,
           (SELECT json_agg(CASE WHEN a.grantee = 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END)
              FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.privilege_type = 'EXECUTE'),
           array_to_json(p.proconfig)
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
     WHERE p.prokind = 'f'
       AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype, 'language_handler'::regtype,
                                'fdw_handler'::regtype, 'index_am_handler'::regtype, 'table_am_handler'::regtype,
                                'tsm_handler'::regtype)
       AND 'internal'::regtype <> ALL (p.proargtypes::oid[])
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     ORDER BY n.nspname, p.proname, p.oid";
