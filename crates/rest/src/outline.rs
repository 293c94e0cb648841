//! The outline of a query string: the values of its plain comparisons taken out. Requests of one outline are read, planned and said
//! alike, so what was made of one of them serves for the others ([`ApiRequest::with_values`]).

use crate::query::{canonical_of, is_condition, is_reserved};
use crate::request::{ApiRequest, Condition, Operation};
use crate::settings::Limits;

/// The comparisons whose values are taken out. Patterns are not: there `*` is another sign.
const PLAIN: [&str; 6] = ["eq.", "neq.", "gt.", "gte.", "lt.", "lte."];

/// What a query string says but for the values of its plain comparisons.
#[derive(Debug, Clone)]
pub struct Outline<'q> {
    query: &'q str,
    /// Each value: the place of its condition among the request's, and where it stands.
    values: Vec<(u16, usize, usize)>,
}

impl<'q> Outline<'q> {
    /// The outline of a raw query string on a path; `None` where there is nothing to take out. A value is taken out where it is written
    /// as it is meant: letters, digits and `-._~` alone.
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
            if !is_condition(name) {
                continue;
            }
            if let Some(value) = plain_value(name, said) {
                let end = here + piece.len();
                values.push((place, end - value.len(), end));
            }
            place = place.checked_add(1)?;
        }
        (!values.is_empty()).then_some(Self { query, values })
    }

    /// The values, each with the place of its condition in [`ApiRequest::conditions`].
    pub fn values(&self) -> Vec<(u16, &'q str)> {
        self.values.iter().filter_map(|(place, from, to)| Some((*place, self.query.get(*from..*to)?))).collect()
    }

    /// What stands around the values, in order: one part more than there are values.
    pub fn around(&self) -> impl Iterator<Item = &'q str> {
        let starts = std::iter::once(0).chain(self.values.iter().map(|(_, _, end)| *end));
        let ends = self.values.iter().map(|(_, start, _)| *start).chain(std::iter::once(self.query.len()));
        starts.zip(ends).filter_map(|(start, end)| self.query.get(start..end))
    }
}

/// The value of a comparison of a column with what is written as it is meant.
fn plain_value<'q>(name: &str, said: &'q str) -> Option<&'q str> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if is_reserved(name) || name.is_empty() || !name.bytes().all(is_name) {
        return None;
    }
    let compared = said.strip_prefix("not.").unwrap_or(said);
    let value = PLAIN.iter().find_map(|operator| compared.strip_prefix(operator))?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    value.bytes().all(is_plain).then_some(value)
}

impl ApiRequest {
    /// The request that this raw query string would give, where it has the outline of this one's and these values.
    ///
    /// `None` where a condition is no plain comparison after all.
    pub fn with_values(&self, query: &str, values: &[(u16, &str)], limits: &Limits) -> Option<Self> {
        let mut request = self.clone();
        for (place, text) in values {
            let placed = request.conditions.get_mut(usize::from(*place)).filter(|placed| placed.path.is_empty())?;
            let Condition::Filter(filter) = &mut placed.condition else { return None };
            let Operation::Compare { quantifier: None, value, .. } = &mut filter.operation else { return None };
            value.clear();
            value.push_str(text);
        }
        request.canonical_query = canonical_of(query, limits)?;
        Some(request)
    }
}
