//! The planner: what one request's planning carries along.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{Caller, Footprint, Freshness, QualifiedName, Timestamp};
use catalog::{Catalog, ClaimsAsked, Expression, MediaHandler, Relation, SourceId, Volatility, nearest};
use datatype::Zone;
use rest::{
    Action, ApiRequest, Condition, Count, EmbedPath, Explain, Format, Operation as FilterOperation, RowRange, Target,
};

use crate::admit::admit;
use crate::error::PlanError;
use crate::model::{Access, Counting, Expectation, Level, Operation, Plan, Read, Shape};
use crate::settings::Settings;
use crate::unresolved::Unresolved;

/// What planning depends on besides the request.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What exists.
    pub catalog: &'a Catalog,
    /// Who asks.
    pub caller: &'a Caller,
    /// The moment that `now()` means.
    pub now: Timestamp,
    /// What the operator decided.
    pub settings: &'a Settings,
}

/// Plans a request on a relation.
///
/// # Errors
/// A name that does not exist, a value that does not fit, a bound exceeded: see [`PlanError`]. Privileges are not
/// looked at here but by [`crate::admit()`], from the footprint.
pub fn plan(request: &ApiRequest, context: Context<'_>) -> Result<Plan, PlanError> {
    let mut planner = Planner::new(request, context)?;
    planner.check_bounds()?;
    if !planner.is_native() {
        planner.choose_form(None, None)?;
    }
    let (operation, shape) = match &request.target {
        Target::Routine(name) => {
            planner.check_paths()?;
            if planner.is_native() { planner.native_call(name)? } else { planner.call(name)? }
        }
        Target::Relation(_) | Target::Root => (planner.on_relation()?, Shape::default()),
    };
    planner.footprint.freshness = planner.freshness();
    if let Some(misfit) = planner.misfit.take() {
        // Who may not write at all learns that, and nothing of the schema.
        admit(&planner.footprint, context.catalog, context.caller)?;
        return Err(misfit);
    }
    Ok(Plan {
        operation,
        footprint: planner.footprint,
        format: planner.format,
        zone: planner.zone,
        expectation: match planner.explain {
            Some(_) => Expectation::default(),
            None => expectation(request, planner.format),
        },
        shape,
        access: planner.access,
        media_type: planner.media_type,
        handler: planner.handler,
        explain: planner.explain,
        unresolved: planner.unresolved,
        claims: planner.claims.take(),
        is_of_moment: planner.is_of_moment.get(),
    })
}

fn expectation(request: &ApiRequest, format: Format) -> Expectation {
    let is_routine = matches!(request.target, Target::Routine(_));
    let guards = is_routine || matches!(request.action, Action::Update | Action::Delete);
    Expectation {
        exactly_one: matches!(format, Format::Object { .. }),
        max_affected: request.preferences.guard().filter(|_| guards),
    }
}

/// One level's relation while it is planned.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The relation.
    pub(crate) relation: Arc<Relation>,
    /// Its place in the statement.
    pub(crate) source: SourceId,
    /// How messages call it: `zones`, `couriers_1`.
    pub(crate) qualifier: String,
    /// For a view that is read through its base table: the view's columns as the table names them.
    pub(crate) renames: Option<Arc<BTreeMap<Arc<str>, Arc<str>>>>,
    /// The embeds that lead here: for each its relation and, if it has one, its alias.
    pub(crate) path: Vec<(String, Option<String>)>,
    /// For what a function gives: its rows are not those of the relation, which only lends its columns' names.
    pub(crate) derived: Option<Derived>,
}

/// Where the rows of a function's outcome are.
#[derive(Debug, Clone)]
pub(crate) enum Derived {
    /// In a query that stands in `FROM`.
    Query,
    /// In the table that was written: each column is an expression over the written row.
    Written(Arc<BTreeMap<Arc<str>, Expression>>),
}

impl Scope {
    /// Whether a path of the query string means this level.
    pub(crate) fn is_at(&self, path: &EmbedPath) -> bool {
        path.len() == self.path.len()
            && path
                .iter()
                .zip(&self.path)
                .all(|(step, (relation, alias))| alias.as_ref() == Some(step) || step == relation)
    }
}

/// The state of planning one request.
pub(crate) struct Planner<'a> {
    pub(crate) request: &'a ApiRequest,
    pub(crate) context: Context<'a>,
    pub(crate) footprint: Footprint,
    pub(crate) zone: Zone,
    /// The relations whose policies are being woven, to notice one that reads itself.
    pub(crate) policies_open: Vec<QualifiedName>,
    /// The sources that functions with their owner's rights read: no row security and no privileges there.
    pub(crate) exempt: BTreeSet<SourceId>,
    /// The last number of a source that came with a function's body.
    pub(crate) next_inlined: u32,
    /// How many calls of functions were put in place.
    pub(crate) inlined_calls: u64,
    /// Whether anything may be changed.
    pub(crate) access: Access,
    /// The form of the answer.
    pub(crate) format: Format,
    /// `Content-Type` of the body, where it is not that of the request's format.
    pub(crate) media_type: Option<Arc<str>>,
    /// The aggregate that makes the rows what is wanted.
    pub(crate) handler: Option<Arc<MediaHandler>>,
    /// How the plan is wanted, instead of the rows.
    pub(crate) explain: Option<Explain>,
    /// The functions over rows that are read like columns and tables: the server calls them, and asks who may.
    pub(crate) computed: Vec<(QualifiedName, Volatility)>,
    /// What the written row is called as a whole, where a function takes it.
    pub(crate) written_row: Option<Arc<str>>,
    /// The names that only the server resolves.
    pub(crate) unresolved: Vec<Unresolved>,
    /// The first document that does not fit the JSON Schema of its column.
    pub(crate) misfit: RefCell<Option<PlanError>>,
    /// What of the caller's claims was put in.
    pub(crate) claims: RefCell<ClaimsAsked>,
    /// Whether the moment was put in.
    pub(crate) is_of_moment: Cell<bool>,
    next_source: u32,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(request: &'a ApiRequest, context: Context<'a>) -> Result<Self, PlanError> {
        let zone = match &request.preferences.timezone {
            None => Zone::default(),
            Some(name) => Zone::from_name(name).ok_or_else(|| PlanError::UnknownTimeZone(name.clone()))?,
        };
        Ok(Self {
            request,
            context,
            footprint: Footprint::default(),
            zone,
            policies_open: Vec::new(),
            exempt: BTreeSet::new(),
            next_inlined: SourceId::FIRST_INLINED.0,
            inlined_calls: 0,
            access: Access::ReadOnly,
            format: request.format,
            media_type: None,
            handler: None,
            explain: None,
            computed: Vec::new(),
            written_row: None,
            unresolved: Vec::new(),
            misfit: RefCell::default(),
            claims: RefCell::default(),
            is_of_moment: Cell::new(false),
            next_source: SourceId::ROW.0 + 1,
        })
    }

    /// A place in the statement that nothing else has.
    pub(crate) fn new_source(&mut self) -> SourceId {
        let source = SourceId(self.next_source);
        self.next_source += 1;
        source
    }

    /// Whether the engine itself types values, enforces rights and runs functions.
    pub(crate) fn is_native(&self) -> bool {
        self.context.catalog.is_native()
    }

    /// The relation that the path names.
    fn target(&self) -> Result<Arc<Relation>, PlanError> {
        let schema = &self.request.schema;
        match &self.request.target {
            Target::Relation(name) => self.relation(schema, name),
            Target::Routine(_) | Target::Root => self.relation(schema, ""),
        }
    }

    fn relation(&self, schema: &str, name: &str) -> Result<Arc<Relation>, PlanError> {
        let catalog = self.context.catalog;
        catalog.relation(&QualifiedName::new(schema, name)).cloned().ok_or_else(|| {
            let known = catalog.relations_in(schema).map(|relation| &*relation.name.name);
            PlanError::UnknownRelation {
                schema: schema.to_owned(),
                name: name.to_owned(),
                nearest: nearest(name, known).map(str::to_owned),
            }
        })
    }

    /// How fresh the answer has to be: what the operator says of what is touched, or else what the client says. A routine
    /// that may see or do more than its arguments say is for the primary.
    fn freshness(&self) -> Freshness {
        let footprint = &self.footprint;
        let asked = self.request.preferences.freshness;
        let set = &self.context.settings.freshness;
        let of = |name: &QualifiedName| match (set.get(name), asked) {
            (Some(set), Some(asked)) => asked.min(*set),
            (Some(set), None) => *set,
            (None, asked) => asked.unwrap_or_default(),
        };
        let called = footprint.calls.iter().map(|call| &call.name).chain(self.computed.iter().map(|(name, _)| name));
        let touched = footprint.touches.keys().chain(called);
        let is_volatile = || {
            // What nothing is known of may be a function that writes, or gives another outcome each time.
            let mut computed = self.computed.iter();
            computed.any(|(_, volatility)| *volatility == Volatility::Volatile)
                || self.unresolved.iter().any(|name| name.is_guess)
                || footprint.calls.iter().any(|call| {
                    let routine = self.context.catalog.snapshot().routines.get(call);
                    routine.is_none_or(|routine| routine.volatility == Volatility::Volatile)
                })
        };
        if is_volatile() { Freshness::Strong } else { touched.map(of).min().unwrap_or(asked.unwrap_or_default()) }
    }

    /// The scope of the top level.
    pub(crate) fn top(&self, relation: &Arc<Relation>) -> Scope {
        Scope {
            relation: relation.clone(),
            source: SourceId::ROW,
            qualifier: relation.name.name.to_string(),
            renames: None,
            path: Vec::new(),
            derived: None,
        }
    }

    /// What is done with the relation that the path names.
    fn on_relation(&mut self) -> Result<Operation, PlanError> {
        let relation = self.target()?;
        self.footprint.named.insert(relation.name.clone());
        if self.is_native() {
            self.choose_form(Some(&relation.name), None)?;
        }
        self.check_paths()?;
        self.footprint.cost.is_unindexed = self.is_unindexed(&relation);
        self.cost_write(&relation);
        Ok(match self.request.action {
            _ if self.is_native() && self.request.action.writes() => {
                self.access = Access::ReadWrite;
                Operation::Write(self.native_write(&relation)?)
            }
            Action::Insert | Action::Put => self.insert(&relation)?,
            Action::Update => self.update(&relation)?,
            Action::Delete => self.delete(&relation)?,
            Action::Read | Action::Describe | Action::Options => Operation::Read(self.read(&relation)?),
        })
    }

    /// The rows that a write touches besides those that it brings: what is changed or removed has to be found, and what is answered
    /// is read again.
    fn cost_write(&mut self, relation: &Relation) {
        let answers = self.request.preferences.representation == Some(rest::Representation::Full);
        match self.request.action {
            Action::Insert | Action::Put => {
                self.footprint.cost.rows = Some(if answers { self.footprint.cost.written_rows } else { 0 });
            }
            Action::Update | Action::Delete => self.footprint.cost.is_point = self.is_point(relation),
            Action::Read | Action::Describe | Action::Options => {}
        }
    }

    fn read(&mut self, relation: &Arc<Relation>) -> Result<Read, PlanError> {
        let scope = self.top(relation);
        let level = self.level(&scope, &self.request.select, self.context.settings.max_rows)?;
        self.footprint.cost.rows = level.limit;
        self.footprint.cost.is_point = self.is_point(relation);
        self.footprint.cost.is_short = self.is_short(relation, &level);
        Ok(Read { level, counts: self.counting(), wants_body: self.request.wants_body() })
    }

    /// How exactly the request wants rows counted.
    pub(crate) fn counting(&self) -> Option<Counting> {
        Some(match self.request.preferences.count? {
            Count::Exact => Counting::Exact,
            Count::Planned => Counting::Planned,
            Count::Estimated => Counting::Estimated { up_to: self.context.settings.max_rows },
        })
    }

    /// Whether the top level's filters fix a unique key.
    fn is_point(&self, relation: &Relation) -> bool {
        let fixed: Vec<Arc<str>> = self
            .request
            .conditions
            .iter()
            .filter(|placed| placed.path.is_empty())
            .filter_map(|placed| match &placed.condition {
                Condition::Filter(filter) if !filter.is_negated && filter.field.path.is_empty() => matches!(
                    filter.operation,
                    FilterOperation::Compare { comparison: rest::Comparison::Equal, quantifier: None, .. }
                )
                .then(|| Arc::from(filter.field.column.as_str())),
                _ => None,
            })
            .collect();
        let covers = |key: &[Arc<str>]| !key.is_empty() && key.iter().all(|column| fixed.contains(column));
        covers(&relation.primary_key) || relation.uniques.iter().any(|unique| covers(&unique.columns))
    }

    /// Whether a read is over at once, by what the catalog knows.
    fn is_short(&self, relation: &Relation, level: &Level) -> bool {
        let is_table = relation.view().is_none()
            && relation.native.as_ref().is_none_or(|native| native.kind == catalog::NativeRelationKind::Table);
        let is_alone = self.request.select.iter().all(|item| matches!(item, rest::SelectItem::Field { .. }));
        let is_few = level.limit.is_some_and(|limit| limit.saturating_add(level.offset) <= SHORT_ROWS);
        let is_led = self.request.order.iter().filter(|(path, _)| path.is_empty()).all(|(_, terms)| {
            let first = terms.first().filter(|term| term.relation.is_none() && term.field.path.is_empty());
            first.is_some_and(|term| leads(relation, &term.field.column))
        });
        is_table
            && is_alone
            && !level.is_aggregated
            && self.counting().is_none()
            && (self.footprint.cost.is_point || (is_few && is_led && !self.footprint.cost.is_unindexed))
    }

    /// Whether the top level has conditions, and no index begins with a column that one of them is about. It is a guess for
    /// the price of the request, not what the engine will do: every condition of `or` has to be served by an index, and one on
    /// a value that is computed is served by none.
    fn is_unindexed(&self, relation: &Relation) -> bool {
        let is_foreign =
            relation.native.as_ref().is_some_and(|native| native.kind == catalog::NativeRelationKind::ForeignTable);
        if is_foreign || relation.view().is_some() {
            return false;
        }
        // What a server searches by otherwise than by comparing: GIN, GiST, or an expression. Which of them serves what, it knows.
        let has_others = self.is_native() && relation.indexes.iter().any(|index| index.columns.is_empty());
        let mut conditions = self.request.conditions.iter().filter(|placed| placed.path.is_empty()).peekable();
        let begins = |column: &str| leads(relation, column);
        conditions.peek().is_some() && !conditions.any(|placed| is_served(&placed.condition, has_others, &begins))
    }

    /// `limit` and `offset` of a level.
    pub(crate) fn range(&self, scope: &Scope) -> RowRange {
        self.request.ranges.iter().find(|(path, _)| scope.is_at(path)).map(|(_, range)| *range).unwrap_or_default()
    }

    /// Every relation read notes itself; a column that is read as well.
    pub(crate) fn note_read(&mut self, scope: &Scope, column: Option<&Arc<str>>) {
        if scope.derived.is_some() {
            return;
        }
        self.footprint.read(&scope.relation.name, column);
        self.note_view(&scope.relation.name);
    }

    /// Whoever reads a view calls its functions.
    pub(crate) fn note_view(&mut self, name: &QualifiedName) {
        if let Some(calls) = self.context.catalog.calls_of_view(name) {
            self.footprint.calls.extend(calls.iter().cloned());
        }
    }

    /// A column of a scope, read.
    pub(crate) fn column(&mut self, scope: &Scope, name: &str) -> Result<Expression, PlanError> {
        let Some(column) = scope.relation.column(name) else { return self.undeclared_column(scope, name) };
        self.note_read(scope, Some(&column.name));
        if let Some(Derived::Written(columns)) = &scope.derived {
            return columns.get(&column.name).cloned().ok_or_else(|| unknown_column(scope, name));
        }
        let physical = scope.renames.as_ref().and_then(|renames| renames.get(&column.name)).unwrap_or(&column.name);
        Ok(Expression::column(scope.source, physical.clone(), column.data_type.clone()))
    }

    /// The bounds on the request's shape, before anything is looked up.
    fn check_bounds(&mut self) -> Result<(), PlanError> {
        let limits = &self.context.settings.limits;
        let filters: u64 = self.request.conditions.iter().map(|placed| count_conditions(&placed.condition)).sum();
        let (embeds, depth) = count_embeds(&self.request.select);
        let terms: u64 = self.request.order.iter().map(|(_, terms)| terms.len() as u64).sum();
        let rows = self.request.payload.rows.len() as u64;
        for (what, found, limit) in [
            ("filters", filters, limits.max_filters),
            ("embedded relations", embeds, limits.max_embeds),
            ("levels of embedding", depth, limits.max_embed_depth),
            ("order terms", terms, limits.max_order_terms),
            ("rows in the body", rows, limits.max_written_rows),
        ] {
            if limit.is_exceeded_by(found) {
                return Err(PlanError::TooLarge { what, found, limit });
            }
        }
        self.footprint.cost.filters = u32::try_from(filters).unwrap_or(u32::MAX);
        self.footprint.cost.embeds = u32::try_from(embeds).unwrap_or(u32::MAX);
        self.footprint.cost.depth = u32::try_from(depth).unwrap_or(u32::MAX);
        // A function gets its arguments in one row, which is no row of a table.
        if matches!(self.request.target, Target::Relation(_)) {
            self.footprint.cost.written_rows = rows;
        }
        Ok(())
    }

    /// Filters, orders and ranges may only name embeds that `select` has.
    fn check_paths(&self) -> Result<(), PlanError> {
        let conditions = self.request.conditions.iter().map(|placed| &placed.path);
        let orders = self.request.order.iter().map(|(path, _)| path);
        for path in conditions.chain(orders).chain(self.request.ranges.keys()) {
            check_path(&self.request.select, path)?;
        }
        Ok(())
    }
}

fn check_path(select: &[rest::SelectItem], path: &[String]) -> Result<(), PlanError> {
    let Some((step, below)) = path.split_first() else { return Ok(()) };
    let embed = select
        .iter()
        .filter_map(|item| match item {
            rest::SelectItem::Embed(embed) => Some(embed),
            rest::SelectItem::Field { .. } => None,
        })
        .find(|embed| embed.alias.as_ref() == Some(step) || embed.relation == *step)
        .ok_or_else(|| PlanError::NotEmbedded(step.clone()))?;
    check_path(&embed.select, below)
}

/// The error for a column that does not exist, with the names that are near.
pub(crate) fn unknown_column(scope: &Scope, name: &str) -> PlanError {
    let known = scope.relation.columns.iter().map(|column| &*column.name);
    PlanError::UnknownColumn {
        qualifier: scope.qualifier.clone(),
        column: name.to_owned(),
        similar: catalog::similar_columns(name, known).into_iter().map(str::to_owned).collect(),
    }
}

/// A read of at most so many rows, those left out first among them, may be over at once.
const SHORT_ROWS: u64 = 100;

/// Whether a key or an index begins with a column.
fn leads(relation: &Relation, column: &str) -> bool {
    let leads = |columns: &[Arc<str>]| columns.first().is_some_and(|first| **first == *column);
    leads(&relation.primary_key)
        || relation.uniques.iter().any(|unique| leads(&unique.columns))
        || relation.indexes.iter().any(|index| leads(&index.columns))
}

/// Whether an index serves a condition, where `begins` says whether one begins with a column.
fn is_served(condition: &Condition, has_others: bool, begins: &impl Fn(&str) -> bool) -> bool {
    match condition {
        Condition::Filter(filter) => {
            use rest::Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
            let is_search = match &filter.operation {
                FilterOperation::Compare { comparison, .. } => {
                    matches!(comparison, Equal | Greater | GreaterOrEqual | Less | LessOrEqual)
                }
                FilterOperation::In(_) | FilterOperation::Is(_) => true,
                _ => false,
            };
            let is_plain = is_search && filter.field.path.is_empty();
            !filter.is_negated && if is_plain { begins(&filter.field.column) } else { has_others }
        }
        Condition::Logic { is_negated: true, .. } => false,
        Condition::Logic { is_or: true, children, .. } => {
            children.iter().all(|child| is_served(child, has_others, begins))
        }
        Condition::Logic { children, .. } => children.iter().any(|child| is_served(child, has_others, begins)),
    }
}

/// Conditions, each value of a list counted.
fn count_conditions(condition: &Condition) -> u64 {
    match condition {
        Condition::Logic { children, .. } => children.iter().map(count_conditions).sum(),
        Condition::Filter(filter) => match &filter.operation {
            FilterOperation::In(values) => values.len().max(1) as u64,
            // An array literal has at most one element more than commas.
            FilterOperation::Compare { quantifier: Some(_), value, .. } => {
                value.bytes().filter(|byte| *byte == b',').count() as u64 + 1
            }
            _ => 1,
        },
    }
}

/// Embeds at all levels, and the deepest level.
fn count_embeds(select: &[rest::SelectItem]) -> (u64, u64) {
    select.iter().fold((0, 0), |(count, depth), item| match item {
        rest::SelectItem::Field { .. } => (count, depth),
        rest::SelectItem::Embed(embed) => {
            let (below, deeper) = count_embeds(&embed.select);
            (count + below + 1, depth.max(deeper + 1))
        }
    })
}
