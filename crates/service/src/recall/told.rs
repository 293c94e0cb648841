//! How an answer came about, for the client (`Cache-Status`, RFC 9211; `Age`, RFC 9111) and for the metrics.

use std::time::Duration;

use freshness::CACHE_STATUS;
use http::header::AGE;
use http::{HeaderMap, HeaderValue};

use crate::caches::Lease;

/// What came to an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// It was kept.
    Hit,
    /// Another node had read it.
    Borrowed,
    /// Somebody else was reading it just then.
    Shared,
    /// It was kept and is too old, and a newer one is being fetched.
    Stale,
    /// It was kept and is too old, but the database gave none.
    StaleIfError,
    /// It was not kept, or no longer what the database would give.
    Miss,
    /// The request wanted the database to be asked.
    Request,
    /// It cannot be kept.
    Bypass,
}

/// How an answer came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(super) way: Way,
    /// How old it is, where it was not looked at whether it still is right.
    pub(super) age: Option<Duration>,
    /// Whether it is kept from now on.
    pub(super) is_kept: bool,
    /// For how long caches in front may keep it, and what it was read from; `None` for not at all.
    pub(crate) lease: Option<Lease>,
}

impl Told {
    pub(super) fn new(way: Way) -> Self {
        Self { way, age: None, is_kept: false, lease: None }
    }

    /// The word for the metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self.way {
            Way::Hit => "hit",
            Way::Borrowed => "remote_hit",
            Way::Shared => "shared",
            Way::Stale => "stale",
            Way::StaleIfError => "stale_if_error",
            Way::Miss => "miss",
            Way::Request => "request",
            Way::Bypass => "bypass",
        }
    }

    /// Tells the client.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let stored = if self.is_kept { "; stored" } else { "" };
        let text = match &self.way {
            Way::Hit | Way::Borrowed => "pando; hit".to_owned(),
            Way::Shared => "pando; fwd=miss; collapsed".to_owned(),
            Way::Stale => "pando; hit; detail=stale-while-revalidate".to_owned(),
            Way::StaleIfError => "pando; hit; detail=stale-if-error".to_owned(),
            Way::Miss => format!("pando; fwd=miss{stored}"),
            Way::Request => format!("pando; fwd=request{stored}"),
            Way::Bypass => "pando; fwd=bypass".to_owned(),
        };
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(CACHE_STATUS, value);
        }
        self.write_age(headers);
    }

    /// Tells how old it is, which is another thing each time.
    pub(crate) fn write_age(&self, headers: &mut HeaderMap) {
        if let Some(age) = self.age {
            headers.insert(AGE, freshness::age(age));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_in_the_words_of_the_standard() {
        let told = |told: &Told| {
            let mut headers = HeaderMap::new();
            told.write(&mut headers);
            let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            (text("cache-status").unwrap(), text("age"))
        };
        assert_eq!(told(&Told::new(Way::Hit)), ("pando; hit".to_owned(), None));
        assert_eq!(told(&Told { is_kept: true, ..Told::new(Way::Miss) }).0, "pando; fwd=miss; stored");
        assert_eq!(told(&Told::new(Way::Bypass)).0, "pando; fwd=bypass");
        let age = Some(Duration::from_millis(2_900));
        assert_eq!(told(&Told { age, ..Told::new(Way::Stale) }).1.as_deref(), Some("2"));
    }
}
