//! The query string: cut into parameters, sorted out by name, handed to the grammars.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::grammar;
use crate::request::{EmbedPath, OrderTerm, PlacedCondition, RowRange, SelectItem};
use crate::settings::Limits;

/// What the query string said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Query {
    pub(crate) select: Vec<SelectItem>,
    pub(crate) conditions: Vec<PlacedCondition>,
    pub(crate) order: Vec<(EmbedPath, Vec<OrderTerm>)>,
    pub(crate) ranges: BTreeMap<EmbedPath, RowRange>,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) on_conflict: Option<Vec<String>>,
    /// Parameters of a routine: those of its `GET` that are no filters.
    pub(crate) arguments: Vec<(String, String)>,
    pub(crate) canonical: String,
}

/// A parameter, decoded. Without `=` it has no value and means nothing, except in the canonical form.
type Parameter = (String, Option<String>);

impl Query {
    /// Parses the raw query string. `takes_arguments` is for routines called by `GET`.
    pub(crate) fn parse(raw: &str, takes_arguments: bool, limits: &Limits) -> Result<Self, Fault> {
        let parameters = decode(raw, limits)?;
        let canonical = canonical(&parameters);
        let first =
            |name: &str| parameters.iter().find(|(found, _)| found == name).and_then(|(_, value)| value.as_deref());
        let given = || parameters.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)));
        let mut query = Self { canonical, ..Self::default() };

        // In PostgREST's order, which decides what a request with several mistakes is told first.
        for (name, value) in given().filter(|(name, _)| last_word(name) == "order") {
            let (path, terms) = grammar::parse_order(name, value, limits)?;
            if query.order.iter().all(|(level, _)| *level != path) {
                query.order.push((path, terms));
            }
        }
        let mut conditions = Vec::new();
        for (index, (name, value)) in given().enumerate() {
            if is_logic(name) {
                conditions.push((index, grammar::parse_logic(name, value, limits)?));
            }
        }
        query.columns = match first("columns") {
            Some(text) => Some(distinct(grammar::parse_columns("columns", text, limits)?)),
            None => None,
        };
        query.select = grammar::parse_select(first("select").unwrap_or(""), limits)?;
        for (index, (name, value)) in given().enumerate() {
            if is_reserved(name) || is_logic(name) {
                continue;
            }
            match grammar::parse_filter(name, value, limits) {
                Ok(condition) => conditions.push((index, condition)),
                Err(Fault::Query { .. }) if takes_arguments => {
                    query.arguments.push((name.to_owned(), value.to_owned()));
                }
                Err(fault) => return Err(fault),
            }
        }
        conditions.sort_by_key(|(index, _)| *index);
        query.conditions = conditions.into_iter().map(|(_, condition)| condition).collect();
        query.on_conflict = match first("on_conflict") {
            Some(text) => Some(distinct(grammar::parse_columns("on_conflict", text, limits)?)),
            None => None,
        };
        for (name, value) in given() {
            match last_word(name) {
                "limit" => {
                    let path = grammar::parse_level(name, limits)?;
                    query.ranges.entry(path).or_default().limit = Some(count(name, "Limit", value)?);
                }
                "offset" => {
                    let path = grammar::parse_level(name, limits)?;
                    query.ranges.entry(path).or_default().offset = count(name, "Offset", value)?;
                }
                _ => {}
            }
        }
        Ok(query)
    }
}

/// What stands behind the last dot.
fn last_word(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Whether a parameter is a tree of conditions.
pub(crate) fn is_logic(name: &str) -> bool {
    matches!(last_word(name), "and" | "or")
}

/// Whether a parameter is something else than a condition.
pub(crate) fn is_reserved(name: &str) -> bool {
    matches!(name, "select" | "columns" | "on_conflict") || matches!(last_word(name), "order" | "limit" | "offset")
}

fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// A row count. PostgREST drops what it cannot read; that would answer `limit=1O` with the whole table.
fn count(name: &str, what: &str, value: &str) -> Result<u64, Fault> {
    let trimmed = value.trim();
    let (is_negative, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, trimmed),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let found = value.trim_start().chars().find(|character| !character.is_ascii_digit());
        return Err(Fault::Query {
            message: format!("\"failed to parse {name} ({value})\" (line 1, column 1)"),
            details: match found {
                Some(found) => format!("unexpected \"{}\" expecting digit", found.escape_default()),
                None => "unexpected end of input expecting digit".to_owned(),
            },
        });
    }
    if is_negative && digits.bytes().any(|digit| digit != b'0') {
        return Err(Fault::Range { details: format!("{what} should be greater than or equal to zero.") });
    }
    // The engines count rows in bigint.
    match digits.parse::<i64>() {
        Ok(number) => Ok(number.unsigned_abs()),
        Err(_) => Err(Fault::BigInt(digits.to_owned())),
    }
}

/// Cuts the raw query string at `&` and `;` and decodes names and values; `+` is a blank.
fn decode(raw: &str, limits: &Limits) -> Result<Vec<Parameter>, Fault> {
    if raw.is_empty() {
        return Ok(Vec::new());
    }
    let mut parameters = Vec::new();
    // A separator at the very end begins no further parameter.
    for piece in raw.strip_suffix(['&', ';']).unwrap_or(raw).split(['&', ';']) {
        let limit = limits.max_query_parameters;
        if limit.is_exceeded_by(parameters.len() as u64 + 1) {
            return Err(Fault::QueryLimit { what: "The number of parameters in the query string", limit });
        }
        let (name, value) = match piece.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (piece, None),
        };
        let name = decode_piece(name, &|| format!("the name of parameter {}", parameters.len() + 1))?;
        let value = match value {
            Some(value) => Some(decode_piece(value, &|| format!("the value of {name:?}"))?),
            None => None,
        };
        parameters.push((name, value));
    }
    Ok(parameters)
}

fn decode_piece(raw: &str, place: &dyn Fn() -> String) -> Result<String, Fault> {
    decode_text(raw, true).map_err(|problem| Fault::Query {
        message: "failed to decode the query string".to_owned(),
        details: format!("{problem} in {}", place()),
    })
}

/// Decodes percent-encoding. The error is a phrase that says what is wrong and where, counted in bytes from 1.
pub(crate) fn decode_text(raw: &str, plus_is_blank: bool) -> Result<String, String> {
    if !raw.bytes().any(|byte| matches!(byte, b'%' | b'+' | 0)) {
        return Ok(raw.to_owned());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes().enumerate();
    while let Some((position, byte)) = rest.next() {
        let decoded = match byte {
            b'+' if plus_is_blank => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|(_, digit)| char::from(digit).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or_default(),
                    _ => {
                        return Err(format!("\"%\" without two hexadecimal digits at byte {}", position + 1));
                    }
                }
            }
            other => other,
        };
        if decoded == 0 {
            return Err(format!("character NUL at byte {}", position + 1));
        }
        bytes.push(decoded);
    }
    String::from_utf8(bytes).map_err(|error| {
        format!("bytes that are not UTF-8, from decoded byte {}", error.utf8_error().valid_up_to() + 1)
    })
}

/// The canonical form of a raw query string; `None` where it has none, since it cannot be read.
pub(crate) fn canonical_of(raw: &str, limits: &Limits) -> Option<String> {
    decode(raw, limits).ok().map(|parameters| canonical(&parameters))
}

/// The canonical form, for `Content-Location`: sorted by name, values of one name joined by commas.
///
/// As recorded: PostgREST takes each byte of UTF-8 for a character of its own and encodes it again, and clients
/// and caches that compare these addresses should find the same ones.
fn canonical(parameters: &[Parameter]) -> String {
    let mut sorted: Vec<&Parameter> = parameters.iter().collect();
    // Those of one name stay in their order.
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut text = String::new();
    let mut before: Option<&str> = None;
    for (name, value) in sorted {
        if before == Some(name) {
            text.push(',');
        } else {
            if before.is_some() {
                text.push('&');
            }
            encode_bytewise(&mut text, name);
            text.push('=');
            before = Some(name);
        }
        encode_bytewise(&mut text, value.as_deref().unwrap_or(""));
    }
    text
}

fn encode_bytewise(text: &mut String, value: &str) {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    const ESCAPED: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    if value.is_ascii() {
        text.extend(utf8_percent_encode(value, ESCAPED));
    } else {
        let bytewise: String = value.bytes().map(char::from).collect();
        text.extend(utf8_percent_encode(&bytewise, ESCAPED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Result<Query, Fault> {
        Query::parse(raw, false, &Limits::default())
    }

    #[test]
    fn canonical_forms_as_recorded() {
        for (raw, canonical) in [
            ("", ""),
            ("order=code", "order=code"),
            ("select=*&order=code", "order=code&select=%2A"),
            ("select=code&select=title&code=eq.N", "code=eq.N&select=code,title"),
            ("limit=1&order=code&", "limit=1&order=code"),
            ("&&limit=1&order=code", "=,&limit=1&order=code"),
            ("id=eq.1;drop%20table%20depots", "drop%20table%20depots=&id=eq.1"),
            ("select=Gr%C3%B6%C3%9Fe:title", "select=Gr%C3%83%C2%B6%C3%83%C2%9Fe%3Atitle"),
            ("name=eq.Dirk+%22Dash%22+Jansen", "name=eq.Dirk%20%22Dash%22%20Jansen"),
            ("Item%20No=eq.1", "Item%20No=eq.1"),
        ] {
            assert_eq!(parse(raw).unwrap().canonical, canonical, "{raw}");
        }
    }

    #[test]
    fn first_select_and_order_last_limit() {
        let query = parse("select=a&select=b&order=a&order=b&limit=2&limit=3&r.order=x").unwrap();
        assert_eq!(query.select.len(), 1);
        assert_eq!(query.order.len(), 2);
        assert_eq!(query.order[0].1[0].field.column, "a");
        assert_eq!(query.ranges[&Vec::new()].limit, Some(3));
    }

    #[test]
    fn conditions_keep_their_order() {
        let query = parse("a=eq.1&or=(b.eq.1,c.eq.2)&d=eq.4&a.x.not.and=(z.is.null)").unwrap();
        let shown: Vec<_> = query.conditions.iter().map(|c| (c.path.join("/"), c.condition.to_string())).collect();
        let expected = [("", "a.eq.1"), ("", "or(b.eq.1,c.eq.2)"), ("", "d.eq.4"), ("a/x", "not.and(z.is.null)")];
        assert_eq!(shown, expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
    }

    #[test]
    fn what_is_refused_names_the_place() {
        for (raw, expected) in [
            ("title=eq.%00", "character NUL at byte 4 in the value of \"title\""),
            ("title=eq.%FF", "bytes that are not UTF-8, from decoded byte 4 in the value of \"title\""),
            ("a=1&%zz=1", "\"%\" without two hexadecimal digits at byte 1 in the name of parameter 2"),
            ("title=like.50%", "\"%\" without two hexadecimal digits at byte 8 in the value of \"title\""),
            ("limit=x", "unexpected \"x\" expecting digit"),
            ("limit=1.5", "unexpected \".\" expecting digit"),
            ("limit=", "unexpected end of input expecting digit"),
            ("r.offset=x", "unexpected \"x\" expecting digit"),
        ] {
            let Err(Fault::Query { details, .. }) = parse(raw) else { panic!("{raw} was accepted") };
            assert_eq!(details, expected, "{raw}");
        }
    }

    #[test]
    fn row_counts() {
        let details = "Limit should be greater than or equal to zero.".to_owned();
        assert_eq!(parse("limit=-1").unwrap_err(), Fault::Range { details });
        let details = "Offset should be greater than or equal to zero.".to_owned();
        assert_eq!(parse("offset=-1").unwrap_err(), Fault::Range { details });
        let huge = "99999999999999999999";
        assert_eq!(parse(&format!("limit={huge}")).unwrap_err(), Fault::BigInt(huge.to_owned()));
        assert_eq!(parse("limit=+5").unwrap().ranges[&Vec::new()].limit, Some(5));
    }

    #[test]
    fn too_many_parameters() {
        let raw = "a=eq.1&".repeat(257);
        assert!(matches!(parse(&raw), Err(Fault::QueryLimit { .. })));
        assert!(parse(&"a=eq.1&".repeat(256)).is_ok());
    }

    #[test]
    fn arguments_of_a_routine() {
        let query = Query::parse("a=1&b=eq.2&c=x.y", true, &Limits::default()).unwrap();
        assert_eq!(query.arguments, [("a".into(), "1".into()), ("c".into(), "x.y".into())]);
        assert_eq!(query.conditions.len(), 1);
    }
}
