//! Whole answers on the server.

use std::time::Duration;

use bytes::Bytes;
use redis::RedisError;

use super::{Failed, Redis};
use crate::key::Key;

/// What the server says of a value of another kind, which somebody else must have put there.
const OTHER_KIND: &str = "WRONGTYPE";

/// A time as the server tells it: seconds and µs.
type Time = (u64, u64);

impl Redis {
    /// The bytes that stand there, `most` at most and one more where there are more, and the time by the server's clock, in µs.
    pub async fn answer(&self, name: Key, most: usize) -> Result<(Option<Bytes>, u64), Failed> {
        let mut connection = self.connection()?;
        let mut asked = redis::pipe();
        asked.cmd("GETRANGE").arg(name.name(&self.prefix)).arg(0).arg(most).cmd("TIME");
        let answer = async {
            match asked.query_async::<(Vec<u8>, Time)>(&mut connection).await {
                Ok((bytes, time)) => Ok((Some(bytes).filter(|bytes| !bytes.is_empty()), micros(time))),
                // As good as bytes that mean nothing.
                Err(error) if is_of_other_kind(&error) => Ok((Some(Vec::new()), 0)),
                Err(error) => Err(error),
            }
        };
        let (bytes, time) = self.in_time(answer).await?;
        Ok((bytes.map(Bytes::from), time))
    }

    /// Keeps bytes that begin with their moment, unless some of the same or a later one stand there.
    pub async fn keep_answer(
        &self,
        name: Key,
        bytes: &[u8],
        lifetime: Duration,
        born: Option<u64>,
    ) -> Result<bool, Failed> {
        let mut call = self.keep_answer.prepare_invoke();
        call.key(name.name(&self.prefix)).arg(bytes).arg(u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX));
        call.arg(born.map(|born| born.to_string()).unwrap_or_default());
        let mut connection = self.connection()?;
        let is_kept: u64 = self.in_time(call.invoke_async(&mut connection)).await?;
        Ok(is_kept == 1)
    }

    /// What time it is there, in µs since 1970.
    pub async fn now(&self) -> Result<u64, Failed> {
        self.ask(&redis::cmd("TIME")).await.map(micros)
    }
}

fn is_of_other_kind(error: &RedisError) -> bool {
    error.clone().into_server_errors().is_some_and(|errors| errors.iter().any(|(_, error)| error.code() == OTHER_KIND))
}

fn micros((seconds, micros): Time) -> u64 {
    seconds.saturating_mul(1_000_000).saturating_add(micros)
}
