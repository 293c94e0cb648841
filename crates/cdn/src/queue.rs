//! What waits to be purged: in order, each name once, and no more than so many.
//!
//! A change that comes while its name waits is joined to it; while the name is just being purged, it waits anew, since that purge may have
//! passed already. A name whose answers were on their way when its purge began is purged again when they have arrived; newer changes of the
//! name share that purge, and take nothing from it: what waited for its second purge is done with it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::QualifiedName;

use crate::departures::{Arrival, Departures};
use crate::tag::Tag;

/// Changes that are done by the same purge.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// The first and the last.
    changes: (u64, u64),
    /// When the first was seen.
    since: Instant,
}

impl Span {
    fn joined(self, other: Self) -> Self {
        let changes = (self.changes.0.min(other.changes.0), self.changes.1.max(other.changes.1));
        Self { changes, since: self.since.min(other.since) }
    }
}

/// A name that waits, with the changes that it waits for.
#[derive(Debug, Clone)]
struct Waiting {
    tag: Tag,
    /// What was changed; `None` for anything.
    table: Option<QualifiedName>,
    /// Answers with a lower number may be from before the last change that was never purged.
    fence: u64,
    /// What was never purged.
    new: Option<Span>,
    /// What was purged once, and what was on its way then has arrived: nothing is left of it after the next purge.
    again: Option<Span>,
}

impl Waiting {
    /// The changes of another one are done by the same purge.
    fn join(&mut self, other: &Self) {
        let join = |one: Option<Span>, other: Option<Span>| match (one, other) {
            (Some(one), Some(other)) => Some(one.joined(other)),
            (one, other) => one.or(other),
        };
        (self.new, self.again) = (join(self.new, other.new), join(self.again, other.again));
        self.fence = self.fence.max(other.fence);
    }

    fn spans(&self) -> impl Iterator<Item = Span> {
        self.new.into_iter().chain(self.again)
    }

    fn is_about(&self, (after, up_to): (u64, u64), tables: &BTreeSet<QualifiedName>) -> bool {
        let is_of_table = self.table.as_ref().is_none_or(|table| tables.contains(table));
        is_of_table && self.spans().any(|Span { changes, .. }| changes.0 <= up_to && changes.1 > after)
    }
}

/// A name that is being purged, with the answers that were on their way when that began.
struct Sent {
    waiting: Waiting,
    outstanding: Vec<u64>,
}

/// A name that was purged, and is to be purged once more.
struct Again {
    waiting: Waiting,
    outstanding: Vec<u64>,
    /// Not before this.
    earliest: Instant,
}

/// How much is sent at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    pub(crate) tags: usize,
    /// Of all names, with one byte between them.
    pub(crate) bytes: usize,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Purge these.
    Purge(Vec<Tag>),
    /// There may be something then; `None` when something has happened.
    Wait(Option<Instant>),
}

/// The tables of which others give out answers as well, and what is done about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Elsewhere {
    pub(crate) tables: BTreeSet<QualifiedName>,
    /// After so long what others had on its way has arrived.
    pub(crate) settle: Duration,
}

pub(crate) struct Queue {
    most: usize,
    departures: Arc<Departures>,
    elsewhere: Elsewhere,
    /// The number of the last change.
    last: u64,
    order: VecDeque<Tag>,
    waiting: HashMap<Tag, Waiting>,
    sent: Vec<Sent>,
    again: Vec<Again>,
}

impl Queue {
    pub(crate) fn new(most: usize, departures: Arc<Departures>, elsewhere: Elsewhere) -> Self {
        let (order, waiting) = (VecDeque::new(), HashMap::new());
        Self { most, departures, elsewhere, last: 0, order, waiting, sent: Vec::new(), again: Vec::new() }
    }

    /// A change: names to purge, each with its table. Gives whether there were too many, so that everything is purged instead.
    pub(crate) fn push(&mut self, names: Vec<(Tag, QualifiedName)>, now: Instant) -> bool {
        self.last += 1;
        // Every answer carries it, so it purges these as well.
        let is_covered = self.waiting.contains_key(&Tag::everything());
        if !is_covered && self.waiting.len() + names.len() <= self.most {
            for (tag, table) in names {
                self.wait(tag, Some(table), now);
            }
            return false;
        }
        self.wait(Tag::everything(), None, now);
        self.swallow();
        !is_covered
    }

    /// Anything may have changed.
    pub(crate) fn push_everything(&mut self, now: Instant) {
        self.last += 1;
        self.wait(Tag::everything(), None, now);
        self.swallow();
    }

    fn wait(&mut self, tag: Tag, table: Option<QualifiedName>, now: Instant) {
        let new = Some(Span { changes: (self.last, self.last), since: now });
        self.enqueue(Waiting { tag, table, fence: self.departures.fence(), new, again: None }, false);
    }

    /// Has a name wait, before all others if it is an older one that comes back.
    fn enqueue(&mut self, new: Waiting, is_first: bool) {
        let tag = new.tag.clone();
        let is_known = match self.waiting.get_mut(&tag) {
            Some(known) => {
                known.join(&new);
                true
            }
            None => {
                self.waiting.insert(tag.clone(), new);
                false
            }
        };
        if is_first {
            if is_known {
                self.order.retain(|waiting| *waiting != tag);
            }
            self.order.push_front(tag);
        } else if !is_known {
            self.order.push_back(tag);
        }
    }

    /// What waits beside the purge of everything is done by that.
    fn swallow(&mut self) {
        let all = Tag::everything();
        let Some(mut everything) = self.waiting.remove(&all) else { return };
        // Its own answers are looked for: those of what is swallowed are among them.
        self.waiting.values().for_each(|waiting| everything.join(waiting));
        self.waiting.clear();
        self.order = VecDeque::from([all.clone()]);
        self.waiting.insert(all, everything);
    }

    /// What is to be done next. What it gives to be purged is under way from now on, until [`Queue::purged`] or [`Queue::failed`].
    pub(crate) fn next(&mut self, now: Instant, most: Most) -> Next {
        let until = self.ripen(now);
        let mut bytes = 0;
        let mut batch = Vec::new();
        while let Some(tag) = self.order.front() {
            bytes += tag.as_str().len() + 1;
            // One is always sent, whatever its length.
            if batch.len() >= most.tags || (!batch.is_empty() && bytes > most.bytes) {
                break;
            }
            let Some(tag) = self.order.pop_front() else { break };
            batch.extend(self.waiting.remove(&tag));
        }
        if batch.is_empty() {
            return Next::Wait(until);
        }
        // Before it is sent: what has arrived by now is purged by it.
        let never_purged = batch.iter().filter(|waiting| waiting.new.is_some());
        let wanted = never_purged.map(|waiting| (waiting.tag.clone(), waiting.fence)).collect();
        let mut outstanding = self.departures.outstanding(&wanted);
        let tags = batch.iter().map(|waiting| waiting.tag.clone()).collect();
        self.sent = batch
            .into_iter()
            .map(|waiting| Sent { outstanding: outstanding.remove(&waiting.tag).unwrap_or_default(), waiting })
            .collect();
        Next::Purge(tags)
    }

    /// Has those wait again whose answers have arrived. Gives when the next ones will have.
    fn ripen(&mut self, now: Instant) -> Option<Instant> {
        let mut until = None;
        for again in std::mem::take(&mut self.again) {
            let at = match self.departures.arrival(&again.outstanding) {
                Arrival::Over => Some(again.earliest),
                Arrival::At(at) => Some(at.max(again.earliest)),
                Arrival::Open => None,
            };
            if at.is_some_and(|at| at <= now) {
                self.enqueue(again.waiting, true);
                continue;
            }
            until = [until, at].into_iter().flatten().min();
            self.again.push(again);
        }
        self.swallow();
        until
    }

    /// What was under way is purged. Gives the moments of the first changes of which nothing is left to do.
    pub(crate) fn purged(&mut self, now: Instant) -> Vec<Instant> {
        let mut done = Vec::new();
        for Sent { mut waiting, outstanding } in std::mem::take(&mut self.sent) {
            let earliest = if self.is_elsewhere(&waiting) { now + self.elsewhere.settle } else { now };
            // What was on its way at the first time has arrived by the second, whatever newer changes were purged with it.
            done.extend(waiting.again.take().map(|again| again.since));
            let Some(new) = waiting.new.take() else { continue };
            if outstanding.is_empty() && earliest == now {
                done.push(new.since);
            } else {
                waiting.again = Some(new);
                self.again.push(Again { waiting, outstanding, earliest });
            }
        }
        if self.again.len() > self.most {
            self.fold_again();
        }
        done
    }

    /// Too many that wait for their second purge become one of everything, when the last of them is due.
    fn fold_again(&mut self) {
        let mut all = std::mem::take(&mut self.again).into_iter();
        let Some(mut folded) = all.next() else { return };
        for Again { waiting, outstanding, earliest } in all {
            folded.waiting.join(&waiting);
            folded.outstanding.extend(outstanding);
            folded.earliest = folded.earliest.max(earliest);
        }
        (folded.waiting.tag, folded.waiting.table) = (Tag::everything(), None);
        folded.outstanding.sort_unstable();
        folded.outstanding.dedup();
        self.again.push(folded);
    }

    /// Whether others may have had answers on their way that this purge is too early for.
    fn is_elsewhere(&self, waiting: &Waiting) -> bool {
        let Elsewhere { tables, .. } = &self.elsewhere;
        waiting.table.as_ref().map_or(!tables.is_empty(), |table| tables.contains(table))
    }

    /// What was under way could not be purged: it waits again, before all others.
    pub(crate) fn failed(&mut self) {
        for Sent { waiting, .. } in std::mem::take(&mut self.sent).into_iter().rev() {
            self.enqueue(waiting, true);
        }
        if self.waiting.contains_key(&Tag::everything()) {
            self.swallow();
        }
    }

    /// The number of the last change.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Whether nothing is left to do of the changes of these tables that are later than the first number and no later than the second.
    pub(crate) fn is_done(&self, changes: (u64, u64), tables: &BTreeSet<QualifiedName>) -> bool {
        !self.all().any(|waiting| waiting.is_about(changes, tables))
    }

    fn all(&self) -> impl Iterator<Item = &Waiting> {
        let sent = self.sent.iter().map(|sent| &sent.waiting);
        self.waiting.values().chain(sent).chain(self.again.iter().map(|again| &again.waiting))
    }

    /// How many names wait, and since when the first does.
    pub(crate) fn depth(&self) -> (usize, Option<Instant>) {
        (self.all().count(), self.all().flat_map(Waiting::spans).map(|span| span.since).min())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::departures::tests::{Still, still, table, tag};

    const MOST: Most = Most { tags: 3, bytes: 1_000 };

    fn queue(most: usize) -> (Queue, Arc<Still>, Arc<Departures>) {
        let (clock, departures) = still();
        (Queue::new(most, departures.clone(), Elsewhere::default()), clock, departures)
    }

    fn push(queue: &mut Queue, names: &[&str], now: Instant) -> bool {
        queue.push(names.iter().map(|name| (tag(name), table(name))).collect(), now)
    }

    fn texts(next: Next) -> Vec<String> {
        match next {
            Next::Purge(tags) => tags.iter().map(ToString::to_string).collect(),
            Next::Wait(_) => Vec::new(),
        }
    }

    fn is_done(queue: &Queue, up_to: u64, name: &str) -> bool {
        queue.is_done((0, up_to), &BTreeSet::from([table(name)]))
    }

    #[test]
    fn names_are_purged_in_order_in_batches_and_each_once() {
        let (mut queue, clock, _) = queue(100);
        let now = clock.start;
        for names in [&["a", "b"][..], &["b", "c"], &["d"], &["a"]] {
            assert!(!push(&mut queue, names, now));
        }
        assert_eq!(queue.depth(), (4, Some(now)));
        assert_eq!(texts(queue.next(now, MOST)), ["t:a", "t:b", "t:c"]);
        assert!(!is_done(&queue, 1, "a"), "it is under way");
        assert_eq!(queue.purged(now).len(), 3);
        assert!(is_done(&queue, 4, "a") && is_done(&queue, 2, "d") && !is_done(&queue, 3, "d"));
        assert!(queue.is_done((3, 4), &BTreeSet::from([table("d")])), "the change is an earlier one");
        assert_eq!(texts(queue.next(now, MOST)), ["t:d"]);
        assert_eq!(queue.purged(now).len(), 1);
        assert_eq!(queue.next(now, MOST), Next::Wait(None));
    }

    #[test]
    fn a_batch_is_no_longer_than_its_bound() {
        let (mut queue, clock, _) = queue(100);
        push(&mut queue, &["aaaa", "bbbb", "cccc"], clock.start);
        let most = Most { tags: 9, bytes: 14 };
        assert_eq!(texts(queue.next(clock.start, most)), ["t:aaaa", "t:bbbb"]);
        queue.purged(clock.start);
        assert_eq!(texts(queue.next(clock.start, Most { tags: 9, bytes: 1 })), ["t:cccc"]);
    }

    #[test]
    fn a_change_that_comes_while_its_name_is_purged_waits_anew() {
        let (mut queue, clock, _) = queue(100);
        let now = clock.start;
        push(&mut queue, &["a"], now);
        assert_eq!(texts(queue.next(now, MOST)), ["t:a"]);
        push(&mut queue, &["a"], now);
        queue.purged(now);
        assert!(is_done(&queue, 1, "a") && !is_done(&queue, 2, "a"));
        assert_eq!(texts(queue.next(now, MOST)), ["t:a"]);
    }

    #[test]
    fn what_fails_comes_again_before_all_others_and_joins_later_changes() {
        let (mut queue, clock, _) = queue(100);
        let now = clock.start;
        push(&mut queue, &["a", "b", "c"], now);
        queue.next(now, MOST);
        push(&mut queue, &["d", "b"], now);
        queue.failed();
        assert_eq!(queue.depth().0, 4);
        assert!(!is_done(&queue, 1, "a"));
        assert_eq!(texts(queue.next(now, MOST)), ["t:a", "t:b", "t:c"]);
        queue.purged(now);
        assert!(is_done(&queue, 2, "b") && !is_done(&queue, 2, "d"));
        assert_eq!(texts(queue.next(now, MOST)), ["t:d"]);
    }

    #[test]
    fn too_many_are_everything() {
        let (mut queue, clock, _) = queue(2);
        let now = clock.start;
        assert!(!push(&mut queue, &["a", "b"], now));
        assert!(push(&mut queue, &["c"], now), "it is told once");
        assert!(!push(&mut queue, &["d"], now));
        assert_eq!(queue.depth().0, 1);
        assert!((1..=4).all(|number| !is_done(&queue, number, "x")));
        assert_eq!(texts(queue.next(now, MOST)), ["all"]);
        push(&mut queue, &["e"], now);
        queue.failed();
        assert_eq!(texts(queue.next(now, MOST)), ["all"], "which purges e as well");
        queue.purged(now);
        assert!(is_done(&queue, 5, "e"));
    }

    #[test]
    fn what_was_on_its_way_is_purged_once_more_when_it_has_arrived() {
        let (mut queue, clock, departures) = queue(100);
        let now = clock.start;
        let old = departures.leave([], vec![tag("a")], || true).unwrap();
        push(&mut queue, &["a", "b"], now);
        let new = departures.leave([], vec![tag("b")], || true).unwrap();
        assert_eq!(texts(queue.next(now, MOST)), ["t:a", "t:b"]);
        assert_eq!(queue.purged(now).len(), 1);
        assert!(!is_done(&queue, 1, "a") && is_done(&queue, 1, "b"));
        assert_eq!(queue.next(now, MOST), Next::Wait(None), "it is still being sent");
        drop((old, new));
        let arrived = now + Duration::from_millis(100);
        assert_eq!(queue.next(now, MOST), Next::Wait(Some(arrived)));
        clock.milliseconds.store(100, Ordering::SeqCst);
        assert_eq!(texts(queue.next(arrived, MOST)), ["t:a"]);
        let even_later = departures.leave([], vec![tag("a")], || true).unwrap();
        assert_eq!(queue.purged(arrived), [now]);
        assert!(is_done(&queue, 1, "a"), "no third time for what has seen the change");
        drop(even_later);
    }

    #[test]
    fn a_purge_that_comes_late_is_enough() {
        let (mut queue, clock, departures) = queue(100);
        drop(departures.leave([], vec![tag("a")], || true));
        push(&mut queue, &["a"], clock.start);
        clock.milliseconds.store(100, Ordering::SeqCst);
        queue.next(clock.start, MOST);
        assert_eq!(queue.purged(clock.start).len(), 1);
        assert!(is_done(&queue, 1, "a"));
    }

    #[test]
    fn a_change_before_the_second_purge_takes_nothing_from_it() {
        let (mut queue, clock, departures) = queue(100);
        let now = clock.start;
        let old = departures.leave([], vec![tag("a")], || true).unwrap();
        push(&mut queue, &["a"], now);
        queue.next(now, MOST);
        queue.purged(now);
        drop(old);
        let newer = departures.leave([], vec![tag("a")], || true).unwrap();
        clock.milliseconds.store(100, Ordering::SeqCst);
        let later = now + Duration::from_millis(100);
        push(&mut queue, &["a"], later);
        assert_eq!(texts(queue.next(later, MOST)), ["t:a"]);
        queue.failed();
        assert_eq!(texts(queue.next(later, MOST)), ["t:a"]);
        assert_eq!(queue.purged(later), [now]);
        assert!(is_done(&queue, 1, "a"));
        assert!(!is_done(&queue, 2, "a"), "what has seen the first change alone is still on its way");
        drop(newer);
    }

    #[test]
    fn changes_and_answers_without_end_keep_none_waiting() {
        let (mut queue, clock, departures) = queue(100);
        let mut way = VecDeque::new();
        for round in 1..=40_u64 {
            let now = clock.start + Duration::from_millis(round * 25);
            clock.milliseconds.store(round * 25, Ordering::SeqCst);
            way.push_back(departures.leave([], vec![tag("a")], || true).unwrap());
            push(&mut queue, &["a"], now);
            if way.len() > 2 {
                drop(way.pop_front());
            }
            assert_eq!(texts(queue.next(now, MOST)), ["t:a"]);
            queue.purged(now);
            // On the way for two rounds, and then for the four that it may take to arrive.
            assert!(is_done(&queue, round.saturating_sub(6), "a"), "{round}");
            assert!(!is_done(&queue, round, "a"), "{round}");
        }
    }

    #[test]
    fn too_many_second_purges_are_one_of_everything() {
        let (mut queue, clock, departures) = queue(2);
        let now = clock.start;
        let mut way = Vec::new();
        for name in ["a", "b", "c"] {
            way.push(departures.leave([], vec![tag(name)], || true).unwrap());
            push(&mut queue, &[name], now);
            assert_eq!(texts(queue.next(now, MOST)), [format!("t:{name}")]);
            assert!(queue.purged(now).is_empty());
        }
        assert_eq!(queue.depth(), (1, Some(now)));
        assert_eq!(queue.next(now, MOST), Next::Wait(None));
        drop(way);
        clock.milliseconds.store(100, Ordering::SeqCst);
        let later = now + Duration::from_millis(100);
        assert!(!is_done(&queue, 1, "a"));
        assert_eq!(texts(queue.next(later, MOST)), ["all"]);
        assert_eq!(queue.purged(later), [now]);
        assert!(is_done(&queue, 3, "c"));
    }

    #[test]
    fn what_others_had_on_their_way_is_purged_once_more_after_a_while() {
        let (clock, departures) = still();
        let elsewhere = Elsewhere { tables: BTreeSet::from([table("a")]), settle: Duration::from_millis(50) };
        let mut queue = Queue::new(9, departures, elsewhere);
        let now = clock.start;
        push(&mut queue, &["a", "b"], now);
        queue.next(now, MOST);
        assert_eq!(queue.purged(now).len(), 1);
        let at = now + Duration::from_millis(50);
        assert_eq!(queue.next(now, MOST), Next::Wait(Some(at)));
        assert_eq!(texts(queue.next(at, MOST)), ["t:a"]);
        assert_eq!(queue.purged(at).len(), 1);
        assert!(is_done(&queue, 1, "a"));
    }

    #[test]
    fn everything_swallows_what_waits_for_its_second_time() {
        let (mut queue, clock, departures) = queue(100);
        let now = clock.start;
        let everything = || vec![tag("a"), Tag::everything()];
        let old = departures.leave([], everything(), || true).unwrap();
        push(&mut queue, &["a"], now);
        queue.next(now, MOST);
        queue.purged(now);
        queue.push_everything(now);
        assert_eq!(texts(queue.next(now, MOST)), ["all"]);
        queue.purged(now);
        assert!(!is_done(&queue, 1, "a"));
        drop(old);
        clock.milliseconds.store(100, Ordering::SeqCst);
        assert_eq!(texts(queue.next(now + Duration::from_millis(100), MOST)), ["all"]);
        queue.purged(now);
        assert!(is_done(&queue, 2, "a"));
    }
}
