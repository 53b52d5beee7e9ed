//! What the webhooks say: the call's, a step's, a recording's, and the status callback are one kind of form.

use crate::base::hidden::Hidden;
use crate::call::script::RecordingEnd;
use crate::line::number::Caller;
use crate::telephony::form::Form;
use crate::telephony::{Event, RawRequest, RecordingFact, RecordingOutcome, Refused};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use reqwest::Url;
use uuid::Uuid;

/// The longest id and number taken, in characters. Twilio's ids have 34.
const MAX_TEXT_CHARS: usize = 128;

/// What Twilio sends as `Digits` when the caller hung up while being recorded.
const HUNG_UP: &str = "hangup";

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

/// Reads a webhook of `account`, whose signature was found right. A field that cannot be read is as good as missing.
///
/// The body is read as a form whatever its `Content-Type` says: the signature covers it either way.
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
        // What ended a recording is not a key pressed in answer to anything.
        keys: digits.filter(|_| !recorded && !hung_up).map(Hidden::new),
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

/// An opaque id; an empty or an endless one is none.
fn id(form: &Form, name: &str) -> Option<Hidden<String>> {
    let id = form.get(name)?;
    (1..=MAX_TEXT_CHARS)
        .contains(&id.chars().count())
        .then(|| Hidden::new(id))
}

/// The id of a recording whose action names only its address, as SignalWire's and Somleng's do: the last piece of the
/// path, where it is a UUID as theirs are. The address itself is never asked.
fn id_in_address(url: &str) -> Option<Hidden<String>> {
    let url = Url::parse(url).ok()?;
    let last = url.path_segments()?.next_back()?;
    let id = last.strip_suffix(".wav").unwrap_or(last);
    (id.len() == 36 && Uuid::try_parse(id).is_ok()).then(|| Hidden::new(id.to_owned()))
}

/// The field under its new name, or under the old one that stands beside it; empty when there is neither. What cannot be
/// read of it is replaced: the rest of a number is worth more than nothing.
fn either(form: &Form, new: &str, old: &str) -> String {
    let given = form.get_lossy(new).filter(|value| !value.is_empty());
    given.or_else(|| form.get_lossy(old)).unwrap_or_default()
}

/// What became of the recording a webhook names; `None` while it is still being made.
///
/// The action of a `Record` has no status: it comes once the recording is done. A status we don't know may be
/// anything, and tells nothing.
fn outcome(form: &Form, digits: Option<&str>) -> Option<RecordingOutcome> {
    match form.get("RecordingStatus").as_deref() {
        None | Some("" | "completed") => Some(RecordingOutcome::Completed {
            // `-1` while Twilio doesn't know yet.
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
