//! What guards a write, made ready for the store: that it is done once, and that what its client saw still counts.

use std::sync::Arc;

use base::{Failure, Kind};
use plan::{Access, Context, Operation, Plan};
use rest::{ApiRequest, Head, Payload};
use store::idempotency::MakesAnswer;
use store::{Body, Idempotency, KeptAnswer, Precondition, Ran, Store};

use crate::idempotency::{self, IdempotencySettings, Keyed};
use crate::precondition::Condition;
use crate::scope;
use crate::shaping::{Planned, shape};

/// What a request says of it.
#[derive(Clone, Default)]
pub(crate) struct Guards {
    pub(crate) keyed: Option<Arc<Keyed>>,
    pub(crate) condition: Option<Arc<Condition>>,
}

/// The request, as far as it was planned.
pub(crate) struct About<'a> {
    pub(crate) request: &'a ApiRequest,
    pub(crate) plan: &'a Plan,
    pub(crate) planned: &'a Planned,
    pub(crate) context: Context<'a>,
    pub(crate) commits: bool,
}

impl Guards {
    /// The plan of what a condition reads, with the rights of who asks.
    pub(crate) fn read(&self, context: Context<'_>) -> Result<Option<Plan>, Failure> {
        let Some(condition) = &self.condition else { return Ok(None) };
        let mut plan = plan::plan(&condition.read, context).map_err(Failure::from)?;
        if plan.access != Access::ReadOnly {
            return Err(Failure::new(
                Kind::BadRequest,
                "PANDO400",
                "A GET of this URL may write, so it has no entity tag",
            ));
        }
        scope::admit(context.caller, &plan.footprint)?;
        plan::admit(&plan.footprint, context.catalog, context.caller).map_err(Failure::from)?;
        if let Operation::Read(read) = &mut plan.operation {
            read.level.limit = condition.most_rows(context.settings.max_rows);
            plan.footprint.cost.rows = read.level.limit;
        }
        Ok(Some(plan))
    }

    /// What the store is told. A key says nothing of what leaves nothing behind: reads, plans, and writes that are rolled back.
    pub(crate) fn for_store(
        &self,
        about: &About<'_>,
        read: Option<Plan>,
        store: &dyn Store,
        settings: Option<&IdempotencySettings>,
    ) -> Result<(Option<Idempotency>, Option<Precondition>), Failure> {
        let About { plan, context, commits, .. } = *about;
        let writes = plan.access == Access::ReadWrite || !matches!(plan.operation, Operation::Read(_));
        let leaves_something = commits && writes && plan.explain.is_none();
        let idempotency = match (&self.keyed, settings) {
            (Some(keyed), Some(settings)) if leaves_something => {
                let whose = (context.caller, context.catalog);
                Some(keyed.for_store(whose, context.now, settings, answer_of(about))?)
            }
            _ => None,
        };
        let read = self.condition.as_ref().zip(read);
        let precondition = read.map(|read| checked(read, context.settings.max_rows, store)).transpose()?;
        Ok((idempotency, precondition))
    }
}

/// How the answer of a write is made inside of its transaction.
fn answer_of(about: &About<'_>) -> MakesAnswer {
    // What was sent is not needed for it, and may be large.
    let request = ApiRequest { payload: Payload::default(), ..about.request.clone() };
    let planned = about.planned.clone();
    Arc::new(move |ran: Ran| {
        let (Head { status, headers }, body) = shape(&request, ran, planned.clone())?;
        match body {
            Body::Full(body) => Ok(KeptAnswer { status, headers, body, is_replayed: false }),
            Body::Stream(_) => Err(Failure::internal("the answer of a write was streamed")),
        }
    })
}

/// The answer of a write that is done once, as it is sent.
pub(crate) fn told(kept: KeptAnswer) -> (Head, Body) {
    let KeptAnswer { status, mut headers, body, is_replayed } = kept;
    if is_replayed {
        idempotency::mark_replayed(&mut headers);
    }
    (Head { status, headers }, Body::Full(body))
}

/// The read of a condition, ready for the store.
fn checked(
    (condition, mut plan): (&Arc<Condition>, Plan),
    shown: Option<u64>,
    store: &dyn Store,
) -> Result<Precondition, Failure> {
    // What is not as it expects is no error here: it has no tag then.
    let expectation = std::mem::take(&mut plan.expectation);
    let rendered = store.render(&plan)?;
    let (planned, condition) = (Planned::of(&plan), condition.clone());
    let judge = Arc::new(move |ran: Ran| {
        let rows = ran.rows;
        let is_whole = !expectation.exactly_one || rows == 1;
        match shape(&condition.read, ran, planned.clone()) {
            Ok((head, Body::Full(body))) if is_whole => condition.judge((rows, shown), Some((&head, &body))),
            _ => condition.judge((rows, shown), None),
        }
    });
    Ok(Precondition { plan: Arc::new(plan), rendered, judge })
}
