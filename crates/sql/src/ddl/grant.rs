//! `GRANT` and `REVOKE`: known to the catalog only.

use std::sync::Arc;

use base::{QualifiedName, Signature};
use catalog::{DefaultExecutor, DefaultGrant, Grant, Privilege, Relation};
use sqlparser::tokenizer::{Location, Token};

use super::names;
use super::prelude::LOGIN_ROLES;
use super::problem::{Outcome, Problem};
use super::routine::{NamedFunction, named_function};
use super::select::missing_relation;
use super::tokens::{Cursor, Piece};
use super::translation::Translation;

const ALL: [Privilege; 4] = [Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete];

/// One entry before `ON` or `TO`.
struct Entry {
    words: Vec<String>,
    columns: Option<Vec<String>>,
    at: Location,
}

/// What a `GRANT` is about.
enum Objects {
    Relations(Vec<(QualifiedName, Location)>),
    AllIn(Vec<(String, Location)>),
    Schemas(Vec<(String, Location)>),
    Functions(Vec<NamedFunction>),
    AllFunctionsIn(Vec<(String, Location)>),
    /// Sequences, types and the like: nothing of theirs is guarded here.
    Others,
}

/// One privilege, on columns or on everything.
type Granted = (Privilege, Option<Vec<Arc<str>>>);

impl Translation {
    /// `GRANT privileges ON ... TO ...` or `GRANT role TO role`.
    pub(super) fn grant(&mut self, piece: &Piece) -> Outcome<()> {
        let mut cursor = piece.cursor();
        cursor.expect(&["GRANT"])?;
        let entries = entries(&mut cursor)?;
        if cursor.takes(&["ON"]) {
            let objects = objects(&mut cursor, "TO")?;
            cursor.expect(&["TO"])?;
            let roles = self.roles(&mut cursor)?;
            let _ = cursor.takes(&["WITH", "GRANT", "OPTION"]);
            granted_by(&mut cursor)?;
            return self.change_grants(&entries, objects, &roles, true);
        }
        cursor.expect(&["TO"])?;
        let members = self.roles(&mut cursor)?;
        if cursor.takes(&["WITH"]) {
            cursor.list(|cursor| {
                cursor.identifier("ADMIN, INHERIT or SET")?;
                cursor.identifier("OPTION, TRUE or FALSE").map(|_| ())
            })?;
        }
        granted_by(&mut cursor)?;
        self.change_members(&entries, &members, true)
    }

    /// `REVOKE privileges ON ... FROM ...` or `REVOKE role FROM role`.
    pub(super) fn revoke(&mut self, piece: &Piece) -> Outcome<()> {
        let mut cursor = piece.cursor();
        cursor.expect(&["REVOKE"])?;
        if cursor.sees(&["GRANT", "OPTION", "FOR"]) || cursor.sees(&["ADMIN", "OPTION", "FOR"]) {
            // Options to pass a right on are not kept, so there is nothing to take away.
            return Ok(());
        }
        let entries = entries(&mut cursor)?;
        if cursor.takes(&["ON"]) {
            let objects = objects(&mut cursor, "FROM")?;
            cursor.expect(&["FROM"])?;
            let roles = self.roles(&mut cursor)?;
            granted_by(&mut cursor)?;
            return self.change_grants(&entries, objects, &roles, false);
        }
        cursor.expect(&["FROM"])?;
        let members = self.roles(&mut cursor)?;
        granted_by(&mut cursor)?;
        self.change_members(&entries, &members, false)
    }

    /// `ALTER DEFAULT PRIVILEGES`: for tables and views that are made later.
    pub(super) fn default_privileges(&mut self, piece: &Piece) -> Outcome<()> {
        let mut cursor = piece.cursor();
        cursor.expect(&["ALTER", "DEFAULT", "PRIVILEGES"])?;
        if cursor.takes(&["FOR"]) {
            let _ = cursor.takes(&["ROLE"]) || cursor.takes(&["USER"]);
            self.roles(&mut cursor)?;
        }
        let mut schemas = vec![None];
        if cursor.takes(&["IN", "SCHEMA"]) {
            let names = cursor.list(|cursor| cursor.identifier("a schema"))?;
            schemas = names.into_iter().map(|(name, at)| self.schema(&name, at).map(Some)).collect::<Outcome<_>>()?;
        }
        let is_grant = cursor.takes(&["GRANT"]);
        if !is_grant {
            cursor.expect(&["REVOKE"])?;
            let _ = cursor.takes(&["GRANT", "OPTION", "FOR"]);
        }
        let entries = entries(&mut cursor)?;
        cursor.expect(&["ON"])?;
        let is_tables = cursor.takes(&["TABLES"]);
        let is_functions = !is_tables && (cursor.takes(&["FUNCTIONS"]) || cursor.takes(&["ROUTINES"]));
        if !is_tables && !is_functions {
            cursor.identifier("TABLES, SEQUENCES, FUNCTIONS, TYPES or SCHEMAS")?;
        }
        cursor.expect(&[if is_grant { "TO" } else { "FROM" }])?;
        let roles = self.roles(&mut cursor)?;
        let _ = cursor.takes(&["WITH", "GRANT", "OPTION"]);
        granted_by(&mut cursor)?;
        if is_functions && names_execute(&entries) {
            for schema in &schemas {
                for role in &roles {
                    let change = DefaultExecutor { schema: schema.clone(), role: role.clone(), is_granted: is_grant };
                    self.snapshot
                        .default_executors
                        .retain(|other| (&other.schema, &other.role) != (&change.schema, &change.role));
                    self.snapshot.default_executors.push(change);
                }
            }
        }
        if !is_tables {
            return Ok(());
        }
        let privileges: Vec<Privilege> = privileges(&entries)?.into_iter().map(|(privilege, _)| privilege).collect();
        for schema in &schemas {
            for role in &roles {
                for privilege in &privileges {
                    let grant = DefaultGrant { schema: schema.clone(), role: role.clone(), privilege: *privilege };
                    self.snapshot.default_grants.retain(|other| *other != grant);
                    if is_grant {
                        self.snapshot.default_grants.push(grant);
                    }
                }
            }
        }
        Ok(())
    }

    /// `USAGE` on schemas: without it nothing inside of one can be reached.
    fn change_usage(
        &mut self,
        entries: &[Entry],
        schemas: &[(String, Location)],
        roles: &[Arc<str>],
        is_grant: bool,
    ) -> Outcome<()> {
        let is_usage = |entry: &Entry| matches!(entry.words.first().map(String::as_str), Some("usage" | "all"));
        let has_usage = entries.iter().any(is_usage);
        for (schema, at) in schemas {
            let schema = self.schema(schema, *at)?;
            let users = self.snapshot.schema_usage.entry(schema).or_default();
            for role in roles.iter().filter(|_| has_usage) {
                users.retain(|known| known != role);
                if is_grant {
                    users.push(role.clone());
                }
            }
        }
        Ok(())
    }

    /// `EXECUTE` on functions.
    fn change_executors(
        &mut self,
        entries: &[Entry],
        functions: &[NamedFunction],
        roles: &[Arc<str>],
        is_grant: bool,
    ) -> Outcome<()> {
        for function in functions {
            // What the server brings along may be called by everybody, whatever is said.
            if *function.name.schema == *"auth" || self.is_trigger_function(function) {
                continue;
            }
            let Some(signature) = self.find_function(function, false)? else { continue };
            self.change_executor(&signature, entries, roles, is_grant);
        }
        Ok(())
    }

    fn change_all_executors(
        &mut self,
        entries: &[Entry],
        schemas: &[(String, Location)],
        roles: &[Arc<str>],
        is_grant: bool,
    ) -> Outcome<()> {
        for (schema, at) in schemas {
            let schema = self.schema(schema, *at)?;
            let inside: Vec<Signature> =
                self.snapshot.routines.keys().filter(|signature| signature.name.schema == schema).cloned().collect();
            inside.iter().for_each(|signature| self.change_executor(signature, entries, roles, is_grant));
        }
        Ok(())
    }

    fn change_executor(&mut self, signature: &Signature, entries: &[Entry], roles: &[Arc<str>], is_grant: bool) {
        let Some(routine) = self.snapshot.routines.get_mut(signature).filter(|_| names_execute(entries)) else {
            return;
        };
        let executors = &mut Arc::make_mut(routine).executors;
        for role in roles {
            executors.retain(|known| known != role);
            if is_grant {
                executors.push(role.clone());
            }
        }
    }

    fn schema(&self, name: &str, at: Location) -> Outcome<Arc<str>> {
        match self.snapshot.schemas.get_key_value(name) {
            Some((name, _)) => Ok(name.clone()),
            None => Err(Problem::invalid(at, format!("schema \"{name}\" does not exist"))),
        }
    }

    /// Roles with commas between them, all of which exist. `public` is everybody.
    pub(super) fn roles(&self, cursor: &mut Cursor<'_>) -> Outcome<Vec<Arc<str>>> {
        cursor.list(|cursor| {
            let _ = cursor.takes(&["GROUP"]);
            let (name, at) = cursor.identifier("a role")?;
            if name != "public" {
                self.check_role(&name, at)?;
            }
            Ok(Arc::from(name))
        })
    }

    /// The role exists.
    pub(super) fn check_role(&self, name: &str, at: Location) -> Outcome<()> {
        if self.snapshot.roles.contains_key(name) {
            return Ok(());
        }
        Err(Problem::invalid(at, format!("role \"{name}\" does not exist"))
            .instead(format!("write CREATE ROLE {name} before it")))
    }

    fn change_grants(
        &mut self,
        entries: &[Entry],
        objects: Objects,
        roles: &[Arc<str>],
        is_grant: bool,
    ) -> Outcome<()> {
        let change = if is_grant { add_grant } else { remove_grant };
        let names: Vec<QualifiedName> = match objects {
            Objects::Others => return Ok(()),
            Objects::Functions(functions) => return self.change_executors(entries, &functions, roles, is_grant),
            Objects::AllFunctionsIn(schemas) => return self.change_all_executors(entries, &schemas, roles, is_grant),
            Objects::Schemas(schemas) => return self.change_usage(entries, &schemas, roles, is_grant),
            Objects::Relations(relations) => {
                for (name, at) in &relations {
                    if !self.snapshot.relations.contains_key(name) {
                        return Err(missing_relation(&self.snapshot, name, *at));
                    }
                }
                relations.into_iter().map(|(name, _)| name).collect()
            }
            Objects::AllIn(schemas) => {
                for (schema, at) in &schemas {
                    self.schema(schema, *at)?;
                }
                let is_inside = |name: &&QualifiedName| schemas.iter().any(|(schema, _)| *name.schema == **schema);
                self.snapshot.relations.keys().filter(is_inside).cloned().collect()
            }
        };
        let privileges = privileges(entries)?;
        let at = entries.first().map_or(super::problem::NOWHERE, |entry| entry.at);
        for name in &names {
            let relation = self.relation_mut(name)?;
            for (_, columns) in &privileges {
                for column in columns.iter().flatten() {
                    if relation.column(column).is_none() {
                        let message = format!("column \"{column}\" of relation \"{}\" does not exist", name.name);
                        return Err(Problem::invalid(at, message));
                    }
                }
            }
            for role in roles {
                privileges.iter().for_each(|granted| change(relation, role, granted));
            }
        }
        Ok(())
    }

    /// `GRANT role TO member`: the member has the role's rights; a role that Pando logs in with may become it.
    fn change_members(&mut self, entries: &[Entry], members: &[Arc<str>], is_grant: bool) -> Outcome<()> {
        for entry in entries {
            let [name] = entry.words.as_slice() else {
                return Err(Problem::invalid(entry.at, "a privilege needs ON, a role is one word"));
            };
            self.check_role(name, entry.at)?;
            for member in members {
                if **member == **name || (is_grant && self.is_member(name, member)) {
                    let message = format!("role \"{name}\" is a member of role \"{member}\"");
                    return Err(Problem::invalid(entry.at, message));
                }
                self.change_member(name, member, is_grant);
            }
        }
        Ok(())
    }

    /// Makes `member` a member of the role, or no longer one.
    pub(super) fn change_member(&mut self, name: &str, member: &str, is_grant: bool) {
        if LOGIN_ROLES.contains(&member)
            && let Some(role) = self.snapshot.roles.get_mut(name)
        {
            role.is_assumable = is_grant;
            return;
        }
        if let Some(member) = self.snapshot.roles.get_mut(member) {
            member.member_of.retain(|role| **role != *name);
            if is_grant {
                member.member_of.push(Arc::from(name));
            }
        }
    }

    /// Whether `role` has the rights of `of`, directly or through others.
    fn is_member(&self, role: &str, of: &str) -> bool {
        let mut seen: Vec<&str> = vec![role];
        let mut next = 0;
        while let Some(current) = seen.get(next).copied() {
            next += 1;
            for parent in self.snapshot.roles.get(current).into_iter().flat_map(|role| &role.member_of) {
                if **parent == *of {
                    return true;
                }
                if !seen.contains(&&**parent) {
                    seen.push(parent);
                }
            }
        }
        false
    }
}

/// Whether the privileges include that to call a function.
fn names_execute(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| matches!(entry.words.first().map(String::as_str), Some("execute" | "all")))
}

/// `SELECT (a, b), INSERT` or `role, role`.
fn entries(cursor: &mut Cursor<'_>) -> Outcome<Vec<Entry>> {
    cursor.list(|cursor| {
        let at = cursor.at();
        let mut words = vec![cursor.identifier("a privilege or a role")?.0];
        while !cursor.sees(&["ON"]) && !cursor.sees(&["TO"]) && !cursor.sees(&["FROM"]) {
            match cursor.identifier("ON, TO or FROM") {
                Ok((word, _)) => words.push(word),
                Err(_) => break,
            }
        }
        let mut columns = None;
        if cursor.takes_token(&Token::LParen) {
            let names = cursor.list(|cursor| cursor.identifier("a column"))?;
            if !cursor.takes_token(&Token::RParen) {
                return Err(cursor.unexpected(")"));
            }
            columns = Some(names.into_iter().map(|(name, _)| name).collect());
        }
        Ok(Entry { words, columns, at })
    })
}

/// What stands between `ON` and `TO` or `FROM`.
fn objects(cursor: &mut Cursor<'_>, end: &str) -> Outcome<Objects> {
    if cursor.takes(&["ALL", "TABLES", "IN", "SCHEMA"]) {
        return cursor.list(|cursor| cursor.identifier("a schema")).map(Objects::AllIn);
    }
    if cursor.takes(&["SCHEMA"]) {
        return cursor.list(|cursor| cursor.identifier("a schema")).map(Objects::Schemas);
    }
    if cursor.takes(&["ALL", "FUNCTIONS", "IN", "SCHEMA"]) || cursor.takes(&["ALL", "ROUTINES", "IN", "SCHEMA"]) {
        return cursor.list(|cursor| cursor.identifier("a schema")).map(Objects::AllFunctionsIn);
    }
    if cursor.takes(&["FUNCTION"]) || cursor.takes(&["ROUTINE"]) {
        return cursor.list(named_function).map(Objects::Functions);
    }
    const OTHERS: [&[&str]; 12] = [
        &["ALL"],
        &["SEQUENCE"],
        &["PROCEDURE"],
        &["TYPE"],
        &["DOMAIN"],
        &["LANGUAGE"],
        &["DATABASE"],
        &["TABLESPACE"],
        &["FOREIGN"],
        &["LARGE", "OBJECT"],
        &["PARAMETER"],
        &["SEQUENCES"],
    ];
    if OTHERS.iter().any(|words| cursor.takes(words)) {
        while !cursor.is_at_end() && !cursor.sees(&[end]) {
            cursor.skip();
        }
        return Ok(Objects::Others);
    }
    let _ = cursor.takes(&["TABLE"]);
    let relations = cursor.list(|cursor| {
        let (parts, at) = cursor.name("a table")?;
        let name = names::from_parts(&parts).ok_or_else(|| Problem::invalid(at, "a name has at most two parts"))?;
        Ok((name, at))
    })?;
    Ok(Objects::Relations(relations))
}

/// `GRANTED BY x`, `CASCADE` and `RESTRICT` mean nothing here.
fn granted_by(cursor: &mut Cursor<'_>) -> Outcome<()> {
    if cursor.takes(&["GRANTED", "BY"]) {
        cursor.identifier("a role")?;
    }
    let _ = cursor.takes(&["CASCADE"]) || cursor.takes(&["RESTRICT"]);
    cursor.end()
}

/// The privileges that the catalog keeps; those on what does not exist here are let go.
fn privileges(entries: &[Entry]) -> Outcome<Vec<Granted>> {
    let mut found: Vec<Granted> = Vec::new();
    for Entry { words, columns, at } in entries {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let columns = columns.as_ref().map(|columns| columns.iter().map(|name| Arc::from(name.as_str())).collect());
        let kept: &[Privilege] = match words.as_slice() {
            ["all"] | ["all", "privileges"] => &ALL,
            ["select"] => &[Privilege::Select],
            ["insert"] => &[Privilege::Insert],
            ["update"] => &[Privilege::Update],
            ["delete"] => &[Privilege::Delete],
            ["truncate" | "references" | "trigger" | "maintain" | "usage" | "execute" | "create" | "connect"] => &[],
            ["temporary" | "temp"] => &[],
            other => {
                return Err(Problem::invalid(*at, format!("unrecognized privilege type \"{}\"", other.join(" "))));
            }
        };
        for privilege in kept {
            if columns.is_some() && *privilege == Privilege::Delete {
                if kept.len() > 1 {
                    continue;
                }
                return Err(Problem::invalid(*at, "invalid privilege type DELETE for column"));
            }
            found.push((*privilege, columns.clone()));
        }
    }
    Ok(found)
}

fn add_grant(relation: &mut Relation, role: &Arc<str>, (privilege, columns): &Granted) {
    let same = |grant: &&mut Grant| {
        grant.role == *role && grant.privilege == *privilege && grant.columns.is_some() == columns.is_some()
    };
    match (relation.grants.iter_mut().find(same), columns) {
        (None, _) => {
            relation.grants.push(Grant { role: role.clone(), privilege: *privilege, columns: columns.clone() });
        }
        (Some(Grant { columns: Some(before), .. }), Some(columns)) => {
            for column in columns {
                if !before.contains(column) {
                    before.push(column.clone());
                }
            }
        }
        (Some(_), _) => {}
    }
}

/// Takes a right away; on the whole relation that includes its columns.
fn remove_grant(relation: &mut Relation, role: &Arc<str>, (privilege, columns): &Granted) {
    for grant in &mut relation.grants {
        if grant.role == *role
            && grant.privilege == *privilege
            && let (Some(before), Some(columns)) = (&mut grant.columns, columns)
        {
            before.retain(|column| !columns.contains(column));
        }
    }
    relation.grants.retain(|grant| {
        let is_it = grant.role == *role && grant.privilege == *privilege;
        let is_empty = grant.columns.as_ref().is_some_and(Vec::is_empty);
        !(is_it && (columns.is_none() || is_empty))
    });
}
