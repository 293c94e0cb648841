//! `invite` and `admin/generate_link`: letters that an operator sends, or sends himself.

use base::Timestamp;
use serde_json::{Map, Value};
use store::OwnStep;

use super::signup::confirmation;
use crate::account::{Letter, Subject};
use crate::error::{Outcome, Refusal, taken};
use crate::incoming::{Fields, Incoming};
use crate::mail::MailKind;
use crate::outgoing::{self, Reply};
use crate::password::Priority;
use crate::records::tokens::TokenKind;
use crate::records::users::User;
use crate::room::{Inner, put};
use crate::{access, redirect};

impl Inner {
    /// `invite`
    pub(crate) async fn invite(&self, incoming: &Incoming) -> Outcome<Reply> {
        self.require_admin(incoming).await?;
        let fields = incoming.fields()?;
        let Some(email) = fields.email("email")? else { return Err(Refusal::invalid("An email is required")) };
        let now = self.now();
        let (user, steps) = self.invited(&email, fields.object("data")?, now).await?;
        let place = redirect::place(incoming.destination(), &self.settings);
        let letter = self.letter(&user, &email, &invitation(&place), now)?;
        let mail = self.reserve()?;
        self.keep(steps, &letter).await?;
        mail.send(letter.mail);
        Ok(Reply::json(&outgoing::user(&user, &self.settings)))
    }

    /// `admin/generate_link`
    pub(crate) async fn generate_link(&self, incoming: &Incoming) -> Outcome<Reply> {
        self.require_admin(incoming).await?;
        let fields = incoming.fields()?;
        let Some(email) = fields.email("email")? else { return Err(Refusal::invalid("An email is required")) };
        let asked = fields.text("redirect_to")?.or(incoming.destination());
        let place = redirect::place(asked, &self.settings);
        let now = self.now();
        let found = self.records.user_by_email(&email).await?;
        let kind = match (fields.text("type")?.unwrap_or_default(), &found) {
            // There is nobody to sign in yet: the link makes the account.
            ("magiclink", None) => "signup",
            (kind, _) => kind,
        };
        let (user, steps, letter) = match kind {
            "signup" => self.signup_link(&fields, found, (&email, &place), now).await?,
            "invite" => {
                let (user, steps) = self.invited(&email, fields.object("data")?, now).await?;
                let letter = self.letter(&user, &email, &invitation(&place), now)?;
                (user, steps, letter)
            }
            "magiclink" | "recovery" => {
                let mut user = found.ok_or_else(nobody)?;
                user.recovery_sent_at = Some(now);
                let (verification, mail) = if kind == "recovery" {
                    ("recovery", MailKind::Recovery)
                } else {
                    ("magiclink", MailKind::MagicLink)
                };
                let subject =
                    Subject { kind: mail, token: TokenKind::Recovery, verification, flow: None, place: &place };
                let letter = self.letter(&user, &email, &subject, now)?;
                let steps = vec![user.save(now)];
                (user, steps, letter)
            }
            "email_change_current" | "email_change_new" => {
                self.change_link(&fields, found, (kind, &email, &place), now).await?
            }
            _ => return Err(Refusal::invalid("Invalid email action link type requested")),
        };
        self.keep(steps, &letter).await?;
        let mut body = outgoing::user(&user, &self.settings);
        put(&mut body, "action_link", letter.link);
        put(&mut body, "email_otp", letter.sent.code);
        put(&mut body, "hashed_token", letter.sent.link);
        put(&mut body, "verification_type", kind);
        put(&mut body, "redirect_to", place.as_str());
        Ok(Reply::json(&body))
    }

    async fn keep(&self, mut steps: Vec<OwnStep>, letter: &Letter) -> Outcome<()> {
        steps.extend(letter.steps.iter().cloned());
        self.records.write(steps).await?;
        Ok(())
    }

    /// An account that is invited: a new one, or one that was never confirmed.
    async fn invited(
        &self,
        email: &str,
        data: Option<&Map<String, Value>>,
        now: Timestamp,
    ) -> Outcome<(User, Vec<OwnStep>)> {
        let found = self.records.user_by_email(email).await?;
        if found.as_ref().is_some_and(|user| user.email_confirmed_at.is_some()) {
            return Err(taken());
        }
        let is_new = found.is_none();
        let mut user = match found {
            // Whoever signed up with the address before chose the password, and never confirmed that it is theirs.
            Some(user) => User { password: None, ..user },
            None => self.new_user(Some(email.to_owned()), None, data, now)?,
        };
        user.invited_at = Some(now);
        user.confirmation_sent_at = Some(now);
        access::check_metadata(&user)?;
        let steps = if is_new { Self::create(&user) } else { vec![user.save(now)] };
        Ok((user, steps))
    }

    async fn signup_link(
        &self,
        fields: &Fields,
        found: Option<User>,
        (email, place): (&str, &url::Url),
        now: Timestamp,
    ) -> Outcome<(User, Vec<OwnStep>, Letter)> {
        if found.as_ref().is_some_and(|user| user.email_confirmed_at.is_some()) {
            return Err(taken());
        }
        let password = match fields.password()? {
            Some(password) => {
                self.check_password(&password, email).await?;
                Some(self.hash(&password, Priority::Trusted).await?)
            }
            None => None,
        };
        let (mut user, is_new) = match found {
            Some(mut user) => {
                user.user_metadata.merge(&fields.object("data")?.cloned().unwrap_or_default());
                (User { password, ..user }, false)
            }
            None => (self.new_user(Some(email.to_owned()), password, fields.object("data")?, now)?, true),
        };
        // An operator's from now on, which nobody's sign-up changes.
        user.confirmation_sent_at = None;
        access::check_metadata(&user)?;
        let letter = self.letter(&user, email, &confirmation(None, place), now)?;
        let steps = if is_new { Self::create(&user) } else { vec![user.save(now)] };
        Ok((user, steps, letter))
    }

    async fn change_link(
        &self,
        fields: &Fields,
        found: Option<User>,
        (kind, email, place): (&str, &str, &url::Url),
        now: Timestamp,
    ) -> Outcome<(User, Vec<OwnStep>, Letter)> {
        let mut user = found.ok_or_else(nobody)?;
        let Some(new) = fields.email("new_email")? else { return Err(Refusal::invalid("A new email is required")) };
        if self.records.user_by_email(&new).await?.is_some() {
            return Err(taken());
        }
        user.email_change = new.clone();
        user.email_change_sent_at = Some(now);
        user.email_change_confirm_status = 0;
        let (token, address) = match kind {
            "email_change_current" if !self.settings.confirm_change_twice => {
                return Err(Refusal::invalid("Enable secure email change to generate link for current email"));
            }
            "email_change_current" => (TokenKind::ChangeCurrent, email),
            _ => (TokenKind::ChangeNew, new.as_str()),
        };
        let subject = Subject { kind: MailKind::EmailChange, token, verification: "email_change", flow: None, place };
        let letter = self.letter(&user, address, &subject, now)?;
        let steps = vec![user.save(now)];
        Ok((user, steps, letter))
    }
}

fn invitation(place: &url::Url) -> Subject<'_> {
    Subject { kind: MailKind::Invite, token: TokenKind::Confirmation, verification: "invite", flow: None, place }
}

fn nobody() -> Refusal {
    Refusal::not_found("user_not_found", "User with this email not found")
}
