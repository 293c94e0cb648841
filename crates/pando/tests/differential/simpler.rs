//! What is left of a request when one part of it goes: the steps by which a disagreement shrinks.

use crate::request::{Body, Case, Filter, Item, Query};

impl Case {
    /// Every request that is this one without one of its parts.
    pub fn simpler(&self) -> Vec<Self> {
        let mut found = Vec::new();
        for query in self.query.simpler(self.method == "PUT") {
            found.push(Self { query, ..self.clone() });
        }
        for parameters in without_one(&self.parameters) {
            found.push(Self { parameters, ..self.clone() });
        }
        for (position, prefer) in without_one(&self.prefer).enumerate() {
            // What is to be rolled back stays so: a request is asked again and again while it shrinks.
            if self.prefer[position] != crate::ROLLBACK {
                found.push(Self { prefer, ..self.clone() });
            }
        }
        for headers in without_one(&self.headers) {
            found.push(Self { headers, ..self.clone() });
        }
        for body in self.body.simpler() {
            found.push(Self { body, ..self.clone() });
        }
        if self.method == "HEAD" {
            found.push(Self { method: "GET", ..self.clone() });
        }
        if self.who != "service" {
            found.push(Self { who: "service", ..self.clone() });
        }
        found
    }
}

impl Query {
    /// The filters of a PUT are its key, and stay.
    fn simpler(&self, keeps_filters: bool) -> Vec<Self> {
        let mut found = Vec::new();
        for select in without_one(&self.select) {
            found.push(Self { select, ..self.clone() });
        }
        for (position, item) in self.select.iter().enumerate() {
            for simpler in item.simpler() {
                found.push(Self { select: replaced(&self.select, position, simpler), ..self.clone() });
            }
        }
        if !keeps_filters {
            for filters in without_one(&self.filters) {
                found.push(Self { filters, ..self.clone() });
            }
        }
        for (position, filter) in self.filters.iter().enumerate() {
            for simpler in filter.simpler() {
                found.push(Self { filters: replaced(&self.filters, position, simpler), ..self.clone() });
            }
        }
        let is_cut = self.limit.is_some() || self.offset.is_some();
        for (position, order) in without_one(&self.order).enumerate() {
            // The last terms are the key; without them a page would hold other rows each time.
            let is_total = self.is_total && position == 0 && self.order.len() > 2;
            if is_total || !is_cut {
                found.push(Self { order, is_total, ..self.clone() });
            }
        }
        if self.limit.is_some() {
            found.push(Self { limit: None, ..self.clone() });
        }
        if self.offset.is_some() {
            found.push(Self { offset: None, ..self.clone() });
        }
        found
    }
}

impl Item {
    fn simpler(&self) -> Vec<Self> {
        match self.clone() {
            Self::Field { alias, name, after } => {
                let mut found = Vec::new();
                if !alias.is_empty() {
                    found.push(Self::Field { alias: String::new(), name: name.clone(), after: after.clone() });
                }
                if !after.is_empty() {
                    found.push(Self::Field { alias, name, after: String::new() });
                }
                found
            }
            Self::Embed { is_spread, alias, target, join, query } => {
                let embed = |is_spread, join, query| {
                    let (alias, target) = (alias.clone(), target.clone());
                    Self::Embed { is_spread, alias, target, join, query: Box::new(query) }
                };
                let mut found: Vec<Self> =
                    query.simpler(false).into_iter().map(|simpler| embed(is_spread, join, simpler)).collect();
                if is_spread {
                    found.push(embed(false, join, (*query).clone()));
                }
                if !join.is_empty() {
                    found.push(embed(is_spread, "", (*query).clone()));
                }
                found
            }
        }
    }
}

impl Filter {
    fn simpler(&self) -> Vec<Self> {
        match self.clone() {
            Self::Condition { field, is_negated: true, operator, value } => {
                vec![Self::Condition { field, is_negated: false, operator, value }]
            }
            Self::Condition { .. } => Vec::new(),
            Self::Tree { is_negated, word, members } => {
                let mut found = members.clone();
                for fewer in without_one(&members).filter(|fewer| !fewer.is_empty()) {
                    found.push(Self::Tree { is_negated, word, members: fewer });
                }
                for (position, member) in members.iter().enumerate() {
                    for simpler in member.simpler() {
                        let members = replaced(&members, position, simpler);
                        found.push(Self::Tree { is_negated, word, members });
                    }
                }
                found
            }
        }
    }
}

impl Body {
    fn simpler(&self) -> Vec<Self> {
        let Self::Rows { rows, is_single } = self else { return Vec::new() };
        let is_single = *is_single;
        let mut found = Vec::new();
        if rows.len() > 1 {
            found.extend(without_one(rows).map(|rows| Self::Rows { rows, is_single }));
        }
        for (position, row) in rows.iter().enumerate() {
            for fewer in without_one(row) {
                found.push(Self::Rows { rows: replaced(rows, position, fewer), is_single });
            }
        }
        found
    }
}

fn without_one<T: Clone>(parts: &[T]) -> impl Iterator<Item = Vec<T>> + '_ {
    (0..parts.len()).map(|position| {
        let others = parts.iter().enumerate().filter(|(other, _)| *other != position);
        others.map(|(_, part)| part.clone()).collect()
    })
}

fn replaced<T: Clone>(parts: &[T], position: usize, part: T) -> Vec<T> {
    let mut parts = parts.to_vec();
    parts[position] = part;
    parts
}
