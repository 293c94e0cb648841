use std::time::Duration;

use url::Url;

use crate::external::ProviderSettings;
use crate::redirect::RedirectPattern;

/// What the operator decides about signing in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the application is: links of mails lead there when a request names no other place.
    pub site_url: Url,
    /// Where clients reach the login, without a slash at its end: `https://api.example.com/auth/v1`. The links of mails begin
    /// with it, and tokens name it as their issuer.
    pub external_url: String,
    /// Further places that links may lead to.
    pub redirect_patterns: Vec<RedirectPattern>,
    /// Whether an address has to be confirmed before its account can be used.
    pub confirm_email: bool,
    /// Whether anybody may make an account.
    pub allow_signup: bool,
    /// Whether accounts without address and password can be made.
    pub allow_anonymous: bool,
    /// How long an access token counts.
    pub access_token: Duration,
    /// How long a session goes on at most, however it is used; `None` for until it is signed out.
    pub session: Option<Duration>,
    /// How long a session goes on without its token being refreshed; `None` for until it is signed out.
    pub idle_session: Option<Duration>,
    /// How long what is sent by mail counts.
    pub one_time_token: Duration,
    /// The digits of a code that is sent by mail, 6 to 10.
    pub code_digits: u8,
    /// How long has to be between two mails to the same address.
    pub mail_interval: Duration,
    /// Whether the former address has to agree to a change as well.
    pub confirm_change_twice: bool,
    /// Whether a new password needs a fresh code from a mail, when the session is older than a day.
    pub reauthenticate_for_password: bool,
    /// The audience of tokens, and of accounts.
    pub audience: String,
    /// The issuer of tokens.
    pub issuer: String,
    /// Whether who is signed in may add and remove ways to sign in.
    pub allow_linking: bool,
    /// With whom else people can sign in.
    pub providers: Vec<ProviderSettings>,
}

/// The role of who has signed in.
pub(crate) const AUTHENTICATED: &str = "authenticated";

/// The roles that may look after other people's accounts.
pub(crate) const ADMIN_ROLES: [&str; 2] = ["service_role", "supabase_admin"];

/// How long a refresh token that was used gives the same successor again, and that one itself: the answer may have been lost, or
/// another tab was at it as well.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// How long the code of a PKCE sign-in counts.
pub(crate) const FLOW: Duration = Duration::from_secs(300);

/// How long a sign-in with another provider may take there.
pub(crate) const AWAY: Duration = Duration::from_secs(600);

/// How long a challenge of a second factor counts.
pub(crate) const CHALLENGE: Duration = Duration::from_secs(300);

/// The most second factors of one account.
pub(crate) const MOST_FACTORS: usize = 10;

/// The most bytes of `user_metadata` and `app_metadata` together, as JSON. Both are in every access token, and servers take
/// headers of 16 KiB.
pub(crate) const MOST_METADATA_BYTES: usize = 8 * 1024;

/// The most bytes of an address (RFC 5321 section 4.5.3.1.3, less the brackets).
pub(crate) const MOST_EMAIL_BYTES: usize = 254;

/// The most bytes of a client's `User-Agent` that are kept with its session.
pub(crate) const MOST_USER_AGENT_BYTES: usize = 255;

impl Settings {
    /// The path at which browsers reach the login.
    pub(crate) fn path(&self) -> &str {
        let after = self.external_url.split_once("://").map_or("", |(_, after)| after);
        after.find('/').and_then(|place| after.get(place..)).unwrap_or("/")
    }
}
