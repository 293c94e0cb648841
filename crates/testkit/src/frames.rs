//! HTTP/2 frame by frame, to send what no library would.

#![allow(missing_docs, reason = "the constants have the names of RFC 9113")]

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Far more than any frame takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const INITIAL_WINDOW_SIZE: u16 = 4;

/// A frame (RFC 9113 section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Self {
        Self { kind, flags, stream, payload: payload.to_vec() }
    }

    pub fn get(stream: u32, path: &str) -> Self {
        Self::headers(stream, &[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)])
    }

    /// A whole request.
    pub fn headers(stream: u32, fields: &[(&str, &str)]) -> Self {
        Self::new(HEADERS, END_STREAM | END_HEADERS, stream, &block(fields))
    }

    pub fn reset(stream: u32) -> Self {
        Self::new(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
    }

    pub fn window_update(stream: u32, more: u32) -> Self {
        Self::new(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
    }

    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[self.kind, self.flags], &self.stream.to_be_bytes(), &self.payload].concat()
    }

    pub fn write(&self, stream: &mut TcpStream) -> Result<()> {
        stream.write_all(&self.bytes())
    }

    pub fn read(stream: &mut TcpStream) -> Result<Self> {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload)?;
        let number = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Ok(Self { kind: head[3], flags: head[4], stream: number, payload })
    }
}

/// Fields as literals without indexing, neither compressed nor kept (RFC 7541 section 6.2.2).
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of 7 bits (RFC 7541 section 5.1).
fn integer(value: usize, block: &mut Vec<u8>) {
    if value < 127 {
        block.push(u8::try_from(value).unwrap());
        return;
    }
    block.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

pub fn settings(settings: &[(u16, u32)]) -> Frame {
    let payload: Vec<u8> =
        settings.iter().flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    Frame::new(SETTINGS, 0, 0, &payload)
}

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection with these settings, acknowledged.
pub fn open(address: SocketAddr, with: &[(u16, u32)]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(PREFACE).unwrap();
    settings(with).write(&mut stream).unwrap();
    Frame::new(SETTINGS, 1, 0, &[]).write(&mut stream).unwrap();
    stream
}

pub fn get(stream: &mut TcpStream, number: u32, path: &str) {
    Frame::get(number, path).write(stream).unwrap();
}

/// What the server sends until it closes.
pub fn until_closed(stream: &mut TcpStream) -> Vec<Frame> {
    std::iter::from_fn(|| Frame::read(stream).ok()).collect()
}
