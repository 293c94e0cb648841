#![no_main]
//! See `properties::range`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::range(data));
