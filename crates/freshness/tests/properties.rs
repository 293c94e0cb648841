//! What must hold of any fields and any moments.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::time::Duration;

use base::Timestamp;
use freshness::{
    Asked, CacheStatus, Judgement, MOST_SECONDS, NotStored, Policy, Portion, Received, RequestDirectives, Rules,
    SURROGATE_CONTROL, Selection, Target, Trouble, Vary, Verdict, may_store,
};
use http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_LOCATION, DATE, ETAG, EXPIRES, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, LOCATION, PRAGMA, RANGE, VARY,
};
use http::{HeaderMap, Method, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;
use url::Url;

/// The fields that this crate reads.
static READ: [HeaderName; 17] = [
    AGE,
    AUTHORIZATION,
    CACHE_CONTROL,
    freshness::CDN_CACHE_CONTROL,
    CONNECTION,
    CONTENT_LOCATION,
    DATE,
    ETAG,
    EXPIRES,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    LAST_MODIFIED,
    LOCATION,
    PRAGMA,
    RANGE,
    VARY,
];

/// Words that mean something, so that random values often mean something as well.
const WORDS: &[&str] = &[
    "max-age=",
    "s-maxage=",
    "no-store",
    "no-cache",
    "no-cache=",
    "private",
    "private=",
    "public",
    "must-revalidate",
    "immutable",
    "must-understand",
    "proxy-revalidate",
    "stale-while-revalidate=",
    "stale-if-error=",
    "max-stale",
    "max-stale=",
    "min-fresh=",
    "only-if-cached",
    "\"",
    "\\",
    ",",
    ", ",
    "=",
    ";",
    " ",
    "0",
    "5",
    "60",
    "2147483648",
    "99999999999999999999",
    "-1",
    "*",
    "W/\"a\"",
    "\"a\"",
    "bytes=",
    "0-4",
    "-3",
    "2-",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "close",
    "foo",
    "?1",
    "(",
    ")",
    ":aGk=:",
    "1.5",
    "\u{fc}",
];

fn value() -> impl Strategy<Value = HeaderValue> {
    let words = vec(proptest::sample::select(WORDS), 0..8).prop_map(|words| words.concat().into_bytes());
    let bytes = vec(any::<u8>(), 0..40);
    let dates = (0..4_000_000_000_i64)
        .prop_map(|second| freshness::print_date(Timestamp(second * 1_000_000)).as_bytes().to_vec());
    prop_oneof![3 => words, 1 => bytes, 1 => dates]
        .prop_filter_map("a value of a field", |bytes| HeaderValue::from_bytes(&bytes).ok())
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let name = (0..=READ.len()).prop_map(|at| READ.get(at).unwrap_or(&SURROGATE_CONTROL).clone());
    vec((name, value()), 0..12).prop_map(|fields| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        headers
    })
}

fn status() -> impl Strategy<Value = StatusCode> {
    prop_oneof![3 => Just(StatusCode::OK), 1 => (100..1000_u16).prop_map(|status| StatusCode::from_u16(status).unwrap())]
}

fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        4 => (0..4_000_000_000_000_000_i64).prop_map(Timestamp),
        1 => any::<i64>().prop_map(Timestamp),
    ]
}

fn rules() -> Rules {
    let targets = vec![Target::Structured(freshness::CDN_CACHE_CONTROL), Target::Surrogate("pando")];
    Rules { targets, guesses: true }
}

fn control(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_str(value).unwrap())])
}

/// A directive with random words around it, which are directives of their own.
fn hidden(directive: &'static str) -> impl Strategy<Value = String> {
    let others = "(max-age=[0-9]{1,9}|public|foo|foo=\"[a-z, ]{0,9}\"|max-age=\"[0-9]{1,5}\"|immutable|s-maxage=9|stale-if-error=9)";
    let list = || vec(others, 0..4);
    let upper = any::<bool>();
    (list(), list(), upper).prop_map(move |(before, after, upper)| {
        let directive = if upper { directive.to_ascii_uppercase() } else { directive.to_owned() };
        [before, vec![directive], after].concat().join(", ")
    })
}

fn store(request: &HeaderMap, response: &HeaderMap) -> Result<(), NotStored> {
    let moment = Received { asked: Timestamp(0), answered: Timestamp(0) };
    let policy = Policy::read(&rules(), StatusCode::OK, response, moment);
    let target = Url::parse("http://example.org/a").unwrap();
    may_store(Asked { method: &Method::GET, target: &target, headers: request }, StatusCode::OK, response, &policy)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing that comes from outside makes any of it panic, and what is told is always a value of a field.
    #[test]
    fn nothing_panics(
        request in headers(), response in headers(), status in status(),
        (asked, answered, now) in (moment(), moment(), moment()), length in 0..100_usize,
    ) {
        let policy = Policy::read(&rules(), status, &response, Received { asked, answered });
        let target = Url::parse("http://example.org/a?b").unwrap();
        let request_of = Asked { method: &Method::POST, target: &target, headers: &request };
        let _stored = may_store(request_of, status, &response, &policy);
        let directives = RequestDirectives::read(&request);
        let judgement = Judgement { request: &directives, stored: Some(&policy), now };
        let _verdict = (judgement.verdict(), judgement.may_follow_error(Trouble::Status(status)));
        let selection = Selection::of(&Vary::read(&response), &request);
        prop_assert!(selection.is_none_or(|selection| selection.fits(&request)), "what it was made for");
        let _changed = freshness::outdated(&Method::PUT, &target, status, &response);
        let mut stored = freshness::stored(&response, &policy);
        prop_assert!(!stored.contains_key(CONNECTION) && stored.contains_key(DATE));
        freshness::update(&mut stored, &response);
        let _fresh = freshness::freshen(StatusCode::OK, &stored, status, &response);
        let mut question = request.clone();
        freshness::ask_whether_current(&mut question, &stored);
        let _is_same = freshness::is_not_modified(&request, status, &stored, &policy);
        if let Portion::Part(range) = Portion::of(&request, status, &stored, length) {
            prop_assert!(range.start < range.end && range.end <= length);
        }
        let mut told = freshness::not_modified(&stored);
        freshness::tell_age(&policy, now, &mut told);
        CacheStatus::Hit.tell("pando", Some((&policy, now)), &mut told);
        prop_assert!(told.contains_key(AGE) && told.contains_key(freshness::CACHE_STATUS));
    }

    /// An age is never less than what the response said, never falls while the clock goes on, and never exceeds its bound.
    #[test]
    fn ages_only_grow(response in headers(), asked in moment(), answered in moment(), steps in vec(0..1_000_000_000_000_i64, 1..9)) {
        let policy = Policy::read(&rules(), StatusCode::OK, &response, Received { asked, answered });
        let (mut now, mut before, mut was_stale) = (answered, policy.age(answered), false);
        for step in steps {
            now = Timestamp(now.0.saturating_add(step));
            let age = policy.age(now);
            prop_assert!(age >= before && age <= Duration::from_secs(MOST_SECONDS));
            prop_assert!(!(was_stale && policy.is_fresh(now)), "nothing becomes fresh by waiting");
            prop_assert_eq!(policy.is_fresh(now), policy.remaining(now) > Duration::ZERO);
            prop_assert!(policy.remaining(now).is_zero() || policy.staleness(now).is_zero());
            (before, was_stale) = (age, !policy.is_fresh(now));
        }
    }

    /// `no-store` and `private` are heeded wherever they stand in whatever else is said.
    #[test]
    fn what_may_not_be_stored_is_not(no_store in hidden("no-store"), private in hidden("private"), in_request in hidden("no-store")) {
        prop_assert!(store(&HeaderMap::new(), &control(&no_store)).is_err());
        prop_assert!(store(&HeaderMap::new(), &control(&private)).is_err());
        prop_assert!(store(&control(&in_request), &control("max-age=60")).is_err());
    }

    /// What has to be confirmed when it is stale is never answered stale: whatever the client takes, whatever goes wrong.
    #[test]
    fn what_must_be_confirmed_is(
        told in prop_oneof![hidden("must-revalidate"), hidden("proxy-revalidate"), hidden("no-cache"), hidden("s-maxage=5")],
        request in headers(), seconds in 0..4_000_000_000_i64,
    ) {
        let moment = Received { asked: Timestamp(0), answered: Timestamp(0) };
        let policy = Policy::read(&rules(), StatusCode::OK, &control(&told), moment);
        let (request, now) = (RequestDirectives::read(&request), Timestamp(seconds * 1_000_000));
        let judgement = Judgement { request: &request, stored: Some(&policy), now };
        let is_answered = matches!(judgement.verdict(), Verdict::Fresh | Verdict::StaleAsAsked | Verdict::StaleWhileRevalidate);
        prop_assert!(!is_answered || policy.is_fresh(now));
        if !policy.is_fresh(now) {
            prop_assert!(!judgement.may_follow_error(Trouble::Unreachable));
        }
        if told.to_ascii_lowercase().contains("no-cache") {
            prop_assert!(!is_answered);
        }
    }

    /// Who sends `no-cache`, a `max-age` or a `min-fresh` gets nothing from the cache that is older than that.
    #[test]
    fn nobody_gets_what_is_older_than_asked_for(
        lifetime in 0..100_u64, seconds in 0..100_i64, most in 0..100_u64, least in 0..100_u64,
    ) {
        let moment = Received { asked: Timestamp(0), answered: Timestamp(0) };
        let told = control(&format!("max-age={lifetime}, stale-while-revalidate=50"));
        let policy = Policy::read(&rules(), StatusCode::OK, &told, moment);
        let now = Timestamp(seconds * 1_000_000);
        let verdict = |asked: &str| {
            let request = RequestDirectives::read(&control(asked));
            Judgement { request: &request, stored: Some(&policy), now }.verdict()
        };
        let is_asked = |verdict| matches!(verdict, Verdict::Revalidate(_));
        prop_assert!(is_asked(verdict("no-cache")));
        let aged = verdict(&format!("max-age={most}"));
        prop_assert!(is_asked(aged) || policy.age(now) <= Duration::from_secs(most));
        let fresh = verdict(&format!("min-fresh={least}"));
        prop_assert!(least == 0 || is_asked(fresh) || policy.remaining(now) >= Duration::from_secs(least));
    }

    /// What fits is what was asked with the same values in every field that the answer names; other fields do not count.
    #[test]
    fn selections(before in vec("[a-c]{0,2}", 3), after in vec("[a-c]{0,2}", 3), named in vec(any::<bool>(), 3)) {
        let names = ["x-a", "x-b", "x-c"].map(HeaderName::from_static);
        let request = |values: &[String]| -> HeaderMap {
            let fields = names.iter().cloned().zip(values.iter().map(|value| HeaderValue::from_str(value).unwrap()));
            fields.filter(|(_, value)| !value.is_empty()).collect()
        };
        let list: Vec<_> = names.iter().zip(&named).filter(|(_, named)| **named).map(|(name, _)| name.as_str()).collect();
        let response = HeaderMap::from_iter([(VARY, HeaderValue::from_str(&list.join(", ")).unwrap())]);
        let selection = Selection::of(&Vary::read(&response), &request(&before)).unwrap();
        let expected = (0..3).all(|at| !named[at] || before[at] == after[at]);
        prop_assert_eq!(selection.fits(&request(&after)), expected);
    }
}
