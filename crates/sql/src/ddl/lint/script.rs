//! A file as statements, with what comments of Pando's say.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace};

use super::super::DdlError;
use super::super::problem::{Outcome, Problem};
use super::super::refusal;
use super::super::tokens::{Nesting, Piece};

/// The first line of a file that is not to run in a transaction.
const NO_TRANSACTION: &str = "-- pando: no transaction";

/// The beginning of a comment that silences rules.
const ALLOW: &str = "pando: allow ";

/// A statement and the rules that are silenced for it.
pub(super) struct Line {
    pub(super) piece: Piece,
    pub(super) allowed: Vec<String>,
}

/// A statement as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its text, without the semicolon.
    pub text: &'a str,
    /// The line that it begins on, from 1.
    pub line: u64,
}

/// Whether the statements of a file run one by one, each on its own, as its first line says.
pub fn is_without_transaction(text: &str) -> bool {
    let first = text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default();
    first.trim().eq_ignore_ascii_case(NO_TRANSACTION)
}

/// The statements of the migration `text` of the file named `file`.
///
/// # Errors
/// Where a string, a quoted name or a comment does not end.
pub fn parts<'a>(file: &str, text: &'a str) -> Result<Vec<Part<'a>>, DdlError> {
    let text = text.trim_start_matches('\u{feff}');
    let starts: Vec<usize> =
        std::iter::once(0).chain(text.match_indices('\n').map(|(position, _)| position + 1)).collect();
    let offset = |at: Location| {
        let start = usize::try_from(at.line).ok().and_then(|line| starts.get(line.checked_sub(1)?)).copied()?;
        let column = usize::try_from(at.column).ok()?.checked_sub(1)?;
        let line = text.get(start..)?;
        Some(start + line.char_indices().nth(column).map_or(line.len(), |(position, _)| position))
    };
    let mut parts = Vec::new();
    let mut begin: Option<Location> = None;
    let mut close = |begin: Option<Location>, end: Option<usize>| {
        let Some(at) = begin else { return };
        if let Some(text) = offset(at).zip(end).and_then(|(start, end)| text.get(start..end)) {
            parts.push(Part { text: text.trim_end(), line: at.line });
        }
    };
    let mut nesting = Nesting::default();
    for token in tokens(text).map_err(|problem| problem.located(file))? {
        match token.token {
            Token::Whitespace(_) | Token::EOF => {}
            ref end if nesting.is_ended_by(end) => close(begin.take(), offset(token.span.start)),
            _ => begin = begin.or(Some(token.span.start)),
        }
    }
    close(begin, Some(text.len()));
    Ok(parts)
}

/// The statements of a migration that begin or end a transaction, which no engine runs: every file is one, or has none at all. A file
/// that cannot be cut into statements has none: the engine tells of it.
pub fn transaction_statements(file: &str, text: &str) -> Vec<DdlError> {
    let lines = read(text).unwrap_or_default();
    let refused = lines.iter().filter_map(|line| refusal::transaction(&line.piece).err());
    refused.map(|problem| problem.located(file)).collect()
}

/// The statements of a file as tokens.
pub(super) fn read(text: &str) -> Outcome<Vec<Line>> {
    let (mut lines, mut current, mut allowed) = (Vec::new(), Vec::new(), Vec::new());
    let mut nesting = Nesting::default();
    for token in tokens(text.trim_start_matches('\u{feff}'))? {
        match &token.token {
            Token::Whitespace(Whitespace::SingleLineComment { comment, .. }) => {
                if let Some(names) = comment.trim().strip_prefix(ALLOW) {
                    allowed.extend(names.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned));
                }
            }
            Token::Whitespace(_) | Token::EOF => {}
            end if nesting.is_ended_by(end) => close(&mut lines, &mut current, &mut allowed),
            _ => current.push(token),
        }
    }
    close(&mut lines, &mut current, &mut allowed);
    Ok(lines)
}

fn close(lines: &mut Vec<Line>, current: &mut Vec<TokenWithSpan>, allowed: &mut Vec<String>) {
    if let Some(first) = current.first() {
        let at = first.span.start;
        let piece = Piece { tokens: std::mem::take(current), at };
        lines.push(Line { piece, allowed: std::mem::take(allowed) });
    }
}

fn tokens(text: &str) -> Outcome<Vec<TokenWithSpan>> {
    Tokenizer::new(&PostgreSqlDialect {}, text)
        .tokenize_with_location()
        .map_err(|error| Problem::refused(error.location, "syntax", error.message, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_cut_where_they_end() {
        let text = "-- pando: no transaction\n\n  select 'ü;', $$ ; $$ ;\r\n/* ; */ create index concurrently a on b (c);\n;\nselect \"ö;\" -- ;\n";
        let parts = parts("x.sql", text).unwrap();
        let shown: Vec<(u64, &str)> = parts.iter().map(|part| (part.line, part.text)).collect();
        let expected =
            [(3, "select 'ü;', $$ ; $$"), (4, "create index concurrently a on b (c)"), (6, "select \"ö;\" -- ;")];
        assert_eq!(shown, expected);
        assert!(super::parts("x.sql", "select 'open").is_err());
    }

    #[test]
    fn semicolons_inside_of_a_statement_do_not_end_it() {
        for statement in [
            "create function f(x int) returns int language sql begin atomic select 1; select x; end",
            "create or replace function f(x int) language sql BEGIN ATOMIC select case x when 1 then 2 end; select t.end as case; END",
            "create rule r as on update to t do also (insert into t values (1); notify x)",
            "do $$ begin perform 1; end $$",
        ] {
            let text = format!("select 1;\n{statement}\n;select 2; begin; select atomic; end;");
            let texts: Vec<&str> = parts("x.sql", &text).unwrap().into_iter().map(|part| part.text).collect();
            assert_eq!(texts, ["select 1", statement, "select 2", "begin", "select atomic", "end"]);
        }
    }

    #[test]
    fn the_first_line_decides() {
        assert!(is_without_transaction("-- pando: no transaction\r\nselect 1"));
        assert!(is_without_transaction("\u{feff}-- Pando: no transaction"));
        assert!(!is_without_transaction("\n-- pando: no transaction"));
        assert!(!is_without_transaction("-- pando: no transactions"));
    }
}
