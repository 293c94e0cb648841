//! `CREATE DOMAIN`: a type with a default and checks. A column of a domain has its base type, its default, and its checks
//! as checks of the table.

use std::sync::Arc;

use catalog::{Check, Column, DefaultValue, Domain, DomainCheck, Expression, SourceId};
use sqlparser::ast::{CreateDomain, Spanned, Statement, TableConstraint};
use sqlparser::tokenizer::{Location, Token};

use super::expression::{Analyzer, Context};
use super::names::{self, free_name};
use super::problem::{Outcome, Problem};
use super::scope::{Level, ScopeColumn, ScopeSource};
use super::tokens::Piece;
use super::translation::Translation;
use super::types;

/// What stands for the value in a domain's checks.
const VALUE: &str = "value";

impl Translation {
    /// Makes a domain.
    pub(super) fn create_domain(&mut self, piece: &Piece) -> Outcome<()> {
        let (piece, is_nullable) = without_not_null(piece);
        let Statement::CreateDomain(create) = piece.parse()? else {
            return Err(Problem::invalid(piece.at, "this is not a domain"));
        };
        let at = create.name.span().start;
        let name = names::qualified(&create.name)?;
        if !self.snapshot.schemas.contains_key(&name.schema) {
            return Err(Problem::invalid(at, format!("schema \"{}\" does not exist", name.schema)));
        }
        let is_taken = types::find_enum(&self.snapshot, Some(&name.schema), &name.name).is_some()
            || self.snapshot.domains.iter().any(|known| known.name == name)
            || self.snapshot.relations.contains_key(&name);
        if is_taken {
            return Err(Problem::invalid(at, format!("type \"{}\" already exists", name.name)));
        }
        let mut domain = self.base_of(&create, at)?;
        domain.is_nullable &= is_nullable;
        if let Some(default) = &create.default {
            let mut analyzer = Analyzer::new(&self.snapshot, Context::Default, None);
            domain.default = Some(analyzer.assigned(default, &domain.data_type, VALUE)?);
        }
        domain.name = name;
        for constraint in &create.constraints {
            let TableConstraint::Check(check) = constraint else {
                return Err(Problem::invalid(constraint, "a domain has checks only"));
            };
            let mut analyzer = Analyzer::new(&self.snapshot, Context::Check, Some(value_level(&domain)));
            let expression = analyzer.boolean(&check.expr, "CHECK").map_err(|problem| problem.within(at, ""))?;
            let name = match &check.name {
                Some(name) => names::identifier(name),
                None => free_name(&domain.name.name, None, "check", |name| {
                    domain.checks.iter().any(|check| *check.name == *name)
                }),
            };
            domain.checks.push(DomainCheck { name: Arc::from(name), expression });
        }
        self.snapshot.domains.push(Arc::new(domain));
        Ok(())
    }

    /// A domain over another one begins with what that one says.
    fn base_of(&self, create: &CreateDomain, at: Location) -> Outcome<Domain> {
        if let Some(base) = types::find_domain(&self.snapshot, &create.data_type) {
            return Ok((**base).clone());
        }
        Ok(Domain {
            name: names::qualified(&create.name)?,
            data_type: types::resolve(&self.snapshot, &create.data_type, at)?,
            is_nullable: true,
            default: None,
            checks: Vec::new(),
        })
    }

    /// `DROP DOMAIN name, ...`
    pub(super) fn drop_domain(&mut self, piece: &Piece) -> Outcome<()> {
        let mut cursor = piece.cursor();
        cursor.expect(&["DROP", "DOMAIN"])?;
        let if_exists = cursor.takes(&["IF", "EXISTS"]);
        let named = cursor.list(|cursor| cursor.name("a domain"))?;
        let _ = cursor.takes(&["RESTRICT"]) || cursor.takes(&["CASCADE"]);
        cursor.end()?;
        for (parts, at) in named {
            let name = names::from_parts(&parts).ok_or_else(|| Problem::invalid(at, "a name has at most two parts"))?;
            if !self.snapshot.domains.iter().any(|domain| domain.name == name) {
                if if_exists {
                    continue;
                }
                return Err(Problem::invalid(at, format!("type \"{}\" does not exist", name.name)));
            }
            let columns = self
                .snapshot
                .relations
                .values()
                .flat_map(|relation| relation.columns.iter().map(move |column| (relation, column)));
            let users: Vec<String> = columns
                .filter(|(_, column)| column.domain.as_ref() == Some(&name))
                .map(|(relation, column)| format!("column {} of table {}", column.name, relation.name.name))
                .collect();
            if !users.is_empty() {
                let message =
                    format!("cannot drop type {} because other objects depend on it: {}", name.name, users.join(", "));
                return Err(Problem::invalid(at, message).instead("change those columns first: ALTER COLUMN ... TYPE"));
            }
            self.snapshot.domains.retain(|domain| domain.name != name);
        }
        Ok(())
    }
}

/// What a column of a domain begins with, and the checks that its table gets.
pub(super) fn column_of(domain: &Domain, name: Arc<str>) -> (Column, Vec<Check>) {
    let checks = domain.checks.iter().map(|check| Check {
        name: check.name.clone(),
        expression: over_column(&check.expression, &name),
        domain: Some(domain.name.clone()),
    });
    let checks = checks.collect();
    let column = Column {
        name,
        data_type: domain.data_type.clone(),
        is_nullable: domain.is_nullable,
        default: domain.default.clone().map_or(DefaultValue::None, DefaultValue::Expression),
        comment: None,
        domain: Some(domain.name.clone()),
        native: None,
    };
    (column, checks)
}

fn over_column(check: &Expression, column: &Arc<str>) -> Expression {
    check.clone().rewrite(
        &mut |part| match part {
            Expression::Column { source: SourceId::ROW, data_type, .. } => {
                Expression::Column { source: SourceId::ROW, name: column.clone(), data_type }
            }
            other => other,
        },
        &mut |query| query,
    )
}

fn value_level(domain: &Domain) -> Level {
    Level::of(ScopeSource {
        id: SourceId::ROW,
        alias: domain.name.name.clone(),
        schema: None,
        columns: vec![ScopeColumn { name: Arc::from(VALUE), data_type: domain.data_type.clone() }],
        hidden: Vec::new(),
    })
}

/// Takes `NOT NULL` and `NULL` out, which the parser does not know here; says whether NULL is allowed.
fn without_not_null(piece: &Piece) -> (Piece, bool) {
    let word = |index: usize| match piece.tokens.get(index).map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    let (mut kept, mut is_nullable, mut depth, mut index) = (Vec::new(), true, 0_usize, 0);
    while let Some(token) = piece.tokens.get(index) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        let follows_default = index > 0 && word(index - 1) == "DEFAULT";
        match word(index).as_str() {
            "NOT" if depth == 0 && word(index + 1) == "NULL" => {
                is_nullable = false;
                index += 2;
            }
            "NULL" if depth == 0 && !follows_default => index += 1,
            _ => {
                kept.push(token.clone());
                index += 1;
            }
        }
    }
    (Piece { tokens: kept, at: piece.at }, is_nullable)
}
