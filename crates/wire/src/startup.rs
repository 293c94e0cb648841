//! From a socket to a session: TLS, the startup message, authentication.

use std::collections::BTreeMap;

use base::{Limit, Secret};
use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::spawn_blocking;

use crate::connection::set_parameter;
use crate::error::Problem;
use crate::input::Input;
use crate::parameters::{ChannelBinding, Target};
use crate::password_file::{self, Wanted};
use crate::stream::Stream;
use crate::tls::Handshake;
use crate::{Error, ServerError, Settings, channel};

/// The longest message before somebody is logged in: errors and parameters. Nobody has proven who he is so far.
const STARTUP_MESSAGE_BYTES: Limit =
    Limit::new("the length of a message of PostgreSQL before login in bytes", 64 << 10);
/// Notices and parameters before the server is ready.
const STARTUP_BYTES: Limit = Limit::new("bytes of PostgreSQL before it is ready", 1 << 20);

/// A session.
pub(crate) struct Session {
    pub stream: Stream,
    pub input: Input,
    pub parameters: BTreeMap<String, String>,
    pub process_id: i32,
    pub secret_key: i32,
}

/// Asks for TLS and begins it. If the server has none, the socket is given back as it was, and goes on without.
pub(crate) async fn secure(stream: Stream, handshake: &Handshake) -> Result<Stream, Problem> {
    let Stream::Tcp(mut stream) = stream else { return Ok(stream) };
    if !handshake.is_direct {
        let mut request = BytesMut::new();
        frontend::ssl_request(&mut request);
        stream.write_all(&request).await.map_err(|error| Problem::Failed(Error::of_socket(error)))?;
        // One byte alone is taken from the plain socket: whatever was slipped in behind it goes to TLS, which refuses it.
        match stream.read_u8().await.map_err(|error| Problem::Failed(Error::of_socket(error)))? {
            b'S' => {}
            b'N' => return Ok(Stream::Tcp(stream)),
            // Not even an error's text is shown: nobody has proven that it is the server's.
            _ => return Err(Error::Protocol("no answer to the request for TLS: is this PostgreSQL?".to_owned()).into()),
        }
    }
    let stream = handshake.run(stream).await.map_err(Problem::Tls)?;
    Ok(Stream::Tls(Box::new(stream)))
}

/// Logs in. `host` is the name that the password file has.
pub(crate) async fn log_in(
    stream: Stream,
    target: &Target,
    settings: &Settings,
    host: &str,
    port: u16,
) -> Result<Session, Problem> {
    let mut login = Login {
        stream,
        input: Input::new(STARTUP_MESSAGE_BYTES),
        output: BytesMut::new(),
        target,
        host: host.to_owned(),
        port,
        is_bound: false,
    };
    login.introduce(settings).await?;
    login.authenticate().await?;
    login.become_ready().await
}

struct Login<'a> {
    stream: Stream,
    input: Input,
    output: BytesMut,
    target: &'a Target,
    host: String,
    port: u16,
    /// Whether SCRAM was bound to the channel.
    is_bound: bool,
}

impl Login<'_> {
    async fn introduce(&mut self, settings: &Settings) -> Result<(), Problem> {
        let target = self.target;
        let given = settings.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let own = [
            ("user", Some(target.user.as_str())),
            ("database", Some(target.database.as_str())),
            ("client_encoding", Some("UTF8")),
            ("application_name", target.application_name.as_deref()),
            ("options", target.options.as_deref()),
        ];
        let own = own.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        let made = frontend::startup_message(own.chain(given), &mut self.output);
        made.map_err(|_| Problem::from(Error::Query("a parameter of the session holds a NUL byte")))?;
        self.send().await
    }

    async fn send(&mut self) -> Result<(), Problem> {
        let failed = |error| Problem::Failed(Error::of_socket(error));
        self.stream.write_all(&self.output).await.map_err(failed)?;
        self.stream.flush().await.map_err(failed)?;
        self.output.clear();
        Ok(())
    }

    /// The next message; errors of the server are errors here, notices are left out.
    async fn message(&mut self) -> Result<Message, Problem> {
        loop {
            while let Some(frame) = self.input.frame()? {
                match self.input.message(&frame)? {
                    Message::ErrorResponse(body) => {
                        return Err(Problem::Server(Box::new(ServerError::read(body.fields())?)));
                    }
                    Message::NoticeResponse(_) => {}
                    message => return Ok(message),
                }
            }
            if STARTUP_BYTES.is_exceeded_by(self.input.received()) {
                return Err(Error::TooMuch(STARTUP_BYTES).into());
            }
            self.input.fill(&mut self.stream).await?;
        }
    }

    async fn authenticate(&mut self) -> Result<(), Problem> {
        match self.message().await? {
            Message::AuthenticationOk => return self.check_binding(),
            Message::AuthenticationCleartextPassword => {
                let password = self.password().await?;
                self.answer_with(password.expose().as_bytes()).await?;
            }
            Message::AuthenticationMd5Password(body) => {
                let password = self.password().await?;
                let hash = md5_hash(self.target.user.as_bytes(), password.expose().as_bytes(), body.salt());
                self.answer_with(hash.as_bytes()).await?;
            }
            Message::AuthenticationSasl(body) => self.scram(&body).await?,
            Message::AuthenticationGss | Message::AuthenticationSspi | Message::AuthenticationKerberosV5 => {
                return Err(Problem::Authentication(
                    "the server asks for GSSAPI, SSPI or Kerberos, which are not supported: let pg_hba.conf ask this \
                     role for scram-sha-256 or cert"
                        .to_owned(),
                ));
            }
            _ => return Err(unexpected()),
        }
        match self.message().await? {
            Message::AuthenticationOk => self.check_binding(),
            _ => Err(unexpected()),
        }
    }

    fn check_binding(&self) -> Result<(), Problem> {
        if self.target.channel_binding == ChannelBinding::Require && !self.is_bound {
            return Err(Problem::Authentication(
                "channel_binding=require, and the server let us in without it: it needs TLS and scram-sha-256"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    async fn answer_with(&mut self, password: &[u8]) -> Result<(), Problem> {
        if self.target.channel_binding == ChannelBinding::Require {
            return Err(Problem::Authentication(
                "channel_binding=require, and the server asks for a password in a way that cannot be bound".to_owned(),
            ));
        }
        let made = frontend::password_message(password, &mut self.output);
        made.map_err(|_| Problem::Authentication("the password holds a NUL byte".to_owned()))?;
        self.send().await
    }

    async fn scram(&mut self, offered: &AuthenticationSaslBody) -> Result<(), Problem> {
        let (mechanism, binding) = self.mechanism(offered)?;
        let password = self.password().await?;
        self.is_bound = mechanism == SCRAM_SHA_256_PLUS;
        let mut scram = ScramSha256::new(password.expose().as_bytes(), binding);
        let unencodable = |_| unexpected();
        frontend::sasl_initial_response(mechanism, scram.message(), &mut self.output).map_err(unencodable)?;
        self.send().await?;
        let Message::AuthenticationSaslContinue(body) = self.message().await? else { return Err(unexpected()) };
        let refused =
            |error: std::io::Error| Problem::Authentication(format!("the server does not follow SCRAM: {error}"));
        scram.update(body.data()).map_err(refused)?;
        frontend::sasl_response(scram.message(), &mut self.output).map_err(unencodable)?;
        self.send().await?;
        let Message::AuthenticationSaslFinal(body) = self.message().await? else { return Err(unexpected()) };
        scram.finish(body.data()).map_err(|error| {
            Problem::Authentication(format!(
                "the server did not prove that it knows the password ({error}): do not trust it"
            ))
        })
    }

    /// Which mechanism to take, and what to tell the server about channel binding (RFC 5802 section 6).
    fn mechanism(&self, offered: &AuthenticationSaslBody) -> Result<(&'static str, sasl::ChannelBinding), Problem> {
        let (mut has_plain, mut has_bound) = (false, false);
        let mut mechanisms = offered.mechanisms();
        while let Some(mechanism) = mechanisms.next().map_err(|_| unexpected())? {
            has_plain |= mechanism == SCRAM_SHA_256;
            has_bound |= mechanism == SCRAM_SHA_256_PLUS;
        }
        let wanted = self.target.channel_binding;
        let end_point = (wanted != ChannelBinding::Disable).then(|| self.end_point()).flatten();
        match end_point {
            Some(end_point) if has_bound => {
                Ok((SCRAM_SHA_256_PLUS, sasl::ChannelBinding::tls_server_end_point(end_point)))
            }
            _ if wanted == ChannelBinding::Require => Err(Problem::Authentication(
                "channel_binding=require, and it cannot be had: it needs TLS, scram-sha-256 and a certificate whose \
                 signature names a hash (RSA or ECDSA)"
                    .to_owned(),
            )),
            // "y": we could, and think that the server cannot. If it can, somebody in between hid that, and it will tell.
            Some(_) if has_plain => Ok((SCRAM_SHA_256, sasl::ChannelBinding::unrequested())),
            None if has_plain => Ok((SCRAM_SHA_256, sasl::ChannelBinding::unsupported())),
            _ => Err(Problem::Authentication(
                "the server offers no mechanism that is supported: let pg_hba.conf ask for scram-sha-256".to_owned(),
            )),
        }
    }

    fn end_point(&self) -> Option<Vec<u8>> {
        let Stream::Tls(stream) = &self.stream else { return None };
        let certificate = stream.get_ref().1.peer_certificates()?.first()?;
        channel::end_point(certificate)
    }

    /// The password, from the target or the password file.
    async fn password(&self) -> Result<Secret, Problem> {
        if let Some(password) = &self.target.password {
            return Ok(password.clone());
        }
        let Some(path) = self.target.password_file.clone() else {
            return Err(Problem::NoPassword(": give password, or set PGPASSWORD".to_owned()));
        };
        let (host, port) = (self.host.clone(), self.port);
        let (database, user) = (self.target.database.clone(), self.target.user.clone());
        let shown = path.display().to_string();
        let found = spawn_blocking(move || {
            password_file::look_up(&path, Wanted { host: &host, port, database: &database, user: &user })
        });
        match found.await {
            Ok(Ok(Some(password))) => Ok(password),
            Ok(Ok(None)) => Err(Problem::NoPassword(format!(
                ": give password, set PGPASSWORD, or add a line for this host, port, database and user to {shown}"
            ))),
            Ok(Err(sentence)) => Err(Problem::NoPassword(format!("; {sentence}"))),
            Err(_) => Err(Problem::File(format!("reading the password file {shown} was interrupted"))),
        }
    }

    async fn become_ready(mut self) -> Result<Session, Problem> {
        let mut parameters = BTreeMap::new();
        let (mut process_id, mut secret_key) = (0, 0);
        loop {
            match self.message().await? {
                Message::ParameterStatus(body) => {
                    let malformed = |_| Error::malformed("ParameterStatus");
                    let (name, value) = (body.name().map_err(malformed)?, body.value().map_err(malformed)?);
                    set_parameter(&mut parameters, name, value)?;
                }
                Message::BackendKeyData(body) => {
                    process_id = body.process_id();
                    secret_key = body.secret_key();
                }
                Message::ReadyForQuery(_) => break,
                _ => return Err(unexpected()),
            }
        }
        if parameters.get("client_encoding").is_some_and(|encoding| encoding != "UTF8") {
            return Err(Error::Protocol("the server does not speak UTF-8 with us (client_encoding)".to_owned()).into());
        }
        Ok(Session { stream: self.stream, input: self.input, parameters, process_id, secret_key })
    }
}

fn unexpected() -> Problem {
    Error::Protocol("an unexpected message during login: is this PostgreSQL?".to_owned()).into()
}
