//! The grammar of `columns` and `on_conflict`: a list of names.

use super::field::field_name;
use super::parser::{Parsed, Parser};

/// `a,"b c",d`
pub(super) fn columns(parser: &mut Parser<'_>) -> Parsed<Vec<String>> {
    parser.separated(field_name, |parser| parser.lexeme(|parser| parser.character(',', "\",\"")))
}
