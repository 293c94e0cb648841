//! How serving is ended from outside.

use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::oneshot;

use crate::command::operations::listen;
use crate::outcome::CommandError;

/// The signals that end it.
pub struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    /// Begins to listen. What comes before somebody watches is kept.
    pub fn listen() -> Result<Self, CommandError> {
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// What becomes ready at the first signal, and what does at the second.
    pub fn watch(mut self) -> (oneshot::Receiver<()>, oneshot::Receiver<()>) {
        let (first, drain) = oneshot::channel();
        let (second, stop) = oneshot::channel();
        tokio::spawn(async move {
            self.next().await;
            let _gone = first.send(());
            self.next().await;
            let _gone = second.send(());
        });
        (drain, stop)
    }

    async fn next(&mut self) {
        tokio::select! {
            _signal = self.terminate.recv() => {}
            _signal = self.interrupt.recv() => {}
        }
    }
}
