//! A real front door on a free port with a made-up handler behind it, and a client that sends bytes as they are.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod tls;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base::SystemClock;
use bytes::Bytes;
use edge::{CertificatesHandle, Drained, Edge, EdgeConfig, Handler};
use http::{HeaderMap, HeaderValue, StatusCode};
use parking_lot::Mutex;
use service::{Answer, Body, BodyBroken, BodyStream, Request, Summary};
use telemetry::{Level, LogConfig, LogFormat, Step, Telemetry, TelemetryConfig};
use tokio::sync::{Notify, oneshot};

/// Long enough for any test to end well before, short enough to fail visibly.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Answers by path.
pub struct Fake {
    pub open: Arc<Notify>,
    pub waiting: Arc<Notify>,
    clock: Arc<dyn base::Clock>,
}

impl Handler for Fake {
    async fn handle(&self, mut request: Request) -> Answer {
        request.trace.enter(Step::Parse, self.clock.monotonic());
        request.trace.enter(Step::Run, self.clock.monotonic());
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json; charset=utf-8"));
        let mut summary = Summary { route: "/{relation}", role: Some("anon".to_owned()), ..Summary::default() };
        let mut status = StatusCode::OK;
        let body = match request.path.as_str() {
            "/gate" => {
                self.waiting.notify_one();
                self.open.notified().await;
                Body::Full(Bytes::from_static(b"\"opened\""))
            }
            "/never" => std::future::pending().await,
            "/panic" => panic!("with a value that nobody may see"),
            "/stream" => Body::Stream(Box::pin(Pieces { left: 3, breaks: false })),
            "/picture" => {
                headers.insert("content-type", HeaderValue::from_static("image/png"));
                Body::Full(Bytes::from(rows(5000)))
            }
            "/untouched" => {
                headers.insert("cache-control", HeaderValue::from_static("public, no-transform"));
                headers.insert("set-cookie", HeaderValue::from_static("a=b"));
                Body::Full(Bytes::from(rows(5000)))
            }
            "/tagged" => {
                headers.insert("etag", HeaderValue::from_static("W/\"mine,really\""));
                headers.insert("content-range", HeaderValue::from_static("0-9/*"));
                headers.insert("set-cookie", HeaderValue::from_static("a=b"));
                Body::Full(Bytes::from(rows(5000)))
            }
            "/coded" => {
                headers.insert("content-encoding", HeaderValue::from_static("br"));
                headers.insert("etag", HeaderValue::from_static("\"file-br\""));
                Body::Full(Bytes::from(rows(5000)))
            }
            "/length" => Body::Full(Bytes::from(format!(
                "{} {:?} {:?}",
                request.body.len(),
                request.headers.get("content-encoding"),
                request.headers.get("content-length")
            ))),
            path if path.starts_with("/rows/") => {
                headers.insert("vary", HeaderValue::from_static("Accept"));
                Body::Full(Bytes::from(rows(path["/rows/".len()..].parse().unwrap())))
            }
            "/token" => Body::Full(Bytes::from(rows(5000))),
            "/broken" => Body::Stream(Box::pin(Pieces { left: 3, breaks: true })),
            "/endless" => Body::Stream(Box::pin(Endless)),
            "/created" => {
                status = StatusCode::CREATED;
                headers.insert("location", HeaderValue::from_static("/zones?code=eq.A"));
                headers.remove("content-type");
                Body::Full(Bytes::new())
            }
            "/client" => {
                let host = request.headers.get("host").map_or(Ok(""), HeaderValue::to_str).unwrap();
                let scheme = if request.client.is_encrypted { "https" } else { "http" };
                Body::Full(Bytes::from(format!("{} {scheme} {host}", request.client.address)))
            }
            path => {
                summary.relation = Some("zones".to_owned());
                summary.rows = Some(1);
                let body = serde_json::json!({
                    "method": request.method.as_str(),
                    "path": path,
                    "query": request.query,
                    "body": String::from_utf8_lossy(&request.body),
                });
                Body::Full(Bytes::from(body.to_string()))
            }
        };
        Answer { status, reason: None, headers, body, summary, trace: request.trace }
    }
}

/// So many bytes that look like rows.
pub fn rows(bytes: usize) -> Vec<u8> {
    let rows = (0..).flat_map(|id: u64| format!("{{\"id\":{id},\"name\":\"Route {}\"}},", id * id % 997).into_bytes());
    rows.take(bytes).collect()
}

/// Three pieces, the last of which may be missing.
struct Pieces {
    left: u32,
    breaks: bool,
}

impl BodyStream for Pieces {
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyBroken>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        if self.left == 0 && self.breaks {
            return Poll::Ready(Some(Err(BodyBroken)));
        }
        Poll::Ready(Some(Ok(Bytes::from_static(b"piece,"))))
    }
}

/// Never ends.
struct Endless;

impl BodyStream for Endless {
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyBroken>>> {
        Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 16 * 1024]))))
    }
}

/// Keeps the log.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub struct Server {
    pub api: SocketAddr,
    pub admin: SocketAddr,
    pub redirect: Option<SocketAddr>,
    pub certificates: Option<CertificatesHandle>,
    pub open: Arc<Notify>,
    pub waiting: Arc<Notify>,
    pub ready: Arc<Mutex<Result<(), &'static str>>>,
    pub telemetry: Arc<Telemetry>,
    log: Kept,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<Drained>>,
}

impl Server {
    pub fn start(change: impl FnOnce(&mut EdgeConfig)) -> Self {
        Self::start_with(change, |edge| edge)
    }

    pub fn start_with(
        change: impl FnOnce(&mut EdgeConfig),
        furnish: impl FnOnce(Edge) -> Edge + Send + 'static,
    ) -> Self {
        let mut config = EdgeConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        config.admin = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        change(&mut config);
        let log = Kept::default();
        let clock = Arc::new(SystemClock);
        let telemetry = Arc::new(
            Telemetry::new(
                TelemetryConfig {
                    service_name: "pando".to_owned(),
                    service_version: "0.0.0".to_owned(),
                    log: LogConfig::new(Level::Debug, LogFormat::Json, Box::new(log.clone())),
                    traces: None,
                    seed: Some([1; 16]),
                },
                clock.clone(),
            )
            .unwrap(),
        );
        let (open, waiting) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let fake = Fake { open: open.clone(), waiting: waiting.clone(), clock };
        let ready = Arc::new(Mutex::new(Ok(())));
        let readiness = {
            let ready = ready.clone();
            move || *ready.lock()
        };
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn({
            let telemetry = telemetry.clone();
            move || {
                let runtime =
                    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
                runtime.block_on(async {
                    let edge = furnish(Edge::bind(config).await.unwrap());
                    tell.send((edge.addresses(), edge.certificates())).unwrap();
                    let shutdown = async {
                        let _ = stopped.await;
                    };
                    edge.run(fake, readiness, telemetry, shutdown).await
                })
            }
        });
        let (addresses, certificates) = told.recv_timeout(PATIENCE).unwrap();
        Self {
            api: addresses.api,
            admin: addresses.admin.unwrap(),
            redirect: addresses.redirect,
            certificates,
            open,
            waiting,
            ready,
            telemetry,
            log,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn plain() -> Self {
        Self::start(|_| {})
    }

    pub fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub fn join(&mut self) -> Drained {
        self.thread.take().unwrap().join().unwrap()
    }

    /// Blocks until a request waits at the gate.
    pub fn wait_for_gate(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(PATIENCE, self.waiting.notified()).await.unwrap() });
    }

    /// Blocks until the server has begun to stop.
    pub fn wait_for_draining(&self) {
        for _ in 0..2000 {
            if self.admin("GET", "/ready").status == 503 {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        panic!("the server does not stop");
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.api)
    }

    /// Sends one request on a connection of its own.
    pub fn send(&self, raw: &str) -> Reply {
        exchange(self.api, raw)
    }

    /// `GET path`, with these further header lines.
    pub fn get(&self, path: &str, headers: &str) -> Reply {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n"))
    }

    /// The same from another address of this machine.
    pub fn send_from(&self, address: [u8; 4], raw: &str) -> Reply {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((address, 0)).into()).unwrap();
        socket.connect(&self.api.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(raw.as_bytes()).unwrap();
        Reply::read_to_end(&mut stream)
    }

    pub fn admin(&self, method: &str, path: &str) -> Reply {
        exchange(self.admin, &format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
    }

    /// Waits until the metrics have this line.
    pub fn wait_for_metric(&self, line: &str) {
        for _ in 0..2000 {
            if self.telemetry.render_metrics().lines().any(|known| known.starts_with(line)) {
                return;
            }
            let (_sender, receiver) = std::sync::mpsc::channel::<()>();
            let _ = receiver.recv_timeout(Duration::from_millis(5));
            std::thread::park_timeout(Duration::from_millis(5));
        }
        panic!("{line} is not in\n{}", self.telemetry.render_metrics());
    }

    pub fn log(&self) -> Vec<serde_json::Value> {
        self.telemetry.flush(PATIENCE);
        let text = String::from_utf8(self.log.0.lock().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
            self.open.notify_waiters();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads until this has come. `None` when the connection ends before.
pub fn read_until(stream: &mut impl Read, expected: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    while !bytes.windows(expected.len()).any(|window| window == expected) {
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
    }
    Some(bytes)
}

/// Everything until the server closes, whether it does so politely or not.
pub fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _reset = stream.read_to_end(&mut bytes);
    bytes
}

pub fn exchange(address: SocketAddr, raw: &str) -> Reply {
    let mut stream = connect(address);
    stream.write_all(raw.as_bytes()).unwrap();
    Reply::read_to_end(&mut stream)
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// Everything until the server closes, as one answer.
    pub fn read_to_end(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Self::parse(&bytes).unwrap_or_else(|| panic!("no answer in {:?}", String::from_utf8_lossy(&bytes)))
    }

    /// One answer with a `Content-Length`, on a connection that stays open.
    pub fn read_one(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let mut piece = [0; 1024];
        loop {
            if let Some(reply) = Self::parse(&bytes)
                && reply.header("content-length").and_then(|length| length.parse().ok()) == Some(reply.body.len())
            {
                return reply;
            }
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&piece[..count]);
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .map(|line| line.split_once(": ").unwrap_or((line.trim_end_matches(':'), "")))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Some(Self { status, headers, body: bytes[end + 4..].to_vec() })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}
