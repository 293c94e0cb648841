//! What holds of any bytes: they are printed or refused, nothing panics, nothing grows without reason.

use proptest::prelude::*;

use super::{Array, Decoder, Record};
use crate::{Zone, json};

/// Built-in types have OIDs below this.
const OIDS: u32 = 10_000;
/// Lengthiest per byte: a zero byte of text in JSON is `\u0000`, a bit is a digit, a hardware address has colons.
const GROWTH: usize = 16;
/// What a value prints besides: quotes, a date of seven digits with its offset.
const ROOM: usize = 80;
/// The digits that a `numeric` of few bytes may print: before the point and behind it.
const DIGITS: usize = 4 * 32_768 + 16_384;

/// JSON is printed as it came, so that nothing is promised of its validity.
fn is_json(oid: u32) -> bool {
    matches!(oid, 114 | 199 | 3802 | 3807)
}

fn decoders() -> Vec<(u32, Decoder)> {
    let mut all: Vec<_> = (0..OIDS).filter_map(|oid| Some((oid, Decoder::of(oid)?))).collect();
    all.push((OIDS, Decoder::text()));
    all.push((OIDS, Decoder::array_of(Decoder::text()).unwrap()));
    all
}

fn zones() -> Vec<Zone> {
    ["UTC", "America/St_Johns", "Asia/Kathmandu"].iter().map(|name| Zone::from_name(name).unwrap()).collect()
}

/// Every form of the bytes by every decoder.
fn holds_of_all(bytes: &[u8]) {
    for (oid, decoder) in decoders() {
        for zone in zones() {
            holds(oid, decoder, bytes, &zone);
        }
    }
    read_parts(bytes);
}

fn holds(oid: u32, decoder: Decoder, bytes: &[u8], zone: &Zone) {
    const BEFORE: &[u8] = b"before";
    let digits = if matches!(oid, 1700 | 1231) { DIGITS * (1 + bytes.len() / 8) } else { 0 };
    for form in [Decoder::write_json, Decoder::write_text, Decoder::write_output] {
        let mut out = BEFORE.to_vec();
        let answer = form(&decoder, bytes, zone, &mut out);
        let printed = out.strip_prefix(BEFORE).unwrap();
        assert!(answer.is_ok() || printed.is_empty(), "{oid}: an error leaves nothing behind");
        assert!(printed.len() <= ROOM + GROWTH * bytes.len() + digits, "{oid}: {} bytes", printed.len());
        assert!(std::str::from_utf8(printed).is_ok(), "{oid}: UTF-8");
    }
    let mut out = Vec::new();
    if decoder.write_json(bytes, zone, &mut out).is_ok() && !is_json(oid) {
        assert_eq!(json::validate(std::str::from_utf8(&out).unwrap()), Ok(()), "{oid}");
    }
}

/// Readers end, and give no more parts than there are bytes.
fn read_parts(bytes: &[u8]) {
    if let Ok(array) = Array::read(bytes) {
        assert!(array.elements().count() <= bytes.len());
        let product: usize = array.dimensions().iter().map(|dimension| dimension.length).product();
        assert!(array.dimensions().is_empty() || product == array.elements().left());
    }
    if let Ok(record) = Record::read(bytes) {
        assert!(record.count() <= bytes.len());
    }
}

/// Values of a likely length and with likely bytes.
fn values() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0_u8), Just(1), Just(0xff), Just(0x7f), Just(0x80), 0..8_u8, any::<u8>()];
    let lengths = prop_oneof![Just(1_usize), Just(2), Just(4), Just(8), Just(12), Just(16), Just(20), 0..40_usize];
    lengths.prop_flat_map(move |length| proptest::collection::vec(byte.clone(), length))
}

/// An array with a true head, or nearly.
fn arrays() -> impl Strategy<Value = Vec<u8>> {
    let element = proptest::option::of(values());
    let dimensions = proptest::collection::vec((prop_oneof![0..4_i32, any::<i32>()], any::<i32>()), 0..7);
    (dimensions, proptest::collection::vec(element, 0..9), any::<bool>()).prop_map(
        |(mut dimensions, elements, is_flat)| {
            if is_flat {
                dimensions = vec![(i32::try_from(elements.len()).unwrap(), 1)];
            }
            let head = [i32::try_from(dimensions.len()).unwrap(), 0, 25];
            let numbers = head.into_iter().chain(dimensions.into_iter().flat_map(|(length, lower)| [length, lower]));
            let mut bytes: Vec<u8> = numbers.flat_map(i32::to_be_bytes).collect();
            for element in elements {
                let length = element.as_ref().map_or(-1, |element| i32::try_from(element.len()).unwrap());
                bytes.extend(length.to_be_bytes());
                bytes.extend(element.unwrap_or_default());
            }
            bytes
        },
    )
}

proptest! {
    #[test]
    fn any_bytes(bytes in any::<Vec<u8>>()) {
        holds_of_all(&bytes);
    }

    #[test]
    fn likely_values(bytes in values()) {
        holds_of_all(&bytes);
    }

    #[test]
    fn likely_arrays(bytes in arrays()) {
        holds_of_all(&bytes);
    }

    #[test]
    fn shortened_and_damaged_arrays(bytes in arrays(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        holds_of_all(&bytes[..place.index(bytes.len())]);
        let mut damaged = bytes.clone();
        damaged[place.index(bytes.len())] = byte;
        holds_of_all(&damaged);
    }
}

#[test]
fn all_decoders_are_met() {
    let decoders = decoders();
    let arrays = decoders.iter().filter(|(_, decoder)| decoder.is_array()).count();
    // Twenty-nine types with their arrays, enumerations with theirs, and void, which has none.
    assert_eq!((decoders.len(), arrays), (61, 30));
}
