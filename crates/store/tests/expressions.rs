//! Functions and intervals where they decide something: defaults, checks, generated columns, indexes, policies, and
//! columns of type interval behind the API.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use base::Failure;
use support::{Fixture, anon};

const SCHEMA: &str = "
CREATE TABLE tasks (
  id integer PRIMARY KEY,
  title text NOT NULL CHECK (length(btrim(title)) > 0 AND NOT starts_with(title, '#')),
  slug text GENERATED ALWAYS AS (replace(lower(title), ' ', '-')) STORED,
  span interval NOT NULL DEFAULT '1 day 02:00' CHECK (span >= interval '0' AND span < interval '1 year'),
  starts_at timestamp NOT NULL DEFAULT '2024-01-31 10:00',
  due_at timestamptz DEFAULT now() + interval '7 days',
  month text GENERATED ALWAYS AS (to_char(starts_at, 'YYYY-MM')) STORED,
  meta jsonb NOT NULL DEFAULT jsonb_build_object('tags', jsonb_build_array()),
  local_day date DEFAULT (timestamptz '2024-01-01 02:00+00')::date,
  CHECK (due_at > timestamptz '2020-01-01 00:00+00' + interval '1 mon')
);
CREATE INDEX tasks_by_month ON tasks (date_trunc('month', starts_at));
CREATE INDEX tasks_by_span ON tasks (span);
CREATE TABLE notes (id integer PRIMARY KEY, body text, written timestamptz NOT NULL, tags jsonb NOT NULL DEFAULT '[]');
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY recent ON notes FOR SELECT USING (written > now() - interval '7 days' OR tags ? 'pinned');
CREATE POLICY writes ON notes FOR INSERT WITH CHECK (extract(year from written at time zone 'UTC') >= 2000);
CREATE VIEW ends AS SELECT id, starts_at + span AS ends_at, span * 2 AS twice FROM tasks;
GRANT SELECT, INSERT, UPDATE, DELETE ON tasks, notes, ends TO anon;
";

const FULL: &str = "return=representation";

async fn fixture() -> Fixture {
    let fixture = Fixture::with(SCHEMA).await;
    let rows = r#"[{"id":1,"title":"First Task"},
        {"id":2,"title":"b","span":"1 mon"},{"id":3,"title":"c","span":"30 days"},{"id":4,"title":"d","span":"PT36H"},
        {"id":5,"title":"e","span":"25:00:00.5"}]"#;
    let rows = rows.replace("\"id\":1,", "\"id\":1,\"span\":\"1 day 02:00\",");
    fixture.ask(&anon(), "POST", "/tasks", &rows, "").await.expect("inserts");
    fixture
}

async fn get(fixture: &Fixture, url: &str) -> String {
    fixture.ask(&anon(), "GET", url, "", "").await.expect(url).body
}

#[tokio::test(flavor = "multi_thread")]
async fn intervals_are_filtered_sorted_and_printed_as_postgresql_does() {
    let fixture = fixture().await;
    assert_eq!(get(&fixture, "/tasks?select=span&id=eq.5").await, r#"[{"span":"25:00:00.5"}]"#);
    assert_eq!(get(&fixture, "/tasks?select=id&span=eq.720:00&order=id").await, r#"[{"id":2},{"id":3}]"#);
    assert_eq!(
        get(&fixture, "/tasks?select=id&span=gt.1 day 02:00&order=span.desc,id").await,
        r#"[{"id":2},{"id":3},{"id":4}]"#
    );
    assert_eq!(
        get(&fixture, "/tasks?select=id&span=in.(\"1 mon\",\"26 hours\")&order=id").await,
        r#"[{"id":1},{"id":2},{"id":3}]"#
    );
    assert_eq!(
        get(&fixture, "/tasks?select=span.max(),span.min(),span.sum()").await,
        r#"[{"max":"1 mon","min":"25:00:00.5","sum":"1 mon 31 days 63:00:00.5"}]"#
    );
    assert_eq!(get(&fixture, "/ends?id=eq.2").await, r#"[{"id":2,"ends_at":"2024-02-29T10:00:00","twice":"2 mons"}]"#);
    let failure = fixture.ask(&anon(), "GET", "/tasks?span=gt.soon", "", "").await.err().expect("fails");
    assert_eq!((&*failure.code, &*failure.message), ("22007", "invalid input syntax for type interval: \"soon\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_checks_and_generated_columns_call_functions() {
    let fixture = fixture().await;
    let url = "/tasks?select=slug,span,month,meta";
    let answer = fixture.ask(&anon(), "POST", url, r#"{"id":9,"title":"A New One"}"#, FULL).await;
    assert_eq!(
        answer.expect("inserts").body,
        r#"[{"slug":"a-new-one","span":"1 day 02:00:00","month":"2024-01","meta":{"tags": []}}]"#
    );
    let prefer = "return=representation, timezone=America/New_York";
    let answer = fixture.ask(&anon(), "POST", "/tasks?select=local_day", r#"{"id":8,"title":"x"}"#, prefer).await;
    assert_eq!(answer.expect("inserts").body, r#"[{"local_day":"2023-12-31"}]"#);
    assert_eq!(get(&fixture, "/tasks?select=id&id=eq.9&due_at=gt.2024-01-01").await, r#"[{"id":9}]"#);
    for body in [
        r#"{"id":10,"title":"  "}"#,
        r##"{"id":10,"title":"#x"}"##,
        r#"{"id":10,"title":"x","span":"-1 sec"}"#,
        r#"{"id":10,"title":"x","span":"12 mons"}"#,
        r#"{"id":10,"title":"x","due_at":"2020-01-31"}"#,
    ] {
        let failure: Failure = fixture.ask(&anon(), "POST", "/tasks", body, "").await.err().expect(body);
        assert_eq!(failure.code, "23514", "{body}: {}", failure.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_compute_with_time_and_json() {
    let fixture = fixture().await;
    for (body, is_written) in [
        (r#"{"id":1,"body":"old","written":"2001-01-01"}"#, true),
        (r#"{"id":2,"body":"old","written":"2001-01-01","tags":["pinned"]}"#, true),
        (r#"{"id":3,"body":"ancient","written":"1999-12-31"}"#, false),
        (r#"{"id":4,"body":"new","written":"9999-01-01"}"#, true),
    ] {
        let outcome = fixture.ask(&anon(), "POST", "/notes", body, "").await;
        assert_eq!(outcome.is_ok(), is_written, "{body}");
    }
    assert_eq!(get(&fixture, "/notes?select=id&order=id").await, r#"[{"id":2},{"id":4}]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_bounded() {
    let schema = "CREATE TABLE t (id integer PRIMARY KEY, body text);
        INSERT INTO t VALUES (1, 'x');
        CREATE VIEW long AS SELECT repeat(body, 17000000) AS a FROM t;
        CREATE VIEW padded AS SELECT lpad(body, 17000000) AS a FROM t;
        CREATE VIEW replaced AS SELECT replace(repeat(body, 10000), 'x', repeat('y', 10000)) AS a FROM t;
        GRANT SELECT ON long, padded, replaced TO anon;";
    let fixture = Fixture::with(schema).await;
    for view in ["long", "padded", "replaced"] {
        let failure = fixture.ask(&anon(), "GET", &format!("/{view}"), "", "").await.err().expect(view);
        assert_eq!(failure.code, "54000", "{view}");
    }
}
