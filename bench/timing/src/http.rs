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
    /// Whether accounts that are locked are what is timed.
    is_locked: bool,
}

const CASES: [&str; 11] = [
    "unknown user",
    "wrong password",
    "banned, right password",
    "new sign-up",
    "sign-up of an existing one",
    "otp, no such user",
    "otp",
    "recover, no such user",
    "recover",
    "resend, no such user",
    "resend",
];

/// Of accounts that strangers have used up the guesses of: they are sent away before anybody looks.
const LOCKED: [&str; 3] = ["locked, wrong password", "locked, right password", "locked, no such user"];

const TOKEN: &str = "/auth/v1/token?grant_type=password";
/// Those that leave at a beat: the first of each two is about an account that is not there.
const MAILS: [&str; 3] = ["/auth/v1/otp", "/auth/v1/recover", "/auth/v1/resend"];
const RIGHT: &str = "a password for the timing";

impl Server {
    pub fn open(address: &str, key: Option<String>, is_locked: bool) -> Result<Self, String> {
        let host = address.strip_prefix("http://").ok_or("an address begins with http://")?.trim_end_matches('/');
        let connection = TcpStream::connect(host).map_err(|error| format!("{host}: {error}"))?;
        connection.set_nodelay(true).map_err(|error| error.to_string())?;
        let run = getrandom::u32().map_err(|error| error.to_string())?;
        let mut server =
            Self { host: host.to_owned(), key, connection: BufReader::new(connection), run, count: 0, is_locked };
        for name in ["existing", "banned"] {
            let status = server.post("/auth/v1/signup", &format!("timing-{name}@example.com"), RIGHT)?;
            if status >= 500 || status == 404 {
                return Err(format!("the sign-up of timing-{name}@example.com was answered {status}"));
            }
        }
        if is_locked {
            for email in ["timing-existing@example.com", "timing-nobody@example.com"] {
                let lock = |_| server.post(TOKEN, email, "a wrong password here");
                let statuses = (0..20).map(lock).collect::<Result<Vec<_>, _>>()?;
                if statuses.last() != Some(&429) {
                    return Err(format!("{email} is not locked after 20 wrong passwords: {statuses:?}"));
                }
            }
        }
        Ok(server)
    }

    /// The status of the answer.
    fn post(&mut self, path: &str, email: &str, password: &str) -> Result<u16, String> {
        // The last two members are for the routes that send mail; others do not look at them.
        let body = format!(
            "{{\"email\":\"{email}\",\"password\":\"{password}\",\"type\":\"signup\",\"create_user\":false}}"
        );
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
        if self.is_locked { &LOCKED } else { &CASES }
    }

    fn pairs(&self) -> &[(usize, usize)] {
        if self.is_locked { &[(0, 1), (0, 2), (1, 2)] } else { &[(0, 1), (2, 1), (0, 2), (3, 4), (5, 6), (7, 8), (9, 10)] }
    }

    fn time(&mut self, case: usize) -> Result<f64, String> {
        self.count += 1;
        let nobody = format!("timing-{}-{}@example.com", self.run, self.count);
        let (path, email, password, expected) = match (self.is_locked, case) {
            (true, 0) => (TOKEN, "timing-existing@example.com", "a wrong password here", 429),
            (true, 1) => (TOKEN, "timing-existing@example.com", RIGHT, 429),
            (true, _) => (TOKEN, "timing-nobody@example.com", "a wrong password here", 429),
            (false, 0) => (TOKEN, nobody.as_str(), "a wrong password here", 400),
            (false, 1) => (TOKEN, "timing-existing@example.com", "a wrong password here", 400),
            (false, 2) => (TOKEN, "timing-banned@example.com", RIGHT, 400),
            (false, 3) => ("/auth/v1/signup", nobody.as_str(), RIGHT, 200),
            (false, 4) => ("/auth/v1/signup", "timing-existing@example.com", RIGHT, 200),
            (false, mail) => {
                let path = MAILS.get((mail - 5) / 2).copied().unwrap_or(TOKEN);
                (path, if mail % 2 == 1 { nobody.as_str() } else { "timing-existing@example.com" }, RIGHT, 200)
            }
        };
        let begin = Instant::now();
        let status = self.post(path, email, password)?;
        let seconds = begin.elapsed().as_secs_f64();
        if status != expected {
            return Err(format!("{} was answered {status}, not {expected}: see the head of main.rs", self.cases()[case]));
        }
        Ok(seconds)
    }
}
