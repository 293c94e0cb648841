//! What a kept answer is found by: the statements that would give it, and whatever else decides what they give. Two spellings of one
//! question render to the same statements; a caller counts by what of it is looked at, not by its token.

use std::hash::{Hash, Hasher};

use cache::ResponseKey;
use catalog::ClaimsAsked;
use plan::Dependence;
use sha2::{Digest as _, Sha256};
use sql::sqlite::Rendered as Sqlite;
use store::{Job, Rendered};

/// Computes the key of a read; `None` for what is no read.
pub(super) fn key(job: &Job, dependence: &Dependence, catalog: [u8; 32]) -> Option<ResponseKey> {
    let mut hasher = Sha(Sha256::new());
    // Another version may print otherwise.
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    catalog.hash(&mut hasher);
    let plan = &job.plan;
    match &*job.rendered {
        Rendered::Sqlite(Sqlite::Read(read)) => read.hash(&mut hasher),
        Rendered::Postgres(rendered) => rendered.hash(&mut hasher),
        Rendered::Sqlite(_) => return None,
    }
    plan.format.hash(&mut hasher);
    (plan.shape.is_single, plan.shape.is_value, plan.shape.is_void).hash(&mut hasher);
    (plan.expectation.exactly_one, plan.expectation.max_affected).hash(&mut hasher);
    plan.media_type.hash(&mut hasher);
    let plan::Operation::Read(read) = &plan.operation else { return None };
    (read.wants_body, format!("{:?}", read.counts)).hash(&mut hasher);
    // What the statements themselves do not say, but the engine looks at: the role's rights and settings, where names are looked for,
    // and how moments are printed.
    job.caller.role.hash(&mut hasher);
    (&job.request.schema, &job.request.time_zone).hash(&mut hasher);
    let claims = &job.caller.claims;
    match &dependence.claims {
        ClaimsAsked::All => (true, serde_json::Value::Object(claims.object().clone()).to_string()).hash(&mut hasher),
        ClaimsAsked::Named(names) => {
            false.hash(&mut hasher);
            for name in names {
                (name, claims.object().get(&**name).map(ToString::to_string)).hash(&mut hasher);
            }
        }
    }
    Some(ResponseKey(hasher.0.finalize().into()))
}

/// Whether the answer is the same for everybody who asks without a user's token, so that caches in front may show it to all of them.
pub(super) fn is_for_anybody(job: &Job, dependence: &Dependence) -> bool {
    let Job { plan, caller, request, .. } = job;
    let asks_nothing = dependence.claims.is_none() && plan.claims.is_none();
    // A key that is bound to networks or a quota would be worth nothing where nobody looks at it.
    let is_unbound = caller.key.as_ref().is_none_or(|key| !key.is_bound);
    request.method == http::Method::GET && caller.is_anonymous && asks_nothing && is_unbound
}

/// Takes what `Hash` gives into SHA-256: nobody may find a question that has another one's key.
pub(super) struct Sha(pub(super) Sha256);

impl Hasher for Sha {
    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}
