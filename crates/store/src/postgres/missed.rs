//! Why a try led to nothing, and so what can be done about it: prepare anew, try again, ask another server, or tell the client.

use wire::ServerError;

use super::failure;
use crate::error::StoreError;

/// Why a try led to nothing.
pub(super) enum Missed {
    /// Prepared statements no longer fit: they have to be prepared anew.
    Stale(StoreError),
    /// It met another transaction, and nothing of it remains.
    Collided(StoreError),
    /// The replica has not replayed what the caller has seen.
    Behind,
    /// The replica cannot do it; a primary may.
    Elsewhere,
    /// No connection to the server could be had: nothing was sent.
    Unsent(StoreError),
    /// The connection was lost when the job was on its way: it may be done, and may be what the connection was lost by.
    Lost(StoreError),
    /// For good.
    Failed(StoreError),
}

impl Missed {
    /// The error that a client is told of.
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Self::Stale(error)
            | Self::Collided(error)
            | Self::Unsent(error)
            | Self::Lost(error)
            | Self::Failed(error) => error,
            Self::Behind | Self::Elsewhere => {
                StoreError::Engine("the primary was asked what only a replica is asked".to_owned())
            }
        }
    }
}

impl From<StoreError> for Missed {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<wire::Error> for Missed {
    fn from(error: wire::Error) -> Self {
        match failure::of_connection(&error) {
            lost @ StoreError::Unreachable(_) => Self::Lost(lost),
            other => Self::Failed(other),
        }
    }
}

/// What an error of the server in answer to a job leads to; `told` is what the client would be told of it.
pub(super) fn missed_of(error: &ServerError, told: StoreError, is_on_replica: bool) -> Missed {
    if ends_the_session(error) {
        return Missed::Lost(StoreError::Unreachable(error.to_string()));
    }
    if is_stale(error) {
        return Missed::Stale(told);
    }
    if is_on_replica && is_for_primary(error) {
        return Missed::Elsewhere;
    }
    if is_collision(error) { Missed::Collided(told) } else { Missed::Failed(told) }
}

/// The server or its administrator ends the session, whatever it does. A bound that its transaction met, or what a replica
/// replays, ends sessions as well, but says something about the job.
fn ends_the_session(error: &ServerError) -> bool {
    error.is_fatal() && !failure::is_timeout(error) && !is_for_primary(error)
}

/// "cached plan must not change result type", and a statement that the server does not know any more. A function of the schema
/// may raise the same.
fn is_stale(error: &ServerError) -> bool {
    (error.code == "0A000" && error.routine.as_deref() == Some("RevalidateCachedQuery")) || error.code == "26000"
}

/// What a replica cannot do, or not now: it replays something that the read is in the way of, or only a primary writes, or
/// holds the table (one that is not logged).
fn is_for_primary(error: &ServerError) -> bool {
    matches!(error.code.as_str(), "40001" | "40P01" | "57P04" | "25006" | "0A000") || error.code.starts_with("55")
}

/// A serialization failure or a deadlock: done again, the transaction finds the other one's outcome.
fn is_collision(error: &ServerError) -> bool {
    matches!(error.code.as_str(), "40001" | "40P01")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(severity: &str, code: &str, is_on_replica: bool) -> &'static str {
        let error = ServerError { severity: severity.to_owned(), code: code.to_owned(), ..ServerError::default() };
        match missed_of(&error, StoreError::Timeout, is_on_replica) {
            Missed::Stale(_) => "stale",
            Missed::Collided(_) => "collided",
            Missed::Behind => "behind",
            Missed::Elsewhere => "elsewhere",
            Missed::Unsent(_) => "unsent",
            Missed::Lost(_) => "lost",
            Missed::Failed(_) => "failed",
        }
    }

    #[test]
    fn codes_decide_and_not_words() {
        for (severity, code, on_primary, on_replica) in [
            ("ERROR", "26000", "stale", "stale"),
            // Collisions; on a replica conflicts with what it replays.
            ("ERROR", "40001", "collided", "elsewhere"),
            ("ERROR", "40P01", "collided", "elsewhere"),
            ("FATAL", "40001", "collided", "elsewhere"),
            ("FATAL", "57P04", "failed", "elsewhere"),
            ("ERROR", "25006", "failed", "elsewhere"),
            ("ERROR", "55000", "failed", "elsewhere"),
            // Statements and transactions that took too long.
            ("ERROR", "57014", "failed", "failed"),
            ("FATAL", "25P04", "failed", "failed"),
            // The server stops, or somebody ended the session.
            ("FATAL", "57P01", "lost", "lost"),
            ("PANIC", "XX000", "lost", "lost"),
            ("ERROR", "57P01", "failed", "failed"),
            ("ERROR", "23505", "failed", "failed"),
        ] {
            assert_eq!(missed(severity, code, false), on_primary, "{severity} {code} on the primary");
            assert_eq!(missed(severity, code, true), on_replica, "{severity} {code} on a replica");
        }
    }
}
