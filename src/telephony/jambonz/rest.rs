//! jambonz's REST API: how a call stands.

use super::Jambonz;
use super::webhook::is_over;
use crate::telephony::rest::{checked, failed, in_our_words, json};
use crate::telephony::{CallStanding, Finding, ProviderError};

/// A call no jambonz has: asking for it proves address, account and key.
const NO_CALL: &str = "00000000-0000-0000-0000-000000000000";

impl Jambonz {
    /// jambonz forgets a call soon after it has ended: one it does not know is over.
    pub(super) async fn ask_call(&self, call: &str) -> Result<CallStanding, ProviderError> {
        let ended = match self.call_status(call).await {
            Err(ProviderError::NotFound) => true,
            status => is_over(&status?),
        };
        Ok(CallStanding { ended })
    }

    pub(super) async fn look_at_it(&self, public_url: &str) -> Vec<Finding> {
        let found = match self.call_status(NO_CALL).await {
            Ok(_) | Err(ProviderError::NotFound) => Finding::Good(format!(
                "answers; its application calls {public_url}/hooks/{name}/call, and {public_url}/hooks/{name}/status for call status",
                name = self.name
            )),
            Err(error) => Finding::Bad(error.to_string()),
        };
        vec![found]
    }

    async fn call_status(&self, call: &str) -> Result<String, ProviderError> {
        let url = format!(
            "{}/v1/Accounts/{}/Calls/{}",
            self.api_url,
            self.account,
            checked(call)?
        );
        let request = self.client.get(url).bearer_auth(self.api_key.show());
        let answer = request.send().await.map_err(|error| in_our_words(&error))?;
        let call = json(answer).await?;
        // Its documentation has the one name, its own database the other.
        let status = call["call_status"].as_str();
        status
            .or_else(|| call["callStatus"].as_str())
            .map(str::to_owned)
            .ok_or_else(|| failed("the call has no status"))
    }
}

#[cfg(test)]
mod tests;
