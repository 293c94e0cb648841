//! Which bytes of a file are asked for (RFC 9110 section 14).

use std::ops::Range;

/// More ranges than that are answered with the whole file (RFC 9110 section 14.2 warns of those who ask for many small ones).
/// Readers of PDF ask for some at once.
pub(crate) const MOST_RANGES: usize = 16;

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// These parts, in the order in which they were asked for; none is empty.
    Parts(Vec<Range<u64>>),
    /// Nothing of what was asked for is there.
    Nothing,
}

/// What `Range` asks of a file with so many bytes. A header that cannot be read is passed over, as the RFC wants it.
pub(crate) fn wanted(header: &str, length: u64) -> Wanted {
    let Some(set) = header.get(..6).filter(|unit| unit.eq_ignore_ascii_case("bytes=")).and_then(|_| header.get(6..))
    else {
        return Wanted::Whole;
    };
    let mut parts = Vec::new();
    let mut count = 0_usize;
    for spec in set.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
        count += 1;
        let Some(range) = read(spec, length).filter(|_| count <= MOST_RANGES) else { return Wanted::Whole };
        if !range.is_empty() {
            parts.push(range);
        }
    }
    match (count, parts.is_empty()) {
        (0, _) => Wanted::Whole,
        (_, true) => Wanted::Nothing,
        // Whoever asks for the same bytes twice wants to send the server to work, and may be given the whole (section 14.2).
        _ if overlap(&parts) => Wanted::Whole,
        _ => Wanted::Parts(parts),
    }
}

/// Whether a byte is in two of them.
fn overlap(parts: &[Range<u64>]) -> bool {
    let mut sorted: Vec<_> = parts.iter().map(|range| (range.start, range.end)).collect();
    sorted.sort_unstable();
    sorted.iter().zip(sorted.iter().skip(1)).any(|(before, next)| next.0 < before.1)
}

/// One of them: `2-5`, `2-`, `-5`. Empty when it lies behind the end; `None` when it cannot be read.
fn read(spec: &str, length: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        let count = number(last)?.min(length);
        return Some(length - count..length);
    }
    let first = number(first)?;
    let end = if last.is_empty() {
        length
    } else {
        let last = number(last)?;
        if last < first {
            return None;
        }
        last.saturating_add(1).min(length)
    };
    Some(first.min(end)..end)
}

/// Digits alone; more than there are numbers for is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_asked_for() {
        let parts = |list: &[(u64, u64)]| Wanted::Parts(list.iter().map(|(first, end)| *first..*end).collect());
        for (header, expected) in [
            ("bytes=0-0", parts(&[(0, 1)])),
            ("bytes=2-5", parts(&[(2, 6)])),
            ("Bytes=2-5", parts(&[(2, 6)])),
            ("bytes=2-", parts(&[(2, 10)])),
            ("bytes=-3", parts(&[(7, 10)])),
            ("bytes=-300", parts(&[(0, 10)])),
            ("bytes=8-300", parts(&[(8, 10)])),
            ("bytes=0-99999999999999999999999", parts(&[(0, 10)])),
            ("bytes=0-1, 4-5 ,-1", parts(&[(0, 2), (4, 6), (9, 10)])),
            ("bytes=4-5,0-1", parts(&[(4, 6), (0, 2)])),
            ("bytes=,0-1,", parts(&[(0, 2)])),
            ("bytes=20-30,0-1", parts(&[(0, 2)])),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=10-20,30-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=", Wanted::Whole),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=1", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes 0-1", Wanted::Whole),
            ("rows=0-1", Wanted::Whole),
            ("é", Wanted::Whole),
            ("", Wanted::Whole),
            // The same bytes twice, also where they are fewer than all.
            ("bytes=0-9,0-0", Wanted::Whole),
            ("bytes=0-3,2-5", Wanted::Whole),
            ("bytes=2-5,0-2", Wanted::Whole),
            ("bytes=0-0,5-5,0-0", Wanted::Whole),
            ("bytes=0-1,2-3", parts(&[(0, 2), (2, 4)])),
        ] {
            assert_eq!(wanted(header, 10), expected, "{header}");
        }
        let many = |count: usize| {
            let list: Vec<String> = (0..count).map(|place| format!("{place}-{place}")).collect();
            format!("bytes={}", list.join(","))
        };
        assert!(matches!(wanted(&many(MOST_RANGES), 1_000), Wanted::Parts(_)));
        assert_eq!(wanted(&many(MOST_RANGES + 1), 1_000), Wanted::Whole);
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(wanted("bytes=-5", 0), Wanted::Nothing);
    }

    proptest! {
        #[test]
        fn parts_lie_inside(header in "bytes=[0-9,\\- ]{0,40}", length in 0..30_u64) {
            if let Wanted::Parts(parts) = wanted(&header, length) {
                prop_assert!(!parts.is_empty() && parts.len() <= MOST_RANGES);
                prop_assert!(parts.iter().all(|range| range.start < range.end && range.end <= length));
                let is_once = |byte: &u64| parts.iter().filter(|range| range.contains(byte)).count() <= 1;
                prop_assert!((0..length).all(|byte| is_once(&byte)));
            }
        }
    }
}
