//! Webhooks of Twilio: signed forms, and those of one call.

use super::{ACCOUNT, TOKEN};
use axum::http::header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha1::Sha1;

/// Base address of the service, as Twilio knows it.
const PUBLIC: &str = "https://duty.example.org";

/// A webhook: the address as it is signed, and the form.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub url: String,
    pub form: Vec<(&'static str, String)>,
}

/// The answer to a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: String,
}

impl Webhook {
    /// "Take the full URL, sort all POST parameters by name, append each name and value to the URL without
    /// delimiters; sign the string with HMAC-SHA1 and your AuthToken as the key; Base64-encode the hash."
    /// <https://www.twilio.com/docs/usage/webhooks/webhooks-security>
    pub fn signature(&self) -> String {
        let mut sorted = self.form.clone();
        sorted.sort();
        let mut text = self.url.clone();
        for (name, value) in &sorted {
            text.push_str(name);
            text.push_str(value);
        }
        let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }

    /// Returns the form URL-encoded.
    pub fn body(&self) -> String {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(&self.form).finish()
    }

    /// Posts the form to the service, which listens at `at` in place of the public address.
    ///
    /// # Errors
    ///
    /// When no complete answer arrives.
    pub async fn post(&self, client: &reqwest::Client, at: &str) -> reqwest::Result<Answered> {
        let url = self.url.replacen(PUBLIC, at, 1);
        assert_ne!(url, self.url, "an address of ours");
        let answer = client
            .post(url)
            .header("X-Twilio-Signature", self.signature())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(self.body())
            .send()
            .await?;
        let content_type = answer.headers().get(header::CONTENT_TYPE);
        Ok(Answered {
            status: answer.status().as_u16(),
            content_type: content_type.map(|kind| kind.to_str().unwrap().to_owned()),
            body: answer.text().await?,
        })
    }
}

impl Answered {
    /// Returns an address in the TwiML as it is requested (without its fragment): the value of an attribute of the
    /// first such verb.
    pub fn address(&self, verb: &str, attribute: &str) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        let (_, tag) = self
            .body
            .split_once(&format!("<{verb}"))
            .unwrap_or_else(|| panic!("a {verb} in {}", self.body));
        let tag = &tag[..tag.find('>').unwrap()];
        let (_, value) = tag
            .split_once(&format!(" {attribute}=\""))
            .unwrap_or_else(|| panic!("a {verb} with {attribute} in {}", self.body));
        value[..value.find(['"', '#']).unwrap()].replace("&amp;", "&")
    }
}

/// One call with one recording, as Twilio's webhooks describe it.
#[derive(Clone, Debug)]
pub struct Story {
    pub call: String,
    pub recording: String,
}

impl Story {
    /// Returns a call with new ids.
    pub fn new() -> Self {
        let sid = |kind: &str| format!("{kind}{}", dutyline::base::clock::random_id().simple());
        Self {
            call: sid("CA"),
            recording: sid("RE"),
        }
    }

    fn webhook(&self, url: String, status: &str, more: Vec<(&'static str, String)>) -> Webhook {
        let mut form = vec![
            ("AccountSid", ACCOUNT.to_owned()),
            ("ApiVersion", "2010-04-01".to_owned()),
            ("CallSid", self.call.clone()),
            ("CallStatus", status.to_owned()),
            ("Direction", "inbound".to_owned()),
            ("From", "+8613800138000".to_owned()),
            ("To", "+8618877009155".to_owned()),
        ];
        form.extend(more);
        Webhook { url, form }
    }

    /// The webhook of an incoming call.
    pub fn incoming(&self) -> Webhook {
        self.webhook(format!("{PUBLIC}/hooks/twilio/call"), "ringing", vec![])
    }

    /// The webhook of a pressed key.
    pub fn key(&self, url: String, key: &str) -> Webhook {
        self.webhook(url, "in-progress", vec![("Digits", key.to_owned())])
    }

    /// The webhook of a recording ended with `#`.
    pub fn recorded(&self, url: String) -> Webhook {
        let more = vec![
            ("RecordingSid", self.recording.clone()),
            ("RecordingUrl", self.recording_url()),
            ("RecordingDuration", "18".to_owned()),
            ("Digits", "#".to_owned()),
        ];
        self.webhook(url, "in-progress", more)
    }

    /// The callback that the recording can be fetched. It contains neither numbers nor the call's status.
    pub fn callback(&self, url: String) -> Webhook {
        let form = vec![
            ("AccountSid", ACCOUNT.to_owned()),
            ("CallSid", self.call.clone()),
            ("RecordingSid", self.recording.clone()),
            ("RecordingUrl", self.recording_url()),
            ("RecordingStatus", "completed".to_owned()),
            ("RecordingDuration", "18".to_owned()),
            ("RecordingChannels", "1".to_owned()),
            ("RecordingSource", "RecordVerb".to_owned()),
        ];
        Webhook { url, form }
    }

    /// The callback that nothing was recorded.
    pub fn absent(&self, url: String) -> Webhook {
        let mut webhook = self.callback(url);
        for (name, value) in &mut webhook.form {
            if *name == "RecordingStatus" {
                *value = "absent".to_owned();
            }
        }
        webhook
    }

    /// The webhook of the inspector's leg, which is a call of its own: answered, or with this key pressed.
    pub fn rung(&self, url: String, key: Option<&str>) -> Webhook {
        let mut form = vec![
            ("AccountSid", ACCOUNT.to_owned()),
            ("ApiVersion", "2010-04-01".to_owned()),
            ("CallSid", self.leg()),
            ("ParentCallSid", self.call.clone()),
            ("CallStatus", "in-progress".to_owned()),
            ("Direction", "outbound-dial".to_owned()),
            ("From", "+8618877009155".to_owned()),
            ("To", "+8613800000001".to_owned()),
        ];
        form.extend(key.map(|key| ("Digits", key.to_owned())));
        Webhook { url, form }
    }

    /// The webhook that the inspector's leg has ended, after a conversation or without one.
    pub fn dialled(&self, url: String, status: &str) -> Webhook {
        let more = vec![
            ("DialCallStatus", status.to_owned()),
            ("DialCallSid", self.leg()),
            ("DialCallDuration", "42".to_owned()),
        ];
        self.webhook(url, "in-progress", more)
    }

    fn leg(&self) -> String {
        self.call
            .chars()
            .rev()
            .take(32)
            .fold("CA".to_owned(), |sid, digit| sid + &digit.to_string())
    }

    /// The webhook that the call is over.
    pub fn status(&self) -> Webhook {
        let more = vec![("CallDuration", "42".to_owned())];
        self.webhook(format!("{PUBLIC}/hooks/twilio/status"), "completed", more)
    }

    /// Returns the recording's address as the webhook has it: one that the service must never request.
    fn recording_url(&self) -> String {
        format!(
            "http://127.0.0.1:9/2010-04-01/Accounts/{ACCOUNT}/Recordings/{}",
            self.recording
        )
    }
}

/// Returns twenty seconds of audio that is not silence: 8,000 samples a second of 16 bits.
pub fn speech() -> Bytes {
    const SAMPLES: u32 = 20 * 8000;
    let mut audio = Vec::new();
    audio.extend_from_slice(b"RIFF");
    audio.extend_from_slice(&(36 + 2 * SAMPLES).to_le_bytes());
    audio.extend_from_slice(b"WAVEfmt ");
    audio.extend_from_slice(&16u32.to_le_bytes());
    for word in [1u16, 1] {
        audio.extend_from_slice(&word.to_le_bytes());
    }
    audio.extend_from_slice(&8000u32.to_le_bytes());
    audio.extend_from_slice(&16000u32.to_le_bytes());
    for word in [2u16, 16] {
        audio.extend_from_slice(&word.to_le_bytes());
    }
    audio.extend_from_slice(b"data");
    audio.extend_from_slice(&(2 * SAMPLES).to_le_bytes());
    let mut noise = 1u32;
    for _ in 0..SAMPLES {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        audio.extend_from_slice(&((noise >> 16) as u16).to_le_bytes());
    }
    audio.into()
}
