//! Programs that tests run: there in CI, and maybe not on a developer's machine.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Whether this is the run that decides: there a missing tool is a failure, not a reason to skip.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// The program, if it answers `--version`. Panics in CI if it does not.
pub fn tool(program: &str) -> Option<PathBuf> {
    let answers = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    answers.then(|| PathBuf::from(program))
}

/// Whether a test has to be skipped because something is missing. Says so loudly; panics in CI.
pub fn is_skipped(test: &str, is_missing: bool, what: &str, how_to_get_it: &str) -> bool {
    if is_missing {
        assert!(!in_ci(), "{test}: {what} is missing; {how_to_get_it}");
        eprintln!("\nSKIPPED {test}: {what} is missing; {how_to_get_it}\n");
    }
    is_missing
}
