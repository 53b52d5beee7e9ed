//! Parses webhooks: those of the call, of a step, of a recording, and the status callback are all forms of one kind.

use crate::base::hidden::Hidden;
use crate::call::script::RecordingEnd;
use crate::line::number::Caller;
use crate::telephony::form::Form;
use crate::telephony::{Event, RawRequest, RecordingFact, RecordingOutcome, Refused};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use reqwest::Url;
use uuid::Uuid;

/// Maximum length of an id, in characters; a longer one is treated as missing. Twilio's ids have 34.
const MAX_TEXT_CHARS: usize = 128;

/// Value of `Digits` that Twilio sends when the caller hung up while being recorded.
const HUNG_UP: &str = "hangup";

/// True if the headers have exactly one `Content-Type`, and it says that the body is a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    let kind = only.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Parses a webhook of `account` whose signature was valid. A field that cannot be read is treated as missing.
///
/// The body is read as a form whatever its `Content-Type`, because the signature covers it either way.
///
/// # Errors
///
/// [`Refused::OtherAccount`] when the form does not name this account.
pub(super) fn event(request: &RawRequest, account: &str) -> Result<Event, Refused> {
    let form = Form::new(request.body.clone());
    if form.get("AccountSid").as_deref() != Some(account) {
        return Err(Refused::OtherAccount);
    }
    let digits = form.get("Digits");
    let hung_up = digits.as_deref() == Some(HUNG_UP);
    let address = form.get("RecordingUrl").unwrap_or_default();
    let recording_id = id(&form, "RecordingSid").or_else(|| id_in_address(&address));
    let recorded = recording_id.is_some() || !address.is_empty();
    let ended = hung_up
        || form
            .get("CallStatus")
            .is_some_and(|status| is_over(&status));
    let outcome = outcome(&form, digits.as_deref());
    let unnamed = outcome.filter(|_| recorded && recording_id.is_none());
    let recording = recording_id
        .zip(outcome)
        .map(|(id, outcome)| RecordingFact { id, outcome });
    Ok(Event {
        call: id(&form, "CallSid").unwrap_or_default(),
        to: Hidden::new(either(&form, "To", "Called")),
        from: Caller::parse(&either(&form, "From", "Caller")),
        // The key that ended a recording is not an answer to a menu.
        keys: digits.filter(|_| !recorded && !hung_up).map(Hidden::new),
        ended,
        recording,
        unnamed,
    })
}

/// True if a call with this status is over.
pub(super) fn is_over(status: &str) -> bool {
    matches!(
        status,
        "completed" | "busy" | "failed" | "no-answer" | "canceled"
    )
}

/// Returns an opaque id; `None` when it is missing, empty, unreadable or longer than [`MAX_TEXT_CHARS`].
fn id(form: &Form, name: &str) -> Option<Hidden<String>> {
    let id = form.get(name)?;
    (1..=MAX_TEXT_CHARS)
        .contains(&id.chars().count())
        .then(|| Hidden::new(id))
}

/// Returns the id in a recording's address: the last segment of its path, without `.wav`, if it is a UUID. SignalWire's
/// and Somleng's actions name a recording by its address only, and their ids are UUIDs. No request is sent to the
/// address.
fn id_in_address(url: &str) -> Option<Hidden<String>> {
    let url = Url::parse(url).ok()?;
    let last = url.path_segments()?.next_back()?;
    let id = last.strip_suffix(".wav").unwrap_or(last);
    (id.len() == 36 && Uuid::try_parse(id).is_ok()).then(|| Hidden::new(id.to_owned()))
}

/// Returns the field under its new name, or under the old name that is sent beside it; empty when there is neither.
/// Bytes that cannot be read are replaced, because part of a number is still useful.
fn either(form: &Form, new: &str, old: &str) -> String {
    let given = form.get_lossy(new).filter(|value| !value.is_empty());
    given.or_else(|| form.get_lossy(old)).unwrap_or_default()
}

/// Returns the outcome of the recording that a webhook reports; without meaning if it reports none. `None` while the
/// recording is still being made, and for an unknown status.
///
/// A webhook without a status, as the action of a `Record`, is sent once the recording is complete.
fn outcome(form: &Form, digits: Option<&str>) -> Option<RecordingOutcome> {
    match form.get("RecordingStatus").as_deref() {
        None | Some("" | "completed") => Some(RecordingOutcome::Completed {
            // Twilio sends `-1` while it does not know the duration yet; that gives `None`.
            seconds: form
                .get("RecordingDuration")
                .and_then(|seconds| seconds.parse().ok()),
            end: match digits {
                Some("#") => Some(RecordingEnd::Key),
                Some(HUNG_UP) => Some(RecordingEnd::HangUp),
                _ => None,
            },
        }),
        Some("absent" | "failed") => Some(RecordingOutcome::Absent),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
