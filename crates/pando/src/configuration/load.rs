use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::postgrest::{self, InDatabase};
use super::problem::{ConfigError, Problem};
use super::providers;
use super::sections::Config;
use super::setting::{Section, Setting, sections};

/// What the configuration is read from. The environment is a parameter: only `main` reads the real one.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`: a file, or a folder with a `pando.toml`. Without it `pando.toml` of the working folder, if any.
    pub file: Option<PathBuf>,
    /// `--postgrest`: a configuration file of PostgREST's.
    pub postgrest: Option<PathBuf>,
    /// What the database says (`pgrst.db_schemas`, ...), once it was asked.
    pub in_database: BTreeMap<String, String>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// Flags: the setting's name, its text, and the flag as it was written.
    pub flags: Vec<(String, String, String)>,
}

impl Sources {
    /// The same, with what the database says.
    pub fn with_database(&self, said: BTreeMap<String, String>) -> Self {
        Self { in_database: said, ..self.clone() }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file, with line and column from 1.
    File(String, usize, usize),
    /// An environment variable.
    Environment(String),
    /// Nobody set it, and PostgREST's default is not Pando's.
    Postgrest,
    /// A setting in the database, `pgrst.db_schemas`.
    Database(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(file, line, _) => write!(f, "{file}:{line}"),
            Self::Environment(name) => write!(f, "env {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Postgrest => f.write_str("PostgREST's default"),
            Self::Database(name) => write!(f, "database {name}"),
        }
    }
}

impl Origin {
    /// The file, if it came from one.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::File(file, ..) => Some(PathBuf::from(file)),
            _ => None,
        }
    }

    /// Where to look for a mistake.
    pub fn place(&self) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::File(file, line, column) => format!("{file}:{line}:{column}"),
            Self::Environment(variable) => variable.clone(),
            Self::Flag(flag) => flag.clone(),
            Self::Postgrest => "PostgREST's default".to_owned(),
            Self::Database(name) => format!("{name} in the database"),
        }
    }
}

/// What was given, section by section; secrets as well, so it is never shown.
struct Given(Map<String, Value>);

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// The configuration, with where everything came from.
#[derive(Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    given: Given,
    /// The folder that relative paths start from: that of `pando.toml`, or the working folder.
    pub folder: PathBuf,
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// Where the values came from that somebody set, by `section.key`.
    pub origins: BTreeMap<String, Origin>,
    /// What is odd but not wrong.
    pub warnings: Vec<String>,
    /// The environment as PostgreSQL's own programs use it: `PGPASSWORD`, `PGSSLMODE`, ..., and `HOME`.
    pub libpq: BTreeMap<String, String>,
    /// Whether the configuration is PostgREST's.
    pub is_postgrest: bool,
    /// What the database is to be asked for settings, where the configuration is PostgREST's.
    pub in_database: Option<InDatabase>,
}

impl Loaded {
    /// Where a setting's value came from.
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).cloned().unwrap_or(Origin::Default)
    }

    /// The names of the settings that have another value than in a former configuration, in their order.
    pub fn changes_since(&self, former: &Self) -> Vec<String> {
        let value = |loaded: &Self, setting: &Setting| {
            let value = loaded.given.0.get(&setting.section).and_then(|section| section.get(&setting.key));
            value.map_or_else(Config::default, |value| setting.alone(value))
        };
        let settings = sections().into_iter().flat_map(|section| section.settings);
        settings
            .filter(|setting| value(self, setting) != value(former, setting))
            .map(|setting| setting.name())
            .collect()
    }

    /// A path as the configuration means it: relative ones start at the folder of `pando.toml`.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

/// Reads and merges all sources.
///
/// Fails with every unknown name and every value of the wrong type at once, each with its place.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut merge = Merge { sections: sections(), ..Merge::default() };
    let file = find_file(sources.file.as_deref())?;
    let is_postgrest = postgrest::is_asked(sources, file.as_deref())?;
    let mut in_database = None;
    if is_postgrest {
        in_database = merge.postgrest(sources)?;
    } else if postgrest::has_variables(sources) {
        let text = "PGRST_ variables in the environment are ignored, since there is a pando.toml";
        merge.warnings.push(text.to_owned());
    }
    if let Some(path) = &file {
        merge.file(path)?;
    }
    merge.environment(&sources.environment);
    merge.flags(&sources.flags);
    if !merge.problems.is_empty() {
        return Err(ConfigError { problems: merge.problems });
    }
    let config = serde_json::from_value(Value::Object(merge.values.clone()))
        .map_err(|error| ConfigError::one("configuration", error.to_string()))?;
    let folder = file.as_deref().and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default();
    let file = if is_postgrest { sources.postgrest.clone() } else { file };
    let is_libpq = |name: &str| (name.starts_with("PG") && !name.starts_with("PGRST_")) || name == "HOME";
    let libpq = sources.environment.iter().filter(|(name, _)| is_libpq(name)).cloned().collect();
    Ok(Loaded {
        config,
        given: Given(merge.values),
        folder,
        file,
        origins: merge.origins,
        warnings: merge.warnings,
        libpq,
        is_postgrest,
        in_database,
    })
}

fn find_file(asked: Option<&Path>) -> Result<Option<PathBuf>, ConfigError> {
    match asked {
        None => Ok(Some(PathBuf::from("pando.toml")).filter(|path| path.is_file())),
        Some(path) => {
            let path = if path.is_dir() { path.join("pando.toml") } else { path.to_path_buf() };
            if path.is_file() {
                Ok(Some(path))
            } else {
                Err(ConfigError::one(path.display(), "there is no such file; `pando init` makes one"))
            }
        }
    }
}

/// What was gathered so far. A later source overwrites an earlier one.
#[derive(Default)]
struct Merge {
    sections: Vec<Section>,
    values: Map<String, Value>,
    origins: BTreeMap<String, Origin>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Merge {
    fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::one(&name, format!("cannot be read: {error}")))?;
        let document = DeTable::parse(&text).map_err(|error| {
            let place = Place::new(&name, &text, error.span().unwrap_or(0..0));
            ConfigError::one(place, error.message())
        })?;
        for (section, table) in document.get_ref() {
            let place = Place::new(&name, &text, section.span());
            if !self.sections.iter().any(|known| known.name == section.get_ref().as_ref()) {
                let text = self.unknown_section(section.get_ref());
                self.problems.push(Problem::new(place, text));
                continue;
            }
            let DeValue::Table(table) = table.get_ref() else {
                let text = format!("[{}] is a section, not a value", section.get_ref());
                self.problems.push(Problem::new(place, text));
                continue;
            };
            self.section((&name, &text), section.get_ref(), table);
        }
        Ok(())
    }

    /// The settings of one section of a file, and the sections inside of it.
    fn section(&mut self, (file, text): (&str, &str), section: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let key_place = Place::new(file, text, key.span());
            let inside = format!("{section}.{}", key.get_ref());
            if let DeValue::Table(table) = value.get_ref()
                && self.sections.iter().any(|known| known.name == inside)
            {
                self.section((file, text), &inside, table);
                continue;
            }
            match self.find(section, key.get_ref()) {
                None => {
                    let text = self.unknown_key(section, key.get_ref());
                    self.problems.push(Problem::new(key_place, text));
                }
                Some(position) => {
                    let origin = Origin::File(file.to_owned(), key_place.line, key_place.column);
                    let found = (to_json(value.get_ref()), value.get_ref().type_str().to_owned());
                    self.put(position, found, origin, &Place::new(file, text, value.span()).to_string());
                }
            }
        }
    }

    /// PostgREST's file and environment, and what the database says.
    fn postgrest(&mut self, sources: &Sources) -> Result<Option<InDatabase>, ConfigError> {
        let outcome = postgrest::read(sources)?;
        self.problems.extend(outcome.problems);
        self.warnings.extend(outcome.warnings);
        for assignment in outcome.assignments {
            let found = self.position(|setting| setting.name() == assignment.name);
            if let Some(found) = found {
                let place = assignment.origin.place();
                self.put(found, (Some(assignment.value), "something else".to_owned()), assignment.origin, &place);
            }
        }
        Ok(outcome.in_database)
    }

    fn environment(&mut self, environment: &[(String, String)]) {
        let mut variables: Vec<_> =
            environment.iter().filter(|(name, _)| name.starts_with("PANDO_") && name != "PANDO_CONFIG").collect();
        variables.sort();
        for (name, text) in variables {
            let found = self.position(|setting| &setting.variable() == name);
            match found {
                Some(found) => self.put_text(found, text, Origin::Environment(name.clone()), name),
                None => self.other_variable(name, text),
            }
        }
    }

    /// A variable that no setting has: the secret of a provider, or none.
    fn other_variable(&mut self, name: &str, text: &str) {
        match providers::put_secret(name, text, &mut self.values) {
            Some(true) => {}
            Some(false) => {
                let text = "there is no such provider in [auth.login.providers]";
                self.problems.push(Problem::new(name, text));
            }
            None => self.unknown_variable(name),
        }
    }

    fn flags(&mut self, flags: &[(String, String, String)]) {
        for (name, text, flag) in flags {
            let found = self.position(|setting| &setting.name() == name);
            match found {
                Some(found) => self.put_text(found, text, Origin::Flag(flag.clone()), flag),
                None => {
                    let text = match name.split_once('.') {
                        Some((section, key)) if self.sections.iter().any(|known| known.name == section) => {
                            self.unknown_key(section, key)
                        }
                        _ => self.unknown_section(name),
                    };
                    self.problems.push(Problem::new(flag, text));
                }
            }
        }
    }

    /// A value given as text.
    fn put_text(&mut self, position: (usize, usize), text: &str, origin: Origin, place: &str) {
        let value = self.setting(position).and_then(|setting| setting.read_text(text));
        self.put(position, (value, format!("{text:?}")), origin, place);
    }

    /// A value, and what to call it when it does not fit.
    fn put(&mut self, position: (usize, usize), value: (Option<Value>, String), origin: Origin, place: &str) {
        let Some(setting) = self.setting(position) else {
            return;
        };
        let (value, found) = value;
        let is_nothing = setting.is_optional && value.as_ref().and_then(Value::as_str) == Some("");
        let value = if is_nothing { Some(Value::Null) } else { value };
        let (section, key, name) = (setting.section.clone(), setting.key.clone(), setting.name());
        if let Some(text) = value.as_ref().and_then(|value| providers::problem(setting, value)) {
            self.problems.push(Problem::new(place, text));
            return;
        }
        match value.filter(|value| setting.accepts(value)) {
            Some(value) => {
                let section = self.values.entry(section).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(members) = section {
                    members.insert(key, value);
                }
                self.origins.insert(name, origin);
            }
            None => {
                // What was found is only named when it cannot be a secret.
                let found = if setting.is_secret { "something else".to_owned() } else { found };
                let text = format!("{name} has to be {}, not {found}", setting.expectation());
                self.problems.push(Problem::new(place, text));
            }
        }
    }

    fn position(&self, fits: impl Fn(&Setting) -> bool) -> Option<(usize, usize)> {
        self.sections
            .iter()
            .enumerate()
            .find_map(|(section, known)| Some((section, known.settings.iter().position(&fits)?)))
    }

    fn find(&self, section: &str, key: &str) -> Option<(usize, usize)> {
        self.position(|setting| setting.section == section && setting.key == key)
    }

    fn setting(&self, (section, setting): (usize, usize)) -> Option<&Setting> {
        self.sections.get(section)?.settings.get(setting)
    }

    fn unknown_section(&self, name: &str) -> String {
        // A key written at the top, or the name of a section misspelt.
        if is_acme(name) {
            return ACME.to_owned();
        }
        if let Some(section) = self.section_of(name) {
            return format!("{name} belongs into the section [{section}]");
        }
        let names = self.sections.iter().map(|section| section.name.clone());
        format!("there is no section [{name}]{}", suggestion(name, names, |near| format!("[{near}]")))
    }

    fn unknown_key(&self, section: &str, key: &str) -> String {
        if is_acme(key) && !is_acme(section) {
            return ACME.to_owned();
        }
        if let Some(other) = self.section_of(key) {
            return format!("[{section}] has no {key}; it belongs into the section [{other}]");
        }
        let keys = self.sections.iter().filter(|known| known.name == section);
        let keys = keys.flat_map(|known| known.settings.iter().map(|setting| setting.key.clone()));
        format!("[{section}] has no {key}{}", suggestion(key, keys, |near| near.to_owned()))
    }

    fn section_of(&self, key: &str) -> Option<&str> {
        let settings = self.sections.iter().flat_map(|section| &section.settings);
        settings.filter(|setting| setting.key == key).map(|setting| setting.section.as_str()).next()
    }

    /// Variables that begin like ours are an error when they name a section, and only odd otherwise: Kubernetes
    /// makes `PANDO_PORT` and `PANDO_SERVICE_HOST` by itself for a service called pando.
    fn unknown_variable(&mut self, name: &str) {
        let settings = self.sections.iter().flat_map(|section| &section.settings);
        let near = suggestion(name, settings.map(Setting::variable), |near| near.to_owned());
        let text = format!("no setting has this environment variable{near}");
        let begins_like_one =
            self.sections.iter().any(|section| name.starts_with(&format!("PANDO_{}_", section.name.to_uppercase())));
        if begins_like_one {
            self.problems.push(Problem::new(name, text));
        } else {
            self.warnings.push(format!("{name}: {text}; it is ignored"));
        }
    }
}

/// What is said to who looks for certificates that are fetched in another place.
const ACME: &str = "certificates are fetched (ACME) by the section [server.tls.acme], with domains = [\"api.example.com\"] and \
                    agree_to_terms = true";

/// Whether somebody who writes this expects certificates to be fetched.
fn is_acme(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| last.starts_with("acme") || last.starts_with("letsencrypt"))
}

/// `; did you mean …?` for the nearest name, if one is near enough to be a slip.
pub fn suggestion(name: &str, names: impl Iterator<Item = String>, show: impl Fn(&str) -> String) -> String {
    let near = names
        .map(|other| (strsim::damerau_levenshtein(name, &other), other))
        .min()
        .filter(|(distance, other)| *distance <= 2.max(other.len() / 3));
    match near {
        Some((_, other)) => format!("; did you mean {}?", show(&other)),
        None => String::new(),
    }
}

/// A place in a file.
struct Place<'a> {
    file: &'a str,
    line: usize,
    column: usize,
}

impl<'a> Place<'a> {
    fn new(file: &'a str, text: &str, span: Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { file, line, column }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A TOML value as JSON; `None` for what no setting takes.
fn to_json(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::from(text.as_ref())),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix()).ok().map(Value::from)
        }
        DeValue::Float(number) => number.as_str().replace('_', "").parse::<f64>().ok().map(Value::from),
        DeValue::Boolean(truth) => Some(Value::from(*truth)),
        DeValue::Array(items) => items.iter().map(|item| to_json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(key, value)| Some((key.get_ref().to_string(), to_json(value.get_ref())?))).collect()
        }
        DeValue::Datetime(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case<'a> {
        file: &'a str,
        environment: &'a [(&'a str, &'a str)],
        flags: &'a [(&'a str, &'a str)],
    }

    fn read(case: &Case<'_>) -> Result<Loaded, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pando.toml");
        std::fs::write(&path, case.file).unwrap();
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let flags = owned(case.flags).into_iter().map(|(name, value)| (name.clone(), value, format!("--set {name}")));
        let sources = Sources {
            file: Some(path),
            environment: owned(case.environment),
            flags: flags.collect(),
            ..Sources::default()
        };
        let prefix = format!("{}/", folder.path().display());
        load(&sources).map_err(|error| error.to_string().replace(&prefix, ""))
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let file = "[api]\nmax_rows = 1\naggregates = true\n[server]\ndrain_seconds = 0x10\ncors_origins = ['a', 'b']";
        let environment = [
            ("PANDO_API_MAX_ROWS", "2"),
            ("PANDO_API_SCHEMAS", "public, ops"),
            ("PANDO_TELEMETRY_SAMPLE_RATIO", "0.5"),
            ("PANDO_CONFIG", "ignored here"),
            ("PANDO_PORT", "tcp://10.0.0.1:80"),
            ("HOME", "/"),
        ];
        let flags = [("api.max_rows", "3"), ("log.format", "json")];
        let loaded = read(&Case { file, environment: &environment, flags: &flags }).unwrap();
        let config = &loaded.config;
        assert_eq!(config.api.max_rows, 3);
        assert_eq!(config.api.schemas, ["public", "ops"]);
        assert!(config.api.aggregates);
        assert_eq!(config.server.drain_seconds, 16);
        assert_eq!(config.server.cors_origins, ["a", "b"]);
        assert!((config.telemetry.sample_ratio - 0.5).abs() < f64::EPSILON);
        assert_eq!(loaded.origin("api.max_rows"), Origin::Flag("--set api.max_rows".to_owned()));
        assert_eq!(loaded.origin("api.schemas"), Origin::Environment("PANDO_API_SCHEMAS".to_owned()));
        assert!(matches!(loaded.origin("server.cors_origins"), Origin::File(_, 6, 1)));
        assert_eq!(loaded.origin("api.openapi_mode"), Origin::Default);
        assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
        assert!(loaded.warnings[0].starts_with("PANDO_PORT: "));
    }

    #[test]
    fn mistakes_name_their_place_and_the_way_out() {
        let cases = [
            ("[api]\nmax_row = 1", "pando.toml:2:1: [api] has no max_row; did you mean max_rows?"),
            ("[apl]\n", "pando.toml:1:2: there is no section [apl]; did you mean [api]?"),
            ("[xyzzyx]\n", "pando.toml:1:2: there is no section [xyzzyx]"),
            ("max_rows = 1", "pando.toml:1:1: max_rows belongs into the section [api]"),
            ("[server]\nmax_rows = 1", "pando.toml:2:1: [server] has no max_rows; it belongs into the section [api]"),
            ("api = 1", "pando.toml:1:1: [api] is a section, not a value"),
            (
                "# é\n[api]\n  max_rows = \"many\"",
                "pando.toml:3:14: api.max_rows has to be a whole number, 0 or more, not string",
            ),
            ("[api]\nmax_rows = -1", "pando.toml:2:12: api.max_rows has to be a whole number, 0 or more, not integer"),
            (
                "[server]\ndrain_seconds = 1.5",
                "pando.toml:2:17: server.drain_seconds has to be a whole number, 0 or more, not float",
            ),
            (
                "[api]\nschemas = \"public\"",
                "pando.toml:2:11: api.schemas has to be a list of texts, [\"…\", \"…\"], not string",
            ),
            (
                "[log]\nformat = \"xml\"",
                "pando.toml:2:10: log.format has to be one of \"auto\", \"json\", \"text\", not string",
            ),
            ("[auth]\njwt_secret = 7", "pando.toml:2:14: auth.jwt_secret has to be text in quotes, not something else"),
            ("[api\n", "pando.toml:1:5: "),
            ("[api]\nopenapi = true\nopenapi = true", "pando.toml:3:1: duplicate key"),
        ];
        for (file, expected) in cases {
            let error = read(&Case { file, environment: &[], flags: &[] }).unwrap_err();
            assert!(error.starts_with(expected), "{file:?}: {error}");
        }
        let environment = [("PANDO_API_MAX_ROWS", "x"), ("PANDO_API_MAX_ROW", "1"), ("PANDO_LOG_FORMAT", "xml")];
        let flags = [("api.max_ros", "1"), ("listen", "x"), ("auth.jwt_secret_is_base64", "yes")];
        let error = read(&Case { file: "", environment: &environment, flags: &flags }).unwrap_err();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(
            lines,
            [
                "PANDO_API_MAX_ROW: no setting has this environment variable; did you mean PANDO_API_MAX_ROWS?",
                "PANDO_API_MAX_ROWS: api.max_rows has to be a whole number, 0 or more, not \"x\"",
                "PANDO_LOG_FORMAT: log.format has to be one of \"auto\", \"json\", \"text\", not \"xml\"",
                "--set api.max_ros: [api] has no max_ros; did you mean max_rows?",
                "--set listen: listen belongs into the section [server]",
                "--set auth.jwt_secret_is_base64: auth.jwt_secret_is_base64 has to be true or false, not \"yes\"",
            ]
        );
    }

    #[test]
    fn a_table_is_written_as_one_or_as_json() {
        let file = "[database.application_settings]\n\"app.settings.a\" = \"b\"\nx = \"y\"";
        let read_all = |environment: &[(&str, &str)]| {
            read(&Case { file, environment, flags: &[] }).map(|loaded| {
                let table = loaded.config.database.application_settings;
                table.into_iter().map(|(name, value)| format!("{name}={}", value.0.expose())).collect::<Vec<_>>()
            })
        };
        assert_eq!(read_all(&[]).unwrap(), ["app.settings.a=b", "x=y"]);
        let variable = "PANDO_DATABASE_APPLICATION_SETTINGS";
        assert_eq!(read_all(&[(variable, "{\"a.b\": \"c\"}")]).unwrap(), ["a.b=c"]);
        let error = read_all(&[(variable, "hunter2")]).unwrap_err();
        assert_eq!(
            error,
            format!("{variable}: database.application_settings has to be a table of texts, not something else")
        );
    }

    #[test]
    fn variables_of_postgrest_do_not_count_beside_a_pando_toml() {
        let environment = [("PGRST_DB_SCHEMAS", "private")];
        let loaded = read(&Case { file: "", environment: &environment, flags: &[] }).unwrap();
        assert_eq!(loaded.config.api.schemas, ["public"]);
        assert_eq!(loaded.warnings.len(), 1);
        assert!(loaded.libpq.is_empty());
    }

    #[test]
    fn empty_text_means_not_set_where_a_value_is_optional() {
        let file = "[auth]\njwt_secret = \"\"\naudience = \"a\"\n[api]\nanonymous_role = \"\"";
        let environment = [("PANDO_AUTH_AUDIENCE", "")];
        let loaded = read(&Case { file, environment: &environment, flags: &[] }).unwrap();
        assert_eq!(loaded.config.auth.jwt_secret, None);
        assert_eq!(loaded.config.auth.audience, None);
        assert_eq!(loaded.config.api.anonymous_role, "");
    }

    #[test]
    fn a_missing_file_is_an_error_only_when_it_was_asked_for() {
        let sources = Sources { file: Some(PathBuf::from("/nowhere/pando.toml")), ..Sources::default() };
        let error = load(&sources).unwrap_err().to_string();
        assert_eq!(error, "/nowhere/pando.toml: there is no such file; `pando init` makes one");
    }
}
