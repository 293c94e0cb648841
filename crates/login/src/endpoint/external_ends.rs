//! `token`: what another provider said of somebody becomes a session.

use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use serde_json::{Map, Value};
use store::OwnStep;

use crate::error::{Outcome, Refusal};
use crate::external::{
    Brought, Decision, LEEWAY, Nonce, Profile, Provider, ProviderError, Rules, check_issuer, decide, hashed,
    name_providers,
};
use crate::gate::AttemptKind;
use crate::incoming::Incoming;
use crate::metadata::Metadata;
use crate::outgoing::Reply;
use crate::records::factors;
use crate::records::flows::{self, EXTERNAL, Flow};
use crate::records::sessions::{self, Scope};
use crate::records::tokens::forget_all;
use crate::records::users::{Identity, User};
use crate::room::{Inner, put};
use crate::{access, chance, one_time};

/// How long an ID token that was used is remembered at most. Providers let theirs count for an hour or a day.
const LONGEST_TOKEN: Duration = Duration::from_secs(31 * 86_400);

/// An account as it will be, and what is done for that.
pub(crate) struct Settled {
    pub(crate) user: User,
    pub(crate) keeping: Keeping,
    /// What comes after the account itself.
    pub(crate) steps: Vec<OwnStep>,
    /// Whether its sessions end; then the last of `steps` reads which.
    pub(crate) ends_sessions: bool,
}

/// How the account itself is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// It is made.
    New,
    /// It is changed, if nobody else changed it meanwhile.
    Changed,
    /// It only signs in: several at once may.
    Same,
}

impl Inner {
    /// `token?grant_type=pkce`, for who was with another provider: the proof that it is who began was looked at.
    pub(crate) async fn end_external(&self, incoming: &Incoming, flow: &Flow, now: Timestamp) -> Outcome<Reply> {
        let opened = flow.brought.as_deref().and_then(|sealed| Brought::open(sealed, &flow.id, &self.secrets.external));
        let brought = opened.ok_or_else(|| {
            Refusal::not_found("flow_state_not_found", "invalid flow state, no valid flow state found")
        })?;
        let settled = self.settle_external(&brought, now).await?;
        let fields = incoming.fields()?;
        let code = one_time::hash(fields.text("auth_code")?.unwrap_or_default());
        let end = flows::empty(&flow.id, code, one_time::hash(&chance::uuid()?), now);
        self.sign_in_external(incoming, settled, (&brought, Some(end)), now).await
    }

    /// `token?grant_type=id_token`: a client on the person's own device has asked the provider itself.
    pub(crate) async fn by_id_token(&self, incoming: &Incoming) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        let Some(token) = fields.text("id_token")? else { return Err(Refusal::invalid("id_token required")) };
        let (name, issuer) = (fields.text("provider")?, fields.text("issuer")?);
        if name.is_none() && issuer.is_none() {
            return Err(Refusal::invalid("provider or client_id and issuer required"));
        }
        let provider = self.providers.find(name, issuer)?;
        let nonce = fields.text("nonce")?.map(hashed);
        let access_token = fields.text("access_token")?;
        incoming.enter(&*self.gate, AttemptKind::Code, None).await?;
        let link = match fields.flag("link_identity")? {
            Some(true) => Some(self.who_links(incoming).await?),
            _ => None,
        };
        let (profile, claims) =
            self.profile_of(provider, token, (Nonce::Brought(nonce.as_deref()), access_token)).await?;
        if !incoming.is_again {
            self.use_up(token, &claims).await?;
        }
        let name = provider.settings.name.clone();
        let brought = Brought { provider: name, profile, link, access_token: None, refresh_token: None };
        let now = self.now();
        let settled = self.settle_external(&brought, now).await?;
        self.sign_in_external(incoming, settled, (&brought, None), now).await
    }

    /// Refuses an ID token with a nonce that came before: the nonce was made for one sign-in. One without may come again for as
    /// long as it counts; apps are given the same one by the device's own sign-in.
    async fn use_up(&self, token: &str, claims: &Map<String, Value>) -> Outcome<()> {
        let end = claims.get("exp").and_then(Value::as_f64).filter(|_| claims.contains_key("nonce"));
        // A signature can be written in several ways; what it signs cannot.
        let (Some(end), Some((signed, _))) = (end, token.rsplit_once('.')) else { return Ok(()) };
        let left = end + LEEWAY - self.now().seconds() as f64;
        let lifetime = Duration::try_from_secs_f64(left).map_or(LONGEST_TOKEN, |left| left.min(LONGEST_TOKEN));
        if self.gate.is_first(signed.as_bytes(), lifetime).await {
            return Ok(());
        }
        Err(Refusal::bad_request("invalid_credentials", "Bad ID token: it was used before (nonce)"))
    }

    async fn profile_of(
        &self,
        provider: &Arc<Provider>,
        token: &str,
        proof: (Nonce<'_>, Option<&str>),
    ) -> Outcome<(Profile, Map<String, Value>)> {
        let asked = async {
            let document = provider.document().await?;
            provider.verify(&document, token, proof, &provider.settings.audiences).await
        };
        let (subject, claims) = asked.await.map_err(|error| match &error {
            // Anybody can bring a token that is none: that is no line in the log.
            ProviderError::Untrue(problem) => {
                Refusal::bad_request("invalid_credentials", format!("Bad ID token: {problem}"))
            }
            _ => self.failed(provider, &error),
        })?;
        Ok((Profile::of(&provider.settings, &subject, &claims), claims))
    }

    /// Refuses what would be refused at the end.
    pub(crate) async fn foresee(&self, brought: &Brought) -> Outcome<()> {
        self.settle_external(brought, self.now()).await.map(drop)
    }

    /// Whose account it is, and how it changes. Nothing is written yet.
    async fn settle_external(&self, brought: &Brought, now: Timestamp) -> Outcome<Settled> {
        let (provider, profile) = (brought.provider.as_str(), &brought.profile);
        let settings = &self.providers.get(provider)?.settings;
        let by_identity = self.records.user_by_identity(provider, &profile.subject).await?;
        by_identity.as_ref().map_or(Ok(()), |user| check_issuer(user, &profile.subject, settings))?;
        let by_email = match &profile.email {
            Some(email) => self.records.user_by_email(email).await?,
            None => None,
        };
        if let Some(link) = &brought.link {
            return self.settle_link(link, (brought, by_identity, by_email), now).await;
        }
        let rules = Rules {
            provider,
            creates: self.settings.allow_signup && settings.allow_signup,
            verifies: self.settings.confirm_email,
        };
        let mut settled = match decide(profile, (by_identity, by_email), rules, now)? {
            Decision::Known(user) => known(*user, brought, now),
            Decision::Linked(user) => linked(*user, brought, now)?,
            Decision::Claimed(user) => self.claimed(*user, brought, now)?,
            Decision::New(email) => self.signed_up(email, brought, now)?,
        };
        let user = &mut settled.user;
        let before = (user.user_metadata.clone(), user.app_metadata.clone());
        user.user_metadata.merge(&profile.data);
        name_providers(user);
        access::check_metadata(user)?;
        if settled.keeping == Keeping::Same && before != (user.user_metadata.clone(), user.app_metadata.clone()) {
            settled.keeping = Keeping::Changed;
        }
        Ok(settled)
    }

    fn signed_up(&self, email: String, brought: &Brought, now: Timestamp) -> Outcome<Settled> {
        let mut user = self.new_user(Some(email), None, None, now)?;
        let identity = identity(brought, now)?;
        let steps = vec![identity.insert(&user.id)];
        user.user_metadata = Metadata::default();
        user.email_confirmed_at = Some(now);
        user.identities = vec![identity];
        Ok(Settled { user, keeping: Keeping::New, steps, ends_sessions: false })
    }

    /// The account of somebody who waited for its owner, or of the owner who forgot: whatever opened it opens it no more.
    fn claimed(&self, mut user: User, brought: &Brought, now: Timestamp) -> Outcome<Settled> {
        let identity = identity(brought, now)?;
        let mut steps = forget_all(&user.id);
        steps.extend([user.forget_identities(), factors::delete_all(&user.id), identity.insert(&user.id)]);
        steps.extend(sessions::end(&user.id, Scope::All, now, self.expiry(now)));
        user.password = None;
        user.email_change = String::new();
        user.email_change_confirm_status = 0;
        user.email_confirmed_at = Some(now);
        user.user_metadata = Metadata::default();
        user.identities = vec![identity];
        user.factors = Vec::new();
        Ok(Settled { user, keeping: Keeping::Changed, steps, ends_sessions: true })
    }

    /// Writes what was settled, with a session of its own.
    async fn sign_in_external(
        &self,
        incoming: &Incoming,
        settled: Settled,
        (brought, end): (&Brought, Option<OwnStep>),
        now: Timestamp,
    ) -> Outcome<Reply> {
        let Settled { mut user, keeping, steps: after, ends_sessions } = settled;
        let (session, begin) = self.begin(&mut user, EXTERNAL, incoming, now)?;
        // The flow first: who comes second finds it ended, whatever else has changed.
        let mut steps: Vec<OwnStep> = end.into_iter().collect();
        steps.push(match keeping {
            Keeping::New => user.insert(),
            Keeping::Changed => user.save(now),
            Keeping::Same => user.signed_in(now),
        });
        steps.extend(after);
        let told = steps.len().checked_sub(1).filter(|_| ends_sessions);
        steps.extend(begin);
        let answers = self.records.write(steps).await?;
        self.forget(told.and_then(|told| answers.get(told)))?;
        // A trigger of the schema's may have changed it.
        let user = self.records.user(&user.id).await?.unwrap_or(user);
        let mut body = self.tokens(&user, &session, now)?;
        for (name, token) in
            [("provider_token", &brought.access_token), ("provider_refresh_token", &brought.refresh_token)]
        {
            if let Some(token) = token {
                put(&mut body, name, Value::from(token.as_str()));
            }
        }
        self.remember(incoming, &user, Reply::json(&body)).await
    }
}

/// Somebody whom we know by this provider.
fn known(mut user: User, brought: &Brought, now: Timestamp) -> Settled {
    let mut steps = Vec::new();
    let is_it = |one: &&mut Identity| one.provider == brought.provider && one.provider_id == brought.profile.subject;
    if let Some(identity) = user.identities.iter_mut().find(is_it) {
        identity.data.clone_from(&brought.profile.data);
        identity.last_sign_in_at = Some(now);
        identity.updated_at = Some(now);
        steps.push(identity.signed_in(now));
    }
    Settled { user, keeping: Keeping::Same, steps, ends_sessions: false }
}

/// Somebody whom we know, and now by this provider as well.
pub(crate) fn linked(mut user: User, brought: &Brought, now: Timestamp) -> Outcome<Settled> {
    let identity = identity(brought, now)?;
    let steps = vec![identity.insert(&user.id)];
    user.identities.push(identity);
    Ok(Settled { user, keeping: Keeping::Changed, steps, ends_sessions: false })
}

fn identity(brought: &Brought, now: Timestamp) -> Outcome<Identity> {
    Ok(Identity {
        id: chance::uuid()?,
        provider_id: brought.profile.subject.clone(),
        provider: brought.provider.clone(),
        data: brought.profile.data.clone(),
        last_sign_in_at: Some(now),
        created_at: Some(now),
        updated_at: Some(now),
    })
}
