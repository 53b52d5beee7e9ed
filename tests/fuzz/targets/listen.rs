#![no_main]

#[path = "../properties/listen.rs"]
mod listen;

libfuzzer_sys::fuzz_target!(|data: &[u8]| listen::check(data));
