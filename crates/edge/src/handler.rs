use std::future::Future;

/// Answers requests. `service::Service` is the one that matters; tests bring their own.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Dropped unfinished when the client leaves or the request's time is over. A panic is
    /// answered 500 and costs nobody else anything.
    fn handle(&self, request: service::Request) -> impl Future<Output = service::Answer> + Send;
}

impl<H: Handler> Handler for std::sync::Arc<H> {
    fn handle(&self, request: service::Request) -> impl Future<Output = service::Answer> + Send {
        H::handle(self, request)
    }
}

/// What came of a reload. The names are those of settings, never their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Settings that were changed and count from now on.
    pub changed: Vec<String>,
    /// Settings that were changed since the start and count only after a restart.
    pub waiting: Vec<String>,
}

/// Says whether requests can be answered, for `/ready`; and what else an operator asks of the admin address.
pub trait Readiness: Send + Sync + 'static {
    /// `Ok`, or the reason why not, in a few fixed words. Called for every probe: quick, and never waiting.
    ///
    /// # Errors
    /// The reason why requests cannot be answered.
    fn check(&self) -> Result<(), &'static str>;

    /// Reads again what may change while the server runs, for `POST /reload` on the admin address.
    ///
    /// # Errors
    /// Why it could not be, in a few fixed words; what was there before goes on.
    fn reload(&self) -> impl Future<Output = Result<Reloaded, &'static str>> + Send {
        std::future::ready(Err("nothing here can be read again"))
    }
}

impl<F: Fn() -> Result<(), &'static str> + Send + Sync + 'static> Readiness for F {
    fn check(&self) -> Result<(), &'static str> {
        self()
    }
}
