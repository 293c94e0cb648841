//! Aggregates that put their rows together: `string_agg`, `json_agg` and their like, with `ORDER BY` inside.

use catalog::{Collect, Collection, Direction, Function};
use datatype::Type;
use sqlparser::ast::{
    DuplicateTreatment, Function as Call, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments,
    OrderByExpr, OrderBySort,
};
use sqlparser::tokenizer::Location;

use super::expression::Analyzer;
use super::function::{call, undefined};
use super::operator::{self, Operand};
use super::problem::{Outcome, Problem};

/// The aggregate of a name.
pub(super) fn collection(schema: Option<&str>, name: &str) -> Option<Collection> {
    if schema.is_some_and(|schema| schema != "pg_catalog") {
        return None;
    }
    Some(match name {
        "string_agg" => Collection::String,
        "json_agg" => Collection::Json,
        "jsonb_agg" => Collection::Jsonb,
        "json_object_agg" => Collection::JsonObject,
        "jsonb_object_agg" => Collection::JsonbObject,
        _ => return None,
    })
}

impl Analyzer<'_> {
    /// A call of one of them.
    pub(super) fn collect(
        &mut self,
        parsed: &Call,
        collection: Collection,
        name: &str,
        at: Location,
    ) -> Outcome<Operand> {
        if let Some(clause) = self.no_aggregates {
            return Err(Problem::invalid(at, format!("aggregate functions are not allowed in {clause}")));
        }
        let outer = self.no_aggregates.replace("an aggregate function");
        let outcome = self.collect_inside(parsed, collection, name, at);
        self.no_aggregates = outer;
        outcome
    }

    fn collect_inside(&mut self, parsed: &Call, collection: Collection, name: &str, at: Location) -> Outcome<Operand> {
        let FunctionArguments::List(list) = &parsed.args else { return Err(undefined(name, at)) };
        if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
            return Err(Problem::refused(
                at,
                format!("{name}(DISTINCT ...)"),
                "it is not available on the embedded engine",
                "instead, aggregate over a subquery with SELECT DISTINCT",
            ));
        }
        let mut arguments = Vec::new();
        for argument in &list.args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else { return Err(undefined(name, at)) };
            let operand = self.operand(expr)?;
            arguments.push(match collection {
                Collection::String => operator::text(operand).map_err(|_| undefined(name, at))?,
                _ => operator::bare(operand.or_text()),
            });
        }
        if arguments.len() != collection.arguments() || !parsed.within_group.is_empty() {
            return Err(undefined(name, at));
        }
        if let Some(filter) = parsed.filter.as_deref() {
            arguments.push(self.boolean(filter, "FILTER")?);
        }
        let mut order = Vec::new();
        for clause in &list.clauses {
            let FunctionArgumentClause::OrderBy(terms) = clause else {
                return Err(Problem::invalid(at, format!("this clause inside {name}() is not PostgreSQL")));
            };
            for term in terms {
                order.push(direction(term, at)?);
                arguments.push(self.expression(&term.expr)?);
            }
        }
        let data_type = match collection {
            Collection::String => Type::Text,
            Collection::Json | Collection::JsonObject => Type::Json,
            Collection::Jsonb | Collection::JsonbObject => Type::Jsonb,
        };
        let function = Function::Collect(Box::new(Collect { collection, is_filtered: parsed.filter.is_some(), order }));
        Ok(Operand::Known(call(function, arguments, data_type)))
    }
}

fn direction(term: &OrderByExpr, at: Location) -> Outcome<(Direction, bool)> {
    let direction = match &term.options.sort {
        None | Some(OrderBySort::Asc) => Direction::Ascending,
        Some(OrderBySort::Desc) => Direction::Descending,
        Some(_) => return Err(Problem::invalid(at, "ORDER BY ... USING is not available")),
    };
    let nulls_first = term.options.nulls_first.unwrap_or(direction == Direction::Descending);
    Ok((direction, nulls_first))
}
