//! Row security: the policies of the catalog become conditions of the statement. It fails closed: a table with row
//! security and no policy for the caller shows no row and takes none.

use std::collections::BTreeMap;

use base::{Limit, QualifiedName, Signature};
use catalog::{ClaimsAsked, Command, Expression, Function, JoinKind, Policy, Query, Relation, Source, SourceId};
use datatype::{Datum, Type};

use crate::error::PlanError;
use crate::planner::{Planner, Scope};

/// How many calls of functions one request may put in place: bodies may call others, and so multiply.
const MOST_INLINED: Limit = Limit::new("calls of functions inside of one another", 1_000);

/// Which half of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// `USING`
    Using,
    /// `WITH CHECK`; `USING` where it is absent.
    Check,
}

impl Planner<'_> {
    /// Which rows of a scope the caller may see; `None` when all.
    pub(crate) fn visible(&mut self, scope: &Scope) -> Result<Option<Expression>, PlanError> {
        let relation = scope.relation.clone();
        if scope.derived.is_some() {
            return Ok(None);
        }
        self.policy(&relation, Command::Select, Half::Using, scope.source)
    }

    /// The caller's policies for a command on a relation as one condition over `source`; `None` when row security
    /// does not apply.
    pub(crate) fn policy(
        &mut self,
        relation: &Relation,
        command: Command,
        half: Half,
        source: SourceId,
    ) -> Result<Option<Expression>, PlanError> {
        let role = self.context.caller.role.clone();
        if self.is_native() || !relation.row_security || self.context.catalog.bypasses_row_security(&role) {
            return Ok(None);
        }
        if self.policies_open.contains(&relation.name) {
            return Err(PlanError::PolicyRecursion(relation.name.name.to_string()));
        }
        self.policies_open.push(relation.name.clone());
        let woven = self.weave(relation, command, half, source);
        self.policies_open.pop();
        woven.map(Some)
    }

    fn weave(
        &mut self,
        relation: &Relation,
        command: Command,
        half: Half,
        source: SourceId,
    ) -> Result<Expression, PlanError> {
        let role = self.context.caller.role.clone();
        let roles = self.context.catalog.roles_of(&role);
        let applies = |policy: &&Policy| {
            (policy.command == Command::All || policy.command == command)
                && (policy.roles.is_empty() || policy.roles.iter().any(|named| roles.contains(&&**named)))
        };
        let mut permissive = Vec::new();
        let mut restrictive = Vec::new();
        for policy in relation.policies.iter().filter(applies) {
            let condition = match half {
                Half::Using => policy.using.as_ref(),
                Half::Check => policy.check.as_ref().or(policy.using.as_ref()),
            };
            // A policy without this half adds nothing: a permissive one lets nobody through, a restrictive one stops nobody.
            let Some(condition) = condition else { continue };
            let condition = self.instantiate(condition, source)?;
            if policy.is_permissive { permissive.push(condition) } else { restrictive.push(condition) }
        }
        restrictive.insert(0, Expression::Or(permissive));
        Ok(Expression::And(restrictive))
    }

    /// A policy's expression over a row of this statement: sources renumbered, the caller's identity put in, the
    /// policies of tables in subqueries woven in turn.
    pub(crate) fn instantiate(&mut self, expression: &Expression, source: SourceId) -> Result<Expression, PlanError> {
        let expanded = self.expand(expression, false)?;
        let expression = &expanded;
        let mut renumbered: BTreeMap<SourceId, SourceId> = BTreeMap::from([(SourceId::ROW, source)]);
        let mut inner: Vec<(SourceId, QualifiedName)> = Vec::new();
        for (id, name) in expression.inner_sources() {
            let fresh = self.new_source();
            renumbered.insert(id, fresh);
            if let Some(name) = name.filter(|_| !self.exempt.contains(&id)) {
                inner.push((fresh, name));
            }
        }
        let mut identity = Vec::new();
        expression.visit(&mut |part| {
            if let Expression::Call { function, arguments, .. } = part {
                identity.push((function.clone(), arguments.clone()));
            }
        });
        for (function, arguments) in &identity {
            // Fails here, where an error can be told, instead of in the infallible rewrite below.
            self.identity_value(function, arguments)?;
        }
        let mut policies: BTreeMap<SourceId, Expression> = BTreeMap::new();
        for (id, name) in &inner {
            let relation = self.known(name)?;
            self.footprint.read(name, None);
            self.note_view(name);
            if let Some(condition) = self.policy(&relation, Command::Select, Half::Using, *id)? {
                policies.insert(*id, condition);
            }
        }
        self.note_inner_columns(expression, &renumbered, &inner);
        let this = &*self;
        let rewritten = expression.clone().rewrite(
            &mut |part| match part {
                Expression::Column { source, name, data_type } => {
                    Expression::Column { source: renumbered.get(&source).copied().unwrap_or(source), name, data_type }
                }
                Expression::Call { function, arguments, data_type } => {
                    match this.identity_value(&function, &arguments) {
                        Ok(Some(value)) => value,
                        _ => Expression::Call { function, arguments, data_type },
                    }
                }
                other => other,
            },
            &mut |query| secure_query(query, &renumbered, &policies),
        );
        Ok(rewritten)
    }

    /// Puts the bodies of functions in the places of their calls. Inside of one that runs with its owner's rights,
    /// nothing is checked.
    pub(crate) fn expand(&mut self, expression: &Expression, as_owner: bool) -> Result<Expression, PlanError> {
        let mut calls = false;
        expression.visit(&mut |part| {
            calls |= matches!(part, Expression::Call { function: Function::Routine(_), .. });
        });
        if !calls {
            return Ok(expression.clone());
        }
        let mut failed = None;
        let expanded = expression.clone().rewrite(
            &mut |part| match part {
                Expression::Call { function: Function::Routine(signature), arguments, .. } if failed.is_none() => {
                    self.inline(&signature, &arguments, as_owner).unwrap_or_else(|error| {
                        failed = Some(error);
                        Expression::constant(false)
                    })
                }
                other => other,
            },
            &mut |query| query,
        );
        failed.map_or(Ok(expanded), Err)
    }

    fn inline(
        &mut self,
        signature: &Signature,
        arguments: &[Expression],
        as_owner: bool,
    ) -> Result<Expression, PlanError> {
        let Some(routine) = self.context.catalog.routine(signature).cloned() else {
            return Err(PlanError::NoSuchFunction(signature.to_string()));
        };
        self.inlined_calls += 1;
        if MOST_INLINED.is_exceeded_by(self.inlined_calls) {
            let (what, found) = ("calls of functions inside of one another", self.inlined_calls);
            return Err(PlanError::TooLarge { what, found, limit: MOST_INLINED });
        }
        if !as_owner {
            self.footprint.calls.insert(signature.clone());
        }
        let as_owner = as_owner || routine.is_security_definer;
        let body = self.with_fresh_sources(as_owner, |fresh| routine.inlined_value(arguments, fresh));
        let body = body.ok_or_else(|| PlanError::NoSuchFunction(signature.to_string()))?;
        if !body.is_bounded() {
            return Err(too_large());
        }
        let expanded = self.expand(&body, as_owner)?;
        if expanded.is_bounded() { Ok(expanded) } else { Err(too_large()) }
    }

    /// Calls `put` with a source of numbers for what a body reads; with `is_exempt`, row security does not hold there.
    pub(crate) fn with_fresh_sources<T>(
        &mut self,
        is_exempt: bool,
        put: impl FnOnce(&mut dyn FnMut() -> SourceId) -> T,
    ) -> T {
        let first = self.next_inlined;
        let next = &mut self.next_inlined;
        let outcome = put(&mut || {
            *next += 1;
            SourceId(*next)
        });
        if is_exempt {
            self.exempt.extend((first..self.next_inlined).map(|number| SourceId(number + 1)));
        }
        outcome
    }

    /// Columns that a policy's subqueries read need the caller's own privileges, as on PostgreSQL.
    fn note_inner_columns(
        &mut self,
        expression: &Expression,
        renumbered: &BTreeMap<SourceId, SourceId>,
        inner: &[(SourceId, QualifiedName)],
    ) {
        let mut columns = Vec::new();
        expression.visit(&mut |part| {
            if let Expression::Column { source, name, .. } = part {
                let fresh = renumbered.get(source);
                if let Some((_, relation)) = inner.iter().find(|(id, _)| Some(id) == fresh) {
                    columns.push((relation.clone(), name.clone()));
                }
            }
        });
        for (relation, column) in columns {
            self.footprint.read(&relation, Some(&column));
        }
    }

    /// What a function that asks for the caller or the time gives; `None` for any other function.
    fn identity_value(&self, function: &Function, arguments: &[Expression]) -> Result<Option<Expression>, PlanError> {
        let claims = &self.context.caller.claims;
        let text = |text: Option<String>| Expression::value(text.map_or(Datum::Null, Datum::Text), Type::Text);
        self.note_asked(function, arguments);
        Ok(Some(match function {
            Function::AuthUid => match claims.text("sub").filter(|sub| !sub.is_empty()) {
                None => Expression::value(Datum::Null, Type::Uuid),
                Some(sub) => self.typed(&sub, &Type::Uuid)?,
            },
            Function::AuthRole => text(claims.text("role")),
            Function::AuthClaim => match arguments {
                [Expression::Value { value: Datum::Text(name), .. }] => text(claims.text(name)),
                _ => return Ok(None),
            },
            Function::AuthJwt => {
                let object = serde_json::Value::Object(claims.object().clone()).to_string();
                self.typed(&object, &Type::Jsonb)?
            }
            Function::CurrentUser => text(Some(self.context.caller.role.to_string())),
            Function::Now => Expression::value(Datum::Integer(self.context.now.0), Type::TimestampTz),
            _ => return Ok(None),
        }))
    }
}

impl Planner<'_> {
    /// Notes what of the caller, and whether the moment, is put into the plan.
    fn note_asked(&self, function: &Function, arguments: &[Expression]) {
        let mut claims = self.claims.borrow_mut();
        match function {
            Function::AuthUid => claims.claim("sub"),
            Function::AuthRole => claims.claim("role"),
            Function::AuthClaim => match arguments {
                [Expression::Value { value: Datum::Text(name), .. }] => claims.claim(name),
                _ => *claims = ClaimsAsked::All,
            },
            Function::AuthJwt => *claims = ClaimsAsked::All,
            Function::Now => self.is_of_moment.set(true),
            _ => {}
        }
    }
}

/// The bodies of functions, put into one another, are more than can be carried.
fn too_large() -> PlanError {
    let limit = Limit::new("parts of an expression", catalog::MOST_PARTS as u64);
    PlanError::TooLarge {
        what: "parts of functions inside of one another, or levels of them",
        found: limit.value + 1,
        limit,
    }
}

/// A subquery with its sources renumbered and their policies added to its condition.
fn secure_query(
    mut query: Query,
    renumbered: &BTreeMap<SourceId, SourceId>,
    policies: &BTreeMap<SourceId, Expression>,
) -> Query {
    let Some(from) = &mut query.from else { return query };
    let mut conditions: Vec<Expression> = query.filter.take().into_iter().collect();
    let secure = |source: &mut Source| {
        let (Source::Relation { id, .. } | Source::Query { id, .. } | Source::Call { id, .. }) = source;
        if let Some(fresh) = renumbered.get(id) {
            *id = *fresh;
        }
        policies.get(id).cloned()
    };
    conditions.extend(secure(&mut from.first));
    for join in &mut from.joins {
        let Some(condition) = secure(&mut join.source) else { continue };
        // Of a left join, unseen rows count as absent; anywhere else they take the whole row with them.
        match (&mut join.on, join.kind) {
            (Some(on), JoinKind::Left) => *on = Expression::And(vec![on.clone(), condition]),
            _ => conditions.push(condition),
        }
    }
    if !conditions.is_empty() {
        query.filter = Some(Expression::And(conditions));
    }
    query
}
