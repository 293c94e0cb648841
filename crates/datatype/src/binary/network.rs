//! `inet`, `cidr` and hardware addresses. On the wire: family, bits of the mask, whether it is a `cidr`, the number of
//! bytes of the address, the address.

use std::io::Write as _;
use std::ops::Range;

use super::Malformed;
use crate::bytea::write_hex;

/// PostgreSQL's `PGSQL_AF_INET`.
const VERSION_4: u8 = 2;
/// PostgreSQL's `PGSQL_AF_INET6`.
const VERSION_6: u8 = 3;
/// Words of 16 bits in an address of version 6.
const WORDS: usize = 8;

/// When the mask is printed behind the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mask {
    /// Where it is shorter than the address: `inet_out`.
    Shorter,
    /// Always: `cidr_out`, and both types as `text`.
    Always,
}

pub(super) fn write_address(
    bytes: &[u8],
    data_type: &'static str,
    mask: Mask,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let (longest, bits) = match bytes {
        [VERSION_4, bits, _, 4, address @ ..] if *bits <= 32 => {
            let address: [u8; 4] = address.try_into().map_err(|_| Malformed::length(data_type))?;
            write_version_4(address, out);
            (32, *bits)
        }
        [VERSION_6, bits, _, 16, address @ ..] if *bits <= 128 => {
            let address: [u8; 16] = address.try_into().map_err(|_| Malformed::length(data_type))?;
            write_version_6(address, out);
            (128, *bits)
        }
        _ => return Err(Malformed::new(data_type, "it is no address")),
    };
    if mask == Mask::Always || bits < longest {
        out.push(b'/');
        out.extend_from_slice(itoa::Buffer::new().format(bits).as_bytes());
    }
    Ok(())
}

/// `08:00:2b:01:02:03`.
pub(super) fn write_hardware_address(bytes: &[u8], out: &mut Vec<u8>) {
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            out.push(b':');
        }
        write_hex(&[*byte], out);
    }
}

fn write_version_4(address: [u8; 4], out: &mut Vec<u8>) {
    for (index, byte) in address.into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        out.extend_from_slice(itoa::Buffer::new().format(byte).as_bytes());
    }
}

/// With the longest run of zeros as `::`. Addresses that hold one of version 4 (`::1.2.3.4`, `::ffff:1.2.3.4`) show it,
/// also where the standard library does not.
fn write_version_6(address: [u8; 16], out: &mut Vec<u8>) {
    let (pairs, _) = address.as_chunks::<2>();
    let mut words = [0; WORDS];
    for (word, pair) in words.iter_mut().zip(pairs) {
        *word = u16::from_be_bytes(*pair);
    }
    let zeros = longest_zeros(words);
    let [.., last_but_two, _, _] = words;
    let holds_version_4 = zeros == (0..6) || (zeros == (0..5) && last_but_two == 0xffff);
    for (index, word) in words.into_iter().enumerate() {
        if zeros.contains(&index) {
            if index == zeros.start {
                out.push(b':');
            }
            continue;
        }
        if index > 0 {
            out.push(b':');
        }
        if holds_version_4 && index == 6 {
            let [.., a, b, c, d] = address;
            write_version_4([a, b, c, d], out);
            return;
        }
        // Writing into a vector does not fail.
        let _ = write!(out, "{word:x}");
    }
    if zeros.end == WORDS && !zeros.is_empty() {
        out.push(b':');
    }
}

/// The first of the longest runs of two zeros or more; empty where there is none.
fn longest_zeros(words: [u16; WORDS]) -> Range<usize> {
    let mut longest = 0..0;
    let mut run = 0..0;
    for (index, word) in words.into_iter().enumerate() {
        let start = if run.is_empty() { index } else { run.start };
        run = if word == 0 { start..index + 1 } else { 0..0 };
        if run.len() >= 2 && run.len() > longest.len() {
            longest = run.clone();
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(words: [u16; WORDS]) -> String {
        let mut bytes = vec![VERSION_6, 128, 0, 16];
        bytes.extend(words.into_iter().flat_map(u16::to_be_bytes));
        let mut out = Vec::new();
        write_address(&bytes, "inet", Mask::Shorter, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn version_6() {
        for (words, text) in [
            ([0; 8], "::"),
            ([0, 0, 0, 0, 0, 0, 0, 1], "::1"),
            ([0, 0, 0, 0, 0, 0, 1, 2], "::0.1.0.2"),
            ([0, 0, 0, 0, 0, 0xffff, 0x102, 0x304], "::ffff:1.2.3.4"),
            ([0, 0, 0, 0, 0, 0xfffe, 0x102, 0x304], "::fffe:102:304"),
            ([1, 0, 0, 2, 0, 0, 0, 3], "1:0:0:2::3"),
            ([1, 0, 0, 2, 3, 0, 0, 4], "1::2:3:0:0:4"),
            ([1, 0, 2, 3, 4, 5, 6, 7], "1:0:2:3:4:5:6:7"),
            ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], "2001:db8::"),
        ] {
            assert_eq!(printed(words), text);
        }
    }

    #[test]
    fn refused() {
        for bytes in
            [&[][..], &[2, 32, 0, 4, 1, 2, 3], &[2, 33, 0, 4, 1, 2, 3, 4], &[2, 32, 0, 16, 1, 2, 3, 4], &[4, 0, 0, 0]]
        {
            assert!(write_address(bytes, "inet", Mask::Shorter, &mut Vec::new()).is_err(), "{bytes:?}");
        }
    }
}
