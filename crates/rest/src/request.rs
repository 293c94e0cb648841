//! The typed request: everything a client said, nothing of it believed yet. Names are only text here; `plan`
//! looks them up in the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::preferences::Preferences;

/// The steps from the top level to an embedded relation, as `clients.orders` in `clients.orders.limit=1`.
/// Empty for the top level. A step is an alias or a relation's name.
pub type EmbedPath = Vec<String>;

/// One request in the PostgREST dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiRequest {
    /// What to do.
    pub action: Action,
    /// With what.
    pub target: Target,
    /// The schema asked for by `Accept-Profile` or `Content-Profile`; otherwise the first exposed one.
    pub schema: Arc<str>,
    /// Whether the schema was asked for by a header, or several are exposed: the answer then names it (`Content-Profile`).
    pub names_profile: bool,
    /// Whether only headers are wanted (`HEAD`).
    pub is_head: bool,
    /// `select`; empty means every column.
    pub select: Arc<[SelectItem]>,
    /// Filters and logic trees in the order of the query string; all of them must hold.
    pub conditions: Vec<PlacedCondition>,
    /// `order`, per level.
    pub order: Vec<(EmbedPath, Vec<OrderTerm>)>,
    /// `limit` and `offset`, per level; the header `Range` is merged into the top level.
    pub ranges: BTreeMap<EmbedPath, RowRange>,
    /// `columns`, for writes.
    pub columns: Option<Vec<String>>,
    /// `on_conflict`, for upserts.
    pub on_conflict: Option<Vec<String>>,
    /// The header `Prefer`.
    pub preferences: Preferences,
    /// The negotiated form of the answer's body.
    pub format: Format,
    /// The media types that the client accepts, best first: the schema may give one that only it knows. Empty where the
    /// answer has no form to choose.
    pub accepts: Vec<Accepted>,
    /// The body, for writes.
    pub payload: Payload,
    /// The query string made canonical (parameters sorted, values encoded): for `Content-Location`.
    pub canonical_query: String,
}

impl ApiRequest {
    /// Whether the body is made. For `HEAD` as well, since its headers tell of it (`ETag`, the length); not for one that asks for a
    /// count, which is how clients ask for nothing else (RFC 9110 section 9.3.2 lets it leave out what only a body tells).
    pub fn wants_body(&self) -> bool {
        !self.is_head || self.preferences.count.is_none()
    }
}

/// What the request wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `GET` or `HEAD` on a relation.
    Read,
    /// `POST` on a relation.
    Insert,
    /// `PUT` on a relation: one row, found by its primary key.
    Put,
    /// `PATCH` on a relation.
    Update,
    /// `DELETE` on a relation.
    Delete,
    /// `GET`, `HEAD` on the root: the description of the API.
    Describe,
    /// `OPTIONS`: which methods the target takes.
    Options,
}

impl Action {
    /// Whether rows are written.
    pub fn writes(self) -> bool {
        matches!(self, Self::Insert | Self::Put | Self::Update | Self::Delete)
    }
}

/// What the path names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// `/`
    Root,
    /// `/name`
    Relation(String),
    /// `/rpc/name`
    Routine(String),
}

/// The form of the body that the client accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `application/json` and `application/vnd.pgrst.array+json`: an array of rows. The flag says whether members
    /// that are null are left out (`;nulls=stripped`).
    Array {
        /// Leave out members that are null, at every depth.
        strip_nulls: bool,
    },
    /// `application/vnd.pgrst.object+json`: exactly one row.
    Object {
        /// Leave out members that are null, at every depth.
        strip_nulls: bool,
    },
    /// `text/csv` with a header line.
    Csv,
    /// `application/openapi+json`, on the root only.
    OpenApi,
    /// `application/geo+json`: a collection of features, each made of a row by PostGIS.
    GeoJson,
    /// A media type of the schema's own: the bytes of the only value, as a function gave it.
    Raw,
    /// How a statement is executed, line by line as the server tells it.
    Plan,
}

/// A media type that the client accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Type and subtype in lower case; of a plan, those of what it is the plan for.
    pub name: String,
    /// The form of the dialect's own that it stands for.
    pub format: Option<Format>,
    /// Of a plan: how it is wanted.
    pub explain: Option<Explain>,
}

/// How the plan of a request is wanted: `application/vnd.pgrst.plan+json; options=analyze|verbose`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Explain {
    /// `+json`; `+text` otherwise.
    pub is_json: bool,
    /// Which options are named, in the order of [`ExplainOption::ALL`].
    pub options: [bool; ExplainOption::ALL.len()],
}

/// What a plan may tell besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of EXPLAIN's options")]
pub enum ExplainOption {
    Analyze,
    Verbose,
    Settings,
    Buffers,
    Wal,
}

impl ExplainOption {
    /// All of them, in the order in which answers name them.
    pub const ALL: [Self; 5] = [Self::Analyze, Self::Verbose, Self::Settings, Self::Buffers, Self::Wal];

    /// Its name in the header `Accept`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Analyze => "analyze",
            Self::Verbose => "verbose",
            Self::Settings => "settings",
            Self::Buffers => "buffers",
            Self::Wal => "wal",
        }
    }
}

impl Explain {
    /// The options that are named.
    pub fn named(self) -> impl Iterator<Item = ExplainOption> {
        ExplainOption::ALL.into_iter().zip(self.options).filter_map(|(option, is_named)| is_named.then_some(option))
    }
}

/// A column, or a path into a JSON column: `data->a->>b`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldName {
    /// The column as the client spelt it; `*` for every column.
    pub column: String,
    /// The path into it; empty for the column itself.
    pub path: Vec<PathStep>,
}

/// One step of a JSON path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathStep {
    /// Where it goes.
    pub target: PathTarget,
    /// `->>`: the outcome is text instead of JSON.
    pub as_text: bool,
}

/// Where a step of a JSON path goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathTarget {
    /// A member of an object.
    Key(String),
    /// An element of an array; negative counts from its end.
    Index(i64),
}

/// An aggregate function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum Aggregate {
    Count,
    Sum,
    Avg,
    Max,
    Min,
}

impl Aggregate {
    /// Its name in SQL and in the answer.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Max => "max",
            Self::Min => "min",
        }
    }
}

/// One item of `select`.
#[derive(Debug, Clone, PartialEq)]
pub enum SelectItem {
    /// A column, a JSON path or an aggregate.
    Field {
        /// What is selected; `None` only for a bare `count()`.
        field: Option<FieldName>,
        /// The name in the answer.
        alias: Option<String>,
        /// `::type`, applied to the field, before an aggregate.
        cast: Option<String>,
        /// The aggregate function around it.
        aggregate: Option<Aggregate>,
        /// `::type`, applied to the aggregate's outcome.
        aggregate_cast: Option<String>,
    },
    /// Rows of another relation.
    Embed(Embed),
}

/// Rows of another relation: `alias:relation!hint!inner(select)` or, spread into the row around it, `...relation(select)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Embed {
    /// The relation, the foreign key column or the constraint, as the client spelt it.
    pub relation: String,
    /// The name in the answer.
    pub alias: Option<String>,
    /// What disambiguates the relationship: a constraint, a column or a join table.
    pub hint: Option<String>,
    /// `!inner` or `!left`.
    pub join: Option<Join>,
    /// Whether its members go into the row around it (`...`).
    pub is_spread: bool,
    /// What is selected of it. Empty selects nothing (`relation()`), `*` everything.
    pub select: Vec<SelectItem>,
}

/// How an embed bears on the rows around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Join {
    /// Rows without a match disappear.
    Inner,
    /// Rows without a match stay: the default.
    Left,
}

/// A condition with the level that it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedCondition {
    /// The level.
    pub path: EmbedPath,
    /// What must hold there.
    pub condition: Condition,
}

/// A filter or a tree of filters.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// `column=operator.value`
    Filter(Filter),
    /// `and=(...)`, `or=(...)`, `not.and=(...)`, `not.or=(...)`
    Logic {
        /// Whether the whole tree is negated.
        is_negated: bool,
        /// Whether one must hold (`or`) instead of all (`and`).
        is_or: bool,
        /// The branches; never empty.
        children: Vec<Condition>,
    },
}

/// One comparison of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// What is compared. Without a JSON path it may also name an embed (`clients=not.is.null`).
    pub field: FieldName,
    /// `not.`
    pub is_negated: bool,
    /// The comparison.
    pub operation: Operation,
}

/// A comparison as the client wrote it; the values are text until their column's type is known.
///
/// To add an operator: its variant here, its spelling in `grammar/filter.rs`, its meaning in `plan/src/filter.rs`.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// `eq`, `gt`, `like`, ... with one value, or with a list of which any or all must fit.
    Compare {
        /// Which comparison.
        comparison: Comparison,
        /// `(any)` or `(all)`: the value is then an array literal `{a,b}`.
        quantifier: Option<Quantifier>,
        /// The value. `*` in patterns already stands as `%`.
        value: String,
    },
    /// `in.(a,b)`
    In(Vec<String>),
    /// `is.null`
    Is(IsValue),
    /// `isdistinct.value`
    IsDistinct(String),
    /// An operator that only PostgreSQL has: `cs`, `cd`, `ov`, `sl`, `sr`, `nxr`, `nxl`, `adj`.
    PostgresOnly {
        /// Its spelling in the URL.
        operator: &'static str,
        /// The value.
        value: String,
    },
    /// `fts`, `plfts`, `phfts`, `wfts`, with an optional configuration in parentheses.
    FullText {
        /// Its spelling in the URL.
        operator: &'static str,
        /// The text search configuration.
        language: Option<String>,
        /// The query.
        value: String,
    },
}

/// The comparisons that take a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `eq`
    Equal,
    /// `neq`
    NotEqual,
    /// `gt`
    Greater,
    /// `gte`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `lte`
    LessOrEqual,
    /// `like`
    Like,
    /// `ilike`
    ILike,
    /// `match`
    Match,
    /// `imatch`
    IMatch,
}

/// Whether any or all of the values must fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// `(any)`
    Any,
    /// `(all)`
    All,
}

/// What `is` compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IsValue {
    /// `is.null`
    Null,
    /// `is.not_null`
    NotNull,
    /// `is.true`
    True,
    /// `is.false`
    False,
    /// `is.unknown`
    Unknown,
}

/// One term of `order`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderTerm {
    /// The embedded to-one relation whose column orders these rows: `clients(name)`.
    pub relation: Option<String>,
    /// What orders.
    pub field: FieldName,
    /// `desc`; ascending otherwise.
    pub is_descending: bool,
    /// `nullsfirst` (true) or `nullslast` (false); PostgreSQL's default when absent: last ascending, first descending.
    pub nulls_first: Option<bool>,
}

/// `limit` and `offset` of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowRange {
    /// The most rows.
    pub limit: Option<u64>,
    /// How many rows are left out first.
    pub offset: u64,
}

/// The body of a write, cut into rows of cells and otherwise untouched.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Payload {
    /// The names found: keys of the first object, or the header of the CSV. Not yet looked up, each once.
    pub columns: Vec<Arc<str>>,
    /// A row's cells, aligned with `columns`; a row may lack cells only where `columns=` named them.
    pub rows: Vec<Vec<Cell>>,
    /// Whether the body was an array: of objects, or CSV. A single object otherwise.
    pub is_array: bool,
    /// Of a call of a routine: the body as it came, for one that takes it whole as its only argument.
    pub raw: Option<RawBody>,
}

/// A body as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBody {
    /// What it is.
    pub kind: RawKind,
    /// Its bytes.
    pub body: Bytes,
}

/// What a body is by its `Content-Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RawKind {
    /// `application/json`
    Json,
    /// `text/plain`
    Text,
    /// `text/xml`
    Xml,
    /// `application/octet-stream`
    Bytes,
}

/// One value of a body, unparsed.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Not given.
    Missing,
    /// Given as NULL.
    Null,
    /// A valid JSON token, digits and all.
    Json(Bytes),
    /// Text, of a CSV or form body.
    Text(String),
}
