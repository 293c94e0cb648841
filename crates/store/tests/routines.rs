//! Functions on the embedded engine: whose rights hold inside of them, and what they give.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use support::{ALICE, BOB, Fixture, anon, migration, service, user};

const SCHEMA: &str = "
create table rooms (id int primary key, name text not null);
create table members (room_id int not null references rooms (id), member uuid not null, primary key (room_id, member));
create table notes (
  id int primary key, room_id int references rooms (id), author uuid not null default auth.uid(), body text not null,
  stars int not null default 0 check (stars >= 0)
);
insert into rooms values (1, 'one'), (2, 'two');
insert into members values (1, '11111111-1111-4111-8111-111111111111'), (2, '22222222-2222-4222-8222-222222222222');
insert into notes values
  (1, 1, '11111111-1111-4111-8111-111111111111', 'a', 0), (2, 2, '22222222-2222-4222-8222-222222222222', 'b', 5),
  (3, 2, '22222222-2222-4222-8222-222222222222', 'c', 7);
alter table members enable row level security;
alter table notes enable row level security;
grant select on rooms to authenticated;
grant select, insert, update, delete on notes to authenticated;
grant select on notes to service_role;

create function is_member(room int) returns boolean language sql stable security definer set search_path = '' as
  $$ select exists (select 1 from public.members m where m.room_id = room and m.member = auth.uid()) $$;
create policy in_room on notes to authenticated using (is_member(room_id)) with check (is_member(room_id));

create function mine() returns setof notes language sql stable as $$ select * from notes $$;
create function everything() returns setof notes language sql stable security definer as $$ select * from notes $$;
create function how_many() returns bigint language sql stable as $$ select count(*) from notes $$;
create function first_body() returns text language sql stable as $$ select body from notes order by id $$;
create function page(size int default null, skip int default 0) returns setof int language sql stable security definer as
  $$ select id from notes order by id limit size offset skip $$;
create function strictly(a int, b int) returns int language sql immutable strict as $$ select coalesce(a, 0) + coalesce(b, 0) $$;
create function strict_rows(a int) returns setof rooms language sql stable strict as $$ select * from rooms $$;
create function add_note(id int, room int, body text) returns notes language sql as
  $$ insert into notes (id, room_id, body) values (id, room, body) returning * $$;
create function star(note int, by int default 1) returns int language sql as
  $$ update notes set stars = stars + by where id = note returning stars $$;
create function star_as_owner(note int) returns int language sql security definer as
  $$ update notes set stars = stars + 1 where id = note returning stars $$;
create function put_note(id int, room int, body text) returns void language sql as
  $$ insert into notes (id, room_id, body) values (id, room, body) on conflict (id) do update set body = excluded.body $$;
create function move_all(source int, target int) returns bigint language sql as
  $$ update notes set room_id = target where room_id = source; select count(*) from notes where room_id = target $$;
create function wipe() returns setof int language sql as $$ delete from notes returning id $$;
create function copy_notes(shift int) returns bigint language sql security definer as
  $$ insert into notes (id, room_id, author, body) select id + shift, room_id, author, body from notes;
     select count(*) from notes $$;
create function twice(n int) returns int language sql immutable as $$ select n * 2 $$;
create function four_times(n int) returns int language sql immutable as $$ select twice(twice(n)) $$;
create view starred as select id, four_times(stars) as score from notes;
grant select on starred to authenticated;
create function secret() returns text language sql stable security definer as $$ select 'x' $$;
revoke execute on function secret from public;
grant execute on function secret to service_role;
create view with_secret as select secret() as s;
grant select on with_secret to authenticated, service_role;
create view over_secret as select s from with_secret;
create function around_secret() returns text language sql stable as $$ select secret() $$;
create view with_around as select around_secret() as s;
create function through_view() returns text language sql stable as $$ select s from over_secret $$;
create table kept (id int primary key, n int);
create function kept_through_view() returns text language sql as
  $$ update kept set n = 0 where id = 1 returning (select s from with_secret) $$;
insert into kept values (1, 1);
create table guarded (s text primary key);
insert into guarded values ('x');
alter table guarded enable row level security;
create policy by_view on guarded for select using (exists (select 1 from with_secret w where w.s = guarded.s));
grant select on over_secret, with_around, kept, guarded to authenticated, service_role;
grant update on kept to authenticated, service_role;
create function uses_secret() returns text language sql stable as $$ select secret() $$;
create function owner_uses_secret() returns text language sql stable security definer as $$ select secret() $$;
";

async fn fixture() -> Fixture {
    Fixture::with(SCHEMA).await
}

/// The body, or the code of the refusal.
async fn call(fixture: &Fixture, caller: &base::Caller, method: &str, url: &str, body: &str) -> String {
    match fixture.ask(caller, method, url, body, "").await {
        Ok(answer) => answer.body,
        Err(failure) => format!("{} {}", failure.code, failure.message),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_s_rights_hold_inside_unless_it_says_otherwise() {
    let fixture = fixture().await;
    for (caller, mine, count) in [(user(ALICE), "[{\"id\":1}]", "1"), (user(BOB), "[{\"id\":2},{\"id\":3}]", "2")] {
        assert_eq!(call(&fixture, &caller, "GET", "/rpc/mine?select=id&order=id", "").await, mine);
        assert_eq!(call(&fixture, &caller, "GET", "/rpc/how_many", "").await, count);
        let all = call(&fixture, &caller, "GET", "/rpc/everything?select=id&order=id", "").await;
        assert_eq!(all, "[{\"id\":1},{\"id\":2},{\"id\":3}]");
    }
    // No policy and no privilege: what the function reads is refused as if it had been asked for.
    let denied = call(&fixture, &anon(), "GET", "/rpc/mine", "").await;
    assert_eq!(denied, "42501 permission denied for table notes");
    assert_eq!(call(&fixture, &service(), "GET", "/rpc/everything?select=count()", "").await, "[{\"count\":3}]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_may_ask_a_function_that_reads_what_the_caller_may_not() {
    let fixture = fixture().await;
    // `members` has row security without a policy and no grants: nobody sees it but the function.
    assert_eq!(call(&fixture, &user(BOB), "GET", "/notes?select=id&order=id", "").await, "[{\"id\":2},{\"id\":3}]");
    let body = r#"{"id":9,"room_id":1,"body":"x"}"#;
    let refused = call(&fixture, &user(BOB), "POST", "/notes", body).await;
    assert_eq!(refused, "42501 new row violates row-level security policy for table \"notes\"");
    assert_eq!(call(&fixture, &user(ALICE), "POST", "/notes", body).await, "");
    let members = call(&fixture, &user(ALICE), "GET", "/members", "").await;
    assert_eq!(members, "42501 permission denied for table members");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_outcome_there_always_is() {
    let fixture = fixture().await;
    assert_eq!(call(&fixture, &user(BOB), "GET", "/rpc/first_body", "").await, "\"b\"");
    let stranger = user("33333333-3333-4333-8333-333333333333");
    assert_eq!(call(&fixture, &stranger, "GET", "/rpc/first_body", "").await, "null");
    assert_eq!(call(&fixture, &stranger, "POST", "/rpc/star", r#"{"note":1}"#).await, "null");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_may_be_arguments() {
    let fixture = fixture().await;
    let caller = user(ALICE);
    assert_eq!(call(&fixture, &caller, "GET", "/rpc/page", "").await, "[1,2,3]");
    assert_eq!(call(&fixture, &caller, "GET", "/rpc/page?size=1&skip=1", "").await, "[2]");
    assert_eq!(call(&fixture, &caller, "GET", "/rpc/page?size=0", "").await, "[]");
    assert_eq!(call(&fixture, &caller, "GET", "/rpc/page?size=-1", "").await, "2201W LIMIT must not be negative");
    assert_eq!(call(&fixture, &caller, "GET", "/rpc/page?skip=-1", "").await, "2201X OFFSET must not be negative");
    assert_eq!(call(&fixture, &caller, "GET", "/rpc/page?limit=2&offset=1", "").await, "[2,3]");
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_functions_do_not_run_on_null() {
    let fixture = fixture().await;
    let caller = user(ALICE);
    assert_eq!(call(&fixture, &caller, "POST", "/rpc/strictly", r#"{"a":1,"b":null}"#).await, "null");
    assert_eq!(call(&fixture, &caller, "POST", "/rpc/strictly", r#"{"a":1,"b":2}"#).await, "3");
    assert_eq!(call(&fixture, &caller, "POST", "/rpc/strict_rows", r#"{"a":null}"#).await, "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn writing_functions_obey_row_security_and_constraints() {
    let fixture = fixture().await;
    let (alice, bob) = (user(ALICE), user(BOB));
    let mine = call(&fixture, &alice, "POST", "/rpc/add_note?select=id,body", r#"{"id":10,"room":1,"body":"n"}"#).await;
    assert_eq!(mine, r#"{"id":10,"body":"n"}"#);
    let foreign = call(&fixture, &alice, "POST", "/rpc/add_note", r#"{"id":11,"room":2,"body":"n"}"#).await;
    assert_eq!(foreign, "42501 new row violates row-level security policy for table \"notes\"");
    // A row that exists is told of only to who could have written it.
    let twice = call(&fixture, &alice, "POST", "/rpc/add_note", r#"{"id":10,"room":1,"body":"n"}"#).await;
    assert_eq!(twice, "23505 duplicate key value violates unique constraint \"notes_pkey\"");
    let hidden = call(&fixture, &alice, "POST", "/rpc/add_note", r#"{"id":2,"room":2,"body":"n"}"#).await;
    assert_eq!(hidden, "42501 new row violates row-level security policy for table \"notes\"");
    assert_eq!(call(&fixture, &bob, "POST", "/rpc/star", r#"{"note":2}"#).await, "6");
    assert_eq!(call(&fixture, &alice, "POST", "/rpc/star", r#"{"note":2}"#).await, "null");
    assert_eq!(call(&fixture, &alice, "POST", "/rpc/star_as_owner", r#"{"note":2}"#).await, "7");
    let check = call(&fixture, &bob, "POST", "/rpc/star", r#"{"note":2,"by":-100}"#).await;
    assert_eq!(check, "23514 new row for relation \"notes\" violates check constraint \"notes_stars_check\"");
    assert_eq!(
        call(&fixture, &alice, "GET", "/rpc/star?note=1", "").await,
        "25006 cannot execute UPDATE in a read-only transaction"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn several_statements_are_one_transaction() {
    let fixture = fixture().await;
    let bob = user(BOB);
    // The second room is his, the first is not: nothing moves.
    let refused = call(&fixture, &bob, "POST", "/rpc/move_all", r#"{"source":2,"target":1}"#).await;
    assert_eq!(refused, "42501 new row violates row-level security policy for table \"notes\"");
    assert_eq!(call(&fixture, &bob, "POST", "/rpc/move_all", r#"{"source":2,"target":2}"#).await, "2");
    assert_eq!(call(&fixture, &bob, "POST", "/rpc/copy_notes", r#"{"shift":100}"#).await, "6");
    assert_eq!(call(&fixture, &bob, "POST", "/rpc/put_note", r#"{"id":2,"room":2,"body":"new"}"#).await, "");
    assert_eq!(call(&fixture, &bob, "GET", "/notes?id=eq.2&select=body", "").await, r#"[{"body":"new"}]"#);
    assert_eq!(call(&fixture, &bob, "POST", "/rpc/wipe?order=pgrst_scalar.desc&limit=2", "{}").await, "[103,102]");
    assert_eq!(call(&fixture, &service(), "GET", "/notes?select=id&order=id", "").await, r#"[{"id":1},{"id":101}]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_in_views_follow_their_definition() {
    let fixture = fixture().await;
    let url = "/starred?id=eq.2";
    assert_eq!(call(&fixture, &user(ALICE), "GET", url, "").await, r#"[{"id":2,"score":20}]"#);
    let text = "create or replace function twice(n int) returns int language sql immutable as $$ select n * 3 $$;";
    let change = migration(2, text, &*fixture.store);
    fixture.store.apply_migration(change).await.expect("applies");
    assert_eq!(call(&fixture, &user(ALICE), "GET", url, "").await, r#"[{"id":2,"score":45}]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_call_a_function_may_not_by_detours() {
    let fixture = fixture().await;
    let denied = "42501 permission denied for function secret";
    let urls = [
        "/rpc/secret",
        "/with_secret",
        "/over_secret",
        "/with_around",
        "/rpc/uses_secret",
        "/rpc/through_view",
        "/guarded",
    ];
    for url in urls {
        assert_eq!(call(&fixture, &user(ALICE), "GET", url, "").await, denied, "{url}");
        assert!(call(&fixture, &service(), "GET", url, "").await.contains("\"x\""), "{url}");
    }
    assert_eq!(call(&fixture, &user(ALICE), "POST", "/rpc/kept_through_view", "{}").await, denied);
    assert_eq!(call(&fixture, &user(ALICE), "GET", "/rpc/owner_uses_secret", "").await, "\"x\"");
}

/// Bodies inside of one another may neither grow nor deepen without bound: the stack and the time of a request are.
#[test]
fn functions_inside_of_one_another_are_bounded() {
    let translate = |text: &str| sql::ddl::translate("m.sql", text, &sql::ddl::prelude());
    let int = "returns int language sql immutable as";
    let doubled = format!("create function d(a int) {int} $$ select a + a $$;");
    let nested = |times: usize| format!("{}a{}", "d(".repeat(times), ")".repeat(times));
    assert!(translate(&format!("{doubled} create function f(a int) {int} $$ select {} $$;", nested(6))).is_ok());
    assert!(translate(&format!("{doubled} create function f(a int) {int} $$ select {} $$;", nested(26))).is_err());
    let chain = |length: usize| {
        let mut text = format!("create table t (id int, n int); create function f0(a int) {int} $$ select a $$;");
        for number in 1..=length {
            text += &format!(
                "create function f{number}(a int) returns int language sql stable security definer as
                 $$ select f{}(n) + a from t where id = a $$;",
                number - 1
            );
        }
        text
    };
    assert!(translate(&chain(15)).is_ok());
    assert!(translate(&chain(200)).is_err());
    let assigned = "new.n := new.n + new.n;".repeat(26);
    let trigger = format!(
        "create table t (id int, n int); create function f() returns trigger language plpgsql as $$ begin {assigned} return new; end $$;
         create trigger f before insert on t for each row execute function f();"
    );
    assert!(translate(&trigger).is_err());
}
