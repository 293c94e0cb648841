//! `verify`: a link or a code of a mail becomes a session.

use base::Timestamp;
use serde_json::json;
use store::OwnStep;
use url::Url;

use crate::error::{Outcome, Refusal, taken};
use crate::gate::{Attempt, AttemptKind};
use crate::incoming::{Fields, Incoming};
use crate::keys::earlier;
use crate::one_time::{self, PKCE_PREFIX};
use crate::outgoing::Reply;
use crate::records::flows;
use crate::records::tokens::{OneTimeToken, TokenKind, forget_all};
use crate::records::users::User;
use crate::room::{Inner, put};
use crate::session::is_banned;
use crate::{chance, redirect};

/// What the first of two addresses is told that agree to a change.
const HALF: &str = "Confirmation link accepted. Please proceed to confirm link sent to the other email";

/// What a verification leads to.
enum Verified {
    /// The account may sign in; the steps keep it.
    Whole(Box<User>, Vec<OwnStep>),
    /// The other address has to agree as well.
    Half,
}

/// What a link or a code was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Confirmation,
    Recovery,
    /// A magic link may also be the first mail of a new account.
    Either,
    Change,
}

impl Purpose {
    fn of(name: &str) -> Outcome<Self> {
        Ok(match name {
            "signup" | "invite" => Self::Confirmation,
            "recovery" => Self::Recovery,
            "magiclink" | "email" => Self::Either,
            "email_change" => Self::Change,
            "sms" | "phone_change" => {
                return Err(Refusal::bad_request("phone_provider_disabled", "Phone logins are disabled"));
            }
            _ => return Err(Refusal::invalid("Invalid email verification type")),
        })
    }

    fn kinds(self) -> [TokenKind; 2] {
        match self {
            Self::Confirmation => [TokenKind::Confirmation; 2],
            Self::Recovery => [TokenKind::Recovery; 2],
            Self::Either => [TokenKind::Confirmation, TokenKind::Recovery],
            Self::Change => [TokenKind::ChangeNew, TokenKind::ChangeCurrent],
        }
    }

    fn takes(self, kind: TokenKind) -> bool {
        self.kinds().contains(&kind)
    }
}

impl Inner {
    /// `GET verify`: the link of a mail. Whatever comes of it, the browser is led on.
    pub(crate) async fn verify_link(&self, incoming: &Incoming) -> Outcome<Reply> {
        let place = redirect::place(incoming.destination(), &self.settings);
        let token = incoming.parameter("token").or(incoming.parameter("token_hash")).unwrap_or_default();
        let is_pkce = token.starts_with(PKCE_PREFIX);
        match self.follow_link(incoming, token, is_pkce, &place).await {
            Ok(reply) => Ok(reply),
            Err(refusal) if refusal.is_missed => Err(refusal),
            Err(refusal) => Reply::redirect(&told(place, &refusal, is_pkce)),
        }
    }

    async fn follow_link(&self, incoming: &Incoming, token: &str, is_pkce: bool, place: &Url) -> Outcome<Reply> {
        let kind = incoming.parameter("type").unwrap_or_default();
        let now = self.now();
        let token = self.by_link(incoming, token, Purpose::of(kind)?, now).await?;
        let mut place = place.clone();
        match self.verified(&token, now).await? {
            Verified::Half => {
                if is_pkce {
                    place.query_pairs_mut().append_pair("message", HALF);
                }
                place.set_fragment(Some(&encoded(&[("message", HALF)])));
            }
            Verified::Whole(user, mut steps) if is_pkce => {
                let code = chance::uuid()?;
                let methods = flow_methods(token.kind);
                steps.push(flows::issue(&user.id, methods, one_time::hash(&code), now));
                self.records.write(steps).await?;
                place.query_pairs_mut().append_pair("code", &code);
            }
            Verified::Whole(mut user, mut steps) => {
                let (session, begin) = self.begin(&mut user, "otp", incoming, now)?;
                steps.push(user.signed_in(now));
                steps.extend(begin);
                self.records.write(steps).await?;
                let tokens = self.tokens(&user, &session, now)?;
                let member = |name: &str| {
                    tokens.get(name).map(|value| match value.as_str() {
                        Some(text) => text.to_owned(),
                        None => value.to_string(),
                    })
                };
                let names = ["access_token", "expires_at", "expires_in", "refresh_token", "token_type"];
                let values = names.map(|name| member(name).unwrap_or_default());
                let mut pairs: Vec<(&str, &str)> =
                    names.iter().zip(&values).map(|(name, value)| (*name, value.as_str())).collect();
                pairs.push(("type", kind));
                place.set_fragment(Some(&encoded(&pairs)));
                return self.remember(incoming, &user, Reply::redirect(&place)?).await;
            }
        }
        Reply::redirect(&place)
    }

    /// `POST verify`: a code with its address, or the hash of a link.
    pub(crate) async fn verify(&self, incoming: &Incoming) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        let purpose = match fields.text("type")? {
            Some(kind) => Purpose::of(kind)?,
            None => return Err(Refusal::invalid("Verify requires a verification type")),
        };
        fields.refuse_phone("Phone logins are disabled")?;
        let now = self.now();
        let (link, code) = (fields.text("token_hash")?, fields.text("token")?);
        let token = match (link, code) {
            (Some(link), None) if fields.text("email")?.is_none() => self.by_link(incoming, link, purpose, now).await?,
            (Some(_), None) => {
                return Err(Refusal::invalid("Only the token_hash and type should be provided"));
            }
            (None, Some(code)) => self.by_code(incoming, &fields, code, purpose, now).await?,
            _ => return Err(Refusal::invalid("Verify requires either a token or a token hash")),
        };
        match self.verified(&token, now).await? {
            Verified::Half => {
                let mut body = json!({"msg": HALF});
                put(&mut body, "code", "200");
                Ok(Reply::json(&body))
            }
            Verified::Whole(mut user, mut steps) => {
                let (session, begin) = self.begin(&mut user, "otp", incoming, now)?;
                steps.push(user.signed_in(now));
                steps.extend(begin);
                self.records.write(steps).await?;
                // A link was charged to its address alone.
                if code.is_some() {
                    self.gate.succeeded(&self.code_of(incoming, &token.relates_to)).await;
                }
                self.remember(incoming, &user, Reply::json(&self.tokens(&user, &session, now)?)).await
            }
        }
    }

    /// The token of a link.
    async fn by_link(
        &self,
        incoming: &Incoming,
        link: &str,
        purpose: Purpose,
        now: Timestamp,
    ) -> Outcome<OneTimeToken> {
        if link.is_empty() {
            return Err(Refusal::invalid("Verify requires a token or a token hash"));
        }
        incoming.enter(&*self.gate, AttemptKind::Code, None).await?;
        let found = self.records.tokens_by_hash(&one_time::hash(link)).await?;
        let fits = |token: &OneTimeToken| purpose.takes(token.kind) && one_time::counts(token, &self.settings, now);
        found.into_iter().find(fits).ok_or_else(|| expired("Email link is invalid or has expired"))
    }

    /// The token of a code that was sent to an address.
    async fn by_code(
        &self,
        incoming: &Incoming,
        fields: &Fields,
        code: &str,
        purpose: Purpose,
        now: Timestamp,
    ) -> Outcome<OneTimeToken> {
        let Some(email) = fields.email("email")? else {
            return Err(Refusal::invalid("Only an email address or phone number should be provided on verify"));
        };
        incoming.enter_with(&*self.gate, &self.code_of(incoming, &email)).await?;
        let code = code.replace('-', "");
        let since = earlier(now, self.settings.one_time_token);
        let found = self.records.tokens_by_address(&email, purpose.kinds(), since).await?;
        let fits = |token: &OneTimeToken| {
            purpose.takes(token.kind)
                && one_time::counts(token, &self.settings, now)
                && one_time::is_code(token, &code, &self.secrets.one_time)
        };
        found.into_iter().find(fits).ok_or_else(|| expired("Token has expired or is invalid"))
    }

    /// That somebody tries a code of a mail to an address, and whether on a device that its account knows.
    fn code_of<'a>(&self, incoming: &Incoming, address: &'a str) -> Attempt<'a> {
        let (key, lifetime) = (&self.secrets.devices, self.device_lifetime);
        let device = incoming.shown_devices().device(address, key, lifetime, self.now());
        Attempt { device, ..incoming.attempt(AttemptKind::Code, Some(address)) }
    }

    /// What a token that was found leads to. It is used up by the first step.
    async fn verified(&self, token: &OneTimeToken, now: Timestamp) -> Outcome<Verified> {
        let found = self.records.user(&token.user).await?;
        let mut user = found.ok_or_else(|| expired("Token has expired or is invalid"))?;
        if is_banned(&user, now) {
            return Err(Refusal::forbidden("user_banned", "User is banned"));
        }
        let mut steps = vec![token.used()];
        let is_change = matches!(token.kind, TokenKind::ChangeNew | TokenKind::ChangeCurrent);
        if is_change
            && self.settings.confirm_change_twice
            && user.email.is_some()
            && user.email_change_confirm_status == 0
        {
            user.email_change_confirm_status = 1;
            steps.push(user.save(now));
            self.records.write(steps).await?;
            return Ok(Verified::Half);
        }
        if is_change {
            steps.extend(self.change(&mut user, now).await?);
            steps.push(user.save(now));
        } else if user.email_confirmed_at.is_none() {
            if token.kind == TokenKind::Recovery {
                // Not the mail of the sign-up: whoever chose the password may be somebody else.
                user.password = None;
            }
            steps.extend(Self::confirm(&mut user, now)?);
            steps.push(user.save(now));
        }
        Ok(Verified::Whole(Box::new(user), steps))
    }

    /// Puts the address that was agreed to in the place of the former one.
    async fn change(&self, user: &mut User, now: Timestamp) -> Outcome<Vec<OwnStep>> {
        let email = std::mem::take(&mut user.email_change);
        if email.is_empty() {
            return Err(expired("Email link is invalid or has expired"));
        }
        if self.records.user_by_email(&email).await?.is_some_and(|other| other.id != user.id) {
            return Err(taken());
        }
        user.email = Some(email.clone());
        user.email_change_confirm_status = 0;
        user.email_confirmed_at.get_or_insert(now);
        user.is_anonymous = false;
        user.user_metadata.set("email", email.as_str().into());
        user.user_metadata.set("email_verified", true.into());
        let mut steps = forget_all(&user.id);
        steps.extend(Self::email_identity_steps(user, &email, now)?);
        Ok(steps)
    }
}

/// How a flow that a link ends was remembered when it began. An account has one token of a kind, so the latest flow is its own.
fn flow_methods(token: TokenKind) -> [&'static str; 2] {
    match token {
        TokenKind::Confirmation => ["email/signup"; 2],
        TokenKind::Recovery => ["recovery", "magiclink"],
        _ => ["email_change"; 2],
    }
}

fn expired(message: &'static str) -> Refusal {
    Refusal::forbidden("otp_expired", message)
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The place, told what went wrong.
pub(crate) fn told(mut place: Url, refusal: &Refusal, is_pkce: bool) -> Url {
    let pairs =
        [("error", refusal.oauth_error()), ("error_code", refusal.code), ("error_description", &*refusal.message)];
    if is_pkce {
        place.query_pairs_mut().extend_pairs(pairs);
    }
    place.set_fragment(Some(&encoded(&pairs)));
    place
}
