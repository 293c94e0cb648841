use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// How deep objects and lists may nest.
const MAX_DEPTH: usize = 32;

/// Reads JSON and refuses what `serde_json` would silently let pass: a member given twice in one object.
///
/// Two parsers that disagree about which of the two counts are how forged claims slip through.
pub(crate) fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let raw: Box<RawValue> = serde_json::from_slice(text)?;
    convert(&raw, MAX_DEPTH)
}

/// One value, its members checked; `depth` is what is left of the nesting.
fn convert(raw: &RawValue, depth: usize) -> Result<Value, serde_json::Error> {
    let text = raw.get();
    let Some(depth) = depth.checked_sub(1) else {
        return Err(serde_json::Error::custom("nested too deeply"));
    };
    match text.as_bytes().first() {
        Some(b'{') => {
            let members: Members = serde_json::from_str(text)?;
            let mut object = Map::new();
            for (name, value) in members.0 {
                let value = convert(&value, depth)?;
                if object.insert(name, value).is_some() {
                    return Err(serde_json::Error::custom("a member is given twice"));
                }
            }
            Ok(Value::Object(object))
        }
        Some(b'[') => {
            let items: Vec<Box<RawValue>> = serde_json::from_str(text)?;
            let items: Result<Vec<Value>, _> = items.iter().map(|item| convert(item, depth)).collect();
            Ok(Value::Array(items?))
        }
        _ => serde_json::from_str(text),
    }
}

/// An object's members in the order of the text, repeated ones included.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_usual_reader_except_for_repeated_members() {
        for text in ["{}", "[]", r#"{"a":[1,{"b":null}],"c":"x\"y","d":1.5}"#, " 7 ", "\"s\"", "null"] {
            assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap(), "{text}");
        }
        let refused =
            [r#"{"a":1,"a":1}"#, r#"{"b":[{"a":1,"a":2}]}"#, r#"{"a":1,"\u0061":2}"#, "{", "{}{}", "", "\u{0}"];
        for text in refused {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"{\"a\":\"\xff\"}").is_err(), "bad UTF-8");
        assert!(parse(format!("{}{}", "[".repeat(40), "]".repeat(40)).as_bytes()).is_err(), "too deep");
    }
}
