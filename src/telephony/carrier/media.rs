//! Fetches audio from an address on another host, valid for minutes, that a provider's authenticated API returned.
//!
//! A request goes to such an address only over HTTPS, only to a host that the operator has listed, and only if the
//! host's name resolves to a public address. So a party that can falsify the provider's answers cannot make this
//! machine send requests into its own network. Only if the API itself is a stand-in on this machine, the audio is
//! fetched over plain HTTP from this machine instead.

use crate::telephony::http_client::{download, failed, in_our_words, media_client};
use crate::telephony::{Download, ProviderError};
use reqwest::Url;

/// The hosts that audio may be fetched from.
pub struct Media {
    hosts: Vec<String>,
    /// True if the API is a stand-in on this machine, over plain HTTP.
    local: bool,
    client: reqwest::Client,
}

impl Media {
    /// Allows these hosts; each is a name, or `*.` followed by the end of a name. If the API itself is on this machine
    /// (`local`), the audio must be on this machine too.
    ///
    /// # Errors
    ///
    /// When the HTTP client cannot be built, e.g. because this machine has no CA certificates to verify a host with.
    pub fn new(hosts: Vec<String>, local: bool) -> Result<Self, ProviderError> {
        Ok(Self {
            client: media_client(local)?,
            hosts,
            local,
        })
    }

    /// Starts fetching audio, without the account's credentials: the address contains its own. An address that is not
    /// allowed is an error, and no request is sent.
    pub(super) async fn fetch(&self, address: &str) -> Result<Download, ProviderError> {
        let url = Url::parse(address).map_err(|_| failed("the recording's address is none"))?;
        if !self.may(&url) {
            return Err(failed(
                "the recording is at an address that is not among the media_hosts, or not over https",
            ));
        }
        let answer = self.client.get(url).send().await;
        match download(answer.map_err(|error| in_our_words(&error))?) {
            Err(ProviderError::Denied) => Err(failed("the recording's address holds no longer")),
            other => other,
        }
    }

    fn may(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let listed = self
            .hosts
            .iter()
            .any(|entry| match entry.strip_prefix('*') {
                Some(ending) => host.len() > ending.len() && host.ends_with(ending),
                None => host == entry,
            });
        let anonymous = url.username().is_empty() && url.password().is_none();
        let over = match self.local {
            true => url.scheme() == "http" && super::is_loopback(url),
            false => url.scheme() == "https" && url.port().is_none() && url.domain().is_some(),
        };
        listed && anonymous && over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_hosts_over_https_are_asked() {
        let client = crate::telephony::http_client::loopback_client().unwrap();
        let hosts = ["media.example.org", "*.s3.amazonaws.com"].map(str::to_owned);
        let mut media = Media {
            hosts: hosts.to_vec(),
            local: false,
            client,
        };
        let may = |media: &Media, url: &str| media.may(&Url::parse(url).unwrap());
        for good in [
            "https://media.example.org/a?b=c",
            "https://bucket.s3.amazonaws.com/x.wav",
            "https://MEDIA.example.org:443/",
        ] {
            assert!(may(&media, good), "{good}");
        }
        for bad in [
            "http://media.example.org/a",
            "https://media.example.org:8443/a",
            "https://media.example.org.evil.example/a",
            "https://evilmedia.example.org/",
            "https://s3.amazonaws.com/",
            "https://.s3.amazonaws.com.evil.example/",
            "https://u@media.example.org/",
            "https://u:p@media.example.org/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "file:///etc/passwd",
            "ftp://media.example.org/",
        ] {
            assert!(!may(&media, bad), "{bad}");
        }
        media.hosts = vec!["127.0.0.1".to_owned()];
        assert!(!may(&media, "https://127.0.0.1/"), "not by its number");
        media.local = true;
        assert!(may(&media, "http://127.0.0.1:9/x"));
        assert!(!may(&media, "http://127.0.0.2:9/x"));
    }
}
