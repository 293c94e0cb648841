use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

/// A mail server that takes everything and sends nothing: each mail becomes a file `0001.eml`, as it came.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    folder: TempDir,
}

impl MailServer {
    /// Listens on a free port until the process ends.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let server = Self {
            address: listener.local_addr().expect("it has an address"),
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        };
        let (folder, count) = (server.folder.path().to_owned(), Arc::new(AtomicU64::new(0)));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (folder, count) = (folder.clone(), count.clone());
                std::thread::spawn(move || {
                    // A client that leaves in the middle is its own affair.
                    let _left = take(&connection, &folder, &count);
                });
            }
        });
        server
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the mails are.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

/// SMTP (RFC 5321) as far as a client that sends mail needs it.
fn take(connection: &TcpStream, folder: &Path, count: &AtomicU64) -> std::io::Result<()> {
    let mut writer = connection.try_clone()?;
    let mut lines = BufReader::new(connection).lines();
    writer.write_all(b"220 testkit\r\n")?;
    while let Some(line) = lines.next() {
        let line = line?;
        let command = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match command.as_str() {
            "EHLO" => writer.write_all(b"250-testkit\r\n250 8BITMIME\r\n")?,
            "DATA" => {
                writer.write_all(b"354 go on\r\n")?;
                let mut mail = String::new();
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.push('\n');
                }
                let name = format!("{:04}.eml", count.fetch_add(1, Ordering::SeqCst) + 1);
                // Under its name only when it is whole.
                let part = folder.join(format!("{name}.part"));
                std::fs::write(&part, &mail)?;
                std::fs::rename(part, folder.join(name))?;
                writer.write_all(b"250 taken\r\n")?;
            }
            "QUIT" => return writer.write_all(b"221 bye\r\n"),
            _ => writer.write_all(b"250 ok\r\n")?,
        }
    }
    Ok(())
}
