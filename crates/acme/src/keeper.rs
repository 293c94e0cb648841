//! Looks after one certificate for as long as the process runs.

use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use instant_acme::{CertificateIdentifier, RenewalInfo};
use telemetry::{CertificateAwaited, CertificateIssued, CertificateNotIssued, Telemetry};

use crate::challenge::{Pending, Stage};
use crate::client::Client;
use crate::error::OrderError;
use crate::facts::{Facts, share};
use crate::folder::{Folder, Look};
use crate::order::{Ordering, in_folder};
use crate::schedule::{Attempts, Window, due, not_before};
use crate::{AcmeError, Config};

/// How often the folder is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long an order may take as a whole.
const LONGEST_ORDER: Duration = Duration::from_mins(10);
/// How often the authority is asked when it would have a certificate renewed, if it does not say itself.
const ASK_AGAIN: Duration = Duration::from_hours(6);
/// And the least and the most of what it may say.
const ASK_BOUNDS: (Duration, Duration) = (Duration::from_hours(1), Duration::from_hours(24));

/// Looks after a certificate.
pub struct Keeper {
    config: Config,
    folder: Folder,
    client: Client,
    stage: Arc<dyn Stage>,
    telemetry: Arc<Telemetry>,
    clock: Arc<dyn Clock>,
    seen: Seen,
    facts: Option<Facts>,
    attempts: Attempts,
    shown: Vec<Pending>,
    /// When the front door is asked again to take the certificate, where it has not.
    take_again: Option<i64>,
    /// Differs from that of others who failed at the same moment.
    share: f64,
    /// Whether the last thing that was told of the folder is that it cannot be used.
    is_folder_broken: bool,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What was last looked at.
#[derive(Default)]
struct Seen {
    certificate: Look,
    attempts: Look,
    challenges: Look,
}

impl Keeper {
    /// Makes the folder and reads what is in it. Nothing is sent yet.
    ///
    /// # Errors
    /// A setting that cannot be used, or a folder that cannot be written.
    pub fn open(
        config: Config,
        stage: Arc<dyn Stage>,
        telemetry: Arc<Telemetry>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AcmeError> {
        config.check()?;
        let (folder, client) = (Folder::open(&config)?, Client::open(&config, clock.clone())?);
        let share = share(format!("{} {}", std::process::id(), config.name()).as_bytes());
        let (seen, attempts) = (Seen::default(), Attempts::default());
        let (facts, shown, is_folder_broken) = (None, Vec::new(), false);
        Ok(Self {
            config,
            folder,
            client,
            stage,
            telemetry,
            clock,
            seen,
            facts,
            attempts,
            shown,
            take_again: None,
            share,
            is_folder_broken,
        })
    }

    /// Looks after it, until it is aborted. Meant to be spawned.
    pub async fn run(mut self) {
        self.look(true);
        if self.facts.is_none() {
            self.telemetry.report(&CertificateAwaited { domains: &self.config.domains.join(",") });
        }
        loop {
            self.work().await;
            tokio::time::sleep(LOOK_AGAIN).await;
            self.look(false);
        }
    }

    async fn work(&mut self) {
        let now = self.now();
        let asks = self.asks(now);
        if !asks && now < self.due() {
            return;
        }
        // Somebody else's turn: what comes of it will be seen in the folder.
        let turn = match self.folder.take_turn() {
            Ok(Some(turn)) => turn,
            Ok(None) => return,
            Err(error) => return self.tell_folder(&in_folder("lock")(error)),
        };
        // And they may just have finished.
        self.look(false);
        if self.asks(now) {
            self.ask(now).await;
        }
        if self.now() >= self.due() {
            self.order().await;
        }
        drop(turn);
    }

    fn now(&self) -> i64 {
        self.clock.now().seconds()
    }

    fn due(&self) -> i64 {
        due(self.facts.as_ref(), &self.attempts, self.config.first_pause, self.share)
    }

    /// Takes in what other processes, or this one, have put into the folder.
    fn look(&mut self, is_first: bool) {
        let attempts = self.folder.look(&self.folder.attempts());
        if attempts != self.seen.attempts || is_first {
            self.seen.attempts = attempts;
            // One that cannot be read counts as a failure just now: it may have been one.
            let unknown = || Some(Attempts { failures: 1, last: self.now(), ..Attempts::default() });
            let read = self.folder.read_value(&self.folder.attempts()).unwrap_or_else(|_error| unknown());
            self.attempts = read.unwrap_or_default().at_most(self.now());
        }
        let certificate = self.folder.look(&self.folder.certificate());
        let is_refused = self.take_again.is_some_and(|at| self.now() >= at);
        if certificate != self.seen.certificate || is_first || is_refused {
            self.seen.certificate = certificate;
            self.take_in();
        }
        let challenges = self.folder.look(&self.folder.challenges());
        if challenges != self.seen.challenges {
            self.seen.challenges = challenges;
            let pending = self.folder.read_value::<Vec<Pending>>(&self.folder.challenges());
            self.show(pending.ok().flatten().unwrap_or_default());
        }
    }

    /// Reads the certificate, and has the front door read it. At the start too: another process may have written it after the
    /// door was opened.
    fn take_in(&mut self) {
        let found = match self.folder.read(&self.folder.certificate()) {
            Ok(None) => None,
            Ok(Some(pem)) => Some(Facts::read(&pem)),
            Err(error) => Some(Err(error.to_string())),
        };
        // The door tells the log what is wrong, and goes on with the former.
        let is_taken = found.is_none() || self.stage.renewed().is_ok();
        let facts = found.and_then(Result::ok).filter(|facts| is_taken && facts.covers(&self.config.domains));
        if is_taken {
            self.telemetry.metrics().set_certificate_expiry(facts.as_ref().map_or(0, |facts| facts.end));
        }
        // One that cannot be used is none: another one is ordered, when it may be.
        self.facts = facts;
        let pause = i64::try_from(self.config.first_pause.as_secs()).unwrap_or(i64::MAX);
        self.take_again = (!is_taken).then(|| self.now().saturating_add(pause));
    }

    fn show(&mut self, pending: Vec<Pending>) {
        if pending == self.shown {
            return;
        }
        let challenges = pending.iter().filter_map(|one| one.challenge(self.config.challenge).ok());
        // It is another process's order, which fails and says so when the authority asks here.
        let _not_ours = self.stage.show(challenges.collect());
        self.shown = pending;
    }

    /// Whether it is time to ask the authority when to renew.
    fn asks(&self, now: i64) -> bool {
        let Some(facts) = &self.facts else { return false };
        let known = self.attempts.window.filter(|window| window.of == facts.end);
        facts.identifier.is_some() && now < facts.end && known.is_none_or(|window| now >= window.until)
    }

    /// Asks when to renew. What fails here is no reason to do anything but go by the certificate's age.
    async fn ask(&mut self, now: i64) {
        let Some((of, Some(identifier))) = self.facts.as_ref().map(|facts| (facts.end, facts.identifier.clone()))
        else {
            return;
        };
        // Only with an account that there is: asking is no reason to open one.
        let has_account = self.folder.look(Folder::ACCOUNT).is_some();
        let suggestion = if has_account { self.suggestion(&identifier).await.ok() } else { None };
        let (times, pause) = match suggestion {
            Some((info, pause)) => {
                let window = info.suggested_window;
                (Some((window.start.unix_timestamp(), window.end.unix_timestamp())), pause)
            }
            None => (None, ASK_AGAIN),
        };
        let pause = i64::try_from(pause.clamp(ASK_BOUNDS.0, ASK_BOUNDS.1).as_secs()).unwrap_or(i64::MAX);
        self.attempts.window = Some(Window { of, times, until: now.saturating_add(pause) });
        self.remember();
    }

    async fn suggestion(&self, of: &CertificateIdentifier<'_>) -> Result<(RenewalInfo, Duration), OrderError> {
        Ok(self.ordering(false).account().await?.renewal_info(of).await?)
    }

    async fn order(&mut self) {
        let began = self.clock.monotonic();
        // What was said while others were asked for something else is not about this one.
        let _of_before = self.client.patience().take();
        // Written down before it begins: who crashes in the middle has failed.
        let before = self.attempts;
        self.attempts = Attempts { failures: before.failures.saturating_add(1), last: self.now(), ..before };
        if !self.remember() {
            // Nothing was asked of anybody.
            self.attempts = before;
            return;
        }
        let ended = tokio::time::timeout(LONGEST_ORDER, self.try_order()).await;
        let ended = ended.unwrap_or_else(|_late| Err(OrderError::Other("it took too long".to_owned())));
        let _stays_until_the_next = self.folder.remove(&self.folder.challenges());
        let _nothing_can_be_wrong = self.stage.show(Vec::new());
        self.shown.clear();
        let now = self.now();
        let patience = self.client.patience().take();
        match ended {
            Ok(()) => {
                self.attempts = Attempts { last: now, ..Attempts::default() };
                self.remember();
                self.look(false);
                let valid_for = self.facts.as_ref().map_or(0, |facts| facts.end - now);
                self.telemetry.report(&CertificateIssued {
                    domains: &self.config.domains.join(","),
                    valid_for: Duration::from_secs(u64::try_from(valid_for).unwrap_or(0)),
                    took: self.clock.monotonic().saturating_duration_since(began),
                });
            }
            Err(error) => {
                self.attempts.last = now;
                self.attempts.not_before = not_before(now, patience);
                self.remember();
                let wait = u64::try_from(self.due() - now).unwrap_or(0);
                let domains = self.config.domains.join(",");
                let (error, wait) = (&error.to_string(), Duration::from_secs(wait));
                self.telemetry.report(&CertificateNotIssued { domains: &domains, error, wait: Some(wait) });
            }
        }
    }

    async fn try_order(&self) -> Result<(), OrderError> {
        // An authority that takes a renewal amiss (it was renewed already, or for another account) gets a plain order next.
        let is_first = self.attempts.failures == 1;
        let show = |pending: &[Pending]| {
            let file = self.folder.challenges();
            self.folder.write_value(&file, &pending).map_err(in_folder(&file))?;
            let challenges: Result<Vec<_>, _> =
                pending.iter().map(|one| one.challenge(self.config.challenge)).collect();
            self.stage.show(challenges?).map_err(OrderError::Other)
        };
        let pem = self.ordering(is_first).run(show).await?;
        let file = self.folder.certificate();
        self.folder.write(&file, pem.as_bytes()).map_err(in_folder(&file))
    }

    fn ordering(&self, may_replace: bool) -> Ordering<'_> {
        let suggested = self.attempts.window.and_then(|window| window.times);
        let replaces = self.facts.as_ref().filter(|_| may_replace && suggested.is_some());
        Ordering { config: &self.config, folder: &self.folder, client: &self.client, replaces }
    }

    /// Writes down what is known of orders. Where that cannot be, nothing is ordered.
    fn remember(&mut self) -> bool {
        let file = self.folder.attempts();
        match self.folder.write_value(&file, &self.attempts) {
            Ok(()) => {
                self.seen.attempts = self.folder.look(&file);
                self.is_folder_broken = false;
                true
            }
            Err(error) => {
                self.tell_folder(&in_folder(&file)(error));
                false
            }
        }
    }

    /// Once, and not every second.
    fn tell_folder(&mut self, error: &OrderError) {
        if !std::mem::replace(&mut self.is_folder_broken, true) {
            let domains = self.config.domains.join(",");
            self.telemetry.report(&CertificateNotIssued { domains: &domains, error: &error.to_string(), wait: None });
        }
    }
}
