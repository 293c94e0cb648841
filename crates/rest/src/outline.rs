//! The outline of a query string: the values of its plain comparisons taken out. Requests of one outline are read, planned and said
//! alike, so what was made of one of them serves for the others ([`ApiRequest::with_values`]).

use std::borrow::Cow;
use std::ops::Range;

use crate::query::{canonical_of, decode_text, is_logic, is_reserved};
use crate::request::{ApiRequest, Condition, Operation};
use crate::settings::Limits;

/// The comparisons whose values are taken out. Patterns are not: there `*` is another sign.
const PLAIN: [&str; 6] = ["eq.", "neq.", "gt.", "gte.", "lt.", "lte."];

/// What a query string says but for the values of its plain comparisons.
#[derive(Debug, Clone)]
pub struct Outline<'q> {
    query: &'q str,
    values: Vec<Taken<'q>>,
}

/// A value that was taken out.
#[derive(Debug, Clone)]
struct Taken<'q> {
    /// The place of its condition in [`ApiRequest::conditions`].
    place: u16,
    /// Where it stands in the query string.
    span: Range<usize>,
    /// What it says.
    text: Cow<'q, str>,
}

impl<'q> Outline<'q> {
    /// The outline of a raw query string on a path; `None` where there is nothing to take out, for functions, and where the request is
    /// too long, a value cannot be decoded, or a name has to be.
    pub fn of(path: &str, query: &'q str, limits: &Limits) -> Option<Self> {
        let length = (path.len() as u64).saturating_add(query.len() as u64);
        if limits.max_uri_bytes.is_exceeded_by(length) {
            return None;
        }
        // A function's arguments are no conditions.
        if path.strip_prefix('/').unwrap_or(path).contains('/') {
            return None;
        }
        let mut values = Vec::new();
        let (mut place, mut start) = (0_u16, 0);
        for piece in query.split(['&', ';']) {
            let here = start;
            start += piece.len() + 1;
            let Some((name, said)) = piece.split_once('=') else { continue };
            // What such a name means is known only once it is decoded.
            if name.contains(['%', '+']) {
                return None;
            }
            if is_reserved(name) {
                continue;
            }
            if let Some(value) = plain_value(name, said) {
                let end = here + piece.len();
                values.push(Taken { place, span: end - value.len()..end, text: decoded(value)? });
            }
            place = place.checked_add(1)?;
        }
        (!values.is_empty()).then_some(Self { query, values })
    }

    /// The values, decoded, each with the place of its condition in [`ApiRequest::conditions`].
    pub fn values(&self) -> impl Iterator<Item = (u16, &str)> {
        self.values.iter().map(|taken| (taken.place, &*taken.text))
    }

    /// What stands around the values, in order: one part more than there are values.
    pub fn around(&self) -> impl Iterator<Item = &'q str> {
        let starts = std::iter::once(0).chain(self.values.iter().map(|taken| taken.span.end));
        let ends = self.values.iter().map(|taken| taken.span.start).chain(std::iter::once(self.query.len()));
        starts.zip(ends).filter_map(|(start, end)| self.query.get(start..end))
    }
}

/// What a raw value says; `None` where it cannot be decoded.
fn decoded(raw: &str) -> Option<Cow<'_, str>> {
    if raw.contains(['%', '+', '\0']) { decode_text(raw, true).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(raw)) }
}

/// The raw value of a plain comparison of a column.
fn plain_value<'q>(name: &str, said: &'q str) -> Option<&'q str> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if is_logic(name) || name.is_empty() || !name.bytes().all(is_name) {
        return None;
    }
    let compared = said.strip_prefix("not.").unwrap_or(said);
    PLAIN.iter().find_map(|operator| compared.strip_prefix(operator))
}

impl ApiRequest {
    /// The request that this raw query string would give, where it has the outline of this one's and these values.
    ///
    /// `None` where a condition is no plain comparison after all.
    pub fn with_values<'v>(
        &self,
        query: &str,
        values: impl IntoIterator<Item = (u16, &'v str)>,
        limits: &Limits,
    ) -> Option<Self> {
        let mut request = self.clone();
        for (place, text) in values {
            let placed = request.conditions.get_mut(usize::from(place)).filter(|placed| placed.path.is_empty())?;
            let Condition::Filter(filter) = &mut placed.condition else { return None };
            let Operation::Compare { quantifier: None, value, .. } = &mut filter.operation else { return None };
            value.clear();
            value.push_str(text);
        }
        request.canonical_query = canonical_of(query, limits)?;
        Some(request)
    }
}
