//! Orders at a real authority that believes everybody: what is kept, when it is ordered again, and what is not.
//! Whether it finds what it looks for is seen with the whole program, in `pando/tests/acme.rs`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use acme::{AcmeError, Challenge, ChallengeKind, Config, ExternalAccount, Keeper, Stage};
use base::{Secret, SystemClock};
use parking_lot::Mutex;
use telemetry::{Level, LogConfig, LogFormat, Telemetry, TelemetryConfig};
use testkit::{Pebble, PebbleSettings};

const PATIENCE: Duration = Duration::from_mins(2);

/// A front door that only counts.
#[derive(Default)]
struct Counting {
    shown: Mutex<Vec<Vec<Challenge>>>,
    renewed: AtomicUsize,
    /// How often it refuses what it is to take.
    refuses: AtomicUsize,
}

impl Stage for Counting {
    fn show(&self, challenges: Vec<Challenge>) -> Result<(), String> {
        self.shown.lock().push(challenges);
        Ok(())
    }

    fn renewed(&self) -> Result<(), String> {
        self.renewed.fetch_add(1, Ordering::SeqCst);
        let less = |left: usize| left.checked_sub(1);
        match self.refuses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_refused) => Err("a file of somebody else is broken".to_owned()),
            Err(_none_left) => Ok(()),
        }
    }
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A process with a keeper, until it is dropped.
struct Running {
    runtime: Option<tokio::runtime::Runtime>,
    telemetry: Arc<Telemetry>,
    log: Kept,
    stage: Arc<Counting>,
    file: std::path::PathBuf,
}

impl Running {
    fn start(config: Config) -> Self {
        Self::try_start(config).unwrap()
    }

    fn try_start(config: Config) -> Result<Self, AcmeError> {
        Self::before(config, Counting::default())
    }

    fn before(config: Config, stage: Counting) -> Result<Self, AcmeError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let log = Kept::default();
        let telemetry = TelemetryConfig {
            service_name: "pando".to_owned(),
            service_version: "0.0.0".to_owned(),
            log: LogConfig::new(Level::Debug, LogFormat::Json, Box::new(log.clone())),
            traces: None,
            seed: Some([1; 16]),
        };
        let telemetry = Arc::new(Telemetry::new(telemetry, Arc::new(SystemClock)).unwrap());
        let stage = Arc::new(stage);
        let file = config.certificate_file();
        let entered = runtime.enter();
        let keeper = Keeper::open(config, stage.clone(), telemetry.clone(), Arc::new(SystemClock))?;
        runtime.spawn(keeper.run());
        drop(entered);
        Ok(Self { runtime: Some(runtime), telemetry, log, stage, file })
    }

    fn log(&self) -> String {
        self.telemetry.flush(PATIENCE);
        String::from_utf8(self.log.0.lock().clone()).unwrap()
    }

    /// Waits for so many lines of this kind.
    fn wait_for(&self, action: &str, count: usize) -> String {
        let start = Instant::now();
        loop {
            let log = self.log();
            if log.matches(&format!("\"{action}\"")).count() >= count {
                return log;
            }
            assert!(start.elapsed() < PATIENCE, "no {action} in\n{log}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn certificate(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    fn renewed(&self) -> usize {
        self.stage.renewed.load(Ordering::SeqCst)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

fn believing() -> PebbleSettings {
    PebbleSettings { believes: true, ..PebbleSettings::default() }
}

fn config(pebble: &Pebble, folder: &Path) -> Config {
    Config {
        directory: pebble.directory(),
        authority: Some(pebble.authority()),
        contact: vec!["operators@example.com".to_owned()],
        spread: Duration::from_millis(10),
        first_pause: Duration::from_secs(1),
        ..Config::new(vec!["api.example.com".to_owned(), "www.example.com".to_owned()], folder.to_owned())
    }
}

/// What Pebble says of an order that it took: a request with a nonce that it refuses is none.
const ORDERED: &str = "Added order";

/// How often a line of the authority's log has this in it.
fn asked(pebble: &Pebble, what: &str) -> usize {
    pebble.log().lines().filter(|line| line.contains(what)).count()
}

#[test]
fn ordered_once_kept_and_found_again() {
    // A fifth of all good nonces is refused: requests are tried again by themselves, and an order as a whole where that was not enough.
    let settings = PebbleSettings { refused_nonces: Some(20), ..believing() };
    let Some(pebble) = Pebble::start_for("ordered_once_kept_and_found_again", settings) else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(config(&pebble, folder.path()));
    let log = running.wait_for("certificate-issued", 1);
    assert!(log.contains("\"certificate-awaited\"") && log.contains("api.example.com,www.example.com"), "{log}");
    assert_eq!(running.renewed(), 1);
    let metrics = running.telemetry.render_metrics();
    assert!(metrics.contains("pando_certificate_orders_total{outcome=\"success\"} 1"), "{metrics}");
    assert!(!metrics.contains("pando_certificate_expiry_timestamp_seconds 0"), "{metrics}");

    // Readable for nobody else, all of it, and no secret is in the log.
    let kept = fs::read_dir(running.file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    for file in kept {
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    assert_eq!(fs::metadata(running.file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    let pem = running.certificate();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----") && pem.matches("BEGIN CERTIFICATE").count() >= 2, "{pem}");
    let account = fs::read_to_string(running.file.with_file_name("account.json")).unwrap();
    let account: serde_json::Value = serde_json::from_str(&account).unwrap();
    let log = running.log();
    assert!(!log.contains(account["key_pkcs8"].as_str().unwrap()) && !log.contains(pem.lines().nth(1).unwrap()));
    // What was shown is shown no more.
    assert_eq!(running.stage.shown.lock().last(), Some(&Vec::new()));
    let shown: Vec<Challenge> = running.stage.shown.lock().concat();
    let is_for =
        |challenge: &Challenge, domain: &str| matches!(challenge, Challenge::Tls { name, .. } if name == domain);
    assert!(
        ["api.example.com", "www.example.com"].iter().all(|it| shown.iter().any(|one| is_for(one, it))),
        "{shown:?}"
    );
    drop(running);

    // A restart orders nothing.
    let before = asked(&pebble, ORDERED);
    let running = Running::start(config(&pebble, folder.path()));
    std::thread::park_timeout(Duration::from_secs(3));
    assert_eq!(asked(&pebble, ORDERED), before);
    assert_eq!(running.certificate(), pem);
    // The front door is asked to read it nevertheless: it may have been written after the door was opened.
    assert_eq!(running.renewed(), 1);
    assert!(!running.log().contains("certificate-awaited"), "{}", running.log());
    drop(running);

    // Other domains do.
    let other = Config { domains: vec!["shop.example.com".to_owned()], ..config(&pebble, folder.path()) };
    Running::start(other).wait_for("certificate-issued", 1);
    assert!(asked(&pebble, ORDERED) > before);
}

#[test]
fn a_front_door_that_does_not_take_it_is_asked_again() {
    let Some(pebble) = Pebble::start_for("a_front_door_that_does_not_take_it", believing()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let stage = Counting { refuses: AtomicUsize::new(2), ..Counting::default() };
    let running = Running::before(config(&pebble, folder.path()), stage).unwrap();
    running.wait_for("certificate-issued", 1);
    let start = Instant::now();
    while running.renewed() < 3 {
        // It is the former one that is served, and there is none.
        let metrics = running.telemetry.render_metrics();
        let is_told = !metrics.contains("pando_certificate_expiry_timestamp_seconds 0");
        assert!(!is_told || running.renewed() >= 3, "{metrics}");
        assert!(start.elapsed() < PATIENCE, "{}", running.log());
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let start = Instant::now();
    while running.telemetry.render_metrics().contains("pando_certificate_expiry_timestamp_seconds 0") {
        assert!(start.elapsed() < PATIENCE, "{}", running.log());
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(asked(&pebble, ORDERED), 1, "another would not be taken either: {}", pebble.log());
}

#[test]
fn a_damaged_certificate_is_ordered_again() {
    let Some(pebble) = Pebble::start_for("a_damaged_certificate", believing()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = config(&pebble, folder.path());
    fs::create_dir_all(config.certificate_file().parent().unwrap()).unwrap();
    fs::write(config.certificate_file(), "").unwrap();
    let running = Running::before(config, Counting { refuses: AtomicUsize::new(1), ..Counting::default() }).unwrap();
    let log = running.wait_for("certificate-issued", 1);
    assert!(log.contains("certificate-awaited"), "{log}");
    assert!(running.certificate().contains("BEGIN CERTIFICATE"));
}

#[test]
fn renewed_before_it_ends() {
    let settings = PebbleSettings { valid_seconds: 12, ..believing() };
    let Some(pebble) = Pebble::start_for("renewed_before_it_ends", settings) else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = Config { challenge: ChallengeKind::Http01, ..config(&pebble, folder.path()) };
    let running = Running::start(config);
    running.wait_for("certificate-issued", 1);
    let first = running.certificate();
    let log = running.wait_for("certificate-issued", 3);
    assert_ne!(running.certificate(), first);
    assert_eq!(running.renewed(), 3);
    // Never in a hurry: in the middle of its life, not at once.
    assert!(!log.contains("certificate-not-issued"), "{log}");
    assert!(asked(&pebble, ORDERED) <= 12, "{}", pebble.log());
    let shown: Vec<Challenge> = running.stage.shown.lock().concat();
    assert!(shown.iter().all(|one| matches!(one, Challenge::Http { .. })) && !shown.is_empty(), "{shown:?}");
}

#[test]
fn failures_are_remembered_and_the_authority_left_alone() {
    let Some(mut pebble) = Pebble::start_for("failures_are_remembered", believing()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let patient = Config { first_pause: Duration::from_hours(1), ..config(&pebble, folder.path()) };
    pebble.stop();
    let running = Running::start(patient.clone());
    let log = running.wait_for("certificate-not-issued", 1);
    assert!(log.contains("Connection refused"), "the reason: {log}");
    assert!(running.telemetry.render_metrics().contains("pando_certificate_orders_total{outcome=\"failure\"} 1"));
    drop(running);

    // It is there again, but the hour is not over: neither for a process that is started anew, nor for one after that.
    pebble.start_again();
    for _ in 0..2 {
        let running = Running::start(patient.clone());
        running.wait_for("certificate-awaited", 1);
        std::thread::park_timeout(Duration::from_secs(2));
        assert!(!running.file.exists() && asked(&pebble, "calling handler") == 0, "{}", pebble.log());
    }
    // One with less patience gets it.
    Running::start(config(&pebble, folder.path())).wait_for("certificate-issued", 1);
}

#[test]
fn crashes_in_the_middle_count_as_failures() {
    let Some(pebble) = Pebble::start_for("crashes_in_the_middle", believing()) else { return };
    let folder = tempfile::tempdir().unwrap();
    // So long that it is always in the middle.
    let config = Config {
        spread: Duration::from_mins(1),
        first_pause: Duration::from_hours(1),
        ..config(&pebble, folder.path())
    };
    for round in 0..2 {
        let running = Running::start(config.clone());
        let start = Instant::now();
        while round == 0 && running.stage.shown.lock().is_empty() {
            assert!(start.elapsed() < PATIENCE, "{}", running.log());
            std::thread::park_timeout(Duration::from_millis(20));
        }
        std::thread::park_timeout(Duration::from_secs(2));
    }
    assert_eq!(asked(&pebble, ORDERED), 1, "{}", pebble.log());
}

#[test]
fn accounts_that_are_wrong_or_forgotten() {
    let Some(mut pebble) = Pebble::start_for("accounts_that_are_wrong", believing()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = config(&pebble, folder.path());
    let running = Running::start(config.clone());
    running.wait_for("certificate-issued", 1);
    let (certificate, account) = (running.file.clone(), running.file.with_file_name("account.json"));
    drop(running);

    // The authority has forgotten everything: another account is made, and the order goes on with it.
    pebble.start_again();
    fs::remove_file(&certificate).unwrap();
    fs::remove_file(certificate.with_extension("attempts.json")).unwrap();
    let running = Running::start(config.clone());
    let log = running.wait_for("certificate-issued", 1);
    assert!(!log.contains("certificate-not-issued"), "{log}");
    drop(running);

    // A key that is not the account's: no order, the reason in the log, and the file is left for somebody to look at.
    let mut credentials: serde_json::Value = serde_json::from_slice(&fs::read(&account).unwrap()).unwrap();
    let (_, other) = instant_acme::Key::generate_pkcs8().unwrap();
    let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
    credentials["key_pkcs8"] = encode(other.secret_pkcs8_der()).into();
    fs::write(&account, credentials.to_string()).unwrap();
    fs::remove_file(&certificate).unwrap();
    fs::remove_file(certificate.with_extension("attempts.json")).unwrap();
    let running = Running::start(config.clone());
    let log = running.wait_for("certificate-not-issued", 1);
    assert!(log.contains("error validating signature") || log.contains("JWS"), "{log}");
    assert!(!certificate.exists());
    drop(running);

    // One that is no account at all.
    fs::write(&account, "{\"key_pkcs8\":\"hidden\"").unwrap();
    fs::remove_file(certificate.with_extension("attempts.json")).unwrap();
    let running = Running::start(config);
    let log = running.wait_for("certificate-not-issued", 1);
    assert!(log.contains("account.json cannot be read or written") && !log.contains("hidden"), "{log}");
}

#[test]
fn accounts_that_are_bound_to_others() {
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let external_accounts = vec![("kid-1".to_owned(), key.to_owned())];
    let settings = PebbleSettings { external_accounts, ..believing() };
    let Some(pebble) = Pebble::start_for("accounts_that_are_bound", settings) else { return };
    let of = |key_id: &str, key: &str| Some(ExternalAccount { key_id: key_id.to_owned(), hmac_key: Secret::new(key) });
    for (external_account, is_taken) in [
        (None, false),
        (of("kid-1", &key.replace('z', "y")), false),
        (of("kid-2", key), false),
        (of("kid-1", key), true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(Config { external_account, ..config(&pebble, folder.path()) });
        let log = running.wait_for(if is_taken { "certificate-issued" } else { "certificate-not-issued" }, 1);
        assert!(!log.contains(key), "{log}");
    }
}

#[test]
fn several_processes_order_once() {
    let Some(pebble) = Pebble::start_for("several_processes_order_once", believing()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = Config { spread: Duration::from_secs(3), ..config(&pebble, folder.path()) };
    let running: Vec<Running> = (0..4).map(|_| Running::start(config.clone())).collect();
    let start = Instant::now();
    while running.iter().any(|one| one.renewed() == 0) {
        assert!(start.elapsed() < PATIENCE, "{:?}", running.iter().map(Running::log).collect::<Vec<_>>());
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(asked(&pebble, ORDERED), 1, "{}", pebble.log());
    // Each showed the challenges, since the authority may ask any of them.
    for one in &running {
        let shown = one.stage.shown.lock();
        assert!(shown.iter().any(|challenges| challenges.len() == 2), "{shown:?}");
        assert_eq!(shown.last(), Some(&Vec::new()), "{shown:?}");
    }
    let issued = running.iter().filter(|one| one.log().contains("\"certificate-issued\"")).count();
    assert_eq!(issued, 1);
}

#[test]
fn a_folder_that_cannot_be_written() {
    let Some(pebble) = Pebble::start_for("a_folder_that_cannot_be_written", believing()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = config(&pebble, &folder.path().join("kept"));
    // A file is in its place: not even root can write there.
    fs::write(folder.path().join("kept"), "").unwrap();
    let error = Running::try_start(config.clone()).err().unwrap().to_string();
    assert!(error.contains("kept") && error.contains("has to be writable"), "{error}");
    fs::remove_file(folder.path().join("kept")).unwrap();

    // It goes away while the process runs, when the next order is due: nothing is ordered that could not be kept.
    let attempts = config.certificate_file().with_extension("attempts.json");
    fs::create_dir_all(&attempts).unwrap();
    let running = Running::start(Config { first_pause: Duration::from_secs(2), ..config });
    let log = running.wait_for("certificate-not-issued", 1);
    assert!(log.contains("attempts.json cannot be read or written"), "{log}");
    std::thread::park_timeout(Duration::from_secs(3));
    assert_eq!(running.log().matches("certificate-not-issued").count(), 1, "once, not every second");
    assert_eq!(asked(&pebble, "calling handler"), 0, "{}", pebble.log());
    fs::remove_dir(&attempts).unwrap();
    running.wait_for("certificate-issued", 1);
}

#[test]
fn an_authority_that_is_not_the_one_that_was_named() {
    let Some(pebble) = Pebble::start_for("an_authority_that_is_not", believing()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("other.pem"), other.cert.pem()).unwrap();
    let config = config(&pebble, &folder.path().join("kept"));
    for authority in [Some(folder.path().join("other.pem")), None] {
        let kept = folder.path().join(format!("kept-{}", authority.is_some()));
        let running = Running::start(Config { authority, folder: kept, ..config.clone() });
        let log = running.wait_for("certificate-not-issued", 1);
        assert!(log.contains("certificate"), "{log}");
        assert_eq!(asked(&pebble, "calling handler"), 0, "{}", pebble.log());
    }
    for (authority, why) in [("none.pem", "it cannot be read"), ("empty.pem", "no CERTIFICATE")] {
        fs::write(folder.path().join("empty.pem"), "").unwrap();
        let config = Config { authority: Some(folder.path().join(authority)), ..config.clone() };
        assert!(Running::try_start(config).err().unwrap().to_string().contains(why), "{authority}");
    }
}
