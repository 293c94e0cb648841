use std::time::{Duration, Instant};

use datatype::Type;

use super::*;
use crate::expression::Query;
use crate::relation::{Column, DefaultValue, Origin, ReferentialAction, RelationKind, Unique};

fn name(name: &str) -> QualifiedName {
    QualifiedName::new("public", name)
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn column(name: &str) -> Column {
    Column {
        name: name.into(),
        data_type: Type::Integer,
        is_nullable: true,
        default: DefaultValue::None,
        comment: None,
        domain: None,
        native: None,
    }
}

fn table(called: &str, key: &[&str], references: &[(&str, &str)]) -> Relation {
    let mut table = Relation::table(name(called));
    table.columns = key.iter().chain(references.iter().map(|(own, _)| own)).map(|name| column(name)).collect();
    table.primary_key = names(key);
    table.foreign_keys = references
        .iter()
        .map(|(own, referenced)| ForeignKey {
            name: format!("{called}_{own}_fkey").into(),
            columns: names(&[own]),
            references: name(referenced),
            referenced_columns: names(&["id"]),
            on_delete: ReferentialAction::NoAction,
            on_update: ReferentialAction::NoAction,
        })
        .collect();
    table
}

/// A view: its columns, each with the table's column that it shows.
fn view(called: &str, base: &str, columns: &[(&str, &str)]) -> Relation {
    let mut view = Relation::table(name(called));
    view.columns = columns.iter().map(|(shown, _)| column(shown)).collect();
    let origin = |column: &str| Origin { relation: name(base), column: column.into() };
    let origins = columns.iter().map(|(shown, column)| (Arc::from(*shown), origin(column))).collect();
    view.kind = RelationKind::View(View { query: Query::default(), origins, updatable: None });
    view
}

fn derived(relations: Vec<Relation>) -> BTreeMap<QualifiedName, Vec<Relationship>> {
    derive(&relations.into_iter().map(|relation| (relation.name.clone(), Arc::new(relation))).collect())
}

fn ways(found: &BTreeMap<QualifiedName, Vec<Relationship>>, from: &str) -> Vec<String> {
    let kind = |relationship: &Relationship| match &relationship.cardinality {
        Cardinality::ManyToOne { columns, .. } => format!("n:1 {columns:?}"),
        Cardinality::OneToMany { columns, .. } => format!("1:n {columns:?}"),
        Cardinality::OneToOne { columns, is_parent, .. } => format!("1:1 {is_parent} {columns:?}"),
        Cardinality::ManyToMany(junction) => format!("n:n {}", junction.relation.name),
        Cardinality::Computed { .. } => "computed".to_owned(),
    };
    let all = found.get(&name(from)).into_iter().flatten();
    all.map(|relationship| format!("{} {}", relationship.to.name, kind(relationship)).replace('"', "")).collect()
}

#[test]
fn views_stand_beside_their_tables_in_the_order_of_names() {
    let found = derived(vec![
        table("zones", &["id"], &[]),
        table("sites", &["id"], &[("zone", "zones")]),
        view("b_sites", "sites", &[("site", "id"), ("area", "zone"), ("again", "zone")]),
        view("a_zones", "zones", &[("zone", "id")]),
        view("unrelated", "zones", &[("title", "title")]),
    ]);
    assert_eq!(ways(&found, "sites"), ["zones n:1 [(zone, id)]", "a_zones n:1 [(zone, zone)]"]);
    assert_eq!(ways(&found, "b_sites"), ["zones n:1 [(area, id)]", "a_zones n:1 [(area, zone)]"]);
    assert_eq!(ways(&found, "zones"), ["sites 1:n [(id, zone)]", "b_sites 1:n [(id, area)]"]);
    assert_eq!(ways(&found, "unrelated"), [""; 0]);
}

#[test]
fn a_junction_has_both_keys_in_its_primary_key() {
    let found = derived(vec![
        table("books", &["id"], &[]),
        table("people", &["id"], &[]),
        table("authors", &["book", "person"], &[("book", "books"), ("person", "people")]),
        table("loans", &["id"], &[("book", "books"), ("person", "people")]),
    ]);
    let through = |from| ways(&found, from).into_iter().filter(|way| way.contains("n:n")).collect::<Vec<_>>();
    assert_eq!(through("books"), ["people n:n authors"]);
    assert_eq!(through("people"), ["books n:n authors"]);
}

#[test]
fn a_key_that_is_unique_leads_to_one_row() {
    let mut details = table("details", &["id"], &[("site", "sites")]);
    details.uniques.push(Unique { name: "details_site_key".into(), columns: names(&["site"]) });
    let found = derived(vec![table("sites", &["id"], &[]), details]);
    assert_eq!(ways(&found, "sites"), ["details 1:1 true [(id, site)]"]);
    assert_eq!(ways(&found, "details"), ["sites 1:1 false [(site, id)]"]);
}

/// A chain of tables with two keys each, and a view over every fourth.
fn chain(length: usize) -> BTreeMap<QualifiedName, Arc<Relation>> {
    let mut relations = BTreeMap::new();
    let mut add = |relation: Relation| relations.insert(relation.name.clone(), Arc::new(relation));
    for place in 0..length {
        let called = format!("t{place:06}");
        let (before, far) = (format!("t{:06}", place.saturating_sub(1)), format!("t{:06}", place / 2));
        add(table(&called, &["id"], &[("before", &before), ("far", &far)]));
        if place % 4 == 0 {
            add(view(&format!("v{place:06}"), &called, &[("id", "id"), ("before", "before"), ("far", "far")]));
        }
    }
    relations
}

/// The least time of several, so that what else the machine does counts little.
fn cost(relations: &BTreeMap<QualifiedName, Arc<Relation>>) -> Duration {
    let once = |_| {
        let start = Instant::now();
        assert!(!derive(relations).is_empty());
        start.elapsed()
    };
    (0..5).map(once).min().unwrap()
}

#[test]
fn eight_times_the_tables_cost_about_eight_times_as_much() {
    let (few, many) = (chain(500), chain(4_000));
    // Were every table compared with every view, it would be 64 times.
    let ratio = cost(&many).as_secs_f64() / cost(&few).as_secs_f64();
    assert!(ratio < 32.0, "{ratio}");
}
