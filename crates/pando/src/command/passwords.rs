//! `pando passwords import`

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use login::password::leaked::{ImportError, Imported, Importer};

use crate::cli::Passwords;
use crate::configuration::{ConfigError, Sources, load};
use crate::outcome::CommandError;
use crate::progress::{self, Progress};
use crate::terminal::Style;

/// How much of a list is read at a time.
const READ_BYTES: usize = 1 << 20;

/// Runs the subcommand.
pub fn run(action: &Passwords, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let Passwords::Import { files, output, at_least } = action;
    let target = match output {
        Some(output) => output.clone(),
        None => configured(sources)?,
    };
    let progress = Progress::of_time("Reading lists");
    let imported = import(files, &target, *at_least);
    progress.end();
    let imported = imported.map_err(|error| CommandError::Failed(error.to_string()))?;
    tell(&target, imported, style, out)
}

/// The file that the configuration names.
fn configured(sources: &Sources) -> Result<PathBuf, CommandError> {
    let loaded = load(sources)?;
    let file = loaded.config.password.leaked_list.as_ref().map(|file| loaded.path(file));
    file.ok_or_else(|| {
        let text = "is not set, so it is not known where to write; set it, or name a file with --output";
        ConfigError::one("auth.password.leaked_list", text).into()
    })
}

fn import(files: &[PathBuf], target: &Path, at_least: u64) -> Result<Imported, ImportError> {
    let mut importer = Importer::new(target, at_least)?;
    for file in files {
        if file.as_os_str() == "-" {
            importer.read(file, &mut BufReader::with_capacity(READ_BYTES, io::stdin()))?;
        } else {
            let list = File::open(file).map_err(|source| ImportError::Io { path: file.clone(), source })?;
            importer.read(file, &mut BufReader::with_capacity(READ_BYTES, list))?;
        }
    }
    importer.finish()
}

fn tell(target: &Path, imported: Imported, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let Imported { lines, skipped, entries, bytes, mistaken_in_a_million } = imported;
    let size = progress::bytes(bytes);
    writeln!(out, "{} {}: {entries} passwords of {lines} lines, {size}", style.good("wrote"), target.display())?;
    if skipped > 0 {
        writeln!(out, "{skipped} lines were passed over: empty, too long, or seen too seldom")?;
    }
    writeln!(out, "Of passwords that never leaked, {mistaken_in_a_million} in a million are taken for one of them.")?;
    writeln!(out, "A running server reads it after `pando reload`.")?;
    Ok(())
}
