//! A policy, and its text in `pando.toml`.

use std::time::Duration;

use cache::Rate;

/// Whom a policy counts by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// An address of IPv4, or a /64 of IPv6: what one customer gets.
    Address,
    /// A /24 of IPv4, or a /48 of IPv6: neighbours.
    Network,
    /// The `sub` of a verified token. Without one the policy does not apply.
    User,
    /// The API key, however it was sent; without one the token itself. Without either the policy does not apply.
    Key,
    /// The user, and where there is none the address.
    Client,
    /// The role.
    Role,
    /// All together.
    Everyone,
}

impl Scope {
    const ALL: [(&str, Self); 7] = [
        ("address", Self::Address),
        ("network", Self::Network),
        ("user", Self::User),
        ("key", Self::Key),
        ("client", Self::Client),
        ("role", Self::Role),
        ("everyone", Self::Everyone),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, scope)| *scope == self).map_or("", |(word, _)| word)
    }

    /// Whether it can be told before anybody looks at the token.
    pub(crate) fn is_of_the_door(self) -> bool {
        matches!(self, Self::Address | Self::Network | Self::Everyone)
    }
}

/// What a policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Requests.
    Requests,
    /// Points of the price ([`crate::price()`]).
    Cost,
}

/// So much in so long, for each of whom it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name: of small letters, digits, `_` and `-`. It stands in headers, metrics and in what is refused.
    pub name: String,
    /// Whom it counts by themselves.
    pub scope: Scope,
    /// What it counts.
    pub unit: Unit,
    /// How much in how long.
    pub rate: Rate,
    /// How much at once, after a pause.
    pub burst: u64,
    /// The roles that it is for; empty for all.
    pub roles: Vec<String>,
    /// The methods that it is for, in capitals, `GET` for `HEAD` as well; empty for all.
    pub methods: Vec<String>,
    /// The paths that it is for, without the prefix of the API: `/climbs`, `/rpc/search`; empty for all.
    pub paths: Vec<String>,
}

/// Text that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The name has other characters, or none, or more than 40.
    #[error("has the name {0:?}; it has to be of small letters, digits, _ and -, at most 40")]
    Name(String),
    /// A word that stands where another one is expected.
    #[error("has {found:?} in {name:?} where {expected} is expected; a policy is like \"per address 10/s burst 100\"")]
    Word {
        /// The policy.
        name: String,
        /// What was found.
        found: String,
        /// What is expected.
        expected: &'static str,
    },
    /// A burst that no request would fit into, or that takes too long to come back.
    #[error("has a burst in {0:?} that is 0, or takes longer than 31 days at its rate")]
    Burst(String),
}

/// The longest name.
const LONGEST_NAME: usize = 40;

/// The methods that the API has.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"];

const PATH: &str = "a path that begins with / and has neither a query nor /rest/v1 before it";

const RATE: &str = "a rate like 10/s, 600/m, 1000/h or 5000/d";

impl Policy {
    /// Reads a policy: `per SCOPE RATE [burst N] [in cost] [role A|B] [method GET|POST] [path /climbs|/rpc/search]`.
    /// `off` is no policy.
    ///
    /// # Errors
    /// The first word that does not fit.
    pub fn parse(name: &str, text: &str) -> Result<Option<Self>, PolicyError> {
        let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_fine) {
            return Err(PolicyError::Name(name.to_owned()));
        }
        if text.trim() == "off" {
            return Ok(None);
        }
        let mut words = Words { name, words: text.split([' ', ',']).filter(|word| !word.is_empty()).collect() };
        words.expect("per", "the word per")?;
        let scope = words.take("address, network, user, key, client, role or everyone", |word| {
            Scope::ALL.iter().find(|(known, _)| *known == word).map(|(_, scope)| *scope)
        })?;
        let (rate, amount) = words.take(RATE, rate)?;
        let mut policy = Self {
            name: name.to_owned(),
            scope,
            unit: Unit::Requests,
            rate,
            burst: amount,
            roles: Vec::new(),
            methods: Vec::new(),
            paths: Vec::new(),
        };
        while let Some(word) = words.next() {
            match word {
                "burst" => policy.burst = words.take("a number", |word| word.parse().ok())?,
                "in" => {
                    words.expect("cost", "the word cost")?;
                    policy.unit = Unit::Cost;
                }
                "role" => policy.roles = words.list("the names of roles with | between them")?,
                "method" => {
                    let methods = words.list("methods with | between them")?;
                    policy.methods = methods.iter().map(|method| method.to_ascii_uppercase()).collect();
                    if let Some(unknown) = policy.methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
                        return Err(words.wrong(unknown, "GET, HEAD, POST, PATCH, PUT, DELETE or OPTIONS"));
                    }
                }
                "path" => {
                    policy.paths = words.list("paths with | between them")?;
                    if let Some(wrong) = policy.paths.iter().find(|path| !is_path(path)) {
                        return Err(words.wrong(wrong, PATH));
                    }
                }
                other => return Err(words.wrong(other, "burst, in cost, role, method or path")),
            }
        }
        // One that is cut off at the longest debt would allow less than it says.
        if policy.burst == 0 || policy.rate.window(policy.burst) >= cache::LONGEST {
            return Err(PolicyError::Burst(name.to_owned()));
        }
        Ok(Some(policy))
    }

    /// Whether it can be charged before anybody looks at the token.
    pub(crate) fn is_of_the_door(&self) -> bool {
        self.scope.is_of_the_door() && self.unit == Unit::Requests && self.roles.is_empty()
    }
}

/// Whether a request can have the path: policies see it without the place where the API is mounted, and without its query.
fn is_path(path: &str) -> bool {
    path.starts_with('/') && path != "/rest/v1" && !path.starts_with("/rest/v1/") && !path.contains(['?', '#'])
}

/// `10/s`, and its amount.
fn rate(word: &str) -> Option<(Rate, u64)> {
    let (amount, unit) = word.split_once('/')?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let amount = amount.parse().ok()?;
    Some((Rate::new(amount, Duration::from_secs(seconds))?, amount))
}

struct Words<'a> {
    name: &'a str,
    words: std::collections::VecDeque<&'a str>,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.words.pop_front()
    }

    fn take<T>(&mut self, expected: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<T, PolicyError> {
        let word = self.next().unwrap_or("nothing");
        read(word).ok_or_else(|| self.wrong(word, expected))
    }

    fn expect(&mut self, word: &'static str, expected: &'static str) -> Result<(), PolicyError> {
        self.take(expected, |found| (found == word).then_some(()))
    }

    fn list(&mut self, expected: &'static str) -> Result<Vec<String>, PolicyError> {
        self.take(expected, |word| {
            let items: Vec<String> = word.split('|').map(str::to_owned).collect();
            items.iter().all(|item| !item.is_empty()).then_some(items)
        })
    }

    fn wrong(&self, found: &str, expected: &'static str) -> PolicyError {
        PolicyError::Word { name: self.name.to_owned(), found: found.to_owned(), expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read() {
        let policy = Policy::parse("writes", "per address, 10/m, burst 20, role anon, method post|PATCH, path /climbs");
        let policy = policy.unwrap().unwrap();
        assert_eq!((policy.scope, policy.unit, policy.burst), (Scope::Address, Unit::Requests, 20));
        assert_eq!(policy.rate.window(20), Duration::from_secs(120));
        assert_eq!(
            (policy.roles, policy.methods),
            (vec!["anon".to_owned()], vec!["POST".to_owned(), "PATCH".to_owned()])
        );
        assert_eq!(policy.paths, ["/climbs"]);
        let policy = Policy::parse("cost", "per client 5000/h in cost").unwrap().unwrap();
        assert_eq!((policy.scope, policy.unit, policy.burst), (Scope::Client, Unit::Cost, 5000));
        assert_eq!(Policy::parse("cost", "off"), Ok(None));
    }

    #[test]
    fn what_is_no_policy_is_told() {
        for (name, text, expected) in [
            ("A", "off", "has the name \"A\""),
            ("", "off", "has the name \"\""),
            ("a", "", "has \"nothing\" in \"a\" where the word per"),
            ("a", "per planet 1/s", "has \"planet\" in \"a\" where address, network, user"),
            ("a", "per address 1", "has \"1\" in \"a\" where a rate like"),
            ("a", "per address 0/s", "has \"0/s\" in \"a\" where a rate like"),
            ("a", "per address 1000000/s", "has \"1000000/s\" in \"a\" where a rate like"),
            ("a", "per address 1/s burst", "has \"nothing\" in \"a\" where a number"),
            ("a", "per address 1/s burst 0", "has a burst in \"a\""),
            ("a", "per address 1/d burst 32", "has a burst in \"a\""),
            ("a", "per address 1/s burst 18446744073709551615", "has a burst in \"a\""),
            ("a", "per address 1/s quickly", "has \"quickly\" in \"a\" where burst"),
            ("a", "per address 1/s path climbs", "has \"climbs\" in \"a\" where a path"),
            ("a", "per address 1/s path /rest/v1/climbs", "has \"/rest/v1/climbs\" in \"a\" where a path"),
            ("a", "per address 1/s path /climbs?id=eq.1", "has \"/climbs?id=eq.1\" in \"a\" where a path"),
            ("a", "per address 1/s method GTE", "has \"GTE\" in \"a\" where GET, HEAD"),
            ("a", "per address 1/s method GET|", "has \"GET|\" in \"a\" where methods"),
        ] {
            let error = Policy::parse(name, text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
