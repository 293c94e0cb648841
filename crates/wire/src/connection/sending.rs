//! Sending what a flight has staged.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base::Limit;
use bytes::{Buf as _, BytesMut};
use tokio::io::AsyncWrite as _;

use super::{Awaited, Condition, Connection, OUTPUT_BYTES, TransactionStatus};
use crate::Error;

/// Answers that come while a flight is still being sent. Beyond this a flight asks for too much before it is whole.
const ANSWERS_AHEAD: Limit = Limit::new("bytes answered before a flight is wholly sent", 64 << 20);
/// A buffer that grew for one long flight beyond this is given back.
const KEPT_OUTPUT_BYTES: usize = 1 << 20;

impl Connection {
    /// Forgets what was staged and not sent.
    pub(crate) fn discard(&mut self) {
        self.output.clear();
        while let Some(awaited) = self.staged.pop() {
            match awaited {
                Awaited::Parse { statement: Some(statement), .. } => self.statements.withdraw(statement),
                Awaited::CloseStatement { statement } => self.statements.retire(statement),
                _ => {}
            }
        }
        self.steps.retain(|state| state.step.0 < self.first_unsent_step);
        self.first_unsent_step = self.next_step;
        // Portals end with their transaction; steps of an earlier flight are of the past.
        if self.is_usable() {
            let lives = self.status == TransactionStatus::Open;
            self.steps.retain(|state| lives && state.has_portal);
        }
    }

    /// Sends what was staged, and takes in what the server answers meanwhile, so that neither waits for the other.
    pub(crate) async fn send_staged(&mut self) -> Result<(), Error> {
        self.check()?;
        self.condition = Condition::Sending;
        let length = self.output.len();
        self.await_staged();
        self.first_unsent_step = self.next_step;
        let sent = poll_fn(|context| self.poll_send(context)).await;
        self.output.clear();
        if length > KEPT_OUTPUT_BYTES {
            self.output = BytesMut::with_capacity(OUTPUT_BYTES);
        }
        match sent {
            Ok(()) => {
                self.condition = Condition::Whole;
                Ok(())
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn await_staged(&mut self) {
        // The list is put back, so that its room is used again.
        let mut staged = std::mem::take(&mut self.staged);
        for awaited in staged.drain(..) {
            if matches!(awaited, Awaited::Sync) {
                self.is_skipping = false;
                self.is_in_segment = false;
            } else if self.is_skipping {
                self.abandon(awaited);
                continue;
            } else {
                self.is_in_segment = !matches!(awaited, Awaited::Simple { .. });
            }
            self.awaited.push_back(awaited);
        }
        self.staged = staged;
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            if let Poll::Ready(sent) = self.poll_write(context) {
                return Poll::Ready(sent.map_err(Error::of_socket));
            }
            // The server may wait for us to read before it reads on.
            ready!(self.input.poll_fill(context, &mut self.stream))?;
            if ANSWERS_AHEAD.is_exceeded_by(self.input.waiting() as u64) {
                return Poll::Ready(Err(Error::TooMuch(ANSWERS_AHEAD)));
            }
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, &self.output))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                length => self.output.advance(length),
            }
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }
}
