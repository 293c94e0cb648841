//! The log: lines go into a bounded buffer, a thread of its own writes them out.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::Timestamp;
use parking_lot::{Condvar, Mutex};
use prometheus_client::metrics::counter::Counter;

use crate::line::{Line, service_members};
use crate::{Happening, Level, LogConfig, LogFormat, RequestLog, TelemetryError};

/// Writes happenings as lines. Never waits: what does not fit into the buffer is dropped and counted.
#[derive(Debug)]
pub(crate) struct Logger {
    level: Level,
    format: LogFormat,
    pub(crate) requests: RequestLog,
    service: String,
    queue: Arc<Queue>,
    dropped: Counter,
}

#[derive(Debug)]
struct Queue {
    limit: usize,
    state: Mutex<State>,
    filled: Condvar,
    hurried: Condvar,
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    is_writing: bool,
    /// Whether somebody waits until everything is written.
    is_hurried: bool,
    is_closed: bool,
}

/// How long lines are gathered before they are written. Waking the thread costs more than a line does: with this it
/// is woken some hundred times a second at most, and nobody sees the delay.
const GATHER: Duration = Duration::from_millis(5);

thread_local! {
    /// A line is written here first, so that the lock is held only while it is copied.
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Logger {
    /// Starts the writer thread. `dropped` counts lines that found no room.
    pub(crate) fn start(
        config: LogConfig,
        service_name: &str,
        service_version: &str,
        dropped: Counter,
    ) -> Result<Self, TelemetryError> {
        let queue = Arc::new(Queue {
            limit: config.queue_bytes,
            state: Mutex::default(),
            filled: Condvar::new(),
            hurried: Condvar::new(),
            emptied: Condvar::new(),
        });
        if config.level != Level::Off {
            let (queue, writer) = (queue.clone(), config.writer);
            std::thread::Builder::new()
                .name("log".to_owned())
                .spawn(move || queue.write_out(writer))
                .map_err(|source| TelemetryError::Thread { purpose: "writes the log", source })?;
        }
        Ok(Self {
            level: config.level,
            format: config.format,
            requests: config.requests,
            service: service_members(service_name, service_version),
            queue,
            dropped,
        })
    }

    /// Whether lines of `level` are written.
    pub(crate) fn is_enabled(&self, level: Level) -> bool {
        level != Level::Off && level <= self.level
    }

    /// Writes the happening's line.
    pub(crate) fn write<H: Happening>(&self, happening: &H, level: Level, now: Timestamp) {
        LINE.with_borrow_mut(|text| {
            text.clear();
            let mut line = Line::begin(text, self.format, &self.service, H::DEFINITION, level, now);
            happening.fields(&mut line);
            line.end();
            if !self.queue.push(text.as_bytes()) {
                self.dropped.inc();
            }
        });
    }

    /// Waits until everything is written, at most for `wait`. Whether it is.
    pub(crate) fn flush(&self, wait: Duration) -> bool {
        let Some(deadline) = Instant::now().checked_add(wait) else {
            return false;
        };
        let mut state = self.queue.state.lock();
        state.is_hurried = true;
        self.queue.hurried.notify_all();
        while !state.waiting.is_empty() || state.is_writing {
            if self.queue.emptied.wait_until(&mut state, deadline).timed_out() {
                return state.waiting.is_empty() && !state.is_writing;
            }
        }
        true
    }
}

impl Drop for Logger {
    /// Lets the thread write what waits and end. It is not joined: a blocked pipe must not hold up the process.
    fn drop(&mut self) {
        self.queue.state.lock().is_closed = true;
        self.queue.filled.notify_all();
        self.queue.hurried.notify_all();
    }
}

impl Queue {
    /// Puts a line behind the others. `false` when there is no room, or nobody writes any more.
    fn push(&self, line: &[u8]) -> bool {
        let mut state = self.state.lock();
        if state.is_closed || state.waiting.len().saturating_add(line.len()) > self.limit {
            return false;
        }
        let before = state.waiting.len();
        state.waiting.extend_from_slice(line);
        let after = state.waiting.len();
        drop(state);
        if before == 0 {
            self.filled.notify_one();
        }
        if before < self.limit / 2 && after >= self.limit / 2 {
            self.hurried.notify_one();
        }
        true
    }

    /// The writer thread: takes everything that waits at once, so that a burst costs one write.
    fn write_out(&self, mut writer: Box<dyn Write + Send>) {
        let mut lines = Vec::new();
        loop {
            let mut state = self.state.lock();
            state.is_writing = false;
            if state.waiting.is_empty() {
                self.emptied.notify_all();
            }
            while state.waiting.is_empty() {
                if state.is_closed {
                    return;
                }
                self.filled.wait(&mut state);
            }
            if !state.is_hurried && !state.is_closed && state.waiting.len() < self.limit / 2 {
                self.hurried.wait_for(&mut state, GATHER);
            }
            state.is_hurried = false;
            lines.clear();
            std::mem::swap(&mut lines, &mut state.waiting);
            state.is_writing = true;
            drop(state);
            // Nothing can be done about a log that cannot be written, and nobody could be told.
            let _ = writer.write_all(&lines).and_then(|()| writer.flush());
            // A burst must not keep its memory for ever.
            if lines.capacity() > 64 * 1024 {
                lines = Vec::new();
            }
        }
    }
}
