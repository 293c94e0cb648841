//! Where a request comes from when proxies stand between the client and the server. A header can be written by anybody:
//! only what a trusted proxy has added counts, and that is read from the right, where the nearest one adds.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::{IpNet, Ipv4Net};

use crate::forwarded::{self, Element};
use crate::host;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The most proxies that are followed. Nobody has more in a row; the rest of a longer list counts for nothing.
const MOST_HOPS: usize = 32;

/// The proxies whose word counts, and how they give it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    networks: Vec<IpNet>,
    header: ForwardedHeader,
    protocol: bool,
}

/// The header in which trusted proxies say whom they speak for. Only one counts: a proxy that writes one of them mostly
/// lets the other through as the client has sent it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, with `X-Forwarded-Proto` and `X-Forwarded-Host` beside it.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Something that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It cannot be read.
    #[error("{0:?} is not a network; write an address or CIDR, as in 10.0.0.0/8 or fd00::/8")]
    Unreadable(String),
    /// It is the whole internet.
    #[error(
        "{0:?} contains every address, so that anybody could claim to be anybody; name the networks of your proxies"
    )]
    Everybody(String),
}

/// Who asks, as far as it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The address; never one of IPv4 as one of IPv6.
    pub(crate) address: IpAddr,
    /// Whether the client's own connection is encrypted, when a trusted proxy says so.
    pub(crate) is_encrypted: Option<bool>,
    /// The host that the client has asked for, when a trusted proxy says so; well-formed.
    pub(crate) host: Option<HeaderValue>,
}

impl Proxies {
    /// Trusts these networks, each an address or CIDR. With `protocol`, every connection has to begin with a header of
    /// the PROXY protocol.
    ///
    /// # Errors
    /// The first that is no network, or is the whole internet.
    pub fn new(networks: &[String], header: ForwardedHeader, protocol: bool) -> Result<Self, NetworkError> {
        let networks: Vec<IpNet> = networks.iter().map(|text| read_network(text.trim())).collect::<Result<_, _>>()?;
        // Two halves are a whole as well.
        if let Some(whole) = IpNet::aggregate(&networks).iter().find(|network| network.prefix_len() == 0) {
            return Err(NetworkError::Everybody(whole.to_string()));
        }
        Ok(Self { networks, header, protocol })
    }

    /// Whether connections begin with a header of the PROXY protocol.
    pub(crate) fn speak_protocol(&self) -> bool {
        self.protocol
    }

    /// Whether the word of this address counts. It has to be canonical.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Who asks, when a request with these headers comes from `hop`.
    pub(crate) fn believe(&self, hop: IpAddr, headers: &HeaderMap) -> Origin {
        let origin = Origin { address: hop.to_canonical(), is_encrypted: None, host: None };
        if !self.trusts(origin.address) {
            return origin;
        }
        match self.header {
            ForwardedHeader::XForwardedFor => self.x_forwarded(origin, headers),
            ForwardedHeader::Forwarded => self.forwarded(origin, headers),
        }
    }

    /// The nearest proxy alone says scheme and host: there is no telling which of several values belongs to which hop.
    fn x_forwarded(&self, mut origin: Origin, headers: &HeaderMap) -> Origin {
        let entries = from_the_right(headers, &X_FORWARDED_FOR);
        for entry in entries.take(MOST_HOPS) {
            let Some(address) = read_node(entry) else { break };
            origin.address = address;
            if !self.trusts(address) {
                break;
            }
        }
        origin.is_encrypted = from_the_right(headers, &X_FORWARDED_PROTO).next().and_then(is_encrypted);
        origin.host = from_the_right(headers, &X_FORWARDED_HOST).next().and_then(read_host);
        origin
    }

    /// Scheme and host are those of the element that names the client: whoever wrote it is trusted.
    fn forwarded(&self, mut origin: Origin, headers: &HeaderMap) -> Origin {
        for text in forwarded::elements(headers).take(MOST_HOPS) {
            let Some(element) = text.and_then(Element::read) else { break };
            origin.is_encrypted = element.proto.as_deref().and_then(is_encrypted);
            origin.host = element.host.as_deref().and_then(read_host);
            let Some(address) = element.node.as_deref().and_then(read_node) else { break };
            origin.address = address;
            if !self.trusts(address) {
                break;
            }
        }
        origin
    }
}

fn read_network(text: &str) -> Result<IpNet, NetworkError> {
    let unreadable = || NetworkError::Unreadable(text.to_owned());
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_no_address) => text.parse::<IpNet>().map_err(|_error| unreadable())?.trunc(),
    };
    // Of IPv4 all addresses may also be written as addresses of IPv6.
    match canonical(network) {
        network if network.prefix_len() == 0 => Err(NetworkError::Everybody(text.to_owned())),
        network => Ok(network),
    }
}

/// Addresses are compared in their canonical form, so networks have to be in theirs.
fn canonical(network: IpNet) -> IpNet {
    if let IpNet::V6(six) = network
        && let Some(four) = six.addr().to_ipv4_mapped()
        && let Some(length) = six.prefix_len().checked_sub(96)
        && let Ok(four) = Ipv4Net::new(four, length)
    {
        return IpNet::V4(four);
    }
    network
}

/// The entries of a list, all lines of the header as one, the last one first. What is no text is an empty entry.
fn from_the_right<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    let lines = headers.get_all(name).into_iter().rev();
    lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(',')).map(str::trim)
}

/// An address as proxies write it: bare, with a port, IPv6 in brackets. Names and numbers of hidden ones are none.
fn read_node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let inside = text.strip_prefix('[')?;
    let (address, port) = inside.split_once(']')?;
    // RFC 7239 allows a port to be hidden as well: `_p1`.
    let is_hidden = port.strip_prefix(":_").is_some_and(|name| !name.is_empty());
    let address: Ipv6Addr = address.parse().ok().filter(|_| port.is_empty() || is_hidden)?;
    Some(IpAddr::V6(address).to_canonical())
}

fn is_encrypted(scheme: &str) -> Option<bool> {
    match scheme {
        _ if scheme.eq_ignore_ascii_case("https") => Some(true),
        _ if scheme.eq_ignore_ascii_case("http") => Some(false),
        _ => None,
    }
}

fn read_host(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok().filter(host::is_host)
}

#[cfg(test)]
mod tests;
