//! What a start tells on a terminal.

use std::io::{self, Write};

use edge::Addresses;
use store::Store;

use crate::configuration::{Loaded, Prepared};
use crate::database::Applied;
use crate::terminal::Style;

/// What a person wants to know when the server has started.
pub struct Summary<'a> {
    /// Where every value is from.
    pub loaded: &'a Loaded,
    /// What the values mean.
    pub prepared: &'a Prepared,
    /// Migrations that the start has applied.
    pub applied: &'a [Applied],
    /// Where it listens.
    pub addresses: Addresses,
    /// Whether migrations are followed.
    pub watches: bool,
}

impl Summary<'_> {
    /// Writes it.
    pub fn write(&self, store: &dyn Store, style: Style, out: &mut dyn Write) -> io::Result<()> {
        let api = &self.loaded.config.api;
        let catalog = store.catalog();
        writeln!(out, "\n{}\n", style.strong(&format!("pando {}", env!("CARGO_PKG_VERSION"))))?;
        let mut line = |title: &str, text: &str| writeln!(out, "  {} {text}", style.faint(&format!("{title:<9}")));
        let scheme = if self.prepared.tls.is_some() { "https" } else { "http" };
        line("API", &style.good(&format!("{scheme}://{}/rest/v1", self.addresses.api)))?;
        if self.prepared.docs {
            line("docs", &format!("{scheme}://{}/docs", self.addresses.api))?;
        }
        for schema in &api.schemas {
            let (views, tables): (Vec<_>, Vec<_>) =
                catalog.relations_in(schema).partition(|relation| relation.kind != catalog::RelationKind::Table);
            let text = format!("{} and {}", count(tables.len(), "table"), count(views.len(), "view"));
            line("schema", &format!("{schema}: {text}"))?;
        }
        line(
            "visitors",
            &match api.anonymous_role.as_str() {
                "" => "are refused (api.anonymous_role is empty)".to_owned(),
                role => format!("run as {role}"),
            },
        )?;
        if let Some(admin) = self.addresses.admin {
            line("admin", &format!("http://{admin}/metrics, /live, /ready"))?;
        }
        line("data", &self.prepared.database.to_string())?;
        if !self.applied.is_empty() {
            let names: Vec<&str> = self.applied.iter().map(|step| step.name.as_str()).collect();
            line("applied", &names.join(", "))?;
        }
        line("dialect", "https://docs.postgrest.org/en/stable/references/api.html")?;
        if self.watches {
            line("watch", &self.prepared.migrations.display().to_string())?;
        }
        line("stop", "Ctrl-C")?;
        for warning in &self.prepared.warnings {
            writeln!(out, "\n  {} {warning}", style.warning("warning:"))?;
        }
        writeln!(out)?;
        out.flush()
    }
}

/// `1 table`, `2 tables`.
fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}
