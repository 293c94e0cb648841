//! What a function's body in SQL asks of the caller, where it does nothing else: `auth.uid()` and its like, as Pando, Supabase and many
//! projects write them. It is read word by word; whatever is not among a few harmless words is taken for anything.

use catalog::ClaimsAsked;

/// The setting that holds the claims; the one without the `s` is that of older programs.
const CLAIMS: [&str; 2] = ["request.jwt.claims", "request.jwt.claim"];

/// Settings that hold one claim.
const CLAIM: &str = "request.jwt.claim.";

/// What may stand in such a body besides literals and signs.
const WORDS: [&str; 17] = [
    "select",
    "coalesce",
    "nullif",
    "current_setting",
    "pg_catalog",
    "true",
    "false",
    "null",
    "text",
    "uuid",
    "json",
    "jsonb",
    "varchar",
    "int",
    "integer",
    "bigint",
    "as",
];

/// Signs that may stand in it.
const SIGNS: [&str; 8] = ["(", ")", ",", "::", "->>", "->", ".", ";"];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<'s> {
    Word(String),
    Literal(&'s str),
    Sign(&'static str),
}

/// What a setting is about, for whoever keeps answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setting<'s> {
    /// All claims.
    Claims,
    /// One of them.
    Claim(&'s str),
    /// The role, which is known.
    Role,
    /// Something else.
    Other,
}

impl<'s> Setting<'s> {
    /// By its name, which has no case.
    pub(super) fn of(name: &'s str) -> Self {
        let is = |known: &&str| name.eq_ignore_ascii_case(known);
        if CLAIMS.iter().any(is) {
            return Self::Claims;
        }
        match name.split_at_checked(CLAIM.len()) {
            Some((before, claim)) if before.eq_ignore_ascii_case(CLAIM) => Self::Claim(claim),
            _ if is(&"role") => Self::Role,
            _ => Self::Other,
        }
    }
}

/// The claims that a body asks for; `None` for one that may do something else.
pub(super) fn claims(body: &str) -> Option<ClaimsAsked> {
    let pieces = pieces(body)?;
    let is_word = |piece: &Piece<'_>, known: &str| matches!(piece, Piece::Word(word) if word == known);
    let mut asked = ClaimsAsked::default();
    for (place, piece) in pieces.iter().enumerate() {
        if let Piece::Word(word) = piece
            && !WORDS.contains(&word.as_str())
        {
            return None;
        }
        if !is_word(piece, "current_setting") {
            continue;
        }
        let behind = pieces.get(place + 1..)?;
        let [Piece::Sign("("), Piece::Literal(name), behind @ ..] = behind else { return None };
        match Setting::of(name) {
            Setting::Claim(claim) => asked.claim(claim),
            Setting::Claims => match taken(behind) {
                Some(claim) => asked.claim(claim),
                None => asked.add(&ClaimsAsked::All),
            },
            Setting::Role => {}
            Setting::Other => return None,
        }
    }
    Some(asked)
}

/// The claim that is taken out of the claims right behind them: nothing but casts, closing brackets and the second arguments of
/// `current_setting` and `nullif` stands between.
fn taken<'s>(behind: &[Piece<'s>]) -> Option<&'s str> {
    let mut behind = behind;
    loop {
        behind = match behind {
            [Piece::Sign(","), Piece::Word(word), rest @ ..] if word == "true" || word == "false" => rest,
            [Piece::Sign(","), Piece::Literal(""), rest @ ..] => rest,
            [Piece::Sign("::"), Piece::Word(_), rest @ ..] | [Piece::Sign(")"), rest @ ..] => rest,
            [Piece::Sign("->" | "->>"), Piece::Literal(claim), ..] => return Some(claim),
            _ => return None,
        };
    }
}

/// Cuts a body into pieces; `None` where there is anything else in it.
fn pieces(body: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = body.trim_start();
    while !rest.is_empty() {
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            pieces.push(Piece::Sign(sign));
            rest = rest.get(sign.len()..)?;
        } else if let Some(literal) = rest.strip_prefix('\'') {
            let (text, behind) = literal.split_once('\'')?;
            // Doubled, or with a meaning of its own.
            if behind.starts_with('\'') || text.contains('\\') {
                return None;
            }
            pieces.push(Piece::Literal(text));
            rest = behind;
        } else {
            let end = rest
                .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
                .unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            if word.is_empty() {
                return None;
            }
            pieces.push(Piece::Word(word.to_ascii_lowercase()));
            rest = behind;
        }
        rest = rest.trim_start();
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str) -> String {
        match claims(body) {
            None => "anything".to_owned(),
            Some(ClaimsAsked::All) => "all".to_owned(),
            Some(ClaimsAsked::Named(names)) => names.iter().map(|name| &**name).collect::<Vec<_>>().join(" "),
        }
    }

    #[test]
    fn bodies_say_what_they_ask() {
        for (body, expected) in [
            (
                "select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),\n (nullif(current_setting('request.jwt.claims', \
                 true), '')::jsonb ->> 'sub'))::uuid",
                "sub",
            ),
            ("SELECT (current_setting('request.jwt.claims', true)::json->>'org')::uuid", "org"),
            ("select current_setting('request.jwt.claims', true)::jsonb", "all"),
            ("select coalesce(current_setting('request.jwt.claims', true), '{\"a\":1}'::json ->> 'a')", "all"),
            ("select current_setting('request.jwt.claims', true)::json -> 'app_metadata' ->> 'org'", "app_metadata"),
            ("select current_setting('role', true)", ""),
            ("select 'x'", ""),
            ("select current_setting('request.headers', true)::json ->> 'x'", "anything"),
            ("select current_setting('request.jwt.' || 'claims')", "anything"),
            ("select current_setting($1)", "anything"),
            ("select exists (select 1 from members)", "anything"),
            ("select now()::text", "anything"),
            ("select current_setting('request.jwt.claims') -- and more", "anything"),
            ("select 'it''s'", "anything"),
        ] {
            assert_eq!(shown(body), expected, "{body}");
        }
    }
}
