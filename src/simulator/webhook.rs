//! One outgoing request as a value, and the client that sends it.
//!
//! The *signed* URL is the public one, below the configured public URL; the *connection* goes to the service's
//! listener. In production a reverse proxy translates between the two.

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use std::fmt;
use std::time::Duration;

/// Time after which a request fails that has no complete answer: 15 seconds, Twilio's limit for webhooks.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum size of the answer to a webhook, in bytes: 64 KiB, Twilio's limit for a TwiML document.
const TWIML_LIMIT: usize = 64 * 1024;

/// A form posted by the exchange. A provider's retry is the same value sent again.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The public URL, which is the one that is signed.
    pub url: String,
    /// Names and values, in the order they are sent.
    pub form: Vec<(String, String)>,
    /// Value of the `X-Twilio-Signature` header.
    pub signature: String,
}

impl Webhook {
    /// Returns the value of the first field with this name; `None` if the form has none.
    pub fn field(&self, name: &str) -> Option<&str> {
        let (_, value) = self.form.iter().find(|(n, _)| n == name)?;
        Some(value)
    }
}

/// Shows no URL, number or signature.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

/// The answer to a webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`; empty if there is none.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// Shows the status only: bodies contain what is said to a caller.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({})", self.status)
    }
}

/// A webhook that was sent, and the answers: one, or two if [`super::faults::Faults::twice`] is set.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What was sent.
    pub webhook: Webhook,
    /// The answers, in the order received. An error says in words why there was no complete answer.
    pub answers: Vec<Result<Answer, String>>,
}

/// Sends webhooks and fetches audio to be played.
pub(super) struct Outgoing {
    client: reqwest::Client,
    /// Scheme, host and port of the service's listener.
    listener: String,
    /// The public URL, without a trailing slash.
    public_url: String,
    /// Path of the webhooks, e.g. `/hooks/simulator`: the same below `listener` and below `public_url`.
    hooks_path: String,
}

impl Outgoing {
    pub(super) fn new(hooks_url: &str, public_url: &str) -> Result<Self, String> {
        // Fails if a cryptography provider is already installed; that one is used then.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let hooks = reqwest::Url::parse(hooks_url)
            .map_err(|error| format!("the address of the hooks is none: {error}"))?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("TwilioProxy/1.1")
            .build()
            .map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Self {
            client,
            listener: hooks.origin().ascii_serialization(),
            public_url: public_url.trim_end_matches('/').to_owned(),
            hooks_path: hooks.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Returns the public URL of a webhook, given its last segment, e.g. `call`.
    pub(super) fn hook(&self, name: &str) -> String {
        format!("{}{}/{name}", self.public_url, self.hooks_path)
    }

    /// Translates a URL below the public URL to one at the service's listener; other URLs are returned unchanged.
    fn address(&self, url: &str) -> String {
        match url.strip_prefix(&self.public_url) {
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => {
                format!("{}{rest}", self.listener)
            }
            _ => url.to_owned(),
        }
    }

    pub(super) async fn post(&self, webhook: &Webhook) -> Result<Answer, String> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&webhook.form)
            .finish();
        let response = self
            .client
            .post(self.address(&webhook.url))
            .header(
                CONTENT_TYPE,
                "application/x-www-form-urlencoded; charset=UTF-8",
            )
            .header("X-Twilio-Signature", &webhook.signature)
            .body(body)
            .send()
            .await
            .map_err(|error| unreachable_because(&error))?;
        let status = response.status().as_u16();
        let (content_type, body) = read(response, TWIML_LIMIT).await?;
        Ok(Answer {
            status,
            content_type,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    /// Fetches audio to play. Fails, with the reason in words, unless the status is 2xx, the `Content-Type` begins
    /// with `audio/` and the body has at most `limit` bytes.
    pub(super) async fn audio(&self, url: &str, limit: usize) -> Result<Bytes, String> {
        let response = self
            .client
            .get(self.address(url))
            .send()
            .await
            .map_err(|error| unreachable_because(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("answered {}", status.as_u16()));
        }
        let (content_type, body) = read(response, limit).await?;
        if !content_type.starts_with("audio/") {
            return Err(format!("it is {content_type:?}, not audio"));
        }
        Ok(body)
    }
}

/// Returns why a request failed, without its URL, which may contain secrets.
fn unreachable_because(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in 15 seconds".to_owned()
    } else if error.is_connect() {
        "connection refused".to_owned()
    } else {
        "the request came to nothing".to_owned()
    }
}

async fn read(mut response: reqwest::Response, limit: usize) -> Result<(String, Bytes), String> {
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(part)) if body.len() + part.len() > limit => {
                return Err(format!("more than {limit} bytes"));
            }
            Ok(Some(part)) => body.extend_from_slice(&part),
            Ok(None) => return Ok((content_type, body.into())),
            Err(_) => return Err("the answer broke off".to_owned()),
        }
    }
}

/// Resolves `reference`, as written in the document at `base`. A fragment is removed, because clients do not send it;
/// the rest of an absolute URL is returned as written, because the signature covers it byte by byte. Fails if a
/// relative reference cannot be resolved.
pub(super) fn resolve(base: &str, reference: &str) -> Result<String, String> {
    let reference = reference.split('#').next().unwrap_or_default();
    if reference.starts_with("http://") || reference.starts_with("https://") {
        return Ok(reference.to_owned());
    }
    reqwest::Url::parse(base)
        .and_then(|base| base.join(reference))
        .map(String::from)
        .map_err(|error| format!("an address that is none: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_lead_to_the_listener() {
        let outgoing = Outgoing::new(
            "http://127.0.0.1:8080/hooks/simulator",
            "https://duty.example.org",
        )
        .unwrap();
        assert_eq!(
            outgoing.hook("call"),
            "https://duty.example.org/hooks/simulator/call"
        );
        let cases = [
            (
                "https://duty.example.org/hooks/x?a=1",
                "http://127.0.0.1:8080/hooks/x?a=1",
            ),
            (
                "https://duty.example.org.evil/x",
                "https://duty.example.org.evil/x",
            ),
            ("https://elsewhere.example/x", "https://elsewhere.example/x"),
        ];
        for (url, address) in cases {
            assert_eq!(outgoing.address(url), address);
        }
    }

    #[test]
    fn relative_addresses_are_those_of_the_document() {
        let base = "https://h.example/hooks/call?x=1";
        let cases = [
            ("https://h.example/a?b=c%20d", "https://h.example/a?b=c%20d"),
            ("/step", "https://h.example/step"),
            ("step?n=2", "https://h.example/hooks/step?n=2"),
            ("", "https://h.example/hooks/call?x=1"),
            ("https://h.example/a#rc=2", "https://h.example/a"),
        ];
        for (reference, url) in cases {
            assert_eq!(resolve(base, reference).unwrap(), url);
        }
    }
}
