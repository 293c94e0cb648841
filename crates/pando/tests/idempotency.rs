//! Writes with an `Idempotency-Key` are done once, on both engines: whatever is repeated, whoever is killed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

mod guarded;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use guarded::{Engine, count, keyed, told};
use serde_json::json;
use testkit::fleet::{eventually, metric};
use testkit::{Answer, Chance, Client, Request};

fn post(amount: u64, key: &str) -> Request {
    keyed(Request::json("POST", "/rest/v1/payments", &json!({"amount": amount})).prefer("return=representation"), key)
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

#[test]
fn a_retry_is_answered_byte_for_byte_and_changes_nothing() {
    for engine in Engine::both("a_retry_is_answered_byte_for_byte_and_changes_nothing", "") {
        let server = engine.start();
        let mut client = server.client();
        let mut twice = |request: Request, status: u16| {
            let (first, second) = (client.send(&request), client.send(&request));
            assert_eq!(first.status, status, "{}: {}", engine.name, first.text());
            assert_eq!(told(&first), told(&second), "{}", engine.name);
            assert!(!is_replayed(&first) && is_replayed(&second), "{}", engine.name);
            assert!(second.header("pando-position").is_some() == first.header("pando-position").is_some());
        };
        let json = |method, path: &str, body| Request::json(method, path, &body);
        twice(post(5, "\"one\""), 201);
        twice(keyed(json("POST", "/rest/v1/payments", json!({"amount": 6})).prefer("return=headers-only"), "two"), 201);
        twice(
            keyed(json("POST", "/rest/v1/payments", json!([{"amount": 7}, {"amount": 8}])).prefer("count=exact"), "3"),
            201,
        );
        twice(keyed(json("PATCH", "/rest/v1/accounts?id=eq.1", json!({"value": 9})), "4"), 204);
        twice(keyed(json("PUT", "/rest/v1/accounts?id=eq.7", json!({"id": 7, "value": 1})), "5"), 204);
        twice(keyed(Request::new("DELETE", "/rest/v1/accounts?id=eq.7").prefer("return=representation"), "6"), 200);
        twice(keyed(json("POST", "/rest/v1/rpc/pay", json!({"how_much": 4})), "7"), 204);
        let csv = json("POST", "/rest/v1/payments", json!({"amount": 1})).prefer("return=representation");
        twice(keyed(csv.header("Accept", "text/csv"), "8"), 201);
        assert_eq!(count(&server, "/rest/v1/payments"), 6, "{}", engine.name);
        // Quoted or bare, it is the same key.
        assert!(is_replayed(&server.client().send(&post(5, "one"))));
        // After a start as well.
        server.stop();
        let server = engine.start();
        assert!(is_replayed(&server.client().send(&post(5, "one"))));
        assert_eq!(count(&server, "/rest/v1/payments"), 6, "{}", engine.name);
        assert!(metric(&server, "pando_idempotent_writes_total{outcome=\"replayed\"}") >= 1.0);
    }
}

#[test]
fn a_key_is_of_one_request_and_of_one_caller() {
    for engine in Engine::both("a_key_is_of_one_request_and_of_one_caller", "") {
        let server = engine.start();
        let mut client = server.client();
        let first = client.send(&post(5, "k"));
        assert_eq!(first.status, 201, "{}", first.text());
        for other in [
            post(6, "k"),
            keyed(Request::json("POST", "/rest/v1/payments", &json!({"amount": 5})), "k"),
            keyed(
                Request::json("POST", "/rest/v1/payments?select=id", &json!({"amount": 5}))
                    .prefer("return=representation"),
                "k",
            ),
            keyed(
                Request::json("PATCH", "/rest/v1/payments", &json!({"amount": 5})).prefer("return=representation"),
                "k",
            ),
            post(5, "k").header("Accept", "text/csv"),
        ] {
            let refused = client.send(&other);
            assert_eq!((refused.status, refused.code().as_str()), (422, "PANDO422"), "{}", refused.text());
        }
        let problem = client.send(&post(6, "k").header("Accept", "application/problem+json, application/json"));
        assert_eq!(problem.status, 422);
        assert_eq!(problem.header("content-type"), Some("application/problem+json"));
        // Somebody else's key of the same name is another key; a new token of the same user is the same user's.
        let users = [engine.user(1), engine.user(2)];
        let of = |client: &mut Client, token: &str| client.send(&post(5, "k").bearer(token));
        assert!(users.iter().all(|token| !is_replayed(&of(&mut client, token))));
        assert!(users.iter().all(|token| is_replayed(&of(&mut client, token))));
        assert!(is_replayed(&of(
            &mut client,
            &engine
                .project
                .token(guarded::BINARY, &["--sub", "11111111-1111-4111-8111-111111111111", "--expires", "3h"])
        )));
        assert_eq!(count(&server, "/rest/v1/payments"), 3, "{}", engine.name);
    }
}

#[test]
fn who_may_not_write_any_more_is_not_shown_what_was_answered() {
    for engine in Engine::both("who_may_not_write_any_more_is_not_shown_what_was_answered", "") {
        let server = engine.start();
        let requests = [
            post(5, "one"),
            keyed(Request::json("PATCH", "/rest/v1/accounts?id=eq.1", &json!({"value": 9})), "two"),
            keyed(Request::json("POST", "/rest/v1/rpc/pay", &json!({"how_much": 4})), "three"),
        ];
        let mut client = server.client();
        for request in &requests {
            assert!(!is_replayed(&client.send(request)) && is_replayed(&client.send(request)), "{}", engine.name);
        }
        drop(client);
        let revoked = "revoke insert, select on payments from anon; revoke update on accounts from anon;
            revoke execute on function pay(bigint) from public, anon;";
        let server = match &engine.postgres {
            Some(postgres) => {
                postgres.run(revoked);
                server
            }
            None => {
                server.stop();
                engine.project.write("migrations/0002_revoked.sql", revoked);
                engine.start()
            }
        };
        let mut client = server.client();
        for request in &requests {
            let refused = client.send(request);
            let told = (refused.status, refused.code(), is_replayed(&refused));
            assert_eq!(told, (401, "42501".to_owned(), false), "{} {}", engine.name, refused.text());
        }
    }
}

#[test]
fn answers_have_so_much_room_and_short_ones_more_of_it() {
    for engine in
        Engine::both("answers_have_so_much_room_and_short_ones_more_of_it", "[idempotency]\nmax_kept_mib = 1\n")
    {
        let server = engine.start();
        let mut client = server.client();
        let long = |key: &str| {
            let body = json!({"amount": 3, "note": "x".repeat(200_000)});
            keyed(Request::json("POST", "/rest/v1/payments", &body).prefer("return=representation"), key)
        };
        for key in ["a", "b", "c"] {
            assert_eq!(client.send(&long(key)).status, 201);
        }
        let check = |client: &mut Client| {
            let refused = client.send(&long("d"));
            assert_eq!((refused.status, refused.code().as_str()), (503, "PANDO503"), "{}", refused.text());
            assert!(refused.text().contains("idempotency.max_kept_mib = 1"), "{}", refused.text());
            assert!(refused.header("retry-after").is_some());
            assert!(is_replayed(&client.send(&long("a"))), "what is kept is there");
        };
        check(&mut client);
        assert_eq!(count(&server, "/rest/v1/payments"), 3, "nothing was written");
        assert_eq!(client.send(&post(1, "short")).status, 201);
        // It is known after a start as well.
        drop(client);
        server.stop();
        check(&mut engine.start().client());
    }
}

#[test]
fn what_is_refused_or_only_tried_keeps_no_answer() {
    let more = "[api]\ntransaction_end = \"commit-allow-override\"\n[idempotency]\nmax_answer_bytes = 600\n";
    for engine in Engine::both("what_is_refused_or_only_tried_keeps_no_answer", more) {
        let server = engine.start();
        let mut client = server.client();
        for _ in 0..2 {
            let refused = client.send(&post(0, "a"));
            assert_eq!((refused.status, refused.code().as_str()), (400, "23514"), "{}", refused.text());
        }
        assert_eq!(client.send(&post(1, "a")).status, 201, "a refused write may be tried again with its key");
        for _ in 0..2 {
            let tried = client.send(&post(2, "b").prefer("tx=rollback"));
            assert_eq!(tried.status, 201, "{}", tried.text());
            assert!(!is_replayed(&tried));
        }
        assert_eq!(count(&server, "/rest/v1/payments"), 1);
        let long = json!({"amount": 3, "note": "x".repeat(600)});
        let long = Request::json("POST", "/rest/v1/payments", &long);
        let refused = client.send(&keyed(long.clone().prefer("return=representation"), "c"));
        assert_eq!((refused.status, refused.code().as_str()), (413, "PANDO413"), "{}", refused.text());
        assert_eq!(count(&server, "/rest/v1/payments"), 1, "nothing was written");
        assert_eq!(client.send(&keyed(long, "c")).status, 201);
        for wrong in ["", "\"a", "a b", "\"\"", &"k".repeat(256)] {
            let refused = client.send(&post(1, wrong));
            assert_eq!((refused.status, refused.code().as_str()), (400, "PANDO400"), "{wrong}: {}", refused.text());
        }
        // What only reads needs none.
        assert_eq!(client.send(&keyed(Request::new("GET", "/rest/v1/payments"), "a")).status, 200);
    }
}

#[test]
fn a_key_can_be_required() {
    let more = "[idempotency]\nrequired = [\"/rest/v1/payments\", \"/rest/v1/rpc\"]\n";
    for engine in Engine::both("a_key_can_be_required", more) {
        let server = engine.start();
        let send = |request: &Request| server.client().send(request);
        for path in ["/rest/v1/payments", "/payments", "/rest/v1/pay%6Dents", "/rest/v1/rpc/pay"] {
            let refused = send(&Request::json("POST", path, &json!({"amount": 1})));
            assert_eq!((refused.status, refused.code().as_str()), (400, "PANDO400"), "{path}: {}", refused.text());
        }
        assert_eq!(send(&Request::new("GET", "/rest/v1/payments")).status, 200);
        assert_eq!(send(&Request::json("PATCH", "/rest/v1/accounts?id=eq.1", &json!({"value": 1}))).status, 204);
        assert_eq!(send(&post(1, "k")).status, 201);
    }
}

#[test]
fn of_many_at_once_one_is_done() {
    const KEYS: u64 = 40;
    const CALLERS: usize = 8;
    for engine in Engine::both("of_many_at_once_one_is_done", "") {
        let server = engine.start();
        // Two nodes share a server; a file has one process.
        let other = engine.postgres.is_some().then(|| engine.start());
        let nodes: Vec<SocketAddr> = std::iter::once(&server).chain(&other).map(|node| node.address()).collect();
        let conflicts = AtomicU64::new(0);
        let answers: Mutex<BTreeMap<u64, Vec<_>>> = Mutex::default();
        thread::scope(|scope| {
            for caller in 0..CALLERS {
                let (answers, conflicts, nodes) = (&answers, &conflicts, &nodes);
                scope.spawn(move || {
                    let mut client = Client::new(nodes[caller % nodes.len()]);
                    for key in 0..KEYS {
                        let answer = until_answered(
                            &mut client,
                            &post(key + 1, &format!("key {key}").replace(' ', "-")),
                            conflicts,
                        );
                        answers.lock().unwrap().entry(key).or_default().push(told(&answer));
                    }
                });
            }
        });
        for (key, answers) in answers.into_inner().unwrap() {
            assert_eq!(answers.len(), CALLERS);
            assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 201), "{key}: {answers:?}");
        }
        for key in 0..KEYS {
            assert_eq!(count(&server, &format!("/rest/v1/payments?amount=eq.{}", key + 1)), 1, "{}", engine.name);
        }
        eprintln!("{}: {KEYS} keys, {CALLERS} callers of each, {conflicts:?} times 409", engine.name);
    }
}

/// Asks again as long as the key is at work.
fn until_answered(client: &mut Client, request: &Request, conflicts: &AtomicU64) -> Answer {
    loop {
        let answer = client.send(request);
        if answer.status != 409 {
            return answer;
        }
        assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("PANDO409", Some("1")));
        conflicts.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(1));
    }
}

/// How often a node is killed while clients retry.
const KILLS: u64 = 25;

#[test]
fn a_retry_until_there_is_an_answer_does_it_once_whatever_is_killed() {
    const TEST: &str = "a_retry_until_there_is_an_answer_does_it_once_whatever_is_killed";
    const CLIENTS: u64 = 8;
    for engine in Engine::both(TEST, "") {
        let mut chance = Chance::announced(TEST);
        let launch = engine.launch();
        let mut server = launch.start(&engine.project);
        let address = Arc::new(Mutex::new(server.address()));
        let is_over = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (address, is_over) = (address.clone(), is_over.clone());
                thread::spawn(move || pay_until_over(number, &address, &is_over))
            })
            .collect();
        for round in 0..KILLS {
            thread::sleep(Duration::from_millis(20 + chance.below(200)));
            // On a server sessions are ended as well.
            if let Some(postgres) = engine.postgres.as_ref().filter(|_| round % 2 == 1) {
                postgres.run("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'door'");
            }
            server.kill();
            server = launch.start(&engine.project);
            *address.lock().unwrap() = server.address();
        }
        is_over.store(true, Ordering::Relaxed);
        let done: Vec<(u64, u64)> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        let (payments, retries) = done.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        assert_eq!(count(&server, "/rest/v1/payments"), payments, "{}: every payment once", engine.name);
        let client = &mut server.client();
        for (number, (payments, _)) in (0..).zip(&done) {
            for payment in 0..*payments {
                let note = note(number, payment);
                assert_eq!(
                    client.get(&format!("/rest/v1/payments?select=note&note=eq.{note}")).json(),
                    json!([{"note": note}])
                );
            }
        }
        assert!(retries >= KILLS / 2, "only {retries} retries: the test tests nothing");
        eprintln!("{}: {KILLS} kills, {payments} payments, {retries} of them retried, each done once", engine.name);
    }
}

fn note(client: u64, payment: u64) -> String {
    format!("client-{client}-payment-{payment}")
}

/// Pays one after another, each until there is an answer; gives how many payments these were, and how many of them needed
/// more than one try.
fn pay_until_over(number: u64, address: &Mutex<SocketAddr>, is_over: &AtomicBool) -> (u64, u64) {
    let (mut payments, mut retried) = (0, 0);
    while !is_over.load(Ordering::Relaxed) {
        let note = note(number, payments);
        let body = json!({"amount": 1, "note": note});
        let request = Request::json("POST", "/rest/v1/payments?select=id,note", &body).prefer("return=representation");
        let request = keyed(request, &note);
        let mut tries = 0;
        let answer = loop {
            tries += 1;
            let mut client = Client::new(*address.lock().unwrap());
            match client.try_send(&request) {
                Ok(answer) if answer.status == 201 => break answer,
                // At work still, or the database is just gone.
                Ok(answer) => assert!(matches!(answer.status, 409 | 503), "{} {}", answer.status, answer.text()),
                Err(_gone) => {}
            }
            thread::sleep(Duration::from_millis(2));
        };
        // Whoever asks once more gets that answer, whatever happens meanwhile.
        let mut client = Client::new(*address.lock().unwrap());
        if let Ok(again) = client.try_send(&request)
            && again.status == 201
        {
            assert_eq!(told(&again), told(&answer));
            assert!(is_replayed(&again));
        }
        payments += 1;
        retried += u64::from(tries > 1);
    }
    (payments, retried)
}

const OF_FUNCTIONS: &str = "
create schema evil; grant usage on schema evil to anon;
create function evil.same(bytea, bytea) returns boolean language plpgsql as $$
begin insert into public.notes (id, note) values (66, current_user); return true; end $$;
create operator evil.= (leftarg = bytea, rightarg = bytea, function = evil.same);
create table public.seen (who text, what text); grant insert, select on public.seen to anon;
create function public.odd(how_much bigint) returns bigint language plpgsql as $$
begin
  perform set_config('search_path', 'evil, pg_catalog, public', true);
  insert into public.payments (amount) values (how_much);
  perform set_config('role', 'authenticated', true);
  return how_much;
end $$;
create function public.slow(seconds float8) returns bigint language plpgsql as $$
begin insert into public.payments (amount) values (77); perform pg_sleep(seconds); return 77; end $$;
create function public.late() returns trigger language plpgsql as $$
begin insert into public.seen values (current_user, tg_op); return null; end $$;
create table public.deferred (id bigint primary key); grant select, insert on public.deferred to anon;
create constraint trigger deferred_late after insert on public.deferred deferrable initially deferred
  for each row execute function public.late();
create table public.pairs (id bigint primary key, other bigint references public.pairs deferrable initially deferred);
grant select, insert on public.pairs to anon;
";

#[test]
fn no_role_of_requests_has_anything_to_do_with_the_table() {
    let Some(engine) = Engine::server("no_role_of_requests_has_anything_to_do_with_the_table", "") else { return };
    let postgres = engine.postgres.as_ref().unwrap();
    let server = engine.start();
    postgres.run(OF_FUNCTIONS);
    postgres.run("notify pgrst, 'reload schema'");
    let send = |request: &Request| server.client().send(request);
    eventually("the functions are known", Duration::from_secs(30), || {
        send(&Request::new("GET", "/rest/v1/seen")).status == 200
    });
    let has = postgres.run("select count(*) from unnest('{anon,authenticated}'::text[]) role, unnest('{select,insert,update,delete}'::text[]) what
                            where has_table_privilege(role, 'pando.idempotency', what)");
    assert_eq!(has.trim(), "0");
    // What a function leaves behind for the transaction decides nothing of what is kept.
    let odd = keyed(Request::json("POST", "/rest/v1/rpc/odd", &json!({"how_much": 3})), "odd");
    for is_second in [false, true] {
        let answer = send(&odd);
        assert_eq!((answer.status, answer.text().as_str()), (200, "3"));
        assert_eq!(is_replayed(&answer), is_second);
    }
    assert_eq!(postgres.run("select count(*) from notes").trim(), "0", "an operator of the schema's own was asked");
    // What comes at the end of the transaction is done as who asked.
    let answer = send(&keyed(Request::json("POST", "/rest/v1/deferred", &json!({"id": 1})), "late"));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(postgres.run("select who, what from seen").trim(), "anon|INSERT");
    let refused = send(&keyed(Request::json("POST", "/rest/v1/pairs", &json!({"id": 1, "other": 2})), "pair"));
    assert_eq!((refused.status, refused.code().as_str()), (409, "23503"), "{}", refused.text());
    assert_eq!(postgres.run("select count(*) from pando.idempotency").trim(), "2");
}

#[test]
fn who_comes_while_it_is_done_is_told_so() {
    let Some(engine) = Engine::server("who_comes_while_it_is_done_is_told_so", "") else { return };
    let postgres = engine.postgres.as_ref().unwrap();
    let nodes = [engine.start(), engine.start()];
    postgres.run(OF_FUNCTIONS);
    postgres.run("notify pgrst, 'reload schema'");
    for node in &nodes {
        eventually("the functions are known", Duration::from_secs(30), || node.get("/rest/v1/seen").status == 200);
    }
    let request = keyed(Request::json("POST", "/rest/v1/rpc/slow", &json!({"seconds": 3})), "slow");
    thread::scope(|scope| {
        let first = scope.spawn(|| nodes[0].client().send(&request));
        eventually("it is being done", Duration::from_secs(30), || {
            postgres.run("select count(*) from pg_stat_activity where wait_event = 'PgSleep'").trim() == "1"
        });
        for node in &nodes {
            let refused = node.client().send(&request);
            assert_eq!((refused.status, refused.code().as_str()), (409, "PANDO409"), "{}", refused.text());
            assert_eq!(refused.header("retry-after"), Some("1"));
        }
        let first = first.join().unwrap();
        assert_eq!(first.status, 200, "{}", first.text());
        let replayed = nodes[1].client().send(&request);
        assert!(is_replayed(&replayed));
        assert_eq!(told(&first), told(&replayed));
    });
    assert_eq!(count(&nodes[0], "/rest/v1/payments"), 1);
}

#[test]
fn where_nothing_can_be_kept_a_key_is_refused_and_switched_off_it_is_ignored() {
    let Some(engine) = Engine::server("where_nothing_can_be_kept_a_key_is_refused_and_switched_off_it_is_ignored", "")
    else {
        return;
    };
    let server = engine.launch().variable("PANDO_IDEMPOTENCY_ENABLED", "auto").start(&engine.project);
    let refused = server.client().send(&post(1, "k"));
    assert_eq!((refused.status, refused.code().as_str()), (400, "PANDO400"), "{}", refused.text());
    assert!(refused.text().contains("idempotency.enabled"), "{}", refused.text());
    assert_eq!(count(&server, "/rest/v1/payments"), 0);
    server.stop();
    let server = engine.launch().variable("PANDO_IDEMPOTENCY_ENABLED", "off").start(&engine.project);
    for _ in 0..2 {
        assert_eq!(server.client().send(&post(1, "k")).status, 201);
    }
    assert_eq!(count(&server, "/rest/v1/payments"), 2);
}
