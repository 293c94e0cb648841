//! Mail by SMTP.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use base::Secret;
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::{Mail, MailError, Mailer};

/// How long a mail may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How the connection to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// Begins plain and has to become TLS (`STARTTLS`, usually port 587).
    StartTls,
    /// TLS from the first byte (usually port 465).
    Tls,
    /// Not at all: for a server on the same machine.
    None,
}

/// The server that takes mail.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// Name and password, where it asks for them.
    pub credentials: Option<(String, Secret)>,
    /// Who mails are from: `Gym <hello@example.com>`.
    pub from: String,
}

/// Sends mail by SMTP.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl SmtpMailer {
    /// Makes ready; no connection is made yet.
    ///
    /// # Errors
    /// A sender that is no address, or a host that is no name.
    pub fn open(settings: &SmtpSettings) -> Result<Self, MailError> {
        let from = settings
            .from
            .parse()
            .map_err(|_| MailError::new("message", format!("{:?} is no sender of mail", settings.from)))?;
        let parameters = || {
            TlsParameters::new(settings.host.clone()).map_err(|error| MailError::new("connection", error.to_string()))
        };
        let tls = match settings.security {
            SmtpSecurity::StartTls => Tls::Required(parameters()?),
            SmtpSecurity::Tls => Tls::Wrapper(parameters()?),
            SmtpSecurity::None => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(TIMEOUT));
        if let Some((name, password)) = &settings.credentials {
            transport = transport.credentials(Credentials::new(name.clone(), password.expose().to_owned()));
        }
        Ok(Self { transport: transport.build(), from })
    }

    fn message(&self, mail: &Mail) -> Result<Message, MailError> {
        let failed = |error: &dyn std::fmt::Display| MailError::new("message", error.to_string());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, mail.to.parse().map_err(|error| failed(&error))?))
            .subject(mail.subject.clone())
            .multipart(MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone()))
            .map_err(|error| failed(&error))
    }
}

impl Mailer for SmtpMailer {
    fn send<'a>(&'a self, mail: &'a Mail) -> Pin<Box<dyn Future<Output = Result<(), MailError>> + Send + 'a>> {
        Box::pin(async move {
            let message = self.message(mail)?;
            let sent = tokio::time::timeout(TIMEOUT, self.transport.send(message)).await;
            match sent {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(failed(&error)),
                Err(_elapsed) => {
                    Err(MailError::new("timeout", format!("the mail server took longer than {TIMEOUT:?}")))
                }
            }
        })
    }
}

/// Why the server did not take a mail: the kind of it and the reply code. Its own text may name the address.
fn failed(error: &lettre::transport::smtp::Error) -> MailError {
    let code = error.status().map(u16::from);
    let reason = match code {
        Some(_) => "refused",
        None if error.is_timeout() => "timeout",
        None if error.is_client() => "message",
        None => "connection",
    };
    MailError { code, ..MailError::new(reason, error.to_string()) }
}
