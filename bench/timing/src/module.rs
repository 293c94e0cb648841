//! The module by itself: what a login and a sign-up compute.

use std::sync::Arc;
use std::time::Instant;

use base::{Secret, SystemClock};
use login::password::{Passwords, Priority, Settings};
use tokio::runtime::Runtime;

use crate::Subject;

pub struct Module {
    runtime: Runtime,
    passwords: Passwords,
    stored: String,
    right: Secret,
    wrong: Secret,
}

const CASES: [&str; 6] = [
    "unknown user",
    "wrong password",
    "locked, right password",
    "a hash that is none",
    "new sign-up",
    "sign-up of an existing one",
];

impl Module {
    pub fn open() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|e| e.to_string())?;
        let settings = Settings { threads: Some(1), ..Settings::default() };
        let passwords = Passwords::open(settings, Arc::new(SystemClock), Arc::new(getrandom::fill))
            .map_err(|error| error.to_string())?;
        let right = Secret::new("correct horse battery staple");
        let stored = runtime.block_on(passwords.hash(&right, Priority::Usual)).map_err(|error| error.to_string())?;
        Ok(Self { runtime, passwords, stored, right, wrong: Secret::new("incorrect horse battery staple") })
    }
}

impl Subject for Module {
    fn cases(&self) -> &[&'static str] {
        &CASES
    }

    fn pairs(&self) -> &[(usize, usize)] {
        &[(0, 1), (2, 1), (0, 2), (3, 1), (4, 5)]
    }

    fn time(&mut self, case: usize) -> Result<f64, String> {
        let Self { runtime, passwords, stored, right, wrong } = self;
        let begin = Instant::now();
        let verify = |given, stored| {
            let verdict = runtime.block_on(passwords.verify(given, stored, Priority::Usual));
            verdict.map(|verdict| verdict.is_right).map_err(|error| error.to_string())
        };
        let is_right = match case {
            0 => verify(wrong, None)?,
            1 => verify(wrong, Some(stored))?,
            2 => verify(right, None)?,
            3 => verify(wrong, Some("$1$no$hash"))?,
            _ => {
                let hashed = runtime.block_on(passwords.hash(wrong, Priority::Usual));
                hashed.map_err(|error| error.to_string())?.is_empty()
            }
        };
        let seconds = begin.elapsed().as_secs_f64();
        if is_right { Err("a wrong password was right".to_owned()) } else { Ok(seconds) }
    }
}
