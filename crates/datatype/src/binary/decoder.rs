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

    /// Whether the print depends on the time zone: `timestamptz` and arrays of it. The rules of the zones are those of the
    /// database that is compiled in. A server with an older or newer one, or with one that keeps other histories from
    /// before 1970, prints some moments of some zones otherwise; in UTC all agree.
    pub fn depends_on_zone(self) -> bool {
        self.scalar == Scalar::TimestampTz
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes in hexadecimal.
    fn bytes(text: &str) -> Vec<u8> {
        let (pairs, _) = text.as_bytes().as_chunks::<2>();
        pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    type Form = fn(&Decoder, &[u8], &Zone, &mut Vec<u8>) -> Result<(), Malformed>;

    fn printed(form: Form, oid: u32, hex: &str) -> Result<String, Malformed> {
        let zone = Zone::from_name("Asia/Kathmandu").unwrap();
        let mut out = Vec::new();
        form(&Decoder::of(oid).unwrap(), &bytes(hex), &zone, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// As PostgreSQL 15 printed them, and 18 what differs since.
    #[test]
    fn three_forms() {
        for (oid, hex, json, text, output) in [
            (16, "01", "true", "true", "t"),
            (16, "00", "false", "false", "f"),
            (18, "22", "\"\\\"\"", "\"", "\""),
            (18, "00", "\"\"", "", ""),
            (18, "e9", "\"\\\\351\"", "\\351", "\\351"),
            (21, "8000", "-32768", "-32768", "-32768"),
            (26, "ffffffff", "\"4294967295\"", "4294967295", "4294967295"),
            (701, "7ff8000000000000", "\"NaN\"", "NaN", "NaN"),
            (1042, "616220", "\"ab \"", "ab", "ab "),
            (869, "0220000401020304", "\"1.2.3.4\"", "1.2.3.4/32", "1.2.3.4"),
            (
                1184,
                "0000000000000000",
                "\"2000-01-01T05:45:00+05:45\"",
                "2000-01-01 05:45:00+05:45",
                "2000-01-01 05:45:00+05:45",
            ),
            (1186, "7fffffffffffffff7fffffff7fffffff", "\"infinity\"", "infinity", "infinity"),
            (1186, "80000000000000008000000080000000", "\"-infinity\"", "-infinity", "-infinity"),
            (2278, "", "\"\"", "", ""),
            (3802, "017b7d", "{}", "{}", "{}"),
            (1000, "00000001000000000000001000000001000000000000000101", "[true]", "[0:0]={t}", "[0:0]={t}"),
        ] {
            let ours =
                [Decoder::write_json, Decoder::write_text, Decoder::write_output].map(|form| printed(form, oid, hex));
            assert_eq!(ours.each_ref().map(|text| text.as_deref()), [Ok(json), Ok(text), Ok(output)], "{oid} {hex}");
        }
    }

    #[test]
    fn refused() {
        for (oid, hex) in [
            (16, ""),
            (16, "0101"),
            (23, "000000"),
            (25, "ff"),
            (114, "22ff22"),
            (1082, "7ffffffe"),
            (1083, "000000141dd76001"),
            (1114, "7ffffffffffffffe"),
            (1114, "8000000000000001"),
            (1266, "00000000000000000000e100"),
            (2278, "00"),
            (2950, "00"),
            (3802, "027b7d"),
            (3802, ""),
            (1007, "000000010000000000000017000000010000000100000002ffff"),
        ] {
            assert!(printed(Decoder::write_json, oid, hex).is_err(), "{oid} {hex}");
        }
        let error = printed(Decoder::write_json, 23, "00").unwrap_err();
        assert_eq!(error.to_string(), "a binary value of type int4 is malformed: it has a wrong length");
    }

    #[test]
    fn errors_leave_nothing_behind() {
        // {1, and an element that is no integer}
        let array = bytes("00000001000000000000001700000002000000010000000400000001000000020000");
        let mut out = b"before".to_vec();
        for form in [Decoder::write_json, Decoder::write_text, Decoder::write_output] {
            assert!(form(&Decoder::of(1007).unwrap(), &array, &Zone::Utc, &mut out).is_err());
            assert_eq!(out, b"before");
        }
    }

    #[test]
    fn arrays_of_decoders() {
        let moods = Decoder::array_of(Decoder::text()).unwrap();
        assert_eq!(Some(moods), Decoder::of(1009));
        assert_eq!(Decoder::array_of(moods), None);
        // money, xml, tsvector, int4range, int2vector, regclass, and a type of the schema
        for oid in [790, 142, 3614, 3904, 22, 2205, 16_384] {
            assert_eq!(Decoder::of(oid), None);
        }
    }

    #[test]
    fn zones_matter_to_moments_alone() {
        let of = |oid| Decoder::of(oid).unwrap().depends_on_zone();
        assert!(of(1184) && of(1185) && !of(1114) && !of(1266) && !of(25));
    }

    #[test]
    fn common_values_are_printed_without_allocating() {
        let mut out = Vec::with_capacity(4096);
        let zone = Zone::from_name("Asia/Kathmandu").unwrap();
        for (oid, hex) in [
            (16, "01"),
            (23, "00003039"),
            (20, "7fffffffffffffff"),
            (25, "6120226e616d6522c3a9"),
            (701, "404a0b9f559b3d08"),
            (1082, "00002250"),
            (1114, "0002c0a1d8f3b540"),
            (1184, "0002c0a1d8f3b540"),
            (1186, "000000000000000100000001ffffffff"),
            (1700, "0003000100000002000c0d801e78"),
            (2950, "a0eebc999c0b4ef8bb6d6bb9bd380a11"),
            (3802, "017b7d"),
            (869, "038000100000000000000000000000000000ffff"),
            (1007, "000000010000000000000017000000020000000100000004000000010000000400000002"),
        ] {
            let (decoder, value) = (Decoder::of(oid).unwrap(), bytes(hex));
            for form in [Decoder::write_json, Decoder::write_text, Decoder::write_output] {
                out.clear();
                let count =
                    |out: &mut Vec<u8>| allocation_counter::measure(|| form(&decoder, &value, &zone, out).unwrap());
                assert_eq!(count(&mut out).count_total, 0, "{oid}");
                assert!(!out.is_empty());
            }
        }
    }
}
