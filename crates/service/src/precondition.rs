//! Conditions of writes (`If-Match`, `If-None-Match`; RFC 9110 section 13): whether what a client saw is still what there is.
//!
//! What it saw is the answer to a `GET` of the same URL by the same caller, with the same `Accept`, `Accept-Profile` and
//! `Prefer`. That read is planned like any other, with the rights of who asks, and the store runs it in the transaction of the
//! write. Its answer gets its tag as an answer that is sent does.

use std::sync::Arc;

use base::{Failure, Kind};
use bytes::Bytes;
use delivery::condition::{self, Current, Verdict};
use delivery::{EntityTag, TagList};
use http::header::{ACCEPT, ACCEPT_ENCODING, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, Method};
use rest::{ApiRequest, Embed, Incoming, Join, RowRange, SelectItem, Target};
use store::precondition_failed;

/// What decides the answer to the `GET`, besides its URL.
const DECIDING: [HeaderName; 3] =
    [ACCEPT, HeaderName::from_static("prefer"), HeaderName::from_static("accept-profile")];

const ACCEPT_PROFILE: HeaderName = HeaderName::from_static("accept-profile");
const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");

/// What a write is bound to.
#[derive(Debug)]
pub(crate) struct Condition {
    method: Method,
    /// The conditions, and `Accept-Encoding` beside them.
    headers: HeaderMap,
    /// What the client saw.
    pub(crate) read: ApiRequest,
    /// Whether it is enough to know that there is something, or nothing.
    is_about_existence: bool,
}

/// Reads the conditions of a write, with the read that they are about; `None` for a write without any.
///
/// `If-Unmodified-Since` is no condition: rows have no date of their own, and RFC 9110 (section 13.1.4) has it ignored then.
///
/// # Errors
/// 400 where there is nothing to be read: a function. What the parser says of the `GET`.
pub(crate) fn read(incoming: &Incoming<'_>, settings: &rest::Settings) -> Result<Option<Arc<Condition>>, Failure> {
    let writes = matches!(*incoming.method, Method::POST | Method::PATCH | Method::PUT | Method::DELETE);
    let lists = [IF_MATCH, IF_NONE_MATCH].map(|name| TagList::read(incoming.headers, &name));
    if !writes || lists.iter().all(Option::is_none) {
        return Ok(None);
    }
    let is_about_existence = lists.iter().flatten().all(|list| *list == TagList::Any);
    let mut headers = HeaderMap::new();
    for name in DECIDING.into_iter().filter(|_| !is_about_existence) {
        for value in incoming.headers.get_all(&name) {
            headers.append(&name, value.clone());
        }
    }
    // Writes name their schema in the other header.
    if let Some(profile) = incoming.headers.get(CONTENT_PROFILE) {
        headers.insert(ACCEPT_PROFILE, profile.clone());
    }
    let (path, query) = (incoming.path, incoming.query);
    let get = Incoming { method: &Method::GET, path, query, headers: &headers, body: Bytes::new() };
    let read = rest::parse(get, settings)?;
    if !matches!(read.target, Target::Relation(_)) {
        return Err(Failure::new(Kind::BadRequest, "PANDO400", "If-Match and If-None-Match are for tables and views")
            .with_details("What a function gives has no entity tag that a call could be compared with.")
            .with_hint("Leave the header out, or have the function itself look at what it changes."));
    }
    refuse_parts(&read)?;
    let mut conditions = HeaderMap::new();
    for name in [IF_MATCH, IF_NONE_MATCH, ACCEPT_ENCODING] {
        for value in incoming.headers.get_all(&name) {
            conditions.append(&name, value.clone());
        }
    }
    let method = incoming.method.clone();
    Ok(Some(Arc::new(Condition { method, headers: conditions, read, is_about_existence })))
}

/// What a `GET` leaves out of the rows that its filters find, the write does not leave out: it would do away with what nobody saw.
fn refuse_parts(read: &ApiRequest) -> Result<(), Failure> {
    let is_part = |range: &RowRange| range.limit.is_some() || range.offset > 0;
    let part = if read.ranges.get(&Vec::new()).is_some_and(is_part) {
        "limit and offset choose"
    } else if read.select.iter().any(|item| matches!(item, SelectItem::Embed(Embed { join: Some(Join::Inner), .. }))) {
        "an embed with !inner chooses"
    } else {
        return Ok(());
    };
    let message = format!("With If-Match or If-None-Match {part} what is compared, and not what is written");
    Err(Failure::new(Kind::BadRequest, "PANDO400", message)
        .with_details("Rows would be written that the answer to the GET does not show.")
        .with_hint("Say by filters which rows are meant, and read the same URL for its ETag."))
}

impl Condition {
    /// The most rows that its read is to find: one more than a `GET` shows, so that it is known whether that shows them all.
    pub(crate) fn most_rows(&self, shown: Option<u64>) -> Option<u64> {
        if self.is_about_existence { Some(1) } else { shown.map(|rows| rows.saturating_add(1)) }
    }

    /// Whether what there is now is what the client expects: so many rows, and the answer to the read, `None` where it has no
    /// whole answer.
    ///
    /// # Errors
    /// 412
    pub(crate) fn judge(
        &self,
        (rows, shown): (u64, Option<u64>),
        answer: Option<(&rest::Head, &Bytes)>,
    ) -> Result<(), Failure> {
        let is = |name, list| TagList::read(&self.headers, &name) == Some(list);
        if is(IF_MATCH, TagList::Any) && rows == 0 {
            return Err(precondition_failed("If-Match: * expects that there is a row, and there is none."));
        }
        if is(IF_NONE_MATCH, TagList::Any) && rows > 0 {
            return Err(precondition_failed("If-None-Match: * expects that there is no row, and there is one."));
        }
        if self.is_about_existence {
            return Ok(());
        }
        if let Some(shown) = shown.filter(|shown| rows > *shown) {
            return Err(precondition_failed(format!(
                "A GET of this URL shows {shown} rows (api.max_rows), and there are more: the write is about those as well."
            ))
            .with_hint("Say by filters which rows are meant, so few that a GET shows them all."));
        }
        let tag = answer.and_then(|(head, body)| EntityTag::of_answer(head.status, &head.headers, body));
        let current = Current { tag: tag.as_ref(), ..Current::default() };
        // One after the other, so that it is known which does not hold.
        for (name, other, text) in [
            (IF_MATCH, IF_NONE_MATCH, "A GET of this URL would not give what If-Match names."),
            (IF_NONE_MATCH, IF_MATCH, "A GET of this URL would give what If-None-Match names."),
        ] {
            let mut alone = self.headers.clone();
            alone.remove(other);
            // The rows have decided about `*`.
            if !is(name, TagList::Any) && condition::evaluate(&self.method, &alone, current) != Verdict::Go {
                return Err(precondition_failed(text));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, StatusCode};

    use super::*;

    fn settings() -> rest::Settings {
        rest::Settings {
            schemas: vec![Arc::from("public")],
            legacy_schema_error: false,
            openapi_enabled: true,
            transaction_end: rest::TransactionEnd::Commit,
            limits: rest::Limits::default(),
        }
    }

    #[test]
    fn what_does_not_hold_is_blamed() {
        let body = Bytes::from_static(b"[]");
        let head = rest::Head { status: StatusCode::OK, headers: HeaderMap::new() };
        let tag = EntityTag::of_answer(head.status, &head.headers, &body).unwrap().to_header();
        let tag = tag.to_str().unwrap();
        for (matches, none_matches, blamed) in [
            (Some("*"), Some(tag), Some("If-None-Match")),
            (Some(tag), Some(tag), Some("If-None-Match")),
            (None, Some(tag), Some("If-None-Match")),
            (Some("\"x\""), Some(tag), Some("If-Match")),
            (Some("\"x\""), Some("\"y\""), Some("If-Match")),
            (Some("\"x\""), None, Some("If-Match")),
            (Some(tag), Some("*"), Some("If-None-Match")),
            (Some(tag), Some("\"x\""), None),
            (Some("*"), Some("\"x\""), None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(IF_MATCH, matches), (IF_NONE_MATCH, none_matches)] {
                headers.extend(value.map(|value| (name, HeaderValue::from_str(value).unwrap())));
            }
            let incoming = Incoming {
                method: &Method::PATCH,
                path: "/todos",
                query: "",
                headers: &headers,
                body: Bytes::from_static(b"{}"),
            };
            let condition = read(&incoming, &settings()).unwrap().unwrap();
            let failure = condition.judge((1, None), Some((&head, &body))).err();
            let details = failure.map(|failure| format!("{:?}", failure.details));
            let told = details
                .as_deref()
                .map(|text| if text.contains("If-None-Match") { "If-None-Match" } else { "If-Match" });
            assert_eq!(told, blamed, "{matches:?} {none_matches:?}: {details:?}");
        }
    }
}
