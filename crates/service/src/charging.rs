//! What a request is charged with, and what its client is told of that.

use base::{Caller, Failure, QuotaUnit, Timestamp};
use http::HeaderMap;
use identity::ApiKeys;
use limits::{Asker, RateLimits, Told};

use crate::exchange::Client;

/// The account of one request.
#[derive(Debug, Default)]
pub(crate) struct Charging {
    told: Told,
    /// Whether its price was charged: a plan may be made several times.
    is_charged: bool,
}

impl Charging {
    /// Charges what needs no token.
    pub(crate) async fn at_door(
        &mut self,
        limits: Option<&RateLimits>,
        (method, path): (&str, &str),
        headers: &HeaderMap,
        client: Client,
    ) -> Result<(), Failure> {
        let Some(limits) = limits else { return Ok(()) };
        limits.at_door(&asker((method, path), headers, client), &mut self.told).await
    }

    /// Charges what depends on who asks and on the plan; once.
    pub(crate) async fn inside(
        &mut self,
        limits: Option<&RateLimits>,
        (method, path): (&str, &str),
        headers: &HeaderMap,
        client: Client,
        (caller, cost): (&Caller, u64),
    ) -> Result<(), Failure> {
        let Some(limits) = limits.filter(|_| !self.is_charged) else { return Ok(()) };
        self.is_charged = true;
        limits.inside(&asker((method, path), headers, client), caller, cost, &mut self.told).await
    }

    /// Counts the request for the quota of the caller's key: by itself as soon as it is known whose it is, or by the price of what it
    /// touches.
    pub(crate) async fn quota(
        &mut self,
        limits: Option<&RateLimits>,
        (caller, keys): (&Caller, &ApiKeys),
        now: Timestamp,
        cost: Option<u64>,
    ) -> Result<(), Failure> {
        let quota = caller.key.as_ref().and_then(|key| key.quota.as_ref());
        let (Some(limits), Some(quota)) = (limits, quota) else { return Ok(()) };
        let cost = match (quota.unit, cost) {
            (QuotaUnit::Requests, None) => 1,
            (QuotaUnit::Cost, Some(cost)) if !self.is_charged => cost,
            _ => return Ok(()),
        };
        let metered = limits.quota(quota, now, cost, keys.spent(quota, now), &mut self.told).await;
        keys.note_spent(quota, metered.since, metered.used);
        metered.refusal.map_or(Ok(()), Err)
    }

    /// Tells the client.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        self.told.write(headers);
    }
}

/// The credential is what identifies a program, as it was verified and not as it was spelled: each spelling would be somebody else.
fn asker<'a>((method, path): (&'a str, &'a str), headers: &'a HeaderMap, client: Client) -> Asker<'a> {
    Asker { address: client.address, method, path, credential: identity::credential(headers) }
}
