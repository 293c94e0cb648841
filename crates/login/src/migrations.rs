//! The login's tables, as the store makes them. `migrations/` has the statements.

use store::{OwnMigration, OwnMigrations, OwnTable};

const WITHOUT: &str = "auth.login.enabled = \"off\"";

/// The tables of the schema `auth`: GoTrue's, which are used as they are where GoTrue made them.
pub static ACCOUNTS: OwnMigrations = OwnMigrations {
    owner: "auth",
    number: 2,
    schema: "auth",
    without: WITHOUT,
    all: &[OwnMigration {
        name: "0001_accounts.sql",
        text: include_str!("../migrations/auth_0001_accounts.sql"),
        standing: &[
            OwnTable {
                name: "users",
                columns: &[
                    "instance_id",
                    "id",
                    "aud",
                    "role",
                    "email",
                    "encrypted_password",
                    "email_confirmed_at",
                    "invited_at",
                    "confirmation_token",
                    "confirmation_sent_at",
                    "recovery_token",
                    "recovery_sent_at",
                    "email_change_token_new",
                    "email_change",
                    "email_change_sent_at",
                    "last_sign_in_at",
                    "raw_app_meta_data",
                    "raw_user_meta_data",
                    "created_at",
                    "updated_at",
                    "phone",
                    "phone_confirmed_at",
                    "phone_change",
                    "email_change_token_current",
                    "email_change_confirm_status",
                    "banned_until",
                    "reauthentication_sent_at",
                    "is_sso_user",
                    "deleted_at",
                    "is_anonymous",
                ],
            },
            OwnTable {
                name: "identities",
                columns: &[
                    "id",
                    "provider_id",
                    "user_id",
                    "identity_data",
                    "provider",
                    "last_sign_in_at",
                    "created_at",
                    "updated_at",
                ],
            },
            OwnTable {
                name: "sessions",
                columns: &[
                    "id",
                    "user_id",
                    "created_at",
                    "updated_at",
                    "factor_id",
                    "aal",
                    "not_after",
                    "refreshed_at",
                    "user_agent",
                    "refresh_token_counter",
                ],
            },
            OwnTable {
                name: "mfa_amr_claims",
                columns: &["id", "session_id", "created_at", "updated_at", "authentication_method"],
            },
            OwnTable {
                name: "one_time_tokens",
                columns: &["id", "user_id", "token_type", "token_hash", "relates_to", "created_at", "updated_at"],
            },
            OwnTable {
                name: "flow_state",
                columns: &[
                    "id",
                    "user_id",
                    "auth_code",
                    "code_challenge_method",
                    "code_challenge",
                    "provider_type",
                    "provider_access_token",
                    "created_at",
                    "updated_at",
                    "authentication_method",
                    "auth_code_issued_at",
                ],
            },
            OwnTable {
                name: "mfa_factors",
                columns: &[
                    "id",
                    "user_id",
                    "friendly_name",
                    "factor_type",
                    "status",
                    "created_at",
                    "updated_at",
                    "secret",
                    "last_challenged_at",
                ],
            },
            OwnTable {
                name: "mfa_challenges",
                columns: &["id", "factor_id", "created_at", "verified_at", "ip_address"],
            },
        ],
    }],
};

/// The tables that the login has in the schema `pando`.
pub static KEYS: OwnMigrations = OwnMigrations {
    owner: "login",
    number: 4,
    schema: "pando",
    without: WITHOUT,
    all: &[OwnMigration {
        name: "0001_keys.sql",
        text: include_str!("../migrations/pando_0001_keys.sql"),
        standing: &[],
    }],
};

/// Both, in the order in which they are made.
pub static MIGRATIONS: [&OwnMigrations; 2] = [&ACCOUNTS, &KEYS];
