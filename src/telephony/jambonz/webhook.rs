//! Parses jambonz's webhooks: those of the call, of a step, and the status webhook are JSON of one kind.

use crate::base::hidden::Hidden;
use crate::call::script::RecordingEnd;
use crate::line::number::Caller;
use crate::telephony::json::Fields;
use crate::telephony::{Event, RecordingOutcome, Refused};

/// Maximum length of a field other than `from`, in characters; a longer one is treated as missing. jambonz's ids are
/// UUIDs; the number dialled may be a SIP address.
const MAX_TEXT_CHARS: usize = 256;

/// Parses a webhook of `account` whose signature was valid. A field that cannot be read is treated as missing; the
/// `Content-Type` is ignored. Of a body that is not valid JSON, the fields before the error are read.
///
/// # Errors
///
/// [`Refused::OtherAccount`] when the body names another account, or names none and is valid JSON. In a body that is
/// not valid JSON the account may be missing.
pub fn read(body: &[u8], account: &str) -> Result<Event, Refused> {
    let body = Fields::new(body);
    let text = |name: &str| body.get(name, MAX_TEXT_CHARS);
    let named = text("account_sid");
    let is_own = match &named {
        Some(named) => named == account,
        None => body.is_broken(),
    };
    if !is_own {
        return Err(Refused::OtherAccount);
    }
    let digits = text("digits");
    let recorded = recorded(&body, digits.as_deref());
    Ok(Event {
        call: Hidden::new(text("call_sid").unwrap_or_default()),
        to: Hidden::new(text("to").unwrap_or_default()),
        from: Caller::parse(&body.get_lossy("from").unwrap_or_default()),
        // The key that ended a recording is not an answer to a menu.
        keys: digits.filter(|_| recorded.is_none()).map(Hidden::new),
        ended: text("call_status").is_some_and(|status| is_over(&status)),
        recording: None,
        unnamed: recorded,
    })
}

/// Returns the outcome of a recording from the webhook at the end of a `listen`, which says little about it; `None` for
/// any other webhook. That of a `gather` has a `reason` and that of a `dial` a `dial_call_status`, and others have
/// neither duration nor digits.
fn recorded(body: &Fields, digits: Option<&str>) -> Option<RecordingOutcome> {
    if body.has("reason") || body.has("dial_call_status") {
        return None;
    }
    let seconds = body.get("dial_call_duration", MAX_TEXT_CHARS);
    if seconds.is_none() && digits.is_none() {
        return None;
    }
    Some(RecordingOutcome::Completed {
        seconds: seconds.and_then(|seconds| seconds.parse().ok()),
        end: digits.map(|_| RecordingEnd::Key),
    })
}

/// True if a call with this status is over.
pub(super) fn is_over(status: &str) -> bool {
    matches!(status, "completed" | "failed" | "busy" | "no-answer")
}

#[cfg(test)]
mod tests;
