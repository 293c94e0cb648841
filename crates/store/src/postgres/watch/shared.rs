//! When things last changed, in words that other nodes understand: whether an answer that another node has read is what the database
//! would give, which counters of this process cannot say.
//!
//! Why that is exact. An answer goes with a moment M: that of a look which had ended before the answer's own was chosen, and the answer shows all
//! that M sees. Of each place of the counters it is known here which transactions the last look that found a change of it brought in. The
//! look before did not see them. Of two moments of one server one always sees all of the other, so an M that sees such a
//! transaction sees all that the look before it saw, and with that all earlier changes of the place. So if M sees the transactions of the last
//! change of every place that the answer is read from, the answer shows all changes of them that count here. Whoever notes the
//! counters first and asks this then holds an answer that is as good as one of his own reading: a change that comes to count
//! after that changes the counters that he has noted.
//!
//! For that, a change has to stand here before its counter is even again; and where changes may have been missed, M has to see all of
//! a look that began after that was known. Until there is one, no answer of others will do.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::look::Noted;
use super::moment::Moment;
use crate::changes::{Changes, Stamp};
use crate::postgres::sighting::Sighting;

/// The most transactions that are remembered of a place; where there are more, a moment has to see all of the look that has found them.
const MOST_TRANSACTIONS: usize = 32;

/// The most transactions that may run at a moment that is told to other nodes. PostgreSQL has a hundred connections by default.
const MOST_RUNNING: usize = 1_024;

/// Which history a moment is of: the database, its timeline, the server from one start to the next, and the time in which changes were kept
/// without a gap. Moments of different ones have nothing to do with each other.
type History = [u8; 16];

/// A moment of a server, as every node understands it that uses this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedMoment {
    history: History,
    moment: Arc<Moment>,
}

impl SharedMoment {
    pub(super) fn new(history: History, moment: Arc<Moment>) -> Self {
        Self { history, moment }
    }

    /// Which history it is of. Only moments of the same one can be compared.
    pub fn history(&self) -> &[u8; 16] {
        &self.history
    }

    /// How many transactions it sees: of two moments of one history the later one has the greater rank, and those of one rank see the same.
    pub fn rank(&self) -> u64 {
        self.moment.rank()
    }

    /// What another node makes the moment of, together with its history; `None` where more runs than is told.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let running = self.moment.running();
        let numbers = [self.moment.next()].into_iter().chain(running.iter().copied());
        (running.len() <= MOST_RUNNING).then(|| numbers.flat_map(u64::to_be_bytes).collect())
    }

    /// Reads what [`SharedMoment::to_bytes`] gave; `None` for anything else.
    pub fn from_bytes(history: [u8; 16], bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|number| u64::from_be_bytes(*number));
        let (next, running) = (numbers.next()?, numbers.collect::<Vec<_>>());
        let is_one = rest.is_empty() && running.len() <= MOST_RUNNING;
        let moment = Moment::of(next, running).filter(|_| is_one)?;
        Some(Self { history, moment: Arc::new(moment) })
    }
}

/// The history that looks at a server are of, in this database and this time of it.
pub(super) fn history(server: &Sighting, database: &str, epoch: &str) -> History {
    let mut hash = Sha256::new();
    hash.update(server.system.to_be_bytes());
    hash.update(server.timeline.to_be_bytes());
    hash.update(server.instance.started().to_be_bytes());
    // Neither has one in it.
    hash.update(format!("{database} {epoch}"));
    let hash: [u8; 32] = hash.finalize().into();
    let mut half = History::default();
    half.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    half
}

/// When each place of the counters was last changed.
#[derive(Default)]
pub(super) struct Lasts(Mutex<State>);

#[derive(Default)]
struct State {
    history: History,
    /// All changes are known that this moment does not see; `None` until there is a look that begins from now on.
    since: Option<Arc<Moment>>,
    /// How often it was found that changes may have been missed.
    forgotten: u64,
    places: HashMap<usize, Change>,
}

/// The last change of a place.
enum Change {
    /// These transactions did it.
    By(Vec<u64>),
    /// It had been done by this moment.
    Before(Arc<Moment>),
}

/// What a look has found.
pub(super) struct Found<'a> {
    pub(super) moment: &'a Arc<Moment>,
    /// What has changed since the look before; `None` where that is not known.
    pub(super) noted: Option<&'a [Noted]>,
    /// What [`Lasts::forgotten`] gave before the look began.
    pub(super) forgotten: u64,
}

impl Lasts {
    /// How often changes may have been missed so far.
    pub(super) fn forgotten(&self) -> u64 {
        self.0.lock().forgotten
    }

    /// Changes may have been missed. To be called before the counters say so.
    pub(super) fn forget(&self) {
        let mut state = self.0.lock();
        state.forgotten += 1;
        state.since = None;
        state.places.clear();
    }

    /// Begins anew with this look.
    pub(super) fn begin(&self, history: History, moment: &Arc<Moment>, forgotten: u64) {
        let mut state = self.0.lock();
        let since = (state.forgotten == forgotten).then(|| moment.clone());
        *state = State { history, since, forgotten: state.forgotten, places: HashMap::new() };
    }

    /// Takes in what a look has found, to be called before the counters are changed.
    pub(super) fn note(&self, changes: &Changes, found: &Found<'_>) {
        let mut state = self.0.lock();
        match found.noted {
            Some(noted) => state.change(changes, noted, found.moment),
            None => {
                state.since = None;
                state.places.clear();
            }
        }
        if state.since.is_none() && state.forgotten == found.forgotten {
            state.since = Some(found.moment.clone());
        }
    }

    /// Whether a moment sees every change of the places of a stamp that counts.
    pub(super) fn are_seen_by(&self, moment: &SharedMoment, stamp: &Stamp) -> bool {
        let state = self.0.lock();
        let is_seen = |change: &Change| match change {
            Change::By(transactions) => transactions.iter().all(|transaction| moment.moment.sees(*transaction)),
            Change::Before(look) => moment.moment.sees_all_of(look),
        };
        state.history == moment.history
            && state.since.as_ref().is_some_and(|since| moment.moment.sees_all_of(since))
            && stamp.places().filter_map(|place| state.places.get(&place)).all(is_seen)
    }
}

impl State {
    fn change(&mut self, changes: &Changes, noted: &[Noted], moment: &Arc<Moment>) {
        // Several tables may fall on one place.
        let mut found: HashMap<usize, Vec<u64>> = HashMap::new();
        for one in noted {
            for place in changes.places(&one.touched()) {
                found.entry(place).or_default().extend(&one.transactions);
            }
        }
        for (place, transactions) in found {
            let is_few = transactions.len() <= MOST_TRANSACTIONS;
            let change = if is_few { Change::By(transactions) } else { Change::Before(moment.clone()) };
            self.places.insert(place, change);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use base::QualifiedName;

    use super::*;
    use crate::changes::Sources;

    const HISTORY: History = [7; 16];

    fn moment(text: &str) -> Arc<Moment> {
        Arc::new(Moment::parse(text).unwrap())
    }

    fn shared(text: &str) -> SharedMoment {
        SharedMoment::new(HISTORY, moment(text))
    }

    fn table(name: &str) -> QualifiedName {
        QualifiedName::new("public", name)
    }

    fn noted(name: &str, transactions: &[u64]) -> Noted {
        Noted { table: table(name), key: String::new(), transactions: transactions.to_vec() }
    }

    fn stamp(changes: &Changes, name: &str) -> Stamp {
        changes.stamp(&Sources { tables: BTreeSet::from([table(name)]), ..Sources::default() }).unwrap()
    }

    fn look(lasts: &Lasts, changes: &Changes, text: &str, noted: &[Noted]) {
        let forgotten = lasts.forgotten();
        lasts.note(changes, &Found { moment: &moment(text), noted: Some(noted), forgotten });
    }

    #[test]
    fn moments_go_through_bytes() {
        for text in ["10:20:10,14", "7:7:", "1:18446744073709551615:1"] {
            let bytes = shared(text).to_bytes().unwrap();
            assert_eq!(SharedMoment::from_bytes(HISTORY, &bytes), Some(shared(text)));
            for length in 0..bytes.len() {
                let cut = SharedMoment::from_bytes(HISTORY, &bytes[..length]);
                assert!(cut.is_none_or(|cut| cut != shared(text)));
            }
        }
        // Not in order, twice, or later than the next one.
        for numbers in [&[20_u64, 14, 10][..], &[20, 10, 10], &[20, 20], &[]] {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
            assert_eq!(SharedMoment::from_bytes(HISTORY, &bytes), None, "{numbers:?}");
        }
        let many = Moment::of(9_000, (0..=MOST_RUNNING as u64).collect()).unwrap();
        assert_eq!(SharedMoment::new(HISTORY, Arc::new(many)).to_bytes(), None);
    }

    #[test]
    fn a_moment_has_to_see_the_last_change_of_each_place() {
        let (lasts, changes) = (Lasts::default(), Changes::default());
        let (one, other) = (stamp(&changes, "one"), stamp(&changes, "other"));
        let seen = |text: &str| [&one, &other].map(|stamp| lasts.are_seen_by(&shared(text), stamp));
        assert_eq!(seen("99:99:"), [false; 2], "nothing was looked at yet");
        lasts.begin(HISTORY, &moment("10:12:10"), lasts.forgotten());
        assert_eq!([seen("10:12:10"), seen("9:12:9,10"), seen("13:13:")], [[true; 2], [false; 2], [true; 2]]);
        // 12 was committed before 10, and seen by the look before it.
        look(&lasts, &changes, "10:13:10", &[noted("one", &[12])]);
        look(&lasts, &changes, "13:13:", &[noted("one", &[10])]);
        assert_eq!(seen("10:13:10"), [false, true]);
        assert_eq!(seen("13:13:"), [true, true]);
        // A moment between two looks that sees the change of the second.
        look(&lasts, &changes, "14:16:14", &[noted("one", &[13])]);
        assert_eq!(seen("14:14:"), [true, true]);
        let another = SharedMoment::new([8; 16], moment("99:99:"));
        assert!(!lasts.are_seen_by(&another, &one), "of another history");
    }

    #[test]
    fn many_changes_are_those_of_the_look() {
        let (lasts, changes) = (Lasts::default(), Changes::default());
        let one = stamp(&changes, "one");
        lasts.begin(HISTORY, &moment("1:1:"), lasts.forgotten());
        look(&lasts, &changes, "50:51:50", &[noted("one", &(1..40).collect::<Vec<_>>())]);
        assert!(!lasts.are_seen_by(&shared("49:49:"), &one));
        assert!(lasts.are_seen_by(&shared("50:51:50"), &one));
    }

    #[test]
    fn what_may_have_been_missed_needs_a_look_that_began_later() {
        let (lasts, changes) = (Lasts::default(), Changes::default());
        let one = stamp(&changes, "one");
        let is_seen = |text: &str| lasts.are_seen_by(&shared(text), &one);
        lasts.begin(HISTORY, &moment("5:5:"), lasts.forgotten());
        let before = lasts.forgotten();
        lasts.forget();
        lasts.note(&changes, &Found { moment: &moment("6:6:"), noted: Some(&[]), forgotten: before });
        assert!(!is_seen("9:9:"), "this look had begun before");
        look(&lasts, &changes, "7:7:", &[]);
        assert_eq!([is_seen("6:6:"), is_seen("7:7:")], [false, true]);
        let forgotten = lasts.forgotten();
        lasts.note(&changes, &Found { moment: &moment("9:9:"), noted: None, forgotten });
        assert_eq!([is_seen("8:8:"), is_seen("9:9:")], [false, true]);
    }

    /// For all moments that follow one another in which a few transactions come to be seen, in any order, against what each answer shows.
    #[test]
    fn no_answer_is_taken_that_lacks_a_change_that_counts() {
        let orders = |count: u64| {
            let mut orders = vec![Vec::new()];
            for number in 1..=count {
                orders = orders
                    .iter()
                    .flat_map(|order: &Vec<u64>| {
                        (0..=order.len()).map(move |place| {
                            let mut order = order.clone();
                            order.insert(place, number);
                            order
                        })
                    })
                    .collect();
            }
            orders
        };
        for (number, order) in orders(5).iter().enumerate() {
            // The moments after so many of them have come to be seen. All of them have begun.
            let moments: Vec<String> = (0..=order.len())
                .map(|seen| {
                    let mut running: Vec<String> = order[seen..].iter().map(u64::to_string).collect();
                    running.sort();
                    format!("1:6:{}", running.join(","))
                })
                .collect();
            // Which of them the node looks at, and which transactions change the table.
            let (looks, writes) = (number % 32, number / 4 % 32);
            let is_write = |transaction: u64| writes >> (transaction - 1) & 1 == 1;
            let (lasts, changes) = (Lasts::default(), Changes::default());
            let one = stamp(&changes, "one");
            lasts.begin(HISTORY, &moment(&moments[0]), lasts.forgotten());
            let mut seen = 0;
            for place in 1..moments.len() {
                if looks >> (place - 1) & 1 == 1 {
                    let writers: Vec<u64> = order[seen..place].iter().copied().filter(|it| is_write(*it)).collect();
                    let found = if writers.is_empty() { vec![] } else { vec![noted("one", &writers)] };
                    look(&lasts, &changes, &moments[place], &found);
                    seen = place;
                }
                for (read, text) in moments.iter().enumerate() {
                    let lacks = order[read.min(seen)..seen].iter().any(|transaction| is_write(*transaction));
                    assert_eq!(
                        lasts.are_seen_by(&shared(text), &one),
                        !lacks,
                        "{order:?} {looks:b} {writes:b} {read} at {seen}"
                    );
                }
            }
        }
    }
}
