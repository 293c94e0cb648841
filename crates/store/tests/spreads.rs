//! What is spread into the row around it, on the embedded engine.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use support::{Fixture, service};

const SCHEMA: &str = "
create table docks (id integer primary key, name text);
create table boats (id integer primary key, dock integer references docks (id), name text);
create table ropes (id integer primary key, boat integer references boats (id), length integer);
grant select on docks, boats, ropes to service_role;
insert into docks values (1, 'north'), (2, 'south'), (3, 'west');
insert into boats values (1, 1, 'Ada'), (2, 2, 'Bo'), (3, 1, 'Cy');
insert into ropes values (1, 1, 10), (2, 1, 20), (3, 3, 30);
";

/// PostgREST makes arrays of the arrays inside: one of each member for every row of the outer spread.
#[tokio::test(flavor = "multi_thread")]
async fn a_spread_of_many_inside_of_another_gives_arrays_of_arrays() {
    let fixture = Fixture::with(SCHEMA).await;
    let nested = "/docks?select=dock:name,...boats(boat:name,...ropes(rope:id,length))&order=id&boats.order=id&boats.ropes.order=id";
    let answer = fixture.ask(&service(), "GET", nested, "", "").await.expect("reads");
    assert_eq!(
        answer.body,
        r#"[{"dock":"north","boat":["Ada","Cy"],"rope":[[1,2],[3]],"length":[[10,20],[30]]},{"dock":"south","boat":["Bo"],"rope":[[]],"length":[[]]},{"dock":"west","boat":[],"rope":[],"length":[]}]"#
    );
    let inside = "/docks?select=boats(...ropes(id,...boats(dock,...ropes(again:id))))&id=eq.1&boats.order=id&boats.ropes.order=id&boats.ropes.boats.ropes.order=id";
    let answer = fixture.ask(&service(), "GET", inside, "", "").await.expect("reads");
    assert_eq!(
        answer.body,
        r#"[{"boats":[{"id":[1,2],"dock":[1,1],"again":[[1,2],[1,2]]},{"id":[3],"dock":[1],"again":[[3]]}]}]"#
    );
}
