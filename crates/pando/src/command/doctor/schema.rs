//! The migrations: their files against what the database has.

use catalog::Catalog;
use store::keeping::Examined;

use super::Findings;
use crate::command::misnamed::misnamed;
use crate::configuration::Prepared;
use crate::database::translated;
use crate::migrations::{MigrationError, newer, pending, read_folder};

/// Compares files and database, and reads what is pending.
pub fn look(prepared: &Prepared, examined: Option<&Examined>, findings: &mut Findings) {
    let folder = &prepared.migrations;
    let files = match read_folder(folder) {
        Ok(files) => files,
        Err(error) => return findings.error("migrations", error.to_string(), "correct the folder"),
    };
    match translated(prepared, &files) {
        Ok(snapshot) => {
            for doubt in misnamed(prepared, &Catalog::new(snapshot)) {
                findings.warning("configuration", doubt, "correct the name, or write the migration that brings it");
            }
        }
        Err(error) => {
            let text = error.to_string();
            findings.error("migrations", text, "correct it; `pando serve` refuses to start on it where it is pending");
        }
    }
    let Some(examined) = examined else { return };
    let mut applied = examined.applied.clone();
    applied.retain(|migration| migration.version > 0);
    if let Some(last) = newer(&files, &applied).last() {
        let text = format!("{} was applied and is newer than the newest file", last.name);
        findings.note("migrations", text, "a newer release was at work here; its schema is served");
    }
    match pending(&files, &applied, folder) {
        Ok([]) => {
            let text = format!("{} applied, none pending; {} tables and views", applied.len(), examined.relations);
            findings.ok("migrations", text);
        }
        Ok(waiting) => {
            let names: Vec<&str> = waiting.iter().map(|file| file.name.as_str()).collect();
            let text = format!("pending: {}", names.join(", "));
            findings.note("migrations", text, "`pando serve` or `pando migrate up` applies them");
        }
        Err(
            error @ (MigrationError::Changed { .. }
            | MigrationError::Missing { .. }
            | MigrationError::OutOfOrder { .. }),
        ) => {
            findings.error("migrations", error.to_string(), "`pando serve` refuses to start until this is put right");
        }
        Err(error) => findings.error("migrations", error.to_string(), "correct the folder"),
    }
}
