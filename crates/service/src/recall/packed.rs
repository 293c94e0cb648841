//! A kept answer as it stands on a server that all nodes share.

use std::time::Duration;

use bytes::Bytes;
use cache::{Expiry, Portable, Response};

/// An answer, and what tells whether it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) mark: PackedMark,
    pub(super) rows: u64,
    pub(super) total: Option<u64>,
    pub(super) body: Bytes,
}

/// What tells whether an answer may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PackedMark {
    /// The moment of the database that it shows all of, which only grows: its rank, and how other nodes read it.
    Moment { rank: u64, bytes: Vec<u8>, kept_for: Duration },
    /// When it was read by the clock of the server that keeps it, in µs since 1970, how old it was by that when it was found, and for how
    /// long it is of use at all.
    Time { born: u64, age: Duration, useful_for: Duration },
}

/// The first byte: what its mark is.
const BY_MOMENT: u8 = 0;
const BY_TIME: u8 = 1;

impl Response for Packed {
    fn weight(&self) -> usize {
        self.body.len()
    }

    fn moment(&self) -> u64 {
        match self.mark {
            PackedMark::Moment { rank, .. } => rank,
            PackedMark::Time { born, .. } => born,
        }
    }
}

impl Portable for Packed {
    /// The mark's kind, the rows, whether there is a total, the total, the length of a moment, the moment, the body. Numbers begin with
    /// their greatest byte.
    fn to_bytes(&self) -> Vec<u8> {
        let (kind, moment) = match &self.mark {
            PackedMark::Moment { bytes, .. } => (BY_MOMENT, bytes.as_slice()),
            PackedMark::Time { .. } => (BY_TIME, &[][..]),
        };
        let length = u32::try_from(moment.len()).unwrap_or(u32::MAX);
        let parts: [&[u8]; 7] = [
            &[kind],
            &self.rows.to_be_bytes(),
            &[u8::from(self.total.is_some())],
            &self.total.unwrap_or_default().to_be_bytes(),
            &length.to_be_bytes(),
            moment,
            &self.body,
        ];
        parts.concat()
    }

    fn from_bytes(bytes: Bytes, moment: u64, now: u64) -> Option<Self> {
        let mut rest = &*bytes;
        let [kind] = take(&mut rest)?;
        let rows = u64::from_be_bytes(take(&mut rest)?);
        let [has_total] = take(&mut rest)?;
        let total = u64::from_be_bytes(take(&mut rest)?);
        let length = usize::try_from(u32::from_be_bytes(take(&mut rest)?)).ok()?;
        let (seen, body) = rest.split_at_checked(length)?;
        let mark = match kind {
            BY_MOMENT => PackedMark::Moment { rank: moment, bytes: seen.to_vec(), kept_for: Duration::ZERO },
            // One that was read later than now was read by another clock.
            BY_TIME => {
                let age = Duration::from_micros(now.checked_sub(moment)?);
                PackedMark::Time { born: moment, age, useful_for: Duration::ZERO }
            }
            _ => return None,
        };
        Some(Self { mark, rows, total: (has_total == 1).then_some(total), body: bytes.slice_ref(body) })
    }

    fn expiry(&self) -> Expiry {
        match self.mark {
            PackedMark::Moment { kept_for, .. } => Expiry::AfterKept(kept_for),
            PackedMark::Time { useful_for, .. } => Expiry::AfterMoment(useful_for),
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, others) = rest.split_first_chunk()?;
    *rest = others;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(mark: PackedMark, total: Option<u64>, body: &'static [u8]) -> Packed {
        Packed { mark, rows: 3, total, body: Bytes::from_static(body) }
    }

    fn by_moment(bytes: &[u8]) -> PackedMark {
        PackedMark::Moment { rank: 7, bytes: bytes.to_vec(), kept_for: Duration::ZERO }
    }

    #[test]
    fn what_was_packed_is_read() {
        for body in [&b""[..], b"[]", b"\x00\xff"] {
            for (total, moment) in [(None, &b"moment"[..]), (Some(0), b""), (Some(u64::MAX), &[0xff; 99])] {
                let one = packed(by_moment(moment), total, body);
                assert_eq!(Packed::from_bytes(one.to_bytes().into(), 7, 0), Some(one));
            }
            let time = |age| PackedMark::Time { born: 5, age, useful_for: Duration::ZERO };
            let one = packed(time(Duration::ZERO), None, body);
            let read = Packed::from_bytes(one.to_bytes().into(), 5, 8);
            assert_eq!(read, Some(packed(time(Duration::from_micros(3)), None, body)));
            assert_eq!(Packed::from_bytes(one.to_bytes().into(), 5, 4), None, "read later than now");
        }
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_none() {
        let one = packed(by_moment(b"moment"), Some(4), b"");
        let bytes = one.to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(Packed::from_bytes(bytes[..length].to_vec().into(), 7, 0), None, "{length}");
        }
        let mut unknown = bytes;
        unknown[0] = 9;
        assert_eq!(Packed::from_bytes(unknown.into(), 7, 0), None);
    }
}
