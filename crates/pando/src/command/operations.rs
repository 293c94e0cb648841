//! What an operator asks of a running server: signals, `pando reload`, and what is notified through the database.

mod certificates;
mod rereading;
mod site;

use std::sync::Arc;

use edge::Reloaded;
use store::Store;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::outcome::CommandError;
pub use certificates::Certificates;
pub use rereading::Rereading;
pub use site::StaticFiles;

/// What can be read again while the server runs.
#[derive(Clone)]
pub struct Operations {
    /// What is served.
    pub store: Arc<dyn Store>,
    /// The configuration.
    pub rereading: Arc<Rereading>,
    /// The certificates, where there is TLS.
    pub certificates: Option<Arc<Certificates>>,
    /// Static files, where there are any.
    pub files: Option<Arc<StaticFiles>>,
}

impl Operations {
    /// Reads configuration and schema again. What cannot be read stays as it was; the log says why.
    ///
    /// # Errors
    /// Which of them could not be read.
    pub async fn reload(&self) -> Result<Reloaded, &'static str> {
        let reread = self.rereading.read().await;
        let certificates = self.certificates.as_ref().map_or(Ok(()), |certificates| certificates.reload());
        let files = match &self.files {
            Some(files) => files.reload().await,
            None => Ok(()),
        };
        if self.store.reload().await.is_err() {
            return Err("the schema could not be read, and the older one goes on; the log says why");
        }
        certificates?;
        files?;
        reread
    }

    /// The schema alone. Whoever waits for it is told by the store's observer.
    fn reload_schema(&self) {
        let store = self.store.clone();
        tokio::spawn(async move { drop(store.reload().await) });
    }

    /// Does what signals and notifications ask, until it is aborted. Meant to be spawned.
    pub async fn follow(self, signals: Reloads, configuration: Arc<Notify>) {
        tokio::select! {
            () = self.hear(signals, &configuration) => {}
            () = self.rereading.follow(&configuration) => {}
        }
    }

    async fn hear(&self, mut signals: Reloads, configuration: &Notify) {
        loop {
            tokio::select! {
                Some(()) = signals.all.recv() => {
                    configuration.notify_one();
                    self.reload_schema();
                }
                Some(()) = signals.schema.recv() => self.reload_schema(),
                Some(()) = signals.configuration.recv() => configuration.notify_one(),
                else => return,
            }
        }
    }
}

/// The signals that have something read again. Without anybody who listens for them they would end the process.
pub struct Reloads {
    /// Certificates and static files are read again by who follows them, who hears it by himself.
    all: Signal,
    /// As PostgREST has it.
    schema: Signal,
    /// As PostgREST has it.
    configuration: Signal,
}

impl Reloads {
    /// Begins to listen. What comes before somebody follows is kept.
    pub fn listen() -> Result<Self, CommandError> {
        Ok(Self {
            all: listen(SignalKind::hangup())?,
            schema: listen(SignalKind::user_defined1())?,
            configuration: listen(SignalKind::user_defined2())?,
        })
    }
}

/// Begins to listen for a signal.
pub fn listen(kind: SignalKind) -> Result<Signal, CommandError> {
    signal(kind).map_err(|error| CommandError::Failed(format!("signals cannot be received: {error}")))
}
