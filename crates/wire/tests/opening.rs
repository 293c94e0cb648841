//! Opening connections to real servers: TLS in every mode, every way to log in, several hosts.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use support::{Authority, Seen, started, target, until_ready, value, write};
use tempfile::TempDir;
use testkit::{Cluster, Postgres};
use wire::{ConnectError, Connection, Error, Problem, Query, Settings};

/// What one try is to end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Plain,
    Tls,
    NoTls,
    /// The handshake failed.
    Handshake,
    /// A file is missing or unusable.
    File,
    /// The SQLSTATE of the server.
    Refused(&'static str),
    NoPassword,
    Authentication,
    Session,
    Unreachable,
}

async fn open(text: &str) -> Result<Connection, ConnectError> {
    Connection::open(&target(text), &Settings::default()).await
}

fn last(error: &ConnectError) -> &Problem {
    &error.attempts.last().unwrap().problem
}

async fn end_of(text: &str) -> (End, String) {
    match open(text).await {
        Ok(mut connection) => {
            let in_use = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            let is_encrypted = value(&mut connection, in_use).await == "t";
            assert_eq!(is_encrypted, connection.is_encrypted(), "{text}");
            connection.close().await.unwrap();
            (if is_encrypted { End::Tls } else { End::Plain }, String::new())
        }
        Err(error) => {
            let end = match last(&error) {
                Problem::NoTls => End::NoTls,
                Problem::Tls(_) => End::Handshake,
                Problem::File(_) => End::File,
                Problem::Server(error) => End::Refused(Box::leak(error.code.clone().into_boxed_str())),
                Problem::NoPassword(_) => End::NoPassword,
                Problem::Authentication(_) => End::Authentication,
                Problem::Session(_) => End::Session,
                Problem::Unreachable(_) => End::Unreachable,
                other => panic!("{text}: {other:?}"),
            };
            (end, error.to_string())
        }
    }
}

/// Each line: the parameters besides host and port, what it ends with, and a part of the message.
async fn check(prefix: &str, cases: &[(&str, End, &str)]) {
    for (parameters, expected, part) in cases {
        let (end, message) = end_of(&format!("{prefix} {parameters}")).await;
        assert_eq!(end, *expected, "{prefix} {parameters}: {message}");
        assert!(message.contains(part), "{prefix} {parameters}: {message}");
        assert!(!message.contains("right word") && !message.contains("wrong word"), "{message}");
    }
}

const ACCESS: &[&str] = &[
    "hostssl all certified 127.0.0.1/32 cert",
    "hostssl all tls_only 127.0.0.1/32 trust",
    "hostnossl all tls_only 127.0.0.1/32 reject",
    "hostnossl all plain_only 127.0.0.1/32 trust",
    "hostssl all plain_only 127.0.0.1/32 reject",
    "host all scrammed 127.0.0.1/32 scram-sha-256",
    "host all hashed 127.0.0.1/32 md5",
    "host all clear 127.0.0.1/32 password",
    "host all trusted 127.0.0.1/32 trust",
];

const ROLES: &str =
    "CREATE ROLE certified LOGIN; CREATE ROLE tls_only LOGIN; CREATE ROLE plain_only LOGIN; CREATE ROLE trusted LOGIN;
    CREATE ROLE scrammed LOGIN PASSWORD 'right word'; CREATE ROLE clear LOGIN PASSWORD 'right word';
    SET password_encryption = md5; CREATE ROLE hashed LOGIN PASSWORD 'right word';";

struct Encrypted {
    postgres: Postgres,
    folder: TempDir,
    prefix: String,
}

/// A server with TLS whose certificate is for `localhost`, and files of the client's.
fn encrypted(test: &str) -> Option<Encrypted> {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (certificate, key) = ours.issue(&["localhost"]);
    let mut cluster = Cluster::new().tcp().setting("ssl", "on").setting("ssl_ca_file", "root.crt");
    for (name, content) in [("server.crt", &certificate), ("server.key", &key), ("root.crt", &ours.pem())] {
        cluster = cluster.file(name, content);
    }
    for line in ACCESS {
        cluster = cluster.access(line);
    }
    let postgres = started(test, cluster)?;
    postgres.run(ROLES);
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = ours.issue(&["certified"]);
    for (name, content) in [
        ("root.crt", ours.pem()),
        ("other.crt", theirs.pem()),
        ("client.crt", certificate),
        ("client.key", key.clone()),
        ("open.key", key),
        ("garbage", "garbage".to_owned()),
        ("pgpass", "localhost:*:postgres:scrammed:right word\n".to_owned()),
        ("open.pgpass", "*:*:*:*:right word\n".to_owned()),
    ] {
        write(folder.path(), name, &content);
    }
    for name in ["open.key", "open.pgpass"] {
        std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let prefix = format!("hostaddr=127.0.0.1 port={} dbname=postgres", postgres.port());
    Some(Encrypted { postgres, folder, prefix })
}

fn in_folder(cases: &[(&str, End, &'static str)], folder: &Path) -> Vec<(String, End, &'static str)> {
    let folder = folder.display().to_string();
    cases.iter().map(|(text, end, part)| (text.replace('~', &folder), *end, *part)).collect()
}

async fn check_in(server: &Encrypted, host: &str, cases: &[(&str, End, &'static str)]) {
    let cases = in_folder(cases, server.folder.path());
    let cases: Vec<_> = cases.iter().map(|(text, end, part)| (text.as_str(), *end, *part)).collect();
    check(&format!("{} host={host}", server.prefix), &cases).await;
}

#[tokio::test]
async fn every_mode_against_a_server_with_tls() {
    let Some(server) = encrypted("every_mode_against_a_server_with_tls") else { return };
    check_in(
        &server,
        "localhost",
        &[
            ("user=trusted sslmode=disable", End::Plain, ""),
            ("user=trusted sslmode=allow", End::Plain, ""),
            ("user=trusted sslmode=prefer", End::Tls, ""),
            ("user=trusted", End::Tls, ""),
            ("user=trusted sslmode=require", End::Tls, ""),
            ("user=trusted sslmode=verify-ca sslrootcert=~/root.crt", End::Tls, ""),
            ("user=trusted sslmode=verify-full sslrootcert=~/root.crt", End::Tls, ""),
            // The server decides.
            ("user=tls_only sslmode=disable", End::Refused("28000"), "pg_hba.conf"),
            ("user=tls_only sslmode=allow", End::Tls, ""),
            ("user=tls_only sslmode=prefer", End::Tls, ""),
            ("user=plain_only sslmode=allow", End::Plain, ""),
            ("user=plain_only sslmode=prefer", End::Plain, ""),
            ("user=plain_only sslmode=require", End::Refused("28000"), "pg_hba.conf"),
            ("user=nobody_here sslmode=prefer", End::Refused("28000"), "with TLS: FATAL"),
            ("user=nobody_here sslmode=allow", End::Refused("28000"), "without TLS: FATAL"),
            // Another authority: whoever has a file of authorities means it, in every mode.
            ("user=trusted sslmode=require sslrootcert=~/other.crt", End::Handshake, "no authority that is trusted"),
            ("user=trusted sslmode=verify-ca sslrootcert=~/other.crt", End::Handshake, "no authority that is trusted"),
            (
                "user=trusted sslmode=verify-full sslrootcert=~/other.crt",
                End::Handshake,
                "no authority that is trusted",
            ),
            ("user=trusted sslmode=prefer sslrootcert=~/other.crt", End::Plain, ""),
            (
                "user=tls_only sslmode=prefer sslrootcert=~/other.crt",
                End::Refused("28000"),
                "no authority that is trusted",
            ),
            ("user=tls_only sslmode=allow sslrootcert=~/other.crt", End::Handshake, "no authority that is trusted"),
            // Files.
            ("user=trusted sslmode=verify-ca", End::File, "sslrootcert"),
            ("user=trusted sslmode=verify-full", End::File, "sslrootcert"),
            ("user=trusted sslmode=require sslrootcert=~/missing", End::File, "does not exist"),
            ("user=trusted sslmode=verify-ca sslrootcert=~/missing", End::File, "cannot be read"),
            ("user=trusted sslmode=verify-ca sslrootcert=~/garbage", End::File, "no certificate in the PEM form"),
            // PostgreSQL 15 does not know TLS that comes first.
            ("user=trusted sslmode=require sslnegotiation=direct", End::Handshake, ""),
        ],
    )
    .await;
    // No authority of the machine's has signed it; a machine may have none at all.
    let system = format!("{} host=localhost user=trusted sslrootcert=system", server.prefix);
    assert!(matches!(end_of(&system).await.0, End::Handshake | End::File));
    // The certificate is for localhost.
    check_in(
        &server,
        "db.example",
        &[
            ("user=trusted sslmode=require sslrootcert=~/root.crt", End::Tls, ""),
            ("user=trusted sslmode=verify-ca sslrootcert=~/root.crt", End::Tls, ""),
            ("user=trusted sslmode=verify-full sslrootcert=~/root.crt", End::Handshake, "it is for another host"),
        ],
    )
    .await;
    check_in(
        &server,
        "127.0.0.1",
        &[
            ("user=trusted sslmode=verify-ca sslrootcert=~/root.crt", End::Tls, ""),
            ("user=trusted sslmode=verify-full sslrootcert=~/root.crt", End::Handshake, "it is for another host"),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_usual_files_are_found() {
    let Some(server) = encrypted("the_usual_files_are_found") else { return };
    let usual = server.folder.path().join(".postgresql");
    std::fs::create_dir(&usual).unwrap();
    let open = async |text: String| {
        let home = server.folder.path().display().to_string();
        let target = wire::Target::parse(&text, &|name| (name == "HOME").then(|| home.clone())).unwrap();
        Connection::open(&target, &Settings::default()).await
    };
    let certified = format!("{} host=localhost user=certified sslmode=require", server.prefix);
    let trusted = format!("{} host=localhost user=trusted sslmode=verify-full", server.prefix);
    assert!(open(certified.clone()).await.is_err());
    assert!(matches!(last(&open(trusted.clone()).await.unwrap_err()), Problem::File(_)));
    for (from, to) in [("root.crt", "root.crt"), ("client.crt", "postgresql.crt"), ("client.key", "postgresql.key")] {
        std::fs::copy(server.folder.path().join(from), usual.join(to)).unwrap();
    }
    assert!(open(certified.clone()).await.unwrap().is_encrypted());
    assert!(open(trusted).await.unwrap().is_encrypted());
    // With them there, require verifies.
    std::fs::copy(server.folder.path().join("other.crt"), usual.join("root.crt")).unwrap();
    assert!(matches!(last(&open(certified).await.unwrap_err()), Problem::Tls(_)));
    let with_password_file = format!("{} host=localhost user=scrammed", server.prefix);
    std::fs::rename(server.folder.path().join("pgpass"), server.folder.path().join(".pgpass")).unwrap();
    assert!(open(with_password_file).await.is_ok());
}

#[tokio::test]
async fn every_mode_against_a_server_without_tls() {
    let cluster = Cluster::new().tcp();
    let Some(postgres) = started("every_mode_against_a_server_without_tls", cluster) else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = write(folder.path(), "root.crt", &Authority::new("ours").pem());
    let root = format!("sslrootcert={}", root.display());
    let prefix = format!("host=127.0.0.1 port={} user=postgres", postgres.port());
    let verify_ca = format!("{root} sslmode=verify-ca");
    let verify_full = format!("{root} sslmode=verify-full");
    check(
        &prefix,
        &[
            ("sslmode=disable", End::Plain, ""),
            ("sslmode=allow", End::Plain, ""),
            ("sslmode=prefer", End::Plain, ""),
            ("sslmode=require", End::NoTls, "does not offer TLS"),
            (&verify_ca, End::NoTls, "does not offer TLS"),
            (&verify_full, End::NoTls, "does not offer TLS"),
            ("channel_binding=require", End::Authentication, "channel_binding=require"),
            ("dbname=missing", End::Refused("3D000"), "does not exist"),
        ],
    )
    .await;
    // A unix socket needs no TLS.
    let socket = format!("host={} port={} user=postgres", postgres.socket_folder().display(), postgres.port());
    check(
        &socket,
        &[("sslmode=verify-full", End::Plain, ""), ("host=/nowhere", End::Unreachable, "/nowhere/.s.PGSQL")],
    )
    .await;
}

#[tokio::test]
async fn every_way_to_log_in() {
    let Some(server) = encrypted("every_way_to_log_in") else { return };
    let cases = [
        ("user=scrammed password='right word'", End::Tls, ""),
        ("user=scrammed password='right word' sslmode=disable", End::Plain, ""),
        ("user=scrammed password='right word' channel_binding=disable", End::Tls, ""),
        ("user=scrammed password='right word' channel_binding=require", End::Tls, ""),
        (
            "user=scrammed password='right word' channel_binding=require sslmode=disable",
            End::Authentication,
            "cannot be had",
        ),
        ("user=scrammed password='wrong word'", End::Refused("28P01"), "password authentication failed"),
        ("user=scrammed password='wrong word' channel_binding=require sslmode=require", End::Refused("28P01"), ""),
        ("user=scrammed", End::NoPassword, "PGPASSWORD"),
        ("user=scrammed passfile=~/pgpass", End::Tls, ""),
        ("user=scrammed passfile=~/missing", End::NoPassword, "missing"),
        ("user=scrammed passfile=~/open.pgpass", End::NoPassword, "chmod 600"),
        ("user=trusted passfile=~/open.pgpass", End::Tls, ""),
        ("user=hashed passfile=~/pgpass", End::NoPassword, "pgpass"),
        ("user=hashed password='right word'", End::Tls, ""),
        ("user=hashed password='right word' sslmode=disable", End::Plain, ""),
        ("user=hashed password='wrong word'", End::Refused("28P01"), ""),
        ("user=hashed password='right word' channel_binding=require", End::Authentication, "cannot be bound"),
        ("user=clear password='right word'", End::Tls, ""),
        ("user=clear password='right word' sslmode=disable", End::Plain, ""),
        ("user=clear password='wrong word'", End::Refused("28P01"), ""),
        ("user=certified sslmode=require sslcert=~/client.crt sslkey=~/client.key", End::Tls, ""),
        ("user=certified sslmode=require", End::Refused("28000"), "certificate"),
        ("user=tls_only sslmode=require sslcert=~/client.crt sslkey=~/client.key", End::Tls, ""),
        ("user=certified sslmode=require sslcert=~/client.crt", End::File, "sslkey"),
        ("user=certified sslmode=require sslcert=~/client.crt sslkey=~/open.key", End::File, "chmod 600"),
        ("user=certified sslmode=require sslcert=~/client.crt sslkey=~/garbage", End::File, "sslkey"),
        ("user=certified sslmode=require sslcert=~/missing sslkey=~/client.key", End::File, "cannot be read"),
        ("user=certified sslmode=require sslcert=~/other.crt sslkey=~/client.key", End::File, "fit each other"),
    ];
    check_in(&server, "localhost", &cases).await;
    // A cancellation goes the same way as its connection.
    let text = format!("{} host=localhost user=tls_only sslmode=require", server.prefix);
    let mut connection = open(&text).await.unwrap();
    let mut flight = connection.flight();
    let step = flight.execute(&Query::new("", "SELECT pg_sleep(600)")).unwrap();
    flight.sync();
    flight.send().await.unwrap();
    let asleep = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND wait_event = 'PgSleep'",
        connection.process_id()
    );
    while server.postgres.run(&asleep).trim() != "1" {}
    connection.canceller().cancel().await.unwrap();
    assert_eq!(until_ready(&mut connection).await[0], Seen::Failed(Some(step), "57014".to_owned()));
    // Much over TLS, both ways at once.
    let long = "x".repeat(4 << 20);
    let rows = connection.query("SELECT $1 || g FROM generate_series(1, 5) AS g", &[&long]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0).map_or(0, str::len)).sum::<usize>(), 5 * (long.len() + 1));
}

#[tokio::test]
async fn hosts_are_tried_in_order() {
    let Some(primary) = started("hosts_are_tried_in_order", Cluster::new().tcp()) else { return };
    let standby = started("hosts_are_tried_in_order", Cluster::new().tcp().standby()).unwrap();
    let (p, s) = (primary.port(), standby.port());
    // Bound and never listening: nobody answers there, and nobody else can take it.
    let dead = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    dead.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let d = dead.local_addr().unwrap().as_socket().unwrap().port();
    let cases = [
        (vec![d, s, p], "any", Some(s)),
        (vec![p, s], "any", Some(p)),
        (vec![d, s, p], "read-write", Some(p)),
        (vec![d, s, p], "primary", Some(p)),
        (vec![p, s], "read-only", Some(s)),
        (vec![p, s], "standby", Some(s)),
        (vec![p, d, s], "prefer-standby", Some(s)),
        (vec![d, p], "prefer-standby", Some(p)),
        (vec![p, p], "standby", None),
        (vec![s], "read-write", None),
        (vec![d, d], "any", None),
    ];
    for (ports, session, expected) in cases {
        let hosts = vec!["127.0.0.1"; ports.len()].join(",");
        let list: Vec<String> = ports.iter().map(u16::to_string).collect();
        let text = format!("host={hosts} port={} user=postgres target_session_attrs={session}", list.join(","));
        match (open(&text).await, expected) {
            (Ok(mut connection), Some(port)) => {
                assert_eq!(value(&mut connection, "SHOW port").await, port.to_string(), "{text}");
            }
            (Err(error), None) => {
                assert_eq!(error.attempts.len(), ports.len(), "{error}");
                let is_named = ports.iter().all(|port| error.to_string().contains(&format!("127.0.0.1:{port}")));
                assert!(is_named && (session == "any" || error.to_string().contains(session)), "{error}");
            }
            (got, _) => panic!("{text}: {got:?}"),
        }
    }
    // A session that only reads by its own setting is read-only.
    let text = format!("host=127.0.0.1 port={p} user=postgres options='-c default_transaction_read_only=on'");
    assert!(open(&format!("{text} target_session_attrs=read-only")).await.is_ok());
    let error = open(&format!("{text} target_session_attrs=read-write")).await.unwrap_err();
    assert!(matches!(last(&error), Problem::Session(_)));
    // A host that refuses the login ends it: the others would be asked for no reason.
    let error =
        open(&format!("host=127.0.0.1,127.0.0.1 port={p},{s} user=nobody_here sslmode=disable")).await.unwrap_err();
    assert_eq!((error.attempts.len(), error.server().unwrap().code.as_str()), (1, "28000"));
    // At random, both come.
    let mut seen = Vec::new();
    while !(seen.contains(&p) && seen.contains(&s)) {
        let text = format!("host=127.0.0.1,127.0.0.1 port={p},{s} user=postgres load_balance_hosts=random");
        let mut connection = open(&text).await.unwrap();
        seen.push(value(&mut connection, "SHOW port").await.parse().unwrap());
        assert!(seen.len() < 100);
    }
    // Somebody who accepts and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().map(|address| (silent, address.port())).unwrap();
    let text = format!("host=127.0.0.1,127.0.0.1 port={0} user=postgres connect_timeout=1", silent.1);
    let error = open(&text).await.unwrap_err();
    let timeouts = error.attempts.iter().filter(|attempt| matches!(attempt.problem, Problem::Timeout(_)));
    assert_eq!(timeouts.count(), 2, "{error}");
    let error = open("host=no-such-host.invalid user=postgres").await.unwrap_err();
    assert!(matches!(last(&error), Problem::LookUp(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_goes_and_comes_again() {
    let Some(mut postgres) = started("a_server_that_goes_and_comes_again", Cluster::new().tcp()) else { return };
    let text = format!("host=127.0.0.1 port={} user=postgres", postgres.port());
    let mut connection = open(&text).await.unwrap();
    // Opening may happen on any thread of a runtime.
    let elsewhere = text.clone();
    let mut listening = tokio::spawn(async move { open(&elsewhere).await }).await.unwrap().unwrap();
    postgres.stop();
    // An immediate shutdown may say why before it cuts the connection, or not.
    match connection.query("SELECT 1", &[]).await {
        Err(Error::Closed | Error::Server(_)) => {}
        other => panic!("{other:?}"),
    }
    assert!(connection.query("SELECT 1", &[]).await.is_err() && !connection.is_usable());
    assert!(matches!(listening.notification().await, Err(Error::Closed | Error::Server(_))));
    assert!(matches!(last(&open(&text).await.unwrap_err()), Problem::Unreachable(_)));
    postgres.start_again();
    assert_eq!(value(&mut open(&text).await.unwrap(), "SELECT 'back'").await, "back");
}
