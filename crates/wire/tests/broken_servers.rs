//! Servers that break the protocol, played by a script: every time a clear error, never a panic, never without end.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use base::Limit;
use support::{Authority, server_error, target};
use testkit::Chance;
use wire::{ChannelBinding, ConnectError, Connection, Error, Problem, Settings};

/// A message: its type, its length, its body.
fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend((body.len() as u32 + 4).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn join(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

fn authenticated() -> Vec<u8> {
    message(b'R', &[0, 0, 0, 0])
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// What a server says to somebody it trusts.
fn greeting() -> Vec<u8> {
    join(&[
        authenticated(),
        message(b'S', b"client_encoding\0UTF8\0"),
        message(b'K', &[0, 0, 0, 1, 0, 0, 0, 2]),
        ready(),
    ])
}

/// The right answer to `SELECT …` of one text column named `a`, in its parts.
fn answer() -> Vec<Vec<u8>> {
    vec![
        message(b'1', &[]),
        message(b't', &[0, 0]),
        message(b'T', b"\0\x01a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"),
        message(b'2', &[]),
        message(b'D', b"\0\x01\0\0\0\x02hi"),
        message(b'C', b"SELECT 1\0"),
        ready(),
    ]
}

/// Plays a server: reads the startup, sends the first script, and for each of the others reads once before it sends. Then
/// it closes its side. Gives the port.
fn play(scripts: Vec<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = vec![0; 1 << 16];
        for script in scripts {
            if stream.read(&mut bytes).unwrap_or(0) == 0 || stream.write_all(&script).is_err() {
                return;
            }
        }
        let _closed = stream.shutdown(Shutdown::Write);
        // The client's end, so that nothing it sends is answered by a reset before it has read.
        while stream.read(&mut bytes).is_ok_and(|length| length > 0) {}
    });
    port
}

async fn open(scripts: Vec<Vec<u8>>, parameters: &str) -> Result<Connection, ConnectError> {
    let port = play(scripts);
    let text = format!("host=127.0.0.1 port={port} user=u connect_timeout=60 {parameters}");
    let message_bytes = Limit::new("bytes of a message in a test", 100_000);
    Connection::open(&target(&text), &Settings { message_bytes, ..Settings::default() }).await
}

/// Asks once and gives what came of it.
async fn ask(script: Vec<u8>) -> (Result<String, Error>, bool) {
    let mut connection = open(vec![greeting(), script], "sslmode=disable").await.unwrap();
    let rows = connection.query("SELECT 'hi'", &[]).await;
    let value = rows.map(|rows| rows.first().and_then(|row| row.get(0)).unwrap_or_default().to_owned());
    (value, connection.is_usable())
}

#[tokio::test]
async fn the_right_answer_is_understood() {
    let (value, is_usable) = ask(join(&answer())).await;
    assert_eq!(value.unwrap(), "hi");
    assert!(is_usable);
    // With everything in between that may come at any time.
    let aside = join(&[
        message(b'N', b"SNOTICE\0C00000\0Mhm\0\0"),
        message(b'S', b"a\0b\0"),
        message(b'A', b"\0\0\0\x01c\0p\0"),
    ]);
    let (value, _) = ask(answer().into_iter().flat_map(|part| [aside.clone(), part]).flatten().collect()).await;
    assert_eq!(value.unwrap(), "hi");
}

#[tokio::test]
async fn wrong_messages_are_named() {
    let answer = answer();
    let until = |place: usize, wrong: Vec<u8>| join(&[join(&answer[..place]), wrong]);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        // Lengths.
        (until(0, vec![b'1', 0, 0, 0, 3]), "length"),
        (until(0, vec![b'1', 0, 0, 0, 0]), "length"),
        (until(4, vec![b'D', 0xff, 0xff, 0xff, 0xff]), "length"),
        (until(4, vec![b'D', 0x7f, 0xff, 0xff, 0xff]), "allowed are bytes of a message in a test = 100000"),
        // Types that do not exist, or that a server does not send.
        (until(0, message(0, &[])), "protocol"),
        (until(0, message(b'?', &[])), "protocol"),
        (until(4, message(b'Q', b"SELECT\0")), "in answer to Execute"),
        // Out of order.
        (until(0, message(b'2', &[])), "in answer to Parse"),
        (until(0, message(b'D', &[0, 0])), "in answer to Parse"),
        (until(0, ready()), "in answer to Parse"),
        (until(1, message(b'n', &[])), "in answer to Describe"),
        (until(2, message(b't', &[0, 0])), "in answer to Describe"),
        (until(3, message(b'C', b"SELECT 1\0")), "in answer to Bind"),
        (until(4, ready()), "in answer to Execute"),
        (until(4, message(b'T', &[0, 0])), "in answer to Execute"),
        (until(4, message(b'3', &[])), "in answer to Execute"),
        (until(6, message(b'D', &[0, 0])), "in answer to Sync"),
        (until(6, message(b'C', b"SELECT 1\0")), "in answer to Sync"),
        (until(4, authenticated()), "in answer to Execute"),
        (until(4, message(b'G', &[0, 0, 0])), "COPY"),
        (until(4, message(b'H', &[0, 0, 0])), "COPY"),
        (until(4, message(b'd', &[0])), "in answer to Execute"),
        // Bodies.
        (until(2, message(b'T', &[0])), "malformed"),
        (until(2, message(b'T', &[0xff, 0xff, b'a', 0])), "malformed RowDescription"),
        (
            until(2, message(b'T', b"\0\x01\xff\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0")),
            "malformed RowDescription",
        ),
        (until(4, message(b'D', &[])), "malformed DataRow"),
        (until(4, message(b'D', &[0, 2, 0, 0, 0, 0, 0, 0, 0, 0])), "malformed DataRow"),
        (until(4, message(b'D', &[0, 1, 0, 0, 0, 9, b'x'])), "malformed DataRow"),
        (until(4, message(b'D', &[0, 1, 0x7f, 0xff, 0xff, 0xff])), "malformed DataRow"),
        (until(4, message(b'D', &[0, 1, 0xff, 0xff, 0xff, 0xfe])), "malformed DataRow"),
        (until(4, message(b'D', &[0, 1, 0, 0, 0, 1, 0xff])), "UTF-8"),
        (until(4, message(b'C', b"SELECT 1")), "malformed CommandComplete"),
        (until(4, message(b'C', b"\xff\0")), "malformed CommandComplete"),
        (until(4, message(b'C', b"")), "malformed CommandComplete"),
        (until(6, message(b'Z', b"X")), "malformed ReadyForQuery"),
        (until(6, message(b'Z', b"")), "malformed ReadyForQuery"),
        (until(4, message(b'E', b"")), "malformed ErrorResponse"),
        (until(4, message(b'E', b"SERROR")), "malformed ErrorResponse"),
        (until(4, message(b'N', b"SNOTICE\0\0\0")), "malformed ErrorResponse"),
        (until(4, message(b'A', b"\0\0")), "malformed"),
        (until(4, message(b'A', b"\0\0\0\x01\xff\0\0")), "malformed Notification"),
        (until(4, message(b'S', b"name")), "malformed"),
        // Too much of something that is kept.
        (
            until(4, (0..300).flat_map(|number| message(b'S', format!("p{number}\0v\0").as_bytes())).collect()),
            "parameters reported by PostgreSQL = 256",
        ),
    ];
    for (script, part) in cases {
        let (result, is_usable) = ask(script.clone()).await;
        let error = result.expect_err(part).to_string();
        assert!(error.contains(part), "{part}: {error}");
        assert!(!is_usable, "{part}");
    }
}

#[tokio::test]
async fn an_answer_may_be_cut_anywhere() {
    let whole = join(&answer());
    for length in 0..whole.len() {
        let (result, is_usable) = ask(whole[..length].to_vec()).await;
        assert!(matches!(result, Err(Error::Closed)), "{length}: {result:?}");
        assert!(!is_usable);
    }
}

#[tokio::test]
async fn a_fatal_error_and_the_end() {
    let script = message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mgoing\0\0");
    let mut connection = open(vec![greeting(), script.clone()], "sslmode=disable").await.unwrap();
    let mut flight = connection.flight();
    flight.simple("SELECT 1").unwrap();
    flight.send().await.unwrap();
    assert!(matches!(connection.next().await, Ok(wire::Event::Failed { error, .. }) if error.is_fatal()));
    assert!(matches!(connection.next().await, Err(Error::Closed)));
    // The same while nothing is asked; and bytes that are not UTF-8, as from a server that speaks another language.
    let foreign = message(b'E', b"SFATAL\0C57P01\0M\xe9t\xe9\0\0");
    let mut connection = open(vec![join(&[greeting(), foreign])], "sslmode=disable").await.unwrap();
    assert_eq!(server_error(connection.notification().await).message, "\u{fffd}t\u{fffd}");
    let mut connection = open(vec![join(&[greeting(), message(b'D', &[0, 0])])], "sslmode=disable").await.unwrap();
    let error = connection.notification().await.unwrap_err().to_string();
    assert!(error.contains("while nothing was asked"), "{error}");
}

#[tokio::test]
async fn random_changes_of_a_right_answer() {
    let mut chance = Chance::announced("random_changes_of_a_right_answer");
    let whole = join(&answer());
    for _ in 0..400 + testkit::more_steps() {
        let mut script = whole.clone();
        for _ in 0..=chance.below(3) {
            let place = chance.below(script.len() as u64) as usize;
            match chance.below(3) {
                0 => script[place] = chance.number() as u8,
                1 => drop(script.remove(place)),
                _ => script.insert(place, chance.number() as u8),
            }
        }
        // An error, or by chance an answer; what counts is that it ends.
        let _any = ask(script).await;
    }
}

#[tokio::test]
async fn logging_in() {
    let sasl = |mechanisms: &[u8]| message(b'R', &[&[0, 0, 0, 10][..], mechanisms].concat());
    let more = |text: &str| message(b'R', &[&[0, 0, 0, 11][..], text.as_bytes()].concat());
    let cases: Vec<(Vec<Vec<u8>>, &str)> = vec![
        (vec![vec![]], "closed the connection"),
        (
            vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()],
            "allowed are the length of a message of PostgreSQL before login",
        ),
        (vec![message(b'R', &[0, 0, 0, 99])], "malformed or unknown"),
        (vec![message(b'R', &[])], "malformed or unknown"),
        (vec![message(b'v', &[0, 0, 0, 0, 0, 0, 0, 0])], "malformed or unknown"),
        (vec![ready()], "unexpected message during login"),
        (vec![message(b'K', &[0; 8])], "unexpected message during login"),
        (vec![join(&[authenticated(), message(b'D', &[0, 0])])], "unexpected message during login"),
        (vec![join(&[authenticated(), message(b'S', b"client_encoding\0LATIN1\0"), ready()])], "UTF-8"),
        (vec![message(b'R', &[0, 0, 0, 7])], "GSSAPI"),
        (vec![message(b'R', &[0, 0, 0, 2])], "Kerberos"),
        (vec![sasl(b"OTHER\0\0")], "scram-sha-256"),
        (vec![sasl(b"SCRAM-SHA-256")], "unexpected message during login"),
        (vec![sasl(b"SCRAM-SHA-256\0\0"), more("garbage")], "does not follow SCRAM"),
        (vec![sasl(b"SCRAM-SHA-256\0\0"), more("r=other,s=AAAA,i=4096")], "does not follow SCRAM"),
        // A server that does not know the password lets us in before it has proven that it does.
        (vec![sasl(b"SCRAM-SHA-256\0\0"), join(&[authenticated(), ready()])], "unexpected message during login"),
        (vec![message(b'E', b"SFATAL\0C53300\0Mtoo many\0\0")], "53300"),
        (vec![vec![b'N'; 70_000]], "before login"),
        (vec![join(&vec![message(b'N', b"SNOTICE\0Mhm\0\0"); 80_000])], "before it is ready"),
        (
            vec![join(&[
                authenticated(),
                join(&(0..300).map(|n| message(b'S', format!("{n}\0\0").as_bytes())).collect::<Vec<_>>()),
            ])],
            "256",
        ),
    ];
    for (scripts, part) in cases {
        let error = open(scripts, "sslmode=disable password=hidden").await.expect_err(part).to_string();
        assert!(error.contains(part), "{part}: {error}");
        assert!(!error.contains("hidden"), "{error}");
    }
}

#[tokio::test]
async fn the_request_for_tls() {
    let cases: Vec<(Vec<u8>, &str, &str)> = vec![
        (b"N".to_vec(), "sslmode=require", "does not offer TLS"),
        (b"X".to_vec(), "sslmode=require", "request for TLS"),
        (message(b'E', b"SFATAL\0Msent by anybody\0\0"), "sslmode=prefer", "request for TLS"),
        (b"S".to_vec(), "sslmode=require", "TLS failed"),
        // Bytes that somebody in between put behind the answer are not taken for the server's.
        (join(&[b"S".to_vec(), greeting()]), "sslmode=require", "TLS failed"),
        (vec![], "sslmode=require", "closed the connection"),
    ];
    for (script, parameters, part) in cases {
        let error = open(vec![script], parameters).await.expect_err(part).to_string();
        assert!(error.contains(part) && !error.contains("sent by anybody"), "{part}: {error}");
    }
    // A server without TLS goes on with the same socket.
    assert!(open(vec![b"N".to_vec(), greeting()], "sslmode=prefer").await.is_ok());
}

#[tokio::test]
async fn a_server_that_cannot_now_is_passed_over() {
    for (code, is_passed_over) in [("57P03", true), ("53300", false)] {
        let refusing = play(vec![message(b'E', format!("SFATAL\0C{code}\0Mno\0\0").as_bytes())]);
        let willing = play(vec![greeting()]);
        let text = format!("host=127.0.0.1,127.0.0.1 port={refusing},{willing} user=u sslmode=disable");
        assert_eq!(Connection::open(&target(&text), &Settings::default()).await.is_ok(), is_passed_over, "{code}");
    }
}

/// A server that begins with TLS at once, as PostgreSQL 17 may. It plays one script per connection, as [`play`] does. Gives
/// the port, and what it read.
fn play_encrypted(
    authority: &Authority,
    protocols: Vec<Vec<u8>>,
    scripts: Vec<Vec<Vec<u8>>>,
) -> (u16, Receiver<Vec<u8>>) {
    use rustls::pki_types::pem::PemObject as _;
    let (certificate, key) = authority.issue(&["localhost"]);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = rustls::pki_types::CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = protocols;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut first = None;
        for scripts in scripts {
            let (mut socket, _): (TcpStream, _) = listener.accept().unwrap();
            let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::Stream::new(&mut session, &mut socket);
            for script in scripts {
                let mut bytes = vec![0; 1 << 16];
                let length = stream.read(&mut bytes).unwrap_or(0);
                bytes.truncate(length);
                if sender.send(bytes).is_err() || length == 0 || stream.write_all(&script).is_err() {
                    break;
                }
            }
            // The first stays open; the others are closed once they are played.
            first.get_or_insert(socket);
        }
    });
    (port, receiver)
}

fn encrypted_target(port: u16, root: &Path) -> wire::Target {
    let root = root.display();
    target(&format!(
        "host=localhost hostaddr=127.0.0.1 port={port} user=u password=hidden sslmode=verify-full sslnegotiation=direct \
         sslrootcert={root}"
    ))
}

#[tokio::test]
async fn tls_may_come_first() {
    let authority = Authority::new("ours");
    let folder = tempfile::tempdir().unwrap();
    let root = support::write(folder.path(), "root.crt", &authority.pem());
    for (protocols, is_taken) in [(vec![b"postgresql".to_vec()], true), (vec![], false), (vec![b"h2".to_vec()], false)]
    {
        let (port, read) = play_encrypted(&authority, protocols, vec![vec![greeting()], vec![vec![]]]);
        match Connection::open(&encrypted_target(port, &root), &Settings::default()).await {
            Ok(connection) => {
                assert!(is_taken && connection.is_encrypted());
                assert!(read.recv().unwrap().windows(4).any(|bytes| bytes == b"user"));
                // What cancels goes over TLS as well: the length, the request's code, the process and its key.
                connection.canceller().cancel().await.unwrap();
                assert_eq!(read.recv().unwrap(), [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2]);
            }
            Err(error) => {
                let is_tls = matches!(error.attempts[0].problem, Problem::Tls(_));
                assert!(!is_taken && is_tls, "{error}");
            }
        }
    }
}

#[tokio::test]
async fn scram_tells_whether_it_could_bind() {
    let authority = Authority::new("ours");
    let folder = tempfile::tempdir().unwrap();
    let root = support::write(folder.path(), "root.crt", &authority.pem());
    // What the server offers, what is asked for, and how the client's first message begins (RFC 5802 section 7).
    for (offer, parameter, expected) in [
        (&b"SCRAM-SHA-256\0\0"[..], ChannelBinding::Prefer, Some("y,,")),
        (b"SCRAM-SHA-256\0\0", ChannelBinding::Disable, Some("n,,")),
        (b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", ChannelBinding::Prefer, Some("p=tls-server-end-point,,")),
        (b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", ChannelBinding::Disable, Some("n,,")),
        (b"SCRAM-SHA-256\0\0", ChannelBinding::Require, None),
    ] {
        let offer = message(b'R', &[&[0, 0, 0, 10], offer].concat());
        let scripts = vec![vec![offer, message(b'R', &[0, 0, 0, 11])]];
        let (port, read) = play_encrypted(&authority, vec![b"postgresql".to_vec()], scripts);
        let target = wire::Target { channel_binding: parameter, ..encrypted_target(port, &root) };
        let error = Connection::open(&target, &Settings::default()).await.unwrap_err();
        assert!(matches!(error.attempts[0].problem, Problem::Authentication(_)), "{error}");
        read.recv().unwrap();
        let first = String::from_utf8_lossy(&read.recv().unwrap_or_default()).into_owned();
        match expected {
            Some(expected) => assert!(first.contains(&format!("{expected}n=,r=")), "{first:?}"),
            None => assert_eq!(first, ""),
        }
    }
}
