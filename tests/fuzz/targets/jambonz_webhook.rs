#![no_main]

#[path = "../properties/jambonz_webhook.rs"]
mod jambonz_webhook;

libfuzzer_sys::fuzz_target!(|data: &[u8]| jambonz_webhook::check(data));
