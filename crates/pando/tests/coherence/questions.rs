//! What is asked, what it has to show, and a client that asks much of it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than anything is held up here.
const PATIENCE: Duration = Duration::from_secs(30);

/// The registers: rows of `words` and of `marks`, whose answers are `strict`, and of `notes`, whose answers are `session`.
pub const WORDS: usize = 4;
pub const MARKS: usize = 2;
pub const NOTES: usize = 4;
pub const FIRST_MARK: usize = WORDS;
pub const FIRST_NOTE: usize = WORDS + MARKS;
pub const REGISTERS: usize = WORDS + MARKS + NOTES;

/// The table of a register, and its row.
pub fn place_of(register: usize) -> (&'static str, usize) {
    match register {
        FIRST_NOTE.. => ("notes", register - FIRST_NOTE),
        FIRST_MARK.. => ("marks", register - FIRST_MARK),
        _ => ("words", register),
    }
}

/// A question, and the registers whose values stand in its answer, in their order.
#[derive(Debug)]
pub struct Question {
    pub path: String,
    pub registers: Vec<usize>,
    pub is_strict: bool,
}

/// All of them: lists, rows by their keys, a view of one table and one of two.
pub fn questions() -> Vec<Question> {
    let point = |register: usize| {
        let (table, row) = place_of(register);
        let is_strict = register < FIRST_NOTE;
        Question { path: format!("/rest/v1/{table}?select=n&word=eq.{row}"), registers: vec![register], is_strict }
    };
    let list = |path: &str, registers: Vec<usize>, is_strict| Question { path: path.to_owned(), registers, is_strict };
    let pairs = (0..MARKS).flat_map(|row| [row, FIRST_MARK + row]);
    let mut all: Vec<Question> = (0..REGISTERS).map(point).collect();
    all.extend([
        list("/rest/v1/words?select=n&order=word", (0..WORDS).collect(), true),
        list("/rest/v1/spoken?select=n&order=word", (0..WORDS).collect(), true),
        list("/rest/v1/marked?select=n,m&order=word", pairs.collect(), true),
        list("/rest/v1/notes?select=n&order=word", (FIRST_NOTE..REGISTERS).collect(), false),
    ]);
    all
}

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'a> {
    /// An answer: whether it was a kept one, and the body.
    Shown { is_hit: bool, body: &'a str },
    /// It was said that there is none now (503, 504).
    Refused,
    /// Something else was said, with this status.
    Strange(u16),
}

/// One connection that is asked one question after the other. What is read takes no memory of its own: millions are.
#[derive(Debug, Default)]
pub struct Line {
    connection: Option<BufReader<TcpStream>>,
    head: String,
    body: String,
}

impl Line {
    /// Asks; [`Line::hear`] gives the answer.
    pub fn ask(&mut self, node: SocketAddr, path: &str, position: Option<&str>) -> io::Result<()> {
        let sent = self.try_ask(node, path, position);
        self.is_left_after(&sent);
        sent
    }

    fn try_ask(&mut self, node: SocketAddr, path: &str, position: Option<&str>) -> io::Result<()> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            empty => {
                let stream = TcpStream::connect(node)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                empty.insert(BufReader::new(stream))
            }
        };
        self.head.clear();
        self.head.extend(["GET ", path, " HTTP/1.1\r\nHost: here\r\n"]);
        if let Some(position) = position {
            self.head.extend(["Pando-Position: ", position, "\r\n"]);
        }
        self.head.push_str("\r\n");
        connection.get_mut().write_all(self.head.as_bytes())
    }

    /// The answer to what was asked last.
    pub fn hear(&mut self) -> io::Result<Heard<'_>> {
        let heard = self.try_hear();
        self.is_left_after(&heard);
        let (status, is_hit) = heard?;
        Ok(match status {
            200 => Heard::Shown { is_hit, body: &self.body },
            503 | 504 => Heard::Refused,
            other => Heard::Strange(other),
        })
    }

    fn try_hear(&mut self) -> io::Result<(u16, bool)> {
        let broken = || io::Error::from(io::ErrorKind::InvalidData);
        let connection = self.connection.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        self.head.clear();
        while !self.head.ends_with("\r\n\r\n") {
            if connection.read_line(&mut self.head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.head.make_ascii_lowercase();
        let value = |name: &str| Some(self.head.split_once(name)?.1.split_once("\r\n")?.0);
        let status = self.head.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
        let length: u64 = value("\r\ncontent-length: ").and_then(|length| length.parse().ok()).ok_or_else(broken)?;
        let is_hit = value("\r\ncache-status: ").is_some_and(|way| way.split("; ").any(|word| word == "hit"));
        let closes = value("\r\nconnection: ") == Some("close");
        self.body.clear();
        let arrived = connection.take(length).read_to_string(&mut self.body)?;
        if u64::try_from(arrived).is_ok_and(|arrived| arrived < length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if closes {
            self.connection = None;
        }
        Ok((status, is_hit))
    }

    /// A connection on which something went wrong is left, and so is what it may still bring.
    fn is_left_after<T>(&mut self, outcome: &io::Result<T>) {
        if outcome.is_err() {
            self.connection = None;
        }
    }
}

/// The numbers in an answer, in the order in which they stand there.
pub fn numbers(body: &str) -> impl Iterator<Item = i64> {
    body.split("\":").skip(1).filter_map(|rest| {
        let end = rest.find([',', '}']).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    })
}
