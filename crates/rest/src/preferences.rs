//! The header `Prefer` (RFC 7240) with PostgREST's preferences.

use base::Freshness;
use http::HeaderMap;

use crate::request::Action;

/// What `Prefer` asked for; a preference not given is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preferences {
    /// `resolution=`
    pub resolution: Option<Resolution>,
    /// `return=`
    pub representation: Option<Representation>,
    /// `count=`
    pub count: Option<Count>,
    /// `tx=`
    pub transaction: Option<Transaction>,
    /// `missing=`
    pub missing: Option<Missing>,
    /// `handling=`
    pub handling: Option<Handling>,
    /// `timezone=`, as given.
    pub timezone: Option<String>,
    /// `max-affected=`; counts only together with `handling=strict`.
    pub max_affected: Option<u64>,
    /// `freshness=`: how old what is read may be. Pando's own.
    pub freshness: Option<Freshness>,
}

/// What happens to rows that exist already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// `merge-duplicates`: they are updated.
    MergeDuplicates,
    /// `ignore-duplicates`: they stay as they are.
    IgnoreDuplicates,
}

/// What a write answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Representation {
    /// `representation`: the rows.
    Full,
    /// `headers-only`: where they are.
    HeadersOnly,
    /// `minimal`: that it worked.
    Minimal,
}

/// How rows are counted beyond the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// `exact`
    Exact,
    /// `planned`: the engine's estimate.
    Planned,
    /// `estimated`: exact up to the row limit, an estimate beyond.
    Estimated,
}

/// How the transaction ends, where the server leaves the choice to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// `commit`
    Commit,
    /// `rollback`
    Rollback,
}

/// What a column that is missing in a row becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// `default`
    ApplyDefaults,
    /// `null`
    ApplyNulls,
}

/// What happens to preferences that cannot be honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// `strict`: the request is refused.
    Strict,
    /// `lenient`: they are ignored.
    Lenient,
}

/// The preferences as they stand in the header, with what they mean.
const RESOLUTIONS: [(&str, Resolution); 2] = [
    ("resolution=merge-duplicates", Resolution::MergeDuplicates),
    ("resolution=ignore-duplicates", Resolution::IgnoreDuplicates),
];
const REPRESENTATIONS: [(&str, Representation); 3] = [
    ("return=representation", Representation::Full),
    ("return=minimal", Representation::Minimal),
    ("return=headers-only", Representation::HeadersOnly),
];
const COUNTS: [(&str, Count); 3] =
    [("count=exact", Count::Exact), ("count=planned", Count::Planned), ("count=estimated", Count::Estimated)];
const TRANSACTIONS: [(&str, Transaction); 2] =
    [("tx=commit", Transaction::Commit), ("tx=rollback", Transaction::Rollback)];
const MISSINGS: [(&str, Missing); 2] =
    [("missing=default", Missing::ApplyDefaults), ("missing=null", Missing::ApplyNulls)];
const HANDLINGS: [(&str, Handling); 2] =
    [("handling=strict", Handling::Strict), ("handling=lenient", Handling::Lenient)];

impl Preferences {
    /// Reads all headers `Prefer`. Of a preference given twice the first counts; names and values are compared
    /// letter by letter. Also returned is what was not understood, for `handling=strict`.
    pub(crate) fn parse(headers: &HeaderMap, allow_transaction: bool) -> (Self, Vec<String>) {
        let mut preferences = Self::default();
        let mut invalid = Vec::new();
        let lines: Vec<_> =
            headers.get_all("prefer").iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        for text in lines.iter().flat_map(|line| line.split(',')).map(str::trim) {
            if !text.is_empty() && !preferences.take(text) {
                invalid.push(text.to_owned());
            }
        }
        if !allow_transaction {
            preferences.transaction = None;
        }
        (preferences, invalid)
    }

    /// Notes one preference; false if it is not known.
    fn take(&mut self, text: &str) -> bool {
        fn set<T: Copy>(slot: &mut Option<T>, text: &str, table: &[(&str, T)]) -> bool {
            match table.iter().find(|(spelling, _)| *spelling == text) {
                Some((_, value)) => {
                    slot.get_or_insert(*value);
                    true
                }
                None => false,
            }
        }
        if let Some(zone) = text.strip_prefix("timezone=") {
            self.timezone.get_or_insert_with(|| zone.to_owned());
            return true;
        }
        if let Some(freshness) = text.strip_prefix("freshness=") {
            let known = freshness.parse().ok();
            self.freshness = self.freshness.or(known);
            return known.is_some();
        }
        if let Some(number) = text.strip_prefix("max-affected=") {
            if let Ok(number) = number.parse() {
                self.max_affected.get_or_insert(number);
            }
            // As in PostgREST, a word instead of a number is no error. A negative number would be a guard that
            // nothing passes: that one is not understood.
            return !number.starts_with('-');
        }
        set(&mut self.resolution, text, &RESOLUTIONS)
            || set(&mut self.representation, text, &REPRESENTATIONS)
            || set(&mut self.count, text, &COUNTS)
            || set(&mut self.transaction, text, &TRANSACTIONS)
            || set(&mut self.missing, text, &MISSINGS)
            || set(&mut self.handling, text, &HANDLINGS)
    }

    /// The header `Preference-Applied` of an answer: the preferences that bear on this action, in PostgREST's order.
    /// `resolution_applied` says whether an insert had a key to find duplicates by. `None` when there are none.
    /// For a routine, `representation` and its like mean nothing: it gives what it gives.
    pub fn applied(&self, action: Action, is_routine: bool, resolution_applied: bool) -> Option<String> {
        fn spelling<T: Copy + PartialEq>(
            value: Option<T>,
            table: &'static [(&'static str, T)],
        ) -> Option<&'static str> {
            let value = value?;
            table.iter().find(|(_, meaning)| *meaning == value).map(|(spelling, _)| *spelling)
        }
        let is_insert = action == Action::Insert && !is_routine;
        let changes_rows = matches!(action, Action::Update | Action::Delete);
        let is_write = is_insert || changes_rows || action == Action::Put;
        if !is_write && !is_routine && action != Action::Read {
            return None;
        }
        let takes_missing = is_insert || action == Action::Update;
        let fixed = [
            spelling(self.resolution, &RESOLUTIONS).filter(|_| is_insert && resolution_applied),
            spelling(self.missing, &MISSINGS).filter(|_| takes_missing),
            spelling(self.representation, &REPRESENTATIONS).filter(|_| is_write),
            spelling(self.count, &COUNTS),
            spelling(self.transaction, &TRANSACTIONS),
            spelling(self.handling, &HANDLINGS),
        ];
        let mut parts: Vec<String> = fixed.into_iter().flatten().map(str::to_owned).collect();
        parts.extend(self.timezone.as_ref().map(|zone| format!("timezone={zone}")));
        if changes_rows || is_routine {
            parts.extend(self.guard().map(|number| format!("max-affected={number}")));
        }
        if action == Action::Read || is_routine {
            parts.extend(self.freshness.map(|freshness| format!("freshness={freshness}")));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// The most rows that may be changed: `max-affected`, which counts only with `handling=strict`.
    pub fn guard(&self) -> Option<u64> {
        self.max_affected.filter(|_| self.handling == Some(Handling::Strict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[&str]) -> (Preferences, Vec<String>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("prefer", line.parse().unwrap());
        }
        Preferences::parse(&headers, true)
    }

    #[test]
    fn applied_as_recorded() {
        use Action::{Delete, Describe, Insert, Put, Read, Update};
        for (action, line, applied) in [
            (Read, "handling=lenient, banana", Some("handling=lenient")),
            (Read, "handling=strict, count=exact", Some("count=exact, handling=strict")),
            (Read, "banana", None),
            (Read, "return=representation", None),
            (Read, "tx=rollback", Some("tx=rollback")),
            (Read, "timezone=America/New_York", Some("timezone=America/New_York")),
            (Read, "handling=strict, max-affected=1", Some("handling=strict")),
            (Read, "count=exact, count=planned", Some("count=exact")),
            (Read, "COUNT=EXACT", None),
            (Read, "freshness=strong, freshness=eventual", Some("freshness=strong")),
            (Read, "freshness=15", Some("freshness=15")),
            (Read, "freshness=-1", None),
            (Read, "freshness=fresh", None),
            (Insert, "freshness=strong", None),
            (Insert, "return=minimal, return=representation", Some("return=minimal")),
            (Insert, "tx=maybe", None),
            (Insert, "handling=strict, max-affected=1", Some("handling=strict")),
            (
                Insert,
                "resolution=merge-duplicates, missing=default, return=representation, count=exact, tx=rollback, handling=strict",
                Some(
                    "resolution=merge-duplicates, missing=default, return=representation, count=exact, tx=rollback, handling=strict",
                ),
            ),
            (Update, "missing=default", Some("missing=default")),
            (Update, "handling=strict, max-affected=2", Some("handling=strict, max-affected=2")),
            (Update, "handling=strict, max-affected=few", Some("handling=strict")),
            (Update, "max-affected=1", None),
            (Update, "handling=lenient, max-affected=1", Some("handling=lenient")),
            (Delete, "handling=strict, max-affected=0", Some("handling=strict, max-affected=0")),
            (Put, "return=headers-only", Some("return=headers-only")),
            (Put, "resolution=merge-duplicates", None),
            (Describe, "count=exact", None),
        ] {
            let (preferences, _) = parse(&[line]);
            assert_eq!(preferences.applied(action, false, true).as_deref(), applied, "{action:?} {line}");
        }
    }

    #[test]
    fn several_headers_and_unknown_ones() {
        let (preferences, invalid) =
            parse(&["handling=strict ,banana", "return=cash", "handling=lenient", " , max-affected=-1"]);
        assert_eq!(preferences.handling, Some(Handling::Strict));
        assert_eq!(invalid, ["banana", "return=cash", "max-affected=-1"]);
        let mut headers = HeaderMap::new();
        headers.insert("prefer", "tx=commit".parse().unwrap());
        let (preferences, invalid) = Preferences::parse(&headers, false);
        assert_eq!((preferences.transaction, invalid), (None, Vec::new()));
    }

    #[test]
    fn no_key_no_resolution() {
        let (preferences, _) = parse(&["resolution=merge-duplicates, return=representation"]);
        assert_eq!(preferences.applied(Action::Insert, false, false).as_deref(), Some("return=representation"));
    }
}
