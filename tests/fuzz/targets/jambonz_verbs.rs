#![no_main]

#[path = "../properties/jambonz_verbs.rs"]
mod jambonz_verbs;

libfuzzer_sys::fuzz_target!(|data: &[u8]| jambonz_verbs::check(data));
