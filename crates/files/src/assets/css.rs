//! References in style sheets: `url(…)`, `@import "…"`, `image-set("…")`, and the source map at the end. Read as CSS Syntax Level 3 cuts
//! its tokens, as far as strings, comments and functions go.

use super::reference::Collector;

/// Finds the references of a style sheet that begins at byte `offset` of its file.
pub(crate) fn collect(css: &str, offset: usize, collector: &mut Collector<'_>) {
    let mut scan = Scan { css, at: 0, offset, collector, is_import: false, functions: Vec::new() };
    while scan.at < css.len() {
        scan.token();
    }
}

struct Scan<'a, 'b, 'c> {
    css: &'a str,
    at: usize,
    offset: usize,
    collector: &'b mut Collector<'c>,
    /// Between `@import` and its `;`.
    is_import: bool,
    /// Which of the open parentheses have addresses as strings in them.
    functions: Vec<bool>,
}

impl<'a> Scan<'a, '_, '_> {
    fn rest(&self) -> &'a str {
        self.css.get(self.at..).unwrap_or_default()
    }

    fn token(&mut self) {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return };
        match first {
            '/' if rest.starts_with("/*") => self.comment(),
            '"' | '\'' => {
                let text = self.string();
                if self.is_import || self.functions.last().copied().unwrap_or(false) {
                    self.take(text);
                }
            }
            '@' => {
                let keyword = word(rest.get(1..).unwrap_or_default());
                self.is_import = keyword.eq_ignore_ascii_case("import");
                self.at += 1 + keyword.len();
            }
            '(' => self.open(false),
            ')' => {
                self.functions.pop();
                self.at += 1;
            }
            ';' | '{' | '}' => {
                self.is_import = false;
                self.at += 1;
            }
            '\\' => self.at += 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            _ if is_word(first) => self.word(),
            _ => self.at += first.len_utf8(),
        }
    }

    fn comment(&mut self) {
        const MAP: &str = "# sourceMappingURL=";
        let rest = self.rest();
        let end = rest.get(2..).and_then(|rest| rest.find("*/")).map_or(rest.len(), |end| end + 4);
        let start = rest.get(..end).and_then(|comment| comment.find(MAP)).map(|place| place + MAP.len());
        if let Some((start, address)) = start.and_then(|start| Some((start, rest.get(start..end)?))) {
            let address = address.split(|it: char| it.is_whitespace() || it == '*').next().unwrap_or_default();
            self.collector.take(self.offset + self.at + start, address);
        }
        self.at += end;
    }

    /// Goes past a string, and gives what is between its quotes with the place of it.
    fn string(&mut self) -> (usize, &'a str) {
        let rest = self.rest();
        let quote = rest.bytes().next().unwrap_or_default();
        let mut length = 1;
        let bytes = rest.as_bytes();
        while let Some(byte) = bytes.get(length).filter(|byte| **byte != quote && **byte != b'\n') {
            length += if *byte == b'\\' { 2 } else { 1 };
        }
        let length = length.min(rest.len());
        let start = self.at + 1;
        self.at += length;
        if rest.as_bytes().get(length) == Some(&quote) {
            self.at += 1;
        }
        // An escape may have ended in the middle of a letter.
        while !self.css.is_char_boundary(self.at) {
            self.at += 1;
        }
        (start, rest.get(1..length).unwrap_or_default())
    }

    fn take(&mut self, (at, text): (usize, &str)) {
        self.collector.take(self.offset + at, text);
    }

    fn open(&mut self, has_addresses: bool) {
        self.functions.push(has_addresses);
        self.at += 1;
    }

    fn word(&mut self) {
        let name = word(self.rest());
        self.at += name.len();
        if !self.rest().starts_with('(') {
            return;
        }
        if !name.eq_ignore_ascii_case("url") {
            let has_addresses =
                ["image-set", "-webkit-image-set", "src"].iter().any(|it| name.eq_ignore_ascii_case(it));
            self.open(has_addresses);
            return;
        }
        let inside = self.rest().get(1..).unwrap_or_default();
        let trimmed = inside.trim_start();
        if trimmed.starts_with(['"', '\'']) {
            self.open(true);
            return;
        }
        // Without quotes it ends at the parenthesis, whatever stands in between.
        let start = self.at + 1 + (inside.len() - trimmed.len());
        let end = trimmed.find(')').unwrap_or(trimmed.len());
        self.take((start, trimmed.get(..end).unwrap_or_default().trim_end()));
        self.at = (start + end + 1).min(self.css.len());
    }
}

/// The name at the beginning of a text.
fn word(text: &str) -> &str {
    text.split(|it| !is_word(it)).next().unwrap_or_default()
}

fn is_word(it: char) -> bool {
    it.is_ascii_alphanumeric() || matches!(it, '-' | '_') || !it.is_ascii()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text with `*` where a hash would be put.
    fn marked(css: &str) -> String {
        let is_known = |name: &str| name.ends_with(".png") || name.ends_with(".css") || name.ends_with(".map");
        let mut collector = Collector::new("a/style.css", &is_known);
        collect(css, 0, &mut collector);
        let mut text = css.to_owned();
        for reference in collector.found.iter().rev() {
            text.insert(reference.at, '*');
        }
        text
    }

    #[test]
    fn what_is_a_reference() {
        for (css, expected) in [
            ("a{b:url(x.png)}", "a{b:url(x*.png)}"),
            ("a{b:URL( \"x.png\" )}", "a{b:URL( \"x*.png\" )}"),
            ("a{b:url('../x.png') no-repeat,url(y.png)}", "a{b:url('../x*.png') no-repeat,url(y*.png)}"),
            ("@import \"x.css\" screen;a{c:\"y.png\"}", "@import \"x*.css\" screen;a{c:\"y.png\"}"),
            ("@import url(x.css);", "@import url(x*.css);"),
            ("a{b:image-set(\"x.png\" 1x,url(y.png) 2x)}", "a{b:image-set(\"x*.png\" 1x,url(y*.png) 2x)}"),
            ("/* url(x.png) */a{}", "/* url(x.png) */a{}"),
            ("a{content:\"url(x.png)\"}", "a{content:\"url(x.png)\"}"),
            ("a{content:\"\\\"url(x.png)\"}", "a{content:\"\\\"url(x.png)\"}"),
            ("a{b:url(\"x\\.png\")}", "a{b:url(\"x\\.png\")}"),
            ("a{b:url(#x.png)}", "a{b:url(#x.png)}"),
            ("a{}/*# sourceMappingURL=style.css.map */", "a{}/*# sourceMappingURL=style.css*.map */"),
            ("a{b:url(x.png", "a{b:url(x*.png"),
            ("a{b:myurl(x.png)}", "a{b:myurl(x.png)}"),
            ("a{b:url(data:image/png;base64,x.png)}", "a{b:url(data:image/png;base64,x.png)}"),
        ] {
            assert_eq!(marked(css), expected);
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_to_its_end(css in "(url\\(|\\)|\"|'|/\\*|\\*/|\\\\|@import|x\\.png|é|;|\\{|\\n| ){0,30}") {
            let _marked = marked(&css);
        }
    }
}
