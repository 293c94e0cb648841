//! `user`: the account of who is signed in.

use base::{Secret, Timestamp};
use store::OwnStep;

use crate::error::{Outcome, Refusal, taken};
use crate::external::doubt;
use crate::gate::AttemptKind;
use crate::incoming::{Fields, Incoming};
use crate::keys::earlier;
use crate::outgoing::{self, Reply};
use crate::records::sessions::{self, Scope, Session};
use crate::records::tokens::{TokenKind, forget_all};
use crate::records::users::User;
use crate::room::Inner;
use crate::session::Who;
use crate::{access, one_time, redirect};

/// From which age of a session on a new password may need a fresh code.
const RECENT: std::time::Duration = std::time::Duration::from_secs(86_400);

impl Inner {
    /// `GET user`
    pub(crate) async fn user(&self, incoming: &Incoming) -> Outcome<Reply> {
        let who = self.who(incoming).await?;
        Ok(Reply::json(&outgoing::user(&who.user, &self.settings)))
    }

    /// `PUT user`
    pub(crate) async fn change_user(&self, incoming: &Incoming) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        let Who { mut user, session } = self.who(incoming).await?;
        let now = self.now();
        fields.refuse_phone("Phone numbers are not offered by this server")?;
        if fields.object("app_metadata")?.is_some() {
            return Err(Refusal::forbidden("not_admin", "Updating app_metadata requires admin privileges"));
        }
        let (password, pkce) = (fields.password()?, fields.pkce()?);
        let email = fields.email("email")?.filter(|email| user.email.as_ref() != Some(email));
        require_aal2(&user, session.as_ref(), password.is_some() || email.is_some())?;
        if user.is_anonymous && password.is_some() && email.is_none() && user.email_change.is_empty() {
            let message = "Updating password of an anonymous user without an email or phone is not allowed";
            return Err(Refusal::unprocessable("validation_failed", message));
        }
        if user.is_sso_user && (password.is_some() || email.is_some()) {
            let message = "Updating email, phone, password of a SSO account only possible via SSO";
            return Err(Refusal::unprocessable("user_sso_managed", message));
        }
        let mails = match &email {
            Some(email) => {
                let places = (self.reserve()?, self.reserve()?);
                self.enter_change(incoming, &user, email).await?;
                if self.records.user_by_email(email).await?.is_some() {
                    return Err(taken());
                }
                Some(places)
            }
            None => None,
        };
        let mut steps = Vec::new();
        let is_other_password = password.is_some();
        if let Some(password) = password {
            steps.extend(self.new_password(incoming, &fields, (&mut user, session.as_ref()), &password, now).await?);
        }
        if let Some(data) = fields.object("data")? {
            user.user_metadata.merge(data);
        }
        access::check_metadata(&user)?;
        let mut letters = None;
        if let Some(email) = email {
            if user.is_anonymous && !self.settings.confirm_email {
                user.email = Some(email);
                user.is_anonymous = false;
                steps.extend(Self::confirm(&mut user, now)?);
                steps.extend(doubt(&mut user).map(|identity| identity.save(now)));
            } else {
                let place = redirect::place(incoming.destination(), &self.settings);
                let change = (email.as_str(), pkce.as_ref(), &place);
                let (more, begun) = self.begin_change(&mut user, change, now)?;
                steps.extend(more);
                letters = Some(begun);
            }
        }
        steps.insert(0, user.save(now));
        if is_other_password {
            // Whoever knew the former password is out; this session stays.
            let scope = session.as_ref().map_or(Scope::All, |session| Scope::Others(&session.id));
            steps.extend(sessions::end(&user.id, scope, now, self.expiry(now)));
        }
        let answers = self.records.write(steps).await?;
        if is_other_password {
            self.forget(answers.last())?;
        }
        if let Some((letters, places)) = letters.zip(mails) {
            letters.post(places);
        }
        let user = self.records.user(&user.id).await?.unwrap_or(user);
        let reply = Reply::json(&outgoing::user(&user, &self.settings));
        // With another password the account knows nobody any more, but whoever gave it that.
        if is_other_password { self.remember(incoming, &user, reply).await } else { Ok(reply) }
    }

    /// Puts another password to an account.
    async fn new_password(
        &self,
        incoming: &Incoming,
        fields: &Fields,
        (user, session): (&mut User, Option<&Session>),
        password: &Secret,
        now: Timestamp,
    ) -> Outcome<Vec<OwnStep>> {
        self.check_password(password, user.email.as_deref().unwrap_or_default()).await?;
        let is_recent = session.and_then(|session| session.created_at).is_some_and(|at| at > earlier(now, RECENT));
        if self.settings.reauthenticate_for_password && !is_recent {
            self.check_nonce(incoming, user, fields.text("nonce")?, now).await?;
        }
        let priority = incoming.enter(&*self.gate, AttemptKind::NewPassword, Some(&user.id)).await?;
        if let Some(kept) = &user.password
            && self.compare(password, Some(kept), priority).await?.is_right
        {
            let message = "New password should be different from the old password.";
            return Err(Refusal::unprocessable("same_password", message));
        }
        user.password = Some(self.hash(password, priority).await?);
        Ok(forget_all(&user.id))
    }

    /// The code of a mail that says that it is still the same person.
    async fn check_nonce(&self, incoming: &Incoming, user: &User, nonce: Option<&str>, now: Timestamp) -> Outcome<()> {
        let Some(nonce) = nonce else {
            return Err(Refusal::bad_request("reauthentication_needed", "Password update requires reauthentication"));
        };
        incoming.enter(&*self.gate, AttemptKind::Code, Some(&user.id)).await?;
        let tokens = self.records.tokens_of(&user.id).await?;
        let is_right = tokens.iter().any(|token| {
            token.kind == TokenKind::Reauthentication
                && one_time::counts(token, &self.settings, now)
                && one_time::is_code(token, nonce, &self.secrets.one_time)
        });
        if !is_right {
            let message = "Nonce has expired or is invalid";
            return Err(Refusal::unprocessable("reauthentication_not_valid", message));
        }
        Ok(())
    }
}

/// Whoever has a second factor shows it before what opens the account is changed.
pub(crate) fn require_aal2(user: &User, session: Option<&Session>, is_sensitive: bool) -> Outcome<()> {
    let has_factor = user.factors.iter().any(|factor| factor.is_verified);
    if is_sensitive && has_factor && session.is_none_or(|session| session.aal != "aal2") {
        let message = "AAL2 session is required to update email or password when MFA is enabled.";
        return Err(Refusal::new(http::StatusCode::UNAUTHORIZED, "insufficient_aal", message));
    }
    Ok(())
}
