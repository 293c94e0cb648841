//! What happens to a connection before its first request: who stands behind it is found out, and which protocol it speaks.

use std::net::IpAddr;

use telemetry::DropReason;
use tokio::net::TcpStream;

use crate::connection;
use crate::proxies::Proxies;
use crate::proxy_protocol;
use crate::watch::Protocol;

/// A connection that has come in.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) stream: TcpStream,
    pub(crate) protocol: Protocol,
    pub(crate) hop: Hop,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hop {
    /// The client or, where a trusted proxy looks into what it carries, the proxy. Canonical.
    pub(crate) address: IpAddr,
}

/// Lets connections in.
#[derive(Debug)]
pub(crate) struct Entrance {
    proxies: Proxies,
}

impl Entrance {
    pub(crate) fn new(proxies: Proxies) -> Self {
        Self { proxies }
    }

    /// Whether a connection from this address may come in at all.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn admit(&self, peer: IpAddr) -> Result<(), DropReason> {
        // Whoever is not trusted could write any address into the header, and would be let in with it.
        if self.proxies.speak_protocol() && !self.proxies.trusts(peer) {
            return Err(DropReason::ProxyHeader);
        }
        Ok(())
    }

    /// Reads what precedes the first request. Ends only with the connection where nothing comes.
    ///
    /// # Errors
    /// Why the connection cannot come in; `None` when the client is gone.
    pub(crate) async fn pass(&self, socket: TcpStream, peer: IpAddr) -> Result<Arrival, Option<DropReason>> {
        let mut hop = Hop { address: peer };
        if self.proxies.speak_protocol() {
            let header = proxy_protocol::read(&socket).await;
            hop.address = header.map_err(|_error| DropReason::ProxyHeader)?.unwrap_or(peer);
        }
        let protocol = connection::detect(&socket).await.ok_or(None)?;
        Ok(Arrival { stream: socket, protocol, hop })
    }
}
