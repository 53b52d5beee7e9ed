//! A REST API in Twilio's shape: fetch and delete a recording, ask how a call stands, list recordings and calls.
//!
//! Every address is made from the configuration and an id, never from one a webhook names. The one exception comes from
//! the authenticated API itself, and [`Media`] looks at it: where the sound is, for a provider that keeps it elsewhere.

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

/// The most pages of a list that are read: two hundred calls or recordings each, well within the longest answer read.
const MAX_PAGES: usize = 500;

/// The ending of addresses that are answered in JSON.
pub(in crate::telephony) const JSON: &str = ".json";

/// What opens the API.
pub(in crate::telephony) enum Credentials {
    /// The account and its token; a second one while it is being replaced.
    Basic(Vec<Hidden<String>>),
    /// A key of its own (RFC 6750).
    Bearer(Hidden<String>),
}

/// How a provider's documentation spells the addresses below an account: what each of them ends in, `.json` or nothing.
/// A provider may take both, and says 404 to a spelling it does not know.
pub(in crate::telephony) struct Spelling {
    /// `Calls/{id}`.
    pub call: &'static str,
    /// `Calls`, the list.
    pub calls: &'static str,
    /// `Recordings/{id}`: what is known of one, and where it is deleted.
    pub recording: &'static str,
    /// `Recordings`, the list, and `Calls/{id}/Recordings` where there is one.
    pub recordings: &'static str,
    /// The recordings of a call are listed below it. Where they are not, they are in the list of all of the account, which
    /// can be asked for one call's.
    pub below_calls: bool,
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
    pub spelling: Spelling,
    pub sound: Sound,
    /// It keeps its ids when it moves to another address: the simulator, which listens on another port each time.
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

    /// Asks to delete a recording, under both spellings of its address. That there is none is no proof: see
    /// [`Self::is_gone`].
    pub async fn delete_recording(&self, id: &str) -> Result<(), ProviderError> {
        let id = checked(id)?;
        // Telnyx answers with what it has deleted, the others with nothing.
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

    /// Does the address that a recording is fetched from say that there is no such thing any more? Its 404 counts only while
    /// the account's list of recordings answers: an address that says 404 to everything proves nothing.
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

    /// What is known of a call.
    async fn call(&self, call: &str) -> Result<Value, ProviderError> {
        let path = format!("Calls/{}", checked(call)?);
        let answer = self.spelled(Method::GET, &path, self.spelling.call, "");
        json(answer.await?).await
    }

    /// The call of a recording, and the number dialled in it. A recording of a talk may be listed under the call to the
    /// other telephone: then it is the caller's that counts.
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

    /// In the order they were made, as far as their times tell; those that never came to anything, or are gone already,
    /// are left out. A list that is not there is an error: it says nothing of what the provider has.
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

    /// Those of the account's recordings that say they are of this call: a provider that does not know the parameter
    /// lists them all.
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

    /// Calls that began, and recordings that were made, at `since` or later.
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
        let suffix = self.spelling.recordings;
        let answer = self.spelled(Method::GET, "Recordings", suffix, "?PageSize=1");
        let list = json(answer.await?).await?;
        items(&list, "recordings").map(drop)
    }

    /// All items of a list. The address of the next page comes from the API; only its path is taken.
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

    /// Asks at an address below the account as it is documented, and with the other ending where that one is not found.
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
        // An address that is not documented may answer with anything: only its success counts.
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

    /// Asks with the first token, and with the second where the first is refused.
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

/// A time as Twilio writes it (RFC 2822), or as others do (RFC 3339).
fn time(value: &Value) -> Option<DateTime<Utc>> {
    let text = value.as_str()?;
    let time = DateTime::parse_from_rfc2822(text).or_else(|_| DateTime::parse_from_rfc3339(text));
    Some(time.ok()?.with_timezone(&Utc))
}

#[cfg(test)]
mod tests;
