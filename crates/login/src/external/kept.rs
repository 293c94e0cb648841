//! What is known of a sign-in on its way: before it comes back from the provider it is in the state, afterwards in its row of
//! `auth.flow_state`. Sealed in both places.

use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::DerivedKey;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::Profile;
use crate::incoming::Pkce;

/// What the key is derived for.
pub(crate) const PURPOSE: &str = "sign-ins with other providers";

/// Under what a state is sealed.
const STATE: &str = "state";

/// A sign-in that was begun.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Begun {
    /// The number of its flow.
    pub(crate) id: String,
    pub(crate) provider: String,
    /// Where it leads in the end.
    pub(crate) place: String,
    /// What proves who began it.
    pub(crate) pkce: Pkce,
    /// The account that is to be known there as well.
    pub(crate) link: Option<Link>,
    /// From when on it counts no more.
    pub(crate) ends: Timestamp,
}

/// Whose account gets a further identity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Link {
    pub(crate) user: String,
    /// The session that asked for it.
    pub(crate) session: Option<String>,
}

/// What a provider said, until who began brings the code.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Brought {
    pub(crate) provider: String,
    pub(crate) profile: Profile,
    pub(crate) link: Option<Link>,
    /// The provider's tokens, for the application: told once, never kept in plain.
    pub(crate) access_token: Option<String>,
    pub(crate) refresh_token: Option<String>,
}

impl Begun {
    /// The state that goes to the provider and comes back.
    pub(crate) fn seal(&self, key: &DerivedKey) -> Result<String, identity::IdentityError> {
        let said = json!({
            "id": self.id,
            "provider": self.provider,
            "place": self.place,
            "challenge": self.pkce.challenge,
            "method": self.pkce.method,
            "link": self.link.as_ref().map(Link::value),
            "ends": self.ends.0,
        });
        key.seal(STATE, said.to_string().as_bytes())
    }

    /// Reads a state; `None` for what was not made with this key, or counts no more.
    pub(crate) fn open(state: &str, key: &DerivedKey, now: Timestamp) -> Option<Self> {
        let said = object(&key.open(STATE, state).ok()?)?;
        let begun = Self {
            id: text(&said, "id")?,
            provider: text(&said, "provider")?,
            place: text(&said, "place")?,
            pkce: Pkce { method: text(&said, "method")?, challenge: text(&said, "challenge")? },
            link: Link::read(&said),
            ends: Timestamp(said.get("ends")?.as_i64()?),
        };
        (now < begun.ends).then_some(begun)
    }

    /// The nonce that the provider's ID token has to name. It follows from the flow, so that it need not be kept.
    pub(crate) fn nonce(&self, key: &DerivedKey) -> String {
        URL_SAFE_NO_PAD.encode(key.mac(&[b"nonce", self.id.as_bytes()]))
    }

    /// Our own proof to the provider that we began it (RFC 7636).
    pub(crate) fn verifier(&self, key: &DerivedKey) -> String {
        URL_SAFE_NO_PAD.encode(key.mac(&[b"verifier", self.id.as_bytes()]))
    }

    /// What of that proof the provider is told before (`S256`).
    pub(crate) fn challenge(&self, key: &DerivedKey) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier(key).as_bytes()))
    }
}

impl Link {
    fn value(&self) -> Value {
        json!({"user": self.user, "session": self.session})
    }

    fn read(said: &Map<String, Value>) -> Option<Self> {
        let link = said.get("link")?.as_object()?;
        Some(Self { user: text(link, "user")?, session: text(link, "session") })
    }
}

impl Brought {
    /// As it is kept with the flow `id`.
    pub(crate) fn seal(&self, id: &str, key: &DerivedKey) -> Result<String, identity::IdentityError> {
        let said = json!({
            "provider": self.provider,
            "subject": self.profile.subject,
            "email": self.profile.email,
            "is_verified": self.profile.is_verified,
            "data": self.profile.data,
            "link": self.link.as_ref().map(Link::value),
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
        });
        key.seal(id, said.to_string().as_bytes())
    }

    /// Reads what is kept with the flow `id`; `None` for what was not made with this key for this flow.
    pub(crate) fn open(sealed: &str, id: &str, key: &DerivedKey) -> Option<Self> {
        let said = object(&key.open(id, sealed).ok()?)?;
        Some(Self {
            provider: text(&said, "provider")?,
            profile: Profile {
                subject: text(&said, "subject")?,
                email: text(&said, "email"),
                is_verified: said.get("is_verified")?.as_bool()?,
                data: said.get("data")?.as_object()?.clone(),
            },
            link: Link::read(&said),
            access_token: text(&said, "access_token"),
            refresh_token: text(&said, "refresh_token"),
        })
    }
}

fn object(plain: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(plain) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

fn text(said: &Map<String, Value>, name: &str) -> Option<String> {
    said.get(name)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn begun() -> Begun {
        Begun {
            id: "8d1f4c1e-5b1b-4a39-9d8b-111111111111".to_owned(),
            provider: "google".to_owned(),
            place: "https://app.example.com/in?x=1".to_owned(),
            pkce: Pkce { method: "s256".to_owned(), challenge: "c".repeat(43) },
            link: Some(Link { user: "u".to_owned(), session: None }),
            ends: Timestamp(1_000),
        }
    }

    #[test]
    fn a_state_is_read_as_it_was_made_and_no_other_is() {
        let key = testing::key(PURPOSE);
        let state = begun().seal(&key).unwrap();
        assert_eq!(Begun::open(&state, &key, Timestamp(999)), Some(begun()));
        assert_eq!(Begun::open(&state, &key, Timestamp(1_000)), None, "it has ended");
        assert_eq!(Begun::open(&state, &testing::key("another"), Timestamp(0)), None);
        assert!(!state.contains("google") && state.len() < 600, "{}", state.len());
        for position in (0..state.len()).step_by(7) {
            let mut other = state.clone().into_bytes();
            other[position] = if other[position] == b'A' { b'B' } else { b'A' };
            assert_eq!(Begun::open(&String::from_utf8(other).unwrap(), &key, Timestamp(0)), None, "{position}");
        }
        for wrong in ["", "x", &state[1..], "eyJhbGciOiJub25lIn0.e30."] {
            assert_eq!(Begun::open(wrong, &key, Timestamp(0)), None, "{wrong}");
        }
        let other = Begun { id: "8d1f4c1e-5b1b-4a39-9d8b-222222222222".to_owned(), ..begun() };
        assert_ne!(begun().nonce(&key), other.nonce(&key));
        assert_ne!(begun().nonce(&key), begun().verifier(&key));
        assert_eq!(begun().verifier(&key).len(), 43);
    }

    #[test]
    fn what_was_brought_belongs_to_its_flow() {
        let key = testing::key(PURPOSE);
        let data = json!({"sub": "7", "name": "Mina"}).as_object().unwrap().clone();
        let profile = Profile { subject: "7".to_owned(), email: None, is_verified: false, data };
        let brought = Brought {
            provider: "google".to_owned(),
            profile,
            link: None,
            access_token: Some("secret".to_owned()),
            refresh_token: None,
        };
        let sealed = brought.seal("one", &key).unwrap();
        assert_eq!(Brought::open(&sealed, "one", &key), Some(brought.clone()));
        assert_eq!(Brought::open(&sealed, "another", &key), None);
        assert_eq!(Begun::open(&sealed, &key, Timestamp(0)), None, "it is no state");
        let state = begun().seal(&key).unwrap();
        assert_eq!(Brought::open(&state, &begun().id, &key), None);
    }
}
