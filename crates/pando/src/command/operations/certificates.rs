//! The certificates of a running server, replaced by what is in their files now.

use std::sync::Arc;
use std::time::Duration;

use edge::{CertificatesHandle, EdgeError};
use telemetry::{CertificatesRead, CertificatesRefused, Telemetry};
use tokio::signal::unix::Signal;
use tokio::time::MissedTickBehavior;

/// How often the files are looked at. Programs that renew certificates do it weeks before the old ones end.
const PAUSE: Duration = Duration::from_secs(5);

/// Replaces certificates.
pub struct Certificates {
    handle: CertificatesHandle,
    telemetry: Arc<Telemetry>,
}

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
        self.tell(self.handle.reload())
    }

    /// Reads the one that is fetched, and tells what came of it.
    ///
    /// # Errors
    /// It cannot be used: the one from before goes on.
    pub fn reload_fetched(&self) -> Result<(), &'static str> {
        self.tell(self.handle.reload_fetched())
    }

    fn tell(&self, read: Result<(), EdgeError>) -> Result<(), &'static str> {
        match read {
            Ok(()) => {
                self.telemetry.report(&CertificatesRead { certificates: self.handle.count() as u64 });
                Ok(())
            }
            Err(error) => {
                self.telemetry.report(&CertificatesRefused { error: &error.to_string() });
                Err("the certificates could not be read, and those from before go on; the log says why")
            }
        }
    }

    /// Reads the files whenever they have changed since they were first read, and when a signal asks for it, until it is aborted.
    /// Meant to be spawned.
    pub async fn follow(self: Arc<Self>, mut asked: Signal) {
        let mut counting = self.handle.opened().clone();
        let mut before = counting.clone();
        let mut pause = tokio::time::interval(PAUSE);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _moment = pause.tick() => {}
                Some(()) = asked.recv() => {
                    // The log says how it went.
                    let _told = self.reload();
                    continue;
                }
            }
            let now = self.handle.look();
            // Certificate and key are written one after the other: they count when they have been the same twice.
            let is_still = now == before;
            before = now;
            if is_still && before != counting {
                counting = before.clone();
                let _told = self.reload();
            }
        }
    }
}
