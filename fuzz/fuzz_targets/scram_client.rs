//! See `cornac_tests::fuzz::scram_client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cornac_tests::fuzz::scram_client(data));
