//! What may be wished of a new key, and what it is bound to.

use std::sync::Arc;

use base::{KeyScope, NO_ROLE, Network, ScopedName, Timestamp};
use identity::KeyKind;
use serde_json::{Map, Value, json};

use super::quota::Quota;
use crate::settings::ADMIN_ROLES;

/// The longest name of a key, in bytes.
const LONGEST_NAME: usize = 100;

/// The longest name of a role: PostgreSQL's own bound of identifiers, in bytes.
const LONGEST_ROLE: usize = 63;

/// The most relations, methods or networks that a key is bound to.
const MOST_BOUNDS: usize = 100;

/// The methods that a key may be bound to. `GET` stands for `HEAD` as well.
const METHODS: [&str; 5] = ["GET", "POST", "PATCH", "PUT", "DELETE"];

/// A key that somebody would like to have.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyWish {
    /// What it is to be called.
    pub name: String,
    /// Who may have it.
    pub kind: KeyKind,
    /// The role of requests without a user's token; `None` for that of its kind.
    pub role: Option<String>,
    /// What it is to be bound to.
    pub scope: Scope,
    /// From when on it is to count no more.
    pub expires_at: Option<Timestamp>,
    /// How much may be asked with it; `None` for as much as one likes.
    pub quota: Option<Quota>,
}

/// What a key is bound to. Empty lists bind it to nothing: it may be used for all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope {
    /// Relations and functions, `schema.name` or `schema.*`.
    pub relations: Vec<ScopedName>,
    /// HTTP methods in capitals.
    pub methods: Vec<Arc<str>>,
    /// Networks that requests have to come from.
    pub networks: Vec<Network>,
}

impl KeyWish {
    /// Whether such a key may be made at a moment, where `service_role` is the role that no row security holds for.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub fn check(&self, now: Timestamp, service_role: &str) -> Result<(), String> {
        if self.name.trim().is_empty() || self.name.len() > LONGEST_NAME || self.name.chars().any(char::is_control) {
            return Err(format!("a key needs a name of 1 to {LONGEST_NAME} bytes, without control characters"));
        }
        if let Some(role) = &self.role {
            if role.is_empty() || role.len() > LONGEST_ROLE || role.contains('\0') {
                return Err(format!("a role has a name of 1 to {LONGEST_ROLE} bytes"));
            }
            if role == NO_ROLE {
                return Err("a key cannot have the role none: PostgreSQL takes it for the role that logs in".to_owned());
            }
            let is_trusted = role == service_role || ADMIN_ROLES.contains(&role.as_str());
            if self.kind == KeyKind::Publishable && is_trusted {
                return Err(format!("a publishable key is for everybody to see and cannot have the role {role}"));
            }
        }
        if self.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err("a key has to expire in the future".to_owned());
        }
        self.scope.check()
    }
}

impl Scope {
    /// Reads the words of a command line or a request: `public.climbs` or `public.*`, `GET`, `10.0.0.0/8`.
    ///
    /// # Errors
    /// The first that is not understood, as a sentence.
    pub fn from_words(relations: &[String], methods: &[String], networks: &[String]) -> Result<Self, String> {
        let scope = Self {
            relations: relations.iter().map(|word| scoped_name(word)).collect::<Result<_, _>>()?,
            methods: methods.iter().map(|word| Arc::from(word.to_ascii_uppercase())).collect(),
            networks: networks.iter().map(|word| network(word)).collect::<Result<_, _>>()?,
        };
        scope.check()?;
        Ok(scope)
    }

    fn check(&self) -> Result<(), String> {
        if let Some(method) = self.methods.iter().find(|method| !METHODS.contains(&&***method)) {
            return Err(format!(
                "{method:?} is no method that a key can be bound to; there are {}",
                METHODS.join(", ")
            ));
        }
        let most = self.relations.len().max(self.networks.len()).max(self.methods.len());
        if most > MOST_BOUNDS {
            return Err(format!("a key is bound to {MOST_BOUNDS} relations, methods or networks at most"));
        }
        Ok(())
    }

    /// As the table keeps it, and as it is shown.
    pub fn to_json(&self) -> Value {
        let relations: Vec<String> = self.relations.iter().map(shown_name).collect();
        let networks: Vec<String> = self.networks.iter().map(ToString::to_string).collect();
        let methods: Vec<&str> = self.methods.iter().map(|method| &**method).collect();
        json!({ "relations": relations, "methods": methods, "networks": networks })
    }

    /// Reads what [`Scope::to_json`] gives. Members that are not there bind to nothing.
    ///
    /// # Errors
    /// What is not understood, as a sentence. A member that is not known is an error as well: it may take something away.
    pub fn from_json(value: Value) -> Result<Self, String> {
        let Value::Object(mut members) = value else { return Err("a scope is an object".to_owned()) };
        let lists = ["relations", "methods", "networks"].map(|name| words(&mut members, name));
        if let Some(name) = members.keys().next() {
            return Err(format!("a scope has no member {name:?}"));
        }
        let [relations, methods, networks] = lists;
        Self::from_words(&relations?, &methods?, &networks?)
    }

    pub(super) fn of_caller(&self) -> KeyScope {
        KeyScope {
            relations: Some(self.relations.clone()).filter(|relations| !relations.is_empty()),
            methods: Some(self.methods.clone()).filter(|methods| !methods.is_empty()),
        }
    }
}

fn words(members: &mut Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    let list = match members.remove(name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(format!("{name} is a list of texts")),
    };
    let text = |value: Value| match value {
        Value::String(text) => Ok(text),
        _ => Err(format!("{name} is a list of texts")),
    };
    list.into_iter().map(text).collect()
}

fn network(word: &str) -> Result<Network, String> {
    word.parse().map_err(|_| format!("{word:?} is no network; write one like 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7"))
}

/// `schema.name` or `schema.*`, as the catalog spells them.
fn scoped_name(word: &str) -> Result<ScopedName, String> {
    match word.split_once('.') {
        Some((schema, "*")) if !schema.is_empty() => Ok(ScopedName { schema: schema.into(), name: None }),
        Some((schema, name)) if !schema.is_empty() && !name.is_empty() => {
            Ok(ScopedName { schema: schema.into(), name: Some(name.into()) })
        }
        _ => Err(format!(
            "{word:?} is no table, view or function with its schema; write public.climbs, or public.* for all"
        )),
    }
}

fn shown_name(scoped: &ScopedName) -> String {
    format!("{}.{}", scoped.schema, scoped.name.as_deref().unwrap_or("*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_scope_is_what_it_was() {
        let scope =
            Scope::from_words(&texts(&["public.climbs", "ops.*"]), &texts(&["get", "POST"]), &texts(&["10.0.0.0/8"]));
        let scope = scope.unwrap();
        let shown = scope.to_json();
        assert_eq!(
            shown,
            json!({"relations": ["public.climbs", "ops.*"], "methods": ["GET", "POST"], "networks": ["10.0.0.0/8"]})
        );
        assert_eq!(Scope::from_json(shown), Ok(scope));
        assert_eq!(Scope::from_json(json!({})), Ok(Scope::default()));
        assert_eq!(Scope::default().of_caller(), KeyScope::default());
        for wrong in [
            json!([]),
            json!({"tables": []}),
            json!({"relations": ["climbs"]}),
            json!({"relations": [".climbs"]}),
            json!({"relations": ["public."]}),
            json!({"relations": "public.climbs"}),
            json!({"relations": [1]}),
            json!({"methods": ["TRACE"]}),
            json!({"networks": ["10.0.0.0/99"]}),
            json!({"networks": vec!["::1"; 101]}),
        ] {
            assert!(Scope::from_json(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn not_every_wish_is_granted() {
        let wish = KeyWish {
            name: "web".to_owned(),
            kind: KeyKind::Publishable,
            role: None,
            scope: Scope::default(),
            expires_at: None,
            quota: None,
        };
        let check = |wish: KeyWish| wish.check(Timestamp(10), "boss").is_ok();
        assert!(check(wish.clone()));
        assert!(check(KeyWish { role: Some("reporter".to_owned()), ..wish.clone() }));
        assert!(check(KeyWish { kind: KeyKind::Secret, role: Some("service_role".to_owned()), ..wish.clone() }));
        assert!(check(KeyWish { expires_at: Some(Timestamp(11)), ..wish.clone() }));
        for wrong in [
            KeyWish { name: " ".to_owned(), ..wish.clone() },
            KeyWish { name: "x".repeat(101), ..wish.clone() },
            KeyWish { name: "a\nb".to_owned(), ..wish.clone() },
            KeyWish { role: Some(String::new()), ..wish.clone() },
            KeyWish { role: Some("boss".to_owned()), ..wish.clone() },
            KeyWish { role: Some("service_role".to_owned()), ..wish.clone() },
            KeyWish { role: Some("supabase_admin".to_owned()), ..wish.clone() },
            KeyWish { role: Some("none".to_owned()), kind: KeyKind::Secret, ..wish.clone() },
            KeyWish { expires_at: Some(Timestamp(10)), ..wish },
        ] {
            assert!(!check(wrong.clone()), "{wrong:?}");
        }
    }
}
