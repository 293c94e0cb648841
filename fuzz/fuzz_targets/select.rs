#![no_main]
//! See `properties::select`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::select(data));
