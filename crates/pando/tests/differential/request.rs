//! A request as data: what is generated, sent and shrunk.

use testkit::Request;

/// The media type of CSV.
pub const CSV: &str = "text/csv";

/// What is asked, by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// One of [`crate::PEOPLE`].
    pub who: &'static str,
    pub method: &'static str,
    /// Without a slash: `people`, `rpc/add`.
    pub path: String,
    pub query: Query,
    /// Parameters that are none of the query's: `columns`, `on_conflict`, arguments of a function.
    pub parameters: Vec<(String, String)>,
    /// Preferences, one header each.
    pub prefer: Vec<String>,
    /// Any other header.
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
}

/// What is read from one relation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pub select: Vec<Item>,
    pub filters: Vec<Filter>,
    pub order: Vec<String>,
    /// Whether the order ends with the key.
    pub is_total: bool,
    pub limit: Option<String>,
    pub offset: Option<String>,
}

/// A member of `select`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// `alias:name->path.sum()::text`, each part as it is written.
    Field { alias: String, name: String, after: String },
    /// `...alias:target!inner(…)`
    Embed { is_spread: bool, alias: String, target: String, join: &'static str, query: Box<Query> },
}

/// A condition, or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// `field=not.operator.value`
    Condition { field: String, is_negated: bool, operator: String, value: String },
    /// `or=(…)`
    Tree { is_negated: bool, word: &'static str, members: Vec<Filter> },
}

/// What is sent along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    None,
    /// JSON objects, members as they are written; a list unless it is `is_single`. Sent as CSV if a header says so.
    Rows {
        rows: Vec<Vec<(String, String)>>,
        is_single: bool,
    },
}

impl Case {
    /// Path and parameters.
    pub fn target(&self) -> String {
        let mut parameters = self.parameters.clone();
        self.query.write("", &mut parameters);
        let parameters: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let mark = if parameters.is_empty() { "" } else { "?" };
        format!("/{}{mark}{}", self.path, parameters.join("&"))
    }

    /// Every header but the one that says who asks.
    pub fn all_headers(&self) -> Vec<(String, String)> {
        let prefer = self.prefer.iter().map(|value| ("Prefer".to_owned(), value.clone()));
        prefer.chain(self.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()))).collect()
    }

    /// Whether it may change something.
    pub fn is_write(&self) -> bool {
        !matches!(self.method, "GET" | "HEAD")
    }

    /// As it is sent and kept.
    pub fn line(&self) -> Line {
        Line {
            who: self.who.to_owned(),
            method: self.method.to_owned(),
            target: self.target(),
            headers: self.all_headers(),
            body: self.body.text(self.headers.contains(&("Content-Type", CSV.to_owned()))),
            is_ordered: self.query.is_total,
            are_embeds_ordered: self.query.are_embeds_total(),
        }
    }
}

impl Item {
    /// What it is called in filters and orders: its alias, or its own name.
    pub fn name(&self) -> &str {
        match self {
            Self::Field { alias, name, .. } if alias.is_empty() => name,
            Self::Embed { alias, target, .. } if alias.is_empty() => target.split('!').next().unwrap_or_default(),
            Self::Field { alias, .. } | Self::Embed { alias, .. } => alias,
        }
    }
}

impl Query {
    /// Whether the rows of all that is embedded come in a total order.
    pub fn are_embeds_total(&self) -> bool {
        self.select.iter().all(|item| match item {
            Item::Field { .. } => true,
            Item::Embed { query, .. } => query.is_total && query.are_embeds_total(),
        })
    }

    fn write(&self, prefix: &str, into: &mut Vec<(String, String)>) {
        if prefix.is_empty() && !self.select.is_empty() {
            into.push(("select".to_owned(), selected(&self.select)));
        }
        for filter in &self.filters {
            into.push(filter.parameter(prefix));
        }
        if !self.order.is_empty() {
            into.push((format!("{prefix}order"), self.order.join(",")));
        }
        for (name, value) in [("limit", &self.limit), ("offset", &self.offset)] {
            if let Some(value) = value {
                into.push((format!("{prefix}{name}"), value.clone()));
            }
        }
        for item in &self.select {
            if let Item::Embed { query, .. } = item {
                query.write(&format!("{prefix}{}.", item.name()), into);
            }
        }
    }
}

fn selected(items: &[Item]) -> String {
    let written = items.iter().map(|item| match item {
        Item::Field { alias, name, after } => format!("{}{name}{after}", labelled(alias)),
        Item::Embed { is_spread, alias, target, join, query } => {
            let dots = if *is_spread { "..." } else { "" };
            let inside = if query.select.is_empty() { "*".to_owned() } else { selected(&query.select) };
            format!("{dots}{}{target}{join}({inside})", labelled(alias))
        }
    });
    written.collect::<Vec<_>>().join(",")
}

fn labelled(alias: &str) -> String {
    if alias.is_empty() { String::new() } else { format!("{alias}:") }
}

impl Filter {
    fn parameter(&self, prefix: &str) -> (String, String) {
        match self {
            Self::Condition { field, is_negated, operator, value } => {
                (format!("{prefix}{field}"), format!("{}{operator}.{value}", negation(*is_negated)))
            }
            Self::Tree { is_negated, word, members } => {
                (format!("{prefix}{}{word}", negation(*is_negated)), format!("({})", nested(members)))
            }
        }
    }

    fn member(&self) -> String {
        match self {
            Self::Condition { field, is_negated, operator, value } => {
                let plain = operator == "in" || operator == "is" || value.starts_with('{');
                let needs_quotes = value.is_empty() || value.contains([',', '(', ')', '"', '\\', ' ']);
                let value = if plain || !needs_quotes { value.clone() } else { quoted(value) };
                format!("{field}.{}{operator}.{value}", negation(*is_negated))
            }
            Self::Tree { is_negated, word, members } => format!("{}{word}({})", negation(*is_negated), nested(members)),
        }
    }
}

fn nested(members: &[Filter]) -> String {
    members.iter().map(Filter::member).collect::<Vec<_>>().join(",")
}

fn negation(is_negated: bool) -> &'static str {
    if is_negated { "not." } else { "" }
}

/// A value in double quotes, as lists and trees have it.
pub fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Body {
    fn text(&self, is_csv: bool) -> String {
        match self {
            Self::None => String::new(),
            Self::Rows { rows, .. } if is_csv => csv(rows),
            Self::Rows { rows, is_single } => {
                let rows: Vec<String> = rows.iter().map(|row| object(row)).collect();
                if *is_single { rows.concat() } else { format!("[{}]", rows.join(",")) }
            }
        }
    }
}

/// The same rows as CSV: a header, and a line a row.
fn csv(rows: &[Vec<(String, String)>]) -> String {
    let names: Vec<&str> = rows.first().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let mut text = names.join(",");
    for row in rows {
        let cells = row.iter().map(|(_, value)| {
            let plain = serde_json::from_str::<String>(value).unwrap_or_else(|_| value.clone());
            if plain == "null" { "NULL".to_owned() } else { format!("\"{}\"", plain.replace('"', "\"\"")) }
        });
        text.push('\n');
        text.push_str(&cells.collect::<Vec<_>>().join(","));
    }
    text
}

fn object(row: &[(String, String)]) -> String {
    let members: Vec<String> = row.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Percent-encoded, but for what is easier to read without.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => encoded.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'~' | b'(' | b')' | b',' | b'*' | b':' | b'!' | b'>' | b'{' | b'}' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A request as it is sent, on one line of `tests/differential/cases.tsv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub who: String,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Whether its rows have to come in the same order.
    pub is_ordered: bool,
    /// Whether the rows embedded in them have to.
    pub are_embeds_ordered: bool,
}

impl Line {
    /// Reads what [`Line::write`] wrote: who, method, order, target, headers, body.
    pub fn read(line: &str) -> Self {
        let cells: Vec<&str> = line.split('\t').collect();
        let [who, method, order, target, headers, body] = cells[..] else { panic!("six cells are a case: {line}") };
        let headers = headers.split(" | ").filter(|header| !header.is_empty());
        let header = |header: &str| {
            let (name, value) = header.split_once(": ").unwrap_or_else(|| panic!("no header: {header}"));
            (name.to_owned(), value.to_owned())
        };
        Self {
            who: who.to_owned(),
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.map(header).collect(),
            body: body.replace("<newline>", "\n"),
            is_ordered: order != "any",
            are_embeds_ordered: order == "all",
        }
    }

    /// One line, cells between tabs.
    pub fn write(&self) -> String {
        let headers: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let order = match (self.is_ordered, self.are_embeds_ordered) {
            (true, true) => "all",
            (true, false) => "rows",
            (false, _) => "any",
        };
        let body = self.body.replace('\n', "<newline>");
        [&self.who, &self.method, order, &self.target, &headers.join(" | "), &body].join("\t")
    }

    /// To be sent, with the token of whoever asks.
    pub fn request(&self, token: Option<&str>) -> Request {
        let mut request = Request::new(&self.method, &self.target);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if !self.body.is_empty() && !self.headers.iter().any(|(name, _)| name == "Content-Type") {
            request = request.header("Content-Type", "application/json");
        }
        let request = request.body(self.body.clone());
        token.map_or_else(|| request.clone(), |token| request.clone().bearer(token))
    }
}
