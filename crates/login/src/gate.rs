//! The gate in front of everything that can be tried again and again: guesses of passwords and codes, mails, new accounts.
//! The promise alone; [`crate::Defence`] keeps it.

use std::net::IpAddr;
use std::time::Duration;

use base::Secret;
use cache::{BoxFuture, Charge};

use crate::password::Priority;

/// What is attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptKind {
    /// A password, to sign in with.
    Password,
    /// Another password for an account that is signed in.
    NewPassword,
    /// A code of a mail or an authenticator app, or a link.
    Code,
    /// A mail to an address.
    Mail,
    /// A new account.
    SignUp,
    /// Another refresh token.
    Refresh,
    /// A CAPTCHA that is said to be solved.
    Captcha,
}

impl AttemptKind {
    /// Its word in metrics and the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::NewPassword => "new_password",
            Self::Code => "code",
            Self::Mail => "mail",
            Self::SignUp => "signup",
            Self::Refresh => "refresh",
            Self::Captcha => "captcha",
        }
    }
}

/// What an account was when it got to know somebody: which it is, and its password's hash, hashed with a key. Where either is
/// another by now, the account knows nobody any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(pub(crate) [u8; 8]);

/// A device that signed in to the account before and shows a token that says so. By its number it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    pub(crate) number: [u8; 16],
    pub(crate) mark: Mark,
}

/// An attempt.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// What is attempted.
    pub kind: AttemptKind,
    /// Whose account, as far as it is named: an address, or the number of a session or factor. Whether there is such an account
    /// must make no difference.
    pub account: Option<&'a str>,
    /// Where it comes from.
    pub address: IpAddr,
    /// The device, if it is known to the account.
    pub device: Option<Device>,
    /// The password that is tried, where one is. Only whether many accounts are tried with it is ever found out.
    pub password: Option<&'a Secret>,
}

/// Whom an attempt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A device that signed in to this account before.
    Device(Device),
    /// An address from which somebody signed in to this account a while ago.
    Address(Mark),
    /// Anybody.
    Stranger,
}

impl Trust {
    /// What the account has to be still, for somebody whom it knows.
    pub(crate) fn mark(self) -> Option<Mark> {
        match self {
            Self::Device(device) => Some(device.mark),
            Self::Address(mark) => Some(mark),
            Self::Stranger => None,
        }
    }
}

/// What is known of an attempt before anything is counted or computed.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Whom it comes from.
    pub trust: Trust,
    /// Who is served first, and shed last.
    pub priority: Priority,
    /// The same, should it be a stranger after all.
    pub otherwise: Priority,
    /// Whether the login is under attack, so that strangers have to show more.
    pub is_attack: bool,
}

impl Standing {
    /// Of somebody whom the account does not know, or knows no more.
    pub(crate) fn as_stranger(self) -> Self {
        Self { trust: Trust::Stranger, priority: self.otherwise, ..self }
    }
}

/// An attempt that may go on.
#[derive(Debug)]
pub struct Pass {
    /// Who is served first. Worse than before where the address has been wrong often.
    pub priority: Priority,
    /// Whether a person has to show that it is one, where that is asked of the suspicious alone.
    pub is_suspicious: bool,
    /// Whom it comes from.
    pub(crate) trust: Trust,
    /// What was charged beforehand.
    pub(crate) charges: Vec<Charge>,
    /// Whether it was the last guess that strangers had for now, or the device.
    pub(crate) is_last: bool,
}

impl Pass {
    /// One that was charged nothing.
    pub fn free(standing: Standing) -> Self {
        Self {
            priority: standing.priority,
            is_suspicious: false,
            trust: standing.trust,
            charges: Vec::new(),
            is_last: false,
        }
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The password is the account's.
    Right,
    /// It is not, or there is no such account, or it has none.
    Wrong,
    /// Nobody looked: it was no guess.
    Nothing,
}

/// An attempt that has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// After how many seconds it makes sense to come again.
    pub seconds: u32,
}

/// Decides which attempts may go on. A guess is charged before anybody looks whether it is right, so that however many are made
/// at once no more are looked at than are allowed; what was no wrong guess is given back.
pub trait Gate: Send + Sync + 'static {
    /// What is known of who attempts. Nothing is counted.
    fn look<'a>(&'a self, attempt: &'a Attempt<'a>) -> BoxFuture<'a, Standing>;

    /// May this attempt go on? It counts from now on.
    ///
    /// # Errors
    /// [`Wait`]: until when.
    fn enter<'a>(&'a self, attempt: &'a Attempt<'a>, standing: Standing) -> BoxFuture<'a, Result<Pass, Wait>>;

    /// What came of an attempt that could go on.
    fn settle<'a>(&'a self, attempt: &'a Attempt<'a>, pass: &'a Pass, found: Found) -> BoxFuture<'a, ()>;

    /// An attempt of another kind than a password was right: what its account was charged for it is given back.
    fn succeeded<'a>(&'a self, attempt: &'a Attempt<'a>) -> BoxFuture<'a, ()>;

    /// Somebody has signed in, by whatever means: the account, as it is now, knows this address from now on.
    fn signed_in<'a>(&'a self, account: &'a str, address: IpAddr, mark: Mark) -> BoxFuture<'a, ()>;

    /// Whether this is shown for the first time within `lifetime`. What shows it is hashed.
    fn is_first<'a>(&'a self, shown: &'a [u8], lifetime: Duration) -> BoxFuture<'a, bool>;
}
