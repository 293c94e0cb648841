//! The PROXY protocol, versions 1 and 2, as HAProxy defines it: a header before the first byte of a connection, in which a
//! proxy that does not look into what it carries says whom it speaks for.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::net::TcpStream;

/// What the second version begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of the first version, `\r\n` included.
const MOST_LINE: usize = 107;
/// What the second version may have behind its first 16 bytes: addresses and some certificates' names, which are skipped.
const MOST_BYTES: usize = 4096;

/// Reads the header and nothing behind it. Gives the client's address; `None` where the proxy speaks for itself, for
/// example to find out whether the server lives, or for a client without an address.
///
/// # Errors
/// The connection ended or broke, or what came is no such header (`InvalidData`). It never waits for more than a header has.
pub(crate) async fn read(socket: &TcpStream) -> Result<Option<IpAddr>> {
    // No header of either version is shorter.
    let mut start = [0; SIGNATURE.len()];
    fill(socket, &mut start).await?;
    if start == SIGNATURE {
        let mut rest = [0; 4];
        fill(socket, &mut rest).await?;
        let [command, family, high, low] = rest;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let mut addresses = vec![0; Some(length).filter(|length| *length <= MOST_BYTES).ok_or_else(malformed)?];
        fill(socket, &mut addresses).await?;
        return second(command, family, &addresses);
    }
    let mut line = start.to_vec();
    while line.starts_with(b"PROXY ") && !line.ends_with(b"\n") && line.len() < MOST_LINE {
        let mut next = [0];
        fill(socket, &mut next).await?;
        line.extend(next);
    }
    first(&line)
}

fn malformed() -> Error {
    Error::from(ErrorKind::InvalidData)
}

/// Reads as many bytes as there is room for.
async fn fill(socket: &TcpStream, mut room: &mut [u8]) -> Result<()> {
    while !room.is_empty() {
        socket.readable().await?;
        match socket.try_read(room) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => room = room.get_mut(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n`.
fn first(line: &[u8]) -> Result<Option<IpAddr>> {
    let text = std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix("\r\n")).ok_or_else(malformed)?;
    let words: Vec<&str> = text.split(' ').collect();
    let address = match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => return Ok(None),
        ["PROXY", "TCP4", source, target, ports @ ..] if are_ports(ports) => {
            source.parse::<Ipv4Addr>().ok().zip(target.parse::<Ipv4Addr>().ok()).map(|(source, _)| IpAddr::V4(source))
        }
        ["PROXY", "TCP6", source, target, ports @ ..] if are_ports(ports) => {
            source.parse::<Ipv6Addr>().ok().zip(target.parse::<Ipv6Addr>().ok()).map(|(source, _)| IpAddr::V6(source))
        }
        _ => None,
    };
    address.map(|address| Some(address.to_canonical())).ok_or_else(malformed)
}

/// Two numbers without signs and zeros in front.
fn are_ports(words: &[&str]) -> bool {
    let is_port = |word: &&str| word.parse::<u16>().is_ok_and(|port| port.to_string() == **word);
    words.len() == 2 && words.iter().all(is_port)
}

/// The bytes behind the signature: version and command, family and transport, then the addresses.
fn second(command: u8, family: u8, addresses: &[u8]) -> Result<Option<IpAddr>> {
    let source = match (command, family) {
        // Of itself; and for a client of no or of a local socket.
        (0x20, _) | (0x21, 0x00 | 0x31 | 0x32) => return Ok(None),
        (0x21, 0x11) if addresses.len() >= 12 => addresses.first_chunk::<4>().map(|four| IpAddr::from(*four)),
        (0x21, 0x21) if addresses.len() >= 36 => addresses.first_chunk::<16>().map(|six| IpAddr::from(*six)),
        _ => None,
    };
    source.map(|address| Some(address.to_canonical())).ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_first_version() {
        let read = |line: &str| first(line.as_bytes()).map_err(|error| error.kind());
        let address = |text: &str| Ok(Some(text.parse().unwrap()));
        assert_eq!(read("PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n"), address("192.0.2.1"));
        assert_eq!(read("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), address("2001:db8::1"));
        assert_eq!(read("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), address("192.0.2.1"));
        assert_eq!(read("PROXY UNKNOWN\r\n"), Ok(None));
        assert_eq!(read("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"), Ok(None));
        for wrong in [
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711 443",
            "PROXY TCP4 ::1 ::2 4711 443\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711 443 1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 04711 443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
            "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n",
            "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY \r\n",
            "GET / HTTP/1\r\n",
        ] {
            assert_eq!(read(wrong), Err(ErrorKind::InvalidData), "{wrong:?}");
        }
    }

    #[test]
    fn bytes_of_the_second_version() {
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 3, 4, 99];
        let mut six = [0; 36];
        six[..16].copy_from_slice(&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        let address = |text: &str| Some(text.parse().unwrap());
        for (command, family, bytes, expected) in [
            (0x21, 0x11, &four[..], Ok(address("192.0.2.1"))),
            (0x21, 0x21, &six[..], Ok(address("2001:db8::1"))),
            (0x20, 0x11, &four, Ok(None)),
            (0x20, 0, &[], Ok(None)),
            (0x21, 0, &[], Ok(None)),
            (0x21, 0x31, &[0; 216], Ok(None)),
            (0x21, 0x11, &four[..11], Err(ErrorKind::InvalidData)),
            (0x21, 0x21, &six[..35], Err(ErrorKind::InvalidData)),
            (0x21, 0x12, &four, Err(ErrorKind::InvalidData)),
            (0x22, 0x11, &four, Err(ErrorKind::InvalidData)),
            (0x11, 0x11, &four, Err(ErrorKind::InvalidData)),
        ] {
            let read = second(command, family, bytes).map_err(|error| error.kind());
            assert_eq!(read, expected, "{command:x} {family:x} {}", bytes.len());
        }
    }
}
