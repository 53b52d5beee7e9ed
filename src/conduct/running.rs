//! The running calls of a provider whose connection was lost and is back.

use super::decide::open_answer;
use super::open_state;
use crate::service::Service;
use crate::store::{StoreError, calls};
use crate::telephony::Running;

/// Returns the calls of a provider that have not ended, each with the last answer it was given. Calls of lines that are
/// not configured are left out, and calls whose state or answer cannot be read: their `Watch` jobs end them, about two
/// hours after the answer at the latest.
///
/// # Errors
///
/// When the database fails.
pub async fn running(service: &Service, provider: &str) -> Result<Vec<Running>, StoreError> {
    let mut tx = service.db.webhooks.begin_read().await?;
    let mut running = Vec::new();
    for entry in &service.config.lines {
        for call in calls::of_line_running(&mut tx, &entry.line.id).await? {
            let Some((sid, state)) = open_state(service, &call) else {
                continue;
            };
            if sid.provider != provider {
                continue;
            }
            let last = state.step.saturating_sub(1);
            let Some(sealed) = calls::step(&mut tx, call.id, last).await? else {
                continue;
            };
            let key = service.secret.call_key(&sid.provider, &sid.id);
            if let Ok(answer) = open_answer(&key, last, &sealed) {
                running.push(Running {
                    id: sid.id.into(),
                    answer,
                });
            }
        }
    }
    Ok(running)
}
