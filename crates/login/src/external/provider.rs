use std::sync::Arc;
use std::time::{Duration, Instant};

use base::Clock;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use identity::{IssuerKeys, IssuerTokenError};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use url::Url;

use super::http::ask;
use super::id_token::{self, Expected, Nonce};
use super::settings::{ProviderSettings, is_loopback, is_safe};
use crate::error::{Outcome, Refusal};

/// How long the provider's document counts.
const DOCUMENT_AGE: Duration = Duration::from_secs(3_600);

/// After how long a provider is asked again whose document could not be read.
const RETRY: Duration = Duration::from_secs(10);

/// The most bytes of one of its tokens: they come back in an answer, and are kept with the flow until then.
const MOST_TOKEN_BYTES: usize = 16 * 1024;

/// A provider, and what it says of itself.
pub(crate) struct Provider {
    pub(crate) settings: ProviderSettings,
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
    /// Locked while it is asked, so that of many who want to know one asks.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    document: Option<(Arc<Document>, Instant)>,
    /// Why the last try came to nothing.
    failed: Option<(String, Instant)>,
}

impl Known {
    /// What is said now; `None` where it is to be asked first.
    fn answer(&self, now: Instant) -> Option<Result<Arc<Document>, ProviderError>> {
        let is_within = |at: &Instant, age| now.saturating_duration_since(*at) < age;
        if let Some((document, at)) = &self.document
            && is_within(at, DOCUMENT_AGE)
        {
            return Some(Ok(document.clone()));
        }
        let (problem, _) = self.failed.as_ref().filter(|(_, at)| is_within(at, RETRY))?;
        Some(self.former().ok_or_else(|| ProviderError::Silent(problem.clone())))
    }

    fn former(&self) -> Option<Arc<Document>> {
        self.document.as_ref().map(|(document, _)| document.clone())
    }
}

/// What a provider says of itself (OpenID Connect Discovery 1.0 section 3), as far as it is used.
pub(crate) struct Document {
    pub(crate) authorization: Url,
    token: Url,
    userinfo: Option<Url>,
    keys_url: Url,
    keys: Arc<IssuerKeys>,
    /// Whether its answers name it (RFC 9207 section 3).
    pub(crate) names_itself: bool,
    /// Whether it takes our secret in the header only, or in the form.
    takes_basic: bool,
}

/// What a provider gives for a code.
pub(crate) struct Granted {
    pub(crate) id_token: String,
    pub(crate) access_token: Option<String>,
    pub(crate) refresh_token: Option<String>,
}

/// Why a provider's word is none.
#[derive(Debug)]
pub(crate) enum ProviderError {
    /// It cannot be asked, or answers nonsense. It may be better later.
    Silent(String),
    /// It says no.
    Refused(String),
    /// It says yes, and is not believed.
    Untrue(String),
}

impl ProviderError {
    /// What happened, for the log.
    pub(crate) fn inside(&self) -> &str {
        match self {
            Self::Silent(text) | Self::Refused(text) | Self::Untrue(text) => text,
        }
    }
}

impl Provider {
    /// Makes it ready; nothing is sent yet.
    pub(crate) fn open(settings: ProviderSettings, clock: Arc<dyn Clock>) -> Outcome<Self> {
        settings.check().map_err(|error| Refusal::internal(format!("the provider {} {error}", settings.name)))?;
        let client = identity::outgoing_client().map_err(Refusal::internal)?;
        Ok(Self { settings, client, clock, known: Mutex::default(), asking: tokio::sync::Mutex::default() })
    }

    /// What it says of itself: as it was read within the hour, or read now. One that could be read once stays known, and is what
    /// is said while it is read again. It is read by a task of its own, so that those who go away leave what they asked for.
    pub(crate) async fn document(self: &Arc<Self>) -> Result<Arc<Document>, ProviderError> {
        let now = self.clock.monotonic();
        let former = {
            let known = self.known.lock();
            if let Some(answer) = known.answer(now) {
                return answer;
            }
            known.former()
        };
        if let Some(former) = &former
            && self.asking.try_lock().is_err()
        {
            return Ok(former.clone());
        }
        let provider = self.clone();
        let reading = tokio::spawn(async move { provider.read_again().await });
        match former {
            Some(former) => Ok(former),
            None => {
                let ended = || ProviderError::Silent("the task that asks it has ended".to_owned());
                reading.await.unwrap_or_else(|_| Err(ended()))
            }
        }
    }

    /// Asks it, unless somebody else has done so meanwhile.
    async fn read_again(&self) -> Result<Arc<Document>, ProviderError> {
        let _asking = self.asking.lock().await;
        let former = {
            let known = self.known.lock();
            if let Some(answer) = known.answer(self.clock.monotonic()) {
                return answer;
            }
            known.former()
        };
        let read = self.read_document(former.as_deref()).await;
        let now = self.clock.monotonic();
        let mut known = self.known.lock();
        match read {
            Ok(document) => {
                let document = Arc::new(document);
                *known = Known { document: Some((document.clone(), now)), failed: None };
                Ok(document)
            }
            Err(problem) => {
                known.failed = Some((problem.clone(), now));
                former.ok_or(ProviderError::Silent(problem))
            }
        }
    }

    async fn read_document(&self, former: Option<&Document>) -> Result<Document, String> {
        let issuer = &self.settings.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let answered = ask(self.client.get(url)).await.and_then(super::http::Answered::object);
        let said = answered.map_err(|problem| format!(".well-known/openid-configuration: {problem}"))?;
        if said.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(".well-known/openid-configuration names another issuer".to_owned());
        }
        let allows_loopback = Url::parse(issuer).is_ok_and(|url| is_loopback(&url));
        let address = |name: &'static str| match said.get(name).and_then(Value::as_str) {
            None => Ok(None),
            Some(text) => match Url::parse(text).ok().filter(|url| is_safe(url, allows_loopback)) {
                Some(url) => Ok(Some(url)),
                None => Err(format!("its {name} is no https:// address")),
            },
        };
        let needed = |name| address(name)?.ok_or_else(|| format!("it has no {name}"));
        let keys_url = needed("jwks_uri")?;
        let keys = match former.filter(|former| former.keys_url == keys_url) {
            Some(former) => former.keys.clone(),
            None => {
                let opened = IssuerKeys::open(keys_url.as_str(), self.clock.clone());
                Arc::new(opened.map_err(|error| error.to_string())?)
            }
        };
        // Section 3 of OpenID Connect Discovery: where nothing is said, the header.
        let methods = said.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
        let takes_basic = methods.is_none_or(|all| all.iter().any(|one| one == "client_secret_basic"));
        Ok(Document {
            authorization: needed("authorization_endpoint")?,
            token: needed("token_endpoint")?,
            userinfo: address("userinfo_endpoint")?,
            keys_url,
            keys,
            names_itself: said.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
            takes_basic,
        })
    }

    /// What it gives for a code (RFC 6749 section 4.1.3, with RFC 7636).
    pub(crate) async fn exchange(
        &self,
        document: &Document,
        code: &str,
        verifier: &str,
        redirect_uri: &str,
    ) -> Result<Granted, ProviderError> {
        let mut request =
            self.client.post(document.token.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(secret) = self.settings.client_secret.as_ref().filter(|_| document.takes_basic) {
            request = request.header(AUTHORIZATION, basic(&self.settings.client_id, secret.expose())?);
        }
        let form = self.form(document, [("code", code), ("code_verifier", verifier), ("redirect_uri", redirect_uri)]);
        let answered = ask(request.body(form)).await.map_err(|problem| silent("token_endpoint", &problem))?;
        let is_refusal = (400..500).contains(&answered.status);
        let said = answered.object().map_err(|problem| match is_refusal {
            true => ProviderError::Refused(format!("token_endpoint: {problem}")),
            false => silent("token_endpoint", &problem),
        })?;
        let token = |name: &str| {
            let text = said.get(name).and_then(Value::as_str);
            text.filter(|text| (1..=MOST_TOKEN_BYTES).contains(&text.len()) && !text.contains('\0')).map(str::to_owned)
        };
        let missing = || ProviderError::Untrue("token_endpoint: the answer has no id_token".to_owned());
        Ok(Granted {
            id_token: token("id_token").ok_or_else(missing)?,
            access_token: token("access_token"),
            refresh_token: token("refresh_token"),
        })
    }

    /// What is posted for a code; with who we are, where the header does not say it.
    fn form(&self, document: &Document, pairs: [(&str, &str); 3]) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code").extend_pairs(pairs);
        let secret = self.settings.client_secret.as_ref();
        if secret.is_none() || !document.takes_basic {
            form.append_pair("client_id", &self.settings.client_id);
        }
        if let Some(secret) = secret.filter(|_| !document.takes_basic) {
            form.append_pair("client_secret", secret.expose());
        }
        form.finish()
    }

    /// Verifies an ID token; gives its subject and its claims. `audiences` are those besides ourselves.
    pub(crate) async fn verify(
        &self,
        document: &Document,
        token: &str,
        (nonce, access_token): (Nonce<'_>, Option<&str>),
        audiences: &[String],
    ) -> Result<(String, Map<String, Value>), ProviderError> {
        let claims = document.keys.verify(token).await.map_err(|error| match error {
            IssuerTokenError::NoKeys(_) => ProviderError::Silent(error.to_string()),
            IssuerTokenError::Refused(problem) => ProviderError::Untrue(problem),
        })?;
        let audiences = std::iter::once(&self.settings.client_id).chain(audiences);
        let expected = Expected {
            issuer: &self.settings.issuer,
            audiences: audiences.map(String::as_str).collect(),
            nonce,
            needs_nonce: !self.settings.skip_nonce_check,
            access_token,
            now: self.clock.now().seconds(),
        };
        let subject =
            id_token::check(&claims, &expected).map_err(|problem| ProviderError::Untrue(problem.to_owned()))?;
        Ok((subject, claims))
    }

    /// Adds what the provider tells only who asks with an access token (OpenID Connect Core 1.0 section 5.3): the address,
    /// where the ID token has none.
    pub(crate) async fn complete(
        &self,
        document: &Document,
        access_token: Option<&str>,
        subject: &str,
        claims: &mut Map<String, Value>,
    ) -> Result<(), ProviderError> {
        let (Some(url), Some(token)) = (&document.userinfo, access_token) else { return Ok(()) };
        if claims.contains_key(&self.settings.email_claim) {
            return Ok(());
        }
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| ProviderError::Untrue("its access token is no header".to_owned()))?;
        value.set_sensitive(true);
        let answered = ask(self.client.get(url.clone()).header(AUTHORIZATION, value)).await;
        let said = answered
            .and_then(super::http::Answered::object)
            .map_err(|problem| silent("userinfo_endpoint", &problem))?;
        if said.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(ProviderError::Untrue("userinfo_endpoint: it tells of somebody else (sub)".to_owned()));
        }
        for (name, value) in said {
            claims.entry(name).or_insert(value);
        }
        Ok(())
    }
}

fn silent(where_: &str, problem: &str) -> ProviderError {
    ProviderError::Silent(format!("{where_}: {problem}"))
}

/// Our name and secret as a header (RFC 6749 section 2.3.1): both encoded as in a form first.
fn basic(id: &str, secret: &str) -> Result<HeaderValue, ProviderError> {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let text = format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))));
    let mut value =
        HeaderValue::try_from(text).map_err(|_| ProviderError::Silent("the secret is no header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
