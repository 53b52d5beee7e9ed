#![no_main]

#[path = "../properties/signalwire.rs"]
mod signalwire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| signalwire::check(data));
