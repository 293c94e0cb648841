use std::io::{self, Write};

use serde_json::Value;

use super::load::{Loaded, Origin};
use super::setting::{Kind, sections};
use crate::terminal::Style;

/// Writes every value with where it came from, as TOML. Secrets are hidden.
pub fn show(loaded: &Loaded, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let values = serde_json::to_value(&loaded.config)?;
    match &loaded.file {
        Some(file) => writeln!(out, "{}", style.faint(&format!("# {}", file.display())))?,
        None if loaded.is_postgrest => writeln!(out, "{}", style.faint("# PGRST_ variables of the environment"))?,
        None => writeln!(out, "{}", style.faint("# no pando.toml"))?,
    }
    for section in sections() {
        writeln!(out, "\n{}", style.strong(&format!("[{}]", section.name)))?;
        let lines: Vec<(String, Origin)> = section
            .settings
            .iter()
            .map(|setting| {
                let value = values.get(&setting.section).and_then(|section| section.get(&setting.key));
                let line = match value {
                    None | Some(Value::Null) => format!("# {} is not set", setting.key),
                    // A URL may hold a password; names of a table may be seen, and its values hide themselves.
                    Some(Value::String(url)) if setting.name() == "database.url" && !url.starts_with("sqlite:") => {
                        "url = \"(hidden: a PostgreSQL server)\"".to_owned()
                    }
                    Some(value) if matches!(setting.kind, Kind::Table | Kind::Tables(_)) => {
                        format!("{} = {value}", setting.key)
                    }
                    Some(Value::Array(items)) if items.is_empty() => format!("{} = []", setting.key),
                    Some(_) if setting.is_secret => format!("{} = \"(hidden)\"", setting.key),
                    Some(value) => format!("{} = {value}", setting.key),
                };
                (line, loaded.origin(&setting.name()))
            })
            .collect();
        let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or_default().min(60);
        for (line, origin) in lines {
            let padding = " ".repeat(width.saturating_sub(line.chars().count()));
            let origin = format!("# {origin}");
            let origin = if origin == "# default" { style.faint(&origin) } else { style.good(&origin) };
            writeln!(out, "{line}{padding}  {origin}")?;
        }
    }
    Ok(())
}
