//! What is in the folder: every file with the marks by which a change is seen, without reading one.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{AtFlags, Dir, FileType};

use crate::beneath::{Root, within};
use crate::name::is_served;

/// How deep folders may lie in one another.
const DEEPEST: usize = 64;

/// What changes when somebody writes into a file or puts another in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    device: u64,
    inode: u64,
    /// Seconds since 1970, and nanoseconds.
    pub(crate) modified: (i64, i64),
    /// Nobody can set this one back.
    pub(crate) changed: (i64, i64),
}

impl Stamp {
    /// Of an open file.
    ///
    /// # Errors
    /// Where it is no file.
    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self {
            size: metadata.size(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// What is not served, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Its name in the folder.
    pub name: String,
    /// Why: the end of a sentence.
    pub reason: &'static str,
}

const LEADS_OUT: &str =
    "is a symbolic link that leads out of the folder, to what is hidden, to nowhere, or is absolute";
const NO_TEXT: &str = "has a name that is not UTF-8, or has control characters or a backslash in it";
const NO_FILE: &str = "is neither a file nor a folder";
const IN_ITSELF: &str = "is a link to a folder that it lies in";
const TOO_DEEP: &str = "lies too deep in folders";
pub(crate) const RESERVED: &str = "lies under a path that belongs to the API";
pub(crate) const UNREADABLE: &str = "cannot be read";

/// All there is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// By their names from the folder.
    pub(crate) files: BTreeMap<String, Stamp>,
    pub(crate) passed_over: Vec<PassedOver>,
}

impl Found {
    /// Leaves out what lies where somebody else answers.
    pub(crate) fn leave_out(&mut self, reserved: &[String]) {
        let is_reserved = |name: &str| {
            let inside = |path: &String| name.strip_prefix(path.trim_start_matches('/'));
            reserved.iter().filter_map(inside).any(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let passed_over = &mut self.passed_over;
        self.files.retain(|name, _| {
            let is_left_out = is_reserved(name);
            if is_left_out {
                passed_over.push(PassedOver { name: name.clone(), reason: RESERVED });
            }
            !is_left_out
        });
    }
}

/// Why there is no answer to what is in the folder.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// Files and folders are more than may be.
    TooMany,
    /// The folder itself cannot be read.
    Unreadable(io::Error),
}

/// Looks through the folder. Hidden files are not seen at all. Blocks: some µs for each file.
pub(crate) fn walk(root: &Root, most: usize) -> Result<Found, Unfit> {
    let folder = root.folder().map_err(Unfit::Unreadable)?;
    let place = identity(&folder).map_err(Unfit::Unreadable)?;
    let mut walk = Walk { root, most, seen: 0, ancestors: vec![place], found: Found::default() };
    walk.folder(&folder, "").map_err(|unfit| unfit.unwrap_or(Unfit::TooMany))?;
    Ok(walk.found)
}

fn identity(folder: &File) -> io::Result<(u64, u64)> {
    folder.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

struct Walk<'a> {
    root: &'a Root,
    most: usize,
    seen: usize,
    /// The folders from the first to the one that is looked through, so that no link leads in circles.
    ancestors: Vec<(u64, u64)>,
    found: Found,
}

impl Walk<'_> {
    /// A folder; `Some` error only of the first one, whose contents are what it is all about.
    fn folder(&mut self, folder: &File, name: &str) -> Result<(), Option<Unfit>> {
        let list = match Dir::read_from(folder) {
            Ok(list) => list,
            Err(error) if name.is_empty() => return Err(Some(Unfit::Unreadable(error.into()))),
            Err(_) => {
                self.pass_over(name.to_owned(), UNREADABLE);
                return Ok(());
            }
        };
        for entry in list {
            let Ok(entry) = entry else {
                self.pass_over(name.to_owned(), UNREADABLE);
                return Ok(());
            };
            let raw = entry.file_name();
            if raw.to_bytes().starts_with(b".") && (raw.to_bytes() != b".well-known" || !name.is_empty()) {
                continue;
            }
            self.seen += 1;
            if self.seen > self.most {
                return Err(Some(Unfit::TooMany));
            }
            let full = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}/{part}") };
            match raw.to_str() {
                Ok(part) if is_served(part, name.is_empty()) => self.entry(folder, raw, full(part))?,
                _ => self.pass_over(full(&raw.to_string_lossy()), NO_TEXT),
            }
        }
        Ok(())
    }

    fn entry(&mut self, folder: &File, raw: &CStr, name: String) -> Result<(), Option<Unfit>> {
        let Ok(stat) = rustix::fs::statat(folder, raw, AtFlags::SYMLINK_NOFOLLOW) else {
            // It went while the folder was looked through.
            return Ok(());
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                // By the way that it will be read: a mount in between is no reason to read it otherwise.
                let stamp = Stamp {
                    size: u64::try_from(stat.st_size).unwrap_or(0),
                    device: stat.st_dev,
                    inode: stat.st_ino,
                    modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
                    changed: (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
                };
                self.found.files.insert(name, stamp);
                Ok(())
            }
            FileType::Directory => match within(folder, raw) {
                Ok(inner) => self.inner(&inner, name),
                Err(_) => {
                    self.pass_over(name, UNREADABLE);
                    Ok(())
                }
            },
            FileType::Symlink => self.link(name),
            _ => {
                self.pass_over(name, NO_FILE);
                Ok(())
            }
        }
    }

    fn link(&mut self, name: String) -> Result<(), Option<Unfit>> {
        let Ok(file) = self.root.file(&name) else {
            self.pass_over(name, LEADS_OUT);
            return Ok(());
        };
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return self.inner(&file, name);
        }
        match Stamp::of_file(&file) {
            Ok(stamp) => drop(self.found.files.insert(name, stamp)),
            Err(_) => self.pass_over(name, NO_FILE),
        }
        Ok(())
    }

    fn inner(&mut self, folder: &File, name: String) -> Result<(), Option<Unfit>> {
        let Ok(place) = identity(folder) else {
            self.pass_over(name, UNREADABLE);
            return Ok(());
        };
        if self.ancestors.contains(&place) {
            self.pass_over(name, IN_ITSELF);
            return Ok(());
        }
        if self.ancestors.len() >= DEEPEST {
            self.pass_over(name, TOO_DEEP);
            return Ok(());
        }
        self.ancestors.push(place);
        let looked = self.folder(folder, &name);
        self.ancestors.pop();
        looked
    }

    fn pass_over(&mut self, name: String, reason: &'static str) {
        self.found.passed_over.push(PassedOver { name, reason });
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_found_and_what_is_not() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("public");
        for name in ["a/b", ".git", ".well-known", "a/.well-known"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        for name in ["index.html", "a/b/c.css", ".env", ".git/config", ".well-known/x", "a/.well-known/y", "été.txt"]
        {
            std::fs::write(folder.join(name), name).unwrap();
        }
        std::fs::write(outer.path().join("secret"), "secret").unwrap();
        std::fs::write(folder.join("back\\slash"), "x").unwrap();
        symlink("../secret", folder.join("out")).unwrap();
        symlink("nowhere", folder.join("dangling")).unwrap();
        symlink(".env", folder.join("environment")).unwrap();
        symlink("../.git", folder.join("a/git")).unwrap();
        symlink("../..", folder.join("a/up")).unwrap();
        symlink("..", folder.join("a/circle")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
        #[cfg(target_os = "linux")]
        symlink("a/b", folder.join("way")).unwrap();

        let root = Root::open(&folder).unwrap();
        let found = walk(&root, 100).unwrap();
        let names: Vec<_> = found.files.keys().map(String::as_str).collect();
        assert_eq!(names, [".well-known/x", "a/b/c.css", "index.html", "way/c.css", "été.txt"]);
        let mut passed_over = found.passed_over.clone();
        passed_over.sort_by(|a, b| a.name.cmp(&b.name));
        let passed_over: Vec<_> = passed_over.iter().map(|it| (it.name.as_str(), it.reason)).collect();
        let expected = [
            ("a/circle", IN_ITSELF),
            ("a/git", LEADS_OUT),
            ("a/up", LEADS_OUT),
            ("back\\slash", NO_TEXT),
            ("dangling", LEADS_OUT),
            ("environment", LEADS_OUT),
            ("out", LEADS_OUT),
            ("socket", NO_FILE),
        ];
        assert_eq!(passed_over, expected);

        // The marks of a walk are those of reading.
        for (name, stamp) in &found.files {
            assert_eq!(Stamp::of_file(&root.file(name).unwrap()).unwrap(), *stamp, "{name}");
        }
        assert_eq!(walk(&root, 100).unwrap(), found);
        std::fs::write(folder.join("index.html"), "other").unwrap();
        assert_ne!(walk(&root, 100).unwrap(), found);
        assert!(matches!(walk(&root, 5), Err(Unfit::TooMany)));
    }

    #[test]
    fn folders_in_folders_end_somewhere() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/".repeat(DEEPEST + 3))).unwrap();
        std::fs::write(folder.path().join("a/".repeat(DEEPEST + 2)).join("x"), "").unwrap();
        let found = walk(&Root::open(folder.path()).unwrap(), 1_000).unwrap();
        assert!(found.files.is_empty());
        assert_eq!(found.passed_over.first().map(|it| it.reason), Some(TOO_DEEP));
    }
}
