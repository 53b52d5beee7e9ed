//! Restores the rows of a report and of its keys that are refused, because another program has changed them: the trail
//! says which line and which key the report has, and which sealed keys are the report's.

use super::trail::OfReport;
use crate::store::audit::{self, Act};
use crate::store::report_keys::{self, ReportKeyRow};
use crate::store::{StoreError, WriteTx, keys, reports};
use crate::vault::action::Action;
use uuid::Uuid;

/// Result of restoring the rows of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// The rows are what the trail says again.
    Yes {
        /// Number of report keys whose rows were restored.
        keys: usize,
        /// Number of rows that were removed, because the trail does not commit to the keys in them.
        removed: usize,
    },
    /// The rows are what the service wrote.
    WereRight,
    /// Nothing was changed: the sealed keys of the report are not those of the trail, so nothing opens the report. They
    /// must be taken from a backup.
    KeyLost,
    /// The line's trail does not say that there is such a report, or the database has no row of it.
    Unknown,
}

/// Restores line and key of a report from the line's trail, and the report's keys, and adds `act` to the trail, which
/// names the report. The links that are relied on were proven.
///
/// # Errors
///
/// When the database fails.
pub async fn restore(
    tx: &mut WriteTx,
    line: &str,
    report: Uuid,
    act: Act<'_>,
) -> Result<Restored, StoreError> {
    let is_right = match reports::get(tx, report).await {
        Err(StoreError::Forged("reports")) => false,
        found => match found? {
            Some(report) if report.line == line => true,
            _ => return Ok(Restored::Unknown),
        },
    };
    let links = audit::of_report(tx, line, report).await?;
    let answered = links
        .into_iter()
        .find(|link| link.action == Action::CallAnswered);
    let Some(recipient) = answered.and_then(|link| link.detail) else {
        return Ok(Restored::Unknown);
    };
    let (mut right, refused) = report_keys::of_report_but_refused(tx, report).await?;
    let committed = OfReport::read_keys(tx, line, report, &refused).await?;
    let mut restored = Vec::new();
    for row in &refused {
        let written = committed.key_as_written(report, row);
        if let Some(written) = written.filter(|written| !right.contains(written)) {
            right.push(written.clone());
            restored.push(written);
        }
    }
    if right.is_empty() {
        return Ok(Restored::KeyLost);
    }
    // Report keys that were dropped when the line's key was retired, and that another program has put back.
    let granted = keys::grants_of_line(tx, line).await?;
    let is_held = |row: &ReportKeyRow| granted.iter().any(|grant| grant.line_key == row.sealed_to);
    let mut surplus = refused.clone();
    if right.iter().any(is_held) {
        surplus.extend(right.into_iter().filter(|row| !is_held(row)));
        restored.retain(is_held);
    }
    if is_right && surplus.is_empty() {
        return Ok(Restored::WereRight);
    }
    if !is_right {
        reports::restore(tx, report, line, &recipient).await?;
    }
    for row in &surplus {
        report_keys::remove(tx, row).await?;
    }
    for row in &restored {
        report_keys::restore(tx, row).await?;
    }
    audit::append(tx, line, act);
    let (keys, removed) = (restored.len(), surplus.len() - restored.len());
    Ok(Restored::Yes { keys, removed })
}
