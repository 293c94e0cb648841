//! Where a link may lead: to the site, and to what the operator lists. Anything else would make the login a signpost to
//! strangers, with tokens in its hands.

use std::str::FromStr;

use url::Url;

use crate::Settings;

/// The most bytes of an address that is looked at.
const MOST_BYTES: usize = 2_048;

/// A place that links may lead to, as the operator writes it: an address in whose host `*` stands for one label (or a part of
/// one), and in whose path `*` stands for anything without a slash and `**` for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectPattern {
    scheme: String,
    host: String,
    port: Option<u16>,
    /// With the query, if there is one.
    path: String,
}

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address: it has to be like https://app.example.com/** or com.example.app://callback")]
pub struct NotAPattern(String);

impl FromStr for RedirectPattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        let wrong = || NotAPattern(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
        if !is_scheme || is_never_right(scheme) || rest.contains(['\\', '@', '#', ' ']) {
            return Err(wrong());
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port.parse().map_err(|_| wrong())?)),
            _ => (authority, None),
        };
        let is_web = matches!(scheme, "http" | "https");
        if (is_web && host.is_empty()) || host.contains("**") {
            return Err(wrong());
        }
        let port = port.filter(|port| !matches!((scheme, port), ("http", 80) | ("https", 443)));
        let path = if path.is_empty() && is_web { "/" } else { path };
        Ok(Self { scheme: scheme.to_ascii_lowercase(), host: host.to_ascii_lowercase(), port, path: path.to_owned() })
    }
}

impl RedirectPattern {
    fn allows(&self, address: &Url) -> bool {
        address.scheme() == self.scheme
            && address.port() == self.port
            && glob(self.host.as_bytes(), address.host_str().unwrap_or_default().as_bytes(), b'.')
            && glob(self.path.as_bytes(), path_and_query(address).as_bytes(), b'/')
    }
}

fn path_and_query(address: &Url) -> String {
    match address.query() {
        Some(query) => format!("{}?{query}", address.path()),
        None => address.path().to_owned(),
    }
}

/// Schemes that browsers execute or read from the machine.
fn is_never_right(scheme: &str) -> bool {
    ["javascript", "data", "vbscript", "file", "blob", "about", "view-source", "filesystem"]
        .iter()
        .any(|never| scheme.eq_ignore_ascii_case(never))
}

/// Whether a text fits: `*` for anything without `separator`, `**` for anything. In time of the product of both lengths.
fn glob(pattern: &[u8], text: &[u8], separator: u8) -> bool {
    // Row by row of the table "the first i bytes of the pattern fit the first j of the text".
    let mut fits = vec![false; text.len() + 1];
    if let Some(first) = fits.first_mut() {
        *first = true;
    }
    let mut rest = pattern;
    while let Some((&byte, after)) = rest.split_first() {
        let mut next = vec![false; text.len() + 1];
        let is_star = byte == b'*';
        let is_double = is_star && after.first() == Some(&b'*');
        rest = if is_double { after.get(1..).unwrap_or_default() } else { after };
        let mut before = false;
        for (position, slot) in next.iter_mut().enumerate() {
            let here = fits.get(position).copied().unwrap_or(false);
            let last = position.checked_sub(1).and_then(|last| text.get(last).copied());
            let diagonal = position.checked_sub(1).and_then(|last| fits.get(last).copied()).unwrap_or(false);
            *slot = if is_star {
                here || (before && last.is_some_and(|last| is_double || last != separator))
            } else {
                diagonal && last == Some(byte)
            };
            before = *slot;
        }
        fits = next;
    }
    fits.last().copied().unwrap_or(false)
}

/// The place that a request asks for if it is allowed, otherwise the site.
pub(crate) fn place(asked: Option<&str>, settings: &Settings) -> Url {
    asked.and_then(|asked| allowed(asked, settings)).unwrap_or_else(|| settings.site_url.clone())
}

/// The place, if it is allowed.
pub(crate) fn allowed(asked: &str, settings: &Settings) -> Option<Url> {
    // What browsers read otherwise than the standard says is not looked at.
    if asked.len() > MOST_BYTES || asked.contains(['\\', ' ']) || asked.chars().any(char::is_control) {
        return None;
    }
    let mut address = Url::parse(asked).ok()?;
    if !address.username().is_empty() || address.password().is_some() || is_never_right(address.scheme()) {
        return None;
    }
    address.set_fragment(None);
    let site = &settings.site_url;
    let is_site = matches!(site.scheme(), "http" | "https") && address.origin() == site.origin();
    (is_site || settings.redirect_patterns.iter().any(|pattern| pattern.allows(&address))).then_some(address)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(patterns: &[&str]) -> Settings {
        let redirect_patterns = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        Settings { redirect_patterns, ..crate::testing::settings() }
    }

    #[test]
    fn what_is_listed_and_the_site_are_allowed() {
        let settings = settings(&[
            "https://app.example.com/welcome",
            "https://*.preview.example.com/**",
            "http://localhost:*000/x".replace("*000", "5000").as_str(),
            "com.example.app://callback",
            "https://docs.example.com/*/start",
        ]);
        for allowed in [
            "http://localhost:3000",
            "http://localhost:3000/any/where?x=1",
            "https://app.example.com/welcome",
            "https://app.example.com:443/welcome",
            "https://APP.example.com/welcome",
            "https://a-b.preview.example.com/deep/er?x=1",
            "http://localhost:5000/x",
            "com.example.app://callback",
            "https://docs.example.com/en/start",
        ] {
            assert!(super::allowed(allowed, &settings).is_some(), "{allowed}");
        }
        for refused in [
            "",
            "/relative",
            "//evil.example",
            "https://evil.example/",
            "https://app.example.com/welcome/more",
            "https://app.example.com/welcome?next=1",
            "https://app.example.com.evil.example/welcome",
            "https://app.example.com@evil.example/welcome",
            "https://a.b.preview.example.com/",
            "https://evil.example/.preview.example.com/",
            "https://evil.example#.preview.example.com/",
            "https://evil.example\\.preview.example.com/",
            "http://app.example.com/welcome",
            "http://localhost:3001/",
            "https://localhost:3000/",
            "http://localhost:3000@evil.example/",
            "http://user:pass@localhost:3000/",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://docs.example.com/a/b/start",
            "https://app.example.com/wel\ncome",
        ] {
            assert_eq!(allowed(refused, &settings), None, "{refused}");
        }
        assert_eq!(place(Some("https://evil.example/"), &settings).as_str(), "http://localhost:3000/");
    }

    #[test]
    fn patterns_that_are_none() {
        for wrong in [
            "",
            "app.example.com",
            "https://",
            "javascript://x",
            "https://**.example.com/",
            "https://a:x/",
            "https://u@h/",
        ] {
            assert!(wrong.parse::<RedirectPattern>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Whatever is asked for, the browser ends up at a host that was listed.
        #[test]
        fn no_redirection_leaves_the_listed_hosts(
            asked in prop_oneof![
                "[ -~]{0,60}",
                "(https?|HTTPS|ftp|javascript)?:?[/\\\\]{0,3}[a-z@.#?:%0-9\\[\\]\\\\/]{0,40}",
                "https?://[a-z@.#?:/%\\\\0-9]{0,20}(app\\.example\\.com|localhost:3000)[a-z@.#?:/%\\\\0-9]{0,20}",
                "\\PC{0,40}",
            ]
        ) {
            let settings = settings(&["https://app.example.com/**", "https://*.preview.example.com/**"]);
            let address = place(Some(&asked), &settings);
            // Read again, as the browser does.
            let read = Url::parse(address.as_str()).unwrap();
            let host = read.host_str().unwrap_or_default();
            let is_listed = (read.scheme() == "http" && host == "localhost" && read.port() == Some(3000))
                || (read.scheme() == "https" && read.port().is_none() && (host == "app.example.com"
                    || host.strip_suffix(".preview.example.com").is_some_and(|label| !label.contains('.'))));
            prop_assert!(is_listed, "{asked:?} led to {address}");
            prop_assert!(read.username().is_empty() && read.password().is_none());
        }
    }
}
