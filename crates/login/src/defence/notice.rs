//! What is told of attacks: to the log, and to whoever listens. Bounded, since there may be thousands a second.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use telemetry::{AttackChanged, AttackSeen, Telemetry};

use super::ratio::Change;

/// So many things of a kind are told at once, and after that one in so long. All are counted.
const AT_ONCE: u32 = 20;
const PAUSE: Duration = Duration::from_secs(5);

/// What was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attack {
    /// Nearly everything that is tried is wrong, or one password is tried at many accounts.
    Began,
    /// It is quiet again.
    Ended,
    /// Strangers have no guesses of an account left for now.
    AccountLocked {
        /// Its name, as it was sent; whether there is such an account is not known.
        account: String,
    },
    /// A device or an address that the account knows has no guesses of its own left for now.
    DeviceLocked {
        /// Its name.
        account: String,
    },
    /// Many accounts were tried from an address.
    AddressSprays {
        /// Which.
        address: IpAddr,
    },
    /// Many accounts were tried from a network.
    NetworkSprays {
        /// One of its addresses.
        address: IpAddr,
    },
    /// Many accounts were tried with one password.
    PasswordSprayed,
}

impl Attack {
    /// Its word in metrics and the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Ended => "ended",
            Self::AccountLocked { .. } => "account_locked",
            Self::DeviceLocked { .. } => "device_locked",
            Self::AddressSprays { .. } => "address_sprays",
            Self::NetworkSprays { .. } => "network_sprays",
            Self::PasswordSprayed => "password_sprayed",
        }
    }
}

/// Who is told of an [`Attack`].
#[derive(Clone)]
pub struct AttackListener(Arc<dyn Fn(Attack) + Send + Sync>);

impl AttackListener {
    /// Calls `listen` for what is told; it must not wait.
    pub fn new(listen: impl Fn(Attack) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listen))
    }
}

impl Default for AttackListener {
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for AttackListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttackListener")
    }
}

/// Tells what is noticed.
pub(super) struct Notices {
    listener: AttackListener,
    telemetry: Arc<Telemetry>,
    /// Until when all that was told of a kind is paid for. There are a few kinds.
    paid: Mutex<BTreeMap<&'static str, Instant>>,
}

impl Notices {
    pub(super) fn new(listener: AttackListener, telemetry: Arc<Telemetry>) -> Self {
        Self { listener, telemetry, paid: Mutex::default() }
    }

    /// The state has changed, or not. Told whenever it has: it cannot change often.
    pub(super) fn change(&self, change: Option<Change>) {
        let Some(change) = change else { return };
        let is_attack = change == Change::Began;
        self.telemetry.report(&AttackChanged { is_attack });
        (self.listener.0)(if is_attack { Attack::Began } else { Attack::Ended });
    }

    /// Something was noticed.
    pub(super) fn tell(&self, attack: Attack, now: Instant) {
        let is_told = self.may_tell(attack.name(), now);
        self.telemetry.report(&AttackSeen { attack: attack.name(), is_told });
        if is_told {
            (self.listener.0)(attack);
        }
    }

    fn may_tell(&self, kind: &'static str, now: Instant) -> bool {
        let mut paid = self.paid.lock();
        let paid = paid.entry(kind).or_insert(now);
        let from = (*paid).max(now);
        let is_told = from.saturating_duration_since(now) < PAUSE * AT_ONCE;
        if is_told {
            *paid = from + PAUSE;
        }
        is_told
    }
}
