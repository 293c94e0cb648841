//! What applications and operators keep with an account, as JSON objects.

use serde_json::{Map, Value};

/// An object of metadata. As long as nobody changes it, it stays as it was stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Metadata(Map<String, Value>);

impl Metadata {
    pub(crate) fn new(object: Map<String, Value>) -> Self {
        Self(object)
    }

    /// What stands in a column; anything but an object is none.
    pub(crate) fn stored(value: Option<Value>) -> Self {
        match value {
            Some(Value::Object(object)) => Self(object),
            _ => Self::default(),
        }
    }

    /// Merges changes: a member that is null is removed.
    pub(crate) fn merge(&mut self, changes: &Map<String, Value>) {
        for (name, value) in changes {
            if value.is_null() {
                self.0.remove(name);
            } else {
                self.0.insert(name.clone(), value.clone());
            }
        }
    }

    /// Its members.
    pub(crate) fn object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Sets one member.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    pub(crate) fn value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// As JSON text.
    pub(crate) fn text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_merged_and_null_removes() {
        let mut metadata = Metadata::stored(Some(json!({"a": 1, "b": 2})));
        metadata.merge(json!({"b": null, "c": [3]}).as_object().unwrap());
        assert_eq!(metadata.value(), json!({"a": 1, "c": [3]}));
        assert_eq!(Metadata::stored(Some(json!([1]))), Metadata::default());
        assert_eq!(Metadata::stored(None).text(), "{}");
    }
}
