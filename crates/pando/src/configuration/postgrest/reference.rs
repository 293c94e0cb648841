//! The page about PostgREST's settings, generated from their table. Only the test that compares or writes it needs this.

use super::known::{KNOWN, Known, Meaning};

/// The page `docs/reference/postgrest.md`.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    page.push_str("\n## Honoured\n\n| PostgREST | default | environment | in Pando | |\n|---|---|---|---|---|\n");
    page.push_str(APPLICATION);
    for known in KNOWN.iter().filter(|known| !is_not_honoured(known)) {
        let settings = known.meaning.settings().iter().copied().chain(known.meaning.setting());
        let settings: Vec<String> = settings.map(|name| format!("`{name}`")).collect();
        page.push_str(&format!(
            "| {} | {} | `{}` | {} | {} |\n",
            names(known),
            default(known),
            known.variable(),
            settings.join(", "),
            known.remark
        ));
    }
    page.push_str(BETWEEN);
    page.push_str("| PostgREST | default | at the start | |\n|---|---|---|---|\n");
    for known in KNOWN.iter().filter(|known| is_not_honoured(known)) {
        page.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            names(known),
            default(known),
            outcome(known.meaning),
            known.remark
        ));
    }
    page.push_str(TAIL);
    page
}

fn is_not_honoured(known: &Known) -> bool {
    matches!(known.meaning, Meaning::Ignored(_) | Meaning::Refused(_))
}

fn names(known: &Known) -> String {
    let aliases: String = known.aliases.iter().map(|alias| format!(", `{alias}`")).collect();
    format!("`{}`{aliases}", known.name)
}

fn default(known: &Known) -> String {
    if known.default.is_empty() { "not set".to_owned() } else { format!("`{}`", known.default) }
}

fn outcome(meaning: Meaning) -> String {
    let unless = |same: &[&str]| match same {
        [] => String::new(),
        same => {
            format!(" unless it is {}", same.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or "))
        }
    };
    match meaning {
        Meaning::Ignored(same) => format!("a warning{}", unless(same)),
        Meaning::Refused(same) => format!("an error{}", unless(same)),
        _ => String::new(),
    }
    .to_owned()
}

const HEAD: &str = "# PostgREST's configuration

<!-- Generated from crates/pando/src/configuration/postgrest/; `cargo test -p pando -- --ignored bless` writes it again. -->

`pando serve --postgrest postgrest.conf` serves a database that was made for PostgREST (14 to 16) as PostgREST is configured
to. `PGRST_` variables in the environment win over the file, and settings in the database (`db-config`) over both. Where there
is no `pando.toml`, `PGRST_` variables alone are enough: `pando serve`. A `pando.toml` and `--postgrest` exclude one another.

What PostgREST has no setting for keeps Pando's default (`[limits]` above all: 30 seconds for a statement, 5 MiB for a body) and
can be said with `PANDO_SECTION_KEY` in the environment and `--set section.key=value`, which win over all the others.
`pando config show --postgrest postgrest.conf` prints what comes of it and where each value is from, secrets hidden;
`pando config check --postgrest postgrest.conf` prints what is not honoured. Neither asks the database.

The API is at `/` and at `/rest/v1`. Migrations, the seed and the page at `/docs` are off. The file is read as PostgREST reads
it: comments, groups, escapes, `$(NAME)` for a variable, `$$` for a dollar sign; only `import` is refused. Values that
PostgREST would silently replace by its default (`server-port = \"many\"`) are errors with file and line.
";

const APPLICATION: &str = "| `app.settings.*` | not set | `PGRST_APP_SETTINGS_*` | `database.application_settings` | A variable wins over the file \
     whatever the case of the name. |\n";

const BETWEEN: &str = "
## Not honoured

Named at every start: a warning where no answer changes, or where it changes into a clear refusal, and where a default of
PostgREST's is not honoured; an error that stops the start where answers or security would change by what somebody has set.

";

const TAIL: &str = "
A name that is not in these tables is ignored with a warning, as PostgREST ignores it.

A database that cannot be reached at the start is waited for, also for the settings that it holds: requests are answered 503
(`PGRST002`) until then, and what it then says counts. One that is lost later is connected to again.

Settings of the roles that requests run as (`ALTER ROLE anon SET statement_timeout = ...`) are applied to every request of theirs,
as far as the role that logs in may set them; others are named at the start. What is said for the one database
(`ALTER ROLE anon IN DATABASE ...`) counts too, over the rest. What the role that logs in has counts in every request.
`limits.statement_timeout_seconds` bounds statements where none of them, nor the server, says so.

Signals: SIGUSR1 has the schema read again and SIGUSR2 the configuration (file, `@file`, database), as in PostgREST; SIGHUP both. Of the
configuration `jwt-secret` and the other settings of tokens, and `db-anon-role`, count at once. What else was changed counts
after a restart, where PostgREST reloads more, and is named in the log (`configuration-read`).

Behind PgBouncer in transaction mode set `db-prepared-statements = false` (PgBouncer 1.21 and newer can keep them, with its
`max_prepared_statements`) and `db-channel-enabled = false`: it passes no notifications on. Where prepared statements would be
forgotten, the start is refused with these words. PgBouncer needs no `ignore_startup_parameters` for Pando.
";

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/postgrest.md");

    #[test]
    fn the_page_is_up_to_date() {
        let page = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert!(page == reference(), "run `cargo test -p pando -- --ignored bless`");
    }

    #[test]
    #[ignore = "writes docs/reference/postgrest.md"]
    fn bless_postgrest_reference() {
        std::fs::write(PAGE, reference()).unwrap();
    }
}
