//! A guess of a password, from the gate to what came of it; and what an account remembers of who signed in.

use base::Secret;

use crate::error::{Outcome, Refusal};
use crate::gate::{Attempt, AttemptKind, Found, Pass, Trust};
use crate::incoming::{Fields, Incoming, too_often};
use crate::outgoing::Reply;
use crate::password::{Priority, Verdict};
use crate::records::users::User;
use crate::room::Inner;

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
        let attempt = Attempt { device, password: Some(password), ..known };
        let mut standing = self.gate.look(&attempt).await;
        let is_stranger = standing.trust == Trust::Stranger;
        let is_person = self.wants_captcha(incoming, is_stranger && standing.is_attack);
        if is_person {
            self.check_captcha(incoming, fields, attempt.kind).await?;
            standing.priority = standing.priority.min(Priority::Usual);
        }
        self.passwords.check_room(standing.priority).map_err(|full| Refusal::overloaded(full.retry_after))?;
        let pass = if incoming.is_again {
            Pass::free(standing)
        } else {
            self.gate.enter(&attempt, standing).await.map_err(|wait| too_often(attempt.kind, wait))?
        };
        let is_asked = !is_person && self.wants_captcha(incoming, pass.is_suspicious);
        let shown = if is_asked { self.check_captcha(incoming, fields, attempt.kind).await } else { Ok(()) };
        let looked = match shown {
            Ok(()) => self.look_at(account, password, &pass).await,
            Err(refusal) => Err(refusal),
        };
        let found = match &looked {
            Ok((_, verdict)) if verdict.is_right => Found::Right,
            Ok(_) => Found::Wrong,
            Err(_) => Found::Nothing,
        };
        self.gate.settle(&attempt, &pass, found).await;
        looked
    }

    async fn look_at(&self, account: &str, password: &Secret, pass: &Pass) -> Outcome<(Option<User>, Verdict)> {
        let found = self.records.user_by_email(account).await?;
        // Unknown accounts and those without a password cost the same time.
        let kept = found.as_ref().and_then(|user| user.password.as_deref());
        let verdict = self.compare(password, kept, pass.priority).await?;
        Ok((found, verdict))
    }

    /// Whoever has signed in is known from now on, by his address and by what his device is given with the answer.
    pub(crate) async fn remember(&self, incoming: &Incoming, user: &User, reply: Reply) -> Outcome<Reply> {
        let Some(account) = &user.email else { return Ok(reply) };
        self.gate.signed_in(account, incoming.address).await;
        let (key, lifetime) = (&self.secrets.devices, self.device_lifetime);
        let place = (self.settings.path(), self.now());
        let (name, value) = incoming.shown_devices().with(account, key, lifetime, place)?;
        Ok(reply.with(name, &value))
    }
}
