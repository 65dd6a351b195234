//! See `cornac_tests::fuzz::types_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cornac_tests::fuzz::types_decode(data));
