//! Retention: entries that are old enough are forgotten, whole tiles of them from the beginning of the log. Their hashes stay, so
//! the tree stays what it was, and a signed note says how far it was done: what is gone without one was taken away.

use base::{QualifiedName, Timestamp};
use store::{OwnStep, Store, StoreError};

use crate::AuditError;
use crate::checkpoint::{Checkpoint, Kind, Signer};
use crate::entry::Entry;
use crate::head::read_head;
use crate::page::ask;
use crate::seal::{TILE_WIDTH, edge_at, hashes_of};
use crate::tables::{ENTRY, FORGET_FORMER_NOTES, FORGET_OF_FILE, FORGET_OF_SERVER, FORGOTTEN, KEEP_FORGOTTEN, TILE};

/// How far entries were forgotten, as the database says it.
pub(crate) struct Forgotten {
    /// How many of the first places of the log.
    pub(crate) size: i64,
    /// The note that says so.
    pub(crate) note: String,
}

/// How far entries were forgotten; `None` where none were.
pub(crate) async fn read_forgotten(store: &dyn Store) -> Result<Option<Forgotten>, StoreError> {
    if !has_table(store) {
        return Ok(None);
    }
    let answer = ask(store, OwnStep::new(FORGOTTEN, [])).await?;
    let Some(row) = answer.first() else { return Ok(None) };
    Ok(Some(Forgotten { size: row.get("size")?, note: row.get("note")? }))
}

/// Logs of an earlier release have it after their next start.
fn has_table(store: &dyn Store) -> bool {
    store.catalog().snapshot().relations.contains_key(&QualifiedName::new("pando", "audit_forgotten"))
}

/// Forgets the next tile of entries if all of them are from before a moment; gives how many entries that were, 0 where there is
/// nothing to be forgotten. Entries that are not as they were sealed are kept, since they are what `verify` has to find.
///
/// # Errors
/// [`AuditError::Broken`] where a tile or an entry is not as it was sealed; what the store meets.
pub async fn forget(store: &dyn Store, signer: &Signer, before: Timestamp, now: Timestamp) -> Result<u64, AuditError> {
    if !has_table(store) {
        let text =
            "pando.audit_forgotten is not there: a start with audit.enabled = \"on\", or `pando migrate up`, makes it";
        return Err(AuditError::Broken(text.to_owned()));
    }
    let forgotten = read_forgotten(store).await?.map_or(0, |forgotten| forgotten.size);
    let (width, number) = (TILE_WIDTH as i64, forgotten / TILE_WIDTH as i64);
    let size = forgotten.saturating_add(width);
    if read_head(store).await?.is_none_or(|head| head.size < size) {
        return Ok(0);
    }
    let Some([first, last]) = old_entries(store, number, before).await? else { return Ok(0) };
    let size_of_tree = u64::try_from(size).unwrap_or(0);
    let edge = edge_at(store, size_of_tree).await?;
    if edge.size() != size_of_tree {
        return Err(broken(format!("the tiles over the first {size} entries are not there or not whole")));
    }
    let checkpoint = Checkpoint { size: size_of_tree, root: edge.root() };
    let note = signer.sign_as(Kind::Forgotten, &checkpoint);
    // The note first: of two nodes that are at it, one finds it there.
    let delete = if store.catalog().is_native() { FORGET_OF_SERVER } else { FORGET_OF_FILE };
    let range = [first.transaction_number.into(), first.id.into(), last.transaction_number.into(), last.id.into()];
    let steps = vec![
        OwnStep::new(KEEP_FORGOTTEN, [size.into(), now.into(), note.into()]),
        OwnStep::new(FORGET_FORMER_NOTES, [size.into()]),
        OwnStep::new(delete, range).exactly(TILE_WIDTH as u64),
    ];
    match store.transact(steps).await {
        Ok(_) => Ok(TILE_WIDTH as u64),
        Err(StoreError::Violated(_)) => Ok(0),
        Err(StoreError::Missed { .. }) => Err(broken(format!(
            "between entries {} and {} stand some that were not sealed with them",
            first.id, last.id
        ))),
        Err(error) => Err(error.into()),
    }
}

fn broken(problem: String) -> AuditError {
    AuditError::Broken(format!("{problem}, so nothing is forgotten"))
}

/// The first and the last entry of a tile, if all of it are from before a moment.
async fn old_entries(store: &dyn Store, number: i64, before: Timestamp) -> Result<Option<[Entry; 2]>, AuditError> {
    let answer = ask(store, OwnStep::new(TILE, [0_i64.into(), number.into()])).await?;
    let lacks = || broken(format!("tile {number} of level 0 is not there or not whole"));
    let row = answer.first().ok_or_else(lacks)?;
    let hashes = hashes_of(row.get("hashes")?);
    let ids: Vec<i64> = serde_json::from_str(row.get("entries")?).map_err(|_| lacks())?;
    if ids.len() != TILE_WIDTH || hashes.len() != TILE_WIDTH {
        return Err(lacks());
    }
    let (mut first, mut last) = (None, None);
    for (id, hash) in ids.iter().zip(hashes) {
        let answer = ask(store, OwnStep::new(ENTRY, [(*id).into()])).await?;
        let entry = answer.first().map(Entry::of).transpose()?;
        match entry {
            Some(entry) if entry.at >= before => return Ok(None),
            Some(entry) if entry.hash() == hash => {
                first.get_or_insert_with(|| entry.clone());
                last = Some(entry);
            }
            _ => return Err(broken(format!("entry {id} is not as it was sealed"))),
        }
    }
    Ok(first.zip(last).map(|(first, last)| [first, last]))
}
