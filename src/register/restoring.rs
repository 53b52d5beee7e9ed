//! Restores the row of a report that is refused, because another program has changed it: the trail says which line and
//! which key the report has.

use crate::store::audit::{self, Act};
use crate::store::{StoreError, WriteTx, reports};
use crate::vault::action::Action;
use uuid::Uuid;

/// Result of restoring the row of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// The row is what the trail says again.
    Yes,
    /// The row is what the service wrote.
    WasRight,
    /// The line's trail does not say that there is such a report, or the database has no row of it.
    Unknown,
}

/// Restores line and key of a report from the line's trail, and adds `act` to it, which names the report. The link that
/// is relied on was proven.
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
    match reports::get(tx, report).await {
        Err(StoreError::Forged("reports")) => {}
        found => {
            return Ok(match found? {
                Some(_) => Restored::WasRight,
                None => Restored::Unknown,
            });
        }
    }
    let links = audit::of_report(tx, line, report).await?;
    let answered = links
        .into_iter()
        .find(|link| link.action == Action::CallAnswered);
    let Some(recipient) = answered.and_then(|link| link.detail) else {
        return Ok(Restored::Unknown);
    };
    reports::restore(tx, report, line, &recipient).await?;
    audit::append(tx, line, act);
    Ok(Restored::Yes)
}
