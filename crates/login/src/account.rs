//! Accounts: how they are made and confirmed, and the mails that lead back to them.

use base::Timestamp;
use serde_json::{Map, Value, json};
use store::OwnStep;
use url::Url;

use crate::chance;
use crate::error::{Outcome, Refusal};
use crate::external::trust;
use crate::incoming::Pkce;
use crate::mail::{Mail, MailKind, Place, Values};
use crate::metadata::Metadata;
use crate::one_time::{self, Sent};
use crate::records::flows::Flow;
use crate::records::tokens::{TokenKind, forget_all};
use crate::records::users::{Former, Identity, User};
use crate::room::Inner;
use crate::settings::AUTHENTICATED;

/// A mail that is sent once its token is kept.
pub(crate) struct Letter {
    pub(crate) steps: Vec<OwnStep>,
    pub(crate) mail: Mail,
    /// The address of the link.
    pub(crate) link: String,
    pub(crate) sent: Sent,
}

/// What a letter is about.
pub(crate) struct Subject<'a> {
    pub(crate) kind: MailKind,
    pub(crate) token: TokenKind,
    /// The `type` of its link.
    pub(crate) verification: &'static str,
    /// How a sign-in by it is remembered, with what proves who began it.
    pub(crate) flow: Option<(&'static str, &'a Pkce)>,
    /// Where the link leads in the end.
    pub(crate) place: &'a Url,
}

impl Inner {
    /// A new account, not confirmed yet.
    pub(crate) fn new_user(
        &self,
        email: Option<String>,
        password: Option<String>,
        data: Option<&Map<String, Value>>,
        now: Timestamp,
    ) -> Outcome<User> {
        let id = chance::uuid()?;
        let mut user_metadata = Metadata::new(data.cloned().unwrap_or_default());
        let mut app_metadata = Metadata::default();
        let mut identities = Vec::new();
        if let Some(email) = &email {
            user_metadata.merge(said_of(&id, email).object());
            app_metadata = Metadata::stored(Some(json!({"provider": "email", "providers": ["email"]})));
            identities.push(email_identity(&id, email, false, now)?);
        }
        Ok(User {
            is_anonymous: email.is_none(),
            aud: Some(self.settings.audience.clone()),
            role: Some(AUTHENTICATED.to_owned()),
            id,
            email,
            phone: None,
            password,
            email_confirmed_at: None,
            phone_confirmed_at: None,
            invited_at: None,
            confirmation_sent_at: None,
            recovery_sent_at: None,
            email_change: String::new(),
            email_change_sent_at: None,
            email_change_confirm_status: 0,
            reauthentication_sent_at: None,
            last_sign_in_at: None,
            app_metadata,
            user_metadata,
            created_at: Some(now),
            updated_at: Some(now),
            banned_until: None,
            deleted_at: None,
            is_sso_user: false,
            identities,
            factors: Vec::new(),
            former: Former::default(),
        })
    }

    /// The steps that keep a new account with its identities.
    pub(crate) fn create(user: &User) -> Vec<OwnStep> {
        let mut steps = vec![user.insert()];
        steps.extend(user.identities.iter().map(|identity| identity.insert(&user.id)));
        steps
    }

    /// A letter to `address`, with the steps that keep its token.
    pub(crate) fn letter(&self, user: &User, address: &str, subject: &Subject<'_>, now: Timestamp) -> Outcome<Letter> {
        let keeping = (&self.settings, &self.secrets.one_time);
        let sent = one_time::make(subject.token, (&user.id, address), subject.flow.is_some(), keeping, now)?;
        let mut steps = sent.kept.issue();
        if let Some((method, pkce)) = subject.flow {
            let flow = Flow {
                id: chance::uuid()?,
                user: Some(user.id.clone()),
                challenge_method: pkce.method.clone(),
                challenge: pkce.challenge.clone(),
                method: method.to_owned(),
                issued_at: None,
                brought: None,
            };
            steps.extend(flow.begin(one_time::hash(&chance::uuid()?), now));
        }
        let link = self.link(&sent, subject)?;
        let values = Values {
            confirmation_url: if subject.kind == MailKind::Reauthentication { "" } else { &link },
            token: &sent.code,
            token_hash: &sent.link,
            site_url: self.settings.site_url.as_str(),
            redirect_to: subject.place.as_str(),
            email: user.email.as_deref().unwrap_or_default(),
            new_email: &user.email_change,
        };
        let mail = self
            .templates
            .mail(subject.kind, address, &values)
            .map_err(|error| Refusal::internal(error.to_string()))?;
        Ok(Letter { steps, mail, link, sent })
    }

    fn link(&self, sent: &Sent, subject: &Subject<'_>) -> Outcome<String> {
        let mut link = Url::parse(&format!("{}/verify", self.settings.external_url))
            .map_err(|error| Refusal::internal(format!("auth.external_url: {error}")))?;
        link.query_pairs_mut()
            .append_pair("token", &sent.link)
            .append_pair("type", subject.verification)
            .append_pair("redirect_to", subject.place.as_str());
        Ok(link.into())
    }

    /// Keeps a place for a mail. Before it is looked whether there is an account: a full queue is our fault, and passes, but whom it
    /// meets must tell nothing, and nothing is changed by a request that is refused.
    pub(crate) fn reserve(&self) -> Outcome<Place> {
        self.post.reserve().map_err(|_full| Refusal::overloaded(5))
    }

    /// The steps of an account whose address is confirmed now, all but those that keep the account itself.
    pub(crate) fn confirm(user: &mut User, now: Timestamp) -> Outcome<Vec<OwnStep>> {
        let Some(email) = user.email.clone() else { return Ok(Vec::new()) };
        user.email_confirmed_at.get_or_insert(now);
        user.user_metadata.set("email_verified", true.into());
        let mut steps = forget_all(&user.id);
        steps.extend(Self::email_identity_steps(user, &email, now)?);
        Ok(steps)
    }

    /// The steps that bring the identity of the confirmed address into line with it.
    pub(crate) fn email_identity_steps(user: &mut User, email: &str, now: Timestamp) -> Outcome<Vec<OwnStep>> {
        if let Some(identity) = user.identities.iter_mut().find(|identity| identity.provider == "email") {
            identity.data.insert("email".to_owned(), email.into());
            identity.data.insert("email_verified".to_owned(), true.into());
            trust(identity);
            identity.updated_at = Some(now);
            return Ok(vec![identity.save(now)]);
        }
        let identity = email_identity(&user.id, email, true, now)?;
        let step = identity.insert(&user.id);
        user.identities.push(identity);
        let mut providers: Vec<Value> = user.identities.iter().map(|one| one.provider.as_str().into()).collect();
        providers.dedup();
        user.app_metadata.set("provider", providers.first().cloned().unwrap_or_default());
        user.app_metadata.set("providers", providers.into());
        Ok(vec![step])
    }
}

/// What the metadata of an account with an address say in any case.
pub(crate) fn said_of(id: &str, email: &str) -> Metadata {
    Metadata::stored(Some(json!({"sub": id, "email": email, "email_verified": false, "phone_verified": false})))
}

fn email_identity(user: &str, email: &str, is_verified: bool, now: Timestamp) -> Outcome<Identity> {
    let data = json!({"sub": user, "email": email, "email_verified": is_verified, "phone_verified": false});
    Ok(Identity {
        id: chance::uuid()?,
        provider_id: user.to_owned(),
        provider: "email".to_owned(),
        data: if let Value::Object(data) = data { data } else { Map::new() },
        last_sign_in_at: Some(now),
        created_at: Some(now),
        updated_at: Some(now),
    })
}
