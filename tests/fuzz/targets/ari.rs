#![no_main]

#[path = "../properties/ari.rs"]
mod ari;

libfuzzer_sys::fuzz_target!(|data: &[u8]| ari::check(data));
