//! `[responses]`: which answers are kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::QualifiedName;
use catalog::ClaimsAsked;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{RecallSettings, Rule};
use store::{DeclaredFunction, WatchSettings};

use super::effect::{Check, DatabaseAddress};
use super::limiting::Limiting;
use super::replicas::qualified;
use super::sections::SecretText;

/// `[responses]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Responses {
    /// Which answers to reads are kept and shown again: of relations and functions, by `schema.name`; `*` is all others, on the
    /// embedded engine alone. Empty keeps none. On a PostgreSQL server triggers on these tables, and on those that they depend on, note
    /// what changes.
    /// `"public.todos" = "strict"` never shows an answer that is older than the last acknowledged write, whoever wrote it;
    /// `"session"` never one that lacks what the client has seen by its `Pando-Position`, and else one that is a second old at most;
    /// `"ttl 60"` one that is 60 seconds old at most, whatever was written. With `ttl` go `stale-while-revalidate 30` and
    /// `stale-if-error 600`, with all of them `private` (never outside of this process) or `cdn 60` (caches in front that `cdn` names may keep it for 60 seconds,
    /// where it is the same for everybody who is not signed in), between commas. A read of several
    /// is kept by the strictest rule, and not at all if one of them has none.
    pub tables: BTreeMap<String, String>,
    /// What functions of the schema read that Pando cannot see into (in PL/pgSQL, say), by `schema.name`: `"public.is_member" = "tables public.members, claims
    /// sub"`, `claims *` for all claims of the caller, `nothing`. Answers of tables and views whose policies or texts call them can be kept then,
    /// as exactly as that is said. For a PostgreSQL server.
    pub functions: BTreeMap<String, String>,
    /// Where answers are kept. `memory`: of each node. `remote`: there and on a Redis (from version 6.2) or Valkey server, so that what one node
    /// has read another one need not ask the database for; except of what a rule says `private`. Not for the embedded engine, whose file
    /// belongs to one process.
    pub driver: ResponsesDriver,
    /// Where that server is, as `cache.url`, which is used without it. One for answers alone never has to choose whether to forget
    /// an answer or a counter when it is full.
    pub url: Option<SecretText>,
    /// How many seconds an answer is kept there at most. One that nothing has changed is right for longer, but may never be asked for again.
    pub shared_seconds: u32,
    /// The most bytes that kept answers take in memory, in MiB.
    pub max_memory_mib: u32,
    /// The most bytes of an answer that is kept, in KiB.
    pub max_answer_kib: u32,
    /// One of so many kept answers that are shown is compared with what the database gives, and counted
    /// (`pando_cache_checked_reads_total`, `pando_cache_stale_reads_total`); 0 compares none.
    pub check_one_in: u32,
}

impl Default for Responses {
    fn default() -> Self {
        Self {
            tables: BTreeMap::new(),
            functions: BTreeMap::new(),
            driver: ResponsesDriver::Memory,
            url: None,
            shared_seconds: 3_600,
            max_memory_mib: 64,
            max_answer_kib: 1_024,
            check_one_in: 1_000,
        }
    }
}

/// Where answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResponsesDriver {
    /// In the memory of each node.
    Memory,
    /// There, and on a server that all nodes share.
    Remote,
}

/// The server that nodes share for answers.
#[derive(Debug, Clone)]
pub struct Sharing {
    /// Where it is, nobody being told of it yet.
    pub cache: cache::Config,
    /// What names answers there, and seals them.
    pub keys: cache::Keys,
    /// How long an answer is kept at most.
    pub kept_for: Duration,
}

/// What is said of a function: `tables` and `claims`, each with names, between commas; or `nothing`.
fn declared_function(text: &str) -> Result<DeclaredFunction, String> {
    let mut declared = DeclaredFunction::default();
    if text.trim() == "nothing" {
        return Ok(declared);
    }
    for part in text.split(',') {
        let words: Vec<&str> = part.split_whitespace().collect();
        match words.as_slice() {
            ["tables", tables @ ..] if !tables.is_empty() => {
                for table in tables {
                    let name = qualified(table).ok_or_else(|| format!("names {table:?}; a table is schema.name"))?;
                    declared.tables.insert(name);
                }
            }
            ["claims", "*"] => declared.claims = ClaimsAsked::All,
            ["claims", claims @ ..] if !claims.is_empty() => {
                declared.claims.add(&ClaimsAsked::Named(claims.iter().map(|claim| Arc::from(*claim)).collect()));
            }
            _ => {
                return Err(
                    "has to be `tables schema.name ...`, `claims name ...` or both with a comma between, or `nothing`"
                        .to_owned(),
                );
            }
        }
    }
    Ok(declared)
}

/// The name that stands for all others.
const OTHERS: &str = "*";

impl Check<'_> {
    /// Which answers are kept, and what is watched on a server for that; `None` for none.
    pub(super) fn responses(
        &mut self,
        database: Option<&DatabaseAddress>,
    ) -> Option<(RecallSettings, Option<WatchSettings>)> {
        let section = self.loaded().config.responses.clone();
        let mut settings = RecallSettings {
            rules: BTreeMap::new(),
            others: None,
            most_bytes: u64::from(section.max_memory_mib) << 20,
            largest: usize::try_from(section.max_answer_kib).unwrap_or(usize::MAX).saturating_mul(1024),
            checked: section.check_one_in,
        };
        for (name, text) in &section.tables {
            match text.parse::<Rule>() {
                Err(problem) => self.problem("responses.tables", format!("has {text:?} for {name}; it {problem}")),
                Ok(rule) if name == OTHERS => settings.others = Some(rule),
                Ok(rule) => match qualified(name) {
                    Some(name) => drop(settings.rules.insert(name, rule)),
                    None => self.problem(
                        "responses.tables",
                        format!("has the name {name:?}; it has to be schema.name, or * for all others"),
                    ),
                },
            }
        }
        for (name, value) in
            [("responses.max_memory_mib", section.max_memory_mib), ("responses.max_answer_kib", section.max_answer_kib)]
        {
            if value == 0 {
                self.problem(name, "has to be at least 1; an empty responses.tables keeps no answers");
            }
        }
        let is_used = !section.tables.is_empty();
        let is_server = matches!(database, Some(DatabaseAddress::Server(_)));
        if is_server && settings.others.is_some() {
            self.problem(
                "responses.tables",
                "has *, which is for the embedded engine: on a PostgreSQL server triggers note what changes, so name the tables",
            );
        }
        let functions = self.declared_functions(&section.functions);
        if !functions.is_empty() && matches!(database, Some(DatabaseAddress::File(_))) {
            self.problem(
                "responses.functions",
                "is for a PostgreSQL server: the embedded engine knows what its functions read; leave it out",
            );
        }
        let watch = is_server.then(|| WatchSettings {
            relations: settings.rules.keys().cloned().collect(),
            functions,
            ..WatchSettings::default()
        });
        is_used.then_some((settings, watch))
    }

    /// What is said of functions.
    fn declared_functions(&mut self, section: &BTreeMap<String, String>) -> BTreeMap<QualifiedName, DeclaredFunction> {
        let mut declared = BTreeMap::new();
        for (name, text) in section {
            match (qualified(name), declared_function(text)) {
                (Some(name), Ok(function)) => drop(declared.insert(name, function)),
                (None, _) => self.problem(
                    "responses.functions",
                    format!("has the name {name:?}; it has to be schema.name, without arguments"),
                ),
                (_, Err(problem)) => {
                    self.problem("responses.functions", format!("has {text:?} for {name}; it {problem}"));
                }
            }
        }
        declared
    }

    /// Where other nodes find answers; `None` where they do not.
    pub(super) fn sharing(&mut self, database: Option<&DatabaseAddress>, limiting: &Limiting) -> Option<Sharing> {
        let config = &self.loaded().config;
        let section = config.responses.clone();
        if section.driver == ResponsesDriver::Memory {
            if section.url.is_some() {
                self.problem("responses.url", "is of use with responses.driver = \"remote\" alone");
            }
            return None;
        }
        if matches!(database, Some(DatabaseAddress::File(_))) {
            self.problem(
                "responses.driver",
                "is \"remote\", which is for a PostgreSQL server: the file of the embedded engine belongs to one process, so nobody else could \
                 use what it has read; leave it out, or set database.url",
            );
        }
        if section.shared_seconds == 0 {
            self.problem("responses.shared_seconds", "has to be at least 1");
        }
        let url = section.url.as_ref().map(|url| url.0.clone());
        if let Some(url) = &url {
            if let Err(error) = cache::check_url(url.expose()) {
                self.problem("responses.url", format!("is not usable: {error}"));
            }
            if limiting.is_keyed_by_chance {
                self.problem(
                    "responses.url",
                    "needs a secret that all nodes share, to seal answers with: set cache.secret",
                );
            }
        } else if limiting.cache.url.is_none() {
            self.problem("responses.driver", "is \"remote\", which needs a server: set cache.url or responses.url");
        }
        let is_encrypted = |url: &base::Secret| url.expose().starts_with("rediss:");
        let authority = limiting.cache.authority.clone().filter(|_| url.as_ref().is_none_or(is_encrypted));
        let cache = cache::Config { url: url.or(limiting.cache.url.clone()), authority, ..limiting.cache.clone() };
        let kept_for = Duration::from_secs(u64::from(section.shared_seconds));
        Some(Sharing { cache, keys: limiting.keys.clone(), kept_for })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Prepared;
    use super::super::load::{Sources, load};
    use super::*;

    /// What is wrong with a file, if anything is.
    fn wrong(file: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pando.toml");
        std::fs::write(&path, file).unwrap();
        let loaded = load(&Sources { file: Some(path), ..Sources::default() }).unwrap();
        Prepared::new(&loaded, None).err().map(|error| error.to_string())
    }

    #[test]
    fn what_functions_read_is_said_in_words() {
        let said = |text: &str| {
            let DeclaredFunction { tables, claims } = declared_function(text)?;
            Ok::<_, String>((tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), claims))
        };
        let named = |names: &[&str]| ClaimsAsked::Named(names.iter().map(|name| Arc::from(*name)).collect());
        assert_eq!(said("nothing"), Ok((String::new(), named(&[]))));
        assert_eq!(said("tables a.b  a.c"), Ok(("a.b a.c".to_owned(), named(&[]))));
        assert_eq!(said("claims sub org, tables a.b"), Ok(("a.b".to_owned(), named(&["sub", "org"]))));
        assert_eq!(said("claims *"), Ok((String::new(), ClaimsAsked::All)));
        for wrong in ["", "tables", "claims", "tables a", "reads a.b", "nothing, claims sub", "tables a.b,"] {
            assert!(said(wrong).is_err(), "{wrong}");
        }
        let section = "[responses]\ntables = { \"a.b\" = \"strict\" }\nfunctions = { \"a.f\" = \"claims sub\" }\n";
        assert!(wrong(section).is_some_and(|error| error.contains("responses.functions is for a PostgreSQL server")));
        let server = format!("[database]\nurl = \"postgres://host/d\"\n{section}");
        assert_eq!(wrong(&server), None);
        for (from, to, expected) in [
            ("a.f", "f", "responses.functions has the name \"f\"; it has to be schema.name"),
            ("claims sub", "claim sub", "responses.functions has \"claim sub\" for a.f; it has to be"),
        ] {
            let error = wrong(&server.replace(from, to)).unwrap_or_default();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn what_nodes_share_needs_a_server_of_each_kind_and_a_secret() {
        let database = "[database]\nurl = \"postgres://host/d\"\n";
        let remote = "[responses]\ndriver = \"remote\"\ntables = { \"public.a\" = \"strict\" }\n";
        let (url, secret) = ("url = \"redis://u:p@host\"\n", "[cache]\nsecret = \"x\"\n");
        for (file, expected) in [
            (format!("{database}{remote}"), "responses.driver is \"remote\", which needs a server: set cache.url or"),
            (format!("{database}{remote}{url}"), "responses.url needs a secret that all nodes share"),
            (format!("{database}{remote}{secret}"), "responses.driver is \"remote\", which needs a server"),
            (format!("{remote}{url}{secret}"), "responses.driver is \"remote\", which is for a PostgreSQL server"),
            (format!("{database}{remote}shared_seconds = 0\n{url}{secret}"), "responses.shared_seconds has to be"),
            (
                format!("{database}[responses]\n{url}"),
                "responses.url is of use with responses.driver = \"remote\" alone",
            ),
            (format!("{database}{remote}url = \"http://u:p@host\"\n{secret}"), "responses.url is not usable"),
        ] {
            let error = wrong(&file).unwrap_or_else(|| panic!("{file} is taken"));
            assert!(error.contains(expected) && !error.contains("u:p"), "{file}: {error}");
        }
        for file in [format!("{database}{remote}{url}{secret}"), format!("{database}{remote}{secret}{url}")] {
            assert_eq!(wrong(&file), None, "{file}");
        }
    }
}
