//! The folder as it is served: looked at again and again, and replaced as a whole when it is another.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use base::Clock;
use http::header::{ACCEPT, CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tokio::sync::Notify;

use crate::answer::{Asked, FileAnswer, answer};
use crate::beneath::Root;
use crate::index::{ASK_FIRST, Changes, Entry, Index};
use crate::kept::Kept;
use crate::name::Name;
use crate::walk::{Found, PassedOver, walk};
use crate::{FilesError, Settings, smaller};

/// The page of a folder.
const PAGE: &str = "index.html";

/// After so many looks at a folder that is another each time, it is taken as it is: somebody writes into it all day. At a look every
/// two seconds a new version may take five minutes to be put there.
pub const MOST_WAITS: u32 = 150;

/// Looks that requests ask for, since a file is not what it was, take this part of the time at most: whoever writes into a large file all day
/// has it read again and again otherwise.
const SHARE_OF_LOOKS: u32 = 10;

/// What may stand in a path without being encoded, so that a name is never read as something else.
const IN_PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`');

/// A folder that is served. Cheap to clone.
#[derive(Clone)]
pub struct Site(Arc<Inner>);

struct Inner {
    settings: Settings,
    clock: Arc<dyn Clock>,
    index: ArcSwap<Index>,
    /// Held while the folder is looked at, so that an older look never takes the place of a newer.
    looking: Mutex<Waiting>,
    /// Woken by a file that is not what the index says.
    stale: Arc<Notify>,
    /// When requests may have the folder looked at again.
    next_look: Mutex<Option<Instant>>,
}

/// A state of the folder that is not served yet, since it may be written into.
#[derive(Default)]
struct Waiting {
    seen: Option<Found>,
    times: u32,
}

/// How the folder is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// What is there counts at once.
    Now,
    /// What is there counts when it was the same at the look before, so that nobody is shown half of a new version; after
    /// [`MOST_WAITS`] looks as it is.
    WhenCalm,
}

/// What is served now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Files.
    pub files: usize,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes in memory, those of compressed files among them.
    pub held_bytes: u64,
    /// What is another than before.
    pub changes: Changes,
    /// What is in the folder and is not served.
    pub passed_over: Vec<PassedOver>,
    /// Whether it counts although it was another at each look: it may be half of a new version.
    pub is_restless: bool,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// No file: somebody else may know what it is.
    Unknown,
    /// It is for a file, which can only be read.
    NotAllowed,
    /// A file is there, and what is on the disk is being changed.
    Changing,
    /// The answer.
    Answer(FileAnswer),
}

/// What a path stands for.
enum Target {
    File(Arc<Entry>),
    /// The page that is given where there is no other.
    Fallback(Arc<Entry>),
    /// A folder that has a page, without the slash at the end.
    Folder(String),
}

impl Site {
    /// Reads the folder. Blocks, as long as reading all files takes.
    ///
    /// # Errors
    /// It cannot be read or holds too much, or the page of the settings is missing.
    pub fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<(Self, Reading), FilesError> {
        let (root, found) = look(&settings)?;
        let (index, changes) = Index::read((&root, found), None, &settings, clock.now());
        if let Some(file) = settings.fallback.clone().filter(|file| index.get(file).is_none()) {
            return Err(FilesError::Fallback { file, folder: settings.folder });
        }
        let reading = reading(&index, changes);
        let inner = Inner {
            settings,
            clock,
            index: ArcSwap::from_pointee(index),
            looking: Mutex::default(),
            stale: Arc::default(),
            next_look: Mutex::default(),
        };
        Ok((Self(Arc::new(inner)), reading))
    }

    /// Looks at the folder, and reads what has changed. Blocks. `None` when nothing did, or not for good yet.
    ///
    /// # Errors
    /// As [`Site::open`]; what was served before goes on.
    pub fn look(&self, how: Look) -> Result<Option<Reading>, FilesError> {
        let inner = &self.0;
        let mut waiting = inner.looking.lock();
        let (root, found) = look(&inner.settings)?;
        let before = inner.index.load_full();
        if before.is_of(&found) {
            *waiting = Waiting::default();
            return Ok(None);
        }
        let is_calm = before.found == found || waiting.seen.as_ref() == Some(&found);
        if how == Look::WhenCalm && !is_calm && waiting.times < MOST_WAITS {
            *waiting = Waiting { seen: Some(found), times: waiting.times + 1 };
            return Ok(None);
        }
        let is_restless = how == Look::WhenCalm && !is_calm;
        *waiting = Waiting::default();
        let (index, changes) = Index::read((&root, found), Some(&before), &inner.settings, inner.clock.now());
        let is_told = changes != Changes::default() || index.found.passed_over != before.found.passed_over;
        let reading = Reading { is_restless, ..reading(&index, changes) };
        inner.index.store(Arc::new(index));
        Ok(is_told.then_some(reading))
    }

    /// Makes files smaller that are not yet, the small ones first, so that pages profit soon. Blocks, for as long as it takes;
    /// requests go on and get what there is. Gives up when `goes_on` says so. How many bytes are in memory then.
    ///
    /// # Errors
    /// The folder where they are kept cannot be used; they are made all the same, and held in memory as far as there is room.
    pub fn make_smaller(&self, goes_on: impl Fn() -> bool) -> io::Result<u64> {
        let inner = &self.0;
        let index = inner.index.load_full();
        let mut todo: Vec<_> = index.files().filter(|(_, entry)| entry.smaller.get().is_none()).collect();
        todo.sort_by_key(|(name, entry)| (entry.content.length(), *name));
        if todo.is_empty() {
            return Ok(index.held());
        }
        let (mut kept, failed) = match inner.settings.kept.as_deref().map(Kept::open).transpose() {
            Ok(kept) => (kept, None),
            Err(error) => (None, Some(error)),
        };
        let holds = |bytes: u64| index.takes(bytes, inner.settings.max_memory_bytes);
        for (name, entry) in todo {
            if !goes_on() {
                return Ok(index.held());
            }
            let made = smaller::make((name, entry), &index, &mut kept, &holds);
            let _only_once = entry.smaller.set(made);
        }
        if let Some(kept) = &mut kept {
            let used: std::collections::HashSet<String> =
                index.files().map(|(_, entry)| Kept::name_of(&entry.digest)).collect();
            kept.sweep(|original| used.contains(original));
        }
        failed.map_or_else(|| Ok(index.held()), Err)
    }

    /// Ready when somebody was to be given a file that is not what it was.
    pub async fn went_stale(&self) {
        self.0.stale.notified().await;
    }

    /// Answers a request, if it is for a file. `path` is percent-encoded as it came.
    pub async fn answer(&self, method: &Method, path: &str, query: Option<&str>, headers: &HeaderMap) -> Outcome {
        // Twice: what has just been changed is read again first.
        for is_last in [false, true] {
            let Some(target) = self.find(method, path, headers) else { return Outcome::Unknown };
            if method == Method::OPTIONS || (method != Method::GET && method != Method::HEAD) {
                return Outcome::NotAllowed;
            }
            let (entry, said) = match &target {
                Target::Folder(name) => return Outcome::Answer(redirect(name, query)),
                Target::File(entry) => {
                    let varies = if entry.is_compressible { "Accept-Encoding" } else { "" };
                    (entry, (&entry.cache_control, varies))
                }
                Target::Fallback(entry) => (entry, (&ASK_FIRST, "Accept, Accept-Encoding")),
            };
            let asked = Asked { method, headers, now: self.now() };
            match answer(entry, asked, said, &self.0.stale).await {
                Ok(answer) => return Outcome::Answer(answer),
                Err(_) if is_last => self.0.stale.notify_one(),
                Err(_) => {
                    let site = self.clone();
                    // What cannot be read now goes on as it was.
                    let _looked = tokio::task::spawn_blocking(move || site.look_for_request()).await;
                }
            }
        }
        Outcome::Changing
    }

    fn look_for_request(&self) {
        let clock = &self.0.clock;
        let began = clock.monotonic();
        if self.0.next_look.lock().is_some_and(|next| began < next) {
            return;
        }
        let _as_before = self.look(Look::Now);
        let ended = clock.monotonic();
        let took = ended.saturating_duration_since(began);
        *self.0.next_look.lock() = ended.checked_add(took.saturating_mul(SHARE_OF_LOOKS));
    }

    fn find(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Target> {
        let name = Name::read(path)?;
        let index = self.0.index.load();
        let page = if name.text.is_empty() { PAGE.to_owned() } else { format!("{}/{PAGE}", name.text) };
        let file = if name.is_folder { index.get(&page) } else { index.get(&name.text) };
        if let Some(entry) = file {
            return Some(Target::File(entry.clone()));
        }
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if !name.is_folder && index.get(&page).is_some() {
            return Some(Target::Folder(name.text));
        }
        let fallback =
            self.0.settings.fallback.as_deref().filter(|_| is_read && !name.has_extension() && !name.is_call())?;
        let entry = index.get(fallback).filter(|_| wants_page(headers))?;
        Some(Target::Fallback(entry.clone()))
    }

    fn now(&self) -> SystemTime {
        let micros = u64::try_from(self.0.clock.now().0).unwrap_or(0);
        UNIX_EPOCH.checked_add(Duration::from_micros(micros)).unwrap_or(UNIX_EPOCH)
    }
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Site").field(&self.0.settings.folder).finish()
    }
}

fn look(settings: &Settings) -> Result<(Arc<Root>, Found), FilesError> {
    let folder = || settings.folder.clone();
    let root = Root::open(&settings.folder).map_err(|source| FilesError::Folder { folder: folder(), source })?;
    let mut found =
        walk(&root, settings.max_files).map_err(|unfit| FilesError::unfit(unfit, folder(), settings.max_files))?;
    found.leave_out(&settings.reserved);
    Ok((Arc::new(root), found))
}

fn reading(index: &Index, changes: Changes) -> Reading {
    Reading {
        files: index.count(),
        bytes: index.bytes(),
        held_bytes: index.held(),
        changes,
        passed_over: index.found.passed_over.clone(),
        is_restless: false,
    }
}

/// A browser that goes to a page names HTML among what it takes; scripts and programs take anything.
fn wants_page(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_html = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("text/html"));
        let is_refused = |part: &str| {
            let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            weight.is_some_and(|weight| weight.trim().parse::<f32>() == Ok(0.0))
        };
        is_html && !parts.any(is_refused)
    })
}

/// To the same folder with a slash, so that what its page names lies beside it. Relative: whoever stands in front may have put the
/// whole site below a folder of its own.
fn redirect(name: &str, query: Option<&str>) -> FileAnswer {
    let last = name.rsplit('/').next().unwrap_or(name);
    // `./`, since `a:b/` would be an address of the scheme `a`.
    let mut place = format!("./{}/", utf8_percent_encode(last, IN_PATH));
    if let Some(query) = query {
        place.push('?');
        place.push_str(query);
    }
    let mut headers = HeaderMap::new();
    if let Ok(place) = HeaderValue::try_from(place) {
        headers.insert(LOCATION, place);
    }
    headers.insert(CACHE_CONTROL, ASK_FIRST);
    FileAnswer::empty(StatusCode::PERMANENT_REDIRECT, headers)
}
