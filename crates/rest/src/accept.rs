//! The header `Accept`: which form the answer takes.

use http::HeaderMap;
use http::header::ACCEPT;

use crate::fault::Fault;
use crate::request::{Action, Format};

/// One media type of the header.
#[derive(Debug)]
struct Range {
    /// Type and subtype in lower case.
    name: String,
    strips_nulls: bool,
    /// Quality in thousandths.
    quality: u32,
    /// More parameters are more specific, stars less.
    specificity: i32,
}

/// Chooses the best form that the client accepts and this action offers, and gives all that it accepts, best first. A routine
/// may know media types of its own: for one, [`Format::Raw`] stands for those.
pub(crate) fn negotiate(headers: &HeaderMap, action: Action, is_routine: bool) -> Result<(Format, Vec<String>), Fault> {
    let fallback = match action {
        Action::Describe => Format::OpenApi,
        _ => Format::Array { strip_nulls: false },
    };
    // A preflight or OPTIONS answers without a body.
    if action == Action::Options {
        return Ok((fallback, Vec::new()));
    }
    let mut ranges: Vec<Range> = headers
        .get_all(ACCEPT)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .flat_map(|value| value.split(',').filter_map(parse_range).collect::<Vec<_>>())
        .collect();
    if ranges.is_empty() {
        return Ok((fallback, Vec::new()));
    }
    // Stable: of equals the first one counts.
    ranges.sort_by_key(|range| std::cmp::Reverse((range.quality, range.specificity)));
    let chosen = ranges.iter().filter(|range| range.quality > 0).find_map(|range| offer(range, action));
    let chosen = chosen.or(is_routine.then_some(Format::Raw)).ok_or_else(|| {
        let names: Vec<String> = ranges.iter().map(|range| told(&range.name)).collect();
        Fault::MediaType(names.join(", "))
    })?;
    let accepted = ranges.into_iter().filter(|range| range.quality > 0).map(|range| range.name);
    Ok((chosen, accepted.collect()))
}

/// A media type as messages have it: a plan is always one of something.
fn told(name: &str) -> String {
    match name {
        "application/vnd.pgrst.plan+json" | "application/vnd.pgrst.plan+text" => {
            format!("{name}; for=\"application/json\"")
        }
        "application/vnd.pgrst.plan" => format!("{name}+text; for=\"application/json\""),
        other => other.to_owned(),
    }
}

/// The form that a media type of the dialect stands for.
pub fn builtin_format(name: &str) -> Option<Format> {
    offer(&Range { name: name.to_owned(), strips_nulls: false, quality: 1000, specificity: 0 }, Action::Read)
}

fn offer(range: &Range, action: Action) -> Option<Format> {
    let strip_nulls = range.strips_nulls;
    if action == Action::Describe {
        let fits = ["application/openapi+json", "application/json", "application/*", "*/*"].contains(&&*range.name);
        return fits.then_some(Format::OpenApi);
    }
    match range.name.as_str() {
        "*/*" | "application/json" | "application/*" => Some(Format::Array { strip_nulls: false }),
        "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" => Some(Format::Array { strip_nulls }),
        "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" => Some(Format::Object { strip_nulls }),
        "text/csv" | "text/*" => Some(Format::Csv),
        _ => None,
    }
}

fn parse_range(text: &str) -> Option<Range> {
    let mut parts = text.split(';').map(|part| part.replace([' ', '\t'], "").to_ascii_lowercase());
    let name = parts.next().filter(|name| !name.is_empty())?;
    let mut range =
        Range { strips_nulls: false, quality: 1000, specificity: -(name.matches('*').count() as i32), name };
    for parameter in parts {
        match parameter.split_once('=') {
            Some(("q", quality)) => range.quality = parse_quality(quality),
            Some(("nulls", "stripped")) => {
                range.strips_nulls = true;
                range.specificity += 1;
            }
            _ => range.specificity += 1,
        }
    }
    Some(range)
}

/// `0.9` is 900. What cannot be read counts as 1, as in PostgREST.
fn parse_quality(text: &str) -> u32 {
    match text.parse::<f64>() {
        // Clamped first, so that the number fits.
        Ok(quality) if quality.is_finite() => (quality.clamp(0.0, 1.0) * 1000.0).round() as u32,
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(accept: &str, action: Action) -> Result<Format, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        negotiate(&headers, action, false).map(|(format, _)| format)
    }

    #[test]
    fn as_recorded() {
        const ARRAY: Format = Format::Array { strip_nulls: false };
        for (accept, format) in [
            ("", ARRAY),
            ("application/json", ARRAY),
            ("*/*", ARRAY),
            ("application/*", ARRAY),
            ("application/vnd.pgrst.array+json", ARRAY),
            ("application/vnd.pgrst.array+json;nulls=stripped", Format::Array { strip_nulls: true }),
            ("application/vnd.pgrst.object+json", Format::Object { strip_nulls: false }),
            ("application/vnd.pgrst.object", Format::Object { strip_nulls: false }),
            ("application/vnd.pgrst.object+json; nulls=stripped", Format::Object { strip_nulls: true }),
            ("text/csv; charset=utf-8", Format::Csv),
            ("image/png, application/json", ARRAY),
            ("text/csv;q=0.5, application/json;q=0.9", ARRAY),
            ("text/csv;q=0.9, application/json;q=0.5", Format::Csv),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", ARRAY),
            ("text/csv, */*", Format::Csv),
        ] {
            assert_eq!(negotiated(accept, Action::Read).unwrap(), format, "{accept}");
        }
        for accept in ["image/png", "text/plain", "nonsense", "application/vnd.pgrst.plan", "*/*;q=0"] {
            assert!(negotiated(accept, Action::Read).is_err(), "{accept}");
        }
        let fault = negotiated("text/html;level=1, image/png", Action::Read).unwrap_err();
        assert_eq!(fault.to_string(), "None of these media types are available: text/html, image/png");
    }

    #[test]
    fn the_root() {
        for accept in ["", "application/openapi+json", "application/json", "*/*"] {
            assert_eq!(negotiated(accept, Action::Describe).unwrap(), Format::OpenApi);
        }
        assert!(negotiated("text/csv", Action::Describe).is_err());
        assert!(negotiated("application/openapi+json", Action::Read).is_err());
    }
}
