//! `[files]`: static files beside the API.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::effect::{Check, DatabaseAddress};
use super::load::{Loaded, Origin};

/// `[files]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FilesSection {
    /// The folder of static files, relative to that of `pando.toml`: `public/app.css` is served at `/app.css`, a folder's `index.html` at
    /// the folder. The default is served where there is such a folder beside a `pando.toml`; one that is named here has to be there. Empty
    /// serves none. Hidden files are never served, but for `.well-known`.
    pub folder: PathBuf,
    /// A file in it that browsers get for a page that is not there, `index.html` of an application that has its pages in the
    /// browser. Only who asks for HTML and for a path without an extension gets it.
    pub fallback: Option<String>,
    /// The folder in which compressed files are kept, relative to that of `pando.toml`, so that the next start need not make them. Empty keeps
    /// none.
    pub kept: PathBuf,
    /// How many files and folders there may be.
    pub max_files: u32,
    /// How many bytes of files and of their compressed forms are held in memory, the small ones first. The others are read from the
    /// disk when they are asked for. While a new version takes the place of an old one it may be twice as much.
    pub max_memory_bytes: u64,
    /// How many seconds browsers and proxies keep a file without asking whether it is still the same. Pages (HTML) are asked for each
    /// time, files with a hash in their name (`app-BxY12abc.js`) never again. 0 has them ask for all others as well.
    pub max_age_seconds: u32,
    /// Folders in it whose files never change, although their names do not show it: `["_app/immutable"]`.
    pub immutable: Vec<String>,
}

impl Default for FilesSection {
    fn default() -> Self {
        let settings = files::Settings::new("public");
        Self {
            folder: settings.folder,
            fallback: settings.fallback,
            kept: PathBuf::from("data/files"),
            max_files: u32::try_from(settings.max_files).unwrap_or(u32::MAX),
            max_memory_bytes: settings.max_memory_bytes,
            max_age_seconds: settings.max_age_seconds,
            immutable: settings.immutable,
        }
    }
}

impl Check<'_> {
    /// What is served, if there is such a folder.
    pub(super) fn files(&mut self, database: Option<&DatabaseAddress>) -> Option<files::Settings> {
        let loaded = self.loaded();
        let section = &loaded.config.files;
        if section.folder.as_os_str().is_empty() {
            return None;
        }
        let folder = loaded.path(&section.folder);
        let is_named = !matches!(loaded.origin("files.folder"), Origin::Default | Origin::Postgrest);
        // Without a pando.toml the folder that a server happens to be started in would be made public.
        if !is_named && (loaded.is_postgrest || loaded.file.is_none() || !folder.is_dir()) {
            if section.fallback.is_some() {
                self.problem("files.fallback", "is in files.folder, and there is no such folder");
            }
            return None;
        }
        if !folder.is_dir() {
            self.problem("files.folder", format!("has to be a folder, and {} is none", folder.display()));
        }
        if section.max_files == 0 {
            self.problem("files.max_files", "has to be at least 1");
        }
        let is_inside =
            |name: &String| !name.is_empty() && !name.split('/').any(|part| matches!(part, "" | "." | ".."));
        if section.fallback.as_ref().is_some_and(|file| !is_inside(file)) {
            self.problem("files.fallback", "has to be a file in files.folder, \"index.html\"");
        }
        let kept = Some(&section.kept).filter(|kept| !kept.as_os_str().is_empty()).map(|kept| loaded.path(kept));
        let served = resolved(&folder);
        if kept.as_ref().is_some_and(|kept| resolved(kept).starts_with(&served)) {
            self.problem("files.kept", "lies in files.folder, and would be served itself");
        }
        let shown = private(loaded, database).into_iter().filter(|(_, path)| resolved(path).starts_with(&served));
        let shown: Vec<String> = shown.map(|(what, path)| format!("{what} ({})", path.display())).collect();
        if !shown.is_empty() {
            let text = format!(
                "holds {}, for everybody to read; serve a folder that holds only what is public",
                shown.join(", ")
            );
            self.problem("files.folder", text);
        }
        Some(files::Settings {
            folder,
            fallback: section.fallback.clone(),
            kept,
            reserved: edge::RESERVED.map(str::to_owned).to_vec(),
            max_files: section.max_files as usize,
            max_memory_bytes: section.max_memory_bytes,
            max_age_seconds: section.max_age_seconds,
            immutable: section.immutable.clone(),
        })
    }
}

/// What belongs to the server and to nobody else, and where it lies.
fn private(loaded: &Loaded, database: Option<&DatabaseAddress>) -> Vec<(&'static str, PathBuf)> {
    let config = &loaded.config;
    let (database_section, auth, tls) = (&config.database, &config.auth, &config.tls);
    let mut all = Vec::new();
    let mut add = |what, path: Option<&Path>| {
        all.extend(path.filter(|path| !path.as_os_str().is_empty()).map(|path| (what, loaded.path(path))));
    };
    add("database.migrations", Some(&database_section.migrations));
    add("database.seed", Some(&database_section.seed));
    add("auth.jwt_secret_file", auth.jwt_secret_file.as_deref());
    add("auth.jwks_file", auth.jwks_file.as_deref());
    add("server.tls.key", tls.key.as_deref());
    tls.additional.values().for_each(|key| add("a key of server.tls.additional", Some(key.as_ref())));
    // Certificates that are fetched, with their keys.
    add(
        "server.tls.acme.folder",
        Some(&config.acme.folder).filter(|_| !config.acme.domains.is_empty()).map(PathBuf::as_path),
    );
    // These two start where the server was started, and not in the folder of the configuration.
    let named: BTreeSet<PathBuf> =
        loaded.origins.values().filter_map(Origin::file).chain(loaded.file.clone()).collect();
    all.extend(named.into_iter().map(|file| ("the configuration", file)));
    if let Some(DatabaseAddress::File(file)) = database {
        all.push(("the database", file.clone()));
    }
    all
}

/// Where a path leads, over links and `..`, also as long as there is nothing yet at its end.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = path.ancestors().find_map(|existing| Some((existing, existing.canonicalize().ok()?)));
    let Some((existing, mut resolved)) = existing else { return path };
    for part in path.strip_prefix(existing).into_iter().flat_map(Path::components) {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            Component::Normal(part) => resolved.push(part),
            _ => {}
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::effect::Prepared;
    use super::super::load::{Sources, load};
    use super::*;

    fn prepare(folder: &Path, file: &str) -> Result<Prepared, String> {
        let path = folder.join("pando.toml");
        std::fs::write(&path, file).unwrap();
        let loaded = load(&Sources { file: Some(path), ..Sources::default() }).map_err(|error| error.to_string())?;
        Prepared::new(&loaded, None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_folder_that_holds_what_is_private_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let project = outer.path().join("project");
        for folder in ["public/keys", "data", "empty"] {
            std::fs::create_dir_all(project.join(folder)).unwrap();
        }
        symlink(".", project.join("here")).unwrap();
        for folder in [".", "./", "..", "../project", "public/..", "here", "here/../project"] {
            let error = prepare(&project, &format!("[files]\nfolder = {folder:?}")).unwrap_err();
            assert!(error.contains("files.folder holds ") && error.contains("pando.toml"), "{folder}: {error}");
            assert!(error.contains("database.migrations (") && error.contains("the database ("), "{folder}: {error}");
        }
        for (settings, what) in [
            ("[database]\nurl = \"sqlite:public/x.sqlite\"", "the database"),
            ("[database]\nurl = \"sqlite:empty/../here/public/new/x.sqlite\"", "the database"),
            ("[database]\nmigrations = \"public/migrations\"", "database.migrations"),
            ("[database]\nseed = \"public/seed.sql\"", "database.seed"),
            ("[auth]\njwks_file = \"public/keys/set.json\"", "auth.jwks_file"),
            ("[server.tls]\ncertificate = \"a.pem\"\nkey = \"public/a.key\"", "server.tls.key"),
        ] {
            std::fs::write(project.join("public/keys/set.json"), r#"{"keys": []}"#).unwrap();
            let error = prepare(&project, &format!("{settings}\n[files]\nfolder = \"public\"")).unwrap_err();
            assert!(error.contains(&format!("files.folder holds {what} (")), "{settings}: {error}");
        }
        for kept in ["public/kept", "here/public/kept", "data/../public"] {
            let error = prepare(&project, &format!("[files]\nkept = {kept:?}")).unwrap_err();
            assert!(error.contains("files.kept lies in files.folder"), "{kept}: {error}");
        }
        // Beside one another, also where one name begins like the other.
        for settings in ["", "kept = \"public2\"", "folder = \"empty\"", "folder = \"data/../public\""] {
            prepare(&project, &format!("[files]\n{settings}")).unwrap();
        }
    }
}
