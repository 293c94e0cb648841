//! The login in the binary: what it keeps and where, what it writes to the log, how its keys rotate, and how it is left out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use testkit::{Launch, MailServer, Postgres, Project, Request, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");
const CONFIGURATION: &str = "[auth.login]\nconfirm_email = false\n";
const PASSWORD: &str = "correct horse battery staple";

/// Profiles that refer to accounts, made by the trigger that Supabase's documentation has.
const PROFILES: &str = "
create table profile (
  id uuid primary key references auth.users (id) on delete cascade,
  email text,
  nick text
);
alter table profile enable row level security;
grant select on profile to authenticated;
create policy own on profile for select to authenticated using (id = auth.uid());
create function public.make_profile() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profile (id, email, nick) values (new.id, new.email, new.raw_user_meta_data ->> 'nick');
  return new;
end;
$$;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.make_profile();
";

fn sign_up(server: &Server, email: &str) -> Value {
    let body = json!({"email": email, "password": PASSWORD, "data": {"nick": "mina"}});
    let answer = server.client().send(&Request::json("POST", "/auth/v1/signup", &body));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {body}"))
}

fn profiles(server: &Server) {
    let mina = sign_up(server, "mina@example.com");
    sign_up(server, "leo@example.com");
    let read = Request::new("GET", "/rest/v1/profile?select=email,nick").bearer(text(&mina, "access_token"));
    assert_eq!(server.client().send(&read).json(), json!([{"email": "mina@example.com", "nick": "mina"}]));
}

#[test]
fn accounts_may_be_referred_to_and_their_trigger_fires() {
    let project = Project::of(CONFIGURATION, PROFILES);
    let server = Launch::new(BINARY).start(&project);
    profiles(&server);
}

#[test]
fn accounts_may_be_referred_to_on_postgresql() {
    let Some(postgres) = Postgres::start_for("accounts_may_be_referred_to_on_postgresql") else { return };
    let project = Project::of(CONFIGURATION, PROFILES);
    let (code, output, error) = project.run(BINARY, &["bootstrap", "--url", &postgres.url("postgres")]);
    assert_eq!(code, 0, "{output}{error}");
    let server = Launch::new(BINARY)
        .variable("PANDO_DATABASE_URL", &postgres.url("postgres"))
        .set("auth.login.enabled", "on")
        .set("auth.secret", "a secret of more than thirty-two bytes")
        .start(&project);
    profiles(&server);
}

#[test]
fn sessions_outlive_the_server_by_a_secret_of_their_own() {
    let project = Project::of(CONFIGURATION, "create table t (id int primary key);");
    let server = Launch::new(BINARY).start(&project);
    let mina = sign_up(&server, "mina@example.com");
    server.stop();
    let mut secret = project.database().into_os_string();
    secret.push(".secret");
    let kept = std::fs::metadata(&secret).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);

    let (code, made, error) = project.run(BINARY, &["keys", "rotate"]);
    assert_eq!((code, made.contains("made")), (0, true), "{made}{error}");
    let (_, list, _) = project.run(BINARY, &["keys", "list", "--json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list[0]["state"], &list[1]["state"]), (&json!("waiting"), &json!("leaving")), "{list}");

    let server = Launch::new(BINARY).start(&project);
    let user = Request::new("GET", "/auth/v1/user").bearer(text(&mina, "access_token"));
    assert_eq!(server.client().send(&user).status, 200, "the former key still verifies");
    let refresh = json!({"refresh_token": mina["refresh_token"]});
    let refresh = Request::json("POST", "/auth/v1/token?grant_type=refresh_token", &refresh);
    assert_eq!(server.client().send(&refresh).status, 200);
    assert_eq!(server.get("/auth/v1/.well-known/jwks.json").json()["keys"].as_array().unwrap().len(), 2);
    server.stop();

    let (code, made, error) = project.run(BINARY, &["keys", "rotate", "--now"]);
    assert_eq!(code, 0, "{made}{error}");
    let server = Launch::new(BINARY).start(&project);
    assert_eq!(server.client().send(&user).status, 403, "no longer");
    assert_eq!(server.client().send(&refresh).status, 200, "and the session goes on");
}

#[test]
fn keys_rotate_while_the_embedded_engine_is_served() {
    let project = Project::of(CONFIGURATION, "create table t (id int primary key);");
    let (code, made, error) = project.run(BINARY, &["keys", "api", "create", "admin", "--secret", "--json"]);
    assert_eq!(code, 0, "{error}");
    let made: Value = serde_json::from_str(&made).unwrap();
    let server = Launch::new(BINARY).start(&project);
    let mina = sign_up(&server, "mina@example.com");
    let (code, _, error) = project.run(BINARY, &["keys", "rotate"]);
    assert!(code != 0, "the file is the server's: {error}");
    let ask = |method: &str, path: &str, bearer: &str| {
        server.client().send(&Request::new(method, &format!("/auth/v1/admin/signing-keys{path}")).bearer(bearer))
    };
    for path in ["", "/rotate"] {
        let method = if path.is_empty() { "GET" } else { "POST" };
        assert_eq!(ask(method, path, text(&mina, "access_token")).status, 403);
    }
    let admin = text(&made, "key");
    let rotated = ask("POST", "/rotate", admin);
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let list = ask("GET", "", admin);
    assert_eq!((list.json().as_array().unwrap().len(), &list.json()[0]["id"]), (2, &rotated.json()["id"]));
    assert!(!list.text().contains("private"));
    assert_eq!(server.get("/auth/v1/.well-known/jwks.json").json()["keys"].as_array().unwrap().len(), 2);
    let user = Request::new("GET", "/auth/v1/user").bearer(text(&mina, "access_token"));
    assert_eq!(server.client().send(&user).status, 200);
    // One that others may know counts no more at once.
    let now = Request::json("POST", "/auth/v1/admin/signing-keys/rotate", &json!({"now": true})).bearer(admin);
    assert_eq!(server.client().send(&now).status, 200);
    assert_eq!(server.client().send(&user).status, 403);
    assert_eq!(server.get("/auth/v1/.well-known/jwks.json").json()["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn a_restored_backup_signs_everyone_in() {
    let project = Project::of(CONFIGURATION, "create table t (id int primary key);");
    let server = Launch::new(BINARY).start(&project);
    let mina = sign_up(&server, "mina@example.com");
    let run = |project: &Project, arguments: &[&str]| {
        let (code, output, error) = project.run(BINARY, arguments);
        assert_eq!(code, 0, "{output}{error}");
        output
    };
    // While it is served.
    let told = run(&project, &["backup", "all.backup"]);
    assert!(told.contains("all.backup.secret") && told.contains("keep it"), "{told}");
    let secret = project.path().join("all.backup.secret");
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    server.stop();

    let other = Project::of(CONFIGURATION, "create table t (id int primary key);");
    // It was used before, with a secret of its own.
    Launch::new(BINARY).start(&other).stop();
    let told = run(&other, &["restore", "--yes", project.path().join("all.backup").to_str().unwrap()]);
    assert!(told.contains(".secret"), "{told}");
    let server = Launch::new(BINARY).start(&other);
    let refresh = json!({"refresh_token": mina["refresh_token"]});
    let refresh = Request::json("POST", "/auth/v1/token?grant_type=refresh_token", &refresh);
    assert_eq!(server.client().send(&refresh).status, 200);
    let user = Request::new("GET", "/auth/v1/user").bearer(text(&mina, "access_token"));
    assert_eq!(server.client().send(&user).status, 200);
    server.stop();
    let folder = other.database().parent().unwrap().to_path_buf();
    let names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let former = |name: &&String| name.contains(".before-restore-") && name.ends_with(".secret");
    assert!(names.iter().any(|name| former(&name)), "the former secret is kept: {names:?}");

    // Without its secret a backup is restored, and what is missing is said.
    std::fs::remove_file(secret).unwrap();
    let bare = Project::of(CONFIGURATION, "create table t (id int primary key);");
    let told = run(&bare, &["restore", project.path().join("all.backup").to_str().unwrap()]);
    assert!(told.contains("warning") && told.contains("auth.secret"), "{told}");
    run(&bare, &["keys", "rotate", "--now"]);
    let server = Launch::new(BINARY).start(&bare);
    let account = json!({"email": "mina@example.com", "password": PASSWORD});
    let again = Request::json("POST", "/auth/v1/token?grant_type=password", &account);
    assert_eq!(server.client().send(&again).status, 200);
}

#[test]
fn nothing_of_who_signs_in_is_in_the_log() {
    let project = Project::of(CONFIGURATION, "create table t (id int primary key);");
    let mails = MailServer::start();
    let server = Launch::new(BINARY)
        .set("log.level", "debug")
        .set("auth.mail.host", "127.0.0.1")
        .set("auth.mail.port", &mails.address().port().to_string())
        .set("auth.mail.security", "none")
        .start(&project);
    let mina = sign_up(&server, "mina@example.com");
    let wrong = json!({"email": "mina@example.com", "password": "a wrong password"});
    let wrong = Request::json("POST", "/auth/v1/token?grant_type=password", &wrong);
    assert_eq!(server.client().send(&wrong).status, 400);
    let forgotten = Request::json("POST", "/auth/v1/recover", &json!({"email": "mina@example.com"}));
    assert_eq!(server.client().send(&forgotten).status, 200);
    let link = Request::new("GET", "/auth/v1/verify?token=secret-of-a-link&type=recovery");
    assert_eq!(server.client().send(&link).status, 303);
    let line = server.wait_for("mail-sent");
    assert_eq!(line["pando.login.mail"], "recovery");
    let metrics = server.admin("/metrics").text();
    for sample in [
        "pando_sign_ins_total{action=\"signup\",outcome=\"done\"} 1",
        "pando_sign_ins_total{action=\"password\",outcome=\"invalid_credentials\"} 1",
        "pando_mails_total{mail=\"recovery\",outcome=\"success\"} 1",
    ] {
        assert!(metrics.contains(sample), "{sample}");
    }
    let log = server.log();
    let tokens = [text(&mina, "access_token"), text(&mina, "refresh_token")];
    for secret in ["mina@", PASSWORD, "a wrong password", "secret-of-a-link", tokens[0], tokens[1]] {
        assert!(!log.contains(secret), "the log has {secret}");
    }
}

/// Strangers guess through a proxy that is trusted, each from an address of his own. Nothing of whom they try is in the log.
fn guessed_at(launch: Launch, project: &Project) {
    let server = launch.set("server.trusted_proxies", "127.0.0.1").set("log.level", "debug").start(project);
    let asked = json!({"email": "mina@example.com", "password": PASSWORD});
    let sign_up = Request::json("POST", "/auth/v1/signup", &asked).header("Pando-Device", "new");
    let device = server.client().send(&sign_up).header("pando-device").unwrap().to_owned();
    let sign_in = |password: &str, number: u32| {
        let body = json!({"email": "mina@example.com", "password": password});
        Request::json("POST", "/auth/v1/token?grant_type=password", &body)
            .header("X-Forwarded-For", format!("198.51.{number}.7"))
    };
    let statuses: Vec<u16> =
        (0..40).map(|number| server.client().send(&sign_in("a wrong password", number)).status).collect();
    assert_eq!(statuses[..5], [400; 5]);
    assert_eq!(statuses[5..], [429; 35]);
    let right = server.client().send(&sign_in(PASSWORD, 99));
    assert_eq!((right.status, right.json()["error_code"].as_str()), (429, Some("over_request_rate_limit")));
    assert!(right.header("retry-after").unwrap().parse::<u32>().unwrap() > 600);
    let known = server.client().send(&sign_in(PASSWORD, 99).header("Pando-Device", &device));
    assert_eq!(known.status, 200, "{}", known.text());
    let line = server.wait_for("login-attack-seen");
    assert_eq!(line["event.reason"], "account_locked");
    let metrics = server.admin("/metrics").text();
    for sample in [
        "pando_login_refused_total{action=\"password\",reason=\"account\"} 36",
        "pando_login_attacks_total{attack=\"account_locked\"} 1",
        "pando_login_under_attack 0",
        // The sign-up, five wrong ones and the right one.
        "pando_password_hashes_total 7",
        "pando_password_shed_total{priority=\"suspected\"} 0",
        "pando_password_waiting{priority=\"trusted\"} 0",
    ] {
        assert!(metrics.contains(sample), "{sample}");
    }
    let log = server.log();
    for secret in ["mina@", "198.51.", "a wrong password", device.as_str()] {
        assert!(!log.contains(secret), "the log has {secret}");
    }
}

#[test]
fn strangers_guess_a_few_times_and_a_known_device_gets_in() {
    let project = Project::of(CONFIGURATION, "create table t (id int primary key);");
    guessed_at(Launch::new(BINARY), &project);
}

#[test]
fn strangers_guess_a_few_times_over_counters_of_all_nodes() {
    let Some(redis) = testkit::Redis::start_for("strangers_guess_a_few_times_over_counters_of_all_nodes") else {
        return;
    };
    let project = Project::of(CONFIGURATION, "create table t (id int primary key);");
    let launch = Launch::new(BINARY).set("cache.url", &redis.url()).set("cache.timeout_ms", "1000");
    guessed_at(launch.set("cache.secret", "a secret of the counters"), &project);
}

#[test]
fn who_switches_the_defence_off_is_told() {
    let project = Project::of(CONFIGURATION, "create table t (id int primary key);");
    let server = Launch::new(BINARY).set("auth.defence.enabled", "false").start(&project);
    let body = json!({"email": "mina@example.com", "password": "a wrong password"});
    let guess = Request::json("POST", "/auth/v1/token?grant_type=password", &body);
    assert!((0..12).all(|_| server.client().send(&guess).status == 400));
    assert!(server.log().contains("auth.defence.enabled"), "{}", server.log());
}

#[test]
fn the_login_is_left_out_where_it_is_off() {
    let project = Project::of("[auth.login]\nenabled = \"off\"\n", "create table t (id int primary key);");
    let server = Launch::new(BINARY).start(&project);
    let refused = server.get("/auth/v1/health");
    assert_eq!((refused.status, refused.code()), (404, "PANDO404".to_owned()));
    server.stop();
    let (code, _, error) = project.run(BINARY, &["keys", "list"]);
    assert_eq!(code, 3, "{error}");
    let wrong =
        Project::of("[auth.login]\nredirect_urls = [\"javascript://x\"]\n", "create table t (id int primary key);");
    let refusal = Launch::new(BINARY).refused(&wrong);
    assert!(format!("{refusal:?}").contains("auth.login.redirect_urls"), "{refusal:?}");
}

#[test]
fn a_server_without_a_secret_says_what_to_set() {
    let Some(postgres) = Postgres::start_for("a_server_without_a_secret_says_what_to_set") else { return };
    let project = Project::new("");
    let launch = || Launch::new(BINARY).variable("PANDO_DATABASE_URL", &postgres.url("postgres"));
    let refusal = launch().set("auth.login.enabled", "on").refused(&project);
    assert!(format!("{refusal:?}").contains("auth.secret"), "{refusal:?}");
    let server = launch().start(&project);
    assert_eq!(server.get("/auth/v1/health").status, 404, "left out where nobody insists");
}
