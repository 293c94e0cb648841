//! Moments of a server: which transactions are seen. PostgreSQL calls them snapshots and prints them as `10:20:10,14` (`txid_snapshot`).

/// Which transactions are seen: those below the next one, without those that were running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    next: u64,
    /// Sorted.
    running: Vec<u64>,
}

impl Moment {
    /// Reads `xmin:xmax:xip`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let _first: u64 = parts.next()?.parse().ok()?;
        let next = parts.next()?.parse().ok()?;
        let running = parts.next()?.split(',').filter(|number| !number.is_empty());
        let mut running = running.map(|number| number.parse().ok()).collect::<Option<Vec<u64>>>()?;
        running.sort_unstable();
        parts.next().is_none().then_some(Self { next, running })
    }

    /// Of the next transaction and those that run; `None` where these are not in order.
    pub(super) fn of(next: u64, running: Vec<u64>) -> Option<Self> {
        let is_sorted = running.is_sorted_by(|one, other| one < other);
        (is_sorted && running.last().is_none_or(|last| *last < next)).then_some(Self { next, running })
    }

    /// As the server prints it.
    pub(super) fn text(&self) -> String {
        let first = self.running.first().copied().unwrap_or(self.next);
        format!("{first}:{}:{}", self.next, self.listed())
    }

    /// The first transaction of which none was there yet.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The transactions that were running.
    pub(super) fn running(&self) -> &[u64] {
        &self.running
    }

    /// The transactions that were running, with commas.
    pub(super) fn listed(&self) -> String {
        self.running.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
    }

    /// How many transactions are seen. Of two moments of one server the later one sees all of the other and more, or the same.
    pub(super) fn rank(&self) -> u64 {
        let running = u64::try_from(self.running.len()).unwrap_or(u64::MAX);
        self.next.saturating_sub(running)
    }

    /// Whether a transaction had ended.
    pub(super) fn sees(&self, transaction: u64) -> bool {
        transaction < self.next && self.running.binary_search(&transaction).is_err()
    }

    /// Whether all is seen that another moment sees. Of two moments of one server it is always so of one: transactions come to be seen
    /// one after another.
    pub(super) fn sees_all_of(&self, other: &Self) -> bool {
        // What is not seen here is not seen there: those that run, and those from the next one on.
        other.next <= self.next && self.running.iter().all(|transaction| !other.sees(*transaction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn moments_are_read_and_printed() {
        for text in ["10:20:10,14,15", "7:7:", "18446744073709551614:18446744073709551615:18446744073709551614"] {
            assert_eq!(moment(text).text(), text);
        }
        assert_eq!(moment("10:20:15,10"), moment("10:20:10,15"));
        for text in ["", "10", "10:20", "10:x:", "10:20:a", "10:20:10:", "-1:2:", "10:20:10 11"] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_runs_and_what_comes_is_not_seen() {
        let moment = moment("10:20:10,14");
        let seen: Vec<u64> = (8..23).filter(|number| moment.sees(*number)).collect();
        assert_eq!(seen, [8, 9, 11, 12, 13, 15, 16, 17, 18, 19]);
    }

    /// By what each of them sees, for all moments of a few transactions.
    #[test]
    fn the_order_is_that_of_what_is_seen() {
        let all: Vec<Moment> = (0..=4_u64)
            .flat_map(|next| (0..1_u64 << next).map(move |set| (next, set)))
            .map(|(next, set)| Moment { next, running: (0..next).filter(|number| set >> number & 1 == 1).collect() })
            .collect();
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            let holds = (0..5).all(|number| one.sees(number) || !other.sees(number));
            // A later one never has an earlier next one, even where that sees no more.
            assert_eq!(one.sees_all_of(other), holds && other.next <= one.next, "{} {}", one.text(), other.text());
        }
    }
}
