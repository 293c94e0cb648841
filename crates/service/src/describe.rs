//! What the API says about itself: `OPTIONS`, and the OpenAPI document of what the caller's role may do.

use base::{Failure, QualifiedName};
use bytes::Bytes;
use catalog::{Catalog, Volatility};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use plan::PlanError;
use rest::{Action, ApiRequest, Format, Head, Reply, Target};

/// The answer to a request that is about the API and not about rows; `None` for every other. `document` gives the
/// OpenAPI document.
pub(crate) fn describe(
    request: &ApiRequest,
    catalog: &Catalog,
    document: impl FnOnce() -> Bytes,
) -> Result<Option<Described>, Failure> {
    Ok(match request.action {
        Action::Options => Some(options(request, catalog)?.into()),
        Action::Describe => Some(description(request, document)),
        Action::Read | Action::Insert | Action::Put | Action::Update | Action::Delete => None,
    })
}

/// A whole answer.
pub(crate) struct Described {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
}

impl From<Reply> for Described {
    fn from(reply: Reply) -> Self {
        Self { head: reply.head, body: reply.body }
    }
}

fn options(request: &ApiRequest, catalog: &Catalog) -> Result<Reply, Failure> {
    let names: Vec<&str> = match &request.target {
        Target::Root => vec!["GET", "HEAD"],
        Target::Relation(name) => {
            let found = catalog.relation(&QualifiedName::new(request.schema.clone(), name.as_str()));
            let relation = found.ok_or_else(|| PlanError::UnknownRelation {
                schema: request.schema.to_string(),
                name: name.clone(),
                nearest: catalog::nearest(
                    name,
                    catalog.relations_in(&request.schema).map(|relation| &*relation.name.name),
                )
                .map(str::to_owned),
            })?;
            plan::allowed_methods(relation).into_iter().filter(|method| *method != "OPTIONS").collect()
        }
        Target::Routine(name) => {
            let qualified = QualifiedName::new(request.schema.clone(), name.as_str());
            let mut named = catalog.routines_named(&qualified).peekable();
            if named.peek().is_none() {
                return Err(PlanError::UnknownRoutine {
                    schema: request.schema.to_string(),
                    name: name.clone(),
                    arguments: Vec::new(),
                    whole: None,
                    nearest: None,
                }
                .into());
            }
            if named.all(|routine| routine.volatility == Volatility::Volatile) {
                vec!["POST"]
            } else {
                vec!["GET", "HEAD", "POST"]
            }
        }
    };
    let methods: Vec<Method> = names.iter().filter_map(|name| name.parse().ok()).collect();
    Ok(rest::options(&methods))
}

fn description(request: &ApiRequest, document: impl FnOnce() -> Bytes) -> Described {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(rest::content_type(Format::OpenApi)));
    if request.names_profile
        && let Ok(schema) = HeaderValue::from_str(&request.schema)
    {
        headers.insert("content-profile", schema);
    }
    Described { head: Head { status: StatusCode::OK, headers }, body: document() }
}
