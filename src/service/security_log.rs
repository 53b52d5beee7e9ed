//! Log lines about login attempts, refused webhooks and changes of rights, for operators who watch for intruders.
//!
//! Their target is `security` and their text begins with `security`. They name members by id, and contain nothing that
//! was typed or sent: no names, no numbers, and no values of a webhook's address. A line that a request without a
//! session can cause is logged at most once a minute, with the number of lines held back since the last one; the others
//! are logged each time.

use crate::report::role::Role;
use crate::service::log_pace::LogPace;
use crate::service::refusals::Refusals;
use tracing::{info, warn};
use uuid::Uuid;

/// Logs, at most once a minute, that a name and a password do not match, or are those of a disabled member.
pub fn password_refused(pace: &LogPace) {
    if let Some(held_back) = pace.due() {
        warn!(target: "security", held_back, "security: name or password refused");
    }
}

/// Logs, at most once a minute for each provider and check, that a webhook was refused. `address` is without values,
/// see [`without_values`](crate::service::refusals::without_values).
pub fn webhook_refused(
    refusals: &Refusals,
    provider: &str,
    check: &'static str,
    address: &str,
    advice: &'static str,
) {
    if let Some(held_back) = refusals.due(provider, check) {
        warn!(target: "security", provider, check, address, held_back, advice, "security: webhook refused");
    }
}

/// Logs that a member has ended their session.
pub fn signed_out(member: Uuid) {
    info!(target: "security", %member, "security: signed out");
}

/// Logs that `by` added a member with this role.
pub fn member_added(by: Uuid, member: Uuid, role: Role) {
    info!(target: "security", %by, %member, role = role.as_str(), "security: member added");
}

/// Logs that `by` gave a member the keys of a line.
pub fn line_given(by: Uuid, member: Uuid, line: &str) {
    info!(target: "security", %by, %member, line, "security: line given");
}

/// Logs that `by` took a member off a line.
pub fn line_taken(by: Uuid, member: Uuid, line: &str) {
    info!(target: "security", %by, %member, line, "security: line taken away");
}

/// Logs that `by` locked a member out.
pub fn member_disabled(by: Uuid, member: Uuid) {
    info!(target: "security", %by, %member, "security: member disabled");
}

/// Logs that `by` let a member who was locked out log in again.
pub fn member_enabled(by: Uuid, member: Uuid) {
    info!(target: "security", %by, %member, "security: member enabled");
}

/// Logs that `by` confirmed that a member's account belongs to another person than the one who added it.
pub fn member_confirmed(by: Uuid, member: Uuid) {
    info!(target: "security", %by, %member, "security: member confirmed");
}

/// Logs that `by` waived the confirmation by a third member for approvals on a line.
pub fn confirmation_waived(by: Uuid, line: &str) {
    info!(target: "security", %by, line, "security: confirmation of accounts waived");
}

/// Logs that `by` ended the waiver of a line.
pub fn confirmation_required(by: Uuid, line: &str) {
    info!(target: "security", %by, line, "security: confirmation of accounts required");
}

/// Logs that a member's session was ended after too many wrong passwords in it.
pub fn session_over(member: Uuid) {
    warn!(target: "security", %member, "security: session ended after wrong passwords");
}

/// Logs that a member has changed their password.
pub fn password_changed(member: Uuid) {
    info!(target: "security", %member, "security: password changed");
}

/// Logs that `by` ended this number of sessions of a member: their own other ones, or as security administrator.
pub fn sessions_ended(by: Uuid, member: Uuid, count: usize) {
    info!(target: "security", %by, %member, count, "security: sessions ended");
}
