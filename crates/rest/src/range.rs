//! The header `Range`, merged with `limit` and `offset`.

use crate::fault::Fault;
use crate::request::RowRange;

/// Row numbers `first-last`, where `last` may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HeaderRange {
    first: u64,
    last: Option<u64>,
}

/// Reads `0-9` or `10-`; anything else, and any `Range-Unit`, is ignored as PostgREST does.
fn parse_header(text: &str) -> Option<HeaderRange> {
    let (first, last) = text.split_once('-')?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if first.is_empty() || !is_number(first) || !is_number(last) {
        return None;
    }
    // Numbers beyond bigint are beyond every table: the largest one says the same.
    let number = |text: &str| text.parse::<i64>().unwrap_or(i64::MAX).unsigned_abs();
    Some(HeaderRange { first: number(first), last: (!last.is_empty()).then(|| number(last)) })
}

/// The range of the top level: what both the header (of a `GET`) and the query string ask for.
pub(crate) fn top_level(header: Option<&str>, query: Option<RowRange>) -> Result<Option<RowRange>, Fault> {
    // The empty page is only ever asked for by `limit=0`; it begins nowhere.
    if query.is_some_and(|range| range.limit == Some(0)) {
        return Ok(Some(RowRange { limit: Some(0), offset: 0 }));
    }
    let Some(header) = header.and_then(parse_header) else {
        return Ok(query);
    };
    if header.last.is_some_and(|last| last < header.first) {
        return Err(Fault::Range {
            details: "The lower boundary must be lower than or equal to the upper boundary in the Range header."
                .to_owned(),
        });
    }
    let query = query.unwrap_or_default();
    let offset = header.first.max(query.offset);
    // No count of rows is beyond bigint.
    let header_end = header.last.map(|last| last.saturating_add(1).min(i64::MAX.unsigned_abs()));
    let query_end = query.limit.map(|limit| query.offset.saturating_add(limit));
    let end = match (header_end, query_end) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    if end.is_some_and(|end| end <= offset) {
        return Err(Fault::Range { details: "The Range header and limit/offset do not overlap.".to_owned() });
    }
    Ok(Some(RowRange { limit: end.map(|end| end - offset), offset }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_as_recorded() {
        let range = |limit, offset| Some(RowRange { limit, offset });
        for (header, query, expected) in [
            (None, None, None),
            (Some("0-4"), None, range(Some(5), 0)),
            (Some("5-9"), None, range(Some(5), 5)),
            (Some("55-"), None, range(None, 55)),
            (Some("0-"), None, range(None, 0)),
            (Some("-5"), None, None),
            (Some("x-y"), None, None),
            (Some("1"), None, None),
            (Some("bytes=0-2"), None, None),
            (Some("0-9"), range(Some(3), 0), range(Some(3), 0)),
            (Some("1-9"), range(Some(3), 2), range(Some(3), 2)),
            (Some("0-2"), range(Some(0), 7), range(Some(0), 0)),
            (Some("0-99999999999999999999"), None, range(Some(i64::MAX.unsigned_abs()), 0)),
        ] {
            assert_eq!(top_level(header, query).unwrap(), expected, "{header:?} {query:?}");
        }
        assert!(top_level(Some("4-3"), None).is_err());
        assert!(top_level(Some("10-19"), range(Some(3), 0)).is_err());
    }
}
