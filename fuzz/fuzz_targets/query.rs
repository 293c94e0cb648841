#![no_main]
//! See `properties::query`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::query(data));
