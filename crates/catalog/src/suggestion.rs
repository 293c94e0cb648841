//! "Did you mean": the nearest names, for hints.

use std::collections::BTreeMap;

/// How alike two names must be, from 0 to 1, to be worth a hint. PostgREST's fuzzy set uses about a third; names
/// further apart than half read as noise.
const LEAST_SIMILARITY: f64 = 0.5;

/// The same for the names of routines.
const LEAST_ROUTINE_SIMILARITY: f64 = 0.75;

/// The candidate that is most like `name`, if one is alike enough.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    nearest_above(LEAST_SIMILARITY, name, candidates)
}

/// The routine whose name is most like `name`. Names of routines share words more often than those of tables, so they
/// must be more alike.
pub fn nearest_routine<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    nearest_above(LEAST_ROUTINE_SIMILARITY, name, candidates)
}

fn nearest_above<'a>(least: f64, name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    candidates
        .map(|candidate| (strsim::normalized_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity >= least)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

/// How alike the name of a related relation must be. Few relations are related to one, so that even a name from afar helps.
const LEAST_RELATED_SIMILARITY: f64 = 0.33;

/// Among more names than these none is looked for: what it costs grows with them, and anybody can ask.
const MOST_NAMES: usize = 500;

/// How many names with the most pieces in common are compared letter by letter.
const MOST_COMPARED: usize = 50;

/// The name that is most like `name` among those of related relations, as PostgREST finds it: of the names that have pieces of
/// three letters in common with it, or else of two, the one that is the fewest edits away. `None` also where `name` itself is
/// among them, or there are more than 500.
pub fn nearest_related<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let mut names: Vec<&str> = candidates.take(MOST_NAMES + 1).collect();
    if names.len() > MOST_NAMES || names.iter().any(|known| known.to_lowercase() == lower) {
        return None;
    }
    names.sort_unstable();
    names.dedup();
    [3, 2].into_iter().find_map(|size| nearest_by_pieces(&lower, &names, size))
}

/// The same for pieces of one size.
fn nearest_by_pieces<'a>(name: &str, names: &[&'a str], size: usize) -> Option<&'a str> {
    let wanted = pieces(name, size);
    let mut alike: Vec<(f64, &str)> = names
        .iter()
        .map(|known| (cosine(&wanted, &pieces(&known.to_lowercase(), size)), *known))
        .filter(|(cosine, _)| *cosine > 0.0)
        .collect();
    // Stable, as the next one: of equals the first in the alphabet.
    alike.sort_by(|left, right| right.0.total_cmp(&left.0));
    let compared = alike.iter().take(MOST_COMPARED);
    let mut compared: Vec<(f64, &str)> =
        compared.map(|(_, known)| (strsim::normalized_levenshtein(name, &known.to_lowercase()), *known)).collect();
    compared.sort_by(|left, right| right.0.total_cmp(&left.0));
    compared.first().filter(|(similarity, _)| *similarity >= LEAST_RELATED_SIMILARITY).map(|(_, known)| *known)
}

/// How often each piece of so many letters stands in a name of which only letters and digits count, with a mark at either end.
fn pieces(name: &str, size: usize) -> BTreeMap<Vec<char>, u32> {
    let word = name.chars().filter(|letter| letter.is_alphanumeric() || letter.is_whitespace() || *letter == ',');
    let letters: Vec<char> = std::iter::once('-').chain(word).chain(std::iter::once('-')).collect();
    let mut pieces = BTreeMap::new();
    for piece in letters.windows(size) {
        *pieces.entry(piece.to_vec()).or_default() += 1;
    }
    pieces
}

/// How much two names have in common, from 0 to 1: the cosine of the angle between their pieces.
fn cosine(left: &BTreeMap<Vec<char>, u32>, right: &BTreeMap<Vec<char>, u32>) -> f64 {
    let dot: u32 = left.iter().map(|(piece, count)| count * right.get(piece).copied().unwrap_or(0)).sum();
    let length =
        |pieces: &BTreeMap<Vec<char>, u32>| f64::from(pieces.values().map(|count| count * count).sum::<u32>()).sqrt();
    let lengths = length(left) * length(right);
    if lengths > 0.0 { f64::from(dot) / lengths } else { 0.0 }
}

/// The columns that PostgreSQL would name for a column that does not exist: those at the smallest edit distance, at
/// most half of the name's length and at most three (`MAX_FUZZY_DISTANCE`); none if more than two are equally near.
pub fn similar_columns<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    const MAX_FUZZY_DISTANCE: usize = 3;
    let mut best = usize::MAX;
    let mut found: Vec<&str> = Vec::new();
    for candidate in candidates {
        let distance = strsim::levenshtein(name, candidate);
        if distance > MAX_FUZZY_DISTANCE || distance * 2 > name.chars().count() {
            continue;
        }
        if distance < best {
            best = distance;
            found.clear();
        }
        if distance == best {
            found.push(candidate);
        }
    }
    if found.len() > 2 { Vec::new() } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn related_names_as_recorded_from_postgrest() {
        for (name, known, expected) in [
            ("parcels", &["depots", "payroll", "couriers"][..], Some("payroll")),
            // Only pieces of two letters are common to them.
            ("nowhere", &["couriers", "depots"], Some("couriers")),
            ("customers", &["couriers"], Some("couriers")),
            ("incidents", &["zones", "depots"], Some("depots")),
            ("film", &["directors", "films"], Some("films")),
            ("Film_s", &["Films"], Some("Films")),
            ("noclosealternative", &["roles", "actors"], None),
            ("actors", &["actors", "factors"], None),
            ("", &["actors"], None),
            ("xyz", &[], None),
        ] {
            assert_eq!(nearest_related(name, known.iter().copied()), expected, "{name}");
        }
        let many: Vec<String> = (0..=MOST_NAMES).map(|number| format!("actors{number}")).collect();
        assert_eq!(nearest_related("actor", many.iter().map(String::as_str)), None);
    }
}
