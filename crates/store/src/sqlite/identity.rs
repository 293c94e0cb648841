//! Who asks and when, as SQL functions see it: one cell per connection, filled before each request.

use std::sync::{Arc, OnceLock};

use base::{Caller, Claims, Timestamp};
use datatype::{Datum, Type, ValueError, Zone};

use crate::audit;
use crate::driver::Job;

/// What `auth.uid()`, `now()` and their like answer on a connection.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) role: Arc<str>,
    pub(super) claims: Arc<Claims>,
    pub(super) now: Timestamp,
    pub(super) zone: Zone,
    /// The table whose row a trigger is just completing: its own triggers stay quiet meanwhile.
    pub(super) quiet: Option<String>,
    /// Who asks, as entries of the audit say it: of a request that writes from the beginning, else what is of the program itself, when it is
    /// asked for.
    context: OnceLock<String>,
}

impl Identity {
    /// Nobody, at the given moment: what migrations run as.
    pub(super) fn nobody(now: Timestamp) -> Self {
        Self {
            role: "postgres".into(),
            claims: Arc::new(Claims::default()),
            now,
            zone: Zone::default(),
            quiet: None,
            context: OnceLock::new(),
        }
    }

    /// The caller of a request.
    pub(super) fn of(caller: &Caller, now: Timestamp, zone: Zone) -> Self {
        Self {
            role: caller.role.clone(),
            claims: caller.claims.clone(),
            now,
            zone,
            quiet: None,
            context: OnceLock::new(),
        }
    }

    /// Who asks, as entries of the audit say it. What is not of a request is of the program itself.
    pub(super) fn context(&self) -> &str {
        self.context.get_or_init(audit::program)
    }

    /// The caller of a request that writes, whose changes are written down.
    pub(super) fn of_write(job: &Job) -> Self {
        let identity = Self::of(&job.caller, job.now, job.plan.zone.clone());
        let context = audit::context(&job.caller, audit::Asked::of(job));
        Self { context: OnceLock::from(context), ..identity }
    }

    /// `auth.claim(name)`.
    pub(super) fn claim(&self, name: &str) -> Datum {
        self.claims.text(name).map_or(Datum::Null, Datum::Text)
    }

    /// `auth.uid()`: the claim `sub`, which must be a uuid.
    pub(super) fn uid(&self) -> Result<Datum, ValueError> {
        match self.claims.text("sub").filter(|sub| !sub.is_empty()) {
            None => Ok(Datum::Null),
            Some(sub) => datatype::parse(&Type::Uuid, &sub),
        }
    }

    /// `auth.jwt()`.
    pub(super) fn jwt(&self) -> Result<Datum, ValueError> {
        let object = serde_json::Value::Object(self.claims.object().clone()).to_string();
        datatype::parse(&Type::Jsonb, &object)
    }
}
