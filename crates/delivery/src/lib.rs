//! How a body is delivered: which name it has ([`EntityTag`]), whether it has to be sent at all ([`condition`]), and in
//! which coding ([`AcceptEncoding`], [`compress()`], [`decompress()`]).
//!
//! Values in, values out: no socket, no clock, no thread. Who asks what, and when a body may be compressed, is for the
//! front door to know.

mod coding;
mod compress;
pub mod condition;
mod decompress;
mod entity_tag;
mod forms;
mod list;
mod media;
mod vary;

pub use coding::{AcceptEncoding, Coding};
pub use compress::{Compressor, LEAST_BYTES, compress, compress_best};
pub use decompress::{MOST_CODINGS, MOST_RATIO, RequestCoding, Undecodable, codings, decompress};
pub use entity_tag::{EntityTag, Fingerprint, TagList};
pub use forms::Forms;
pub use media::is_compressible;
pub use vary::{any_values, vary};
