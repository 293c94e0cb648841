//! "Did you mean": the nearest names, for hints.

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
