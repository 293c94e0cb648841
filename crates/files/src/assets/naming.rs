//! Which files get a hash in their name, and how the name looks then.

use crate::digest::Digest;
use crate::hashed::is_hashed;

/// Digits of a hash in a name: 64 bits. Nobody gains anything by two files of his own with one name.
pub(crate) const DIGITS: usize = 16;

/// What browsers fetch for a page. Pages themselves are asked for by their names.
const EXTENSIONS: [&str; 32] = [
    "css", "js", "mjs", "map", "wasm", "png", "jpg", "jpeg", "gif", "webp", "avif", "jxl", "svg", "ico", "bmp", "cur",
    "woff", "woff2", "ttf", "otf", "eot", "mp4", "webm", "ogv", "mov", "mp3", "ogg", "oga", "wav", "flac", "m4a",
    "vtt",
];

/// Names that browsers and programs look for by themselves.
const KEPT: [&str; 5] = ["favicon.ico", "sw.js", "service-worker.js", "serviceworker.js", "firebase-messaging-sw.js"];

/// Whether a file gets a hash: not one that has one already.
pub(crate) fn gets_hash(name: &str) -> bool {
    let last = last(name);
    let extension = last.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, extension)| extension);
    let is_asset = extension.is_some_and(|it| EXTENSIONS.contains(&it.to_ascii_lowercase().as_str()));
    is_asset && !KEPT.contains(&last) && !has_hash(name)
}

/// Whether a file has a hash in its name already. Then its content stays as it is, or the name would lie.
pub(crate) fn has_hash(name: &str) -> bool {
    let last = last(name);
    is_hashed(last) || is_own(last)
}

/// Whether the name has a hash as it is given here. One without a letter, or without a digit, is not known as a hash elsewhere.
fn is_own(last: &str) -> bool {
    let hash = last.rsplit_once('.').and_then(|(stem, _)| stem.rsplit_once('.')).map(|(_, hash)| hash);
    hash.is_some_and(|hash| hash.len() == DIGITS && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

/// The hash as it stands in names.
pub(crate) fn hash_of(digest: &Digest) -> String {
    digest.hexadecimal(DIGITS)
}

/// The name with a hash in front of its extension.
pub(crate) fn with_hash(name: &str, hash: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}.{hash}.{extension}"),
        None => format!("{name}.{hash}"),
    }
}

pub(crate) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, expected) in [
            ("app.css", true),
            ("a/b.MJS", true),
            ("logo.svg", true),
            ("index.html", false),
            ("robots.txt", false),
            ("site.webmanifest", false),
            ("data.json", false),
            ("a/favicon.ico", false),
            ("sw.js", false),
            ("index-BxY12abc.js", false),
            ("css", false),
            (".css", false),
        ] {
            assert_eq!(gets_hash(name), expected, "{name}");
        }
        for name in ["a/app.css", "app.min.js", "app.js.map"] {
            for hash in [hash_of(&Digest::of(name.as_bytes())).as_str(), "0123456789012345", "abcdefabcdefabcd"] {
                let hashed = with_hash(name, hash);
                assert!(!gets_hash(&hashed), "{hashed}");
            }
        }
        assert_eq!(with_hash("a.b/app.js.map", "x"), "a.b/app.js.x.map");
    }
}
