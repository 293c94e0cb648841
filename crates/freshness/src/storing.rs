//! Whether a response may be stored (RFC 9111 section 3), by a cache that serves several.

use http::header::{AUTHORIZATION, CONTENT_LOCATION};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::policy::Policy;
use crate::request::RequestDirectives;
use crate::vary::Vary;

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStored {
    /// The answer to another method than GET, or to a POST that does not say to be what a GET of the same address gives.
    Method,
    /// The request says `no-store`.
    AskedNotTo,
    /// The response says `no-store`.
    ToldNotTo,
    /// It is for one client alone: `private`.
    Private,
    /// It answers to `Authorization`, and nothing says that others may have it (section 3.5).
    Authorization,
    /// A part (206), an interim or a conditional answer (1xx, 304): what is stored is whole.
    Part,
    /// `must-understand`, and the status is not known here.
    NotUnderstood,
    /// `Vary: *`, which no request fits.
    FitsNothing,
    /// It is stale from the beginning and has nothing to ask the origin with.
    Useless,
}

/// A request, as far as storing its answer depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its whole address.
    pub target: &'a Url,
    /// Its fields.
    pub headers: &'a HeaderMap,
}

/// Whether the answer may be stored, and be answered to a GET of the same address.
///
/// # Errors
/// The first reason why it may not be.
pub fn may_store(asked: Asked<'_>, status: StatusCode, headers: &HeaderMap, policy: &Policy) -> Result<(), NotStored> {
    let told = policy.directives();
    let refusals = [
        (!is_of_get(asked, headers, policy), NotStored::Method),
        (RequestDirectives::read(asked.headers).no_store, NotStored::AskedNotTo),
        (is_part(status), NotStored::Part),
        (told.must_understand && !is_understood(status), NotStored::NotUnderstood),
        // Whoever understands the status does not have to heed the `no-store` that is for the others (section 5.2.2.3).
        (told.no_store && !told.must_understand, NotStored::ToldNotTo),
        (told.private.is_everything(), NotStored::Private),
        (asked.headers.contains_key(AUTHORIZATION) && !is_for_all(policy), NotStored::Authorization),
        (Vary::read(headers) == Vary::OnEverything, NotStored::FitsNothing),
        (is_useless(status, policy), NotStored::Useless),
    ];
    refusals.into_iter().find_map(|(applies, reason)| applies.then_some(Err(reason))).unwrap_or(Ok(()))
}

/// RFC 9110 section 9.3.3: a POST's answer counts for a GET where it says how long it is fresh and that it is what lies there.
fn is_of_get(asked: Asked<'_>, headers: &HeaderMap, policy: &Policy) -> bool {
    let location = || headers.get(CONTENT_LOCATION).and_then(|location| location.to_str().ok());
    let is_there =
        || location().and_then(|location| asked.target.join(location).ok()).is_some_and(|url| url == *asked.target);
    *asked.method == Method::GET || (*asked.method == Method::POST && policy.is_explicit() && is_there())
}

fn is_part(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED)
}

/// The final statuses of RFC 9110 whose meaning for caches this crate knows.
fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505
    )
}

fn is_for_all(policy: &Policy) -> bool {
    let told = policy.directives();
    told.public || told.must_revalidate || told.s_maxage.is_some()
}

/// Section 3 wants a reason to store it: that it says how long it is fresh, that it is public, or a status for which a lifetime is
/// guessed. Where nothing came of that but a lifetime of 0, it has to have a validator, or may be answered stale.
fn is_useless(status: StatusCode, policy: &Policy) -> bool {
    let told = policy.directives();
    let has_reason = policy.is_explicit() || told.public || crate::policy::is_guessed(status);
    let may_be_stale = told.stale_while_revalidate.is_some() || told.stale_if_error.is_some();
    !has_reason || (policy.lifetime().is_zero() && !policy.has_validator() && !may_be_stale)
}

#[cfg(test)]
mod tests {
    use base::Timestamp;
    use http::header::{CACHE_CONTROL, ETAG, EXPIRES, VARY};
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::policy::{Received, Rules};

    fn fields(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn store(
        method: &Method,
        request: &[(HeaderName, &'static str)],
        status: u16,
        response: &[(HeaderName, &'static str)],
    ) -> Result<(), NotStored> {
        let (request, response) = (fields(request), fields(response));
        let status = StatusCode::from_u16(status).unwrap();
        let moment = Received { asked: Timestamp(0), answered: Timestamp(0) };
        let policy = Policy::read(&Rules::default(), status, &response, moment);
        let target = Url::parse("http://example.org/a").unwrap();
        may_store(Asked { method, target: &target, headers: &request }, status, &response, &policy)
    }

    fn get(status: u16, control: &'static str) -> Result<(), NotStored> {
        store(&Method::GET, &[], status, &[(CACHE_CONTROL, control)])
    }

    #[test]
    fn what_the_response_says() {
        assert_eq!(get(200, "max-age=5"), Ok(()));
        assert_eq!(get(599, "max-age=5"), Ok(()));
        assert_eq!(get(200, "max-age=5, No-StOrE"), Err(NotStored::ToldNotTo));
        assert_eq!(get(200, "max-age=5, private"), Err(NotStored::Private));
        assert_eq!(get(200, "max-age=5, private=\"set-cookie\""), Ok(()));
        assert_eq!(get(206, "max-age=5"), Err(NotStored::Part));
        assert_eq!(get(304, "max-age=5"), Err(NotStored::Part));
        assert_eq!(get(599, "max-age=5, must-understand"), Err(NotStored::NotUnderstood));
        assert_eq!(get(200, "max-age=5, must-understand, no-store"), Ok(()));
        assert_eq!(get(200, "max-age=0"), Err(NotStored::Useless));
        assert_eq!(get(200, "max-age=0, stale-if-error=5"), Ok(()));
        assert_eq!(get(200, "foo"), Err(NotStored::Useless));
        assert_eq!(store(&Method::GET, &[], 200, &[(ETAG, "\"a\"")]), Ok(()));
        assert_eq!(store(&Method::GET, &[], 201, &[(ETAG, "\"a\"")]), Err(NotStored::Useless));
        let varied = [(CACHE_CONTROL, "max-age=5"), (VARY, "foo, *")];
        assert_eq!(store(&Method::GET, &[], 200, &varied), Err(NotStored::FitsNothing));
    }

    #[test]
    fn what_the_request_says() {
        let fresh = [(CACHE_CONTROL, "max-age=5")];
        assert_eq!(store(&Method::GET, &[(CACHE_CONTROL, "no-store")], 200, &fresh), Err(NotStored::AskedNotTo));
        for method in [Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::POST] {
            assert_eq!(store(&method, &[], 200, &fresh), Err(NotStored::Method), "{method}");
        }
    }

    #[test]
    fn answers_to_a_caller() {
        let authorized = [(AUTHORIZATION, "Bearer x")];
        let get = |control| store(&Method::GET, &authorized, 200, &[(CACHE_CONTROL, control)]);
        for shared in ["max-age=5, public", "max-age=5, must-revalidate", "s-maxage=5"] {
            assert_eq!(get(shared), Ok(()), "{shared}");
        }
        for own in ["max-age=5", "max-age=5, proxy-revalidate", "max-age=5, no-cache"] {
            assert_eq!(get(own), Err(NotStored::Authorization), "{own}");
        }
    }

    #[test]
    fn posts_that_say_what_lies_there() {
        let post = |fields: &[(HeaderName, &'static str)]| store(&Method::POST, &[], 200, fields);
        let (fresh, here) = ((CACHE_CONTROL, "max-age=5"), (CONTENT_LOCATION, "/a"));
        assert_eq!(post(&[fresh.clone(), here.clone()]), Ok(()));
        assert_eq!(post(&[(EXPIRES, "0"), here.clone(), (ETAG, "\"a\"")]), Ok(()));
        assert_eq!(post(&[fresh.clone(), (CONTENT_LOCATION, "/b")]), Err(NotStored::Method));
        assert_eq!(post(&[fresh, (CONTENT_LOCATION, "http://other.org/a")]), Err(NotStored::Method));
        assert_eq!(post(&[here]), Err(NotStored::Method));
    }
}
