//! What a bare PostgreSQL needs before Pando serves it: the roles that requests run as, the helpers of `auth` that policies
//! call, the grants, and the event triggers that tell of changes to the schema. Names and definitions are Supabase's and
//! PostgREST's, so that what was written for them works.
//!
//! It only adds. What is there counts as it is, and where it differs that is told.

mod auth;
mod grants;
mod own;
mod roles;
mod watch;

use std::collections::BTreeMap;

use base::Secret;
use wire::{Connection, Error, Target};

use super::failure;
use crate::error::StoreError;
pub use own::OwnGrant;

/// Two of these at once would both find something missing. The key: "pandob" in ASCII. The database's owner may have set that
/// names are looked for among functions and operators of their own first, which a superuser is not to run.
const BEGIN: &str = "BEGIN; SET LOCAL search_path TO pg_catalog, pg_temp; SET LOCAL standard_conforming_strings TO on;
    SET LOCAL statement_timeout TO '60s'; SET LOCAL lock_timeout TO '10s';
    SELECT pg_catalog.pg_advisory_xact_lock(123563766214498)";

/// The roles that requests run as.
const REQUEST_ROLES: [&str; 3] = ["anon", "authenticated", "service_role"];

/// What [`bootstrap`] is to do.
#[derive(Debug, Clone, Default)]
pub struct BootstrapSettings {
    /// The server: a URI or a keyword/value string, as libpq takes them.
    pub url: String,
    /// The environment variables that libpq knows.
    pub environment: BTreeMap<String, String>,
    /// The schemas that are served.
    pub schemas: Vec<String>,
    /// A role to log in as, which may become the roles that requests run as.
    pub authenticator: Option<Authenticator>,
    /// What the authenticator is to be let do with the program's own tables, as far as they are there.
    pub own_tables: Vec<OwnGrant>,
    /// The channel on which the event triggers tell of changes of the schema.
    pub channel: String,
    /// Whether tables, functions and sequences that the role makes later are open to requests, as on Supabase.
    pub opens_new_objects: bool,
    /// Whether everything is taken back in the end.
    pub is_dry_run: bool,
}

/// The role that a server logs in as.
#[derive(Debug, Clone)]
pub struct Authenticator {
    /// Its name.
    pub name: String,
    /// Its password; without one it cannot log in where a password is asked for.
    pub password: Option<Secret>,
}

/// Something that a bare server lacks, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapStep {
    /// What it is: `role anon`.
    pub what: String,
    /// The statement that adds it, without passwords.
    pub statement: String,
    /// What was done.
    pub outcome: BootstrapOutcome,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootstrapOutcome {
    /// It was missing and is there now.
    Added,
    /// It was there.
    Present,
    /// It is there, is something else, and was left alone: how it differs.
    Differs(String),
    /// It was missing and still is: why, and what to do.
    Skipped(String),
}

/// Adds what is missing, in one transaction, and tells of every step. A second time nothing is added.
///
/// # Errors
/// [`StoreError::Address`] for a URL that says nothing, [`StoreError::Unreachable`] without a connection,
/// [`StoreError::Engine`] when the server refuses a step; nothing is added then.
pub async fn bootstrap(settings: &BootstrapSettings) -> Result<Vec<BootstrapStep>, StoreError> {
    let target = Target::parse(&settings.url, &|name| settings.environment.get(name).cloned())
        .map_err(|error| StoreError::Address(error.to_string()))?;
    let wire = wire::Settings { prepared_statements: 0, ..wire::Settings::default() };
    let mut connection =
        Connection::open(&target, &wire).await.map_err(|error| StoreError::Unreachable(error.to_string()))?;
    let mut work = Work { connection: &mut connection, steps: Vec::new() };
    let done = work.everything(settings).await;
    let steps = work.steps;
    // What was done is committed, or lost with the connection; whether the server hears the farewell changes nothing.
    drop(connection.close().await);
    done.map(|()| steps)
}

/// The steps so far, and the connection for the next ones.
struct Work<'c> {
    connection: &'c mut Connection,
    steps: Vec<BootstrapStep>,
}

/// What the server says about a thing.
enum Found {
    Missing,
    Present,
    Differs(String),
}

impl Work<'_> {
    async fn everything(&mut self, settings: &BootstrapSettings) -> Result<(), StoreError> {
        self.run("the transaction", BEGIN).await?;
        self.roles(settings.authenticator.as_ref()).await?;
        self.auth().await?;
        self.grants(settings).await?;
        self.own(settings).await?;
        self.watch(&settings.channel).await?;
        if settings.is_dry_run {
            return self.run("the end", "ROLLBACK").await;
        }
        if self.steps.iter().any(|step| step.outcome == BootstrapOutcome::Added) {
            let notify = Sql::new("NOTIFY ").name(&settings.channel).words(", 'reload schema'");
            self.run("the notification", &notify.text).await?;
        }
        self.run("the end", "COMMIT").await
    }

    /// One step: what was found decides whether the statement is run.
    async fn step(&mut self, what: String, found: Found, statement: Sql) -> Result<(), StoreError> {
        let outcome = match found {
            Found::Present => BootstrapOutcome::Present,
            Found::Differs(how) => BootstrapOutcome::Differs(how),
            Found::Missing => {
                self.run(&what, &statement.text).await?;
                BootstrapOutcome::Added
            }
        };
        self.steps.push(BootstrapStep { what, statement: statement.shown, outcome });
        Ok(())
    }

    async fn run(&mut self, what: &str, statement: &str) -> Result<(), StoreError> {
        self.connection.batch(statement).await.map_err(|error| refused(what, &error))
    }

    /// The rows of a question about the server, with parameters.
    async fn ask(&mut self, question: &str, parameters: &[&str]) -> Result<Vec<wire::TextRow>, StoreError> {
        self.connection.query(question, parameters).await.map_err(|error| failure::of_connection(&error))
    }

    /// The truth of a question; no row is no.
    async fn is(&mut self, question: &str, parameters: &[&str]) -> Result<bool, StoreError> {
        let rows = self.ask(question, parameters).await?;
        Ok(rows.first().and_then(|row| row.get(0)) == Some("t"))
    }
}

fn refused(what: &str, error: &Error) -> StoreError {
    match error {
        Error::Server(error) => {
            let advice = match error.code.as_str() {
                "42501" => "; nothing was added: log in as a superuser, or as a role that may do this",
                "55P03" | "57014" => "; nothing was added: another session holds a lock, try again when it has ended",
                _ => "; nothing was added",
            };
            StoreError::Engine(format!("{what}: {} [{}]{advice}", error.message, error.code))
        }
        other => failure::of_connection(other),
    }
}

/// A statement that is appended to: words of ours, names and texts as SQL has them.
#[derive(Default)]
struct Sql {
    text: String,
    /// The same without passwords.
    shown: String,
}

impl Sql {
    fn new(words: &'static str) -> Self {
        Self::default().words(words)
    }

    fn words(mut self, words: &'static str) -> Self {
        self.text.push_str(words);
        self.shown.push_str(words);
        self
    }

    fn name(mut self, name: &str) -> Self {
        for text in [&mut self.text, &mut self.shown] {
            quote(text, name, '"');
        }
        self
    }

    fn names(mut self, names: &[&str]) -> Self {
        for (place, name) in names.iter().enumerate() {
            self = if place > 0 { self.words(", ").name(name) } else { self.name(name) };
        }
        self
    }

    /// The body of a function.
    fn body(mut self, body: &str) -> Self {
        // Nothing has to be doubled between dollars, unless they stand in it.
        let literal = if body.contains("$$") { quoted(body) } else { ["$$", body, "$$"].concat() };
        for text in [&mut self.text, &mut self.shown] {
            text.push_str(&literal);
        }
        self
    }

    /// A text that is not shown.
    fn secret(mut self, text: &str) -> Self {
        quote(&mut self.text, text, '\'');
        self.shown.push_str("'…'");
        self
    }
}

/// A text as SQL has it.
fn quoted(what: &str) -> String {
    let mut text = String::new();
    quote(&mut text, what, '\'');
    text
}

fn quote(text: &mut String, what: &str, mark: char) {
    text.push(mark);
    for character in what.chars() {
        if character == mark {
            text.push(mark);
        }
        text.push(character);
    }
    text.push(mark);
}
