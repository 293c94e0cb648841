//! Errors of the server as answers: its own code, words, detail and hint; which status that is, `rest` knows.

use base::{Caller, Failure, Kind};
use wire::ServerError;

use crate::error::StoreError;

/// An error that the server reported.
pub(super) fn translate(error: &ServerError, caller: &Caller) -> StoreError {
    if error.code == "57014" && error.message.contains("statement timeout") {
        return StoreError::Timeout;
    }
    let mut failure =
        Failure::new(kind(&error.code, &error.message, caller), error.code.clone(), error.message.clone());
    failure.details = error.detail.clone().map(base::Details::Text);
    failure.hint.clone_from(&error.hint);
    failure.into()
}

/// The sort; the status of most codes is decided from the code itself.
fn kind(code: &str, message: &str, caller: &Caller) -> Kind {
    match code {
        "42501" if caller.is_anonymous => Kind::Unauthenticated,
        "42501" => Kind::Forbidden,
        "22023" if message.starts_with("role") && message.ends_with("does not exist") => Kind::Unauthenticated,
        "23503" | "23505" => Kind::Conflict,
        "25006" => Kind::MethodNotAllowed,
        "42883" | "42P01" => Kind::NotFound,
        _ => match code.get(..2) {
            Some("08" | "53") => Kind::Unavailable,
            Some("54") => Kind::TooLarge,
            _ => Kind::BadRequest,
        },
    }
}

/// An error of the connection.
pub(super) fn of_connection(error: &wire::Error) -> StoreError {
    match error {
        wire::Error::Server(error) => StoreError::Engine(error.to_string()),
        wire::Error::Query(what) => {
            Failure::new(Kind::TooLarge, "54000", format!("the request cannot be sent to PostgreSQL: {what}")).into()
        }
        other => StoreError::Unreachable(other.to_string()),
    }
}
