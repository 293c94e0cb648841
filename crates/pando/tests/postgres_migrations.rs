//! Migrations on a PostgreSQL: many nodes at once, releases that come and go, seeds, and errors that say where and what to do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

use std::fs;
use std::thread;

use testkit::{Launch, Postgres, Project};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");

const CONFIGURATION: &str =
    "[api]\nschemas = [\"public\"]\n[auth]\njwt_secret = \"a-secret-of-more-than-thirty-two-characters\"\n";

/// A server, a project without files, and the address for a role.
struct Bench {
    postgres: Postgres,
    project: Project,
}

impl Bench {
    fn new(test: &str) -> Option<Self> {
        Some(Self { postgres: Postgres::start_for(test)?, project: Project::new(CONFIGURATION) })
    }

    fn url(&self, user: &str) -> String {
        self.postgres.url(user)
    }

    /// Exit code, and all that was written.
    fn migrate_as(&self, user: &str, action: &str) -> (i32, String) {
        let database = format!("database.url={}", self.url(user));
        let (code, output, error) = self.project.run(BINARY, &["migrate", action, "--set", &database]);
        (code, output + &error)
    }

    fn up(&self) -> (i32, String) {
        self.migrate_as("postgres", "up")
    }

    fn works(&self) -> String {
        let (code, told) = self.up();
        assert_eq!(code, 0, "{told}");
        told
    }

    fn refused(&self, expected: &[&str]) {
        let (code, told) = self.up();
        assert_eq!(code, 4, "{told}");
        for expected in expected {
            assert!(told.contains(expected), "{expected} in\n{told}");
        }
    }

    fn write(&self, name: &str, text: &str) {
        self.project.write(&format!("migrations/{name}"), text);
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.project.path().join("migrations").join(name)).unwrap();
    }

    fn launch(&self, user: &str) -> Launch {
        Launch::new(BINARY).variable("PANDO_DATABASE_URL", &self.url(user)).set("log.requests", "failed")
    }

    fn applied(&self) -> String {
        self.postgres.run("select string_agg(name, ' ' order by version) from pando.migrations")
    }

    fn count(&self, table: &str) -> String {
        self.postgres.run(&format!("select count(*) from {table}")).trim().to_owned()
    }
}

/// Every file once, also those that wait for all transactions to end; a role's bounds are for requests, not for a turn.
#[test]
fn nodes_that_start_at_once_apply_each_file_once() {
    let Some(bench) = Bench::new("nodes_that_start_at_once_apply_each_file_once") else { return };
    bench.postgres.run(
        "create role owner login superuser; alter role owner set lock_timeout = '200ms';
         alter role owner set statement_timeout = '500ms'; alter role owner set idle_in_transaction_session_timeout = '300ms';
         alter role owner set default_transaction_isolation = 'serializable';",
    );
    bench.write("0001_slow.sql", "create table slow (id integer); select pg_sleep(2);");
    bench.write(
        "0002_index.sql",
        "-- pando: no transaction\nselect pg_sleep(1); create index concurrently on slow (id);",
    );
    for number in 3..=6 {
        bench.write(&format!("000{number}_more.sql"), &format!("create table more{number} (id integer);"));
    }
    let bench = &bench;
    let told: Vec<(i32, String)> = thread::scope(|scope| {
        let nodes: Vec<_> = (0..4).map(|_| scope.spawn(|| bench.migrate_as("owner", "up"))).collect();
        nodes.into_iter().map(|node| node.join().unwrap()).collect()
    });
    for (code, text) in &told {
        assert_eq!(*code, 0, "{text}");
    }
    let all: String = told.iter().map(|(_, text)| text.as_str()).collect();
    for file in ["0001_slow.sql", "0002_index.sql", "0003_more.sql", "0006_more.sql"] {
        assert_eq!(all.matches(&format!("applied {file} in")).count(), 1, "{all}");
        assert_eq!(all.matches(&format!("present {file}: applied by another node")).count(), 3, "{all}");
    }
    assert_eq!(bench.postgres.run("select count(*) from pg_index where indrelid = 'slow'::regclass"), "1\n");

    // The log of a server says the same.
    bench.write("0007_late.sql", "select pg_sleep(2); create table late (id integer);");
    let servers: Vec<_> = thread::scope(|scope| {
        let nodes: Vec<_> = (0..2).map(|_| scope.spawn(|| bench.launch("owner").start(&bench.project))).collect();
        nodes.into_iter().map(|node| node.join().unwrap()).collect()
    });
    for server in &servers {
        server.wait_for_where("readiness-changed", |line| line["event.outcome"] == "success");
    }
    let logs: String = servers.iter().map(testkit::Server::log).collect();
    assert_eq!(logs.matches("\"migration-applied\"").count(), 1, "{logs}");
    assert_eq!(logs.matches("\"migration-present\"").count(), 1, "{logs}");
}

/// A seed is for a database that began with these migrations.
#[test]
fn a_seed_fills_no_database_that_was_there() {
    let Some(bench) = Bench::new("a_seed_fills_no_database_that_was_there") else { return };
    bench.postgres.run("create table notes (id integer primary key); insert into notes values (1), (2);");
    bench.write("0001_more.sql", "alter table notes add column more text;");
    bench.project.write("seed.sql", "insert into notes values (3);");
    let told = bench.works();
    assert!(told.contains("skipped seed.sql: the database was not new"), "{told}");
    assert_eq!(bench.count("notes"), "2");
    assert!(bench.works().contains("nothing to do"));

    // What an extension brought is nobody's data.
    let Some(bench) = Bench::new("a_seed_fills_no_database_that_was_there") else { return };
    bench.postgres.run("create extension pg_stat_statements");
    bench.write("0001_notes.sql", "create table notes (id integer primary key);");
    bench.write("0002_more.sql", "-- pando: no transaction\nalter table notes add column more text;");
    bench.project.write("seed.sql", "insert into notes values (3);");
    let told = bench.works();
    assert!(told.contains("applied seed.sql"), "{told}");
    assert_eq!(
        (bench.count("notes"), bench.applied()),
        ("1".to_owned(), "seed.sql 0001_notes.sql 0002_more.sql\n".to_owned())
    );
    bench.project.write("seed.sql", "insert into notes values (4);");
    assert!(bench.works().contains("nothing to do"));
    assert_eq!(bench.count("notes"), "1");
}

/// A seed that failed is still owed, also where the first file is run without a transaction and fails half-way.
#[test]
fn a_seed_that_failed_is_applied_when_it_is_corrected() {
    let Some(bench) = Bench::new("a_seed_that_failed_is_applied_when_it_is_corrected") else { return };
    let first = "-- pando: no transaction\ncreate table if not exists notes (id integer primary key);\n";
    bench.write("0001_notes.sql", &format!("{first}select nothing;"));
    bench.project.write("seed.sql", "insert into notes values (1);\ninsert into notes values (1);");
    bench.refused(&["0001_notes.sql: line 3: "]);
    bench.write("0001_notes.sql", first);
    bench.refused(&["seed.sql: line 2: duplicate key"]);
    assert_eq!(bench.count("notes"), "0");
    assert_eq!(bench.migrate_as("postgres", "status").1, "applied  0001_notes.sql\npending  seed.sql\n");
    bench.project.write("seed.sql", "insert into notes values (1);\ninsert into notes values (2);");
    // A later file does not change that it is owed.
    bench.write("0002_more.sql", "create table more (id integer);");
    let told = bench.works();
    assert!(told.contains("applied 0002_more.sql") && told.contains("applied seed.sql"), "{told}");
    assert_eq!(bench.count("notes"), "2");
    assert!(bench.works().contains("nothing to do"));

    // The embedded engine.
    let project = Project::of(CONFIGURATION, "create table notes (id integer primary key);");
    let up = || {
        let (code, output, error) = project.run(BINARY, &["migrate", "up"]);
        (code, output + &error)
    };
    project.write("seed.sql", "insert into notes values (1);\ninsert into notes values (1);");
    let (code, told) = up();
    assert!(code == 4 && told.contains("seed.sql: "), "{told}");
    project.write("seed.sql", "insert into notes values (1);\ninsert into notes values (2);");
    let (code, told) = up();
    assert!(code == 0 && told.contains("applied seed.sql"), "{told}");
    assert!(up().1.contains("nothing to do"));
    let (code, status, _) = project.run(BINARY, &["migrate", "status"]);
    assert_eq!((code, status.as_str()), (0, "applied  0001_init.sql\n"));
}

/// A file is one transaction: what would end it is refused before anything is done.
#[test]
fn a_file_ends_no_transaction() {
    let Some(bench) = Bench::new("a_file_ends_no_transaction") else { return };
    let database = format!("database.url={}", bench.url("postgres"));
    let check = || {
        let (code, output, error) = bench.project.run(BINARY, &["migrate", "check", "--set", &database]);
        (code, output + &error)
    };
    bench.write("0001_a.sql", "create table a (id integer);");
    for (statement, line) in [
        ("begin", 3),
        ("START TRANSACTION", 3),
        ("commit", 3),
        ("end", 3),
        ("rollback", 3),
        ("abort", 3),
        ("savepoint x", 3),
        ("release x", 3),
        ("prepare transaction 'x'", 3),
    ] {
        for head in ["", "-- pando: no transaction"] {
            bench.write("0002_b.sql", &format!("{head}\ncreate table b (id integer);\n{statement};\nselect 1/0;"));
            let place = format!("migrations/0002_b.sql:{line}:1: ");
            bench.refused(&[&place, "one transaction"]);
            let (code, told) = check();
            assert!(code == 4 && told.contains(&place), "{told}");
        }
    }
    assert_eq!(bench.postgres.run("select to_regclass('a') is null, to_regclass('b') is null"), "t|t\n");
    // Words of other statements are none.
    bench.write(
        "0002_b.sql",
        "create function f(x int) returns int language sql begin atomic select case when x > 0 then 1 else 2 end; select x; end;
         do $$ begin perform 1; end $$;
         create table \"commit\" (\"end\" integer);
         prepare p as select 1;",
    );
    assert_eq!(check().0, 0);
    bench.works();
}

/// Statements of a file without a transaction end where PostgreSQL says so.
#[test]
fn statements_with_semicolons_inside_are_run_whole() {
    let Some(bench) = Bench::new("statements_with_semicolons_inside_are_run_whole") else { return };
    bench.write(
        "0001_a.sql",
        "-- pando: no transaction
         create table t (id integer, begin integer, atomic text);
         create function f1(x int) returns int language sql begin atomic select 1; select case x when 1 then 2 end; end;
         create or replace procedure f2() language sql BEGIN ATOMIC insert into t(id) values (1); END;
         create rule r as on update to t do also (insert into t values (new.id + 1); notify x);
         update t set id = 1;",
    );
    bench.works();
    assert_eq!(bench.postgres.run("select f1(1)"), "2\n");
}

/// The previous release knows nothing of the newest migration, and starts all the same.
#[test]
fn the_release_before_starts_on_a_newer_schema() {
    let Some(bench) = Bench::new("the_release_before_starts_on_a_newer_schema") else { return };
    bench.postgres.run("create role anon; grant usage on schema public to anon");
    bench.write("0001_a.sql", "create table a (id integer); grant select on a to anon;");
    bench.write("0002_b.sql", "create table b (id integer);");
    bench.works();
    bench.remove("0002_b.sql");
    for on_start in ["true", "false"] {
        let server = bench.launch("postgres").set("database.migrate_on_start", on_start).start(&bench.project);
        assert_eq!(server.get("/a").status, 200);
        let advice = server.wait_for("advice");
        assert!(advice.to_string().contains("newer than the newest file"), "{advice}");
    }
    let told = bench.works();
    assert!(told.contains("newer   0002_b.sql: applied by a newer release"), "{told}");
    let (code, told) = bench.migrate_as("postgres", "status");
    assert!(code == 0 && told.contains("newer    0002_b.sql"), "{told}");
    // A gap is none.
    bench.write("0003_c.sql", "create table c (id integer);");
    bench.refused(&["0002_b.sql was applied and is missing"]);
    assert_eq!(bench.launch("postgres").refused(&bench.project).code, 4);
    bench.remove("0003_c.sql");
    bench.remove("0001_a.sql");
    bench.refused(&["0001_a.sql was applied and is missing"]);

    // The embedded engine.
    let project = Project::of(CONFIGURATION, "create table a (id integer primary key); grant select on a to anon;");
    project.write("migrations/0002_b.sql", "create table b (id integer primary key);");
    assert_eq!(project.run(BINARY, &["migrate", "up"]).0, 0);
    fs::remove_file(project.path().join("migrations/0002_b.sql")).unwrap();
    assert_eq!(Launch::new(BINARY).start(&project).get("/a").status, 200);
}

#[test]
fn errors_say_where_and_what_to_do() {
    let Some(bench) = Bench::new("errors_say_where_and_what_to_do") else { return };
    bench.write(
        "0001_init.sql",
        "create table a (id integer primary key);\n\ncreate policy p on a using (auth.uid() is null);",
    );
    bench.refused(&["0001_init.sql: line 3: ", "[3F000]", "`pando bootstrap`"]);
    bench.write("0001_init.sql", "create table a (id integer primary key);\ngrant select on a to anon;");
    bench.refused(&["0001_init.sql: line 2: role \"anon\" does not exist [42704]", "`pando bootstrap`"]);
    bench.write(
        "0001_init.sql",
        "create table a (id integer primary key);\n/* ; */ insert into a values (1);\n\ninsert into a values\n(1);\nselect 1;",
    );
    bench.refused(&["0001_init.sql: line 4: duplicate key"]);
    bench.write("0001_init.sql", "create table a (id integer primary key);\nselect from nowhere;");
    bench.refused(&["0001_init.sql: line 2: relation \"nowhere\""]);
    bench.write("0001_init.sql", "create table a (id integer primary key);\nslect 1;");
    bench.refused(&["0001_init.sql: line 2: syntax error"]);

    // What a file sets ends with it.
    bench.postgres.run("create role anon; create role owner login; grant create on database postgres to owner;");
    bench.write(
        "0001_init.sql",
        "create table a (id integer primary key);\nset search_path = pg_catalog; set statement_timeout = 1; set role anon;",
    );
    bench.works();

    // A role that may not.
    bench.write("0002_more.sql", "create table more (id integer);");
    let may_not = |user: &str, expected: &str| {
        let (code, told) = bench.migrate_as(user, "up");
        assert_eq!(code, 4, "{told}");
        for expected in [expected, "database.migrate_on_start = false", "as the owner"] {
            assert!(told.contains(expected), "{expected} in\n{told}");
        }
    };
    bench.postgres.run("create role door login");
    may_not("door", "may not see which migrations were applied");
    bench.postgres.run("grant usage on schema pando to door; grant select on pando.migrations to door");
    may_not("door", "permission denied");
    bench.postgres.run("drop schema pando cascade; drop table a");
    may_not("door", "permission denied for database");
    // What Pando writes for itself stands in no line of the file.
    let (_, told) = bench.migrate_as("door", "up");
    assert!(!told.contains("line "), "{told}");
}

/// Who may not look at the account of migrations serves all the same where nothing is to be migrated.
#[test]
fn who_may_not_migrate_serves_with_a_warning() {
    let Some(bench) = Bench::new("who_may_not_migrate_serves_with_a_warning") else { return };
    bench.postgres.run("create role anon; create role door login noinherit; grant anon to door;");
    bench.write("0001_a.sql", "create table a (id integer); grant select on a to anon;");
    bench.works();
    let server = bench.launch("door").set("database.migrate_on_start", "false").start(&bench.project);
    let advice = server.wait_for("advice");
    assert!(advice.to_string().contains("may not see which migrations were applied"), "{advice}");
    assert_eq!(server.get("/a").status, 200);
    bench.remove("0001_a.sql");
    assert_eq!(bench.launch("door").start(&bench.project).get("/a").status, 200, "there is nothing to migrate");
}
