//! Reasons that stand in the log already: each is told once.

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// How many reasons are told. They come from the schema, mostly a few; of more nobody would read the rest.
const MOST_REASONS: usize = 1_000;

/// The reasons that were told.
#[derive(Debug, Default)]
pub(super) struct Reasons(Mutex<BTreeSet<Box<str>>>);

impl Reasons {
    /// Whether this one is to be told; from then on it is not.
    pub(super) fn is_new(&self, reason: &str) -> bool {
        let mut told = self.0.lock();
        !told.contains(reason) && told.len() < MOST_REASONS && told.insert(reason.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_not_more_than_so_many() {
        let reasons = Reasons::default();
        assert!(reasons.is_new("a") && !reasons.is_new("a") && reasons.is_new("b"));
        let told = (0..2 * MOST_REASONS).filter(|number| reasons.is_new(&number.to_string())).count();
        assert_eq!(told, MOST_REASONS - 2);
    }
}
