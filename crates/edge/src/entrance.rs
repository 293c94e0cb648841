//! What happens to a connection before its first request: who stands behind it is found out, and which protocol it speaks.

use std::net::IpAddr;

use base::Limit;
use telemetry::DropReason;
use tokio::net::TcpStream;

use crate::crowd::{Crowd, Seat};
use crate::proxies::Proxies;
use crate::proxy_protocol;
use crate::watch::Protocol;
use crate::{EdgeLimits, connection};

/// A connection that has come in.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) stream: TcpStream,
    pub(crate) protocol: Protocol,
    pub(crate) hop: Hop,
    /// The place of its address, unless it is a trusted proxy's.
    pub(crate) seat: Option<Seat>,
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
    crowd: Crowd,
}

/// The bound that was reached when a connection is closed for this reason, if it is one.
pub(crate) fn reached(reason: DropReason, limits: &EdgeLimits) -> Option<Limit> {
    match reason {
        DropReason::TooMany => Some(limits.connections()),
        DropReason::TooManyFromAddress => Some(limits.connections_per_address()),
        _ => None,
    }
}

impl Entrance {
    pub(crate) fn new(proxies: Proxies, limits: &EdgeLimits) -> Self {
        Self { proxies, crowd: Crowd::new(limits.max_connections_per_address) }
    }

    /// Whether a connection from this address may come in at all, and its place among those of the address. A trusted
    /// proxy needs none.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn admit(&self, peer: IpAddr) -> Result<Option<Seat>, DropReason> {
        if self.proxies.trusts(peer) {
            return Ok(None);
        }
        // Whoever is not trusted could write any address into the header, and would be let in with it.
        if self.proxies.speak_protocol() {
            return Err(DropReason::ProxyHeader);
        }
        self.crowd.enter(peer).map(Some).ok_or(DropReason::TooManyFromAddress)
    }

    /// Reads what precedes the first request. Ends only with the connection where nothing comes.
    ///
    /// # Errors
    /// Why the connection cannot come in; `None` when the client is gone.
    pub(crate) async fn pass(
        &self,
        socket: TcpStream,
        peer: IpAddr,
        mut seat: Option<Seat>,
    ) -> Result<Arrival, Option<DropReason>> {
        let mut hop = Hop { address: peer };
        if self.proxies.speak_protocol() {
            let header = proxy_protocol::read(&socket).await;
            hop.address = header.map_err(|_error| DropReason::ProxyHeader)?.unwrap_or(peer);
            if !self.proxies.trusts(hop.address) {
                seat = Some(self.crowd.enter(hop.address).ok_or(DropReason::TooManyFromAddress)?);
            }
        }
        let protocol = connection::detect(&socket).await.ok_or(None)?;
        Ok(Arrival { stream: socket, protocol, hop, seat })
    }
}
