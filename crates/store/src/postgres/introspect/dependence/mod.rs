//! What the rows of relations depend on: which tables, which claims, and whether anything that nobody would be told of
//! ([`catalog::Dependence`]). Read from how the server itself understands views, policies and functions, not from their text.
//!
//! A role's rows may depend on less: all policies are taken together. What is not understood stands in the way of keeping anything, and
//! says so.

mod body;
mod facts;
mod known;
mod tree;
mod walk;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::QualifiedName;
use catalog::{ClaimsAsked, Dependence};
use wire::Connection;

use self::facts::{Facts, FunctionFacts, RelationFacts};
use self::known::is_settled;
use self::walk::{Known, Reads};
use super::rows::Reading;
use crate::postgres::watch::{Told, fingerprint};
use crate::watching::WatchSettings;

/// What is asked besides the relations: what is the same for all requests, and what is not.
#[derive(Debug, Clone)]
pub(in crate::postgres) struct Asked {
    pub(in crate::postgres) watch: WatchSettings,
    /// Settings that every transaction gets.
    pub(in crate::postgres) constants: BTreeSet<String>,
    /// A function looks at every request first.
    pub(in crate::postgres) has_pre_request: bool,
}

/// What relations depend on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::postgres) struct Dependences {
    /// Of each relation.
    pub(in crate::postgres) all: BTreeMap<QualifiedName, Arc<Dependence>>,
    /// The tables that have to be watched, so that answers of the chosen relations can be kept.
    pub(in crate::postgres) wanted: BTreeMap<QualifiedName, Told>,
    /// Whether any of those is not, or not as it could be.
    pub(in crate::postgres) is_any_unwatched: bool,
    /// The relations that decide what is shown of the chosen ones, by number.
    pub(in crate::postgres) relations: BTreeSet<u32>,
    /// The functions that do.
    pub(in crate::postgres) functions: BTreeSet<u32>,
    /// What else decides it, as it was in this moment.
    pub(in crate::postgres) fingerprint: String,
}

/// Reads them, in the transaction at hand.
///
/// # Errors
/// Those of the connection.
pub(super) async fn read(
    connection: &mut Connection,
    reading: &mut Reading,
    asked: &Asked,
) -> Result<Dependences, wire::Error> {
    let facts = Facts::read(connection, reading).await?;
    let mut found = Finding::of(&facts, asked).all();
    found.fingerprint = fingerprint(connection, &found.relations, &found.functions).await?;
    Ok(found)
}

/// What is found out of one relation or function by itself.
#[derive(Debug, Clone, Default)]
struct Own {
    /// The relations that are read with it.
    next: BTreeSet<u32>,
    /// The functions of others than the system that are called.
    functions: BTreeSet<u32>,
    claims: ClaimsAsked,
    obstacle: Option<String>,
}

impl Own {
    fn add(&mut self, other: &Self) {
        self.next.extend(&other.next);
        self.functions.extend(&other.functions);
        self.claims.add(&other.claims);
        if self.obstacle.is_none() {
            self.obstacle.clone_from(&other.obstacle);
        }
    }

    /// That of something that is not known to be harmless.
    fn hindered(obstacle: String) -> Self {
        Self { obstacle: Some(obstacle), ..Self::default() }
    }
}

/// All that one relation leads to.
struct Reached {
    dependence: Dependence,
    relations: BTreeSet<u32>,
    functions: BTreeSet<u32>,
    unwatched: Option<QualifiedName>,
    /// It is a table of which each row is shown by itself: no other table's rows are among its own, and no policy looks at others.
    has_rows: bool,
}

struct Finding<'f> {
    facts: &'f Facts,
    asked: &'f Asked,
    numbers: BTreeMap<&'f QualifiedName, u32>,
    relations: RefCell<BTreeMap<u32, Arc<Own>>>,
    /// `None` while it is found out.
    functions: RefCell<BTreeMap<u32, Option<Arc<Own>>>>,
}

impl<'f> Finding<'f> {
    fn of(facts: &'f Facts, asked: &'f Asked) -> Self {
        let numbers = facts.relations.iter().map(|(number, relation)| (&relation.name, *number)).collect();
        Self { facts, asked, numbers, relations: RefCell::default(), functions: RefCell::default() }
    }

    fn all(&self) -> Dependences {
        let mut found = Dependences::default();
        let own = self.facts.relations.iter().filter(|(_, relation)| !relation.is_systems && relation.kind != 'S');
        for (number, relation) in own {
            let mut reached = self.reached(*number);
            if self.asked.watch.relations.contains(&relation.name) {
                // Also where something stands in the way: somebody may take it away.
                found.relations.extend(&reached.relations);
                found.functions.extend(&reached.functions);
                if reached.dependence.obstacle.is_none() {
                    for table in &reached.dependence.tables {
                        found.wanted.entry(table.clone()).or_insert(Told::Table);
                    }
                    if reached.has_rows {
                        found.wanted.insert(relation.name.clone(), Told::Rows);
                    }
                    let is_coarse = reached.has_rows && relation.told != Some(Told::Rows) && relation.is_own;
                    found.is_any_unwatched |= is_coarse || reached.unwatched.is_some();
                }
            }
            if let (None, Some(table)) = (&reached.dependence.obstacle, reached.unwatched) {
                reached.dependence.obstacle = Some(format!("changes of {table} are not noticed"));
            }
            found.all.insert(relation.name.clone(), Arc::new(reached.dependence));
        }
        found
    }

    /// Follows a relation to all that decides its rows.
    fn reached(&self, relation: u32) -> Reached {
        let mut dependence = Dependence::default();
        if self.asked.has_pre_request {
            let words = "a function looks at every request before it is answered (database.pre_request), and nothing is known of it";
            dependence.obstacle = Some(words.to_owned());
        }
        let mut reached = Reached {
            dependence,
            relations: BTreeSet::new(),
            functions: BTreeSet::new(),
            unwatched: None,
            has_rows: self.facts.relations.get(&relation).is_some_and(|facts| facts.key.is_some()),
        };
        let mut ahead = vec![relation];
        while let Some(number) = ahead.pop() {
            if !reached.relations.insert(number) {
                continue;
            }
            if let Some(facts) = self.facts.relations.get(&number).filter(|facts| matches!(facts.kind, 'r' | 'p')) {
                reached.dependence.tables.insert(facts.name.clone());
                if facts.told.is_none() && reached.unwatched.is_none() {
                    reached.unwatched = Some(facts.name.clone());
                }
            }
            let own = self.relation(number);
            let Own { claims, obstacle, .. } = (*own).clone();
            reached.dependence.add(&Dependence { claims, obstacle, ..Dependence::default() });
            reached.has_rows &= !own.next.contains(&relation);
            reached.functions.extend(&own.functions);
            ahead.extend(own.next.iter().filter(|next| !reached.relations.contains(next)));
        }
        let facts = self.facts.relations.get(&relation).filter(|facts| facts.told == Some(Told::Rows));
        reached.dependence.row_key = facts.filter(|_| reached.has_rows).and_then(|facts| facts.key.clone());
        reached
    }

    fn relation(&self, number: u32) -> Arc<Own> {
        if let Some(own) = self.relations.borrow().get(&number) {
            return own.clone();
        }
        let own = Arc::new(match self.facts.relations.get(&number) {
            Some(facts) => self.own(facts),
            None => Own::hindered("it reads a relation of which nothing is known".to_owned()),
        });
        self.relations.borrow_mut().insert(number, own.clone());
        own
    }

    /// What is found out of a relation by itself.
    fn own(&self, facts: &RelationFacts) -> Own {
        let RelationFacts { name, kind, .. } = facts;
        if facts.is_systems {
            return Own::hindered(format!("{name} is the server's own, whose changes are not noticed"));
        }
        match kind {
            'v' => match &facts.rule {
                Some(rule) => self.tree(rule, &format!("view {name}")),
                None => Own::hindered(format!("what view {name} reads cannot be read")),
            },
            'r' | 'p' => self.table(facts),
            'm' => Own::hindered(format!(
                "{name} is a materialized view: its rows change when it is refreshed, which is not noticed"
            )),
            'f' => {
                Own::hindered(format!("{name} is a foreign table: its rows are another server's, which tells nothing"))
            }
            _ => Own::hindered(format!("{name} is a sequence, whose changes are not noticed")),
        }
    }

    /// A table is changed by statements that name it, or one above it: each such one has a trigger of its own. It shows what is in those
    /// below it as well.
    fn table(&self, facts: &RelationFacts) -> Own {
        let mut own = Own::default();
        own.next.extend(facts.parents.iter().chain(&facts.children));
        if facts.is_subscribed {
            let name = &facts.name;
            let words =
                format!("{name} is filled by a subscription, of whose changes no trigger for statements is told");
            own.obstacle.get_or_insert(words);
        }
        for (policy, tree) in facts.policies.iter().filter(|_| facts.has_row_security) {
            own.add(&self.tree(tree, &format!("policy \"{policy}\" of {}", facts.name)));
        }
        own
    }

    /// What a tree reads, and what the functions do that it calls.
    fn tree(&self, text: &str, whose: &str) -> Own {
        let Reads { relations, functions, claims, problem } = Reads::of(text, self);
        let obstacle = problem.map(|problem| format!("{whose} {problem}"));
        let mut own = Own { next: relations, functions: BTreeSet::new(), claims, obstacle };
        for function in functions {
            let called = self.function(function);
            let told = |obstacle: &String| format!("{whose} {obstacle}");
            own.add(&Own { obstacle: called.obstacle.as_ref().map(told), ..(*called).clone() });
        }
        own
    }

    fn function(&self, number: u32) -> Arc<Own> {
        // The system's that are immutable are not among the facts.
        let Some(facts) = self.facts.functions.get(&number) else { return Arc::default() };
        if let Some(known) = self.functions.borrow().get(&number) {
            let itself = || Arc::new(Own::hindered(format!("calls {}, which calls itself", facts.name)));
            return known.clone().unwrap_or_else(itself);
        }
        self.functions.borrow_mut().insert(number, None);
        let mut own = self.called(facts);
        if !facts.is_systems {
            own.functions.insert(number);
        }
        let own = Arc::new(own);
        self.functions.borrow_mut().insert(number, Some(own.clone()));
        own
    }

    /// What a function does that is called.
    fn called(&self, facts: &FunctionFacts) -> Own {
        let FunctionFacts { name, .. } = facts;
        if facts.is_systems {
            let is_settled = facts.is_immutable || (!facts.is_volatile && is_settled(&name.name));
            let words = || format!("calls {}, which may give something else each time", name.name);
            return if is_settled { Own::default() } else { Own::hindered(words()) };
        }
        if let Some(declared) = self.asked.watch.functions.get(name) {
            let mut own = Own { claims: declared.claims.clone(), ..Own::default() };
            for table in &declared.tables {
                match self.numbers.get(table) {
                    Some(number) => drop(own.next.insert(*number)),
                    None => {
                        own = Own::hindered(format!(
                            "calls {name}, which is said to read {table}, and there is no such table"
                        ))
                    }
                }
            }
            return own;
        }
        if facts.is_immutable && facts.is_plain {
            return Own::default();
        }
        if let (true, Some(tree)) = (facts.is_plain, &facts.tree) {
            return self.tree(tree, &format!("calls {name}, which"));
        }
        match facts.body.as_deref().filter(|_| facts.is_plain).and_then(body::claims) {
            Some(claims) => Own { claims, ..Own::default() },
            None => Own::hindered(format!(
                "calls {name}, of which nothing is known; responses.functions can say what it reads"
            )),
        }
    }
}

impl Known for Finding<'_> {
    fn operator(&self, operator: u32) -> Option<u32> {
        self.facts.operators.get(&operator).copied()
    }

    fn is_enum(&self, data_type: u32) -> bool {
        self.facts.enums.contains(&data_type)
    }

    fn is_constant(&self, setting: &str) -> bool {
        self.asked.constants.contains(&setting.to_ascii_lowercase())
    }

    fn gives_claims(&self, function: u32) -> bool {
        let facts = self.facts.functions.get(&function).filter(|facts| !facts.is_systems && facts.is_plain);
        let body = facts
            .filter(|facts| !self.asked.watch.functions.contains_key(&facts.name))
            .and_then(|facts| facts.body.as_deref());
        body.and_then(body::claims) == Some(ClaimsAsked::All)
    }
}
