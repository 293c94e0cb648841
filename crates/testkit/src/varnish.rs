//! A real Varnish in a temporary folder.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::pebble::free_port;
use crate::tools::is_skipped;

/// Far more than compiling a configuration takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running Varnish on 127.0.0.1. It is stopped when this goes.
#[derive(Debug)]
pub struct Varnish {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl Varnish {
    /// The port that one will be started on: whoever it stands in front of has to know before.
    pub fn port() -> u16 {
        free_port()
    }

    /// Starts one for a test with this configuration; `None` where Varnish is not installed and the test may be skipped, which is said
    /// loudly.
    pub fn start_for(test: &str, port: u16, configuration: &str) -> Option<Self> {
        // Debian installs it where only root looks.
        let program = Some(Path::new("/usr/sbin/varnishd")).filter(|path| path.exists());
        if is_skipped(test, program.is_none(), "Varnish", "install it: apt-get install varnish varnish-modules") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("default.vcl");
        std::fs::write(&file, configuration).expect("the configuration can be written");
        let process = launch(program?, folder.path(), &file, port);
        let mut varnish = Self { process, folder, port };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let has_ended = varnish.process.try_wait().expect("Varnish can be watched").is_some();
            assert!(!has_ended && start.elapsed() < PATIENCE, "Varnish does not start: {}", varnish.log());
            thread::sleep(Duration::from_millis(20));
        }
        Some(varnish)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

fn launch(program: &Path, folder: &Path, file: &Path, port: u16) -> Child {
    let log = std::fs::File::create(folder.join("log")).expect("a log can be made");
    Command::new(program)
        .args(["-F", "-j", "none", "-s", "malloc,64m", "-p", "thread_pools=1", "-a", &format!("127.0.0.1:{port}")])
        .arg("-n")
        .arg(folder.join("work"))
        .arg("-f")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log can be shared"))
        .stderr(log)
        .spawn()
        .expect("Varnish starts")
}

impl Drop for Varnish {
    fn drop(&mut self) {
        // Its worker would outlive it if it were killed: it is asked to end.
        let _sent = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ended = self.process.wait();
    }
}
