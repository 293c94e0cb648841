//! The functions of triggers in SQLite's words.
//!
//! SQLite runs all of it after the row is written. What `BEFORE` functions assign to `NEW` is followed through their
//! statements as expressions over the row as it was sent, and then set by one `UPDATE` of that row; what `AFTER`
//! functions do comes behind it, with the row as it then is. Where PostgreSQL's order would show, the trigger is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::QualifiedName;
use catalog::{
    Binary, Column, DefaultValue, Event, Expression, From, Function, JoinKind, Projection, Query, Relation, Returns,
    Routine, RoutineResult, RoutineStatement, RowCount, Snapshot, Source, SourceId, Timing, Trigger, TriggerFunction,
    Volatility,
};
use datatype::{Datum, Type};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::expression::{Analyzer, Context};
use super::operator::{self, Operand};
use super::plpgsql::{self, Raise, Returned, Statement};
use super::problem::{NOWHERE, Outcome, Problem};
use super::routine_body::Body;
use super::scope::{Level, ScopeSource};
use super::tokens::{self, Piece};
use super::{dependents, inline, render};
use crate::sqlite::expression::{RowColumns, literal, write, write_query};
use crate::sqlite::names::{physical_name, quoted};
use crate::sqlite::own_key;
use crate::writer::Writer;

/// The function of the extension of that name: sets a column to the present moment.
pub(super) const MODDATETIME: &str = "moddatetime";

/// What must hold for a statement to run; all of it. Empty is always.
type Guard = Vec<Expression>;

/// The name of SQLite's trigger for an event of a table.
pub(super) fn physical_trigger(table: &QualifiedName, event: Event) -> String {
    format!("_pando_{}_{}", event.name().to_ascii_lowercase(), physical_name(table))
}

/// The triggers of a table on an event, as SQLite's one trigger.
pub(super) struct Translated {
    /// What makes it; `None` if nothing runs.
    pub(super) statement: Option<String>,
    /// What is set in the row that is written, over the row as it was sent.
    pub(super) sets: BTreeMap<Arc<str>, Expression>,
}

/// Translates the triggers on an event. Notes in `triggers` what each of them does.
pub(super) fn translate(
    snapshot: &Snapshot,
    table: &Relation,
    event: Event,
    triggers: &mut [Trigger],
) -> Outcome<Translated> {
    let mut row = Row { snapshot, table, event, new: BTreeMap::new(), statements: Vec::new() };
    let count = triggers.iter().filter(|trigger| trigger.events.contains(&event)).count();
    let mut columns = Vec::new();
    let mut is_set = false;
    for trigger in triggers.iter_mut().filter(|trigger| trigger.events.contains(&event)) {
        if event == Event::Update && !trigger.columns.is_empty() {
            if count > 1 {
                return Err(Problem::refused(
                    NOWHERE,
                    "UPDATE OF",
                    format!(
                        "\"{}\" has several triggers on UPDATE, of which one is for some columns only",
                        table.name.name
                    ),
                    "instead, compare NEW with OLD in WHEN or in the function",
                ));
            }
            columns.clone_from(&trigger.columns);
        }
        if trigger.timing == Timing::After && !std::mem::replace(&mut is_set, true) {
            row.set_new();
        }
        row.run(trigger)?;
    }
    if !is_set {
        row.set_new();
    }
    let statement = (!row.statements.is_empty()).then(|| row.statement(&columns));
    let sets = row.new.into_iter().map(|(column, value)| (column, over_sent_row(value))).collect();
    Ok(Translated { statement, sets })
}

/// What is said of `NEW`, said of the row that an expression is about.
fn over_sent_row(value: Expression) -> Expression {
    value.rewrite(
        &mut |part| match part {
            Expression::Column { source: SourceId::NEW, name, data_type } => {
                Expression::column(SourceId::ROW, name, data_type)
            }
            other => other,
        },
        &mut |query| query,
    )
}

/// A row on its way through the triggers of an event.
struct Row<'a> {
    snapshot: &'a Snapshot,
    table: &'a Relation,
    event: Event,
    /// What was assigned to `NEW`, over the row as it was sent.
    new: BTreeMap<Arc<str>, Expression>,
    /// What SQLite runs.
    statements: Vec<String>,
}

impl Row<'_> {
    fn run(&mut self, trigger: &mut Trigger) -> Outcome<()> {
        let snapshot = self.snapshot;
        let builtin = moddatetime(trigger);
        let known = snapshot.trigger_functions.iter().find(|function| function.name == trigger.function);
        let Some(function) = known.map(|known| &**known).or(builtin.as_ref()) else {
            return Err(Problem::invalid(NOWHERE, format!("function {}() does not exist", trigger.function.name)));
        };
        let mut run = Run { row: self, function, trigger };
        let outcome = run.whole();
        outcome.map_err(|problem| {
            let message = format!("in function {}(): {}", function.name.name, problem.message());
            problem.placed_nowhere(message)
        })
    }

    /// What makes SQLite's trigger; `columns` are those of `UPDATE OF`.
    fn statement(&self, columns: &[Arc<str>]) -> String {
        let physical = physical_name(&self.table.name);
        let of = if columns.is_empty() { String::new() } else { format!(" OF {}", render::list(columns)) };
        format!(
            "CREATE TRIGGER {} AFTER {}{of} ON {} WHEN pando_quiet({}) = 0 BEGIN\n  {};\nEND",
            quoted(&physical_trigger(&self.table.name, self.event)),
            self.event.name(),
            quoted(&physical),
            literal(&Datum::Text(physical.clone())),
            self.statements.join(";\n  ")
        )
    }

    /// Sets what was assigned, without running the triggers of the row again.
    fn set_new(&mut self) {
        if self.new.is_empty() {
            return;
        }
        let physical = physical_name(&self.table.name);
        let sets: Vec<String> =
            self.new.iter().map(|(column, value)| format!("{} = {}", quoted(column), text(value, &physical))).collect();
        let update = format!(
            "UPDATE {} SET {}{} WHERE {}._rowid_ = NEW._rowid_",
            quoted(&physical),
            sets.join(", "),
            own_key::beside(self.table, self.new.keys()),
            quoted(&physical)
        );
        // An UPDATE inside of the trigger on UPDATE does not run that trigger again, one inside of the trigger on INSERT does.
        if self.event == Event::Insert {
            self.statements.push(format!("SELECT pando_quiet_begin({})", literal(&Datum::Text(physical))));
            self.statements.push(update);
            self.statements.push("SELECT pando_quiet_end()".to_owned());
        } else {
            self.statements.push(update);
        }
    }
}

/// A function while it runs for one trigger.
struct Run<'r, 'a> {
    row: &'r mut Row<'a>,
    function: &'r TriggerFunction,
    trigger: &'r mut Trigger,
}

impl Run<'_, '_> {
    fn whole(&mut self) -> Outcome<()> {
        let statements = plpgsql::parse(&self.function.source)?;
        let mut guard = Guard::new();
        if let Some(condition) = self.trigger.condition.clone() {
            let condition = self.condition(&tokens::words(&condition)?, NOWHERE)?;
            match constant(&condition) {
                Some(true) => {}
                Some(false) => return Ok(()),
                None => guard.push(condition),
            }
        }
        match self.block(&statements, guard)? {
            None => Ok(()),
            Some(_) => Err(Problem::invalid(NOWHERE, "control reaches its end without RETURN")),
        }
    }

    /// Runs statements; gives the guard of what comes after them, `None` when all has returned.
    fn block(&mut self, statements: &[Statement], mut guard: Guard) -> Outcome<Option<Guard>> {
        for statement in statements {
            match statement {
                Statement::Assign { column, value, at } => self.assign(column, value, *at, &guard)?,
                Statement::Return { what, at } => {
                    self.check_return(*what, *at)?;
                    return Ok(None);
                }
                Statement::If { branches, otherwise, at } => match self.branches(branches, otherwise, *at, guard)? {
                    Some(after) => guard = after,
                    None => return Ok(None),
                },
                Statement::Write(piece) => self.write(piece, &guard)?,
                Statement::Raise(raise) => {
                    self.raise(raise, &guard)?;
                    if guard.is_empty() {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(guard))
    }

    fn branches(
        &mut self,
        branches: &[(Vec<TokenWithSpan>, Vec<Statement>)],
        otherwise: &[Statement],
        at: Location,
        guard: Guard,
    ) -> Outcome<Option<Guard>> {
        // What holds when none of the conditions so far did.
        let mut rest = guard.clone();
        let mut returned = Vec::new();
        let mut is_open = false;
        for (condition, statements) in branches {
            let condition = self.condition(condition, at)?;
            let mut inside = rest.clone();
            match constant(&condition) {
                Some(false) => continue,
                Some(true) => {}
                None => inside.push(condition.clone()),
            }
            match self.block(statements, inside.clone())? {
                None => returned.push(Expression::And(inside.split_off(guard.len()))),
                Some(after) if after == inside => is_open = true,
                Some(_) => return Err(deep_return(at)),
            }
            if constant(&condition) == Some(true) {
                // Nothing behind it is ever reached.
                return Ok(after_branches(guard, &returned, is_open));
            }
            rest.push(not_true(condition));
        }
        match self.block(otherwise, rest.clone())? {
            None => returned.push(Expression::And(rest.split_off(guard.len()))),
            Some(after) if after == rest => is_open = true,
            Some(_) => return Err(deep_return(at)),
        }
        Ok(after_branches(guard, &returned, is_open))
    }

    fn check_return(&self, what: Returned, at: Location) -> Outcome<()> {
        let wanted = if self.row.event == Event::Delete { Returned::Old } else { Returned::New };
        if self.trigger.timing == Timing::After || what == wanted || what == Returned::NewOrOld {
            return Ok(());
        }
        let (shown, instead) = match wanted {
            Returned::Old => ("anything but OLD from a BEFORE DELETE trigger", "instead, RETURN OLD"),
            _ => ("anything but NEW from a BEFORE trigger", "instead, RETURN NEW, or RAISE EXCEPTION"),
        };
        Err(Problem::refused(at, format!("RETURN {shown}"), "a row cannot be left out on the embedded engine", instead))
    }

    fn assign(&mut self, column: &str, value: &[TokenWithSpan], at: Location, guard: &Guard) -> Outcome<()> {
        if self.trigger.timing == Timing::After || self.row.event == Event::Delete {
            return Err(Problem::refused(
                at,
                "an assignment to NEW",
                "it has no effect in this trigger",
                "instead, write BEFORE INSERT OR UPDATE",
            ));
        }
        let table = self.row.table;
        let Some(found) = table.column(column) else {
            return Err(Problem::invalid(at, format!("record \"new\" has no field \"{column}\"")));
        };
        self.check_assignable(found, at)?;
        let operand = self.operand(value, at)?;
        let value = operator::assigned(operand, &found.data_type, column, at)?;
        let value = match conjunction(guard) {
            None => value,
            Some(guard) => {
                let before = self.new_value(found);
                inline::check_size(&before, at)?;
                Expression::Case {
                    branches: vec![(guard, value)],
                    otherwise: Some(Box::new(before)),
                    data_type: found.data_type.clone(),
                }
            }
        };
        self.row.new.insert(found.name.clone(), value);
        if !self.trigger.assigns.contains(&found.name) {
            self.trigger.assigns.push(found.name.clone());
        }
        Ok(())
    }

    /// SQLite has looked at the row before the trigger sets the column.
    fn check_assignable(&self, column: &Column, at: Location) -> Outcome<()> {
        let table = self.row.table;
        let name = &column.name;
        let refused =
            |why: String, instead: &str| Err(Problem::refused(at, format!("NEW.{name} := ..."), why, instead));
        if matches!(column.default, DefaultValue::Generated(_)) {
            return refused(format!("\"{name}\" is a generated column"), "remove it");
        }
        if table.primary_key.contains(name) {
            return refused(
                "a trigger cannot set the primary key on the embedded engine".to_owned(),
                "instead, give the column a DEFAULT",
            );
        }
        if self.row.event == Event::Insert && !column.is_nullable && column.default == DefaultValue::None {
            return refused(
                format!(
                    "\"{name}\" is NOT NULL without a DEFAULT, and the row is looked at before the trigger on the embedded engine"
                ),
                "instead, give the column a DEFAULT that the trigger replaces",
            );
        }
        let is_checked = table.checks.iter().find(|check| check.expression.reads_row_column(name));
        if let Some(check) = is_checked {
            return refused(
                format!("the constraint {} is looked at before the trigger on the embedded engine", check.name),
                "instead, drop the constraint: the trigger sees to it; or use a GENERATED column",
            );
        }
        Ok(())
    }

    fn raise(&mut self, raise: &Raise, guard: &Guard) -> Outcome<()> {
        self.trigger.raises = true;
        let message = self.message(raise)?;
        let mut parts = vec![literal(&Datum::Text(raise.code.clone()))];
        parts.push(self.text(&message));
        for tokens in [&raise.detail, &raise.hint] {
            parts.push(match tokens {
                Some(tokens) => {
                    let operand = self.operand(tokens, raise.at)?;
                    self.text(&as_text(operand))
                }
                None => "NULL".to_owned(),
            });
        }
        let filter = self.filter_text(guard);
        self.row.statements.push(format!("SELECT pg_raise({}){filter}", parts.join(", ")));
        Ok(())
    }

    /// The message with its arguments in the places of `%`.
    fn message(&mut self, raise: &Raise) -> Outcome<Expression> {
        let mut parts: Vec<Expression> = Vec::new();
        let mut text = String::new();
        let mut arguments = raise.arguments.iter();
        let mut characters = raise.message.chars().peekable();
        while let Some(character) = characters.next() {
            if character != '%' {
                text.push(character);
            } else if characters.next_if_eq(&'%').is_some() {
                text.push('%');
            } else {
                let Some(argument) = arguments.next() else {
                    return Err(Problem::invalid(raise.at, "too few parameters specified for RAISE"));
                };
                parts.push(Expression::value(Datum::Text(std::mem::take(&mut text)), Type::Text));
                let operand = self.operand(argument, raise.at)?;
                let null = Expression::value(Datum::Text("<NULL>".to_owned()), Type::Text);
                parts.push(Expression::Call {
                    function: Function::Coalesce,
                    arguments: vec![as_text(operand), null],
                    data_type: Type::Text,
                });
            }
        }
        if arguments.next().is_some() {
            return Err(Problem::invalid(raise.at, "too many parameters specified for RAISE"));
        }
        parts.push(Expression::value(Datum::Text(text), Type::Text));
        let whole = parts.into_iter().reduce(|left, right| Expression::compare(Binary::Concatenate, left, right));
        Ok(whole.unwrap_or_else(|| Expression::value(Datum::Text(String::new()), Type::Text)))
    }

    fn write(&mut self, piece: &Piece, guard: &Guard) -> Outcome<()> {
        if self.trigger.timing == Timing::Before {
            return Err(Problem::refused(
                piece.at,
                "a statement in a BEFORE trigger",
                "the row is written before the trigger's statements on the embedded engine",
                "instead, an AFTER trigger",
            ));
        }
        let routine = nothing(&self.function.name);
        let body = Body { snapshot: self.row.snapshot, routine: &routine, level: Some(self.level()) };
        let piece = Piece { tokens: self.with_constants(&piece.tokens), at: piece.at };
        let statement = body.written(&piece)?;
        let Some(table) = statement.written_table().cloned() else { return Ok(()) };
        self.touch(&table, piece.at)?;
        self.trigger.writes.push(table.clone());
        let physical = physical_name(&table);
        let text = match statement {
            RoutineStatement::Query(_) => return Ok(()),
            RoutineStatement::Insert(insertion) => {
                let source = self.query(insertion.source, piece.at)?;
                let mut writer = Writer::in_trigger(&physical);
                write_query(&mut writer, &source, RowColumns::Aliased);
                let filter = self.filter_text(guard);
                let filter = if filter.is_empty() { " WHERE true".to_owned() } else { filter };
                if let Some(conflict) = &insertion.conflict {
                    check_upsert(self.row.snapshot, &table, &conflict.merged, piece.at)?;
                }
                let changed = self.row.snapshot.relations.get(&table);
                let conflict = insertion.conflict.map(|conflict| conflict_text(changed, &conflict)).unwrap_or_default();
                let columns = render::list(&insertion.columns);
                let rows = writer.finish_text();
                format!("INSERT INTO {} ({columns}) SELECT * FROM ({rows}){filter}{conflict}", quoted(&physical))
            }
            RoutineStatement::Update(modification) => {
                let assigned = modification.assignments.iter().map(|(column, _)| column);
                let changed = self.row.snapshot.relations.get(&table);
                let beside = changed.map_or("", |changed| own_key::beside(changed, assigned));
                let mut sets = Vec::new();
                for (column, value) in modification.assignments {
                    let value = self.finished(value, piece.at)?;
                    sets.push(format!("{} = {}", quoted(&column), text(&value, &physical)));
                }
                let filter = self.row_filter(modification.filter, guard, &physical, piece.at)?;
                format!("UPDATE {} SET {}{beside}{filter}", quoted(&physical), sets.join(", "))
            }
            RoutineStatement::Delete(deletion) => {
                let filter = self.row_filter(deletion.filter, guard, &physical, piece.at)?;
                format!("DELETE FROM {}{filter}", quoted(&physical))
            }
        };
        self.row.statements.push(text);
        Ok(())
    }

    fn row_filter(
        &mut self,
        filter: Option<Expression>,
        guard: &Guard,
        physical: &str,
        at: Location,
    ) -> Outcome<String> {
        let mut conditions = guard.clone();
        if let Some(filter) = filter {
            conditions.push(self.finished(filter, at)?);
        }
        Ok(match conjunction(&conditions) {
            Some(condition) => format!(" WHERE {}", text(&condition, physical)),
            None => String::new(),
        })
    }

    fn filter_text(&self, guard: &Guard) -> String {
        conjunction(guard).map_or_else(String::new, |guard| format!(" WHERE {}", self.text(&guard)))
    }

    fn text(&self, expression: &Expression) -> String {
        text(expression, &physical_name(&self.row.table.name))
    }

    fn condition(&mut self, tokens: &[TokenWithSpan], at: Location) -> Outcome<Expression> {
        let operand = self.operand(tokens, at)?;
        operator::boolean(operand, "IF", at)
    }

    /// An expression of the function over the row as it was sent.
    fn operand(&mut self, tokens: &[TokenWithSpan], at: Location) -> Outcome<Operand> {
        let words = self.with_whole_rows(self.with_constants(tokens), at)?;
        let parsed = tokens::expression(&words, at)?;
        let mut analyzer = Analyzer::new(self.row.snapshot, Context::Statement, Some(self.level()));
        match analyzer.operand(&parsed)? {
            Operand::Known(expression) => self.finished(expression, at).map(Operand::Known),
            unknown => Ok(unknown),
        }
    }

    fn query(&mut self, query: Query, at: Location) -> Outcome<Query> {
        match self.finished(Expression::Exists(Box::new(query)), at)? {
            Expression::Exists(query) => Ok(*query),
            _ => Err(Problem::invalid(at, "this query is not available in triggers")),
        }
    }

    /// The expression with what was assigned to `NEW` in its place, and functions of the schema's own expanded.
    fn finished(&mut self, expression: Expression, at: Location) -> Outcome<Expression> {
        let (event, new, table) = (self.row.event, &self.row.new, self.row.table);
        let is_after = self.trigger.timing == Timing::After;
        let mut is_reused = false;
        let expression = expression.rewrite(
            &mut |part| match part {
                Expression::Column { source: SourceId::NEW, data_type, .. } if event == Event::Delete => {
                    Expression::value(Datum::Null, data_type)
                }
                Expression::Column { source: SourceId::OLD, data_type, .. } if event == Event::Insert => {
                    Expression::value(Datum::Null, data_type)
                }
                Expression::Column { source: SourceId::NEW, name, data_type } => match new.get(&name) {
                    // By then the row has it; the expression might give something else.
                    Some(_) if is_after => of_written_row(table, name, data_type),
                    Some(value) => {
                        is_reused |= is_volatile(value);
                        value.clone()
                    }
                    None => Expression::Column { source: SourceId::NEW, name, data_type },
                },
                other => other,
            },
            &mut |query| query,
        );
        if is_reused {
            return Err(Problem::refused(
                at,
                "a value that is new every time",
                "the embedded engine would compute it again where it is read again",
                "instead, set each column by itself, or give the columns a DEFAULT",
            ));
        }
        let mut expression = inline::expanded(&expression, self.row.snapshot)?;
        inline::check_size(&expression, at)?;
        let read = dependents::relations_in(&expression);
        for relation in &read {
            self.touch(relation, at)?;
        }
        if self.trigger.timing == Timing::Before && read.contains(&table.name) {
            expression = self.without_the_row(expression, at)?;
        }
        Ok(expression)
    }

    /// A `BEFORE INSERT` function does not see the row, which SQLite has written by then.
    fn without_the_row(&self, expression: Expression, at: Location) -> Outcome<Expression> {
        let refused = || {
            Problem::refused(
                at,
                "a query over the trigger's own table",
                "the row is written before the trigger's statements on the embedded engine",
                "instead, an AFTER trigger that raises an exception, or a constraint",
            )
        };
        if self.row.event != Event::Insert {
            return Err(refused());
        }
        let own = &self.row.table.name;
        let mut is_joined = false;
        let expression = expression.rewrite(&mut |part| part, &mut |mut query| {
            let Some(from) = &query.from else { return query };
            is_joined |= from.joins.iter().any(|join| is_of(&join.source, own) && join.kind == JoinKind::Left);
            let mut conditions: Vec<Expression> = query.filter.take().into_iter().collect();
            for source in from.sources().filter(|source| is_of(source, own)) {
                let row_id = |source| Expression::column(source, "_rowid_", Type::BigInteger);
                conditions.push(Expression::compare(Binary::NotEqual, row_id(source.id()), row_id(SourceId::NEW)));
            }
            query.filter = (!conditions.is_empty()).then_some(Expression::And(conditions));
            query
        });
        if is_joined { Err(refused()) } else { Ok(expression) }
    }

    /// What a function reads and writes needs its owner's rights: whoever changes the row may have none there.
    fn touch(&mut self, relation: &QualifiedName, at: Location) -> Outcome<()> {
        if !self.trigger.touches.contains(relation) {
            self.trigger.touches.push(relation.clone());
        }
        if self.function.is_security_definer {
            return Ok(());
        }
        Err(Problem::refused(
            at,
            format!("{} in a trigger", relation.name),
            "a trigger's function reads and writes other rows with its owner's rights on the embedded engine",
            format!("instead, declare {}() SECURITY DEFINER SET search_path = ''", self.function.name.name),
        ))
    }

    fn new_value(&self, column: &Column) -> Expression {
        let known = self.row.new.get(&column.name).cloned();
        known.unwrap_or_else(|| Expression::column(SourceId::NEW, column.name.clone(), column.data_type.clone()))
    }

    /// `NEW` and `OLD`, whose columns are only found by those names.
    fn level(&self) -> Level {
        let source = |id, alias: &str| {
            let mut source = ScopeSource::of_relation(self.row.table, id, Some(Arc::from(alias)));
            source.hidden = source.columns.iter().map(|column| column.name.clone()).collect();
            source
        };
        Level { sources: vec![source(SourceId::NEW, "new"), source(SourceId::OLD, "old")], merged: Vec::new() }
    }

    /// `TG_OP` and its like as the texts that they are here.
    fn with_constants(&self, tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
        let table = &self.row.table.name;
        let text = |word: &str| -> Option<String> {
            Some(match word.to_ascii_uppercase().as_str() {
                "TG_OP" => self.row.event.name().to_owned(),
                "TG_TABLE_NAME" | "TG_RELNAME" => table.name.to_string(),
                "TG_TABLE_SCHEMA" => table.schema.to_string(),
                "TG_WHEN" => if self.trigger.timing == Timing::Before { "BEFORE" } else { "AFTER" }.to_owned(),
                "TG_LEVEL" => "ROW".to_owned(),
                "TG_NAME" => self.trigger.name.to_string(),
                _ => return None,
            })
        };
        let change = |token: &TokenWithSpan| match &token.token {
            Token::Word(word) if word.quote_style.is_none() => match text(&word.value) {
                Some(text) => TokenWithSpan { token: Token::SingleQuotedString(text), span: token.span },
                None => token.clone(),
            },
            _ => token.clone(),
        };
        tokens.iter().map(change).collect()
    }

    /// `OLD.* IS DISTINCT FROM NEW.*`, also without the stars, column by column.
    fn with_whole_rows(&self, tokens: Vec<TokenWithSpan>, at: Location) -> Outcome<Vec<TokenWithSpan>> {
        let mut words = Vec::with_capacity(tokens.len());
        let mut rest = tokens.as_slice();
        while let Some((first, behind)) = rest.split_first() {
            let Some((is_distinct, after)) = compared_rows(rest) else {
                words.push(first.clone());
                rest = behind;
                continue;
            };
            let is_generated = |column: &Column| matches!(column.default, DefaultValue::Generated(_));
            if self.trigger.timing == Timing::Before && self.row.table.columns.iter().any(is_generated) {
                return Err(Problem::refused(
                    at,
                    "whole rows compared",
                    "the table has a generated column, which is not computed yet in a BEFORE trigger",
                    "instead, compare the columns that matter",
                ));
            }
            let (word, glue) =
                if is_distinct { ("IS DISTINCT FROM", " OR ") } else { ("IS NOT DISTINCT FROM", " AND ") };
            let columns = self.row.table.columns.iter().map(|column| quoted(&column.name));
            let parts: Vec<String> = columns.map(|column| format!("OLD.{column} {word} NEW.{column}")).collect();
            words.extend(tokens::words(&format!("({})", parts.join(glue)))?);
            rest = after;
        }
        Ok(words)
    }
}

/// Whether `OLD` and `NEW` are compared as whole rows here: for being distinct or not, and what stands behind it.
fn compared_rows(tokens: &[TokenWithSpan]) -> Option<(bool, &[TokenWithSpan])> {
    let words = |tokens: &[TokenWithSpan], wanted: &[&str]| {
        tokens.len() >= wanted.len()
            && tokens.iter().zip(wanted).all(|(token, wanted)| match &token.token {
                Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted),
                _ => false,
            })
    };
    let row = |tokens| -> Option<(bool, &[TokenWithSpan])> {
        let (first, rest): (&TokenWithSpan, &[TokenWithSpan]) = <[TokenWithSpan]>::split_first(tokens)?;
        let is_old = words(std::slice::from_ref(first), &["OLD"]);
        if !is_old && !words(std::slice::from_ref(first), &["NEW"]) {
            return None;
        }
        match rest {
            [period, star, rest @ ..] if period.token == Token::Period && star.token == Token::Mul => {
                Some((is_old, rest))
            }
            [period, ..] if period.token == Token::Period => None,
            rest => Some((is_old, rest)),
        }
    };
    let (is_old, rest) = row(tokens)?;
    let (is_distinct, rest) = if words(rest, &["IS", "DISTINCT", "FROM"]) {
        (true, rest.get(3..)?)
    } else if words(rest, &["IS", "NOT", "DISTINCT", "FROM"]) {
        (false, rest.get(4..)?)
    } else {
        return None;
    };
    let (is_other_old, rest) = row(rest)?;
    (is_old != is_other_old).then_some((is_distinct, rest))
}

/// A column of the row as it is written, what the triggers set included.
fn of_written_row(table: &Relation, name: Arc<str>, data_type: Type) -> Expression {
    let id = SourceId::WRITTEN;
    let row_id = |source| Expression::column(source, "_rowid_", Type::BigInteger);
    let query = Query {
        projections: vec![Projection { name: name.clone(), expression: Expression::column(id, name, data_type) }],
        from: Some(From { first: Source::Relation { id, name: table.name.clone() }, joins: Vec::new() }),
        filter: Some(Expression::compare(Binary::Equal, row_id(id), row_id(SourceId::NEW))),
        limit: Some(RowCount::Number(1)),
        ..Query::default()
    };
    Expression::Scalar(Box::new(query))
}

/// Whether an expression gives something else every time.
pub(super) fn is_volatile(expression: &Expression) -> bool {
    let mut is_found = false;
    expression.visit(&mut |part| {
        is_found |= matches!(part, Expression::Call { function: Function::GenRandomUuid, .. });
    });
    is_found
}

fn is_of(source: &Source, table: &QualifiedName) -> bool {
    matches!(source, Source::Relation { name, .. } if name == table)
}

fn text(expression: &Expression, row: &str) -> String {
    let mut writer = Writer::in_trigger(row);
    write(&mut writer, expression, RowColumns::Aliased);
    writer.finish_text()
}

fn as_text(operand: Operand) -> Expression {
    let expression = operand.or_text();
    if expression.data_type() == Type::Text {
        return expression;
    }
    Expression::Cast { operand: Box::new(expression), data_type: Type::Text }
}

/// No trigger would have to run for a row that exists already.
pub(super) fn check_upsert(
    snapshot: &Snapshot,
    table: &QualifiedName,
    merged: &[Arc<str>],
    at: Location,
) -> Outcome<()> {
    let triggers = snapshot.relations.get(table).map_or(&[][..], |relation| relation.triggers.as_slice());
    match triggers.iter().find_map(|trigger| trigger.hinders_upsert(merged)) {
        None => Ok(()),
        Some(why) => Err(Problem::refused(
            at,
            "ON CONFLICT",
            format!("{why}, which the embedded engine would not run for a row that exists"),
            "instead, INSERT ... SELECT ... WHERE NOT EXISTS (...), and UPDATE",
        )),
    }
}

fn conflict_text(table: Option<&Arc<Relation>>, conflict: &catalog::InsertionConflict) -> String {
    let target = render::list(&conflict.target);
    if conflict.merged.is_empty() {
        return format!(" ON CONFLICT ({target}) DO NOTHING");
    }
    let sets: Vec<String> =
        conflict.merged.iter().map(|column| format!("{0} = excluded.{0}", quoted(column))).collect();
    let beside = table.map_or("", |table| own_key::beside(table, &conflict.merged));
    format!(" ON CONFLICT ({target}) DO UPDATE SET {}{beside}", sets.join(", "))
}

fn conjunction(guard: &Guard) -> Option<Expression> {
    match guard.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(Expression::And(several.to_vec())),
    }
}

/// What holds behind an `IF`: that none of the branches was taken that returned. `None` if all of them did.
fn after_branches(mut guard: Guard, returned: &[Expression], is_open: bool) -> Option<Guard> {
    guard.extend(returned.iter().cloned().map(not_true));
    is_open.then_some(guard)
}

/// NULL counts as false in `IF`.
fn not_true(condition: Expression) -> Expression {
    Expression::IsBoolean { operand: Box::new(condition), value: true }.negated()
}

fn deep_return(at: Location) -> Problem {
    Problem::refused(
        at,
        "RETURN inside of IF",
        "this flow of statements cannot be followed on the embedded engine",
        "instead, one RETURN at the end, and conditions around the statements",
    )
}

/// What a condition always is, where it is: comparisons of `TG_OP`.
fn constant(expression: &Expression) -> Option<bool> {
    match expression {
        Expression::Value { value: Datum::Integer(value), data_type: Type::Boolean, .. } => Some(*value != 0),
        Expression::Binary { operator, left, right } => {
            let (Expression::Value { value: left, .. }, Expression::Value { value: right, .. }) = (&**left, &**right)
            else {
                return None;
            };
            match (operator, left, right) {
                (Binary::Equal, Datum::Text(left), Datum::Text(right)) => Some(left == right),
                (Binary::NotEqual, Datum::Text(left), Datum::Text(right)) => Some(left != right),
                _ => None,
            }
        }
        Expression::In { operand, list } => {
            let Expression::Value { value: Datum::Text(operand), .. } = &**operand else { return None };
            let texts: Option<Vec<&String>> = list
                .iter()
                .map(|item| match item {
                    Expression::Value { value: Datum::Text(text), .. } => Some(text),
                    _ => None,
                })
                .collect();
            texts.map(|texts| texts.contains(&operand))
        }
        Expression::And(parts) => {
            let known: Vec<Option<bool>> = parts.iter().map(constant).collect();
            if known.contains(&Some(false)) {
                return Some(false);
            }
            known.iter().all(|part| *part == Some(true)).then_some(true)
        }
        Expression::Or(parts) => {
            let known: Vec<Option<bool>> = parts.iter().map(constant).collect();
            if known.contains(&Some(true)) {
                return Some(true);
            }
            known.iter().all(|part| *part == Some(false)).then_some(false)
        }
        Expression::Not(operand) => constant(operand).map(|value| !value),
        _ => None,
    }
}

/// `EXECUTE FUNCTION moddatetime(column)`
fn moddatetime(trigger: &Trigger) -> Option<TriggerFunction> {
    let [column] = trigger.arguments.as_slice() else { return None };
    if *trigger.function.name != *MODDATETIME {
        return None;
    }
    let source = format!("BEGIN NEW.{} := now(); RETURN NEW; END", quoted(column));
    Some(TriggerFunction { name: trigger.function.clone(), source, is_security_definer: false })
}

/// A function without anything, for reading the statements of a trigger.
fn nothing(name: &QualifiedName) -> Routine {
    Routine {
        signature: base::Signature { name: name.clone(), arguments: Vec::new() },
        arguments: Vec::new(),
        returns: Returns { result: RoutineResult::Void, is_set: false },
        volatility: Volatility::Volatile,
        is_security_definer: true,
        is_strict: false,
        body: Vec::new(),
        source: String::new(),
        comment: None,
        executors: Vec::new(),
        native: None,
    }
}
