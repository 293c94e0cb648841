//! A plan for the same request with other values: what is compared with them changes, and nothing else of it.

use catalog::{Expression, Place};
use datatype::{Datum, Type, parse_in};

use crate::dependence::may_be_the_moment;
use crate::model::{Access, Operation, Plan};

impl Plan {
    /// The plan that would be made if these conditions of the request, by their places, had these values instead; with the values as
    /// they are typed.
    ///
    /// `None` where it would not be the same but for them: for writes, where a value does not fit its column or may, where that is no
    /// text, be a word for the moment (`now`), and where a condition became more than a comparison of a row at the top level. Then the request has to be
    /// planned as any other.
    pub fn with_values<'v>(
        &self,
        values: impl IntoIterator<Item = (u16, &'v str)>,
        is_native: bool,
    ) -> Option<(Self, Vec<(u16, Datum)>)> {
        if self.access != Access::ReadOnly {
            return None;
        }
        let mut plan = self.clone();
        let Operation::Read(read) = &mut plan.operation else { return None };
        let mut typed = Vec::new();
        for (at, text) in values {
            let mut compared = read.level.filter.iter_mut().filter_map(compared);
            let (value, data_type, _) = compared.find(|(_, _, place)| place.0 == Some(at))?;
            if may_be_the_moment(text, data_type) {
                return None;
            }
            // As the planner types it: a server gets what the client wrote.
            *value =
                if is_native { Datum::Text(text.to_owned()) } else { parse_in(data_type, text, &self.zone).ok()? };
            typed.push((at, value.clone()));
        }
        Some((plan, typed))
    }
}

/// Notes which condition of the request a comparison is, so that another value may take its place. Only the filter of the top level has
/// values that are noted so, which is where [`Plan::with_values`] looks for them: nowhere else may there be a second one.
pub(crate) fn place(condition: &mut Expression, at: u16) {
    if let Some((_, _, place)) = compared(condition) {
        *place = Place(Some(at));
    }
}

/// What a condition compares something with: the value, its type and its place.
fn compared(condition: &mut Expression) -> Option<(&mut Datum, &Type, &mut Place)> {
    match condition {
        Expression::Not(condition) => compared(condition),
        Expression::Binary { right, .. } => match &mut **right {
            Expression::Value { value, data_type, place } => Some((value, data_type, place)),
            _ => None,
        },
        _ => None,
    }
}
