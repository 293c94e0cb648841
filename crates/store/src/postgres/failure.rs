//! Errors of the server as answers: its own code, words, detail and hint; which status that is, `rest` knows.

use std::collections::BTreeMap;

use base::{Caller, CustomAnswer, Failure, Kind};
use plan::Unresolved;
use serde::Deserialize;
use wire::ServerError;

use crate::driver::Job;
use crate::error::StoreError;

/// An error that the server reported of a job. A name that it does not find is told as it stands in the request.
pub(super) fn of_job(error: &ServerError, job: &Job) -> StoreError {
    let found = if error.code == "42703" { unresolved(error, &job.plan.unresolved) } else { None };
    match found {
        Some(found) => Failure::from(found.error.clone()).into(),
        None => translate(error, &job.caller),
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
    if error.code == "57014" && error.message.contains("statement timeout") {
        return StoreError::Timeout;
    }
    if error.code == "PGRST" {
        return custom(error).into();
    }
    let mut failure =
        Failure::new(kind(&error.code, &error.message, caller), error.code.clone(), error.message.clone());
    failure.details = error.detail.clone().map(base::Details::Text);
    failure.hint.clone_from(&error.hint);
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
    failure.custom = Some(Box::new(CustomAnswer { status: detail.status, headers }));
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
        // It starts, stops, or has ended the connection.
        wire::Error::Server(error) if error.code.starts_with("57P") => StoreError::Unreachable(error.to_string()),
        wire::Error::Server(error) => StoreError::Engine(error.to_string()),
        wire::Error::Query(what) => {
            Failure::new(Kind::TooLarge, "54000", format!("the request cannot be sent to PostgreSQL: {what}")).into()
        }
        other => StoreError::Unreachable(other.to_string()),
    }
}
