//! `user/identities`: further ways to sign in, added and removed by who is signed in.

use base::Timestamp;
use http::Method;
use serde_json::json;
use uuid::Uuid;

use super::external_ends::{Settled, linked};
use super::user::require_aal2;
use crate::access;
use crate::error::{Outcome, Refusal, taken};
use crate::external::{Brought, Link, name_providers, unverified};
use crate::incoming::Incoming;
use crate::outgoing::Reply;
use crate::records::tokens::forget_all;
use crate::records::users::{Identity, User};
use crate::room::{Inner, unknown};
use crate::session::is_banned;

impl Inner {
    /// `user/identities`
    pub(crate) async fn identities(&self, incoming: &Incoming) -> Outcome<Reply> {
        let parts: Vec<&str> = incoming.path.iter().skip(2).map(String::as_str).collect();
        match (&incoming.method, parts.as_slice()) {
            (&Method::GET, ["authorize"]) => self.begin_link(incoming).await,
            (&Method::DELETE, [id]) => self.unlink(incoming, id).await,
            _ => Err(unknown(incoming)),
        }
    }

    /// `GET user/identities/authorize`
    async fn begin_link(&self, incoming: &Incoming) -> Outcome<Reply> {
        let link = self.who_links(incoming).await?;
        let way = self.way_out(incoming, Some(link)).await?;
        match incoming.parameter("skip_http_redirect") {
            Some("true") => Ok(Reply::json(&json!({"url": way.as_str()}))),
            _ => Reply::redirect(&way),
        }
    }

    /// Who adds a way to sign in: with the second factor, if there is one, since the new way opens the account.
    pub(crate) async fn who_links(&self, incoming: &Incoming) -> Outcome<Link> {
        self.require_linking()?;
        let who = self.who(incoming).await?;
        require_aal2(&who.user, who.session.as_ref(), true)?;
        Ok(Link { user: who.user.id, session: who.session.map(|session| session.id) })
    }

    fn require_linking(&self) -> Outcome<()> {
        if self.settings.allow_linking {
            return Ok(());
        }
        Err(Refusal::not_found("manual_linking_disabled", "Manual linking is disabled"))
    }

    /// How the account of who asked for it changes.
    pub(crate) async fn settle_link(
        &self,
        link: &Link,
        (brought, owner, by_email): (&Brought, Option<User>, Option<User>),
        now: Timestamp,
    ) -> Outcome<Settled> {
        self.require_linking()?;
        if let Some(owner) = owner {
            let other = if owner.id == link.user { "" } else { " to another user" };
            let message = format!("Identity is already linked{other}");
            return Err(Refusal::unprocessable("identity_already_exists", message));
        }
        let user = match &link.session {
            // Who was signed out meanwhile adds nothing any more.
            Some(session) => self.records.session(session).await?.map(|(_, user)| user),
            None => self.records.user(&link.user).await?,
        };
        let missing = || Refusal::unprocessable("user_not_found", "Linking target user not found");
        let user = user.filter(|user| user.id == link.user).ok_or_else(missing)?;
        if is_banned(&user, now) {
            return Err(Refusal::forbidden("user_banned", "User is banned"));
        }
        let mut settled = linked(user, brought, now)?;
        let user = &mut settled.user;
        if user.email.is_none() {
            let email = brought.profile.email.clone().filter(|_| brought.profile.is_verified);
            let Some(email) = email else { return Err(unverified(&brought.provider)) };
            if by_email.is_some() {
                return Err(taken());
            }
            user.email = Some(email);
            user.email_confirmed_at = Some(now);
            user.is_anonymous = false;
            user.user_metadata.merge(&brought.profile.data);
        }
        name_providers(user);
        access::check_metadata(user)?;
        Ok(settled)
    }

    /// `DELETE user/identities/{id}`
    async fn unlink(&self, incoming: &Incoming, id: &str) -> Outcome<Reply> {
        self.require_linking()?;
        let who = self.who(incoming).await?;
        require_aal2(&who.user, who.session.as_ref(), true)?;
        if Uuid::parse_str(id).is_err() {
            return Err(Refusal::not_found("validation_failed", "identity_id must be an UUID"));
        }
        let mut user = who.user;
        if user.identities.len() <= 1 {
            let message = "User must have at least 1 identity after unlinking";
            return Err(Refusal::unprocessable("single_identity_not_deletable", message));
        }
        let place = user.identities.iter().position(|one| one.id.eq_ignore_ascii_case(id));
        let missing = || Refusal::unprocessable("identity_not_found", "Identity doesn't exist");
        let gone = user.identities.remove(place.ok_or_else(missing)?);
        if gone.provider == "email" {
            // Whoever takes this way away means the password.
            user.password = None;
        }
        self.keep_an_address(&mut user).await?;
        name_providers(&mut user);
        let now = self.now();
        let mut steps = vec![user.save(now), gone.delete()];
        // A mail to an address that is no longer the account's opens it no more.
        steps.extend(forget_all(&user.id));
        self.records.write(steps).await?;
        Ok(Reply::done())
    }

    /// The account's address is one that an identity of it has, as long as one has any.
    async fn keep_an_address(&self, user: &mut User) -> Outcome<()> {
        let address =
            |identity: &Identity| identity.data.get("email").and_then(|email| email.as_str()).map(str::to_lowercase);
        let is_verified = |identity: &&Identity| identity.data.get("email_verified") == Some(&true.into());
        let is_kept = user.identities.iter().any(|one| address(one) == user.email);
        let verified = user.identities.iter().filter(is_verified).find_map(address);
        let Some(other) = verified.filter(|_| !is_kept) else { return Ok(()) };
        if self.records.user_by_email(&other).await?.is_some_and(|owner| owner.id != user.id) {
            let message = "Unable to unlink identity due to email conflict";
            return Err(Refusal::unprocessable("email_conflict_identity_not_deletable", message));
        }
        user.user_metadata.set("email", other.as_str().into());
        user.email = Some(other);
        Ok(())
    }
}
