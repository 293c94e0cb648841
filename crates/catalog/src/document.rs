//! What documents in columns of JSON have to look like: a JSON Schema in the comment of the column.
//!
//! ```sql
//! comment on column climbs.details is 'What the setter says.
//! @schema {"type": "object", "required": ["holds"]}';
//! ```
//!
//! A schema is compiled when a catalog is made, and never fetches anything. Patterns run in linear time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base::QualifiedName;
use serde_json::Value;

use crate::relation::{Column, Relation};
use crate::snapshot::Snapshot;

/// What a schema in a comment begins with, at the beginning of a line.
const MARK: &str = "@schema";

/// The longest schema, in bytes: it is read with every catalog, and given out with the description of the API.
const LONGEST: usize = 64 * 1024;

/// How deep a schema may be: compiling and describing it walk down.
const DEEPEST: usize = 32;

/// The most memory of a compiled pattern, in bytes.
const LARGEST_PATTERN: usize = 1024 * 1024;

/// How many faults of a document are told.
const MOST_FAULTS: usize = 20;

/// The longest sentence about a fault, in characters: it may repeat an enumeration of the schema.
const LONGEST_FAULT: usize = 500;

/// The longest pointer, in characters: its members have the names that were sent.
const LONGEST_POINTER: usize = 500;

/// A schema, compiled.
pub struct DocumentSchema {
    text: Value,
    validator: jsonschema::Validator,
}

/// Something that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFault {
    /// Where: a JSON pointer (RFC 6901); empty for the document itself. One of more than 500 characters ends with `…` there.
    pub pointer: String,
    /// What, as a sentence that calls what is there `value`.
    pub message: String,
}

/// The schemas of all columns that have one, or why it is none.
pub type DocumentSchemas = BTreeMap<(QualifiedName, Arc<str>), Result<Arc<DocumentSchema>, String>>;

impl DocumentSchema {
    /// Reads and compiles a schema; draft 2020-12, unless `$schema` names another.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("a JSON Schema has at most {LONGEST} bytes"));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        if depth(&value) > DEEPEST {
            return Err(format!("a JSON Schema is at most {DEEPEST} levels deep"));
        }
        let patterns = jsonschema::PatternOptions::regex();
        let patterns = patterns.size_limit(LARGEST_PATTERN).dfa_size_limit(LARGEST_PATTERN);
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(patterns)
            .should_validate_formats(true)
            // A format that nobody knows would look like a check and be none.
            .should_ignore_unknown_formats(false)
            .build(&value)
            .map_err(|error| {
                shortened(&format!("it is no JSON Schema that can be used here: {error}"), LONGEST_FAULT)
            })?;
        Ok(Self { text: value, validator })
    }

    /// The schema itself.
    pub fn text(&self) -> &Value {
        &self.text
    }

    /// What is wrong with a document, the first things of it; nothing where it fits. A text that is no JSON is at fault as a whole.
    pub fn faults(&self, document: &str) -> Vec<DocumentFault> {
        let Ok(value) = serde_json::from_str::<Value>(document) else {
            return vec![DocumentFault { pointer: String::new(), message: "value cannot be read".to_owned() }];
        };
        if self.validator.is_valid(&value) {
            return Vec::new();
        }
        let fault = |error: jsonschema::ValidationError<'_>| DocumentFault {
            pointer: shortened(&error.instance_path().to_string(), LONGEST_POINTER),
            message: shortened(&error.masked().to_string(), LONGEST_FAULT),
        };
        let mut faults: Vec<DocumentFault> = self.validator.iter_errors(&value).take(MOST_FAULTS).map(fault).collect();
        if faults.is_empty() {
            // The two ways of looking disagree; what does not fit is refused.
            faults.push(DocumentFault { pointer: String::new(), message: "value does not fit".to_owned() });
        }
        faults
    }
}

impl fmt::Debug for DocumentSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentSchema({})", self.text)
    }
}

/// A comment cut into what is said to people, and the schema in it.
pub fn cut_comment(comment: &str) -> (&str, Option<&str>) {
    let mut begin = 0;
    for line in comment.split_inclusive('\n') {
        if let Some(rest) = line.strip_prefix(MARK)
            && rest.chars().next().is_none_or(|next| next.is_whitespace() || next == '{')
        {
            let (said, schema) = comment.split_at(begin);
            return (said.trim_end(), schema.strip_prefix(MARK).map(str::trim));
        }
        begin += line.len();
    }
    (comment, None)
}

/// The schemas in the comments of a snapshot. A column of a view has that of the column behind it.
pub(crate) fn compile(snapshot: &Snapshot) -> DocumentSchemas {
    let mut schemas = DocumentSchemas::new();
    for relation in snapshot.relations.values() {
        for (column, schema) in relation.columns.iter().filter_map(|column| Some((column, schema_of(column)?))) {
            schemas.insert((relation.name.clone(), column.name.clone()), schema.map(Arc::new));
        }
    }
    for relation in snapshot.relations.values() {
        inherit(snapshot, relation, &mut schemas);
    }
    schemas
}

/// The schema that a column's comment declares, compiled; or why it is none, as a sentence.
pub fn schema_of(column: &Column) -> Option<Result<DocumentSchema, String>> {
    let text = cut_comment(column.comment.as_deref()?).1?;
    let looks_otherwise = column.native.as_ref().is_some_and(|native| native.representation.is_some());
    Some(if !column.data_type.is_json() {
        Err(format!("the column is of type {}, and a JSON Schema is for json and jsonb", column.data_type))
    } else if looks_otherwise {
        Err("the column's domain has another form outside, which a JSON Schema does not see".to_owned())
    } else {
        DocumentSchema::read(text)
    })
}

fn inherit(snapshot: &Snapshot, relation: &Relation, schemas: &mut DocumentSchemas) {
    let Some(view) = relation.view() else { return };
    for (name, origin) in &view.origins {
        let own = (relation.name.clone(), name.clone());
        let behind = schemas.get(&(origin.relation.clone(), origin.column.clone())).cloned();
        // Of a view over a view the origin is the table.
        let Some(behind) = behind.filter(|_| snapshot.relations.contains_key(&origin.relation)) else { continue };
        let both = || Err(format!("column {}.{} behind it has one, and that counts", origin.relation, origin.column));
        schemas.entry(own).and_modify(|own| *own = both()).or_insert(behind);
    }
}

fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => return 0,
    };
    1 + below.unwrap_or_default()
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(schema: &str, document: &str) -> Vec<String> {
        DocumentSchema::read(schema).unwrap().faults(document).into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn a_comment_is_cut() {
        for (comment, said, schema) in [
            ("words", "words", None),
            ("words\n@schema {\"a\": 1}", "words", Some("{\"a\": 1}")),
            ("@schema{}", "", Some("{}")),
            ("@schema\n{}\n", "", Some("{}")),
            ("@schema", "", Some("")),
            ("one\ntwo\n@schema true", "one\ntwo", Some("true")),
            ("see @schema {}", "see @schema {}", None),
            ("@schemas are fine", "@schemas are fine", None),
        ] {
            assert_eq!(cut_comment(comment), (said, schema), "{comment:?}");
        }
    }

    #[test]
    fn faults_are_told_where_they_are() {
        let schema = r#"{"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
            "name": {"type": "string", "maxLength": 3, "pattern": "^[a-z]+$"}, "a/b": {"type": "array", "items": {"type": "integer"}},
            "mail": {"format": "email"}}}"#;
        assert_eq!(pointers(schema, r#"{"name": "ada"}"#), [""; 0]);
        assert_eq!(pointers(schema, "[]"), [""]);
        assert_eq!(
            pointers(schema, r#"{"name": "ada", "a/b": [1, "2", 3, 4.5], "mail": "x"}"#),
            ["/a~1b/1", "/a~1b/3", "/mail"]
        );
        let faults = DocumentSchema::read(schema).unwrap().faults(r#"{"name": "secret word"}"#);
        assert!(faults.iter().all(|fault| fault.pointer == "/name" && !fault.message.contains("secret")), "{faults:?}");
        // Draft 2020-12, and an older one by its name.
        assert_eq!(pointers(r#"{"prefixItems": [{"type": "integer"}]}"#, r#"["x"]"#), ["/0"]);
        let seventh = r#"{"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "integer"}]}"#;
        assert_eq!(pointers(seventh, r#"["x"]"#), ["/0"]);
        let recursive = r##"{"$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"}"##;
        assert_eq!(pointers(recursive, r#"{"n": {"n": 5}}"#), ["/n/n"]);
    }

    #[test]
    fn what_is_told_is_bounded_whatever_was_sent() {
        let schema = DocumentSchema::read(r#"{"additionalProperties": {"items": {"type": "integer"}}}"#).unwrap();
        let document = format!(r#"{{"{}": ["a", "b"]}}"#, "é".repeat(1_000_000));
        for fault in schema.faults(&document) {
            assert!(fault.pointer.chars().count() <= LONGEST_POINTER + 1 && fault.pointer.ends_with('…'));
            assert!(fault.message.chars().count() <= LONGEST_FAULT + 1);
        }
        assert_eq!(schema.faults(&document).len(), 2);
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        let deep = "[".repeat(40) + &"]".repeat(40);
        for wrong in [
            "",
            "{",
            "5",
            r#"{"type": "text"}"#,
            r#"{"minimum": "5"}"#,
            r#"{"format": "phone"}"#,
            r#"{"pattern": "("}"#,
            r#"{"pattern": "^(?=x)"}"#,
            r#"{"pattern": "(a{999}){999}"}"#,
            r#"{"$ref": "https://example.com/schema.json"}"#,
            r#"{"$ref": "file:///etc/passwd"}"#,
            r##"{"$ref": "#/$defs/nothing"}"##,
            r#"{"$schema": "https://example.com/mine"}"#,
            &format!(r#"{{"default": {deep}}}"#),
            &format!(r#"{{"description": "{}"}}"#, "x".repeat(LONGEST)),
        ] {
            let outcome = DocumentSchema::read(wrong);
            assert!(outcome.is_err(), "{}", wrong.get(..60).unwrap_or(wrong));
            let problem = outcome.err().unwrap_or_default();
            assert!(problem.len() < 2_000, "{problem}");
        }
    }

    #[test]
    fn hostile_documents_take_no_time() {
        // What a backtracking engine never ends with.
        let schema = DocumentSchema::read(r#"{"type": "string", "pattern": "^(a+)+$"}"#).unwrap();
        let document = format!("\"{}!\"", "a".repeat(50_000));
        assert_eq!(schema.faults(&document).len(), 1);
        let many = format!("[{}1]", "\"x\",".repeat(10_000));
        let integers = DocumentSchema::read(r#"{"items": {"type": "integer"}}"#).unwrap();
        assert_eq!(integers.faults(&many).len(), MOST_FAULTS);
        let deep = "[".repeat(5_000) + &"]".repeat(5_000);
        assert_eq!(integers.faults(&deep).len(), 1);
    }
}
