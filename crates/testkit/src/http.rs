//! A small blocking HTTP/1.1 client: it sends exactly what a test says, well-formed or not.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Far more than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// A request with a JSON body.
    pub fn json(method: &str, path: &str, body: &Value) -> Self {
        Self::new(method, path).header("Content-Type", "application/json").body(body.to_string())
    }

    /// Adds a header; its value is sent as the bytes it has.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Adds `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// Adds a `Prefer`.
    #[must_use]
    pub fn prefer(self, preference: &str) -> Self {
        self.header("Prefer", preference)
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn write(&self, host: SocketAddr, to: &mut impl Write) -> io::Result<()> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        if !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        to.write_all(&bytes)
    }
}

/// An answer that arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without transfer coding.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("status {}, no JSON ({error}): {}", self.status, self.text()))
    }

    /// The member `code` of an error.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A client that keeps one connection open.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// It connects when it is needed.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// Gets a path.
    pub fn get(&mut self, path: &str) -> Answer {
        self.send(&Request::new("GET", path))
    }

    /// Sends a request that has to be answered.
    pub fn send(&mut self, request: &Request) -> Answer {
        self.try_send(request).unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.path))
    }

    /// Sends a request to a server that may go away at any moment. Never sends it twice.
    pub fn try_send(&mut self, request: &Request) -> io::Result<Answer> {
        let outcome = self.exchange(request);
        let closes = outcome.as_ref().map_or(true, |answer| answer.header("connection") == Some("close"));
        if closes {
            self.connection = None;
        }
        outcome
    }

    fn exchange(&mut self, request: &Request) -> io::Result<Answer> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            empty => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                empty.insert(BufReader::new(stream))
            }
        };
        // A server may answer and close before it has read a body that is too large.
        let sent = request.write(self.address, connection.get_mut());
        let answer = read_answer(connection, request.method == "HEAD");
        match (sent, answer) {
            (_, Ok(answer)) => Ok(answer),
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
        }
    }
}

fn read_answer(from: &mut impl BufRead, is_head: bool) -> io::Result<Answer> {
    let line = read_line(from)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| broken(&line))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(from)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| broken(&line))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if status == 100 {
        return read_answer(from, is_head);
    }
    if is_head || status == 204 || status == 304 {
        return Ok(answer);
    }
    if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        answer.body = read_chunks(from)?;
    } else if let Some(length) = answer.header("content-length") {
        answer.body = vec![0; length.parse().map_err(|_| broken(length))?];
        from.read_exact(&mut answer.body)?;
    } else {
        from.read_to_end(&mut answer.body)?;
    }
    Ok(answer)
}

fn read_chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(from)?;
        let length = usize::from_str_radix(&line, 16).map_err(|_| broken(&line))?;
        let start = body.len();
        body.resize(start + length, 0);
        from.read_exact(&mut body[start..])?;
        if !read_line(from)?.is_empty() {
            return Err(broken("a chunk without an end"));
        }
        if length == 0 {
            return Ok(body);
        }
    }
}

fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("this is no HTTP: {what:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let cases: [(&str, bool, u16, &str); 5] = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", false, 200, "[]"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", true, 200, ""),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
                false,
                200,
                "abcd",
            ),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", false, 204, ""),
            ("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nno", false, 400, "no"),
        ];
        for (text, is_head, status, body) in cases {
            let answer = read_answer(&mut text.as_bytes(), is_head).unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (status, body), "{text:?}");
        }
        for text in ["", "HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[]"] {
            assert!(read_answer(&mut text.as_bytes(), false).is_err(), "{text:?}");
        }
    }
}
