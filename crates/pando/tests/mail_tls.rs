//! Mail over TLS: a server of an authority that the machine trusts gets it, encrypted, and no other does.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use testkit::{Launch, Project, Request};

const CONFIGURATION: &str =
    "[auth.login]\nmail_interval_seconds = 0\n[auth.mail]\nhost = \"localhost\"\nuser = \"us\"\n";
const SCHEMA: &str = "create table t (id int primary key);";

/// How the server speaks.
#[derive(Clone, Copy, PartialEq)]
enum Speech {
    /// TLS from the first byte.
    Wrapped,
    /// Plain at first, and TLS when it is asked for.
    Upgraded,
    /// Plain, and says that it knows nothing else.
    Plain,
}

/// A mail server with a certificate for `localhost`.
struct Mails {
    port: u16,
    /// What clients said, unencrypted and encrypted.
    heard: Arc<Mutex<(String, String)>>,
    /// The authority's certificate, as PEM.
    authority: String,
}

impl Mails {
    fn start(speech: Speech) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, config) = (listener.local_addr().unwrap().port(), Arc::new(config));
        let mails = Self { port, heard: Arc::default(), authority: authority.pem() };
        let heard = mails.heard.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (config, heard) = (config.clone(), heard.clone());
                std::thread::spawn(move || {
                    // A client that does not trust us leaves in the middle.
                    let _left = serve(connection, speech, config, &heard);
                });
            }
        });
        mails
    }

    fn heard(&self) -> (String, String) {
        self.heard.lock().unwrap().clone()
    }
}

fn serve(
    connection: TcpStream,
    speech: Speech,
    config: Arc<ServerConfig>,
    heard: &Mutex<(String, String)>,
) -> std::io::Result<()> {
    // Whoever has changed to TLS is not greeted again.
    let encrypted = |connection, greeting| {
        let server = ServerConnection::new(config).map_err(std::io::Error::other)?;
        talk(StreamOwned::new(server, connection), (greeting, ""), |line| heard.lock().unwrap().1.push_str(line))
            .map(drop)
    };
    if speech == Speech::Wrapped {
        return encrypted(connection, GREETING);
    }
    let offer = if speech == Speech::Upgraded { "250-STARTTLS\r\n" } else { "" };
    match talk(&connection, (GREETING, offer), |line| heard.lock().unwrap().0.push_str(line))? {
        true => encrypted(connection, ""),
        false => Ok(()),
    }
}

const GREETING: &str = "220 test\r\n";

/// SMTP (RFC 5321) with what the server offers; whether TLS comes next (RFC 3207).
fn talk(
    stream: impl Read + Write,
    (greeting, offer): (&str, &str),
    mut hear: impl FnMut(&str),
) -> std::io::Result<bool> {
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(greeting.as_bytes())?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        hear(&line);
        let command = line.split([' ', ':']).next().unwrap_or_default().trim_end().to_ascii_uppercase();
        let answer = match command.as_str() {
            "EHLO" => format!("250-test\r\n{offer}250 AUTH PLAIN\r\n"),
            "AUTH" => "235 welcome\r\n".to_owned(),
            "STARTTLS" => {
                stream.get_mut().write_all(b"220 go on\r\n")?;
                return Ok(true);
            }
            "DATA" => {
                stream.get_mut().write_all(b"354 go on\r\n")?;
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line)? == 0 {
                        return Ok(false);
                    }
                    hear(&line);
                    if line.trim_end() == "." {
                        break;
                    }
                }
                "250 taken\r\n".to_owned()
            }
            "QUIT" => {
                stream.get_mut().write_all(b"221 bye\r\n")?;
                return Ok(false);
            }
            _ => "250 ok\r\n".to_owned(),
        };
        stream.get_mut().write_all(answer.as_bytes())?;
    }
}

/// Has a mail sent; gives what came of it, and what the log says.
fn send(mails: &Mails, security: &str, trusts: bool) -> (String, String) {
    let project = Project::of(CONFIGURATION, SCHEMA);
    let mut launch = Launch::new(env!("CARGO_BIN_EXE_pando"))
        .variable("PANDO_AUTH_MAIL_PASSWORD", "the password of mail")
        .set("auth.mail.port", &mails.port.to_string())
        .set("auth.mail.security", security);
    if trusts {
        project.write("authority.pem", &mails.authority);
        launch = launch.variable("SSL_CERT_FILE", &project.path().join("authority.pem").display().to_string());
    }
    let server = launch.start(&project);
    let body = json!({"email": "mina@example.com", "password": "correct horse battery staple"});
    assert_eq!(server.client().send(&Request::json("POST", "/auth/v1/signup", &body)).status, 200);
    let line = server.wait_for("mail-sent");
    let log = server.log();
    assert!(!log.contains("the password of mail"));
    (line["event.outcome"].as_str().unwrap().to_owned(), log)
}

#[test]
fn mail_goes_encrypted_to_whom_the_machine_trusts() {
    for (speech, security) in [(Speech::Wrapped, "tls"), (Speech::Upgraded, "starttls")] {
        let mails = Mails::start(speech);
        assert_eq!(send(&mails, security, true).0, "success", "{security}");
        let (plain, encrypted) = mails.heard();
        assert!(encrypted.contains("To: mina@example.com") && encrypted.contains("AUTH PLAIN"), "{encrypted}");
        assert!(!plain.contains("AUTH") && !plain.contains("mina"), "{plain}");
    }
}

#[test]
fn mail_goes_to_nobody_else() {
    for (speech, security, trusts) in [
        (Speech::Wrapped, "tls", false),
        (Speech::Upgraded, "starttls", false),
        (Speech::Plain, "starttls", true),
        (Speech::Plain, "tls", true),
    ] {
        let mails = Mails::start(speech);
        assert_eq!(send(&mails, security, trusts).0, "failure", "{security}");
        let (plain, encrypted) = mails.heard();
        for said in [&plain, &encrypted] {
            assert!(!said.contains("mina") && !said.contains("AUTH"), "{security}: {said}");
        }
    }
}
