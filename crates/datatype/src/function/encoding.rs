//! Bytes as text, digests, numbers in other bases.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use md5::{Digest as _, Md5};

use super::arguments::{check_length, text};
use super::{Definition, strict};
use crate::bytea::{parse_bytea, write_hex};
use crate::{Datum, ValueError};

pub(super) const DEFINITIONS: &[Definition] = &[
    strict("md5(text)", "text", |a| text(hex(&Md5::digest(a.text(0)?.as_bytes())))),
    strict("md5(bytea)", "text", |a| text(hex(&Md5::digest(a.bytes(0)?)))),
    strict("encode(bytea,text)", "text", |a| encode(a.bytes(0)?, a.text(1)?)),
    strict("decode(text,text)", "bytea", |a| decode(a.text(0)?, a.text(1)?)),
    strict("to_hex(integer)", "text", |a| text(format!("{:x}", i32::try_from(a.integer(0)?).unwrap_or(0)))),
    strict("to_hex(bigint)", "text", |a| text(format!("{:x}", a.integer(0)?))),
];

/// RFC 4648 with padding; what is left of bits in the last character is ignored, as in PostgreSQL.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// PostgreSQL breaks base64 into lines of so many characters.
const LINE: usize = 76;

fn hex(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len() * 2);
    write_hex(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn unknown(encoding: &str) -> ValueError {
    ValueError::new("22023", format!("unrecognized encoding: \"{encoding}\""))
}

fn encode(bytes: &[u8], encoding: &str) -> Result<Datum, ValueError> {
    check_length(bytes.len().saturating_mul(4))?;
    match encoding.to_ascii_lowercase().as_str() {
        "hex" => text(hex(bytes)),
        "base64" => {
            let encoded = BASE64.encode(bytes);
            let lines: Vec<&[u8]> = encoded.as_bytes().chunks(LINE).collect();
            text(String::from_utf8_lossy(&lines.join(&b'\n')).into_owned())
        }
        "escape" => {
            let mut out = String::new();
            for byte in bytes {
                match byte {
                    0 | 0x80.. => out += &format!("\\{byte:03o}"),
                    b'\\' => out += "\\\\",
                    byte => out.push(char::from(*byte)),
                }
            }
            text(out)
        }
        _ => Err(unknown(encoding)),
    }
}

fn decode(source: &str, encoding: &str) -> Result<Datum, ValueError> {
    match encoding.to_ascii_lowercase().as_str() {
        "hex" => parse_bytea(&format!("\\x{source}")).map(Datum::Bytes),
        "base64" => {
            let plain: String =
                source.chars().filter(|character| !matches!(character, ' ' | '\t' | '\n' | '\r')).collect();
            BASE64.decode(&plain).map(Datum::Bytes).map_err(|_| ValueError::new("22023", "invalid base64 end sequence"))
        }
        "escape" if source.starts_with("\\x") => {
            Err(ValueError::new("0A000", "decode of an escaped text that begins with \\x"))
        }
        "escape" => parse_bytea(source).map(Datum::Bytes),
        _ => Err(unknown(encoding)),
    }
}
