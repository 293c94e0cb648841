//! `order`.

use catalog::{Direction, Expression, Sort};
use datatype::Type;
use rest::{OrderTerm, SelectItem};

use crate::embed::ToOne;
use crate::error::PlanError;
use crate::planner::{Planner, Scope};

impl Planner<'_> {
    /// The order of a level. `joined` are the to-one embeds at hand, for related orders.
    pub(crate) fn order(
        &mut self,
        scope: &Scope,
        select: &[SelectItem],
        joined: &[ToOne],
    ) -> Result<Vec<Sort>, PlanError> {
        let request = self.request;
        let Some((_, terms)) = request.order.iter().find(|(path, _)| scope.is_at(path)) else {
            return Ok(Vec::new());
        };
        terms.iter().map(|term| self.sort(scope, select, joined, term)).collect()
    }

    fn sort(
        &mut self,
        scope: &Scope,
        select: &[SelectItem],
        joined: &[ToOne],
        term: &OrderTerm,
    ) -> Result<Sort, PlanError> {
        let (expression, is_nullable) = match &term.relation {
            None => {
                let is_nullable = !term.field.path.is_empty()
                    || scope.relation.column(&term.field.column).is_none_or(|column| column.is_nullable);
                (self.field(scope, &term.field)?, is_nullable)
            }
            Some(relation) => (self.related(scope, select, joined, relation, term)?, true),
        };
        if expression.data_type() == Type::Json {
            return Err(PlanError::UnknownOperator { left: "json".to_owned(), operator: "<" });
        }
        let direction = if term.is_descending { Direction::Descending } else { Direction::Ascending };
        // Where no NULL can be, the engine's own place for them lets an index give the order.
        let engine_default = direction == Direction::Ascending;
        let nulls_first = if is_nullable || self.is_native() {
            term.nulls_first.unwrap_or(term.is_descending)
        } else {
            engine_default
        };
        Ok(Sort { expression, direction, nulls_first })
    }

    fn related(
        &mut self,
        scope: &Scope,
        select: &[SelectItem],
        joined: &[ToOne],
        relation: &str,
        term: &OrderTerm,
    ) -> Result<Expression, PlanError> {
        let is_named = |alias: Option<&str>, name: &str| alias == Some(relation) || name == relation;
        if let Some(found) = joined.iter().find(|found| is_named(found.alias.as_deref(), &found.name)) {
            return self.field(&found.scope, &term.field);
        }
        let is_embedded = select.iter().any(|item| match item {
            SelectItem::Embed(embed) => is_named(embed.alias.as_deref(), &embed.relation),
            SelectItem::Field { .. } => false,
        });
        Err(if is_embedded {
            PlanError::RelatedOrder { from: scope.relation.name.name.to_string(), to: relation.to_owned() }
        } else {
            PlanError::NotEmbedded(relation.to_owned())
        })
    }
}
