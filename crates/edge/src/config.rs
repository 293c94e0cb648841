use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use base::Limit;
use http::HeaderValue;

use crate::{CertificateFiles, CertificatesHandle, EdgeError, Proxies};

/// Where the front door stands and what it lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeConfig {
    /// Where the API is served. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where `/metrics`, `/live` and `/ready` are served; `None` for nowhere. Never an address that clients reach.
    pub admin: Option<SocketAddr>,
    /// The web pages that may call the API.
    pub origins: AllowedOrigins,
    /// The proxies that stand in front of it, and how they say whom they speak for.
    pub proxies: Proxies,
    /// TLS; `None` for plain connections.
    pub tls: Option<TlsConfig>,
    /// Whether answers carry `Server-Timing`. It tells durations, never names or values.
    pub server_timing: bool,
    /// Whether there is a page at `/docs` that shows the API. It is the same for everybody; what it shows is the
    /// OpenAPI document of whoever looks at it.
    pub docs: bool,
    /// How answers are delivered.
    pub delivery: DeliveryConfig,
    /// What is too much.
    pub limits: EdgeLimits,
}

/// How answers are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// What browsers may keep of answers to somebody.
    pub personal_answers: PersonalAnswers,
    /// Whether bodies are compressed for clients that take them so.
    pub compresses: bool,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self { personal_answers: PersonalAnswers::Revalidate, compresses: true }
    }
}

/// What a browser may keep of what the API tells somebody: reads, since nothing else is kept anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonalAnswers {
    /// It keeps them for that user and asks each time whether they still count (`private, no-cache`).
    Revalidate,
    /// It keeps nothing (`no-store`).
    NoStore,
}

impl EdgeConfig {
    /// The API on `listen`, without an admin address, for every origin, with the default limits.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            admin: None,
            origins: AllowedOrigins::Any,
            proxies: Proxies::default(),
            tls: None,
            server_timing: true,
            docs: false,
            delivery: DeliveryConfig::default(),
            limits: EdgeLimits::default(),
        }
    }
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)))
    }
}

/// How connections are encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificates, at least one, unless one is fetched. The first is for clients that ask for no name, or for one that none
    /// is for.
    pub files: Vec<CertificateFiles>,
    /// The file of a certificate that is fetched, with its key in it (PEM). It comes before the others and may be missing: as long
    /// as it is, handshakes for names that no other one is for are refused.
    pub fetched: Option<PathBuf>,
    /// For how many seconds browsers are told to come encrypted alone (`Strict-Transport-Security`); 0 tells nothing.
    pub hsts_seconds: u32,
    /// Where plain HTTP is answered by sending clients to the API's address.
    pub redirect: Option<SocketAddr>,
    /// The port that they are sent to, where it is not the one of the API's address.
    pub public_port: Option<u16>,
}

impl TlsConfig {
    /// Reads the files without using them.
    ///
    /// # Errors
    /// One that could not be used.
    pub fn check(&self) -> Result<(), EdgeError> {
        CertificatesHandle::open(self).map(drop)
    }

    pub(crate) fn hsts(&self) -> Option<HeaderValue> {
        let seconds = Some(self.hsts_seconds).filter(|seconds| *seconds > 0)?;
        HeaderValue::try_from(format!("max-age={seconds}")).ok()
    }
}

/// The web pages whose scripts may call the API (CORS). Other clients are not concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// All of them, without credentials in cookies: PostgREST's behaviour when none is configured.
    Any,
    /// These, each as `https://app.example.com`. All others get no CORS header, so that browsers refuse.
    List(Vec<String>),
}

/// What is too much. Every bound has its name in `pando.toml`; what it refuses names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeLimits {
    /// Connections that are open at once (`limits.max_connections`). Default 4,096: with about 20 kB each they
    /// stay below 100 MB. One more is answered 503 and closed.
    pub max_connections: u64,
    /// Connections that are open at once from one address, of IPv6 from one network of 64 bits
    /// (`limits.max_connections_per_address`); trusted proxies are not counted. Default 512, an eighth of all: offices
    /// behind one address fit, and one machine cannot take all places. One more is answered 503 and closed.
    pub max_connections_per_address: u64,
    /// TLS handshakes that wait for the server at once (`limits.max_handshakes`), not those that the server waits for. Default 512:
    /// what a processor does in some hundred milliseconds. One more connection is closed.
    pub max_handshakes: u64,
    /// Requests that are worked on at once, and, beside them, requests whose body is on the way (`limits.max_requests`). Default
    /// 1,024: what waits longer than clients do is of no use to anybody. One more is answered 503 with `Retry-After: 1`, at the
    /// cost of a few µs. Answers that are on their way out are not among them: they have as many places as there may be
    /// connections, and an address as many as it may have connections, however many requests a connection carries.
    pub max_requests: u64,
    /// The same for one address, of IPv6 for one network of 64 bits (`limits.max_requests_per_address`); trusted proxies are not
    /// counted. Default 256, a quarter of all: more than a busy server asks at once, and one machine cannot take all places.
    pub max_requests_per_address: u64,
    /// Streams that one HTTP/2 connection has open at once (`limits.max_streams`). Default 128, what most servers
    /// announce: one connection shall not take all of `max_requests`.
    pub max_streams: u32,
    /// Requests of one HTTP/2 connection that the client may give up before they are answered, more than were answered
    /// (`limits.max_resets`). Default 200: pages that are left in the middle. With more the connection is closed.
    pub max_resets: u64,
    /// Bytes of path and query (`limits.max_uri_bytes`). Default 16 KiB: room for a list of some hundred ids.
    /// More is answered 414.
    pub max_uri_bytes: u64,
    /// Bytes of a request's head, its first line included (`limits.max_header_bytes`). Default 32 KiB: a long URI
    /// and large tokens. More is answered 431.
    pub max_header_bytes: u32,
    /// Headers of a request (`limits.max_headers`). Default 100, what the parser holds without allocating. More is
    /// answered 431.
    pub max_headers: u32,
    /// Bytes of a request's body (`limits.max_body_bytes`). Default 5 MiB: tens of thousands of rows; a body is held in memory as
    /// a whole, while it comes and while it is worked on, so that at the very most twice `max_requests` of them are held, and of
    /// one address twice `max_requests_per_address`. More is answered 413.
    pub max_body_bytes: u64,
    /// Time for the head of a request, from its first byte, or from the connection for the first one
    /// (`limits.header_read_timeout`). Default 10 s: several round trips of the slowest network. Then the
    /// connection is closed.
    pub header_read_timeout: Duration,
    /// Time for the body of a request (`limits.body_read_timeout`). Default 30 s: 5 MiB at 1.5 Mbit/s. Then 408. Its first byte
    /// has to come within 5 s.
    pub body_read_timeout: Duration,
    /// Bytes a second that a body has to come with on average from its tenth second on
    /// (`limits.min_body_bytes_per_second`). Default 2,048: half of what the slowest mobile networks give. Slower ones are
    /// answered 408.
    pub min_body_bytes_per_second: u64,
    /// Time for an answer to begin (`limits.request_timeout`). Default 40 s: longer than waiting for a turn and a statement together,
    /// shorter than the patience of load balancers. Then 504.
    pub request_timeout: Duration,
    /// Time without any progress while an answer is sent (`limits.write_timeout`). Default 10 s. Then the
    /// connection is closed: a client that does not read must not hold a read transaction open. The operating system
    /// counts it as well, for what it holds already.
    pub write_timeout: Duration,
    /// Time that a connection stays open without a request (`limits.idle_timeout`). Default 75 s: longer than the
    /// 60 s of usual load balancers, so that it is them who close.
    pub idle_timeout: Duration,
    /// Time for running requests to finish when the server stops (`limits.drain_timeout`). Default 25 s: below
    /// the 30 s after which orchestrators kill.
    pub drain_timeout: Duration,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            max_connections_per_address: 512,
            max_handshakes: 512,
            max_requests: 1_024,
            max_requests_per_address: 256,
            max_streams: 128,
            max_resets: 200,
            max_uri_bytes: 16 * 1024,
            max_header_bytes: 32 * 1024,
            max_headers: 100,
            max_body_bytes: 5 * 1024 * 1024,
            header_read_timeout: Duration::from_secs(10),
            body_read_timeout: Duration::from_secs(30),
            min_body_bytes_per_second: 2_048,
            request_timeout: Duration::from_secs(40),
            write_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(25),
        }
    }
}

impl EdgeLimits {
    pub(crate) fn connections(&self) -> Limit {
        Limit::new("limits.max_connections", self.max_connections)
    }

    pub(crate) fn connections_per_address(&self) -> Limit {
        Limit::new("limits.max_connections_per_address", self.max_connections_per_address)
    }

    pub(crate) fn handshakes(&self) -> Limit {
        Limit::new("limits.max_handshakes", self.max_handshakes)
    }

    pub(crate) fn requests(&self) -> Limit {
        Limit::new("limits.max_requests", self.max_requests)
    }

    pub(crate) fn requests_per_address(&self) -> Limit {
        Limit::new("limits.max_requests_per_address", self.max_requests_per_address)
    }

    pub(crate) fn uri_bytes(&self) -> Limit {
        Limit::new("limits.max_uri_bytes", self.max_uri_bytes)
    }

    pub(crate) fn body_bytes(&self) -> Limit {
        Limit::new("limits.max_body_bytes", self.max_body_bytes)
    }
}
