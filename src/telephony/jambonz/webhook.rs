//! What jambonz's webhooks say: the call's, a step's and the status webhook are one kind of JSON.

use crate::call::script::RecordingEnd;
use crate::hidden::Hidden;
use crate::line::number::Caller;
use crate::telephony::{Event, RawRequest, RecordingOutcome, Refused};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

/// The longest id and number taken, in characters. jambonz's ids are UUIDs; a number may be a SIP address.
const LONGEST: usize = 256;

/// Reads a webhook of `account`, whose signature was found right.
///
/// # Errors
///
/// [`Refused::Malformed`] when it is no JSON with a call in it, [`Refused::OtherAccount`] when it is another account's.
pub fn event(request: &RawRequest, account: &str) -> Result<Event, Refused> {
    match is_json(&request.headers) {
        true => read(&request.body, account),
        false => Err(Refused::Malformed),
    }
}

/// The same of a body alone.
///
/// # Errors
///
/// As [`event`].
pub fn read(body: &[u8], account: &str) -> Result<Event, Refused> {
    let body: Map<String, Value> = serde_json::from_slice(body).map_err(|_| Refused::Malformed)?;
    if text(&body, "account_sid")?.as_deref() != Some(account) {
        return Err(Refused::OtherAccount);
    }
    let call = text(&body, "call_sid")?.filter(|call| !call.is_empty());
    let call = call.ok_or(Refused::Malformed)?;
    let status = text(&body, "call_status")?;
    let digits = text(&body, "digits")?;
    let recorded = recorded(&body, digits.as_deref())?;
    Ok(Event {
        call: Hidden::new(call),
        to: Hidden::new(text(&body, "to")?.unwrap_or_default()),
        from: Caller::parse(&text(&body, "from")?.unwrap_or_default()),
        // What ended a recording is not a key pressed in answer to anything.
        keys: digits.filter(|_| recorded.is_none()).map(Hidden::new),
        ended: status.as_deref().is_some_and(is_over),
        recording: None,
        unnamed: recorded,
    })
}

/// What the end of a `listen` says of what was recorded, which is not much: jambonz only passes it on. It is told from
/// the end of a `gather` by having no reason, and from that of a `dial` by having no other call in it.
fn recorded(
    body: &Map<String, Value>,
    digits: Option<&str>,
) -> Result<Option<RecordingOutcome>, Refused> {
    if body.contains_key("reason") || body.contains_key("dial_call_status") {
        return Ok(None);
    }
    let seconds = text(body, "dial_call_duration")?;
    if seconds.is_none() && digits.is_none() {
        return Ok(None);
    }
    Ok(Some(RecordingOutcome::Completed {
        seconds: seconds.and_then(|seconds| seconds.parse().ok()),
        end: digits.map(|_| RecordingEnd::Key),
    }))
}

/// Is a call of this status over?
pub(super) fn is_over(status: &str) -> bool {
    matches!(status, "completed" | "failed" | "busy" | "no-answer")
}

/// Does the one `Content-Type` say that the body is JSON?
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    let kind = only.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// A field that is a text, or a number written as one. What is `null` is not there.
fn text(body: &Map<String, Value>, name: &str) -> Result<Option<String>, Refused> {
    let text = match body.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err(Refused::Malformed),
    };
    match text.chars().count() > LONGEST {
        true => Err(Refused::Malformed),
        false => Ok(Some(text)),
    }
}

#[cfg(test)]
mod tests;
