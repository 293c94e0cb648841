//! The reference page: every happening, field and metric, from the definitions that the code runs on.

use std::fmt::Write;

use crate::line::ECS_VERSION;
use crate::{Level, field, happening, metric};

/// `docs/reference/telemetry.md`. A test compares the page with this text.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    // Writing into a string does not fail.
    let _ = happenings(&mut page).and_then(|()| fields(&mut page)).and_then(|()| metrics(&mut page));
    page
}

const INTRODUCTION: &str = "\
<!-- Generated from crates/telemetry by its test `the_reference_page_is_current`. Do not edit. -->
# Logs, metrics and traces

Everything that Pando reports is one of the happenings below. Each is defined in one place in the code, which says
how it is logged, what it does to the metrics and which spans it leaves. No line, label or span ever holds a secret,
a token, a raw path, a query string or a value of a row.

## Traces
With a trace endpoint configured, every sampled request leaves one server span, named by its method and route, and
one span inside it for each step: `identify`, `parse`, `plan`, `admit`, `render`, `run`, `shape`. The `traceparent`
header of a request is continued, and its decision to sample is kept. `Server-Timing` gives the same steps to the
client, in milliseconds.

";

fn happenings(page: &mut String) -> std::fmt::Result {
    writeln!(page, "## Log lines\n")?;
    writeln!(
        page,
        "In the JSON form a line has `@timestamp`, `log.level`, `message`, `ecs.version` ({ECS_VERSION}), `service.name`,\n\
         `service.version`, `event.action` and the fields named here.\n"
    )?;
    for definition in happening::HAPPENINGS {
        let level = if definition.level == Level::Off { "only counted" } else { definition.level.name() };
        let names: Vec<_> = definition.fields.iter().map(|field| format!("`{}`", field.name)).collect();
        writeln!(page, "### `{}`\n", definition.action)?;
        writeln!(page, "{} ({level})\n", definition.message)?;
        writeln!(page, "{}\n", definition.about)?;
        if !names.is_empty() {
            writeln!(page, "Fields: {}\n", names.join(", "))?;
        }
    }
    Ok(())
}

fn fields(page: &mut String) -> std::fmt::Result {
    writeln!(page, "## Fields\n\n| field | in text | type | meaning |\n|---|---|---|---|")?;
    for field in field::ALL {
        writeln!(page, "| `{}` | `{}` | {} | {} |", field.name, field.label, field.kind.name(), field.about)?;
    }
    writeln!(page)
}

fn metrics(page: &mut String) -> std::fmt::Result {
    writeln!(page, "## Metrics\n")?;
    writeln!(page, "On `/metrics` of the admin address, in the OpenMetrics text form.\n")?;
    writeln!(page, "| metric | type | labels | meaning |\n|---|---|---|---|")?;
    for metric in metric::ALL {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            metric.sample(),
            metric.kind.name(),
            labels.join(", "),
            metric.about
        )?;
    }
    writeln!(page, "\n### Buckets\n")?;
    for metric in metric::ALL.iter().filter(|metric| !metric.buckets.is_empty()) {
        let bounds: Vec<_> = metric.buckets.iter().map(f64::to_string).collect();
        writeln!(page, "* `{}`: {}", metric.sample(), bounds.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn page() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/telemetry.md")
    }

    #[test]
    fn the_reference_page_is_current() {
        let written = std::fs::read_to_string(page()).unwrap_or_default();
        assert!(
            written == reference(),
            "docs/reference/telemetry.md is out of date: run `cargo test -p telemetry -- --ignored bless`"
        );
    }

    #[test]
    #[ignore = "writes docs/reference/telemetry.md"]
    fn bless() {
        std::fs::create_dir_all(page().parent().unwrap()).unwrap();
        std::fs::write(page(), reference()).unwrap();
    }

    #[test]
    fn names_are_unique() {
        let unique = |mut names: Vec<String>| {
            let count = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count, "{names:?}");
        };
        unique(happening::HAPPENINGS.iter().map(|known| known.action.to_owned()).collect());
        unique(field::ALL.iter().map(|known| known.name.to_owned()).collect());
        unique(field::ALL.iter().map(|known| known.label.to_owned()).collect());
        unique(metric::ALL.iter().map(|known| known.sample()).collect());
    }

    #[test]
    fn every_happening_and_field_is_listed() {
        let sources = std::fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/happening")).unwrap();
        let text: String = sources.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
        assert_eq!(text.matches("impl Happening for ").count(), happening::HAPPENINGS.len());
        for known in field::ALL {
            let used =
                happening::HAPPENINGS.iter().any(|definition| definition.fields.iter().any(|f| f.name == known.name));
            assert!(used, "no happening has the field {}", known.name);
        }
    }
}
