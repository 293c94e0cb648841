//! Signing in. Never an address, a name or a token.

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line, Metrics};

/// Somebody signed in, or tried to.
#[derive(Debug)]
pub struct SignIn {
    /// What was asked for: `password`, `refresh`, `verify`…
    pub action: &'static str,
    /// What came of it: `done`, or the code of the refusal.
    pub outcome: &'static str,
}

impl Happening for SignIn {
    const DEFINITION: &'static Definition = &Definition {
        action: "sign-in",
        message: "Somebody asked the login for something",
        about: "When a request at `/auth/v1` signs somebody in or out, or tries to. `outcome` is `done` or the code of the refusal.",
        level: Level::Info,
        fields: &[LOGIN, REASON],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(LOGIN, self.action);
        line.word(REASON, self.outcome);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_sign_in(self.action, self.outcome);
    }
}

/// A mail of the login was sent, or could not be.
#[derive(Debug)]
pub struct MailSent {
    /// Which one.
    pub mail: &'static str,
    /// Whether the mail server took it.
    pub is_sent: bool,
}

impl Happening for MailSent {
    const DEFINITION: &'static Definition = &Definition {
        action: "mail-sent",
        message: "A mail was handed over",
        about: "When the mail server took a mail of the login, or did not (`outcome` is `failure`, and the line a warning).",
        level: Level::Info,
        fields: &[MAIL, OUTCOME],
    };

    fn level(&self) -> Level {
        if self.is_sent { Level::Info } else { Level::Warn }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(MAIL, self.mail);
        line.word(OUTCOME, if self.is_sent { "success" } else { "failure" });
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_mail(self.mail, self.is_sent);
    }
}
