//! Where a view's columns come from. PostgreSQL keeps a view as a parsed query (`pg_rewrite.ev_action`), whose printed form
//! says of each column of the outcome which column of which relation it is.

/// A column of a view that is a plain column of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RuleColumn {
    /// The view's column, by number from 1.
    pub(super) place: i16,
    /// The relation (`pg_class.oid`).
    pub(super) relation: u32,
    /// Its column, by number from 1.
    pub(super) column: i16,
}

/// The deepest nesting that is looked into; PostgreSQL's own stack is bounded as well.
pub(super) const DEEPEST: usize = 1_000;

/// Reads `({QUERY :targetList ({TARGETENTRY ... :resno 1 ... :resorigtbl 16385 :resorigcol 1 ...} ...) ...})`. Whatever does
/// not look like this gives no columns: then relationships through the view are unknown, nothing else.
pub(super) fn columns(action: &str) -> Vec<RuleColumn> {
    let mut found = Vec::new();
    let mut entry = Entry::default();
    // Of each bracket that is open: which it is, and what stood before it.
    let mut open: Vec<Node> = Vec::new();
    let mut field = "";
    let mut is_field_read = false;
    for token in Tokens(action) {
        match token {
            "(" | "{" => {
                if open.len() >= DEEPEST {
                    return Vec::new();
                }
                let is_targets = token == "(" && field == ":targetList" && is_query(&open);
                open.push(if is_targets { Node::Targets } else { Node::Unnamed });
                field = "";
            }
            ")" | "}" => {
                if matches!(open.pop(), Some(Node::Target)) {
                    found.extend(std::mem::take(&mut entry).column());
                }
                field = "";
            }
            name if name.starts_with(':') => {
                field = name;
                is_field_read = false;
            }
            word => {
                let is_named = matches!(open.last(), Some(Node::Unnamed)) && field.is_empty();
                let is_target = is_named && word == "TARGETENTRY" && is_in_targets(&open);
                let is_top = is_named && word == "QUERY" && open.len() == 2;
                if let Some(last) = open.last_mut() {
                    if is_target {
                        *last = Node::Target;
                    } else if is_top {
                        *last = Node::Query;
                    } else if *last == Node::Target && !std::mem::replace(&mut is_field_read, true) {
                        entry.note(field, word);
                    }
                }
            }
        }
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Unnamed,
    Query,
    Targets,
    Target,
}

fn is_query(open: &[Node]) -> bool {
    open.last() == Some(&Node::Query)
}

fn is_in_targets(open: &[Node]) -> bool {
    open.len().checked_sub(2).and_then(|place| open.get(place)) == Some(&Node::Targets)
}

#[derive(Debug, Default)]
struct Entry {
    place: i16,
    relation: u32,
    column: i16,
    is_junk: bool,
}

impl Entry {
    fn note(&mut self, field: &str, word: &str) {
        match field {
            ":resno" => self.place = word.parse().unwrap_or(0),
            ":resorigtbl" => self.relation = word.parse().unwrap_or(0),
            ":resorigcol" => self.column = word.parse().unwrap_or(0),
            ":resjunk" => self.is_junk = word == "true",
            _ => {}
        }
    }

    fn column(self) -> Option<RuleColumn> {
        let Self { place, relation, column, is_junk } = self;
        (place > 0 && relation > 0 && column > 0 && !is_junk).then_some(RuleColumn { place, relation, column })
    }
}

/// Brackets, and words between blanks; a backslash takes away the meaning of what follows it.
pub(super) struct Tokens<'t>(pub(super) &'t str);

impl<'t> Iterator for Tokens<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let text = self.0.trim_start_matches([' ', '\n', '\t']);
        let mut is_escaped = false;
        let mut end = text.len();
        for (place, character) in text.char_indices() {
            let is_bracket = matches!(character, '(' | ')' | '{' | '}');
            if !is_escaped && (is_bracket || matches!(character, ' ' | '\n' | '\t')) {
                end = if place == 0 { 1 } else { place };
                break;
            }
            is_escaped = !is_escaped && character == '\\';
        }
        let (token, rest) = text.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outermost_targets_count() {
        let action = "({QUERY :commandType 1 :rtable ({RANGETBLENTRY :subquery {QUERY :targetList ({TARGETENTRY :expr <> \
             :resno 1 :resorigtbl 9 :resorigcol 9 :resjunk false})} :alias {ALIAS :aliasname a\\ \\(b :colnames <>}}) \
             :targetList ({TARGETENTRY :expr {VAR :varno 1 :location 8} :resno 1 :resname id :ressortgroupref 0 \
             :resorigtbl 16385 :resorigcol 2 :resjunk false} {TARGETENTRY :expr {CONST :constvalue 4 [ 1 0 0 0 ]} :resno 2 \
             :resname total :resorigtbl 0 :resorigcol 0 :resjunk false} {TARGETENTRY :expr {VAR} :resno 3 :resname {x \
             :resorigtbl 16385 :resorigcol 3 :resjunk true}) :override 0})";
        assert_eq!(columns(action), [RuleColumn { place: 1, relation: 16_385, column: 2 }]);
    }

    #[test]
    fn whatever_comes_ends() {
        for action in
            ["", "(", "({QUERY", ")))", "({QUERY :targetList (", "({QUERY :targetList ({TARGETENTRY :resno", "<>"]
        {
            assert_eq!(columns(action), []);
        }
        let deep = "({QUERY :targetList ".to_owned() + &"(".repeat(100_000);
        assert_eq!(columns(&deep), []);
    }
}
