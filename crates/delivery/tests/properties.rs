//! What must hold of every body, every tag and every header.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use delivery::{
    AcceptEncoding, Coding, Compressor, EntityTag, RequestCoding, TagList, compress, compress_best, decompress,
};
use http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

const MOST: usize = 1 << 20;

fn opened(coding: Coding, coded: &[u8]) -> Vec<u8> {
    decompress(&[RequestCoding::Known(coding)], coded, MOST).expect("what was compressed is opened")
}

fn coding() -> impl Strategy<Value = Coding> {
    prop::sample::select(Coding::ALL.to_vec())
}

/// Bodies of all densities below what would be a bomb.
fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..3000),
        prop::collection::vec(prop::sample::select(b"{}[]\":,abc0".to_vec()), 0..20_000),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whole_bodies_come_back(coding in coding(), body in body()) {
        prop_assert_eq!(opened(coding, &compress(coding, &body).unwrap()), body.clone());
        prop_assert_eq!(compress(coding, &body).unwrap(), compress(coding, &body).unwrap());
        if body.len() < 2000 {
            prop_assert_eq!(opened(coding, &compress_best(coding, &body).unwrap()), body);
        }
    }

    #[test]
    fn streamed_bodies_come_back(coding in coding(), pieces in prop::collection::vec(body(), 0..6)) {
        let mut compressor = Compressor::new(coding).unwrap();
        let mut coded = Vec::new();
        for piece in &pieces {
            coded.extend(compressor.push(piece).unwrap());
        }
        coded.extend(compressor.finish().unwrap());
        prop_assert_eq!(opened(coding, &coded), pieces.concat());
    }

    #[test]
    fn nothing_that_comes_breaks_anything(coding in coding(), body in body(), flip in any::<prop::sample::Index>()) {
        let _refused = decompress(&[RequestCoding::Known(coding)], &body, MOST);
        let _refused = decompress(&[RequestCoding::Deflate], &body, MOST);
        let mut coded = compress(coding, &body).unwrap();
        let place = flip.index(coded.len());
        coded[place] ^= 0x55;
        if let Ok(opened) = decompress(&[RequestCoding::Known(coding)], &coded, MOST) {
            prop_assert!(opened.len() <= MOST);
        }
    }

    #[test]
    fn tags_come_back_from_lists(opaque in prop::collection::vec("[!#-~]{0,12}", 1..5), weak in any::<bool>()) {
        let texts: Vec<_> = opaque.iter().map(|text| format!("{}\"{text}\"", if weak { "W/" } else { "" })).collect();
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_str(&texts.join(", ")).unwrap())]);
        let read = TagList::read(&headers, &IF_NONE_MATCH).unwrap();
        let read: Vec<_> = read.tags().iter().map(EntityTag::to_header).collect();
        prop_assert_eq!(read, texts);
    }

    #[test]
    fn any_list_is_read_and_what_is_read_is_a_tag(line in "[ -~\u{80}-\u{ff}]{0,60}") {
        let Ok(value) = HeaderValue::from_bytes(line.as_bytes()) else { return Ok(()) };
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, value)]);
        for tag in TagList::read(&headers, &IF_NONE_MATCH).unwrap().tags() {
            let again = EntityTag::parse(tag.to_header().as_bytes());
            prop_assert_eq!(again.as_ref(), Some(tag));
        }
    }

    #[test]
    fn a_coding_is_sent_only_to_who_takes_it(
        members in prop::collection::vec((prop::sample::select(vec!["gzip", "br", "zstd", "deflate", "*", "identity", "x"]), 0_u32..=1000), 0..6)
    ) {
        let line = members.iter().map(|(name, weight)| format!("{name};q={}", f64::from(*weight) / 1000.0));
        let line = line.collect::<Vec<_>>().join(",");
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_str(&line).unwrap())]);
        let accepted = AcceptEncoding::read(&headers);
        if let Some(coding) = accepted.choose(&Coding::ALL) {
            prop_assert!(accepted.takes(Some(coding)), "{line}");
            // Nothing that it named and likes better is left aside.
            let of = |name: &str| members.iter().rev().find(|(named, _)| *named == name).map_or(0, |(_, weight)| *weight);
            if of(coding.name()) > 0 {
                prop_assert!(Coding::ALL.iter().all(|other| of(other.name()) <= of(coding.name())), "{line}");
                prop_assert!(of("identity") <= of(coding.name()), "{line}");
            }
        }
    }
}
