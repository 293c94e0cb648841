//! The sockets: opened first, then served, then drained.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use service::Client;
use telemetry::{AcceptFailed, ConnectionDropped, Draining, DropReason, Listening, Overloaded, Telemetry};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::connection::{self, Phase};
use crate::entrance::Entrance;
use crate::front::{Front, Shared};
use crate::{EdgeConfig, EdgeError, EdgeLimits, Handler, PolicyHandle, Readiness, admin};

/// Connections that the operating system may hold ready while the server is busy.
const BACKLOG: u32 = 1024;
/// Connections on the admin address: a few probes and scrapers.
const ADMIN_CONNECTIONS: u64 = 64;
/// How long to wait before accepting again after it failed; doubled each time up to a second.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long cut-off connections get to be accounted for.
const CUT_OFF: Duration = Duration::from_millis(500);

/// Sent when there are too many connections. Short enough for every socket's buffer.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: application/json; charset=utf-8\r\ncontent-length: 115\r\n\r\n\
    {\"code\":\"PANDO503\",\"details\":\"limits.max_connections is reached\",\"hint\":null,\"message\":\"Too many open connections\"}";

/// The front door with its sockets open, not yet served: an address in use is found before anything else starts.
#[derive(Debug)]
pub struct Edge {
    config: EdgeConfig,
    policy: PolicyHandle,
    api: TcpListener,
    admin: Option<TcpListener>,
    addresses: Addresses,
    entrance: Entrance,
}

/// Where the door stands, with the real ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Of the API.
    pub api: SocketAddr,
    /// Of metrics and probes.
    pub admin: Option<SocketAddr>,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Requests that did not finish in time and were cut off; 0 when all did.
    pub in_flight: u64,
    /// How long finishing took.
    pub duration: Duration,
}

impl Edge {
    /// Opens the sockets. Has to be called on the runtime that will serve them.
    ///
    /// # Errors
    /// When an address cannot be listened on, or a configured origin is none.
    pub async fn bind(config: EdgeConfig) -> Result<Self, EdgeError> {
        let policy = PolicyHandle::new(&config.origins, config.server_timing)?;
        let (api, api_address) = listen(config.listen, "API")?;
        let (admin, admin_address) = match config.admin {
            Some(address) => {
                let (listener, address) = listen(address, "admin address")?;
                (Some(listener), Some(address))
            }
            None => (None, None),
        };
        let addresses = Addresses { api: api_address, admin: admin_address };
        Ok(Self { config, policy, api, admin, addresses, entrance: Entrance::default() })
    }

    /// The same, behind a gate that keeps out what cannot be answered in time.
    #[must_use]
    pub fn with_gate(self, gate: Arc<limits::Gate>) -> Self {
        Self { entrance: Entrance::new(gate), ..self }
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// What may still change: origins, and whether answers tell their timing.
    pub fn policy(&self) -> PolicyHandle {
        self.policy.clone()
    }

    /// Serves until `shutdown` is ready, then drains: no new connections but those that wait already, idle ones are closed,
    /// fresh ones get a second to ask, running requests are finished within `limits.drain_timeout`, the rest is cut off. The admin address answers to the end.
    pub async fn run<H: Handler, R: Readiness>(
        self,
        handler: H,
        readiness: R,
        telemetry: Arc<Telemetry>,
        shutdown: impl Future<Output = ()>,
    ) -> Drained {
        let limits = self.config.limits;
        let shared = Arc::new(Shared::new(telemetry.clone(), limits));
        let (admin_phase, admin_watch) = watch::channel(Phase::Serving);
        if let (Some(listener), Some(address)) = (self.admin, self.addresses.admin) {
            telemetry.report(&Listening { purpose: "admin", address });
            tokio::spawn(serve_admin(listener, shared.clone(), Arc::new(readiness), admin_watch));
        }
        telemetry.report(&Listening { purpose: "api", address: self.addresses.api });
        let (policy, entrance, docs) = (self.policy, self.entrance, self.config.docs);
        let front = Arc::new(Front { shared: shared.clone(), policy, docs, entrance, handler });
        let (phase, watch) = watch::channel(Phase::Serving);
        let hall = Hall { doors: Doors::new(limits.max_connections), front, watch };
        tokio::select! {
            () = serve_api(&self.api, &hall) => {}
            () = shutdown => {}
        }
        // From here on, answers tell their clients to go.
        shared.begin_draining();
        admit_backlog(self.api, &hall);
        drop(hall);
        let drained = drain(&shared, &phase).await;
        let _nobody_watches = admin_phase.send(Phase::Ended);
        drained
    }
}

fn listen(address: SocketAddr, purpose: &'static str) -> Result<(TcpListener, SocketAddr), EdgeError> {
    let open = || -> io::Result<(TcpListener, SocketAddr)> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Otherwise a restart has to wait until the last connections of the run before are forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    open().map_err(|source| EdgeError::Listen { address, purpose, source })
}

/// What a connection to the API gets.
struct Hall<H> {
    doors: Doors,
    front: Arc<Front<H>>,
    watch: watch::Receiver<Phase>,
}

/// Accepts connections on the API's address. Never ends by itself.
async fn serve_api<H: Handler>(listener: &TcpListener, hall: &Hall<H>) {
    loop {
        let (socket, peer) = accept(listener, &hall.front.shared.telemetry).await;
        admit(socket, peer, hall);
    }
}

/// Lets in who connected before the server began to stop, and closes the socket. Clients cannot tell that they
/// were not accepted yet, and would lose their requests.
fn admit_backlog<H: Handler>(listener: TcpListener, hall: &Hall<H>) {
    // Asks the operating system itself: the runtime may not have heard of the latest ones.
    let Ok(listener) = listener.into_std() else { return };
    for _ in 0..BACKLOG {
        let (socket, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_left_again) => continue,
        };
        if socket.set_nonblocking(true).is_ok()
            && let Ok(socket) = TcpStream::from_std(socket)
        {
            let _closed = socket.set_nodelay(true);
            admit(socket, peer, hall);
        }
    }
}

/// Serves a connection, when there is a place for it.
fn admit<H: Handler>(socket: TcpStream, peer: SocketAddr, hall: &Hall<H>) {
    let Some(place) = hall.doors.enter() else {
        turn_away(socket, &hall.front.shared);
        return;
    };
    let (front, watch) = (hall.front.clone(), hall.watch.clone());
    tokio::spawn(async move {
        let shared = front.shared.clone();
        shared.telemetry.metrics().connection_opened();
        let client = Client { address: peer.ip().to_canonical() };
        let answer = |request, activity| front.clone().answer(request, client, activity);
        let reason = connection::serve(socket, &shared.limits, watch, answer).await;
        shared.telemetry.metrics().connection_closed();
        drop(place);
        if let Some(reason) = reason {
            shared.telemetry.report(&ConnectionDropped { reason });
        }
    });
}

/// Serves the admin address until the phase ends.
async fn serve_admin<R: Readiness>(
    listener: TcpListener,
    shared: Arc<Shared>,
    readiness: Arc<R>,
    mut watch: watch::Receiver<Phase>,
) {
    let doors = Doors::new(ADMIN_CONNECTIONS);
    let limits = EdgeLimits { max_connections: ADMIN_CONNECTIONS, ..EdgeLimits::default() };
    loop {
        let socket = tokio::select! {
            (socket, _peer) = accept(&listener, &shared.telemetry) => socket,
            _ended = watch.wait_for(|phase| *phase == Phase::Ended) => return,
        };
        let Some(place) = doors.enter() else { continue };
        let (shared, readiness, watch) = (shared.clone(), readiness.clone(), watch.clone());
        tokio::spawn(async move {
            let answer = |request: hyper::Request<hyper::body::Incoming>, activity: Arc<crate::watch::Activity>| {
                activity.request_began();
                let (shared, readiness) = (shared.clone(), readiness.clone());
                async move {
                    let response = admin::answer(&request, &shared, &*readiness).await;
                    activity.request_ended();
                    response
                }
            };
            let _reason = connection::serve(socket, &limits, watch, answer).await;
            drop(place);
        });
    }
}

/// The next connection. A failure to accept, mostly for want of file descriptors, is reported and waited out:
/// other connections will close.
async fn accept(listener: &TcpListener, telemetry: &Telemetry) -> (TcpStream, SocketAddr) {
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match listener.accept().await {
            Ok((socket, peer)) => {
                // Answers are written whole; waiting to fill a packet would only add delay. A socket that refuses
                // is one that is already closed.
                let _closed = socket.set_nodelay(true);
                return (socket, peer);
            }
            Err(error) => error,
        };
        // The client left before it was let in.
        if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted) {
            continue;
        }
        telemetry.report(&AcceptFailed { error: error.kind() });
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Says that there are too many connections, without waiting for anything, and closes.
fn turn_away(socket: TcpStream, shared: &Shared) {
    let _best_effort = socket.try_write(TOO_MANY);
    shared.telemetry.report(&Overloaded { limit: shared.limits.connections() });
    shared.telemetry.report(&ConnectionDropped { reason: DropReason::TooMany });
}

/// Lets the connections finish, and cuts off what does not in time.
async fn drain(shared: &Shared, phase: &watch::Sender<Phase>) -> Drained {
    let clock = shared.telemetry.clock().clone();
    let began = clock.monotonic();
    let wait = shared.limits.drain_timeout;
    shared.telemetry.report(&Draining { in_flight: shared.in_flight(), wait });
    let _nobody_watches = phase.send(Phase::Draining);
    // Every connection holds a receiver: when none is left, all have ended.
    let is_done = tokio::time::timeout(wait, pin!(phase.closed())).await.is_ok();
    let in_flight = if is_done { 0 } else { shared.in_flight() };
    if !is_done {
        let _nobody_watches = phase.send(Phase::Ended);
        let _cut_off = tokio::time::timeout(CUT_OFF, phase.closed()).await;
    }
    Drained { in_flight, duration: clock.monotonic().saturating_duration_since(began) }
}

/// Counts who is inside.
#[derive(Debug, Clone)]
struct Doors {
    inside: Arc<AtomicU64>,
    most: u64,
}

/// A place inside; given back when dropped.
#[derive(Debug)]
struct Place(Arc<AtomicU64>);

impl Doors {
    fn new(most: u64) -> Self {
        Self { inside: Arc::new(AtomicU64::new(0)), most }
    }

    fn enter(&self) -> Option<Place> {
        if self.inside.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.inside.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place(self.inside.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
