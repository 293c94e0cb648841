#![no_main]
//! See `properties::json_path`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::json_path(data));
