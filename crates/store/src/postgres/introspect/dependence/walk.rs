//! What a tree reads: relations, functions, claims, and what stands in the way of keeping what it gives.

use std::collections::BTreeSet;

use catalog::ClaimsAsked;

use super::body::Setting;
use super::known::{CURRENT_SETTING, MEMBER, is_plain, value_function};
use super::tree::{Node, Value, parse};

/// What is known of types, operators and settings.
pub(super) trait Known {
    /// The function of an operator.
    fn operator(&self, operator: u32) -> Option<u32>;
    /// Whether a type is an enumeration.
    fn is_enum(&self, data_type: u32) -> bool;
    /// Whether a setting is the same for all requests.
    fn is_constant(&self, setting: &str) -> bool;
    /// Whether a function gives all claims, and does nothing else (`auth.jwt()`).
    fn gives_claims(&self, function: u32) -> bool;
}

/// What a tree reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reads {
    pub(super) relations: BTreeSet<u32>,
    pub(super) functions: BTreeSet<u32>,
    pub(super) claims: ClaimsAsked,
    /// The first thing that stands in the way: what it does.
    pub(super) problem: Option<String>,
}

impl Reads {
    /// That of a tree.
    pub(super) fn of(text: &str, known: &dyn Known) -> Self {
        let mut walk = Walk { known, reads: Self::default() };
        match parse(text) {
            Some(tree) => walk.value(&tree),
            None => walk.problem("is too deep to be read".to_owned()),
        }
        walk.reads
    }
}

struct Walk<'k> {
    known: &'k dyn Known,
    reads: Reads,
}

impl Walk<'_> {
    fn problem(&mut self, problem: String) {
        self.reads.problem.get_or_insert(problem);
    }

    fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::Word(_) => {}
            Value::List(values) => values.iter().for_each(|value| self.value(value)),
            Value::Node(node) => self.node(node),
        }
    }

    fn node(&mut self, node: &Node<'_>) {
        match node.label {
            "RANGETBLENTRY" => {
                let relation = node.number(":relid");
                if relation != 0 {
                    self.reads.relations.insert(relation);
                }
            }
            "QUERY" if node.word(":commandType") != Some("1") => self.problem("writes".to_owned()),
            "TABLESAMPLECLAUSE" => self.problem("reads a sample of rows, which is another one each time".to_owned()),
            "TABLEFUNC" => {
                self.problem("uses XMLTABLE or JSON_TABLE, of which it is not known what it depends on".to_owned())
            }
            "JSONEXPR" => {
                self.problem("uses JSON_VALUE or its like, of which it is not known what it depends on".to_owned())
            }
            "NEXTVALUEEXPR" => self.problem("takes a number of a sequence".to_owned()),
            "SQLVALUEFUNCTION" => {
                if let Some(name) = value_function(node.number(":op")) {
                    self.problem(format!("asks for {name}, which is something else each time"));
                }
            }
            "COERCEVIAIO" => self.conversion(node.number(":resulttype")),
            "FUNCEXPR" if CURRENT_SETTING.contains(&node.number(":funcid")) => return self.setting(node),
            "OPEXPR" | "FUNCEXPR" if self.member(node) => return,
            _ => {}
        }
        self.calls(node);
        node.fields.iter().flat_map(|(_, values)| values).for_each(|value| self.value(value));
    }

    /// The functions that a node names by number, whatever kind of node it is: newer servers have more of them.
    fn calls(&mut self, node: &Node<'_>) {
        let mut is_called = false;
        for (field, values) in &node.fields {
            let names_function = field.ends_with("funcid") || field.ends_with("fnoid");
            match values.as_slice() {
                [Value::Word(word)] if names_function => {
                    let function = word.parse().unwrap_or(0);
                    if function != 0 {
                        is_called = true;
                        self.reads.functions.insert(function);
                    }
                }
                [Value::List(operators)] if *field == ":opnos" => {
                    let numbers = operators.iter().filter_map(|value| match value {
                        Value::Word(word) => word.parse().ok(),
                        _ => None,
                    });
                    numbers.for_each(|operator| self.operator(operator));
                }
                _ => {}
            }
        }
        let operator = node.number(":opno");
        if operator != 0 && !is_called {
            self.operator(operator);
        }
    }

    fn operator(&mut self, operator: u32) {
        match self.known.operator(operator) {
            Some(function) => drop(self.reads.functions.insert(function)),
            None => self.problem("uses an operator of which nothing is known".to_owned()),
        }
    }

    fn conversion(&mut self, data_type: u32) {
        if !is_plain(data_type) && !self.known.is_enum(data_type) {
            self.problem("reads text as a date, a moment or another value that may mean `now`".to_owned());
        }
    }

    fn setting(&mut self, node: &Node<'_>) {
        let name = node.nodes(":args").first().and_then(|argument| argument.text());
        let Some(name) = name else {
            return self.problem("asks for a setting whose name is computed".to_owned());
        };
        match Setting::of(&name) {
            Setting::Claims => self.reads.claims.add(&ClaimsAsked::All),
            Setting::Claim(claim) => self.reads.claims.claim(claim),
            Setting::Role => {}
            Setting::Other if self.known.is_constant(&name) => {}
            Setting::Other => {
                self.problem(format!("asks for the setting {name}, which may be another one in each request"))
            }
        }
    }

    /// One claim that is taken out of all of them, at once: only that one is asked for.
    fn member(&mut self, node: &Node<'_>) -> bool {
        if !MEMBER.contains(&node.number(":opfuncid")) && !MEMBER.contains(&node.number(":funcid")) {
            return false;
        }
        let arguments = node.nodes(":args");
        let [document, name] = arguments.as_slice() else { return false };
        match name.text() {
            Some(name) if self.is_claims(document) => {
                self.reads.claims.claim(&name);
                true
            }
            _ => false,
        }
    }

    /// Whether an expression gives the claims and nothing else, or nothing.
    fn is_claims(&self, node: &Node<'_>) -> bool {
        match node.label {
            "COERCEVIAIO" => {
                is_plain(node.number(":resulttype")) && node.node(":arg").is_some_and(|node| self.is_claims(node))
            }
            "RELABELTYPE" => node.node(":arg").is_some_and(|node| self.is_claims(node)),
            "NULLIFEXPR" | "NULLIF" => {
                let arguments = node.nodes(":args");
                matches!(arguments.as_slice(), [value, other] if self.is_claims(value) && other.label == "CONST")
            }
            "COALESCE" | "COALESCEEXPR" => node.nodes(":args").iter().all(|node| self.is_claims(node)),
            "FUNCEXPR" if CURRENT_SETTING.contains(&node.number(":funcid")) => {
                let name = node.nodes(":args").first().and_then(|argument| argument.text());
                name.is_some_and(|name| Setting::of(&name) == Setting::Claims)
            }
            "FUNCEXPR" => self.known.gives_claims(node.number(":funcid")),
            "SUBLINK" => node.node(":subselect").is_some_and(|query| self.gives_only_claims(query)),
            _ => false,
        }
    }

    /// `(SELECT auth.jwt())`, as it is written for the planner's sake.
    fn gives_only_claims(&self, query: &Node<'_>) -> bool {
        let targets = query.nodes(":targetList");
        let is_bare = query.field(":rtable").iter().all(|value| matches!(value, Value::Word("<>")));
        let is_whole = query.node(":jointree").is_none_or(|tree| matches!(tree.field(":quals"), [Value::Word("<>")]));
        is_bare
            && is_whole
            && matches!(targets.as_slice(), [target] if target.node(":expr").is_some_and(|node| self.is_claims(node)))
    }
}
