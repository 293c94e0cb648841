//! Whose account it is that a provider tells of.

use base::Timestamp;
use serde_json::Value;

use super::{Profile, ProviderSettings, openid_issuer};
use crate::error::{Outcome, Refusal};
use crate::records::users::{Identity, User};
use crate::session::is_banned;

/// What the operator allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    /// The provider's name.
    pub(crate) provider: &'a str,
    /// Whether accounts are made.
    pub(crate) creates: bool,
    /// Whether addresses have to be verified.
    pub(crate) verifies: bool,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Somebody whom we know by this provider.
    Known(Box<User>),
    /// Somebody whom we know by the address, which was proven here and is verified there.
    Linked(Box<User>),
    /// An account with this address, which nobody ever proved to be theirs, perhaps made by somebody else to wait for its owner. The owner
    /// gets it, and nothing of what was in it opens it any more.
    Claimed(Box<User>),
    /// Somebody new.
    New(String),
}

/// Decides over what was read: the account with this identity, and that with this address.
pub(crate) fn decide(
    profile: &Profile,
    (by_identity, by_email): (Option<User>, Option<User>),
    rules: Rules<'_>,
    now: Timestamp,
) -> Outcome<Decision> {
    let is_confirmed = |user: &User| user.email_confirmed_at.is_some() || user.phone_confirmed_at.is_some();
    let decision = match (by_identity, by_email) {
        (Some(user), _) if is_confirmed(&user) => Decision::Known(user.into()),
        // Its address was never confirmed, and the provider confirms it now.
        (Some(user), _) if profile.is_verified && user.email == profile.email => Decision::Claimed(user.into()),
        (Some(_), _) => return Err(unverified(rules.provider)),
        (None, Some(user)) if profile.is_verified && is_proven(&user, rules) => Decision::Linked(user.into()),
        (None, Some(user)) if profile.is_verified => Decision::Claimed(user.into()),
        (None, Some(_)) => return Err(unverified(rules.provider)),
        (None, None) => {
            let Some(email) = profile.email.clone() else {
                return Err(Refusal::unprocessable(
                    "validation_failed",
                    format!("Error getting user email from external provider {}", rules.provider),
                ));
            };
            if !profile.is_verified && rules.verifies {
                return Err(unverified(rules.provider));
            }
            if !rules.creates {
                return Err(Refusal::unprocessable("signup_disabled", "Signups not allowed for this instance"));
            }
            Decision::New(email)
        }
    };
    match &decision {
        Decision::Known(user) | Decision::Linked(user) | Decision::Claimed(user) if is_banned(user, now) => {
            Err(Refusal::forbidden("user_banned", "User is banned"))
        }
        _ => Ok(decision),
    }
}

/// What the identity of an address says that nobody had to prove.
const PROVEN: &str = "email_proven";

/// Whether whoever has the account has shown that its address is theirs. Where accounts need no confirmation, or needed none when
/// this one was made, only another provider has seen to that.
fn is_proven(user: &User, rules: Rules<'_>) -> bool {
    let is_ours = |identity: &&Identity| {
        let address = identity.data.get("email").and_then(Value::as_str).map(str::to_lowercase);
        identity.provider != "email" && address == user.email
    };
    let is_verified = |identity: &Identity| identity.data.get("email_verified") == Some(&true.into());
    let mut by_providers = user.identities.iter().filter(is_ours);
    let by_mail = user.identities.iter().find(|identity| identity.provider == "email");
    let is_doubted = match by_mail {
        Some(identity) => identity.data.get(PROVEN) == Some(&false.into()),
        None => by_providers.clone().next().is_some(),
    };
    user.email_confirmed_at.is_some() && (rules.verifies && !is_doubted || by_providers.any(is_verified))
}

/// Says in an account that is confirmed because nobody has to confirm anything that its address was not proven: should addresses
/// have to be confirmed later, it is not taken for one whose was. The identity that says so, if there is one.
pub(crate) fn doubt(user: &mut User) -> Option<&mut Identity> {
    let identity = user.identities.iter_mut().find(|identity| identity.provider == "email")?;
    identity.data.insert(PROVEN.to_owned(), false.into());
    Some(identity)
}

/// Says that it was proven after all.
pub(crate) fn trust(identity: &mut Identity) {
    identity.data.remove(PROVEN);
}

/// Refuses an identity that another issuer vouched for, of which the provider's name is left: its numbers are other people here.
/// Those of well-known providers have had several issuers in GoTrue, and nobody else has their names.
pub(crate) fn check_issuer(user: &User, subject: &str, settings: &ProviderSettings) -> Outcome<()> {
    let is_it = |one: &&Identity| one.provider == settings.name && one.provider_id == subject;
    let issuer = user.identities.iter().find(is_it).and_then(|one| one.data.get("iss")).and_then(Value::as_str);
    let is_preset = openid_issuer(&settings.name).is_ok_and(|issuer| issuer == settings.issuer);
    if is_preset || issuer.is_none_or(|issuer| issuer == settings.issuer) {
        return Ok(());
    }
    let message = format!("The identity is of another issuer than {} has now", settings.name);
    Err(Refusal::forbidden("identity_not_found", message))
}

/// The provider does not know whether the address is theirs, so they might be anybody.
pub(crate) fn unverified(provider: &str) -> Refusal {
    Refusal::unprocessable(
        "provider_email_needs_verification",
        format!("Unverified email with {provider}. Verify the email with {provider} in order to sign in"),
    )
}

/// Says in the account by which providers it is known.
pub(crate) fn name_providers(user: &mut User) {
    let mut names: Vec<Value> = Vec::new();
    for identity in &user.identities {
        let name = Value::from(identity.provider.as_str());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if let Some(first) = names.first() {
        user.app_metadata.set("provider", first.clone());
    }
    user.app_metadata.set("providers", names.into());
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::testing::user;

    const NOW: Timestamp = Timestamp(1_000);

    fn said(email: Option<&str>, is_verified: bool) -> Profile {
        Profile { subject: "7".to_owned(), email: email.map(str::to_owned), is_verified, data: Map::new() }
    }

    fn identity() -> Identity {
        Identity {
            id: String::new(),
            provider_id: String::new(),
            provider: String::new(),
            data: Map::new(),
            last_sign_in_at: None,
            created_at: None,
            updated_at: None,
        }
    }

    fn outcome(profile: &Profile, found: (Option<User>, Option<User>), creates: bool, verifies: bool) -> &'static str {
        match decide(profile, found, Rules { provider: "mock", creates, verifies }, NOW) {
            Ok(Decision::Known(_)) => "known",
            Ok(Decision::Linked(_)) => "linked",
            Ok(Decision::Claimed(_)) => "claimed",
            Ok(Decision::New(_)) => "new",
            Err(refusal) => refusal.code,
        }
    }

    #[test]
    fn decisions() {
        let mina = "mina@example.com";
        let confirmed = || User { email_confirmed_at: Some(Timestamp(1)), ..user(mina) };
        let banned = || User { banned_until: Some(Timestamp(2_000)), ..confirmed() };
        let (verified, unverified) = (said(Some(mina), true), said(Some(mina), false));
        let elsewhere = said(Some("other@example.com"), true);
        for (profile, found, expected) in [
            (&verified, (Some(confirmed()), None), "known"),
            (&unverified, (Some(confirmed()), Some(user("unverified@example.com"))), "known"),
            (&said(None, false), (Some(confirmed()), None), "known"),
            (&verified, (Some(banned()), None), "user_banned"),
            (&verified, (Some(user(mina)), None), "claimed"),
            (&elsewhere, (Some(user(mina)), None), "provider_email_needs_verification"),
            (&unverified, (Some(user(mina)), None), "provider_email_needs_verification"),
            (&verified, (None, Some(confirmed())), "linked"),
            (&verified, (None, Some(banned())), "user_banned"),
            (&verified, (None, Some(user(mina))), "claimed"),
            (&unverified, (None, Some(confirmed())), "provider_email_needs_verification"),
            (&unverified, (None, Some(user(mina))), "provider_email_needs_verification"),
            (&verified, (None, None), "new"),
            (&unverified, (None, None), "provider_email_needs_verification"),
            (&said(None, false), (None, None), "validation_failed"),
        ] {
            let shown = format!("{profile:?} {found:?}");
            assert_eq!(outcome(profile, found, true, true), expected, "{shown}");
        }
        let by_phone = User { phone_confirmed_at: Some(Timestamp(1)), ..user(mina) };
        assert_eq!(outcome(&verified, (None, Some(by_phone)), true, true), "claimed", "its address is not proven");
        assert_eq!(outcome(&verified, (None, Some(confirmed())), true, false), "claimed", "nor where nobody has to");
        let seen = |is_verified: bool| {
            let data = json!({"email": "Mina@example.com", "email_verified": is_verified}).as_object().unwrap().clone();
            let mut user = confirmed();
            user.identities.push(Identity { provider: "other".to_owned(), data, ..identity() });
            user
        };
        assert_eq!(outcome(&verified, (None, Some(seen(true))), true, false), "linked");
        assert_eq!(outcome(&verified, (None, Some(seen(false))), true, false), "claimed");
        assert_eq!(outcome(&verified, (None, Some(seen(true))), true, true), "linked");
        assert_eq!(outcome(&verified, (None, Some(seen(false))), true, true), "claimed", "made when nobody had to");
        let mailed = |is_proven: bool| {
            let mut user = confirmed();
            user.identities.push(Identity { provider: "email".to_owned(), ..identity() });
            doubt(&mut user).filter(|_| is_proven).map(trust);
            user
        };
        assert_eq!(outcome(&verified, (None, Some(mailed(true))), true, true), "linked");
        assert_eq!(outcome(&verified, (None, Some(mailed(false))), true, true), "claimed");
        assert_eq!(outcome(&verified, (None, None), false, true), "signup_disabled");
        assert_eq!(outcome(&unverified, (None, None), true, false), "new", "nobody's address has to be verified");
        assert_eq!(outcome(&unverified, (None, Some(confirmed())), true, false), "provider_email_needs_verification");
    }
}
