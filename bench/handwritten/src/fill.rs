//! Data: the same at every run.

use rusqlite::{Connection, params};

use crate::Failure;

const ROUTES: i64 = 1_000;
const COMMENTS_PER_CLIMB: i64 = 3;
const GRADES: [&str; 8] = ["4a", "5b", "5c", "6a", "6a+", "6b", "7a", "7c"];
const WORDS: [&str; 8] = ["Sloper", "Dihedral", "Roof", "Crimp", "Arête", "Slab", "Chimney", "Overhang"];

/// A small generator of numbers (SplitMix64): no run differs from another.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or(0) % bound
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let position = self.below(i64::try_from(words.len()).unwrap_or(1));
        usize::try_from(position).ok().and_then(|position| words.get(position)).copied().unwrap_or("")
    }
}

/// Fills the tables with so many climbs.
pub fn fill(path: &str, climbs: i64) -> Result<(), Failure> {
    let mut connection = Connection::open(path)?;
    let mut numbers = Numbers(42);
    let transaction = connection.transaction()?;
    {
        let mut route = transaction.prepare("INSERT INTO route (id, name, grade, metres) VALUES (?1, ?2, ?3, ?4)")?;
        for id in 1..=ROUTES {
            let name = format!("{} {id}", numbers.pick(&WORDS));
            route.execute(params![id, name, numbers.pick(&GRADES), 5 + numbers.below(30)])?;
        }
        let mut climb = transaction.prepare(
            "INSERT INTO climbs (id, name, route_id, sent, attempts, climbed_at, note)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let mut comment = transaction.prepare("INSERT INTO comments (climb_id, body, stars) VALUES (?1, ?2, ?3)")?;
        for id in 1..=climbs {
            let name = format!("{} and {} {id}", numbers.pick(&WORDS), numbers.pick(&WORDS));
            let note = (numbers.below(3) > 0).then(|| format!("held the {} \"just so\"", numbers.pick(&WORDS)));
            let climbed_at = 1_700_000_000_000_000 + id * 61_000_000 + numbers.below(2) * 123_450;
            let route = 1 + numbers.below(ROUTES);
            climb.execute(params![id, name, route, numbers.below(2), 1 + numbers.below(9), climbed_at, note])?;
            for _ in 0..COMMENTS_PER_CLIMB {
                let body = format!("The {} was worth it", numbers.pick(&WORDS));
                comment.execute(params![id, body, 1 + numbers.below(5)])?;
            }
        }
    }
    transaction.commit()?;
    connection.execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(())
}
