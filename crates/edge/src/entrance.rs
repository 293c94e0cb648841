//! The way past the gate that keeps out what cannot be answered in time, where there is one.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use limits::{Arrival, Gate, Place, Proof};
use service::{Answer, Area};

use crate::refusal::Refusal;

/// The gate, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Entrance(Option<Arc<Gate>>);

impl Entrance {
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self(Some(gate))
    }

    /// Looks at the head of a request, before its body is taken in.
    pub(crate) fn look(&self, area: Area, headers: &HeaderMap, address: IpAddr) -> Result<Option<Arrival>, Refusal> {
        let Some(gate) = &self.0 else { return Ok(None) };
        let (key, token) = identity::verified_alone(headers).unwrap_or_default();
        // Many requests to the login verify nothing, and its answers do not tell which role asked.
        let arrival = gate.look((Proof { key, token }, area == Area::Rest), headers, address);
        gate.check(&arrival).map_err(Refusal::shed)?;
        Ok(Some(arrival))
    }

    /// Finds room for it.
    pub(crate) async fn enter(&self, arrival: Option<&Arrival>) -> Result<Option<Place>, Refusal> {
        match (&self.0, arrival) {
            (Some(gate), Some(arrival)) => gate.enter(arrival).await.map(Some).map_err(Refusal::shed),
            _ => Ok(None),
        }
    }

    /// Remembers what its credential was worth.
    pub(crate) fn learn(&self, arrival: Option<&Arrival>, answer: &Answer) {
        if let (Some(gate), Some(arrival)) = (&self.0, arrival) {
            gate.learn(arrival, answer.summary.role.as_deref(), answer.summary.error_code.as_deref());
        }
    }
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Entrance(gate)" } else { "Entrance" })
    }
}
