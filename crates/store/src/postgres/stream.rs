//! Long reads. A read whose first page of rows is not all of it is begun anew in a transaction that sees one moment: there the
//! rows are counted, which the head of the answer tells, and then fetched page by page from a portal as the client takes them.
//! Whatever the table holds, some pieces and the widest row are all that is in memory.

use std::time::Duration;

use bytes::Bytes;
use datatype::Zone;
use sql::postgres::Rendered;
use tokio::sync::mpsc;
use wire::{Event, Query, Step};

use super::failure;
use super::output::{Output, Unwritable};
use super::pool::Lease;
use super::run::{Missed, Visit, execute, number, one_moment, planned_rows, read_told, total_of};
use super::session::Own;
use super::sighting::{self, REPLAYED};
use super::{PostgresStore, session};
use crate::body;
use crate::driver::{Body, Job, Piece, Ran, Rendered as AnyRendered, Reply};
use crate::error::StoreError;
use crate::guard::check_affected;

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
    /// Whether the statement is kept prepared.
    is_prepared: bool,
    pieces: mpsc::Sender<Piece>,
}

/// What is known when the rows begin.
struct Begun {
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
    /// Begins a read anew, to be streamed.
    pub(super) async fn stream(
        &self,
        mut lease: Lease,
        visit: &Visit<'_>,
        job: &Job,
        rendered: &Rendered,
    ) -> Result<Ran, Missed> {
        let begun = self.begin(&mut lease, visit, job, rendered).await;
        if matches!(begun, Err(Missed::Lost(_))) {
            lease.discard();
        }
        let Begun { zone, rows, total, reply } = begun?;
        let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
        let most_bytes = self.settings.max_buffered_bytes;
        let is_prepared = self.space(job).is_some();
        let streamed = Streamed { lease, job: job.clone(), zone, most_bytes, is_prepared, pieces: sender };
        let deadline = self.settings.stream_timeout;
        tokio::spawn(async move {
            // Whatever ends it early, the lease gives the connection back or closes it.
            let _late = tokio::time::timeout(deadline, streamed.run()).await;
        });
        let body = Body::Stream(receiver);
        Ok(Ran { rows, total, inserted: None, location: None, reply, position: None, body })
    }

    /// Opens the transaction and counts.
    async fn begin(
        &self,
        lease: &mut Lease,
        visit: &Visit<'_>,
        job: &Job,
        rendered: &Rendered,
    ) -> Result<Begun, Missed> {
        let check = visit.point_to_check(lease)?;
        let connection = lease.connection()?;
        let own = Own::of(job, &self.settings.hoisted);
        let search_path = self.search_path(&job.request.schema);
        let settings = session::settings(job, own, &search_path, &self.settings.application);
        let setup = self.setup_text(settings.len());
        let parameters: Vec<Option<&[u8]>> =
            settings.iter().flat_map(|(name, value)| [Some(name.as_bytes()), Some(value.as_bytes())]).collect();
        let Some(count_page) = &rendered.count_page else { return Err(StoreError::other_engine().into()) };
        let role: &str = &job.caller.role;
        let zone = super::run::zone(connection, job, own);
        let mut flight = connection.flight();
        let check = match check {
            Some(point) => Some((flight.execute(&Query::new("", REPLAYED))?, point)),
            None => None,
        };
        if check.is_some() {
            flight.sync();
        }
        flight.execute(&Query::new("", one_moment(own.isolation())))?;
        flight.execute(&Query { parameters: &parameters, ..Query::new("", &setup) })?;
        self.call_pre_request(&mut flight, role)?;
        let space = self.space(job);
        let page = execute(&mut flight, space, count_page, 0)?;
        let count = rendered.count.as_ref().map(|count| execute(&mut flight, space, count, 0)).transpose()?;
        let estimate = rendered.estimate.as_ref().map(|plan| execute(&mut flight, space, plan, 0)).transpose()?;
        let told = self.ask_told(&mut flight, job, rendered)?;
        flight.sync();
        flight.send().await?;
        let (mut rows, mut counted, mut estimated, mut failed) = (0, None, None, None);
        let mut said = [None, None, None, None];
        let mut syncs = u32::from(check.is_some()) + 1;
        let mut is_behind = false;
        while syncs > 0 {
            match connection.next().await? {
                Event::Row(row) if check.is_some_and(|(step, _)| step == row.step()) => {
                    let replayed = row.get(0).and_then(sighting::binary_point).unwrap_or(0);
                    is_behind = check.is_some_and(|(_, point)| replayed < point);
                }
                Event::Row(row) if row.step() == page => rows = row.get(0).and_then(number).unwrap_or(0),
                Event::Row(row) if Some(row.step()) == count => counted = row.get(0).and_then(number),
                Event::Row(row) if Some(row.step()) == estimate => estimated = row.get(0).and_then(planned_rows),
                Event::Row(row) if Some(row.step()) == told => read_told(&row, &mut said),
                Event::Failed { error, .. } => failed = failed.or(Some(error)),
                Event::Ready(_) => syncs -= 1,
                _ => {}
            }
        }
        if is_behind {
            connection.batch("ROLLBACK").await?;
            return Err(Missed::Behind);
        }
        if let Some(error) = failed {
            connection.batch("ROLLBACK").await?;
            return Err(Missed::Failed(failure::of_job(&error, job)));
        }
        if let Err(failure) = check_affected(job.plan.expectation, rows) {
            connection.batch("ROLLBACK").await?;
            return Err(StoreError::from(failure).into());
        }
        let total = total_of(job, counted, estimated);
        let [headers, status, _, _] = said;
        Ok(Begun { zone, rows, total, reply: Reply { headers, status } })
    }
}

/// Why a streamed body ends early.
enum Broken {
    /// The client has gone, or is too slow.
    Client,
    /// The server or a row failed; the client is told by a body that breaks off.
    Server(StoreError),
}

impl From<wire::Error> for Broken {
    fn from(error: wire::Error) -> Self {
        Self::Server(failure::of_connection(&error))
    }
}

impl Streamed {
    async fn run(mut self) {
        if let Err(Broken::Server(error)) = self.send_all().await {
            // Nobody may be listening any more.
            drop(self.pieces.send(Err(error)).await);
        }
    }

    async fn send_all(&mut self) -> Result<(), Broken> {
        let job = self.job.clone();
        let AnyRendered::Postgres(rendered) = &*job.rendered else {
            return Err(Broken::Server(StoreError::other_engine()));
        };
        let zone = self.zone.clone();
        let output = Output {
            format: job.plan.body_format(),
            shape: job.plan.shape,
            zone: &zone,
            members: &rendered.body.members,
            count_field: rendered.body.count_field,
            most_bytes: self.most_bytes,
        };
        let mut out = Vec::with_capacity(PIECE_BYTES);
        body::open(output.format, output.shape, &mut out);
        let connection = self.lease.connection().map_err(Broken::Server)?;
        let mut flight = connection.flight();
        let space = self.is_prepared.then_some(&*job.caller.role);
        let main = execute(&mut flight, space, &rendered.main, PAGE_ROWS).map_err(missed)?;
        flight.sync();
        flight.send().await?;
        let mut rows = 0;
        while let Page::More = self.page(main, &output, &mut rows, &mut out).await? {
            let connection = self.lease.connection().map_err(Broken::Server)?;
            let mut flight = connection.flight();
            flight.resume(main, PAGE_ROWS)?;
            flight.sync();
            flight.send().await?;
        }
        body::close(output.format, output.shape, rows, &mut out);
        self.send(out).await?;
        let connection = self.lease.connection().map_err(Broken::Server)?;
        connection.batch("COMMIT").await?;
        Ok(())
    }

    /// Writes a page of rows, and hands pieces over as they fill.
    async fn page(
        &mut self,
        main: Step,
        output: &Output<'_>,
        rows: &mut u64,
        out: &mut Vec<u8>,
    ) -> Result<Page, Broken> {
        let mut page = Page::Last;
        let mut failed = None;
        loop {
            let connection = self.lease.connection().map_err(Broken::Server)?;
            let is_full = match connection.next().await? {
                Event::Row(row) if row.step() == main => {
                    output
                        .write_row(&row, *rows, out)
                        .and_then(|()| output.check(out))
                        .map_err(|unwritable| Broken::Server(Unwritable::into_error(unwritable, output.most_bytes)))?;
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
                Event::Ready(_) => return failed.map_or(Ok(page), |error| Err(Broken::Server(error))),
                Event::Row(_) | Event::Complete { .. } => false,
            };
            if is_full {
                let piece = std::mem::replace(out, Vec::with_capacity(PIECE_BYTES));
                self.send(piece).await?;
            }
        }
    }

    async fn send(&self, piece: Vec<u8>) -> Result<(), Broken> {
        let sent = tokio::time::timeout(PIECE_WAIT, self.pieces.send(Ok(Bytes::from(piece)))).await;
        if matches!(sent, Ok(Ok(()))) { Ok(()) } else { Err(Broken::Client) }
    }
}

fn missed(missed: Missed) -> Broken {
    Broken::Server(match missed {
        Missed::Failed(error) | Missed::Lost(error) | Missed::Collided(error) => error,
        Missed::Stale | Missed::Large | Missed::Behind | Missed::Elsewhere => StoreError::other_engine(),
    })
}
