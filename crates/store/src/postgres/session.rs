//! What every transaction begins with: who asks, with which claims, and what they asked. All of it is local to the
//! transaction, so a connection carries nothing from one request to the next.

use std::borrow::Cow;
use std::collections::BTreeMap;

use catalog::{Isolation, Setting};
use serde::Serialize;
use serde_json::Value;

use crate::audit::{Asked, AuditSettings, context};
use crate::driver::Job;

/// What the role of a request and the function that it calls have set for themselves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'j> {
    role: &'j [Setting],
    function: &'j [Setting],
    /// The settings of a function that count for the whole transaction.
    hoisted: &'j [String],
}

impl<'j> Own<'j> {
    pub(super) fn of(job: &'j Job, hoisted: &'j [String]) -> Self {
        let role = job.catalog.snapshot().roles.get(&job.caller.role).map_or(&[][..], |role| &role.settings);
        let called = job.plan.footprint.calls.first().and_then(|signature| job.catalog.routine(signature));
        let function = called.and_then(|routine| routine.native.as_ref()).map_or(&[][..], |native| &native.settings);
        Self { role, function, hoisted }
    }

    /// Whether the role has set this for itself.
    pub(super) fn sets(self, name: &str) -> bool {
        self.role.iter().any(|(set, _)| **set == *name)
    }

    /// The settings of the function that count for the whole transaction.
    fn of_function(self) -> impl Iterator<Item = &'j Setting> {
        self.function.iter().filter(move |(name, _)| self.hoists(name))
    }

    fn hoists(self, name: &str) -> bool {
        self.hoisted.iter().any(|hoisted| hoisted == name)
    }

    /// The isolation level, if one of them asks for it: that of the function before that of the role.
    pub(super) fn isolation(self) -> Option<Isolation> {
        let function = Isolation::among(self.function).filter(|_| self.hoists("default_transaction_isolation"));
        function.or_else(|| Isolation::among(self.role))
    }

    /// The zone in which moments are printed, if one of them says it.
    pub(super) fn time_zone(self, asked: Option<&'j str>) -> Option<&'j str> {
        let zone = |(name, value): &'j Setting| (&**name == "TimeZone").then_some(&**value);
        let function = self.function.iter().filter(|(name, _)| self.hoists(name)).filter_map(zone).next_back();
        function.or(asked).or_else(|| self.role.iter().filter_map(zone).next_back())
    }
}

/// How PostgreSQL prints what Pando prints itself from the binary form. A row holds values of both (an array or a row type is
/// printed there), and they have to look alike, so these stand for the session, and a role's own are not taken.
pub(super) const PRINTING: [(&str, &str); 3] =
    [("IntervalStyle", "postgres"), ("bytea_output", "hex"), ("extra_float_digits", "1")];

/// The setting by which the triggers of the audit learn who asks.
pub(super) const AUDIT: &str = "pando.audit";

/// The parameters that a session begins with.
pub(super) fn printing() -> impl Iterator<Item = (String, String)> {
    PRINTING.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
}

/// Settings of a transaction: names and values, in the order in which they are made. Those of the role come while one is still
/// who logged in and so may set them, those of a function when one is who may call it: as PostgREST has it.
pub(super) fn settings<'j>(
    job: &'j Job,
    own: Own<'j>,
    search_path: String,
    application: &'j [(String, String)],
    audit: Option<&AuditSettings>,
) -> Vec<(&'j str, Cow<'j, str>)> {
    let mut settings = Vec::with_capacity(12 + own.role.len() + application.len());
    let mut set = |name: &'j str, value: Cow<'j, str>| settings.push((name, value));
    if job.plan.access == plan::Access::ReadOnly {
        set("transaction_read_only", "on".into());
    }
    set("search_path", search_path.into());
    if let (Some(audit), plan::Access::ReadWrite) = (audit, job.plan.access) {
        set(AUDIT, audit.key.signed(&context(&job.caller, Asked::of(job))).into());
    }
    for (name, value) in own.role {
        set(name, (&**value).into());
    }
    for (name, value) in application {
        set(name, value.into());
    }
    if let Some(zone) = &job.request.time_zone {
        set("timezone", zone.into());
    }
    set("request.jwt.claims", claims(job).into());
    set("request.method", job.request.method.as_str().into());
    set("request.path", job.request.path.as_str().into());
    set("request.headers", headers(&job.request.headers).into());
    set("request.cookies", cookies(&job.request.headers).into());
    set("role", (&*job.caller.role).into());
    for (name, value) in own.of_function() {
        set(name, (&**value).into());
    }
    settings
}

/// The claims, with the role that the request runs as among them.
fn claims(job: &Job) -> String {
    let role = Value::String(job.caller.role.to_string());
    let mut claims: BTreeMap<&str, &Value> =
        job.caller.claims.object().iter().map(|(name, value)| (name.as_str(), value)).collect();
    claims.insert("role", &role);
    printed(&claims)
}

/// Headers by their names in lower case. Values that are not text are left out: JSON has no place for them.
fn headers(headers: &http::HeaderMap) -> String {
    let texts = headers.iter().filter(|(name, _)| **name != http::header::COOKIE);
    printed(&texts.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect::<BTreeMap<_, _>>())
}

fn cookies(headers: &http::HeaderMap) -> String {
    let mut object = BTreeMap::new();
    for line in headers.get_all(http::header::COOKIE) {
        let Ok(line) = line.to_str() else { continue };
        for pair in line.split(';') {
            if let Some((name, value)) = pair.split_once('=') {
                object.insert(name.trim(), value.trim());
            }
        }
    }
    printed(&object)
}

/// An object as JSON, its members in the order of their names.
fn printed<T: Serialize>(object: &BTreeMap<&str, T>) -> String {
    // Texts and JSON are never refused.
    serde_json::to_string(object).unwrap_or_default()
}
