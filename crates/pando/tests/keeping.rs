//! Keeping the data: backups taken under full write load, restored and compared with what clients were promised; what a
//! restore refuses; what the doctor finds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Chance, Client, Launch, Project, Request, Server, is_skipped, tool};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");

const CONFIGURATION: &str = "
[api]
max_rows = 0
aggregates = true
[auth]
jwt_secret = \"a-secret-that-no-command-may-ever-print-4711\"
[database]
seed = \"\"
wait_ms = 20000
[log]
requests = \"failed\"
";

const SECRET: &str = "no-command-may-ever-print";

/// Money moves between accounts; each transfer has two entries. One call of `move` is one transaction over four tables,
/// with collations and a generated column of Pando's own.
const LEDGER: &str = "
create type side as enum ('debit', 'credit');
create table account (id integer primary key, balance numeric(12,2) not null);
create table transfer (
  writer integer not null,
  number bigint not null,
  amount numeric(12,2) not null check (amount > 0),
  label  text generated always as (writer::text || '/' || number::text) stored,
  primary key (writer, number)
);
create table entry (
  writer  integer not null,
  number  bigint not null,
  side    side not null,
  account integer not null references account,
  primary key (writer, number, side),
  foreign key (writer, number) references transfer
);
create index on transfer (amount);
create index on entry (side, account);
insert into account (id, balance) values (0, 100000.00), (1, 100000.00), (2, 100000.00), (3, 100000.00);
create function move(w integer, n bigint, source integer, target integer, much numeric) returns void language sql as $$
  insert into transfer (writer, number, amount) values (w, n, much);
  update account set balance = balance - much where id = source;
  insert into entry (writer, number, side, account) values (w, n, 'debit', source);
  update account set balance = balance + much where id = target;
  insert into entry (writer, number, side, account) values (w, n, 'credit', target);
$$;
grant all on account, transfer, entry to anon;
";

/// How many backups are taken while everyone writes.
const BACKUPS: usize = 50;

/// Each on a connection of its own.
const WRITERS: usize = 4;

#[test]
fn fifty_backups_under_full_write_load_are_each_one_moment() {
    let project = Project::of(CONFIGURATION, LEDGER);
    let server = Launch::new(BINARY).start(&project);
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged: Vec<Arc<AtomicU64>> = (0..WRITERS).map(|_| Arc::default()).collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (stop, acknowledged, address) = (stop.clone(), acknowledged[writer].clone(), server.address());
            thread::spawn(move || {
                let mut client = Client::new(address);
                let mut number = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    let (source, target) = (number % 4, (number + 1 + writer as u64 % 3) % 4);
                    let body = json!({"w": writer, "n": number, "source": source, "target": target, "much": "0.01"});
                    let answer = client.send(&Request::json("POST", "/rpc/move", &body));
                    assert_eq!(answer.status, 204, "{}", answer.text());
                    acknowledged.store(number, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let restored = Project::of(CONFIGURATION, LEDGER);
    let (mut grown, mut transfers) = (0, 0);
    for round in 0..BACKUPS {
        let file = project.path().join("latest.backup");
        let promised: Vec<u64> = acknowledged.iter().map(|number| number.load(Ordering::SeqCst)).collect();
        let (code, _, error) = project.run(BINARY, &["backup", "--force", "latest.backup"]);
        assert_eq!(code, 0, "backup {round}: {error}");
        let (code, _, error) = restored.run(BINARY, &["restore", "--yes", file.to_str().unwrap()]);
        assert_eq!(code, 0, "restore {round}: {error}");
        let copy = Launch::new(BINARY).start(&restored);
        let found = check_ledger(&copy, round);
        for (writer, promised) in promised.iter().enumerate() {
            let found = found.get(&(writer as u64)).copied().unwrap_or(0);
            assert!(found >= *promised, "backup {round}: writer {writer} was promised {promised}, {found} are there");
        }
        let sum = found.values().sum();
        grown += usize::from(sum > transfers);
        transfers = sum;
        copy.kill();
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().expect("every transfer was acknowledged");
    }
    assert!(grown > BACKUPS * 9 / 10, "only {grown} backups had more than the one before: nobody wrote meanwhile");
    check_ledger(&server, BACKUPS);
    assert_eq!(server.stop().0, 0);
    eprintln!("{BACKUPS} backups, the last with {transfers} transfers, each of one moment");
}

/// Sums, prefixes and entries. Gives the number of transfers of each writer.
fn check_ledger(server: &Server, round: usize) -> BTreeMap<u64, u64> {
    let get = |path: &str| {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json().as_array().unwrap().clone()
    };
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("round {round}: {value}"));
    let balances = get("/account?select=balance.sum()::text");
    assert_eq!(balances[0]["sum"], "400000.00", "round {round}: a transfer is half there");
    let writers = get("/transfer?select=writer,count(),first:number.min(),last:number.max(),label.max()");
    let entries = get("/entry?select=writer,side,count(),last:number.max()");
    let mut found = BTreeMap::new();
    for writer in &writers {
        let count = number(&writer["count"]);
        assert_eq!((number(&writer["first"]), number(&writer["last"])), (1, count), "round {round}: there is a gap");
        found.insert(number(&writer["writer"]), count);
    }
    for side in &entries {
        let transfers = found[&number(&side["writer"])];
        assert_eq!((number(&side["count"]), number(&side["last"])), (transfers, transfers), "round {round}: {side}");
    }
    assert_eq!(entries.len(), 2 * found.len(), "round {round}");
    found
}

const BOOKS: &str = "
create table book (id bigint generated by default as identity primary key, title text not null unique, pages integer);
create table loan (id bigint primary key, book_id bigint not null references book);
create index book_pages on book (pages);
grant all on book, loan to anon;
";

/// A project that was served, has some hundred rows, and was stopped.
fn used() -> Project {
    let project = Project::of(CONFIGURATION, BOOKS);
    let server = Launch::new(BINARY).start(&project);
    insert(&server, 0..800);
    assert_eq!(server.stop().0, 0);
    project
}

fn insert(server: &Server, numbers: std::ops::Range<u32>) {
    let rows: Vec<_> = numbers.map(|n| json!({"title": format!("Volume {n:05}"), "pages": n})).collect();
    assert_eq!(server.client().send(&Request::json("POST", "/book", &json!(rows))).status, 201);
}

fn count(server: &Server) -> u64 {
    server.get("/book?select=count()").json()[0]["count"].as_u64().unwrap()
}

/// Every file of a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect()
}

fn data(project: &Project) -> std::path::PathBuf {
    project.path().join("data")
}

#[test]
fn a_backup_is_one_private_file_that_replaces_nothing_unasked() {
    let project = used();
    let run = |arguments: &[&str]| project.run(BINARY, arguments);
    let (code, told, error) = run(&["backup", "one.backup"]);
    assert_eq!(code, 0, "{error}");
    assert!(told.contains("made one.backup") && told.contains("1 migrations applied"), "{told}");
    let one = project.path().join("one.backup");
    assert_eq!(fs::metadata(&one).unwrap().permissions().mode() & 0o777, 0o600);
    let before = files(project.path());
    for (file, sentence) in [
        ("one.backup", "--force takes its place"),
        ("data", "this is a folder"),
        ("nowhere/x", "nowhere"),
        ("data/pando.sqlite", "this is the database itself"),
        ("data/pando.sqlite-wal", "this is the database itself"),
        ("data/../data/pando.sqlite.lock", "this is the database itself"),
    ] {
        let forced = file != "one.backup";
        let arguments = if forced { &["backup", file, "--force"][..] } else { &["backup", file] };
        let (code, _, error) = run(arguments);
        assert_eq!(code, 1, "{file}: {error}");
        assert!(error.contains(sentence), "{file}: {error}");
    }
    assert!(before == files(project.path()), "a refusal changes nothing");
    assert_eq!(run(&["backup", "--force", "one.backup"]).0, 0);
    let output = Command::new(BINARY).args(["backup", "-"]).current_dir(project.path()).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == fs::read(&one).unwrap(), "standard output has the same");
    let names: Vec<String> = files(&data(&project)).into_keys().collect();
    assert_eq!(names, ["pando.sqlite", "pando.sqlite.lock"], "nothing is left behind");
    let empty = Project::of(CONFIGURATION, BOOKS);
    let (code, _, error) = empty.run(BINARY, &["backup", "x"]);
    assert_eq!((code, error.contains("there is no such file")), (5, true), "{error}");
    assert!(!empty.path().join("x").exists() && !data(&empty).exists());
}

#[test]
fn a_killed_backup_has_no_name() {
    let mut chance = Chance::announced("a_killed_backup_has_no_name");
    let project = used();
    let server = Launch::new(BINARY).start(&project);
    let text = "x".repeat(100_000);
    for part in 0..10_u32 {
        let rows: Vec<_> = (0..50_u32).map(|n| json!({"title": format!("{part}/{n} {text}")})).collect();
        assert_eq!(server.client().send(&Request::json("POST", "/book", &json!(rows))).status, 201);
    }
    let target = project.path().join("data/the.backup");
    let (mut unfinished, mut left) = (0, 0);
    for _ in 0..30 {
        let mut backup = Command::new(BINARY)
            .args(["backup", "data/the.backup"])
            .current_dir(project.path())
            .env_clear()
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(chance.below(150)));
        backup.kill().unwrap();
        backup.wait().unwrap();
        if target.exists() {
            let copy = Project::of(CONFIGURATION, BOOKS);
            let (code, _, error) = copy.run(BINARY, &["restore", target.to_str().unwrap()]);
            assert_eq!(code, 0, "what has the name is whole: {error}");
            fs::remove_file(&target).unwrap();
        } else {
            unfinished += 1;
        }
        for name in files(&data(&project)).into_keys().filter(|name| name.contains(".partial")) {
            left += 1;
            if left % 5 == 1 {
                assert!(doctor(&project).contains(&name), "the doctor shows {name}");
            }
            fs::remove_file(data(&project).join(name)).unwrap();
        }
    }
    assert!(unfinished > 0 && left > 0, "{unfinished} were killed in time, {left} left something: tests nothing");
    assert_eq!(count(&server), 1_300);
    assert_eq!(server.stop().0, 0);
}

#[test]
fn sigterm_takes_the_unfinished_copy_away() {
    let project = used();
    for delay in [0, 5, 10, 20, 40] {
        let mut backup = Command::new(BINARY)
            .args(["backup", "data/the.backup"])
            .current_dir(project.path())
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(delay));
        Command::new("kill").args(["-TERM", &backup.id().to_string()]).status().unwrap();
        backup.wait().unwrap();
        let names: Vec<String> = files(&data(&project)).into_keys().collect();
        assert!(!names.iter().any(|name| name.contains(".partial")), "{names:?}");
        let _not_made = fs::remove_file(data(&project).join("the.backup"));
    }
}

#[test]
fn a_restore_keeps_what_was_there_with_the_last_write() {
    let project = used();
    assert_eq!(project.run(BINARY, &["backup", "old.backup"]).0, 0);
    let server = Launch::new(BINARY).start(&project);
    insert(&server, 800..900);
    // Killed: the last rows stand in the log alone.
    server.kill();
    assert!(fs::metadata(data(&project).join("pando.sqlite-wal")).unwrap().len() > 0);
    // The lock still has the number of the process that was killed.
    let kept = || files(&data(&project)).into_iter().filter(|(name, _)| !name.ends_with(".lock")).collect::<Vec<_>>();
    let before = kept();
    let (code, _, error) = project.run(BINARY, &["restore", "old.backup"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("--yes replaces it"), "{error}");
    assert!(before == kept(), "nothing is replaced unasked");

    fs::set_permissions(project.database(), fs::Permissions::from_mode(0o640)).unwrap();
    let (code, told, error) = project.run(BINARY, &["restore", "--yes", "old.backup"]);
    assert_eq!(code, 0, "{error}");
    assert!(told.contains("its last migration is 0001_init.sql"), "{told}");
    assert_eq!(fs::metadata(project.database()).unwrap().permissions().mode() & 0o777, 0o640, "the rights go on");
    let names: Vec<String> = files(&data(&project)).into_keys().collect();
    let kept = names.iter().find(|name| name.contains(".before-restore-")).expect("the old one is kept");
    assert_eq!(names.len(), 3, "{names:?}");
    let server = Launch::new(BINARY).start(&project);
    assert_eq!(count(&server), 800, "the backup's rows");
    assert_eq!(server.stop().0, 0);
    let (code, _, error) = project.run(BINARY, &["restore", "--yes", &format!("data/{kept}")]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(count(&Launch::new(BINARY).start(&project)), 900, "and back, with the last write");
}

#[test]
fn a_damaged_database_is_replaced_and_kept() {
    let project = used();
    assert_eq!(project.run(BINARY, &["backup", "good.backup"]).0, 0);
    let good = fs::read(project.database()).unwrap();
    for (what, bytes) in [("noise", vec![0x5a; 9_000]), ("half", good[..good.len() / 2 + 100].to_vec())] {
        fs::write(project.database(), &bytes).unwrap();
        assert_eq!(Launch::new(BINARY).refused(&project).code, 5, "{what}");
        let (code, _, error) = project.run(BINARY, &["restore", "--yes", "good.backup"]);
        assert_eq!(code, 0, "{what}: {error}");
        assert_eq!(count(&Launch::new(BINARY).start(&project)), 800, "{what}");
        let kept = files(&data(&project)).into_iter().filter(|(name, _)| name.contains(".before-restore-"));
        assert!(kept.map(|(_, kept)| kept).any(|kept| kept == bytes), "{what}: it is kept as it was");
    }
}

#[test]
fn what_must_not_be_restored_is_refused_and_changes_nothing() {
    let project = used();
    assert_eq!(project.run(BINARY, &["backup", "good.backup"]).0, 0);
    let good = fs::read(project.path().join("good.backup")).unwrap();
    let mut damaged = good.clone();
    damaged[5 * 4_096..6 * 4_096].fill(0xa5);
    project.write("damaged.backup", damaged);
    project.write("cut.backup", &good[..good.len() - 4_096]);
    project
        .write("text.backup", "this is no database, but a text that is long enough to be taken for one\n".repeat(20));
    project.write("empty.backup", "");
    // The layout's number stands at byte 60 of the head (SQLite's user version), what the file is at byte 68.
    let mut newer = good.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    project.write("newer.backup", newer);
    let mut foreign = good.clone();
    foreign[68..72].fill(0);
    project.write("foreign.backup", foreign);
    let cases = [
        ("damaged.backup", "the file is damaged", "take another backup"),
        ("cut.backup", "the file is damaged", "take another backup"),
        ("text.backup", "not a SQLite database", "nothing was changed"),
        ("empty.backup", "this database is empty", "nothing was changed"),
        ("newer.backup", "written by a newer Pando (layout 99", "the version of Pando that made it"),
        ("foreign.backup", "not one that Pando made", "nothing was changed"),
        ("nowhere.backup", "there is no such file", "nothing was changed"),
    ];
    let before = files(&data(&project));
    for (file, sentence, advice) in cases {
        let (code, _, error) = project.run(BINARY, &["restore", "--yes", file]);
        assert_eq!(code, 5, "{file}: {error}");
        assert!(error.contains(file) && error.contains(sentence) && error.contains(advice), "{file}: {error}");
        assert!(before == files(&data(&project)), "{file}");
    }
    for own in ["data/pando.sqlite", "data/pando.sqlite.lock"] {
        let (code, _, error) = project.run(BINARY, &["restore", "--yes", own]);
        assert_eq!((code, error.contains("the database itself")), (1, true), "{error}");
    }
    let server = Launch::new(BINARY).start(&project);
    let (code, _, error) = project.run(BINARY, &["restore", "--yes", "good.backup"]);
    assert_eq!(code, 5, "{error}");
    assert!(error.contains("another Pando process has it open; stop that one first"), "{error}");
    assert_eq!(count(&server), 800);
    assert_eq!(server.stop().0, 0);
}

#[test]
fn a_reader_holds_a_restore_up() {
    if is_skipped("a_reader_holds_a_restore_up", tool("python3").is_none(), "python3", "apt-get install python3") {
        return;
    }
    let project = used();
    assert_eq!(project.run(BINARY, &["backup", "good.backup"]).0, 0);
    let script = "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\nd.execute('begin')\n\
                  d.execute('select count(*) from sqlite_schema').fetchall()\nprint('held', flush=True)\nsys.stdin.read()";
    let mut holder = Command::new("python3")
        .args(["-c", script])
        .arg(project.database())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut line).unwrap();
    let inode = fs::metadata(project.database()).unwrap().ino();
    let (code, _, error) = project.run(BINARY, &["restore", "--yes", "good.backup"]);
    assert_eq!((code, error.contains("another process reads it")), (5, true), "{error}");
    assert_eq!(fs::metadata(project.database()).unwrap().ino(), inode, "it is the same file");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    assert_eq!(project.run(BINARY, &["restore", "--yes", "good.backup"]).0, 0);
    assert_eq!(count(&Launch::new(BINARY).start(&project)), 800);
}

/// What the doctor says, whatever its exit code.
fn doctor(project: &Project) -> String {
    let (_, text, error) = project.run(BINARY, &["doctor"]);
    assert!(!error.contains("panicked"), "{error}");
    text
}

/// The findings of one check, and the exit code.
fn findings(project: &Project) -> (i32, Vec<(String, String, String)>) {
    let (code, text, error) = project.run(BINARY, &["doctor", "--json"]);
    assert!(!text.contains(SECRET) && !error.contains(SECRET), "a secret is printed");
    let document: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{error}"));
    assert_eq!(document["ok"].as_bool(), Some(code == 0), "{text}");
    let word = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let list = document["findings"].as_array().unwrap().iter();
    (code, list.map(|one| (word(one, "check"), word(one, "grade"), word(one, "text"))).collect())
}

#[track_caller]
fn assert_finds(project: &Project, check: &str, grade: &str, text: &str) {
    let (code, found) = findings(project);
    let is_there = found.iter().any(|one| one.0 == check && one.1 == grade && one.2.contains(text));
    assert!(is_there, "no {grade} of {check} with {text:?} in {found:#?}");
    assert_eq!(code, i32::from(grade == "error"), "{found:#?}");
}

#[test]
fn the_doctor_finds_nothing_where_nothing_is_wrong_and_changes_nothing() {
    let project = used();
    let before = files(&data(&project));
    let (code, found) = findings(&project);
    assert_eq!(code, 0, "{found:#?}");
    assert!(found.iter().all(|one| one.1 == "ok" || one.0 == "disk"), "{found:#?}");
    assert!(before == files(&data(&project)), "the folder is as it was");

    let server = Launch::new(BINARY).start(&project);
    insert(&server, 800..900);
    assert_finds(&project, "server", "ok", &format!("process {} has the database open", server.process_id()));
    assert_finds(&project, "integrity", "ok", "no damage found");
    server.kill();
    // The log of the killed server stays as well; only the shared memory beside it comes and goes.
    let bytes = || {
        let mut files = files(&data(&project));
        files.remove("pando.sqlite-shm");
        files
    };
    let before = bytes();
    assert_finds(&project, "log", "note", "is left from a server that did not end by itself");
    assert!(before == bytes(), "the folder is as it was");
    assert_eq!(count(&Launch::new(BINARY).start(&project)), 900);
}

#[test]
fn the_doctor_finds_what_is_wrong() {
    let project = used();
    let good = fs::read(project.database()).unwrap();
    let allow = |mode: u32| fs::set_permissions(project.database(), fs::Permissions::from_mode(mode)).unwrap();
    allow(0o644);
    assert_finds(&project, "rights", "warning", "every user of this machine may open");
    allow(0o600);
    project.write("data/.gym.backup.AbC.partial", "x");
    assert_finds(&project, "leftovers", "warning", ".gym.backup.AbC.partial");
    fs::remove_file(project.path().join("data/.gym.backup.AbC.partial")).unwrap();
    project.write("data/pando.sqlite.before-restore-20260131T235959Z", "x");
    assert_finds(&project, "leftovers", "note", "was kept by a restore");
    fs::remove_file(project.path().join("data/pando.sqlite.before-restore-20260131T235959Z")).unwrap();

    let mut head = good.clone();
    head[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(project.database(), &head).unwrap();
    assert_finds(&project, "database", "error", "written by a newer Pando");
    head[68..72].fill(0);
    fs::write(project.database(), &head).unwrap();
    assert_finds(&project, "database", "error", "not one that Pando made");
    fs::write(project.database(), "no database at all, though a text of some length that says nothing".repeat(20))
        .unwrap();
    assert_finds(&project, "database", "error", "not a SQLite database");
    let (mut errors, page) = (0, 4_096);
    for number in 4..good.len() / page {
        let mut damaged = good.clone();
        damaged[number * page..(number + 1) * page].fill(0xa5);
        fs::write(project.database(), damaged).unwrap();
        let (code, found) = findings(&project);
        errors += i32::from(code == 1 && found.iter().any(|one| one.1 == "error" && one.2.contains("damaged")));
    }
    assert_eq!(errors as usize, good.len() / page - 4, "every damaged page is found");
    fs::write(project.database(), &good).unwrap();

    project.write("migrations/0001_init.sql", format!("{BOOKS}-- changed"));
    assert_finds(&project, "migrations", "error", "0001_init.sql was changed after it was applied");
    fs::rename(project.path().join("migrations/0001_init.sql"), project.path().join("kept")).unwrap();
    assert_finds(&project, "migrations", "error", "0001_init.sql was applied and is missing");
    project.write("migrations/0001_init.sql", BOOKS);
    project.write("migrations/0002_more.sql", "create table more (id int primary key);");
    assert_finds(&project, "migrations", "note", "pending: 0002_more.sql");
    project.write("migrations/0002_more.sql", "\ncreate tabel more (id int primary key);");
    assert_finds(&project, "migrations", "error", "0002_more.sql:2:");
    fs::remove_file(project.path().join("migrations/0002_more.sql")).unwrap();

    project.write("pando.toml", format!("{CONFIGURATION}\n[apy]\nx = 1\n"));
    assert_finds(&project, "configuration", "error", "apy");
    project.write("pando.toml", CONFIGURATION);
    assert_eq!(findings(&project).0, 0, "{}", doctor(&project));
    fs::remove_dir_all(data(&project)).unwrap();
    assert_finds(&project, "database", "note", "is not there yet");
    assert!(!data(&project).exists());
}

fn python(project: &Project, body: &str) {
    let script = format!("import sqlite3, sys\nd = sqlite3.connect(sys.argv[1], isolation_level=None)\n{body}\n");
    let status = Command::new("python3").args(["-c", &script]).arg(project.database()).status().unwrap();
    assert!(status.success());
}

#[test]
fn how_closely_a_start_looks_is_a_setting() {
    if is_skipped("check_at_start", tool("python3").is_none(), "python3", "install it: apt-get install python3") {
        return;
    }
    let with = |check: &str| Launch::new(BINARY).set("database.check_at_start", check);
    // A loan of no book, which another program has written: only the full check looks for it.
    let project = used();
    python(&project, "d.execute('insert into loan values (1, 77777)')");
    assert_finds(&project, "foreign keys", "error", "1 of \"loan\" refer to rows that \"book\" does not have");
    for check in ["auto", "quick", "off"] {
        assert_eq!(with(check).start(&project).stop().0, 0, "{check}");
    }
    let refusal = with("full").refused(&project);
    assert_eq!(refusal.code, 5, "{}", refusal.error);
    assert!(refusal.error.contains("pando restore FILE"), "{}", refusal.error);
    let (code, _, error) = project.run(BINARY, &["backup", "x.backup"]);
    assert_eq!(code, 0, "a backup takes what there is: {error}");
    let (code, _, error) = project.run(BINARY, &["restore", "--yes", "x.backup"]);
    assert_eq!((code, error.contains("x.backup: the file is damaged: 1 of \"loan\"")), (5, true), "{error}");

    // A value that an index has otherwise: neither does the quick check look there.
    let project = used();
    python(
        &project,
        "d.execute('pragma writable_schema=on')\n\
         row = d.execute(\"select * from sqlite_schema where name = 'book_pages'\").fetchone()\n\
         d.execute(\"delete from sqlite_schema where name = 'book_pages'\")\n\
         d.execute('pragma writable_schema=reset')\n\
         d.execute('update book set pages = 77777 where id = 5')\n\
         d.execute('pragma writable_schema=on')\n\
         d.execute('insert into sqlite_schema values (?, ?, ?, ?, ?)', row)\n\
         d.execute('pragma writable_schema=reset')",
    );
    assert_eq!(with("auto").start(&project).stop().0, 0);
    assert_eq!(with("full").refused(&project).code, 5);
    assert_finds(&project, "integrity", "error", "book_pages");
}

#[test]
fn a_large_file_is_looked_through_beside_the_requests() {
    let with = |check: &str| Launch::new(BINARY).set("database.check_at_start", check);
    let project = used();
    let server = with("off").start(&project);
    let text = "x".repeat(1_000_000);
    for part in 0..40_u32 {
        let row = json!({"title": format!("{part} {text}")});
        assert_eq!(server.client().send(&Request::json("POST", "/book", &row)).status, 201);
    }
    assert_eq!(server.stop().0, 0);
    let server = with("auto").start(&project);
    let line = server.wait_for("database-checked");
    assert_eq!(line["event.outcome"], "success", "{line}");
    assert!(server.admin("/metrics").text().contains("pando_database_damaged 0"));
    assert_eq!(server.stop().0, 0);

    let mut bytes = fs::read(project.database()).unwrap();
    assert!(bytes.len() > 40_000_000, "{}", bytes.len());
    bytes[30_000 * 1_000..][..8_192].fill(0xa5);
    fs::write(project.database(), bytes).unwrap();
    let server = with("auto").start(&project);
    let line = server.wait_for("database-checked");
    assert_eq!((&line["event.outcome"], &line["log.level"]), (&json!("failure"), &json!("error")), "{line}");
    let error = line["error.message"].as_str().unwrap();
    assert!(error.contains("the file is damaged") && error.contains("pando restore FILE"), "{error}");
    assert!(server.admin("/metrics").text().contains("pando_database_damaged 1"));
    assert_eq!(count(&server), 840, "what can be read is served on");
    assert_eq!(server.stop().0, 0);
    assert_eq!(with("quick").refused(&project).code, 5);
    assert_eq!(with("off").start(&project).stop().0, 0);
}

#[test]
fn shells_get_their_completions() {
    let project = Project::new("");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, error) = project.run(BINARY, &["completions", shell]);
        assert_eq!(code, 0, "{shell}: {error}");
        assert!(script.contains("pando") && script.contains("restore"), "{shell}: {script}");
    }
    assert_eq!(project.run(BINARY, &["completions", "tcsh"]).0, 2);
    let (_, script, _) = project.run(BINARY, &["completions", "bash"]);
    project.write("pando.bash", script);
    if !is_skipped("completions", tool("bash").is_none(), "bash", "install it: apt-get install bash") {
        let body =
            "source ./pando.bash; COMP_WORDS=(pando ba); COMP_CWORD=1; _pando pando ba pando; echo \"${COMPREPLY[@]}\"";
        let output = Command::new("bash").args(["-c", body]).current_dir(project.path()).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "backup");
    }
}
