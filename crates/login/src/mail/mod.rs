//! Mail: what it says, and how it leaves. Requests do not wait for it: how long a mail takes would tell who has an account.

mod smtp;
mod template;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use smtp::{SmtpMailer, SmtpSecurity, SmtpSettings};
pub(crate) use template::Values;
pub use template::{MailKind, NotATemplate, Template, Templates};

/// How many mails may wait to be sent. One more is answered 503.
pub const MOST_WAITING_MAILS: usize = 1_000;

/// How many mails are sent side by side.
const SENDERS: usize = 4;

/// A mail that is ready to be sent.
#[derive(Clone)]
pub struct Mail {
    /// Which one it is, for logs.
    pub kind: MailKind,
    /// Who gets it.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text, as HTML.
    pub html: String,
    /// The text, plain.
    pub text: String,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the address nor the link are anybody's business.
        write!(f, "Mail({:?})", self.kind)
    }
}

/// Why a mail was not sent. What the server said may hold the address, and stands here for settings that are wrong alone.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct MailError {
    /// Its word in the log: `message`, `connection`, `timeout`, `refused`, `console`.
    pub reason: &'static str,
    /// The reply code of SMTP, where the server answered.
    pub code: Option<u16>,
    text: String,
}

impl MailError {
    /// An error without an answer of a server.
    pub fn new(reason: &'static str, text: impl Into<String>) -> Self {
        Self { reason, code: None, text: text.into() }
    }
}

/// Sends mail.
pub trait Mailer: Send + Sync + 'static {
    /// Sends a mail, within a bounded time.
    ///
    /// # Errors
    /// Why it could not be sent.
    fn send<'a>(&'a self, mail: &'a Mail) -> Pin<Box<dyn Future<Output = Result<(), MailError>> + Send + 'a>>;
}

/// What is told of each mail: which one, and whether it was sent.
pub type MailListener = Arc<dyn Fn(MailKind, Result<(), &MailError>) + Send + Sync>;

/// Where mails wait to be sent.
pub(crate) struct Post {
    /// `None` once it is closed.
    queue: Mutex<Option<mpsc::Sender<Mail>>>,
    senders: Mutex<JoinSet<()>>,
    /// How many were posted and are not handed over.
    unsent: Arc<AtomicU64>,
}

/// The queue is full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Full;

impl Post {
    /// Begins to send what is posted, in the runtime that it is called in, until this is dropped.
    pub(crate) fn open(mailer: Arc<dyn Mailer>, listener: MailListener) -> Self {
        let (queue, waiting) = mpsc::channel(MOST_WAITING_MAILS);
        let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
        let (mut senders, unsent) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
        for _ in 0..SENDERS {
            let (waiting, mailer, listener, unsent) =
                (waiting.clone(), mailer.clone(), listener.clone(), unsent.clone());
            senders.spawn(async move { send_all(&waiting, &*mailer, (&listener, &unsent)).await });
        }
        Self { queue: Mutex::new(Some(queue)), senders: Mutex::new(senders), unsent }
    }

    /// Keeps a place for a mail that may be posted.
    pub(crate) fn reserve(&self) -> Result<Place, Full> {
        let queue = self.queue.lock().clone().ok_or(Full)?;
        let permit = queue.try_reserve_owned().map_err(|_| Full)?;
        Ok(Place { permit, unsent: self.unsent.clone() })
    }

    /// Takes no more mails and waits until those that wait are sent, for so long at most. Gives how many were not.
    pub(crate) async fn close(&self, within: Duration) -> u64 {
        drop(self.queue.lock().take());
        let mut senders = std::mem::take(&mut *self.senders.lock());
        let all = async { while senders.join_next().await.is_some() {} };
        let _too_late = tokio::time::timeout(within, all).await;
        self.unsent.load(Ordering::Acquire)
    }
}

/// A place in the queue, for one mail; free again when it is dropped.
pub(crate) struct Place {
    permit: mpsc::OwnedPermit<Mail>,
    unsent: Arc<AtomicU64>,
}

impl Place {
    /// Posts the mail.
    pub(crate) fn send(self, mail: Mail) {
        self.unsent.fetch_add(1, Ordering::AcqRel);
        self.permit.send(mail);
    }
}

async fn send_all(
    waiting: &tokio::sync::Mutex<mpsc::Receiver<Mail>>,
    mailer: &dyn Mailer,
    (listener, unsent): (&MailListener, &AtomicU64),
) {
    loop {
        let next = waiting.lock().await.recv().await;
        let Some(mail) = next else { return };
        let outcome = mailer.send(&mail).await;
        unsent.fetch_sub(1, Ordering::AcqRel);
        listener(mail.kind, outcome.as_ref().copied());
    }
}

/// Writes mails to a console, for development.
pub struct ConsoleMailer<W>(Mutex<W>);

impl<W: std::io::Write + Send + 'static> ConsoleMailer<W> {
    /// Writes to this.
    pub fn new(console: W) -> Self {
        Self(Mutex::new(console))
    }
}

impl<W: std::io::Write + Send + 'static> Mailer for ConsoleMailer<W> {
    fn send<'a>(&'a self, mail: &'a Mail) -> Pin<Box<dyn Future<Output = Result<(), MailError>> + Send + 'a>> {
        Box::pin(async move {
            let mut console = self.0.lock();
            write!(console, "\n--- mail to {} ---\n{}\n\n{}\n---\n", mail.to, mail.subject, mail.text.trim())
                .and_then(|()| console.flush())
                .map_err(|error| MailError::new("console", error.to_string()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes the first mails, and no more.
    struct Slow(AtomicU64);

    impl Mailer for Slow {
        fn send<'a>(&'a self, _: &'a Mail) -> Pin<Box<dyn Future<Output = Result<(), MailError>> + Send + 'a>> {
            Box::pin(async {
                if self.0.fetch_add(1, Ordering::AcqRel) >= 10 {
                    std::future::pending::<()>().await;
                }
                Ok(())
            })
        }
    }

    fn post(post: &Post, mails: usize) {
        let (kind, text) = (MailKind::Recovery, String::new);
        for _ in 0..mails {
            let mail = Mail { kind, to: text(), subject: text(), html: text(), text: text() };
            post.reserve().unwrap().send(mail);
        }
    }

    #[tokio::test]
    async fn what_waits_is_sent_before_the_end() {
        let slow = Arc::new(Slow(AtomicU64::new(0)));
        let open = Post::open(slow.clone(), Arc::new(|_, _| {}));
        post(&open, 10);
        assert_eq!(open.close(Duration::from_secs(600)).await, 0);
        assert!(open.reserve().is_err(), "nothing is posted any more");
    }

    #[tokio::test]
    async fn what_cannot_be_sent_by_then_is_counted() {
        let slow = Arc::new(Slow(AtomicU64::new(0)));
        let open = Post::open(slow.clone(), Arc::new(|_, _| {}));
        post(&open, 25);
        while slow.0.load(Ordering::Acquire) < 10 + SENDERS as u64 {
            tokio::task::yield_now().await;
        }
        assert_eq!(open.close(Duration::from_millis(1)).await, 15);
    }
}
