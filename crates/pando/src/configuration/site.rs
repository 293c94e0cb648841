//! `[files]`: static files beside the API.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::effect::Check;
use super::load::Origin;

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
    pub(super) fn files(&mut self) -> Option<files::Settings> {
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
        if kept.as_ref().is_some_and(|kept| kept.starts_with(&folder)) {
            self.problem("files.kept", "lies in files.folder, and would be served itself");
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
