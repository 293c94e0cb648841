//! What an operator asks of a running server: signals, `pando reload`, and what is notified through the database.

use std::sync::Arc;

use identity::Verifier;
use store::Store;
use telemetry::{ConfigurationKept, KeysLoaded, KeysUnavailable, Telemetry};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::outcome::CommandError;

/// What can be read again while the server runs.
#[derive(Clone)]
pub struct Operations {
    /// What is served.
    pub store: Arc<dyn Store>,
    /// The keys for tokens.
    pub verifier: Arc<Verifier>,
    /// Who is told.
    pub telemetry: Arc<Telemetry>,
}

impl Operations {
    /// Reads keys and schema again. What cannot be read stays as it was; the log says why.
    ///
    /// # Errors
    /// Which of them could not be read.
    pub async fn reload(&self) -> Result<(), &'static str> {
        let has_keys = self.reload_keys();
        if self.store.reload().await.is_err() {
            return Err("the schema could not be read, and the older one goes on; the log says why");
        }
        if has_keys { Ok(()) } else { Err("the keys could not be read, and the older ones go on; the log says why") }
    }

    fn reload_keys(&self) -> bool {
        match self.verifier.reload() {
            Ok(()) => self.telemetry.report(&KeysLoaded { keys: self.verifier.key_count() as u64 }),
            Err(error) => {
                self.telemetry.report(&KeysUnavailable { error: &error.to_string() });
                return false;
            }
        }
        true
    }

    /// The schema alone. Whoever waits for it is told by the store's observer.
    fn reload_schema(&self) {
        let store = self.store.clone();
        tokio::spawn(async move { drop(store.reload().await) });
    }

    /// The configuration, as far as it can be: everything else has been decided with.
    fn reload_configuration(&self) {
        if self.reload_keys() {
            self.telemetry.report(&ConfigurationKept);
        }
    }

    /// Does what signals and notifications ask, until it is aborted. Meant to be spawned.
    pub async fn follow(self, mut signals: Reloads, configuration: Arc<Notify>) {
        loop {
            tokio::select! {
                Some(()) = signals.all.recv() => {
                    self.reload_keys();
                    self.reload_schema();
                }
                Some(()) = signals.schema.recv() => self.reload_schema(),
                Some(()) = signals.configuration.recv() => self.reload_configuration(),
                () = configuration.notified() => self.reload_configuration(),
                else => return,
            }
        }
    }
}

/// The signals that have something read again. Without anybody who listens for them they would end the process.
pub struct Reloads {
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
