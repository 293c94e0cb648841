//! Where a regular expression matches: the leftmost match, and of those the longest, as POSIX and PostgreSQL have it.

use std::cell::RefCell;
use std::ops::Range;

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::{Anchored, Input, MatchKind};

use crate::ValueError;
use crate::pattern::regular::{COMPILED_LIMIT, Pattern, invalid, translated};

/// The most bytes that one call may look at in all its matches together, at worst: it bounds the time of a replacement
/// of every match to some seconds.
pub const SEARCH_LIMIT: usize = 1 << 30;

/// A compiled expression that tells where it matches.
pub(crate) struct Searcher {
    pattern: Pattern,
    longest: DFA,
    cache: Cache,
    budget: usize,
    /// Whether the expression has groups that PostgreSQL would capture.
    pub(crate) has_captures: bool,
}

thread_local! {
    /// The expression that was used last: a statement uses one for all of its rows.
    static LAST: RefCell<Option<(String, Searcher)>> = const { RefCell::new(None) };
}

/// Does `work` with the compiled expression.
///
/// # Errors
/// 2201B for a bad expression; 0A000 for what cannot be searched in linear time, and for non-greedy quantifiers, whose
/// rules in PostgreSQL are its own.
pub(crate) fn with<T>(
    expression: &str,
    work: impl FnOnce(&mut Searcher) -> Result<T, ValueError>,
) -> Result<T, ValueError> {
    LAST.with_borrow_mut(|last| {
        let is_same = last.as_ref().is_some_and(|(known, _)| known == expression);
        if !is_same {
            *last = Some((expression.to_owned(), Searcher::new(expression)?));
        }
        match last {
            Some((_, searcher)) => {
                searcher.budget = SEARCH_LIMIT;
                work(searcher)
            }
            None => Err(invalid("no regular expression")),
        }
    })
}

impl Searcher {
    fn new(expression: &str) -> Result<Self, ValueError> {
        let translated = translated(expression, false)?;
        if translated.is_lazy {
            return Err(ValueError::new(
                "0A000",
                "non-greedy quantifiers (*?, +?, ??) are not supported where the extent of the match counts",
            ));
        }
        let too_complex = || invalid("regular expression is too complex");
        let longest = DFA::builder()
            .configure(
                DFA::config().match_kind(MatchKind::All).cache_capacity(COMPILED_LIMIT).skip_cache_capacity_check(true),
            )
            .thompson(regex_automata::nfa::thompson::Config::new().nfa_size_limit(Some(COMPILED_LIMIT)))
            .build(&translated.text)
            .map_err(|_| too_complex())?;
        let cache = longest.create_cache();
        let pattern = crate::pattern::compile(expression, false)?;
        Ok(Self { pattern, longest, cache, budget: SEARCH_LIMIT, has_captures: translated.has_captures })
    }

    /// The first match that starts at `from` or later.
    ///
    /// # Errors
    /// 54000 when the search takes too long.
    pub(crate) fn find(&mut self, text: &str, from: usize) -> Result<Option<Range<usize>>, ValueError> {
        let too_long = || {
            ValueError::new("54000", "regular expression search takes too long")
                .with_details(format!("One call looks at {SEARCH_LIMIT} bytes at most."))
        };
        let Some(start) = self.pattern.start_of_match(text, from) else { return Ok(None) };
        self.budget = self.budget.checked_sub(text.len() - start).ok_or_else(too_long)?;
        let input = Input::new(text).span(start..text.len()).anchored(Anchored::Yes);
        let end = self.longest.try_search_fwd(&mut self.cache, &input).map_err(|_| too_long())?;
        Ok(end.map(|end| start..end.offset()))
    }
}
