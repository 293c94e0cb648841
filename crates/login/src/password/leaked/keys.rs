//! Sorts more keys than fit into memory: sorted stretches in a file that has no name, merged in the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How many keys are sorted in memory at a time: 32 MiB.
const STRETCH_KEYS: usize = 4 << 20;

/// How many keys of each stretch are in memory while they are merged: 32 KiB.
const WINDOW_KEYS: usize = 4096;

const KEY_BYTES: usize = size_of::<u64>();

/// Keys on their way into the file.
pub(super) struct Keys {
    file: BufWriter<File>,
    held: Vec<u64>,
    stretches: Vec<u64>,
    capacity: usize,
}

impl Keys {
    /// None yet. The file lies in `folder`, where there is room for the result as well.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        Self::with_capacity(folder, STRETCH_KEYS)
    }

    pub(super) fn with_capacity(folder: &Path, capacity: usize) -> io::Result<Self> {
        let file = BufWriter::new(tempfile::tempfile_in(folder)?);
        Ok(Self { file, held: Vec::new(), stretches: Vec::new(), capacity })
    }

    /// Takes one in.
    pub(super) fn push(&mut self, key: u64) -> io::Result<()> {
        self.held.push(key);
        if self.held.len() >= self.capacity { self.write_out() } else { Ok(()) }
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        self.held.dedup();
        for key in &self.held {
            self.file.write_all(&key.to_be_bytes())?;
        }
        self.stretches.push(self.held.len() as u64);
        self.held.clear();
        Ok(())
    }

    /// How many there are at most: those that stand in several stretches are counted as often.
    pub(super) fn most(&self) -> u64 {
        self.stretches.iter().sum::<u64>() + self.held.len() as u64
    }

    /// All of them in order. Equal ones of different stretches come one after the other.
    pub(super) fn merged(mut self) -> io::Result<Merged> {
        self.write_out()?;
        self.held = Vec::new();
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let mut merged = Merged { file, stretches: Vec::new(), heads: BinaryHeap::new() };
        let mut begin = 0;
        for count in self.stretches {
            let end = begin + count;
            merged.stretches.push(Stretch { next: begin, end, window: Vec::new() });
            begin = end;
        }
        for number in 0..merged.stretches.len() {
            merged.advance(number)?;
        }
        Ok(merged)
    }
}

/// The keys in order.
pub(super) struct Merged {
    file: File,
    stretches: Vec<Stretch>,
    heads: BinaryHeap<Reverse<(u64, usize)>>,
}

/// A sorted stretch of the file: what of it was not read yet, and what was, backwards.
struct Stretch {
    next: u64,
    end: u64,
    window: Vec<u64>,
}

impl Merged {
    /// The next key; `None` behind the last.
    pub(super) fn next(&mut self) -> io::Result<Option<u64>> {
        let Some(Reverse((key, number))) = self.heads.pop() else { return Ok(None) };
        self.advance(number)?;
        Ok(Some(key))
    }

    /// Puts the next key of a stretch among the heads.
    fn advance(&mut self, number: usize) -> io::Result<()> {
        let Some(stretch) = self.stretches.get_mut(number) else { return Ok(()) };
        if stretch.window.is_empty() {
            stretch.read(&self.file)?;
        }
        if let Some(key) = stretch.window.pop() {
            self.heads.push(Reverse((key, number)));
        }
        Ok(())
    }
}

impl Stretch {
    fn read(&mut self, file: &File) -> io::Result<()> {
        let count = (self.end - self.next).min(WINDOW_KEYS as u64);
        let mut bytes = vec![0; count as usize * KEY_BYTES];
        file.read_exact_at(&mut bytes, self.next * KEY_BYTES as u64)?;
        self.window.extend(bytes.chunks_exact(KEY_BYTES).rev().map(super::first_bytes));
        self.next += count;
        Ok(())
    }
}
