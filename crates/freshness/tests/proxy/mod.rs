//! A small shared cache in front of one origin: the rules of the crate with sockets around them. One connection to the origin per
//! question, one question per address at a time, and a shelf of bounded size for the answers.

mod answer;
mod content;
mod flight;
mod origin;
mod read;
mod stored;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use base::Clock;
use bytes::Bytes;
use freshness::{CacheStatus, Forwarded, Rules, SURROGATE_CONTROL, Target};
use http::header::HOST;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use url::Url;

use answer::{plain, told};
use content::Content;
use flight::Flights;
use origin::Origin;
use stored::{Fill, Store};

/// What `Cache-Status` and `Surrogate-Capability` call this cache.
const NAME: &str = "pando";

/// The room for stored answers.
const ROOM: usize = 64 << 20;

/// The longest body of a request: it is taken in before the origin is asked.
const MOST_REQUEST_BYTES: usize = 1 << 20;

/// A request, taken in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The cache.
pub(crate) struct Proxy {
    rules: Rules,
    origin: Origin,
    clock: Arc<dyn Clock>,
    store: Mutex<Store>,
    flights: Flights,
}

impl Proxy {
    /// Serves on a free port of 127.0.0.1, in front of this origin, for as long as the runtime lives.
    pub async fn start(origin: SocketAddr, clock: Arc<dyn Clock>) -> SocketAddr {
        let targets = vec![Target::Structured(freshness::CDN_CACHE_CONTROL), Target::Surrogate(NAME)];
        let proxy = Arc::new(Self {
            rules: Rules { targets, guesses: true },
            origin: Origin::new(origin),
            clock,
            store: Mutex::new(Store::new(ROOM)),
            flights: Flights::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it has an address");
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let proxy = proxy.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| {
                        let proxy = proxy.clone();
                        async move { Ok::<_, Infallible>(proxy.serve(request).await) }
                    });
                    // Who goes away in the middle is nobody's failure.
                    let _ended = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        address
    }

    async fn serve(self: Arc<Self>, request: http::Request<Incoming>) -> Response<Content> {
        let (parts, body) = request.into_parts();
        let Some(url) = target(&parts.uri, &parts.headers) else { return plain(StatusCode::BAD_REQUEST) };
        let Ok(body) = Limited::new(body, MOST_REQUEST_BYTES).collect().await else {
            return plain(StatusCode::PAYLOAD_TOO_LARGE);
        };
        let mut headers = parts.headers;
        freshness::remove_hop_by_hop(&mut headers);
        let asked = Asked { method: parts.method, url, headers, body: body.to_bytes() };
        match asked.method {
            Method::GET | Method::HEAD if !freshness::is_for_the_origin(&asked.headers) => self.read(asked).await,
            _ => self.pass(asked).await,
        }
    }

    /// Hands a request on whose answer is not stored, as a rule, and may make others out of date.
    async fn pass(&self, asked: Asked) -> Response<Content> {
        let Ok(mut answer) = self.origin.ask(&asked, &*self.clock).await else { return plain(StatusCode::BAD_GATEWAY) };
        let changed = freshness::outdated(&asked.method, &asked.url, answer.status, &answer.headers);
        self.store.lock().forget(&changed);
        let is_stored = match self.store_of_get(&asked, &mut answer).await {
            Ok(is_stored) => is_stored,
            Err(broken) => return broken,
        };
        let why = Forwarded::Method;
        told(answer, CacheStatus::Forwarded { why, status: None, is_stored, is_collapsed: false })
    }

    /// Stores the answer to a POST that says to be that of a GET.
    async fn store_of_get(&self, asked: &Asked, answer: &mut origin::Answer) -> Result<bool, Response<Content>> {
        let fill = Fill::begin(&self.store, &asked.url);
        self.store_answer(asked, answer, &fill).await
    }
}

/// The address that is asked for, by the name that the client has for this server.
fn target(uri: &Uri, headers: &HeaderMap) -> Option<Url> {
    let host = headers.get(HOST)?.to_str().ok()?;
    Url::parse(&format!("http://{host}{}", uri.path_and_query()?)).ok()
}

/// Whether a field is `Surrogate-Control`, which goes no further than the cache that it is for.
fn is_for_surrogates(name: &http::HeaderName) -> bool {
    *name == SURROGATE_CONTROL
}
