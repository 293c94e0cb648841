//! Expressions and queries as PostgreSQL keeps them (`pg_node_tree`): `{OPEXPR :opno 96 :args ({VAR :varno 1} {CONST ...})}`.

use super::super::rule::{DEEPEST, Tokens};

/// A node with its fields, each with all that stands behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Node<'t> {
    pub(super) label: &'t str,
    pub(super) fields: Vec<(&'t str, Vec<Value<'t>>)>,
}

/// What stands behind a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'t> {
    Word(&'t str),
    List(Vec<Self>),
    Node(Node<'t>),
}

/// What is open while it is read.
enum Open<'t> {
    List(Vec<Value<'t>>),
    Node(Node<'t>),
}

impl<'t> Open<'t> {
    fn add(&mut self, value: Value<'t>) {
        match (self, value) {
            (Self::List(values), value) => values.push(value),
            (Self::Node(node), Value::Word(word)) if node.label.is_empty() => node.label = word,
            (Self::Node(node), Value::Word(word)) if word.starts_with(':') => node.fields.push((word, Vec::new())),
            (Self::Node(node), value) => {
                if let Some((_, values)) = node.fields.last_mut() {
                    values.push(value);
                }
            }
        }
    }

    fn close(self) -> Value<'t> {
        match self {
            Self::List(values) => Value::List(values),
            Self::Node(node) => Value::Node(node),
        }
    }
}

/// Reads a tree; `None` for one that is none, or too deep.
pub(super) fn parse(text: &str) -> Option<Value<'_>> {
    let mut open = vec![Open::List(Vec::new())];
    for token in Tokens(text) {
        match token {
            "(" | "{" if open.len() > DEEPEST => return None,
            "(" => open.push(Open::List(Vec::new())),
            "{" => open.push(Open::Node(Node::default())),
            ")" | "}" => {
                let closed = open.pop()?;
                if matches!(closed, Open::List(_)) != (token == ")") {
                    return None;
                }
                open.last_mut()?.add(closed.close());
            }
            word => open.last_mut()?.add(Value::Word(word)),
        }
    }
    let whole = open.pop()?;
    open.is_empty().then(|| whole.close())
}

impl<'t> Node<'t> {
    /// What stands behind a field.
    pub(super) fn field(&self, name: &str) -> &[Value<'t>] {
        self.fields.iter().find(|(field, _)| *field == name).map_or(&[], |(_, values)| values)
    }

    /// The word behind a field.
    pub(super) fn word(&self, name: &str) -> Option<&'t str> {
        match self.field(name) {
            [Value::Word(word), ..] => Some(word),
            _ => None,
        }
    }

    /// The number behind a field; 0 where there is none.
    pub(super) fn number(&self, name: &str) -> u32 {
        self.word(name).and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    /// The nodes in the list behind a field.
    pub(super) fn nodes(&self, name: &str) -> Vec<&Self> {
        match self.field(name) {
            [Value::List(values)] => values.iter().filter_map(Value::node).collect(),
            _ => Vec::new(),
        }
    }

    /// The node behind a field.
    pub(super) fn node(&self, name: &str) -> Option<&Self> {
        self.field(name).first().and_then(Value::node)
    }

    /// A text that stands there as it is (`CONST` of a type that is kept as `text` is): its bytes come as numbers, the first four
    /// of them its length.
    pub(super) fn text(&self) -> Option<String> {
        if self.label != "CONST" || self.word(":constlen") != Some("-1") {
            return None;
        }
        let [Value::Word(_), Value::Word("["), bytes @ .., Value::Word("]")] = self.field(":constvalue") else {
            return None;
        };
        let byte = |value: &Value<'_>| match value {
            // Signed, as the server's `char` is.
            Value::Word(word) => word.parse::<i16>().ok().and_then(|number| u8::try_from(number & 0xff).ok()),
            _ => None,
        };
        let bytes = bytes.iter().skip(4).map(byte).collect::<Option<Vec<u8>>>()?;
        String::from_utf8(bytes).ok()
    }
}

impl<'t> Value<'t> {
    pub(super) fn node(&self) -> Option<&Node<'t>> {
        match self {
            Self::Node(node) => Some(node),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_read() {
        let text = "{OPEXPR :opno 3477 :args ({VAR :varno 1} {CONST :consttype 25 :constlen -1 :constisnull false :location 93 \
                    :constvalue 7 [ 28 0 0 0 115 -61 -92 ]}) :location 89}";
        let Some(Value::List(all)) = parse(text) else { panic!("{text}") };
        let node = all[0].node().unwrap();
        assert_eq!((node.label, node.number(":opno"), node.number(":none")), ("OPEXPR", 3477, 0));
        assert_eq!(
            node.nodes(":args").iter().map(|node| node.text()).collect::<Vec<_>>(),
            [None, Some("sä".to_owned())]
        );
    }

    #[test]
    fn whatever_comes_ends() {
        for text in ["(", "{QUERY", ")))", "({)", "{QUERY :a (}"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&("(".repeat(100_000) + &")".repeat(100_000))), None);
        assert!(parse("<>").is_some());
    }
}
