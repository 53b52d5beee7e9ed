//! What the webhooks say: the call's, a step's, a recording's, and the status callback are one kind of form.

use crate::call::script::RecordingEnd;
use crate::hidden::Hidden;
use crate::line::number::Caller;
use crate::telephony::form::{BrokenForm, Form};
use crate::telephony::{Event, RawRequest, RecordingFact, RecordingOutcome, Refused};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use reqwest::Url;
use uuid::Uuid;

/// The longest id and number taken, in characters. Twilio's ids have 34.
const LONGEST: usize = 128;

/// What Twilio sends as `Digits` when the caller hung up while being recorded.
const HUNG_UP: &str = "hangup";

impl From<BrokenForm> for Refused {
    fn from(_: BrokenForm) -> Self {
        Self::Malformed
    }
}

/// Does the one `Content-Type` say that the body is a form?
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    let kind = only.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Reads a webhook of `account`, whose signature was found right.
pub(super) fn event(request: &RawRequest, account: &str) -> Result<Event, Refused> {
    if !is_form(&request.headers) {
        return Err(Refused::Malformed);
    }
    let form = Form::parse(&request.body)?;
    if form.get("AccountSid")? != Some(account) {
        return Err(Refused::OtherAccount);
    }
    let call = id(&form, "CallSid")?.ok_or(Refused::Malformed)?;
    let digits = form.get("Digits")?;
    let hung_up = digits == Some(HUNG_UP);
    let recording_id = match id(&form, "RecordingSid")? {
        Some(id) => Some(id),
        None => id_in_address(form.get("RecordingUrl")?.unwrap_or_default()),
    };
    let recorded = recording_id.is_some() || has(&form, "RecordingUrl")?;
    // What ended a recording is not a key pressed in answer to anything.
    let keys = match recorded {
        false if !hung_up => digits.map(|keys| Hidden::new(keys.to_owned())),
        _ => None,
    };
    let ended = hung_up || form.get("CallStatus")?.is_some_and(is_over);
    let outcome = outcome(&form, digits)?;
    let unnamed = outcome.filter(|_| recorded && recording_id.is_none());
    let recording = recording_id
        .zip(outcome)
        .map(|(id, outcome)| RecordingFact { id, outcome });
    let to = either(&form, "To", "Called")?.unwrap_or_default();
    Ok(Event {
        call,
        to: Hidden::new(to.to_owned()),
        from: Caller::parse(either(&form, "From", "Caller")?.unwrap_or_default()),
        keys,
        ended,
        recording,
        unnamed,
    })
}

/// Is a call of this status over?
pub(super) fn is_over(status: &str) -> bool {
    matches!(
        status,
        "completed" | "busy" | "failed" | "no-answer" | "canceled"
    )
}

/// An opaque id; an empty one is none.
fn id(form: &Form, name: &str) -> Result<Option<Hidden<String>>, Refused> {
    match form.get(name)? {
        None | Some("") => Ok(None),
        Some(id) if id.chars().count() > LONGEST => Err(Refused::Malformed),
        Some(id) => Ok(Some(Hidden::new(id.to_owned()))),
    }
}

/// The id of a recording whose action names only its address, as SignalWire's and Somleng's do: the last piece of the
/// path, where it is a UUID as theirs are. The address itself is never asked.
fn id_in_address(url: &str) -> Option<Hidden<String>> {
    let url = Url::parse(url).ok()?;
    let last = url.path_segments()?.next_back()?;
    let id = last.strip_suffix(".wav").unwrap_or(last);
    (id.len() == 36 && Uuid::try_parse(id).is_ok()).then(|| Hidden::new(id.to_owned()))
}

/// Is there such a field, and something in it?
fn has(form: &Form, name: &str) -> Result<bool, BrokenForm> {
    Ok(form.get(name)?.is_some_and(|value| !value.is_empty()))
}

/// The field under its new name, or under the old one that stands beside it.
fn either<'a>(form: &'a Form, new: &str, old: &str) -> Result<Option<&'a str>, BrokenForm> {
    Ok(match form.get(new)? {
        None | Some("") => form.get(old)?,
        given => given,
    })
}

/// What became of the recording a webhook names; `None` while it is still being made.
///
/// The action of a `Record` has no status: it comes once the recording is done. A status we don't know may be
/// anything, and tells nothing.
fn outcome(form: &Form, digits: Option<&str>) -> Result<Option<RecordingOutcome>, BrokenForm> {
    Ok(match form.get("RecordingStatus")? {
        None | Some("" | "completed") => Some(RecordingOutcome::Completed {
            // `-1` while Twilio doesn't know yet.
            seconds: form
                .get("RecordingDuration")?
                .and_then(|seconds| seconds.parse().ok()),
            end: match digits {
                Some("#") => Some(RecordingEnd::Key),
                Some(HUNG_UP) => Some(RecordingEnd::HangUp),
                _ => None,
            },
        }),
        Some("absent" | "failed") => Some(RecordingOutcome::Absent),
        Some(_) => None,
    })
}

#[cfg(test)]
mod tests;
