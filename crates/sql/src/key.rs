//! The names of members, ready to be written.

use std::sync::Arc;

/// A member's name, and the same ready to be written: `"name":`.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Key {
    /// The name.
    pub name: Arc<str>,
    /// The name as JSON with its colon.
    pub json: Vec<u8>,
}

impl Key {
    /// Prepares a name.
    pub fn new(name: &Arc<str>) -> Self {
        let mut json = Vec::with_capacity(name.len() + 3);
        datatype::json::write_string(name, &mut json);
        json.push(b':');
        Self { name: name.clone(), json }
    }
}
