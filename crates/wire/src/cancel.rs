use std::fmt;
use std::time::Duration;

use base::Limit;
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::error::Problem;
use crate::parameters::Keepalives;
use crate::startup::secure;
use crate::stream::{Address, Stream};
use crate::tls::Handshake;

/// What a server may answer to a cancellation, which is nothing.
const ANSWER: Limit = Limit::new("bytes answered to a cancellation", 1024);

/// Cancels the statement that a connection runs. It can be sent to another task and is cheap to clone.
#[derive(Clone)]
pub struct Canceller {
    pub(crate) address: Address,
    pub(crate) keepalives: Keepalives,
    /// As the connection itself.
    pub(crate) handshake: Option<Handshake>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) process_id: i32,
    pub(crate) secret_key: i32,
}

impl fmt::Debug for Canceller {
    /// Without the key: who has it can cancel.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller")
            .field("address", &self.address)
            .field("process_id", &self.process_id)
            .finish_non_exhaustive()
    }
}

impl Canceller {
    pub(crate) fn process_id(&self) -> i32 {
        self.process_id
    }

    /// Asks the server, over a connection of its own with TLS if the first has it, to cancel what runs now. It returns when
    /// the server has taken the request; whether that comes in time shows on the connection alone, as the error 57014.
    /// A request that comes late may meet the next statement of that connection: read the flight to its end first.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn cancel(&self) -> Result<(), Problem> {
        match self.timeout {
            None => self.request().await,
            Some(limit) => timeout(limit, self.request()).await.unwrap_or(Err(Problem::Timeout(limit))),
        }
    }

    async fn request(&self) -> Result<(), Problem> {
        let mut stream = Stream::open(&self.address, &self.keepalives).await.map_err(Problem::Unreachable)?;
        if let Some(handshake) = &self.handshake {
            stream = secure(stream, handshake).await?;
            if !stream.is_encrypted() {
                return Err(Problem::NoTls);
            }
        }
        let mut request = BytesMut::new();
        frontend::cancel_request(self.process_id, self.secret_key, &mut request);
        stream.write_all(&request).await.map_err(Problem::Unreachable)?;
        stream.flush().await.map_err(Problem::Unreachable)?;
        // The server closes once it has passed the request on. How it ends does not matter.
        let mut answer = Vec::new();
        let _ended = stream.take(ANSWER.value).read_to_end(&mut answer).await;
        Ok(())
    }
}
