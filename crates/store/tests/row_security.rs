//! Row security on the embedded engine: a matrix of commands against who owns what, over the corpus's memos.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use support::{ALICE, BOB, Fixture, anon, service, user};

const FULL: &str = "return=representation";

/// The ids that a read gives.
async fn ids(fixture: &Fixture, caller: &base::Caller, url: &str) -> Vec<i64> {
    let body = fixture.ask(caller, "GET", url, "", "").await.expect(url).body;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&body).expect("JSON");
    rows.iter().filter_map(|row| row.get("id").and_then(serde_json::Value::as_i64)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_their_own_and_what_is_shared() {
    let fixture = Fixture::corpus().await;
    let url = "/memos?select=id&order=id";
    assert_eq!(ids(&fixture, &user(ALICE), url).await, [1, 2, 4, 5]);
    assert_eq!(ids(&fixture, &user(BOB), url).await, [2, 3, 4]);
    assert_eq!(ids(&fixture, &anon(), url).await, [2, 4]);
    assert_eq!(ids(&fixture, &service(), url).await, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_aggregates_count_only_what_is_seen() {
    let fixture = Fixture::corpus().await;
    for (caller, seen) in [(user(ALICE), 4), (user(BOB), 3), (service(), 5)] {
        let counted = fixture.ask(&caller, "GET", "/memos?limit=1", "", "count=exact").await.expect("reads");
        assert_eq!(counted.ran.total, Some(seen));
        let folded = fixture.ask(&caller, "GET", "/memos?select=count(),id.max()", "", "").await.expect("reads");
        assert!(folded.body.starts_with(&format!("[{{\"count\":{seen},")), "{}", folded.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_or_removes_what_is_not_theirs() {
    let fixture = Fixture::corpus().await;
    for (method, body) in [("PATCH", r#"{"title":"taken"}"#), ("DELETE", "")] {
        for url in ["/memos?id=eq.3", "/memos?id=eq.4", "/memos?title=like.*"] {
            let answer = fixture.run(&user(ALICE), method, url, body, FULL, false).await.expect(url);
            assert!(!answer.body.contains(BOB), "{method} {url}: {}", answer.body);
        }
        let everything = fixture.run(&user(ALICE), method, "/memos?select=id", body, FULL, false).await.expect("runs");
        assert_eq!(everything.body, r#"[{"id":1},{"id":2},{"id":5}]"#, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_row_must_pass_the_check() {
    let fixture = Fixture::corpus().await;
    let as_bob = format!(r#"{{"title":"x","owner_id":"{BOB}"}}"#);
    let mixed = format!(r#"[{{"title":"a","owner_id":"{ALICE}"}},{{"title":"b","owner_id":"{BOB}"}}]"#);
    for body in [as_bob.as_str(), mixed.as_str()] {
        for prefer in ["", FULL, "return=headers-only", "resolution=merge-duplicates", "resolution=ignore-duplicates"] {
            let refused = fixture.ask(&user(ALICE), "POST", "/memos", body, prefer).await.err().expect(prefer);
            assert_eq!((&*refused.code, refused.kind), ("42501", base::Kind::Forbidden), "{prefer}");
        }
    }
    let give_away = format!(r#"{{"owner_id":"{BOB}"}}"#);
    let refused = fixture.ask(&user(ALICE), "PATCH", "/memos?id=eq.1", &give_away, "").await.err().expect("refused");
    assert_eq!(refused.code, "42501");
    assert_eq!(ids(&fixture, &service(), "/memos?select=id&order=id").await, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_does_not_reach_a_row_that_is_not_seen() {
    let fixture = Fixture::corpus().await;
    let body = format!(r#"{{"id":3,"title":"mine now","owner_id":"{ALICE}"}}"#);
    for prefer in ["resolution=merge-duplicates", "resolution=merge-duplicates,return=representation"] {
        let refused = fixture.ask(&user(ALICE), "POST", "/memos", &body, prefer).await.err().expect("refused");
        assert!(refused.message.contains("(USING expression)"), "{}", refused.message);
    }
    let put = fixture.ask(&user(ALICE), "PUT", "/memos?id=eq.3", &body, "").await.err().expect("refused");
    assert_eq!(put.code, "42501");
    let title = fixture.ask(&service(), "GET", "/memos?id=eq.3&select=title", "", "").await.expect("reads").body;
    assert_eq!(title, r#"[{"title":"Secret"}]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn embeds_filters_and_orders_see_no_more_than_reads() {
    let fixture = Fixture::corpus().await;
    let alice = user(ALICE);
    let up = "/memo_comments?select=id,memos(owner_id,shared)&order=id";
    let body = fixture.ask(&alice, "GET", up, "", "").await.expect("reads").body;
    assert!(!body.contains(&format!(r#""owner_id":"{BOB}","shared":false"#)), "{body}");
    let inner = "/memo_comments?select=id,memos!inner(title)&memos.title=eq.Secret";
    assert_eq!(fixture.ask(&alice, "GET", inner, "", "").await.expect("reads").body, "[]");
    let exists = "/memos?select=id,memo_comments()&memo_comments=not.is.null&id=eq.3";
    assert_eq!(fixture.ask(&alice, "GET", exists, "", "").await.expect("reads").body, "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_security_without_a_policy_shows_and_takes_nothing() {
    let fixture = Fixture::with(
        "create table vault (id integer primary key, secret text);
         insert into vault values (1, 'gold');
         alter table vault enable row level security;
         grant select, insert, update, delete on vault to anon, authenticated, service_role;",
    )
    .await;
    for caller in [anon(), user(ALICE)] {
        assert_eq!(fixture.ask(&caller, "GET", "/vault", "", "").await.expect("reads").body, "[]");
        let refused = fixture.ask(&caller, "POST", "/vault", r#"{"id":2}"#, "").await.err().expect("refused");
        assert_eq!(refused.code, "42501");
        for (method, body) in [("PATCH", r#"{"secret":"x"}"#), ("DELETE", "")] {
            let answer = fixture.ask(&caller, method, "/vault", body, "").await.expect("runs");
            assert_eq!(answer.ran.rows, 0, "{method}");
        }
    }
    let seen = fixture.ask(&service(), "GET", "/vault", "", "").await.expect("reads").body;
    assert_eq!(seen, r#"[{"id":1,"secret":"gold"}]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_reads_its_own_table_is_refused() {
    let fixture = Fixture::with(
        "create table members (team integer, person uuid);
         alter table members enable row level security;
         create policy same_team on members for select
             using (exists (select 1 from members m where m.team = members.team and m.person = auth.uid()));
         grant select on members to authenticated;",
    )
    .await;
    let refused = fixture.ask(&user(ALICE), "GET", "/members", "", "").await.err().expect("refused");
    assert_eq!(refused.code, "42P17");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_a_subquery_needs_the_callers_own_rights() {
    let fixture = Fixture::with(
        "create table secrets (id integer primary key, owner uuid);
         create table notes (id integer primary key, secret_id integer);
         alter table notes enable row level security;
         create policy by_secret on notes for select
             using (exists (select 1 from secrets s where s.id = notes.secret_id and s.owner = auth.uid()));
         grant select on notes to authenticated;",
    )
    .await;
    let refused = fixture.ask(&user(ALICE), "GET", "/notes", "", "").await.err().expect("refused");
    assert_eq!((&*refused.code, &*refused.message), ("42501", "permission denied for table secrets"));
}

/// A permissive policy without the half that a command needs lets nobody through, as on PostgreSQL.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_policy_opens_nothing() {
    for (policy, may_read, may_insert, may_update, may_delete) in [
        ("for select to authenticated", false, false, false, false),
        ("for all to authenticated with check (true)", false, true, false, false),
        ("for update to authenticated with check (true)", false, false, false, false),
        ("for insert to authenticated", false, false, false, false),
        ("for all to authenticated using (true)", true, true, true, true),
    ] {
        let fixture = Fixture::with(&format!(
            "create table vault (id integer primary key, secret text);
             insert into vault values (1, 'gold');
             alter table vault enable row level security;
             create policy half on vault {policy};
             grant select, insert, update, delete on vault to authenticated;"
        ))
        .await;
        let caller = user(ALICE);
        let read = fixture.ask(&caller, "GET", "/vault?select=id", "", "").await.expect("reads");
        assert_eq!(read.ran.rows > 0, may_read, "{policy}: read");
        let inserted = fixture.run(&caller, "POST", "/vault", r#"{"id":2}"#, "", false).await;
        assert_eq!(inserted.is_ok(), may_insert, "{policy}: insert");
        let updated = fixture.run(&caller, "PATCH", "/vault", r#"{"secret":"x"}"#, "", false).await;
        assert_eq!(updated.is_ok_and(|answer| answer.ran.rows > 0), may_update, "{policy}: update");
        let deleted = fixture.run(&caller, "DELETE", "/vault", "", "", false).await;
        assert_eq!(deleted.is_ok_and(|answer| answer.ran.rows > 0), may_delete, "{policy}: delete");
    }
}

/// A foreign key that leads into a schema that is not served leads nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn embeds_do_not_leave_the_schema() {
    let fixture = Fixture::with(
        "create schema hidden;
         create table hidden.people (id integer primary key, email text);
         create table profiles (id integer primary key, person_id integer references hidden.people (id));
         insert into hidden.people values (1, 'a@b.c');
         insert into profiles values (1, 1);
         grant select on hidden.people, profiles to anon;",
    )
    .await;
    for name in ["people", "person_id", "profiles_person_id_fkey", "people!person_id"] {
        let refused = fixture.ask(&anon(), "GET", &format!("/profiles?select={name}(email)"), "", "").await.err();
        assert_eq!(refused.expect(name).code, "PGRST200", "{name}");
    }
}

/// As many conditions as are allowed are a statement that SQLite takes.
#[tokio::test(flavor = "multi_thread")]
async fn the_most_conditions_are_not_too_many() {
    let fixture = Fixture::corpus().await;
    let conditions = vec!["id.eq.1"; 1_000].join(",");
    for url in [
        format!("/depots?or=({conditions})&select=id"),
        format!("/depots?{}&select=id", vec!["id=gt.0"; 900].join("&")),
    ] {
        let answer = fixture.ask(&anon(), "GET", &url, "", "").await;
        assert!(
            answer.is_ok() || answer.as_ref().is_err_and(|failure| failure.code.starts_with("PANDO4")),
            "{:?}",
            answer.err()
        );
    }
}

/// A view shows some rows of its table; an upsert through it meets no others.
#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_through_a_view_meets_only_what_it_shows() {
    let fixture = Fixture::with(
        "create table notes (id integer primary key, title text unique, hidden boolean not null default false);
         insert into notes values (1, 'one', false), (2, 'two', true);
         create view shown as select id, title, hidden from notes where not hidden;
         grant select, insert, update on shown to authenticated;",
    )
    .await;
    for (method, url, body) in [
        ("POST", "/shown", r#"{"id":2}"#),
        ("POST", "/shown?on_conflict=title", r#"{"id":9,"title":"two"}"#),
        ("PUT", "/shown?id=eq.2", r#"{"id":2,"title":"stolen","hidden":false}"#),
    ] {
        let prefer = "resolution=merge-duplicates,return=representation";
        let refused = fixture.ask(&user(ALICE), method, url, body, prefer).await.err().expect(url);
        assert_eq!(refused.code, "42501", "{method} {url}");
    }
    let merged = fixture.ask(&user(ALICE), "PUT", "/shown?id=eq.1", r#"{"id":1,"title":"uno"}"#, FULL).await;
    assert_eq!(merged.expect("is shown").body, r#"[{"id":1,"title":"uno","hidden":false}]"#);
}

/// Without USAGE on a schema the grants inside of it open nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_closed_until_usage_is_granted() {
    let schema = "create schema back;
         create table back.safe (id integer primary key);
         create table front (id integer primary key);
         alter table front enable row level security;
         create policy by_safe on front for select using (exists (select 1 from back.safe s where s.id = front.id));
         grant select on back.safe, front to anon;";
    let closed = Fixture::with(schema).await;
    let refused = closed.ask(&anon(), "GET", "/front", "", "").await.err().expect("is closed");
    assert_eq!((&*refused.code, &*refused.message), ("42501", "permission denied for schema back"));
    let open = Fixture::with(&format!("{schema} grant usage on schema back to anon;")).await;
    assert_eq!(open.ask(&anon(), "GET", "/front", "", "").await.expect("is open").body, "[]");
    let shut = Fixture::with(&format!("{schema} revoke usage on schema public from public;")).await;
    assert!(shut.ask(&anon(), "GET", "/front", "", "").await.is_err());
}

/// A constraint must not tell whether a row exists that the caller could neither see nor write.
#[tokio::test(flavor = "multi_thread")]
async fn constraints_are_no_oracle() {
    let fixture = Fixture::corpus().await;
    let as_bob = |id: i64| format!(r#"{{"id":{id},"title":"x","owner_id":"{BOB}"}}"#);
    for prefer in ["", "resolution=ignore-duplicates", "resolution=merge-duplicates"] {
        for id in [3, 999] {
            let refused = fixture.ask(&user(ALICE), "POST", "/memos", &as_bob(id), prefer).await.err();
            assert_eq!(refused.expect(prefer).code, "42501", "{prefer} {id}");
        }
    }
    let missing = format!(r#"{{"memo_id":999,"author_id":"{BOB}","words":"x"}}"#);
    let refused = fixture.ask(&user(ALICE), "POST", "/memo_comments", &missing, "").await.err().expect("refused");
    assert_eq!(refused.code, "42501");
}

/// A trigger says whose a new row is: row security asks of the row as the trigger leaves it, whether it is new, meets one
/// that exists, or fails on a constraint.
#[tokio::test(flavor = "multi_thread")]
async fn row_security_asks_of_what_a_trigger_sets() {
    let fixture = Fixture::with(&format!(
        "create table parcels (code text primary key, note text, weight integer check (weight > 0), owner_id uuid, tag text,
           shout text generated always as (upper(tag)) stored);
         create function claim() returns trigger language plpgsql as $$
         begin
           new.owner_id := auth.uid();
           if new.tag is null then
             new.tag := 'from ' || new.code;
           end if;
           return new;
         end $$;
         create trigger claim before insert on parcels for each row execute function claim();
         alter table parcels enable row level security;
         create policy own on parcels for all to authenticated
           using (owner_id = auth.uid()) with check (owner_id = auth.uid() and tag like 'from%' and shout like 'FROM%');
         grant select, insert, update on parcels to authenticated;
         insert into parcels (code, note) values ('b', 'of bob');
         update parcels set owner_id = '{BOB}';"
    ))
    .await;
    let post = async |body: &str, prefer: &str| match fixture.ask(&user(ALICE), "POST", "/parcels", body, prefer).await
    {
        Ok(answer) => answer.body,
        Err(failure) => failure.code.into(),
    };
    const SEEN: &str = "return=representation";
    assert_eq!(post(r#"{"code":"a","note":"one"}"#, "").await, "");
    assert_eq!(post(r#"{"code":"a","note":"again"}"#, "").await, "23505");
    assert_eq!(post(r#"{"code":"c","weight":0}"#, "").await, "23514");
    assert_eq!(post(r#"{"code":"c","weight":0,"tag":"other"}"#, "").await, "42501");
    assert_eq!(post(r#"{"code":"b","tag":"other"}"#, "").await, "42501");
    assert_eq!(post(r#"{"code":"b"}"#, "").await, "23505");
    let ignored = format!("resolution=ignore-duplicates,{SEEN}");
    assert_eq!(post(r#"{"code":"a","note":"ignored"}"#, &ignored).await, "[]");
    let merged = format!("resolution=merge-duplicates,{SEEN}");
    let expected = format!(
        r#"[{{"code":"a","note":"merged","weight":null,"owner_id":"{ALICE}","tag":"from a","shout":"FROM A"}}]"#
    );
    assert_eq!(post(r#"{"code":"a","note":"merged"}"#, &merged).await, expected);
    assert_eq!(post(r#"{"code":"b","note":"stolen"}"#, &merged).await, "42501");
}
