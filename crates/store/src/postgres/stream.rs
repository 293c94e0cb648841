//! Long reads. A read whose first page of rows is not all of it is begun anew in a transaction that sees one moment: there the
//! rows are counted, which the head of the answer tells, and then fetched page by page from a portal as the client takes them.
//! Whatever the table holds, some pieces and the widest row are all that is in memory.

use std::time::Duration;

use bytes::Bytes;
use datatype::Zone;
use http::Method;
use sql::postgres::Rendered;
use wire::{Event, Step};

use super::flight::{Asked, COMMIT, Sending, execute};
use super::lease::{Lease, roll_back};
use super::missed::Missed;
use super::outcome::total_of;
use super::output::Output;
use super::run::{Visit, zone};
use super::session::Own;
use super::{PostgresStore, failure};
use crate::body;
use crate::driver::{Body, Job, Ran, Rendered as AnyRendered, Reply};
use crate::error::StoreError;
use crate::guard::check_affected;
use crate::pieces::{PieceSender, pieces};

/// How many rows are fetched at once. A shorter list is answered whole, in one flight.
pub(super) const PAGE_ROWS: u32 = 1_000;

/// How many bytes of a body are collected before it is streamed instead.
pub(super) const INLINE_BYTES: usize = 4 * 1024 * 1024;

/// The size of the pieces of a streamed body.
const PIECE_BYTES: usize = 64 * 1024;

/// How many pieces are read ahead of the client.
const PIECES_AHEAD: usize = 4;

/// How long a client may take for one piece: it holds a connection meanwhile. This asks for about 6 KiB a second.
const PIECE_WAIT: Duration = Duration::from_secs(10);

/// A read on its way to the client.
struct Streamed {
    lease: Lease,
    job: Job,
    zone: Zone,
    most_bytes: usize,
    /// Where the statement is kept prepared, if it is.
    space: Option<String>,
    pieces: PieceSender,
}

/// What is known when the rows begin.
pub(super) struct Begun {
    zone: Zone,
    rows: u64,
    total: Option<u64>,
    reply: Reply,
}

/// What a page of rows ended with.
enum Page {
    /// There are more.
    More,
    /// It was the last one.
    Last,
}

impl PostgresStore {
    /// Begins a read anew, to be streamed: opens the transaction and counts.
    pub(super) async fn begin(
        &self,
        lease: &mut Lease,
        visit: &Visit<'_>,
        job: &Job,
        rendered: &Rendered,
    ) -> Result<Begun, Missed> {
        let Some(count_page) = &rendered.count_page else { return Err(StoreError::other_engine().into()) };
        let check = visit.point_to_check(lease)?;
        if self.may_leave_traces(job) {
            lease.expect_traces();
        }
        let connection = lease.connection()?;
        let own = Own::of(job, &self.settings.hoisted);
        let zone = zone(connection, job, own);
        let asked = Asked { check, ..Asked::NOTHING };
        let sending = Sending::count(job, rendered, own, count_page, asked);
        // The count is no row of the body.
        let output = Output { members: &[], count_field: None, ..Output::of(job, rendered, &zone, 0) };
        let outcome = self.fly(connection, visit, &sending, &output).await?;
        let rows = outcome.affected.unwrap_or(0);
        if let Err(failure) = check_affected(job.plan.expectation, rows) {
            let _usable = roll_back(connection).await;
            return Err(StoreError::from(failure).into());
        }
        let total = total_of(job, outcome.total, outcome.estimate, rows);
        let zone = outcome.zone.unwrap_or(zone);
        let [headers, status, _, _] = outcome.told;
        Ok(Begun { zone, rows, total, reply: Reply { headers, status } })
    }

    /// Sends the rows of a read that has begun on their way.
    pub(super) fn stream(&self, lease: Lease, job: &Job, begun: Begun) -> Ran {
        let Begun { zone, rows, total, reply } = begun;
        let (sender, receiver) = pieces(PIECES_AHEAD);
        let most_bytes = self.settings.max_buffered_bytes;
        let space = self.space(job).map(str::to_owned);
        let streamed = Streamed { lease, job: job.clone(), zone, most_bytes, space, pieces: sender };
        tokio::spawn(streamed.run(self.settings.stream_timeout));
        let body = Body::Stream(receiver);
        Ran { rows, total, inserted: None, location: None, reply, position: None, kept: None, body }
    }
}

impl Streamed {
    /// Sends all of it, and says whether that was all.
    async fn run(mut self, bound: Duration) {
        let sent = tokio::time::timeout(bound, self.send_all()).await;
        let Self { lease, pieces, .. } = self;
        // Whatever ended it, the lease gives the connection back or closes it.
        drop(lease);
        pieces.end(sent.unwrap_or(Err(StoreError::BrokenOff("it took longer than limits.stream_timeout_seconds"))));
    }

    async fn send_all(&mut self) -> Result<(), StoreError> {
        let job = self.job.clone();
        let AnyRendered::Postgres(rendered) = &*job.rendered else {
            return Err(StoreError::other_engine());
        };
        if job.request.method == Method::HEAD {
            // The head is told already, and nobody reads more.
            return Ok(self.lease.connection()?.batch(COMMIT).await?);
        }
        let zone = self.zone.clone();
        let output = Output::of(&job, rendered, &zone, self.most_bytes);
        let mut out = Vec::with_capacity(PIECE_BYTES);
        body::open(output.format, output.shape, &mut out);
        let connection = self.lease.connection()?;
        let mut flight = connection.flight();
        let main = execute(&mut flight, self.space.as_deref(), &rendered.main, PAGE_ROWS)?;
        flight.sync();
        flight.send().await?;
        let mut rows = 0;
        while let Page::More = self.page(main, &output, &mut rows, &mut out).await? {
            let connection = self.lease.connection()?;
            let mut flight = connection.flight();
            flight.resume(main, PAGE_ROWS)?;
            flight.sync();
            flight.send().await?;
        }
        body::close(output.format, output.shape, rows, &mut out);
        self.send(out).await?;
        let connection = self.lease.connection()?;
        connection.batch(COMMIT).await?;
        Ok(())
    }

    /// Writes a page of rows, and hands pieces over as they fill.
    async fn page(
        &mut self,
        main: Step,
        output: &Output<'_>,
        rows: &mut u64,
        out: &mut Vec<u8>,
    ) -> Result<Page, StoreError> {
        let mut page = Page::Last;
        let mut failed = None;
        loop {
            let connection = self.lease.connection()?;
            let is_full = match connection.next().await? {
                Event::Row(row) if row.step() == main => {
                    output
                        .write_row(&row, *rows, out)
                        .and_then(|()| output.check(out))
                        .map_err(|unwritable| unwritable.into_error(output.most_bytes))?;
                    *rows += 1;
                    out.len() >= PIECE_BYTES
                }
                Event::Suspended { .. } => {
                    page = Page::More;
                    false
                }
                Event::Failed { error, .. } => {
                    failed = failed.or(Some(failure::of_job(&error, &self.job)));
                    false
                }
                Event::Ready(_) => return failed.map_or(Ok(page), Err),
                Event::Row(_) | Event::Complete { .. } => false,
            };
            if is_full {
                let piece = std::mem::replace(out, Vec::with_capacity(PIECE_BYTES));
                self.send(piece).await?;
            }
        }
    }

    async fn send(&self, piece: Vec<u8>) -> Result<(), StoreError> {
        self.pieces.send(Bytes::from(piece), PIECE_WAIT).await
    }
}
