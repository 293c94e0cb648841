//! Reads that were asked before: parsed, planned and rendered already. Whoever asks the same goes on from there, and so does who asks
//! the same with other values.
//!
//! What a read becomes is decided by its words, the catalog, the role, and the claims that its plan has put into it. All of these are what
//! it is found by, as they are and not as a hash: nobody finds what was made for somebody else. A plan of the moment (`now`) is made
//! each time.
//!
//! Of a read that was asked with other values, what was made is taken with these in their places ([`Outline`]). That is the same as
//! what would be made anew, which builds for tests compare each time (`Service::is_as_if_made_now`).

use std::sync::{Arc, OnceLock};

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
use rest::{ApiRequest, Incoming, Limits, Outline};
use store::Rendered;

use crate::recall::{Known, Recall};

/// How much is held of reads that were asked before, in bytes.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

/// What a plan is taken to weigh: a few levels of expressions.
const USUAL_BYTES: usize = 8 * 1024;

/// Longer requests are not remembered, neither by their words nor by their outline: what they become is large, and few are asked twice.
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
    /// What of the caller's claims it depends on, or its answer does.
    claims: ClaimsAsked,
}

/// What a request says of itself, where it may be a read.
#[derive(Debug)]
pub(crate) struct Said<'q> {
    path: &'q str,
    query: &'q str,
    /// What it says beside the query.
    around: Vec<u8>,
    /// How many headers are among that.
    headers: u16,
    words: OnceLock<Words>,
    outline: OnceLock<Option<(Words, Outline<'q>)>>,
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

impl<'q> Said<'q> {
    /// What a request says that may be a read; `None` for others.
    pub(crate) fn of(incoming: &Incoming<'q>, caller: &Caller) -> Option<Self> {
        let Incoming { method, path, query, headers, body } = incoming;
        if !matches!(**method, Method::GET | Method::HEAD) || !body.is_empty() {
            return None;
        }
        let mut around = Vec::with_capacity(512);
        put(&mut around, method.as_str().as_bytes());
        put(&mut around, path.as_bytes());
        put(&mut around, caller.role.as_bytes());
        around.push(u8::from(caller.is_anonymous));
        around.push(caller.key.as_ref().map_or(2, |key| u8::from(key.is_bound)));
        let mut count = 0_u16;
        for (name, value) in headers.iter().filter(|(name, _)| !DECIDES_NOTHING.contains(name)) {
            put(&mut around, name.as_str().as_bytes());
            put(&mut around, value.as_bytes());
            count = count.checked_add(1)?;
        }
        let is_short = around.len() + query.len() <= LONGEST_KEY;
        let (words, outline) = (OnceLock::new(), OnceLock::new());
        is_short.then_some(Self { path, query, around, headers: count, words, outline })
    }

    /// All that it says.
    fn words(&self) -> &Words {
        self.words.get_or_init(|| Words::new(self, Kind::Words, std::iter::once(self.query)))
    }

    /// Its outline, with the values that were taken out.
    fn outline(&self, limits: &Limits) -> Option<&(Words, Outline<'q>)> {
        let outlined = self.outline.get_or_init(|| {
            let outline = Outline::of(self.path, self.query, limits)?;
            Some((Words::new(self, Kind::Outline, outline.around()), outline))
        });
        outlined.as_ref()
    }
}

/// Of what some words are made.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Words,
    Outline,
}

impl Words {
    /// The query stands last, in its parts: one, or of an outline as many as it has values that were taken out, and one more. What
    /// follows says where the headers end and the query begins.
    fn new<'q>(said: &Said<'_>, kind: Kind, query: impl Iterator<Item = &'q str>) -> Self {
        let mut words = said.around.clone();
        query.for_each(|part| put(&mut words, part.as_bytes()));
        words.extend_from_slice(&said.headers.to_ne_bytes());
        words.push(kind as u8);
        Self { said: words, claimed: Vec::new() }
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

impl Prepared {
    /// What it was planned on.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What it would be with these values, which the whole query is said with.
    fn with_values(
        &self,
        query: &str,
        outline: &Outline<'_>,
        limits: &Limits,
        recall: Option<&Recall>,
    ) -> Option<Self> {
        let (plan, typed) = self.plan.with_values(outline.values(), self.catalog.is_native())?;
        let request = self.request.with_values(query, outline.values(), limits)?;
        let rendered = self.rendered.with_values(&typed)?;
        Some(Self::new(&self.catalog, (Arc::new(request), Arc::new(plan), Arc::new(rendered)), recall))
    }

    fn new(
        catalog: &Arc<Catalog>,
        (request, plan, rendered): (Arc<ApiRequest>, Arc<Plan>, Arc<Rendered>),
        recall: Option<&Recall>,
    ) -> Self {
        let mut claims = plan.claims.clone();
        if let Some(recall) = recall {
            claims.add(&recall.claims(&plan, catalog));
        }
        Self { catalog: catalog.clone(), request, plan, rendered, known: Known::default(), claims }
    }
}

impl PreparedReads {
    /// What was made of this before, on this catalog, or of the same with other values.
    pub(crate) fn find(
        &self,
        said: &Said<'_>,
        caller: &Caller,
        catalog: &Arc<Catalog>,
        limits: &Limits,
        recall: Option<&Recall>,
    ) -> Option<Arc<Prepared>> {
        let by_words = || self.kept(said.words(), caller, catalog);
        let by_outline = || {
            let (words, outline) = said.outline(limits)?;
            let alike = self.kept(words, caller, catalog)?;
            alike.with_values(said.query, outline, limits, recall).map(Arc::new)
        };
        // What is known of an answer is known of these very words. Where none is kept, nothing is: then the outline serves as well.
        if recall.is_none() {
            return by_outline().or_else(by_words);
        }
        by_words().or_else(|| {
            let prepared = by_outline()?;
            if self.is_of_now(catalog) && recall.is_some_and(|recall| recall.may_keep(&prepared.plan)) {
                self.keep(said.words(), caller, &prepared);
            }
            Some(prepared)
        })
    }

    fn kept(&self, words: &Words, caller: &Caller, catalog: &Arc<Catalog>) -> Option<Arc<Prepared>> {
        let found = match self.kept.get(words)? {
            Kept::Read(prepared, _) => prepared,
            Kept::ByClaims(asked, _) => match self.kept.get(&words.with_claims(&asked, caller)?)? {
                Kept::Read(prepared, _) => prepared,
                Kept::ByClaims(..) => return None,
            },
        };
        Arc::ptr_eq(&found.catalog, catalog).then_some(found)
    }

    /// Remembers what was made of this, where that is the same for whoever says it in this role with the same claims.
    pub(crate) fn remember(
        &self,
        said: &Said<'_>,
        caller: &Caller,
        catalog: &Arc<Catalog>,
        (request, plan, rendered): (&Arc<ApiRequest>, &Arc<Plan>, &Arc<Rendered>),
        recall: Option<&Recall>,
        limits: &Limits,
    ) -> Option<Arc<Prepared>> {
        let is_read = plan.access == Access::ReadOnly && matches!(plan.operation, Operation::Read(_));
        if !is_read || plan.is_of_moment {
            return None;
        }
        self.follow(catalog);
        let prepared = Arc::new(Prepared::new(catalog, (request.clone(), plan.clone(), rendered.clone()), recall));
        let outlined = said.outline(limits).filter(|(_, outline)| {
            // Where it does not even serve for its own values, it serves for no others.
            let again = prepared.with_values(said.query, outline, limits, None);
            again.is_some_and(|again| again.rendered.says_the_same(rendered))
        });
        if let Some((words, _)) = outlined {
            self.keep(words, caller, &prepared);
        }
        if outlined.is_none() || recall.is_some_and(|recall| recall.may_keep(plan)) {
            self.keep(said.words(), caller, &prepared);
        }
        Some(prepared)
    }

    fn keep(&self, words: &Words, caller: &Caller, prepared: &Arc<Prepared>) {
        let mut found_by = words.clone();
        if !prepared.claims.is_none() {
            let Some(with_claims) = words.with_claims(&prepared.claims, caller) else { return };
            let weight = found_by.weight();
            self.kept.put(found_by, Kept::ByClaims(prepared.claims.clone(), weight));
            found_by = with_claims;
        }
        let weight = found_by.weight();
        self.kept.put(found_by, Kept::Read(prepared.clone(), weight));
    }

    /// Whether this is the catalog that reads are planned on now.
    fn is_of_now(&self, catalog: &Arc<Catalog>) -> bool {
        self.catalog.lock().as_ref().is_some_and(|current| Arc::ptr_eq(current, catalog))
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

    /// What is known by its words alone, and what by its outline.
    fn said(line: &str, headers: &[(&'static str, &'static str)], role: &str) -> Option<(Words, Option<Words>)> {
        let (method, target) = line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let method = method.parse().unwrap();
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        let incoming = Incoming { method: &method, path, query, headers: &headers, body: Bytes::new() };
        let said = Said::of(&incoming, &caller(role, json!({})))?;
        let outline = said.outline(&Limits::default()).map(|(outline, _)| outline.clone());
        Some((said.words().clone(), outline))
    }

    fn words(line: &str, headers: &[(&'static str, &'static str)], role: &str) -> Option<Words> {
        said(line, headers, role).map(|(words, _)| words)
    }

    fn outline(line: &str) -> Option<Words> {
        said(line, &[], "anon").and_then(|(_, outline)| outline)
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
    fn whatever_may_decide_a_plan_is_in_the_outline() {
        let plain = outline("GET /a?b=eq.1&limit=3");
        assert!(plain.is_some());
        for same in [
            "GET /a?b=eq.2&limit=3",
            "GET /a?b=eq.&limit=3",
            "GET /a?b=eq.now&limit=3",
            "GET /a?b=eq.2024-01-01T00:00:00%2B01&limit=3",
            "GET /a?b=eq.a%26b+c@d,(e)&limit=3",
        ] {
            assert_eq!(outline(same), plain, "{same}");
        }
        for other in [
            "HEAD /a?b=eq.1&limit=3",
            "GET /c?b=eq.1&limit=3",
            "GET /a?c=eq.1&limit=3",
            "GET /a?b=neq.1&limit=3",
            "GET /a?b=not.eq.1&limit=3",
            "GET /a?b=eq.1&limit=4",
            "GET /a?b=eq.1&limit=3&c=eq.1",
            "GET /a?b=eq.1&limit=3&c=is.null",
            "GET /a?limit=3&b=eq.1",
        ] {
            assert!(outline(other).is_some_and(|outline| Some(outline) != plain), "{other}");
        }
        for none in [
            "GET /rpc/a?b=eq.1",
            "GET /%72pc/a?b=eq.1",
            "GET /a?b=eq.1%",
            "GET /a?b=eq.%00",
            "GET /a?b=eq.%FF",
            "GET /a?%62=eq.1",
            "GET /a?b=like.1",
            "GET /a?b=in.(1,2)",
            "GET /a?b=eq(any).{1}",
            "GET /a?b->c=eq.1",
            "GET /a?c.b=eq.1",
            "GET /a?order=eq.1",
            "GET /a?limit=gt.1",
            "GET /a?or=eq.1",
            "GET /a?b",
        ] {
            assert_eq!(outline(none), None, "{none}");
        }
        // Words and an outline are never taken for each other, nor a header for a part of the query.
        let forged = words("GET /a?b=eq.&limit=3", &[], "anon");
        assert_ne!(forged, plain);
        let of_header = said("GET /a?&limit=3", &[("x", "b=eq.")], "anon").unwrap().0;
        assert_ne!(Some(of_header), plain);
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
