//! Projects in folders of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the crate lies in the repository")
}

/// The beginning of a configuration of the REST API alone: tokens are signed with a secret, and there is neither a login nor an audit.
pub const API_ALONE: &str = "
[auth]
jwt_secret = \"a-secret-of-more-than-thirty-two-characters\"
[auth.login]
enabled = \"off\"
[audit]
enabled = \"off\"
";

/// A project in a temporary folder, which goes with it.
#[derive(Debug)]
pub struct Project {
    folder: TempDir,
}

impl Project {
    /// A folder with the given `pando.toml` and nothing else.
    pub fn new(configuration: &str) -> Self {
        let project = Self { folder: tempfile::tempdir().expect("a temporary folder can be made") };
        project.write("pando.toml", configuration);
        project
    }

    /// A project of one migration, without a seed.
    pub fn of(configuration: &str, migration: &str) -> Self {
        let project = Self::new(configuration);
        project.write("migrations/0001_init.sql", migration);
        project
    }

    /// A copy of a project of the repository without its data: `examples/climbing`, `tests/conformance`.
    pub fn copy_of(folder: &str) -> Self {
        let from = repository().join(folder);
        let project = Self { folder: tempfile::tempdir().expect("a temporary folder can be made") };
        for name in ["pando.toml", "seed.sql"] {
            if let Ok(text) = fs::read_to_string(from.join(name)) {
                project.write(name, &text);
            }
        }
        for entry in fs::read_dir(from.join("migrations")).expect("the project has migrations") {
            let path = entry.expect("its folder can be read").path();
            // Read through links, so that the copy stands for itself.
            let text = fs::read_to_string(&path).expect("a migration can be read");
            let name = path.file_name().and_then(|name| name.to_str()).expect("its name is UTF-8");
            project.write(&format!("migrations/{name}"), &text);
        }
        project
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The database file, where the default configuration has it.
    pub fn database(&self) -> PathBuf {
        self.path().join("data/pando.sqlite")
    }

    /// Writes a file of it, with the folders that it lies in.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder can be made");
        fs::write(path, content).expect("a file can be written");
    }

    /// Runs `pando` in its folder, with an empty environment, and waits for its end. Gives the exit code, standard output
    /// and standard error.
    pub fn run(&self, binary: &str, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(binary);
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        let output = command.output().expect("the binary runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().expect("it ends by itself");
        (code, text(&output.stdout), text(&output.stderr))
    }

    /// A token that `pando token` mints with the project's secret: arguments like `--role`, `--sub`, `--claim`.
    pub fn token(&self, binary: &str, arguments: &[&str]) -> String {
        let output = Command::new(binary)
            .arg("token")
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .output()
            .expect("the binary runs");
        assert!(output.status.success(), "pando token: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a token is text").trim().to_owned()
    }
}
