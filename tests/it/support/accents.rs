//! Stand-ins for Twilio-like providers, each written from that provider's own documentation.
//!
//! The exchange speaks Twilio's dialect. An [`Interpreter`] stands between it and the service. It translates the
//! exchange's webhooks into the other provider's ids, fields and signature; it checks the service's answers against the
//! verbs and attributes that provider knows, and adapts them to its behaviour; and it forwards the service's REST
//! requests to the exchange. Where the documentation leaves a behaviour open, the worse case is assumed.

mod interpreter;

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dutyline::telephony::signature::{signalwire_sign, somleng_sign};
use ed25519_dalek::{Signer, SigningKey};
pub use interpreter::Interpreter;

/// The provider whose dialect an [`Interpreter`] speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accent {
    SignalWire,
    Somleng,
    Telnyx,
}

/// Account id; accounts of these providers are UUIDs.
const THEIR_ACCOUNT: &str = "7b6f1c2e-5d0a-4c1e-9f3b-2a8d4e6c0b1f";
const THEIR_TOKEN: &str = "their-token";
const SIGNING_KEY: &str = "PSK-their-signing-key";
const TELNYX_KEY: [u8; 32] = [7; 32];

impl Accent {
    /// Returns `toml` with a `[[provider]]` of this kind in place of Twilio's.
    pub fn configured(self, toml: &str, api_url: &str) -> String {
        let keys = match self {
            Self::SignalWire => {
                format!("auth_token = \"{THEIR_TOKEN}\"\nsigning_key = \"{SIGNING_KEY}\"")
            }
            Self::Somleng => {
                format!("auth_token = \"{THEIR_TOKEN}\"\nmedia_hosts = [\"127.0.0.1\"]")
            }
            Self::Telnyx => {
                let public = SigningKey::from_bytes(&TELNYX_KEY).verifying_key();
                let public = STANDARD.encode(public.as_bytes());
                format!(
                    "api_key = \"{THEIR_TOKEN}\"\npublic_key = \"{public}\"\nmedia_hosts = [\"127.0.0.1\"]"
                )
            }
        };
        let start = toml.find("[[provider]]").expect("a provider");
        let end = start + toml[start..].find("[[line]]").expect("a line");
        let kind = self.kind();
        let provider = format!(
            "[[provider]]\nname = \"{kind}\"\nkind = \"{kind}\"\naccount = \"{THEIR_ACCOUNT}\"\napi_url = \"{api_url}\"\n{keys}\n\n"
        );
        format!("{}{provider}{}", &toml[..start], &toml[end..])
    }

    pub fn kind(self) -> &'static str {
        match self {
            Self::SignalWire => "signalwire",
            Self::Somleng => "somleng",
            Self::Telnyx => "telnyx",
        }
    }

    fn account_path(self) -> String {
        match self {
            Self::SignalWire => format!("/api/laml/2010-04-01/Accounts/{THEIR_ACCOUNT}/"),
            Self::Somleng => format!("/2010-04-01/Accounts/{THEIR_ACCOUNT}/"),
            Self::Telnyx => format!("/v2/texml/Accounts/{THEIR_ACCOUNT}/"),
        }
    }

    /// Attributes of a verb, after the provider's documentation (Somleng: the attributes its switch reads).
    fn knows(self, verb: &str) -> &'static [&'static str] {
        match (verb, self) {
            ("Say", _) => &["language", "voice", "loop"],
            ("Play", _) => &["loop"],
            ("Redirect", _) => &["method"],
            ("Response" | "Hangup", _) => &[],
            ("Gather", Self::Telnyx) => &[
                "action",
                "method",
                "input",
                "numDigits",
                "timeout",
                "finishOnKey",
                "minDigits",
                "maxDigits",
                "validDigits",
            ],
            ("Gather", _) => &[
                "action",
                "method",
                "input",
                "numDigits",
                "timeout",
                "finishOnKey",
                "actionOnEmptyResult",
            ],
            ("Record", Self::SignalWire) => &[
                "action",
                "method",
                "maxLength",
                "timeout",
                "finishOnKey",
                "playBeep",
                "trim",
                "recordingStatusCallback",
                "recordingStatusCallbackMethod",
                "recordingStatusCallbackEvent",
            ],
            ("Record", Self::Somleng) => &[
                "action",
                "method",
                "maxLength",
                "timeout",
                "finishOnKey",
                "playBeep",
                "recordingStatusCallback",
                "recordingStatusCallbackMethod",
            ],
            ("Record", Self::Telnyx) => &[
                "action",
                "method",
                "maxLength",
                "timeout",
                "finishOnKey",
                "playBeep",
                "trim",
                "channels",
                "recordingStatusCallback",
                "recordingStatusCallbackMethod",
            ],
            ("Dial", Self::SignalWire) => &[
                "action",
                "method",
                "timeout",
                "timeLimit",
                "callerId",
                "record",
                "trim",
                "recordingStatusCallback",
                "recordingStatusCallbackMethod",
                "recordingStatusCallbackEvent",
            ],
            ("Number", Self::SignalWire) => &["url", "method"],
            _ => panic!("{self:?} is not asked to {verb}"),
        }
    }

    /// Translates an id of the exchange into this provider's format.
    fn theirs(self, id: &str) -> String {
        let digits = &id[2..];
        let call = id.starts_with("CA");
        match self {
            Self::Telnyx if call => format!("v3:{digits}-_"),
            _ => {
                let cut = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
                cut.join("-")
            }
        }
    }

    /// Translates an id of this provider back into the exchange's format.
    fn ours(prefix: &str, id: &str) -> String {
        let digits = id.trim_start_matches("v3:").trim_end_matches("-_");
        format!("{prefix}{}", digits.replace('-', ""))
    }

    fn signed(self, url: &str, form: &[(String, String)], body: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: String| {
            headers.insert(name, value.parse().expect("a header"));
        };
        match self {
            Self::SignalWire => put(
                "x-signalwire-signature",
                signalwire_sign(SIGNING_KEY, url, true, body.as_bytes()),
            ),
            Self::Somleng => put("x-twilio-signature", somleng_sign(THEIR_TOKEN, url, form)),
            Self::Telnyx => {
                let now = dutyline::base::clock::Clock::system()
                    .system_now()
                    .timestamp();
                let key = SigningKey::from_bytes(&TELNYX_KEY);
                let signature = key.sign(format!("{now}|{body}").as_bytes());
                put("telnyx-timestamp", now.to_string());
                put(
                    "telnyx-signature-ed25519",
                    STANDARD.encode(signature.to_bytes()),
                );
            }
        }
        headers
    }
}
