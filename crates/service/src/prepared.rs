//! Reads that were asked before: parsed, planned and rendered already. Whoever asks the same goes on from there.
//!
//! What a read becomes is decided by its words, the catalog, the role, and the claims that its plan has put into it. All of these are what
//! it is found by, as they are and not as a hash: nobody finds what was made for somebody else. A plan of the moment (`now`) is made
//! each time.

use std::sync::Arc;

use base::Caller;
use cache::{Bounded, Weight};
use catalog::{Catalog, ClaimsAsked};
use http::header::{
    ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONNECTION, HOST, IF_MODIFIED_SINCE, IF_NONE_MATCH, ORIGIN,
    REFERER, USER_AGENT,
};
use http::{HeaderName, Method};
use parking_lot::Mutex;
use plan::{Access, Operation, Plan};
use rest::{ApiRequest, Incoming};
use store::Rendered;

use crate::recall::{Known, Recall};

/// How much is held of reads that were asked before, in bytes.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

/// What a plan is taken to weigh: a few levels of expressions.
const USUAL_BYTES: usize = 8 * 1024;

/// Longer requests are not remembered: few are asked twice word for word.
const LONGEST_KEY: usize = 4 * 1024;

/// Headers that decide nothing about a plan, though each client has its own. Any other one that nobody here knows may make a plan be made
/// once more, and never makes a wrong one be found.
const DECIDES_NOTHING: [HeaderName; 14] = [
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    // What they say about who asks is in the caller.
    AUTHORIZATION,
    HeaderName::from_static("apikey"),
    CONNECTION,
    HOST,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    ORIGIN,
    REFERER,
    USER_AGENT,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("pando-position"),
];

/// What a read was made into.
#[derive(Debug)]
pub(crate) struct Prepared {
    catalog: Arc<Catalog>,
    pub(crate) request: Arc<ApiRequest>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) rendered: Arc<Rendered>,
    pub(crate) known: Known,
}

/// The words of a read, with who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Words {
    /// What the request says.
    said: Vec<u8>,
    /// What the caller's token claims, of what counts. Apart from what anybody may say.
    claimed: Vec<u8>,
}

#[derive(Clone)]
enum Kept {
    Read(Arc<Prepared>, usize),
    /// Which it is depends on these claims of the caller as well.
    ByClaims(ClaimsAsked, usize),
}

impl Weight for Kept {
    fn weight(&self) -> usize {
        match self {
            Self::Read(_, key) => USUAL_BYTES + 16 * key,
            Self::ByClaims(_, key) => 256 + key,
        }
    }
}

/// The reads that were asked before.
pub(crate) struct PreparedReads {
    kept: Bounded<Words, Kept>,
    /// The catalog that they were planned on.
    catalog: Mutex<Option<Arc<Catalog>>>,
}

impl Default for PreparedReads {
    fn default() -> Self {
        Self { kept: Bounded::new(MOST_BYTES, USUAL_BYTES as u64), catalog: Mutex::default() }
    }
}

impl Words {
    /// The words of a request that may be a read; `None` for others.
    pub(crate) fn of(incoming: &Incoming<'_>, caller: &Caller) -> Option<Self> {
        let Incoming { method, path, query, headers, body } = incoming;
        if !matches!(**method, Method::GET | Method::HEAD) || !body.is_empty() {
            return None;
        }
        let mut words = Vec::with_capacity(512);
        put(&mut words, method.as_str().as_bytes());
        put(&mut words, path.as_bytes());
        put(&mut words, query.as_bytes());
        put(&mut words, caller.role.as_bytes());
        words.push(u8::from(caller.is_anonymous));
        words.push(caller.key.as_ref().map_or(2, |key| u8::from(key.is_bound)));
        for (name, value) in headers.iter().filter(|(name, _)| !DECIDES_NOTHING.contains(name)) {
            put(&mut words, name.as_str().as_bytes());
            put(&mut words, value.as_bytes());
        }
        (words.len() <= LONGEST_KEY).then_some(Self { said: words, claimed: Vec::new() })
    }

    /// The same with what a caller claims; `None` where all of it counts, of which hardly two are the same.
    fn with_claims(&self, asked: &ClaimsAsked, caller: &Caller) -> Option<Self> {
        let ClaimsAsked::Named(names) = asked else { return None };
        let mut claimed = Vec::new();
        for name in names {
            let claim = caller.claims.object().get(&**name);
            put(&mut claimed, name.as_bytes());
            // As JSON, in which a text is not a number, and nothing is not null.
            put(&mut claimed, claim.map(ToString::to_string).unwrap_or_default().as_bytes());
        }
        (claimed.len() <= LONGEST_KEY).then(|| Self { said: self.said.clone(), claimed })
    }

    fn weight(&self) -> usize {
        self.said.len() + self.claimed.len()
    }
}

/// Where one part ends and the next begins counts.
fn put(words: &mut Vec<u8>, part: &[u8]) {
    words.extend_from_slice(&part.len().to_ne_bytes());
    words.extend_from_slice(part);
}

impl PreparedReads {
    /// What was made of these words, on this catalog.
    pub(crate) fn find(&self, words: &Words, caller: &Caller, catalog: &Arc<Catalog>) -> Option<Arc<Prepared>> {
        let found = match self.kept.get(words)? {
            Kept::Read(prepared, _) => prepared,
            Kept::ByClaims(asked, _) => match self.kept.get(&words.with_claims(&asked, caller)?)? {
                Kept::Read(prepared, _) => prepared,
                Kept::ByClaims(..) => return None,
            },
        };
        Arc::ptr_eq(&found.catalog, catalog).then_some(found)
    }

    /// Remembers what was made of these words, where that is the same for whoever says them in this role with the same claims.
    pub(crate) fn remember(
        &self,
        words: Words,
        caller: &Caller,
        catalog: &Arc<Catalog>,
        (request, plan, rendered): (&Arc<ApiRequest>, &Arc<Plan>, &Arc<Rendered>),
        recall: Option<&Recall>,
    ) -> Option<Arc<Prepared>> {
        let is_read = plan.access == Access::ReadOnly && matches!(plan.operation, Operation::Read(_));
        if !is_read || plan.is_of_moment {
            return None;
        }
        let mut claims = plan.claims.clone();
        if let Some(recall) = recall {
            claims.add(&recall.claims(plan, catalog));
        }
        self.follow(catalog);
        let prepared = Arc::new(Prepared {
            catalog: catalog.clone(),
            request: request.clone(),
            plan: plan.clone(),
            rendered: rendered.clone(),
            known: Known::default(),
        });
        let found_by = if claims.is_none() {
            words
        } else {
            let with_claims = words.with_claims(&claims, caller)?;
            let weight = words.weight();
            self.kept.put(words, Kept::ByClaims(claims, weight));
            with_claims
        };
        let weight = found_by.weight();
        self.kept.put(found_by, Kept::Read(prepared.clone(), weight));
        Some(prepared)
    }

    /// What was planned on another catalog is found by nobody any more.
    fn follow(&self, catalog: &Arc<Catalog>) {
        let mut current = self.catalog.lock();
        if !current.as_ref().is_some_and(|current| Arc::ptr_eq(current, catalog)) {
            self.kept.clear();
            *current = Some(catalog.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use base::Claims;
    use bytes::Bytes;
    use http::HeaderMap;
    use serde_json::{Value, json};

    use super::*;

    fn caller(role: &str, claims: Value) -> Caller {
        let Value::Object(object) = claims else { panic!("claims are an object") };
        Caller { role: role.into(), claims: Arc::new(Claims::new(object)), is_anonymous: false, key: None }
    }

    fn words(line: &str, headers: &[(&'static str, &'static str)], role: &str) -> Option<Words> {
        let (method, target) = line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let method = method.parse().unwrap();
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        let incoming = Incoming { method: &method, path, query, headers: &headers, body: Bytes::new() };
        Words::of(&incoming, &caller(role, json!({})))
    }

    #[test]
    fn whatever_may_decide_a_plan_is_among_the_words() {
        let plain = words("GET /a?b=1", &[], "anon");
        assert!(plain.is_some());
        for (line, headers, role) in [
            ("HEAD /a?b=1", &[][..], "anon"),
            ("GET /a?b=2", &[], "anon"),
            ("GET /a?b=1&", &[], "anon"),
            ("GET /a", &[], "anon"),
            ("GET /ab?=1", &[], "anon"),
            ("GET /a?b=1", &[], "clerk"),
            ("GET /a?b=1", &[("accept", "text/csv")], "anon"),
            ("GET /a?b=1", &[("prefer", "count=exact")], "anon"),
            ("GET /a?b=1", &[("range", "0-4")], "anon"),
            ("GET /a?b=1", &[("accept-profile", "other")], "anon"),
            ("GET /a?b=1", &[("x-of-the-schema", "1")], "anon"),
        ] {
            assert!(words(line, headers, role).is_some_and(|words| Some(words) != plain), "{line} {headers:?} {role}");
        }
        for headers in [&[("user-agent", "curl")][..], &[("authorization", "Bearer x"), ("if-none-match", "\"1\"")]] {
            assert_eq!(words("GET /a?b=1", headers, "anon"), plain, "{headers:?}");
        }
        assert_eq!(words("POST /a", &[], "anon"), None);
        assert_eq!(words(&format!("GET /a?b={}", "x".repeat(LONGEST_KEY)), &[], "anon"), None);
    }

    #[test]
    fn what_is_claimed_is_among_them_where_it_counts() {
        let words = words("GET /a", &[], "clerk").unwrap();
        let asked = ClaimsAsked::Named(BTreeSet::from(["org".into(), "sub".into()]));
        let of = |claims| words.with_claims(&asked, &caller("clerk", claims)).unwrap();
        let all = [
            json!({}),
            json!({ "sub": null }),
            json!({ "sub": "" }),
            json!({ "sub": "1" }),
            json!({ "sub": 1 }),
            json!({ "org": "1" }),
            json!({ "org": "1", "sub": "1" }),
        ];
        for (at, claims) in all.iter().enumerate() {
            let same: Vec<usize> =
                (0..all.len()).filter(|other| of(all[*other].clone()) == of(claims.clone())).collect();
            assert_eq!(same, [at], "{claims}");
        }
        assert_eq!(of(json!({ "sub": "1", "iat": 1 })), of(json!({ "iat": 2, "sub": "1" })));
        // What a header says is no claim.
        let forged = self::words("GET /a", &[("org", "null"), ("sub", "\"1\"")], "clerk").unwrap();
        assert!(all.iter().all(|claims| of(claims.clone()) != forged));
        assert!(words.with_claims(&ClaimsAsked::All, &caller("clerk", json!({}))).is_none());
    }
}
