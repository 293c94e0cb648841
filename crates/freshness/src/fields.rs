//! Which fields of a response a cache keeps (RFC 9111 section 3.1).

use std::collections::BTreeSet;

use http::header::{
    AGE, CONNECTION, DATE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName};

use crate::date;
use crate::directives::members;
use crate::policy::Policy;

/// The fields of one hop (RFC 9110 section 7.6.1), and those between a client and a proxy (section 11.7).
static OF_ONE_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Takes out what is for one hop alone: also every field that `Connection` names.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let mut named = BTreeSet::new();
    for line in headers.get_all(CONNECTION) {
        named.extend(
            members(line.as_bytes())
                .0
                .into_iter()
                .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok().map(|name| name.as_str().to_owned())),
        );
    }
    for name in named {
        headers.remove(name.as_str());
    }
    for name in &OF_ONE_HOP {
        headers.remove(name);
    }
}

/// The fields to store: those of one hop are left out, and those that the qualified forms of `no-cache` and `private` name, which
/// may not be answered again without asking. `Age` is left out, since the policy has it. `Date` is put in where there is none
/// (RFC 9110 section 6.6.1).
pub fn stored(headers: &HeaderMap, policy: &Policy) -> HeaderMap {
    let mut stored = headers.clone();
    remove_hop_by_hop(&mut stored);
    remove_named(&mut stored, policy);
    stored.remove(AGE);
    if !stored.contains_key(DATE) {
        stored.insert(DATE, date::print(policy.date()));
    }
    stored
}

/// Takes out what the qualified forms name. Their plain forms name nothing: what they concern is not stored, or asked about.
fn remove_named(headers: &mut HeaderMap, policy: &Policy) {
    let told = policy.directives();
    let reaches = [&told.no_cache, &told.private];
    let is_named = |name: &HeaderName| reaches.iter().any(|reach| !reach.is_everything() && reach.has(name));
    let named: Vec<_> = headers.keys().filter(|name| is_named(name)).cloned().collect();
    for name in named {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use base::Timestamp;
    use http::{HeaderValue, StatusCode};

    use super::*;
    use crate::policy::{Received, Rules};

    #[test]
    fn what_is_for_one_hop_goes() {
        let fields = [
            ("connection", "a, B"),
            ("connection", "c"),
            ("a", "1"),
            ("b", "2"),
            ("c", "3"),
            ("d", "4"),
            ("keep-alive", "5"),
            ("proxy-connection", "5"),
            ("proxy-authenticate", "5"),
            ("proxy-authentication-info", "5"),
            ("proxy-authorization", "5"),
            ("te", "5"),
            ("trailer", "5"),
            ("transfer-encoding", "5"),
            ("upgrade", "5"),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["d"]);
    }

    #[test]
    fn what_is_named_goes_and_a_date_comes() {
        let mut headers = HeaderMap::new();
        let control = "max-age=9, no-cache=\"a, set-cookie\", private=\"b\"";
        headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static(control));
        for name in ["a", "age", "b", "c"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        let moment = Received { asked: Timestamp(0), answered: Timestamp(0) };
        let policy = Policy::read(&Rules::default(), StatusCode::OK, &headers, moment);
        let stored = stored(&headers, &policy);
        let mut names: Vec<_> = stored.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["c", "cache-control", "date"]);
    }
}
