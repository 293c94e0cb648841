#![no_main]
//! See `properties::ddl`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::ddl(data));
