//! The roles.

use super::{Authenticator, BootstrapOutcome, BootstrapStep, Found, REQUEST_ROLES, Sql, Work};
use crate::error::StoreError;

/// What of a role decides what it may do, as words.
const ATTRIBUTES: &str =
    "SELECT rolcanlogin, rolbypassrls, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolinherit
     FROM pg_catalog.pg_roles WHERE rolname = $1";

const NAMES: [&str; 6] = ["LOGIN", "BYPASSRLS", "SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION"];

const IS_MEMBER: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_auth_members AS member
     JOIN pg_catalog.pg_roles AS role ON role.oid = member.roleid AND role.rolname = $1
     JOIN pg_catalog.pg_roles AS own ON own.oid = member.member AND own.rolname = $2)";

impl Work<'_> {
    pub(super) async fn roles(&mut self, authenticator: Option<&Authenticator>) -> Result<(), StoreError> {
        for role in REQUEST_ROLES {
            let wanted: &[&str] = if role == "service_role" { &["BYPASSRLS"] } else { &[] };
            let found = self.role(role, wanted, false).await?;
            let attributes = if wanted.is_empty() { " NOLOGIN NOINHERIT" } else { " NOLOGIN NOINHERIT BYPASSRLS" };
            self.step(format!("role {role}"), found, Sql::new("CREATE ROLE ").name(role).words(attributes)).await?;
        }
        match authenticator {
            Some(authenticator) => self.authenticator(authenticator).await,
            None => Ok(()),
        }
    }

    async fn authenticator(&mut self, authenticator: &Authenticator) -> Result<(), StoreError> {
        let name = authenticator.name.as_str();
        let found = self.role(name, &["LOGIN"], true).await?;
        let is_new = matches!(found, Found::Missing);
        self.step(format!("role {name}"), found, Sql::new("CREATE ROLE ").name(name).words(" LOGIN NOINHERIT")).await?;
        if let Some(password) = &authenticator.password {
            let what = format!("password of {name}");
            // The server is given what it keeps, so that the password itself stands in no log of its.
            let verifier = wire::password_verifier(password);
            let statement = Sql::new("ALTER ROLE ").name(name).words(" PASSWORD ").secret(verifier.expose());
            if is_new {
                self.step(what, Found::Missing, statement).await?;
            } else {
                let outcome = BootstrapOutcome::Differs("the role was there, and keeps the one it has".to_owned());
                self.steps.push(BootstrapStep { what, statement: statement.shown, outcome });
            }
        }
        for role in REQUEST_ROLES {
            let is_member = self.is(IS_MEMBER, &[role, name]).await?;
            let found = if is_member { Found::Present } else { Found::Missing };
            let statement = Sql::new("GRANT ").name(role).words(" TO ").name(name);
            self.step(format!("{name} may become {role}"), found, statement).await?;
        }
        Ok(())
    }

    /// Whether a role is there with the attributes wanted and no more. Inheritance counts for one that logs in: with it
    /// requests would start with the rights of all roles together.
    async fn role(&mut self, name: &str, wanted: &[&str], logs_in: bool) -> Result<Found, StoreError> {
        let rows = self.ask(ATTRIBUTES, &[name]).await?;
        let Some(row) = rows.first() else { return Ok(Found::Missing) };
        let mut differences = Vec::new();
        for (place, attribute) in NAMES.into_iter().enumerate() {
            match (row.get(place) == Some("t"), wanted.contains(&attribute)) {
                (true, false) => differences.push(format!("it has {attribute}")),
                (false, true) => differences.push(format!("it lacks {attribute}")),
                _ => {}
            }
        }
        if logs_in && row.get(NAMES.len()) == Some("t") {
            differences.push("it has INHERIT".to_owned());
        }
        Ok(if differences.is_empty() { Found::Present } else { Found::Differs(differences.join(", ")) })
    }
}
