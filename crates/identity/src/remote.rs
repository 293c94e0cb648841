use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::key::KeySet;
use crate::{IdentityError, MAX_KEY_SET_BYTES};

/// After how long an unknown key id may ask for another fetch. Without it, tokens with made-up ids would make
/// this server hammer the issuer.
pub(crate) const MINIMUM_GAP: Duration = Duration::from_secs(30);

/// After how long the set is fetched again without need, so that a key which the issuer withdrew stops counting.
pub(crate) const MAXIMUM_AGE: Duration = Duration::from_secs(600);

/// How long one fetch may take, and so how long a request with an unknown key id waits at most.
pub(crate) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// A client for asking an issuer: within `FETCH_TIMEOUT`, and at the address that was configured and no other.
///
/// # Errors
/// What is wrong with the machine's TLS, in words.
pub fn outgoing_client() -> Result<reqwest::Client, String> {
    // Another part of the process may have chosen a provider already; then that one is used.
    let _already_chosen = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(FETCH_TIMEOUT)
        .connect_timeout(FETCH_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("pando/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())
}

/// A key set behind an address.
pub(crate) struct Remote {
    url: String,
    client: reqwest::Client,
    state: Mutex<State>,
    /// Counts the fetches that have ended, well or not.
    ended: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    keys: Option<Arc<KeySet>>,
    started: Option<Instant>,
    is_running: bool,
}

/// Whether a fetch may start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is yours: fetch, then call [`Remote::finish`].
    Mine,
    /// Somebody else's is under way.
    Running,
    /// The last one is too recent.
    TooSoon,
}

impl Remote {
    /// Prepares a client; nothing is sent yet.
    pub(crate) fn open(url: &str) -> Result<Self, IdentityError> {
        let unusable = |problem: String| IdentityError::KeyAddress { url: without_credentials(url), problem };
        let parsed = reqwest::Url::parse(url).map_err(|error| unusable(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(unusable("only http:// and https:// are possible".to_owned()));
        }
        let client = outgoing_client().map_err(unusable)?;
        Ok(Self { url: url.to_owned(), client, state: Mutex::default(), ended: watch::Sender::new(0) })
    }

    /// The keys of the last fetch that went well.
    pub(crate) fn keys(&self) -> Option<Arc<KeySet>> {
        self.state.lock().keys.clone()
    }

    /// Becomes ready when the next fetch ends.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// Asks for the right to fetch: at most one at a time, and none within `gap` of the last start.
    pub(crate) fn take_turn(&self, now: Instant, gap: Duration) -> Turn {
        let mut state = self.state.lock();
        if state.is_running {
            return Turn::Running;
        }
        if state.started.is_some_and(|started| now.saturating_duration_since(started) < gap) {
            return Turn::TooSoon;
        }
        state.started = Some(now);
        state.is_running = true;
        Turn::Mine
    }

    /// Gets and reads the set: within the time and size limits, and of public keys alone.
    pub(crate) async fn fetch(&self) -> Result<KeySet, String> {
        // reqwest's texts name the address, which may carry credentials.
        let plain = |error: reqwest::Error| error.without_url().to_string();
        let mut response = self.client.get(&self.url).send().await.map_err(plain)?;
        if response.status() != http::StatusCode::OK {
            return Err(format!("the answer has the status {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(plain)? {
            if body.len() + chunk.len() > MAX_KEY_SET_BYTES {
                return Err(format!("the answer is larger than {MAX_KEY_SET_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        let keys = KeySet::from_json(&body)?;
        // A secret that is published is none: everybody could sign with it.
        if keys.has_shared_secret() {
            return Err("the JWK set publishes a shared secret (kty oct)".to_owned());
        }
        Ok(keys)
    }

    /// Notes how a fetch went. A failed one leaves the former keys in use.
    pub(crate) fn finish(&self, keys: Option<Arc<KeySet>>) {
        let mut state = self.state.lock();
        state.is_running = false;
        if keys.is_some() {
            state.keys = keys;
        }
    }

    /// Wakes those who wait, after the new keys are in use.
    pub(crate) fn announce(&self) {
        self.ended.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// An address fit for messages: user, password and query left out.
fn without_credentials(url: &str) -> String {
    let Ok(mut parsed) = reqwest::Url::parse(url) else {
        return "(unreadable)".to_owned();
    };
    let _no_such_part = (parsed.set_username(""), parsed.set_password(None));
    parsed.set_query(None);
    parsed.to_string()
}
