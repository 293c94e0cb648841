//! The names under which caches find what has to be forgotten.

use std::fmt;
use std::sync::Arc;

use base::QualifiedName;

/// The most bytes of a name. What would need a longer one is kept by no cache. Fastly and Cloudflare take 1,024.
const MOST_BYTES: usize = 256;

/// The most names that an answer carries: with their blanks 8 KiB at most, the longest header that Varnish takes by default. Fastly and
/// Cloudflare take twice as much.
pub const MOST_TAGS: usize = 30;

// With a blank and a byte to spare for each.
const _: () = assert!(MOST_TAGS * (MOST_BYTES + 2) <= 8 * 1024);

/// What every answer carries.
const EVERYTHING: &str = "all";

/// A name of what an answer was read from: letters, digits, `_`, `-`, `:`, `.` and `%`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

impl Tag {
    /// What every answer carries.
    pub fn everything() -> Self {
        Self(Arc::from(EVERYTHING))
    }

    /// As it stands in headers and in purges.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes names.
#[derive(Debug, Clone)]
pub struct Tags {
    /// The schema whose tables stand by their name alone.
    first_schema: Arc<str>,
}

impl Tags {
    /// Tables of this schema stand by their name alone, those of others behind their schema's.
    pub fn new(first_schema: impl Into<Arc<str>>) -> Self {
        Self { first_schema: first_schema.into() }
    }

    /// `t:todos`: purged with each change of the table. `None` where the name would be too long.
    pub fn table(&self, table: &QualifiedName) -> Option<Tag> {
        self.tag("t", table, None)
    }

    /// `r:todos:42`: purged with each change of this row.
    pub fn row(&self, table: &QualifiedName, key: &str) -> Option<Tag> {
        self.tag("r", table, Some(key))
    }

    /// `a:todos`: purged when rows were changed that are not named one by one. Carried beside the row's own.
    pub fn unnamed(&self, table: &QualifiedName) -> Option<Tag> {
        self.tag("a", table, None)
    }

    fn tag(&self, kind: &str, table: &QualifiedName, key: Option<&str>) -> Option<Tag> {
        let mut text = format!("{kind}:");
        if table.schema != self.first_schema {
            push(&mut text, &table.schema);
            text.push('.');
        }
        push(&mut text, &table.name);
        if let Some(key) = key {
            text.push(':');
            push(&mut text, key);
        }
        (text.len() <= MOST_BYTES).then(|| Tag(text.into()))
    }
}

/// Adds a part, with what would separate names or their parts as `%2E`: different things have different names.
fn push(text: &mut String, part: &str) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let tags = Tags::new("public");
        let (todos, jobs) = (QualifiedName::new("public", "todos"), QualifiedName::new("ops", "jobs"));
        let text = |tag: Option<Tag>| tag.unwrap().to_string();
        assert_eq!(text(tags.table(&todos)), "t:todos");
        assert_eq!(text(tags.row(&todos, "42")), "r:todos:42");
        assert_eq!(text(tags.row(&todos, "-7")), "r:todos:-7");
        assert_eq!(text(tags.unnamed(&jobs)), "a:ops.jobs");
        let dotted = QualifiedName::new("public", "ops.jobs, é");
        assert_eq!(text(tags.table(&dotted)), "t:ops%2Ejobs%2C%20%C3%A9");
        assert_eq!(tags.row(&todos, &"x".repeat(300)), None);
    }
}
