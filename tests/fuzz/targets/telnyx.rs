#![no_main]

#[path = "../properties/telnyx.rs"]
mod telnyx;

libfuzzer_sys::fuzz_target!(|data: &[u8]| telnyx::check(data));
