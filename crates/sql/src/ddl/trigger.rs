//! `CREATE TRIGGER`, `DROP TRIGGER`, and the functions of triggers. SQLite gets one trigger for each event of a table,
//! in which those of the schema stand in PostgreSQL's order; it is made anew whenever one of its parts changes.

use std::sync::Arc;

use base::QualifiedName;
use catalog::{Event, Relation, Timing, Trigger, TriggerFunction};
use sqlparser::ast::{CreateFunction, CreateFunctionBody, FunctionSecurity};
use sqlparser::tokenizer::{Location, Token};

use super::problem::{Outcome, Problem};
use super::routine::{NamedFunction, body_text, check_settings};
use super::tokens::{Cursor, Piece};
use super::translation::Translation;
use super::{names, plpgsql, tokens, trigger_body};
use crate::sqlite::names::quoted;

const LATER: &str = "instead, do it in the program that calls the API";

impl Translation {
    /// `CREATE FUNCTION ... RETURNS trigger LANGUAGE plpgsql`
    pub(super) fn create_trigger_function(
        &mut self,
        create: &CreateFunction,
        name: QualifiedName,
        language: &str,
        at: Location,
    ) -> Outcome<()> {
        if language != "plpgsql" {
            return Err(Problem::invalid(at, "trigger functions cannot be written in this language")
                .instead("write LANGUAGE plpgsql"));
        }
        if create.args.as_ref().is_some_and(|arguments| !arguments.is_empty()) {
            return Err(Problem::invalid(at, "trigger functions cannot have declared arguments"));
        }
        check_settings(create, at)?;
        let Some(CreateFunctionBody::AsBeforeOptions { body, link_symbol: None }) = &create.function_body else {
            return Err(Problem::invalid(at, "no function body specified"));
        };
        let (source, start) = body_text(body)?;
        plpgsql::parse(&source).map_err(|problem| problem.moved(start))?;
        let is_known = self.trigger_function(&name).is_some();
        if is_known && !create.or_replace {
            let message = format!("function \"{}\" already exists with same argument types", name.name);
            return Err(Problem::invalid(at, message).instead("write CREATE OR REPLACE FUNCTION"));
        }
        let is_security_definer = matches!(create.security, Some(FunctionSecurity::Definer));
        self.snapshot.trigger_functions.retain(|known| known.name != name);
        let function = TriggerFunction { name: name.clone(), source, is_security_definer };
        self.snapshot.trigger_functions.push(Arc::new(function));
        let users: Vec<QualifiedName> = self.tables_with(|trigger| trigger.function == name);
        users.iter().try_for_each(|table| self.make_triggers(table))
    }

    /// Removes a function of triggers; false if there is none of that name.
    pub(super) fn drop_trigger_function(&mut self, function: &NamedFunction) -> Outcome<bool> {
        if self.trigger_function(&function.name).is_none() {
            return Ok(false);
        }
        let users = self.tables_with(|trigger| trigger.function == function.name);
        if let Some(table) = users.first() {
            let message = format!(
                "cannot drop function {}() because a trigger on table {} depends on it",
                function.name.name, table.name
            );
            return Err(Problem::invalid(function.at, message).instead("DROP TRIGGER before it"));
        }
        self.snapshot.trigger_functions.retain(|known| known.name != function.name);
        Ok(true)
    }

    /// Whether it is a function for triggers.
    pub(super) fn is_trigger_function(&self, function: &NamedFunction) -> bool {
        self.trigger_function(&function.name).is_some()
    }

    fn trigger_function(&self, name: &QualifiedName) -> Option<&Arc<TriggerFunction>> {
        self.snapshot.trigger_functions.iter().find(|known| known.name == *name)
    }

    fn tables_with(&self, is_meant: impl Fn(&Trigger) -> bool) -> Vec<QualifiedName> {
        let has = |relation: &&Arc<Relation>| relation.triggers.iter().any(&is_meant);
        self.snapshot.relations.values().filter(has).map(|relation| relation.name.clone()).collect()
    }

    /// `CREATE TRIGGER name BEFORE INSERT OR UPDATE ON table FOR EACH ROW WHEN (...) EXECUTE FUNCTION function()`
    pub(super) fn create_trigger(&mut self, piece: &Piece) -> Outcome<()> {
        let (trigger, table, or_replace, at) = self.read_trigger(piece)?;
        let relation = self.snapshot.relations.get(&table).cloned();
        let Some(relation) = relation else { return Err(super::select::missing_relation(&self.snapshot, &table, at)) };
        if relation.is_view() {
            return Err(Problem::refused(
                at,
                "a trigger on a view",
                "it is not available on the embedded engine",
                "instead, a trigger on the table behind the view",
            ));
        }
        let exists = relation.triggers.iter().any(|known| known.name == trigger.name);
        if exists && !or_replace {
            let message = format!("trigger \"{}\" for relation \"{}\" already exists", trigger.name, table.name);
            return Err(Problem::invalid(at, message));
        }
        if let Some(unknown) = trigger.columns.iter().find(|column| relation.column(column).is_none()) {
            let message = format!("column \"{unknown}\" of relation \"{}\" does not exist", table.name);
            return Err(Problem::invalid(at, message));
        }
        let triggers = &mut self.relation_mut(&table)?.triggers;
        triggers.retain(|known| known.name != trigger.name);
        triggers.push(trigger);
        // PostgreSQL runs them in the order of their timing and their names.
        triggers.sort_by(|left, right| (left.timing, &left.name).cmp(&(right.timing, &right.name)));
        // Triggers of other tables may insert here.
        self.remake_triggers()?;
        self.check_cycles(&table, at)
    }

    fn read_trigger(&self, piece: &Piece) -> Outcome<(Trigger, QualifiedName, bool, Location)> {
        let mut cursor = piece.cursor();
        cursor.expect(&["CREATE"])?;
        let or_replace = cursor.takes(&["OR", "REPLACE"]);
        cursor.expect(&["TRIGGER"])?;
        let (name, at) = cursor.identifier("the name of a trigger")?;
        let timing = timing(&mut cursor)?;
        let (events, columns) = events(&mut cursor)?;
        cursor.expect(&["ON"])?;
        let (parts, _) = cursor.name("a table")?;
        let table = names::from_parts(&parts).ok_or_else(|| Problem::invalid(at, "a name has at most two parts"))?;
        if cursor.sees(&["REFERENCING"]) {
            return Err(Problem::refused(
                cursor.at(),
                "REFERENCING",
                "transition tables are not available on the embedded engine",
                LATER,
            ));
        }
        let is_row = cursor.takes(&["FOR"]) && {
            let _ = cursor.takes(&["EACH"]);
            cursor.takes(&["ROW"])
        };
        if !is_row {
            return Err(Problem::refused(
                at,
                "a trigger FOR EACH STATEMENT",
                "triggers run for each row on the embedded engine",
                "instead, write FOR EACH ROW",
            ));
        }
        let condition = if cursor.takes(&["WHEN"]) { cursor.parenthesized()?.map(tokens::text_of) } else { None };
        cursor.expect(&["EXECUTE"])?;
        if !cursor.takes(&["FUNCTION"]) {
            cursor.expect(&["PROCEDURE"])?;
        }
        let (parts, function_at) = cursor.name("a function")?;
        let function = names::from_parts(&parts).ok_or_else(|| Problem::invalid(at, "a name has at most two parts"))?;
        let arguments = cursor.parenthesized()?.unwrap_or_default();
        cursor.end()?;
        if self.trigger_function(&function).is_none() && *function.name != *trigger_body::MODDATETIME {
            return Err(Problem::invalid(function_at, format!("function {}() does not exist", function.name))
                .instead("write CREATE FUNCTION ... RETURNS trigger LANGUAGE plpgsql before it"));
        }
        let arguments = arguments.iter().filter_map(|token| match &token.token {
            Token::Word(word) => Some(names::folded(&word.value, word.quote_style)),
            Token::SingleQuotedString(text) => Some(text.clone()),
            Token::Number(digits, _) => Some(digits.clone()),
            _ => None,
        });
        let trigger = Trigger {
            name: Arc::from(name),
            timing,
            events,
            columns,
            condition,
            raises: false,
            function,
            arguments: arguments.collect(),
            assigns: Vec::new(),
            writes: Vec::new(),
            touches: Vec::new(),
        };
        Ok((trigger, table, or_replace, at))
    }

    /// `DROP TRIGGER name ON table`
    pub(super) fn drop_trigger(&mut self, piece: &Piece) -> Outcome<()> {
        let mut cursor = piece.cursor();
        cursor.expect(&["DROP", "TRIGGER"])?;
        let if_exists = cursor.takes(&["IF", "EXISTS"]);
        let (name, at) = cursor.identifier("the name of a trigger")?;
        cursor.expect(&["ON"])?;
        let (parts, _) = cursor.name("a table")?;
        let table = names::from_parts(&parts).ok_or_else(|| Problem::invalid(at, "a name has at most two parts"))?;
        let _ = cursor.takes(&["CASCADE"]) || cursor.takes(&["RESTRICT"]);
        cursor.end()?;
        let has = self
            .snapshot
            .relations
            .get(&table)
            .is_some_and(|relation| relation.triggers.iter().any(|trigger| *trigger.name == *name));
        if !has {
            let message = format!("trigger \"{name}\" for table \"{}\" does not exist", table.name);
            return if if_exists { Ok(()) } else { Err(Problem::invalid(at, message)) };
        }
        self.relation_mut(&table)?.triggers.retain(|trigger| *trigger.name != *name);
        self.make_triggers(&table)
    }

    /// Takes the triggers of a table, and those that touch it, out of SQLite, before the table changes. Gives whose they are.
    pub(super) fn suspend_triggers(&mut self, table: &QualifiedName) -> Vec<QualifiedName> {
        // A trigger may reach the table through a view, which goes and comes with it.
        let mut reached = self.all_views_over(table);
        reached.push(table.clone());
        let involved: Vec<QualifiedName> = self
            .snapshot
            .relations
            .values()
            .filter(|relation| !relation.triggers.is_empty())
            .filter(|relation| {
                relation.name == *table
                    || relation.triggers.iter().any(|trigger| trigger.touches.iter().any(|name| reached.contains(name)))
            })
            .map(|relation| relation.name.clone())
            .collect();
        involved.iter().for_each(|name| self.push_drop_triggers(name));
        involved
    }

    /// Makes the triggers of a table anew.
    pub(super) fn make_triggers(&mut self, table: &QualifiedName) -> Outcome<()> {
        self.push_drop_triggers(table);
        let Some(relation) = self.snapshot.relations.get(table).cloned() else { return Ok(()) };
        let mut triggers = relation.triggers.clone();
        for trigger in &mut triggers {
            trigger.assigns.clear();
            trigger.raises = false;
            trigger.writes.clear();
            trigger.touches.clear();
        }
        let mut set_by_triggers = Vec::new();
        for event in Event::ALL {
            let translated = trigger_body::translate(&self.snapshot, &relation, event, &mut triggers)?;
            translated.statement.into_iter().for_each(|statement| self.push(statement));
            if event == Event::Insert {
                set_by_triggers.extend(translated.sets);
            }
        }
        let relation = self.relation_mut(table)?;
        relation.triggers = triggers;
        relation.set_by_triggers = set_by_triggers;
        Ok(())
    }

    /// Makes all triggers anew: a function that one of them may call has changed.
    pub(super) fn remake_triggers(&mut self) -> Outcome<()> {
        let tables = self.tables_with(|_| true);
        tables.iter().try_for_each(|table| self.make_triggers(table))
    }

    fn push_drop_triggers(&mut self, table: &QualifiedName) {
        for event in Event::ALL {
            self.push(format!("DROP TRIGGER IF EXISTS {}", quoted(&trigger_body::physical_trigger(table, event))));
        }
    }

    /// SQLite does not run a trigger again inside of itself, as PostgreSQL would.
    fn check_cycles(&self, table: &QualifiedName, at: Location) -> Outcome<()> {
        let mut open = vec![table.clone()];
        let mut next = 0;
        while let Some(current) = open.get(next).cloned() {
            next += 1;
            let writes = self
                .snapshot
                .relations
                .get(&current)
                .into_iter()
                .flat_map(|relation| &relation.triggers)
                .flat_map(|trigger| &trigger.writes);
            for written in writes {
                if written == table {
                    return Err(Problem::refused(
                        at,
                        "a trigger that leads back to its own table",
                        format!("it changes rows of \"{}\", which would run it again", table.name),
                        "instead, set the columns of NEW in a BEFORE trigger, or do it in the program that calls the API",
                    ));
                }
                if !open.contains(written) {
                    open.push(written.clone());
                }
            }
        }
        Ok(())
    }
}

fn timing(cursor: &mut Cursor<'_>) -> Outcome<Timing> {
    if cursor.takes(&["BEFORE"]) {
        return Ok(Timing::Before);
    }
    if cursor.takes(&["AFTER"]) {
        return Ok(Timing::After);
    }
    if cursor.sees(&["INSTEAD", "OF"]) {
        return Err(Problem::refused(
            cursor.at(),
            "INSTEAD OF",
            "triggers on views are not available on the embedded engine",
            "instead, write to the table behind the view",
        ));
    }
    Err(cursor.unexpected("BEFORE or AFTER"))
}

fn events(cursor: &mut Cursor<'_>) -> Outcome<(Vec<Event>, Vec<Arc<str>>)> {
    let mut events = Vec::new();
    let mut columns = Vec::new();
    loop {
        let event = if cursor.takes(&["INSERT"]) {
            Event::Insert
        } else if cursor.takes(&["UPDATE"]) {
            if cursor.takes(&["OF"]) {
                let named = cursor.list(|cursor| cursor.identifier("a column"))?;
                columns = named.into_iter().map(|(name, _)| Arc::from(name)).collect();
            }
            Event::Update
        } else if cursor.takes(&["DELETE"]) {
            Event::Delete
        } else if cursor.sees(&["TRUNCATE"]) {
            return Err(Problem::refused(
                cursor.at(),
                "TRUNCATE",
                "there is no TRUNCATE on the embedded engine",
                "remove it",
            ));
        } else {
            return Err(cursor.unexpected("INSERT, UPDATE or DELETE"));
        };
        if !events.contains(&event) {
            events.push(event);
        }
        if !cursor.takes(&["OR"]) {
            return Ok((events, columns));
        }
    }
}

impl Translation {
    /// The triggers of other tables that read or write a table, described for a message.
    pub(super) fn triggers_touching(&self, table: &QualifiedName) -> Vec<String> {
        let others = self.snapshot.relations.values().filter(|relation| relation.name != *table);
        others
            .flat_map(|relation| relation.triggers.iter().map(move |trigger| (relation, trigger)))
            .filter(|(_, trigger)| trigger.touches.contains(table))
            .map(|(relation, trigger)| format!("trigger {} on table {}", trigger.name, relation.name.name))
            .collect()
    }
}
