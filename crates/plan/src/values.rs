//! A plan for the same request with other values: what is compared with them changes, and nothing else of it.

use catalog::Expression;
use datatype::{Datum, parse_in};

use crate::dependence::may_be_the_moment;
use crate::model::{Access, Operation, Plan};

impl Plan {
    /// The plan that would be made if these conditions of the request, by their places, had these values instead; with the values as
    /// they are typed. None of them may be a word for the moment (`now`).
    ///
    /// `None` where it would not be the same but for them: for writes, where a value does not fit its column, and where a condition
    /// became more than a comparison of a row at the top level. Then the request has to be planned as any other.
    pub fn with_values(&self, values: &[(u16, &str)], is_native: bool) -> Option<(Self, Vec<(u16, Datum)>)> {
        let mut plan = self.clone();
        let Operation::Read(read) = &mut plan.operation else { return None };
        if plan.access != Access::ReadOnly {
            return None;
        }
        let mut typed = Vec::with_capacity(values.len());
        for (wanted, text) in values {
            if may_be_the_moment(text) {
                return None;
            }
            let compared = read.level.filter.iter_mut().filter_map(compared);
            let (value, data_type) = compared
                .into_iter()
                .find_map(|(value, data_type, place)| (place == Some(*wanted)).then_some((value, data_type)))?;
            // As the planner types it: a server gets what the client wrote.
            *value =
                if is_native { Datum::Text((*text).to_owned()) } else { parse_in(data_type, text, &plan.zone).ok()? };
            typed.push((*wanted, value.clone()));
        }
        Some((plan, typed))
    }
}

/// What a condition compares something with: the value, its type and its place.
fn compared(condition: &mut Expression) -> Option<(&mut Datum, &datatype::Type, Option<u16>)> {
    match condition {
        Expression::Not(condition) => compared(condition),
        Expression::Binary { right, .. } => match &mut **right {
            Expression::Value { value, data_type, place } => Some((value, data_type, *place)),
            _ => None,
        },
        _ => None,
    }
}
