//! Correctly signed requests, each scheme's check of one, and the part of it that is signed.

use crate::support::dice::Dice;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dutyline::telephony::form::decode_lenient;
use dutyline::telephony::signature::{
    SignedBody, jambonz_fits, jambonz_sign, signalwire_fits, signalwire_sign, somleng_fits,
    somleng_sign, telnyx_fits, twilio_settings_fits, twilio_settings_sign, twilio_sign,
    twilio_signature_fits,
};
use ed25519_dalek::{Signer, SigningKey};
use std::collections::BTreeSet;

/// The time of all timestamped signatures.
pub const NOW: i64 = 1_760_000_000;

/// The account in every request.
pub const ACCOUNT: &str = "AC00112233445566778899aabbccddeeff";

const FORM: &str = "application/x-www-form-urlencoded";

/// A request as it is transmitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub url: String,
    /// Relevant headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Signed {
    /// Returns a header's value without surrounding spaces, which servers remove. `None` if it occurs twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|header| header.0 == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value.trim_matches(' ')),
            _ => None,
        }
    }

    pub fn is_form(&self) -> bool {
        let media = self.header("content-type").unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        self.body.is_empty() || media.eq_ignore_ascii_case(FORM)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Twilio,
    TwilioSettings,
    SignalWireForm,
    SignalWireRaw,
    Somleng,
    Telnyx,
    Jambonz,
}

impl Scheme {
    pub const ALL: [Self; 7] = [
        Self::Twilio,
        Self::TwilioSettings,
        Self::SignalWireForm,
        Self::SignalWireRaw,
        Self::Somleng,
        Self::Telnyx,
        Self::Jambonz,
    ];

    pub fn secret(self) -> String {
        format!("the secret of {self:?}")
    }

    fn key(self) -> SigningKey {
        SigningKey::from_bytes(&[42; 32])
    }

    fn signature_header(self) -> &'static str {
        match self {
            Self::Twilio | Self::TwilioSettings | Self::Somleng => "x-twilio-signature",
            Self::SignalWireForm | Self::SignalWireRaw => "x-signalwire-signature",
            Self::Telnyx => "telnyx-signature-ed25519",
            Self::Jambonz => "jambonz-signature",
        }
    }

    /// Returns the public key of the scheme that has one, in base64.
    pub fn public_key(self) -> String {
        STANDARD.encode(self.key().verifying_key().as_bytes())
    }

    /// Returns a signed request of a test's caller.
    pub fn signed(self, at: i64, dice: &mut Dice) -> Signed {
        let url = url(dice);
        self.signed_to(url, at, dice)
    }

    /// Returns a signed request to this address.
    pub fn signed_to(self, url: String, at: i64, dice: &mut Dice) -> Signed {
        let json = matches!(self, Self::SignalWireRaw | Self::Jambonz);
        let fields = fields(dice);
        let body = if json {
            serde_json::to_vec(&fields.iter().cloned().collect::<serde_json::Map<_, _>>())
                .expect("JSON")
        } else {
            form(&fields)
        };
        self.signed_body(url, at, body)
    }

    /// Returns a signed request to this address with this body.
    pub fn signed_body(self, url: String, at: i64, body: Vec<u8>) -> Signed {
        let json = matches!(self, Self::SignalWireRaw | Self::Jambonz);
        let fields = decode_lenient(if json { b"" } else { &body });
        let secret = self.secret();
        let signature = match self {
            Self::Twilio => twilio_sign(&secret, &url, &fields),
            Self::TwilioSettings => twilio_settings_sign(&secret, &url, &fields),
            Self::Somleng => somleng_sign(&secret, &url, &fields),
            Self::SignalWireForm | Self::SignalWireRaw => {
                signalwire_sign(&secret, &url, !json, &body)
            }
            Self::Telnyx => {
                let text = [format!("{at}|").as_bytes(), &body].concat();
                STANDARD.encode(self.key().sign(&text).to_bytes())
            }
            Self::Jambonz => jambonz_sign(&secret, &body, at),
        };
        let media = if json { "application/json" } else { FORM };
        let mut headers = vec![
            ("content-type".to_owned(), media.to_owned()),
            (self.signature_header().to_owned(), signature),
        ];
        match self {
            Self::TwilioSettings => headers.push((
                "x-twilio-webhooks-signature-settings".to_owned(),
                "key=webhooks_sharedkey_01k9,algorithm=HMAC_SHA256".to_owned(),
            )),
            Self::Telnyx => headers.push(("telnyx-timestamp".to_owned(), at.to_string())),
            _ => {}
        }
        Signed { url, headers, body }
    }

    /// True if the scheme's check accepts the request.
    pub fn takes(self, request: &Signed) -> bool {
        self.asks(request).unwrap_or(false)
    }

    fn asks(self, request: &Signed) -> Option<bool> {
        let signature = request.header(self.signature_header())?;
        let secret = self.secret();
        let secrets = [secret.as_str()];
        let fields = decode_lenient(&request.body);
        let body = if request.is_form() {
            SignedBody::Form(&fields)
        } else {
            SignedBody::Raw(&request.body)
        };
        let url = &request.url;
        Some(match self {
            Self::Twilio => twilio_signature_fits(&secrets, url, body, signature),
            Self::TwilioSettings => {
                let settings = request.header("x-twilio-webhooks-signature-settings")?;
                twilio_settings_fits(&secrets, settings, url, body, signature)
            }
            Self::Somleng => request.is_form() && somleng_fits(&secrets, url, &fields, signature),
            Self::SignalWireForm | Self::SignalWireRaw => {
                signalwire_fits(&secrets, url, request.is_form(), &request.body, signature)
            }
            Self::Telnyx => {
                let keys = [self.key().verifying_key()];
                let timestamp = request.header("telnyx-timestamp")?;
                telnyx_fits(&keys, timestamp, &request.body, signature, NOW)
            }
            Self::Jambonz => jambonz_fits(&secrets, signature, &request.body, NOW),
        })
    }

    /// True if both requests have the same signed content and the same signature.
    pub fn same(self, one: &Signed, other: &Signed) -> bool {
        let signature = self.signature_header();
        let signatures = (one.header(signature), other.header(signature));
        let (Some(first), Some(second)) = signatures else {
            return false;
        };
        match self {
            Self::Jambonz => one.body == other.body && holds(second, first),
            Self::Telnyx => {
                let at = |request: &Signed| request.header("telnyx-timestamp").map(str::to_owned);
                first == second && one.body == other.body && at(one) == at(other)
            }
            Self::SignalWireRaw => {
                first == second && one.url == other.url && one.body == other.body
            }
            Self::TwilioSettings if settings(one) != settings(other) => false,
            _ => {
                first == second
                    && one.is_form() == other.is_form()
                    && self.content(one) == self.content(other)
            }
        }
    }

    /// Returns the signed part of an address and a form, where that is one text.
    fn content(self, request: &Signed) -> String {
        let fields = decode_lenient(&request.body);
        let joined = |fields: &[&(String, String)]| -> String {
            let texts = fields.iter().map(|field| format!("{}{}", field.0, field.1));
            texts.collect()
        };
        match self {
            Self::Twilio | Self::TwilioSettings => {
                let sorted: Vec<_> = BTreeSet::from_iter(&fields).into_iter().collect();
                without_port(&request.url, |_| true).replace('\'', "%27") + &joined(&sorted)
            }
            Self::Somleng => {
                let mut sorted: Vec<_> = fields.iter().collect();
                sorted.sort();
                request.url.clone() + &joined(&sorted)
            }
            _ => {
                let mut sorted: Vec<_> = fields.iter().collect();
                sorted.sort_by_key(|field| &field.0);
                let standard = if request.url.starts_with("https:") {
                    "443"
                } else {
                    "80"
                };
                without_port(&request.url, |port| port == standard) + &joined(&sorted)
            }
        }
    }
}

fn settings(request: &Signed) -> Option<String> {
    let settings = request.header("x-twilio-webhooks-signature-settings")?;
    let mut named = settings
        .split(',')
        .filter_map(|part| part.split_once('='))
        .filter(|part| part.0.trim() == "algorithm");
    match (named.next(), named.next()) {
        (Some((_, algorithm)), None) => Some(algorithm.trim().to_uppercase()),
        _ => None,
    }
}

/// True if jambonz's header `whole` still holds the time and the signature of `part`, and no second time.
fn holds(whole: &str, part: &str) -> bool {
    let times = whole.split(',').filter(|item| item.starts_with("t="));
    times.count() == 1
        && part
            .split(',')
            .all(|item| whole.split(',').any(|other| other == item))
}

fn without_port(url: &str, drop: impl Fn(&str) -> bool) -> String {
    let Some(start) = url.find("://").map(|at| at + 3) else {
        return url.to_owned();
    };
    let end = url[start..]
        .find(['/', '?'])
        .map_or(url.len(), |at| start + at);
    let host = url[start..end].rfind('@').map_or(start, |at| start + at);
    match url[host..end].rfind(':').map(|at| host + at) {
        Some(colon) if drop(&url[colon + 1..end]) => format!("{}{}", &url[..colon], &url[end..]),
        _ => url.to_owned(),
    }
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

fn url(dice: &mut Dice) -> String {
    let port = dice.pick(&["", "", "", ":443", ":8443"]);
    let call = dice.text(LETTERS, 9);
    let step = dice.below(99);
    let query = dice.pick(&["", "?line=gx", "?line=it's&x=%E6%98%AF", "?a=1&b=2"]);
    format!("https://duty.example{port}/hooks/carrier/step/{call}/{step}{query}")
}

fn fields(dice: &mut Dice) -> Vec<(String, serde_json::Value)> {
    let numbers = ["+8618877009155", "anonymous", "+861012345", ""];
    let mut fields = vec![
        ("CallSid", format!("CA{:032x}", dice.roll())),
        ("AccountSid", ACCOUNT.to_owned()),
        ("From", dice.pick(&numbers).to_owned()),
        ("To", dice.pick(&numbers).to_owned()),
        (
            "CallStatus",
            dice.pick(&["ringing", "completed"]).to_owned(),
        ),
    ];
    if dice.one_in(2) {
        fields.push(("Digits", dice.text("0123456789*#", 4)));
    }
    if dice.one_in(3) {
        fields.push(("CallerName", dice.text("张三 é&=+%", 6)));
    }
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

fn form(fields: &[(String, serde_json::Value)]) -> Vec<u8> {
    let pairs = fields
        .iter()
        .map(|(name, value)| (name, value.as_str().expect("text")));
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
        .into_bytes()
}
