//! A guess of a password, from the gate to what came of it; and what an account remembers of who signed in.

use std::net::IpAddr;
use std::sync::Arc;

use base::Secret;

use crate::defence::device::mark;
use crate::error::{Outcome, Refusal};
use crate::gate::{Attempt, AttemptKind, Found, Gate, Mark, Pass, Standing, Trust};
use crate::incoming::{Fields, Incoming, too_often};
use crate::outgoing::Reply;
use crate::password::{Passwords, Priority, Verdict};
use crate::records::Records;
use crate::records::users::User;
use crate::room::Inner;

/// A guess that counts. It is settled whether who made it waits for the answer or not: given back where nobody looked, so that
/// nobody is locked out by requests that are broken off; and whatever was found out counts, so that nobody guesses unseen by them.
struct Trial {
    gate: Arc<dyn Gate>,
    account: String,
    address: IpAddr,
    password: Secret,
    /// `None` once it is settled.
    pass: Option<Pass>,
}

impl Trial {
    /// Asks the gate, in a task of its own: half a question would leave charges behind that nobody knows of.
    async fn enter(mut self, standing: Standing) -> Outcome<Self> {
        let task = tokio::spawn(async move {
            let entered = self.gate.enter(&self.attempt(), standing).await;
            self.pass = Some(entered.map_err(|wait| too_often(AttemptKind::Password, wait))?);
            Ok(self)
        });
        task.await.unwrap_or_else(|_| Err(ended()))
    }

    /// As it is settled: by then the pass says whom it came from.
    fn attempt(&self) -> Attempt<'_> {
        Attempt {
            kind: AttemptKind::Password,
            account: Some(&self.account),
            address: self.address,
            device: None,
            password: Some(&self.password),
        }
    }

    fn mark(&self) -> Option<Mark> {
        self.pass.as_ref().and_then(|pass| pass.trust.mark())
    }

    async fn settle(mut self, found: Found) {
        if let Some(pass) = self.pass.take() {
            self.gate.settle(&self.attempt(), &pass, found).await;
        }
    }

    /// Looks whether the password is right, and settles. Unknown accounts and those without a password cost the same time.
    async fn look(self, records: Records, passwords: Arc<Passwords>) -> Outcome<(Option<User>, Verdict)> {
        let priority = self.pass.as_ref().map_or(Priority::Suspected, |pass| pass.priority);
        let looked = async {
            let found = records.user_by_email(&self.account).await?;
            let kept = found.as_ref().and_then(|user| user.password.as_deref());
            let verdict = passwords.verify(&self.password, kept, priority).await;
            Ok((found, verdict.map_err(|overloaded| Refusal::overloaded(overloaded.retry_after))?))
        };
        let looked: Outcome<(Option<User>, Verdict)> = looked.await;
        let found = match &looked {
            Ok((_, verdict)) if verdict.is_right => Found::Right,
            Ok(_) => Found::Wrong,
            Err(_) => Found::Nothing,
        };
        self.settle(found).await;
        looked
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let (Some(pass), Ok(runtime)) = (self.pass.take(), tokio::runtime::Handle::try_current()) else { return };
        let (gate, account, password) = (self.gate.clone(), std::mem::take(&mut self.account), self.password.clone());
        let trial = Self { gate, account, address: self.address, password, pass: Some(pass) };
        runtime.spawn(trial.settle(Found::Nothing));
    }
}

/// Whoever has solved a CAPTCHA is no suspect.
fn of_a_person(standing: Standing) -> Standing {
    let (priority, otherwise) = (standing.priority.min(Priority::Usual), standing.otherwise.min(Priority::Usual));
    Standing { priority, otherwise, ..standing }
}

fn ended() -> Refusal {
    Refusal::internal("the task that looks at a password has ended")
}

impl Inner {
    /// Looks whether a password is that of the account named `account`. Everything that could refuse comes before the database is
    /// asked, so who is refused learns nothing, and costs nothing.
    pub(crate) async fn guess(
        &self,
        incoming: &Incoming,
        fields: &Fields,
        account: &str,
        password: &Secret,
    ) -> Outcome<(Option<User>, Verdict)> {
        let (key, lifetime) = (&self.secrets.devices, self.device_lifetime);
        let device = incoming.shown_devices().device(account, key, lifetime, self.now());
        let known = incoming.attempt(AttemptKind::Password, Some(account));
        let mut attempt = Attempt { device, password: Some(password), ..known };
        let mut standing = self.gate.look(&attempt).await;
        let is_stranger = standing.trust == Trust::Stranger;
        let is_person = self.wants_captcha(incoming, is_stranger && standing.is_attack);
        if is_person {
            self.check_captcha(incoming, fields, (attempt.kind, standing.trust)).await?;
            standing = of_a_person(standing);
        }
        self.passwords.check_room(standing.priority).map_err(|full| Refusal::overloaded(full.retry_after))?;
        let mut trial = self.try_as(incoming, (account, password), standing).await?;
        while !self.is_known_still(&trial).await? {
            trial.settle(Found::Nothing).await;
            // The address may be known though the device is known no more.
            standing = match attempt.device.take() {
                Some(_) if is_person => of_a_person(self.gate.look(&attempt).await),
                Some(_) => self.gate.look(&attempt).await,
                None => standing.as_stranger(),
            };
            trial = self.try_as(incoming, (account, password), standing).await?;
        }
        let is_asked = trial.pass.as_ref().is_some_and(|pass| pass.is_suspicious);
        if !is_person
            && self.wants_captcha(incoming, is_asked)
            && let Err(refusal) = self.check_captcha(incoming, fields, (attempt.kind, Trust::Stranger)).await
        {
            trial.settle(Found::Nothing).await;
            return Err(refusal);
        }
        let task = tokio::spawn(trial.look(self.records.clone(), self.passwords.clone()));
        let (found, verdict) = task.await.unwrap_or_else(|_| Err(ended()))?;
        self.tell_problem(&verdict);
        Ok((found, verdict))
    }

    async fn try_as(
        &self,
        incoming: &Incoming,
        (account, password): (&str, &Secret),
        standing: Standing,
    ) -> Outcome<Trial> {
        let (account, password) = (account.to_owned(), password.clone());
        let pass = incoming.is_again.then(|| Pass::free(standing));
        let trial = Trial { gate: self.gate.clone(), account, address: incoming.address, password, pass };
        if incoming.is_again { Ok(trial) } else { trial.enter(standing).await }
    }

    /// Whether the account is still what it was when it got to know who guesses. Strangers are what they are.
    async fn is_known_still(&self, trial: &Trial) -> Outcome<bool> {
        let Some(known) = trial.mark() else { return Ok(true) };
        let found = self.records.user_by_email(&trial.account).await?;
        Ok(found.is_some_and(|user| mark(&user, &self.secrets.devices) == known))
    }

    /// Whoever has signed in is known from now on, by his address and by what his device is given with the answer.
    pub(crate) async fn remember(&self, incoming: &Incoming, user: &User, reply: Reply) -> Outcome<Reply> {
        let Some(account) = &user.email else { return Ok(reply) };
        let (key, lifetime) = (&self.secrets.devices, self.device_lifetime);
        let mark = mark(user, key);
        self.gate.signed_in(account, incoming.address, mark).await;
        let place = (self.settings.path(), self.now());
        let (name, value) = incoming.shown_devices().with((account, mark), key, lifetime, place)?;
        Ok(reply.with(name, &value))
    }
}
