//! Reading: one answer, or many rows, a page at a time. What is too large to be held at once is asked for in smaller pages, down to a row.

use datatype::Datum;
use store::{OwnAnswer, OwnRow, OwnStatement, OwnStep, Store, StoreError};

/// How many rows may be asked for instead.
const SMALLER: [i64; 2] = [64, 1];

/// The rows of a page, and whether there may be more. The last parameter of the statement is how many rows at most.
pub(crate) async fn page(
    store: &dyn Store,
    statement: OwnStatement,
    values: &[Datum],
    most: i64,
) -> Result<(Vec<OwnRow>, bool), StoreError> {
    let mut most = most;
    let mut smaller = SMALLER.into_iter();
    loop {
        let asked: Vec<Datum> = values.iter().cloned().chain([most.into()]).collect();
        match store.consult(vec![OwnStep::new(statement, asked)]).await {
            Ok(answers) => {
                let rows = answers.into_iter().next().unwrap_or_default().rows;
                let has_more = i64::try_from(rows.len()).is_ok_and(|count| count >= most);
                return Ok((rows, has_more));
            }
            Err(error @ (StoreError::Unreachable(_) | StoreError::Closed | StoreError::Busy(_))) => return Err(error),
            Err(error) => most = smaller.next().ok_or(error)?,
        }
    }
}

/// What one step answers.
pub(crate) async fn ask(store: &dyn Store, step: OwnStep) -> Result<OwnAnswer, StoreError> {
    Ok(store.consult(vec![step]).await?.into_iter().next().unwrap_or_default())
}
