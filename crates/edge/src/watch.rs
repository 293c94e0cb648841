//! Watches a connection from its first moment. The HTTP library times nothing here: one small record of what the
//! connection does, looked at when something could be overdue, catches slow senders, slow readers and idlers of
//! both protocols without a timer per request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use telemetry::DropReason;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::EdgeLimits;
use crate::follow::Framing;

/// What a connection does. Moments are nanoseconds since it was opened, plus one; 0 means "not now".
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    in_flight: AtomicU32,
    was_asked: AtomicBool,
    head_since: AtomicU64,
    idle_since: AtomicU64,
    blocked_since: AtomicU64,
    /// Heads that the parser took, and requests whose answer is handed over.
    heads: AtomicU64,
    answers: AtomicU64,
    /// Of the last head: [`NOT_TOLD`], [`CHUNKED`] or the length of the body.
    framing: AtomicU64,
    is_ambiguous: AtomicBool,
    /// Where the next request begins is not certain.
    is_lost: AtomicBool,
    /// Requests that the client gave up before they were answered, less those that were.
    given_up: AtomicU64,
    /// Has to be looked at now.
    alarm: Notify,
    /// Until when the client has to take more of an answer, of HTTP/2, by the answer's name.
    untaken: Mutex<HashMap<u64, Instant>>,
    named_answers: AtomicU64,
}

const NOT_TOLD: u64 = u64::MAX;
const CHUNKED: u64 = u64::MAX - 1;

/// The protocol that a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            in_flight: AtomicU32::new(0),
            was_asked: AtomicBool::new(false),
            head_since: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            heads: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            framing: AtomicU64::new(NOT_TOLD),
            is_ambiguous: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            given_up: AtomicU64::new(0),
            alarm: Notify::new(),
            untaken: Mutex::default(),
            named_answers: AtomicU64::new(0),
        }
    }

    /// A name for an answer that this connection has no other of.
    pub(crate) fn name_answer(&self) -> u64 {
        self.named_answers.fetch_add(1, Ordering::Relaxed)
    }

    /// The client has to take more of an answer until then.
    pub(crate) fn has_to_take(&self, answer: u64, until: Instant) {
        self.untaken.lock().insert(answer, until);
    }

    /// The client takes it.
    pub(crate) fn takes(&self, answer: u64) {
        self.untaken.lock().remove(&answer);
    }

    /// The client has given a request up before it was answered. One that does so now and then is a person who clicks on;
    /// one that does nothing else has work done for nothing (CVE-2023-44487).
    pub(crate) fn was_given_up(&self, limits: &EdgeLimits) {
        if self.given_up.fetch_add(1, Ordering::Relaxed) >= limits.max_resets {
            self.alarm.notify_one();
        }
    }

    /// A request was answered.
    pub(crate) fn was_answered(&self) {
        let less = |count: u64| count.checked_sub(1);
        let _none_left = self.given_up.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Ready when the connection has to be looked at before its time.
    pub(crate) async fn alarmed(&self) {
        self.alarm.notified().await;
    }

    /// The parser took a head. Gives whether it frames its body in two ways.
    pub(crate) fn head_parsed(&self, framing: Framing) -> bool {
        let framing = match framing {
            Framing::Chunked => CHUNKED,
            Framing::Length(bytes) => bytes,
        };
        self.framing.store(framing, Ordering::Relaxed);
        self.heads.fetch_add(1, Ordering::Relaxed);
        self.is_ambiguous.swap(false, Ordering::Relaxed)
    }

    /// What the parser said about the last head, once.
    pub(crate) fn take_framing(&self) -> Option<Framing> {
        match self.framing.swap(NOT_TOLD, Ordering::Relaxed) {
            NOT_TOLD => None,
            CHUNKED => Some(Framing::Chunked),
            bytes => Some(Framing::Length(bytes)),
        }
    }

    /// The head that the parser gets next frames its body in two ways.
    pub(crate) fn set_ambiguous(&self) {
        self.is_ambiguous.store(true, Ordering::Relaxed);
    }

    /// A body was framed in a way that the parser reads, and others may read differently: what follows on it is not certain.
    pub(crate) fn lose(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }

    /// Whether it is not certain where the next request begins.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Heads that the parser took so far.
    pub(crate) fn heads(&self) -> u64 {
        self.heads.load(Ordering::Relaxed)
    }

    /// Whether every request's answer is handed over.
    pub(crate) fn is_answered(&self) -> bool {
        self.heads() == self.answers.load(Ordering::Relaxed)
    }

    fn stamp(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn moment(&self, stamp: u64) -> Instant {
        self.opened + Duration::from_nanos(stamp.saturating_sub(1))
    }

    /// The head of a request is complete.
    pub(crate) fn request_began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        self.was_asked.store(true, Ordering::Relaxed);
    }

    /// A request's answer is handed over.
    pub(crate) fn request_ended(&self) {
        self.idle_since.store(self.stamp(), Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether nothing is asked and nothing half asked. On HTTP/2, bytes between requests are mostly pings and window updates.
    pub(crate) fn is_idle(&self, protocol: Protocol) -> bool {
        let is_half_asked = protocol == Protocol::Http1 && self.head_since.load(Ordering::Relaxed) != 0;
        self.in_flight.load(Ordering::Relaxed) == 0 && !is_half_asked
    }

    /// Whether a request was ever complete.
    pub(crate) fn was_asked(&self) -> bool {
        self.was_asked.load(Ordering::Relaxed)
    }

    /// The client sent something.
    pub(crate) fn bytes_came(&self) {
        if self.in_flight.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.stamp(), Ordering::Relaxed);
        }
    }

    /// Whether the client does not take what is sent to it.
    pub(crate) fn write_waits(&self, waits: bool) {
        let since = self.blocked_since.load(Ordering::Relaxed);
        if waits && since == 0 {
            self.blocked_since.store(self.stamp(), Ordering::Relaxed);
        } else if !waits && since != 0 {
            self.blocked_since.store(0, Ordering::Relaxed);
        }
    }

    /// When to look again; or why the connection has to end.
    pub(crate) fn look(&self, now: Instant, limits: &EdgeLimits, protocol: Protocol) -> Result<Instant, DropReason> {
        if self.given_up.load(Ordering::Relaxed) > limits.max_resets {
            return Err(DropReason::Resets);
        }
        let waiting = self.waiting(limits, protocol);
        let untaken = self.untaken.lock().values().min().map(|until| (*until, DropReason::SlowReader));
        let blocked = match self.blocked_since.load(Ordering::Relaxed) {
            0 => None,
            since => Some((self.moment(since) + limits.write_timeout, DropReason::SlowReader)),
        };
        let mut next = now + shortest(limits);
        for (deadline, reason) in waiting.into_iter().chain(blocked).chain(untaken) {
            if deadline <= now {
                return Err(reason);
            }
            next = next.min(deadline);
        }
        Ok(next)
    }

    /// Until when a request has to come. While one is answered, its own limits count.
    fn waiting(&self, limits: &EdgeLimits, protocol: Protocol) -> Option<(Instant, DropReason)> {
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let head_since = self.head_since.load(Ordering::Relaxed);
        if !self.was_asked() {
            return Some((self.opened + limits.header_read_timeout, DropReason::SlowHead));
        }
        // On HTTP/2, bytes between requests are mostly pings and window updates.
        if head_since != 0 && protocol == Protocol::Http1 {
            return Some((self.moment(head_since) + limits.header_read_timeout, DropReason::SlowHead));
        }
        let idle_since = self.moment(self.idle_since.load(Ordering::Relaxed));
        Some((idle_since + limits.idle_timeout, DropReason::Idle))
    }
}

/// What begins now is overdue no earlier than this.
pub(crate) fn shortest(limits: &EdgeLimits) -> Duration {
    limits.header_read_timeout.min(limits.write_timeout).min(limits.idle_timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> EdgeLimits {
        EdgeLimits {
            header_read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            ..EdgeLimits::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_time() {
        let pass = |seconds| tokio::time::advance(Duration::from_secs(seconds));
        let look = |activity: &Activity| activity.look(Instant::now(), &limits(), Protocol::Http1);

        let silent = Activity::new();
        pass(9).await;
        assert!(look(&silent).is_ok());
        pass(1).await;
        assert_eq!(look(&silent), Err(DropReason::SlowHead));

        let trickling = Activity::new();
        trickling.request_began();
        pass(1000).await;
        assert!(look(&trickling).is_ok(), "a running request has limits of its own");
        trickling.request_ended();
        pass(70).await;
        assert!(look(&trickling).is_ok());
        trickling.bytes_came();
        pass(6).await;
        trickling.bytes_came();
        assert!(look(&trickling).is_ok(), "no longer idle");
        pass(4).await;
        assert_eq!(look(&trickling), Err(DropReason::SlowHead), "more bytes do not buy more time");
        trickling.request_began();
        trickling.request_ended();
        pass(75).await;
        assert_eq!(look(&trickling), Err(DropReason::Idle));

        let unread = Activity::new();
        unread.request_began();
        unread.write_waits(true);
        pass(29).await;
        assert!(look(&unread).is_ok());
        unread.write_waits(false);
        unread.write_waits(true);
        pass(29).await;
        assert!(look(&unread).is_ok(), "progress buys time");
        pass(1).await;
        assert_eq!(look(&unread), Err(DropReason::SlowReader));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_look_is_never_late() {
        let activity = Activity::new();
        activity.request_began();
        activity.request_ended();
        let now = Instant::now();
        let next = activity.look(now, &limits(), Protocol::Http1).unwrap();
        assert_eq!(next - now, Duration::from_secs(10), "a head may begin at once");
        tokio::time::advance(Duration::from_secs(70)).await;
        let now = Instant::now();
        let next = activity.look(now, &limits(), Protocol::Http1).unwrap();
        assert!(next - now <= Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn pings_do_not_make_http2_look_slow() {
        let activity = Activity::new();
        activity.request_began();
        activity.request_ended();
        activity.bytes_came();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(activity.look(Instant::now(), &limits(), Protocol::Http2).is_ok());
        assert!(activity.is_idle(Protocol::Http2) && !activity.is_idle(Protocol::Http1));
    }
}
