//! A REST API in Twilio's shape: fetch and delete a recording, ask whether a call has ended, list recordings and calls.
//!
//! Every address is built from the configuration and an id, never from an address in a webhook. Two come from the
//! authenticated API itself: the path of a list's next page, which must be below the account's, and the address of a
//! recording's audio where the provider keeps audio elsewhere, which is checked by [`Media`].

use super::media::Media;
use super::webhook::is_over;
use crate::base::hidden::Hidden;
use crate::line::number::Caller;
use crate::telephony::http_client::{checked, download, failed, in_our_words, json, refused};
use crate::telephony::{
    CallStanding, Download, ListedCall, ListedRecording, Listing, Origin, ProviderError,
    ProviderRecordingId,
};
use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::header::LOCATION;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use std::fmt;

/// Maximum number of pages read of one list. Requested are pages of 200 calls or recordings, or of 1,000 recordings of
/// one call; such a page is usually well below the maximum length of a JSON answer.
const MAX_PAGES: usize = 500;

/// Suffix of addresses that answer in JSON.
pub(in crate::telephony) const JSON: &str = ".json";

/// Credentials of the API.
pub(in crate::telephony) enum Credentials {
    /// The tokens, each used with the account's id (HTTP Basic, RFC 7617): one, or two while one is being replaced.
    Basic(Vec<Hidden<String>>),
    /// A bearer key (RFC 6750).
    Bearer(Hidden<String>),
}

/// How a provider's documentation spells the addresses below an account: the suffix of each, `.json` or nothing. A
/// provider may accept both, and answers 404 to a spelling it does not know.
pub(in crate::telephony) struct Spelling {
    /// `Calls/{id}`.
    pub call: &'static str,
    /// `Calls`, the list.
    pub calls: &'static str,
    /// `Recordings/{id}`: a recording's properties, and the address for deletion.
    pub recording: &'static str,
    /// `Recordings`, the list, and `Calls/{id}/Recordings` where it exists.
    pub recordings: &'static str,
    /// True if the recordings of a call are listed below the call. If false, they are in the list of all recordings of
    /// the account, which can be filtered by call.
    pub below_calls: bool,
}

/// Where a recording's audio is.
pub(in crate::telephony) enum Sound {
    /// At the recording's own address. A redirect is followed only to an address that [`Media`] allows; without one,
    /// none is followed.
    Here(Option<Media>),
    /// At an address valid for minutes, which the API returns at `{path}/{id}`; `path` is the first field.
    HandedOut(String, Media),
}

/// An account at a provider.
pub(in crate::telephony) struct Account {
    /// The account's id.
    pub id: String,
    pub credentials: Credentials,
    /// The REST address of the API, usually scheme, host and port; without a trailing slash.
    pub origin: String,
    /// The path that all addresses of the account are below.
    pub path: String,
    pub spelling: Spelling,
    pub sound: Sound,
    /// True if ids stay valid when the account moves to another address: the simulator, which uses another port at each
    /// start.
    pub moves: bool,
    pub client: reqwest::Client,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.moves {
            true => write!(f, "account {}", self.id),
            false => write!(f, "account {} at {}", self.id, self.origin),
        }
    }
}

impl Account {
    /// Starts fetching the audio of a recording.
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
                    // The API announces a recording before its audio exists.
                    None => Err(ProviderError::NotFound),
                }
            }
        }
    }

    /// Requests the deletion of a recording. Neither success nor a 404 proves that it is gone; [`Self::is_gone`] does.
    pub async fn delete_recording(&self, id: &str) -> Result<(), ProviderError> {
        let id = checked(id)?;
        // Telnyx answers 200 with what it deleted, the others 204.
        let (answer, deleted) = match &self.sound {
            Sound::Here(_) => {
                let path = format!("Recordings/{id}");
                let answer = self.spelled(Method::DELETE, &path, self.spelling.recording, "");
                (answer.await?, StatusCode::NO_CONTENT)
            }
            Sound::HandedOut(path, _) => {
                let url = format!("{}{path}/{id}", self.origin);
                (self.request(Method::DELETE, &url).await?, StatusCode::OK)
            }
        };
        match answer.status() {
            status if status == deleted => Ok(()),
            _ => Err(refused(&answer)),
        }
    }

    /// True if the address from which a recording is fetched answers 404 (for [`Sound::HandedOut`]: the one that
    /// returns the audio's address); false if it answers with success or a redirect. A 404 counts only if the account's
    /// list of recordings answers: an API that answers 404 to everything proves nothing.
    ///
    /// # Errors
    ///
    /// With any other answer, or when the list does not answer.
    pub async fn is_gone(&self, id: &str) -> Result<bool, ProviderError> {
        let id = checked(id)?;
        let url = match &self.sound {
            Sound::Here(_) => self.at(&format!("Recordings/{id}.wav")),
            Sound::HandedOut(path, _) => format!("{}{path}/{id}", self.origin),
        };
        let answer = self.request(Method::GET, &url).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => match self.look().await {
                Err(ProviderError::NotFound) => {
                    Err(failed("it does not find the account's recordings either"))
                }
                looked => looked.map(|()| true),
            },
            status if status.is_success() || status.is_redirection() => Ok(false),
            _ => Err(refused(&answer)),
        }
    }

    pub async fn ask_call(&self, call: &str) -> Result<CallStanding, ProviderError> {
        let call = self.call(call).await?;
        let status = call["status"]
            .as_str()
            .ok_or_else(|| failed("the call has no status"))?;
        Ok(CallStanding {
            ended: is_over(status),
        })
    }

    /// Returns the properties of a call.
    async fn call(&self, call: &str) -> Result<Value, ProviderError> {
        let path = format!("Calls/{}", checked(call)?);
        let answer = self.spelled(Method::GET, &path, self.spelling.call, "");
        json(answer.await?).await
    }

    /// Returns the call of a recording, the number dialled and the caller's number. `call` is the call's id, if known;
    /// otherwise it is read from the recording. A recording of a talk may belong to the call to the inspector's
    /// telephone; then the parent of that call, the caller's, is returned.
    pub async fn origin(
        &self,
        recording: &str,
        call: Option<&str>,
    ) -> Result<Origin, ProviderError> {
        let mut id = match call {
            Some(call) => call.to_owned(),
            None => {
                let path = format!("Recordings/{}", checked(recording)?);
                let answer = self.spelled(Method::GET, &path, self.spelling.recording, "");
                let recording = json(answer.await?).await?;
                text(&recording, "call_sid")?.into_shown()
            }
        };
        let mut call = self.call(&id).await?;
        let parent = call["parent_call_sid"].as_str().unwrap_or_default();
        if !parent.is_empty() {
            id = parent.to_owned();
            call = self.call(&id).await?;
        }
        Ok(Origin {
            call: id.into(),
            to: text(&call, "to").unwrap_or_default(),
            from: Caller::parse(call["from"].as_str().unwrap_or_default()),
        })
    }

    /// Returns the ids of the call's recordings in the order they were made, as far as their times tell. Recordings
    /// with the status `absent` or `deleted` are left out. If there is no list below the call (404), the account's list
    /// is read; if that does not exist either, it is an error, because it is not known what the provider has.
    pub async fn recordings_of(
        &self,
        call: &str,
    ) -> Result<Vec<ProviderRecordingId>, ProviderError> {
        let call = checked(call)?;
        let below = match self.spelling.below_calls {
            true => {
                let path = format!("Calls/{call}/Recordings");
                self.pages(
                    &path,
                    self.spelling.recordings,
                    "?PageSize=1000",
                    "recordings",
                )
                .await
            }
            false => Err(ProviderError::NotFound),
        };
        let list = match below {
            Err(ProviderError::NotFound) => self.recordings_with_call(call).await?,
            list => list?,
        };
        let mut there: Vec<&Value> = list
            .iter()
            .filter(|recording| is_there(recording))
            .collect();
        there.sort_by_key(|recording| time(&recording["date_created"]));
        there
            .iter()
            .map(|recording| text(recording, "sid"))
            .collect()
    }

    /// Returns the account's recordings that name this call. The answer is filtered here too, because a provider that
    /// does not know the parameter `CallSid` lists all recordings.
    async fn recordings_with_call(&self, call: &str) -> Result<Vec<Value>, ProviderError> {
        let query = format!("?PageSize=200&CallSid={call}");
        let list = self.pages("Recordings", self.spelling.recordings, &query, "recordings");
        let mut of_call = Vec::new();
        for recording in list.await? {
            if text(&recording, "call_sid")?.expose() == call {
                of_call.push(recording);
            }
        }
        Ok(of_call)
    }

    /// Lists calls that began, and recordings that were made, at `since` or later or at an unknown time. Recordings
    /// with the status `absent` or `deleted` are left out.
    pub async fn list(&self, since: DateTime<Utc>) -> Result<Listing, ProviderError> {
        let day = since.format("%Y-%m-%d");
        let instant = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        // The names of these two parameters end in `>`: "StartTime>=…", "DateCreated>=…".
        let query = format!("?PageSize=200&StartTime%3E={day}");
        let calls = self
            .pages("Calls", self.spelling.calls, &query, "calls")
            .await?;
        let query = format!("?PageSize=200&DateCreated%3E={instant}");
        let recordings = self
            .pages("Recordings", self.spelling.recordings, &query, "recordings")
            .await?;
        // The request asks by the day, or with a parameter the provider may not know, so older items are removed here.
        // Items without a readable time are kept, because they may be new.
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

    /// Checks that the account exists and that the credentials are valid for it, by reading its list of recordings.
    pub async fn look(&self) -> Result<(), ProviderError> {
        let suffix = self.spelling.recordings;
        let answer = self.spelled(Method::GET, "Recordings", suffix, "?PageSize=1");
        let list = json(answer.await?).await?;
        items(&list, "recordings").map(drop)
    }

    /// Reads all items of a list, the field `name` of each page. More than [`MAX_PAGES`] pages are an error. The path
    /// of the next page comes from the API; one that is not below the account's path is an error.
    async fn pages(
        &self,
        path: &str,
        suffix: &str,
        query: &str,
        name: &str,
    ) -> Result<Vec<Value>, ProviderError> {
        let mut found = Vec::new();
        let mut answer = self.spelled(Method::GET, path, suffix, query).await?;
        for read in 1.. {
            let page = json(answer).await?;
            found.extend(items(&page, name)?.iter().cloned());
            let next = match page["next_page_uri"].as_str() {
                Some(next) if next.starts_with(&self.path) => format!("{}{next}", self.origin),
                None | Some("") => break,
                Some(_) => return Err(failed("the next page is not the account's")),
            };
            if read == MAX_PAGES {
                return Err(failed("the list has too many pages"));
            }
            answer = self.request(Method::GET, &next).await?;
        }
        Ok(found)
    }

    /// Sends a request to an address below the account in the documented spelling, and in the other spelling if the
    /// answer is 404.
    async fn spelled(
        &self,
        method: Method,
        path: &str,
        suffix: &str,
        query: &str,
    ) -> Result<Response, ProviderError> {
        let other = if suffix.is_empty() { JSON } else { "" };
        let documented = self.at(&format!("{path}{suffix}{query}"));
        let answer = self.request(method.clone(), &documented).await?;
        if answer.status() != StatusCode::NOT_FOUND {
            return Ok(answer);
        }
        let url = self.at(&format!("{path}{other}{query}"));
        let otherwise = self.request(method, &url).await?;
        // An undocumented address may answer anything, so only success counts.
        Ok(match otherwise.status().is_success() {
            true => otherwise,
            false => answer,
        })
    }

    fn at(&self, path: &str) -> String {
        format!("{}{}/{path}", self.origin, self.path)
    }

    async fn get(&self, path: &str) -> Result<Response, ProviderError> {
        self.request(Method::GET, &self.at(path)).await
    }

    /// Sends a request with the first token, and with the second if the first is rejected (401). When all are rejected,
    /// the error is [`ProviderError::Denied`].
    async fn request(&self, method: Method, url: &str) -> Result<Response, ProviderError> {
        let request = || self.client.request(method.clone(), url);
        let attempts: Vec<_> = match &self.credentials {
            Credentials::Basic(tokens) => tokens
                .iter()
                .map(|token| request().basic_auth(&self.id, Some(token.expose())))
                .collect(),
            Credentials::Bearer(key) => vec![request().bearer_auth(key.expose())],
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

/// Parses a time as Twilio writes it (RFC 2822), or as others do (RFC 3339); `None` when it is neither.
fn time(value: &Value) -> Option<DateTime<Utc>> {
    let text = value.as_str()?;
    let time = DateTime::parse_from_rfc2822(text).or_else(|_| DateTime::parse_from_rfc3339(text));
    Some(time.ok()?.with_timezone(&Utc))
}

#[cfg(test)]
mod tests;
