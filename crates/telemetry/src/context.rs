//! W3C Trace Context, and the ids that are made here.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::TraceContext;

/// What a caller's `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace that the caller belongs to.
    pub trace_id: [u8; 16],
    /// The caller's own span.
    pub span_id: [u8; 8],
    /// Whether the caller records its spans.
    pub is_sampled: bool,
}

/// Reads a `traceparent` header (W3C Trace Context, section 3.2). `None` for anything that is not one: the
/// specification then wants a new trace, not an error.
pub fn parse_traceparent(text: &str) -> Option<TraceParent> {
    let mut parts = text.trim().split('-');
    let [version] = hex::<1>(parts.next()?)?;
    let trace_id = hex::<16>(parts.next()?)?;
    let span_id = hex::<8>(parts.next()?)?;
    let [flags] = hex::<1>(parts.next()?)?;
    let has_more = parts.next().is_some();
    // Version ff is forbidden; version 00 has exactly four parts, later ones may have more.
    if version == 0xff || (version == 0 && has_more) || trace_id == [0; 16] || span_id == [0; 8] {
        return None;
    }
    Some(TraceParent { trace_id, span_id, is_sampled: flags & 1 == 1 })
}

/// Reads exactly `N` bytes of lower-case hexadecimal digits.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != N * 2 {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (target, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *target = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// Appends `bytes` as lower-case hexadecimal digits.
pub fn push_hex(target: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    for byte in bytes {
        target.push(digit(byte >> 4));
        target.push(digit(byte & 15));
    }
}

/// `bytes` as lower-case hexadecimal digits, for example a trace id as logs and headers show it.
pub fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    push_hex(&mut text, bytes);
    text
}

/// Makes ids: unlike each other within a process, and unguessable starts between processes. Not for secrets.
#[derive(Debug)]
pub(crate) struct Ids {
    high: u64,
    low: AtomicU64,
}

impl Ids {
    /// Starts from `seed`.
    pub(crate) fn new(seed: [u8; 16]) -> Self {
        let seed = u128::from_le_bytes(seed);
        let (high, low) = ((seed >> 64) as u64, seed as u64);
        Self { high, low: AtomicU64::new(low) }
    }

    /// The next 64 bits. SplitMix64 (Steele, Lea, Flood 2014): a bijection of a counter, so no value comes twice.
    fn next(&self) -> u64 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        mix(self.low.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN))
    }

    /// A span id; never all zeros, which W3C Trace Context forbids.
    pub(crate) fn span_id(&self) -> [u8; 8] {
        loop {
            let id = self.next();
            if id != 0 {
                return id.to_be_bytes();
            }
        }
    }

    /// A trace id; never all zeros.
    pub(crate) fn trace_id(&self) -> [u8; 16] {
        let low = u128::from(u64::from_be_bytes(self.span_id()));
        let high = u128::from(mix(self.high ^ low as u64));
        (high << 64 | low).to_be_bytes()
    }

    /// Where a request stands: in the caller's trace, or at the root of a new one that is recorded with the
    /// probability `ratio`.
    pub(crate) fn context(&self, parent: Option<TraceParent>, ratio: f64) -> TraceContext {
        let span_id = self.span_id();
        match parent {
            Some(parent) => TraceContext {
                trace_id: parent.trace_id,
                parent_span_id: Some(parent.span_id),
                span_id,
                is_sampled: parent.is_sampled,
            },
            None => {
                let trace_id = self.trace_id();
                TraceContext { trace_id, parent_span_id: None, span_id, is_sampled: is_chosen(trace_id, ratio) }
            }
        }
    }
}

/// Whether a new trace is recorded: OpenTelemetry's TraceIdRatioBased, which decides by the id, so that several
/// servers decide alike.
fn is_chosen(trace_id: [u8; 16], ratio: f64) -> bool {
    if ratio >= 1.0 {
        return true;
    }
    let low_bits = (u128::from_be_bytes(trace_id) as u64) >> 1;
    (low_bits as f64) < ratio.max(0.0) * (1u64 << 63) as f64
}

/// SplitMix64's finaliser.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_specification_says() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = parse_traceparent(good).unwrap();
        assert_eq!(to_hex(&parent.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(to_hex(&parent.span_id), "00f067aa0ba902b7");
        assert!(parent.is_sampled);
        assert!(!parse_traceparent(&good.replace("-01", "-00")).unwrap().is_sampled);
        assert!(parse_traceparent("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some());
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(parse_traceparent(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn ids_differ_and_repeat_with_their_seed() {
        let (one, two) = (Ids::new([7; 16]), Ids::new([7; 16]));
        let ids: Vec<_> = (0..1000).map(|_| one.trace_id()).collect();
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 1000);
        assert!(ids.iter().all(|id| *id == two.trace_id()));
    }

    #[test]
    fn the_share_of_recorded_traces_follows_the_ratio() {
        let ids = Ids::new([3; 16]);
        let chosen = |ratio: f64| (0..10_000).filter(|_| ids.context(None, ratio).is_sampled).count();
        assert_eq!(chosen(0.0), 0);
        assert_eq!(chosen(1.0), 10_000);
        assert!((2_000..3_000).contains(&chosen(0.25)));
        let parent = TraceParent { trace_id: [1; 16], span_id: [2; 8], is_sampled: true };
        let context = ids.context(Some(parent), 0.0);
        assert_eq!((context.trace_id, context.parent_span_id, context.is_sampled), ([1; 16], Some([2; 8]), true));
    }
}
