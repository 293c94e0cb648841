//! What reads may show while others write.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::atomic::{AtomicI64, Ordering};

/// A register that only grows, with one writer at a time: what a reader sees is at least what was acknowledged or seen before it asked, and
/// at most what was sent before it was answered. For one writer that is linearizability, exactly: each value is written once, so a history
/// has a linearization where no read is from before a write that was acknowledged, or a read that had ended, before it began, and none
/// from before its own write began. A write whose outcome is not known was sent and not acknowledged, for ever.
#[derive(Debug, Default)]
pub struct Register {
    acknowledged: AtomicI64,
    sent: AtomicI64,
    seen: AtomicI64,
}

impl Register {
    /// What a read that begins now has to show at least.
    pub fn least(&self) -> i64 {
        self.acknowledged().max(self.seen.load(Ordering::SeqCst))
    }

    /// What is wrong with a value that was read, if anything is; `least` is from before the read.
    pub fn judge(&self, least: i64, value: i64) -> Option<String> {
        let most = self.sent();
        self.seen.fetch_max(value, Ordering::SeqCst);
        (!(least..=most).contains(&value)).then(|| format!("{value} was read, it has to be {least} to {most}"))
    }

    /// What is wrong with a read, if anything is.
    pub fn read(&self, read: impl FnOnce() -> i64) -> Option<String> {
        let least = self.least();
        self.judge(least, read())
    }

    /// The last value that was acknowledged.
    pub fn acknowledged(&self) -> i64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// The last value that was sent: that many writes were begun.
    pub fn sent(&self) -> i64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Writes the next value; says whether that was acknowledged.
    pub fn try_write(&self, write: impl FnOnce(i64) -> bool) -> bool {
        let value = self.sent.fetch_add(1, Ordering::SeqCst) + 1;
        let is_acknowledged = write(value);
        if is_acknowledged {
            self.acknowledged.store(value, Ordering::SeqCst);
        }
        is_acknowledged
    }

    /// Writes the next value.
    pub fn write(&self, write: impl FnOnce(i64)) {
        self.try_write(|value| {
            write(value);
            true
        });
    }
}
