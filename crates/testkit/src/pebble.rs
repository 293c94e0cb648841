//! A real authority that speaks ACME: Pebble, by Let's Encrypt, with a DNS that sends every name to this machine.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::tools::is_skipped;

/// Far more than a start takes; only a server that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How an authority is to be.
#[derive(Debug, Clone, Default)]
pub struct PebbleSettings {
    /// Where it looks for challenges by HTTP.
    pub http_port: u16,
    /// Where it looks for challenges by TLS.
    pub tls_port: u16,
    /// For how many seconds its certificates are valid; five years when it is 0.
    pub valid_seconds: u64,
    /// The keys that accounts have to be bound to, by name, in base64url.
    pub external_accounts: Vec<(String, String)>,
    /// Whether it believes everybody without looking.
    pub believes: bool,
    /// Of a hundred good nonces so many are refused; Pebble's own 5 when it is `None`.
    pub refused_nonces: Option<u32>,
}

/// A running Pebble. It forgets everything when it is stopped, which it is when this goes.
#[derive(Debug)]
pub struct Pebble {
    process: Child,
    resolver: Child,
    folder: TempDir,
    port: u16,
    management: u16,
    dns: u16,
    settings: PebbleSettings,
}

impl Pebble {
    /// Starts one for a test; `None` where Pebble is not installed and the test may be skipped, which is said loudly.
    pub fn start_for(test: &str, settings: PebbleSettings) -> Option<Self> {
        // It knows no `--version`.
        let is_missing = !on_path("pebble") || !on_path("pebble-challtestsrv");
        if is_skipped(test, is_missing, "Pebble", "install it: apt-get install pebble") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let own = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
        fs::write(folder.path().join("own.pem"), own.cert.pem()).expect("it can be written");
        fs::write(folder.path().join("own.key"), own.signing_key.serialize_pem()).expect("it can be written");
        let (port, management, dns) = (free_port(), free_port(), free_udp_port());
        let resolver = resolve(dns, free_port());
        let process = launch(folder.path(), (port, management, dns), &settings);
        let mut pebble = Self { process, resolver, folder, port, management, dns, settings };
        pebble.wait();
        Some(pebble)
    }

    /// Its directory, for `server.tls.acme.directory`.
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// The certificate of its own address.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("own.pem")
    }

    /// The root (PEM) that leads to the certificates that it issues. Another one after each start.
    pub fn root(&self) -> String {
        let address = format!("https://127.0.0.1:{}/roots/0", self.management);
        let output = Command::new("curl").args(["-sk", &address]).output().expect("curl runs");
        String::from_utf8(output.stdout).expect("it is PEM")
    }

    /// Stops it.
    pub fn stop(&mut self) {
        let _sent = self.process.kill();
        let _ended = self.process.wait();
    }

    /// Starts it again, with another memory, on the same ports.
    pub fn start_again(&mut self) {
        self.stop();
        self.process = launch(self.folder.path(), (self.port, self.management, self.dns), &self.settings);
        self.wait();
    }

    /// What it has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn wait(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.process.try_wait().expect("Pebble can be watched");
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "Pebble does not start: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
        let _sent = self.resolver.kill();
        let _ended = self.resolver.wait();
    }
}

/// A port that nobody listened on a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}

fn free_udp_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
    socket.local_addr().expect("it has an address").port()
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A DNS that gives 127.0.0.1 for every name.
fn resolve(dns: u16, management: u16) -> Child {
    Command::new("pebble-challtestsrv")
        .args(["-dns01", &format!("127.0.0.1:{dns}"), "-management", &format!("127.0.0.1:{management}")])
        .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "", "-defaultIPv4", "127.0.0.1"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("pebble-challtestsrv starts")
}

fn launch(folder: &Path, (port, management, dns): (u16, u16, u16), settings: &PebbleSettings) -> Child {
    let mut pebble = json!({
        "listenAddress": format!("127.0.0.1:{port}"),
        "managementListenAddress": format!("127.0.0.1:{management}"),
        "certificate": folder.join("own.pem"),
        "privateKey": folder.join("own.key"),
        "httpPort": settings.http_port,
        "tlsPort": settings.tls_port,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": !settings.external_accounts.is_empty(),
        "externalAccountMACKeys":
            settings.external_accounts.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
    });
    if settings.valid_seconds > 0 {
        pebble["certificateValidityPeriod"] = settings.valid_seconds.into();
    }
    fs::write(folder.join("pebble.json"), json!({ "pebble": pebble }).to_string()).expect("it can be written");
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("the log can be written");
    let mut command = Command::new("pebble");
    command
        .arg("-config")
        .arg(folder.join("pebble.json"))
        .args(["-dnsserver", &format!("127.0.0.1:{dns}")])
        .env("PEBBLE_VA_NOSLEEP", "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log can be shared"))
        .stderr(log);
    if settings.believes {
        command.env("PEBBLE_VA_ALWAYS_VALID", "1");
    }
    if let Some(share) = settings.refused_nonces {
        command.env("PEBBLE_WFE_NONCEREJECT", share.to_string());
    }
    command.spawn().expect("Pebble starts")
}
