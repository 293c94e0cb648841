//! The grammar of `select`.

use super::field::{field, field_name, identifier};
use super::parser::{Failed, Parsed, Parser};
use crate::request::{Aggregate, Embed, FieldName, Join, SelectItem};

/// A list of items, perhaps empty.
pub(super) fn select(parser: &mut Parser<'_>) -> Parsed<Vec<SelectItem>> {
    let mut items = 0;
    forest(parser, 0, &mut items)
}

fn forest(parser: &mut Parser<'_>, depth: u64, items: &mut u64) -> Parsed<Vec<SelectItem>> {
    let list = parser.optional(|parser| {
        parser.separated(
            |parser| {
                *items += 1;
                let limit = parser.limits.max_select_items;
                if limit.is_exceeded_by(*items) {
                    return Err(parser.exceed("The number of items of select", limit));
                }
                item(parser, depth, items)
            },
            |parser| parser.lexeme(|parser| parser.character(',', "\",\"")),
        )
    })?;
    Ok(list.unwrap_or_default())
}

fn item(parser: &mut Parser<'_>, depth: u64, items: &mut u64) -> Parsed<SelectItem> {
    let head = if parser.is_worth_trying('(', &[',', ')']) {
        parser.optional(|parser| parser.either(|parser| parser.attempt(spread), |parser| parser.attempt(relation)))?
    } else {
        None
    };
    let Some(mut embed) = head else {
        return column(parser);
    };
    let limit = parser.limits.max_select_depth;
    if limit.is_exceeded_by(depth + 1) {
        return Err(parser.exceed("The depth of embedding in select", limit));
    }
    parser.character('(', "\"(\"")?;
    embed.select = forest(parser, depth + 1, items)?;
    parser.character(')', "\")\"")?;
    Ok(SelectItem::Embed(embed))
}

/// `...relation!hint!inner` up to its parenthesis.
fn spread(parser: &mut Parser<'_>) -> Parsed<Embed> {
    parser.lexeme(|parser| {
        parser.string("...", "\"...\"")?;
        let relation = field_name(parser)?;
        embed_parameters(parser, relation, None, true)
    })
}

/// `alias:relation!hint!inner` up to its parenthesis.
fn relation(parser: &mut Parser<'_>) -> Parsed<Embed> {
    parser.lexeme(|parser| {
        let alias = parser.optional(alias)?;
        let relation = field_name(parser)?;
        // `count()` is the aggregate.
        if relation == "count" {
            return Err(Failed);
        }
        embed_parameters(parser, relation, alias, false)
    })
}

/// What may follow `!`.
enum Parameter {
    Hint(String),
    Join(Join),
}

fn embed_parameters(
    parser: &mut Parser<'_>,
    relation: String,
    alias: Option<String>,
    is_spread: bool,
) -> Parsed<Embed> {
    let mut embed = Embed { relation, alias, hint: None, join: None, is_spread, select: Vec::new() };
    for _ in 0..2 {
        // The first hint and the first join count, as in PostgREST.
        match parser.optional(embed_parameter)? {
            Some(Parameter::Hint(hint)) => embed.hint = embed.hint.or(Some(hint)),
            Some(Parameter::Join(join)) => embed.join = embed.join.or(Some(join)),
            None => {}
        }
    }
    parser.attempt(|parser| parser.look_ahead(|parser| parser.string("(", "\"(\"")))?;
    Ok(embed)
}

fn embed_parameter(parser: &mut Parser<'_>) -> Parsed<Parameter> {
    parser.character('!', "\"!\"")?;
    let join = parser.optional(|parser| {
        parser.either(
            |parser| keyword(parser, "left", "\"left\"").map(|()| Join::Left),
            |parser| keyword(parser, "inner", "\"inner\"").map(|()| Join::Inner),
        )
    })?;
    match join {
        Some(join) => Ok(Parameter::Join(join)),
        None => parser.attempt(field_name).map(Parameter::Hint),
    }
}

/// A word that does not go on: a hint may begin with `left` or `inner`.
fn keyword(parser: &mut Parser<'_>, word: &'static str, label: &'static str) -> Parsed<()> {
    let goes_on = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$' | '-' | ' ');
    let follows = parser.rest().strip_prefix(word).and_then(|rest| rest.chars().next());
    if follows.is_some_and(goes_on) {
        return Err(Failed);
    }
    parser.attempt(|parser| parser.string(word, label))
}

/// `alias:`, but not the first half of a cast.
fn alias(parser: &mut Parser<'_>) -> Parsed<String> {
    if !parser.is_worth_trying(':', &[',', '(', ')']) {
        return Err(Failed);
    }
    parser.attempt(|parser| {
        let name = field_name(parser)?;
        parser.character(':', "\":\"")?;
        parser.not_followed_by(|character| character == ':', Some("\":\""))?;
        Ok(name)
    })
}

/// `*`, `alias:count()::cast` or `alias:column->path::cast.aggregate()::cast`.
fn column(parser: &mut Parser<'_>) -> Parsed<SelectItem> {
    parser.lexeme(|parser| {
        parser
            .either(|parser| parser.attempt(star), |parser| parser.either(|parser| parser.attempt(count), plain_field))
    })
}

fn star(parser: &mut Parser<'_>) -> Parsed<SelectItem> {
    parser.string("*", "\"*\"")?;
    end_of_item(parser)?;
    Ok(SelectItem::Field {
        field: Some(FieldName { column: "*".to_owned(), path: Vec::new() }),
        alias: None,
        cast: None,
        aggregate: None,
        aggregate_cast: None,
    })
}

fn count(parser: &mut Parser<'_>) -> Parsed<SelectItem> {
    if !parser.is_worth_trying('(', &[',', ')']) {
        return Err(Failed);
    }
    let alias = parser.optional(alias)?;
    parser.string("count()", "\"count()\"")?;
    let aggregate_cast = cast(parser)?;
    end_of_item(parser)?;
    Ok(SelectItem::Field { field: None, alias, cast: None, aggregate: Some(Aggregate::Count), aggregate_cast })
}

fn plain_field(parser: &mut Parser<'_>) -> Parsed<SelectItem> {
    let alias = parser.optional(alias)?;
    let field = field(parser)?;
    let field_cast = cast(parser)?;
    let aggregate = parser.optional(|parser| {
        parser.attempt(|parser| {
            parser.character('.', "\".\"")?;
            let aggregate = aggregate(parser)?;
            parser.string("()", "\"()\"")?;
            Ok(aggregate)
        })
    })?;
    let aggregate_cast = cast(parser)?;
    end_of_item(parser)?;
    Ok(SelectItem::Field { field: Some(field), alias, cast: field_cast, aggregate, aggregate_cast })
}

fn cast(parser: &mut Parser<'_>) -> Parsed<Option<String>> {
    parser.optional(|parser| {
        parser.string("::", "\"::\"")?;
        identifier(parser).map(str::to_owned)
    })
}

fn aggregate(parser: &mut Parser<'_>) -> Parsed<Aggregate> {
    for (aggregate, text, label) in [
        (Aggregate::Sum, "sum", "\"sum\""),
        (Aggregate::Avg, "avg", "\"avg\""),
        (Aggregate::Count, "count", "\"count\""),
        (Aggregate::Max, "max", "\"max\""),
        (Aggregate::Min, "min", "\"min\""),
    ] {
        if parser.attempt(|parser| parser.string(text, label)).is_ok() {
            return Ok(aggregate);
        }
    }
    Err(Failed)
}

fn end_of_item(parser: &mut Parser<'_>) -> Parsed<()> {
    for (text, label) in [(")", "\")\""), (",", "\",\"")] {
        let found = parser.attempt(|parser| parser.look_ahead(|parser| parser.string(text, label)));
        if found.is_ok() {
            return found;
        }
    }
    parser.end()
}
