//! What the operator says of keeping answers.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use base::QualifiedName;

/// How old an answer may be that is shown again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It is what the database would give: nothing that was acknowledged before the request is missing in it, whoever wrote it, and
    /// wherever.
    Strict,
    /// Nothing is missing that the client has seen, by the position that it shows; of the rest it is a second behind at most.
    Session,
    /// So old, whatever was written meanwhile.
    Ttl(Lifetime),
}

/// How long an answer is shown that is not looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// How long it is fresh.
    pub fresh: Duration,
    /// How long after that it is still shown while a newer one is fetched (RFC 5861, section 3).
    pub while_revalidate: Duration,
    /// How long after that it is still shown when the database gives none (RFC 5861, section 4).
    pub if_error: Duration,
}

/// For how long at most it is said again that there are not as many rows as a request wants, where answers have an age: it is asked for
/// what somebody is about to make.
const REFUSAL_FOR: Duration = Duration::from_secs(5);

impl Lifetime {
    /// That of an answer that says no (RFC 9111 has no word for it; RFC 2308 calls it negative).
    pub(super) fn of_refusals(self) -> Self {
        let fresh = self.fresh.min(REFUSAL_FOR);
        Self { fresh, while_revalidate: Duration::ZERO, if_error: Duration::ZERO }
    }
}

/// What is said of a relation or function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// How old its answers may be.
    pub age: Age,
    /// Whether they never leave the memory of this process.
    pub is_private: bool,
    /// For how long caches in front that are told of changes may keep those that are for anybody; `None` for not at all.
    pub cdn: Option<Duration>,
    /// How long after something has changed, or after its time, an answer may be shown to who says `max-stale`; zero for not at all.
    pub max_stale: Duration,
}

/// The longest that an answer may be shown without being looked at again: a year, as HTTP has it (RFC 9111, section 1.2.2 leaves it open).
const LONGEST: u64 = 365 * 24 * 60 * 60;

/// `strict`, `session` or `ttl 60`, followed by what else holds, between commas: `stale-while-revalidate 30`, `stale-if-error 600` (both
/// with `ttl` alone), `max-stale 10`, `private` or `cdn 60`. Times are seconds.
impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',').map(|part| part.split_whitespace().collect::<Vec<_>>());
        let first = parts.next().unwrap_or_default();
        let mut age = match *first.as_slice() {
            ["strict"] => Age::Strict,
            ["session"] => Age::Session,
            ["ttl", seconds] => {
                let fresh = duration(seconds)?;
                Age::Ttl(Lifetime { fresh, while_revalidate: Duration::ZERO, if_error: Duration::ZERO })
            }
            _ => return Err("has to begin with strict, session, or ttl and seconds: `ttl 60`".to_owned()),
        };
        let (mut is_private, mut cdn, mut max_stale) = (false, None, Duration::ZERO);
        for part in parts {
            match (part.as_slice(), &mut age) {
                (&["private"], _) => is_private = true,
                (&["cdn", seconds], _) => cdn = Some(duration(seconds)?),
                (&["max-stale", seconds], _) => max_stale = duration(seconds)?,
                (&["stale-while-revalidate", seconds], Age::Ttl(lifetime)) => {
                    lifetime.while_revalidate = duration(seconds)?;
                }
                (&["stale-if-error", seconds], Age::Ttl(lifetime)) => lifetime.if_error = duration(seconds)?,
                (&["stale-while-revalidate" | "stale-if-error", _], _) => {
                    return Err(format!("{} goes with ttl alone", part.join(" ")));
                }
                _ => {
                    return Err(format!(
                        "knows no \"{}\", but private, and cdn, max-stale, stale-while-revalidate and stale-if-error with seconds",
                        part.join(" ")
                    ));
                }
            }
        }
        if is_private && cdn.is_some() {
            return Err("says private and cdn: what may not leave this process is for no cache in front".to_owned());
        }
        Ok(Self { age, is_private, cdn, max_stale })
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= LONGEST);
    seconds.map(Duration::from_secs).ok_or_else(|| format!("\"{text}\" has to be seconds, {LONGEST} at most"))
}

impl Rule {
    /// What holds of an answer about two relations: the stricter of both.
    fn and(self, other: Self) -> Self {
        let age = match (self.age, other.age) {
            (Age::Strict, _) | (_, Age::Strict) => Age::Strict,
            (Age::Session, _) | (_, Age::Session) => Age::Session,
            (Age::Ttl(one), Age::Ttl(two)) => Age::Ttl(Lifetime {
                fresh: one.fresh.min(two.fresh),
                while_revalidate: one.while_revalidate.min(two.while_revalidate),
                if_error: one.if_error.min(two.if_error),
            }),
        };
        let is_private = self.is_private || other.is_private;
        let cdn = self.cdn.zip(other.cdn).map(|(one, two)| one.min(two)).filter(|_| !is_private);
        Self { age, is_private, cdn, max_stale: self.max_stale.min(other.max_stale) }
    }
}

/// Everything that the operator says of keeping answers.
#[derive(Debug, Clone)]
pub struct RecallSettings {
    /// Of relations and functions.
    pub rules: BTreeMap<QualifiedName, Rule>,
    /// Of all others.
    pub others: Option<Rule>,
    /// The most bytes that answers take in memory.
    pub most_bytes: u64,
    /// The most bytes of an answer that is kept.
    pub largest: usize,
    /// One of so many answers that are shown again is compared with what the database gives; 0 for none.
    pub checked: u32,
}

impl RecallSettings {
    /// Whether caches in front may keep any answer.
    pub fn names_caches(&self) -> bool {
        self.rules.values().chain(&self.others).any(|rule| rule.cdn.is_some())
    }

    /// What holds of an answer about these; `None` where one of them is not to be kept.
    pub(super) fn of<'n>(&self, names: impl Iterator<Item = &'n QualifiedName>) -> Option<Rule> {
        let mut rules = names.map(|name| self.rules.get(name).copied().or(self.others));
        let first = rules.next()??;
        rules.try_fold(first, |all, rule| Some(all.and(rule?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_is_said_again_briefly() {
        let of = |text: &str| match text.parse::<Rule>() {
            Ok(Rule { age: Age::Ttl(lifetime), .. }) => lifetime.of_refusals(),
            other => panic!("{other:?}"),
        };
        let long = of("ttl 60, stale-while-revalidate 60, stale-if-error 90");
        // In the place of an error neither: it would be of no use to be told so for longer.
        assert_eq!((long.fresh, long.while_revalidate, long.if_error), (REFUSAL_FOR, Duration::ZERO, Duration::ZERO));
        assert_eq!(of("ttl 2").fresh, Duration::from_secs(2));
    }

    #[test]
    fn rules_are_read_and_what_is_wrong_is_told() {
        let strict = Rule { age: Age::Strict, is_private: false, cdn: None, max_stale: Duration::ZERO };
        assert_eq!("strict".parse(), Ok(strict));
        assert_eq!(" session , private".parse(), Ok(Rule { age: Age::Session, is_private: true, ..strict }));
        assert_eq!("strict, max-stale 9".parse(), Ok(Rule { max_stale: Duration::from_secs(9), ..strict }));
        assert_eq!("strict, cdn 60".parse(), Ok(Rule { cdn: Some(Duration::from_secs(60)), ..strict }));
        let lifetime = |fresh, while_revalidate, if_error| {
            let [fresh, while_revalidate, if_error] = [fresh, while_revalidate, if_error].map(Duration::from_secs);
            Age::Ttl(Lifetime { fresh, while_revalidate, if_error })
        };
        let read: Rule = "ttl 60, stale-if-error 600,stale-while-revalidate 30".parse().unwrap();
        assert_eq!(read.age, lifetime(60, 30, 600));
        for wrong in [
            "",
            "ttl",
            "ttl -1",
            "ttl 1.5",
            "ttl 99999999999",
            "strict, stale-if-error 5",
            "strict 5",
            "ttl 5, swr 3",
            "strict,",
            "strict, cdn",
            "strict, cdn 60, private",
        ] {
            assert!(wrong.parse::<Rule>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_stricter_rule_counts_and_what_has_none_is_not_kept() {
        let name = |name: &str| QualifiedName::new("public", name);
        let rules = [
            ("a", "strict"),
            ("b", "ttl 60, stale-if-error 9"),
            ("c", "ttl 5, private"),
            ("d", "session"),
            ("f", "strict, cdn 60"),
            ("g", "ttl 9, cdn 5"),
            ("h", "session, max-stale 9"),
            ("i", "strict, max-stale 5"),
        ];
        let rules = rules.map(|(of, text)| (name(of), text.parse().unwrap())).into_iter().collect();
        let settings = RecallSettings { rules, others: None, most_bytes: 0, largest: 0, checked: 0 };
        let of = |names: &[&str]| settings.of(names.iter().map(|it| name(it)).collect::<Vec<_>>().iter());
        assert_eq!(of(&["a", "b"]), Some("strict".parse().unwrap()));
        assert_eq!(of(&["b", "c"]), Some("ttl 5, private".parse().unwrap()));
        assert_eq!(of(&["d", "b"]), Some("session".parse().unwrap()));
        assert_eq!(of(&["f", "g"]), Some("strict, cdn 5".parse().unwrap()));
        assert_eq!(of(&["f", "a"]), Some("strict".parse().unwrap()), "of one of them nothing is said");
        assert_eq!(of(&["h", "i"]), Some("strict, max-stale 5".parse().unwrap()));
        assert_eq!(of(&["h", "a"]), Some("strict".parse().unwrap()));
        assert_eq!(of(&["a", "e"]), None);
        assert_eq!(of(&[]), None);
    }
}
