//! Ways of being wrong about positions that look right: the test of replicas must find each of them out. They exist in builds
//! for tests alone.

use std::collections::BTreeMap;

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Positions are not looked at.
    Ignored,
    /// The position is read in the transaction of the write: it is the one before the commit.
    BeforeCommit,
    /// What was replayed is asked after the read has begun to see.
    AfterRead,
    /// The place where the next record begins is taken for the end of the last one.
    NextRecord,
}

impl Wrong {
    /// What the variable `PGTEST_POSITIONS` says.
    #[cfg(debug_assertions)]
    pub(super) fn of(environment: &BTreeMap<String, String>) -> Option<Self> {
        match environment.get(VARIABLE)?.as_str() {
            "ignored" => Some(Self::Ignored),
            "before-commit" => Some(Self::BeforeCommit),
            "after-read" => Some(Self::AfterRead),
            "next-record" => Some(Self::NextRecord),
            _ => None,
        }
    }

    /// Nothing.
    #[cfg(not(debug_assertions))]
    pub(super) fn of(_environment: &BTreeMap<String, String>) -> Option<Self> {
        None
    }
}

#[cfg(debug_assertions)]
const VARIABLE: &str = "PGTEST_POSITIONS";
