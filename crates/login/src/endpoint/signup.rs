//! `signup`: new accounts.

use base::{Secret, Timestamp};
use serde_json::{Map, Value};

use crate::account::Subject;
use crate::error::{Outcome, Refusal};
use crate::even::evenly;
use crate::external::doubt;
use crate::gate::AttemptKind;
use crate::incoming::{Fields, Incoming, Pkce};
use crate::mail::{MailKind, Place};
use crate::outgoing::{self, Reply};
use crate::password::{HashError, Priority, Verdict};
use crate::records::tokens::TokenKind;
use crate::records::users::User;
use crate::room::Inner;
use crate::{access, account, redirect};

impl Inner {
    /// `signup`
    pub(crate) async fn signup(&self, incoming: &Incoming) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        fields.refuse_phone("Phone signups are disabled")?;
        if fields.text("email")?.is_none() {
            return self.signup_anonymously(incoming, &fields).await;
        }
        self.require_signup()?;
        let Some(email) = fields.email("email")? else { return Err(Refusal::invalid("Signup requires an email")) };
        let Some(password) = fields.password()? else {
            return Err(Refusal::invalid("Signup requires a valid password"));
        };
        let (data, pkce) = (fields.object("data")?, fields.pkce()?);
        self.check_password(&password, &email).await?;
        self.require_person(incoming, &fields, AttemptKind::SignUp).await?;
        let priority = incoming.enter(&*self.gate, AttemptKind::SignUp, None).await?;
        self.passwords.check_room(priority).map_err(|full| Refusal::overloaded(full.retry_after))?;
        let mail = if self.settings.confirm_email { Some(self.reserve()?) } else { None };
        if mail.is_some() {
            // Whether there is such an account or not: who asks must not learn it.
            incoming.enter(&*self.gate, AttemptKind::Mail, Some(&email)).await?;
        }
        let hash = self.hash(&password, priority).await?;
        let now = self.now();
        let user = self.new_user(Some(email.clone()), Some(hash), data, now)?;
        access::check_metadata(&user)?;
        let Some(mail) = mail else {
            return match self.records.user_by_email(&email).await? {
                None => self.signup_confirmed(incoming, user, now).await,
                Some(_) => Err(Refusal::unprocessable("user_already_exists", "User already registered")),
            };
        };
        let found = self.records.user_by_email(&email).await?;
        // Compared whether there is an account or not, so that the time does not tell.
        let kept = found.as_ref().filter(|found| found.is_unproven()).and_then(|found| found.password.as_deref());
        let is_same = self.compare(&password, kept, priority).await?.is_right;
        let mut user = user;
        user.confirmation_sent_at = Some(now);
        evenly(async {
            match found {
                None => self.signup_new(incoming, (mail, &user), pkce.as_ref(), now).await?,
                Some(existing) if existing.is_unproven() => {
                    let known = (existing, is_same);
                    self.signup_again(incoming, known, (mail, &user), pkce.as_ref(), now).await?;
                }
                Some(_) => {}
            }
            // From memory in each case: what triggers of the schema's make of an account would tell that it is new.
            Ok(Reply::json(&outgoing::user(&user, &self.settings)))
        })
        .await
    }

    /// Refuses where nobody may make an account.
    pub(crate) fn require_signup(&self) -> Outcome<()> {
        if self.settings.allow_signup {
            return Ok(());
        }
        Err(Refusal::unprocessable("signup_disabled", "Signups not allowed for this instance"))
    }

    /// Refuses a password that is too easy to guess. `email` is whose it is.
    pub(crate) async fn check_password(&self, password: &Secret, email: &str) -> Outcome<()> {
        let before = self.passwords.leaked_failures();
        let checked = self.passwords.check_new(password, &[email]).await;
        if self.passwords.leaked_failures() > before {
            self.impaired("leaked_list_unreadable");
        }
        checked.map_err(|weak| {
            let mut refusal = Refusal::unprocessable("weak_password", weak.to_string());
            refusal.reasons = weak.reasons.iter().map(|reason| reason.name()).collect();
            refusal.reasons.dedup();
            refusal
        })
    }

    /// Hashes a password.
    pub(crate) async fn hash(&self, password: &Secret, priority: Priority) -> Outcome<String> {
        self.passwords.hash(password, priority).await.map_err(|error| match error {
            HashError::Overloaded(overloaded) => Refusal::overloaded(overloaded.retry_after),
            HashError::Failed(error) => Refusal::internal(error.to_string()),
        })
    }

    /// Compares a password with the hash that is kept. Where none is it takes as long.
    pub(crate) async fn compare(&self, password: &Secret, kept: Option<&str>, priority: Priority) -> Outcome<Verdict> {
        let verdict = self.passwords.verify(password, kept, priority).await;
        let verdict = verdict.map_err(|overloaded| Refusal::overloaded(overloaded.retry_after))?;
        self.tell_problem(&verdict);
        Ok(verdict)
    }

    /// Says why a hash that is kept could not be compared with.
    pub(crate) fn tell_problem(&self, verdict: &Verdict) {
        if let Some(problem) = verdict.problem {
            self.impaired(problem.name());
        }
    }

    /// A new account whose address is to be confirmed.
    async fn signup_new(
        &self,
        incoming: &Incoming,
        (mail, user): (Place, &User),
        pkce: Option<&Pkce>,
        now: Timestamp,
    ) -> Outcome<()> {
        let place = redirect::place(incoming.destination(), &self.settings);
        let address = user.email.as_deref().unwrap_or_default();
        let letter = self.letter(user, address, &confirmation(pkce, &place), now)?;
        let mut steps = Self::create(user);
        steps.extend(letter.steps);
        self.records.write(steps).await?;
        mail.send(letter.mail);
        Ok(())
    }

    /// A new account that nobody has to confirm.
    async fn signup_confirmed(&self, incoming: &Incoming, mut user: User, now: Timestamp) -> Outcome<Reply> {
        user.email_confirmed_at = Some(now);
        user.user_metadata.set("email_verified", true.into());
        for identity in &mut user.identities {
            identity.data.insert("email_verified".to_owned(), true.into());
        }
        doubt(&mut user);
        self.sign_up_and_in(incoming, user, "password", now).await
    }

    async fn sign_up_and_in(
        &self,
        incoming: &Incoming,
        mut user: User,
        method: &str,
        now: Timestamp,
    ) -> Outcome<Reply> {
        let (session, begin) = self.begin(&mut user, method, incoming, now)?;
        let mut steps = Self::create(&user);
        steps.extend(begin);
        self.records.write(steps).await?;
        let user = self.again(user).await?;
        self.remember(incoming, &user, Reply::json(&self.tokens(&user, &session, now)?)).await
    }

    /// An account as a trigger of the schema's may have changed it.
    async fn again(&self, made: User) -> Outcome<User> {
        Ok(self.records.user(&made.id).await?.unwrap_or(made))
    }

    /// Somebody signs up with an address for which somebody has signed up before, and which nobody has confirmed. Only who reads the
    /// mail is told.
    async fn signup_again(
        &self,
        incoming: &Incoming,
        (mut existing, is_same): (User, bool),
        (mail, new): (Place, &User),
        pkce: Option<&Pkce>,
        now: Timestamp,
    ) -> Outcome<()> {
        existing.confirmed_again(now);
        let address = existing.email.clone().unwrap_or_default();
        if is_same {
            existing.user_metadata = new.user_metadata.clone();
            existing.user_metadata.set("sub", existing.id.as_str().into());
        } else {
            // Which of the two is the owner, nobody knows: neither password counts, and nothing that either said of himself.
            existing.password = None;
            existing.user_metadata = account::said_of(&existing.id, &address);
        }
        let place = redirect::place(incoming.destination(), &self.settings);
        let letter = self.letter(&existing, &address, &confirmation(pkce, &place), now)?;
        let mut steps = vec![existing.save(now)];
        steps.extend(letter.steps);
        self.records.write(steps).await?;
        mail.send(letter.mail);
        Ok(())
    }

    async fn signup_anonymously(&self, incoming: &Incoming, fields: &Fields) -> Outcome<Reply> {
        if !self.settings.allow_anonymous {
            return Err(Refusal::disabled("anonymous_provider_disabled", "Anonymous sign-ins are disabled"));
        }
        self.require_signup()?;
        if fields.text("password")?.is_some() {
            return Err(Refusal::invalid("Sign up with a password requires an email"));
        }
        self.require_person(incoming, fields, AttemptKind::SignUp).await?;
        incoming.enter(&*self.gate, AttemptKind::SignUp, None).await?;
        let now = self.now();
        let data: Option<&Map<String, Value>> = fields.object("data")?;
        let user = self.new_user(None, None, data, now)?;
        access::check_metadata(&user)?;
        self.sign_up_and_in(incoming, user, "anonymous", now).await
    }
}

/// The letter that confirms an address.
pub(crate) fn confirmation<'a>(pkce: Option<&'a Pkce>, place: &'a url::Url) -> Subject<'a> {
    Subject {
        kind: MailKind::Confirmation,
        token: TokenKind::Confirmation,
        verification: "signup",
        flow: pkce.map(|pkce| ("email/signup", pkce)),
        place,
    }
}
