//! Clocks that go wrong, for programs that are started with them.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::server::Launch;
use crate::tools::is_skipped;

/// Where Debian's package `libfaketime` lays it, in the folder of the machine's architecture.
const LIBRARIES: &str = "/usr/lib";
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The clock of one program: wrong by some time, and faster or slower where that is wanted (libfaketime).
#[derive(Debug)]
pub struct FalseClock {
    library: PathBuf,
    folder: TempDir,
}

impl FalseClock {
    /// `None` where libfaketime is not installed and the test may go without, which is said loudly.
    pub fn find_for(test: &str) -> Option<Self> {
        let folders = fs::read_dir(LIBRARIES).into_iter().flatten().flatten();
        let mut places = folders.map(|folder| folder.path().join(LIBRARY));
        let found = places.find(|place| place.is_file());
        if is_skipped(test, found.is_none(), "libfaketime", "install it: apt-get install libfaketime") {
            return None;
        }
        Some(Self { library: found?, folder: tempfile::tempdir().expect("a temporary folder can be made") })
    }

    /// The wall clock goes wrong by so many seconds, the monotonic one goes right. [`FalseClock::set`] is for this one.
    #[must_use]
    pub fn is_off(&self, launch: Launch, seconds: i64) -> Launch {
        self.set(seconds);
        self.preloaded(launch)
            .variable("FAKETIME_TIMESTAMP_FILE", &self.file().display().to_string())
            .variable("FAKETIME_CACHE_DURATION", "1")
            .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    /// Both clocks go faster or slower than the right ones, by so many percent of them.
    #[must_use]
    pub fn runs(&self, launch: Launch, seconds: i64, percent: u64) -> Launch {
        let rate = format!("{seconds:+}s x{}.{:02}", percent / 100, percent % 100);
        self.preloaded(launch).variable("FAKETIME", &rate)
    }

    /// Sets the wall clock of a program that runs, which sees it within a second.
    pub fn set(&self, seconds: i64) {
        // At once, or it might read half of it.
        let new = self.folder.path().join("new");
        fs::write(&new, format!("{seconds:+}s\n")).expect("a file can be written");
        fs::rename(&new, self.file()).expect("a file can be moved");
    }

    /// Takes away what the library leaves in shared memory when a program is killed.
    pub fn clean_up_after(process: u32) {
        for name in [format!("faketime_shm_{process}"), format!("sem.faketime_sem_{process}")] {
            let _not_there = fs::remove_file(PathBuf::from("/dev/shm").join(name));
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("time")
    }

    fn preloaded(&self, launch: Launch) -> Launch {
        launch.variable("LD_PRELOAD", &self.library.display().to_string())
    }
}
