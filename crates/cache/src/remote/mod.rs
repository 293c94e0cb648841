//! The driver for Redis and Valkey. What has to happen in one moment is a script (EVALSHA) that runs on the server, with the
//! server's clock: nodes whose clocks differ still count alike. All requests share one connection, which sends them as they
//! come and takes the answers in their order, so nobody waits for a free one.
//!
//! One server, or an address that leads to the one that counts; not a cluster, whose scripts may not touch keys of several nodes.

mod answers;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, RedisError, Script, TlsCertificates};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::Config;
use crate::driver::{Charged, MOST_MEMBERS, Mode};
use crate::error::CacheError;
use crate::key::{Key, Member};
use crate::rate::{Charge, LONGEST, Rate};
use crate::tally::{Tallied, Tally};

/// How long connecting may take, with TLS and a password.
const CONNECT: Duration = Duration::from_secs(2);

/// What the server answers when it is asked whether it is there.
const PONG: &str = "PONG";

/// A server.
pub struct Redis {
    client: redis::Client,
    connection: RwLock<Option<MultiplexedConnection>>,
    timeout: Duration,
    prefix: String,
    spend: Script,
    tally: Script,
    distinct: Script,
    keep_answer: Script,
}

/// Why an operation has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// There is no connection.
    Gone,
    /// It took too long.
    Slow,
    /// The server refused: it is read-only, full, loading, or wants another password.
    Refused,
}

impl Failed {
    /// The word for the log.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Gone => "unreachable",
            Self::Slow => "too slow",
            Self::Refused => "refused",
        }
    }
}

/// Bytes of the file of authorities: a machine's whole list fits.
const MOST_AUTHORITY_BYTES: u64 = 4 * 1024 * 1024;

/// What the crate makes of an address.
pub fn client(url: &str, authority: Option<&Path>) -> Result<redis::Client, CacheError> {
    // The description is a fixed sentence; the detail may repeat the address.
    let wrong = |error: RedisError| CacheError::Url(error.category().to_owned());
    let Some(file) = authority else { return redis::Client::open(url).map_err(wrong) };
    if !url.starts_with("rediss:") {
        return Err(CacheError::Url("authorities are for addresses with TLS".to_owned()));
    }
    let unusable = |problem: String| CacheError::Authority { file: file.to_owned(), problem };
    let size = std::fs::metadata(file).map_err(|error| unusable(format!("it cannot be read: {error}")))?.len();
    if size > MOST_AUTHORITY_BYTES {
        return Err(unusable(format!("it has {size} bytes, which is too much for certificates")));
    }
    let pem = std::fs::read(file).map_err(|error| unusable(format!("it cannot be read: {error}")))?;
    // An empty list would trust nobody, and nobody would say why.
    if !CertificateDer::pem_slice_iter(&pem).any(|certificate| certificate.is_ok()) {
        return Err(unusable("it has no CERTIFICATE in it".to_owned()));
    }
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem) };
    redis::Client::build_with_tls(url, certificates).map_err(|error| match error.kind() {
        redis::ErrorKind::InvalidClientConfig => CacheError::Url(error.category().to_owned()),
        _ => unusable("its certificates cannot be read".to_owned()),
    })
}

impl Redis {
    pub fn new(url: &str, config: &Config) -> Result<Self, CacheError> {
        Ok(Self {
            client: client(url, config.authority.as_deref())?,
            connection: RwLock::new(None),
            timeout: config.timeout,
            prefix: config.prefix.clone(),
            spend: Script::new(include_str!("spend.lua")),
            tally: Script::new(include_str!("tally.lua")),
            distinct: Script::new(include_str!("distinct.lua")),
            keep_answer: Script::new(include_str!("keep_answer.lua")),
        })
    }

    /// Connects anew and asks whether the server answers, and does what it is there for in time: one that is read-only, full or slow
    /// answers PING as well.
    pub async fn connect(&self) -> Result<(), Failed> {
        // What waits for answers on the older connection has its own deadlines.
        self.connection.write().take();
        // Deadlines are set around every operation; the crate's own would be a second one.
        let settings = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&settings);
        let connected = tokio::time::timeout(CONNECT, connecting).await.map_err(|_| Failed::Slow)?;
        let mut connection = connected.map_err(|error| reason(&error))?;
        let ping = redis::cmd("PING");
        let pong = tokio::time::timeout(CONNECT, ping.query_async::<String>(&mut connection));
        let pong = pong.await.map_err(|_| Failed::Slow)?.map_err(|error| reason(&error))?;
        if pong != PONG {
            return Err(Failed::Refused);
        }
        // Loaded beforehand: the first request need not send them.
        for script in [&self.spend, &self.tally, &self.distinct, &self.keep_answer] {
            let script = script.prepare_invoke();
            let loading = tokio::time::timeout(CONNECT, script.load_async(&mut connection));
            loading.await.map_err(|_| Failed::Slow)?.map_err(|error| reason(&error))?;
        }
        self.spend_over(connection.clone(), Mode::Record, &[probe()]).await?;
        *self.connection.write() = Some(connection);
        Ok(())
    }

    pub async fn spend(&self, mode: Mode, charges: &[Charge]) -> Result<Charged, Failed> {
        self.spend_over(self.connection()?, mode, charges).await
    }

    async fn spend_over(
        &self,
        mut connection: MultiplexedConnection,
        mode: Mode,
        charges: &[Charge],
    ) -> Result<Charged, Failed> {
        let mut call = self.spend.prepare_invoke();
        call.arg(word(mode));
        for charge in charges {
            call.key(charge.key.name(&self.prefix)).arg(charge.increment()).arg(charge.tolerance());
        }
        let answer: Vec<u64> = self.in_time(call.invoke_async(&mut connection)).await?;
        let [is_allowed, debts @ ..] = answer.as_slice() else { return Err(Failed::Refused) };
        let is_allowed = *is_allowed == 1;
        let verdicts = charges.iter().zip(debts);
        let verdicts = verdicts.map(|(charge, debt)| charge.verdict(*debt, charge.after(mode, is_allowed, *debt)));
        Ok(Charged { is_allowed, verdicts: verdicts.collect(), is_local: false })
    }

    /// `owed` is what was counted without the server, and is added in any case.
    pub async fn tally(&self, tally: &Tally, owed: u64) -> Result<Tallied, Failed> {
        let lifetime = u64::try_from(tally.lifetime.min(LONGEST).as_millis()).unwrap_or(u64::MAX).max(1);
        let mut call = self.tally.prepare_invoke();
        call.key(tally.key.name(&self.prefix)).arg(tally.amount).arg(tally.bound).arg(tally.least);
        call.arg(owed).arg(lifetime);
        let mut connection = self.connection()?;
        let (is_allowed, total): (u64, u64) = self.in_time(call.invoke_async(&mut connection)).await?;
        Ok(Tallied { is_allowed: is_allowed == 1, total, is_local: false })
    }

    pub async fn distinct(
        &self,
        key: Key,
        member: Option<Member>,
        window: Duration,
        most: usize,
    ) -> Result<usize, Failed> {
        let mut call = self.distinct.prepare_invoke();
        let window = u64::try_from(window.min(LONGEST).as_micros()).unwrap_or(u64::MAX);
        call.key(key.name(&self.prefix)).arg(window).arg(most.clamp(1, MOST_MEMBERS));
        call.arg(member.map(|member| format!("{:016x}", member.0)).unwrap_or_default());
        let mut connection = self.connection()?;
        self.in_time(call.invoke_async(&mut connection)).await
    }

    pub async fn put(&self, key: Key, value: &Bytes, lifetime: Duration, is_new: bool) -> Result<bool, Failed> {
        let lifetime = u64::try_from(lifetime.min(LONGEST).as_millis()).unwrap_or(u64::MAX).max(1);
        let mut command = redis::cmd("SET");
        command.arg(key.name(&self.prefix)).arg(value.as_ref()).arg("PX").arg(lifetime);
        if is_new {
            command.arg("NX");
        }
        let answer: Option<String> = self.ask(&command).await?;
        Ok(answer.is_some())
    }

    pub async fn get(&self, key: Key) -> Result<Option<Bytes>, Failed> {
        let value: Option<Vec<u8>> = self.ask(redis::cmd("GET").arg(key.name(&self.prefix))).await?;
        Ok(value.map(Bytes::from))
    }

    pub async fn take(&self, key: Key) -> Result<Option<Bytes>, Failed> {
        let value: Option<Vec<u8>> = self.ask(redis::cmd("GETDEL").arg(key.name(&self.prefix))).await?;
        Ok(value.map(Bytes::from))
    }

    pub async fn delete(&self, key: Key) -> Result<(), Failed> {
        self.ask::<u64>(redis::cmd("DEL").arg(key.name(&self.prefix))).await.map(drop)
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failed> {
        let mut connection = self.connection()?;
        self.in_time(command.query_async(&mut connection)).await
    }

    fn connection(&self) -> Result<MultiplexedConnection, Failed> {
        self.connection.read().clone().ok_or(Failed::Gone)
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, Failed> {
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer.map_err(|error| reason(&error)),
            Err(_elapsed) => Err(Failed::Slow),
        }
    }
}

/// What is written to learn whether the server can: forgiven within a millisecond.
fn probe() -> Charge {
    Charge { key: Key { purpose: "probe", hash: [0; 16] }, rate: Rate::FASTEST, burst: 100, cost: 100 }
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Peek => "peek",
        Mode::Charge => "charge",
        Mode::Record => "record",
        Mode::Refund => "refund",
    }
}

fn reason(error: &RedisError) -> Failed {
    if error.is_timeout() {
        Failed::Slow
    } else if error.is_io_error() || error.is_connection_dropped() || error.is_connection_refusal() {
        Failed::Gone
    } else {
        Failed::Refused
    }
}
