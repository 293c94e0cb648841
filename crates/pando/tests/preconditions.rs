//! Writes with `If-Match` and `If-None-Match`: what the client saw still counts, or nothing is written, on both engines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

mod guarded;

use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use guarded::{Engine, count, keyed};
use serde_json::{Value, json};
use testkit::fleet::metric;
use testkit::{Answer, Client, Request};

const ACCOUNT: &str = "/rest/v1/accounts?id=eq.1";

fn tag(client: &mut Client, path: &str) -> String {
    let answer = client.get(path);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("etag").expect("an entity tag").to_owned()
}

fn patch(path: &str, body: &Value, tag: &str) -> Request {
    Request::json("PATCH", path, body).header("If-Match", tag)
}

fn refused(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (412, "PANDO412"), "{}", answer.text());
}

#[test]
fn of_two_that_saw_the_same_one_changes_it() {
    for engine in Engine::both("of_two_that_saw_the_same_one_changes_it", "") {
        let server = engine.start();
        let client = &mut server.client();
        let seen = tag(client, ACCOUNT);
        let first = client.send(&patch(ACCOUNT, &json!({"value": 1}), &seen));
        assert_eq!(first.status, 204, "{}", first.text());
        refused(&client.send(&patch(ACCOUNT, &json!({"value": 2}), &seen)));
        refused(&client.send(&Request::new("DELETE", ACCOUNT).header("If-Match", &seen)));
        refused(&client.send(&Request::json("PUT", ACCOUNT, &json!({"id": 1, "value": 3})).header("If-Match", &seen)));
        assert_eq!(client.get(ACCOUNT).json()[0]["value"], 1);
        assert_eq!(metric(&server, "pando_preconditions_failed_total"), 3.0, "{}", engine.name);
        // The new tag counts, also among others, and that of a coding stands for the same content.
        let seen = tag(client, ACCOUNT);
        let answer = client.send(&patch(ACCOUNT, &json!({"value": 5}), &format!("\"other\", {seen}")));
        assert_eq!(answer.status, 204, "{}", answer.text());
        let seen = tag(client, ACCOUNT);
        let coded = format!("{}-gz\"", seen.trim_end_matches('"'));
        assert_eq!(client.send(&patch(ACCOUNT, &json!({"value": 6}), &coded)).status, 204);
        let seen = tag(client, ACCOUNT);
        refused(&client.send(&patch(ACCOUNT, &json!({"value": 7}), &format!("W/{seen}"))));
        refused(&client.send(&patch(ACCOUNT, &json!({"value": 7}), "nonsense")));
        let put = Request::json("PUT", ACCOUNT, &json!({"id": 1, "value": 8})).header("If-Match", &seen);
        let answer = client.send(&put.prefer("return=representation"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = tag(client, ACCOUNT);
        let gone = client.send(&Request::new("DELETE", ACCOUNT).header("If-Match", &seen));
        assert_eq!(gone.status, 204, "{}", gone.text());
    }
}

#[test]
fn the_read_is_the_get_of_the_same_url() {
    for engine in Engine::both("the_read_is_the_get_of_the_same_url", "") {
        let server = engine.start();
        let client = &mut server.client();
        let narrow = "/rest/v1/accounts?id=eq.1&select=id,owner,entries(text)";
        let seen = tag(client, narrow);
        // What is not in it may change; what is embedded may not.
        assert_eq!(client.send(&Request::json("PATCH", ACCOUNT, &json!({"value": 40}))).status, 204);
        assert_eq!(client.send(&patch(narrow, &json!({"value": 41}), &seen)).status, 204);
        let made = client.send(&Request::json("POST", "/rest/v1/entries", &json!({"account": 1, "text": "a"})));
        assert_eq!(made.status, 201, "{}", made.text());
        refused(&client.send(&patch(narrow, &json!({"value": 42}), &seen)));
        // Accept and the count are the client's.
        let (accept, prefer) = ("application/vnd.pgrst.object+json", "count=exact");
        let get = Request::new("GET", ACCOUNT).header("Accept", accept).prefer(prefer);
        let seen = client.send(&get).header("etag").unwrap().to_owned();
        refused(&client.send(&patch(ACCOUNT, &json!({"value": 43}), &seen)));
        let same = patch(ACCOUNT, &json!({"value": 43}), &seen).header("Accept", accept).prefer(prefer);
        assert_eq!(client.send(&same).status, 204);
        // A list; and where there is no single row, there is no tag.
        let list = "/rest/v1/accounts?order=id";
        let seen = tag(client, list);
        let added = Request::json("POST", list, &json!({"id": 9, "value": 0})).header("If-Match", &seen);
        assert_eq!(client.send(&added).status, 201);
        refused(&client.send(&Request::json("POST", list, &json!({"id": 10, "value": 0})).header("If-Match", &seen)));
        let none = "/rest/v1/accounts?id=eq.77";
        refused(&client.send(&patch(none, &json!({"value": 1}), &seen).header("Accept", accept)));
        let call = Request::json("POST", "/rest/v1/rpc/pay", &json!({"how_much": 1})).header("If-Match", "\"a\"");
        assert_eq!(client.send(&call).status, 400);
        assert_eq!(count(&server, "/rest/v1/payments"), 0);
    }
}

#[test]
fn whether_there_is_something() {
    for engine in Engine::both("whether_there_is_something", "") {
        let server = engine.start();
        let client = &mut server.client();
        let new = "/rest/v1/accounts?id=eq.5";
        let put = |value: u64| Request::json("PUT", new, &json!({"id": 5, "value": value}));
        refused(&client.send(&put(1).header("If-Match", "*")));
        assert_eq!(client.send(&put(2).header("If-None-Match", "*")).status, 204);
        refused(&client.send(&put(3).header("If-None-Match", "*")));
        assert_eq!(client.get(new).json()[0]["value"], 2);
        let changed = client.send(&put(4).header("If-Match", "*"));
        assert!(matches!(changed.status, 200 | 204), "{}", changed.text());
        refused(&client.send(&patch("/rest/v1/accounts?id=eq.66", &json!({"value": 1}), "*")));
        assert_eq!(client.send(&patch("/rest/v1/accounts", &json!({"owner": "all"}), "*")).status, 204);
        let seen = tag(client, new);
        refused(&client.send(&put(5).header("If-None-Match", &seen)));
        // There is no date that a row was changed at: nothing can be said by one (RFC 9110 section 13.1.4).
        let dated = Request::json("PATCH", new, &json!({"value": 6}));
        assert_eq!(client.send(&dated.header("If-Unmodified-Since", "Mon, 06 Nov 2000 08:49:37 GMT")).status, 204);
    }
}

#[test]
fn what_a_get_does_not_show_is_not_written() {
    for engine in Engine::both("what_a_get_does_not_show_is_not_written", "[api]\nmax_rows = 3\n") {
        let server = engine.start();
        let client = &mut server.client();
        let add = |client: &mut Client, id: u64| {
            let added = Request::json("POST", "/rest/v1/accounts", &json!({"id": id, "value": 7}));
            assert_eq!(client.send(&added).status, 201);
        };
        (11..=13).for_each(|id| add(client, id));
        let some = "/rest/v1/accounts?value=eq.7";
        let seen = tag(client, some);
        let changed = client.send(&patch(some, &json!({"owner": "all of three"}), &seen));
        assert_eq!(changed.status, 204, "{}", changed.text());
        add(client, 14);
        let seen = tag(client, some);
        for condition in ["If-Match", "If-None-Match"] {
            let value = if condition == "If-Match" { &seen } else { "\"other\"" };
            let answer = client.send(&Request::new("DELETE", some).header(condition, value));
            refused(&answer);
            assert!(answer.text().contains("api.max_rows"), "{}", answer.text());
        }
        for part in ["&limit=1", "&offset=1", "&order=id&limit=2&offset=1", "&select=*,entries!inner(*)"] {
            for value in [&seen, "*"] {
                let answer = client.send(&Request::new("DELETE", &format!("{some}{part}")).header("If-Match", value));
                assert_eq!((answer.status, answer.code().as_str()), (400, "PANDO400"), "{part} {}", answer.text());
            }
        }
        assert_eq!(count(&server, some), 4, "{}", engine.name);
        // Of what is embedded nothing is written.
        let one = "/rest/v1/accounts?id=eq.14&select=*,entries(*)&entries.limit=1";
        let seen = tag(client, one);
        assert_eq!(client.send(&Request::new("DELETE", one).header("If-Match", &seen)).status, 204);
        assert_eq!(client.send(&patch(some, &json!({"owner": "any"}), "*")).status, 204);
    }
}

#[test]
fn what_is_compared_is_paid_for() {
    for engine in Engine::both("what_is_compared_is_paid_for", "[limits]\nmax_query_cost = 12\n") {
        let server = engine.start();
        let client = &mut server.client();
        let dear = "/rest/v1/accounts?select=*,a:entries(*),b:entries(*),c:entries(*)";
        let add = Request::json("POST", dear, &json!({"id": 9, "value": 0}));
        for request in [Request::new("GET", dear), add.clone().header("If-Match", "\"any\"")] {
            let answer = client.send(&request);
            assert_eq!((answer.status, answer.code().as_str()), (413, "PANDO413"), "{}", answer.text());
        }
        assert_eq!(client.send(&add).status, 201, "{}", engine.name);
        let row = "/rest/v1/accounts?id=eq.9";
        let seen = tag(client, row);
        assert_eq!(client.send(&Request::new("DELETE", row).header("If-Match", &seen)).status, 204);
    }
}

/// Whoever may read it waits for a hundred million rows.
const SLOW: &str = "
create table digits (digit bigint primary key);
insert into digits values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
create table slow (id bigint primary key);
insert into slow values (1);
alter table slow enable row level security;
create policy seen on slow for select using ((select count(*) from digits a cross join digits b cross join digits c cross join digits d
  cross join digits e cross join digits f cross join digits g cross join digits h) > id);
create policy added on slow for insert with check (true);
grant select on digits to anon;
grant select, insert on slow to anon;
";

#[test]
fn in_a_file_what_is_compared_keeps_nobody_waiting() {
    let engine = Engine::file("");
    engine.project.write("migrations/0002_slow.sql", SLOW);
    let server = engine.start();
    let client = &mut server.client();
    let add = Request::json("POST", "/rest/v1/slow", &json!({"id": 2}));
    let answer = client.send(&add.clone().header("If-Match", "\"any\""));
    assert_eq!((answer.status, answer.code().as_str()), (413, "PANDO413"), "{}", answer.text());
    // The rest of it is bound as any other write is.
    assert_eq!(client.send(&add).status, 201);
}

#[test]
fn of_many_that_create_the_same_one_does() {
    for engine in Engine::both("of_many_that_create_the_same_one_does", "") {
        let server = engine.start();
        let address = server.address();
        for id in 100..110 {
            let barrier = Barrier::new(6);
            let statuses: Vec<u16> = thread::scope(|scope| {
                let put = |value: u64| {
                    let barrier = &barrier;
                    move || {
                        let path = format!("/rest/v1/accounts?id=eq.{id}");
                        let body = json!({"id": id, "value": value});
                        barrier.wait();
                        until_told(
                            &mut Client::new(address),
                            &Request::json("PUT", &path, &body).header("If-None-Match", "*"),
                        )
                        .status
                    }
                };
                let running: Vec<_> = (0..6).map(|value| scope.spawn(put(value))).collect();
                running.into_iter().map(|one| one.join().unwrap()).collect()
            });
            let made = statuses.iter().filter(|status| **status != 412).count();
            assert_eq!(made, 1, "{}: {statuses:?}", engine.name);
        }
    }
}

/// Asks again where the database was too busy to say.
fn until_told(client: &mut Client, request: &Request) -> Answer {
    loop {
        let answer = client.send(request);
        if answer.status != 503 {
            return answer;
        }
    }
}

#[test]
fn a_thousand_increments_lose_nothing() {
    const CLIENTS: u64 = 8;
    const EACH: u64 = 125;
    for engine in Engine::both("a_thousand_increments_lose_nothing", "") {
        let server = engine.start();
        let other = engine.postgres.is_some().then(|| engine.start());
        let nodes: Vec<SocketAddr> = std::iter::once(&server).chain(&other).map(|node| node.address()).collect();
        let lost = AtomicU64::new(0);
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (nodes, lost) = (&nodes, &lost);
                scope.spawn(move || {
                    let mut client = Client::new(nodes[usize::try_from(client).unwrap() % nodes.len()]);
                    for _ in 0..EACH {
                        increment(&mut client, lost);
                    }
                });
            }
        });
        assert_eq!(server.get(ACCOUNT).json()[0]["value"], CLIENTS * EACH, "{}", engine.name);
        let lost = lost.into_inner();
        assert!(lost > 0, "nobody met anybody: the test tests nothing");
        eprintln!("{}: {} increments, {lost} times 412", engine.name, CLIENTS * EACH);
    }
}

/// Adds one to what is there, by reading it and writing it back.
fn increment(client: &mut Client, lost: &AtomicU64) {
    loop {
        let seen = client.get(ACCOUNT);
        let value = seen.json()[0]["value"].as_u64().unwrap();
        let written = until_told(client, &patch(ACCOUNT, &json!({"value": value + 1}), seen.header("etag").unwrap()));
        match written.status {
            204 => return,
            412 => lost.fetch_add(1, Ordering::Relaxed),
            other => panic!("{other}: {}", written.text()),
        };
    }
}

#[test]
fn of_two_that_read_what_the_other_writes_one_is_kept() {
    for engine in Engine::both("of_two_that_read_what_the_other_writes_one_is_kept", "") {
        let server = engine.start();
        let address = server.address();
        let client = &mut server.client();
        // Each adds a row to the list only where it sees that the other one has not: their rows do not touch.
        for round in 0..15 {
            let list = format!("/rest/v1/accounts?value=eq.{}", 1_000 + round);
            let seen = tag(client, &list);
            let barrier = Barrier::new(2);
            let statuses: Vec<u16> = thread::scope(|scope| {
                let add = |id: u64| {
                    let (barrier, list, seen) = (&barrier, &list, &seen);
                    move || {
                        let body = json!({"id": 10_000 + round * 2 + id, "value": 1_000 + round});
                        let request = Request::json("POST", list, &body).header("If-Match", seen);
                        barrier.wait();
                        until_told(&mut Client::new(address), &request).status
                    }
                };
                let running = [0, 1].map(|id| scope.spawn(add(id)));
                running.into_iter().map(|one| one.join().unwrap()).collect()
            });
            let mut sorted = statuses;
            sorted.sort_unstable();
            assert_eq!(sorted, [201, 412], "{}", engine.name);
        }
    }
}

#[test]
fn a_condition_shows_nothing_that_a_read_would_not() {
    for engine in Engine::both("a_condition_shows_nothing_that_a_read_would_not", "") {
        let server = engine.start();
        let client = &mut server.client();
        // Row security shows no row of it, so nothing is there.
        refused(&client.send(&patch("/rest/v1/notes?id=eq.1", &json!({"note": "x"}), "*")));
        let unknown = client.send(&patch("/rest/v1/accounts?nothing=eq.1", &json!({"value": 1}), "*"));
        assert_eq!(unknown.status, 400, "{}", unknown.text());
    }
}

#[test]
fn a_condition_and_a_key_go_together() {
    for engine in Engine::both("a_condition_and_a_key_go_together", "") {
        let server = engine.start();
        let client = &mut server.client();
        let seen = tag(client, ACCOUNT);
        let request = keyed(patch(ACCOUNT, &json!({"value": 11}), &seen), "both");
        assert_eq!(client.send(&request).status, 204);
        // It was done: the retry is told so, though what it saw is no more.
        let again = client.send(&request);
        assert_eq!((again.status, again.header("idempotency-replayed")), (204, Some("true")));
        let late = keyed(patch(ACCOUNT, &json!({"value": 12}), &seen), "late");
        refused(&client.send(&late));
        refused(&client.send(&late));
        assert_eq!(client.get(ACCOUNT).json()[0]["value"], 11);
    }
}
