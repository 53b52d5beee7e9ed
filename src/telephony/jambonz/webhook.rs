//! What jambonz's webhooks say: the call's, a step's and the status webhook are one kind of JSON.

use crate::base::hidden::Hidden;
use crate::call::script::RecordingEnd;
use crate::line::number::Caller;
use crate::telephony::json::Fields;
use crate::telephony::{Event, RecordingOutcome, Refused};

/// The longest id and number taken, in characters. jambonz's ids are UUIDs; a number may be a SIP address.
const MAX_TEXT_CHARS: usize = 256;

/// Reads a webhook of `account`, whose signature was found right. A field that cannot be read is as good as missing; the
/// `Content-Type` is not looked at. Of a body that is no strict JSON what stands before the broken place is read.
///
/// # Errors
///
/// [`Refused::OtherAccount`] when the body does not name this account; a broken one may lack the name.
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
        // What ended a recording is not a key pressed in answer to anything.
        keys: digits.filter(|_| recorded.is_none()).map(Hidden::new),
        ended: text("call_status").is_some_and(|status| is_over(&status)),
        recording: None,
        unnamed: recorded,
    })
}

/// What the end of a `listen` says of what was recorded, which is not much: jambonz only passes it on. It is told from
/// the end of a `gather` by having no reason, and from that of a `dial` by having no other call in it.
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

/// Is a call of this status over?
pub(super) fn is_over(status: &str) -> bool {
    matches!(status, "completed" | "failed" | "busy" | "no-answer")
}

#[cfg(test)]
mod tests;
