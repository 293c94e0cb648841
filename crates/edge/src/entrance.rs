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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base::SystemClock;
    use http::{HeaderName, HeaderValue};
    use limits::{Class, GateSettings};
    use telemetry::{LogConfig, LogFormat, Telemetry, TelemetryConfig};

    use super::*;

    fn entrance() -> Entrance {
        let config = TelemetryConfig {
            service_name: "test".to_owned(),
            service_version: "0".to_owned(),
            log: LogConfig::new(telemetry::Level::Off, LogFormat::Json, Box::new(std::io::sink())),
            traces: None,
            seed: None,
        };
        let clock = Arc::new(SystemClock);
        let telemetry = Arc::new(Telemetry::new(config, clock.clone()).unwrap());
        let settings = GateSettings {
            target: Duration::from_millis(50),
            fewest: 1,
            most: 10,
            system_roles: Vec::new(),
            anonymous_role: "anon".to_owned(),
            exempt_networks: Vec::new(),
        };
        Entrance::new(Gate::new(settings, clock, telemetry))
    }

    #[test]
    fn what_nobody_verifies_is_no_credential() {
        let entrance = entrance();
        let class = |area: Area, lines: &[(&'static str, &str)]| {
            let line = |(name, value): &(&'static str, &str)| {
                (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            };
            let headers: HeaderMap = lines.iter().map(line).collect();
            entrance.look(area, &headers, "192.0.2.1".parse().unwrap()).ok().flatten().unwrap().class()
        };
        for number in 0..100 {
            let junk = format!("r{number}");
            for (area, lines) in [
                (Area::Rest, vec![("apikey", junk.clone())]),
                (Area::Rest, vec![("authorization", format!("Basic {junk}"))]),
                (Area::Auth, vec![("authorization", format!("Bearer {junk}"))]),
                (Area::Auth, vec![("apikey", format!("pando_secret_{junk}"))]),
            ] {
                let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
                assert_eq!(class(area, &lines), Class::Anonymous, "{lines:?}");
            }
        }
        assert_eq!(class(Area::Rest, &[("authorization", "Bearer a.b.c")]), Class::Interactive);
        assert_eq!(class(Area::Rest, &[("apikey", "pando_secret_x")]), Class::Interactive);
    }
}
