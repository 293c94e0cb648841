//! Who may use which schema, and what of later objects.

use super::{BootstrapOutcome, BootstrapSettings, BootstrapStep, Found, REQUEST_ROLES, Sql, Work};
use crate::error::StoreError;

/// The grant itself: what `PUBLIC` may do can be taken away from everybody.
const HAS_USAGE: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace,
       pg_catalog.aclexplode(coalesce(nspacl, pg_catalog.acldefault('n', nspowner))) AS entry
     JOIN pg_catalog.pg_roles ON pg_roles.oid = entry.grantee
     WHERE nspname = $1 AND rolname = $2 AND entry.privilege_type = 'USAGE')";

/// How many of the privileges that a kind of object has are given to a role by default.
const DEFAULTS: &str = "SELECT count(*) >= $4::integer FROM pg_catalog.pg_default_acl
     JOIN pg_catalog.pg_namespace ON pg_namespace.oid = defaclnamespace AND nspname = $1,
       pg_catalog.aclexplode(defaclacl) AS entry
     JOIN pg_catalog.pg_roles ON pg_roles.oid = entry.grantee AND rolname = $2
     WHERE defaclobjtype = $3::\"char\" AND defaclrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)";

/// Kinds of objects: their word, their letter in the catalog, and how many privileges all of them are at least.
const KINDS: [(&str, &str, &str); 3] =
    [(" ON TABLES TO ", "r", "7"), (" ON FUNCTIONS TO ", "f", "1"), (" ON SEQUENCES TO ", "S", "3")];

impl Work<'_> {
    pub(super) async fn grants(&mut self, settings: &BootstrapSettings) -> Result<(), StoreError> {
        let mut schemas = vec!["public"];
        schemas.extend(settings.schemas.iter().map(String::as_str).filter(|schema| *schema != "public"));
        for schema in schemas {
            if !self.has_schema(schema).await? {
                self.absent(schema);
                continue;
            }
            self.usage(schema).await?;
            if settings.opens_new_objects {
                self.defaults(schema).await?;
            }
        }
        Ok(())
    }

    /// A schema of the API comes with the migrations, which would find it in their way.
    fn absent(&mut self, schema: &str) {
        let why = "there is no such schema yet; run this again once a migration has made it".to_owned();
        let statement = Sql::new("GRANT USAGE ON SCHEMA ").name(schema).words(" TO ").names(&REQUEST_ROLES).shown;
        let outcome = BootstrapOutcome::Skipped(why);
        self.steps.push(BootstrapStep { what: format!("use of schema {schema}"), statement, outcome });
    }

    pub(super) async fn usage(&mut self, schema: &str) -> Result<(), StoreError> {
        for role in REQUEST_ROLES {
            let found = if self.is(HAS_USAGE, &[schema, role]).await? { Found::Present } else { Found::Missing };
            let statement = Sql::new("GRANT USAGE ON SCHEMA ").name(schema).words(" TO ").name(role);
            self.step(format!("{role} may use schema {schema}"), found, statement).await?;
        }
        Ok(())
    }

    async fn defaults(&mut self, schema: &str) -> Result<(), StoreError> {
        for (objects, letter, least) in KINDS {
            for role in REQUEST_ROLES {
                let is_there = self.is(DEFAULTS, &[schema, role, letter, least]).await?;
                let found = if is_there { Found::Present } else { Found::Missing };
                let statement = Sql::new("ALTER DEFAULT PRIVILEGES IN SCHEMA ").name(schema);
                let statement = statement.words(" GRANT ALL").words(objects).name(role);
                let what = objects.trim_start_matches(" ON ").trim_end_matches(" TO ").to_lowercase();
                self.step(format!("{role} may use later {what} in {schema}"), found, statement).await?;
            }
        }
        Ok(())
    }
}
