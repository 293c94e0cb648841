//! The sockets: opened first, then served, then drained.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use socket2::SockRef;
use telemetry::{AcceptFailed, ConnectionDropped, Draining, DropReason, Listening, Overloaded, Telemetry};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::challenge::Challenges;
use crate::connection::{self, Phase};
use crate::crowd::Doors;
use crate::entrance::Entrance;
use crate::front::{Front, Shared};
use crate::intake::{self, Arrived, Hop, Intake};
use crate::refusal::Refusal;
use crate::stream::Stream;
use crate::tls::{CertificatesHandle, Tls};
use crate::watch::Activity;
use crate::{EdgeConfig, EdgeError, EdgeLimits, Handler, PolicyHandle, Readiness, admin, redirect};

/// Connections that the operating system may hold ready while the server is busy.
const BACKLOG: u32 = 1024;
/// Connections on the admin address: a few probes and scrapers.
const ADMIN_CONNECTIONS: u64 = 64;
/// How long to wait before accepting again after it failed; doubled each time up to a second.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Bytes of an answer that the operating system may hold unsent for each connection before it asks for no more: some
/// round trips of a usual client.
const UNSENT_BYTES: u32 = 128 * 1024;
/// How long cut-off connections get to be accounted for.
const CUT_OFF: Duration = Duration::from_millis(500);

/// The front door with its sockets open, not yet served: an address in use is found before anything else starts.
#[derive(Debug)]
pub struct Edge {
    config: EdgeConfig,
    policy: PolicyHandle,
    api: TcpListener,
    admin: Option<TcpListener>,
    redirect: Option<TcpListener>,
    tls: Option<(Tls, CertificatesHandle)>,
    addresses: Addresses,
    entrance: Entrance,
    files: Option<files::Site>,
}

/// Where the door stands, with the real ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Of the API.
    pub api: SocketAddr,
    /// Of metrics and probes.
    pub admin: Option<SocketAddr>,
    /// Of plain HTTP that leads to the API.
    pub redirect: Option<SocketAddr>,
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
    /// When an address cannot be listened on, a configured origin is none, or a certificate cannot be used.
    pub async fn bind(config: EdgeConfig) -> Result<Self, EdgeError> {
        let policy = PolicyHandle::new(&config.origins, config.server_timing, config.delivery)?;
        let tls = match &config.tls {
            Some(tls) => {
                let certificates = CertificatesHandle::open(tls)?;
                Some((Tls::new(&certificates)?, certificates))
            }
            None => None,
        };
        let (api, api_address) = listen(config.listen, "API")?;
        let also = |address: Option<SocketAddr>, purpose| address.map(|address| listen(address, purpose)).transpose();
        let (admin, admin_address) = also(config.admin, "admin address")?.unzip();
        let redirect = config.tls.as_ref().and_then(|tls| tls.redirect);
        let (redirect, redirect_address) = also(redirect, "redirect to TLS")?.unzip();
        let addresses = Addresses { api: api_address, admin: admin_address, redirect: redirect_address };
        Ok(Self { config, policy, api, admin, redirect, tls, addresses, entrance: Entrance::default(), files: None })
    }

    /// The certificates, where there is TLS: they can be replaced.
    pub fn certificates(&self) -> Option<CertificatesHandle> {
        self.tls.as_ref().map(|(_, certificates)| certificates.clone())
    }

    /// The same, behind a gate that keeps out what cannot be answered in time.
    #[must_use]
    pub fn with_gate(self, gate: Arc<limits::Gate>) -> Self {
        Self { entrance: Entrance::new(gate), ..self }
    }

    /// The same with a folder of files beside the API, whose mounts ([`RESERVED`](crate::RESERVED)) come first.
    #[must_use]
    pub fn with_files(self, files: files::Site) -> Self {
        Self { files: Some(files), ..self }
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
        let shared = Arc::new(Shared::new(telemetry.clone(), limits, self.config.proxies.clone()));
        let (admin_phase, admin_watch) = watch::channel(Phase::Serving);
        if let (Some(listener), Some(address)) = (self.admin, self.addresses.admin) {
            telemetry.report(&Listening { purpose: "admin", address });
            tokio::spawn(serve_admin(listener, shared.clone(), Arc::new(readiness), admin_watch));
        }
        telemetry.report(&Listening { purpose: "api", address: self.addresses.api });
        let tls_config = self.config.tls.unwrap_or_default();
        let (docs, hsts) = (self.config.docs, tls_config.hsts());
        let (policy, entrance, files) = (self.policy, self.entrance, self.files);
        let front = Arc::new(Front { shared: shared.clone(), policy, docs, hsts, entrance, files, handler });
        let (phase, watch) = watch::channel(Phase::Serving);
        let intake = Arc::new(Intake::new(self.config.proxies, &limits));
        let lobby = Lobby { doors: Doors::new(limits.max_connections), intake, shared: shared.clone(), watch };
        let (tls, certificates) = self.tls.unzip();
        let hall = Hall { tls: tls.map(Arc::new), lobby, front };
        let port = tls_config.public_port.unwrap_or(self.addresses.api.port());
        let redirect = async {
            let (Some(listener), Some(address)) = (&self.redirect, self.addresses.redirect) else {
                return std::future::pending().await;
            };
            telemetry.report(&Listening { purpose: "redirect", address });
            let challenges = certificates.map(|certificates| certificates.challenges().clone()).unwrap_or_default();
            serve_redirect(listener, &hall.lobby, port, challenges).await;
        };
        tokio::select! {
            () = serve_api(&self.api, &hall) => {}
            () = redirect => {}
            () = shutdown => {}
        }
        // From here on, answers tell their clients to go.
        shared.begin_draining();
        // Whoever is sent elsewhere from here on would find nobody there.
        drop(self.redirect);
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

/// What all connections from outside get.
struct Lobby {
    doors: Doors,
    intake: Arc<Intake>,
    shared: Arc<Shared>,
    watch: watch::Receiver<Phase>,
}

/// What a connection to the API gets.
struct Hall<H> {
    lobby: Lobby,
    tls: Option<Arc<Tls>>,
    front: Arc<Front<H>>,
}

impl<H: Handler> Hall<H> {
    fn admit(&self, socket: TcpStream, peer: SocketAddr) {
        let front = self.front.clone();
        let answer = move |request, hop, activity| front.clone().answer(request, hop, activity);
        admit(socket, peer, &self.lobby, self.tls.clone(), answer);
    }
}

/// Accepts connections on the API's address. Never ends by itself.
async fn serve_api<H: Handler>(listener: &TcpListener, hall: &Hall<H>) {
    loop {
        let (socket, peer) = accept(listener, &hall.front.shared.telemetry, &hall.front.shared.limits).await;
        hall.admit(socket, peer);
    }
}

/// Accepts connections on the address without TLS. Never ends by itself.
async fn serve_redirect(listener: &TcpListener, lobby: &Lobby, port: u16, challenges: Challenges) {
    loop {
        let (socket, peer) = accept(listener, &lobby.shared.telemetry, &lobby.shared.limits).await;
        let challenges = challenges.clone();
        let answer = move |request, _hop, activity: Arc<Activity>| {
            activity.request_began();
            let response = redirect::answer(request, port, &challenges);
            activity.request_ended();
            std::future::ready(response)
        };
        admit(socket, peer, lobby, None, answer);
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
            prepare(&socket, &hall.front.shared.limits);
            hall.admit(socket, peer);
        }
    }
}

/// Serves a connection, when there is a place for it.
fn admit<A, F, B>(socket: TcpStream, peer: SocketAddr, lobby: &Lobby, tls: Option<Arc<Tls>>, answer: A)
where
    A: Fn(Request<Incoming>, Hop, Arc<Activity>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let peer = peer.ip().to_canonical();
    let shared = &lobby.shared;
    // A word in the open is of no use to who speaks TLS.
    let told = Some(&socket).filter(|_| tls.is_none());
    let seat = match lobby.intake.admit(peer) {
        Ok(seat) => seat,
        Err(reason) => return turn_away(told, shared, reason),
    };
    let Some(place) = lobby.doors.enter() else {
        return turn_away(told, shared, DropReason::TooMany);
    };
    let (shared, watch, intake) = (shared.clone(), lobby.watch.clone(), lobby.intake.clone());
    tokio::spawn(async move {
        let limits = &shared.limits;
        shared.telemetry.metrics().connection_opened();
        // From the first moment: what precedes the first request has no more time than the request.
        let activity = Arc::new(Activity::new());
        let arrival = intake.pass(socket, peer, seat, tls.as_deref());
        let arrival = connection::before_requests(arrival, limits, watch.clone()).await;
        let reason = match arrival {
            Ok(Arrived { stream, protocol, hop, seat: _seat }) => {
                let answer = |request, activity| answer(request, hop, activity);
                connection::serve((stream, protocol), activity, limits, watch, answer).await
            }
            Err(reason) => reason,
        };
        shared.telemetry.metrics().connection_closed();
        drop(place);
        if let Some(reason) = reason {
            turn_away(None, &shared, reason);
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
            (socket, _peer) = accept(&listener, &shared.telemetry, &limits) => socket,
            _ended = watch.wait_for(|phase| *phase == Phase::Ended) => return,
        };
        let Some(place) = doors.enter() else { continue };
        let (shared, readiness, watch) = (shared.clone(), readiness.clone(), watch.clone());
        tokio::spawn(async move {
            let answer = |request: Request<Incoming>, activity: Arc<Activity>| {
                activity.request_began();
                let (shared, readiness) = (shared.clone(), readiness.clone());
                async move {
                    let response = admin::answer(&request, &shared, &*readiness).await;
                    activity.request_ended();
                    response
                }
            };
            let detected = async { connection::detect(&socket).await.ok_or(None) };
            if let Ok(protocol) = connection::before_requests(detected, &limits, watch.clone()).await {
                let activity = Arc::new(Activity::new());
                let stream = Stream::Plain(socket);
                let _reason = connection::serve((stream, protocol), activity, &limits, watch, answer).await;
            }
            drop(place);
        });
    }
}

/// Tells the operating system how a connection is to be treated. A socket that refuses is one that is already closed.
fn prepare(socket: &TcpStream, limits: &EdgeLimits) {
    // Answers are written whole; waiting to fill a packet would only add delay.
    let _closed = socket.set_nodelay(true);
    let socket = SockRef::from(socket);
    // What it holds of an answer that was handed over whole has to be taken as well.
    let _closed = socket.set_tcp_user_timeout(Some(limits.write_timeout));
    // It takes more as soon as what it holds unsent is less than this: so that taking tells whether the client does.
    let _closed = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
}

/// The next connection. A failure to accept, mostly for want of file descriptors, is reported and waited out:
/// other connections will close.
async fn accept(listener: &TcpListener, telemetry: &Telemetry, limits: &EdgeLimits) -> (TcpStream, SocketAddr) {
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match listener.accept().await {
            Ok((socket, peer)) => {
                prepare(&socket, limits);
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

/// Reports why a connection ends, and says it, where somebody can be told, without waiting for anything.
fn turn_away(told: Option<&TcpStream>, shared: &Shared, reason: DropReason) {
    if let Some(limit) = intake::reached(reason, &shared.limits) {
        if let Some(socket) = told {
            let _best_effort = socket.try_write(&Refusal::too_many_connections(limit).to_wire(b""));
        }
        shared.telemetry.report(&Overloaded { limit });
    }
    shared.telemetry.report(&ConnectionDropped { reason });
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
