//! The engines that the cases run on, each with a schema whose changes are written down.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use audit::{Entry, Signer};
use base::{Clock, Secret, SystemClock};
use datatype::Datum;
use store::{
    AuditKey, AuditSettings, AuditValues, Config, Migration, MigrationScript, Observer, Operation, OwnStatement,
    OwnStep, PostgresSettings, SqliteSettings, Store,
};
use tempfile::TempDir;
use testkit::{Cluster, Postgres};

#[path = "../../../store/tests/own/engines.rs"]
pub mod engines;

pub const SCHEMA: &str = "
    create table people (
        id bigint primary key, name text not null, born date, seen timestamptz, weight numeric(6,2),
        score double precision, data jsonb, raw bytea, is_here boolean, code uuid, secret text
    );
    comment on column people.secret is 'Not for others. @mask';
    create table pets (id bigint primary key, owner bigint not null references people (id) on delete cascade, name text);
    create table notes (text text);
    create table left_out (id bigint primary key);
    create table wide (id bigint primary key, name text not null, born date, seen timestamptz, secret text);";

pub const ALL: OwnStatement = OwnStatement::new(
    "SELECT id, transaction_number, at, action, relation, key, change, context FROM pando.audit_entries ORDER BY id",
    &[],
);
pub const ADD: OwnStatement = OwnStatement::new(
    "INSERT INTO public.people (id, name, born, seen, weight, score, data, raw, is_here, code, secret)
     VALUES ($1, $2, '2001-02-03', $3, 71.50, 0.1, '{\"b\": [1, null], \"a\": \"x\\ny\"}', $4, true,
             '6f1a3c1e-2f7e-4c53-9d0e-0a8b7c6d5e4f', 'hidden')",
    &["bigint", "text", "timestamptz", "bytea"],
);
pub const RENAME: OwnStatement =
    OwnStatement::new("UPDATE public.people SET name = $2, secret = 'other' WHERE id = $1", &["bigint", "text"]);
pub const REMOVE: OwnStatement = OwnStatement::new("DELETE FROM public.people WHERE id = $1", &["bigint"]);
pub const ADD_PET: OwnStatement =
    OwnStatement::new("INSERT INTO public.pets (id, owner, name) VALUES ($1, $2, $3)", &["bigint", "bigint", "text"]);
pub const ADD_NOTE: OwnStatement = OwnStatement::new("INSERT INTO public.notes (text) VALUES ($1)", &["text"]);
pub const ADD_LEFT_OUT: OwnStatement = OwnStatement::new("INSERT INTO public.left_out (id) VALUES ($1)", &["bigint"]);

pub fn key() -> AuditKey {
    AuditKey::new(Secret::new("a key for tests"))
}

pub fn signer() -> Signer {
    Signer::new(&Secret::new("a key for tests"), "pando.test/audit").expect("a signer")
}

fn audited() -> AuditSettings {
    AuditSettings {
        exclude: vec!["public.left_out".to_owned()],
        tables: vec![("public.people".to_owned(), AuditValues::Changed), ("public.pets".to_owned(), AuditValues::All)],
        key: key(),
        ..AuditSettings::default()
    }
}

struct Silent;

impl Observer for Silent {
    fn operation(&self, _: &Operation<'_>) {}
    fn batch(&self, _: u64, _: Duration) {}
}

/// An engine. It is gone when this goes.
pub struct Engine {
    pub store: Arc<dyn Store>,
    pub path: Option<PathBuf>,
    pub url: Option<String>,
    _folder: Option<TempDir>,
    pub server: Option<Postgres>,
}

impl Engine {
    pub async fn embedded() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("test.sqlite");
        let store = open_file(&path).await;
        prepare(store.as_ref()).await;
        Self { store, path: Some(path), url: None, _folder: Some(folder), server: None }
    }

    pub async fn server(test: &str) -> Option<Self> {
        Self::server_with(test, Cluster::new()).await
    }

    pub async fn server_with(test: &str, cluster: Cluster) -> Option<Self> {
        let server = cluster.start_for(test)?;
        let url = server.url("postgres");
        let settings = PostgresSettings { audit: Some(audited()), ..engines::settings(&url) };
        let store = open(Config::Postgres(settings)).await;
        prepare(store.as_ref()).await;
        Some(Self { store, path: None, url: Some(url), _folder: None, server: Some(server) })
    }

    pub async fn entries(&self) -> Vec<Entry> {
        let answers = self.store.consult(vec![OwnStep::new(ALL, [])]).await.expect("reads");
        let row = |row: &store::OwnRow| Entry {
            id: row.get("id").expect("id"),
            transaction_number: row.get("transaction_number").expect("transaction_number"),
            at: row.get("at").expect("at"),
            action: row.get("action").expect("action"),
            relation: row.get("relation").expect("relation"),
            key: row.get("key").expect("key"),
            change: row.get("change").expect("change"),
            context: row.get("context").expect("context"),
        };
        answers.first().expect("an answer").rows.iter().map(row).collect()
    }

    pub async fn run(&self, statement: OwnStatement, values: impl Into<Vec<Datum>>) {
        self.store.transact(vec![OwnStep::new(statement, values)]).await.expect("runs");
    }

    /// The same rows on every engine.
    pub async fn fill(&self) {
        let moment = base::Timestamp(1_700_000_000_123_456);
        self.run(ADD, [1.into(), "O'Brien \"x\"".into(), moment.into(), vec![0_u8, 255].into()]).await;
        self.run(ADD, [2.into(), "Zoë".into(), Datum::Null, Datum::Null]).await;
        self.run(ADD_PET, [7.into(), 1.into(), "Rex".into()]).await;
        self.run(RENAME, [2.into(), "Zoe".into()]).await;
        self.run(ADD_NOTE, ["without a key".into()]).await;
        self.run(ADD_LEFT_OUT, [1.into()]).await;
        self.run(REMOVE, [1.into()]).await;
    }

    /// Seals as somebody who has just started.
    pub async fn seal(&self) -> u64 {
        self.seal_on(&mut audit::Memory::default()).await.expect("seals")
    }

    /// Seals as somebody who remembers.
    pub async fn seal_on(&self, memory: &mut audit::Memory) -> Result<u64, audit::AuditError> {
        let signer = signer();
        let mut sealer = audit::Sealer::new(self.store.as_ref(), &signer, memory);
        let mut sealed = 0;
        loop {
            let now = sealer.seal(SystemClock.now()).await?;
            sealed += now.entries;
            if !now.has_more {
                return Ok(sealed);
            }
        }
    }
}

pub async fn open_file(path: &Path) -> Arc<dyn Store> {
    open(Config::Sqlite(SqliteSettings { audit: Some(audited()), ..SqliteSettings::new(path) })).await
}

async fn open(config: Config) -> Arc<dyn Store> {
    store::open(config, Arc::new(SystemClock), Arc::new(Silent)).await.expect("opens")
}

async fn prepare(store: &dyn Store) {
    for place in 0..audit::MIGRATIONS.all.len() {
        store.apply_own(&audit::MIGRATIONS, place).await.expect("makes the tables");
    }
    let catalog = store.catalog();
    let script = if catalog.is_native() {
        MigrationScript::Native(SCHEMA.to_owned())
    } else {
        MigrationScript::Translated(Box::new(
            sql::ddl::translate("test.sql", SCHEMA, catalog.snapshot()).expect("translates"),
        ))
    };
    let migration =
        Migration { version: 1, name: "0001_test.sql".to_owned(), checksum: "1".to_owned(), script, owes: None };
    store.apply_migration(migration).await.expect("applies");
    assert_eq!(store.audit().await.expect("is audited"), []);
}
