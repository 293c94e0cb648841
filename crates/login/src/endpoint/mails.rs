//! Endpoints whose answer comes by mail. Each answers the same whether there is such an account or not.

use base::Timestamp;
use store::OwnStep;
use url::Url;

use super::signup::confirmation;
use crate::account::Subject;
use crate::error::{Outcome, Refusal};
use crate::gate::AttemptKind;
use crate::incoming::{Incoming, Pkce};
use crate::mail::{Mail, MailKind, Place};
use crate::outgoing::Reply;
use crate::records::tokens::TokenKind;
use crate::records::users::User;
use crate::room::Inner;
use crate::{access, redirect};

impl Inner {
    /// `otp`, `magiclink`
    pub(crate) async fn otp(&self, incoming: &Incoming) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        fields.refuse_phone("Unsupported phone provider")?;
        let Some(email) = fields.email("email")? else {
            return Err(Refusal::invalid("One of email or phone must be set"));
        };
        let (pkce, creates) = (fields.pkce()?, fields.flag("create_user")?.unwrap_or(true));
        let now = self.now();
        // Made whether it is needed or not: what is wrong with it must not tell whether there is an account.
        let mut new = self.new_user(Some(email.clone()), None, fields.object("data")?, now)?;
        access::check_metadata(&new)?;
        self.require_person(incoming, &fields, AttemptKind::Mail).await?;
        let mail = self.reserve()?;
        incoming.enter(&*self.gate, AttemptKind::Mail, Some(&email)).await?;
        let place = redirect::place(incoming.destination(), &self.settings);
        match self.records.user_by_email(&email).await? {
            Some(user) if user.deleted_at.is_some() => {}
            // A password was chosen by somebody of whom it is not known that they read this mail: see `verified`.
            Some(mut user) if user.email_confirmed_at.is_some() || user.password.is_some() => {
                user.recovery_sent_at = Some(now);
                let subject = Subject {
                    kind: MailKind::MagicLink,
                    token: TokenKind::Recovery,
                    verification: "magiclink",
                    flow: pkce.as_ref().map(|pkce| ("magiclink", pkce)),
                    place: &place,
                };
                self.write_to(&user, vec![user.save(now)], (mail, &email, &subject), now).await?;
            }
            Some(mut user) => {
                user.confirmed_again(now);
                let steps = vec![user.save(now)];
                self.write_to(&user, steps, (mail, &email, &confirmation(pkce.as_ref(), &place)), now).await?;
            }
            None if creates && self.settings.allow_signup => {
                new.confirmation_sent_at = Some(now);
                let steps = Self::create(&new);
                self.write_to(&new, steps, (mail, &email, &confirmation(pkce.as_ref(), &place)), now).await?;
            }
            None => {}
        }
        Ok(Reply::done())
    }

    /// `recover`
    pub(crate) async fn recover(&self, incoming: &Incoming) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        let Some(email) = fields.email("email")? else {
            return Err(Refusal::invalid("Password recovery requires an email"));
        };
        let pkce = fields.pkce()?;
        self.require_person(incoming, &fields, AttemptKind::Mail).await?;
        let mail = self.reserve()?;
        incoming.enter(&*self.gate, AttemptKind::Mail, Some(&email)).await?;
        let found = self.records.user_by_email(&email).await?;
        if let Some(mut user) = found.filter(|user| user.deleted_at.is_none()) {
            let now = self.now();
            user.recovery_sent_at = Some(now);
            let subject = Subject {
                kind: MailKind::Recovery,
                token: TokenKind::Recovery,
                verification: "recovery",
                flow: pkce.as_ref().map(|pkce| ("recovery", pkce)),
                place: &redirect::place(incoming.destination(), &self.settings),
            };
            self.write_to(&user, vec![user.save(now)], (mail, &email, &subject), now).await?;
        }
        Ok(Reply::done())
    }

    /// `resend`
    pub(crate) async fn resend(&self, incoming: &Incoming) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        let kind = fields.text("type")?.unwrap_or_default().to_owned();
        if matches!(kind.as_str(), "sms" | "phone_change") || fields.text("phone")?.is_some() {
            return Err(Refusal::bad_request("phone_provider_disabled", "Phone logins are disabled"));
        }
        if !matches!(kind.as_str(), "signup" | "email_change") {
            return Err(Refusal::invalid("Missing one of these types: signup, email_change, sms, phone_change"));
        }
        let Some(email) = fields.email("email")? else {
            return Err(Refusal::invalid("Type provided requires an email address"));
        };
        let pkce = fields.pkce()?;
        self.require_person(incoming, &fields, AttemptKind::Mail).await?;
        let mails = (self.reserve()?, self.reserve()?);
        incoming.enter(&*self.gate, AttemptKind::Mail, Some(&email)).await?;
        let Some(mut user) = self.records.user_by_email(&email).await?.filter(|user| user.deleted_at.is_none()) else {
            return Ok(Reply::done());
        };
        let now = self.now();
        let place = redirect::place(incoming.destination(), &self.settings);
        if kind == "signup" && user.email_confirmed_at.is_none() {
            user.confirmed_again(now);
            let steps = vec![user.save(now)];
            self.write_to(&user, steps, (mails.0, &email, &confirmation(pkce.as_ref(), &place)), now).await?;
        } else if kind == "email_change" && !user.email_change.is_empty() {
            let to = user.email_change.clone();
            // Whoever is told to wait here would learn that the account is to have another address.
            if incoming.enter(&*self.gate, AttemptKind::Mail, Some(&to)).await.is_err() {
                return Ok(Reply::done());
            }
            let (mut steps, letters) = self.begin_change(&mut user, (&to, pkce.as_ref(), &place), now)?;
            steps.insert(0, user.save(now));
            self.records.write(steps).await?;
            letters.post(mails);
        }
        Ok(Reply::done())
    }

    /// `reauthenticate`
    pub(crate) async fn reauthenticate(&self, incoming: &Incoming) -> Outcome<Reply> {
        let mut user = self.who(incoming).await?.user;
        let Some(email) = user.email.clone() else {
            return Err(Refusal::unprocessable(
                "validation_failed",
                "Reauthentication requires the user to have an email or a phone number",
            ));
        };
        if user.email_confirmed_at.is_none() {
            return Err(Refusal::unprocessable("email_not_confirmed", "Please verify your email first."));
        }
        let mail = self.reserve()?;
        incoming.enter(&*self.gate, AttemptKind::Mail, Some(&email)).await?;
        let now = self.now();
        user.reauthentication_sent_at = Some(now);
        let subject = Subject {
            kind: MailKind::Reauthentication,
            token: TokenKind::Reauthentication,
            verification: "reauthentication",
            flow: None,
            place: &self.settings.site_url,
        };
        self.write_to(&user, vec![user.save(now)], (mail, &email, &subject), now).await?;
        Ok(Reply::done())
    }

    /// Keeps what was changed and the letter's token, then posts the letter.
    async fn write_to(
        &self,
        user: &User,
        mut steps: Vec<OwnStep>,
        (place, address, subject): (Place, &str, &Subject<'_>),
        now: Timestamp,
    ) -> Outcome<()> {
        let letter = self.letter(user, address, subject, now)?;
        steps.extend(letter.steps);
        self.records.write(steps).await?;
        place.send(letter.mail);
        Ok(())
    }

    /// Asks the gate whether an account may change its address to another one. Before it is looked whether that has an account: each
    /// time that is told is charged.
    pub(crate) async fn enter_change(&self, incoming: &Incoming, user: &User, to: &str) -> Outcome<()> {
        let change = format!("change of {}", user.id);
        let former = user.email.as_deref().filter(|_| self.settings.confirm_change_twice);
        for charged in [Some(change.as_str()), Some(to), former].into_iter().flatten() {
            incoming.enter(&*self.gate, AttemptKind::Mail, Some(charged)).await?;
        }
        Ok(())
    }

    /// Begins the change of an address: the new one has to agree and, where that is wanted, the former one as well.
    pub(crate) fn begin_change(
        &self,
        user: &mut User,
        (to, pkce, place): (&str, Option<&Pkce>, &Url),
        now: Timestamp,
    ) -> Outcome<(Vec<OwnStep>, Letters)> {
        user.email_change = to.to_owned();
        user.email_change_sent_at = Some(now);
        user.email_change_confirm_status = 0;
        let subject = |token| Subject {
            kind: MailKind::EmailChange,
            token,
            verification: "email_change",
            flow: pkce.map(|pkce| ("email_change", pkce)),
            place,
        };
        let new = self.letter(user, to, &subject(TokenKind::ChangeNew), now)?;
        let (mut steps, mut letters) = (new.steps, Letters { new: new.mail, current: None });
        if let Some(current) = user.email.clone().filter(|_| self.settings.confirm_change_twice) {
            let current = self.letter(user, &current, &subject(TokenKind::ChangeCurrent), now)?;
            steps.extend(current.steps);
            letters.current = Some(current.mail);
        }
        Ok((steps, letters))
    }
}

/// The mails of the change of an address.
pub(crate) struct Letters {
    new: Mail,
    current: Option<Mail>,
}

impl Letters {
    /// Posts them.
    pub(crate) fn post(self, (one, other): (Place, Place)) {
        one.send(self.new);
        if let Some(mail) = self.current {
            other.send(mail);
        }
    }
}
