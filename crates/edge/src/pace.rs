//! How fast a client has to be: when it sends a body, and when it takes an answer over HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::EdgeLimits;
use crate::watch::Activity;

/// For how long a body may be as slow as it wants to: long enough for a handshake of every network, and for a client that thinks.
const BODY_GRACE: Duration = Duration::from_secs(10);

/// For how long a body may not have begun: it follows on its head, and a client that only wants a place sends nothing of it.
const BODY_BEGIN: Duration = Duration::from_secs(5);

/// The bytes a second at which an answer has to be taken in the long run. Less than any modem has: it is there for those who
/// take a byte now and then to hold an answer for ever.
const SLOWEST_READER: u64 = 1024;

/// Until when more of a body has to come, when so many bytes have come since it began.
pub(crate) fn body_deadline(began: Instant, bytes: usize, limits: &EdgeLimits) -> Instant {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let earned = Duration::from_secs(bytes / limits.min_body_bytes_per_second.max(1));
    let grace = if bytes == 0 { BODY_BEGIN } else { BODY_GRACE };
    began + grace.saturating_add(earned).min(limits.body_read_timeout)
}

/// How an answer is taken, in HTTP/2: there the client says for each answer how much it takes, and the socket shows nothing.
#[derive(Debug)]
pub(crate) struct Pace {
    activity: Arc<Activity>,
    /// The name of this answer among those of the connection.
    answer: u64,
    timeout: Duration,
    since: Option<Instant>,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// From the moment on that there is something to take.
    pub(crate) fn begin(activity: Arc<Activity>, limits: &EdgeLimits) -> Self {
        let answer = activity.name_answer();
        let timeout = limits.write_timeout;
        let mut pace = Self { activity, answer, timeout, since: None, waited: Duration::ZERO, bytes: 0 };
        pace.wait();
        pace
    }

    /// The client has room for more.
    pub(crate) fn asked(&mut self) {
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
            self.activity.takes(self.answer);
        }
    }

    /// It was given so many bytes, and there may be more.
    pub(crate) fn gave(&mut self, bytes: usize) {
        self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        self.wait();
    }

    fn wait(&mut self) {
        let now = Instant::now();
        let earned = Duration::from_secs(self.bytes / SLOWEST_READER);
        let left = self.timeout.saturating_add(earned).saturating_sub(self.waited);
        self.since = Some(now);
        self.activity.has_to_take(self.answer, now + left.min(self.timeout));
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.asked();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Protocol;
    use telemetry::DropReason;

    fn limits() -> EdgeLimits {
        EdgeLimits {
            write_timeout: Duration::from_secs(10),
            body_read_timeout: Duration::from_secs(30),
            min_body_bytes_per_second: 1000,
            ..EdgeLimits::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_buy_time_with_bytes() {
        let began = Instant::now();
        let seconds = |bytes| (body_deadline(began, bytes, &limits()) - began).as_secs();
        assert_eq!(
            [seconds(0), seconds(1), seconds(999), seconds(5000), seconds(20_000), seconds(usize::MAX)],
            [5, 10, 10, 15, 30, 30]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_nothing_or_next_to_nothing_is_let_go() {
        let activity = Arc::new(Activity::new());
        activity.request_began();
        let look = |activity: &Activity| activity.look(Instant::now(), &limits(), Protocol::Http2);
        let pass = |seconds| tokio::time::advance(Duration::from_secs(seconds));

        let mut pace = Pace::begin(activity.clone(), &limits());
        pass(9).await;
        assert!(look(&activity).is_ok());
        pace.asked();
        pass(100).await;
        assert!(look(&activity).is_ok(), "the server has nothing to give");
        pace.gave(1);
        pass(2).await;
        assert_eq!(look(&activity), Err(DropReason::SlowReader), "one byte buys no time");

        pace.asked();
        pace.gave(100 * 1024);
        pass(9).await;
        assert!(look(&activity).is_ok());
        pass(1).await;
        assert_eq!(look(&activity), Err(DropReason::SlowReader), "no bytes buy more than the time without progress");
        drop(pace);
        assert!(look(&activity).is_ok());
    }
}
