//! Mail: what it says, and how it leaves. Requests do not wait for it: how long a mail takes would tell who has an account.

mod smtp;
mod template;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::mpsc;

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

/// Why a mail was not sent. What the server said may hold the address: it is for nobody but the operator's console.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MailError(pub String);

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
    queue: mpsc::Sender<Mail>,
}

/// The queue is full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Full;

impl Post {
    /// Begins to send what is posted, in the runtime that it is called in, until this is dropped.
    pub(crate) fn open(mailer: Arc<dyn Mailer>, listener: MailListener) -> Self {
        let (queue, waiting) = mpsc::channel(MOST_WAITING_MAILS);
        let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
        for _ in 0..SENDERS {
            let (waiting, mailer, listener) = (waiting.clone(), mailer.clone(), listener.clone());
            tokio::spawn(async move { send_all(&waiting, &*mailer, &listener).await });
        }
        Self { queue }
    }

    /// Keeps a place for a mail that may be posted.
    pub(crate) fn reserve(&self) -> Result<Place, Full> {
        self.queue.clone().try_reserve_owned().map(Place).map_err(|_| Full)
    }
}

/// A place in the queue, for one mail; free again when it is dropped.
pub(crate) struct Place(mpsc::OwnedPermit<Mail>);

impl Place {
    /// Posts the mail.
    pub(crate) fn send(self, mail: Mail) {
        self.0.send(mail);
    }
}

async fn send_all(waiting: &tokio::sync::Mutex<mpsc::Receiver<Mail>>, mailer: &dyn Mailer, listener: &MailListener) {
    loop {
        let next = waiting.lock().await.recv().await;
        let Some(mail) = next else { return };
        let outcome = mailer.send(&mail).await;
        listener(mail.kind, outcome.as_ref().copied());
    }
}

/// Writes mails to a console, for development.
pub struct ConsoleMailer<W>(parking_lot::Mutex<W>);

impl<W: std::io::Write + Send + 'static> ConsoleMailer<W> {
    /// Writes to this.
    pub fn new(console: W) -> Self {
        Self(parking_lot::Mutex::new(console))
    }
}

impl<W: std::io::Write + Send + 'static> Mailer for ConsoleMailer<W> {
    fn send<'a>(&'a self, mail: &'a Mail) -> Pin<Box<dyn Future<Output = Result<(), MailError>> + Send + 'a>> {
        Box::pin(async move {
            let mut console = self.0.lock();
            write!(console, "\n--- mail to {} ---\n{}\n\n{}\n---\n", mail.to, mail.subject, mail.text.trim())
                .and_then(|()| console.flush())
                .map_err(|error| MailError(error.to_string()))
        })
    }
}
