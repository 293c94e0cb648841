//! What the answer to a read depends on besides the words of its plan: the rows of which tables, what of the caller, and whether on
//! anything that nobody is told of. Found in the plan itself, with policies woven in, and not guessed from the request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::QualifiedName;
use catalog::{
    Binary, Catalog, ClaimsAsked, DefaultValue, Expression, Function, NativeFunction, Query, RelationKind, Source,
};
use datatype::{Datum, NativeKind, Type};

use crate::model::{Access, Counting, Level, Member, Operation, Plan};

/// What an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dependence {
    /// The tables of which any row may decide it.
    pub tables: BTreeSet<QualifiedName>,
    /// The tables of which only the row with this key may: what stands in the only column of its primary key, as text.
    pub rows: BTreeMap<QualifiedName, String>,
    /// What is asked of the caller's claims where the engine runs it. What the plan itself has put in already is not among it: that
    /// stands in the statement.
    pub claims: ClaimsAsked,
}

/// The words that PostgreSQL reads as moments, wherever it expects one.
const MOMENTS: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];

/// Finds out what the answer to a plan depends on.
///
/// # Errors
/// Why the same plan may be answered otherwise although nothing of that has changed, for people to read.
pub fn dependence(plan: &Plan, catalog: &Catalog) -> Result<Dependence, String> {
    let Operation::Read(read) = &plan.operation else { return Err("it writes".to_owned()) };
    if plan.access != Access::ReadOnly {
        return Err("it calls a function that may write".to_owned());
    }
    if plan.is_of_moment {
        return Err("it asks for the moment".to_owned());
    }
    if plan.explain.is_some() || plan.handler.is_some() {
        return Err("it is made by the server".to_owned());
    }
    if let Some(name) = plan.unresolved.first() {
        return Err(format!("only the server knows what {} is", name.name));
    }
    if matches!(read.counts, Some(Counting::Planned | Counting::Estimated { .. })) && catalog.is_native() {
        return Err("it asks for an estimate".to_owned());
    }
    let mut finder = Finder { catalog, found: Dependence::default(), known: BTreeSet::new(), obstacle: None };
    match point(&read.level, catalog) {
        Some((table, key)) => {
            finder.point(&table);
            finder.level(&read.level, true);
            let policies_read_it = finder.found.tables.contains(&table);
            if !policies_read_it {
                finder.found.rows.insert(table, key);
            }
        }
        None => finder.level(&read.level, false),
    }
    finder.obstacle.map_or(Ok(finder.found), Err)
}

/// The table and the key of the only row that a level can show, where its key is one column that has to equal a value.
fn point(level: &Level, catalog: &Catalog) -> Option<(QualifiedName, String)> {
    let Source::Relation { id, name } = &level.from.first else { return None };
    let relation = catalog.relation(name).filter(|relation| !relation.is_view())?;
    let [key] = relation.primary_key.as_slice() else { return None };
    let is_told = match (&relation.native, catalog.snapshot().dependences.get(name)) {
        // In the embedded engine a row is told by its number, which is the key only where the engine draws it.
        (None, _) => relation.column(key).is_some_and(|column| matches!(column.default, DefaultValue::Identity(_))),
        (Some(_), dependence) => dependence.is_some_and(|dependence| dependence.row_key.as_ref() == Some(key)),
    };
    if !is_told {
        return None;
    }
    let is_key = |expression: &Expression| matches!(expression, Expression::Column { source, name, .. } if source == id && name == key);
    level.filter.iter().find_map(|condition| match condition {
        Expression::Binary { operator: Binary::Equal, left, right } if is_key(left) => match &**right {
            Expression::Value { value, .. } => canonical(value, &left.data_type()).map(|key| (name.clone(), key)),
            _ => None,
        },
        _ => None,
    })
}

/// A whole number or a UUID as it is printed; of anything else one value may be written in several ways.
fn canonical(value: &Datum, data_type: &Type) -> Option<String> {
    match (value, data_type) {
        (Datum::Integer(number), Type::SmallInteger | Type::Integer | Type::BigInteger) => Some(number.to_string()),
        (Datum::Text(text), Type::SmallInteger | Type::Integer | Type::BigInteger) => {
            text.parse().ok().map(|number: i64| number.to_string()).filter(|number| number == text)
        }
        (Datum::Text(text), Type::Uuid) => is_printed_uuid(text).then(|| text.clone()),
        _ => None,
    }
}

/// Whether a UUID is written as servers print it (RFC 9562, 4).
fn is_printed_uuid(text: &str) -> bool {
    let is_right = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    text.len() == 36 && text.bytes().enumerate().all(is_right)
}

/// Whether text that is read as a type may be a word for the moment, or an array or a range that has one in it.
pub(crate) fn may_be_the_moment(text: &str, data_type: &Type) -> bool {
    // Most values are numbers.
    if data_type.is_text() || !text.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return false;
    }
    let text = text.to_ascii_lowercase();
    MOMENTS.iter().any(|word| text.contains(word))
}

/// Whether text of a type always means the same value. Of a type that only the server knows nobody can tell.
fn means_one_value(data_type: &Type) -> bool {
    match data_type {
        Type::Native(native) => matches!(&native.kind, NativeKind::Array(element) if means_one_value(element)),
        data_type => !is_moment(data_type),
    }
}

fn is_moment(data_type: &Type) -> bool {
    matches!(data_type, Type::Date | Type::Time | Type::Timestamp | Type::TimestampTz)
}

struct Finder<'c> {
    catalog: &'c Catalog,
    found: Dependence,
    /// Relations that were looked into.
    known: BTreeSet<QualifiedName>,
    obstacle: Option<String>,
}

impl Finder<'_> {
    /// A level and all below it; with `is_point` its own relation counts by its row.
    fn level(&mut self, level: &Level, is_point: bool) {
        if !is_point {
            self.source(&level.from.first);
        }
        level.from.joins.iter().for_each(|join| {
            self.source(&join.source);
            join.on.iter().for_each(|on| self.expression(on));
        });
        level.members.iter().for_each(|member| self.member(member));
        level.filter.iter().chain(&level.group_by).for_each(|part| self.expression(part));
        level.order.iter().for_each(|sort| self.expression(&sort.expression));
        level.keys.iter().for_each(|(outer, inner)| {
            self.expression(outer);
            self.expression(inner);
        });
    }

    fn member(&mut self, member: &Member) {
        match member {
            Member::Value(field) => self.expression(&field.expression),
            Member::One { presence, members, .. } => {
                self.expression(presence);
                members.iter().for_each(|member| self.member(member));
            }
            Member::Rows { level, .. } | Member::SpreadRows { level } => self.level(level, false),
        }
    }

    fn source(&mut self, source: &Source) {
        match source {
            Source::Relation { name, .. } => self.relation(name),
            Source::Query { query, .. } => self.query(query),
            Source::Call { .. } => self.stop(|| "it calls a function of the server".to_owned()),
        }
    }

    fn query(&mut self, query: &Query) {
        self.sources(query);
        query.visit(&mut |part| self.part(part));
    }

    /// Where a query's rows come from; not what its expressions read.
    fn sources(&mut self, query: &Query) {
        for (_, name) in query.all_sources() {
            name.iter().for_each(|name| self.relation(name));
        }
    }

    fn expression(&mut self, expression: &Expression) {
        expression.visit(&mut |part| self.part(part));
    }

    /// One part of an expression; those below it are visited by themselves.
    fn part(&mut self, part: &Expression) {
        match part {
            Expression::Exists(query) | Expression::Scalar(query) | Expression::InQuery { query, .. } => {
                self.sources(query);
            }
            Expression::Call { function, arguments, .. } => self.function(function, arguments),
            Expression::Value { value: Datum::Text(text), data_type, .. } if self.catalog.is_native() => {
                self.native_value(text, data_type);
            }
            Expression::Cast { operand, data_type } if self.catalog.is_native() => self.native_cast(operand, data_type),
            _ => {}
        }
    }

    /// A value that a server reads may be a moment, as whatever it is compared with takes it.
    fn native_value(&mut self, text: &str, data_type: &Type) {
        if may_be_the_moment(text, data_type) {
            self.stop(|| "it may ask for the moment".to_owned());
        }
    }

    /// A server that is to read text as something else may find `now` in it, in any row. What one moment is of another only the zone
    /// decides, which every question asks for.
    fn native_cast(&mut self, operand: &Expression, data_type: &Type) {
        if !(means_one_value(data_type) || is_moment(data_type) && is_moment(&operand.data_type())) {
            self.stop(|| "it reads text as a date, a moment or another value that may mean `now`".to_owned());
        }
    }

    fn function(&mut self, function: &Function, arguments: &[Expression]) {
        let claims = &mut self.found.claims;
        match function {
            Function::Now | Function::CurrentDate => self.stop(|| "it asks for the moment".to_owned()),
            Function::GenRandomUuid => self.stop(|| "it asks for something random".to_owned()),
            Function::AuthUid => claims.claim("sub"),
            Function::AuthRole => claims.claim("role"),
            Function::AuthJwt => *claims = ClaimsAsked::All,
            Function::AuthClaim => match arguments {
                [Expression::Value { value: Datum::Text(name), .. }] => claims.claim(name),
                _ => *claims = ClaimsAsked::All,
            },
            Function::Routine(signature) => self.stop(|| format!("a view calls the function {signature}")),
            Function::Native(NativeFunction::Apply(name) | NativeFunction::ApplyEach(name)) => {
                self.stop(|| format!("it calls the function {}.{}", name.schema, name.name));
            }
            // The same for the same arguments, the role and the zone, which are asked for by every question.
            _ => {}
        }
    }

    fn relation(&mut self, name: &QualifiedName) {
        if !self.known.insert(name.clone()) {
            return;
        }
        if self.catalog.is_native() {
            return self.native_relation(name);
        }
        match self.catalog.relation(name).map(Arc::clone) {
            Some(relation) => match &relation.kind {
                RelationKind::Table => drop(self.found.tables.insert(name.clone())),
                RelationKind::View(view) => self.query(&view.query),
            },
            None => self.stop(|| format!("nothing is known of {}.{}", name.schema, name.name)),
        }
    }

    /// What decides of a table of which one row is shown, besides that row.
    fn point(&mut self, table: &QualifiedName) {
        if self.catalog.is_native() {
            self.native_relation(table);
            self.found.tables.remove(table);
        }
    }

    fn native_relation(&mut self, name: &QualifiedName) {
        let Some(dependence) = self.catalog.snapshot().dependences.get(name).cloned() else {
            return self.stop(|| format!("nothing is known of {}.{}", name.schema, name.name));
        };
        self.found.tables.extend(dependence.tables.iter().cloned());
        self.found.claims.add(&dependence.claims);
        if let Some(obstacle) = &dependence.obstacle {
            self.stop(|| obstacle.clone());
        }
    }

    fn stop(&mut self, why: impl FnOnce() -> String) {
        self.obstacle.get_or_insert_with(why);
    }
}
