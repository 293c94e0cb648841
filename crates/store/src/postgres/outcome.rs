//! What the server's answers mean: the body, the counts, and whether that is what was expected.

use bytes::Bytes;

use super::collect::Outcome;
use super::output::Output;
use crate::body;
use crate::driver::{Body, Job, Ran, Reply};
use crate::error::StoreError;
use crate::guard::{check_affected, check_put, check_single};

/// What the outcome means, and whether it is what was expected.
pub(super) fn outcome_of(outcome: Outcome, job: &Job, output: &Output<'_>) -> Result<Ran, StoreError> {
    if let Some(unwritable) = outcome.unwritable {
        return Err(unwritable.into_error(output.most_bytes));
    }
    if job.plan.explain.is_some() {
        return Ok(explained(outcome));
    }
    let write = match &job.plan.operation {
        plan::Operation::Write(write) => Some(write),
        _ => None,
    };
    let answers = !output.members.is_empty();
    let rows = if answers { outcome.rows } else { outcome.affected.unwrap_or(0) };
    let insert = write.and_then(|write| match &write.kind {
        plan::NativeWriteKind::Insert(insert) => Some(insert),
        _ => None,
    });
    if insert.is_some_and(|insert| !insert.put.is_empty()) {
        check_put(rows)?;
    }
    let expectation = job.plan.expectation;
    check_single(expectation, rows)?;
    check_affected(expectation, rows)?;
    let total = total_of(job, outcome.total, outcome.estimate, rows);
    let [headers, status, inserted, _] = outcome.told;
    let has_body = match write {
        Some(write) => write.returning.is_some(),
        None => answers && !job.plan.shape.is_void,
    };
    let mut body = outcome.body;
    if has_body {
        body::close(output.format, output.shape, outcome.rows, &mut body);
    } else {
        body.clear();
    }
    let location = write.and_then(|write| write.location.as_ref()).zip(outcome.location).filter(|_| rows == 1);
    Ok(Ran {
        rows,
        total: if write.is_some() { Some(rows) } else { total },
        inserted: insert.map(|_| inserted.and_then(|count| count.parse().ok()).unwrap_or(rows)),
        location: location
            .map(|(columns, values)| columns.iter().map(|column| column.name.to_string()).zip(values).collect()),
        reply: Reply { headers, status },
        position: None,
        kept: None,
        body: Body::Full(Bytes::from(body)),
    })
}

/// The plan of a statement, of which nothing else is told.
fn explained(outcome: Outcome) -> Ran {
    Ran {
        rows: outcome.rows,
        total: None,
        inserted: None,
        location: None,
        reply: Reply::default(),
        position: None,
        kept: None,
        body: Body::Full(Bytes::from(outcome.body)),
    }
}

/// All rows that fit, as exactly as was asked for; `rows` are those of the answer.
pub(super) fn total_of(job: &Job, counted: Option<u64>, estimate: Option<u64>, rows: u64) -> Option<u64> {
    let plan::Operation::Read(read) = &job.plan.operation else { return None };
    match read.counts? {
        plan::Counting::Exact => counted,
        // Where there is none, a limit or an offset may have left it out.
        plan::Counting::WithRows => {
            let is_all = read.level.offset == 0 && read.level.limit.is_none_or(|limit| rows < limit);
            (is_all || rows > 0).then_some(rows)
        }
        plan::Counting::Planned => estimate,
        plan::Counting::Estimated { up_to } => match (counted, up_to) {
            (Some(total), Some(bound)) if total <= bound => Some(total),
            (total, _) => total.max(estimate),
        },
    }
}
