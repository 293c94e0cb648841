//! The schema `auth` with the functions that policies ask who the caller is. Clients of Supabase's put the claims into
//! `request.jwt.claims`; `request.jwt.claim.sub` and its like are what PostgREST set before version 9.

use super::{Found, REQUEST_ROLES, Sql, Work};
use crate::error::StoreError;

/// A function without arguments.
struct Function {
    name: &'static str,
    returns: &'static str,
    body: &'static str,
    statement: &'static str,
}

macro_rules! function {
    ($name:literal, $returns:literal, $body:literal) => {
        Function {
            name: $name,
            returns: $returns,
            body: $body,
            statement: concat!(
                "CREATE FUNCTION auth.",
                $name,
                "() RETURNS ",
                $returns,
                " LANGUAGE sql STABLE AS $$",
                $body,
                "$$"
            ),
        }
    };
}

const FUNCTIONS: [Function; 4] = [
    function!(
        "uid",
        "uuid",
        " select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),\
         \n    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid "
    ),
    function!(
        "role",
        "text",
        " select coalesce(nullif(current_setting('request.jwt.claim.role', true), ''),\
         \n    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')::text "
    ),
    function!(
        "email",
        "text",
        " select coalesce(nullif(current_setting('request.jwt.claim.email', true), ''),\
         \n    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email')::text "
    ),
    function!(
        "jwt",
        "jsonb",
        " select coalesce(nullif(current_setting('request.jwt.claim', true), ''),\
         \n    nullif(current_setting('request.jwt.claims', true), ''))::jsonb "
    ),
];

/// Whose a schema is, and whether that is somebody who may do everything anyway.
const SCHEMA: &str = "SELECT rolname, rolsuper OR rolname = current_user
     FROM pg_catalog.pg_namespace JOIN pg_catalog.pg_roles ON pg_roles.oid = nspowner WHERE nspname = $1";

const HAS_SCHEMA: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)";

const FUNCTION: &str = "SELECT pg_catalog.format_type(prorettype, NULL), provolatile = 's', prosrc
     FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pronamespace
     WHERE nspname = 'auth' AND proname = $1 AND pronargs = 0";

/// Without a list of its own a function is everybody's.
const MAY_CALL: &str = "SELECT proacl IS NULL OR EXISTS (SELECT FROM pg_catalog.aclexplode(proacl) AS entry
       LEFT JOIN pg_catalog.pg_roles ON pg_roles.oid = entry.grantee
       WHERE entry.privilege_type = 'EXECUTE' AND (entry.grantee = 0 OR rolname = $2))
     FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pronamespace
     WHERE nspname = 'auth' AND proname = $1 AND pronargs = 0";

impl Work<'_> {
    pub(super) async fn auth(&mut self) -> Result<(), StoreError> {
        let found = match self.schema("auth").await? {
            // Its owner may drop any function in it and make another one of that name.
            Found::Differs(how) => Found::Differs(format!("it {how}, who could change what policies are told")),
            found => found,
        };
        let is_anothers = matches!(found, Found::Differs(_));
        self.step("schema auth".to_owned(), found, Sql::new("CREATE SCHEMA auth")).await?;
        if is_anothers {
            return Ok(());
        }
        self.usage("auth").await?;
        for function in FUNCTIONS {
            let Function { name, returns, body, statement } = function;
            let found = self.function(name, returns, body).await?;
            self.step(format!("function auth.{name}()"), found, Sql::new(statement)).await?;
            self.calls(name).await?;
        }
        Ok(())
    }

    /// A schema that only superusers, or the role that does this, decide about.
    pub(super) async fn schema(&mut self, name: &str) -> Result<Found, StoreError> {
        let rows = self.ask(SCHEMA, &[name]).await?;
        let Some(row) = rows.first() else { return Ok(Found::Missing) };
        let owner = row.get(0).unwrap_or_default();
        Ok(if row.get(1) == Some("t") { Found::Present } else { Found::Differs(format!("belongs to {owner}")) })
    }

    pub(super) async fn has_schema(&mut self, name: &str) -> Result<bool, StoreError> {
        self.is(HAS_SCHEMA, &[name]).await
    }

    async fn calls(&mut self, name: &'static str) -> Result<(), StoreError> {
        for role in REQUEST_ROLES {
            let found = if self.is(MAY_CALL, &[name, role]).await? { Found::Present } else { Found::Missing };
            let statement = Sql::new("GRANT EXECUTE ON FUNCTION auth.").name(name).words("() TO ").name(role);
            self.step(format!("{role} may call auth.{name}()"), found, statement).await?;
        }
        Ok(())
    }

    async fn function(&mut self, name: &str, returns: &str, body: &str) -> Result<Found, StoreError> {
        let rows = self.ask(FUNCTION, &[name]).await?;
        let Some(row) = rows.first() else { return Ok(Found::Missing) };
        let is = row.get(0).unwrap_or_default();
        if is != returns {
            return Ok(Found::Differs(format!("it returns {is}, not {returns}")));
        }
        if row.get(1) != Some("t") {
            return Ok(Found::Differs("it is not STABLE, so it runs for every row".to_owned()));
        }
        let is_same = words(row.get(2).unwrap_or_default()) == words(body);
        Ok(if is_same { Found::Present } else { Found::Differs("its body is another one".to_owned()) })
    }
}

/// A body without regard to blanks, letters and the semicolon at its end.
fn words(body: &str) -> String {
    let text: String = body.chars().filter(|character| !character.is_whitespace()).collect();
    text.trim_end_matches(';').to_lowercase()
}
