use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;

use base::QualifiedName;
use serde_json::{Value, json};

use super::known::{KNOWN, Known, Meaning, variable};
use super::syntax::{self, Bindings, MAX_FILE_BYTES};
use super::{Assignment, file};
use crate::configuration::load::{Origin, Sources, suggestion};
use crate::configuration::problem::{ConfigError, Problem};

/// What PostgREST's settings come to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What Pando's settings become; of two for the same one the later counts.
    pub assignments: Vec<Assignment>,
    /// What is not honoured, and harmless.
    pub warnings: Vec<String>,
    /// What stops the start.
    pub problems: Vec<Problem>,
    /// What the database is to be asked, if anything.
    pub in_database: Option<InDatabase>,
}

/// What the database is to be asked for settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InDatabase {
    /// The function that makes settings (`db-pre-config`); without a schema its part is empty.
    pub function: Option<QualifiedName>,
}

const APPLICATION: &str = "app.settings.";
/// What `db-schemas` was called by PostgREST 8 and older; who still calls it so has clients of those days.
const OLD_SCHEMAS: &str = "db-schema";
const APPLICATION_VARIABLE: &str = "PGRST_APP_SETTINGS_";

/// Reads PostgREST's file, if one was named, and the environment, and gives all of it its meaning here.
///
/// # Errors
/// When the file cannot be read or is not in PostgREST's format. Settings that cannot be honoured are in the outcome.
pub fn read(sources: &Sources) -> Result<Outcome, ConfigError> {
    let (name, bindings) = match file(sources) {
        Some(path) => (path.display().to_string(), read_file(path, sources)?),
        None => (String::new(), Bindings::new()),
    };
    let mut reading = Reading { sources, file: name, bindings, outcome: Outcome::default() };
    reading.fixed();
    for known in KNOWN {
        reading.apply(known);
    }
    reading.listen();
    reading.admin_listen();
    reading.channel();
    reading.in_database();
    reading.application_settings();
    reading.unknown();
    Ok(reading.outcome)
}

fn read_file(path: &Path, sources: &Sources) -> Result<Bindings, ConfigError> {
    let text = read_bounded(path).map_err(|problem| ConfigError::one(path.display(), problem))?;
    let variable = |name: &str| {
        let found = sources.environment.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.clone())
    };
    syntax::parse(&text, &variable).map_err(|error| {
        let place = error.place;
        ConfigError::one(format!("{}:{}:{}", path.display(), place.line, place.column), error.text)
    })
}

fn read_bounded(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let mut text = String::new();
    let file = fs::File::open(path).map_err(cannot)?;
    let length = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(cannot)?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(format!("has more than {MAX_FILE_BYTES} bytes"));
    }
    Ok(text)
}

/// A value that somebody gave, and where.
#[derive(Debug, Clone)]
struct Given {
    value: syntax::Value,
    origin: Origin,
    /// The name under which it was given.
    name: String,
}

impl Given {
    fn new(value: syntax::Value, origin: Origin, name: impl Into<String>) -> Self {
        Self { value, origin, name: name.into() }
    }

    fn is_empty(&self) -> bool {
        self.value == syntax::Value::Text(String::new())
    }

    /// For messages: the place, and the name where the place does not have it.
    fn place(&self) -> String {
        match &self.origin {
            Origin::File(file, line, column) => format!("{file}:{line}:{column}"),
            other => other.place(),
        }
    }

    /// As text; `None` for a list.
    fn text(&self) -> Option<String> {
        match &self.value {
            syntax::Value::Text(text) | syntax::Value::Number(text) => Some(text.clone()),
            syntax::Value::Boolean(truth) => Some(truth.to_string()),
            syntax::Value::List(_) => None,
        }
    }

    /// As PostgREST reads it: `true`, `"True"`, `"1"`.
    fn boolean(&self) -> Option<bool> {
        match &self.value {
            syntax::Value::Boolean(truth) => Some(*truth),
            syntax::Value::Text(text) => match text.trim().trim_matches('"').to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                number => number.parse::<i64>().ok().map(|number| number > 0),
            },
            _ => None,
        }
    }

    /// A whole number, 0 or more.
    fn number(&self) -> Option<u64> {
        let (syntax::Value::Text(text) | syntax::Value::Number(text)) = &self.value else { return None };
        let text = text.trim();
        text.parse().ok().or_else(|| {
            // 3e3 and 3000.0 are whole as well; far below where a double skips whole numbers.
            let number = text.parse::<f64>().ok()?;
            let is_whole = number.fract() == 0.0 && (0.0..1e15).contains(&number);
            if is_whole { format!("{number:.0}").parse().ok() } else { None }
        })
    }

    fn list(&self) -> Option<Vec<String>> {
        let text = self.text()?;
        let items = text.split(',').map(|item| item.trim().to_owned());
        Some(items.filter(|item| !item.is_empty()).collect())
    }
}

struct Reading<'a> {
    sources: &'a Sources,
    file: String,
    bindings: Bindings,
    outcome: Outcome,
}

impl Reading<'_> {
    /// What PostgREST does not have: it serves a schema that others make, and no page.
    fn fixed(&mut self) {
        for (name, value) in [
            ("database.migrate_on_start", json!(false)),
            ("database.migrations", json!("")),
            ("database.seed", json!("")),
            ("api.docs", json!("off")),
        ] {
            self.assign(name, value, Origin::Postgrest);
        }
    }

    fn assign(&mut self, name: &'static str, value: Value, origin: Origin) {
        self.outcome.assignments.push(Assignment { name, value, origin });
    }

    /// What was given under the setting's name, or else under an older one. Empty text is as if nothing was given, but for
    /// lists that may be empty.
    fn given(&self, known: &Known) -> Option<Given> {
        let may_be_empty = matches!(known.name, "db-extra-search-path" | "db-hoisted-tx-settings");
        let in_database = known.in_database.then(|| known.database_name()).and_then(|name| {
            let value = self.sources.in_database.get(&name)?;
            Some(Given::new(syntax::Value::Text(value.clone()), Origin::Database(name), known.name))
        });
        let names = std::iter::once(known.name).chain(known.aliases.iter().copied());
        let mut found = in_database.into_iter().chain(names.filter_map(|name| self.find(name)));
        found.find(|given| may_be_empty || !given.is_empty())
    }

    /// The environment wins over the file.
    fn find(&self, name: &str) -> Option<Given> {
        let wanted = variable(name);
        if let Some((_, value)) = self.sources.environment.iter().find(|(other, _)| *other == wanted) {
            return Some(Given::new(syntax::Value::Text(value.clone()), Origin::Environment(wanted), name));
        }
        let (value, place) = self.bindings.get(name)?;
        Some(Given::new(value.clone(), Origin::File(self.file.clone(), place.line, place.column), name))
    }

    /// What was given, or PostgREST's default.
    fn value(&self, known: &Known) -> Given {
        let default = || Given::new(syntax::Value::Text(known.default.to_owned()), Origin::Postgrest, known.name);
        self.given(known).unwrap_or_else(default)
    }

    /// The same by name.
    fn value_of(&self, name: &str) -> Option<Given> {
        KNOWN.iter().find(|known| known.name == name).map(|known| self.value(known))
    }

    fn wrong(&mut self, given: &Given, expected: &str) {
        self.outcome.problems.push(Problem::new(given.place(), format!("{} has to be {expected}", given.name)));
    }

    /// One setting; those that come together are left to their own functions.
    fn apply(&mut self, known: &Known) {
        let given = self.value(known);
        match known.meaning {
            Meaning::Text(name) => self.text(name, &given),
            Meaning::Boolean(name) => self.boolean(name, &given),
            Meaning::Number(name, least) => self.number(name, least, &given),
            Meaning::Seconds(name) => self.seconds(name, &given),
            Meaning::List(name) => self.list(name, &given),
            Meaning::Schemas => self.schemas(&given),
            Meaning::Word(name, words) => self.word(name, words, &given),
            Meaning::LogLevel => self.log_level(&given),
            Meaning::DatabaseUri => self.text_or_file("database.url", &given, str::trim),
            Meaning::Secret => {
                self.text_or_file("auth.jwt_secret", &given, |text| text.strip_suffix('\n').unwrap_or(text));
            }
            Meaning::Ignored(same) => self.ignored(known, same),
            Meaning::Refused(same) => self.refused(known, same),
            Meaning::Host
            | Meaning::Port
            | Meaning::AdminHost
            | Meaning::AdminPort
            | Meaning::Channel
            | Meaning::ChannelEnabled
            | Meaning::InDatabase
            | Meaning::PreConfig => {}
        }
    }

    fn text(&mut self, name: &'static str, given: &Given) {
        match given.text() {
            Some(text) => self.assign(name, json!(text), given.origin.clone()),
            None => self.wrong(given, "text in quotes"),
        }
    }

    fn boolean(&mut self, name: &'static str, given: &Given) {
        match given.boolean() {
            // The number of statements that `true` stands for.
            Some(truth) if name == "database.prepared_statements" => {
                self.assign(name, json!(if truth { 256 } else { 0 }), given.origin.clone());
            }
            Some(truth) => self.assign(name, json!(truth), given.origin.clone()),
            None => self.wrong(given, "true or false"),
        }
    }

    fn number(&mut self, name: &'static str, least: u64, given: &Given) {
        match given.number() {
            // Only `db-max-rows` has no default: there is no bound then.
            None if given.is_empty() => self.assign(name, json!(0), given.origin.clone()),
            Some(number) if number >= least && number <= u64::from(u32::MAX) => {
                self.assign(name, json!(number), given.origin.clone());
            }
            _ => self.wrong(given, &format!("a whole number from {least} to {}", u32::MAX)),
        }
    }

    fn seconds(&mut self, name: &'static str, given: &Given) {
        let most = u64::from(u32::MAX) / 1_000;
        match given.number().filter(|seconds| *seconds <= most) {
            Some(seconds) => self.assign(name, json!(seconds * 1_000), given.origin.clone()),
            None => self.wrong(given, &format!("a whole number of seconds, at most {most}")),
        }
    }

    fn list(&mut self, name: &'static str, given: &Given) {
        match given.list() {
            Some(items) => self.assign(name, json!(items), given.origin.clone()),
            None => self.wrong(given, "text in quotes with commas, \"one, two\""),
        }
    }

    fn schemas(&mut self, given: &Given) {
        let items = given.list().unwrap_or_default();
        if let Some(system) = items.iter().find(|item| matches!(item.as_str(), "pg_catalog" | "information_schema")) {
            return self.wrong(given, &format!("a list of schemas of your own; {system} is PostgreSQL's"));
        }
        if given.name == OLD_SCHEMAS {
            self.assign("api.legacy_schema_error", json!(true), given.origin.clone());
        }
        self.list("api.schemas", given);
    }

    fn word(&mut self, name: &'static str, words: &[&str], given: &Given) {
        match given.text().filter(|text| words.contains(&text.as_str())) {
            Some(word) => self.assign(name, json!(word), given.origin.clone()),
            None => self.wrong(given, &format!("one of {}", words.join(", "))),
        }
    }

    fn log_level(&mut self, given: &Given) {
        let (level, requests) = match given.text().as_deref() {
            Some("crit" | "error") => ("info", "failed"),
            Some("warn") => ("info", "refused"),
            Some("info") => ("info", "all"),
            Some("debug") => ("debug", "all"),
            _ => return self.wrong(given, "one of crit, error, warn, info, debug"),
        };
        self.assign("log.level", json!(level), given.origin.clone());
        self.assign("log.requests", json!(requests), given.origin.clone());
    }

    /// A text, or `@` and the file that holds it.
    fn text_or_file(&mut self, name: &'static str, given: &Given, trim: fn(&str) -> &str) {
        let Some(text) = given.text() else {
            return self.wrong(given, "text in quotes");
        };
        let Some(path) = text.strip_prefix('@') else {
            let value = if text.is_empty() { Value::Null } else { json!(text) };
            return self.assign(name, value, given.origin.clone());
        };
        match read_bounded(Path::new(path)) {
            Ok(text) => self.assign(name, json!(trim(&text)), given.origin.clone()),
            Err(problem) => {
                // The name is not repeated: it may be a secret that happens to begin with @.
                let text = format!("{} begins with @ and so names a file, which {problem}", given.name);
                self.outcome.problems.push(Problem::new(given.place(), text));
            }
        }
    }

    fn ignored(&mut self, known: &Known, same: &[&str]) {
        let given = self.given(known).filter(|given| !given.is_empty() && !is_same(given, same));
        let Some(given) = given else { return };
        let warning = format!("{}: {} is not honoured. {}", given.place(), given.name, known.remark);
        self.outcome.warnings.push(warning);
    }

    fn refused(&mut self, known: &Known, same: &[&str]) {
        let Some(given) = self.given(known).filter(|given| !is_same(given, same)) else { return };
        let text = format!("{} is not honoured. {}", given.name, known.remark);
        self.outcome.problems.push(Problem::new(given.place(), text));
    }

    fn listen(&mut self) {
        let (Some(host), Some(port)) = (self.value_of("server-host"), self.value_of("server-port")) else { return };
        self.address("server.listen", &host, &port);
    }

    fn admin_listen(&mut self) {
        let (Some(own), Some(port)) = (self.value_of("admin-server-host"), self.value_of("admin-server-port")) else {
            return;
        };
        if port.is_empty() {
            return self.assign("server.admin_listen", json!(""), Origin::Postgrest);
        }
        let host = if own.is_empty() { self.value_of("server-host").unwrap_or(own) } else { own };
        self.address("server.admin_listen", &host, &port);
    }

    fn address(&mut self, name: &'static str, host: &Given, port: &Given) {
        let Some(number) = port.number().and_then(|number| u16::try_from(number).ok()) else {
            return self.wrong(port, "a port, 0 to 65535");
        };
        let Some(address) = host.text().and_then(|host| address_of(&host)) else {
            return self.wrong(host, "an IP address, localhost, or one of *, *4, !4, *6, !6");
        };
        let origin = if port.origin == Origin::Postgrest { &host.origin } else { &port.origin };
        self.assign(name, json!(format!("{address}:{number}")), origin.clone());
    }

    fn channel(&mut self) {
        let (Some(name), Some(enabled)) = (self.value_of("db-channel"), self.value_of("db-channel-enabled")) else {
            return;
        };
        match enabled.boolean() {
            Some(true) => self.text("database.channel", &name),
            Some(false) => self.assign("database.channel", json!(""), enabled.origin),
            None => self.wrong(&enabled, "true or false"),
        }
    }

    fn in_database(&mut self) {
        let (Some(asks), Some(function)) = (self.value_of("db-config"), self.value_of("db-pre-config")) else { return };
        let Some(truth) = asks.boolean() else {
            return self.wrong(&asks, "true or false");
        };
        let Some(name) = function.text() else {
            return self.wrong(&function, "the name of a function in quotes");
        };
        if !truth {
            return;
        }
        let function = (!name.is_empty()).then(|| {
            let (schema, name) = name.split_once('.').unwrap_or(("", &name));
            QualifiedName::new(schema, name)
        });
        self.outcome.in_database = Some(InDatabase { function });
    }

    /// `app.settings.*`: PostgreSQL does not tell upper from lower case in their names.
    fn application_settings(&mut self) {
        let mut found: BTreeMap<String, Given> = BTreeMap::new();
        for (name, (value, place)) in &self.bindings {
            if name.starts_with(APPLICATION) {
                let origin = Origin::File(self.file.clone(), place.line, place.column);
                found.insert(name.to_lowercase(), Given::new(value.clone(), origin, name));
            }
        }
        for (variable, value) in &self.sources.environment {
            if let Some(name) = variable.strip_prefix(APPLICATION_VARIABLE) {
                let name = format!("{APPLICATION}{}", name.to_lowercase());
                let given =
                    Given::new(syntax::Value::Text(value.clone()), Origin::Environment(variable.clone()), &name);
                found.insert(name, given);
            }
        }
        let mut table = serde_json::Map::new();
        let mut origin = None;
        for (name, given) in found {
            match given.text() {
                Some(text) => drop(table.insert(name, json!(text))),
                None => self.wrong(&given, "text in quotes"),
            }
            origin = Some(given.origin);
        }
        if let Some(origin) = origin {
            self.assign("database.application_settings", Value::Object(table), origin);
        }
    }

    /// Names that are not in the table, which PostgREST ignores too: a slip most often, or newer than this.
    fn unknown(&mut self) {
        let names: Vec<&str> =
            KNOWN.iter().flat_map(|known| std::iter::once(known.name).chain(known.aliases.iter().copied())).collect();
        for (name, (_, place)) in &self.bindings {
            if name.starts_with(APPLICATION) || names.contains(&name.as_str()) {
                continue;
            }
            let near = suggestion(name, names.iter().map(|name| (*name).to_owned()), str::to_owned);
            let (file, line, column) = (&self.file, place.line, place.column);
            self.outcome
                .warnings
                .push(format!("{file}:{line}:{column}: {name} is not known to Pando; it is ignored{near}"));
        }
        for (name, _) in &self.sources.environment {
            let is_known = names.iter().any(|known| variable(known) == *name);
            if !name.starts_with("PGRST_") || name.starts_with(APPLICATION_VARIABLE) || is_known {
                continue;
            }
            let near = suggestion(name, names.iter().map(|name| variable(name)), str::to_owned);
            self.outcome.warnings.push(format!("{name} is not known to Pando; it is ignored{near}"));
        }
        self.unknown_in_database();
    }

    /// The same in the database; and what PostgREST does not take from there.
    fn unknown_in_database(&mut self) {
        for name in self.sources.in_database.keys() {
            let known = KNOWN.iter().find(|known| known.database_name() == *name);
            self.outcome.warnings.push(match known {
                Some(known) if known.in_database => continue,
                Some(known) => {
                    let setting = known.name;
                    format!("{name} in the database is ignored: {setting} counts in the file and the environment alone")
                }
                None => {
                    let names = KNOWN.iter().filter(|known| known.in_database).map(Known::database_name);
                    let near = suggestion(name, names, str::to_owned);
                    format!("{name} in the database is not known to Pando; it is ignored{near}")
                }
            });
        }
    }
}

fn is_same(given: &Given, same: &[&str]) -> bool {
    given.text().is_some_and(|text| same.iter().any(|same| text.trim().eq_ignore_ascii_case(same)))
}

/// A host as `server.listen` takes it.
fn address_of(host: &str) -> Option<String> {
    match host {
        "*" | "*4" | "!4" => Some("0.0.0.0".to_owned()),
        "*6" | "!6" => Some("[::]".to_owned()),
        "localhost" => Some("127.0.0.1".to_owned()),
        _ => match host.parse::<IpAddr>().ok()? {
            IpAddr::V4(address) => Some(address.to_string()),
            IpAddr::V6(address) => Some(format!("[{address}]")),
        },
    }
}

#[cfg(test)]
mod tests;
