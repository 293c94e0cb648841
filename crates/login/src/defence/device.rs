//! Devices that an account knows (OWASP's device cookies): a signed number that whoever has signed in is given, and shows the next
//! time. Who shows one has guesses of his own, so that strangers who guess cannot lock him out. It opens nothing.
//!
//! A token is `base64url(number 16 bytes, seconds since 1970 8 bytes, mark 8 bytes, HMAC-SHA256(derived key, account, number, seconds,
//! mark) 16 bytes)`. It does not name its account, but counts for no other, and not once the account is another or has another
//! password: the mark is a keyed hash of both. A device keeps its number for as long as it shows its tokens. Browsers are given it as a cookie, other clients as a header; a device
//! that several people use keeps a few, with points between them.

use std::time::Duration;

use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use identity::DerivedKey;

use crate::chance;
use crate::error::Outcome;
use crate::gate::{Device, Mark};
use crate::records::users::User;
use crate::refresh::same;

/// What the key of device tokens is derived for.
pub(crate) const PURPOSE: &str = "known devices";

/// The cookie. Browsers take one of this name by TLS alone (and from localhost).
pub(crate) const COOKIE: &str = "__Secure-pando-device";

/// The header of clients that keep no cookies. Who sends it, whatever it says, is answered with it as well.
pub(crate) const HEADER: &str = "pando-device";

/// The most accounts of which one device keeps a token.
const MOST_TOKENS: usize = 4;

const NUMBER: usize = 16;
const MOMENT: usize = 8;
const MARK: usize = 8;
const SIGNATURE: usize = 16;

/// The characters of a token.
const LENGTH: usize = ((NUMBER + MOMENT + MARK + SIGNATURE) * 4).div_ceil(3);

/// What the account is now: what it is known by, should it have another password or be another account later.
pub(crate) fn mark(user: &User, key: &DerivedKey) -> Mark {
    let password = user.password.as_deref().unwrap_or_default();
    let [a, b, c, d, e, f, g, h, ..] = key.mac(&[b"mark", user.id.as_bytes(), password.as_bytes()]);
    Mark([a, b, c, d, e, f, g, h])
}

/// The tokens that a request shows, unread.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    tokens: Vec<String>,
    /// Whether they came in the header, or are wanted there.
    is_header: bool,
}

impl Shown {
    /// Those in the header, or else in the cookie.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if let Some(value) = headers.get(HEADER) {
            return Self { tokens: split(value.to_str().unwrap_or_default()), is_header: true };
        }
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let value = pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value);
        Self { tokens: value.map(split).unwrap_or_default(), is_header: false }
    }

    /// The device, if one of the tokens is the account's and was made within `lifetime`. Whether the account is still what its mark
    /// says is not looked at.
    pub(crate) fn device(&self, account: &str, key: &DerivedKey, lifetime: Duration, now: Timestamp) -> Option<Device> {
        self.tokens.iter().find_map(|token| read(token, account, key, lifetime, now))
    }

    /// The header that has the client keep a new token, beside those of other accounts: of the number that it has, so that it
    /// cannot be another device each time. `path` is where the cookie is sent to.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub(crate) fn with(
        &self,
        (account, mark): (&str, Mark),
        key: &DerivedKey,
        lifetime: Duration,
        (path, now): (&str, Timestamp),
    ) -> Outcome<(&'static str, String)> {
        let is_other = |token: &&String| read(token, account, key, Duration::MAX, now).is_none();
        let number = match self.device(account, key, lifetime, now) {
            Some(known) => known.number,
            None => chance::bytes()?,
        };
        let mut tokens = vec![make(account, Device { number, mark }, key, now)];
        tokens.extend(self.tokens.iter().filter(is_other).take(MOST_TOKENS - 1).cloned());
        let value = tokens.join(".");
        if self.is_header {
            return Ok((HEADER, value));
        }
        let seconds = lifetime.as_secs();
        Ok((
            "set-cookie",
            format!("{COOKIE}={value}; Path={path}; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict"),
        ))
    }
}

fn split(value: &str) -> Vec<String> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_token = |token: &&str| token.len() == LENGTH && token.bytes().all(is_letter);
    value.split('.').map(str::trim).filter(is_token).take(MOST_TOKENS).map(str::to_owned).collect()
}

fn make(account: &str, device: Device, key: &DerivedKey, now: Timestamp) -> String {
    let moment = now.seconds().to_be_bytes();
    let mut bytes = Vec::with_capacity(NUMBER + MOMENT + MARK + SIGNATURE);
    bytes.extend(device.number);
    bytes.extend(moment);
    bytes.extend(device.mark.0);
    bytes.extend(signature(account, device, &moment, key));
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read(token: &str, account: &str, key: &DerivedKey, lifetime: Duration, now: Timestamp) -> Option<Device> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (number, rest) = bytes.split_first_chunk::<NUMBER>()?;
    let (moment, rest) = rest.split_first_chunk::<MOMENT>()?;
    let (mark, shown) = rest.split_first_chunk::<MARK>()?;
    let device = Device { number: *number, mark: Mark(*mark) };
    if !same(shown, &signature(account, device, moment, key)) {
        return None;
    }
    let age = now.seconds().saturating_sub(i64::from_be_bytes(*moment));
    let is_fresh = u64::try_from(age).is_ok_and(|age| age < lifetime.as_secs());
    is_fresh.then_some(device)
}

fn signature(account: &str, device: Device, moment: &[u8; MOMENT], key: &DerivedKey) -> [u8; SIGNATURE] {
    let whole = key.mac(&[account.as_bytes(), &device.number, moment, &device.mark.0]);
    let mut half = [0; SIGNATURE];
    half.copy_from_slice(whole.split_at(SIGNATURE).0);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(1_000);
    const NOW: Timestamp = Timestamp(5_000_000_000);
    const MARKED: Mark = Mark([1; MARK]);

    fn key() -> DerivedKey {
        crate::testing::key(PURPOSE)
    }

    fn shown(name: &'static str, value: &str) -> Shown {
        Shown::of(&HeaderMap::from_iter([(header::HeaderName::from_static(name), value.parse().unwrap())]))
    }

    #[test]
    fn a_token_counts_for_its_account_alone_and_for_a_while() {
        let token = make("mina@example.com", Device { number: [7; NUMBER], mark: MARKED }, &key(), NOW);
        assert_eq!(token.len(), LENGTH);
        let shown = shown(HEADER, &token);
        let at = |account: &str, seconds: i64| {
            shown.device(account, &key(), LIFETIME, Timestamp(NOW.0 + seconds * 1_000_000)).is_some()
        };
        assert!(at("mina@example.com", 0) && at("mina@example.com", 999));
        assert!(!at("mina@example.com", 1_000), "too old");
        assert!(!at("mina@example.com", -1), "made later than now");
        assert!(!at("ada@example.com", 0));
        for position in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[position] = if other[position] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert!(read(&other, "mina@example.com", &key(), LIFETIME, NOW).is_none(), "{position}");
        }
    }

    #[test]
    fn a_shared_device_keeps_the_tokens_of_a_few_accounts() {
        let mut value = String::new();
        for account in ["a", "b", "c", "d", "e", "e"] {
            let (name, made) = shown(HEADER, &value).with((account, MARKED), &key(), LIFETIME, ("/", NOW)).unwrap();
            assert_eq!(name, HEADER);
            value = made;
        }
        let kept = shown(HEADER, &value);
        let known = |account: &str| kept.device(account, &key(), LIFETIME, NOW).is_some();
        assert_eq!(["a", "b", "c", "d", "e"].map(known), [false, true, true, true, true]);
    }

    #[test]
    fn a_device_keeps_its_number() {
        let (_, first) = shown(HEADER, "new").with(("a", MARKED), &key(), LIFETIME, ("/", NOW)).unwrap();
        let later = Timestamp(NOW.0 + 999_000_000);
        let (_, second) = shown(HEADER, &first).with(("a", Mark([2; MARK])), &key(), LIFETIME, ("/", later)).unwrap();
        let device = |token: &str, now| shown(HEADER, token).device("a", &key(), LIFETIME, now).unwrap();
        let (first, second) = (device(&first, NOW), device(&second, Timestamp(later.0 + 999_000_000)));
        assert_eq!((first.number, second.mark), (second.number, Mark([2; MARK])));
    }

    #[test]
    fn what_an_account_is() {
        let user = |password: &str| User { password: Some(password.to_owned()), ..crate::testing::user("a@b.c") };
        assert_eq!(mark(&user("x"), &key()), mark(&user("x"), &key()));
        assert_ne!(mark(&user("x"), &key()), mark(&user("y"), &key()));
        assert_ne!(mark(&user("x"), &key()), mark(&crate::testing::user("a@b.c"), &key()));
        let made_anew = User { id: "8d1f4c1e-5b1b-4a39-9d8b-000000000002".to_owned(), ..user("x") };
        assert_ne!(mark(&user("x"), &key()), mark(&made_anew, &key()));
    }

    #[test]
    fn browsers_get_a_cookie_and_send_it_back() {
        let (name, cookie) = Shown::default().with(("a", MARKED), &key(), LIFETIME, ("/auth/v1", NOW)).unwrap();
        assert_eq!(name, "set-cookie");
        assert!(cookie.ends_with("; Path=/auth/v1; Max-Age=1000; HttpOnly; Secure; SameSite=Strict"), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        let back = shown("cookie", &format!("theme=dark; {pair}; x=y"));
        assert!(back.device("a", &key(), LIFETIME, NOW).is_some());
        for wrong in ["", "x", "__Secure-pando-device=", &format!("other-{pair}"), &"A".repeat(5_000)] {
            assert!(shown("cookie", wrong).device("a", &key(), LIFETIME, NOW).is_none(), "{wrong}");
        }
    }
}
