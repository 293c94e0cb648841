use base::{Failure, Kind};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};

use crate::api_key::KeyText;

/// The header of Supabase's clients for the key of the program. They send it as Bearer as well while nobody is signed in.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("apikey");

/// What a request brings to be known by; nothing of it is checked yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credentials<'a> {
    /// What means to be an API key.
    pub(crate) key: Option<&'a [u8]>,
    /// The token of a `Bearer` authorization, possibly empty.
    pub(crate) token: Option<&'a [u8]>,
    /// A token in the place of an API key, as Supabase's older projects have them.
    pub(crate) instead: Option<&'a [u8]>,
}

impl<'a> Credentials<'a> {
    /// Reads the headers. A text in `apikey` that is neither key nor token is passed over, as ever.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] (`PANDO401`) for two different keys: which of them was meant cannot be known.
    pub(crate) fn read(headers: &'a HeaderMap) -> Result<Self, Failure> {
        let given = headers.get(API_KEY).map(|value| value.as_bytes().trim_ascii());
        let bearer = bearer(headers);
        let key = given.filter(|text| KeyText::is_meant(text));
        let bearer_key = bearer.filter(|text| KeyText::is_meant(text));
        if key.is_some() && bearer_key.is_some() && key != bearer_key {
            return Err(Failure::new(Kind::Unauthenticated, "PANDO401", "Two different API keys were sent")
                .with_details("The headers apikey and Authorization name different keys"));
        }
        let token = bearer.filter(|text| !KeyText::is_meant(text));
        let instead = given.filter(|text| text.split(|byte| *byte == b'.').count() == 3);
        Ok(Self { key: key.or(bearer_key), token, instead })
    }
}

/// What identifies the program that asks, as it was verified: its API key, else its token. However it is spelled around it, and
/// whatever else stands in `apikey` and is passed over, it is the same; `None` without one.
pub fn credential(headers: &HeaderMap) -> Option<&[u8]> {
    let Credentials { key, token, instead } = Credentials::read(headers).ok()?;
    key.or(token).or(instead)
}

/// An API key and a token, as they were sent.
pub type KeyAndToken<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// The key and the token that are going to be verified. What is passed over is not in it, so that nobody becomes another by it; `None`
/// where nothing can be said, since two keys were sent.
pub fn verified_alone(headers: &HeaderMap) -> Option<KeyAndToken<'_>> {
    let Credentials { key, token, instead } = Credentials::read(headers).ok()?;
    Some((key, token.or(instead.filter(|_| key.is_none()))))
}

/// The text of a `Bearer` authorization, possibly empty; `None` without one.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    let (scheme, token) = value.split_at_checked(end)?;
    scheme.eq_ignore_ascii_case(b"bearer").then(|| token.trim_ascii())
}

/// The answer to a request without an API key, where one is needed.
pub(crate) fn missing_key() -> Failure {
    Failure::new(Kind::Unauthenticated, "PANDO401", "No API key found in request")
        .with_hint("Send a key in the header apikey; `pando keys api create` makes one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_what_they_mean() {
        let (one, two, jwt) = ("pando_secret_one", "pando_publishable_two", "a.b.c");
        let read = |key: Option<&str>, bearer: Option<&str>| {
            let mut headers = HeaderMap::new();
            key.map(|key| headers.insert(API_KEY, key.parse().unwrap()));
            bearer.map(|bearer| headers.insert(AUTHORIZATION, format!("Bearer {bearer}").parse().unwrap()));
            let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            Credentials::read(&headers).map(|found| [text(found.key), text(found.token), text(found.instead)]).ok()
        };
        let some = |text: &str| Some(text.to_owned());
        for (key, bearer, expected) in [
            (None, None, Some([None, None, None])),
            (Some(one), None, Some([some(one), None, None])),
            (None, Some(one), Some([some(one), None, None])),
            (Some(one), Some(one), Some([some(one), None, None])),
            (Some(one), Some(jwt), Some([some(one), some(jwt), None])),
            (Some(jwt), Some(one), Some([some(one), None, some(jwt)])),
            (Some(jwt), Some(jwt), Some([None, some(jwt), some(jwt)])),
            (Some(jwt), None, Some([None, None, some(jwt)])),
            (Some("anything"), Some(jwt), Some([None, some(jwt), None])),
            (Some(""), None, Some([None, None, None])),
            (None, Some(""), Some([None, some(""), None])),
            (Some(one), Some(two), None),
        ] {
            assert_eq!(read(key, bearer), expected, "{key:?} {bearer:?}");
        }
    }
    #[test]
    fn a_credential_has_one_spelling() {
        let read = |lines: &[(HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            headers.extend(lines.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())));
            credential(&headers).map(<[u8]>::to_vec)
        };
        for authorization in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c"] {
            for apikey in ["anything", "x.y.z", ""] {
                let lines = [(AUTHORIZATION, authorization), (API_KEY, apikey)];
                assert_eq!(read(&lines).as_deref(), Some(&b"a.b.c"[..]), "{authorization} {apikey}");
            }
        }
        let key = Some(b"pando_secret_one".to_vec());
        assert_eq!(read(&[(API_KEY, "pando_secret_one"), (AUTHORIZATION, "Bearer a.b.c")]), key);
        assert_eq!(read(&[(AUTHORIZATION, "Bearer pando_secret_one")]), key);
        assert_eq!(read(&[(API_KEY, "anything")]), None);
    }

    #[test]
    fn what_is_passed_over_makes_nobody_another() {
        let read = |lines: &[(HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            headers.extend(lines.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())));
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"-")).into_owned();
            verified_alone(&headers).map(|(key, token)| [text(key), text(token)].join(" "))
        };
        let (key, other) = ("pando_secret_one", "pando_publishable_two");
        for (lines, expected) in [
            (&[(API_KEY, "r1")][..], Some("- -")),
            (&[(AUTHORIZATION, "Basic r1")], Some("- -")),
            (&[(AUTHORIZATION, "Basic r1"), (API_KEY, key)], Some("pando_secret_one -")),
            (&[(AUTHORIZATION, "Bearer a.b.c"), (API_KEY, "x.y.r1")], Some("- a.b.c")),
            (&[(AUTHORIZATION, "Bearer a.b.c"), (API_KEY, key)], Some("pando_secret_one a.b.c")),
            (&[(AUTHORIZATION, "Bearer pando_secret_one"), (API_KEY, "x.y.r1")], Some("pando_secret_one -")),
            (&[(API_KEY, "x.y.z")], Some("- x.y.z")),
            (&[(AUTHORIZATION, "Bearer pando_secret_one"), (API_KEY, other)], None),
        ] {
            assert_eq!(read(lines).as_deref(), expected, "{lines:?}");
        }
    }
}
