//! Changes of members and of confirmation waivers, shown to leads above every page.

use super::form::Posted;
use super::page::{Stop, Visit};
use super::said;
use super::words::Words;
use crate::desk::changes;
use crate::service::Service;
use crate::store::audit::LinkRow;
use crate::vault::action::Action;
use crate::vault::signers::RECOVERY_KEY;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use std::sync::Arc;

/// The changes that a page shows to a lead, of all lines that the page lists.
#[derive(Default)]
pub(super) struct Changes {
    /// One sentence per change, line by line, the oldest first.
    pub texts: Vec<String>,
    /// Number of further changes, which are shown once these are dismissed.
    pub more: usize,
    /// What the form that dismisses the changes posts: for each line `line:number`, separated by spaces. Changes are
    /// dismissed up to the link with that number.
    pub seen: String,
}

impl Changes {
    /// Adds the changes of one line, with times in `zone`.
    pub fn add(&mut self, w: &Words, line: &str, zone: Tz, changes: &changes::Changes) {
        if changes.links.is_empty() {
            return;
        }
        self.texts.extend(changes.links.iter().map(|link| {
            let at = said::moment(w, link.at, zone);
            format!("{line} · {at} · {}", sentence(w, link))
        }));
        if !self.seen.is_empty() {
            self.seen.push(' ');
        }
        self.seen.push_str(&format!("{line}:{}", changes.up_to));
        self.more += changes.more;
    }
}

impl Changes {
    /// Returns a text with the number of further changes; `None` if there are none.
    pub fn more(&self, w: &Words) -> Option<String> {
        (self.more > 0).then(|| w.changes_more.replace("{n}", &self.more.to_string()))
    }
}

fn sentence(w: &Words, link: &LinkRow) -> String {
    let sentence = match link.action {
        Action::MemberAdded => &w.change_added,
        Action::Granted => &w.change_granted,
        Action::MemberDisabled => &w.change_disabled,
        Action::MemberEnabled => &w.change_enabled,
        Action::MemberConfirmed => &w.change_confirmed,
        Action::TakenOff => &w.change_taken_off,
        Action::ConfirmationWaived => &w.change_waived,
        Action::ConfirmationRequired => &w.change_required,
        Action::RecoveryRenewed => &w.change_recovery,
        Action::ExportOpened => &w.change_exported,
        // Links with these actions are not among the changes: see `Action::ABOUT_MEMBERS`.
        Action::CallAnswered
        | Action::ReportQueued
        | Action::TalkEnded
        | Action::RecordingSealed
        | Action::RecordingLost
        | Action::RecordingGivenUp
        | Action::ReceiptShared
        | Action::EntryAdded
        | Action::EntryPurged
        | Action::ReportRestored
        | Action::ReportOpened
        | Action::AbandonedOpened
        | Action::RecordingOpened
        | Action::TrailOpened
        | Action::ReplyApproved
        | Action::Claim
        | Action::Release
        | Action::Close
        | Action::Reopen
        | Action::Login
        | Action::PasswordChanged
        | Action::GrantRenewed
        | Action::LineKeyMade
        | Action::ReportKeysResealed
        | Action::LineKeyRetired
        | Action::ExportSealed
        | Action::HeadAccepted
        | Action::HeadNamed => return link.action.to_string(),
    };
    let actor = match link.actor.as_deref() {
        Some(RECOVERY_KEY) => &w.recovery_key,
        Some(name) => name,
        None => &w.by_service,
    };
    // Split first and joined last, so that neither name is searched for placeholders: names may contain any visible
    // text.
    let parts: Vec<&str> = sentence.split("{actor}").collect();
    let name = link.detail.as_deref().unwrap_or_default();
    let parts: Vec<String> = parts
        .iter()
        .map(|part| part.replace("{name}", name))
        .collect();
    parts.join(actor)
}

/// `POST /console/members/seen`. Dismisses the changes up to the links in `seen`, for this member only.
pub(super) async fn put_away(
    State(service): State<Arc<Service>>,
    visit: Visit,
    form: Posted,
) -> Result<Response, Stop> {
    let seen: Vec<(String, i64)> = form
        .get("seen")
        .split(' ')
        .filter_map(|part| {
            let (line, seq) = part.rsplit_once(':')?;
            Some((line.to_owned(), seq.parse().ok()?))
        })
        .collect();
    changes::put_away(&service, &visit.who, &seen)
        .await
        .map_err(|error| visit.stop(error))?;
    Ok(Redirect::to("/console/").into_response())
}
