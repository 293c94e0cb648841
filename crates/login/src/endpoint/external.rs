//! `authorize` and `callback`: to another provider, and back.

use base::Timestamp;
use store::OwnStep;
use telemetry::{ProviderFailed, SignIn};
use url::Url;

use super::told;
use crate::error::{Outcome, Refusal};
use crate::external::{Begun, Brought, Link, MOST_SCOPES, Nonce, Profile, Provider, ProviderError, is_scope, word};
use crate::gate::AttemptKind;
use crate::incoming::{Incoming, Pkce, parameters};
use crate::keys::later;
use crate::outgoing::Reply;
use crate::records::flows;
use crate::room::Inner;
use crate::settings::AWAY;
use crate::{chance, one_time, redirect};

/// What of a request is for us, and not passed on.
const OURS: [&str; 7] =
    ["provider", "redirect_to", "scopes", "code_challenge", "code_challenge_method", "skip_http_redirect", "apikey"];

/// What we say to a provider, and nobody else says for us.
const FIXED: [&str; 14] = [
    "client_id",
    "client_secret",
    "response_type",
    "response_mode",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "request",
    "request_uri",
    "registration",
    "id_token_hint",
    "code_verifier",
    "invite_token",
];

/// The most parameters that are passed on, and the most bytes of one.
const MOST_PARAMETERS: usize = 20;
const MOST_PARAMETER_BYTES: usize = 1_024;

/// The longest description of an error that is passed on from a provider.
const MOST_DESCRIPTION: usize = 300;

impl Inner {
    /// `authorize`
    pub(crate) async fn authorize(&self, incoming: &Incoming) -> Outcome<Reply> {
        Reply::redirect(&self.way_out(incoming, None).await?)
    }

    /// Where the browser goes to sign in elsewhere. Nothing is written: the state tells how it began.
    pub(crate) async fn way_out(&self, incoming: &Incoming, link: Option<Link>) -> Outcome<Url> {
        let name = incoming.parameter("provider").unwrap_or_default();
        let provider = self.providers.get(name)?;
        let given = |name: &str| incoming.parameter(name).filter(|value| !value.is_empty());
        let pkce = Pkce::read(given("code_challenge"), given("code_challenge_method"))?.ok_or_else(|| {
            Refusal::invalid(
                "Signing in with other providers needs PKCE (code_challenge and code_challenge_method): create the client \
                 with flowType 'pkce'",
            )
        })?;
        let scopes = scopes(provider, incoming.parameter("scopes").unwrap_or_default())?;
        let further = further(incoming)?;
        let begun = Begun {
            id: chance::uuid()?,
            provider: provider.settings.name.clone(),
            place: redirect::place(incoming.destination(), &self.settings).into(),
            pkce,
            link,
            ends: later(self.now(), AWAY),
        };
        let document = provider.document().await.map_err(|error| self.failed(provider, &error))?;
        let key = &self.secrets.external;
        let mut way = document.authorization.clone();
        let mut pairs = way.query_pairs_mut();
        pairs
            .append_pair("response_type", "code")
            .append_pair("client_id", &provider.settings.client_id)
            .append_pair("redirect_uri", &self.callback_address())
            .append_pair("scope", &scopes)
            .append_pair("state", &begun.seal(key)?)
            .append_pair("nonce", &begun.nonce(key))
            .append_pair("code_challenge", &begun.challenge(key))
            .append_pair("code_challenge_method", "S256");
        if provider.settings.posts_answer() {
            pairs.append_pair("response_mode", "form_post");
        }
        pairs.extend_pairs(further);
        drop(pairs);
        Ok(way)
    }

    /// Where providers lead back to: the one address that is registered with them.
    fn callback_address(&self) -> String {
        format!("{}/callback", self.settings.external_url)
    }

    /// `callback`: whatever comes of it, the browser is led on.
    pub(crate) async fn callback(&self, incoming: &Incoming) -> Outcome<Reply> {
        let given = match incoming.method {
            http::Method::POST => parameters(std::str::from_utf8(&incoming.body).unwrap_or_default()),
            _ => incoming.query.clone(),
        };
        let given = Callback(given);
        let now = self.now();
        let begun = Begun::open(given.text("state").unwrap_or_default(), &self.secrets.external, now);
        let place = redirect::place(begun.as_ref().map(|begun| begun.place.as_str()), &self.settings);
        let outcome = match &begun {
            Some(begun) => self.come_back(incoming, &given, begun, now).await,
            None => Err(no_state(given.text("state").is_some())),
        };
        let refusal = match outcome {
            Ok(code) => {
                let mut place = place;
                place.query_pairs_mut().append_pair("code", &code);
                self.telemetry.report(&SignIn { action: "callback", outcome: "done" });
                return Reply::redirect(&place);
            }
            Err(refusal) if refusal.is_missed => return Err(refusal),
            Err(refusal) => refusal,
        };
        self.telemetry.report(&SignIn { action: "callback", outcome: refusal.code });
        match given.refusal() {
            // The provider's own words, as GoTrue passes them on; only where the state says that somebody asked it.
            Some((error, description)) if begun.is_some() => Reply::redirect(&refused(place, error, &description)),
            _ => Reply::redirect(&told(place, &refusal, true)),
        }
    }

    /// Takes what the provider says of somebody; gives the code that who began ends it with.
    async fn come_back(&self, incoming: &Incoming, given: &Callback, begun: &Begun, now: Timestamp) -> Outcome<String> {
        let provider = self.providers.get(&begun.provider)?;
        incoming.enter(&*self.gate, AttemptKind::Code, None).await?;
        if given.refusal().is_some() {
            return Err(Refusal::bad_request("bad_oauth_callback", "The provider refused"));
        }
        let document = provider.document().await.map_err(|error| self.failed(provider, &error))?;
        // Somebody else's answer must not reach this provider, nor its code somebody else (RFC 9207).
        match given.text("iss") {
            Some(issuer) if issuer == provider.settings.issuer => {}
            None if !document.names_itself => {}
            _ => return Err(Refusal::bad_request("bad_oauth_callback", "OAuth callback from another issuer")),
        }
        let code = given
            .text("code")
            .ok_or_else(|| Refusal::bad_request("bad_oauth_callback", "OAuth callback without a code"))?;
        self.records.write(vec![flows::come_back(begun, one_time::hash(&chance::uuid()?), now)]).await?;
        let key = &self.secrets.external;
        let failed = |error| self.failed(provider, &error);
        let exchanged = provider.exchange(&document, code, &begun.verifier(key), &self.callback_address()).await;
        let granted = exchanged.map_err(failed)?;
        let (nonce, access_token) = (begun.nonce(key), granted.access_token.as_deref());
        let proof = (Nonce::Exactly(&nonce), access_token);
        let verified = provider.verify(&document, &granted.id_token, proof, &[]).await;
        let (subject, mut claims) = verified.map_err(failed)?;
        provider.complete(&document, access_token, &subject, &mut claims).await.map_err(failed)?;
        let brought = Brought {
            provider: begun.provider.clone(),
            profile: Profile::of(&provider.settings, &subject, &claims),
            link: begun.link.clone(),
            access_token: granted.access_token,
            refresh_token: granted.refresh_token,
        };
        // What would be refused at the end is told now, when the application can still say why.
        self.foresee(&brought).await?;
        let code = chance::uuid()?;
        let sealed = brought.seal(&begun.id, key)?;
        let step: OwnStep = flows::bring(&begun.id, one_time::hash(&code), sealed, self.now());
        self.records.write(vec![step]).await?;
        Ok(code)
    }

    /// What a client is told of a provider that failed, and the log more.
    pub(crate) fn failed(&self, provider: &Provider, error: &ProviderError) -> Refusal {
        let name = provider.settings.name.as_str();
        self.telemetry.report(&ProviderFailed { provider: name, error: error.inside() });
        let mut refusal = match error {
            ProviderError::Silent(_) => Refusal {
                retry_after: Some(10),
                ..Refusal::new(
                    http::StatusCode::SERVICE_UNAVAILABLE,
                    "unexpected_failure",
                    format!("The provider {name} cannot be asked now; please try again in a moment"),
                )
            },
            ProviderError::Refused(_) => Refusal::bad_request("bad_oauth_callback", "Unable to exchange external code"),
            ProviderError::Untrue(problem) => {
                Refusal::bad_request("bad_oauth_callback", format!("Bad ID token: {problem}"))
            }
        };
        refusal.inside = Some(error.inside().to_owned());
        refusal
    }
}

/// What came with a callback.
struct Callback(Vec<(String, String)>);

impl Callback {
    fn text(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(known, _)| known == name);
        let value = named.next().map(|(_, value)| value.as_str()).filter(|value| !value.is_empty());
        // Twice is once too often: which one was meant?
        if named.next().is_some() { None } else { value }
    }

    /// What the provider says instead of a code (RFC 6749 section 4.1.2.1).
    fn refusal(&self) -> Option<(&str, String)> {
        let error = self.text("error")?;
        let description = self.text("error_description").unwrap_or_default().chars();
        let description = description.filter(|letter| !letter.is_control()).take(MOST_DESCRIPTION).collect();
        Some((word(error).unwrap_or("server_error"), description))
    }
}

fn no_state(is_there: bool) -> Refusal {
    match is_there {
        true => Refusal::bad_request("bad_oauth_state", "OAuth callback with invalid state: begin again"),
        false => Refusal::bad_request("bad_oauth_callback", "OAuth state parameter missing"),
    }
}

/// The place, told in the provider's words what went wrong.
fn refused(mut place: Url, error: &str, description: &str) -> Url {
    let pairs = [("error", error), ("error_code", "bad_oauth_callback"), ("error_description", description)];
    place.query_pairs_mut().extend_pairs(pairs);
    let encoded = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    place.set_fragment(Some(&encoded));
    place
}

/// `openid`, what the operator asks for, and what the request does.
fn scopes(provider: &Provider, asked: &str) -> Outcome<String> {
    let mut all = vec!["openid"];
    let asked = asked.split([' ', ',']).filter(|scope| !scope.is_empty());
    for scope in provider.settings.scopes.iter().map(String::as_str).chain(asked) {
        if !is_scope(scope) {
            return Err(Refusal::invalid("scopes has to be a list of scopes with spaces between them"));
        }
        if !all.contains(&scope) {
            all.push(scope);
        }
    }
    if all.len() > MOST_SCOPES {
        return Err(Refusal::invalid(format!("At most {MOST_SCOPES} scopes can be asked for")));
    }
    Ok(all.join(" "))
}

/// What the request says to the provider: `prompt`, `login_hint`, `access_type`…
fn further(incoming: &Incoming) -> Outcome<Vec<(&str, &str)>> {
    let mut further: Vec<(&str, &str)> = Vec::new();
    for (name, value) in &incoming.query {
        if OURS.contains(&name.as_str()) || name.is_empty() {
            continue;
        }
        if FIXED.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Refusal::invalid(format!("The query parameter {name} is set by this server")));
        }
        if name.len() + value.len() > MOST_PARAMETER_BYTES || further.len() == MOST_PARAMETERS {
            return Err(Refusal::invalid(format!(
                "At most {MOST_PARAMETERS} query parameters of {MOST_PARAMETER_BYTES} bytes are passed on to a provider"
            )));
        }
        further.push((name, value));
    }
    Ok(further)
}
