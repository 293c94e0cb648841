//! What can be wrong with a request once its names are looked up, with PostgREST's and PostgreSQL's codes.

use base::{Details, Failure, Kind, Limit};
use catalog::DocumentFault;
use datatype::ValueError;
use rest::RawKind;
use serde_json::json;

/// Why a request cannot be planned.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PlanError {
    /// The table does not exist (PGRST205).
    #[error("Could not find the table '{schema}.{name}' in the schema cache")]
    UnknownRelation {
        /// The schema looked in.
        schema: String,
        /// The name looked for.
        name: String,
        /// The nearest existing name.
        nearest: Option<String>,
    },
    /// The function does not exist, or not with these arguments (PGRST202).
    #[error("Could not find the function {schema}.{name}{} in the schema cache", in_parentheses(arguments, *whole))]
    UnknownRoutine {
        /// The schema looked in.
        schema: String,
        /// The name looked for.
        name: String,
        /// The names of the arguments that were given.
        arguments: Vec<String>,
        /// The kind of the body, which a function may take whole.
        whole: Option<RawKind>,
        /// The nearest existing function.
        nearest: Option<String>,
    },
    /// Several functions fit (PGRST203).
    #[error("Could not choose the best candidate function between: {}", candidates.join(", "))]
    AmbiguousRoutine {
        /// Each with its arguments.
        candidates: Vec<String>,
    },
    /// A function that writes, called by a method that only reads (25006).
    #[error("cannot execute {command} in a read-only transaction")]
    ReadOnly {
        /// `INSERT`, `UPDATE` or `DELETE`.
        command: &'static str,
    },
    /// `max-affected` on a function that gives no rows (PGRST128).
    #[error("Function must return SETOF or TABLE when max-affected preference is used with handling=strict")]
    GuardWithoutSet,
    /// Nothing that the client accepts can be given (PGRST107).
    #[error("None of these media types are available: {0}")]
    NotAcceptable(String),
    /// A body that is to be text and is not (22021).
    #[error("invalid byte sequence for encoding \"UTF8\"")]
    NotText,
    /// A function that a policy calls is not there (42883).
    #[error("function {0} does not exist")]
    NoSuchFunction(String),
    /// The column does not exist (42703).
    #[error("column {qualifier}.{column} does not exist")]
    UnknownColumn {
        /// How the relation is called at this level.
        qualifier: String,
        /// The name looked for.
        column: String,
        /// Existing names that are near.
        similar: Vec<String>,
    },
    /// A column of the body or of `columns` does not exist (PGRST204).
    #[error("Could not find the '{column}' column of '{relation}' in the schema cache")]
    UnknownPayloadColumn {
        /// The relation.
        relation: String,
        /// The name looked for.
        column: String,
    },
    /// A document does not fit the JSON Schema of its column (23514).
    #[error("{}", document_message(relation, column, faults.first()))]
    Document {
        /// The relation.
        relation: String,
        /// The column.
        column: String,
        /// What is wrong, one thing at least.
        faults: Vec<DocumentFault>,
    },
    /// What is to be a JSON Schema is none, so nothing can be written that it would be about.
    #[error("{0}")]
    NoDocumentSchema(String),
    /// A column of `on_conflict` does not exist (42703).
    #[error("column \"{0}\" does not exist")]
    UnknownConflictColumn(String),
    /// No unique constraint fits `on_conflict` (42P10).
    #[error("there is no unique or exclusion constraint matching the ON CONFLICT specification")]
    NoConflictTarget,
    /// A type does not exist (42704).
    #[error("type \"{0}\" does not exist")]
    UnknownType(String),
    /// A cast that PostgreSQL does not have (42846).
    #[error("cannot cast type {from} to {to}")]
    ImpossibleCast {
        /// The type at hand.
        from: String,
        /// The type asked for.
        to: String,
    },
    /// An operator that the type does not have (42883).
    #[error("operator does not exist: {left} {operator} unknown")]
    UnknownOperator {
        /// The operand's type.
        left: String,
        /// PostgreSQL's spelling of the operator.
        operator: &'static str,
    },
    /// A step into what has no members: text, also text that an arrow before has made (42883).
    #[error("operator does not exist: {from} {operator} {step}")]
    UnknownStep {
        /// The type that is stepped into.
        from: String,
        /// `->` or `->>`.
        operator: &'static str,
        /// The type of a key or a place in an array, as the server calls them.
        step: &'static str,
    },
    /// An aggregate that the type does not have (42883).
    #[error("function {function}({argument}) does not exist")]
    UnknownAggregate {
        /// The function.
        function: &'static str,
        /// The operand's type.
        argument: String,
    },
    /// `is.true` on something that is not a boolean (42804).
    #[error("argument of IS {wanted} must be type boolean, not type {found}")]
    NotBoolean {
        /// TRUE, FALSE or UNKNOWN.
        wanted: &'static str,
        /// The operand's type.
        found: String,
    },
    /// A column outside of the groups (42803).
    #[error("column \"{0}\" must appear in the GROUP BY clause or be used in an aggregate function")]
    NotGrouped(String),
    /// Two embeds want the same name (42712).
    #[error("table name \"{0}\" specified more than once")]
    DuplicateEmbed(String),
    /// A value does not fit its type.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// No relationship leads there (PGRST200).
    #[error("Could not find a relationship between '{from}' and '{to}' in the schema cache")]
    NoRelationship {
        /// The relation at this level.
        from: String,
        /// What was to be embedded.
        to: String,
        /// The hint given.
        hint: Option<String>,
        /// The schema.
        schema: String,
        /// The nearest relation that could be named, and in whose place.
        nearest: Option<(String, String)>,
    },
    /// Several relationships lead there (PGRST201).
    #[error("Could not embed because more than one relationship was found for '{from}' and '{to}'")]
    AmbiguousRelationship {
        /// The relation at this level.
        from: String,
        /// What was to be embedded.
        to: String,
        /// Each candidate: cardinality, description, hint.
        candidates: Vec<(&'static str, String, String)>,
    },
    /// A filter, order or limit names an embed that is not selected (PGRST108).
    #[error("'{0}' is not an embedded resource in this request")]
    NotEmbedded(String),
    /// Ordering by an embed that has many rows (PGRST118).
    #[error("A related order on '{to}' is not possible")]
    RelatedOrder {
        /// The relation at this level.
        from: String,
        /// The embed.
        to: String,
    },
    /// Aggregates are switched off (PGRST123).
    #[error("Use of aggregate functions is not allowed")]
    AggregatesDisabled,
    /// An aggregate inside a spread of many rows (PGRST127).
    #[error("Feature not implemented")]
    SpreadAggregate,
    /// `PUT` without exactly the primary key as filters (PGRST105).
    #[error("Filters must include all and only primary key columns with 'eq' operators")]
    PutFilters,
    /// `PUT` whose body disagrees with its URL (PGRST115).
    #[error("Payload values do not match URL in primary key column(s)")]
    PutMismatch,
    /// A value for a column that is always computed (428C9).
    #[error("{message}")]
    GeneratedColumn {
        /// PostgreSQL's sentence.
        message: String,
        /// Why the column cannot be given.
        details: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A view that cannot be written through (55000).
    #[error("cannot {verb} view \"{view}\"")]
    NotUpdatable {
        /// `insert into`, `update` or `delete from`.
        verb: &'static str,
        /// The view.
        view: String,
    },
    /// The role lacks a privilege (42501).
    #[error("permission denied for {kind} {relation}")]
    PermissionDenied {
        /// `table`, `view` or `schema`.
        kind: &'static str,
        /// The relation.
        relation: String,
        /// Whether nobody is signed in.
        is_anonymous: bool,
    },
    /// A policy that reads its own table (42P17).
    #[error("infinite recursion detected in policy for relation \"{0}\"")]
    PolicyRecursion(String),
    /// A time zone that does not exist (22023).
    #[error("invalid value for parameter \"TimeZone\": \"{0}\"")]
    UnknownTimeZone(String),
    /// A bound on the request's shape (PANDO413).
    #[error("The request is too large: {found} {what}, at most {} are allowed", limit.value)]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// The bound.
        limit: Limit,
    },
    /// Something that only PostgreSQL can do (0A000).
    #[error("{what} is not available on the embedded engine")]
    NotSupported {
        /// What.
        what: String,
        /// What to do instead.
        instead: String,
    },
    /// Something that Pando does on no engine (0A000).
    #[error("{what} is not supported")]
    Unsupported {
        /// What.
        what: String,
        /// What to do instead.
        instead: String,
    },
}

/// `(a, b)` for a message that names the arguments; a body that is taken whole has none.
fn in_parentheses(arguments: &[String], whole: Option<RawKind>) -> String {
    match (arguments, whole) {
        (_, Some(RawKind::Text | RawKind::Xml | RawKind::Bytes)) => String::new(),
        ([], _) => " without parameters".to_owned(),
        (named, _) => format!("({})", named.join(", ")),
    }
}

/// What was looked for, in PostgREST's words.
fn parameters(arguments: &[String], whole: Option<RawKind>) -> String {
    let single = |kind: RawKind| match kind {
        RawKind::Json => "json/jsonb",
        RawKind::Text => "text",
        RawKind::Xml => "xml",
        RawKind::Bytes => "bytea",
    };
    let named = match arguments {
        [] => "without parameters".to_owned(),
        [only] => format!("with parameter {only}"),
        several => format!("with parameters {}", several.join(", ")),
    };
    match whole {
        Some(RawKind::Json) => format!("{named} or with a single unnamed {} parameter", single(RawKind::Json)),
        Some(kind) => format!("with a single unnamed {} parameter", single(kind)),
        None => named,
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        use PlanError as E;
        let message = error.to_string();
        let bad = |code: &'static str| Self::new(Kind::BadRequest, code, message.clone());
        match error {
            E::UnknownRelation { schema, nearest, .. } => {
                let mut failure = Self::new(Kind::NotFound, "PGRST205", message);
                failure.hint = nearest.map(|name| format!("Perhaps you meant the table '{schema}.{name}'"));
                failure
            }
            E::UnknownRoutine { schema, name, arguments, whole, nearest } => {
                let parameters = parameters(&arguments, whole);
                let mut failure = Self::new(Kind::NotFound, "PGRST202", message).with_details(format!(
                    "Searched for the function {schema}.{name} {parameters}, but no matches were found in the schema cache."
                ));
                failure.hint =
                    nearest.map(|nearest| format!("Perhaps you meant to call the function {schema}.{nearest}"));
                failure
            }
            E::AmbiguousRoutine { .. } => Self::new(Kind::Ambiguous, "PGRST203", message).with_hint(
                "Try renaming the parameters or the function itself in the database so function overloading can be \
                 resolved",
            ),
            E::ReadOnly { .. } => Self::new(Kind::MethodNotAllowed, "25006", message),
            E::GuardWithoutSet => bad("PGRST128"),
            E::NotAcceptable(_) => Self::new(Kind::NotAcceptable, "PGRST107", message),
            E::NotText => bad("22021"),
            E::NoSuchFunction(_) => bad("42883"),
            E::UnknownColumn { qualifier, similar, .. } => {
                let mut failure = bad("42703");
                failure.hint = column_hint(&qualifier, &similar);
                failure
            }
            E::UnknownPayloadColumn { .. } => bad("PGRST204"),
            E::UnknownConflictColumn(_) => bad("42703"),
            E::NoConflictTarget => bad("42P10"),
            E::UnknownType(_) => bad("42704"),
            E::ImpossibleCast { .. } => bad("42846"),
            E::UnknownOperator { .. } | E::UnknownStep { .. } => bad("42883").with_hint(
                "No operator matches the given name and argument types. You might need to add explicit type casts.",
            ),
            E::UnknownAggregate { .. } => bad("42883").with_hint(
                "No function matches the given name and argument types. You might need to add explicit type casts.",
            ),
            E::NotBoolean { .. } => bad("42804"),
            E::NotGrouped(_) => bad("42803"),
            E::DuplicateEmbed(_) => bad("42712"),
            E::Value(value) => value.into(),
            E::Document { faults, .. } => bad("23514").with_details(document_details(&faults)),
            E::NoDocumentSchema(problem) => Failure::internal(problem),
            E::NoRelationship { from, to, hint, schema, nearest } => {
                let using = hint.map_or_else(String::new, |hint| format!(" using the hint '{hint}'"));
                let mut failure = bad("PGRST200").with_details(format!(
                    "Searched for a foreign key relationship between '{from}' and '{to}'{using} in the schema '{schema}', but no matches were found."
                ));
                failure.hint =
                    nearest.map(|(found, named)| format!("Perhaps you meant '{found}' instead of '{named}'."));
                failure
            }
            E::AmbiguousRelationship { from, to, candidates } => ambiguous(message, &from, &to, &candidates),
            E::NotEmbedded(name) => {
                bad("PGRST108").with_hint(format!("Verify that '{name}' is included in the 'select' query parameter."))
            }
            E::RelatedOrder { from, to } => bad("PGRST118")
                .with_details(format!("'{from}' and '{to}' do not form a many-to-one or one-to-one relationship")),
            E::AggregatesDisabled => bad("PGRST123"),
            E::SpreadAggregate => {
                bad("PGRST127").with_details("Aggregates are not implemented for one-to-many or many-to-many spreads.")
            }
            E::PutFilters => Self::new(Kind::MethodNotAllowed, "PGRST105", message),
            E::PutMismatch => bad("PGRST115"),
            E::GeneratedColumn { details, hint, .. } => {
                let mut failure = bad("428C9").with_details(details);
                failure.hint = hint;
                failure
            }
            E::NotUpdatable { .. } => Self::new(Kind::Internal, "55000", message)
                .with_details("The view is not a plain selection of one table's columns and rows.")
                .with_hint("Write to the table behind the view."),
            E::PermissionDenied { is_anonymous, .. } => {
                Self::new(if is_anonymous { Kind::Unauthenticated } else { Kind::Forbidden }, "42501", message)
            }
            E::PolicyRecursion(_) => Self::new(Kind::Internal, "42P17", message),
            E::UnknownTimeZone(_) => bad("22023"),
            E::TooLarge { what: "rows in the body", limit, .. } => {
                Self::new(Kind::TooLarge, "PANDO413", message).with_hint(format!("The bound is the setting {limit}."))
            }
            E::TooLarge { limit, .. } => {
                Self::new(Kind::BadRequest, "PANDO400", message).with_hint(format!("The bound is the setting {limit}."))
            }
            E::NotSupported { instead, .. } | E::Unsupported { instead, .. } => {
                Self::new(Kind::NotSupported, "0A000", message).with_hint(instead)
            }
        }
    }
}

fn column_hint(qualifier: &str, similar: &[String]) -> Option<String> {
    match similar {
        [] => None,
        names => {
            let named: Vec<String> = names.iter().map(|name| format!("the column \"{qualifier}.{name}\"")).collect();
            Some(format!("Perhaps you meant to reference {}.", named.join(" or ")))
        }
    }
}

fn ambiguous(message: String, from: &str, to: &str, candidates: &[(&'static str, String, String)]) -> Failure {
    let details: Vec<serde_json::Value> = candidates
        .iter()
        .map(|(cardinality, relationship, _)| {
            json!({
                "cardinality": cardinality,
                "embedding": format!("{from} with {to}"),
                "relationship": relationship,
            })
        })
        .collect();
    let hints: Vec<String> = candidates.iter().map(|(_, _, hint)| format!("'{to}!{hint}'")).collect();
    let mut failure = Failure::new(Kind::Ambiguous, "PGRST201", message).with_hint(format!(
        "Try changing '{to}' to one of the following: {}. Find the desired relationship in the 'details' key.",
        hints.join(", ")
    ));
    failure.details = Some(Details::Json(serde_json::Value::Array(details)));
    failure
}
/// What is said of a document that does not fit: the first thing that is wrong with it.
pub(crate) fn document_message(relation: &str, column: &str, fault: Option<&DocumentFault>) -> String {
    let mut message = format!("column \"{column}\" of relation \"{relation}\" violates its JSON Schema");
    if let Some(DocumentFault { pointer, message: fault }) = fault {
        if !pointer.is_empty() {
            message.push_str(&format!(" at \"{pointer}\""));
        }
        message.push_str(": ");
        message.push_str(fault);
    }
    message
}

/// Everything that is wrong with a document, in one text.
fn document_details(faults: &[DocumentFault]) -> String {
    let told = faults.iter().map(|DocumentFault { pointer, message }| format!("\"{pointer}\": {message}"));
    told.collect::<Vec<_>>().join("; ")
}
