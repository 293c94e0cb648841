//! Sessions: how they begin, go on and end.

use base::Timestamp;
use identity::SIGNED_OUT;
use serde_json::{Value, json};
use store::OwnStep;
use uuid::Uuid;

use crate::error::{Outcome, Refusal};
use crate::gate::AttemptKind;
use crate::incoming::Incoming;
use crate::keys::later;
use crate::outgoing::{self, Reply};
use crate::records::flows;
use crate::records::sessions::{self, Scope, Session};
use crate::records::users::User;
use crate::refresh::{Decision, RefreshToken, Standing, decide};
use crate::room::Inner;
use crate::settings::ADMIN_ROLES;
use crate::{access, chance, events};

/// Who asks, as far as a token says it.
pub(crate) struct Who {
    pub(crate) user: User,
    /// `None` for a token that was made without one (`pando token`).
    pub(crate) session: Option<Session>,
}

impl Inner {
    /// Who asks: the account and the session of the token.
    pub(crate) async fn who(&self, incoming: &Incoming) -> Outcome<Who> {
        let claims = self.claims(incoming).await?;
        let Some(subject) = claims.text("sub") else {
            return Err(Refusal::forbidden("bad_jwt", "invalid claim: missing sub claim"));
        };
        if Uuid::parse_str(&subject).is_err() {
            return Err(Refusal::forbidden("bad_jwt", "invalid claim: sub claim must be a UUID"));
        }
        let who = match claims.text("session_id") {
            Some(id) if Uuid::parse_str(&id).is_ok() => {
                let found = self.records.session(&id).await?;
                let (session, user) = found.filter(|(_, user)| user.id == subject).ok_or_else(no_session)?;
                Who { user, session: Some(session) }
            }
            Some(_) => return Err(no_session()),
            None => {
                let missing = || Refusal::forbidden("user_not_found", "User from sub claim in JWT does not exist");
                Who { user: self.records.user(&subject).await?.ok_or_else(missing)?, session: None }
            }
        };
        if is_banned(&who.user, self.now()) {
            return Err(Refusal::forbidden("user_banned", "User is banned"));
        }
        Ok(who)
    }

    /// Refuses everybody who does not look after other people's accounts.
    pub(crate) async fn require_admin(&self, incoming: &Incoming) -> Outcome<()> {
        let caller = self.caller(incoming).await?;
        let unbound = base::KeyScope::default();
        if caller.key.is_some_and(|key| key.scope != unbound) {
            // It could make itself another that is bound to nothing.
            return Err(Refusal::forbidden("not_admin", "This API key is bound to some tables or methods"));
        }
        match caller.claims.text("role") {
            Some(role) if ADMIN_ROLES.contains(&role.as_str()) => Ok(()),
            _ => Err(Refusal::forbidden("not_admin", "User not allowed")),
        }
    }

    /// Refuses everybody who may not make and change API keys.
    pub(crate) async fn require_key_admin(&self, incoming: &Incoming) -> Outcome<()> {
        self.require_admin(incoming).await?;
        if self.caller(incoming).await?.key.is_some_and(|key| key.is_bound) {
            // It could make itself another that is bound to nothing, or have itself more.
            return Err(Refusal::forbidden(
                "not_admin",
                "An API key that is bound to networks, a time or a quota may not be used for API keys",
            ));
        }
        Ok(())
    }

    async fn claims(&self, incoming: &Incoming) -> Outcome<std::sync::Arc<base::Claims>> {
        Ok(self.caller(incoming).await?.claims)
    }

    async fn caller(&self, incoming: &Incoming) -> Outcome<base::Caller> {
        let header = incoming.headers.get(http::header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
        let is_bearer = header
            .and_then(|value| value.split_at_checked(7))
            .is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case(b"bearer ") && !token.trim_ascii().is_empty());
        if !is_bearer {
            let message = "This endpoint requires a valid Bearer token";
            return Err(Refusal::new(http::StatusCode::UNAUTHORIZED, "no_authorization", message));
        }
        match self.verifier.identify_from(&incoming.headers, Some(incoming.address)).await {
            Ok(caller) => {
                events::asked_by(&caller);
                Ok(caller)
            }
            Err(failure) if failure.message == SIGNED_OUT => Err(no_session()),
            Err(failure) if failure.kind == base::Kind::Unavailable => {
                Err(Refusal::overloaded(failure.retry_after_seconds.unwrap_or(1)))
            }
            Err(failure) => Err(Refusal::forbidden(
                "bad_jwt",
                format!("invalid JWT: unable to parse or verify signature, {}", failure.message),
            )),
        }
    }

    /// A session that begins now, and the steps that begin it. The account says that it signed in.
    pub(crate) fn begin(
        &self,
        user: &mut User,
        method: &str,
        incoming: &Incoming,
        now: Timestamp,
    ) -> Outcome<(Session, Vec<OwnStep>)> {
        access::check_token(user)?;
        let session = Session {
            id: chance::uuid()?,
            created_at: Some(now),
            aal: "aal1".to_owned(),
            standing: Standing {
                counter: 1,
                rotated: None,
                not_after: self.settings.session.map(|most| later(now, most)),
            },
            methods: vec![(method.to_owned(), now)],
        };
        user.last_sign_in_at = Some(now);
        let steps = sessions::begin(&session, &user.id, &incoming.agent(), &[chance::uuid()?], now);
        Ok((session, steps))
    }

    /// What somebody who has signed in gets: both tokens, and the account.
    pub(crate) fn tokens(&self, user: &User, session: &Session, now: Timestamp) -> Outcome<Value> {
        access::check_token(user)?;
        if !access::fits(user) {
            self.impaired("metadata_left_out");
        }
        let expires = access::expiry(session, &self.settings, now);
        let claims = access::claims(user, session, &self.settings, (now, expires));
        let token = self.keys.read().clone().signer(now)?.sign(&claims)?;
        let id = Uuid::parse_str(&session.id).map_err(|_| Refusal::internal("a session's number is no UUID"))?;
        let refresh = RefreshToken { session: id, counter: session.standing.counter };
        Ok(json!({
            "access_token": token,
            "token_type": "bearer",
            "expires_in": expires.seconds().saturating_sub(now.seconds()),
            "expires_at": expires.seconds(),
            "refresh_token": refresh.text(&self.secrets.refresh),
            "user": outgoing::user(user, &self.settings),
        }))
    }

    /// `token?grant_type=refresh_token`
    pub(crate) async fn refresh(&self, incoming: &Incoming) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        let Some(text) = fields.text("refresh_token")? else {
            return Err(Refusal::invalid("refresh_token is required"));
        };
        // Before the database: what was not made here costs nothing but a hash.
        let token = RefreshToken::read(text, &self.secrets.refresh).ok_or_else(no_token)?;
        incoming.enter(&*self.gate, AttemptKind::Refresh, None).await?;
        let seen = self.look(token).await?;
        Ok(Reply::json(&self.settle(token, seen, self.now()).await?))
    }

    /// What the database knows of a token's session.
    pub(crate) async fn look(&self, token: RefreshToken) -> Outcome<Option<(Session, User)>> {
        self.records.session(&token.session.to_string()).await
    }

    /// Does with a token what is to be done with it, over what was seen. Guarded: where somebody else was faster nothing is done,
    /// and it is to be looked at again.
    pub(crate) async fn settle(
        &self,
        token: RefreshToken,
        seen: Option<(Session, User)>,
        now: Timestamp,
    ) -> Outcome<Value> {
        let (mut session, user) = seen.ok_or_else(no_token)?;
        if is_banned(&user, now) {
            return Err(Refusal::bad_request("user_banned", "Invalid Refresh Token: User Banned"));
        }
        let standing = Standing { not_after: session.end(&self.settings), ..session.standing };
        match decide(token, &standing, now) {
            Decision::Rotate => {
                access::check_token(&user)?;
                self.records.write(vec![sessions::rotate(&session.id, token.counter, now)]).await?;
                session.standing.counter = token.counter.saturating_add(1);
                self.tokens(&user, &session, now)
            }
            Decision::Again => self.tokens(&user, &session, now),
            Decision::Expired => Err(Refusal::bad_request("session_expired", "Invalid Refresh Token: Session Expired")),
            Decision::Unknown => Err(no_token()),
            Decision::Reused => {
                self.end(&user.id, Scope::One(&session.id), now).await?;
                Err(Refusal::bad_request("refresh_token_already_used", "Invalid Refresh Token: Already Used"))
            }
        }
    }

    /// Signs sessions out, here at once and on the other nodes within a second.
    pub(crate) async fn end(&self, user: &str, scope: Scope<'_>, now: Timestamp) -> Outcome<()> {
        let mut steps = sessions::end(user, scope, now, self.expiry(now));
        let told = steps.len() - 1;
        if matches!(scope, Scope::All) {
            steps.push(flows::forget_issued(user));
        }
        let answers = self.records.write(steps).await?;
        self.forget(answers.get(told))
    }

    /// `logout`
    pub(crate) async fn logout(&self, incoming: &Incoming) -> Outcome<Reply> {
        let who = self.who(incoming).await?;
        let own = who.session.as_ref().map(|session| session.id.as_str());
        let scope = match (incoming.parameter("scope").unwrap_or("global"), own) {
            ("global", _) => Scope::All,
            ("local", Some(own)) => Scope::One(own),
            ("others", Some(own)) => Scope::Others(own),
            ("local" | "others", None) => return Err(no_session()),
            _ => return Err(Refusal::invalid("Unsupported logout scope: global, local and others are known")),
        };
        self.end(&who.user.id, scope, self.now()).await?;
        Ok(Reply::empty())
    }
}

/// Whether an account may not sign in now.
pub(crate) fn is_banned(user: &User, now: Timestamp) -> bool {
    user.deleted_at.is_some() || user.banned_until.is_some_and(|until| now < until)
}

fn no_session() -> Refusal {
    Refusal::forbidden("session_not_found", "Session from session_id claim in JWT does not exist")
}

fn no_token() -> Refusal {
    Refusal::bad_request("refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
}
