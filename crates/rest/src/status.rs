//! The only place that turns a failure into an HTTP status.

use base::{Failure, Kind};
use http::StatusCode;

use crate::told::answer_status;

/// The status of a failure: by its PostgREST code, by its SQLSTATE as PostgREST documents it, or by its kind.
pub fn status(failure: &Failure) -> StatusCode {
    if let Some(custom) = failure.custom.as_ref().and_then(|custom| answer_status(custom.status)) {
        return custom;
    }
    let by_code = match failure.kind {
        // Who asks decides these two, not what was violated: 42501 is 401 for the anonymous role and 403 for others.
        Kind::Unauthenticated | Kind::Forbidden => None,
        _ => of_postgrest_code(&failure.code)
            .or_else(|| of_pando_code(&failure.code))
            .or_else(|| of_sqlstate(&failure.code, &failure.message)),
    };
    by_code.unwrap_or_else(|| of_kind(failure.kind))
}

/// The words beside the status, where the schema raised them: the `status_text` of `PGRST`, the message of `PTnnn`.
pub(crate) fn reason(failure: &Failure) -> Option<String> {
    match &failure.custom {
        Some(custom) => custom.reason.clone(),
        None => failure.code.starts_with("PT").then(|| failure.message.clone()),
    }
}

fn of_kind(kind: Kind) -> StatusCode {
    match kind {
        // Nothing is wrong with the server when a client asks for what it does not offer: PGRST127 is a 400 as well.
        Kind::BadRequest | Kind::NotSupported => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Ambiguous => StatusCode::MULTIPLE_CHOICES,
        Kind::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// PostgREST's own codes (its documentation, "Errors").
fn of_postgrest_code(code: &str) -> Option<StatusCode> {
    Some(match code.strip_prefix("PGRST")? {
        "000" | "001" | "002" => StatusCode::SERVICE_UNAVAILABLE,
        "003" => StatusCode::GATEWAY_TIMEOUT,
        "100" | "102" | "108" | "114" | "115" | "118" | "120" | "122" | "123" | "124" | "127" | "128" => {
            StatusCode::BAD_REQUEST
        }
        "101" | "105" | "117" => StatusCode::METHOD_NOT_ALLOWED,
        "103" => StatusCode::RANGE_NOT_SATISFIABLE,
        "106" | "107" | "116" => StatusCode::NOT_ACCEPTABLE,
        "111" | "112" | "121" => StatusCode::INTERNAL_SERVER_ERROR,
        "125" | "126" => StatusCode::NOT_FOUND,
        "200" | "204" => StatusCode::BAD_REQUEST,
        "201" | "203" => StatusCode::MULTIPLE_CHOICES,
        "202" | "205" => StatusCode::NOT_FOUND,
        "300" => StatusCode::INTERNAL_SERVER_ERROR,
        "301" | "302" | "303" => StatusCode::UNAUTHORIZED,
        _ => return None,
    })
}

/// Codes whose number is a status that no kind stands for.
fn of_pando_code(code: &str) -> Option<StatusCode> {
    Some(match code {
        "PANDO412" => StatusCode::PRECONDITION_FAILED,
        "PANDO414" => StatusCode::URI_TOO_LONG,
        "PANDO422" => StatusCode::UNPROCESSABLE_ENTITY,
        _ => return None,
    })
}

/// PostgreSQL's codes (PostgREST's documentation, "Errors from PostgreSQL").
fn of_sqlstate(code: &str, message: &str) -> Option<StatusCode> {
    if code.len() != 5 || !code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
        return None;
    }
    if let Some(custom) = code.strip_prefix("PT") {
        // A function may raise SQLSTATE 'PTnnn' to answer with that status.
        let custom = custom.parse().ok().and_then(answer_status);
        return Some(custom.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    }
    Some(match code {
        // Decided by the kind.
        "42501" => return None,
        "23503" | "23505" => StatusCode::CONFLICT,
        "25006" => StatusCode::METHOD_NOT_ALLOWED,
        "21000" if message.ends_with("requires a WHERE clause") => StatusCode::BAD_REQUEST,
        "22023" if message.starts_with("role") && message.ends_with("does not exist") => StatusCode::UNAUTHORIZED,
        "42883" if message.starts_with("function xmlagg(") => StatusCode::NOT_ACCEPTABLE,
        "42883" | "42P01" => StatusCode::NOT_FOUND,
        "42P17" | "53400" | "21000" => StatusCode::INTERNAL_SERVER_ERROR,
        "57P01" => StatusCode::SERVICE_UNAVAILABLE,
        "P0001" => StatusCode::BAD_REQUEST,
        _ => match code.get(..2)? {
            "08" | "53" => StatusCode::SERVICE_UNAVAILABLE,
            "0L" | "0P" | "28" => StatusCode::FORBIDDEN,
            "54" => StatusCode::PAYLOAD_TOO_LARGE,
            "09" | "25" | "2D" | "38" | "39" | "3B" | "40" | "55" | "57" | "58" | "F0" | "HV" | "P0" | "XX" => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::BAD_REQUEST,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_as_recorded() {
        for (kind, code, message, expected) in [
            (Kind::BadRequest, "PGRST100", "", 400),
            (Kind::RangeNotSatisfiable, "PGRST103", "", 416),
            (Kind::BadRequest, "PGRST105", "", 405),
            (Kind::NotAcceptable, "PGRST116", "", 406),
            (Kind::NotFound, "PGRST125", "", 404),
            (Kind::Ambiguous, "PGRST201", "", 300),
            (Kind::NotFound, "PGRST205", "", 404),
            (Kind::Internal, "PGRST300", "", 500),
            (Kind::Unauthenticated, "PGRST303", "JWT expired", 401),
            (Kind::Unauthenticated, "42501", "permission denied for table payroll", 401),
            (Kind::Forbidden, "42501", "permission denied for table payroll", 403),
            (Kind::Conflict, "23505", "", 409),
            (Kind::Conflict, "23503", "", 409),
            (Kind::BadRequest, "23502", "", 400),
            (Kind::BadRequest, "23514", "", 400),
            (Kind::BadRequest, "22P02", "", 400),
            (Kind::BadRequest, "22023", "invalid value for parameter \"TimeZone\": \"Mars\"", 400),
            (Kind::BadRequest, "22023", "role \"wizard\" does not exist", 401),
            (Kind::BadRequest, "42703", "", 400),
            (Kind::BadRequest, "42883", "operator does not exist", 404),
            (Kind::BadRequest, "21000", "ON CONFLICT DO UPDATE command cannot affect row a second time", 500),
            (Kind::BadRequest, "55000", "", 500),
            (Kind::BadRequest, "PT402", "", 402),
            (Kind::BadRequest, "PT101", "", 500),
            (Kind::BadRequest, "0A000", "", 400),
            (Kind::NotSupported, "PANDO400", "", 400),
            (Kind::TooLarge, "PANDO413", "", 413),
            (Kind::Conflict, "PANDO409", "", 409),
            (Kind::Conflict, "PANDO412", "", 412),
            (Kind::TooLarge, "PANDO414", "", 414),
            (Kind::BadRequest, "PANDO422", "", 422),
            (Kind::RateLimited, "PANDO429", "", 429),
            (Kind::Unavailable, "PANDO503", "", 503),
            (Kind::Timeout, "PGRST003", "", 504),
            (Kind::Internal, "PANDO500", "", 500),
        ] {
            let failure = Failure::new(kind, code, message);
            assert_eq!(status(&failure).as_u16(), expected, "{kind:?} {code}");
        }
    }
}
