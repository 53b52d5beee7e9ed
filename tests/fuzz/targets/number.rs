#![no_main]

#[path = "../properties/number.rs"]
mod number;

libfuzzer_sys::fuzz_target!(|data: &[u8]| number::check(data));
