//! Everything that can happen, one type each. A type's [`Happening`] implementation is the only place that says
//! how it is logged, what it does to the metrics and which spans it leaves.

mod audit;
mod cdn;
mod certificate;
mod database;
mod delivery;
mod files;
mod guard;
mod identity;
mod lifecycle;
mod limits;
mod login;
mod recall;
mod request;
mod schema;

pub use audit::{ChangesUnwatched, CheckpointSigned, EntriesForgotten, EntriesSealed, RetentionFailed, SealingFailed};
pub use cdn::{CdnOverflowed, CdnPurged};
pub use certificate::{CertificateAwaited, CertificateIssued, CertificateNotIssued};
pub use database::{
    DatabaseChecked, DatabaseOperation, DatabaseUnavailable, ReplicaChanged, SlowQuery, WritesCommitted,
};
pub use delivery::BodyCompressed;
pub use files::{FilesChanged, FilesDoubtful, FilesRefused};
pub use guard::{AnswersSwept, IdempotentWrite, PreconditionFailed};
pub use identity::{ApiKeysUnavailable, KeysLoaded, KeysUnavailable};
pub use lifecycle::{
    Advice, CertificatesRead, CertificatesRefused, ConfigurationChanged, ConfigurationRead, ConfigurationRefused,
    Draining, Listening, ReadinessChanged, Started, Stopped, TracesNotExported,
};
pub use limits::{CacheChanged, OverloadChanged, RateDecision, RequestShed};
pub use login::{
    AttackChanged, AttackSeen, AttemptRefused, LoginImpaired, MailSent, MailsDropped, ProviderFailed, SignIn,
    WebhookSent,
};
pub use recall::{AnswersNotKept, KeptAnswerStale, RecallAsked, SharedAnswersChanged};
pub use request::{AcceptFailed, ConnectionDropped, DropReason, Overloaded, RequestFinished, RequestPanicked};
pub use schema::{
    CatalogLoaded, CatalogNotLoaded, MigrationApplied, MigrationPresent, MigrationRefused, MigrationWaits, SeedApplied,
    SeedSkipped,
};

use crate::spans::SpanSink;
use crate::{Field, Level, Line, Metrics};

/// What is fixed about a happening.
#[derive(Debug)]
pub struct Definition {
    /// Its name: `event.action` in the log.
    pub action: &'static str,
    /// The sentence in the log.
    pub message: &'static str,
    /// When it is reported, for the reference.
    pub about: &'static str,
    /// Its usual level; `Off` when it only counts.
    pub level: Level,
    /// The fields that its line may carry.
    pub fields: &'static [&'static Field],
}

/// Something that happened. Each type is one happening; reported once, where it is handled.
pub trait Happening {
    /// What is fixed about it.
    const DEFINITION: &'static Definition;

    /// Its level this time; `Off` for no line.
    fn level(&self) -> Level {
        Self::DEFINITION.level
    }

    /// The fields of its line.
    fn fields(&self, line: &mut Line<'_>);

    /// What it does to the metrics.
    fn meter(&self, _metrics: &Metrics) {}

    /// The spans that it leaves. Only asked when traces are exported.
    fn spans(&self, _sink: &SpanSink) {}
}

/// Every happening's definition, in the order of the reference.
pub const HAPPENINGS: &[&Definition] = &[
    Started::DEFINITION,
    Listening::DEFINITION,
    Advice::DEFINITION,
    ConfigurationChanged::DEFINITION,
    ConfigurationRead::DEFINITION,
    ConfigurationRefused::DEFINITION,
    CertificatesRead::DEFINITION,
    CertificatesRefused::DEFINITION,
    FilesChanged::DEFINITION,
    FilesDoubtful::DEFINITION,
    FilesRefused::DEFINITION,
    CertificateAwaited::DEFINITION,
    CertificateIssued::DEFINITION,
    CertificateNotIssued::DEFINITION,
    ReadinessChanged::DEFINITION,
    Draining::DEFINITION,
    Stopped::DEFINITION,
    TracesNotExported::DEFINITION,
    MigrationApplied::DEFINITION,
    MigrationPresent::DEFINITION,
    MigrationWaits::DEFINITION,
    SeedApplied::DEFINITION,
    SeedSkipped::DEFINITION,
    MigrationRefused::DEFINITION,
    CatalogLoaded::DEFINITION,
    CatalogNotLoaded::DEFINITION,
    KeysLoaded::DEFINITION,
    KeysUnavailable::DEFINITION,
    SignIn::DEFINITION,
    MailSent::DEFINITION,
    MailsDropped::DEFINITION,
    LoginImpaired::DEFINITION,
    ProviderFailed::DEFINITION,
    AttemptRefused::DEFINITION,
    AttackChanged::DEFINITION,
    AttackSeen::DEFINITION,
    WebhookSent::DEFINITION,
    ApiKeysUnavailable::DEFINITION,
    RequestFinished::DEFINITION,
    BodyCompressed::DEFINITION,
    RecallAsked::DEFINITION,
    AnswersNotKept::DEFINITION,
    KeptAnswerStale::DEFINITION,
    SharedAnswersChanged::DEFINITION,
    RequestPanicked::DEFINITION,
    Overloaded::DEFINITION,
    RateDecision::DEFINITION,
    RequestShed::DEFINITION,
    IdempotentWrite::DEFINITION,
    PreconditionFailed::DEFINITION,
    AnswersSwept::DEFINITION,
    OverloadChanged::DEFINITION,
    CacheChanged::DEFINITION,
    ConnectionDropped::DEFINITION,
    AcceptFailed::DEFINITION,
    EntriesSealed::DEFINITION,
    CheckpointSigned::DEFINITION,
    SealingFailed::DEFINITION,
    EntriesForgotten::DEFINITION,
    RetentionFailed::DEFINITION,
    ChangesUnwatched::DEFINITION,
    CdnPurged::DEFINITION,
    CdnOverflowed::DEFINITION,
    DatabaseOperation::DEFINITION,
    SlowQuery::DEFINITION,
    WritesCommitted::DEFINITION,
    ReplicaChanged::DEFINITION,
    DatabaseUnavailable::DEFINITION,
    DatabaseChecked::DEFINITION,
];
