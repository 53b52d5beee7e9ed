//! Twilio's REST API: fetch and delete a recording, ask how a call stands, list its recordings.

use super::Twilio;
use super::webhook::is_over;
use crate::hidden::Hidden;
use crate::telephony::rest::{checked, download, failed, in_our_words, json, refusal};
use crate::telephony::{CallStanding, Download, ProviderError, ProviderRecordingId};
use reqwest::{Method, Response, StatusCode};

impl Twilio {
    pub(super) async fn fetch_recording(&self, id: &str) -> Result<Download, ProviderError> {
        let path = format!("Recordings/{}.wav", checked(id)?);
        let answer = self.request(Method::GET, &path).await?;
        download(answer)
    }

    pub(super) async fn delete_recording(&self, id: &str) -> Result<(), ProviderError> {
        let path = format!("Recordings/{}.json", checked(id)?);
        let answer = self.request(Method::DELETE, &path).await?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(()),
            other => Err(refusal(other)),
        }
    }

    pub(super) async fn ask_call(&self, call: &str) -> Result<CallStanding, ProviderError> {
        let path = format!("Calls/{}.json", checked(call)?);
        let call = json(self.request(Method::GET, &path).await?).await?;
        let status = call["status"]
            .as_str()
            .ok_or_else(|| failed("the call has no status"))?;
        Ok(CallStanding {
            ended: is_over(status),
        })
    }

    /// One page of a thousand, which is the most there is: no call has more recordings. Those that never came to
    /// anything, or are gone already, are left out.
    pub(super) async fn list_recordings(
        &self,
        call: &str,
    ) -> Result<Vec<ProviderRecordingId>, ProviderError> {
        let path = format!("Calls/{}/Recordings.json?PageSize=1000", checked(call)?);
        let list = match json(self.request(Method::GET, &path).await?).await {
            Err(ProviderError::NotFound) => return Ok(Vec::new()),
            other => other?,
        };
        let recordings = list["recordings"]
            .as_array()
            .ok_or_else(|| failed("the list has no recordings in it"))?;
        recordings
            .iter()
            .filter(|r| !matches!(r["status"].as_str(), Some("absent" | "deleted")))
            .map(|r| r["sid"].as_str().map(|sid| Hidden::new(sid.to_owned())))
            .collect::<Option<_>>()
            .ok_or_else(|| failed("a recording in the list has no id"))
    }

    /// Asks with the first token, and with the second where the first is refused.
    async fn request(&self, method: Method, path: &str) -> Result<Response, ProviderError> {
        let url = format!(
            "{}/2010-04-01/Accounts/{}/{path}",
            self.api_url, self.account
        );
        for token in &self.tokens {
            let answer = self
                .client
                .request(method.clone(), &url)
                .basic_auth(&self.account, Some(token.show()))
                .send()
                .await
                .map_err(|error| in_our_words(&error))?;
            if answer.status() != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
        }
        Err(ProviderError::Denied)
    }
}

#[cfg(test)]
mod tests;
