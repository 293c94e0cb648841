//! Signing in, in GoTrue's protocol at `/auth/v1`, so that the published Supabase clients work unchanged. The tables are GoTrue's
//! as well (`migrations/`), on both engines.
//!
//! [`Login::answer`] is where a request comes in; `room.rs` says which endpoint answers it, `endpoint/` has a file for each.
//!
//! - **What is decided is decided in Rust** over rows that were read; each change says what it expects to find. Where somebody
//!   else was faster the whole request is decided anew (`room.rs`).
//! - **Refresh tokens have no row** (`refresh.rs`): a token is its session, a counter and a signature of both. Who uses one twice
//!   within a moment gets the same successor; whoever comes later with a used one ends the session.
//! - **What is sent by mail is not in the database** (`one_time.rs`), only its hash; a link leads nowhere that is not listed
//!   (`redirect.rs`).
//! - **Who asks about an account learns nothing** that its owner does not: answers, mails and the gate are the same for addresses
//!   that nobody has. But for who changes his own address to one that is taken: he is told, once a minute, as GoTrue's clients expect.
//! - **A request reads no row to learn that its session was signed out**: nodes follow that in memory (`follow.rs`, `identity`).

#![allow(
    clippy::result_large_err,
    reason = "a Refusal is made once per refused request; boxing it everywhere would buy nothing"
)]

mod access;
mod account;
pub mod api_keys;
mod captcha;
mod chance;
mod defence;
mod endpoint;
mod error;
mod even;
mod events;
mod external;
mod follow;
mod gate;
mod guess;
mod incoming;
mod keys;
mod mail;
mod metadata;
mod migrations;
mod one_time;
mod outgoing;
mod outside;
pub mod password;
mod records;
mod redirect;
mod refresh;
mod room;
mod session;
mod settings;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is how a test fails")]
mod testing;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is how a test fails")]
mod tests;
mod totp;
mod webhook;

pub use captcha::{Captcha, CaptchaMode, CaptchaProvider, CaptchaSettings};
pub use defence::{Attack, AttackListener, Defence, DefenceSettings, MOST_SPRAY_ACCOUNTS, PURPOSE as DEFENCE_PURPOSE};
pub use external::{MOST_PROVIDERS, NotAProvider, ProviderSettings, openid_issuer};
pub use gate::{Attempt, AttemptKind, Device, Found, Gate, Mark, Pass, Standing, Trust, Wait};
pub use keys::{KeptKey, KeysError, OVERLAP, SigningKeys};
pub use mail::{
    ConsoleMailer, MOST_WAITING_MAILS, Mail, MailError, MailKind, MailListener, Mailer, NotATemplate, SmtpMailer,
    SmtpSecurity, SmtpSettings, Template, Templates,
};
pub use migrations::{ACCOUNTS, KEYS, MIGRATIONS};
pub use outside::{Unusable, check as check_address};
pub use redirect::{NotAPattern, RedirectPattern};
pub use room::{Login, OpenError, Parts, is_open, is_refresh};
pub use settings::Settings;
pub use webhook::{WebhookError, WebhookKey, webhook};
