#![no_main]
//! See `properties::prefer`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::prefer(data));
