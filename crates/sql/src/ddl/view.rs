//! `CREATE VIEW`.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::QualifiedName;
use catalog::{Column, DefaultValue, Relation, RelationKind, View};
use sqlparser::ast::{CreateTableOptions, CreateView, Expr, Spanned, SqlOption, Statement, Value};
use sqlparser::tokenizer::{Location, Token};

use super::dependents;
use super::expression::{Analyzer, Context};
use super::names;
use super::problem::{Outcome, Problem};
use super::query::Selected;
use super::tokens::Piece;
use super::translation::Translation;
use super::updatable;
use crate::sqlite::names::{physical_name, quoted};

impl Translation {
    /// Makes a view, or replaces it.
    pub(super) fn create_view(&mut self, piece: &Piece) -> Outcome<()> {
        check_no_check_option(piece)?;
        check_bare_options(piece)?;
        let Statement::CreateView(create) = piece.parse()? else {
            return Err(Problem::invalid(piece.at, "this is not a view"));
        };
        check_options(&create)?;
        let name = names::qualified(&create.name)?;
        let before = self.snapshot.relations.get(&name).cloned();
        match &before {
            Some(relation) if create.or_replace && relation.is_view() => {}
            Some(relation) if create.or_replace => {
                return Err(Problem::invalid(&create.name, format!("\"{}\" is not a view", relation.name.name)));
            }
            _ => self.check_new_name(&name, create.name.span().start)?,
        }
        let selected = self.view_query(&create)?;
        let relation = self.view_relation(name.clone(), &selected, before.as_deref());
        if let Some(before) = &before {
            check_replacement(before, &relation, &create)?;
            if dependents::relations_of(&selected.query).contains(&name) {
                return Err(Problem::invalid(&create.name, format!("view \"{}\" would read itself", name.name)));
            }
            self.push(format!("DROP VIEW {}", quoted(&physical_name(&name))));
        }
        self.push_view(&name, &selected.query)?;
        self.snapshot.relations.insert(name, Arc::new(relation));
        if before.is_some() {
            self.refresh_views();
        }
        Ok(())
    }

    /// The query with the view's column names.
    fn view_query(&self, create: &CreateView) -> Outcome<Selected> {
        let mut analyzer = Analyzer::new(&self.snapshot, Context::View, None);
        let mut selected = analyzer.query(&create.query)?;
        if create.columns.len() > selected.columns.len() {
            return Err(Problem::invalid(&create.name, "CREATE VIEW specifies more column names than columns"));
        }
        for (index, column) in create.columns.iter().enumerate() {
            let name: Arc<str> = Arc::from(names::identifier(&column.name));
            if let Some(selected) = selected.columns.get_mut(index) {
                selected.name = name.clone();
            }
            if let Some(projection) = selected.query.projections.get_mut(index) {
                projection.name = name;
            }
        }
        let mut seen = BTreeSet::new();
        for column in &selected.columns {
            if !seen.insert(column.name.to_ascii_lowercase()) {
                let message = format!("column \"{}\" specified more than once", column.name);
                return Err(Problem::invalid(&*create.query, message).instead("name each column with AS"));
            }
        }
        if selected.columns.is_empty() {
            return Err(Problem::invalid(&create.name, "a view needs a column"));
        }
        Ok(selected)
    }

    fn view_relation(&self, name: QualifiedName, selected: &Selected, before: Option<&Relation>) -> Relation {
        let origins = updatable::origins(&selected.query, &self.snapshot);
        let grants = before.map_or_else(|| self.default_grants(&name), |before| before.grants.clone());
        let mut relation = Relation::table(name);
        relation.grants = grants;
        relation.comment = before.and_then(|before| before.comment.clone());
        relation.columns = selected
            .columns
            .iter()
            .map(|column| Column {
                name: column.name.clone(),
                data_type: column.data_type.clone(),
                is_nullable: true,
                domain: None,
                native: None,
                default: DefaultValue::None,
                comment: before
                    .and_then(|before| before.column(&column.name))
                    .and_then(|before| before.comment.clone()),
            })
            .collect();
        relation.primary_key = updatable::primary_key(&relation, &origins, &self.snapshot);
        relation.kind = RelationKind::View(View {
            updatable: updatable::updatable(&selected.query, &self.snapshot),
            query: selected.query.clone(),
            origins,
        });
        relation
    }

    /// Derives anew what views know of the views below them.
    pub(super) fn refresh_views(&mut self) {
        // Each pass settles one more level of views over views.
        for _ in 0..=self.snapshot.relations.len() {
            let mut changed = Vec::new();
            for relation in self.snapshot.relations.values() {
                let Some(view) = relation.view() else {
                    continue;
                };
                let origins = updatable::origins(&view.query, &self.snapshot);
                let updatable = updatable::updatable(&view.query, &self.snapshot);
                if origins != view.origins || updatable != view.updatable {
                    let mut after = (**relation).clone();
                    after.primary_key = updatable::primary_key(&after, &origins, &self.snapshot);
                    after.kind = RelationKind::View(View { query: view.query.clone(), origins, updatable });
                    changed.push(after);
                }
            }
            if changed.is_empty() {
                return;
            }
            for relation in changed {
                self.snapshot.relations.insert(relation.name.clone(), Arc::new(relation));
            }
        }
    }
}

/// `CREATE OR REPLACE VIEW` keeps the columns and may add some at the end.
fn check_replacement(before: &Relation, after: &Relation, create: &CreateView) -> Outcome<()> {
    if after.columns.len() < before.columns.len() {
        return Err(Problem::invalid(&create.name, "cannot drop columns from view").instead("DROP VIEW first"));
    }
    for (old, new) in before.columns.iter().zip(&after.columns) {
        if old.name != new.name {
            let message = format!("cannot change name of view column \"{}\" to \"{}\"", old.name, new.name);
            return Err(Problem::invalid(&create.name, message).instead("DROP VIEW first"));
        }
        if old.data_type != new.data_type {
            let message = format!(
                "cannot change data type of view column \"{}\" from {} to {}",
                old.name, old.data_type, new.data_type
            );
            return Err(Problem::invalid(&create.name, message).instead("DROP VIEW first"));
        }
    }
    Ok(())
}

/// The parser does not know `WITH CHECK OPTION`.
fn check_no_check_option(piece: &Piece) -> Outcome<()> {
    let mut last = piece.tokens.iter().rev();
    let is = |token: Option<&sqlparser::tokenizer::TokenWithSpan>, wanted: &str| {
        token.is_some_and(|token| match &token.token {
            Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted),
            _ => false,
        })
    };
    if !is(last.next(), "OPTION") {
        return Ok(());
    }
    let Some(check) = last.next() else {
        return Ok(());
    };
    if !is(Some(check), "CHECK") {
        return Ok(());
    }
    Err(Problem::refused(
        check.span,
        "WITH CHECK OPTION",
        "views with a check option are not available on the embedded engine yet",
        "instead, add the condition to the table as a CHECK or a policy",
    ))
}

/// The parser wants a value after every option; PostgreSQL takes the bare name for `true`.
fn check_bare_options(piece: &Piece) -> Outcome<()> {
    for pair in piece.tokens.windows(2) {
        if let [first, second] = pair
            && let Token::Word(word) = &first.token
            && word.value.eq_ignore_ascii_case("security_invoker")
            && matches!(second.token, Token::RParen | Token::Comma)
        {
            return Err(invoker(first.span.start));
        }
    }
    Ok(())
}

fn invoker(at: Location) -> Problem {
    Problem::refused(
        at,
        "security_invoker",
        "a view reads its tables with all rights on the embedded engine; row security of the tables does not apply \
         inside it yet",
        "instead, write the condition into the view's WHERE (auth.uid() is available), or grant the table itself, \
         whose policies apply",
    )
}

fn check_options(create: &CreateView) -> Outcome<()> {
    if create.materialized || create.temporary || create.secure || create.or_alter || create.if_not_exists {
        return Err(Problem::invalid(&create.name, "this kind of view is not available on the embedded engine")
            .instead("write CREATE [OR REPLACE] VIEW"));
    }
    let options = match &create.options {
        CreateTableOptions::None => return Ok(()),
        CreateTableOptions::With(options) => options,
        _ => {
            return Err(Problem::invalid(&create.name, "these options of a view are not PostgreSQL"));
        }
    };
    for option in options {
        let (key, is_on) = match option {
            SqlOption::Ident(key) => (key, true),
            SqlOption::KeyValue { key, value } => (key, is_true(value)),
            _ => {
                return Err(Problem::invalid(&create.name, "this option of a view is not PostgreSQL"));
            }
        };
        match names::identifier(key).as_str() {
            "security_barrier" => {}
            "security_invoker" if !is_on => {}
            "security_invoker" => return Err(invoker(key.span.start)),
            other => {
                return Err(Problem::invalid(key.span, format!("unrecognized parameter \"{other}\"")));
            }
        }
    }
    Ok(())
}

fn is_true(value: &Expr) -> bool {
    match value {
        Expr::Value(value) => match &value.value {
            Value::Boolean(value) => *value,
            Value::Number(text, _) | Value::SingleQuotedString(text) => {
                !matches!(text.to_ascii_lowercase().as_str(), "0" | "false" | "off" | "no")
            }
            _ => true,
        },
        Expr::Identifier(ident) => !matches!(names::identifier(ident).as_str(), "off" | "no"),
        _ => true,
    }
}
