//! Schemas, extensions and comments.

use std::sync::Arc;

use base::QualifiedName;
use sqlparser::ast::SchemaName;
use sqlparser::tokenizer::Location;

use super::names;
use super::problem::{Outcome, Problem};
use super::routine::named_function;
use super::select::missing_relation;
use super::tokens::{Cursor, Piece};
use super::translation::Translation;

/// Extensions whose functions are there anyway.
const EXTENSIONS: [&str; 4] = ["pgcrypto", "uuid-ossp", "plpgsql", "moddatetime"];

/// `CREATE EXTENSION`: a few are there already.
pub(super) fn create_extension(piece: &Piece) -> Outcome<()> {
    let mut cursor = piece.cursor();
    cursor.expect(&["CREATE", "EXTENSION"])?;
    let _ = cursor.takes(&["IF", "NOT", "EXISTS"]);
    let (name, at) = cursor.identifier("the name of an extension")?;
    if EXTENSIONS.contains(&name.as_str()) {
        return Ok(());
    }
    let instead = match name.as_str() {
        "citext" => "instead, use text and compare lower(...)",
        "pg_trgm" | "unaccent" | "fuzzystrmatch" => "instead, filter with ilike or a regular expression",
        "postgis" => "instead, use double precision columns",
        "vector" => "instead, use jsonb",
        "hstore" => "instead, use jsonb",
        _ => "remove it; gen_random_uuid() and uuid_generate_v4() are there without an extension",
    };
    Err(Problem::refused(
        at,
        format!("CREATE EXTENSION {name}"),
        "the extension is not available on the embedded engine",
        instead,
    ))
}

/// `DROP ... IF EXISTS` of what cannot exist here.
pub(super) fn drop_absent(piece: &Piece, words: &[&str]) -> Outcome<()> {
    let kind = match words {
        [_, "MATERIALIZED", ..] => "materialized view",
        [_, "EXTENSION", ..] => "extension",
        _ => "object",
    };
    let has_if_exists = words.windows(2).any(|pair| matches!(pair, ["IF", "EXISTS"]));
    if has_if_exists || kind == "extension" {
        return Ok(());
    }
    Err(Problem::invalid(piece.at, format!("there is no such {kind} on the embedded engine"))
        .instead("write IF EXISTS, or remove it"))
}

impl Translation {
    /// Makes a schema.
    pub(super) fn create_schema(&mut self, name: &SchemaName, if_not_exists: bool, at: Location) -> Outcome<()> {
        let object = match name {
            SchemaName::Simple(name) | SchemaName::NamedAuthorization(name, _) => name,
            SchemaName::UnnamedAuthorization(_) => {
                return Err(Problem::invalid(at, "write the name of the schema before AUTHORIZATION"));
            }
        };
        let name = match names::parts(object)?.as_slice() {
            [name] => name.clone(),
            _ => {
                return Err(Problem::invalid(object, "the name of a schema has one part"));
            }
        };
        if name.starts_with("pg_") || name == "information_schema" {
            return Err(Problem::invalid(object, format!("unacceptable schema name \"{name}\"")));
        }
        if self.snapshot.schemas.contains_key(name.as_str()) {
            if if_not_exists {
                return Ok(());
            }
            return Err(Problem::invalid(object, format!("schema \"{name}\" already exists"))
                .instead("write CREATE SCHEMA IF NOT EXISTS"));
        }
        self.snapshot.schemas.insert(Arc::from(name), None);
        Ok(())
    }

    /// `COMMENT ON ... IS ...`: kept for tables, views, columns and schemas.
    pub(super) fn comment(&mut self, piece: &Piece) -> Outcome<()> {
        let mut cursor = piece.cursor();
        cursor.expect(&["COMMENT", "ON"])?;
        if cursor.takes(&["TABLE"]) || cursor.takes(&["VIEW"]) {
            let (parts, at) = cursor.name("a table")?;
            let text = comment_text(&mut cursor)?;
            let name = self.commented(&parts, at)?;
            self.relation_mut(&name)?.comment = text;
            return Ok(());
        }
        if cursor.takes(&["COLUMN"]) {
            let (mut parts, at) = cursor.name("table.column")?;
            let text = comment_text(&mut cursor)?;
            let column = parts.pop().unwrap_or_default();
            if parts.is_empty() {
                return Err(Problem::invalid(at, "write the column as table.column"));
            }
            let name = self.commented(&parts, at)?;
            let relation = self.relation_mut(&name)?;
            let found = relation.columns.iter_mut().find(|known| *known.name == *column);
            let Some(found) = found else {
                let message = format!("column \"{column}\" of relation \"{}\" does not exist", name.name);
                return Err(Problem::invalid(at, message));
            };
            found.comment = text;
            if let Some(Err(problem)) = catalog::schema_of(found) {
                let message = format!("the @schema of column \"{column}\" of relation \"{}\": {problem}", name.name);
                return Err(Problem::invalid(at, message));
            }
            return Ok(());
        }
        if cursor.takes(&["SCHEMA"]) {
            let (name, at) = cursor.identifier("a schema")?;
            let text = comment_text(&mut cursor)?;
            let Some(comment) = self.snapshot.schemas.get_mut(name.as_str()) else {
                return Err(Problem::invalid(at, format!("schema \"{name}\" does not exist")));
            };
            *comment = text;
            return Ok(());
        }
        if cursor.takes(&["FUNCTION"]) || cursor.takes(&["ROUTINE"]) {
            let function = named_function(&mut cursor)?;
            let text = comment_text(&mut cursor)?;
            if self.is_trigger_function(&function) {
                return Ok(());
            }
            if let Some(signature) = self.find_function(&function, false)?
                && let Some(routine) = self.snapshot.routines.get_mut(&signature)
            {
                Arc::make_mut(routine).comment = text;
            }
            return Ok(());
        }
        // Comments on anything else are shown nowhere.
        Ok(())
    }

    fn commented(&self, parts: &[String], at: Location) -> Outcome<QualifiedName> {
        let name = names::from_parts(parts).ok_or_else(|| Problem::invalid(at, "a name has at most two parts"))?;
        if self.snapshot.relations.contains_key(&name) {
            return Ok(name);
        }
        Err(missing_relation(&self.snapshot, &name, at))
    }
}

/// `IS 'text'` or `IS NULL`. An empty comment is none.
fn comment_text(cursor: &mut Cursor<'_>) -> Outcome<Option<String>> {
    cursor.expect(&["IS"])?;
    let text = if cursor.takes(&["NULL"]) { None } else { Some(cursor.string()?) };
    cursor.end()?;
    Ok(text.filter(|text| !text.is_empty()))
}
