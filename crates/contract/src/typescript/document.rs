//! The type of a column of JSON, from the JSON Schema in its comment.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::literal::{key, text};

/// The type of what is not said, or cannot be said as a type.
const ANY: &str = "Json";

/// How deep types are written; what is below is any JSON. References may lead in circles.
const DEEPEST: usize = 8;

/// How many parts of a schema become parts of a type: references may lead to the same place many times.
const MOST_PARTS: usize = 1_000;

/// What the documents of a schema are. It may be wider than the schema, and never narrower: what a type cannot say is left out.
pub(super) fn of_schema(schema: &Value) -> String {
    Types { root: schema, left: Cell::new(MOST_PARTS) }.of(schema, 0)
}

struct Types<'a> {
    root: &'a Value,
    left: Cell<usize>,
}

impl Types<'_> {
    fn of(&self, schema: &Value, depth: usize) -> String {
        let Value::Object(members) = schema else { return ANY.to_owned() };
        if depth > DEEPEST || self.left.get() == 0 {
            return ANY.to_owned();
        }
        self.left.set(self.left.get() - 1);
        if let Some(target) = members.get("$ref") {
            let target = target.as_str().and_then(|target| self.root.pointer(target.strip_prefix('#')?));
            return target.map_or_else(|| ANY.to_owned(), |target| self.of(target, depth + 1));
        }
        if let Some(value) = members.get("const") {
            return literal(value);
        }
        if let Some(Value::Array(values)) = members.get("enum") {
            return union(values.iter().map(literal));
        }
        if let Some(Value::Array(choices)) = members.get("anyOf").or_else(|| members.get("oneOf")) {
            return union(choices.iter().map(|choice| self.of(choice, depth + 1)));
        }
        match members.get("type") {
            Some(Value::String(name)) => self.named(name, members, depth),
            Some(Value::Array(names)) => {
                union(names.iter().filter_map(Value::as_str).map(|name| self.named(name, members, depth)))
            }
            _ => ANY.to_owned(),
        }
    }

    fn named(&self, name: &str, members: &Map<String, Value>, depth: usize) -> String {
        match name {
            "string" | "boolean" | "null" => name.to_owned(),
            "number" | "integer" => "number".to_owned(),
            "array" => match members.get("items") {
                Some(items @ Value::Object(_)) if !members.contains_key("prefixItems") => {
                    format!("({})[]", self.of(items, depth + 1))
                }
                _ => format!("{ANY}[]"),
            },
            "object" => self.object(members, depth),
            _ => ANY.to_owned(),
        }
    }

    fn object(&self, members: &Map<String, Value>, depth: usize) -> String {
        let nothing = Map::new();
        let properties = members.get("properties").and_then(Value::as_object).unwrap_or(&nothing);
        let required = members.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|known| known.as_str() == Some(name)));
        let mut parts: Vec<String> = Vec::new();
        for (name, property) in properties {
            let mark = if is_required(name) { "" } else { "?" };
            parts.push(format!("{}{mark}: {}", key(name), self.of(property, depth + 1)));
        }
        // What other members are is only said where they may not be there, since it would have to hold for those named as well.
        let is_closed = members.get("additionalProperties") == Some(&Value::Bool(false));
        if !is_closed || members.contains_key("patternProperties") {
            parts.push(format!("[key: string]: {ANY} | undefined"));
        }
        if parts.is_empty() { "Record<string, never>".to_owned() } else { format!("{{ {} }}", parts.join("; ")) }
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(value) => text(value),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => ANY.to_owned(),
    }
}

/// Each once, in the order of their first place.
fn union(types: impl Iterator<Item = String>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in types {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    if parts.is_empty() { ANY.to_owned() } else { parts.join(" | ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_what_schemas_say() {
        let closed = json!({"type": "object", "additionalProperties": false, "required": ["a"], "properties": {
            "a": {"type": ["integer", "null"]}, "b c": {"enum": ["x", 2, null]}, "d": {"items": {"type": "string"}, "type": "array"}}});
        for (schema, expected) in [
            (json!(true), "Json"),
            (json!({"minimum": 5}), "Json"),
            (json!({"type": "string", "maxLength": 5}), "string"),
            (closed, r#"{ a: number | null; "b c"?: "x" | 2 | null; d?: (string)[] }"#),
            (json!({"type": "object"}), "{ [key: string]: Json | undefined }"),
            (json!({"type": "object", "additionalProperties": false}), "Record<string, never>"),
            (json!({"anyOf": [{"const": "x"}, {"type": "boolean"}, {"const": "x"}]}), r#""x" | boolean"#),
            (json!({"$defs": {"a": {"type": "number"}}, "$ref": "#/$defs/a"}), "number"),
            (json!({"$ref": "https://example.com"}), "Json"),
            (json!({"enum": [{"a": 1}, "x"]}), r#"Json | "x""#),
        ] {
            assert_eq!(of_schema(&schema), expected, "{schema}");
        }
        // One that holds itself ends, and one that doubles does not grow for ever.
        let circle = json!({"type": "array", "items": {"$ref": "#"}});
        assert!(of_schema(&circle).contains("Json"));
        let doubles = json!({"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}, "c": {"$ref": "#"},
            "d": {"$ref": "#"}, "e": {"$ref": "#"}, "f": {"$ref": "#"}, "g": {"$ref": "#"}, "h": {"$ref": "#"}}});
        assert!(of_schema(&doubles).len() < 100 * MOST_PARTS);
    }
}
