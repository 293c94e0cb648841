//! The command line: what can be typed, and what the help says about it.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Cyan.on_default().dimmed());

/// One binary that turns a SQL schema into a production REST API.
#[derive(Debug, Parser)]
#[command(
    name = "pando",
    version,
    styles = STYLES,
    max_term_width = 100,
    after_help = "\
First steps:
  pando init gym && cd gym     make a project with an example schema
  pando serve                  apply its migrations and serve it on http://127.0.0.1:8000
  curl 'http://127.0.0.1:8000/rest/v1/climbs?select=name,route(grade,setter(name))&limit=3'

Exit codes:
  0  it worked                       3  the configuration is wrong
  1  it failed while it ran          4  a migration is refused or failed
  2  the command line is wrong       5  the database cannot be opened
                                     6  an address cannot be listened on
                                     7  the audit was altered"
)]
pub struct Cli {
    /// What everything reads.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// The configuration file, or the folder it is in [default: pando.toml, if there is one]
    #[arg(long, short, global = true, value_name = "FILE", env = "PANDO_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,

    /// Read PostgREST's configuration file instead of pando.toml; PGRST_ variables in the environment win over it
    ///
    /// Without this flag they count where there is no pando.toml.
    #[arg(long, global = true, value_name = "FILE")]
    pub postgrest: Option<PathBuf>,

    /// Override one setting, for example --set api.max_rows=100; may be repeated
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE", value_parser = parse_pair)]
    pub set: Vec<(String, String)>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a project: configuration, a first migration, seed data, a README
    #[command(after_help = "\
Examples:
  pando init gym        make the folder gym with the climbing gym example
  pando init            make it here; the folder has to be empty

The configuration gets a random secret for development. Change migrations/0001_init.sql as you like
before the first `pando serve`; afterwards add new files with `pando migrate new`.")]
    Init {
        /// The folder; it is made when it is missing and has to be empty
        #[arg(default_value = ".")]
        directory: PathBuf,
    },

    /// Apply pending migrations and serve the API
    #[command(after_help = "\
Examples:
  pando serve                            serve the project in this folder
  pando serve --config gym               serve the one in gym/pando.toml
  pando serve --listen 0.0.0.0:8000      be reached from other machines
  PANDO_LOG_FORMAT=json pando serve      log JSON even on a terminal
  pando serve --postgrest postgrest.conf serve a PostgreSQL database as PostgREST is configured to

  pando serve --watch                    apply migrations as they are written, for development

--watch looks at the folder of migrations a few times a second. A new file is applied while requests go on;
one that is refused is shown with its line, and the older schema is served on, also at the start. A file that
was applied is never applied again: one that was edited is reported. The seed runs once, after the first
migrations. A change of pando.toml is reported; it counts after a restart, [auth] after `pando reload`.

Signals: SIGTERM and SIGINT stop taking connections, finish the requests in flight (server.drain_seconds),
cancel what still runs, and exit 0; a second one stops at once. SIGHUP reads the configuration and the schema
again, SIGUSR1 the schema alone, SIGUSR2 the configuration alone. Of the configuration, keys and rules for tokens
([auth]) and api.anonymous_role count at once, and the rest after a restart.

A start that takes longer than a second, because a PostgreSQL server does not answer or a migration runs, opens
the doors: requests are answered 503 (PGRST002) until it is done, /live says yes and /ready says no. A server that
does not answer is waited for, and every attempt is logged.")]
    Serve {
        /// The address of the API; the same as --set server.listen=ADDRESS
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
        /// The address of metrics and probes, empty for none; the same as --set server.admin_listen=ADDRESS
        #[arg(long, value_name = "ADDRESS")]
        admin_listen: Option<String>,
        /// Apply migrations as they are written; for development
        #[arg(long)]
        watch: bool,
    },

    /// Ask a running server to read its schema and its configuration again
    #[command(after_help = "\
Examples:
  pando reload                         ask the server of this project, at server.admin_listen
  pando reload --admin 127.0.0.1:9001  ask another one
  pando reload --pid 4711              send SIGHUP to a process; its log says how it went

Requests go on meanwhile, and get the newer schema as soon as it is read. One that cannot be read changes
nothing: the exit code is 1, and the server tries again by itself. On the embedded engine the schema is always
current, and the configuration alone is read again.

Keys and rules for tokens ([auth]) and api.anonymous_role count from then on: a token of a former key is refused.
What else was changed in the configuration is named, and counts after a restart. One that is wrong changes nothing.
`NOTIFY pgrst, 'reload schema'` and `NOTIFY pgrst, 'reload config'` do the same from the database.")]
    Reload(Reload),

    /// Change the schema: apply migrations, see what is applied, make a new one
    #[command(
        subcommand,
        after_help = "\
A migration is a file in migrations/ named by a number and a word or two, 0002_add_walls.sql, written in
PostgreSQL's SQL. Files are applied in the order of their numbers, each in one transaction (unless its first
line is `-- pando: no transaction`, for CREATE INDEX CONCURRENTLY on a PostgreSQL server), and once: Pando
remembers the SHA-256 of each and refuses to go on when an applied file was changed or is gone."
    )]
    Migrate(Migrate),

    /// Copy the database into a file, while it is served or not
    #[command(after_help = "\
Examples:
  pando backup gym.backup                          copy the database of this project
  pando backup --force /backups/gym.backup         take the place of an older backup
  pando backup - | zstd > gym.backup.zst           write it to standard output

The copy is of one moment: every write acknowledged before the command began is in it, and no write is half
in it. Requests go on meanwhile. FILE gets its name only when the copy is on the disk and was looked through;
only this user may read it. It holds all data and the applied migrations, not pando.toml and its secrets.")]
    Backup {
        /// Where to; - for standard output
        file: PathBuf,
        /// Take the place of a file that is there
        #[arg(long)]
        force: bool,
    },

    /// Write accounts, sessions and keys of the embedded engine as SQL for PostgreSQL
    #[command(after_help = "\
Examples:
  pando export-accounts accounts.sql                                    also while `pando serve` runs
  scripts/move-rows --accounts accounts.sql URL TOKEN postgres://…      with the rows, in one transaction

The tables have to be there, and empty: made by `pando migrate up` or `pando bootstrap` with auth.login.enabled = \"on\" and
auth.api_keys = \"on\", before the login has run on the server. Given the same auth.secret, passwords, sessions, second factors and
API keys go on. The script holds hashes of passwords: remove it afterwards (docs/postgresql.md, Moving in).")]
    ExportAccounts {
        /// Where to; - for standard output
        file: PathBuf,
    },

    /// Put a backup in the place of the database
    #[command(after_help = "\
Examples:
  pando restore gym.backup          asks before it replaces a database
  pando restore --yes gym.backup    does not ask

The server has to be stopped. The backup is copied and looked through before anything is changed: its
structure, its indexes and its foreign keys. The database that was there is kept beside the new one as
NAME.before-restore-TIME. Migrations newer than the backup are applied by the next `pando serve`.")]
    Restore {
        /// The backup
        file: PathBuf,
        /// Replace a database that is there without asking
        #[arg(long, short)]
        yes: bool,
    },

    /// Add to a bare PostgreSQL what requests and policies need: roles, auth.uid(), grants, event triggers
    #[command(after_help = "\
Examples:
  pando bootstrap --dry-run                          show the SQL that is missing, and change nothing
  pando bootstrap --url postgres://postgres@db/gym   add it, as a role that may
  pando bootstrap --authenticator authenticator --password-file secret
  printenv PASSWORD | pando bootstrap --authenticator authenticator --password-file -

Added, where missing: the roles anon, authenticated and service_role (which row security does not apply to); the
schema auth with auth.uid(), auth.role(), auth.email() and auth.jwt(); USAGE of the schemas of api.schemas; event
triggers that tell Pando of every change to the schema. All of it in one transaction, and nothing a second time.
What is there is never changed: where it differs, that is told. A database of Supabase's needs none of it.")]
    Bootstrap(Bootstrap),

    /// Look the data folder and the configuration over, and say what to do
    #[command(after_help = "\
Examples:
  pando doctor                            also while `pando serve` runs
  pando doctor --json | jq .findings      for scripts

It changes nothing. Looked at: configuration, rights, who has the database open, every page, index and
foreign key, migrations against their files, the log of writes, files left behind, free room, the clock.
The exit code is 1 if something is wrong; warnings alone are 0.")]
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },

    /// Look at the configuration
    #[command(
        subcommand,
        after_help = "\
Every setting can be given in pando.toml, in the environment and as a flag; the later wins:
  pando.toml           [api]
                       max_rows = 100
  the environment      PANDO_API_MAX_ROWS=100
  a flag               --set api.max_rows=100"
    )]
    Config(ConfigCommand),

    /// Make a signed token (JWT, HS256) for development
    #[command(after_help = "\
Examples:
  pando token --role authenticated --sub 7b9e0c5e-3f0a-4b39-9d0e-0a3a4c8a1d11
  pando token --role anon --expires never          the key for createClient() of supabase-js
  pando token --role authenticated --claim plan=pro --claim 'teams=[1,2]'
  curl -H \"Authorization: Bearer $(pando token --role authenticated)\" http://127.0.0.1:8000/rest/v1/climbs

The token is signed with auth.jwt_secret, and gets the configured audience and issuer, if there are any.")]
    Token(Token),

    /// Look after keys
    #[command(subcommand)]
    Keys(Keys),

    /// Look over who changed what: whether the log was altered, and what stands in it
    #[command(
        subcommand,
        after_help = "\
Every change of a row has an entry in pando.audit_entries, written in its transaction; entries are sealed into a
Merkle log a few seconds later (docs/audit.md). These commands only read, also while `pando serve` runs.
The exit code is 7 where something was altered or cannot be proved."
    )]
    Audit(Audit),

    /// Make the list of leaked passwords that nobody may choose
    #[command(
        subcommand,
        after_help = "\
Where auth.password.leaked_list names a file, a new password is looked up in it, without a network. Without one a
small list of the most common passwords counts, as it does beside the file."
    )]
    Passwords(Passwords),

    /// Print the OpenAPI document of a schema
    #[command(after_help = "\
Examples:
  pando openapi                            everything in the first schema of api.schemas
  pando openapi --role anon                what a visitor may do, as GET /rest/v1/ answers one
  pando openapi --schema ops > ops.json

For the embedded engine it is made from the migration files, applied or not; no database is opened, and
`pando serve` may run. A PostgreSQL server is asked what it has, with all that its functions and types are.")]
    Openapi {
        /// The schema; it has to be one of api.schemas [default: the first of them]
        #[arg(long, value_name = "SCHEMA")]
        schema: Option<String>,
        /// Show what this role may do [default: everything]
        #[arg(long, value_name = "ROLE")]
        role: Option<String>,
    },

    /// Print types for programs that use the API
    #[command(subcommand)]
    Types(Types),

    /// Look after static files
    #[command(subcommand)]
    Assets(Assets),

    /// Print a script that completes commands in a shell
    #[command(after_help = "\
Examples:
  pando completions bash > ~/.local/share/bash-completion/completions/pando
  pando completions zsh > \"${fpath[1]}/_pando\"
  pando completions fish > ~/.config/fish/completions/pando.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },

    /// Print the version
    Version,
}

/// `pando migrate …`
#[derive(Debug, Subcommand)]
pub enum Migrate {
    /// Apply the migrations that are pending
    Up,
    /// List the migrations: which are applied, which are pending
    Status,
    /// Tell what each statement of the files becomes on the engine, without a database
    #[command(after_help = "\
Examples:
  pando migrate check            one line for each statement; what is refused, and what to write instead
  pando migrate check --json     the same for programs
  pando migrate check --strict   in CI: ends with 4 when there are warnings

All files are read, applied or not. Where database.url names a file it ends with 4 when something is refused:
not only the first such statement is told, but later ones may follow from it.

It warns of what would hurt a database in use: locks and rewrites on a PostgreSQL server, policies and foreign
keys without an index or without row security on both. A comment above a statement silences a warning:
  -- pando: allow set-not-null")]
    Check {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
        /// Take warnings for errors
        #[arg(long)]
        strict: bool,
    },
    /// Make an empty migration file with the next number
    #[command(after_help = "Example:\n  pando migrate new add_walls        makes migrations/0002_add_walls.sql")]
    New {
        /// What it is about, in letters, digits and underscores
        name: String,
    },
}

/// `pando reload`
#[derive(Debug, Args)]
pub struct Reload {
    /// The server's admin address; the same as --set server.admin_listen=ADDRESS
    #[arg(long, value_name = "ADDRESS", conflicts_with = "pid")]
    pub admin: Option<String>,
    /// The server's process, where it has no admin address
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
}

/// `pando bootstrap`
#[derive(Debug, Args)]
pub struct Bootstrap {
    /// The server; the same as --set database.url=URL
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Also a role to log in as that may become the others, and has no rights of its own
    #[arg(long, value_name = "NAME")]
    pub authenticator: Option<String>,
    /// The file with its password, - for standard input; a role that is there keeps the one it has
    #[arg(long, value_name = "FILE", requires = "authenticator")]
    pub password_file: Option<PathBuf>,
    /// Open every table, function and sequence that this role makes later to all three roles, as Supabase does; then
    /// row security alone protects rows
    #[arg(long)]
    pub open_new_objects: bool,
    /// Print the SQL that is missing; it is tried, and taken back
    #[arg(long)]
    pub dry_run: bool,
}

/// `pando keys …`
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// API keys: what programs are known by
    #[command(
        subcommand,
        after_help = "\
A publishable key stands in web pages and apps and gives what visitors may do; a secret one is for servers and has the
role auth.service_role. Programs send it in the header apikey, or as Bearer; with a user's token beside it the user
asks, through the program. A key is kept nowhere: it is shown once, when it is made.

What is changed counts on every node of a PostgreSQL database within a second. The file of the embedded engine belongs
to the server that serves it: while it runs, /auth/v1/admin/api-keys does the same (docs/api-keys.md)."
    )]
    Api(ApiKeyCommand),
    /// List the keys that the login signs tokens with
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a new key that the login signs tokens with
    #[command(after_help = "\
Examples:
  pando keys rotate        publish a new key now; it signs in ten minutes, when everybody knows it
  pando keys rotate --now  let the former ones count no more: whoever has signed in refreshes at once

The former key stays published until the last token that it signed has expired. Nodes of a PostgreSQL database
follow within two seconds. The file of the embedded engine belongs to the server that serves it: while it runs,
POST /auth/v1/admin/signing-keys/rotate does the same (docs/auth.md).")]
    Rotate {
        /// At once, because a key may be known to others; tokens of the former ones count no more
        #[arg(long)]
        now: bool,
    },
}

/// `pando keys api …`
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Make a key
    #[command(after_help = "\
Examples:
  pando keys api create web                                        for pages and apps
  pando keys api create backend --secret                           everything, row security aside
  pando keys api create reports --secret --role reporter --method GET --allow public.climbs --allow 'ops.*'
  pando keys api create partner --secret --role partner --from 203.0.113.0/24 --expires 90d --quota 50000/day

It only takes away: a key bound to a table still needs a role that may read it.")]
    Create {
        /// What it is for, as lists show it
        name: String,
        /// A key for servers alone [default: a publishable one]
        #[arg(long)]
        secret: bool,
        /// The role of requests without a user's token [default: api.anonymous_role, or auth.service_role with --secret]
        #[arg(long, value_name = "ROLE")]
        role: Option<String>,
        /// Bind it to a table, view or function, public.climbs, or to all of a schema, public.*; may be repeated
        #[arg(long, value_name = "SCHEMA.NAME")]
        allow: Vec<String>,
        /// Bind it to an HTTP method; may be repeated
        #[arg(long, value_name = "METHOD")]
        method: Vec<String>,
        /// Bind it to a network, 203.0.113.0/24; may be repeated
        #[arg(long = "from", value_name = "NETWORK")]
        networks: Vec<String>,
        /// How long it counts: 12h, 30d or never
        #[arg(long, default_value = "never", value_parser = parse_lifetime)]
        expires: Lifetime,
        /// How much may be asked with it: 1000/hour, 50000/day or 1000000/month, in UTC; "50000/day in cost" counts the
        /// price of requests
        #[arg(long)]
        quota: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the keys, those that count no more among them
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a key another quota
    Change {
        /// Its id or name
        key: String,
        /// How much may be asked with it, as with create; none for as much as one likes
        #[arg(long)]
        quota: String,
    },
    /// Make a key that takes the place of another, which counts on for a while
    Rotate {
        /// The id or name of the other
        key: String,
        /// How long the other counts on: 90s, 30m, 12h, 30d
        #[arg(long, default_value = "1d", value_parser = parse_lifetime)]
        overlap: Lifetime,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let a key count no more
    Revoke {
        /// Its id or name
        key: String,
    },
}

/// `pando audit …`
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Recompute every entry, hash, root and signature, and name what is wrong
    #[command(after_help = "\
Examples:
  pando audit checkpoint > /elsewhere/checkpoint        keep it where nobody who can alter the database gets to
  pando audit verify --checkpoint /elsewhere/checkpoint

Without a checkpoint that was kept elsewhere it is not found when somebody who has the key as well makes the whole
log anew.")]
    Verify {
        /// An earlier checkpoint: the log has to be its continuation
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the newest checkpoint, signed, to be kept elsewhere
    Checkpoint,
    /// Print entries as JSON, a line each
    #[command(after_help = "\
Examples:
  pando audit export > audit.jsonl
  pando audit export --since 2026-01-01 --table public.people | jq .key
  pando audit export --user 7b9e0c5e-3f0a-4b39-9d0e-0a3a4c8a1d11")]
    Export {
        /// Which.
        #[command(flatten)]
        filter: AuditFilter,
    },
    /// Print the proof that an entry stands in the log
    #[command(after_help = "\
Examples:
  pando audit prove 4711 > proof
  pando audit check proof --key \"$(pando audit key)\"   by anybody who has the public key, without the database

It has the form of C2SP's tlog-proof, with the entry and the newest checkpoint in it.")]
    Prove {
        /// The entry's id
        id: i64,
    },
    /// Check a proof, without a database
    Check {
        /// What `pando audit prove` has printed
        file: PathBuf,
        /// The public key of the log, as `pando audit key` prints it [default: that of this configuration]
        #[arg(long)]
        key: Option<String>,
    },
    /// Print the public key that checkpoints are checked with
    Key,
    /// Print the last entries
    Tail {
        /// Go on with new ones, until it is interrupted
        #[arg(long, short)]
        follow: bool,
        /// How many to begin with
        #[arg(long, short = 'n', default_value_t = 10)]
        lines: u32,
        /// Which.
        #[command(flatten)]
        filter: AuditFilter,
    },
}

/// Which entries are printed.
#[derive(Debug, Args)]
pub struct AuditFilter {
    /// Not before this moment: 2026-01-31, 2026-01-31T12:00:00Z
    #[arg(long, value_name = "MOMENT")]
    pub since: Option<String>,
    /// Before this moment
    #[arg(long, value_name = "MOMENT")]
    pub until: Option<String>,
    /// Of this table
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Of this user: the claim `sub` of who asked
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
}

/// `pando passwords …`
#[derive(Debug, Subcommand)]
pub enum Passwords {
    /// Make the file from lists of passwords
    #[command(after_help = "\
Examples:
  pando passwords import rockyou.txt                         to auth.password.leaked_list
  pando passwords import --at-least 10 pwned-passwords.txt   those seen at least ten times
  zstdcat lists/*.zst | pando passwords import --output leaked -

A line is a password as it is, or 40 hexadecimal digits (SHA-1) with `:` and a count behind them or not, as Have I
Been Pwned gives them. Memory stays below 100 MiB however long the lists are; the file takes 2.3 bytes a password at
most. It gets its name when it is whole, in the place of the one before; a running server goes on with that one until
`pando reload`.")]
    Import {
        /// The lists; - for standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Where to [default: auth.password.leaked_list]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Of lists with counts, take passwords that were seen so often
        #[arg(long, value_name = "COUNT", default_value_t = 0)]
        at_least: u64,
    },
}

/// `pando assets …`
#[derive(Debug, Subcommand)]
pub enum Assets {
    /// Write a folder of files anew with content hashes in their names, so that browsers keep them for good
    #[command(after_help = "\
Examples:
  pando assets hash                            files.folder (public) to dist
  pando assets hash web --out build            another folder
  pando assets hash | jq -r '.[\"css/app.css\"]'  the name that a file has got

Style sheets, scripts, images, fonts and media are written twice: under their own names, and with 16 digits of a hash,
css/app.3f2a9c1b0d4e5f67.css. References lead to the second one in HTML, in CSS (url, @import, image-set), in scripts
(imports, new URL with import.meta.url, strings that are a path from the root), in source maps' addresses, import maps
and web manifests. What is not understood for certain is left as it is, and finds the file under its own name.
Pages, service workers and files that have a hash already keep their names.

The folder is only read. The output is replaced as a whole, if it is what this has written before. A JSON object with
the names goes to standard output. Serve the output with files.folder = \"dist\".")]
    Hash {
        /// The folder [default: files.folder]
        folder: Option<PathBuf>,
        /// Where to
        #[arg(long, value_name = "FOLDER", default_value = "dist")]
        out: PathBuf,
    },
}

/// `pando types …`
#[derive(Debug, Subcommand)]
pub enum Types {
    /// TypeScript, for the typed client of supabase-js
    #[command(after_help = "\
Examples:
  pando types ts > database.types.ts
  pando types ts --schema public --schema ops > database.types.ts

For the embedded engine they are made from the migration files, applied or not; no database is opened, and
`pando serve` may run. A PostgreSQL server is asked what it has, with all that its functions and types are.")]
    Ts {
        /// A schema; may be repeated [default: api.schemas]
        #[arg(long = "schema", value_name = "SCHEMA")]
        schemas: Vec<String>,
    },
}

/// `pando config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every value and where it came from; secrets are hidden
    Show,
    /// Look for mistakes in the configuration and the keys, without starting anything
    Check,
    /// Print the JSON Schema of pando.toml, for editors
    Schema,
}

/// `pando token`
#[derive(Debug, Args)]
pub struct Token {
    /// The database role that requests with the token run as
    #[arg(long, default_value = "authenticated")]
    pub role: String,
    /// Whom the token stands for: auth.uid() in policies
    #[arg(long, value_name = "UUID")]
    pub sub: Option<String>,
    /// Another claim; the value is read as JSON if it is JSON, and as text otherwise
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub claims: Vec<(String, String)>,
    /// How long it counts: 90s, 30m, 12h, 30d or never
    #[arg(long, default_value = "1h", value_parser = parse_lifetime)]
    pub expires: Lifetime,
}

/// How long a token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// So many seconds.
    Seconds(u32),
    /// Without an end.
    Forever,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("it has to look like name=value".to_owned()),
    }
}

fn parse_lifetime(text: &str) -> Result<Lifetime, String> {
    const SHAPE: &str = "it has to look like 90s, 30m, 12h, 30d or never";
    if text == "never" {
        return Ok(Lifetime::Forever);
    }
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    units
        .iter()
        .find_map(|(unit, seconds)| text.strip_suffix(unit)?.parse::<u32>().ok()?.checked_mul(*seconds))
        .filter(|seconds| *seconds > 0)
        .map(Lifetime::Seconds)
        .ok_or_else(|| SHAPE.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/command-line.md");

    /// The page `docs/reference/command-line.md`: the help of every command.
    fn reference() -> String {
        let mut page = String::from(
            "# The command line\n\n<!-- Generated from crates/pando/src/cli.rs; \
             `cargo test -p pando -- --ignored bless` writes it again. -->\n",
        );
        let mut command = Cli::command().term_width(100);
        command.build();
        describe(&mut command, "pando", &mut page);
        page
    }

    fn describe(command: &mut clap::Command, name: &str, page: &mut String) {
        let help = command.render_long_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        page.push_str(&format!("\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n").trim_end()));
        for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
            let name = format!("{name} {}", inner.get_name());
            describe(inner, &name, page);
        }
    }

    #[test]
    fn the_page_is_up_to_date() {
        let page = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert!(page == reference(), "run `cargo test -p pando -- --ignored bless`");
    }

    #[test]
    #[ignore = "writes docs/reference/command-line.md"]
    fn bless_command_line_reference() {
        std::fs::write(PAGE, reference()).unwrap();
    }

    #[test]
    fn lifetimes() {
        for (text, expected) in [
            ("90s", Some(Lifetime::Seconds(90))),
            ("1h", Some(Lifetime::Seconds(3_600))),
            ("30d", Some(Lifetime::Seconds(2_592_000))),
            ("never", Some(Lifetime::Forever)),
            ("0s", None),
            ("1", None),
            ("-1h", None),
            ("99999999d", None),
        ] {
            assert_eq!(parse_lifetime(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn pairs() {
        assert_eq!(parse_pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(parse_pair("a="), Ok(("a".to_owned(), String::new())));
        assert!(parse_pair("a").is_err());
        assert!(parse_pair("=b").is_err());
    }
}
