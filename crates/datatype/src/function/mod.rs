//! The functions and operators of PostgreSQL that Pando has beyond comparison and arithmetic of numbers: one
//! definition for each, found by name when a schema is read and called by the engine with the values of a row.

mod arguments;
mod encoding;
mod json;
mod number;
mod part;
mod pattern;
mod template;
mod temporal;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::arguments::Arguments;
use crate::{Datum, Type, ValueError};

/// The longest text, in bytes, that a function makes: `repeat`, `lpad`, `replace` and their like fail beyond it with
/// 54000, so that no expression takes the memory of the server. PostgreSQL's own limit is 1 GB.
pub const LONGEST_RESULT: usize = 16 << 20;

/// What a value meets on its way into a column of type `varchar(n)`: more characters than that are an error, other than
/// under a cast, which cuts them off. Not for schemas to call.
pub const VARCHAR_LIMIT: &str = "varchar limit(text,integer)";

/// How a definition computes.
type Evaluate = fn(&Arguments<'_>) -> Result<Datum, ValueError>;

/// A parameter's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// One type, which arguments are converted to.
    Typed(Type),
    /// An array of texts, which stands as a literal: its text.
    Texts,
    /// Any type: the argument comes with its type's code.
    Any,
}

/// A definition as it is written down.
struct Definition {
    /// `name(type, type)`; the last type may be `variadic`, and `any` stands for every type.
    signature: &'static str,
    /// The type of the outcome.
    result: &'static str,
    /// Whether it is called with NULL; otherwise NULL makes NULL.
    takes_null: bool,
    /// Whether the outcome depends on the time zone of the request.
    uses_zone: bool,
    /// `None` for what PostgreSQL has and Pando refuses: it must not be taken for another overload.
    evaluate: Option<Evaluate>,
}

/// NULL in, NULL out; the same arguments give the same outcome.
const fn strict(signature: &'static str, result: &'static str, evaluate: Evaluate) -> Definition {
    Definition { signature, result, takes_null: false, uses_zone: false, evaluate: Some(evaluate) }
}

/// NULL is an argument as any other.
const fn nullable(signature: &'static str, result: &'static str, evaluate: Evaluate) -> Definition {
    Definition { signature, result, takes_null: true, uses_zone: false, evaluate: Some(evaluate) }
}

/// [`strict`], computed in the time zone of the request.
const fn zoned(signature: &'static str, result: &'static str, evaluate: Evaluate) -> Definition {
    Definition { signature, result, takes_null: false, uses_zone: true, evaluate: Some(evaluate) }
}

/// [`nullable`], computed in the time zone of the request.
const fn nullable_zoned(signature: &'static str, result: &'static str, evaluate: Evaluate) -> Definition {
    Definition { signature, result, takes_null: true, uses_zone: true, evaluate: Some(evaluate) }
}

/// An overload that PostgreSQL has and Pando refuses.
const fn refused(signature: &'static str, result: &'static str) -> Definition {
    Definition { signature, result, takes_null: false, uses_zone: false, evaluate: None }
}

/// One overload of a function or operator.
pub struct Builtin {
    /// `substring(text, integer)`: what it is known by, also in stored catalogs.
    pub signature: &'static str,
    /// `substring`, or the operator's symbol.
    pub name: &'static str,
    /// The parameters. The last one repeats if it is variadic.
    pub parameters: Vec<Parameter>,
    /// Whether the last parameter takes any number of arguments, one at least.
    pub is_variadic: bool,
    /// The type of the outcome.
    pub result: Type,
    /// Whether the outcome depends on the time zone of the request.
    pub uses_zone: bool,
    takes_null: bool,
    evaluate: Option<Evaluate>,
}

impl Builtin {
    fn of(definition: &Definition) -> Option<Self> {
        let (name, rest) = definition.signature.split_once('(')?;
        let list = rest.strip_suffix(')')?;
        let mut is_variadic = false;
        let mut parameters = Vec::new();
        for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let bare = part.strip_prefix("variadic ");
            is_variadic |= bare.is_some();
            parameters.push(match bare.unwrap_or(part) {
                "any" => Parameter::Any,
                "text[]" => Parameter::Texts,
                name => Parameter::Typed(Type::from_name(name)?),
            });
        }
        Some(Self {
            signature: definition.signature,
            name,
            parameters,
            is_variadic,
            result: Type::from_name(definition.result)?,
            uses_zone: definition.uses_zone,
            takes_null: definition.takes_null,
            evaluate: definition.evaluate,
        })
    }

    /// The parameter that an argument is for.
    pub fn parameter(&self, index: usize) -> Option<&Parameter> {
        self.parameters.get(index).or_else(|| self.parameters.last().filter(|_| self.is_variadic))
    }

    /// Whether so many arguments can be given.
    pub fn takes(&self, arguments: usize) -> bool {
        if self.is_variadic { arguments >= self.parameters.len() } else { arguments == self.parameters.len() }
    }

    /// Computes.
    ///
    /// # Errors
    /// PostgreSQL's; 54000 for a result beyond [`LONGEST_RESULT`].
    pub fn call(&self, arguments: &Arguments<'_>) -> Result<Datum, ValueError> {
        if !self.takes_null && arguments.has_null() {
            return Ok(Datum::Null);
        }
        match self.evaluate {
            Some(evaluate) => evaluate(arguments),
            None => Err(ValueError::new("0A000", format!("{} is not supported", self.signature))),
        }
    }

    /// Whether it is only known to be refused.
    pub fn is_refused(&self) -> bool {
        self.evaluate.is_none()
    }
}

/// All definitions, by their signature.
static BUILTINS: LazyLock<BTreeMap<&'static str, Builtin>> =
    LazyLock::new(|| all().filter_map(Builtin::of).map(|builtin| (builtin.signature, builtin)).collect());

fn all() -> impl Iterator<Item = &'static Definition> {
    [
        text::DEFINITIONS,
        encoding::DEFINITIONS,
        number::DEFINITIONS,
        temporal::DEFINITIONS,
        part::DEFINITIONS,
        template::DEFINITIONS,
        pattern::DEFINITIONS,
        json::DEFINITIONS,
    ]
    .into_iter()
    .flatten()
}

/// All builtins, in the order of their signatures.
pub fn builtins() -> impl Iterator<Item = &'static Builtin> {
    BUILTINS.values()
}

/// The overloads of a name.
pub fn overloads(name: &str) -> impl Iterator<Item = BuiltinRef> {
    BUILTINS.values().filter(move |builtin| builtin.name == name).map(BuiltinRef)
}

/// A builtin in an expression: kept as its signature.
#[derive(Clone, Copy)]
pub struct BuiltinRef(&'static Builtin);

impl BuiltinRef {
    /// The builtin of a signature.
    pub fn find(signature: &str) -> Option<Self> {
        BUILTINS.get(signature).map(Self)
    }

    /// The builtin itself.
    pub fn builtin(&self) -> &'static Builtin {
        self.0
    }
}

impl fmt::Debug for BuiltinRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.signature)
    }
}

impl PartialEq for BuiltinRef {
    fn eq(&self, other: &Self) -> bool {
        self.0.signature == other.0.signature
    }
}

impl Eq for BuiltinRef {}

impl Hash for BuiltinRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.signature.hash(state);
    }
}

impl Serialize for BuiltinRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.signature)
    }
}

impl<'de> Deserialize<'de> for BuiltinRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let signature = String::deserialize(deserializer)?;
        Self::find(&signature)
            .ok_or_else(|| serde::de::Error::custom(format!("this program knows no function {signature}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_can_be_read_and_stands_once() {
        let signatures: Vec<&str> = all().map(|definition| definition.signature).collect();
        for definition in all() {
            assert!(Builtin::of(definition).is_some(), "{}", definition.signature);
        }
        assert_eq!(builtins().count(), signatures.len(), "two definitions have one signature");
    }
}
