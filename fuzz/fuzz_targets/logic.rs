#![no_main]
//! See `properties::logic`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::logic(data));
