//! The roof: the command line and the configuration; opens the drivers, starts, drains. The only crate that knows
//! every other one.
//!
//! `cli.rs` is what can be typed, `command/` has one file for each command, `configuration/` reads `pando.toml`,
//! the environment and flags, `migrations.rs` decides what may be applied, `database.rs` applies it, `progress.rs` shows long work; `command/serve.rs` puts the house together.

mod cli;
mod command;
mod configuration;
mod database;
mod migrations;
mod observer;
mod outcome;
mod own_tables;
mod progress;
mod terminal;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command, Global, Types};
use crate::configuration::Sources;
use crate::outcome::CommandError;
use crate::terminal::Style;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(tell_where));
    let cli = Cli::parse();
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let wants_colour = !environment.iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty());
    let style = Style { colour: wants_colour && io::stdout().is_terminal() };
    // Not locked: the log's thread writes there as well.
    let outcome = run(cli, environment, style, &mut io::stdout());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough (`pando config show | head`) is not a failure.
        Err(CommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let style = Style { colour: wants_colour && io::stderr().is_terminal() };
            // Nothing is left to tell it to when standard error is gone.
            let _gone = writeln!(io::stderr(), "{} {error}", style.bad(&format!("{}:", error.title())));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Tells where a panic was, and not what it said: its text may hold a value of a request.
fn tell_where(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let _gone = writeln!(io::stderr(), "pando: panicked at {place}; please report this");
}

/// Runs a command. What it prints goes to `out`.
fn run(cli: Cli, environment: Vec<(String, String)>, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let Cli { global, command } = cli;
    match command {
        Command::Init { directory } => command::init::run(&directory, style, out),
        Command::Serve { listen, admin_listen, watch } => {
            let mut sources = sources(global, environment);
            let flags =
                [("server.listen", "--listen", listen), ("server.admin_listen", "--admin-listen", admin_listen)];
            for (name, flag, value) in flags {
                if let Some(value) = value {
                    sources.flags.push((name.to_owned(), value, flag.to_owned()));
                }
            }
            command::serve::run(&sources, watch, style, out)
        }
        Command::Migrate(action) => command::migrate::run(&action, &sources(global, environment), style, out),
        Command::Backup { file, force } => {
            command::backup::run(&file, force, &sources(global, environment), style, out)
        }
        Command::ExportAccounts { file } => {
            command::export_accounts::run(&file, &sources(global, environment), style, out)
        }
        Command::Restore { file, yes } => command::restore::run(&file, yes, &sources(global, environment), style, out),
        Command::Reload(asked) => command::reload::run(&asked, &sources(global, environment), style, out),
        Command::Bootstrap(asked) => {
            let mut sources = sources(global, environment);
            if let Some(url) = asked.url.clone() {
                sources.flags.push(("database.url".to_owned(), url, "--url".to_owned()));
            }
            command::bootstrap::run(&asked, &sources, style, out)
        }
        Command::Keys(action) => command::keys::run(&action, &sources(global, environment), style, out),
        Command::Audit(action) => command::audit::run(&action, &sources(global, environment), style, out),
        Command::Passwords(action) => command::passwords::run(&action, &sources(global, environment), style, out),
        Command::Doctor { json } => command::doctor::run(json, &sources(global, environment), style, out),
        Command::Config(action) => command::config::run(&action, &sources(global, environment), style, out),
        Command::Token(token) => command::token::run(&token, &sources(global, environment), out),
        Command::Openapi { schema, role } => {
            command::contract::openapi(schema.as_deref(), role.as_deref(), &sources(global, environment), out)
        }
        Command::Types(Types::Ts { schemas }) => {
            command::contract::typescript(&schemas, &sources(global, environment), out)
        }
        Command::Assets(action) => command::assets::run(&action, &sources(global, environment), style, out),
        Command::Completions { shell } => Ok(out.write_all(&completions(shell))?),
        Command::Version => Ok(writeln!(out, "pando {}", env!("CARGO_PKG_VERSION"))?),
    }
}

/// Made in memory: the maker of scripts panics where a pipe is closed.
fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pando", &mut script);
    script
}

fn sources(global: Global, environment: Vec<(String, String)>) -> Sources {
    let flag = |(name, value): (String, String)| {
        let written = format!("--set {name}");
        (name, value, written)
    };
    Sources {
        file: global.config,
        postgrest: global.postgrest,
        in_database: BTreeMap::new(),
        environment,
        flags: global.set.into_iter().map(flag).collect(),
    }
}
