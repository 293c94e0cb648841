//! What happens to a connection before its first request: who stands behind it is found out, and which protocol it speaks.

use std::net::IpAddr;

use base::Limit;
use telemetry::DropReason;
use tokio::net::TcpStream;

use crate::crowd::{Crowd, Doors, Seat};
use crate::proxies::Proxies;
use crate::refusal::Refusal;
use crate::stream::Stream;
use crate::tls::{self, Tls};
use crate::watch::Protocol;
use crate::{EdgeLimits, connection, proxy_protocol};

/// A connection that has come in.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) stream: Stream,
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
    /// Whether the connection is encrypted.
    pub(crate) is_encrypted: bool,
}

/// Lets connections in.
#[derive(Debug)]
pub(crate) struct Intake {
    proxies: Proxies,
    crowd: Crowd,
    handshakes: Doors,
}

/// The bound that was reached when a connection is closed for this reason, if it is one.
pub(crate) fn reached(reason: DropReason, limits: &EdgeLimits) -> Option<Limit> {
    match reason {
        DropReason::TooMany => Some(limits.connections()),
        DropReason::TooManyFromAddress => Some(limits.connections_per_address()),
        DropReason::TooManyHandshakes => Some(limits.handshakes()),
        _ => None,
    }
}

impl Intake {
    pub(crate) fn new(proxies: Proxies, limits: &EdgeLimits) -> Self {
        let crowd = Crowd::new(limits.max_connections_per_address);
        Self { proxies, crowd, handshakes: Doors::new(limits.max_handshakes) }
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
        tls: Option<&Tls>,
    ) -> Result<Arrived, Option<DropReason>> {
        let mut hop = Hop { address: peer, is_encrypted: tls.is_some() };
        if self.proxies.speak_protocol() {
            let header = proxy_protocol::read(&socket).await;
            hop.address = header.map_err(|_error| DropReason::ProxyHeader)?.unwrap_or(peer);
            if !self.proxies.trusts(hop.address) {
                seat = Some(self.crowd.enter(hop.address).ok_or(DropReason::TooManyFromAddress)?);
            }
        }
        let (stream, protocol) = match tls {
            Some(tls) => self.shake_hands(socket, tls).await?,
            None => {
                let protocol = connection::detect(&socket).await.ok_or(None)?;
                (Stream::Plain(socket), protocol)
            }
        };
        Ok(Arrived { stream, protocol, hop, seat })
    }

    /// Whoever says nothing yet takes no place among the handshakes.
    async fn shake_hands(&self, socket: TcpStream, tls: &Tls) -> Result<(Stream, Protocol), Option<DropReason>> {
        let mut first = [0];
        match socket.peek(&mut first).await {
            Ok(1..) if first == [tls::FIRST_BYTE] => {}
            Ok(1..) => {
                let _best_effort = socket.try_write(&Refusal::not_encrypted().to_wire(b""));
                // What nobody reads would break the connection before the answer is there.
                let mut unread = [0; 4096];
                while socket.try_read(&mut unread).is_ok_and(|count| count > 0) {}
                return Err(Some(DropReason::Handshake));
            }
            Ok(0) | Err(_) => return Err(None),
        }
        let _place = self.handshakes.enter().ok_or(DropReason::TooManyHandshakes)?;
        let stream = tls.accept(socket).await.map_err(|_error| DropReason::Handshake)?;
        // What was agreed on counts, not what comes.
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Ok((Stream::Tls(Box::new(stream)), protocol))
    }
}
