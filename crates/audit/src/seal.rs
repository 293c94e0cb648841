//! The sequencer: gives entries their places in the log, off the path of requests. However many nodes try, each entry is sealed
//! once: who comes second finds the head moved, and nothing of theirs is kept.

use base::Timestamp;
use datatype::Datum;
use store::{OwnStep, Store, StoreError};

use crate::AuditError;
use crate::checkpoint::{Checkpoint, Signer};
use crate::entry::Entry;
use crate::head::{Head, NO_HEAD, read_head};
use crate::page::{ask, page};
use crate::tables::{
    ADVANCE, KEEP_CHECKPOINT, KEEP_TILE, NEXT_OF_FILE, NEXT_OF_SERVER, TILE, TILES, WAITING_OF_FILE, WAITING_OF_SERVER,
};
use crate::tree::{Edge, Hash};

/// How many hashes a full tile has: C2SP's tlog-tiles.
pub(crate) const TILE_WIDTH: usize = 256;
/// The levels of hashes in a tile: 2^8 = 256.
pub(crate) const TILE_HEIGHT: u32 = 8;
/// The most levels of tiles: 256^7 entries are more than ids there are.
pub(crate) const LEVELS: u32 = 7;
/// The most entries that are sealed at once: ten tiles.
const MOST_ENTRIES: i64 = 2_560;

/// Up to how many entries that wait are counted.
const MOST_COUNTED: i64 = 100_000;
/// How many tiles are read at once: 64 of 8 KiB.
pub(crate) const TILE_PAGE: i64 = 64;

/// What seals.
pub struct Sealer<'s> {
    store: &'s dyn Store,
    signer: &'s Signer,
    memory: &'s mut Memory,
}

/// The log as a node has last signed or found it. Who owns the tables can take the log back to any state; a node that remembers
/// goes on from its own alone, and signs nothing else. It is forgotten with the process.
#[derive(Debug, Clone, Default)]
pub struct Memory(Option<Checkpoint>);

/// What was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// How many entries more.
    pub entries: u64,
    /// Whether there may be more of them at once. Where none was sealed, another node is at it.
    pub has_more: bool,
    /// The checkpoint that was signed; `None` where no entry was sealed.
    pub note: Option<String>,
}

/// Another node was faster.
const FASTER: Sealed = Sealed { entries: 0, has_more: true, note: None };

/// A tile that is not full.
#[derive(Default)]
struct Tile {
    number: i64,
    hashes: Vec<Hash>,
    entries: Vec<i64>,
}

impl<'s> Sealer<'s> {
    /// Seals entries of this database, going on from what is remembered of it.
    pub fn new(store: &'s dyn Store, signer: &'s Signer, memory: &'s mut Memory) -> Self {
        Self { store, signer, memory }
    }

    /// Seals what is there to be sealed, up to ten tiles of it. Nothing is sealed where another node was faster.
    ///
    /// # Errors
    /// [`AuditError::Broken`] where the tiles are not those of the head; [`AuditError::Rewritten`] where the log does not go on
    /// from what is remembered; what the store meets.
    pub async fn seal(&mut self, now: Timestamp) -> Result<Sealed, AuditError> {
        let Head { size, transaction, entry: last, .. } = self.head().await?;
        let next = if self.store.catalog().is_native() { NEXT_OF_SERVER } else { NEXT_OF_FILE };
        let (rows, has_more) = page(self.store, next, &[transaction.into(), last.into()], MOST_ENTRIES).await?;
        let entries = rows.iter().map(Entry::of).collect::<Result<Vec<Entry>, StoreError>>()?;
        let nothing = Sealed { entries: 0, has_more: false, note: None };
        let is_known = self.memory.0.as_ref().is_some_and(|known| i64::try_from(known.size) == Ok(size));
        if entries.is_empty() && is_known {
            return Ok(nothing);
        }
        let mut levels = match self.levels(size).await {
            // The tiles were read after the head: another node may have gone on between.
            Err(AuditError::Broken(_)) if self.head().await?.size != size => return Ok(FASTER),
            levels => levels?,
        };
        let standing = checkpoint(&levels);
        self.goes_on(&standing).await?;
        self.memory.0 = Some(standing);
        let Some(newest) = entries.last() else { return Ok(nothing) };
        let mut steps = Vec::new();
        for entry in &entries {
            add(&mut levels, 0, entry.hash(), Some(entry.id), &mut steps)?;
        }
        for (level, tile) in levels.iter().enumerate().filter(|(_, tile)| !tile.hashes.is_empty()) {
            steps.push(keep(level, tile));
        }
        let checkpoint = checkpoint(&levels);
        let count = entries.len() as u64;
        let new_size = size.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
        let moved = [new_size.into(), newest.transaction_number.into(), newest.id.into(), size.into()];
        steps.insert(0, OwnStep::new(ADVANCE, moved).exactly(1));
        let note = self.signer.sign(&checkpoint);
        steps.push(OwnStep::new(KEEP_CHECKPOINT, [new_size.into(), now.into(), note.clone().into()]));
        match self.store.transact(steps).await {
            Ok(_) => {
                self.memory.0 = Some(checkpoint);
                Ok(Sealed { entries: count, has_more, note: Some(note) })
            }
            Err(StoreError::Missed { step: 0, .. }) => Ok(FASTER),
            // All steps are sent at once, so the checkpoint of the same size may speak before the head does.
            Err(StoreError::Violated(_)) if self.head().await?.size != size => Ok(FASTER),
            Err(error) => Err(error.into()),
        }
    }

    /// How many entries wait to be sealed, up to 100,000.
    ///
    /// # Errors
    /// What the store meets.
    pub async fn waiting(&self) -> Result<u64, AuditError> {
        let Head { transaction, entry: last, .. } = self.head().await?;
        let statement = if self.store.catalog().is_native() { WAITING_OF_SERVER } else { WAITING_OF_FILE };
        let values = [transaction.into(), last.into(), MOST_COUNTED.into()];
        let answer = ask(self.store, OwnStep::new(statement, values)).await?;
        let waiting: i64 = answer.first().map(|row| row.get("waiting")).transpose()?.unwrap_or_default();
        Ok(u64::try_from(waiting).unwrap_or(0))
    }

    async fn head(&self) -> Result<Head, AuditError> {
        read_head(self.store).await?.ok_or_else(|| AuditError::Broken(NO_HEAD.to_owned()))
    }

    /// Refuses a log that is no continuation of what is remembered. Other nodes may have sealed meanwhile.
    async fn goes_on(&self, standing: &Checkpoint) -> Result<(), AuditError> {
        let Some(before) = &self.memory.0 else { return Ok(()) };
        let is_other = |what: String| Err(AuditError::Rewritten(what));
        let (size, other) = (before.size, standing.size);
        if other < size {
            return is_other(format!("{size} entries were sealed, and now {other} are said to be"));
        }
        if standing == before {
            return Ok(());
        }
        let mut edge = edge_at(self.store, size).await?;
        if edge.size() != size || edge.root() != before.root {
            return is_other(format!("the first {size} entries are not those that were sealed"));
        }
        while edge.size() < other {
            let asked =
                [0_i64.into(), i64::try_from(edge.size() >> TILE_HEIGHT).unwrap_or(i64::MAX).into(), TILE_PAGE.into()];
            let answer = ask(self.store, OwnStep::new(TILES, asked)).await?;
            let from = edge.size();
            for row in &answer.rows {
                // Of the first tile those that are remembered are there already.
                let there = (edge.size() % TILE_WIDTH as u64) as usize;
                for hash in hashes_of(row.get("hashes")?).into_iter().skip(there).take(TILE_WIDTH - there) {
                    if edge.size() < other {
                        edge.add(hash);
                    }
                }
            }
            if edge.size() == from {
                return is_other(format!("of {other} entries that are said to be sealed the tiles have {from}"));
            }
        }
        match edge.root() == standing.root {
            true => Ok(()),
            false => is_other(format!("the {other} entries that are sealed do not go on from the first {size}")),
        }
    }

    /// The tiles of the right edge, a level each, as far as the tree of this size has them.
    async fn levels(&self, size: i64) -> Result<Vec<Tile>, AuditError> {
        let mut levels = Vec::new();
        for level in 0..LEVELS {
            let (number, width) = place(size, level);
            let mut tile = Tile { number, ..Tile::default() };
            if width > 0 {
                let answer = ask(self.store, OwnStep::new(TILE, [i64::from(level).into(), number.into()])).await?;
                let lacks = || AuditError::Broken(format!("tile {number} of level {level} is not there or not whole"));
                let row = answer.first().ok_or_else(lacks)?;
                tile.hashes = hashes_of(row.get("hashes")?);
                if level == 0 {
                    tile.entries = serde_json::from_str(row.get("entries")?).map_err(|_| lacks())?;
                }
                if tile.hashes.len() != width || (level == 0 && tile.entries.len() != width) {
                    return Err(lacks());
                }
            }
            levels.push(tile);
        }
        Ok(levels)
    }
}

/// The number of the last tile of a level of a tree, and how many hashes it has.
fn place(size: i64, level: u32) -> (i64, usize) {
    let hashes = size >> (TILE_HEIGHT * level);
    (hashes >> TILE_HEIGHT, (hashes & (TILE_WIDTH as i64 - 1)) as usize)
}

/// The right edge of the tree as it was when it had this size. Tiles only grow. Where one is not there or not whole, the edge is of another
/// size.
pub(crate) async fn edge_at(store: &dyn Store, size: u64) -> Result<Edge, AuditError> {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let mut levels = Vec::new();
    for level in 0..LEVELS {
        let (number, width) = place(size, level);
        let mut tile = Tile { number, ..Tile::default() };
        if width > 0 {
            let answer = ask(store, OwnStep::new(TILE, [i64::from(level).into(), number.into()])).await?;
            tile.hashes = answer.first().map(|row| row.get("hashes").map(hashes_of)).transpose()?.unwrap_or_default();
            tile.hashes.truncate(width);
        }
        levels.push(tile);
    }
    Ok(edge(&levels))
}

/// The hashes of a tile.
pub(crate) fn hashes_of(bytes: &[u8]) -> Vec<Hash> {
    bytes.as_chunks::<32>().0.to_vec()
}

/// Adds a hash to a level; a tile that is full is kept, and its root added to the next level.
fn add(
    levels: &mut [Tile],
    level: usize,
    hash: Hash,
    entry: Option<i64>,
    steps: &mut Vec<OwnStep>,
) -> Result<(), AuditError> {
    let Some(tile) = levels.get_mut(level) else { return Err(AuditError::Broken("the log is full".to_owned())) };
    tile.hashes.push(hash);
    tile.entries.extend(entry);
    if tile.hashes.len() < TILE_WIDTH {
        return Ok(());
    }
    steps.push(keep(level, tile));
    let root = root(&tile.hashes);
    *tile = Tile { number: tile.number + 1, ..Tile::default() };
    add(levels, level + 1, root, None, steps)
}

/// The root over the hashes of a tile.
pub(crate) fn root(hashes: &[Hash]) -> Hash {
    let mut edge = Edge::default();
    hashes.iter().for_each(|hash| edge.add(*hash));
    edge.root()
}

fn keep(level: usize, tile: &Tile) -> OwnStep {
    let entries = if level == 0 { Datum::Text(serde_json::json!(tile.entries).to_string()) } else { Datum::Null };
    let level = i64::try_from(level).unwrap_or(i64::MAX);
    OwnStep::new(KEEP_TILE, [level.into(), tile.number.into(), tile.hashes.concat().into(), entries])
}

/// The checkpoint of the tree whose right edge these tiles are.
fn checkpoint(levels: &[Tile]) -> Checkpoint {
    let edge = edge(levels);
    Checkpoint { size: edge.size(), root: edge.root() }
}

fn edge(levels: &[Tile]) -> Edge {
    let mut edge = Edge::default();
    for (level, tile) in levels.iter().enumerate().rev() {
        let height = TILE_HEIGHT * u32::try_from(level).unwrap_or(LEVELS);
        tile.hashes.iter().for_each(|hash| edge.add_perfect(height, *hash));
    }
    edge
}
