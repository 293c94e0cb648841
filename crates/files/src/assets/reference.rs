//! What one file says of another: where it stands in the text, and which file is meant.
//!
//! A reference is changed by putting the hash in front of the extension, `app.css` to `app.3f2a9c1b0d4e5f67.css`, and nothing else of the
//! text is touched. So it does not matter how the rest of it is quoted or encoded.

use percent_encoding::percent_decode_str;

/// A reference to a file that gets a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The byte of the text before which the hash is put.
    pub(crate) at: usize,
    /// The name of the file that is meant, from the folder.
    pub(crate) target: String,
    /// Whether a hash of the file's content stands beside it (`integrity`).
    pub(crate) has_integrity: bool,
}

/// Collects what is found in one file.
pub(crate) struct Collector<'a> {
    /// The folder that relative references start from, `""` or `assets/`.
    pub(crate) base: String,
    is_known: &'a dyn Fn(&str) -> bool,
    pub(crate) found: Vec<Reference>,
}

impl<'a> Collector<'a> {
    /// For the file of this name; `is_known` says which files get a hash.
    pub(crate) fn new(name: &str, is_known: &'a dyn Fn(&str) -> bool) -> Self {
        let base = name.rfind('/').and_then(|slash| name.get(..=slash)).unwrap_or_default().to_owned();
        Self { base, is_known, found: Vec::new() }
    }

    /// Takes an address that stands at this byte, if it is that of a file that gets a hash.
    pub(crate) fn take(&mut self, at: usize, address: &str) {
        self.take_with(at, address, false);
    }

    /// The same where a hash of the content may stand beside it.
    pub(crate) fn take_with(&mut self, at: usize, address: &str, has_integrity: bool) {
        let start = at + (address.len() - address.trim_start().len());
        let Some((target, dot)) = resolve(&self.base, address.trim()) else { return };
        if (self.is_known)(&target) {
            self.found.push(Reference { at: start + dot, target, has_integrity });
        }
    }
}

/// The file that is meant, and where in the address its extension begins. `None` for what is not in the folder, or written in a way that
/// is not understood for certain.
fn resolve(base: &str, address: &str) -> Option<(String, usize)> {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let is_odd =
        |it: char| matches!(it, '\\' | '&' | '"' | '\'' | '<' | '>' | '`' | '{' | '}' | '$') || it.is_control();
    // `https:`, `data:`; in a path of a file a colon is not understood either.
    if path.is_empty() || path.starts_with("//") || path.contains(':') || path.contains(is_odd) {
        return None;
    }
    let last = path.rfind('/').map_or(0, |slash| slash + 1);
    let dot = last + path.get(last..)?.rfind('.').filter(|dot| *dot > 0)?;
    let (start, rest) = match path.strip_prefix('/') {
        Some(rest) => ("", rest),
        None => (base, path),
    };
    let mut parts: Vec<String> = start.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    for part in rest.split('/') {
        match percent_decode_str(part).decode_utf8().ok()?.as_ref() {
            "." => {}
            ".." => drop(parts.pop()?),
            "" => return None,
            part if part.contains('/') => return None,
            part => parts.push(part.to_owned()),
        }
    }
    Some((parts.join("/"), dot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (base, address, expected) in [
            ("", "app.css", Some(("app.css", 3))),
            ("", "./app.css", Some(("app.css", 5))),
            ("", "/app.css?v=1#x.y", Some(("app.css", 4))),
            ("a/b/", "../c/d.min.js", Some(("a/c/d.min.js", 10))),
            ("a/", "/x.png", Some(("x.png", 2))),
            ("a/", "my%20photo.png", Some(("a/my photo.png", 10))),
            ("a/", "../../x.png", None),
            ("", "", None),
            ("", "#top.x", None),
            ("", "//cdn.test/x.png", None),
            ("", "https://cdn.test/x.png", None),
            ("", "data:image/png;base64,x.y", None),
            ("", "a//b.png", None),
            ("", "x", None),
            ("", ".png", None),
            ("", "x%2ey", None),
            ("", "a\\x.png", None),
            ("", "${x}.png", None),
            ("", "a%2fx.png", None),
        ] {
            let resolved = resolve(base, address);
            let resolved = resolved.as_ref().map(|(name, dot)| (name.as_str(), *dot));
            assert_eq!(resolved, expected, "{base} {address}");
        }
    }
}
