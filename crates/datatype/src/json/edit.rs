//! What `jsonb` operators and functions do to a value: containment, joining, removing, setting.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::json::compare::compare_nodes;
use crate::json::string::write_string;
use crate::json::tree::{Node, parse};
use crate::{ValueError, numeric};

/// How a path is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// `jsonb_set`: replaces, and creates where it may.
    Set {
        /// Whether a last step that is missing is created.
        creates: bool,
    },
    /// `jsonb_insert`: an existing key is an error; an index makes room before or after it.
    Insert {
        /// After instead of before.
        after: bool,
    },
    /// `#-`
    Delete,
}

fn invalid(message: &str) -> ValueError {
    ValueError::new("22023", message)
}

fn printed(node: &Node<'_>) -> Result<String, ValueError> {
    let mut out = Vec::new();
    node.write(&mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn is_container(node: &Node<'_>) -> bool {
    matches!(node, Node::Array(_) | Node::Object(_))
}

/// `left @> right`.
pub(crate) fn contains(left: &str, right: &str) -> Result<bool, ValueError> {
    let (left, right) = (parse(left)?, parse(right)?);
    Ok(match (&left, &right) {
        // An array contains a scalar that is one of its items; only at the top.
        (Node::Array(items), right) if !is_container(right) => items.iter().any(|item| is_equal(item, right)),
        (left, right) => has_within(left, right),
    })
}

fn is_equal(left: &Node<'_>, right: &Node<'_>) -> bool {
    compare_nodes(left, right) == Ordering::Equal
}

fn has_within(left: &Node<'_>, right: &Node<'_>) -> bool {
    match (left, right) {
        (Node::Object(members), Node::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| members.iter().any(|(candidate, found)| candidate == key && has_within(found, value))),
        (Node::Array(items), Node::Array(wanted)) => {
            wanted.iter().all(|value| items.iter().any(|item| has_within(item, value)))
        }
        (left, right) => !is_container(left) && !is_container(right) && is_equal(left, right),
    }
}

/// `json ? key`: a key of an object, a string of an array, or the string itself.
pub(crate) fn has_key(json: &str, keys: &[&str], all: bool) -> Result<bool, ValueError> {
    let node = parse(json)?;
    let is_there = |key: &&str| match &node {
        Node::Object(members) => members.iter().any(|(candidate, _)| candidate == key),
        Node::Array(items) => items.iter().any(|item| matches!(item, Node::String(text) if text == key)),
        Node::String(text) => text == key,
        _ => false,
    };
    Ok(if all { keys.iter().all(is_there) } else { keys.iter().any(is_there) })
}

/// `left || right`.
pub(crate) fn concatenated(left: &str, right: &str) -> Result<String, ValueError> {
    let whole = match (parse(left)?, parse(right)?) {
        (Node::Object(mut members), Node::Object(new)) => {
            for (key, value) in new {
                put(&mut members, key, value);
            }
            Node::Object(members)
        }
        (left, right) => {
            let items = |node| if let Node::Array(items) = node { items } else { vec![node] };
            let mut all = items(left);
            all.extend(items(right));
            Node::Array(all)
        }
    };
    printed(&whole)
}

/// Sets a member; keys are ordered by their length, then their bytes.
fn put<'a>(members: &mut Vec<(Cow<'a, str>, Node<'a>)>, key: Cow<'a, str>, value: Node<'a>) {
    let place = members
        .binary_search_by(|(candidate, _)| candidate.len().cmp(&key.len()).then_with(|| candidate.as_ref().cmp(&key)));
    match place {
        Ok(place) => {
            if let Some(member) = members.get_mut(place) {
                member.1 = value;
            }
        }
        Err(place) => members.insert(place, (key, value)),
    }
}

/// `json - key`.
pub(crate) fn without_key(json: &str, key: &str) -> Result<String, ValueError> {
    let mut node = parse(json)?;
    match &mut node {
        Node::Object(members) => members.retain(|(candidate, _)| candidate != key),
        Node::Array(items) => items.retain(|item| !matches!(item, Node::String(text) if text == key)),
        _ => return Err(invalid("cannot delete from scalar")),
    }
    printed(&node)
}

/// `json - index`.
pub(crate) fn without_index(json: &str, index: i64) -> Result<String, ValueError> {
    let mut node = parse(json)?;
    match &mut node {
        Node::Array(items) => {
            if let Some(place) = from_end(index, items.len()).filter(|place| *place < items.len()) {
                items.remove(place);
            }
        }
        Node::Object(_) => return Err(invalid("cannot delete from object using integer index")),
        _ => return Err(invalid("cannot delete from scalar")),
    }
    printed(&node)
}

/// An index, negative ones counted from the end.
fn from_end(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if index < 0 { length + index } else { index }).ok()
}

/// `jsonb_set`, `jsonb_insert` and `#-`: `json` with the value at `path` changed.
pub(crate) fn changed(json: &str, path: &[Option<String>], new: &str, change: Change) -> Result<String, ValueError> {
    let mut node = parse(json)?;
    if !is_container(&node) {
        let what = if change == Change::Delete { "cannot delete path in scalar" } else { "cannot set path in scalar" };
        return Err(invalid(what));
    }
    let is_empty = match &node {
        Node::Array(items) => items.is_empty(),
        Node::Object(members) => members.is_empty(),
        _ => false,
    };
    let creates = !matches!(change, Change::Delete | Change::Set { creates: false });
    if !path.is_empty() && (creates || !is_empty) {
        change_within(&mut node, path, 0, &|| parse(new), change)?;
    }
    printed(&node)
}

type New<'a, 'f> = &'f dyn Fn() -> Result<Node<'a>, ValueError>;

fn change_within<'a>(
    node: &mut Node<'a>,
    path: &[Option<String>],
    level: usize,
    new: New<'a, '_>,
    change: Change,
) -> Result<(), ValueError> {
    let Some(step) = path.get(level) else { return Ok(()) };
    let Some(step) = step else {
        return Err(ValueError::new("22004", format!("path element at position {} is null", level + 1)));
    };
    let is_last = level + 1 == path.len();
    match node {
        Node::Object(members) => {
            let found = members.iter().position(|(key, _)| key == step);
            match (found, is_last) {
                (Some(place), true) => match change {
                    Change::Delete => drop(members.remove(place)),
                    Change::Insert { .. } => return Err(invalid("cannot replace existing key")),
                    Change::Set { .. } => {
                        if let Some(member) = members.get_mut(place) {
                            member.1 = new()?;
                        }
                    }
                },
                (Some(place), false) => {
                    if let Some((_, value)) = members.get_mut(place) {
                        change_within(value, path, level + 1, new, change)?;
                    }
                }
                (None, true) if change != Change::Delete && change != (Change::Set { creates: false }) => {
                    put(members, Cow::Owned(step.clone()), new()?);
                }
                (None, _) => {}
            }
            Ok(())
        }
        Node::Array(items) => change_item(items, step, path, level, new, change),
        _ => Ok(()),
    }
}

fn change_item<'a>(
    items: &mut Vec<Node<'a>>,
    step: &str,
    path: &[Option<String>],
    level: usize,
    new: New<'a, '_>,
    change: Change,
) -> Result<(), ValueError> {
    let Ok(index) = step.trim_start().parse::<i32>() else {
        let position = level + 1;
        return Err(ValueError::new(
            "22P02",
            format!("path element at position {position} is not an integer: \"{step}\""),
        ));
    };
    let place = from_end(i64::from(index), items.len());
    let is_last = level + 1 == path.len();
    let found = place.filter(|place| *place < items.len());
    match (found, is_last) {
        (Some(place), true) => match change {
            Change::Delete => drop(items.remove(place)),
            Change::Insert { after } => items.insert(place + usize::from(after), new()?),
            Change::Set { .. } => {
                if let Some(item) = items.get_mut(place) {
                    *item = new()?;
                }
            }
        },
        (Some(place), false) => {
            if let Some(item) = items.get_mut(place) {
                change_within(item, path, level + 1, new, change)?;
            }
        }
        (None, true) if change != Change::Delete && change != (Change::Set { creates: false }) => {
            // Before the first, or behind the last.
            let at = if place.is_none() { 0 } else { items.len() };
            items.insert(at, new()?);
        }
        (None, _) => {}
    }
    Ok(())
}

/// `jsonb_typeof`.
pub(crate) fn kind(json: &str) -> &'static str {
    match json.trim_start().as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

/// The number of items of an array; `None` for anything else.
pub(crate) fn array_length(json: &str) -> Result<Option<usize>, ValueError> {
    Ok(if let Node::Array(items) = parse(json)? { Some(items.len()) } else { None })
}

/// `jsonb_pretty`.
pub(crate) fn pretty(json: &str) -> Result<String, ValueError> {
    let mut out = Vec::new();
    write_pretty(&parse(json)?, 0, &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn write_pretty(node: &Node<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), ValueError> {
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 4));
    };
    match node {
        Node::Number(text) => out.extend_from_slice(numeric::parse(None, text)?.as_bytes()),
        Node::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                line(out, depth + 1);
                write_pretty(item, depth + 1, out)?;
            }
            line(out, depth);
            out.push(b']');
        }
        Node::Object(members) => {
            out.push(b'{');
            for (index, (key, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                line(out, depth + 1);
                write_string(key, out);
                out.extend_from_slice(b": ");
                write_pretty(value, depth + 1, out)?;
            }
            line(out, depth);
            out.push(b'}');
        }
        other => other.write(out)?,
    }
    Ok(())
}
