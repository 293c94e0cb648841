//! A certificate that is fetched: awaited, shown to an authority, damaged, and beside those of the operator.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{Read, Write};
use std::sync::Arc;

use common::connect;
use common::tls::{BOTH, certificate, client, get, open, start};
use edge::Challenge;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use tempfile::TempDir;

#[test]
fn a_damaged_file_keeps_nothing_else_from_being_read() {
    let folder = TempDir::new().unwrap();
    let fetched = folder.path().join("fetched.pem");
    // Damaged, as by a disk that was full: another will be fetched, so the server starts.
    std::fs::write(&fetched, "").unwrap();
    let old = certificate(folder.path(), "other", &["other.test"]);
    let server = start(&[&old], |config| config.tls.as_mut().unwrap().fetched = Some(fetched.clone()));
    let handle = server.certificates.clone().unwrap();
    assert_eq!(handle.count(), 1);
    assert!(handle.reload_fetched().unwrap_err().to_string().contains("fetched.pem"));
    assert_eq!(handle.opened(), &handle.look());

    // It is there, and a file of the operator's is broken: it counts nevertheless.
    let own = certificate(folder.path(), "own", &["api.test"]);
    let pem = [&own.files.key, &own.files.certificate].map(|file| std::fs::read_to_string(file).unwrap()).concat();
    std::fs::write(&fetched, pem).unwrap();
    std::fs::write(&old.files.key, "nothing of the kind").unwrap();
    assert_ne!(handle.opened(), &handle.look());
    handle.reload_fetched().unwrap();
    assert!(open(&server, &client(&[&own], BOTH, &[]), "api.test").is_ok());
    assert!(handle.reload().unwrap_err().to_string().contains("other.key"));
    assert!(open(&server, &client(&[&old], BOTH, &[]), "other.test").is_ok());

    // And the other way round.
    std::fs::write(&fetched, "").unwrap();
    let new = certificate(folder.path(), "other", &["other.test"]);
    assert!(handle.reload().unwrap_err().to_string().contains("fetched.pem"));
    assert!(open(&server, &client(&[&new], BOTH, &[]), "other.test").is_ok());
    assert!(open(&server, &client(&[&own], BOTH, &[]), "api.test").is_ok());
}

/// A challenge for this name, and its certificate, whose critical extension only authorities know (RFC 8737).
fn challenge(name: &str) -> (Challenge, CertificateDer<'static>) {
    let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
    parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(&[7; 32])];
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap().der().clone();
    let shown = Challenge::Tls { name: name.to_owned(), certificate: certificate.to_vec(), key: key.serialize_der() };
    (shown, certificate)
}

/// Looks at the certificate itself, as an authority does.
#[derive(Debug)]
struct Looking;

impl ServerCertVerifier for Looking {
    fn verify_server_cert(
        &self,
        _shown: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

#[test]
fn a_certificate_that_is_fetched_comes_later() {
    let folder = TempDir::new().unwrap();
    let fetched = folder.path().join("fetched.pem");
    let other = certificate(folder.path(), "other", &["other.test"]);
    let server = start(&[&other], |config| config.tls.as_mut().unwrap().fetched = Some(fetched.clone()));
    let handle = server.certificates.clone().unwrap();
    assert_eq!(handle.count(), 1);
    // Nobody is shown one that is for somebody else, and what there is is served.
    let later = certificate(folder.path(), "later", &["api.test"]);
    let config = client(&[&other, &later], BOTH, &[]);
    let refused = open(&server, &config, "api.test").unwrap_err().to_string();
    assert!(refused.contains("AccessDenied"), "{refused}");
    assert!(open(&server, &config, "other.test").is_ok());

    // The authority looks, by a handshake that offers one protocol alone.
    let (shown, der) = challenge("api.test");
    handle.answer_challenges(vec![shown]).unwrap();
    let authority = |protocols: &[&str]| {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(BOTH)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Looking))
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    };
    let mut stream = open(&server, &authority(&["acme-tls/1"]), "api.test").unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    assert_eq!(stream.conn.peer_certificates().unwrap()[0], der);
    // Nothing can be asked there.
    let _closed = stream.write_all(b"GET /zones HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut text = Vec::new();
    let _closed = stream.read_to_end(&mut text);
    assert_eq!(text, b"");
    // Whoever offers more, or asks for another name, is a client like others.
    let refused = open(&server, &authority(&["acme-tls/1", "http/1.1"]), "api.test").unwrap_err().to_string();
    assert!(refused.contains("AccessDenied"), "{refused}");
    assert!(open(&server, &authority(&["acme-tls/1"]), "other.test").is_err());
    let mut stream = open(&server, &config, "other.test").unwrap();
    assert!(get(&mut stream, "/zones").starts_with("HTTP/1.1 200"));

    // It has come: key and certificate in one file.
    handle.answer_challenges(Vec::new()).unwrap();
    let pem = [&later.files.key, &later.files.certificate].map(|file| std::fs::read_to_string(file).unwrap()).concat();
    std::fs::write(&fetched, pem).unwrap();
    handle.reload().unwrap();
    assert_eq!(handle.count(), 2);
    assert!(open(&server, &authority(&["acme-tls/1"]), "api.test").is_err());
    // It is the first from now on.
    for name in ["api.test", "nobody.test"] {
        let connection = ClientConnection::new(config.clone(), name.to_owned().try_into().unwrap()).unwrap();
        let mut stream = StreamOwned::new(connection, connect(server.api));
        let ended = stream.conn.complete_io(&mut stream.sock);
        assert_eq!(ended.is_ok(), name == "api.test", "{name}: {ended:?}");
        if let Err(error) = ended {
            assert!(error.to_string().contains("not valid for name"), "{error}");
        }
    }
}
