//! What settings exist: read off the JSON Schema that is generated from the sections' types.

use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::sections::Config;

/// A section with its settings, in the order of the code.
#[derive(Debug)]
pub struct Section {
    /// Its name in `pando.toml`; that of one inside of another has a dot.
    pub name: String,
    /// What it is about.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the reference page shows it"))]
    pub description: String,
    /// Its settings.
    pub settings: Vec<Setting>,
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its section.
    pub section: String,
    /// Its name inside the section.
    pub key: String,
    /// What it takes.
    pub kind: Kind,
    /// Whether it may be left out altogether; empty text then means the same.
    pub is_optional: bool,
    /// Whether it is never shown.
    pub is_secret: bool,
    /// What it means.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the reference page shows it"))]
    pub description: String,
    /// Its default; null when there is none.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the reference page shows it"))]
    pub default: Value,
}

/// What a setting takes.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number, 0 or more.
    Integer,
    /// A number.
    Number,
    /// Text.
    Text,
    /// A list of texts.
    List,
    /// A table of texts.
    Table,
    /// A table of tables, each with these settings: their names and what they mean.
    Tables(Vec<(String, String)>),
    /// One of these words, each with its meaning.
    Choice(Vec<(String, String)>),
}

impl Setting {
    /// `section.key`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// `PANDO_SECTION_KEY`.
    pub fn variable(&self) -> String {
        format!("PANDO_{}_{}", self.section, self.key).replace('.', "_").to_uppercase()
    }

    /// What it takes, for messages: `a whole number`.
    pub fn expectation(&self) -> String {
        match &self.kind {
            Kind::Boolean => "true or false".to_owned(),
            Kind::Integer => "a whole number, 0 or more".to_owned(),
            Kind::Number => "a number".to_owned(),
            Kind::Text => "text in quotes".to_owned(),
            Kind::List => "a list of texts, [\"…\", \"…\"]".to_owned(),
            Kind::Table => "a table of texts".to_owned(),
            Kind::Tables(_) => "a table with a table for each name".to_owned(),
            Kind::Choice(words) => {
                let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                format!("one of {}", words.join(", "))
            }
        }
    }

    /// The text of an environment variable or flag as this setting's value; `None` when it cannot be one.
    pub fn read_text(&self, text: &str) -> Option<Value> {
        match self.kind {
            Kind::Boolean => text.parse::<bool>().ok().map(Value::from),
            Kind::Integer => text.parse::<u64>().ok().map(Value::from),
            Kind::Number => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
            Kind::Text | Kind::Choice(_) => Some(Value::from(text)),
            Kind::Table | Kind::Tables(_) => serde_json::from_str(text).ok(),
            Kind::List if text.trim_start().starts_with('[') => serde_json::from_str(text).ok(),
            Kind::List => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(items.map(Value::from).collect())
            }
        }
    }

    /// Whether the typed configuration takes the value.
    pub fn accepts(&self, value: &Value) -> bool {
        self.read(value).is_ok()
    }

    /// A configuration in which this setting alone has a value, one that it accepts; everything else has its default.
    pub fn alone(&self, value: &Value) -> Config {
        self.read(value).unwrap_or_default()
    }

    fn read(&self, value: &Value) -> Result<Config, serde_json::Error> {
        serde_json::from_value(json!({ &self.section: { &self.key: value } }))
    }
}

/// The JSON Schema of `pando.toml`, every type written out where it is used.
fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}

/// The JSON Schema of `pando.toml` as text, for editors: sections inside of sections where the file has them.
pub fn schema_text() -> String {
    let mut schema = schema();
    if let Some(Value::Object(sections)) = schema.get_mut("properties") {
        let mut names: Vec<String> = sections.keys().filter(|name| name.contains('.')).cloned().collect();
        // The outer ones first.
        names.sort();
        for name in names {
            if let Some((outer, inner)) = name.rsplit_once('.')
                && let Some(section) = sections.remove(&name)
                && let Some(members) = properties(sections, outer)
            {
                members.insert(inner.to_owned(), section);
            }
        }
    }
    serde_json::to_string_pretty(&schema).unwrap_or_default()
}

/// The members of a section, which may lie inside of another one.
fn properties<'a>(sections: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    name.split('.').try_fold(sections, |members, name| members.get_mut(name)?.get_mut("properties")?.as_object_mut())
}

/// All sections.
pub fn sections() -> Vec<Section> {
    let schema = schema();
    let defaults = serde_json::to_string(&Config::default()).unwrap_or_default();
    let order: Ordered = serde_json::from_str(&defaults).unwrap_or_default();
    order
        .0
        .iter()
        .map(|(name, members)| {
            let schema = member(&schema, &["properties", name]);
            let members: Ordered = serde_json::from_str(members.get()).unwrap_or_default();
            let settings = members.0.iter().map(|(key, default)| {
                let default = serde_json::from_str(default.get()).unwrap_or_default();
                setting(name, key, member(schema, &["properties", key]), default)
            });
            Section { name: name.clone(), description: description(schema), settings: settings.collect() }
        })
        .collect()
}

/// All settings.
pub fn settings() -> Vec<Setting> {
    sections().into_iter().flat_map(|section| section.settings).collect()
}

fn setting(section: &str, key: &str, schema: &Value, default: Value) -> Setting {
    let has_type = |name: &str| match member(schema, &["type"]) {
        Value::String(one) => one == name,
        Value::Array(several) => several.iter().any(|one| one == name),
        _ => false,
    };
    let options = member(schema, &["oneOf"]).as_array().or(member(schema, &["anyOf"]).as_array());
    let words = options.into_iter().flatten().filter_map(|option| {
        let word = member(option, &["const"]).as_str()?;
        Some((word.to_owned(), description(option)))
    });
    let words: Vec<(String, String)> = words.collect();
    let kind = if !words.is_empty() {
        Kind::Choice(words)
    } else if has_type("boolean") {
        Kind::Boolean
    } else if has_type("integer") {
        Kind::Integer
    } else if has_type("number") {
        Kind::Number
    } else if has_type("array") {
        Kind::List
    } else if has_type("object") {
        match member(schema, &["additionalProperties", "properties"]).as_object() {
            Some(members) => Kind::Tables(members.iter().map(|(name, of)| (name.clone(), description(of))).collect()),
            None => Kind::Table,
        }
    } else {
        Kind::Text
    };
    let is_secret = schema.to_string().contains("\"writeOnly\":true");
    Setting {
        section: section.to_owned(),
        key: key.to_owned(),
        kind,
        is_optional: default.is_null(),
        is_secret,
        description: description(schema),
        default,
    }
}

/// What lies at a path of names; null where nothing does.
fn member<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().try_fold(value, |value, name| value.get(name)).unwrap_or(&Value::Null)
}

fn description(schema: &Value) -> String {
    // A line break in a doc comment is only a line break in the code.
    member(schema, &["description"]).as_str().unwrap_or_default().replace('\n', " ")
}

/// An object's members in the order of the text.
#[derive(Default)]
struct Ordered(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OrderedVisitor;
        impl<'de> Visitor<'de> for OrderedVisitor {
            type Value = Ordered;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Ordered(members))
            }
        }
        deserializer.deserialize_map(OrderedVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_described_and_takes_its_default() {
        for section in sections() {
            assert!(!section.description.is_empty(), "{}", section.name);
            assert!(!section.settings.is_empty(), "{}", section.name);
            for setting in section.settings {
                assert!(!setting.description.is_empty(), "{}", setting.name());
                assert!(setting.accepts(&setting.default), "{}", setting.name());
            }
        }
    }

    #[test]
    fn sections_inside_of_sections() {
        let settings = settings();
        let key = settings.iter().find(|setting| setting.name() == "server.tls.key").unwrap();
        assert_eq!((key.section.as_str(), key.variable().as_str()), ("server.tls", "PANDO_SERVER_TLS_KEY"));
        let schema: Value = serde_json::from_str(&schema_text()).unwrap();
        let tls = member(&schema, &["properties", "server", "properties", "tls", "properties", "key"]);
        assert!(!description(tls).is_empty());
        let path = ["properties", "server", "properties", "tls", "properties", "acme", "properties", "domains"];
        assert!(!description(member(&schema, &path)).is_empty());
        assert!(member(&schema, &["properties"]).as_object().unwrap().keys().all(|name| !name.contains('.')));
    }

    #[test]
    fn kinds_come_from_the_types() {
        let settings = settings();
        let kind = |name: &str| &settings.iter().find(|setting| setting.name() == name).unwrap().kind;
        assert_eq!(kind("server.listen"), &Kind::Text);
        assert_eq!(kind("server.drain_seconds"), &Kind::Integer);
        assert_eq!(kind("server.server_timing"), &Kind::Boolean);
        assert_eq!(kind("api.schemas"), &Kind::List);
        assert_eq!(kind("telemetry.sample_ratio"), &Kind::Number);
        assert!(matches!(kind("api.transaction_end"), Kind::Choice(words) if words.len() == 4));
        let secrets: Vec<String> = settings.iter().filter(|s| s.is_secret).map(Setting::name).collect();
        assert_eq!(kind("database.application_settings"), &Kind::Table);
        assert_eq!(
            secrets,
            [
                "server.tls.acme.external_account_hmac_key",
                "database.application_settings",
                "database.replicas",
                "database.position_secret",
                "auth.jwt_secret",
                "auth.secret",
                "auth.login.providers",
                "auth.mail.password",
                "auth.defence.captcha_secret",
                "auth.defence.captcha_url",
                "auth.defence.webhook_url",
                "auth.defence.webhook_secret",
                "cache.url",
                "cache.secret",
                "responses.url",
                "cdn.urls",
                "cdn.token",
                "cdn.webhook_secret"
            ]
        );
    }
}
