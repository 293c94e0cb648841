//! The files of a folder, what they say of one another, and the names that follow from it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::AssetsError;
use super::json::Members;
use super::naming::{gets_hash, has_hash, hash_of, last, with_hash};
use super::order::groups;
use super::reference::{Collector, Reference};
use super::{css, html, json, script};
use crate::beneath::Root;
use crate::content::{Content, take_in};
use crate::digest::{Digest, PIECE};
use crate::walk::{Found, PassedOver};

/// Texts beyond that are taken as they are: people write none, and what is so large was made by a tool that has its own hashes.
const LARGEST_TEXT: u64 = 32 * 1024 * 1024;

/// A file.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    digest: Digest,
    /// In memory if there may be references in it.
    content: Content,
    references: Vec<Reference>,
    /// What stands in its name, as soon as that is known.
    hash: Option<String>,
}

impl Source {
    /// Its name with the hash, if it gets one.
    pub(crate) fn hashed_name(&self) -> Option<String> {
        self.hash.as_ref().map(|hash| with_hash(&self.name, hash))
    }

    /// Whether it has this content, and keeps it.
    pub(crate) fn is_same(&self, content: &[u8]) -> bool {
        self.references.is_empty() && self.digest == Digest::of(content)
    }
}

/// All files.
#[derive(Debug)]
pub(crate) struct Sources {
    all: Vec<Source>,
    by_name: BTreeMap<String, usize>,
    pub(crate) left_alone: Vec<String>,
    pub(crate) passed_over: Vec<PassedOver>,
}

/// What may have references in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Html,
    Css,
    Script,
    Manifest,
}

impl Language {
    fn of(name: &str) -> Option<Self> {
        let last = last(name).to_ascii_lowercase();
        match last.rsplit_once('.')?.1 {
            "html" | "htm" => Some(Self::Html),
            "css" => Some(Self::Css),
            "js" | "mjs" => Some(Self::Script),
            "webmanifest" => Some(Self::Manifest),
            _ => (last == "manifest.json").then_some(Self::Manifest),
        }
    }
}

impl Sources {
    /// Reads them.
    pub(crate) fn read(root: &Arc<Root>, found: Found) -> Result<Self, AssetsError> {
        let names: Vec<String> = found.files.into_keys().collect();
        let by_name: BTreeMap<String, usize> = names.iter().cloned().zip(0..).collect();
        let is_known = |name: &str| by_name.contains_key(name) && gets_hash(name);
        let (mut all, mut left_alone) = (Vec::with_capacity(names.len()), Vec::new());
        for name in names {
            let language = Language::of(&name).filter(|_| !has_hash(&name));
            let holds = |size: u64| language.is_some() && size <= LARGEST_TEXT;
            let taken =
                take_in(root, &name, holds).map_err(|source| AssetsError::File { file: name.clone(), source })?;
            let mut collector = Collector::new(&name, &is_known);
            if let (Some(language), Content::Held(bytes)) = (language, &taken.content)
                && let Ok(text) = std::str::from_utf8(bytes)
                && !collect(language, text, &mut collector)
            {
                collector.found.clear();
                left_alone.push(name.clone());
            }
            let references = collector.found;
            all.push(Source { name, digest: taken.digest, content: taken.content, references, hash: None });
        }
        Ok(Self { all, by_name, left_alone, passed_over: found.passed_over })
    }

    /// The files, by their names.
    pub(crate) fn files(&self) -> &[Source] {
        &self.all
    }

    /// The file of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Source> {
        self.by_name.get(name).and_then(|place| self.all.get(*place))
    }

    /// Gives every file its name. The circles that were found.
    pub(crate) fn name_all(&mut self) -> Vec<Vec<String>> {
        let place = |reference: &Reference| self.by_name.get(&reference.target).copied();
        let edges: Vec<Vec<usize>> =
            self.all.iter().map(|file| file.references.iter().filter_map(place).collect()).collect();
        let mut circles = Vec::new();
        for group in groups(&edges) {
            let refers_to_itself = |file: &usize| edges.get(*file).is_some_and(|targets| targets.contains(file));
            let contents: Vec<(usize, Digest)> = group
                .iter()
                .filter_map(|place| {
                    let file = self.all.get(*place)?;
                    // Of the others in the group nobody has a name yet: their plain ones stay in the text.
                    Some((*place, self.rewritten(file).map_or(file.digest, |content| Digest::of(&content))))
                })
                .collect();
            let is_circle = group.len() > 1 || group.iter().any(refers_to_itself);
            let hashes: Vec<(usize, String)> = if is_circle {
                circles.push(group.iter().filter_map(|place| Some(self.all.get(*place)?.name.clone())).collect());
                self.shared(&contents)
            } else {
                contents.into_iter().map(|(place, digest)| (place, hash_of(&digest))).collect()
            };
            for (place, hash) in hashes {
                if let Some(file) = self.all.get_mut(place).filter(|file| gets_hash(&file.name)) {
                    file.hash = Some(hash);
                }
            }
        }
        circles
    }

    /// The hashes of files in a circle: each is made of the contents of all of them, so that a change of one changes every name.
    fn shared(&self, contents: &[(usize, Digest)]) -> Vec<(usize, String)> {
        let name = |place: &usize| self.all.get(*place).map_or("", |file| file.name.as_str());
        let all: String =
            contents.iter().map(|(place, digest)| format!("{}\0{}\n", name(place), digest.hexadecimal(64))).collect();
        contents
            .iter()
            .map(|(place, _)| (*place, hash_of(&Digest::of(format!("{all}{}", name(place)).as_bytes()))))
            .collect()
    }

    /// Refuses pages that promise a content which was changed.
    pub(crate) fn check_integrity(&self) -> Result<(), AssetsError> {
        for page in &self.all {
            let broken = page
                .references
                .iter()
                .filter(|reference| reference.has_integrity)
                .find(|reference| self.find(&reference.target).is_some_and(|target| !target.references.is_empty()));
            if let Some(reference) = broken {
                let target = reference.target.clone();
                return Err(AssetsError::Integrity { page: page.name.clone(), target });
            }
        }
        Ok(())
    }

    /// What is written of a file: with the names that others have got.
    pub(crate) fn content(&self, file: &Source) -> Result<Vec<u8>, AssetsError> {
        if let Some(content) = self.rewritten(file) {
            return Ok(content);
        }
        whole(&file.content).map_err(|source| AssetsError::File { file: file.name.clone(), source })
    }

    /// `None` where nothing in it changes.
    fn rewritten(&self, file: &Source) -> Option<Vec<u8>> {
        let Content::Held(bytes) = &file.content else { return None };
        let hashes: Vec<(usize, &String)> = file
            .references
            .iter()
            .filter_map(|reference| Some((reference.at, self.find(&reference.target)?.hash.as_ref()?)))
            .collect();
        if hashes.is_empty() {
            return None;
        }
        let mut content = Vec::with_capacity(bytes.len() + hashes.len() * 24);
        let mut written = 0;
        for (at, hash) in hashes {
            content.extend_from_slice(bytes.get(written..at).unwrap_or_default());
            content.push(b'.');
            content.extend_from_slice(hash.as_bytes());
            written = at;
        }
        content.extend_from_slice(bytes.get(written..).unwrap_or_default());
        Some(content)
    }
}

/// Finds the references of a text. `false` when nothing of it is certain.
fn collect(language: Language, text: &str, collector: &mut Collector<'_>) -> bool {
    match language {
        Language::Html => return html::collect(text, collector).is_ok(),
        Language::Css => css::collect(text, 0, collector),
        Language::Script => script::collect(text, 0, collector),
        Language::Manifest => json::collect(text, 0, Members::Src, collector),
    }
    true
}

/// All bytes, as they were when the hash was made of them.
fn whole(content: &Content) -> io::Result<Vec<u8>> {
    match content {
        Content::Held(bytes) => Ok(bytes.to_vec()),
        Content::OnDisk(file) => {
            let opened = file.open()?;
            let mut bytes = Vec::new();
            for start in (0..file.length).step_by(PIECE) {
                bytes.extend_from_slice(&opened.read(&(start..file.length))?);
            }
            Ok(bytes)
        }
    }
}
