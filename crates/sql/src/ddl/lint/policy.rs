//! Row security: policies that are slow, or protect nothing; and what only the end of all files shows.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::schema::TableName;
use super::{Linter, Rule, is_word, table_name};
use crate::ddl::names;
use crate::ddl::tokens::Cursor;

impl Linter {
    pub(super) fn create_policy(&mut self, cursor: &mut Cursor<'_>) {
        let Ok((policy, _)) = cursor.identifier("a policy") else { return };
        if !cursor.takes(&["ON"]) {
            return;
        }
        let Some(name) = table_name(cursor) else { return };
        let mut is_per_row = false;
        let mut columns = Vec::new();
        while !cursor.is_at_end() {
            let is_using = cursor.sees(&["USING"]);
            if !is_using && !cursor.sees(&["WITH", "CHECK"]) {
                cursor.skip();
                continue;
            }
            cursor.skip();
            cursor.takes(&["CHECK"]);
            let Ok(Some(condition)) = cursor.parenthesized() else { return };
            is_per_row |= asks_per_row(condition, false);
            // New rows are looked at one by one, and not searched for.
            if is_using {
                compared(condition, &mut columns);
            }
        }
        if is_per_row {
            let message = format!("the policy {policy} of {name} asks for the caller anew for every row");
            self.tell(Rule::AuthPerRow, message);
        }
        let place = self.place.clone();
        if let Some(table) = self.schema.table_mut(&name) {
            columns.retain(|column| table.types.contains_key(column));
            table.compared.extend(columns.into_iter().map(|column| (place.clone(), column)));
            table.policies.insert(policy, place);
        }
    }

    pub(super) fn drop_policy(&mut self, cursor: &mut Cursor<'_>) {
        cursor.takes(&["IF", "EXISTS"]);
        let Ok((policy, _)) = cursor.identifier("a policy") else { return };
        if !cursor.takes(&["ON"]) {
            return;
        }
        let Some(table) = table_name(cursor).and_then(|name| self.schema.table_mut(&name)) else { return };
        if let Some(gone) = table.policies.remove(&policy) {
            table.compared.retain(|(place, _)| (place.file, place.line) != (gone.file, gone.line));
        }
    }

    /// What counts is how it all ends: a later file may have brought what was missing.
    pub(super) fn finish(&mut self) {
        let mut findings = Vec::new();
        for (name, table) in self.schema.tables() {
            for (place, columns) in table.foreign_keys.iter().filter(|(_, columns)| !table.has_index(columns)) {
                let columns = columns.join(", ");
                findings.push((
                    place,
                    Rule::ForeignKeyWithoutIndex,
                    format!("no index of {name} begins with {columns}"),
                ));
            }
            for (place, column) in &table.compared {
                if !table.has_index(std::slice::from_ref(column)) {
                    let message = format!("a policy compares {name}.{column}, and no index begins with it");
                    findings.push((place, Rule::PolicyWithoutIndex, message));
                }
            }
            findings.extend(row_security(name, table));
        }
        let findings: Vec<_> = findings.into_iter().map(|(place, rule, text)| (place.clone(), rule, text)).collect();
        for (place, rule, message) in findings {
            self.tell_at(place, rule, message);
        }
    }
}

fn row_security<'a>(
    name: &TableName,
    table: &'a super::schema::Table,
) -> Vec<(&'a super::schema::Place, Rule, String)> {
    match &table.row_security {
        None => {
            let told = |(policy, place): (&String, &'a _)| {
                (place, Rule::PolicyWithoutRowSecurity, format!("{name} has the policy {policy} and no row security"))
            };
            table.policies.iter().map(told).collect()
        }
        Some(place) if table.policies.is_empty() => {
            vec![(place, Rule::RowSecurityWithoutPolicy, format!("{name} has row security and no policy"))]
        }
        Some(_) => Vec::new(),
    }
}

/// Whether the call of a function that asks for the caller begins here: `auth.uid(`, `current_setting(`.
fn is_question(tokens: &[TokenWithSpan]) -> bool {
    match tokens {
        [schema, dot, function, open, ..]
            if dot.token == Token::Period && open.token == Token::LParen && is_word(&schema.token, "auth") =>
        {
            ["uid", "jwt", "role", "email"].iter().any(|name| is_word(&function.token, name))
        }
        [function, open, ..] => open.token == Token::LParen && is_word(&function.token, "current_setting"),
        _ => false,
    }
}

/// Whether the caller is asked for outside of a `(select …)` that reads nothing else.
fn asks_per_row(tokens: &[TokenWithSpan], is_wrapped: bool) -> bool {
    let mut cursor = Cursor::over(tokens);
    while !cursor.is_at_end() {
        if !is_wrapped && is_question(cursor.rest()) {
            return true;
        }
        if cursor.sees_token(&Token::LParen)
            && let Ok(Some(inside)) = cursor.clone().parenthesized()
        {
            let is_select = inside.first().is_some_and(|first| is_word(&first.token, "SELECT"));
            let reads = is_select && inside.iter().any(|token| is_word(&token.token, "FROM"));
            // A subquery with rows of its own asks for each of them.
            if asks_per_row(inside, (is_wrapped || is_select) && !reads) {
                return true;
            }
            let _skipped = cursor.parenthesized();
            continue;
        }
        cursor.skip();
    }
    false
}

/// The columns that are compared for equality to something that asks for the caller, outside of subqueries with rows of
/// their own.
fn compared(tokens: &[TokenWithSpan], columns: &mut Vec<String>) {
    let is_end = |token: &TokenWithSpan| is_word(&token.token, "AND") || is_word(&token.token, "OR");
    let mut depth = 0_usize;
    let terms = tokens.split(|token| {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && is_end(token)
    });
    for term in terms {
        // A term in parentheses of its own.
        if let [first, inside @ .., last] = term
            && (&first.token, &last.token) == (&Token::LParen, &Token::RParen)
        {
            if !inside.first().is_some_and(|first| is_word(&first.token, "SELECT")) {
                compared(inside, columns);
            }
            continue;
        }
        let Some(equals) = term.iter().position(|token| token.token == Token::Eq) else { continue };
        let (left, right) = (term.get(..equals).unwrap_or_default(), term.get(equals + 1..).unwrap_or_default());
        for (column, other) in [(left, right), (right, left)] {
            let asks = (0..other.len()).any(|start| other.get(start..).is_some_and(is_question));
            let reads = other.iter().any(|token| is_word(&token.token, "FROM"));
            if let (Some(column), true, false) = (column_of(column), asks, reads) {
                columns.push(column);
            }
        }
    }
}

/// A column, with its table or without, and nothing else.
fn column_of(tokens: &[TokenWithSpan]) -> Option<String> {
    let column = match tokens {
        [column] => column,
        [_, dot, column] if dot.token == Token::Period => column,
        _ => return None,
    };
    match &column.token {
        Token::Word(word) => Some(names::folded(&word.value, word.quote_style)),
        _ => None,
    }
}
