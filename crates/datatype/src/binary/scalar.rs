//! Values that are no arrays.

use super::Malformed;
use super::cursor::{fixed, text};
use super::network::{Mask, write_address, write_hardware_address};
use super::numeric::Numeric;
use super::{bits, temporal};
use crate::Zone;
use crate::bytea::{write_bytea, write_hex};
use crate::float::write_float;
use crate::json::write_string;
use crate::temporal::Style;

/// The version of the format of `jsonb` on the wire, its first byte.
const JSONB_VERSION: u8 = 1;

/// How the value of a type that is no array stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scalar {
    Boolean,
    SmallInteger,
    Integer,
    BigInteger,
    /// Unsigned.
    ObjectId,
    Real,
    Double,
    Numeric,
    /// The characters alone: `text`, `varchar`, `name`, enumerations.
    Text,
    /// `character(n)`, with blanks at its end.
    PaddedText,
    /// `"char"`: one byte.
    Byte,
    Uuid,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Json,
    Jsonb,
    Bytea,
    Inet,
    Cidr,
    /// `macaddr`: six bytes.
    HardwareAddress,
    /// `macaddr8`.
    LongHardwareAddress,
    Bit,
    BitVarying,
    /// Nothing, the answer of a function without one.
    Void,
}

impl Scalar {
    /// As `to_json` prints it.
    pub(super) fn write_json(self, bytes: &[u8], zone: &Zone, out: &mut Vec<u8>) -> Result<(), Malformed> {
        match self {
            Self::Boolean => write_boolean(bytes, out),
            Self::SmallInteger | Self::Integer | Self::BigInteger => self.write_output(bytes, zone, out),
            Self::Text | Self::PaddedText => {
                write_string(text(bytes, "text")?, out);
                Ok(())
            }
            Self::Json | Self::Jsonb => self.write_output(bytes, zone, out),
            Self::Numeric => match Numeric::read(bytes)? {
                number @ Numeric::Finite(_) => {
                    number.write(out);
                    Ok(())
                }
                special @ Numeric::Special(_) => between_quotes(out, |out| {
                    special.write(out);
                    Ok(())
                }),
            },
            Self::Real => write_float_json(true, read_real(bytes)?, out),
            Self::Double => write_float_json(false, read_double(bytes)?, out),
            Self::Timestamp => between_quotes(out, |out| temporal::write_timestamp(bytes, Style::Json, out)),
            Self::TimestampTz => between_quotes(out, |out| temporal::write_timestamp_in(bytes, zone, Style::Json, out)),
            Self::Byte => write_byte_json(bytes, out),
            Self::Bytea => {
                // The backslash of `\x` is escaped.
                out.reserve(bytes.len().saturating_mul(2).saturating_add(5));
                out.extend_from_slice(b"\"\\\\x");
                write_hex(bytes, out);
                out.push(b'"');
                Ok(())
            }
            // These print nothing that JSON escapes.
            Self::ObjectId
            | Self::Uuid
            | Self::Date
            | Self::Time
            | Self::TimeTz
            | Self::Interval
            | Self::Inet
            | Self::Cidr
            | Self::HardwareAddress
            | Self::LongHardwareAddress
            | Self::Bit
            | Self::BitVarying
            | Self::Void => between_quotes(out, |out| self.write_output(bytes, zone, out)),
        }
    }

    /// As a cast to `text` prints it.
    pub(super) fn write_text(self, bytes: &[u8], zone: &Zone, out: &mut Vec<u8>) -> Result<(), Malformed> {
        match self {
            Self::Boolean => write_boolean(bytes, out),
            Self::PaddedText => {
                out.extend_from_slice(text(bytes, "bpchar")?.trim_end_matches(' ').as_bytes());
                Ok(())
            }
            Self::Inet => write_address(bytes, "inet", Mask::Always, out),
            _ => self.write_output(bytes, zone, out),
        }
    }

    /// As the type's output function prints it.
    pub(super) fn write_output(self, bytes: &[u8], zone: &Zone, out: &mut Vec<u8>) -> Result<(), Malformed> {
        match self {
            Self::Boolean => out.push(if read_boolean(bytes)? { b't' } else { b'f' }),
            Self::SmallInteger => write_integer(i16::from_be_bytes(fixed(bytes, "int2")?), out),
            Self::Integer => write_integer(i32::from_be_bytes(fixed(bytes, "int4")?), out),
            Self::BigInteger => write_integer(i64::from_be_bytes(fixed(bytes, "int8")?), out),
            Self::ObjectId => write_integer(u32::from_be_bytes(fixed(bytes, "oid")?), out),
            Self::Real => write_float(true, read_real(bytes)?, out),
            Self::Double => write_float(false, read_double(bytes)?, out),
            Self::Numeric => Numeric::read(bytes)?.write(out),
            Self::Text | Self::PaddedText => out.extend_from_slice(text(bytes, "text")?.as_bytes()),
            Self::Byte => write_byte(bytes, out)?,
            Self::Uuid => write_uuid(fixed(bytes, "uuid")?, out),
            Self::Date => temporal::write_date(bytes, out)?,
            Self::Time => temporal::write_clock(bytes, out)?,
            Self::TimeTz => temporal::write_clock_with_offset(bytes, out)?,
            Self::Timestamp => temporal::write_timestamp(bytes, Style::Iso, out)?,
            Self::TimestampTz => temporal::write_timestamp_in(bytes, zone, Style::Iso, out)?,
            Self::Interval => temporal::write_interval(bytes, out)?,
            Self::Json => out.extend_from_slice(text(bytes, "json")?.as_bytes()),
            Self::Jsonb => out.extend_from_slice(read_jsonb(bytes)?.as_bytes()),
            Self::Bytea => write_bytea(bytes, out),
            Self::Inet => write_address(bytes, "inet", Mask::Shorter, out)?,
            Self::Cidr => write_address(bytes, "cidr", Mask::Always, out)?,
            Self::HardwareAddress => write_hardware_address(&fixed::<6>(bytes, "macaddr")?, out),
            Self::LongHardwareAddress => write_hardware_address(&fixed::<8>(bytes, "macaddr8")?, out),
            Self::Bit => bits::write_bits(bytes, "bit", out)?,
            Self::BitVarying => bits::write_bits(bytes, "varbit", out)?,
            Self::Void => fixed::<0>(bytes, "void").map(|_| ())?,
        }
        Ok(())
    }
}

fn between_quotes(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    out.push(b'"');
    write(out)?;
    out.push(b'"');
    Ok(())
}

fn read_boolean(bytes: &[u8]) -> Result<bool, Malformed> {
    let [byte] = fixed(bytes, "bool")?;
    Ok(byte != 0)
}

fn write_boolean(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    out.extend_from_slice(if read_boolean(bytes)? { b"true" } else { b"false" });
    Ok(())
}

fn write_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn read_real(bytes: &[u8]) -> Result<f64, Malformed> {
    fixed(bytes, "float4").map(|bytes| f64::from(f32::from_be_bytes(bytes)))
}

fn read_double(bytes: &[u8]) -> Result<f64, Malformed> {
    fixed(bytes, "float8").map(f64::from_be_bytes)
}

fn write_float_json(is_single: bool, value: f64, out: &mut Vec<u8>) -> Result<(), Malformed> {
    if value.is_finite() {
        write_float(is_single, value, out);
        return Ok(());
    }
    between_quotes(out, |out| {
        write_float(is_single, value, out);
        Ok(())
    })
}

fn read_jsonb(bytes: &[u8]) -> Result<&str, Malformed> {
    match bytes.split_first() {
        Some((&JSONB_VERSION, rest)) => text(rest, "jsonb"),
        _ => Err(Malformed::new("jsonb", "its version is unknown")),
    }
}

/// A character of ASCII as it is, zero as nothing, and others in octal, as PostgreSQL does since version 16.
fn write_byte(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    match fixed(bytes, "\"char\"")? {
        [0] => {}
        [byte @ 1..=0x7f] => out.push(byte),
        [byte] => out.extend_from_slice(&[b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]),
    }
    Ok(())
}

fn write_byte_json(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    if let &[byte @ 0x80..=0xff] = bytes {
        // The backslash is escaped.
        return between_quotes(out, |out| {
            out.push(b'\\');
            write_byte(&[byte], out)
        });
    }
    let [byte] = fixed(bytes, "\"char\"")?;
    let printed = if byte == 0 { "" } else { text(bytes, "\"char\"")? };
    write_string(printed, out);
    Ok(())
}

fn write_uuid(bytes: [u8; 16], out: &mut Vec<u8>) {
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        write_hex(&[byte], out);
    }
}
