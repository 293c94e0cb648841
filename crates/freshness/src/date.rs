//! Moments in header fields (RFC 9110 section 5.6.7): whole seconds, in any of the three forms that recipients have to take.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::Timestamp;
use http::header::AsHeaderName;
use http::{HeaderMap, HeaderValue};

/// What a field says that is to hold one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Nothing,
    /// Several lines, no date, or one that is not after 1970.
    Nonsense,
    At(Timestamp),
}

impl Said {
    pub fn read(headers: &HeaderMap, name: impl AsHeaderName) -> Self {
        let mut lines = headers.get_all(name).iter();
        match (lines.next(), lines.next()) {
            (None, _) => Self::Nothing,
            (Some(line), None) => parse(line).map_or(Self::Nonsense, Self::At),
            _ => Self::Nonsense,
        }
    }

    pub fn moment(self) -> Option<Timestamp> {
        match self {
            Self::At(moment) => Some(moment),
            Self::Nothing | Self::Nonsense => None,
        }
    }
}

/// A date of RFC 9110, also in its two obsolete forms. `None` for what is none and for those before 1970.
pub fn parse(value: &HeaderValue) -> Option<Timestamp> {
    let moment = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp(i64::try_from(since.as_micros()).ok()?))
}

/// The last second that the form can tell, 9999-12-31 23:59:59.
const LAST: u64 = 253_402_300_799;

/// Prints a moment, rounded down to the second. What lies before 1970 is printed as 1970, what lies after 9999 as its last second.
pub fn print(moment: Timestamp) -> HeaderValue {
    let seconds = u64::try_from(moment.seconds()).unwrap_or(0).min(LAST);
    let at: SystemTime = UNIX_EPOCH + Duration::from_secs(seconds);
    // Digits, letters and blanks: always a value.
    HeaderValue::try_from(httpdate::fmt_http_date(at)).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use http::header::EXPIRES;

    use super::*;

    #[test]
    fn three_forms_of_one_moment() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse(&HeaderValue::from_static(text)), Some(Timestamp(784_111_777_000_000)), "{text}");
        }
        assert_eq!(print(Timestamp(784_111_777_999_999)), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn every_moment_can_be_printed() {
        assert_eq!(print(Timestamp(i64::MIN)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(print(Timestamp(i64::MAX)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn two_lines_are_nonsense() {
        let mut headers = HeaderMap::new();
        assert_eq!(Said::read(&headers, EXPIRES), Said::Nothing);
        headers.append(EXPIRES, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert!(Said::read(&headers, EXPIRES).moment().is_some());
        headers.append(EXPIRES, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(Said::read(&headers, EXPIRES), Said::Nonsense);
        headers.insert(EXPIRES, HeaderValue::from_static("0"));
        assert_eq!(Said::read(&headers, EXPIRES), Said::Nonsense);
    }
}
