//! How answers are delivered.

use super::{Definition, Happening};
use crate::{Level, Line, Metrics};

/// The body of an answer was compressed, as far as the client took it.
#[derive(Debug)]
pub struct BodyCompressed {
    /// The name of the content coding.
    pub coding: &'static str,
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
}

impl Happening for BodyCompressed {
    const DEFINITION: &'static Definition = &Definition {
        action: "body-compressed",
        message: "The body of an answer was compressed",
        about: "Never logged; `pando_uncompressed_bytes_total` and `pando_compressed_bytes_total` count the bytes.",
        level: Level::Off,
        fields: &[],
    };

    fn fields(&self, _line: &mut Line<'_>) {}

    fn meter(&self, metrics: &Metrics) {
        metrics.count_compressed(self.coding, self.before, self.after);
    }
}
