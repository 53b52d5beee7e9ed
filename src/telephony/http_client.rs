//! HTTP clients for the providers' REST APIs, with limits and with errors that are safe to log.
//!
//! Requests follow no redirects and accept no compression; all answers are limited in time, and those in JSON in size.
//! The errors of `reqwest` contain addresses, and addresses contain ids, so callers convert them with `in_our_words`.

use super::{Download, ProviderError};
use crate::base::clock::Clock;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_ENCODING, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode, redirect};
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

/// Maximum length of a JSON answer that is read, in bytes.
const MAX_JSON: usize = 1024 * 1024;
/// Maximum time to wait after a provider's `Retry-After`, however long a time that gives.
const MAX_RETRY: Duration = Duration::from_secs(3600);

/// Time limits for requests to a provider's REST API.
#[derive(Clone, Copy, Debug)]
pub struct RestTimeouts {
    /// Maximum time to connect.
    pub connect: Duration,
    /// Maximum time without receiving a byte, before the first one and between any two.
    pub silence: Duration,
    /// Maximum time for the whole request, including the body.
    pub total: Duration,
}

impl Default for RestTimeouts {
    /// 5 seconds to connect, 15 seconds of silence, 5 minutes in total. A recording of 64 MiB then needs 1.8 Mbit/s.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(15),
            total: Duration::from_secs(300),
        }
    }
}

/// Creates a client for providers' REST APIs over https, with the default time limits.
///
/// # Errors
///
/// When this machine has no CA certificates to verify a provider with.
pub fn rest_client() -> Result<reqwest::Client, ProviderError> {
    rest_client_with(RestTimeouts::default())
}

/// Creates a client for providers' REST APIs: follows no redirects, uses no proxy from the environment.
///
/// # Errors
///
/// When this machine has no CA certificates to verify a provider with.
pub fn rest_client_with(timeouts: RestTimeouts) -> Result<reqwest::Client, ProviderError> {
    built(builder(timeouts))
}

/// Creates a client for a provider on this machine, over plain HTTP, with the default time limits. It trusts no
/// certificate, and so needs none on this machine.
///
/// # Errors
///
/// When the client cannot be built; no case is known.
pub fn loopback_client() -> Result<reqwest::Client, ProviderError> {
    loopback_client_with(RestTimeouts::default())
}

pub(super) fn loopback_client_with(
    timeouts: RestTimeouts,
) -> Result<reqwest::Client, ProviderError> {
    built(builder(timeouts).tls_certs_only([]))
}

/// Creates a client for addresses that a provider hands out: over HTTPS, and only to public addresses. With `local`,
/// for a stand-in on this machine, the callers of this function restrict the addresses to this machine.
pub(super) fn media_client(local: bool) -> Result<reqwest::Client, ProviderError> {
    match local {
        true => loopback_client(),
        false => built(public_only(builder(RestTimeouts::default()))),
    }
}

fn public_only(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder.https_only(true).dns_resolver(PublicAddresses)
}

/// Resolves names to public addresses only. The address checked is the address connected to, so a second DNS answer
/// cannot evade the check.
struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
            match public.is_empty() {
                true => Err("the name leads to no public address".into()),
                false => Ok(Box::new(public.into_iter()) as Addrs),
            }
        })
    }
}

/// True if an address belongs to the public Internet, according to IANA's registries of special-purpose addresses.
/// False for an IPv6 address that stands for an IPv4 one.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (b == 18 || b == 19)))
        }
        // Only globally routed addresses (2000::/3), except those in it that stand for something else: 2001::/23
        // (protocols, Teredo, benchmarks), documentation, 6to4.
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            (0x2000..0x4000).contains(&a)
                && !(a == 0x2001 && (b < 0x200 || b == 0xdb8))
                && a != 0x2002
                && !(a == 0x3fff && b < 0x1000)
        }
    }
}

fn builder(timeouts: RestTimeouts) -> reqwest::ClientBuilder {
    // An error means that a cryptography provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.silence)
        .timeout(timeouts.total)
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, ProviderError> {
    builder
        .build()
        .map_err(|_| failed("no client could be made; are there CA certificates on this machine?"))
}

/// True if `id` may be put into an address's path: 1 to 128 letters and digits of ASCII and `_.:-`, neither `.` nor
/// with `..` in it. Other properties of an id are not checked, because ids are opaque.
pub(crate) fn is_id(id: &str) -> bool {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    !id.is_empty() && id.len() <= 128 && id.bytes().all(usual) && id != "." && !id.contains("..")
}

/// Returns the id if it may be put into an address. Otherwise the error is [`ProviderError::Failed`], not
/// [`ProviderError::NotFound`]: that could count as proof that a recording was deleted, although no request was made.
pub(super) fn checked(id: &str) -> Result<&str, ProviderError> {
    if is_id(id) {
        Ok(id)
    } else {
        Err(failed("the id is none of this provider's"))
    }
}

/// Returns the body of an answer as a recording. An answer with a status other than 200 or with compression is an
/// error.
pub(super) fn download(answer: Response) -> Result<Download, ProviderError> {
    if answer.status() != StatusCode::OK {
        return Err(refused(&answer));
    }
    if is_encoded(answer.headers()) {
        return Err(failed("the recording came compressed"));
    }
    Ok(Download {
        length: answer.content_length(),
        body: answer
            .bytes_stream()
            .map(|chunk| chunk.map_err(|error| in_our_words(&error)))
            .boxed(),
    })
}

/// Reads an answer in JSON. Another status than 200, more than [`MAX_JSON`] bytes, or other content is an error.
pub(super) async fn json(mut answer: Response) -> Result<Value, ProviderError> {
    if answer.status() != StatusCode::OK {
        return Err(refused(&answer));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| in_our_words(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_JSON {
            return Err(failed("the answer is too long"));
        }
    }
    super::json::read(&body).map_err(|_| failed("the answer is not JSON"))
}

/// True if there is a `Content-Encoding` other than `identity`. No request asks for compression; the bytes received
/// would not be the recording's.
fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|encoding| encoding != "identity")
}

/// Returns the error for an answer that is not a success: [`ProviderError::Busy`] for 429 and 503 with a readable
/// `Retry-After`, otherwise that of [`refusal`].
pub(super) fn refused(answer: &Response) -> ProviderError {
    let busy = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    let header = answer.headers().get(RETRY_AFTER);
    let wait = header
        .and_then(|value| value.to_str().ok())
        .and_then(|value| retry_after(value, Clock::system().system_now()));
    match wait {
        Some(wait) if busy.contains(&answer.status()) => ProviderError::Busy(wait),
        _ => refusal(answer.status()),
    }
}

/// Parses `Retry-After`: seconds or a date, limited to [`MAX_RETRY`]. `None` when it cannot be read.
fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number of seconds that does not fit in 64 bits exceeds the maximum.
        value.parse().map_or(MAX_RETRY, Duration::from_secs)
    } else {
        let at: DateTime<Utc> = httpdate::parse_http_date(value).ok()?.into();
        (at - now).to_std().unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY))
}

pub(super) fn refusal(status: StatusCode) -> ProviderError {
    match status {
        StatusCode::NOT_FOUND => ProviderError::NotFound,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ProviderError::Denied,
        other => ProviderError::Failed(format!("it answered with status {}", other.as_u16())),
    }
}

pub(super) fn in_our_words(error: &reqwest::Error) -> ProviderError {
    failed(if error.is_timeout() {
        "it took too long"
    } else if error.is_connect() {
        "it could not be reached"
    } else if error.is_body() || error.is_decode() {
        "the answer was cut short"
    } else {
        "the request failed"
    })
}

pub(super) fn failed(why: &str) -> ProviderError {
    ProviderError::Failed(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_retry_after_asks_for_is_an_hour_at_most() {
        let now = "2024-03-06T01:00:00Z".parse().unwrap();
        for (value, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("3601", Some(3600)),
            ("99999999999999999999999999", Some(3600)),
            ("Wed, 06 Mar 2024 01:10:00 GMT", Some(600)),
            ("Wednesday, 06-Mar-24 01:10:00 GMT", Some(600)),
            ("Wed Mar  6 01:10:00 2024", Some(600)),
            ("Wed, 06 Mar 2024 00:10:00 GMT", Some(0)),
            ("Fri, 06 Mar 2026 01:10:00 GMT", Some(3600)),
            ("", None),
            ("-5", None),
            ("soon", None),
            ("1.5", None),
        ] {
            let wait = retry_after(value, now);
            assert_eq!(wait, seconds.map(Duration::from_secs), "{value:?}");
        }
    }

    #[test]
    fn what_is_public_is_told_from_what_is_not() {
        for public in [
            "8.8.8.8",
            "100.63.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:808:808::1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_not_known() {
        // Trusts no certificate, so that the test needs none on its machine. The name is refused before any would be
        // presented.
        let builder = public_only(builder(RestTimeouts::default())).tls_certs_only([]);
        let client = built(builder).unwrap();
        let error = client.get("https://localhost/").send().await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
        assert!(
            format!("{error:?}").contains("no public address"),
            "{error:?}"
        );
    }
}
