//! The functions that the triggers of the audit call on a server.

use crate::audit::MOST_VALUES;

/// What the triggers call.
const FUNCTION: &str = include_str!("audit.sql");
/// What they call where less will do.
const ROW_FUNCTION: &str = include_str!("audit_row.sql");

/// The function for everything.
pub(super) const CHANGE: &str = "audit_change";
/// The function for tables with one column as their key, whose entries have no values.
pub(super) const ROW: &str = "audit_row";
/// The same for tables with columns that a session's settings print in one way or another.
pub(super) const ROW_PRINTED: &str = "audit_row_printed";

/// All of them.
pub(super) const NAMES: [&str; 3] = [CHANGE, ROW, ROW_PRINTED];

/// The settings that rows are printed with, so that a row has one hash whoever writes it.
const PRINTING: &str = r#"SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO, MDY' SET "IntervalStyle" = 'postgres'
    SET bytea_output = 'hex' SET extra_float_digits = '1'"#;

/// The same as `pg_proc` keeps it.
const PRINTING_KEPT: &str =
    "TimeZone=UTC,DateStyle=ISO, MDY,IntervalStyle=postgres,bytea_output=hex,extra_float_digits=1";
/// The same with the `search_path` of the function for everything.
const CHANGE_KEPT: &str = "search_path=pg_catalog, pg_temp,TimeZone=UTC,DateStyle=ISO, MDY,IntervalStyle=postgres,bytea_output=hex,\
                           extra_float_digits=1";

/// A function of the schema `pando`.
pub(super) struct Function {
    pub(super) name: &'static str,
    /// The statement that makes it.
    pub(super) text: String,
    /// What it sets, as `pg_proc` keeps it, with commas.
    pub(super) sets: &'static str,
}

/// Who asked: what the program said and signed, or else who has logged in. Whatever else stands in the setting was put there by somebody
/// else, and is only told as that, `claimed`: also what is empty, since the setting is unknown in a session in which it was never made,
/// and cannot become that again. The signature is looked at by `pando audit verify`, which has the key.
/// Nor is a text of any length written down.
const ASKED: &str = r#"CASE WHEN pg_catalog.current_setting('pando.audit', true) OPERATOR(pg_catalog.~~) '%,"signature":"%"}'
      AND pg_catalog.octet_length(pg_catalog.current_setting('pando.audit', true)) OPERATOR(pg_catalog.<=) 65536
    THEN pg_catalog.current_setting('pando.audit', true)
    ELSE '{"outside":' OPERATOR(pg_catalog.||) pg_catalog.to_json(SESSION_USER::pg_catalog.text)::pg_catalog.text OPERATOR(pg_catalog.||)
      coalesce(',"claimed":' OPERATOR(pg_catalog.||)
        pg_catalog.to_json(pg_catalog."left"(pg_catalog.current_setting('pando.audit', true), 1000))::pg_catalog.text, '')
      OPERATOR(pg_catalog.||) '}'
    END"#;

/// The hash of a row.
fn hash(row: &str) -> String {
    format!(
        "pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.row_to_json({row})::pg_catalog.text, 'UTF8')), 'hex')"
    )
}

/// All of them.
pub(super) fn functions() -> [Function; 3] {
    let row = ROW_FUNCTION
        .replace("HASH(OLD)", &hash("OLD"))
        .replace("HASH(NEW)", &hash("NEW"))
        .replace(" ASKED", &format!(" {ASKED}"));
    let change = FUNCTION.replace("PRINTING\n", PRINTING).replace("MOST_VALUES", &MOST_VALUES.to_string());
    let change = change.replace(" ASKED", &format!(" {ASKED}"));
    let printed = row.replace("THIS", ROW_PRINTED).replace("PRINTING\n", PRINTING);
    [
        Function { name: CHANGE, text: change, sets: CHANGE_KEPT },
        Function { name: ROW, text: row.replace("THIS", ROW).replace("PRINTING\n", ""), sets: "" },
        Function { name: ROW_PRINTED, text: printed, sets: PRINTING_KEPT },
    ]
}

/// What the bodies of the functions stand between.
pub(super) const BODY: &str = "$audit$";
