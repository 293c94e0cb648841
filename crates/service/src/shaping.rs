//! From what running gave to an answer. Pure, so that an answer can be made before it is known that it will be sent.

use base::Failure;
use rest::{ApiRequest, Head, Outcome};
use store::{Body, Ran};

/// What the plan says about the answer.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// Whether duplicates could be looked for.
    resolves: bool,
    /// Whether a function was called that gives nothing.
    is_void: bool,
    /// `Content-Type`, where it is not that of the request's format.
    media_type: Option<String>,
    /// Whether the plan itself is the answer.
    is_explained: bool,
}

impl Planned {
    pub(crate) fn of(plan: &plan::Plan) -> Self {
        Self {
            resolves: plan.operation.resolves_duplicates(),
            is_void: plan.shape.is_void,
            media_type: plan.media_type.as_deref().map(str::to_owned),
            is_explained: plan.explain.is_some(),
        }
    }
}

/// Status and headers for an outcome, and the body as it is.
pub(crate) fn shape(request: &ApiRequest, ran: Ran, planned: Planned) -> Result<(Head, Body), Failure> {
    let Planned { resolves, is_void, media_type, is_explained } = planned;
    let outcome = Outcome {
        rows: ran.rows,
        total: ran.total,
        inserted: ran.inserted,
        location: ran.location,
        is_void,
        resolution_applied: resolves,
        set_headers: ran.reply.headers,
        set_status: ran.reply.status,
        media_type,
        is_explained,
    };
    let head = rest::head(request, &outcome)?;
    Ok((head, ran.body))
}
