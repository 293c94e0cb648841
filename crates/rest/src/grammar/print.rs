//! Printing what was parsed: the canonical grammar, which parses to the same value again. The texts are those of
//! decoded parameters; putting them into a URL still takes percent-encoding.

use std::fmt::{self, Display, Formatter, Write};

use crate::request::{
    Comparison, Condition, Embed, FieldName, Filter, IsValue, Join, Operation, OrderTerm, PathTarget, Quantifier,
    SelectItem,
};

impl Comparison {
    /// Its spelling in URLs.
    pub fn spelling(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "neq",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "gte",
            Self::Less => "lt",
            Self::LessOrEqual => "lte",
            Self::Like => "like",
            Self::ILike => "ilike",
            Self::Match => "match",
            Self::IMatch => "imatch",
        }
    }
}

impl Quantifier {
    /// Its spelling in URLs, without the parentheses.
    pub fn spelling(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::All => "all",
        }
    }
}

impl IsValue {
    /// Its spelling in URLs.
    pub fn spelling(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::NotNull => "not_null",
            Self::True => "true",
            Self::False => "false",
            Self::Unknown => "unknown",
        }
    }
}

/// A list of items as `select` takes it.
pub(crate) fn write_list<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            f.write_char(',')?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

fn write_quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(character)?;
    }
    f.write_char('"')
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn write_name(f: &mut Formatter<'_>, name: &str) -> fmt::Result {
    if is_word(name) { f.write_str(name) } else { write_quoted(f, name) }
}

fn write_value(f: &mut Formatter<'_>, value: &str) -> fmt::Result {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '%');
    if !value.is_empty() && value.chars().all(is_plain) { f.write_str(value) } else { write_quoted(f, value) }
}

impl Display for FieldName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // A star cannot stand for a column's name, and a column of that name cannot be told from it.
        if self.column == "*" && self.path.is_empty() {
            return f.write_char('*');
        }
        write_name(f, &self.column)?;
        for step in &self.path {
            f.write_str(if step.as_text { "->>" } else { "->" })?;
            match &step.target {
                PathTarget::Index(index) => write!(f, "{index}")?,
                PathTarget::Key(key) if is_word(key) && !key.starts_with(|c: char| c.is_ascii_digit()) => {
                    f.write_str(key)?;
                }
                PathTarget::Key(key) => write_quoted(f, key)?,
            }
        }
        Ok(())
    }
}

impl Display for SelectItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embed(embed) => embed.fmt(f),
            Self::Field { field, alias, cast, aggregate, aggregate_cast } => {
                if let Some(alias) = alias {
                    write_name(f, alias)?;
                    f.write_char(':')?;
                }
                if let Some(field) = field {
                    field.fmt(f)?;
                }
                if let Some(cast) = cast {
                    write!(f, "::{cast}")?;
                }
                if let Some(aggregate) = aggregate {
                    let dot = if field.is_some() { "." } else { "" };
                    write!(f, "{dot}{}()", aggregate.name())?;
                }
                if let Some(cast) = aggregate_cast {
                    write!(f, "::{cast}")?;
                }
                Ok(())
            }
        }
    }
}

impl Display for Embed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_spread {
            f.write_str("...")?;
        } else if let Some(alias) = &self.alias {
            write_name(f, alias)?;
            f.write_char(':')?;
        }
        write_name(f, &self.relation)?;
        if let Some(hint) = &self.hint {
            f.write_char('!')?;
            // Bare, these two are joins.
            if matches!(hint.as_str(), "left" | "inner") {
                write_quoted(f, hint)?;
            } else {
                write_name(f, hint)?;
            }
        }
        match self.join {
            Some(Join::Inner) => f.write_str("!inner")?,
            Some(Join::Left) => f.write_str("!left")?,
            None => {}
        }
        f.write_char('(')?;
        write_list(f, &self.select)?;
        f.write_char(')')
    }
}

impl Display for OrderTerm {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.relation {
            Some(relation) => {
                write_name(f, relation)?;
                write!(f, "({})", self.field)?;
            }
            None => self.field.fmt(f)?,
        }
        f.write_str(if self.is_descending { ".desc" } else { "" })?;
        f.write_str(match self.nulls_first {
            Some(true) => ".nullsfirst",
            Some(false) => ".nullslast",
            None => "",
        })
    }
}

impl Display for Condition {
    /// As it stands inside a logic tree.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(filter) => filter.fmt(f),
            Self::Logic { is_negated, is_or, children } => {
                f.write_str(if *is_negated { "not." } else { "" })?;
                f.write_str(if *is_or { "or(" } else { "and(" })?;
                write_list(f, children)?;
                f.write_char(')')
            }
        }
    }
}

impl Display for Filter {
    /// As it stands inside a logic tree.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.field.fmt(f)?;
        f.write_str(if self.is_negated { ".not." } else { "." })?;
        self.operation.fmt(f)
    }
}

impl Display for Operation {
    /// As it stands inside a logic tree: values with commas or parentheses are quoted.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare { comparison, quantifier, value } => {
                f.write_str(comparison.spelling())?;
                if let Some(quantifier) = quantifier {
                    write!(f, "({})", quantifier.spelling())?;
                }
                f.write_char('.')?;
                write_value(f, value)
            }
            Self::In(values) => {
                f.write_str("in.(")?;
                for (position, value) in values.iter().enumerate() {
                    if position > 0 {
                        f.write_char(',')?;
                    }
                    write_value(f, value)?;
                }
                f.write_char(')')
            }
            Self::Is(value) => write!(f, "is.{}", value.spelling()),
            Self::IsDistinct(value) => {
                f.write_str("isdistinct.")?;
                write_value(f, value)
            }
            Self::PostgresOnly { operator, value } => {
                write!(f, "{operator}.")?;
                write_value(f, value)
            }
            Self::FullText { operator, language, value } => {
                f.write_str(operator)?;
                if let Some(language) = language {
                    // Blanks around a name are not read; one that is nothing else is the empty name.
                    write!(f, "({})", if language.is_empty() { " " } else { language })?;
                }
                f.write_char('.')?;
                write_value(f, value)
            }
        }
    }
}
