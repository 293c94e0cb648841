//! `bit` and `varbit`: the number of bits, then the bits, the first one highest.

use super::Malformed;
use super::cursor::Cursor;

pub(super) fn write_bits(bytes: &[u8], data_type: &'static str, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(bytes, data_type);
    let count = usize::try_from(cursor.integer()?).map_err(|_| Malformed::length(data_type))?;
    if cursor.rest().len() != count.div_ceil(8) {
        return Err(Malformed::length(data_type));
    }
    out.reserve(count);
    let bits = cursor.rest().iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1));
    out.extend(bits.take(count).map(|bit| b'0' + bit));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits() {
        let mut out = Vec::new();
        write_bits(&[0, 0, 0, 10, 0b1010_0001, 0b0100_0000], "varbit", &mut out).unwrap();
        write_bits(&[0; 4], "varbit", &mut out).unwrap();
        assert_eq!(out, b"1010000101");
        for bytes in [&[][..], &[0xff; 4], &[0, 0, 0, 9, 1], &[0, 0, 0, 1, 1, 1]] {
            assert!(write_bits(bytes, "bit", &mut out).is_err(), "{bytes:?}");
        }
    }
}
