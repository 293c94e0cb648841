//! What tests of this crate share.

use std::time::{Duration, Instant};

use base::{Clock, Secret, Timestamp};
use identity::{Derivation, DerivedKey};
use parking_lot::Mutex;

use crate::Settings;

/// Settings as of a new project.
pub(crate) fn settings() -> Settings {
    Settings {
        site_url: url::Url::parse("http://localhost:3000").unwrap(),
        external_url: "http://127.0.0.1:8000/auth/v1".to_owned(),
        redirect_patterns: Vec::new(),
        confirm_email: true,
        allow_signup: true,
        allow_anonymous: true,
        access_token: Duration::from_secs(3600),
        one_time_token: Duration::from_secs(3600),
        code_digits: 6,
        mail_interval: Duration::from_secs(60),
        confirm_change_twice: true,
        reauthenticate_for_password: false,
        audience: "authenticated".to_owned(),
        issuer: "http://127.0.0.1:8000/auth/v1".to_owned(),
    }
}

/// A derived key.
pub(crate) fn key(purpose: &'static str) -> DerivedKey {
    Derivation::new(Secret::new("a secret of more than thirty-two bytes")).unwrap().key(purpose).unwrap()
}

/// A clock that is moved by hand.
pub(crate) struct HandClock {
    start: Instant,
    passed: Mutex<Duration>,
}

impl Default for HandClock {
    fn default() -> Self {
        Self { start: Instant::now(), passed: Mutex::default() }
    }
}

impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.passed.lock() += by;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000_000 + i64::try_from(self.passed.lock().as_micros()).unwrap())
    }

    fn monotonic(&self) -> Instant {
        self.start + *self.passed.lock()
    }
}
