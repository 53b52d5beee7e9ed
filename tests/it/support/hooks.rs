//! Webhooks built by hand: with a valid signature, a wrong one, or none.

use super::{ACCOUNT, Answer, NUMBER, TOKEN, TestLine, api};
use dutyline::base::hidden::Hidden;
use dutyline::simulator::signer;
use dutyline::telephony::StepRef;
use reqwest::Method;

/// Names and values of a form.
pub type Form = Vec<(String, String)>;

/// Public base address of the service in every test.
pub const PUBLIC_URL: &str = "https://duty.example.org";
/// Name of the signature header.
pub const SIGNATURE: &str = "X-Twilio-Signature";
/// Header with the content type of a form.
pub const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// Converts pairs to a form.
pub fn form(pairs: &[(&str, &str)]) -> Form {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

/// Returns the form of a webhook of a call to the default line, with `more`. A name in `more` replaces the default's
/// value.
pub fn call_form(call: &str, more: &[(&str, &str)]) -> Form {
    let mut fields = form(&[
        ("CallSid", call),
        ("AccountSid", ACCOUNT),
        ("From", "+8613800138000"),
        ("To", NUMBER),
        ("CallStatus", "in-progress"),
    ]);
    fields.retain(|(name, _)| more.iter().all(|(other, _)| name != other));
    fields.extend(form(more));
    fields
}

/// Returns the provider's signature, made with `token`, of a form posted to `path`.
pub fn signature(token: &str, path: &str, fields: &Form) -> String {
    let token = Hidden::new(token.to_owned());
    signer::sign(&token, &format!("{PUBLIC_URL}{path}"), fields)
}

/// Returns the form URL-encoded.
pub fn encode(fields: &Form) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
        .into_bytes()
}

/// Returns the path of a public address of the service.
pub fn path_of(url: &str) -> &str {
    url.strip_prefix(PUBLIC_URL).expect("an address of ours")
}

/// Returns the first address in a document that contains `part`, as it is requested: without its fragment.
pub fn address_in(document: &str, part: &str) -> String {
    let document = document.replace("&amp;", "&");
    let addresses = document.split(['"', '<', '>']);
    addresses
        .map(|text| text.split('#').next().unwrap_or_default())
        .filter(|text| text.starts_with(PUBLIC_URL))
        .find(|text| text.contains(part))
        .unwrap_or_else(|| panic!("no address with {part}"))
        .to_owned()
}

impl Answer {
    /// Returns the body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

impl TestLine {
    /// Sends a request to the service with exactly these headers.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let mut request = api::client()
            .request(method, format!("{}{path}", self.url))
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("the service answers");
        Answer {
            status: answer.status(),
            headers: answer.headers().clone(),
            body: answer.bytes().await.expect("a whole answer"),
        }
    }

    /// Posts a form with the provider's signature.
    pub async fn hook(&self, path: &str, fields: &Form) -> Answer {
        self.signed_hook(path, fields, &signature(TOKEN, path, fields))
            .await
    }

    /// Posts a form with this signature.
    pub async fn signed_hook(&self, path: &str, fields: &Form, signature: &str) -> Answer {
        let headers = [FORM, (SIGNATURE, signature)];
        self.request(Method::POST, path, &headers, encode(fields))
            .await
    }

    /// Makes a report without audio within a few milliseconds: posts a recording of a call that this service did not
    /// answer, then posts that the recording is absent.
    pub async fn report_without_audio(&self, call: &str, to: &str) {
        for state in ["completed", "absent"] {
            let fields = call_form(
                call,
                &[
                    ("To", to),
                    ("RecordingSid", &call.replacen("CA", "RE", 1)),
                    ("RecordingStatus", state),
                ],
            );
            let answer = self.hook("/hooks/twilio/recording", &fields).await;
            assert_eq!(answer.status, 204);
        }
    }
}

/// Returns the step whose answer a document waits for, if any.
pub fn step_in(document: &str) -> Option<StepRef> {
    let query = document.split("/step?").nth(1)?;
    let query = query.split(['"', '#']).next()?.replace("&amp;", "&");
    let value = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let found = pairs.find(|(key, _)| key == name);
        found.expect("it is in every address").1.into_owned()
    };
    Some(StepRef {
        call: value("call").parse().unwrap(),
        line: value("line"),
        step: value("step").parse().unwrap(),
        nothing: None,
    })
}
