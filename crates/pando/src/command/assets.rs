//! `pando assets hash`

use std::io::{self, Write};

use files::assets::{AssetsError, HashedAssets, hash};

use crate::cli::Assets;
use crate::configuration::{Sources, load};
use crate::outcome::CommandError;
use crate::terminal::Style;

/// How many of each kind of finding are named.
const MOST_NAMED: usize = 10;

/// Runs the subcommand. The names go to `out`, and what else there is to say to standard error.
pub fn run(action: &Assets, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let Assets::Hash { folder, out: to } = action;
    let loaded = load(sources)?;
    let section = &loaded.config.files;
    let from = folder.clone().unwrap_or_else(|| loaded.path(&section.folder));
    let most = usize::try_from(section.max_files).unwrap_or(usize::MAX);
    let hashed = hash(&from, to, most).map_err(|error| failed(&error))?;
    tell(&hashed, style)?;
    let names = serde_json::to_string_pretty(&hashed.names).unwrap_or_default();
    Ok(writeln!(out, "{names}")?)
}

fn failed(error: &AssetsError) -> CommandError {
    CommandError::Failed(error.to_string())
}

fn tell(hashed: &HashedAssets, style: Style) -> io::Result<()> {
    let mut stderr = io::stderr();
    let circles = hashed
        .circles
        .iter()
        .map(|names| format!("{} refer to one another; their names change together", names.join(", ")));
    let left =
        hashed.left_alone.iter().map(|name| format!("{name} has a <base> that leads elsewhere; it was left as it is"));
    let passed_over = hashed.passed_over.iter().map(|it| format!("{} {}; it was left out", it.name, it.reason));
    let all: Vec<String> = circles.chain(left).chain(passed_over).collect();
    for text in all.iter().take(MOST_NAMED) {
        writeln!(stderr, "{} {text}", style.warning("note:"))?;
    }
    if let Some(more) = all.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        writeln!(stderr, "{} and {more} more", style.warning("note:"))?;
    }
    Ok(())
}
