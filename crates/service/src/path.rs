//! The path of a request: one function that can be read aloud.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use base::{Caller, Clock, Failure, Kind, NO_ROLE, QualifiedName, Timestamp};
use bytes::Bytes;
use catalog::{Catalog, RoleStanding};
use http::{HeaderMap, Method};
use identity::Verifier;
use limits::RateLimits;
use plan::{Access, Operation, Plan};
use rest::{Action, ApiRequest, ErrorForm, Incoming, Reply};
use store::{Job, PositionToken, RequestFacts, Store, StoreError};
use telemetry::{Step, Trace};

use crate::caches::{Caches, Lease};
use crate::charging::Charging;
use crate::contracts::{ContractSettings, Contracts};
use crate::describe;
use crate::exchange::{Answer, Body, BodyBroken, BodyStream, Client, Request, Summary};
use crate::guards::{self, About, Guards};
use crate::idempotency::{self, IdempotencySettings};
use crate::prepared::{Prepared, PreparedReads, Said};
use crate::recall::{Recall, Shown};
use crate::shaping::{Planned, shape};
use crate::{position, precondition, scope};

/// How often a request is planned anew because a migration came in between. One migration costs one of them, or a few
/// while it is being put in place.
const MOST_PLANS: u32 = 10;

/// How long is waited before the second plan; each further time twice as long, half a second in all.
const PLAN_AGAIN: Duration = Duration::from_millis(1);

/// What the operator decides about answers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The dialect.
    pub rest: rest::Settings,
    /// Planning.
    pub plan: plan::Settings,
    /// What the API says about itself.
    pub contract: ContractSettings,
    /// Whether everything that is wrong with the rows of a body is told to those as well who do not ask for it.
    pub lists_errors: bool,
    /// What becomes of `Idempotency-Key`; `None` where it is ignored.
    pub idempotency: Option<IdempotencySettings>,
    /// For how many seconds browsers keep positions in a cookie; `None` for not at all.
    pub position_cookie: Option<u32>,
}

/// The corridor with its rooms.
pub struct Service {
    settings: Settings,
    contracts: Contracts,
    identity: Arc<Verifier>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    limits: Option<RateLimits>,
    recall: Option<Arc<Recall>>,
    caches: Option<Arc<Caches>>,
    reads: PreparedReads,
}

/// The way to another room than the REST API.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// What policies see before the request's path.
    pub prefix: &'a str,
    /// Whether its client signs its user out on 429; it is told 503 instead.
    pub signs_out: bool,
    /// Whether browsers come this way by themselves, who can send no API key: none is asked for.
    pub is_open: bool,
}

/// What a request has become on its way; a refusal needs to know how far it came.
#[derive(Default)]
struct Walk {
    request: Option<Arc<ApiRequest>>,
    summary: Summary,
    charging: Charging,
}

impl Service {
    /// Puts the rooms together.
    pub fn new(settings: Settings, identity: Arc<Verifier>, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings,
            contracts: Contracts::default(),
            identity,
            store,
            clock,
            limits: None,
            recall: None,
            caches: None,
            reads: PreparedReads::default(),
        }
    }

    /// The same, charging requests by policies.
    #[must_use]
    pub fn with_limits(self, limits: RateLimits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// The same, keeping answers.
    #[must_use]
    pub fn with_recall(self, recall: Arc<Recall>) -> Self {
        Self { recall: Some(recall), ..self }
    }

    /// The same, with caches in front that are told of changes.
    #[must_use]
    pub fn with_caches(self, caches: Arc<Caches>) -> Self {
        Self { caches: Some(caches), ..self }
    }

    /// Answers a request. A refusal is an answer too: this never fails.
    pub async fn answer(&self, request: Request) -> Answer {
        let Request { area: _, method, path, query, headers, body, client, mut trace } = request;
        let incoming = Incoming { method: &method, path: &path, query: &query, headers: &headers, body };
        let mut walk = Walk::default();
        let walked = self.walk(incoming, (&headers, client), &mut walk, &mut trace).await;
        let charging = std::mem::take(&mut walk.charging);
        let mut answer = match walked {
            Ok((head, body)) => {
                Answer { status: head.status, reason: None, headers: head.headers, body, summary: walk.summary, trace }
            }
            Err(failure) => refused(&failure, self.error_form(&headers), walk, trace),
        };
        // What is left to one client is nobody else's business.
        if answer.summary.departure.is_none() {
            charging.write(&mut answer.headers);
        }
        answer
    }

    /// Answers a request to another room than the REST API, which is charged as all requests are that come to the door, and whose API
    /// key is looked at.
    pub async fn charged<F: Future<Output = Answer>>(
        &self,
        request: Request,
        way: Way<'_>,
        room: impl FnOnce(Request) -> F,
    ) -> Answer {
        let mut charging = Charging::default();
        let mut answer = match self.admit(&request, &way, &mut charging).await {
            Ok(()) => room(request).await,
            Err(failure) => refuse(request, &failure),
        };
        charging.write(&mut answer.headers);
        answer
    }

    async fn admit(&self, request: &Request, way: &Way<'_>, charging: &mut Charging) -> Result<(), Failure> {
        let path = format!("{}{}", way.prefix, request.path);
        let asked = (request.method.as_str(), path.as_str());
        let charged = charging.at_door(self.limits.as_ref(), asked, &request.headers, request.client).await;
        charged.map_err(|mut failure| {
            if way.signs_out {
                failure.kind = Kind::Unavailable;
            }
            failure
        })?;
        if way.is_open {
            return Ok(());
        }
        let key = self.identity.identify_program(&request.headers, Some(request.client.address)).await?;
        scope::admit_method(key.as_deref(), &request.method)
    }

    /// The path: `identify -> parse -> plan -> admit -> render -> run -> shape`. Each step is one call and one entry of the trace.
    /// A request is charged twice: before it is known who asks, and once it is known what it costs.
    async fn walk(
        &self,
        incoming: Incoming<'_>,
        (headers, client): (&HeaderMap, Client),
        walk: &mut Walk,
        trace: &mut Trace,
    ) -> Result<(rest::Head, Body), Failure> {
        let catalog = self.store.catalog();
        let (now, began) = (self.clock.now(), self.clock.monotonic());

        let asked = (incoming.method.as_str(), incoming.path);
        walk.charging.at_door(self.limits.as_ref(), asked, headers, client).await?;

        self.enter(trace, Step::Identify);
        let caller = self.identify((headers, client), &catalog, walk).await?;
        scope::admit_method(caller.key.as_deref(), incoming.method)?;
        walk.charging.quota(self.limits.as_ref(), (&caller, self.identity.api_keys()), now, None).await?;

        self.enter(trace, Step::Parse);
        let (limits, recall) = (&self.settings.rest.limits, self.recall.as_deref());
        let said = Said::of(&incoming, &caller);
        let prepared = said.as_ref().and_then(|said| self.reads.find(said, &caller, &catalog, limits, recall));
        debug_assert!(prepared.as_ref().is_none_or(|found| self.is_as_if_made_now(found, &incoming, &caller)));
        let condition = precondition::read(&incoming, &self.settings.rest)?;
        if condition.is_some() {
            scope::admit_method(caller.key.as_deref(), &Method::GET)?;
        }
        let keyed = idempotency::read(&incoming, self.settings.idempotency.as_ref())?;
        let (method, path) = (incoming.method, incoming.path);
        let request = match &prepared {
            Some(prepared) => prepared.request.clone(),
            None => Arc::new(rest::parse(incoming, &self.settings.rest)?),
        };
        let request = &*walk.request.insert(request);
        walk.summary.route = route(request);
        idempotency::require(request, keyed.as_ref(), self.settings.idempotency.as_ref())?;
        let allows_anonymous = self.identity.allows_anonymous();
        let document = || self.contracts.document(&request.schema, &catalog, &caller, allows_anonymous, &self.settings);
        if matches!(request.action, Action::Options | Action::Describe) {
            scope::admit_description(&caller, request)?;
        }
        if let Some(described) = describe::describe(request, &catalog, document)? {
            return Ok((described.head, Body::Full(described.body)));
        }

        let position = position::read(headers, self.settings.position_cookie.is_some())?;
        let is_listed = self.error_form(headers) != ErrorForm::Plain;
        let guards = Guards { keyed, condition };
        let from = (method, path, headers);
        let mut asked = Asked { catalog, caller, now, began, from, position, client, guards, said, prepared };
        for again in 0.. {
            let attempt = self.execute(request, &asked, (&mut walk.summary, &mut walk.charging), trace).await;
            match attempt {
                Err(Refused::SchemaChanged) if again < MOST_PLANS => {
                    tokio::time::sleep(PLAN_AGAIN * 2_u32.pow(again).min(64)).await;
                    (asked.catalog, asked.prepared) = (self.store.catalog(), None);
                    assumable(&asked.caller.role, &asked.catalog)?;
                }
                Err(Refused::SchemaChanged) => return Err(StoreError::SchemaChanged.into()),
                Err(Refused::For(mut failure)) => {
                    if is_listed {
                        failure.offences = plan::examine(request, &failure, self.context(&asked));
                    }
                    return Err(*failure);
                }
                Ok(answer) => return Ok(answer),
            }
        }
        Err(StoreError::SchemaChanged.into())
    }

    /// The second half of the path, which a migration that comes in between makes necessary again.
    async fn execute(
        &self,
        request: &Arc<ApiRequest>,
        asked: &Asked<'_>,
        (summary, charging): (&mut Summary, &mut Charging),
        trace: &mut Trace,
    ) -> Result<(rest::Head, Body), Refused> {
        let ready = self.ready(request, asked, (summary, charging), trace).await?;
        let planned = Planned::of(&ready.plan);
        if let Some(shown) = self.shown(request, asked, ready.prepared.as_deref(), &planned, trace).await {
            (summary.rows, summary.forms) = (Some(shown.rows), Some(shown.forms));
            let mut head = shown.head;
            shown.told.write_age(&mut head.headers);
            self.tell_caches(shown.told.lease, asked.began, &mut head, summary).await;
            position::vary(self.settings.position_cookie, &mut head.headers);
            return Ok((head, Body::Full(shown.body)));
        }
        // A box of its own: what is only shown should not carry the way through the database.
        Box::pin(self.run(request, asked, (ready, planned), summary, trace)).await
    }

    /// Has the database do it.
    async fn run(
        &self,
        request: &ApiRequest,
        asked: &Asked<'_>,
        (ready, planned): (Ready, Planned),
        summary: &mut Summary,
        trace: &mut Trace,
    ) -> Result<(rest::Head, Body), Refused> {
        let Ready { plan, rendered, prepared, read } = ready;
        let context = self.context(asked);
        let commits = self.settings.rest.transaction_end.commits(&request.preferences);
        let writes = commits && (plan.access == Access::ReadWrite || !matches!(plan.operation, Operation::Read(_)));
        let about = About { request, plan: &plan, planned: &planned, context, commits };
        let settings = self.settings.idempotency.as_ref();
        let (idempotency, precondition) =
            asked.guards.for_store(&about, read.map(|read| *read), &*self.store, settings)?;
        let awaited = self.awaited(writes.then_some(&*plan), &asked.catalog, idempotency.is_some());

        self.enter(trace, Step::Run);
        let job = Job {
            plan,
            rendered,
            catalog: asked.catalog.clone(),
            caller: asked.caller.clone(),
            now: asked.now,
            commits,
            request: Arc::new(asked.facts(request)),
            position: asked.position.clone(),
            trace_id: Some(trace.context().trace_id),
            idempotency,
            precondition,
        };
        let known = prepared.as_ref().map(|prepared| &prepared.known);
        let (mut ran, told) = match &self.recall {
            // In a box, for those who keep no answers.
            Some(recall) => Box::pin(recall.run(job, known)).await?,
            None => (self.store.run(job).await?, None),
        };
        if let Some((caches, before, tables)) = awaited {
            caches.confirm(before, &tables).await?;
        }
        summary.rows = Some(ran.rows);
        let position = ran.position.clone();

        self.enter(trace, Step::Shape);
        let (mut head, body) = match ran.kept.take() {
            Some(kept) => guards::told(*kept),
            None => shape(request, ran, planned)?,
        };
        if let Some(told) = told {
            told.write(&mut head.headers);
            self.tell_caches(told.lease, asked.began, &mut head, summary).await;
        }
        position::vary(self.settings.position_cookie, &mut head.headers);
        if let Some(position) = position {
            let is_encrypted = asked.client.is_encrypted;
            position::write(&position, self.settings.position_cookie, is_encrypted, &mut head.headers);
        }
        Ok((head, self::body(body)))
    }

    /// Plans, admits, charges and renders. What was asked before, in the same role, is only admitted and charged.
    async fn ready(
        &self,
        request: &Arc<ApiRequest>,
        asked: &Asked<'_>,
        (summary, charging): (&mut Summary, &mut Charging),
        trace: &mut Trace,
    ) -> Result<Ready, Refused> {
        let Asked { catalog, caller, now, client, .. } = asked;
        self.enter(trace, Step::Plan);
        let plan = match &asked.prepared {
            Some(prepared) => prepared.plan.clone(),
            None => Arc::new(plan::plan(request, self.context(asked)).map_err(Failure::from)?),
        };
        summary.relation = relation(request);

        self.enter(trace, Step::Admit);
        scope::admit(caller, &plan.footprint)?;
        plan::admit(&plan.footprint, catalog, caller).map_err(Failure::from)?;
        let (method, path, headers) = asked.from;
        let read = asked.guards.read(self.context(asked))?.map(Box::new);
        let read_cost = read.as_ref().map_or(0, |read| limits::price(&read.footprint));
        let cost = limits::price(&plan.footprint).saturating_add(read_cost);
        charging.quota(self.limits.as_ref(), (caller, self.identity.api_keys()), *now, Some(cost)).await?;
        let named = (method.as_str(), path);
        charging.inside(self.limits.as_ref(), named, headers, *client, (caller, cost)).await?;

        if let Some(prepared) = &asked.prepared {
            let rendered = prepared.rendered.clone();
            return Ok(Ready { plan, rendered, prepared: Some(prepared.clone()), read });
        }
        self.enter(trace, Step::Render);
        let rendered = self.store.render(&plan)?;
        let (made, limits) = ((request, &plan, &rendered), &self.settings.rest.limits);
        let said = asked.said.as_ref();
        let prepared =
            said.and_then(|said| self.reads.remember(said, caller, catalog, made, self.recall.as_deref(), limits));
        Ok(Ready { plan, rendered, prepared, read })
    }

    /// What is kept of a read that was asked before, where that is fresh and at hand.
    async fn shown(
        &self,
        request: &ApiRequest,
        asked: &Asked<'_>,
        prepared: Option<&Prepared>,
        planned: &Planned,
        trace: &mut Trace,
    ) -> Option<Shown> {
        let (recall, prepared) = self.recall.as_ref().zip(prepared)?;
        self.enter(trace, Step::Run);
        let (_, _, headers) = asked.from;
        let shape = |ran| shape(request, ran, planned.clone()).map(|(head, _)| head);
        recall.show(&prepared.known, headers, asked.position.as_ref(), shape).await
    }

    /// Says to caches in front what they may do with an answer.
    async fn tell_caches(&self, lease: Option<Lease>, began: Instant, head: &mut rest::Head, summary: &mut Summary) {
        if let Some((caches, lease)) = self.caches.as_ref().zip(lease) {
            summary.departure = caches.mark(&lease, caches.elapsed_since(began), head).await;
        }
    }

    /// Who waits for purges once a write was kept, for those of which changes, and of which tables. What is done once already may have been
    /// acknowledged by nobody, so whoever repeats it waits for all of them.
    fn awaited(
        &self,
        written: Option<&Plan>,
        catalog: &Catalog,
        is_keyed: bool,
    ) -> Option<(&Caches, u64, BTreeSet<QualifiedName>)> {
        let (caches, plan) = self.caches.as_deref().zip(written)?;
        let changed = if self.store.runs_before_each() { None } else { plan::changed(plan, catalog) };
        let tables = caches.waited_for(changed.as_ref());
        (!tables.is_empty()).then(|| (caches, if is_keyed { 0 } else { caches.last_change() }, tables))
    }

    fn error_form(&self, headers: &HeaderMap) -> ErrorForm {
        match ErrorForm::of(headers) {
            ErrorForm::Plain if self.settings.lists_errors => ErrorForm::Listed,
            form => form,
        }
    }

    fn enter(&self, trace: &mut Trace, step: Step) {
        trace.enter(step, self.clock.monotonic());
    }

    /// Who asks, and whether the database lets requests run as that role.
    async fn identify(
        &self,
        (headers, client): (&HeaderMap, Client),
        catalog: &Catalog,
        walk: &mut Walk,
    ) -> Result<Caller, Failure> {
        let caller = self.identity.identify_from(headers, Some(client.address)).await?;
        assumable(&caller.role, catalog)?;
        walk.summary.role = Some(caller.role.to_string());
        Ok(caller)
    }

    /// Whether what was made before is what would be made now: for builds that tests are run with.
    fn is_as_if_made_now(&self, prepared: &Prepared, incoming: &Incoming<'_>, caller: &Caller) -> bool {
        let Incoming { method, path, query, headers, ref body } = *incoming;
        let incoming = Incoming { method, path, query, headers, body: body.clone() };
        let catalog = prepared.catalog();
        let context = plan::Context { catalog, caller, now: self.clock.now(), settings: &self.settings.plan };
        let request = rest::parse(incoming, &self.settings.rest).ok();
        let plan = request.as_ref().and_then(|request| plan::plan(request, context).ok());
        let rendered = plan.as_ref().and_then(|plan| self.store.render(plan).ok());
        let now = format!("{request:?} {plan:?} {rendered:?}");
        now == format!("{:?} {:?} {:?}", Some(&prepared.request), Some(&prepared.plan), Some(&prepared.rendered))
    }

    fn context<'a>(&'a self, asked: &'a Asked<'_>) -> plan::Context<'a> {
        plan::Context { catalog: &asked.catalog, caller: &asked.caller, now: asked.now, settings: &self.settings.plan }
    }
}

/// What stands fast before a request is planned.
struct Asked<'a> {
    catalog: Arc<Catalog>,
    caller: Caller,
    now: Timestamp,
    /// When its way began.
    began: Instant,
    /// The method, the path and the headers.
    from: (&'a Method, &'a str, &'a HeaderMap),
    position: Option<PositionToken>,
    client: Client,
    guards: Guards,
    /// What a read is remembered by.
    said: Option<Said<'a>>,
    /// What was made of the same before.
    prepared: Option<Arc<Prepared>>,
}

impl Asked<'_> {
    /// What the database is told of the request.
    fn facts(&self, request: &ApiRequest) -> RequestFacts {
        let (method, path, headers) = self.from;
        RequestFacts {
            method: method.clone(),
            path: path.to_owned(),
            headers: headers.clone(),
            address: Some(self.client.address),
            schema: request.schema.to_string(),
            time_zone: request.preferences.timezone.clone(),
        }
    }
}

/// What can be run.
struct Ready {
    plan: Arc<Plan>,
    rendered: Arc<store::Rendered>,
    /// What is remembered of it, where it is a read.
    prepared: Option<Arc<Prepared>>,
    /// What a condition reads.
    read: Option<Box<Plan>>,
}

/// Why a plan led to nothing.
enum Refused {
    /// It was made on a catalog that no longer counts.
    SchemaChanged,
    /// For good.
    For(Box<Failure>),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::For(Box::new(failure))
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::SchemaChanged => Self::SchemaChanged,
            other => Self::For(Box::new(other.into())),
        }
    }
}

/// Whether the database lets requests run as the role.
fn assumable(role: &str, catalog: &Catalog) -> Result<(), Failure> {
    let unknown = || Failure::new(Kind::Unauthenticated, "22023", format!("role \"{role}\" does not exist"));
    if role == NO_ROLE {
        return Err(unknown());
    }
    if catalog.is_native() {
        // The server says it itself, of the roles that there are by then.
        return Ok(());
    }
    match catalog.role_standing(role) {
        RoleStanding::Assumable => Ok(()),
        RoleStanding::Unknown => Err(unknown()),
        RoleStanding::NotGranted => {
            let message = format!("permission denied to set role \"{role}\"");
            Err(Failure::new(Kind::Forbidden, "42501", message))
        }
    }
}

fn body(body: store::Body) -> Body {
    match body {
        store::Body::Full(bytes) => Body::Full(bytes),
        store::Body::Stream(pieces) => Body::Stream(Box::pin(Pieces(pieces))),
    }
}

/// The pieces of a body as the store reads them.
struct Pieces(store::Pieces);

impl BodyStream for Pieces {
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyBroken>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map_err(|_| BodyBroken)))
    }
}

/// Answers a request with a refusal, where there is no [`Service`] yet that could answer it.
pub fn refuse(request: Request, failure: &Failure) -> Answer {
    refused(failure, ErrorForm::of(&request.headers), Walk::default(), request.trace)
}

fn refused(failure: &Failure, form: ErrorForm, walk: Walk, trace: Trace) -> Answer {
    let reply = rest::refuse(failure, walk.request.as_deref(), form);
    let mut summary = walk.summary;
    summary.error_code = Some(failure.code.to_string());
    summary.inside = failure.inside.clone();
    let Reply { head, reason, body } = reply;
    Answer { status: head.status, reason, headers: head.headers, body: Body::Full(body), summary, trace }
}

/// The route's template: bounded in number, whatever clients ask for.
fn route(request: &ApiRequest) -> &'static str {
    match request.target {
        rest::Target::Root => "/",
        rest::Target::Relation(_) => "/{relation}",
        rest::Target::Routine(_) => "/rpc/{function}",
    }
}

/// The relation's name, known to exist since it was planned.
fn relation(request: &ApiRequest) -> Option<String> {
    match &request.target {
        rest::Target::Relation(name) | rest::Target::Routine(name) => Some(name.clone()),
        rest::Target::Root => None,
    }
}
