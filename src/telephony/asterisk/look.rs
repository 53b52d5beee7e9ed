//! Checks of an Asterisk, for an operator before the first call.

use super::{APPLICATION, Asterisk};
use crate::telephony::http_client::json;
use crate::telephony::{Finding, ProviderError};
use reqwest::{Method, StatusCode};

/// The first release of each branch that connects to a WebSocket itself (`websocket_client.conf`).
const FIRST: [(u32, u32); 3] = [(20, 15), (21, 10), (22, 5)];

impl Asterisk {
    pub(super) async fn look_at_it(&self, public_url: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        match self.version().await {
            Ok(version) => found.push(judge(&version)),
            Err(error) => return vec![Finding::Bad(error.to_string())],
        }
        found.push(match self.stored_recordings().await {
            Ok(_) => Finding::Good("the folder of recordings is there".into()),
            Err(error) => Finding::Bad(format!(
                "recordings cannot be listed ({error}); is there a folder `recording` in its spool?"
            )),
        });
        let dials = format!(
            "{}/hooks/{}/ari",
            socket_url(public_url),
            self.settings.name
        );
        found.push(match self.is_connected().await {
            Ok(true) => Finding::Good(format!("it is connected; it dials {dials}")),
            Ok(false) => Finding::Odd(format!(
                "it is not connected; while the service runs it should dial {dials}"
            )),
            Err(error) => Finding::Bad(error.to_string()),
        });
        if self.settings.dial.is_none() {
            found.push(Finding::Odd(
                "no `dial`: nobody of a roster can be rung".into(),
            ));
        }
        found
    }

    async fn version(&self) -> Result<String, ProviderError> {
        let info = json(
            self.request(Method::GET, "asterisk/info?only=system")
                .await?,
        )
        .await?;
        let version = info["system"]["version"].as_str().unwrap_or_default();
        Ok(version.to_owned())
    }

    /// True if Asterisk has connected to the service, which registers the application.
    async fn is_connected(&self) -> Result<bool, ProviderError> {
        let path = format!("applications/{APPLICATION}");
        let status = self.request(Method::GET, &path).await?.status();
        Ok(status == StatusCode::OK)
    }
}

fn judge(version: &str) -> Finding {
    let mut parts = version
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    let (Some(Ok(branch)), Some(Ok(release))) = (parts.next(), parts.next()) else {
        return Finding::Odd(format!("its version {version:?} says nothing"));
    };
    let first = FIRST.iter().find(|(own, _)| *own == branch);
    let newer = FIRST.iter().all(|(own, _)| branch > *own);
    if newer || first.is_some_and(|(_, first)| release >= *first) {
        Finding::Good(format!("answers; it is Asterisk {branch}.{release}"))
    } else {
        Finding::Bad(format!(
            "it is Asterisk {branch}.{release}, which cannot dial us; 20.15, 21.10 and 22.5 are the first that can"
        ))
    }
}

/// The public URL with the scheme of a WebSocket.
fn socket_url(public_url: &str) -> String {
    match public_url.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some((_, rest)) => format!("wss://{rest}"),
        None => public_url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_releases_that_dial_are_good() {
        for (version, good) in [
            ("22.10.1~dfsg+~cs6.17.60671434-1", true),
            ("22.5.0", true),
            ("20.15.2", true),
            ("21.10.0", true),
            ("23.0.0", true),
            ("22.4.1", false),
            ("20.14.9", false),
            ("21.9.0", false),
            ("18.26.0", false),
            ("certified/18.9", false),
            ("", false),
        ] {
            let found = judge(version);
            assert_eq!(
                matches!(found, Finding::Good(_)),
                good,
                "{version}: {found:?}"
            );
        }
    }

    #[test]
    fn sockets_have_schemes_of_their_own() {
        assert_eq!(
            socket_url("https://duty.example.org"),
            "wss://duty.example.org"
        );
        assert_eq!(socket_url("http://127.0.0.1:8080"), "ws://127.0.0.1:8080");
    }
}
