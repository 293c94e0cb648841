//! The certificate that is fetched: from the authority's hands to the front door.

use std::sync::Arc;

use acme::{Challenge, Keeper, Stage};
use base::SystemClock;
use edge::CertificatesHandle;
use telemetry::Telemetry;

use crate::command::operations::Certificates;
use crate::configuration::{ConfigError, Prepared};

/// The front door, for who fetches certificates.
struct Door {
    handle: CertificatesHandle,
    certificates: Arc<Certificates>,
}

impl Stage for Door {
    fn show(&self, challenges: Vec<Challenge>) -> Result<(), String> {
        let challenges = challenges.into_iter().map(|challenge| match challenge {
            Challenge::Http { token, answer } => edge::Challenge::Http { token, answer },
            Challenge::Tls { name, certificate, key } => edge::Challenge::Tls { name, certificate, key },
        });
        self.handle.answer_challenges(challenges.collect()).map_err(|error| error.to_string())
    }

    fn renewed(&self) -> Result<(), String> {
        self.certificates.reload_fetched().map_err(str::to_owned)
    }
}

/// Who looks after the certificate, if one is fetched. The folder is made and tried here: a start whose certificates could not be
/// kept is refused.
pub fn keeper(
    prepared: &Prepared,
    handle: Option<CertificatesHandle>,
    certificates: Option<&Arc<Certificates>>,
    telemetry: &Arc<Telemetry>,
) -> Result<Option<Keeper>, ConfigError> {
    let (Some(config), Some(handle), Some(certificates)) = (&prepared.acme, handle, certificates) else {
        return Ok(None);
    };
    let door = Arc::new(Door { handle, certificates: certificates.clone() });
    Keeper::open(config.clone(), door, telemetry.clone(), Arc::new(SystemClock))
        .map(Some)
        .map_err(|error| ConfigError::one("[server.tls.acme]", error.to_string()))
}
