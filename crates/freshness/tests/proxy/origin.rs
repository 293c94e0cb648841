//! Questions to the origin, each over a connection of its own: what one answer leaves on a connection cannot get into another.

use std::net::SocketAddr;
use std::time::Duration;

use base::Clock;
use freshness::Received;
use http::header::{CONNECTION, HeaderName, HeaderValue, VIA};
use http::{HeaderMap, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::content::Content;
use super::{Asked, NAME};

/// How long the head of an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

const SURROGATE_CAPABILITY: HeaderName = HeaderName::from_static("surrogate-capability");

/// Where the origin is.
pub(crate) struct Origin {
    address: SocketAddr,
}

/// Its answer, with the fields as they came.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub content: Content,
    pub received: Received,
}

/// It cannot be reached, breaks off, is slow, or speaks another language.
#[derive(Debug)]
pub(crate) struct Unreachable;

impl Origin {
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    pub async fn ask(&self, asked: &Asked, clock: &dyn Clock) -> Result<Answer, Unreachable> {
        let moment = clock.now();
        let answer = timeout(PATIENCE, self.send(asked)).await.map_err(|_| Unreachable)?;
        let (parts, body) = answer.map_err(|_| Unreachable)?.into_parts();
        let received = Received { asked: moment, answered: clock.now() };
        Ok(Answer { status: parts.status, headers: parts.headers, content: Content::coming(body), received })
    }

    async fn send(
        &self,
        asked: &Asked,
    ) -> Result<http::Response<hyper::body::Incoming>, Box<dyn std::error::Error + Send + Sync>> {
        let socket = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        let mut target = asked.url.path().to_owned();
        if let Some(query) = asked.url.query() {
            target = format!("{target}?{query}");
        }
        let mut request = http::Request::new(Full::new(asked.body.clone()));
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = target.parse()?;
        *request.headers_mut() = asked.headers.clone();
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.append(VIA, HeaderValue::try_from(format!("1.1 {NAME}"))?);
        headers.append(SURROGATE_CAPABILITY, HeaderValue::try_from(format!("{NAME}=\"Surrogate/1.0\""))?);
        Ok(sender.send_request(request).await?)
    }
}
