//! Asterisk's HTTP interface: fetch, delete and list recordings, ask whether a channel exists. The socket does not
//! serve files.

use super::Asterisk;
use super::message::{channel, is_caller};
use super::program::RecordingName;
use crate::audio::wav::WavCheck;
use crate::telephony::http_client::{checked, download, failed, in_our_words, json, refused};
use crate::telephony::{
    CallStanding, Download, ListedCall, ListedRecording, Listing, ProviderError,
};
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use reqwest::{Method, Response, StatusCode};

/// Size of the WAV header that Asterisk writes, in bytes.
const HEADER: usize = 44;
/// Duration below which a recording ended by silence counts as one without speech, in milliseconds. Asterisk cuts the
/// silence off the end, and leaves less than this of a recording that was silent throughout.
const NOTHING: u64 = 400;
/// Maximum size of a recording that is examined for speech, in bytes: about four seconds.
const SHORT: u64 = 64 * 1024;

impl Asterisk {
    /// Starts fetching a recording. While the recording is still being made the error is [`ProviderError::NotFound`],
    /// because Asterisk would serve the part it has.
    pub(super) async fn fetch_recording(&self, name: &str) -> Result<Download, ProviderError> {
        let name = checked(name)?;
        if self.is_live(name).await? {
            return Err(ProviderError::NotFound);
        }
        let path = format!("recordings/stored/{name}/file");
        Ok(mended(download(self.request(Method::GET, &path).await?)?))
    }

    pub(super) async fn is_live(&self, name: &str) -> Result<bool, ProviderError> {
        let path = format!("recordings/live/{}", checked(name)?);
        let answer = self.request(Method::GET, &path).await?;
        match answer.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refused(&answer)),
        }
    }

    pub(super) async fn delete_recording(&self, name: &str) -> Result<(), ProviderError> {
        let path = format!("recordings/stored/{}", checked(name)?);
        let answer = self.request(Method::DELETE, &path).await?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(()),
            _ => Err(refused(&answer)),
        }
    }

    /// True if the recording is gone: it is not being made, the address of its file answers 404, and the list of
    /// recordings answers and does not contain it.
    pub(super) async fn recording_is_gone(&self, name: &str) -> Result<bool, ProviderError> {
        if self.is_live(name).await? {
            return Ok(false);
        }
        let path = format!("recordings/stored/{}/file", checked(name)?);
        let answer = self.request(Method::GET, &path).await?;
        match answer.status() {
            StatusCode::OK => Ok(false),
            StatusCode::NOT_FOUND => {
                let listed = match self.stored_recordings().await {
                    Err(ProviderError::NotFound) => {
                        return Err(failed("it does not find its list of recordings either"));
                    }
                    listed => listed?,
                };
                Ok(listed.iter().all(|other| other.to_string() != name))
            }
            _ => Err(refused(&answer)),
        }
    }

    pub(super) async fn ask_channel(&self, channel: &str) -> Result<CallStanding, ProviderError> {
        let path = format!("channels/{}", checked(channel)?);
        let answer = self.request(Method::GET, &path).await?;
        match answer.status() {
            StatusCode::OK => Ok(CallStanding { ended: false }),
            StatusCode::NOT_FOUND => Ok(CallStanding { ended: true }),
            _ => Err(refused(&answer)),
        }
    }

    /// Lists this service's recordings on Asterisk's disk, including those still being made.
    pub(super) async fn stored_recordings(&self) -> Result<Vec<RecordingName>, ProviderError> {
        let list = json(self.request(Method::GET, "recordings/stored").await?).await?;
        let list = list
            .as_array()
            .ok_or_else(|| failed("the list has no recordings in it"))?;
        let names = list.iter().filter_map(|item| item["name"].as_str());
        Ok(names.filter_map(RecordingName::parse).collect())
    }

    /// Lists the callers' channels that were created at `since` or later or at an unknown time, and all recordings of
    /// this service, because Asterisk does not say when a recording was made.
    pub(super) async fn list_all(&self, since: DateTime<Utc>) -> Result<Listing, ProviderError> {
        let channels = json(self.request(Method::GET, "channels").await?).await?;
        let channels = channels
            .as_array()
            .ok_or_else(|| failed("the list has no channels in it"))?;
        let calls = channels.iter().filter_map(|value| {
            let channel = channel(value).filter(is_caller)?;
            let began = value["creationtime"].as_str().and_then(creation);
            began
                .is_none_or(|began| began >= since)
                .then(|| ListedCall {
                    id: channel.id.into(),
                    to: channel.dialled,
                    ended: false,
                    began,
                })
        });
        let calls = calls.collect();
        let recordings = self.stored_recordings().await?;
        let recordings = recordings.iter().map(|name| ListedRecording {
            id: name.to_string().into(),
            call: Some(name.channel.clone().into()),
            made: None,
        });
        Ok(Listing {
            calls,
            recordings: recordings.collect(),
        })
    }

    /// Returns the duration of a short recording, in milliseconds; `None` when it is larger than [`SHORT`], is not
    /// a complete WAV file, or cannot be fetched.
    pub(super) async fn short_sound(&self, name: &str) -> Option<u64> {
        let Download { length, mut body } = self.fetch_recording(name).await.ok()?;
        let mut check = WavCheck::new(SHORT, length);
        while let Some(chunk) = body.next().await {
            check.feed(&chunk.ok()?).ok()?;
        }
        check.finish().ok()?.duration_ms
    }

    pub(super) async fn request(
        &self,
        method: Method,
        path: &str,
    ) -> Result<Response, ProviderError> {
        let user = &self.settings.api_username;
        let answer = self
            .client
            .request(method, format!("{}/{path}", self.api_url))
            .basic_auth(user, Some(self.settings.api_password.expose()))
            .send()
            .await
            .map_err(|error| in_our_words(&error))?;
        match answer.status() {
            StatusCode::UNAUTHORIZED => Err(ProviderError::Denied),
            _ => Ok(answer),
        }
    }
}

/// Parses the creation time of a channel as Asterisk writes it, e.g. `2026-11-27T12:11:22.030+0000`.
fn creation(time: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%S%.f%z");
    Some(time.ok()?.with_timezone(&Utc))
}

/// True if a recording of this duration counts as one without speech, provided that silence ended it.
pub(super) fn is_nothing(milliseconds: u64) -> bool {
    milliseconds < NOTHING
}

/// Completes a WAV header without sizes. Asterisk writes the sizes when a recording ends, so a recording cut off by the
/// end of Asterisk itself has zeros there, and players consider it empty. Only those eight bytes are changed, none of
/// the audio. A download whose length was not announced is not changed.
fn mended(download: Download) -> Download {
    let Some(length) = download.length else {
        return download;
    };
    let body = stream::unfold(
        (download.body, Some(BytesMut::new())),
        move |(mut body, held)| async move {
            let Some(mut held) = held else {
                return body.next().await.map(|chunk| (chunk, (body, None)));
            };
            loop {
                match body.next().await {
                    Some(Ok(chunk)) => held.extend_from_slice(&chunk),
                    Some(Err(error)) => return Some((Err(error), (body, None))),
                    None if held.is_empty() => return None,
                    None => return Some((Ok(with_lengths(held, length)), (body, None))),
                }
                if held.len() >= HEADER {
                    return Some((Ok(with_lengths(held, length)), (body, None)));
                }
            }
        },
    );
    Download {
        length: Some(length),
        body: body.boxed(),
    }
}

fn with_lengths(mut start: BytesMut, length: u64) -> Bytes {
    let sound = u32::try_from(length)
        .ok()
        .and_then(|all| all.checked_sub(HEADER as u32));
    if let (Some(header), Some(sound)) = (start.get_mut(..HEADER), sound)
        && header.starts_with(b"RIFF")
        && header[8..12] == *b"WAVE"
        && header[36..40] == *b"data"
        && header[40..44] == [0; 4]
    {
        header[4..8].copy_from_slice(&(sound + HEADER as u32 - 8).to_le_bytes());
        header[40..44].copy_from_slice(&sound.to_le_bytes());
    }
    start.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(riff: u32, data: u32, sound: usize) -> Vec<u8> {
        let mut wav = b"RIFF".to_vec();
        wav.extend(riff.to_le_bytes());
        wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
        wav.extend(data.to_le_bytes());
        wav.extend(std::iter::repeat_n(7, sound));
        wav
    }

    async fn through(bytes: Vec<u8>, chunk: usize) -> Vec<u8> {
        let length = Some(bytes.len() as u64);
        let chunks: Vec<_> = bytes
            .chunks(chunk)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        let body = stream::iter(chunks).boxed();
        let mut mended = mended(Download { length, body });
        let mut out = Vec::new();
        while let Some(chunk) = mended.body.next().await {
            out.extend_from_slice(&chunk.unwrap());
        }
        out
    }

    #[tokio::test]
    async fn a_header_without_lengths_is_mended_and_nothing_else() {
        for chunk in [1, 7, 44, 1000, 100_000] {
            let mended = through(wav(0, 0, 65_536), chunk).await;
            assert_eq!(mended, wav(65_536 + 36, 65_536, 65_536), "{chunk}");
            let whole = wav(1036, 1000, 1000);
            assert_eq!(through(whole.clone(), chunk).await, whole, "{chunk}");
            let other = b"{\"message\":\"no\"}".to_vec();
            assert_eq!(through(other.clone(), chunk).await, other, "{chunk}");
            assert_eq!(through(Vec::new(), chunk).await, b"");
        }
    }
}
