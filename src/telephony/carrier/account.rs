//! A REST API in Twilio's shape: fetch and delete a recording, ask how a call stands, list recordings and calls.
//!
//! Every address is made from the configuration and an id, never from one a webhook names. The one exception comes from
//! the authenticated API itself, and [`Media`] looks at it: where the sound is, for a provider that keeps it elsewhere.

use super::media::Media;
use super::webhook::is_over;
use crate::hidden::Hidden;
use crate::telephony::rest::{checked, download, failed, in_our_words, json, refused};
use crate::telephony::{
    CallStanding, Download, ListedCall, ListedRecording, Listing, ProviderError,
    ProviderRecordingId,
};
use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::header::LOCATION;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

/// The most pages of a list that are read: two hundred calls or recordings each, well within the longest answer read.
const MOST_PAGES: usize = 500;

/// What opens the API.
pub(in crate::telephony) enum Credentials {
    /// The account and its token; a second one while it is being replaced.
    Basic(Vec<Hidden<String>>),
    /// A key of its own (RFC 6750).
    Bearer(Hidden<String>),
}

/// Where a recording's sound is.
pub(in crate::telephony) enum Sound {
    /// At the recording's own address; a redirect from there is followed where it may lead.
    Here(Option<Media>),
    /// At an address that the API hands out for minutes, under this one: `…/{id}`.
    HandedOut(String, Media),
}

/// An account at a provider.
pub(in crate::telephony) struct Account {
    /// Its id.
    pub id: String,
    pub credentials: Credentials,
    /// Scheme, host and port of the API.
    pub origin: String,
    /// Everything about the account stands under this path.
    pub path: String,
    /// What a call's address ends in: `.json`, or nothing.
    pub call_suffix: &'static str,
    pub sound: Sound,
    pub client: reqwest::Client,
}

impl Account {
    /// What was recorded, from where it is now.
    pub async fn fetch_recording(&self, id: &str) -> Result<Download, ProviderError> {
        let id = checked(id)?;
        match &self.sound {
            Sound::Here(media) => {
                let answer = self.get(&format!("Recordings/{id}.wav")).await?;
                match media {
                    Some(media) if answer.status().is_redirection() => {
                        let to = answer.headers().get(LOCATION);
                        let to = to.and_then(|to| to.to_str().ok()).unwrap_or_default();
                        media.fetch(to).await
                    }
                    _ => download(answer),
                }
            }
            Sound::HandedOut(path, media) => {
                let url = format!("{}{path}/{id}", self.origin);
                let recording = json(self.request(Method::GET, &url).await?).await?;
                let recording = &recording["data"];
                let addresses = &recording["download_urls"];
                match addresses["wav"].as_str() {
                    Some(address) => media.fetch(address).await,
                    None if addresses["mp3"].is_string() => Err(failed(
                        "the recording is there as mp3 alone, and a wav is needed",
                    )),
                    // Announced before it is made up.
                    None => Err(ProviderError::NotFound),
                }
            }
        }
    }

    /// Where it is fetched: a "not found" there proves that it cannot be fetched any more.
    pub async fn delete_recording(&self, id: &str) -> Result<(), ProviderError> {
        let id = checked(id)?;
        // Telnyx answers with what it has deleted, the others with nothing.
        let (url, deleted) = match &self.sound {
            Sound::Here(_) => (
                self.at(&format!("Recordings/{id}.json")),
                StatusCode::NO_CONTENT,
            ),
            Sound::HandedOut(path, _) => (format!("{}{path}/{id}", self.origin), StatusCode::OK),
        };
        let answer = self.request(Method::DELETE, &url).await?;
        match answer.status() {
            status if status == deleted => Ok(()),
            _ => Err(refused(&answer)),
        }
    }

    pub async fn ask_call(&self, call: &str) -> Result<CallStanding, ProviderError> {
        let path = format!("Calls/{}{}", checked(call)?, self.call_suffix);
        let call = json(self.get(&path).await?).await?;
        let status = call["status"]
            .as_str()
            .ok_or_else(|| failed("the call has no status"))?;
        Ok(CallStanding {
            ended: is_over(status),
        })
    }

    /// One page of a thousand, which is the most there is: no call has more recordings. In the order they were made, as
    /// far as their times tell; those that never came to anything, or are gone already, are left out.
    pub async fn recordings_of(
        &self,
        call: &str,
    ) -> Result<Vec<ProviderRecordingId>, ProviderError> {
        let path = format!("Calls/{}/Recordings.json?PageSize=1000", checked(call)?);
        let list = match json(self.get(&path).await?).await {
            Err(ProviderError::NotFound) => return Ok(Vec::new()),
            other => other?,
        };
        let mut there: Vec<&Value> = items(&list, "recordings")?
            .iter()
            .filter(|recording| is_there(recording))
            .collect();
        there.sort_by_key(|recording| time(&recording["date_created"]));
        there
            .iter()
            .map(|recording| text(recording, "sid"))
            .collect()
    }

    /// Calls that began, and recordings that were made, at `since` or later.
    pub async fn list(&self, since: DateTime<Utc>) -> Result<Listing, ProviderError> {
        let day = since.format("%Y-%m-%d");
        let instant = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        // The names of these two parameters end in `>`: "StartTime>=…", "DateCreated>=…".
        let calls = format!("Calls.json?PageSize=200&StartTime%3E={day}");
        let calls = self.pages(&calls, "calls").await?;
        let recordings = format!("Recordings.json?PageSize=200&DateCreated%3E={instant}");
        let recordings = self.pages(&recordings, "recordings").await?;
        // Asked for by the day, or by a parameter the provider does not know: what is older is left out here. What has
        // no time that can be read is kept, it may be new.
        let is_new = |at: &Option<DateTime<Utc>>| at.is_none_or(|at| at >= since);
        let calls = calls.iter().map(|call| {
            Ok(ListedCall {
                id: text(call, "sid")?,
                to: text(call, "to").unwrap_or_default(),
                ended: call["status"].as_str().is_some_and(is_over),
                began: time(&call["start_time"]).or_else(|| time(&call["date_created"])),
            })
        });
        let recordings = recordings.iter().filter(|recording| is_there(recording));
        let recordings = recordings.map(|recording| {
            Ok(ListedRecording {
                id: text(recording, "sid")?,
                call: text(recording, "call_sid").ok(),
                made: time(&recording["date_created"]),
            })
        });
        let mut calls = calls.collect::<Result<Vec<ListedCall>, ProviderError>>()?;
        calls.retain(|call| is_new(&call.began));
        let mut recordings = recordings.collect::<Result<Vec<ListedRecording>, ProviderError>>()?;
        recordings.retain(|recording| is_new(&recording.made));
        Ok(Listing { calls, recordings })
    }

    /// Is the account there, and do the credentials open it?
    pub async fn look(&self) -> Result<(), ProviderError> {
        let list = json(self.get("Recordings.json?PageSize=1").await?).await?;
        items(&list, "recordings").map(drop)
    }

    /// All items of a list. The address of the next page comes from the API; only its path is taken.
    async fn pages(&self, first: &str, name: &str) -> Result<Vec<Value>, ProviderError> {
        let mut found = Vec::new();
        let mut url = self.at(first);
        for _ in 0..MOST_PAGES {
            let page = json(self.request(Method::GET, &url).await?).await?;
            found.extend(items(&page, name)?.iter().cloned());
            match page["next_page_uri"].as_str() {
                Some(next) if next.starts_with(&self.path) => {
                    url = format!("{}{next}", self.origin);
                }
                None | Some("") => return Ok(found),
                Some(_) => return Err(failed("the next page is not the account's")),
            }
        }
        Err(failed("the list has too many pages"))
    }

    fn at(&self, path: &str) -> String {
        format!("{}{}/{path}", self.origin, self.path)
    }

    async fn get(&self, path: &str) -> Result<Response, ProviderError> {
        self.request(Method::GET, &self.at(path)).await
    }

    /// Asks with the first token, and with the second where the first is refused.
    async fn request(&self, method: Method, url: &str) -> Result<Response, ProviderError> {
        let request = || self.client.request(method.clone(), url);
        let attempts: Vec<_> = match &self.credentials {
            Credentials::Basic(tokens) => tokens
                .iter()
                .map(|token| request().basic_auth(&self.id, Some(token.show())))
                .collect(),
            Credentials::Bearer(key) => vec![request().bearer_auth(key.show())],
        };
        for attempt in attempts {
            let answer = attempt.send().await.map_err(|error| in_our_words(&error))?;
            if answer.status() != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
        }
        Err(ProviderError::Denied)
    }
}

fn items<'a>(list: &'a Value, name: &str) -> Result<&'a Vec<Value>, ProviderError> {
    list[name]
        .as_array()
        .ok_or_else(|| failed("the list has nothing of what was asked for in it"))
}

fn is_there(recording: &Value) -> bool {
    !matches!(recording["status"].as_str(), Some("absent" | "deleted"))
}

fn text(item: &Value, name: &str) -> Result<Hidden<String>, ProviderError> {
    let text = item[name].as_str().map(|text| Hidden::new(text.to_owned()));
    text.ok_or_else(|| failed("something in the list has no id"))
}

/// A time as Twilio writes it (RFC 2822), or as others do (RFC 3339).
fn time(value: &Value) -> Option<DateTime<Utc>> {
    let text = value.as_str()?;
    let time = DateTime::parse_from_rfc2822(text).or_else(|_| DateTime::parse_from_rfc3339(text));
    Some(time.ok()?.with_timezone(&Utc))
}

#[cfg(test)]
mod tests;
