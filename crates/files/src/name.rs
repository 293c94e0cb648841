//! The path of a request as the name of a file: decoded once, and refused wherever it could mean more than one thing.
//!
//! A name is only looked up in the index, which was read from the folder itself, so no spelling of it can lead anywhere else. What
//! is refused here is refused all the same, so that two paths never stand for one file that a proxy takes for different ones: `//`, `/./`,
//! `%2f`. What differs in its encoding alone, `/app%2ejs` and `/app.js`, is the same by RFC 3986 (section 6.2.2.2), and names the same file.

use percent_encoding::percent_decode_str;

/// The longest path that is read, in bytes as it is written. Linux takes no longer one (`PATH_MAX`), and an index has none.
const LONGEST_PATH: usize = 4_096;

/// The one hidden folder that is served (RFC 8615).
pub(crate) const WELL_KNOWN: &str = ".well-known";

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// From the folder that is served, with `/` between its parts, and none before or behind: `assets/app.css`. Empty for the
    /// folder itself.
    pub(crate) text: String,
    /// Whether the path ends with a slash, as those of folders do.
    pub(crate) is_folder: bool,
}

impl Name {
    /// Reads a path, percent-encoded as it comes. `None` for one that no file can have.
    pub(crate) fn read(path: &str) -> Option<Self> {
        let rest = path.strip_prefix('/').filter(|_| path.len() <= LONGEST_PATH)?;
        if rest.is_empty() {
            return Some(Self { text: String::new(), is_folder: true });
        }
        let (rest, is_folder) = rest.strip_suffix('/').map_or((rest, false), |rest| (rest, true));
        let mut text = String::with_capacity(rest.len());
        for (place, part) in rest.split('/').enumerate() {
            if place > 0 {
                text.push('/');
            }
            // A slash that was encoded would make two parts of one.
            let part = decode(part)?;
            if !is_served(&part, place == 0) {
                return None;
            }
            text.push_str(&part);
        }
        Some(Self { text, is_folder })
    }

    /// Whether it can only be meant for the API: functions are called below `/rpc`, where no application has its pages.
    pub(crate) fn is_call(&self) -> bool {
        self.text.starts_with("rpc/")
    }

    /// Whether its last part has an extension: a page of an application has none.
    pub(crate) fn has_extension(&self) -> bool {
        !self.is_folder && self.text.rsplit('/').next().is_some_and(|last| last.contains('.'))
    }
}

/// Whether a file or folder of this name, one part alone, is served at all.
pub(crate) fn is_served(part: &str, is_first: bool) -> bool {
    let is_plain = !part.is_empty() && !part.chars().any(|it| matches!(it, '/' | '\\') || it.is_control());
    // `.` and `..` are hidden as well.
    is_plain && (!part.starts_with('.') || (is_first && part == WELL_KNOWN))
}

/// A part of a path without its encoding; `None` when a `%` is left alone or no UTF-8 comes of it.
fn decode(part: &str) -> Option<String> {
    let mut rest = part;
    while let Some((_, behind)) = rest.split_once('%') {
        let digits = behind.as_bytes().first_chunk::<2>()?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        rest = behind;
    }
    percent_decode_str(part).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths() {
        for (path, expected) in [
            ("/", Some(("", true))),
            ("/a", Some(("a", false))),
            ("/a/", Some(("a", true))),
            ("/a/b.css", Some(("a/b.css", false))),
            ("/a%20b", Some(("a b", false))),
            ("/%C3%A9t%C3%A9.html", Some(("été.html", false))),
            ("/.well-known/security.txt", Some((".well-known/security.txt", false))),
            ("/a+b", Some(("a+b", false))),
            ("/app%2ejs", Some(("app.js", false))),
            ("/%61.js", Some(("a.js", false))),
            ("", None),
            ("a", None),
            ("*", None),
            ("//", None),
            ("//a", None),
            ("/a//b", None),
            ("/a//", None),
            ("/.", None),
            ("/..", None),
            ("/a/../b", None),
            ("/a/./b", None),
            ("/%2e%2e/b", None),
            ("/.%2E/b", None),
            ("/..%2fb", None),
            ("/a%2Fb", None),
            ("/a%5cb", None),
            ("/a\\b", None),
            ("/a%00", None),
            ("/a%0a", None),
            ("/a%7f", None),
            ("/.env", None),
            ("/a/.git/config", None),
            ("/a/.well-known/b", None),
            ("/%2ewell-known/b", Some((".well-known/b", false))),
            ("/%", None),
            ("/%4", None),
            ("/%zz", None),
            ("/%ff", None),
            ("/%c0%ae%c0%ae/b", None),
            // Decoded once, and not again.
            ("/%252e%252e", Some(("%2e%2e", false))),
        ] {
            let read = Name::read(path);
            let read = read.as_ref().map(|name| (name.text.as_str(), name.is_folder));
            assert_eq!(read, expected, "{path}");
        }
        assert!(Name::read(&format!("/{}", "a".repeat(LONGEST_PATH))).is_none());
    }

    #[test]
    fn extensions() {
        for (path, expected) in [("/a.b/c", false), ("/a/c.d", true), ("/c.", true), ("/", false), ("/a.b/", false)] {
            assert_eq!(Name::read(path).unwrap().has_extension(), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_name_leads_out(path in "(/|%2f|%5c|\\\\|\\.|\\.\\.|%2e|%2E|%00|%c0%ae|a|b|%C3%A9|é|%|//){0,12}") {
            if let Some(name) = Name::read(&path) {
                prop_assert!(!name.text.starts_with('/') && !name.text.ends_with('/'));
                prop_assert!(!name.text.contains('\\') && !name.text.contains('\0'));
                let mut parts = name.text.split('/');
                prop_assert!(name.text.is_empty() || parts.all(|part| !matches!(part, "" | "." | "..")));
            }
        }

        #[test]
        fn whatever_comes_is_read_without_a_panic(path in "\\PC*") {
            let _name = Name::read(&path);
        }
    }
}
