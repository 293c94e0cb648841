//! Errors of the server as answers: its own code, words, detail and hint; which status that is, `rest` knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Caller, CustomAnswer, Failure, Kind};
use plan::Unresolved;
use serde::Deserialize;
use wire::ServerError;

use crate::driver::Job;
use crate::error::{StoreError, Violation, ViolationKind};

/// An error that the server reported of a job. A name that it does not find is told as it stands in the request.
pub(super) fn of_job(error: &ServerError, job: &Job) -> StoreError {
    let found = if error.code == "42703" { unresolved(error, &job.plan.unresolved) } else { None };
    match found {
        Some(found) => Failure::from(found.error.clone()).into(),
        None => translate(error, &job.caller),
    }
}

/// An error that the server reported of a statement of the program itself: a constraint by its name, what the data forbid, or
/// what is our fault, as a table or a right that is missing.
pub(super) fn of_own(error: &ServerError) -> StoreError {
    let nobody = Caller { role: "nobody".into(), claims: Arc::default(), is_anonymous: false, key: None };
    let told = translate(error, &nobody);
    match (ViolationKind::of_code(&error.code), told) {
        (Some(kind), StoreError::Refused(failure)) => {
            let constraint = error.constraint.clone().unwrap_or_default();
            StoreError::Violated(Box::new(Violation { kind, constraint, failure: *failure }))
        }
        (None, _) if is_timeout(error) => StoreError::Timeout,
        (None, _) if error.code.starts_with("42") || error.code == "25006" => StoreError::Engine(error.to_string()),
        (_, told) => told,
    }
}

/// The name that was not found, as the server calls it: `column s0.nope does not exist`, in whatever language.
fn unresolved<'n>(error: &ServerError, names: &'n [Unresolved]) -> Option<&'n Unresolved> {
    let is_told = |found: &&Unresolved| error.message.contains(&format!("s{}.{}", found.source.0, found.name));
    // The longest: of two names one may begin like the other.
    names.iter().filter(is_told).max_by_key(|found| found.name.len())
}

/// An error that the server reported.
fn translate(error: &ServerError, caller: &Caller) -> StoreError {
    if error.code == "PGRST" {
        return custom(error).into();
    }
    let mut failure = Failure::new(kind(error, caller), error.code.clone(), error.message.clone());
    failure.details = error.detail.clone().map(base::Details::Text);
    failure.hint.clone_from(&error.hint);
    if is_timeout(error) && failure.hint.is_none() {
        failure.hint = Some(TIMEOUT_HINT.to_owned());
    }
    if error.code == "PT503" {
        failure.retry_after_seconds = Some(1);
    }
    failure.into()
}

/// `RAISE SQLSTATE 'PGRST'`: the message is the body of the answer, the detail its status and headers, both in JSON.
fn custom(error: &ServerError) -> Failure {
    #[derive(Deserialize)]
    struct Message {
        code: String,
        message: String,
        details: Option<String>,
        hint: Option<String>,
    }
    #[derive(Deserialize)]
    struct Detail {
        status: u16,
        status_text: Option<String>,
        headers: BTreeMap<String, String>,
    }
    let Ok(message) = serde_json::from_str::<Message>(&error.message) else {
        return not_json("MESSAGE", &error.message, MESSAGE_HINT);
    };
    let Some(detail) = &error.detail else {
        return not_json("DETAIL", "", DETAIL_HINT).with_details("DETAIL is missing in the RAISE statement");
    };
    let Ok(detail) = serde_json::from_str::<Detail>(detail) else {
        return not_json("DETAIL", detail, DETAIL_HINT);
    };
    let mut failure = Failure::new(Kind::BadRequest, message.code, message.message);
    failure.details = message.details.map(base::Details::Text);
    failure.hint = message.hint;
    let headers = detail.headers.into_iter().collect();
    failure.custom = Some(Box::new(CustomAnswer { status: detail.status, reason: detail.status_text, headers }));
    failure
}

const MESSAGE_HINT: &str =
    "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'.";
const DETAIL_HINT: &str =
    "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'.";

fn not_json(part: &str, found: &str, hint: &str) -> Failure {
    Failure::new(Kind::Internal, "PGRST121", "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error")
        .with_details(format!("Invalid JSON value for {part}: '{found}'"))
        .with_hint(hint)
}

/// Which of the bounds it was, the server does not say; and an administrator may end a statement as well.
const TIMEOUT_HINT: &str = "It ran into a statement_timeout (of the function, the role, the database, the server or \
     limits.statement_timeout_seconds) or was ended by an administrator; narrow it, or add an index.";

/// Whether a statement or a transaction took too long. Pando itself cancels only what nobody waits for any more.
pub(super) fn is_timeout(error: &ServerError) -> bool {
    matches!(error.code.as_str(), "57014" | "25P04")
}

/// Whether the server does not know the role that the request is to run as, in whatever language it says so: the role is checked
/// as any setting of text, and named in the message. The time zone that a client asks for is checked by the same routine; of
/// others than the role the message names the setting.
fn is_unknown_role(error: &ServerError, caller: &Caller) -> bool {
    error.routine.as_deref() == Some("call_string_check_hook")
        && error.message.contains(&*caller.role)
        && !error.message.contains("TimeZone")
}

/// The sort; the status of most codes is decided from the code itself.
fn kind(error: &ServerError, caller: &Caller) -> Kind {
    match error.code.as_str() {
        "42501" if caller.is_anonymous => Kind::Unauthenticated,
        "42501" => Kind::Forbidden,
        "22023" if is_unknown_role(error, caller) => Kind::Unauthenticated,
        "23503" | "23505" => Kind::Conflict,
        "25006" => Kind::MethodNotAllowed,
        "42883" | "42P01" => Kind::NotFound,
        _ => match error.code.get(..2) {
            Some("08" | "53") => Kind::Unavailable,
            Some("54") => Kind::TooLarge,
            _ => Kind::BadRequest,
        },
    }
}

impl From<wire::Error> for StoreError {
    fn from(error: wire::Error) -> Self {
        of_connection(&error)
    }
}

/// An error of the connection.
pub(super) fn of_connection(error: &wire::Error) -> StoreError {
    match error {
        // It starts, stops, or has ended the connection.
        wire::Error::Server(error) if error.code.starts_with("57P") => StoreError::Unreachable(error.to_string()),
        wire::Error::Server(error) => StoreError::Engine(error.to_string()),
        wire::Error::Query(what) => {
            Failure::new(Kind::TooLarge, "54000", format!("the request cannot be sent to PostgreSQL: {what}")).into()
        }
        wire::Error::TooLong { bytes, .. } => too_large(&format!("a row of {bytes} bytes")),
        wire::Error::TooMuch(_) => too_large("more bytes"),
        // What was asked for is not what the protocol is for, or not what the server keeps to: nobody else would answer better.
        wire::Error::Protocol(_) | wire::Error::Copy | wire::Error::NothingAwaited => {
            StoreError::Engine(error.to_string())
        }
        wire::Error::Io(_) | wire::Error::Closed | wire::Error::Broken => StoreError::Unreachable(error.to_string()),
    }
}

/// An answer that cannot be held in memory.
fn too_large(what: &str) -> StoreError {
    let message = format!("the answer of PostgreSQL has {what}, which is more than may be held at once");
    Failure::new(Kind::TooLarge, "54000", message).with_hint("Ask for less, or raise limits.max_buffered_bytes.").into()
}

#[cfg(test)]
mod tests {
    use base::Claims;

    use super::*;

    fn translated(code: &str, message: &str, routine: &str) -> Failure {
        let error = ServerError {
            code: code.to_owned(),
            message: message.to_owned(),
            routine: Some(routine.to_owned()),
            ..ServerError::default()
        };
        let caller =
            Caller { role: "wizard".into(), claims: Arc::new(Claims::default()), is_anonymous: false, key: None };
        translate(&error, &caller).into()
    }

    #[test]
    fn a_role_that_is_not_there_is_known_in_every_language() {
        let hook = "call_string_check_hook";
        let unknown = |message| translated("22023", message, hook).kind == Kind::Unauthenticated;
        assert!(unknown("role \"wizard\" does not exist"));
        assert!(unknown("Rolle »wizard« existiert nicht"));
        assert!(!unknown("ungültiger Wert für Parameter »TimeZone«: »wizard«"));
        assert!(!unknown("ungültiger Wert für Parameter »IntervalStyle«: »x«"));
        let raised = translated("22023", "role \"wizard\" does not exist", "exec_stmt_raise");
        assert_eq!(raised.kind, Kind::BadRequest);
    }

    #[test]
    fn timeouts_keep_their_words_and_say_whose_bound_it_may_be() {
        let ended = translated("57014", "storniere Anfrage wegen Zeitüberschreitung der Anfrage", "ProcessInterrupts");
        assert!(ended.message.starts_with("storniere"));
        assert!(ended.hint.is_some_and(|hint| hint.contains("function") && hint.contains("statement_timeout_seconds")));
    }
}
