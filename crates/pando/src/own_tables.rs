//! Pando's own tables: which there are, and whether the database has them. They come before the migration files, and are
//! remembered beside them.

use catalog::Snapshot;
use store::{AppliedMigration, OWED_VERSION, OwnGrant, OwnMigration, OwnMigrations, Store};

use crate::configuration::{AuditEnabled, DatabaseAddress, IdempotencyEnabled, LoginEnabled, Prepared};
use crate::migrations::MigrationError;

/// What is Pando's alone, and never served.
pub const SCHEMA: &str = "pando";

/// The schema of Pando's own tables, which on a server comes with the account of migrations.
static PANDO: OwnMigrations = OwnMigrations {
    owner: "pando",
    number: 1,
    schema: SCHEMA,
    without: "nothing: a file has one owner",
    all: &[OwnMigration {
        name: "0001_schema.sql",
        text: include_str!("../migrations/0001_schema.sql"),
        standing: &[],
    }],
};

/// What somebody wants that has tables of its own.
#[derive(Debug, Clone, Copy)]
pub struct Wishes {
    /// To sign in.
    pub login: LoginEnabled,
    /// To have changes written down.
    pub audit: AuditEnabled,
    /// To have answers kept under an `Idempotency-Key`.
    pub idempotency: IdempotencyEnabled,
    /// To have changes noted on a server, for answers that are kept.
    pub changes: bool,
}

impl Wishes {
    /// Those of a configuration.
    pub fn of(prepared: &Prepared) -> Self {
        let (audit, idempotency) = (prepared.audit.enabled, prepared.idempotency.enabled);
        Self { login: prepared.login, audit, idempotency, changes: prepared.watch.is_some() }
    }
}
const fn grant(schema: &'static str, table: &'static str, privileges: &'static str) -> OwnGrant {
    OwnGrant { schema, table, privileges }
}

const ALL: &str = "SELECT, INSERT, UPDATE, DELETE";

/// What a server does with each of Pando's own tables: what a role has to be granted that logs in and is not their owner. Those of
/// the login are also GoTrue's, and are looked at for all four when they were there before.
pub static GRANTS: &[OwnGrant] = &[
    grant("auth", "users", ALL),
    grant("auth", "identities", ALL),
    grant("auth", "sessions", ALL),
    grant("auth", "mfa_amr_claims", ALL),
    grant("auth", "one_time_tokens", ALL),
    grant("auth", "flow_state", ALL),
    grant("auth", "mfa_factors", ALL),
    grant("auth", "mfa_challenges", ALL),
    grant("pando", "migrations", "SELECT"),
    grant("pando", "signing_keys", ALL),
    grant("pando", "revoked_sessions", "SELECT, INSERT, DELETE"),
    grant("pando", "used_codes", "SELECT, INSERT, DELETE"),
    grant("pando", "api_keys", "SELECT, INSERT, UPDATE"),
    grant("pando", "api_key_usage", "SELECT, INSERT, UPDATE"),
    grant("pando", "audit_entries", "SELECT, INSERT"),
    grant("pando", "audit_tiles", "SELECT, INSERT, UPDATE"),
    grant("pando", "audit_head", "SELECT, UPDATE"),
    grant("pando", "audit_checkpoints", "SELECT, INSERT"),
    grant("pando", "audit_forgotten", "SELECT"),
    grant("pando", "changes", "SELECT, INSERT, DELETE"),
    grant("pando", "changes_horizon", "SELECT, INSERT, UPDATE"),
    grant("pando", "idempotency", ALL),
];

/// Whose tables a database is to have, in the order in which they are made. On a server the role that logs in may not be let make
/// any: there are only those that something needs.
pub fn wanted(address: &DatabaseAddress, wishes: Wishes) -> Vec<&'static OwnMigrations> {
    let Wishes { login, audit, idempotency, changes } = wishes;
    let mut wanted: Vec<&'static OwnMigrations> = match address {
        DatabaseAddress::File(_) => vec![&PANDO, &login::api_keys::MIGRATIONS],
        DatabaseAddress::Server(_) => Vec::new(),
    };
    let is_file = matches!(address, DatabaseAddress::File(_));
    if audit == AuditEnabled::On || (is_file && audit == AuditEnabled::Auto) {
        wanted.push(&audit::MIGRATIONS);
    }
    if idempotency == IdempotencyEnabled::On || (is_file && idempotency == IdempotencyEnabled::Auto) {
        wanted.push(&store::idempotency::MIGRATIONS);
    }
    if changes {
        wanted.push(&store::CHANGES);
    }
    // Migration files may refer to accounts, so their tables come first wherever they are sure to come.
    let is_sure = match address {
        DatabaseAddress::File(_) => login != LoginEnabled::Off,
        DatabaseAddress::Server(_) => login == LoginEnabled::On,
    };
    if is_sure {
        wanted.extend(login::MIGRATIONS);
    }
    wanted
}

/// What exists before the first migration file: what an engine brings along, and Pando's own tables.
pub fn declared(address: &DatabaseAddress, wishes: Wishes) -> Result<Snapshot, MigrationError> {
    let begin = sql::ddl::prelude();
    wanted(address, wishes)
        .into_iter()
        .try_fold(begin, |snapshot, own| own.declared(&snapshot).map_err(MigrationError::Failed))
}

/// A step that the database does not have yet.
#[derive(Debug, Clone, Copy)]
pub struct PendingStep {
    own: &'static OwnMigrations,
    place: usize,
}

impl PendingStep {
    /// Its name, `auth/0001_users.sql`.
    pub fn name(&self) -> String {
        self.own.all.get(self.place).map(|step| self.own.name(step)).unwrap_or_default()
    }

    /// Applies it.
    pub async fn apply(&self, store: &dyn Store) -> Result<store::MigrationOutcome, MigrationError> {
        store.apply_own(self.own, self.place).await.map_err(MigrationError::Failed)
    }
}

/// What the database does not have yet, in order. What a newer release has made besides is its own affair.
pub fn pending(address: &DatabaseAddress, wishes: Wishes, applied: &[AppliedMigration]) -> Vec<PendingStep> {
    let is_applied = |version: i64| applied.iter().any(|known| known.version == version && version < OWED_VERSION);
    let steps = |own: &'static OwnMigrations| (0..own.all.len()).map(move |place| PendingStep { own, place });
    let mut pending: Vec<PendingStep> = wanted(address, wishes).into_iter().flat_map(steps).collect();
    pending.retain(|step| !is_applied(step.own.version(step.place)));
    pending
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use super::*;

    const AUTO: Wishes = Wishes {
        login: LoginEnabled::Auto,
        audit: AuditEnabled::Auto,
        idempotency: IdempotencyEnabled::Auto,
        changes: false,
    };

    fn file() -> DatabaseAddress {
        DatabaseAddress::File("pando.sqlite".into())
    }

    #[test]
    fn every_step_is_of_its_owner_alone_and_the_embedded_engine_can_do_it() {
        let all = wanted(&file(), AUTO);
        let numbers: BTreeSet<u16> = all.iter().map(|own| own.number).collect();
        let owners: BTreeSet<&str> = all.iter().map(|own| own.owner).collect();
        assert_eq!((numbers.len(), owners.len()), (all.len(), all.len()));
        for own in &all {
            assert!(own.all.len() < 1_000 && own.number > 0);
            let names: Vec<&str> = own.all.iter().map(|step| step.name).collect();
            assert!(names.is_sorted(), "{names:?}");
        }
        let snapshot = declared(&file(), AUTO).unwrap();
        assert!(snapshot.schemas.contains_key(SCHEMA));
    }

    #[test]
    fn every_table_is_granted_to_a_role_that_logs_in() {
        let snapshot = declared(&file(), AUTO).unwrap();
        for name in snapshot.relations.keys().filter(|name| ["auth", SCHEMA].contains(&&*name.schema)) {
            let is_named = GRANTS.iter().any(|grant| grant.schema == &*name.schema && grant.table == &*name.name);
            assert!(
                is_named,
                "{name}: say in GRANTS what a server does with it, for `pando bootstrap --authenticator`"
            );
        }
    }

    #[test]
    fn what_was_applied_is_not_pending() {
        let first = pending(&file(), AUTO, &[]);
        assert_eq!(first.first().map(PendingStep::name).as_deref(), Some("pando/0001_schema.sql"));
        let known = |step: &PendingStep| AppliedMigration {
            version: step.own.version(step.place),
            name: "of an older release".to_owned(),
            checksum: "another".to_owned(),
            applied_at: 0,
        };
        let applied: Vec<AppliedMigration> = first.iter().map(known).collect();
        assert!(applied.iter().all(|known| known.version < OWED_VERSION));
        assert!(pending(&file(), AUTO, &applied).is_empty());
    }
}
