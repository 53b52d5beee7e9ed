//! The far side of a simulated line: a telephone exchange that behaves as Twilio's documentation says Twilio
//! behaves, and a telephone to call with. Written from that documentation alone and sharing nothing with
//! `telephony`, so that each tests the other.
//!
//! | module | what it is |
//! |---|---|
//! | [`exchange`] | the exchange: its settings, what a caller can do, what it has sent |
//! | [`call`] | one call: a small state machine that carries out verbs |
//! | `record_verb` | the ways a recording ends, and who is told |
//! | `documents` | how a call comes to its next document, and to its end |
//! | [`dial_verb`] | a telephone is rung and put together with the caller |
//! | [`twiml_reader`], [`dial_reader`] | TwiML to verbs, strictly |
//! | `elements` | the XML under it |
//! | [`webhook`] | one outgoing request as a value, and how it is sent |
//! | [`signer`] | the provider's side of `X-Twilio-Signature` |
//! | [`faults`] | how to misbehave, for tests |
//! | [`recordings`] | what callers said, in memory, and how long a WAV lasts |
//! | [`rest`] | the REST side: recordings and calls served, recordings deleted |
//! | [`phone_api`] | the telephone over HTTP, for a browser or a terminal |
//! | [`phone_page`] | the telephone in the browser |
//! | [`phone`] | the telephone in the terminal: `dutyline call` |
//! | [`acts`] | what a caller does, as tokens: `1,speak,#,1` |
//! | [`spoken`] | sentences, and the receipt in them |
//!
//! Nothing here waits: silence is told by whoever holds the telephone, never by a timer.

pub mod call;
pub mod dial_reader;
pub mod dial_verb;
mod documents;
mod elements;
pub mod exchange;
pub mod faults;
pub mod phone;
pub mod phone_api;
pub mod phone_page;
mod record_verb;
pub mod recordings;
pub mod signer;
pub mod spoken;
#[cfg(test)]
mod testing;
pub mod twilio_api;
pub mod twiml_reader;
pub mod webhook;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;

/// The telephone, page and API, at `/phone`: to be merged into the service's own router.
#[expect(
    clippy::disallowed_methods,
    reason = "the far side has no inspectors, so its addresses have no policies"
)]
pub fn telephone(exchange: exchange::Exchange) -> Router {
    let phone = phone_page::router().merge(phone_api::router(exchange));
    Router::new()
        .nest("/phone", phone_page::guarded(phone))
        .route("/phone/", get(async || Redirect::to("/phone")))
}

/// Somebody speaking Mandarin for 4.4 seconds: 8 kHz, mono, 16-bit PCM. A machine's voice:
/// `espeak-ng -v cmn-latn-pinyin -s 210` of "wo3 xiang3 fan3ying4 shi2tang2 cai3gou4 mei2you3 zhao1biao1, jia4ge2
/// bi3 shi4chang3 gao1 yi2 bei4." (我想反映食堂采购没有招标，价格比市场高一倍), then
/// `sox - -r 8000 -c 1 -b 16 -e signed-integer --norm=-3 sample.wav`.
pub const SAMPLE: &[u8] = include_bytes!("sample.wav");
