//! `pando config`

use std::io::Write;

use crate::cli::ConfigCommand;
use crate::configuration::{Prepared, Sources, check_servers, load, schema_text, show};
use crate::outcome::CommandError;
use crate::terminal::Style;

/// Shows, checks or describes the configuration.
pub fn run(action: &ConfigCommand, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    match action {
        ConfigCommand::Show => {
            let loaded = load(sources)?;
            show(&loaded, style, out)?;
        }
        ConfigCommand::Check => {
            let loaded = load(sources)?;
            let prepared = Prepared::new(&loaded, None)?;
            check_servers(&loaded, &prepared)?;
            prepared.tls.as_ref().map_or(Ok(()), edge::TlsConfig::check)?;
            for warning in &prepared.warnings {
                writeln!(out, "{} {warning}", style.warning("warning:"))?;
            }
            let file = loaded.file.as_ref().map_or_else(|| "the default".to_owned(), |file| file.display().to_string());
            writeln!(out, "{} {file} has no mistakes", style.good("ok:"))?;
        }
        ConfigCommand::Schema => writeln!(out, "{}", schema_text())?,
    }
    Ok(())
}
