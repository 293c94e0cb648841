//! References in JSON: the icons of a web application's manifest, and the addresses of an import map.

use super::reference::Collector;

/// What of a document is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Members {
    /// Values of members named `src`: what a manifest has icons and screenshots in.
    Src,
    /// Every value that is a path: an import map.
    All,
}

/// Finds the references of a document that begins at byte `offset` of its file. One that is no JSON has none.
pub(crate) fn collect(json: &str, offset: usize, members: Members, collector: &mut Collector<'_>) {
    if serde_json::from_str::<&serde_json::value::RawValue>(json).is_err() {
        return;
    }
    let mut key = "";
    let mut at = 0;
    // Since it is JSON, quotes are those of strings.
    while let Some(found) = json.get(at..).and_then(|rest| rest.find('"')) {
        let start = at + found + 1;
        let Some(rest) = json.get(start..) else { return };
        let length = length(rest);
        let text = rest.get(..length).unwrap_or_default();
        at = start + length + 1;
        let is_key = json.get(at..).is_some_and(|rest| rest.trim_start().starts_with(':'));
        if is_key {
            key = text;
            continue;
        }
        let is_path = ["./", "../", "/"].iter().any(|start| text.starts_with(start));
        let is_taken = match members {
            Members::Src => key == "src",
            Members::All => is_path,
        };
        if is_taken {
            // With an escape in it, it is not understood, and left alone.
            collector.take(offset + start, text);
        }
    }
}

/// How long a string is, up to its closing quote.
fn length(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(json: &str, members: Members) -> String {
        let is_known = |_: &str| true;
        let mut collector = Collector::new("site.webmanifest", &is_known);
        collect(json, 0, members, &mut collector);
        let mut text = json.to_owned();
        for reference in collector.found.iter().rev() {
            text.insert(reference.at, '*');
        }
        text
    }

    #[test]
    fn members() {
        for (json, members, expected) in [
            (
                r#"{"name":"a.png","icons":[{"src":"a.png","sizes":"1x1"},{"src":"\"/b.png"}]}"#,
                Members::Src,
                r#"{"name":"a.png","icons":[{"src":"a*.png","sizes":"1x1"},{"src":"\"/b.png"}]}"#,
            ),
            (
                r#"{"imports":{"./x.js":"./y.js","z":"/z.js","lodash":"https://cdn.test/l.js"}}"#,
                Members::All,
                r#"{"imports":{"./x.js":"./y*.js","z":"/z*.js","lodash":"https://cdn.test/l.js"}}"#,
            ),
            (r#"{"src":"a.png""#, Members::Src, r#"{"src":"a.png""#),
        ] {
            assert_eq!(marked(json, members), expected);
        }
    }
}
