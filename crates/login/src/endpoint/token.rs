//! `token`: a password, a refresh token or the code of a flow becomes a session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::error::{Outcome, Refusal};
use crate::gate::AttemptKind;
use crate::incoming::Incoming;
use crate::outgoing::Reply;
use crate::records::flows::{EXTERNAL, Flow};
use crate::refresh::same;
use crate::room::Inner;
use crate::session::is_banned;
use crate::settings::FLOW;

impl Inner {
    /// `token`
    pub(crate) async fn token(&self, incoming: &Incoming) -> Outcome<Reply> {
        match incoming.parameter("grant_type") {
            Some("password") => self.password(incoming).await,
            Some("refresh_token") => self.refresh(incoming).await,
            Some("pkce") => self.exchange(incoming).await,
            Some("id_token") => self.by_id_token(incoming).await,
            Some("web3") => Err(Refusal::disabled("web3_provider_disabled", "Web3 provider is disabled")),
            _ => Err(Refusal::bad_request("invalid_credentials", "unsupported_grant_type")),
        }
    }

    /// `token?grant_type=password`
    async fn password(&self, incoming: &Incoming) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        fields.refuse_phone("Phone logins are disabled")?;
        let given = fields.email("email").ok().flatten();
        let (Some(email), Some(password)) = (given, fields.password()?) else { return Err(wrong_credentials()) };
        let (found, verdict) = self.guess(incoming, &fields, &email, &password).await?;
        let Some(mut user) = found.filter(|_| verdict.is_right) else { return Err(wrong_credentials()) };
        let now = self.now();
        if is_banned(&user, now) {
            return Err(Refusal::bad_request("user_banned", "User is banned"));
        }
        if user.email_confirmed_at.is_none() {
            return Err(Refusal::bad_request("email_not_confirmed", "Email not confirmed"));
        }
        let (session, begin) = self.begin(&mut user, "password", incoming, now)?;
        let mut steps = vec![user.signed_in_by_password(now)];
        steps.extend(begin);
        let rehash = verdict.rehash;
        steps.extend(rehash.clone().map(|hash| user.rehashed(hash)));
        self.records.write(steps).await?;
        user.password = rehash.or(user.password);
        self.remember(incoming, &user, Reply::json(&self.tokens(&user, &session, now)?)).await
    }

    /// `token?grant_type=pkce`
    async fn exchange(&self, incoming: &Incoming) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        let (Some(code), Some(proof)) = (fields.text("auth_code")?, fields.text("code_verifier")?) else {
            return Err(Refusal::invalid("invalid request: both auth code and code verifier should be non-empty"));
        };
        incoming.enter(&*self.gate, AttemptKind::Code, None).await?;
        let none = || Refusal::not_found("flow_state_not_found", "invalid flow state, no valid flow state found");
        let flow = self.records.flow(&crate::one_time::hash(code)).await?.ok_or_else(none)?;
        let now = self.now();
        let age = flow.issued_at.map(|issued| now.0.saturating_sub(issued.0));
        if age.is_none_or(|age| i64::try_from(FLOW.as_micros()).is_ok_and(|longest| age >= longest)) {
            let message = "invalid flow state, flow state has expired";
            return Err(Refusal::unprocessable("flow_state_expired", message));
        }
        if !is_proof(&flow, proof) {
            let message = "code challenge does not match previously saved code verifier";
            return Err(Refusal::bad_request("bad_code_verifier", message));
        }
        if flow.method == EXTERNAL {
            return self.end_external(incoming, &flow, now).await;
        }
        let user = flow.user.as_deref().ok_or_else(none)?;
        let mut user = self.records.user(user).await?.ok_or_else(none)?;
        if is_banned(&user, now) {
            return Err(Refusal::forbidden("user_banned", "User is banned"));
        }
        let (session, begin) = self.begin(&mut user, &flow.method, incoming, now)?;
        let mut steps = vec![user.signed_in(now)];
        steps.extend(begin);
        steps.push(flow.used());
        self.records.write(steps).await?;
        self.remember(incoming, &user, Reply::json(&self.tokens(&user, &session, now)?)).await
    }
}

/// Whether who ends a flow began it (RFC 7636 section 4.6).
fn is_proof(flow: &Flow, proof: &str) -> bool {
    match flow.challenge_method.as_str() {
        "s256" => {
            let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(proof.as_bytes()));
            same(digest.as_bytes(), flow.challenge.as_bytes())
        }
        _ => same(proof.as_bytes(), flow.challenge.as_bytes()),
    }
}

fn wrong_credentials() -> Refusal {
    Refusal::bad_request("invalid_credentials", "Invalid login credentials")
}
