//! Whether a file's name has a hash of its content in it, so that no other content will ever have that name.
//!
//! Build tools write them in few forms: `name.HASH.ext` (webpack, Parcel, Angular, `pando assets hash`) and `name-HASH.ext` (Vite,
//! Rollup, esbuild, Rails). Whoever is told by mistake that a file never changes does not see its next version for a year, while
//! a hash that is not seen only costs a question that is answered 304: so a word, a date, a number or a size is never taken for one.

/// What a hash is at least long; shorter ones are words too often.
const SHORTEST: usize = 8;
/// SHA-512 in hexadecimal.
const LONGEST: usize = 128;
/// Vite and Rollup write eight characters of base64url, esbuild eight of base32.
const SHORT_FORM: usize = 8;
/// How often eight characters of base64url go from one kind of character to another, at least: in scripts and styles, and in what people
/// name themselves (`Win10Pro.jpg` does it four times).
const CHANGES: usize = 4;
const CHANGES_OF_OTHERS: usize = 5;
/// How many of one kind stand side by side in them, at most. `iPhone4S` has four.
const LONGEST_RUN: usize = 3;

/// Whether the name, the last part of a path, has a hash.
pub(crate) fn is_hashed(name: &str) -> bool {
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    if stem.is_empty() || extension.is_empty() {
        return false;
    }
    // `app.3f2a9c1b.js.map`, `app.3f2a9c1b.module.css`.
    let is_code = matches!(extension, "js" | "mjs" | "css" | "map" | "wasm" | "woff2");
    let is_hash = |text: &str| is_hexadecimal(text) || is_short(text, is_code);
    if let Some((stem, inner)) = stem.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) {
        if is_hash(inner) {
            return true;
        }
        if matches!(inner, "js" | "css" | "mjs" | "min" | "bundle" | "chunk" | "module") {
            return is_hashed(&format!("{stem}.{extension}"));
        }
    }
    // Base64url may have hyphens itself: the eight characters at the end are looked at first.
    let at = stem.len().checked_sub(SHORT_FORM + 1).filter(|at| *at > 0);
    let behind = at.and_then(|at| stem.get(at..)?.strip_prefix('-'));
    behind.is_some_and(is_hash) || stem.rsplit_once('-').is_some_and(|(name, hash)| !name.is_empty() && is_hash(hash))
}

/// Hexadecimal digits, of which some are letters and some are none.
fn is_hexadecimal(text: &str) -> bool {
    let of = |letter: fn(&u8) -> bool| {
        text.bytes().any(|byte| byte.is_ascii_digit())
            && text.bytes().any(|byte| letter(&byte))
            && text.bytes().all(|byte| byte.is_ascii_digit() || letter(&byte))
    };
    (SHORTEST..=LONGEST).contains(&text.len())
        && !is_word_with_number(text)
        && (of(|byte| matches!(byte, b'a'..=b'f')) || of(|byte| matches!(byte, b'A'..=b'F')))
}

/// Eight characters of base32 in capitals or of base64url, that are neither a word nor a number.
fn is_short(text: &str, is_code: bool) -> bool {
    let least_changes = if is_code { CHANGES } else { CHANGES_OF_OTHERS };
    let has = |kind: fn(&u8) -> bool| text.as_bytes().iter().any(kind);
    if text.len() != SHORT_FORM || !has(u8::is_ascii_digit) || is_word_with_number(text) {
        return false;
    }
    let (changes, longest_run) = changes(text);
    let is_base32 = text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
    let is_base64 = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let has_both = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    (is_base32 && (is_code || changes > 2))
        || (is_base64 && has_both && changes >= least_changes && longest_run <= LONGEST_RUN)
}

/// `version12`, `IMG23456`, `CHAPTER7`, `20231124a`, `1080pixel`: letters and then digits, or digits and then letters.
fn is_word_with_number(text: &str) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let digits = text.bytes().filter(|byte| is_digit(byte)).count();
    let first = text.bytes().take_while(is_digit).count();
    let last = text.bytes().rev().take_while(is_digit).count();
    // One digit in front of letters is in no word.
    text.len() < 2 * SHORTEST && (last == digits || (first == digits && first > 1))
}

/// How often neighbouring characters are of different kinds (small letter, capital, digit, another), and how many of one kind
/// stand side by side at most.
fn changes(text: &str) -> (usize, usize) {
    let kind = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let (mut changes, mut run, mut longest, mut before) = (0, 0, 0, None);
    for kind in text.bytes().map(kind) {
        let is_same = before.replace(kind).is_none_or(|before| before == kind);
        (changes, run) = if is_same { (changes, run + 1) } else { (changes + 1, 1) };
        longest = longest.max(run);
    }
    (changes, longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_build_tools() {
        for name in [
            "app.3f2a9c1b.js",
            "main.3f2a9c1b0d4e5f67890a.css",
            "app.3f2a9c1b0d4e5f67.css",
            "index-BxY12abc.js",
            "index-B_Y1-abC.js",
            "main-5KPIKWPL.js",
            "chunk-Q2WN4XZ7.js",
            "vendor-5a3b2c1d.js",
            "app.3f2a9c1b.js.map",
            "logo-B1x_Y2zQ.svg",
            "logo-DiwrgTda2.5a3b2c1d.svg",
            "application-b0bb6a1c8c7d4e5f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f.css",
            "framework-2c79e2a64abdb08b.js",
            "styles.1D2F3A4B.css",
            "inter-latin.9b8f7a6c.woff2",
            "app-3f2a9c1b.min.js",
        ] {
            assert!(is_hashed(name), "{name}");
        }
    }

    #[test]
    fn other_names() {
        for name in [
            "jquery-ui-dialog.js",
            "jquery.min.js",
            "jquery-3.7.1.min.js",
            "index.html",
            "bootstrap.bundle.min.js",
            "deadbeef.js",
            "3f2a9c1b.js",
            "app.deadbeef.js",
            "app.20231124.js",
            "app.20231124a.js",
            "photo-IMG20231.jpg",
            "photo-IMG23456.jpg",
            "book-CHAPTER7.pdf",
            "2024JUNE-2024JUNE.js",
            "trip-DSC01234.jpg",
            "wallpaper-3840x2160.jpg",
            "wallpaper-iPhone4S.jpg",
            "widget-iPhone4S.js",
            "wallpaper-Win10Pro.jpg",
            "news-2024-01-15.html",
            "shot-20240115T101500.png",
            "my-DropDown.js",
            "component-HelloWorld.js",
            "lib-v12beta34.js",
            "windows-Windows11.png",
            "facade-accede.css",
            "site.webmanifest",
            "video-1080pixel.mp4",
            ".3f2a9c1b",
            "a.",
            "-3f2a9c1b.js",
            "",
        ] {
            assert!(!is_hashed(name), "{name}");
        }
    }
}
