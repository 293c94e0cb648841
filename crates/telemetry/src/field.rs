//! The fields of log lines. A line can carry only these, each with its type: there is no free form.

/// The type of a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A word or sentence.
    Keyword,
    /// A list with one word.
    Keywords,
    /// A whole number.
    Long,
    /// A time span, in nanoseconds; readable lines show it in ms.
    Duration,
    /// Bytes, as hexadecimal digits.
    Id,
}

impl FieldKind {
    /// Its name in the reference, Elasticsearch's where there is one.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Keywords => "keyword[]",
            Self::Long => "long",
            Self::Duration => "long (ns)",
            Self::Id => "keyword (hex)",
        }
    }
}

/// A field of a log line.
#[derive(Debug)]
pub struct Field {
    /// Its name in JSON: of the Elastic Common Schema 8, or under `pando.` where that has none.
    pub name: &'static str,
    /// Its name in a readable line.
    pub label: &'static str,
    /// The type of its value.
    pub kind: FieldKind,
    /// What it says.
    pub about: &'static str,
}

macro_rules! fields {
    ($($constant:ident = $name:literal, $label:literal, $kind:ident, $about:literal;)*) => {
        $(#[doc = $about] pub const $constant: &Field = &Field {
            name: $name, label: $label, kind: FieldKind::$kind, about: $about,
        };)*
        /// Every field, in the order of the reference.
        pub const ALL: &[&Field] = &[$($constant),*];
    };
}

fields! {
    METHOD = "http.request.method", "method", Keyword, "The method; `_OTHER` when it is none of HTTP's own.";
    ROUTE = "url.path", "route", Keyword, "The route's template, for example `/{relation}`. Never the raw path.";
    STATUS = "http.response.status_code", "status", Long, "The status of the answer.";
    DURATION = "event.duration", "took", Duration, "How long it took.";
    OUTCOME = "event.outcome", "outcome", Keyword, "`success` or `failure`.";
    REQUEST_BYTES = "http.request.body.bytes", "in", Long, "Bytes of the request's body.";
    RESPONSE_BYTES = "http.response.body.bytes", "out", Long, "Bytes of the answer's body that were handed to the connection.";
    REQUEST_ID = "http.request.id", "request", Keyword, "The request's id, as `X-Request-Id` returned it.";
    TRACE_ID = "trace.id", "trace", Id, "The trace that the request belongs to.";
    SPAN_ID = "span.id", "span", Id, "The request's own span.";
    ROLE = "user.roles", "role", Keywords, "The database role that the request ran as.";
    ERROR_CODE = "error.code", "code", Keyword, "The error's code: `PGRSTnnn`, a SQLSTATE or `PANDOnnn`.";
    ERROR = "error.message", "error", Keyword, "What happened inside, in our own words, without values of rows or requests.";
    RELATION = "pando.relation", "relation", Keyword, "The table or view, once the catalog knows it.";
    ROWS = "pando.rows", "rows", Long, "Rows in the answer, or affected.";
    STATEMENT = "pando.statement", "statement", Keyword, "The statement's text with placeholders. Never a value.";
    OPERATION = "pando.operation", "operation", Keyword, "What the database did: `SELECT`, `INSERT`, `UPDATE`, `DELETE`…";
    LIMIT = "pando.limit.name", "limit", Keyword, "The setting whose bound was reached.";
    LIMIT_VALUE = "pando.limit.value", "bound", Long, "That bound.";
    POLICY = "pando.policy", "policy", Keyword, "The policy of `limits.rates` that refused.";
    CLASS = "pando.class", "class", Keyword, "The class of a request: `system`, `interactive`, `batch` or `anonymous`.";
    ADDRESS = "server.address", "address", Keyword, "The address and port that is listened on.";
    PURPOSE = "pando.purpose", "purpose", Keyword, "What an address serves: `api` or `admin`.";
    VERSION = "pando.version", "version", Keyword, "The version of this binary.";
    ENGINE = "pando.engine", "engine", Keyword, "The database engine.";
    IN_FLIGHT = "pando.in_flight", "in_flight", Long, "Requests that were still being answered.";
    WAIT = "pando.wait", "wait", Duration, "How long is waited at most.";
    MIGRATION = "pando.migration", "migration", Keyword, "The file name of a migration.";
    RELATIONS = "pando.relations", "relations", Long, "Tables and views in the catalog.";
    RELATIONSHIPS = "pando.relationships", "relationships", Long, "Relationships in the catalog.";
    KEYS = "pando.keys", "keys", Long, "Keys that tokens are verified with.";
    CERTIFICATES = "pando.certificates", "certificates", Long, "Certificates of the API's address.";
    FILES = "pando.files", "files", Long, "Static files.";
    HELD_BYTES = "pando.files.held_bytes", "held", Long, "Bytes of static files and of their compressed forms that are held in memory.";
    FILES_ADDED = "pando.files.added", "files_added", Long, "Static files that were not there before.";
    FILES_CHANGED = "pando.files.changed", "files_changed", Long, "Static files that have another content than before.";
    FILES_REMOVED = "pando.files.removed", "files_removed", Long, "Static files that are gone.";
    FILE_NAMES = "pando.files.names", "files_named", Keyword, "Names of static files, each with what is said of it.";
    DOMAINS = "pando.certificate.domains", "domains", Keyword, "The domains of a certificate that is fetched, with commas.";
    VALID_FOR = "pando.certificate.valid_for", "valid_for", Duration, "For how long a certificate is valid from now on.";
    SETTING = "pando.setting", "setting", Keyword, "The name of a setting.";
    CHANGED = "pando.settings.changed", "changed", Keyword, "The names of settings that were changed and count from now on, with commas.";
    AFTER_RESTART = "pando.settings.after_restart", "after_restart", Keyword, "The names of settings that were changed and count after a restart, with commas.";
    BATCH = "pando.batch", "batch", Long, "Writes that were committed together.";
    SPANS = "pando.spans", "spans", Long, "Spans in one export.";
    SERVER = "destination.address", "server", Keyword, "Where a database server is, as the configuration says.";
    LOGIN = "pando.login.action", "login", Keyword, "What somebody who signs in asked for: `password`, `refresh`, `verify`…";
    MAIL = "pando.login.mail", "mail", Keyword, "Which mail it was: `confirmation`, `recovery`… Never the address.";
    MAILS = "pando.login.mails", "mails", Long, "Mails of the login.";
    SMTP_CODE = "pando.login.smtp_code", "smtp", Long, "What the mail server answered: the reply code of SMTP.";
    PROVIDER = "pando.login.provider", "provider", Keyword, "With whom somebody signs in: the name below `auth.login.providers`.";
    CHECKPOINT = "pando.audit.checkpoint", "checkpoint", Keyword, "A checkpoint of the audit: a signed note of four lines.";
    CDN = "pando.cdn", "cdn", Keyword, "Which caches are told of changes: `varnish`, `fastly`, `cloudflare` or `webhook`.";
    REASON = "event.reason", "reason", Keyword, "Why, from a fixed set of words.";
}
