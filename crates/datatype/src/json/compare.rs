use std::cmp::Ordering;

use crate::json::tree::{Node, parse};
use crate::numeric;

/// The order of two `jsonb` values in text: Object, Array, Boolean, Number, String, Null from the largest to the
/// smallest; longer containers are larger; an empty array at the top is smaller than any scalar.
///
/// Total: texts that are no JSON (or nested too deep) come last, by their bytes.
pub fn compare(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    match (parse(left), parse(right)) {
        (Ok(left), Ok(right)) => compare_top(&left, &right),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => left.cmp(right),
    }
}

/// `jsonb` keeps a scalar at the top as an array of one element, which shows against real arrays.
fn compare_top(left: &Node<'_>, right: &Node<'_>) -> Ordering {
    match (left, right) {
        (Node::Array(items), other) if other.is_scalar() => items.len().cmp(&1).then(Ordering::Greater),
        (other, Node::Array(items)) if other.is_scalar() => 1.cmp(&items.len()).then(Ordering::Less),
        _ => compare_nodes(left, right),
    }
}

pub(super) fn compare_nodes(left: &Node<'_>, right: &Node<'_>) -> Ordering {
    match (left, right) {
        (Node::Boolean(left), Node::Boolean(right)) => left.cmp(right),
        (Node::Number(left), Node::Number(right)) => numeric::compare_text(left, right),
        (Node::String(left), Node::String(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Node::Array(left), Node::Array(right)) => {
            let items = || left.iter().zip(right).map(|(left, right)| compare_nodes(left, right));
            left.len().cmp(&right.len()).then_with(|| first_difference(items()))
        }
        (Node::Object(left), Node::Object(right)) => {
            let members = || {
                left.iter().zip(right).map(|((left_key, left), (right_key, right))| {
                    left_key.as_bytes().cmp(right_key.as_bytes()).then_with(|| compare_nodes(left, right))
                })
            };
            left.len().cmp(&right.len()).then_with(|| first_difference(members()))
        }
        _ => left.rank().cmp(&right.rank()),
    }
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

impl Node<'_> {
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::String(_) => 1,
            Self::Number(_) => 2,
            Self::Boolean(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
        }
    }

    fn is_scalar(&self) -> bool {
        !matches!(self, Self::Array(_) | Self::Object(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_as_jsonb() {
        let ascending = [
            "[]",
            "null",
            "\"\"",
            "\"Z\"",
            "\"a\"",
            "-1",
            "0",
            "1.5",
            "10",
            "false",
            "true",
            "[null]",
            "[1]",
            "[[]]",
            "[{}]",
            "[1, 2]",
            "[1, 3]",
            "{}",
            "{\"b\": 1}",
            "{\"b\": 2}",
            "{\"a\": 1, \"b\": 2}",
            "{\"b\": 0, \"aa\": 0}",
            "nonsense",
        ];
        for (index, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(compare(left, right), index.cmp(&other), "{left} {right}");
            }
        }
        assert_eq!(compare("1.0", "1"), Ordering::Equal);
        assert_eq!(compare("{\"a\":1,\"b\":2}", "{\"b\": 2, \"a\": 1}"), Ordering::Equal);
    }
}
