#![no_main]

#[path = "../properties/somleng.rs"]
mod somleng;

libfuzzer_sys::fuzz_target!(|data: &[u8]| somleng::check(data));
