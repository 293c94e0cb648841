//! What is refused, or passes without effect, by its first words: most of it would not even parse.

use super::alter::is_owner;
use super::problem::{Outcome, Problem};
use super::tokens::Piece;

/// What to do with a statement by its first words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has to be read.
    Read,
    /// It means nothing here.
    Ignore,
}

/// First words, why not, what instead.
type Refusal = (&'static [&'static str], &'static str, &'static str);

const CODE: &str =
    "the embedded engine runs functions in LANGUAGE sql, and PL/pgSQL only in triggers of the common kind";
const CODE_INSTEAD: &str =
    "instead, use a DEFAULT, a GENERATED column, a CHECK or a view, or do it in the program that calls the API";
const TEMPORARY: &str = "a migration leaves nothing behind in a temporary table";
const TRANSACTION: &str = "every migration file is one transaction already";
const OTHER_TOOLS: &str = "it has no meaning on the embedded engine";

const REFUSALS: &[Refusal] = &[
    (
        &["CREATE", "CONSTRAINT", "TRIGGER"],
        "constraint triggers are not available on the embedded engine",
        "instead, CREATE TRIGGER ... AFTER",
    ),
    (&["CREATE", "EVENT", "TRIGGER"], "event triggers are not available on the embedded engine", CODE_INSTEAD),
    (&["CREATE", "PROCEDURE"], CODE, CODE_INSTEAD),
    (&["CREATE", "AGGREGATE"], CODE, CODE_INSTEAD),
    (&["CREATE", "RULE"], "rules are not available on the embedded engine", CODE_INSTEAD),
    (&["ALTER", "PROCEDURE"], CODE, CODE_INSTEAD),
    (&["DO"], CODE, "instead, write the statements of the block one after another, with IF [NOT] EXISTS where needed"),
    (&["CALL"], CODE, CODE_INSTEAD),
    (
        &["CREATE", "MATERIALIZED", "VIEW"],
        "materialized views are not available on the embedded engine",
        "instead, CREATE VIEW: it is computed when it is read",
    ),
    (
        &["CREATE", "RECURSIVE", "VIEW"],
        "recursive queries are not available on the embedded engine yet",
        "instead, ask level by level in the program that calls the API",
    ),
    (&["CREATE", "TEMP"], TEMPORARY, "instead, CREATE TABLE"),
    (&["CREATE", "TEMPORARY"], TEMPORARY, "instead, CREATE TABLE"),
    (&["CREATE", "LOCAL"], TEMPORARY, "instead, CREATE TABLE"),
    (&["CREATE", "GLOBAL"], TEMPORARY, "instead, CREATE TABLE"),
    (
        &["CREATE", "UNLOGGED"],
        "the embedded engine has one way to keep a table",
        "instead, CREATE TABLE without UNLOGGED",
    ),
    (
        &["DROP", "SEQUENCE"],
        "sequences by themselves are not available on the embedded engine",
        "remove it: an identity column's numbers go with its table",
    ),
    (
        &["CREATE", "FOREIGN"],
        "foreign tables are not available on the embedded engine",
        "instead, copy what is needed into a table",
    ),
    (&["CREATE", "SERVER"], "foreign servers are not available on the embedded engine", "remove it"),
    (&["CREATE", "PUBLICATION"], "there is no replication on the embedded engine", "remove it"),
    (&["ALTER", "PUBLICATION"], "there is no replication on the embedded engine", "remove it"),
    (&["CREATE", "SUBSCRIPTION"], "there is no replication on the embedded engine", "remove it"),
    (&["CREATE", "CAST"], "casts of your own are not available on the embedded engine", "remove it"),
    (&["CREATE", "OPERATOR"], "operators of your own are not available on the embedded engine", "remove it"),
    (&["CREATE", "COLLATION"], "text sorts by its bytes, as under the collation \"C\"", "remove it"),
    (&["CREATE", "TEXT", "SEARCH"], "full-text search is not available on the embedded engine yet", "remove it"),
    (&["CREATE", "STATISTICS"], OTHER_TOOLS, "remove it"),
    (&["CREATE", "DATABASE"], "a database is a file here, and pando.toml names it", "remove it"),
    (&["CREATE", "TABLESPACE"], OTHER_TOOLS, "remove it"),
    (&["CREATE", "LANGUAGE"], CODE, CODE_INSTEAD),
    (&["ALTER", "DATABASE"], "settings of the database stand in pando.toml", "remove it"),
    (&["ALTER", "SYSTEM"], "settings of the database stand in pando.toml", "remove it"),
    (&["BEGIN"], TRANSACTION, "remove BEGIN and COMMIT"),
    (&["START", "TRANSACTION"], TRANSACTION, "remove START TRANSACTION and COMMIT"),
    (&["COMMIT"], TRANSACTION, "remove BEGIN and COMMIT"),
    (&["END"], TRANSACTION, "remove BEGIN and END"),
    (&["ROLLBACK"], TRANSACTION, "remove BEGIN and ROLLBACK"),
    (&["SAVEPOINT"], TRANSACTION, "remove it"),
    (&["RELEASE"], TRANSACTION, "remove it"),
    (&["ABORT"], TRANSACTION, "remove it"),
    (&["PREPARE", "TRANSACTION"], TRANSACTION, "remove it"),
    (
        &["WITH"],
        "a statement that begins with WITH is not available in migrations yet",
        "instead, write it without WITH",
    ),
    (&["COPY"], "rows cannot be streamed into a migration", "instead, INSERT ... VALUES"),
    (&["TRUNCATE"], "TRUNCATE is not available on the embedded engine", "instead, DELETE FROM"),
    (&["MERGE"], "MERGE is not available on the embedded engine", "instead, INSERT ... ON CONFLICT or UPDATE"),
    (&["LOCK"], "a migration is alone with the database already", "remove it"),
    (&["REFRESH"], "materialized views are not available on the embedded engine", "remove it"),
    (&["PREPARE"], OTHER_TOOLS, "remove it"),
    (&["EXECUTE"], OTHER_TOOLS, "remove it"),
    (&["LISTEN"], OTHER_TOOLS, "remove it"),
    (&["EXPLAIN"], OTHER_TOOLS, "remove it"),
    (&["IMPORT"], OTHER_TOOLS, "remove it"),
    (&["REASSIGN"], "nothing has an owner on the embedded engine", "remove it"),
    (&["SECURITY"], OTHER_TOOLS, "remove it"),
    (&["CLUSTER"], OTHER_TOOLS, "remove it"),
];

/// Statements that mean nothing here and may stay, so that one file serves both engines.
const IGNORED: &[&[&str]] = &[&["ANALYZE"], &["VACUUM"], &["REINDEX"], &["NOTIFY"]];

/// Refuses a statement that begins or ends a transaction, on every engine: what comes before it would stay when what comes after
/// it fails, and nothing of the file would be remembered.
///
/// # Errors
/// The statement is one of these.
pub(super) fn transaction(piece: &Piece) -> Outcome<()> {
    let words = piece.leading_words();
    let is_it = |refusal: &&Refusal| {
        let (with, why, _) = refusal;
        *why == TRANSACTION && with.len() <= words.len() && with.iter().zip(&words).all(|(a, b)| a == b)
    };
    match REFUSALS.iter().find(is_it) {
        Some((with, why, instead)) => Err(Problem::refused(piece.at, with.join(" "), *why, *instead)),
        None => Ok(()),
    }
}

/// Decides by the first words.
///
/// # Errors
/// The statement is one that the embedded engine cannot do.
pub(super) fn judge(piece: &Piece, words: &[String]) -> Outcome<Verdict> {
    let begins = |with: &[&str]| with.len() <= words.len() && with.iter().zip(words).all(|(a, b)| a == b);
    if IGNORED.iter().any(|with| begins(with)) {
        return Ok(Verdict::Ignore);
    }
    if begins(&["SET"]) || begins(&["RESET"]) {
        return setting(piece).map(|()| Verdict::Ignore);
    }
    if begins(&["ALTER", "DOMAIN"]) && !is_owner(piece) {
        return Err(Problem::refused(
            piece.at,
            "ALTER DOMAIN",
            "a domain cannot be changed on the embedded engine",
            "instead, create another one, and ALTER TABLE ... ALTER COLUMN ... TYPE",
        ));
    }
    for (with, why, instead) in REFUSALS {
        if begins(with) {
            return Err(Problem::refused(piece.at, with.join(" "), *why, *instead));
        }
    }
    if begins(&["CREATE", "TABLE"]) || begins(&["ALTER", "TABLE"]) {
        inner_words(piece)?;
    }
    Ok(Verdict::Read)
}

/// Words inside a statement that the parser does not know everywhere.
fn inner_words(piece: &Piece) -> Outcome<()> {
    let mut cursor = piece.cursor();
    while !cursor.is_at_end() {
        if cursor.sees(&["NULLS", "NOT", "DISTINCT"]) {
            return Err(Problem::refused(
                cursor.at(),
                "NULLS NOT DISTINCT",
                "NULLs are distinct in a key on the embedded engine",
                "instead, declare the column NOT NULL, with a value that stands for nothing",
            ));
        }
        cursor.skip();
    }
    Ok(())
}

/// Settings mean nothing here, except those that would change what the rest of the file means.
fn setting(piece: &Piece) -> Outcome<()> {
    let mut cursor = piece.cursor();
    let is_reset = cursor.takes(&["RESET"]);
    if !is_reset {
        cursor.expect(&["SET"])?;
        let _ = cursor.takes(&["LOCAL"]) || cursor.takes(&["SESSION"]);
    }
    let (name, at) = cursor.identifier("the name of a setting")?;
    match name.as_str() {
        "role" | "authorization" | "session" if !is_reset => Err(Problem::refused(
            at,
            "SET ROLE",
            "a migration runs with all rights, as no role",
            "remove it; use GRANT and CREATE POLICY to say who may do what",
        )),
        "search_path" if !is_reset => {
            let _ = cursor.takes_token(&sqlparser::tokenizer::Token::Eq) || cursor.takes(&["TO"]);
            let first = cursor.identifier("a schema").map(|(name, _)| name).or_else(|_| cursor.string())?;
            if first == "public" || first.is_empty() {
                return Ok(());
            }
            Err(Problem::refused(
                at,
                "SET search_path",
                "names without a schema always mean the schema public",
                format!("instead, write the schema before the name: {first}.name"),
            ))
        }
        _ => Ok(()),
    }
}
