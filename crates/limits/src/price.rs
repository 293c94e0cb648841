//! What a request costs, before it runs.

use base::Footprint;

/// So many rows that may be read cost as much as the request itself.
const ROWS_PER_POINT: u64 = 100;

/// The rows of a read that nothing bounds.
const UNBOUNDED_ROWS: u64 = 10_000;

/// So many conditions cost as much as the request itself.
const FILTERS_PER_POINT: u64 = 10;

/// What an embedded relation costs besides its rows: a statement of its own, or a join.
const EMBED: u64 = 2;

/// By how much a search that no index serves costs more: every row of the table is looked at for those that are given.
const UNINDEXED: u64 = 20;

/// The price of a request, in points: 1 for a row that is found by its key. More rows, embeds, conditions and written rows cost
/// more, a search without an index 20 more. It comes from the shape of the request alone, so that it can be known beforehand,
/// and asked again for the same is always the same.
///
/// 1 + rows / 100 x (1 + embeds) + 2 x embeds + conditions / 10 + rows in the body, and 20 where no index serves the conditions. The
/// rows are
///
/// - of a read: the most that can be given; 10,000 where nothing bounds them;
/// - of an insert: those that the answer shows again;
/// - of an update or a deletion: none where it names one by its key, else 10,000: how many it changes is not known before;
/// - of a function: the most that it can give; 10,000 where it writes.
pub fn price(footprint: &Footprint) -> u64 {
    let cost = footprint.cost;
    let embeds = u64::from(cost.embeds);
    let rows = if cost.is_point { 0 } else { cost.rows.unwrap_or(UNBOUNDED_ROWS) };
    let read = (rows / ROWS_PER_POINT).saturating_mul(1 + embeds);
    let search = if cost.is_unindexed { UNINDEXED } else { 0 };
    1_u64
        .saturating_add(read)
        .saturating_add(embeds * EMBED)
        .saturating_add(u64::from(cost.filters) / FILTERS_PER_POINT)
        .saturating_add(cost.written_rows)
        .saturating_add(search)
}

#[cfg(test)]
mod tests {
    use base::Cost;

    use super::*;

    #[test]
    fn prices() {
        let footprint = |cost: Cost| Footprint { cost, ..Footprint::default() };
        let point = Cost { is_point: true, filters: 1, rows: Some(1000), ..Cost::default() };
        assert_eq!(price(&footprint(point)), 1);
        assert_eq!(price(&footprint(Cost { rows: Some(1000), ..Cost::default() })), 11);
        assert_eq!(price(&footprint(Cost { rows: Some(1000), embeds: 3, ..Cost::default() })), 1 + 40 + 6);
        assert_eq!(price(&footprint(Cost { rows: Some(30), is_unindexed: true, filters: 1, ..Cost::default() })), 21);
        assert_eq!(price(&footprint(Cost::default())), 101);
        let bulk = Cost { written_rows: 10_000, rows: Some(0), ..Cost::default() };
        assert_eq!(price(&footprint(bulk)), 10_001);
        assert_eq!(price(&footprint(Cost { rows: Some(10_000), embeds: 1, ..bulk })), 10_001 + 200 + 2);
        let most = Cost { rows: Some(u64::MAX), embeds: u32::MAX, filters: u32::MAX, written_rows: u64::MAX, ..point };
        assert_eq!(price(&footprint(Cost { is_point: false, ..most })), u64::MAX);
    }
}
