//! Looks everything over: every entry, every tile, every checkpoint.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};
use store::{AuditKey, OwnStep, Store};

use crate::AuditError;
use crate::checkpoint::{Checkpoint, Kind, Signer};
use crate::entry::Entry;
use crate::head::{Head, NO_HEAD, read_head};
use crate::page::{ask, page};
use crate::retention::read_forgotten;
use crate::seal::{LEVELS, TILE_PAGE, TILE_WIDTH, hashes_of, root};
use crate::tables::{CHECKPOINTS, ENTRIES, LAST_CHECKPOINT, TILES};
use crate::tree::{Edge, Hash};

/// How many rows are read at once.
const PAGE: i64 = 1_000;
/// The most findings of a kind that are named one by one.
const MOST_FINDINGS: u64 = 1_000;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// An entry is another one than was sealed.
    Altered(i64),
    /// An entry that was sealed is gone.
    Removed(i64),
    /// An entry is among sealed ones, and was not sealed with them.
    Inserted(i64),
    /// An entry has more than one place in the log.
    Repeated(i64),
    /// The tiles are not those that were kept.
    Tiles(String),
    /// A checkpoint is none, or not of this tree.
    Checkpoint {
        /// The size that it stands under.
        size: i64,
        /// What is wrong with it.
        problem: String,
    },
    /// That entries were forgotten because they were old enough was not said by the program.
    Forgotten {
        /// How many, as it says.
        size: i64,
        /// What is wrong with it.
        problem: String,
    },
    /// The log is not a continuation of a checkpoint that was kept elsewhere.
    Rewritten {
        /// The size of that checkpoint.
        size: u64,
    },
    /// How far was sealed is not what the last checkpoint says.
    Head(String),
    /// Who asked was not said by the program: a function of the schema's own has set it.
    Unsigned(i64),
}

impl Finding {
    /// A word for what kind it is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Altered(_) => "altered",
            Self::Removed(_) => "removed",
            Self::Inserted(_) => "inserted",
            Self::Repeated(_) => "repeated",
            Self::Tiles(_) => "tiles",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Rewritten { .. } => "rewritten",
            Self::Head(_) => "head",
            Self::Forgotten { .. } => "forgotten",
            Self::Unsigned(_) => "unsigned",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered(id) => write!(f, "entry {id} is not as it was sealed"),
            Self::Removed(id) => write!(f, "entry {id} was sealed and is gone"),
            Self::Inserted(id) => write!(f, "entry {id} stands among sealed entries and was not sealed with them"),
            Self::Repeated(id) => write!(f, "entry {id} has more than one place in the log"),
            Self::Tiles(problem) => write!(f, "the tiles of the log are not as they were kept: {problem}"),
            Self::Checkpoint { size, problem } => write!(f, "the checkpoint of {size} entries: {problem}"),
            Self::Forgotten { size, problem } => {
                write!(f, "the note that the first {size} entries were forgotten: {problem}")
            }
            Self::Rewritten { size } => {
                write!(
                    f,
                    "the log was cut off or rewritten: its first {size} entries are not those of the checkpoint that was given"
                )
            }
            Self::Head(problem) => write!(f, "how far was sealed does not fit: {problem}"),
            Self::Unsigned(id) => {
                write!(
                    f,
                    "who asked in entry {id} was not said by Pando: a function of the schema has set it, or Pando had another auth.secret"
                )
            }
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many entries are sealed.
    pub sealed: u64,
    /// How many of them are gone because they were old enough: retention.
    pub forgotten: u64,
    /// How many wait to be: nothing can be said of them yet.
    pub waiting: u64,
    /// What is wrong; at most a thousand things of each kind.
    pub findings: Vec<Finding>,
    /// How many things of each kind are wrong, by [`Finding::kind`].
    pub kinds: BTreeMap<&'static str, u64>,
}

impl Report {
    /// One kind never takes the place of another: with another secret every entry is unsigned, whatever else is wrong.
    fn found(&mut self, finding: Finding) {
        let count = self.kinds.entry(finding.kind()).or_default();
        *count = count.saturating_add(1);
        if *count <= MOST_FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// Recomputes everything from the entries. With an earlier checkpoint, kept elsewhere, it is also proved that nothing was cut off
/// or rewritten since. With a key, that who asked was said by the program.
///
/// # Errors
/// [`AuditError::Note`] for an earlier checkpoint that is none; what the store meets. What is wrong with the log is no error.
pub async fn verify(
    store: &dyn Store,
    signer: &Signer,
    key: Option<&AuditKey>,
    earlier: Option<&str>,
) -> Result<Report, AuditError> {
    let earlier = earlier.map(|note| signer.open(note)).transpose()?;
    let mut report = Report::default();
    // The head first: what is sealed meanwhile is no damage.
    let head = read_head(store).await?;
    let checkpoints = read_checkpoints(store, signer, head.as_ref().map_or(0, |head| head.size), &mut report).await?;
    let places = read_places(store, head.as_ref(), &mut report).await?;
    let forgotten = compare_forgotten(store, signer, &mut report).await?;
    let gone = forgotten.as_ref().map_or(0, |forgotten| forgotten.size);
    let hashes = compare_entries(store, head.as_ref(), &places, gone, key, &mut report).await?;
    report.sealed = places.len() as u64;
    let mut sizes: BTreeMap<u64, Vec<(Checkpoint, bool)>> = BTreeMap::new();
    checkpoints.into_iter().for_each(|checkpoint| sizes.entry(checkpoint.size).or_default().push((checkpoint, false)));
    forgotten.into_iter().for_each(|forgotten| sizes.entry(forgotten.size).or_default().push((forgotten, false)));
    earlier.into_iter().for_each(|checkpoint| sizes.entry(checkpoint.size).or_default().push((checkpoint, true)));
    compare_roots(&hashes, sizes, &mut report);
    compare_upper_tiles(store, &hashes, &mut report).await?;
    check_end(store, &mut report).await?;
    Ok(report)
}

/// How far entries were forgotten, if the program says so.
async fn compare_forgotten(
    store: &dyn Store,
    signer: &Signer,
    report: &mut Report,
) -> Result<Option<Checkpoint>, AuditError> {
    let Some(said) = read_forgotten(store).await? else { return Ok(None) };
    let problem = match signer.verifier().open_as(Kind::Forgotten, &said.note) {
        Ok(forgotten) if i64::try_from(forgotten.size) == Ok(said.size) => return Ok(Some(forgotten)),
        Ok(_) => "it is one of another size".to_owned(),
        Err(error) => error.to_string(),
    };
    report.found(Finding::Forgotten { size: said.size, problem });
    Ok(None)
}

/// Nothing stands behind the head. What was sealed while it was looked over is past now, so it is read last.
async fn check_end(store: &dyn Store, report: &mut Report) -> Result<(), AuditError> {
    let last = ask(store, OwnStep::new(LAST_CHECKPOINT, [])).await?;
    let last = last.first().map(|row| row.get::<i64>("size")).transpose()?.unwrap_or_default();
    let size = read_head(store).await?.map_or(0, |head| head.size);
    if last > size {
        report
            .found(Finding::Head(format!("{size} entries are said to be sealed, and there is a checkpoint of {last}")));
    }
    Ok(())
}

/// The checkpoints up to the head, those that are right.
async fn read_checkpoints(
    store: &dyn Store,
    signer: &Signer,
    size: i64,
    report: &mut Report,
) -> Result<Vec<Checkpoint>, AuditError> {
    let (mut checkpoints, mut last) = (Vec::new(), i64::MIN);
    loop {
        let answer = ask(store, OwnStep::new(CHECKPOINTS, [last.into(), PAGE.into()])).await?;
        for row in &answer.rows {
            last = row.get("size")?;
            // Sealed since the head was read.
            if last > size {
                continue;
            }
            match signer.open(row.get("note")?) {
                Ok(checkpoint) if i64::try_from(checkpoint.size) == Ok(last) => checkpoints.push(checkpoint),
                Ok(_) => {
                    report.found(Finding::Checkpoint { size: last, problem: "it is one of another size".to_owned() })
                }
                Err(error) => report.found(Finding::Checkpoint { size: last, problem: error.to_string() }),
            }
        }
        if (answer.rows.len() as i64) < PAGE {
            break;
        }
    }
    let newest = checkpoints.last().map_or(0, |checkpoint: &Checkpoint| checkpoint.size);
    if u64::try_from(size) != Ok(newest) {
        report.found(Finding::Head(format!(
            "{size} entries are said to be sealed, and the last checkpoint is of {newest}"
        )));
    }
    Ok(checkpoints)
}

/// The places of the log: the id of each sealed entry and the hash that it was sealed with.
pub(crate) async fn read_places(
    store: &dyn Store,
    head: Option<&Head>,
    report: &mut Report,
) -> Result<Vec<(i64, Hash)>, AuditError> {
    let Some(head) = head else {
        report.found(Finding::Head(NO_HEAD.to_owned()));
        return Ok(Vec::new());
    };
    let size = usize::try_from(head.size).unwrap_or(0);
    let mut places: Vec<(i64, Hash)> = Vec::new();
    let mut number = 0_i64;
    loop {
        let answer = ask(store, OwnStep::new(TILES, [0_i64.into(), number.into(), TILE_PAGE.into()])).await?;
        for row in &answer.rows {
            let found: i64 = row.get("number")?;
            let hashes = hashes_of(row.get("hashes")?);
            let ids: Option<&str> = row.get("entries")?;
            let ids: Vec<i64> = ids.and_then(|ids| serde_json::from_str(ids).ok()).unwrap_or_default();
            let is_whole =
                hashes.len() == ids.len() && places.len().is_multiple_of(TILE_WIDTH) && hashes.len() <= TILE_WIDTH;
            if found != number || !is_whole {
                report.found(Finding::Tiles(format!("tile {number} of level 0")));
                return Ok(places);
            }
            places.extend(ids.into_iter().zip(hashes));
            number = number.saturating_add(1);
        }
        if (answer.rows.len() as i64) < TILE_PAGE {
            break;
        }
    }
    if places.len() < size {
        report.found(Finding::Tiles(format!(
            "{size} entries are said to be sealed, and the tiles have {}",
            places.len()
        )));
    }
    // Sealed since the head was read.
    places.truncate(size);
    Ok(places)
}

/// Compares every entry with its place; gives the hashes as the entries have them now.
async fn compare_entries(
    store: &dyn Store,
    head: Option<&Head>,
    places: &[(i64, Hash)],
    forgotten: u64,
    key: Option<&AuditKey>,
    report: &mut Report,
) -> Result<Vec<Hash>, AuditError> {
    let mut wanted: BTreeMap<i64, usize> = BTreeMap::new();
    for (place, (id, _)) in places.iter().enumerate() {
        if wanted.insert(*id, place).is_some() {
            report.found(Finding::Repeated(*id));
        }
    }
    // An entry that is gone counts as something that no entry is.
    let mut hashes = vec![[0_u8; 32]; places.len()];
    let mut last = i64::MIN;
    loop {
        let (rows, has_more) = page(store, ENTRIES, &[last.into()], PAGE).await?;
        for row in &rows {
            let entry = Entry::of(row)?;
            last = entry.id;
            if let Some(key) = key.filter(|_| entry.relation.is_some() && !is_from_outside(&entry.context))
                && !key.has_signed(&entry.context)
            {
                report.found(Finding::Unsigned(entry.id));
            }
            let Some(place) = wanted.remove(&entry.id) else {
                if head.is_some_and(|head| head.covers(&entry)) {
                    report.found(Finding::Inserted(entry.id));
                } else {
                    report.waiting += 1;
                }
                continue;
            };
            let hash = entry.hash();
            if places.get(place).is_some_and(|(_, sealed)| *sealed != hash) {
                report.found(Finding::Altered(entry.id));
            }
            if let Some(slot) = hashes.get_mut(place) {
                *slot = hash;
            }
        }
        if !has_more {
            break;
        }
    }
    for (id, place) in wanted {
        match (place as u64) < forgotten {
            true => {
                report.forgotten += 1;
                // Its hash is as good as the root over it.
                hashes
                    .get_mut(place)
                    .zip(places.get(place))
                    .into_iter()
                    .for_each(|(slot, (_, sealed))| *slot = *sealed);
            }
            false => report.found(Finding::Removed(id)),
        }
    }
    Ok(hashes)
}

/// Whether an entry says that its change came past the program: with a name alone, as the triggers write it where the setting was never
/// made in the session. What else was said there stands beside it (`claimed`).
fn is_from_outside(context: &str) -> bool {
    if !context.starts_with("{\"outside\":") {
        return false;
    }
    let object: Option<Map<String, Value>> = serde_json::from_str(context).ok();
    object.is_some_and(|object| object.len() == 1 && object.get("outside").is_some_and(Value::is_string))
}

/// Compares the root at each checkpoint.
fn compare_roots(hashes: &[Hash], sizes: BTreeMap<u64, Vec<(Checkpoint, bool)>>, report: &mut Report) {
    let mut edge = Edge::default();
    let mut hashes = hashes.iter();
    for (size, checkpoints) in sizes {
        while edge.size() < size {
            let Some(hash) = hashes.next() else { break };
            edge.add(*hash);
        }
        for (checkpoint, is_earlier) in checkpoints {
            if edge.size() == size && edge.root() == checkpoint.root {
                continue;
            }
            report.found(if is_earlier {
                Finding::Rewritten { size }
            } else {
                let size = i64::try_from(size).unwrap_or(i64::MAX);
                Finding::Checkpoint { size, problem: "the entries up to it do not have its root".to_owned() }
            });
        }
    }
}

/// Compares the tiles above the lowest.
async fn compare_upper_tiles(store: &dyn Store, hashes: &[Hash], report: &mut Report) -> Result<(), AuditError> {
    let mut below = hashes.to_vec();
    for level in 1..LEVELS {
        let above: Vec<Hash> = below.as_chunks::<TILE_WIDTH>().0.iter().map(|tile| root(tile)).collect();
        let mut kept = Vec::new();
        let mut number = 0_i64;
        loop {
            let asked = [i64::from(level).into(), number.into(), TILE_PAGE.into()];
            let answer = ask(store, OwnStep::new(TILES, asked)).await?;
            for row in &answer.rows {
                kept.extend(hashes_of(row.get("hashes")?));
                number = row.get::<i64>("number")?.saturating_add(1);
            }
            if (answer.rows.len() as i64) < TILE_PAGE {
                break;
            }
        }
        // More may have been sealed meanwhile.
        if !kept.starts_with(&above) {
            report.found(Finding::Tiles(format!("those of level {level} are not over the tiles below them")));
        }
        below = above;
    }
    Ok(())
}
