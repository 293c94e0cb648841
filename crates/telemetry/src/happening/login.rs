//! Signing in. Never an address, a name or a token.

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line, Metrics};

/// An attempt has to wait: too many were made.
#[derive(Debug)]
pub struct AttemptRefused {
    /// What was attempted: `password`, `code`, `mail`…
    pub kind: &'static str,
    /// Whose bound it was: `account`, `device`, `address`, `network`, or `captcha`.
    pub reason: &'static str,
}

impl Happening for AttemptRefused {
    const DEFINITION: &'static Definition = &Definition {
        action: "attempt-refused",
        message: "An attempt at the login has to wait",
        about: "When the login refuses an attempt because too many were made for the account, by the device, or from the address or \
                its network (`event.reason`), or because a CAPTCHA was not solved. Logged at level debug, since it comes in \
                thousands; `pando_login_refused_total` counts each.",
        level: Level::Debug,
        fields: &[LOGIN, REASON],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(LOGIN, self.kind);
        line.word(REASON, self.reason);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_login_refused(self.kind, self.reason);
    }
}

/// The login is under attack, or no longer.
#[derive(Debug)]
pub struct AttackChanged {
    /// Whether it is.
    pub is_attack: bool,
}

impl Happening for AttackChanged {
    const DEFINITION: &'static Definition = &Definition {
        action: "login-attack-changed",
        message: "The login is under attack, or no longer",
        about: "When far more of the passwords that are tried are wrong than usual, or one password is tried at many accounts: those \
                whom nobody knows are served last from then on. And when it has been quiet for two minutes.",
        level: Level::Warn,
        fields: &[REASON],
    };

    fn level(&self) -> Level {
        if self.is_attack { Level::Warn } else { Level::Info }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(REASON, if self.is_attack { "attack" } else { "calm" });
    }
}

/// Something was noticed that looks like an attack on the login.
#[derive(Debug)]
pub struct AttackSeen {
    /// What: `account_locked`, `device_locked`, `address_sprays`, `network_sprays`, `password_sprayed`.
    pub attack: &'static str,
    /// Whether it has a line in the log: they come in thousands.
    pub is_told: bool,
}

impl Happening for AttackSeen {
    const DEFINITION: &'static Definition = &Definition {
        action: "login-attack-seen",
        message: "Somebody tries passwords of other people",
        about: "When strangers have no guesses of an account left for now (`account_locked`), or a device or an address that it knows \
                (`device_locked`), when many accounts were tried from an address or a network (`address_sprays`, `network_sprays`), or \
                with one password (`password_sprayed`). Of each a line in five seconds at most; `pando_login_attacks_total` counts each. \
                Whom it is about is told to `auth.defence.webhook_url` alone.",
        level: Level::Warn,
        fields: &[REASON],
    };

    fn level(&self) -> Level {
        if self.is_told { Level::Warn } else { Level::Off }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(REASON, self.attack);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_login_attack(self.attack);
    }
}

/// The webhook was told of an attack, or could not be.
#[derive(Debug)]
pub struct WebhookSent {
    /// Whether it took the message.
    pub is_sent: bool,
}

impl Happening for WebhookSent {
    const DEFINITION: &'static Definition = &Definition {
        action: "login-webhook-sent",
        message: "The webhook was told of an attack on the login",
        about: "When `auth.defence.webhook_url` took a message, or did not after three tries, or there were too many to be sent \
                (`outcome` is `failure`, and the line a warning).",
        level: Level::Debug,
        fields: &[OUTCOME],
    };

    fn level(&self) -> Level {
        if self.is_sent { Level::Debug } else { Level::Warn }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(OUTCOME, if self.is_sent { "success" } else { "failure" });
    }
}

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

/// Somebody else who says who people are did not say it, or was not believed.
#[derive(Debug)]
pub struct ProviderFailed<'a> {
    /// Which one.
    pub provider: &'a str,
    /// What went wrong: never a code, a token or an address.
    pub error: &'a str,
}

impl Happening for ProviderFailed<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "provider-failed",
        message: "A sign-in with another provider came to nothing",
        about: "When a provider of `auth.login.providers` cannot be asked, refuses us, or says what is not believed.",
        level: Level::Warn,
        fields: &[PROVIDER, ERROR],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(PROVIDER, self.provider);
        line.word(ERROR, self.error);
    }
}

/// A mail of the login was sent, or could not be.
#[derive(Debug)]
pub struct MailSent {
    /// Which one.
    pub mail: &'static str,
    /// Whether the mail server took it.
    pub is_sent: bool,
    /// Why not: `message`, `connection`, `timeout`, `refused`, `console`.
    pub reason: Option<&'static str>,
    /// What the mail server answered instead, if it did.
    pub code: Option<u16>,
}

impl Happening for MailSent {
    const DEFINITION: &'static Definition = &Definition {
        action: "mail-sent",
        message: "A mail was handed over",
        about: "When the mail server took a mail of the login, or did not (`outcome` is `failure`, and the line a warning): it refused \
                (`refused`, with the code of SMTP), could not be reached (`connection`), took too long (`timeout`), or the mail was \
                none (`message`). What the server said stands nowhere, since it may name the address.",
        level: Level::Info,
        fields: &[MAIL, OUTCOME, REASON, SMTP_CODE],
    };

    fn level(&self) -> Level {
        if self.is_sent { Level::Info } else { Level::Warn }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(MAIL, self.mail);
        line.word(OUTCOME, if self.is_sent { "success" } else { "failure" });
        line.maybe_word(REASON, self.reason);
        line.maybe_count(SMTP_CODE, self.code.map(u64::from));
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_mail(self.mail, self.is_sent);
    }
}

/// Mails were still waiting when the server was stopped.
#[derive(Debug)]
pub struct MailsDropped {
    /// How many.
    pub mails: u64,
}

impl Happening for MailsDropped {
    const DEFINITION: &'static Definition = &Definition {
        action: "mails-dropped",
        message: "Mails were not sent before the server was stopped",
        about: "When the server is stopped and the mail server does not take all waiting mails of the login within a few seconds. \
                Whoever waits for one asks for it again.",
        level: Level::Warn,
        fields: &[MAILS],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.count(MAILS, self.mails);
    }
}

/// The login goes on without something that an operator should know of.
#[derive(Debug)]
pub struct LoginImpaired {
    /// What: `password_hash_unknown`, `password_hash_too_costly`, `leaked_list_unreadable`, `metadata_left_out`.
    pub reason: &'static str,
}

impl Happening for LoginImpaired {
    const DEFINITION: &'static Definition = &Definition {
        action: "login-impaired",
        message: "The login goes on without something that it needs",
        about: "When an account's password cannot be compared with, since its hash has no form that is known (`password_hash_unknown`) or \
                asks for more than `auth.password.largest_stored_kib` (`password_hash_too_costly`): nobody gets in by it. When the \
                file of leaked passwords cannot be read (`leaked_list_unreadable`): passwords are taken without it. When an \
                account's metadata are too large for a token, which then says nothing of `user_metadata` (`metadata_left_out`).",
        level: Level::Warn,
        fields: &[REASON],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(REASON, self.reason);
    }
}
