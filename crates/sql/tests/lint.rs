//! The rules for migrations, one folder each: its files, and what is told of them in `expected.txt`.
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sql::ddl::{Rule, lint};

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    folders
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

/// Each finding as an operator reads it.
fn told(folder: &Path) -> String {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    paths.sort();
    let files: Vec<(String, String)> =
        paths.iter().map(|path| (name(path), fs::read_to_string(path).expect("a file"))).collect();
    let mut text = String::new();
    for finding in lint(&files) {
        let lines = &files.iter().find(|(file, _)| *file == finding.file).expect("a file that was given").1;
        let line = lines.lines().nth(usize::try_from(finding.line).expect("a line") - 1).expect("a line of the file");
        let _ = writeln!(text, "{}:{}: {}: {}", finding.file, finding.line, finding.rule.name(), finding.message);
        let _ = writeln!(text, "    {line}");
    }
    text
}

#[test]
fn each_rule_finds_what_it_is_about() {
    for folder in folders() {
        let expected = fs::read_to_string(folder.join("expected.txt")).unwrap_or_default();
        let told = told(&folder);
        assert_eq!(told, expected, "{}: cargo test -p sql --test lint -- --ignored bless", folder.display());
        assert!(told.contains(&format!(": {}: ", name(&folder))), "{} finds nothing", folder.display());
    }
}

#[test]
fn each_rule_has_a_folder_advice_and_documentation() {
    let folders: Vec<String> = folders().iter().map(|folder| name(folder)).collect();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let page = fs::read_to_string(page).expect("the documentation");
    for rule in Rule::ALL {
        assert!(folders.iter().any(|folder| folder == rule.name()), "{}", rule.name());
        assert!(page.contains(&format!("| `{}` |", rule.name())), "docs/operations.md lacks {}", rule.name());
        assert!(!rule.instead().is_empty() && Rule::named(rule.name()) == Some(rule));
    }
    assert_eq!(folders.len(), Rule::ALL.len());
}

#[test]
#[ignore = "writes the expectations"]
fn bless() {
    for folder in folders() {
        fs::write(folder.join("expected.txt"), told(&folder)).expect("the expectation can be written");
    }
}
