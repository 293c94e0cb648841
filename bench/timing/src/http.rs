//! A running server, over one connection that is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::Subject;

pub struct Server {
    host: String,
    key: Option<String>,
    connection: BufReader<TcpStream>,
    run: u32,
    count: u64,
}

const CASES: [&str; 5] =
    ["unknown user", "wrong password", "locked, right password", "new sign-up", "sign-up of an existing one"];

const RIGHT: &str = "a password for the timing";

impl Server {
    pub fn open(address: &str, key: Option<String>) -> Result<Self, String> {
        let host = address.strip_prefix("http://").ok_or("an address begins with http://")?.trim_end_matches('/');
        let connection = TcpStream::connect(host).map_err(|error| format!("{host}: {error}"))?;
        connection.set_nodelay(true).map_err(|error| error.to_string())?;
        let run = getrandom::u32().map_err(|error| error.to_string())?;
        let mut server =
            Self { host: host.to_owned(), key, connection: BufReader::new(connection), run, count: 0 };
        for name in ["existing", "locked"] {
            let status = server.post("/auth/v1/signup", &format!("timing-{name}@example.com"), RIGHT)?;
            if status >= 500 || status == 404 {
                return Err(format!("the sign-up of timing-{name}@example.com was answered {status}"));
            }
        }
        Ok(server)
    }

    /// The status of the answer.
    fn post(&mut self, path: &str, email: &str, password: &str) -> Result<u16, String> {
        let body = format!("{{\"email\":\"{email}\",\"password\":\"{password}\"}}");
        let key = self.key.as_ref().map_or_else(String::new, |key| format!("apikey: {key}\r\n"));
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{key}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.connection.get_mut().write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        self.read_answer().map_err(|error| error.to_string())
    }

    fn read_answer(&mut self) -> std::io::Result<u16> {
        let (mut status, mut length) = (0, 0);
        let mut line = String::new();
        loop {
            line.clear();
            if self.connection.read_line(&mut line)? == 0 {
                return Err(std::io::Error::other("the server has closed the connection"));
            }
            let text = line.trim_end().to_ascii_lowercase();
            if text.is_empty() {
                break;
            }
            if let Some(rest) = text.strip_prefix("http/1.1 ") {
                status = rest.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
            }
            if let Some(value) = text.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        self.connection.read_exact(&mut vec![0; length])?;
        Ok(status)
    }
}

impl Subject for Server {
    fn cases(&self) -> &[&'static str] {
        &CASES
    }

    fn pairs(&self) -> &[(usize, usize)] {
        &[(0, 1), (2, 1), (0, 2), (3, 4)]
    }

    fn time(&mut self, case: usize) -> Result<f64, String> {
        const TOKEN: &str = "/auth/v1/token?grant_type=password";
        self.count += 1;
        let nobody = format!("timing-{}-{}@example.com", self.run, self.count);
        let (path, email, password, may_succeed) = match case {
            0 => (TOKEN, nobody.as_str(), "a wrong password here", false),
            1 => (TOKEN, "timing-existing@example.com", "a wrong password here", false),
            2 => (TOKEN, "timing-locked@example.com", RIGHT, false),
            3 => ("/auth/v1/signup", nobody.as_str(), RIGHT, true),
            _ => ("/auth/v1/signup", "timing-existing@example.com", RIGHT, true),
        };
        let begin = Instant::now();
        let status = self.post(path, email, password)?;
        let seconds = begin.elapsed().as_secs_f64();
        if status == 429 || status >= 500 || (status < 300 && !may_succeed) {
            return Err(format!("{} was answered {status}: switch limits off, and lock timing-locked", CASES[case]));
        }
        Ok(seconds)
    }
}
