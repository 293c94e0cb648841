//! Opens what lies in a folder, and nothing else.
//!
//! A symbolic link that leads out is refused by the kernel while it opens the file (`openat2` with `RESOLVE_BENEATH`), and not by
//! comparing paths before, so that nobody can change the link in between. Where the kernel has no such call, no link is followed at all.
//! A link that leads to what is hidden is no way to it: where a file that was opened over a link really lies is asked of the kernel afterwards.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

#[cfg(target_os = "linux")]
use crate::name::is_served;

/// A folder, held open: also when another one takes its name.
#[derive(Debug)]
pub(crate) struct Root(OwnedFd);

/// Pipes and terminals keep nobody waiting, and no program that is started gets the file.
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Of one part of a path, where links are not followed.
const STEP: OFlags = READ.union(OFlags::NOFOLLOW);

impl Root {
    /// The folder at this path. The path itself may lead over links.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, READ.union(OFlags::DIRECTORY), Mode::empty())?))
    }

    /// The folder itself, to be listed.
    pub(crate) fn folder(&self) -> io::Result<File> {
        Ok(File::from(self.0.try_clone()?))
    }

    /// What has this name in the folder, over links that stay inside of it and lead to nothing that is hidden.
    ///
    /// # Errors
    /// Of the operating system; also where a link leads out or to what is hidden, and where it is absolute.
    pub(crate) fn file(&self, name: &str) -> io::Result<File> {
        if let Some(opened) = by_kernel(&self.0, name) {
            return opened.map(File::from);
        }
        self.stepwise(name)
    }

    /// Part by part, following no link.
    fn stepwise(&self, name: &str) -> io::Result<File> {
        let mut folder = None;
        let mut parts = name.split('/').peekable();
        while let Some(part) = parts.next() {
            if matches!(part, "" | "." | "..") {
                return Err(io::ErrorKind::NotFound.into());
            }
            let within = folder.as_ref().map_or_else(|| self.0.as_fd(), OwnedFd::as_fd);
            let flags = if parts.peek().is_some() { STEP.union(OFlags::DIRECTORY) } else { STEP };
            folder = Some(rustix::fs::openat(within, part, flags, Mode::empty())?);
        }
        folder.map(File::from).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// What is in a folder and no link, opened from the open folder.
pub(crate) fn within(folder: &File, part: &std::ffi::CStr) -> io::Result<File> {
    Ok(File::from(rustix::fs::openat(folder, part, STEP.union(OFlags::DIRECTORY), Mode::empty())?))
}

/// How often a file is opened anew while somebody moves folders about (`EAGAIN`).
#[cfg(target_os = "linux")]
const TRIES: u32 = 8;

/// By the kernel's own check; `None` where it has none, or is not allowed to (containers with an old list of calls).
#[cfg(target_os = "linux")]
fn by_kernel(root: &OwnedFd, name: &str) -> Option<io::Result<OwnedFd>> {
    use rustix::fs::{ResolveFlags, openat2};
    use rustix::io::Errno;

    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut resolve = beneath | ResolveFlags::NO_SYMLINKS;
    for _ in 0..TRIES {
        match openat2(root, name, READ, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            Err(Errno::NOSYS | Errno::PERM) => return None,
            // There is a link on its way.
            Err(Errno::LOOP) if resolve != beneath => resolve = beneath,
            Ok(opened) if resolve == beneath && is_hidden(root, &opened) => {
                return Some(Err(io::ErrorKind::NotFound.into()));
            }
            opened => return Some(opened.map_err(Into::into)),
        }
    }
    Some(Err(Errno::AGAIN.into()))
}

/// Whether what was opened lies in the folder where nothing is served; also where nobody can say where it lies (no `/proc`).
#[cfg(target_os = "linux")]
fn is_hidden(root: &OwnedFd, opened: &OwnedFd) -> bool {
    use std::os::fd::AsRawFd;

    let place = |fd: &OwnedFd| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok();
    let (Some(root), Some(opened)) = (place(root), place(opened)) else { return true };
    let Ok(inside) = opened.strip_prefix(root) else { return true };
    let mut parts = inside.iter().enumerate();
    !parts.all(|(place, part)| part.to_str().is_some_and(|part| is_served(part, place == 0)))
}

#[cfg(not(target_os = "linux"))]
fn by_kernel(_root: &OwnedFd, _name: &str) -> Option<io::Result<OwnedFd>> {
    None
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_outside_is_opened() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("inner");
        std::fs::create_dir_all(inner.join("folder")).unwrap();
        std::fs::write(outer.path().join("secret"), "secret").unwrap();
        std::fs::write(inner.join("folder/file"), "inside").unwrap();
        std::fs::create_dir_all(inner.join(".git")).unwrap();
        std::fs::write(inner.join(".git/config"), "hidden").unwrap();
        symlink(".git/config", inner.join("hidden")).unwrap();
        symlink(".git", inner.join("git")).unwrap();
        symlink("../git/config", inner.join("folder/twice")).unwrap();
        symlink("../secret", inner.join("out")).unwrap();
        symlink("..", inner.join("up")).unwrap();
        symlink(outer.path().join("secret"), inner.join("absolute")).unwrap();
        symlink("folder/file", inner.join("in")).unwrap();
        symlink("/proc/self/root/etc/passwd", inner.join("magic")).unwrap();
        let root = Root::open(&inner).unwrap();
        let read = |opened: io::Result<File>| {
            let mut text = String::new();
            opened.ok()?.read_to_string(&mut text).ok()?;
            Some(text)
        };
        for name in ["out", "up/secret", "absolute", "magic", "../secret", "folder/../../secret", "/etc/passwd", ""]
            .into_iter()
            .chain(["hidden", "git", "git/config", "folder/twice"])
        {
            assert_eq!(read(root.file(name)), None, "{name}");
            assert_eq!(read(root.stepwise(name)), None, "{name}");
        }
        assert_eq!(read(root.file("folder/file")).as_deref(), Some("inside"));
        assert_eq!(read(root.stepwise("folder/file")).as_deref(), Some("inside"));
        assert_eq!(read(root.stepwise("in")), None);
        #[cfg(target_os = "linux")]
        assert_eq!(read(root.file("in")).as_deref(), Some("inside"));
    }
}
