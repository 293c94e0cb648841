//! The reference page, generated from the sections' types. Only the test that compares or writes it needs this.

use super::setting::{Kind, Setting, sections};

/// The page `docs/reference/configuration.md`.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    for section in sections() {
        page.push_str(&format!("\n## `[{}]`\n\n{}\n", section.name, section.description));
        for setting in &section.settings {
            page.push_str(&format!("\n### `{}`\n\n{}\n\n", setting.name(), setting.description));
            if let Kind::Choice(words) = &setting.kind {
                for (word, meaning) in words {
                    page.push_str(&format!("- `\"{word}\"`: {meaning}\n"));
                }
                page.push('\n');
            }
            if let Kind::Tables(members) = &setting.kind {
                for (name, meaning) in members {
                    page.push_str(&format!("- `{name}`: {meaning}\n"));
                }
                page.push('\n');
            }
            page.push_str(&format!(
                "{}. Default: {}. Environment: `{}`.\n",
                takes(setting),
                default_text(setting),
                setting.variable()
            ));
        }
    }
    page
}

const HEAD: &str = "# Configuration

<!-- Generated from crates/pando/src/configuration/sections.rs; `cargo test -p pando -- --ignored bless` writes it again. -->

Every setting has a default. `pando.toml` overrides the default, an environment variable overrides the file, and a flag
(`--set section.key=value`) overrides both. `pando config show` prints what counts and where each value came from;
`pando config check` looks for mistakes without starting anything; `pando config schema` prints a JSON Schema for editors.

A name that does not exist and a value of the wrong type are errors that name their place. In the environment a list is
written with commas (`PANDO_API_SCHEMAS=public,ops`). Relative paths start at the folder of `pando.toml`.
";

fn takes(setting: &Setting) -> &'static str {
    match setting.kind {
        Kind::Boolean => "`true` or `false`",
        Kind::Integer => "A whole number",
        Kind::Number => "A number",
        Kind::Text => "Text",
        Kind::List => "A list of texts",
        Kind::Table => "A table of texts (in the environment a JSON object)",
        Kind::Tables(_) => "A table for each name (in the environment a JSON object)",
        Kind::Choice(_) => "One of these words",
    }
}

fn default_text(setting: &Setting) -> String {
    match &setting.default {
        serde_json::Value::Null => "not set".to_owned(),
        value if value.as_str() == Some("") => "empty".to_owned(),
        value => format!("`{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/configuration.md");

    #[test]
    fn the_page_is_up_to_date() {
        let page = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert!(page == reference(), "run `cargo test -p pando -- --ignored bless`");
    }

    #[test]
    #[ignore = "writes docs/reference/configuration.md"]
    fn bless_configuration_reference() {
        std::fs::write(PAGE, reference()).unwrap();
    }
}
