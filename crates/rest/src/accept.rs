//! The header `Accept`: which form the answer takes.

use http::HeaderMap;
use http::header::ACCEPT;

use crate::error_form::PROBLEM;
use crate::fault::Fault;
use crate::reply::content_type;
use crate::request::{Accepted, Action, Explain, ExplainOption, Format};

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
    /// Of a plan: how it is wanted. The rest is what it is wanted for.
    explain: Option<Explain>,
}

/// Chooses the best form of the dialect's own that the client accepts and this action offers, and gives all that it accepts,
/// best first. The schema may know media types of its own: where nothing else fits, [`Format::Raw`] stands for those.
pub(crate) fn negotiate(headers: &HeaderMap, action: Action) -> Result<(Format, Vec<Accepted>), Fault> {
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
    // It is the form of errors alone.
    ranges.retain(|range| range.name != PROBLEM);
    if ranges.is_empty() {
        ranges.extend(parse_range("*/*"));
    }
    // Stable: of equals the first one counts.
    ranges.sort_by_key(|range| std::cmp::Reverse((range.quality, range.specificity)));
    let wanted = || ranges.iter().filter(|range| range.quality > 0);
    let accepted: Vec<Accepted> = wanted().map(|range| accepted(range, action)).collect();
    let chosen = accepted.iter().filter(|accepted| accepted.explain.is_none()).find_map(|accepted| accepted.format);
    match (chosen, action) {
        (Some(format), Action::Describe) => Ok((format, Vec::new())),
        (None, Action::Describe) => {
            let names: Vec<String> = ranges.iter().map(|range| accepted_name(range, action)).collect();
            Err(Fault::MediaType(names.join(", ")))
        }
        // Nobody can be pleased who wants nothing.
        (None, _) if accepted.is_empty() => {
            let names: Vec<String> = ranges.iter().map(|range| accepted_name(range, action)).collect();
            Err(Fault::MediaType(names.join(", ")))
        }
        (chosen, _) => Ok((chosen.unwrap_or(Format::Raw), accepted)),
    }
}

fn accepted(range: &Range, action: Action) -> Accepted {
    Accepted { name: range.name.clone(), format: offer(range, action), explain: range.explain }
}

fn accepted_name(range: &Range, action: Action) -> String {
    accepted(range, action).media_type()
}

impl Accepted {
    /// The media type as answers and messages have it: a plan is always one of something.
    pub fn media_type(&self) -> String {
        let Some(explain) = self.explain else { return self.name.clone() };
        let form = if explain.is_json { "json" } else { "text" };
        let of = match self.format {
            Some(format @ (Format::Object { .. } | Format::Array { strip_nulls: true })) => {
                content_type(format).trim_end_matches("; charset=utf-8")
            }
            Some(Format::Array { .. }) if self.is_vendored() => "application/json",
            _ => &self.name,
        };
        let mut text = format!("{PLAN}+{form}; for=\"{of}\"");
        for (place, option) in explain.named().enumerate() {
            text.push_str(if place == 0 { "; options=" } else { "|" });
            text.push_str(option.name());
        }
        text
    }

    /// Whether it is a media type of the dialect's own, which no schema gives.
    pub fn is_vendored(&self) -> bool {
        self.name.starts_with("application/vnd.pgrst.")
    }
}

/// Where a plan's media type begins.
const PLAN: &str = "application/vnd.pgrst.plan";

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
        "application/geo+json" => Some(Format::GeoJson),
        _ => None,
    }
}

fn parse_range(text: &str) -> Option<Range> {
    let mut parts = text.split(';').map(|part| part.replace([' ', '\t'], "").to_ascii_lowercase());
    let name = parts.next().filter(|name| !name.is_empty())?;
    let explain = name.strip_prefix(PLAN).and_then(|form| match form {
        "" | "+text" => Some(Explain { is_json: false, options: Default::default() }),
        "+json" => Some(Explain { is_json: true, options: Default::default() }),
        _ => None,
    });
    let specificity = -(name.matches('*').count() as i32);
    let name = if explain.is_some() { "application/json".to_owned() } else { name };
    let mut range = Range { strips_nulls: false, quality: 1000, specificity, name, explain };
    for parameter in parts {
        match (parameter.split_once('='), &mut range.explain) {
            (Some(("q", quality)), _) => {
                range.quality = parse_quality(quality);
                continue;
            }
            (Some(("nulls", "stripped")), None) => range.strips_nulls = true,
            (Some(("for", of)), Some(_)) => range.name = of.trim_matches('"').to_owned(),
            (Some(("options", named)), Some(explain)) => {
                explain.options = ExplainOption::ALL.map(|option| named.split('|').any(|name| name == option.name()));
            }
            _ => {}
        }
        range.specificity += 1;
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

    fn negotiated(accept: &str, action: Action) -> Result<(Format, Vec<Accepted>), Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        negotiate(&headers, action)
    }

    fn format(accept: &str, action: Action) -> Result<Format, Fault> {
        negotiated(accept, action).map(|(format, _)| format)
    }

    #[test]
    fn as_recorded() {
        const ARRAY: Format = Format::Array { strip_nulls: false };
        for (accept, expected) in [
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
            assert_eq!(format(accept, Action::Read).unwrap(), expected, "{accept}");
        }
        for accept in ["image/png", "text/plain", "nonsense", "application/vnd.pgrst.plan"] {
            assert_eq!(format(accept, Action::Read).unwrap(), Format::Raw, "{accept}");
        }
        let fault = negotiated("*/*;q=0", Action::Read).unwrap_err();
        assert_eq!(fault.to_string(), "None of these media types are available: */*");
    }

    #[test]
    fn plans() {
        for (accept, expected) in [
            ("application/vnd.pgrst.plan", "application/vnd.pgrst.plan+text; for=\"application/json\""),
            ("application/vnd.pgrst.plan+text", "application/vnd.pgrst.plan+text; for=\"application/json\""),
            (
                "application/vnd.pgrst.plan+json; for=\"application/vnd.pgrst.object\"; options=wal|verbose|other",
                "application/vnd.pgrst.plan+json; for=\"application/vnd.pgrst.object+json\"; options=verbose|wal",
            ),
            (
                "application/vnd.pgrst.plan+json;for=application/vnd.pgrst.array;q=0.5;options=analyze|buffers|settings",
                "application/vnd.pgrst.plan+json; for=\"application/json\"; options=analyze|settings|buffers",
            ),
            ("application/vnd.pgrst.plan;for=\"text/xml\"", "application/vnd.pgrst.plan+text; for=\"text/xml\""),
            ("application/vnd.pgrst.plans", "application/vnd.pgrst.plans"),
        ] {
            let (format, accepted) = negotiated(accept, Action::Read).unwrap();
            assert_eq!(format, Format::Raw);
            let names: Vec<String> = accepted.iter().map(Accepted::media_type).collect();
            assert_eq!(names, [expected], "{accept}");
        }
        let (format, accepted) = negotiated("application/vnd.pgrst.plan, text/csv", Action::Read).unwrap();
        assert_eq!((format, accepted.len()), (Format::Csv, 2));
    }

    #[test]
    fn the_root() {
        for accept in ["", "application/openapi+json", "application/json", "*/*"] {
            assert_eq!(format(accept, Action::Describe).unwrap(), Format::OpenApi);
        }
        assert!(format("text/csv", Action::Describe).is_err());
        assert_eq!(format("application/openapi+json", Action::Read).unwrap(), Format::Raw);
    }
}
