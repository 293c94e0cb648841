//! The certificates of a running server, replaced by what is in their files now.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge::CertificatesHandle;
use telemetry::{CertificatesRead, CertificatesRefused, Telemetry};

/// How often the files are looked at. Programs that renew certificates do it weeks before the old ones end.
const PAUSE: Duration = Duration::from_secs(5);

/// Replaces certificates.
pub struct Certificates {
    handle: CertificatesHandle,
    telemetry: Arc<Telemetry>,
}

/// What the files look like from outside: length and time of each.
type Look = Vec<Option<(u64, Option<SystemTime>)>>;

impl Certificates {
    /// Those of a front door.
    pub fn new(handle: CertificatesHandle, telemetry: Arc<Telemetry>) -> Self {
        Self { handle, telemetry }
    }

    /// Reads the files, and tells what came of it.
    ///
    /// # Errors
    /// A file cannot be used: the certificates from before go on.
    pub fn reload(&self) -> Result<(), &'static str> {
        match self.handle.reload() {
            Ok(()) => {
                self.telemetry.report(&CertificatesRead { certificates: self.handle.files().len() as u64 });
                Ok(())
            }
            Err(error) => {
                self.telemetry.report(&CertificatesRefused { error: &error.to_string() });
                Err("the certificates could not be read, and those from before go on; the log says why")
            }
        }
    }

    /// Reads the files whenever they have changed, until it is aborted. Meant to be spawned.
    pub async fn follow(self: Arc<Self>) {
        let mut counting = self.look();
        let mut before = counting.clone();
        loop {
            tokio::time::sleep(PAUSE).await;
            let now = self.look();
            // Certificate and key are written one after the other: they count when they have been the same twice.
            let is_still = now == before;
            before = now;
            if is_still && before != counting {
                counting = before.clone();
                // The log says how it went.
                let _told = self.reload();
            }
        }
    }

    fn look(&self) -> Look {
        let files = self.handle.files().iter().flat_map(|files| [&files.certificate, &files.key]);
        let look = |file| {
            let metadata = fs::metadata(file).ok()?;
            Some((metadata.len(), metadata.modified().ok()))
        };
        files.map(look).collect()
    }
}
