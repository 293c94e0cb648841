//! What a server brings along before the first migration.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::{Role, Snapshot};

/// The roles that stand for the one Pando logs in with: granting a role to one of them lets requests run as it.
pub(super) const LOGIN_ROLES: [&str; 2] = ["authenticator", "gate"];

/// What a server brings along: the schemas `public` and `auth` (home of `auth.uid()` and its like), the roles `anon`,
/// `authenticated` and `service_role` (which row security does not apply to) that requests may run as, and the
/// roles `authenticator`, `gate` and `postgres`, which exist but that no request may become.
pub fn prelude() -> Snapshot {
    let role = |name: &str, is_assumable: bool, bypasses_row_security: bool| {
        let name: Arc<str> = Arc::from(name);
        let role = Role {
            name: name.clone(),
            bypasses_row_security,
            is_assumable,
            member_of: Vec::new(),
            settings: Vec::new(),
            refused_settings: Vec::new(),
        };
        (name, role)
    };
    let mut roles = BTreeMap::from([
        role("anon", true, false),
        role("authenticated", true, false),
        role("service_role", true, true),
        role("postgres", false, true),
    ]);
    roles.extend(LOGIN_ROLES.map(|name| role(name, false, false)));
    Snapshot {
        schemas: BTreeMap::from([(Arc::from("public"), None), (Arc::from("auth"), None)]),
        schema_usage: BTreeMap::from([
            (Arc::from("public"), vec![Arc::from("public")]),
            (Arc::from("auth"), vec![Arc::from("anon"), Arc::from("authenticated"), Arc::from("service_role")]),
        ]),
        roles,
        ..Snapshot::default()
    }
}
