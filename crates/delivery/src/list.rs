//! The members of a header's list (RFC 9110 section 5.6.1), over all lines of the header.

use http::{HeaderMap, HeaderName};

/// The members between commas, without the blanks around them; empty ones are left out. Not for headers whose members
/// have quoted strings in them.
pub(crate) fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter();
    let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}
