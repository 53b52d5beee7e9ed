//! jambonz's REST API for calls: the status of a call, and lists of calls.

use super::Jambonz;
use super::webhook::is_over;
use crate::telephony::http_client::{checked, failed, in_our_words, json};
use crate::telephony::{CallStanding, Finding, ListedCall, Listing, ProviderError};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

/// Number of calls that are requested per page of the list of calls that are over.
const PAGE: usize = 500;
/// Maximum number of pages read of that list; more are an error.
const MAX_PAGES: u32 = 200;

/// A call id that does not exist at any jambonz. A request for it checks address, account and key: the answer is 404 if
/// they are right.
const NO_CALL: &str = "00000000-0000-0000-0000-000000000000";

impl Jambonz {
    /// Asks whether a call is over. jambonz removes a call soon after its end, so an unknown call is over.
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

    /// Lists callers' calls that began at `since` or later, or at an unknown time. There are two kinds of request,
    /// because jambonz writes a call's record only when the call ends: for the records of calls that are over, and for
    /// the running calls.
    pub(super) async fn list_calls(&self, since: DateTime<Utc>) -> Result<Listing, ProviderError> {
        let start = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut calls = Vec::new();
        let mut pages = 1..=MAX_PAGES;
        loop {
            let Some(page) = pages.next() else {
                return Err(failed("the list has too many pages"));
            };
            let path =
                format!("RecentCalls?page={page}&count={PAGE}&direction=inbound&start={start}");
            let list = self.get(&path).await?;
            let records = list["data"].as_array();
            let records = records.ok_or_else(|| failed("the list has no calls in it"))?;
            for record in records {
                calls.push(listed(record, true)?);
            }
            if records.len() < PAGE {
                break;
            }
        }
        let running = self.get("Calls").await?;
        let running = running.as_array();
        for call in running.ok_or_else(|| failed("the list has no calls in it"))? {
            if call["direction"] != "outbound" {
                calls.push(listed(call, false)?);
            }
        }
        calls.retain(|call| call.began.is_none_or(|began| began >= since));
        Ok(Listing {
            calls,
            recordings: Vec::new(),
        })
    }

    async fn get(&self, path: &str) -> Result<Value, ProviderError> {
        let url = format!("{}/v1/Accounts/{}/{path}", self.api_url, self.account);
        let request = self.client.get(url).bearer_auth(self.api_key.expose());
        json(request.send().await.map_err(|error| in_our_words(&error))?).await
    }

    async fn call_status(&self, call: &str) -> Result<String, ProviderError> {
        let call = self.get(&format!("Calls/{}", checked(call)?)).await?;
        // The API's documentation uses the first name, jambonz's own database the second.
        let status = call["call_status"].as_str();
        status
            .or_else(|| call["callStatus"].as_str())
            .map(str::to_owned)
            .ok_or_else(|| failed("the call has no status"))
    }
}

/// Converts a call of a list: of the calls that are over if `ended`, else of those running.
fn listed(call: &Value, ended: bool) -> Result<ListedCall, ProviderError> {
    let text = |name: &str| call[name].as_str().map(str::to_owned);
    let began = text("attempted_at").and_then(|at| DateTime::parse_from_rfc3339(&at).ok());
    Ok(ListedCall {
        id: text("call_sid")
            .ok_or_else(|| failed("a call in the list has no id"))?
            .into(),
        to: text("to").unwrap_or_default().into(),
        ended,
        began: began.map(|at| at.with_timezone(&Utc)),
    })
}

#[cfg(test)]
mod tests;
