#![no_main]

#[path = "../properties/jambonz.rs"]
mod jambonz;

libfuzzer_sys::fuzz_target!(|data: &[u8]| jambonz::check(data));
