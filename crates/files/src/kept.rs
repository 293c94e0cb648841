//! Compressed files on the disk, by the hash of what they are made of: a restart finds them there.
//!
//! A name has the hash of the original, that of the compressed content, and the coding. What was cut off or altered has another hash
//! than its name says, and is made anew. An empty file says that the coding brings nothing.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use delivery::Coding;

use crate::beneath::Root;
use crate::content::{Content, take_in};
use crate::digest::Digest;

/// Another way of compressing gets another number, so that nothing of the former is taken for it.
const RECIPE: &str = "1";
/// Digits of the original's hash in a name, and of the content's own.
const ORIGINAL_DIGITS: usize = 40;
const OWN_DIGITS: usize = 16;

/// The folder.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    root: Arc<Root>,
    /// Names by what they begin and end with.
    names: HashMap<String, String>,
}

impl Kept {
    /// Makes the folder where it is missing, and looks what is there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let root = Arc::new(Root::open(path)?);
        let mut names = HashMap::new();
        for entry in std::fs::read_dir(path)? {
            if let Ok(name) = entry?.file_name().into_string()
                && let Some(key) = key_of(&name)
            {
                names.insert(key, name);
            }
        }
        Ok(Self { path: path.to_owned(), root, names })
    }

    /// What is kept, with its hash; an empty content where the coding brings nothing.
    pub(crate) fn get(
        &self,
        original: &Digest,
        coding: Coding,
        holds: impl Fn(u64) -> bool,
    ) -> Option<(Content, Digest)> {
        let name = self.names.get(&key(original, coding))?;
        let taken = take_in(&self.root, name, holds).ok()?;
        let is_whole = name.split('.').nth(1) == Some(taken.digest.hexadecimal(OWN_DIGITS).as_str());
        is_whole.then_some((taken.content, taken.digest))
    }

    /// Keeps a content: whole or not at all.
    pub(crate) fn put(&mut self, original: &Digest, coding: Coding, content: &[u8]) -> io::Result<()> {
        let own = Digest::of(content).hexadecimal(OWN_DIGITS);
        let name = format!("{}.{own}.{RECIPE}.{}", original.hexadecimal(ORIGINAL_DIGITS), coding.name());
        let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
        file.write_all(content)?;
        file.persist(self.path.join(&name))?;
        self.names.insert(key(original, coding), name);
        Ok(())
    }

    /// Removes what no file that is served is made of.
    pub(crate) fn sweep(&mut self, is_used: impl Fn(&str) -> bool) {
        let path = &self.path;
        self.names.retain(|key, name| {
            let is_used = key.split('.').next().is_some_and(&is_used);
            // One that stays is found again at the next time.
            is_used || std::fs::remove_file(path.join(name.as_str())).is_err()
        });
    }

    /// How an original is called in [`Kept::sweep`].
    pub(crate) fn name_of(original: &Digest) -> String {
        original.hexadecimal(ORIGINAL_DIGITS)
    }
}

fn key(original: &Digest, coding: Coding) -> String {
    format!("{}.{}", original.hexadecimal(ORIGINAL_DIGITS), coding.name())
}

/// The key of a file's name; `None` for what is none of ours, or of another recipe.
fn key_of(name: &str) -> Option<String> {
    let mut parts = name.split('.');
    let (original, own, recipe, coding) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hash = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_ours = is_hash(original, ORIGINAL_DIGITS) && is_hash(own, OWN_DIGITS) && recipe == RECIPE;
    let is_coding = Coding::ALL.iter().any(|known| known.name() == coding);
    (is_ours && is_coding && parts.next().is_none()).then(|| format!("{original}.{coding}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/files");
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let mut kept = Kept::open(&path).unwrap();
        kept.put(&one, Coding::Brotli, b"small").unwrap();
        kept.put(&one, Coding::Gzip, b"").unwrap();
        kept.put(&other, Coding::Gzip, b"else").unwrap();
        std::fs::write(path.join("somebody-else.txt"), "x").unwrap();

        let mut kept = Kept::open(&path).unwrap();
        let get = |kept: &Kept, original: &Digest, coding, holds: bool| {
            kept.get(original, coding, |_| holds).map(|(content, _)| (content.length(), content.held()))
        };
        assert_eq!(get(&kept, &one, Coding::Brotli, true), Some((5, 5)));
        assert_eq!(get(&kept, &one, Coding::Brotli, false), Some((5, 0)));
        assert_eq!(get(&kept, &one, Coding::Gzip, true), Some((0, 0)));
        assert_eq!(get(&kept, &one, Coding::Zstandard, true), None);

        // Cut off by a crash, or written by somebody.
        let name = kept.names[&key(&one, Coding::Brotli)].clone();
        std::fs::write(path.join(&name), "smal").unwrap();
        assert_eq!(get(&kept, &one, Coding::Brotli, true), None);

        kept.sweep(|original| original == Kept::name_of(&one));
        assert_eq!(get(&kept, &other, Coding::Gzip, true), None);
        let left = std::fs::read_dir(&path).unwrap().count();
        assert_eq!(left, 3);
    }
}
