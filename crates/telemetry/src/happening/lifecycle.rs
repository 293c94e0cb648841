//! From start to stop.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line, Metrics};

/// The process begins to serve.
#[derive(Debug)]
pub struct Started<'a> {
    /// The version of this binary.
    pub version: &'a str,
    /// The database engine: `sqlite`.
    pub engine: &'static str,
}

impl Happening for Started<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "started",
        message: "Pando is starting",
        about: "Once, when `pando serve` begins.",
        level: Level::Info,
        fields: &[VERSION, ENGINE],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(VERSION, self.version);
        line.word(ENGINE, self.engine);
    }
}

/// An address answers from now on.
#[derive(Debug)]
pub struct Listening {
    /// What it serves: `api` or `admin`.
    pub purpose: &'static str,
    /// Where.
    pub address: SocketAddr,
}

impl Happening for Listening {
    const DEFINITION: &'static Definition = &Definition {
        action: "listening",
        message: "Listening",
        about: "Once for each address that is listened on.",
        level: Level::Info,
        fields: &[PURPOSE, ADDRESS],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(PURPOSE, self.purpose);
        line.word(ADDRESS, &self.address.to_string());
    }
}

/// The configuration works, but an operator should look at it.
#[derive(Debug)]
pub struct Advice {
    /// The setting that it is about.
    pub setting: &'static str,
    /// What to do, as a sentence that is fixed in the code.
    pub sentence: &'static str,
}

impl Happening for Advice {
    const DEFINITION: &'static Definition = &Definition {
        action: "advice",
        message: "The configuration works, but should be looked at",
        about: "At start, for a setting that is allowed but risky, such as no key to verify tokens with.",
        level: Level::Warn,
        fields: &[SETTING, REASON],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(SETTING, self.setting);
        line.word(REASON, self.sentence);
    }
}

/// The configuration file was changed while `pando serve --watch` runs.
#[derive(Debug)]
pub struct ConfigurationChanged;

impl Happening for ConfigurationChanged {
    const DEFINITION: &'static Definition = &Definition {
        action: "configuration-changed",
        message: "pando.toml was changed; it counts after a restart, its keys and rules for tokens after `pando reload`",
        about: "Under `pando serve --watch`, which follows migrations alone.",
        level: Level::Warn,
        fields: &[],
    };

    fn fields(&self, _line: &mut Line<'_>) {}
}

/// The configuration was read again.
#[derive(Debug)]
pub struct ConfigurationRead<'a> {
    /// Keys that tokens are verified with from now on.
    pub keys: u64,
    /// The names of settings that were changed and count from now on, with commas.
    pub changed: &'a str,
    /// The names of settings that were changed since the start and count only after a restart, with commas.
    pub after_restart: &'a str,
}

impl Happening for ConfigurationRead<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "configuration-read",
        message: "The configuration was read again: keys and rules for tokens count from now on",
        about: "After SIGHUP, SIGUSR2, `NOTIFY pgrst, 'reload config'` and `pando reload`. A warning when other settings were \
                changed, which count after a restart.",
        level: Level::Info,
        fields: &[KEYS, CHANGED, AFTER_RESTART],
    };

    fn level(&self) -> Level {
        if self.after_restart.is_empty() { Level::Info } else { Level::Warn }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.count(KEYS, self.keys);
        line.maybe_word(CHANGED, Some(self.changed).filter(|names| !names.is_empty()));
        line.maybe_word(AFTER_RESTART, Some(self.after_restart).filter(|names| !names.is_empty()));
    }
}

/// The configuration was to be read again, and is wrong now or could not be read.
#[derive(Debug)]
pub struct ConfigurationRefused<'a> {
    /// What is wrong with it, and where.
    pub error: &'a str,
}

impl Happening for ConfigurationRefused<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "configuration-refused",
        message: "The configuration could not be read again; the keys and settings from before go on",
        about: "When a reload finds a configuration that would stop a start, or its database does not answer.",
        level: Level::Error,
        fields: &[ERROR],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(ERROR, self.error);
    }
}

/// The certificates were read again.
#[derive(Debug)]
pub struct CertificatesRead {
    /// How many count from now on.
    pub certificates: u64,
}

impl Happening for CertificatesRead {
    const DEFINITION: &'static Definition = &Definition {
        action: "certificates-read",
        message: "The certificates were read again and count for new connections",
        about: "When the files of `[server.tls]` have changed, after SIGHUP and `pando reload`.",
        level: Level::Info,
        fields: &[CERTIFICATES],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.count(CERTIFICATES, self.certificates);
    }
}

/// The certificates were to be read again, and cannot be used.
#[derive(Debug)]
pub struct CertificatesRefused<'a> {
    /// Which file, and what is wrong with it.
    pub error: &'a str,
}

impl Happening for CertificatesRefused<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "certificates-refused",
        message: "The certificates could not be read again; those from before go on until they expire",
        about: "When a file of `[server.tls]` is missing or wrong at a reload, or certificate and key do not belong together.",
        level: Level::Error,
        fields: &[ERROR],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(ERROR, self.error);
    }
}

/// The server became ready for requests, or is so no longer.
#[derive(Debug)]
pub struct ReadinessChanged {
    /// Why it is not ready; `None` when it is.
    pub reason: Option<&'static str>,
}

impl Happening for ReadinessChanged {
    const DEFINITION: &'static Definition = &Definition {
        action: "readiness-changed",
        message: "Readiness changed",
        about: "When `/ready` begins to answer differently.",
        level: Level::Info,
        fields: &[OUTCOME, REASON],
    };

    fn level(&self) -> Level {
        if self.reason.is_some() { Level::Warn } else { Level::Info }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(OUTCOME, if self.reason.is_some() { "failure" } else { "success" });
        line.maybe_word(REASON, self.reason);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.set_ready(self.reason.is_none());
    }
}

/// New connections are no longer taken; what runs is finished.
#[derive(Debug)]
pub struct Draining {
    /// Requests that are being answered.
    pub in_flight: u64,
    /// How long they have.
    pub wait: Duration,
}

impl Happening for Draining {
    const DEFINITION: &'static Definition = &Definition {
        action: "draining",
        message: "Stopping: no new connections, running requests are finished",
        about: "Once, after SIGTERM or SIGINT.",
        level: Level::Info,
        fields: &[IN_FLIGHT, WAIT],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.count(IN_FLIGHT, self.in_flight);
        line.duration(WAIT, self.wait);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.set_ready(false);
    }
}

/// The last happening of a process.
#[derive(Debug)]
pub struct Stopped {
    /// Requests that did not finish in time.
    pub in_flight: u64,
    /// How long draining took.
    pub duration: Duration,
}

impl Happening for Stopped {
    const DEFINITION: &'static Definition = &Definition {
        action: "stopped",
        message: "Pando has stopped",
        about: "Once, at the end. A warning when requests had to be cut off.",
        level: Level::Info,
        fields: &[IN_FLIGHT, DURATION],
    };

    fn level(&self) -> Level {
        if self.in_flight > 0 { Level::Warn } else { Level::Info }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.count(IN_FLIGHT, self.in_flight);
        line.duration(DURATION, self.duration);
    }
}

/// The collector did not take a batch of spans.
#[derive(Debug)]
pub struct TracesNotExported {
    /// How many spans are lost.
    pub spans: u64,
    /// What the exporter says.
    pub error: String,
}

impl Happening for TracesNotExported {
    const DEFINITION: &'static Definition = &Definition {
        action: "traces-not-exported",
        message: "Spans could not be delivered to the trace endpoint",
        about: "When an export fails for the first time, and again after one that worked.",
        level: Level::Warn,
        fields: &[SPANS, ERROR],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.count(SPANS, self.spans);
        line.word(ERROR, &self.error);
    }
}
