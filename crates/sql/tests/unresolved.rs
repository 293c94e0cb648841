//! Names that only a PostgreSQL server resolves: which are handed on, how they stand in the statement, and what follows for
//! where it may run.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod requests_support;

use std::sync::Arc;

use base::{Freshness, QualifiedName};
use catalog::{Catalog, ComputedColumn, Engine, NativeRelation, NativeRelationKind, Volatility};
use datatype::Type;
use plan::Plan;
use requests_support::{catalog, plan, request};

/// The corpus's schema as a server would have it, with two functions over the rows of `zones`.
fn native_catalog() -> Catalog {
    let mut snapshot = catalog().snapshot().clone();
    snapshot.engine = Engine::Postgres;
    snapshot.aggregates.extend([Arc::from("count"), Arc::from("json_agg")]);
    let computed = |name: &str, volatility| ComputedColumn {
        name: Arc::from(name),
        data_type: Type::Text,
        function: QualifiedName::new("public", name),
        volatility,
    };
    for (name, relation) in &mut snapshot.relations {
        let is_zones = *name == QualifiedName::new("public", "zones");
        Arc::make_mut(relation).native = Some(NativeRelation {
            kind: if relation.is_view() { NativeRelationKind::View } else { NativeRelationKind::Table },
            is_insertable: true,
            is_updatable: true,
            is_deletable: true,
            rewrites_rows: false,
            is_plain: false,
            computed: if is_zones {
                vec![computed("steady", Volatility::Stable), computed("fickle", Volatility::Volatile)]
            } else {
                Vec::new()
            },
        });
    }
    Catalog::new(snapshot)
}

fn planned(url: &str) -> Result<Plan, plan::PlanError> {
    plan(&native_catalog(), "anon", &request("GET", url, "").expect("can be parsed"))
}

#[test]
fn what_may_do_more_than_read_is_for_the_primary() {
    for (select, freshness, is_guess) in [
        ("code", Freshness::Session, false),
        ("code,steady", Freshness::Session, false),
        ("code,fickle", Freshness::Strong, false),
        ("code,xmin,ctid", Freshness::Session, false),
        ("code,anything", Freshness::Strong, true),
    ] {
        let plan = planned(&format!("/zones?select={select}")).expect("is planned");
        assert_eq!(plan.footprint.freshness, freshness, "{select}");
        assert_eq!(plan.unresolved.iter().any(|name| name.is_guess), is_guess, "{select}");
    }
    let filtered = planned("/zones?select=code&anything=eq.1&order=anything").expect("is planned");
    assert_eq!((filtered.footprint.freshness, filtered.unresolved.len()), (Freshness::Strong, 1));
    let of_view = planned("/active_couriers?select=xmin").expect("is planned");
    assert!(of_view.unresolved[0].is_guess, "views have no system columns");
}

#[test]
fn what_cannot_be_a_name_and_what_folds_rows_is_refused_at_once() {
    let long = "x".repeat(64);
    for select in ["json_agg", "id:json_agg", long.as_str()] {
        let refused = planned(&format!("/zones?select={select}")).map(|plan| plan.unresolved);
        let code = refused.map_err(|error| base::Failure::from(error).code);
        assert_eq!(code.expect_err("is refused"), "42703", "{select}");
    }
    planned(&format!("/zones?select={}", "x".repeat(63))).expect("is planned");
}

#[test]
fn a_name_is_quoted_and_qualified() {
    let plan = planned("/zones?select=%22a%5C%22,b%22").expect("is planned");
    let text = sql::postgres::render(&plan).expect("is rendered").main.text().to_owned();
    assert!(text.starts_with(r#"SELECT to_json(s0."a"",b") FROM "public"."zones" AS s0"#), "{text}");
}
