//! Finds the lines that need attention: one query for each reason, over all lines.

use super::statements::{run, statements};
use super::{ReadTx, Result};
use crate::report::status::Status;
use crate::vault::action::Action;
use chrono::{DateTime, Utc};
use uuid::Uuid;

statements! {
    // A flood is at least twenty calls without a message in two hours, so one of the two has at least ten. The index
    // `call_hours_flooded` has the same condition.
    FLOODED = "SELECT DISTINCT line FROM call_hours WHERE hour >= $1 AND without_message >= 10";
    SHARED = "SELECT DISTINCT receipts.line FROM receipts JOIN reports ON reports.n = report WHERE shared AND (status IS NULL OR status <> $1)";
    WAIVED = "SELECT line FROM waivers";
    CHANGED = "SELECT DISTINCT line FROM audit WHERE line <> '*' AND at >= $2 AND action IN ('member_added', 'granted', 'member_disabled',
        'member_enabled', 'member_confirmed', 'taken_off', 'confirmation_waived', 'confirmation_required', 'recovery_renewed', 'export_opened') AND (action <> $3 OR actor <> detail)
        AND seq > COALESCE((SELECT seq FROM changes_seen WHERE member = $1 AND changes_seen.line = audit.line), 0)";
}

/// Returns lines that may be flooded with calls: those with an hour from `since` on that has ten or more calls without
/// a message.
pub async fn flooded(tx: &mut ReadTx, since: DateTime<Utc>) -> Result<Vec<String>> {
    lines(run!(tx, FLOODED, fetch_all, since))
}

/// Returns lines with a receipt that two callers were told, unless its row in `receipts` belongs to a closed report.
pub async fn shared_receipts(tx: &mut ReadTx) -> Result<Vec<String>> {
    lines(run!(tx, SHARED, fetch_all, Status::Closed))
}

/// Returns lines with a waiver: their approvals count without a third member.
pub async fn waived(tx: &mut ReadTx) -> Result<Vec<String>> {
    lines(run!(tx, WAIVED, fetch_all))
}

/// Returns lines with a change of members from `since` on that this member has not dismissed. That a lead gave
/// themselves the key of a new line does not count.
pub async fn changed(tx: &mut ReadTx, member: Uuid, since: DateTime<Utc>) -> Result<Vec<String>> {
    let granted = Action::Granted;
    lines(run!(tx, CHANGED, fetch_all, member, since, granted))
}

fn lines(found: Result<Vec<(String,)>>) -> Result<Vec<String>> {
    Ok(found?.into_iter().map(|(line,)| line).collect())
}
