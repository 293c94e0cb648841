use super::scalar::Scalar;
use super::{Malformed, nested};
use crate::Zone;

/// How the values of a PostgreSQL type stand on the wire in binary format: looked up once per column, cheap to copy.
///
/// No printing function allocates anything but room in `out`, except for long floating point numbers and for quoted
/// elements in the text form of arrays. After an error `out` is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decoder {
    scalar: Scalar,
    is_array: bool,
}

impl Decoder {
    /// The decoder of a built-in type and of arrays of it, by the type's OID (`pg_type.dat`). `None` for all others:
    /// types of the schema itself, and built-in ones whose print cannot be told from their bytes alone or was not
    /// found worth it (`money`, `xml`, `tsvector`, ranges, geometry, `reg*`, `int2vector`). The server has to print those.
    pub fn of(oid: u32) -> Option<Self> {
        if let Some(scalar) = scalar_of(oid) {
            return Some(Self { scalar, is_array: false });
        }
        element_of_array(oid).and_then(scalar_of).map(|scalar| Self { scalar, is_array: true })
    }

    /// The decoder of a type that is sent as its text: an enumeration. What its OID is, the catalog knows, as it knows
    /// whether the schema defines a cast of it to `json`, which `to_json` would use and this does not.
    pub fn text() -> Self {
        Self { scalar: Scalar::Text, is_array: false }
    }

    /// The decoder of arrays with such elements, of any number of dimensions. `None` where the elements are arrays
    /// themselves, which only a domain over an array can make.
    pub fn array_of(element: Self) -> Option<Self> {
        (!element.is_array).then_some(Self { is_array: true, ..element })
    }

    /// Whether it reads arrays.
    pub fn is_array(self) -> bool {
        self.is_array
    }

    /// Writes what `to_json` prints for the value: numbers bare (NaN and the infinities as strings), `json` and `jsonb`
    /// as they are, timestamps in ISO 8601 with their offset in the zone, arrays as arrays.
    ///
    /// # Errors
    /// Where the bytes are no value of the type; text has to be UTF-8.
    pub fn write_json(&self, bytes: &[u8], zone: &Zone, out: &mut Vec<u8>) -> Result<(), Malformed> {
        whole(out, |out| match self.is_array {
            false => self.scalar.write_json(bytes, zone, out),
            true => nested::write_json(self.scalar, bytes, zone, out),
        })
    }

    /// Writes what a cast to `text` prints for the value: booleans are `true` and `false`, `character(n)` loses the
    /// blanks at its end, `inet` always has its mask.
    ///
    /// # Errors
    /// Those of [`Self::write_json`].
    pub fn write_text(&self, bytes: &[u8], zone: &Zone, out: &mut Vec<u8>) -> Result<(), Malformed> {
        whole(out, |out| match self.is_array {
            false => self.scalar.write_text(bytes, zone, out),
            true => nested::write_text(self.scalar, bytes, zone, out),
        })
    }

    /// Writes what the type's output function prints for the value, as results in text format, CSV and `row::text` show
    /// it: booleans are `t` and `f`.
    ///
    /// # Errors
    /// Those of [`Self::write_json`].
    pub fn write_output(&self, bytes: &[u8], zone: &Zone, out: &mut Vec<u8>) -> Result<(), Malformed> {
        whole(out, |out| match self.is_array {
            false => self.scalar.write_output(bytes, zone, out),
            true => nested::write_text(self.scalar, bytes, zone, out),
        })
    }
}

/// Takes back what was written before an error.
fn whole(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Malformed>) -> Result<(), Malformed> {
    let start = out.len();
    write(out).inspect_err(|_| out.truncate(start))
}

fn scalar_of(oid: u32) -> Option<Scalar> {
    Some(match oid {
        16 => Scalar::Boolean,
        17 => Scalar::Bytea,
        18 => Scalar::Byte,
        // name, text, varchar
        19 | 25 | 1043 => Scalar::Text,
        20 => Scalar::BigInteger,
        21 => Scalar::SmallInteger,
        23 => Scalar::Integer,
        26 => Scalar::ObjectId,
        114 => Scalar::Json,
        650 => Scalar::Cidr,
        700 => Scalar::Real,
        701 => Scalar::Double,
        774 => Scalar::LongHardwareAddress,
        829 => Scalar::HardwareAddress,
        869 => Scalar::Inet,
        1042 => Scalar::PaddedText,
        1082 => Scalar::Date,
        1083 => Scalar::Time,
        1114 => Scalar::Timestamp,
        1184 => Scalar::TimestampTz,
        1186 => Scalar::Interval,
        1266 => Scalar::TimeTz,
        1560 => Scalar::Bit,
        1562 => Scalar::BitVarying,
        1700 => Scalar::Numeric,
        2278 => Scalar::Void,
        2950 => Scalar::Uuid,
        3802 => Scalar::Jsonb,
        _ => return None,
    })
}

/// The OID of the element type of a built-in array type.
fn element_of_array(oid: u32) -> Option<u32> {
    Some(match oid {
        199 => 114,
        651 => 650,
        775 => 774,
        1000 => 16,
        1001 => 17,
        1002 => 18,
        1003 => 19,
        1005 => 21,
        1007 => 23,
        1009 => 25,
        1014 => 1042,
        1015 => 1043,
        1016 => 20,
        1021 => 700,
        1022 => 701,
        1028 => 26,
        1040 => 829,
        1041 => 869,
        1115 => 1114,
        1182 => 1082,
        1183 => 1083,
        1185 => 1184,
        1187 => 1186,
        1231 => 1700,
        1270 => 1266,
        1561 => 1560,
        1563 => 1562,
        2951 => 2950,
        3807 => 3802,
        _ => return None,
    })
}
