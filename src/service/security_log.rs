//! Log lines about login attempts and changes of rights, for operators who watch for intruders.
//!
//! Their target is `security` and their text begins with it. They name members by id, and contain nothing that was
//! typed or sent: no names, no numbers, and no values of a webhook's address. A line that a request without a session
//! can cause is logged at most once a minute, with the number of lines held back since; a line that needs a session is
//! logged each time.

use crate::report::role::Role;
use crate::service::log_pace::LogPace;
use crate::service::refusals::Refusals;
use tracing::{info, warn};
use uuid::Uuid;

/// Logs that a name and a password do not match, or are those of a disabled member.
pub fn password_refused(pace: &LogPace) {
    if let Some(held_back) = pace.due() {
        warn!(target: "security", held_back, "security: name or password refused");
    }
}

/// Logs that a webhook was refused: which check failed, and at which address, without its values.
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

/// Logs that a member with this role was added.
pub fn member_added(by: Uuid, member: Uuid, role: Role) {
    info!(target: "security", %by, %member, role = role.as_str(), "security: member added");
}

/// Logs that a member was given a line's key.
pub fn line_given(by: Uuid, member: Uuid, line: &str) {
    info!(target: "security", %by, %member, line, "security: line given");
}

/// Logs that a member was disabled.
pub fn member_disabled(by: Uuid, member: Uuid) {
    info!(target: "security", %by, %member, "security: member disabled");
}

/// Logs that a member who was disabled may log in again.
pub fn member_enabled(by: Uuid, member: Uuid) {
    info!(target: "security", %by, %member, "security: member enabled");
}

/// Logs that a member has confirmed that an account belongs to another person than the one who added it.
pub fn member_confirmed(by: Uuid, member: Uuid) {
    info!(target: "security", %by, %member, "security: member confirmed");
}

/// Logs that approvals on a line with fewer than three members count without a third member.
pub fn confirmation_waived(by: Uuid, line: &str) {
    info!(target: "security", %by, line, "security: confirmation of accounts waived");
}

/// Logs that approvals on a line need confirmed accounts again.
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
