//! Roles, and what they have set for themselves: PostgreSQL applies that to those who log in as them alone, so that requests,
//! which become them, are given it by us.

use std::collections::HashSet;
use std::sync::Arc;

use catalog::{Role, Snapshot};
use wire::Connection;

use super::queries;
use super::rows::{Reading, Row};
use crate::postgres::session::PRINTING;

/// The first version (`server_version`) in which the right to set something can be granted.
const GRANTABLE: u32 = 15;

/// What is not taken from a role: the encoding in which the server talks to us, and who one is. How values are printed is
/// not either.
const NEVER: [&str; 3] = ["client_encoding", "role", "session_authorization"];

fn is_taken(name: &str) -> bool {
    !NEVER.contains(&name) && !PRINTING.iter().any(|(printing, _)| printing.eq_ignore_ascii_case(name))
}

/// Adds all roles with their settings.
///
/// # Errors
/// Those of the connection.
pub(super) async fn add(
    connection: &mut Connection,
    reading: &mut Reading,
    snapshot: &mut Snapshot,
) -> Result<(), wire::Error> {
    reading.each(connection, queries::ROLES, |row| add_role(row, snapshot)).await?;
    let mut granted = HashSet::new();
    if version(connection) >= GRANTABLE {
        reading
            .each(connection, queries::GRANTED_SETTINGS, |row| granted.extend(row.text(0).map(str::to_owned)))
            .await?;
    }
    reading.each(connection, queries::ROLE_SETTINGS, |row| add_setting(row, &granted, snapshot)).await
}

/// The server's major version; 0 if it does not tell.
fn version(connection: &Connection) -> u32 {
    let told = connection.parameter("server_version").unwrap_or_default();
    told.split(|character: char| !character.is_ascii_digit()).next().and_then(|major| major.parse().ok()).unwrap_or(0)
}

fn add_role(row: &Row<'_>, snapshot: &mut Snapshot) {
    let Some(name) = row.text(0).map(Arc::<str>::from) else { return };
    let role = Role {
        name: name.clone(),
        bypasses_row_security: row.is_true(1),
        is_assumable: row.is_true(2),
        member_of: row.list(3),
        settings: Vec::new(),
        refused_settings: Vec::new(),
    };
    snapshot.roles.insert(name, role);
}

fn add_setting(row: &Row<'_>, granted: &HashSet<String>, snapshot: &mut Snapshot) {
    let (Some(role), Some(name), Some(value)) = (row.text(0), row.text(1), row.text(2)) else { return };
    let Some(role) = snapshot.roles.get_mut(role) else { return };
    if !is_taken(name) || !(row.is_true(3) || granted.contains(name)) {
        role.refused_settings.push(Arc::from(name));
        return;
    }
    // What is said for this database comes later and stands in the place of what is said for all of them.
    role.settings.retain(|(known, _)| **known != *name);
    role.settings.push((Arc::from(name), Arc::from(value)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_set_is_kept_apart_and_the_later_value_counts() {
        let mut snapshot = Snapshot::default();
        let role = [Some("anon"), Some("f"), Some("t"), None];
        add_role(&Row::new(&role), &mut snapshot);
        let granted = HashSet::from(["log_statement".to_owned()]);
        for (name, value, is_free) in [
            ("statement_timeout", "3s", "t"),
            ("log_statement", "all", "f"),
            ("log_duration", "on", "f"),
            ("client_encoding", "LATIN1", "t"),
            ("IntervalStyle", "iso_8601", "t"),
            ("statement_timeout", "5s", "t"),
        ] {
            add_setting(&Row::new(&[Some("anon"), Some(name), Some(value), Some(is_free)]), &granted, &mut snapshot);
        }
        add_setting(&Row::new(&[Some("nobody"), Some("work_mem"), Some("1"), Some("t")]), &granted, &mut snapshot);
        let anon = &snapshot.roles["anon"];
        let settings: Vec<(&str, &str)> = anon.settings.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(settings, [("log_statement", "all"), ("statement_timeout", "5s")]);
        let refused: Vec<&str> = anon.refused_settings.iter().map(|name| &**name).collect();
        assert_eq!(refused, ["log_duration", "client_encoding", "IntervalStyle"]);
    }
}
