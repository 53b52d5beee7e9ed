//! The provider's side of a simulated line: a telephone exchange that follows Twilio's documentation, and a telephone
//! to call with. Written from that documentation alone and sharing no code with [`crate::telephony`], so that each of
//! the two tests the other.
//!
//! | module | contents |
//! |---|---|
//! | [`exchange`] | the exchange: its settings, the caller's actions, the webhooks sent |
//! | [`call`] | one call: a state machine that executes verbs |
//! | `record_verb` | `<Record>`: how a recording ends, and the requests sent then |
//! | `documents` | fetching a call's next document, and ending a call |
//! | [`dial_verb`] | `<Dial>`: ringing a second telephone and connecting it to the caller |
//! | [`twiml_reader`], [`dial_reader`] | strict parsing of TwiML to verbs |
//! | `elements` | the XML layer below them |
//! | [`webhook`] | one outgoing request as a value, and the client that sends it |
//! | [`signer`] | the provider's side of `X-Twilio-Signature` |
//! | [`faults`] | faults that tests can switch on |
//! | [`recordings`] | recorded audio, in memory, and the duration of a WAV file |
//! | [`twilio_api`] | the REST API: reads recordings and calls, deletes recordings |
//! | [`phone_api`] | the telephone over HTTP, for a browser or a terminal |
//! | [`phone_page`] | the telephone in the browser |
//! | [`phone`] | the telephone in the terminal: `dutyline call` |
//! | [`spoken`] | splits spoken text into sentences and finds the receipt in it |
//!
//! A caller's actions as tokens (`1,speak,#,1`) are parsed by [`crate::call::acts`].
//!
//! Calls run without timers: silence is an action of the telephone's user, not an elapsed time.

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

/// Returns a router with the telephone's page and API at `/phone`, to be merged into the service's router.
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

/// Sample speech: 4.4 seconds of Mandarin, 8 kHz, mono, 16-bit PCM. Synthesised by
/// `espeak-ng -v cmn-latn-pinyin -s 210` from "wo3 xiang3 fan3ying4 shi2tang2 cai3gou4 mei2you3 zhao1biao1, jia4ge2
/// bi3 shi4chang3 gao1 yi2 bei4." (我想反映食堂采购没有招标，价格比市场高一倍), then converted by
/// `sox - -r 8000 -c 1 -b 16 -e signed-integer --norm=-3 sample.wav`.
pub const SAMPLE: &[u8] = include_bytes!("sample.wav");
