use std::time::{Duration, Instant};

use super::*;

fn add(tables: &mut Tables, oid: usize, kind: &str) {
    let (number, name, row_type) = (oid.to_string(), format!("r{oid}"), (oid + 1_000_000).to_string());
    let values = [Some(&*number), Some("public"), Some(&*name), Some(kind), Some(&*row_type), None, None, None, None];
    tables.add(&Row::new(&values));
    for (place, column) in [("1", "id"), ("2", "other")] {
        tables.add_column(&Row::new(&[Some(&*number), Some(place), Some(column), Some("23")]), &Types::default());
    }
}

/// A view over a relation, which shows its columns the other way round.
fn add_rule(tables: &mut Tables, view: usize, base: usize) {
    let entry = |place, column| {
        format!("{{TARGETENTRY :resno {place} :resorigtbl {base} :resorigcol {column} :resjunk false}}")
    };
    let action = format!("({{QUERY :targetList ({} {}) :override 0}})", entry(2, 1), entry(1, 2));
    tables.add_rule(&Row::new(&[Some(&view.to_string()), Some(&action)]));
}

/// So many tables with a key and a reference to the one before, and a view over each, and one over that.
fn read(count: usize) -> Tables {
    let mut tables = Tables::default();
    for table in 1..=count {
        let (view, over_view) = (table + count, table + 2 * count);
        add(&mut tables, table, "r");
        add(&mut tables, view, "v");
        add(&mut tables, over_view, "v");
        add_rule(&mut tables, view, table);
        add_rule(&mut tables, over_view, view);
        let (own, before) = (table.to_string(), (table - 1).to_string());
        tables.add_constraint(&Row::new(&[Some(&own), Some("key"), Some("p"), Some("[1]")]));
        let reference = [Some(&*own), Some("before"), Some("f"), Some("[2]"), Some(&*before), Some("[1]")];
        tables.add_constraint(&Row::new(&reference));
    }
    tables.add_origins();
    tables
}

#[test]
fn views_over_views_lead_to_the_table() {
    let relations = read(10).into_relations(&Snapshot::default());
    let found = |name: &str| relations.get(&QualifiedName::new("public", name)).unwrap();
    assert_eq!(found("r5").primary_key, [Arc::from("id")]);
    assert_eq!(found("r15").primary_key, [Arc::from("other")]);
    assert_eq!(found("r25").primary_key, [Arc::from("id")]);
    let origin = found("r25").view().unwrap().origins.get("id").unwrap();
    assert_eq!((&*origin.relation.name, &*origin.column), ("r5", "id"));
    assert_eq!(found("r5").foreign_keys.len(), 1);
}

#[test]
fn odd_rows_are_left_out() {
    let mut tables = Tables::default();
    add(&mut tables, 1, "r");
    add(&mut tables, 2, "v");
    add_rule(&mut tables, 2, 2);
    tables.add(&Row::new(&[]));
    tables.add_column(&Row::new(&[Some("1")]), &Types::default());
    tables.add_column(&Row::new(&[Some("9"), Some("1"), Some("lost")]), &Types::default());
    for columns in ["[9]", "[1", "{}", "[null]"] {
        tables.add_constraint(&Row::new(&[Some("1"), Some("key"), Some("f"), Some(columns), Some("7"), Some("[1]")]));
    }
    tables.add_rule(&Row::new(&[Some("9"), Some("({QUERY")]));
    tables.add_origins();
    let relations = tables.into_relations(&Snapshot::default());
    assert_eq!(relations.len(), 2);
    let only = relations.get(&QualifiedName::new("public", "r1")).unwrap();
    assert_eq!((only.columns.len(), only.foreign_keys.len()), (2, 0));
    // A view that shows itself, which PostgreSQL does not let be.
    assert!(relations.get(&QualifiedName::new("public", "r2")).unwrap().view().unwrap().origins.is_empty());
}

/// The least time of several, so that what else the machine does counts little.
fn cost(count: usize) -> Duration {
    let once = |_| {
        let start = Instant::now();
        assert_eq!(read(count).by_oid.len(), 3 * count);
        start.elapsed()
    };
    (0..5).map(once).min().unwrap()
}

#[test]
fn eight_times_the_tables_cost_about_eight_times_as_much() {
    // Were every view compared with every table, it would be 64 times.
    let ratio = cost(4_000).as_secs_f64() / cost(500).as_secs_f64();
    assert!(ratio < 32.0, "{ratio}");
}
