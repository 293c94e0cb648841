//! Roles: known to the catalog only.

use std::sync::Arc;

use catalog::Role;
use sqlparser::tokenizer::Token;

use super::problem::{Outcome, Problem};
use super::tokens::{Cursor, Piece};
use super::translation::Translation;

impl Translation {
    /// `CREATE ROLE`. Roles that every server brings may be created again.
    pub(super) fn create_role(&mut self, piece: &Piece) -> Outcome<()> {
        let mut cursor = piece.cursor();
        cursor.expect(&["CREATE"])?;
        cursor.identifier("ROLE")?;
        let (name, at) = cursor.identifier("the name of a role")?;
        if name == "public" || name.starts_with("pg_") {
            return Err(Problem::invalid(at, format!("role name \"{name}\" is reserved")));
        }
        let options = role_options(&mut cursor, self)?;
        let is_brought = super::prelude::prelude().roles.contains_key(name.as_str());
        if self.snapshot.roles.contains_key(name.as_str()) && !is_brought {
            return Err(Problem::invalid(at, format!("role \"{name}\" already exists")));
        }
        let name: Arc<str> = Arc::from(name);
        let role = self.snapshot.roles.entry(name.clone()).or_insert_with(|| Role {
            name: name.clone(),
            bypasses_row_security: false,
            is_assumable: false,
            member_of: Vec::new(),
            settings: Vec::new(),
            refused_settings: Vec::new(),
        });
        if let Some(bypasses) = options.bypasses_row_security {
            role.bypasses_row_security = bypasses;
        }
        for parent in options.member_of {
            self.change_member(&parent, &name, true);
        }
        for member in options.members {
            self.change_member(&name, &member, true);
        }
        Ok(())
    }

    /// `ALTER ROLE`: whether row security applies to it; settings mean nothing here.
    pub(super) fn alter_role(&mut self, piece: &Piece) -> Outcome<()> {
        let mut cursor = piece.cursor();
        cursor.expect(&["ALTER"])?;
        cursor.identifier("ROLE")?;
        let (name, at) = cursor.identifier("the name of a role")?;
        self.check_role(&name, at)?;
        if cursor.sees(&["SET"]) || cursor.sees(&["RESET"]) || cursor.sees(&["IN", "DATABASE"]) {
            return Ok(());
        }
        if cursor.sees(&["RENAME"]) {
            return Err(Problem::refused(
                at,
                "ALTER ROLE ... RENAME",
                "roles keep their names on the embedded engine",
                "instead, CREATE ROLE with the new name and GRANT to it",
            ));
        }
        let options = role_options(&mut cursor, self)?;
        if let (Some(bypasses), Some(role)) =
            (options.bypasses_row_security, self.snapshot.roles.get_mut(name.as_str()))
        {
            role.bypasses_row_security = bypasses;
        }
        Ok(())
    }

    /// `DROP ROLE`: nothing may be granted to it any more.
    pub(super) fn drop_role(&mut self, piece: &Piece) -> Outcome<()> {
        let mut cursor = piece.cursor();
        cursor.expect(&["DROP"])?;
        cursor.identifier("ROLE")?;
        let if_exists = cursor.takes(&["IF", "EXISTS"]);
        let names = cursor.list(|cursor| cursor.identifier("a role"))?;
        cursor.end()?;
        for (name, at) in names {
            if super::prelude::prelude().roles.contains_key(name.as_str()) {
                return Err(Problem::invalid(at, format!("the role \"{name}\" belongs to the server")));
            }
            if if_exists && !self.snapshot.roles.contains_key(name.as_str()) {
                continue;
            }
            self.check_role(&name, at)?;
            let used = self.snapshot.relations.values().find(|relation| {
                relation.grants.iter().any(|grant| *grant.role == *name)
                    || relation.policies.iter().any(|policy| policy.roles.iter().any(|role| **role == *name))
            });
            if let Some(relation) = used {
                let message =
                    format!("role \"{name}\" cannot be dropped because some objects depend on it: {}", relation.name);
                return Err(Problem::invalid(at, message).instead("REVOKE its rights and change the policies first"));
            }
            self.snapshot.roles.remove(name.as_str());
            for role in self.snapshot.roles.values_mut() {
                role.member_of.retain(|parent| **parent != *name);
            }
            self.snapshot.default_grants.retain(|grant| *grant.role != *name);
        }
        Ok(())
    }
}

/// What `CREATE ROLE` says that means something here.
#[derive(Default)]
struct RoleOptions {
    bypasses_row_security: Option<bool>,
    member_of: Vec<Arc<str>>,
    members: Vec<Arc<str>>,
}

fn role_options(cursor: &mut Cursor<'_>, translation: &Translation) -> Outcome<RoleOptions> {
    let mut options = RoleOptions::default();
    let _ = cursor.takes(&["WITH"]);
    while !cursor.is_at_end() {
        if cursor.takes(&["IN", "ROLE"]) || cursor.takes(&["IN", "GROUP"]) {
            options.member_of.extend(translation.roles(cursor)?);
            continue;
        }
        if cursor.takes(&["ROLE"]) || cursor.takes(&["USER"]) || cursor.takes(&["ADMIN"]) {
            options.members.extend(translation.roles(cursor)?);
            continue;
        }
        if cursor.takes(&["ENCRYPTED"]) {
            continue;
        }
        if cursor.takes(&["PASSWORD"]) {
            if !cursor.takes(&["NULL"]) {
                cursor.string()?;
            }
            continue;
        }
        if cursor.takes(&["VALID", "UNTIL"]) {
            cursor.string()?;
            continue;
        }
        if cursor.takes(&["CONNECTION", "LIMIT"]) {
            let _ = cursor.takes_token(&Token::Minus);
            cursor.skip();
            continue;
        }
        let (option, at) = cursor.identifier("an option of a role")?;
        match option.as_str() {
            "noinherit" | "superuser" => {
                return Err(Problem::refused(
                    at,
                    format!("CREATE ROLE ... {}", option.to_uppercase()),
                    "rights of that kind are not kept on the embedded engine",
                    "grant the role exactly what it needs, and BYPASSRLS where row security must not apply",
                ));
            }
            "bypassrls" => options.bypasses_row_security = Some(true),
            "nobypassrls" => options.bypasses_row_security = Some(false),
            "nosuperuser" | "login" | "nologin" | "inherit" | "createdb" | "nocreatedb" | "createrole"
            | "nocreaterole" | "replication" | "noreplication" => {}
            other => {
                return Err(Problem::invalid(at, format!("unrecognized role option \"{other}\"")));
            }
        }
    }
    Ok(options)
}
