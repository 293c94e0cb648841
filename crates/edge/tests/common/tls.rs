//! A front door with certificates, and clients that know them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use edge::{CertificateFiles, TlsConfig};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::{Server, connect};

pub type Client = StreamOwned<ClientConnection, TcpStream>;

pub struct Certificate {
    pub files: CertificateFiles,
    pub der: CertificateDer<'static>,
}

/// A certificate for these names, in files of this name.
pub fn certificate(folder: &Path, file: &str, names: &[&str]) -> Certificate {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let files =
        CertificateFiles { certificate: folder.join(format!("{file}.pem")), key: folder.join(format!("{file}.key")) };
    std::fs::write(&files.certificate, cert.pem()).unwrap();
    std::fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    Certificate { files, der: cert.der().clone() }
}

pub fn start(certificates: &[&Certificate], change: impl FnOnce(&mut edge::EdgeConfig)) -> Server {
    Server::start(|config| {
        config.tls = Some(TlsConfig {
            files: certificates.iter().map(|certificate| certificate.files.clone()).collect(),
            fetched: None,
            hsts_seconds: 300,
            redirect: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            public_port: None,
        });
        change(config);
    })
}

/// A client that knows these certificates and offers these protocols.
pub fn client(
    trusted: &[&Certificate],
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.der.clone()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

pub fn open(server: &Server, config: &Arc<ClientConfig>, name: &str) -> std::io::Result<Client> {
    let connection = ClientConnection::new(config.clone(), name.to_owned().try_into().unwrap()).unwrap();
    let mut client = StreamOwned::new(connection, connect(server.api));
    while client.conn.is_handshaking() {
        client.conn.complete_io(&mut client.sock)?;
    }
    Ok(client)
}

pub fn get(client: &mut Client, path: &str) -> String {
    write!(client, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text
}
