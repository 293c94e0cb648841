//! The house as the front door sees it: empty at first, then with everything in it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base::{Failure, Kind};
use edge::Reloaded;
use login::Login;
use login::api_keys::KeyKeeper;
use parking_lot::Mutex;
use service::{Area, Service};
use store::Store;
use tokio::task::JoinHandle;

use crate::command::operations::Operations;

/// Why `/ready` says no while the database does not answer.
pub const NOT_READY: &str = "the database does not answer";

/// Why `/ready` says no before the first step of a start that takes long.
const STARTING: &str = "the server starts";

/// After so many seconds whoever came before the database was there may come again.
const RETRY_AFTER: u32 = 2;

/// How long the mail server may take for the mails that wait when the server is stopped.
const LAST_MAILS: Duration = Duration::from_secs(3);

/// How long the database has, when the server stops, to keep when and how much API keys were used.
const LAST_USES: Duration = Duration::from_secs(2);

/// The service as the front door and the operator call it, once it is there.
#[derive(Clone, Default)]
pub struct House(Arc<Inner>);

#[derive(Default)]
struct Inner {
    rooms: OnceLock<Rooms>,
    start: Mutex<Start>,
}

/// How far a start is.
struct Start {
    reason: &'static str,
    /// The database, as soon as it is open: its migrations may take long, and whoever stops the server stops them.
    store: Option<Arc<dyn Store>>,
}

impl Default for Start {
    fn default() -> Self {
        Self { reason: STARTING, store: None }
    }
}

/// What there is once the database is open.
pub struct Rooms {
    /// Who answers requests.
    pub service: Service,
    /// Who signs people in, where that is on.
    pub login: Option<Login>,
    /// Who does what an operator asks.
    pub operations: Operations,
    /// Whether the database answers.
    pub is_ready: Arc<AtomicBool>,
    /// Who looks after API keys, where there are any.
    pub api_keys: Option<Arc<KeyKeeper>>,
    /// What goes on beside the requests.
    pub background: Vec<JoinHandle<()>>,
}

impl House {
    /// Lets requests in.
    pub fn open(&self, rooms: Rooms) {
        let _only_once = self.0.rooms.set(rooms);
    }

    /// Why requests cannot be answered yet.
    pub fn reason(&self) -> &'static str {
        self.0.start.lock().reason
    }

    /// A start has come to what `reason` says.
    pub fn begin(&self, reason: &'static str) {
        self.0.start.lock().reason = reason;
    }

    /// Keeps hold of a database, to close it when the server is stopped before it has started.
    pub fn keep(&self, store: &Arc<dyn Store>) {
        self.0.start.lock().store = Some(store.clone());
    }

    /// Ends what goes on, and closes the database: what still runs there is cancelled.
    pub async fn close(&self) {
        if let Some(rooms) = self.0.rooms.get() {
            rooms.background.iter().for_each(JoinHandle::abort);
            if let Some(login) = &rooms.login {
                login.close(LAST_MAILS).await;
            }
            if let Some(keys) = &rooms.api_keys {
                // What was gathered since the last minute. A database that does not answer keeps nobody from stopping.
                let _in_vain = tokio::time::timeout(LAST_USES, keys.note_uses_now()).await;
            }
        }
        let store = self.0.start.lock().store.take();
        if let Some(store) = store {
            store.close().await;
        }
    }
}

impl edge::Handler for House {
    async fn handle(&self, request: service::Request) -> service::Answer {
        match self.0.rooms.get() {
            Some(Rooms { login: Some(login), service, .. }) if request.area == Area::Auth => {
                let (signs_out, is_open) = (login::is_refresh(&request), login::is_open(&request));
                let way = service::Way { prefix: "/auth/v1", signs_out, is_open };
                // Several times as large as the way through the REST API, which nobody should carry who goes that.
                Box::pin(service.charged(request, way, |request| login.answer(request))).await
            }
            Some(_) if request.area == Area::Auth => service::refuse(request, &no_login()),
            Some(rooms) => rooms.service.answer(request).await,
            None => service::refuse(request, &not_yet()),
        }
    }
}

impl edge::Readiness for House {
    fn check(&self) -> Result<(), &'static str> {
        let rooms = self.0.rooms.get().ok_or_else(|| self.reason())?;
        if rooms.is_ready.load(Ordering::Relaxed) { Ok(()) } else { Err(NOT_READY) }
    }

    async fn reload(&self) -> Result<Reloaded, &'static str> {
        self.0.rooms.get().ok_or_else(|| self.reason())?.operations.reload().await
    }
}

/// Nobody can sign in here.
fn no_login() -> Failure {
    Failure::new(Kind::NotFound, "PANDO404", "Authentication (/auth/v1) is off on this server")
        .with_hint("The operator switches it on with auth.login.enabled; the REST API is served at /rest/v1 and at /")
}

/// As PostgREST answers before it has read the schema.
fn not_yet() -> Failure {
    let message = "Could not query the database for the schema cache. Retrying.";
    Failure::new(Kind::Unavailable, "PGRST002", message).with_retry_after(RETRY_AFTER)
}
