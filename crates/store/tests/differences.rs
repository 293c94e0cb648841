//! Where the embedded engine is known to answer otherwise than PostgREST on PostgreSQL: docs/differences.md lists it, this
//! holds it still. A case that fails here may be good news; then it leaves the list.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use support::{Fixture, anon};

/// PostgreSQL's embeds see the rows as they were before the statement, ours as they are after it.
#[tokio::test(flavor = "multi_thread")]
async fn embeds_in_the_answer_of_a_write_see_the_rows_after_it() {
    let fixture = Fixture::corpus().await;
    let url = "/depots?id=in.(1,2)&select=name,parent:parent_id(name)&order=id";
    let answer = fixture.run(&anon(), "PATCH", url, r#"{"name":"new"}"#, "return=representation", false).await;
    assert_eq!(
        answer.expect("updates").body,
        r#"[{"name":"new","parent":null},{"name":"new","parent":{"name":"new"}}]"#
    );
}

/// PostgreSQL's sequence does not know of numbers given by hand; here it goes on after the largest.
#[tokio::test(flavor = "multi_thread")]
async fn identity_goes_on_after_the_largest_number() {
    let fixture = Fixture::corpus().await;
    let prefer = "return=representation";
    fixture.ask(&anon(), "POST", "/tickets", r#"{"id":500,"body":"x"}"#, prefer).await.expect("inserts");
    let next = fixture.ask(&anon(), "POST", "/tickets?select=id", r#"{"body":"y"}"#, prefer).await.expect("inserts");
    assert_eq!(next.body, r#"[{"id":501}]"#);
}

/// A planned count is an estimate on PostgreSQL and exact here.
#[tokio::test(flavor = "multi_thread")]
async fn planned_counts_are_exact() {
    let fixture = Fixture::corpus().await;
    for prefer in ["count=planned", "count=estimated"] {
        let answer = fixture.ask(&anon(), "GET", "/parcels?limit=1", "", prefer).await.expect("reads");
        assert_eq!(answer.ran.total, Some(60), "{prefer}");
    }
}

/// PostgreSQL does not call a function whose rows are cut off by `limit=0`.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_writes_is_called_for_no_row_as_well() {
    let schema = "
        create table items (id integer primary key);
        create function add_item(wanted integer) returns setof items language sql volatile as
          $$ insert into items values (wanted) returning * $$;
        grant select, insert on items to anon;";
    let fixture = Fixture::with(schema).await;
    let answer = fixture.ask(&anon(), "POST", "/rpc/add_item?limit=0", r#"{"wanted":1}"#, "").await.expect("calls");
    assert_eq!(answer.body, "[]");
    assert_eq!(fixture.ask(&anon(), "GET", "/items", "", "").await.expect("reads").body, r#"[{"id":1}]"#);
}
