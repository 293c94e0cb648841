//! `admin/users`: other people's accounts.

use std::time::Duration;

use base::Timestamp;
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::access;
use crate::error::{Outcome, Refusal, taken};
use crate::incoming::{Fields, Incoming};
use crate::keys::later;
use crate::metadata::Metadata;
use crate::outgoing::{self, Reply};
use crate::password::Priority;
use crate::records::sessions::{self, Scope};
use crate::records::tokens::forget_all;
use crate::records::users::User;
use crate::records::{factors, flows};
use crate::room::{Inner, unknown};

/// How many accounts a page has where nothing is said, and at most.
const PAGE: i64 = 50;
const LARGEST_PAGE: i64 = 1_000;

impl Inner {
    /// `admin/api-keys`
    pub(crate) async fn admin_keys(&self, incoming: &Incoming) -> Outcome<Reply> {
        self.require_key_admin(incoming).await?;
        let Some(keeper) = &self.api_keys else {
            return Err(Refusal::not_found(
                "api_keys_disabled",
                "There are no API keys on this server (auth.api_keys)",
            ));
        };
        let parts: Vec<&str> = incoming.path.iter().skip(2).map(String::as_str).collect();
        let (status, body) = keeper.answer(&incoming.method, &parts, &incoming.body).await;
        Ok(Reply { status, ..Reply::json(&body) })
    }

    /// `admin/users`
    pub(crate) async fn admin_users(&self, incoming: &Incoming) -> Outcome<Reply> {
        self.require_admin(incoming).await?;
        let parts: Vec<&str> = incoming.path.iter().skip(2).map(String::as_str).collect();
        match (&incoming.method, parts.as_slice()) {
            (&Method::GET, []) => self.list_users(incoming).await,
            (&Method::POST, []) => self.create_user(incoming).await,
            (&Method::GET, [id]) => Ok(Reply::json(&outgoing::user(&self.user_of(id).await?, &self.settings))),
            (&Method::PUT, [id]) => self.update_user(incoming, self.user_of(id).await?).await,
            (&Method::DELETE, [id]) => self.delete_user(incoming, self.user_of(id).await?).await,
            (&Method::GET, [id, "factors"]) => {
                let user = self.user_of(id).await?;
                Ok(Reply::json(&user.factors.iter().map(outgoing::factor).collect()))
            }
            (&Method::DELETE, [id, "factors", factor]) => {
                let user = self.user_of(id).await?;
                let missing = || Refusal::not_found("mfa_factor_not_found", "Factor not found");
                let factor = user.factors.iter().find(|known| known.id == *factor).ok_or_else(missing)?;
                self.records.write(factor.delete(self.now())).await?;
                Ok(Reply::json(&outgoing::factor(factor)))
            }
            _ => Err(unknown(incoming)),
        }
    }

    async fn user_of(&self, id: &str) -> Outcome<User> {
        let id = Uuid::parse_str(id).map_err(|_| Refusal::not_found("validation_failed", "user_id must be an UUID"))?;
        let missing = || Refusal::not_found("user_not_found", "User not found");
        self.records.user(&id.to_string()).await?.ok_or_else(missing)
    }

    async fn list_users(&self, incoming: &Incoming) -> Outcome<Reply> {
        let number =
            |name: &str, usual: i64| match incoming.parameter(name) {
                None | Some("") => Ok(usual),
                Some(text) => text.parse::<i64>().ok().filter(|number| *number > 0).ok_or_else(|| {
                    Refusal::invalid(format!("Bad Pagination Parameters: {name} is no positive number"))
                }),
            };
        let (page, size) = (number("page", 1)?, number("per_page", PAGE)?.min(LARGEST_PAGE));
        let offset = (page - 1).saturating_mul(size);
        let audience = &self.settings.audience;
        let (users, total) = self.records.page(audience, size, offset).await?;
        let last = total.saturating_add(size - 1).div_euclid(size).max(1);
        let link = |page: i64, relation: &str| {
            format!("<{}/admin/users?page={page}&per_page={size}>; rel=\"{relation}\"", self.settings.external_url)
        };
        let mut links = Vec::new();
        if page < last {
            links.push(link(page + 1, "next"));
        }
        links.push(link(last, "last"));
        let shown: Vec<Value> = users.iter().map(|user| outgoing::user(user, &self.settings)).collect();
        let reply = Reply::json(&json!({"users": shown, "aud": audience}));
        Ok(reply.with("x-total-count", &total.to_string()).with("link", &links.join(", ")))
    }

    async fn create_user(&self, incoming: &Incoming) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        fields.refuse_phone("Phone numbers are not offered by this server")?;
        let Some(email) = fields.email("email")? else {
            return Err(Refusal::invalid("Cannot create a user without either an email or phone"));
        };
        if self.records.user_by_email(&email).await?.is_some() {
            return Err(taken());
        }
        let now = self.now();
        let password = self.chosen_password(&fields, &email).await?;
        let mut user = self.new_user(Some(email), password, None, now)?;
        if let Some(id) = fields.text("id")? {
            let id = Uuid::parse_str(id).map_err(|_| Refusal::invalid("ID must conform to the uuid v4 format"))?;
            if self.records.user(&id.to_string()).await?.is_some() {
                return Err(taken());
            }
            rename(&mut user, id.to_string());
        }
        self.apply(&fields, &mut user, now)?;
        let mut steps = Self::create(&user);
        if fields.flag("email_confirm")? == Some(true) {
            user.identities.clear();
            let confirmed = Self::confirm(&mut user, now)?;
            steps = vec![user.insert()];
            steps.extend(confirmed);
        }
        access::check_metadata(&user)?;
        self.records.write(steps).await?;
        let user = self.records.user(&user.id).await?.unwrap_or(user);
        Ok(Reply::json(&outgoing::user(&user, &self.settings)))
    }

    async fn update_user(&self, incoming: &Incoming, mut user: User) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        fields.refuse_phone("Phone numbers are not offered by this server")?;
        let now = self.now();
        let mut steps = Vec::new();
        let address = fields.email("email")?.or(user.email.clone()).unwrap_or_default();
        let password = self.chosen_password(&fields, &address).await?;
        let is_out = password.is_some() || fields.text("ban_duration")?.is_some_and(|ban| ban != "none");
        if password.is_some() {
            user.password = password;
            steps.extend(forget_all(&user.id));
        }
        self.apply(&fields, &mut user, now)?;
        if let Some(email) = fields.email("email")?.filter(|email| user.email.as_ref() != Some(email)) {
            if self.records.user_by_email(&email).await?.is_some() {
                return Err(taken());
            }
            user.email = Some(email.clone());
            user.is_anonymous = false;
            steps.extend(forget_all(&user.id));
            steps.extend(Self::email_identity_steps(&mut user, &email, now)?);
        }
        if fields.flag("email_confirm")? == Some(true) {
            steps.extend(Self::confirm(&mut user, now)?);
        }
        access::check_metadata(&user)?;
        steps.insert(0, user.save(now));
        if is_out {
            steps.extend(sessions::end(&user.id, Scope::All, now, self.expiry(now)));
        }
        let answers = self.records.write(steps).await?;
        if is_out {
            self.forget(answers.last())?;
        }
        let user = self.records.user(&user.id).await?.unwrap_or(user);
        Ok(Reply::json(&outgoing::user(&user, &self.settings)))
    }

    /// A password, or the hash of one that was chosen elsewhere. `email` is whose it is.
    async fn chosen_password(&self, fields: &Fields, email: &str) -> Outcome<Option<String>> {
        match (fields.password()?, fields.text("password_hash")?) {
            (Some(_), Some(_)) => Err(Refusal::invalid("Only a password or a password hash should be provided")),
            (Some(password), None) => {
                self.check_password(&password, email).await?;
                Ok(Some(self.hash(&password, Priority::Trusted).await?))
            }
            (None, Some(hash)) if self.passwords.understands(hash) => Ok(Some(hash.to_owned())),
            (None, Some(_)) => Err(Refusal::invalid("The password hash is of no form that is known")),
            (None, None) => Ok(None),
        }
    }

    /// Members that may be set at any time.
    fn apply(&self, fields: &Fields, user: &mut User, now: Timestamp) -> Outcome<()> {
        if let Some(role) = fields.text("role")?.map(str::trim) {
            if role == base::NO_ROLE {
                return Err(Refusal::invalid(
                    "no account can have the role none: PostgreSQL takes it for the role that logs in",
                ));
            }
            user.role = Some(role.to_owned());
        }
        if let Some(changes) = fields.object("app_metadata")? {
            user.app_metadata.merge(changes);
        }
        if let Some(changes) = fields.object("user_metadata")? {
            user.user_metadata.merge(changes);
        }
        match fields.text("ban_duration")? {
            None => {}
            Some("none") => user.banned_until = None,
            Some(text) => {
                let wrong = || Refusal::invalid("invalid format for ban duration: 24h, 1h30m or none");
                user.banned_until = Some(later(now, duration(text).ok_or_else(wrong)?));
            }
        }
        Ok(())
    }

    async fn delete_user(&self, incoming: &Incoming, mut user: User) -> Outcome<Reply> {
        let is_soft = incoming.fields()?.flag("should_soft_delete")? == Some(true);
        let now = self.now();
        // First of all: a session that began meanwhile would be signed out by nothing.
        let mut steps = vec![user.hold()];
        steps.extend(sessions::end(&user.id, Scope::All, now, self.expiry(now)));
        let told = steps.len() - 1;
        if is_soft {
            soften(&mut user, now);
            steps.extend([user.save(now), user.forget_phone(), flows::forget_user(&user.id), user.forget_identities()]);
            steps.push(factors::delete_all(&user.id));
            steps.extend(forget_all(&user.id));
        } else {
            steps.push(user.delete());
        }
        let answers = self.records.write(steps).await?;
        self.forget(answers.get(told))?;
        Ok(Reply::done())
    }
}

/// Leaves of an account that it was there, and nothing of whose it was.
fn soften(user: &mut User, now: Timestamp) {
    let email = user.email.take();
    let obscured = email.map(|email| crate::one_time::hex(&Sha256::digest(format!("{}{email}", user.id))));
    user.email = obscured;
    user.password = None;
    user.email_change = String::new();
    user.phone = None;
    user.deleted_at = Some(now);
    user.app_metadata = Metadata::default();
    user.user_metadata = Metadata::default();
}

/// Another number for a new account.
fn rename(user: &mut User, id: String) {
    user.user_metadata.set("sub", id.as_str().into());
    for identity in &mut user.identities {
        identity.provider_id.clone_from(&id);
        identity.data.insert("sub".to_owned(), id.as_str().into());
    }
    user.id = id;
}

/// A duration as Go writes it: `24h`, `1h30m`, `90s`, `0.5h`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after) = rest.split_at(end);
        let length = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        let seconds = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" | "µs" => 0.000_001,
            "ns" => 0.000_000_001,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = after;
    }
    Some(total).filter(|total| !total.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in
            [("24h", 86_400), ("1h30m", 5_400), ("90s", 90), ("0.5h", 1_800), ("876000h", 3_153_600_000)]
        {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "x", "1", "1d", "-1h", "h", "0s", "1..5h", "99999999999999999999999h"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
