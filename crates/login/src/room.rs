//! The room: what the login has in its hands, and which endpoint answers which request.

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Timestamp};
use http::{Method, StatusCode};
use identity::{Derivation, DerivedKey, Verifier};
use parking_lot::RwLock;
use serde_json::Value;
use service::{Answer, Body, Request, Summary};
use store::Store;
use telemetry::{LoginImpaired, MailSent, MailsDropped, SignIn, Telemetry};

use crate::api_keys::KeyKeeper;
use crate::captcha::Captcha;
use crate::defence::device;
use crate::error::{Outcome, Refusal};
use crate::even::evenly;
use crate::external::{self, Providers};
use crate::gate::Gate;
use crate::incoming::{Incoming, parameters, parts};
use crate::keys::{self, KeyRing};
use crate::mail::{Mailer, Post, Templates};
use crate::outgoing::Reply;
use crate::password::{PasswordError, Passwords};
use crate::records::Records;
use crate::{Settings, events, one_time, refresh};

/// How often a request is decided anew because somebody else changed the same rows.
const MOST_TRIES: u32 = 6;

/// What the login is made of.
pub struct Parts {
    /// What the operator decides.
    pub settings: Settings,
    /// What mails say.
    pub templates: Templates,
    /// Where accounts are.
    pub store: Arc<dyn Store>,
    /// Who verifies tokens: it is told of keys and of sessions that were signed out.
    pub verifier: Arc<Verifier>,
    /// Who looks after passwords.
    pub passwords: Arc<Passwords>,
    /// Who looks after API keys; `None` where there are none.
    pub api_keys: Option<Arc<KeyKeeper>>,
    /// Who bounds attempts.
    pub gate: Arc<dyn Gate>,
    /// Who asks whether somebody is a person; `None` where nobody does.
    pub captcha: Option<Captcha>,
    /// How long a device is known to an account that signed in there.
    pub device_lifetime: Duration,
    /// Who sends mail.
    pub mailer: Arc<dyn Mailer>,
    /// The secret that all others follow from.
    pub derivation: Derivation,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who is told what happens.
    pub telemetry: Arc<Telemetry>,
}

/// Answers requests for `/auth/v1`. Cheap to clone.
#[derive(Clone)]
pub struct Login {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) templates: Templates,
    pub(crate) records: Records,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) passwords: Arc<Passwords>,
    pub(crate) api_keys: Option<Arc<KeyKeeper>>,
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) captcha: Option<Captcha>,
    pub(crate) device_lifetime: Duration,
    pub(crate) post: Post,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) keys: RwLock<Arc<KeyRing>>,
    pub(crate) secrets: Secrets,
    pub(crate) providers: Providers,
}

/// The keys that follow from the secret.
pub(crate) struct Secrets {
    pub(crate) refresh: DerivedKey,
    pub(crate) one_time: DerivedKey,
    pub(crate) factors: DerivedKey,
    pub(crate) signing: DerivedKey,
    pub(crate) external: DerivedKey,
    pub(crate) devices: DerivedKey,
}

/// Why the login cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub String);

impl From<Refusal> for OpenError {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.inside.unwrap_or_else(|| refusal.message.into_owned()))
    }
}

impl Secrets {
    fn derive(derivation: &Derivation) -> Outcome<Self> {
        Ok(Self {
            refresh: derivation.key(refresh::PURPOSE)?,
            one_time: derivation.key(one_time::PURPOSE)?,
            factors: derivation.key("second factors")?,
            signing: derivation.key(keys::PURPOSE)?,
            external: derivation.key(external::PURPOSE)?,
            devices: derivation.key(device::PURPOSE)?,
        })
    }
}

/// Whether a client of Supabase would sign its user out where the request is answered 429 (auth-js: only of errors that it
/// takes for passing ones, 5xx among them, it tries again).
pub fn is_refresh(request: &Request) -> bool {
    // As the router reads it.
    let grants = parameters(&request.query);
    let grant = grants.iter().find(|(name, _)| name == "grant_type").map(|(_, value)| value.as_str());
    grant == Some("refresh_token") && parts(&request.path) == ["token"]
}

/// Whether browsers are led here by a link or by another provider, or anybody asks for what is public: no API key is asked for. As at the
/// gateway before GoTrue.
pub fn is_open(request: &Request) -> bool {
    let open = [
        "/verify",
        "/authorize",
        "/callback",
        "/health",
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
    ];
    let path = request.path.trim_end_matches('/');
    request.method == Method::OPTIONS
        || (request.method == Method::GET && open.contains(&path))
        || (request.method == Method::POST && path == "/callback")
}

impl Login {
    /// Opens the login over a database that has its tables: makes the first signing key where there is none, and puts the keys
    /// and the signed-out sessions to the verifier. Has to be called inside the asynchronous runtime.
    ///
    /// # Errors
    /// What the database met, or keys that were encrypted with another secret.
    pub async fn open(parts: Parts) -> Result<Self, OpenError> {
        let secrets = Secrets::derive(&parts.derivation)?;
        let records = Records { store: parts.store };
        let now = parts.clock.now();
        let kept = keys::ensure(&records, &secrets.signing, now).await?;
        let ring = KeyRing::open(kept, &secrets.signing, now)?;
        parts.verifier.use_own_keys(&ring.public()?).map_err(Refusal::from)?;
        parts.verifier.sign_out(records.revoked_since(Timestamp(0), now).await?);
        let telemetry = parts.telemetry.clone();
        let listener = Arc::new(move |kind: crate::mail::MailKind, outcome: Result<(), &crate::mail::MailError>| {
            let problem = outcome.err();
            let (reason, code) = (problem.map(|error| error.reason), problem.and_then(|error| error.code));
            telemetry.report(&MailSent { mail: kind.name(), is_sent: problem.is_none(), reason, code });
        });
        let inner = Inner {
            providers: Providers::open(&parts.settings.providers, &parts.clock)?,
            settings: parts.settings,
            templates: parts.templates,
            records,
            verifier: parts.verifier,
            passwords: parts.passwords,
            api_keys: parts.api_keys,
            gate: parts.gate,
            captcha: parts.captcha,
            device_lifetime: parts.device_lifetime,
            post: Post::open(parts.mailer, listener),
            clock: parts.clock,
            telemetry: parts.telemetry,
            keys: RwLock::new(Arc::new(ring)),
            secrets,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens the file of leaked passwords again, or another one; `None` is for none. It counts once what is given back is called.
    ///
    /// # Errors
    /// If it is not usable; the one before stays in use.
    pub fn reopen_leaked(&self, path: Option<&std::path::Path>) -> Result<impl FnOnce() + use<'_>, PasswordError> {
        self.inner.passwords.reopen_leaked(path)
    }

    /// Waits until the mails that wait are sent, for so long at most; what is not sent then is said. Nothing is posted after it.
    pub async fn close(&self, within: Duration) {
        let mails = self.inner.post.close(within).await;
        if mails > 0 {
            self.inner.telemetry.report(&MailsDropped { mails });
        }
    }

    /// Answers a request whose path begins below `/auth/v1`. A refusal is an answer too: this never fails.
    pub async fn answer(&self, request: Request) -> Answer {
        let asked = events::Asked::of(&request);
        asked.during(self.answer_asked(request)).await
    }

    async fn answer_asked(&self, request: Request) -> Answer {
        let Request { method, path, query, headers, body, client, trace, .. } = request;
        let is_versioned = Incoming::is_versioned(&headers);
        let mut incoming = Incoming {
            method,
            path: parts(&path),
            query: parameters(&query),
            headers,
            body,
            address: client.address,
            is_again: false,
        };
        let endpoint = Endpoint::of(&incoming);
        let mut outcome = self.inner.run(endpoint, &incoming).await;
        for _ in 1..MOST_TRIES {
            if !matches!(&outcome, Err(refusal) if refusal.is_missed) {
                break;
            }
            incoming.is_again = true;
            outcome = self.inner.run(endpoint, &incoming).await;
        }
        let mut summary = Summary { route: endpoint.route(), ..Summary::default() };
        if let Some(action) = endpoint.action(&incoming) {
            let outcome = outcome.as_ref().map_or_else(|refusal| refusal.code, |_| "done");
            self.inner.telemetry.report(&SignIn { action, outcome });
        }
        let reply = outcome.unwrap_or_else(|refusal| {
            summary.error_code = Some(refusal.code.to_owned());
            summary.inside.clone_from(&refusal.inside);
            Reply::refusal(&refusal, is_versioned)
        });
        Answer {
            status: reply.status,
            reason: None,
            headers: reply.headers,
            body: Body::Full(reply.body),
            summary,
            trace,
        }
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Health,
    Settings,
    Keys,
    Discovery,
    Signup,
    Token,
    Verify,
    Otp,
    Recover,
    Resend,
    Reauthenticate,
    User,
    Logout,
    Factors,
    Invite,
    AdminUsers,
    AdminKeys,
    AdminSigningKeys,
    AdminLink,
    Authorize,
    Callback,
    Sso,
    Linking,
    Unknown,
}

impl Endpoint {
    fn of(incoming: &Incoming) -> Self {
        let parts: Vec<&str> = incoming.path.iter().map(String::as_str).collect();
        match (&incoming.method, parts.as_slice()) {
            (&Method::GET, ["health"]) => Self::Health,
            (&Method::GET, ["settings"]) => Self::Settings,
            (&Method::GET, [".well-known", "jwks.json"]) => Self::Keys,
            (&Method::GET, [".well-known", "openid-configuration"]) => Self::Discovery,
            (&Method::POST, ["signup"]) => Self::Signup,
            (&Method::POST, ["token"]) => Self::Token,
            (&Method::GET | &Method::POST, ["verify"]) => Self::Verify,
            (&Method::POST, ["otp" | "magiclink"]) => Self::Otp,
            (&Method::POST, ["recover"]) => Self::Recover,
            (&Method::POST, ["resend"]) => Self::Resend,
            (&Method::GET, ["reauthenticate"]) => Self::Reauthenticate,
            (&Method::GET | &Method::PUT, ["user"]) => Self::User,
            (&Method::POST, ["logout"]) => Self::Logout,
            (_, ["factors", ..]) => Self::Factors,
            (&Method::POST, ["invite"]) => Self::Invite,
            (_, ["admin", "users", ..]) => Self::AdminUsers,
            (_, ["admin", "api-keys", ..]) => Self::AdminKeys,
            (_, ["admin", "signing-keys", ..]) => Self::AdminSigningKeys,
            (&Method::POST, ["admin", "generate_link"]) => Self::AdminLink,
            (&Method::GET, ["authorize"]) => Self::Authorize,
            (&Method::GET | &Method::POST, ["callback"]) => Self::Callback,
            (_, ["sso", ..] | ["admin", "sso", ..]) => Self::Sso,
            (_, ["user", "identities", ..]) => Self::Linking,
            _ => Self::Unknown,
        }
    }

    /// The route in logs and metrics.
    fn route(self) -> &'static str {
        match self {
            Self::Health => "/auth/v1/health",
            Self::Settings => "/auth/v1/settings",
            Self::Keys => "/auth/v1/.well-known/jwks.json",
            Self::Discovery => "/auth/v1/.well-known/openid-configuration",
            Self::Signup => "/auth/v1/signup",
            Self::Token => "/auth/v1/token",
            Self::Verify => "/auth/v1/verify",
            Self::Otp => "/auth/v1/otp",
            Self::Recover => "/auth/v1/recover",
            Self::Resend => "/auth/v1/resend",
            Self::Reauthenticate => "/auth/v1/reauthenticate",
            Self::User => "/auth/v1/user",
            Self::Logout => "/auth/v1/logout",
            Self::Factors => "/auth/v1/factors",
            Self::Invite => "/auth/v1/invite",
            Self::AdminUsers => "/auth/v1/admin/users",
            Self::AdminKeys => "/auth/v1/admin/api-keys",
            Self::AdminSigningKeys => "/auth/v1/admin/signing-keys",
            Self::AdminLink => "/auth/v1/admin/generate_link",
            Self::Authorize => "/auth/v1/authorize",
            Self::Callback => "/auth/v1/callback",
            Self::Sso => "/auth/v1/sso",
            Self::Linking => "/auth/v1/user/identities",
            Self::Unknown => "/auth/v1/",
        }
    }

    /// What an operator counts it as; `None` where nobody signs in or tries to.
    fn action(self, incoming: &Incoming) -> Option<&'static str> {
        Some(match self {
            Self::Signup => "signup",
            Self::Token => match incoming.parameter("grant_type") {
                Some("password") => "password",
                Some("refresh_token") => "refresh",
                Some("pkce") => "pkce",
                Some("id_token") => "id_token",
                _ => "token",
            },
            Self::Verify => "verify",
            Self::Otp => "otp",
            Self::Recover => "recover",
            Self::Logout => "logout",
            Self::Factors if incoming.path.last().is_some_and(|last| last == "verify") => "second_factor",
            _ => return None,
        })
    }
}

impl Inner {
    /// The moment.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// When the last access token that is made now expires.
    pub(crate) fn expiry(&self, now: Timestamp) -> Timestamp {
        keys::later(now, self.settings.access_token.saturating_add(Duration::from_secs(60)))
    }

    async fn run(&self, endpoint: Endpoint, incoming: &Incoming) -> Outcome<Reply> {
        match endpoint {
            Endpoint::Health => Ok(self.health()),
            Endpoint::Settings => Ok(self.public_settings()),
            Endpoint::Keys => self.key_set(),
            Endpoint::Discovery => Ok(self.discovery()),
            Endpoint::Signup => self.signup(incoming).await,
            Endpoint::Token => self.token(incoming).await,
            Endpoint::Verify if incoming.method == Method::GET => self.verify_link(incoming).await,
            Endpoint::Verify => self.verify(incoming).await,
            Endpoint::Otp => evenly(self.otp(incoming)).await,
            Endpoint::Recover => evenly(self.recover(incoming)).await,
            Endpoint::Resend => evenly(self.resend(incoming)).await,
            Endpoint::Reauthenticate => self.reauthenticate(incoming).await,
            Endpoint::User if incoming.method == Method::GET => self.user(incoming).await,
            Endpoint::User => self.change_user(incoming).await,
            Endpoint::Logout => self.logout(incoming).await,
            Endpoint::Factors => self.factors(incoming).await,
            Endpoint::Invite => self.invite(incoming).await,
            Endpoint::AdminUsers => self.admin_users(incoming).await,
            Endpoint::AdminKeys => self.admin_keys(incoming).await,
            Endpoint::AdminSigningKeys => self.admin_signing_keys(incoming).await,
            Endpoint::AdminLink => self.generate_link(incoming).await,
            Endpoint::Authorize => self.authorize(incoming).await,
            Endpoint::Callback => self.callback(incoming).await,
            Endpoint::Sso => Err(Refusal::not_found("saml_provider_disabled", "SAML 2.0 is disabled")),
            Endpoint::Linking => self.identities(incoming).await,
            Endpoint::Unknown => Err(unknown(incoming)),
        }
    }

    /// Tells the operator what the login goes on without.
    pub(crate) fn impaired(&self, reason: &'static str) {
        self.telemetry.report(&LoginImpaired { reason });
    }

    /// Signs sessions out on this node, at once; the other nodes follow within a second.
    pub(crate) fn forget(&self, revoked: Option<&store::OwnAnswer>) -> Outcome<()> {
        if let Some(revoked) = revoked {
            self.verifier.sign_out(crate::records::sessions::revoked(revoked)?);
        }
        Ok(())
    }
}

/// Nothing is at this place.
pub(crate) fn unknown(incoming: &Incoming) -> Refusal {
    let message = format!("Nothing answers {} here: /auth/v1 speaks GoTrue's protocol", incoming.method);
    Refusal::new(StatusCode::NOT_FOUND, "validation_failed", message)
}

/// A member of a JSON object, for bodies that are put together.
pub(crate) fn put(body: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(members) = body {
        members.insert(name.to_owned(), value.into());
    }
}
