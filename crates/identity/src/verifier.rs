use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Caller, CallerKey, Claims, Clock, Failure, Kind};
use http::HeaderMap;
use parking_lot::RwLock;
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use crate::api_key::{ApiKey, ApiKeys, KeyKind};
use crate::cache::{Remembered, TokenCache, fingerprint};
use crate::claims::{Times, check_audience, check_issuer, refused};
use crate::credentials::{Credentials, missing_key};
use crate::key::{KeyRing, KeySet};
use crate::remote::{FETCH_TIMEOUT, MAXIMUM_AGE, MINIMUM_GAP, Remote, Turn};
use crate::revocation::SignedOut;
use crate::role_path::RolePath;
use crate::token::{TokenError, undecodable, verify};
use crate::{IdentityConfig, IdentityError, KeyEvent, KeyListener, strict_json};

/// What a token of a session that was signed out is told.
pub const SIGNED_OUT: &str = "The session of this JWT was signed out";

/// Turns headers into callers. Cheap to share; all methods take `&self`.
pub struct Verifier {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    /// Told when a key set was fetched or could not be.
    listener: Option<KeyListener>,
    /// What counts now. A request looks once, so that it is judged by one configuration alone.
    state: RwLock<Arc<State>>,
    cache: TokenCache,
    /// Sessions whose tokens count no more.
    signed_out: SignedOut,
    api_keys: Arc<ApiKeys>,
}

/// What is configured with the keys in use, and the number of this state.
struct State {
    rules: Arc<Rules>,
    /// The public parts of the keys that Pando itself signs with, once it does.
    own: Option<Arc<KeySet>>,
    keys: KeyRing,
    generation: u64,
}

/// A configuration, made ready.
struct Rules {
    config: IdentityConfig,
    role_path: RolePath,
    anonymous: Option<Caller>,
    secret: Option<KeySet>,
    file: Option<KeySet>,
    remote: Option<(Arc<Remote>, Handle)>,
}

impl Verifier {
    /// Checks the configuration, reads the keys, and begins to fetch those behind an address.
    ///
    /// Fails on short secrets, weak keys, and files or texts that cannot be read. With `jwks_url` it has to be
    /// called inside a tokio runtime; an address that does not answer is not a failure.
    pub fn open(config: IdentityConfig, clock: Arc<dyn Clock>) -> Result<Self, IdentityError> {
        let listener = config.listener.clone();
        let rules = Arc::new(Rules::new(config, None)?);
        let state = RwLock::new(Arc::new(State { keys: rules.keys(None), rules, own: None, generation: 0 }));
        let (cache, signed_out) = (TokenCache::default(), SignedOut::default());
        let api_keys = Arc::default();
        let inner = Arc::new(Inner { clock, listener, state, cache, signed_out, api_keys });
        inner.fetch(Duration::ZERO);
        Ok(Self { inner })
    }

    /// Who asks, where the address is not known: as [`Verifier::identify_from`] without one.
    ///
    /// # Errors
    /// As there.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Caller, Failure> {
        self.identify_from(headers, None).await
    }

    /// Who asks, from which address. Only the first `Authorization` header counts, and of it only the scheme `Bearer`, in any
    /// case; a request with another scheme or none is anonymous. An API key is taken from `apikey`, or as Bearer; beside a
    /// token it says through which program the user asks, alone it says in which role.
    ///
    /// # Errors
    /// Of the kind [`Kind::Unauthenticated`], except when no key is configured (`PGRST300`, [`Kind::Internal`]), none could be
    /// fetched yet ([`Kind::Unavailable`]), or an API key may not be used from the address ([`Kind::Forbidden`]).
    pub async fn identify_from(&self, headers: &HeaderMap, address: Option<IpAddr>) -> Result<Caller, Failure> {
        let inner = &self.inner;
        let state = inner.state();
        let Credentials { key, token, instead } = Credentials::read(headers)?;
        let Some(key) = key else {
            return self.identify_without_key(&state, token, instead).await;
        };
        let key = inner.api_keys.check(key, address, inner.clock.now())?;
        let caller = match token {
            Some(token) => self.of_token(&state, token).await?,
            None => state.rules.of_key(&key)?,
        };
        Ok(Caller { key: Some(key.caller), ..caller })
    }

    /// The API key that a request to another room than the REST API comes with, if it counts and may be used from the address. Whoever
    /// signs in shows no token yet, and what stands in its place is looked at later.
    ///
    /// # Errors
    /// As [`Verifier::identify_from`], where a key is needed and there is neither one nor a token in its place, or it does not count.
    pub async fn identify_program(
        &self,
        headers: &HeaderMap,
        address: Option<IpAddr>,
    ) -> Result<Option<Arc<CallerKey>>, Failure> {
        let state = self.inner.state();
        let Credentials { key, instead, .. } = Credentials::read(headers)?;
        if let Some(key) = key {
            return Ok(Some(self.inner.api_keys.check(key, address, self.inner.clock.now())?.caller));
        }
        if state.rules.config.requires_api_key {
            let instead = instead.filter(|_| state.has_keys()).ok_or_else(missing_key)?;
            self.of_token(&state, instead).await?;
        }
        Ok(None)
    }

    /// Without an API key: a token in its place (`instead`) is one of Supabase's older keys. Alone it is who asks.
    async fn identify_without_key(
        &self,
        state: &State,
        token: Option<&[u8]>,
        instead: Option<&[u8]>,
    ) -> Result<Caller, Failure> {
        // Where no token can be verified, such a key never meant anything.
        let instead = instead.filter(|_| state.has_keys());
        if state.rules.config.requires_api_key {
            let Some(instead) = instead else { return Err(missing_key()) };
            let caller = self.of_token(state, instead).await?;
            return match token {
                Some(token) if token != instead => self.of_token(state, token).await,
                _ => Ok(caller),
            };
        }
        match token.or(instead) {
            Some(token) => self.of_token(state, token).await,
            None => state.rules.anonymous(),
        }
    }

    /// Who a token stands for.
    async fn of_token(&self, state: &State, token: &[u8]) -> Result<Caller, Failure> {
        let inner = &self.inner;
        if !state.has_keys() {
            return Err(no_keys());
        }
        if token.is_empty() {
            return Err(undecodable("Empty JWT is sent in Authorization header"));
        }
        inner.fetch(MAXIMUM_AGE);
        match inner.check(state, token) {
            Err(TokenError::NoSuitableKey) => {
                inner.refreshed().await;
                let state = inner.state();
                inner.check(&state, token).map_err(|error| state.rules.answer(error))
            }
            outcome => outcome.map_err(|error| state.rules.answer(error)),
        }
    }

    /// Puts another configuration, or the same one read again, in the place of the one before, with its keys: all of it
    /// at once, and what the former had verified counts no more. The set behind an address is fetched again; until
    /// that is done its former keys stay in use, if it is the same address. The listener stays the one of the start.
    ///
    /// # Errors
    /// As [`Verifier::open`]; the former configuration with its keys stays in use.
    pub fn replace(&self, config: IdentityConfig) -> Result<(), IdentityError> {
        let inner = &self.inner;
        let rules = Rules::new(config, Some(&inner.state().rules))?;
        inner.put(Arc::new(rules));
        inner.fetch(Duration::ZERO);
        Ok(())
    }

    /// Puts the keys that Pando itself signs with, as a JWK set, in the place of those before.
    ///
    /// # Errors
    /// [`IdentityError::KeySet`]; the former keys stay in use.
    pub fn use_own_keys(&self, set: &Value) -> Result<(), IdentityError> {
        let keys = KeySet::from_json(set.to_string().as_bytes())
            .map_err(|problem| IdentityError::KeySet { origin: "the signing keys".to_owned(), problem })?;
        self.inner.put_own(Arc::new(keys));
        Ok(())
    }

    /// From now on tokens of these sessions (their claim `session_id`) count no more; each with the moment, in seconds since
    /// 1970, from which on its last token has expired anyway.
    pub fn sign_out(&self, sessions: impl IntoIterator<Item = (Box<str>, i64)>) {
        self.inner.signed_out.add(sessions, self.inner.clock.now().seconds());
    }

    /// The API keys, to be put in and asked for.
    pub fn api_keys(&self) -> &Arc<ApiKeys> {
        &self.inner.api_keys
    }

    /// How many keys are in use now.
    pub fn key_count(&self) -> usize {
        self.inner.state().keys.len()
    }

    /// Whether tokens can be verified at all: a secret, file or address is configured.
    pub fn has_keys(&self) -> bool {
        self.inner.state().has_keys()
    }

    /// Whether requests without credentials are let in.
    pub fn allows_anonymous(&self) -> bool {
        self.inner.state().rules.anonymous.is_some()
    }
}

impl State {
    fn has_keys(&self) -> bool {
        self.own.is_some() || self.rules.has_keys()
    }

    /// The state after this one, with other rules or keys.
    fn next(&self, rules: Arc<Rules>, own: Option<Arc<KeySet>>) -> Arc<Self> {
        let keys = rules.keys(own.as_deref());
        Arc::new(Self { keys, rules, own, generation: self.generation.wrapping_add(1) })
    }
}

impl Rules {
    /// Makes a configuration ready. What was fetched from the address of the former one is kept, where it is the same.
    fn new(config: IdentityConfig, former: Option<&Self>) -> Result<Self, IdentityError> {
        let secret = match &config.secret {
            Some(secret) => Some(KeySet::from_secret(secret, config.secret_is_base64)?),
            None => None,
        };
        let kept = former.filter(|former| former.config.jwks_url == config.jwks_url);
        let remote = match (&config.jwks_url, kept.and_then(|former| former.remote.clone())) {
            (None, _) => None,
            (Some(_), Some(kept)) => Some(kept),
            (Some(url), None) => {
                let runtime = Handle::try_current().map_err(|_| IdentityError::NoRuntime)?;
                Some((Arc::new(Remote::open(url)?), runtime))
            }
        };
        Ok(Self {
            role_path: RolePath::parse(&config.role_claim)?,
            anonymous: config.anonymous_role.clone().map(|role| caller(role, Map::new(), true)),
            secret,
            file: read_file(&config)?,
            remote,
            config,
        })
    }

    /// The keys of all sources.
    fn keys(&self, own: Option<&KeySet>) -> KeyRing {
        let remote = self.remote.as_ref().and_then(|(remote, _)| remote.keys());
        KeyRing::of(self.secret.iter().chain(self.file.iter()).chain(remote.as_deref()).chain(own))
    }

    fn has_keys(&self) -> bool {
        self.secret.is_some() || self.config.jwks_file.is_some() || self.remote.is_some()
    }

    fn anonymous(&self) -> Result<Caller, Failure> {
        self.anonymous
            .clone()
            .ok_or_else(|| Failure::new(Kind::Unauthenticated, "PGRST302", "Anonymous access is disabled"))
    }

    /// Who asks with an API key and without a token.
    fn of_key(&self, key: &ApiKey) -> Result<Caller, Failure> {
        let role = match (&key.role, key.kind) {
            (Some(role), _) => role.clone(),
            (None, KeyKind::Secret) => self.config.service_role.clone(),
            (None, KeyKind::Publishable) => return self.anonymous(),
        };
        let is_anonymous = self.config.anonymous_role.as_ref() == Some(&role);
        Ok(caller(role, Map::new(), is_anonymous))
    }

    fn check_claims(&self, claims: &Map<String, Value>, now: i64) -> Result<Times, Failure> {
        let times = Times::read(claims)?;
        times.check(now, self.config.leeway_seconds)?;
        check_audience(claims, self.config.audience.as_deref())?;
        check_issuer(claims, self.config.issuer.as_deref())?;
        Ok(times)
    }

    /// The caller that claims stand for; without a role it is the anonymous one, with these claims.
    fn caller(&self, claims: Map<String, Value>) -> Result<Caller, Failure> {
        let value = Value::Object(claims);
        let named: Option<Arc<str>> = self.role_path.role(&value).map(|role| Arc::from(role.as_ref()));
        let role = match named {
            Some(role) => role,
            None => self.anonymous()?.role,
        };
        let is_anonymous = self.config.anonymous_role.as_ref() == Some(&role);
        let claims = if let Value::Object(claims) = value { claims } else { Map::new() };
        Ok(caller(role, claims, is_anonymous))
    }

    /// The answer to a token that no key fits: as long as no key was ever fetched, it may well be a good one.
    fn answer(&self, error: TokenError) -> Failure {
        let is_unfetched = self.remote.as_ref().is_some_and(|(remote, _)| remote.keys().is_none());
        if matches!(error, TokenError::NoSuitableKey) && is_unfetched {
            return Failure::new(Kind::Unavailable, "PANDO503", "The keys that verify tokens could not be fetched yet")
                .with_retry_after(5);
        }
        error.into()
    }
}

/// As PostgREST answers a token where nothing is configured that could verify it.
fn no_keys() -> Failure {
    Failure::new(Kind::Internal, "PGRST300", "Server lacks JWT secret")
}

impl Inner {
    fn state(&self) -> Arc<State> {
        self.state.read().clone()
    }

    /// Verifies a token, and that its session was not signed out meanwhile.
    fn check(&self, state: &State, token: &[u8]) -> Result<Caller, TokenError> {
        let caller = self.verified(state, token)?;
        match caller.claims.object().get("session_id") {
            Some(Value::String(session)) if self.signed_out.contains(session) => {
                Err(TokenError::Refused(refused(SIGNED_OUT)))
            }
            _ => Ok(caller),
        }
    }

    /// Verifies a token, or recalls that it was verified.
    fn verified(&self, state: &State, token: &[u8]) -> Result<Caller, TokenError> {
        let rules = &state.rules;
        let now = self.clock.now().seconds();
        let name = fingerprint(token);
        if let Some(known) = self.cache.recall(&name, state.generation) {
            known.times.check(now, rules.config.leeway_seconds).map_err(TokenError::Refused)?;
            return Ok(known.caller);
        }
        let text = std::str::from_utf8(token)
            .map_err(|_| TokenError::Refused(undecodable("JWT cryptographic operation failed")))?;
        let payload = verify(text, &state.keys)?;
        let claims = parse_claims(&payload).map_err(TokenError::Refused)?;
        let times = rules.check_claims(&claims, now).map_err(TokenError::Refused)?;
        let caller = rules.caller(claims).map_err(TokenError::Refused)?;
        self.cache.remember(name, Remembered { caller: caller.clone(), times, generation: state.generation });
        Ok(caller)
    }

    /// Puts rules and their keys into use and forgets what others had verified.
    fn put(&self, rules: Arc<Rules>) {
        let mut state = self.state.write();
        *state = state.next(rules, state.own.clone());
        drop(state);
        self.cache.clear();
    }

    /// Puts other keys of Pando's own into use. What was verified with a key that is gone counts no more.
    fn put_own(&self, own: Arc<KeySet>) {
        let mut state = self.state.write();
        *state = state.next(state.rules.clone(), Some(own));
        drop(state);
        self.cache.clear();
    }

    /// Puts the keys that were fetched into use, unless another address is asked by now.
    fn refresh(&self, fetched: &Arc<Remote>) {
        let mut state = self.state.write();
        let rules = state.rules.clone();
        if rules.remote.as_ref().is_none_or(|(remote, _)| !Arc::ptr_eq(remote, fetched)) {
            return;
        }
        *state = state.next(rules, state.own.clone());
        drop(state);
        self.cache.clear();
    }

    /// Begins a fetch in the background unless the last one is younger than `gap`. True if one is under way.
    fn fetch(self: &Arc<Self>, gap: Duration) -> bool {
        let state = self.state();
        let Some((remote, runtime)) = &state.rules.remote else {
            return false;
        };
        match remote.take_turn(self.clock.monotonic(), gap) {
            Turn::Running => true,
            Turn::TooSoon => false,
            Turn::Mine => {
                let (inner, fetching) = (self.clone(), remote.clone());
                runtime.spawn(async move { inner.run_fetch(&fetching).await });
                true
            }
        }
    }

    async fn run_fetch(&self, remote: &Arc<Remote>) {
        let event = match remote.fetch().await {
            Ok(keys) => {
                let event = KeyEvent::Fetched { keys: keys.len(), skipped: keys.skipped.clone() };
                remote.finish(Some(Arc::new(keys)));
                self.refresh(remote);
                event
            }
            Err(reason) => {
                remote.finish(None);
                KeyEvent::FetchFailed { reason }
            }
        };
        if let Some(listener) = &self.listener {
            listener.tell(&event);
        }
        remote.announce();
    }

    /// After a token named a key nobody knows: waits for a fetch if one is under way or may begin now.
    async fn refreshed(self: &Arc<Self>) {
        let Some(mut ended) = self.state().rules.remote.as_ref().map(|(remote, _)| remote.subscribe()) else {
            return;
        };
        if self.fetch(MINIMUM_GAP) {
            // Too late is answered like an unknown key.
            let _too_late = tokio::time::timeout(FETCH_TIMEOUT, ended.changed()).await;
        }
    }
}

/// A caller whose claims say its role, as PostgREST puts it into `request.jwt.claims`.
fn caller(role: Arc<str>, mut claims: Map<String, Value>, is_anonymous: bool) -> Caller {
    claims.insert("role".to_owned(), Value::String(role.to_string()));
    Caller { role, claims: Arc::new(Claims::new(claims)), is_anonymous, key: None }
}

fn parse_claims(payload: &[u8]) -> Result<Map<String, Value>, Failure> {
    match strict_json::parse(payload) {
        Ok(Value::Object(claims)) => Ok(claims),
        _ => Err(refused("Parsing claims failed")),
    }
}

fn read_file(config: &IdentityConfig) -> Result<Option<KeySet>, IdentityError> {
    let Some(path) = &config.jwks_file else {
        return Ok(None);
    };
    let text = std::fs::read(path).map_err(|source| IdentityError::KeyFile { path: path.clone(), source })?;
    KeySet::from_json(&text)
        .map(Some)
        .map_err(|problem| IdentityError::KeySet { origin: path.display().to_string(), problem })
}
