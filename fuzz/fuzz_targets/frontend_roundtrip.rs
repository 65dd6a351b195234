//! See `cornac_tests::fuzz::frontend_roundtrip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cornac_tests::fuzz::frontend_roundtrip(data));
