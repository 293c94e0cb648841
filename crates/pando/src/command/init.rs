//! `pando init`

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;

use crate::outcome::CommandError;
use crate::terminal::Style;

/// The files of a new project: those of `examples/climbing`, so that what is checked there is what users get.
const FILES: [(&str, &str); 5] = [
    ("pando.toml", include_str!("../../../../examples/climbing/pando.toml")),
    ("migrations/0001_init.sql", include_str!("../../../../examples/climbing/migrations/0001_init.sql")),
    ("seed.sql", include_str!("../../../../examples/climbing/seed.sql")),
    ("README.md", include_str!("../../../../examples/climbing/README.md")),
    (".gitignore", include_str!("../../../../examples/climbing/.gitignore")),
];

/// The example's secret, which everybody can read; a new project gets one of its own.
const EXAMPLE_SECRET: &str = "climbing-example-secret-for-development-only";

/// Makes a project in `directory`, which is made when it is missing and has to be empty.
pub fn run(directory: &Path, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let failed = |path: &Path, error: std::io::Error| CommandError::Failed(format!("{}: {error}", path.display()));
    if directory.exists() {
        let mut entries = fs::read_dir(directory).map_err(|error| failed(directory, error))?;
        if entries.next().is_some() {
            return Err(CommandError::Failed(format!(
                "{} is not empty; `pando init NAME` makes a new folder",
                directory.display()
            )));
        }
    }
    let secret = random_secret()?;
    for (name, text) in FILES {
        let path = directory.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        }
        fs::write(&path, text.replace(EXAMPLE_SECRET, &secret)).map_err(|error| failed(&path, error))?;
        writeln!(out, "{} {}", style.good("made"), path.display())?;
    }
    writeln!(out, "\n{}", style.strong("Next:"))?;
    if directory != Path::new(".") {
        writeln!(out, "  cd {}", directory.display())?;
    }
    writeln!(out, "  pando serve")?;
    writeln!(
        out,
        "  curl 'http://127.0.0.1:8000/rest/v1/climbs?select=id,name,route(grade,setter(name))&sent=is.true&order=id.desc&limit=10'"
    )?;
    Ok(())
}

/// 32 random bytes in hexadecimal.
fn random_secret() -> Result<String, CommandError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| CommandError::Failed(format!("the operating system gives no random bytes: {error}")))?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _cannot_fail = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_project_with_a_secret_of_its_own_and_only_in_an_empty_folder() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("gym");
        run(&project, Style::PLAIN, &mut Vec::new()).unwrap();
        for (name, _) in FILES {
            assert!(project.join(name).is_file(), "{name}");
        }
        let configuration = fs::read_to_string(project.join("pando.toml")).unwrap();
        assert!(!configuration.contains(EXAMPLE_SECRET));
        assert!(configuration.contains("jwt_secret = \""));
        let again = run(&project, Style::PLAIN, &mut Vec::new()).unwrap_err();
        assert!(again.to_string().contains("is not empty"), "{again}");
        assert_ne!(random_secret().unwrap(), random_secret().unwrap());
    }

    #[test]
    fn the_example_has_the_secret_that_is_replaced() {
        let text = FILES.iter().find(|(name, _)| *name == "pando.toml").unwrap().1;
        assert_eq!(text.matches(EXAMPLE_SECRET).count(), 1);
    }
}
