//! Calling back: looks up a receipt before the conversation gets it.

use super::{Hook, open_state};
use crate::base::hidden::Hidden;
use crate::call::flow;
use crate::call::state::Earlier;
use crate::line::number::Caller;
use crate::members::confirming::{self, Judged};
use crate::register::trail::OfReport;
use crate::report::entries::{Body, Content};
use crate::report::receipt::Receipt;
use crate::service::Service;
use crate::service::guesses::Asker;
use crate::service::webhooks::LookedUp;
use crate::store::calls::{self, Call};
use crate::store::reports::{self, ByReceipt, Report};
use crate::store::{ReadTx, StoreError};
use crate::telephony::{Event, Provider};
use crate::vault::entry::{Address, EntryKind, open_entry};
use crate::vault::receipts::{self, Derived};
use std::pin::pin;
use tracing::{error, warn};
use uuid::Uuid;

/// Looks up the receipt in an event, if the event answers the step that asked for one. Returns [`LookedUp::NoReceipt`]
/// if it does not, or its keys are no receipt. `lookup` is that of the call.
pub(super) async fn look_up(
    service: &Service,
    provider: &dyn Provider,
    hook: &Hook,
    event: &Event,
    lookup: &[u8; 32],
) -> Result<LookedUp, StoreError> {
    let (Hook::Step(at), Some(keys)) = (hook, &event.keys) else {
        return Ok(LookedUp::NoReceipt);
    };
    // Most keys are choices from a menu: the database is not read for those.
    if Receipt::parse(keys.expose()).is_err() {
        return Ok(LookedUp::NoReceipt);
    }
    let mut tx = service.db.webhooks.begin_read().await?;
    let call = calls::by_lookup_unlocked(&mut tx, lookup).await?;
    drop(tx);
    let Some(call) = call.filter(|call| call.id == at.call) else {
        return Ok(LookedUp::NoReceipt);
    };
    let state = open_state(service, &call).map(|(_, state)| state);
    let asked = state.filter(|state| state.step == at.step);
    let Some(receipt) = asked.and_then(|state| flow::receipt_typed(&state, keys.expose())) else {
        return Ok(LookedUp::NoReceipt);
    };
    if !service.guesses.may(&asker(service, &call, at.step, event)) {
        service.metrics.receipts_refused.inc();
        return Ok(LookedUp::TooMany);
    }
    let key = service.secret.derive(receipts::LABEL);
    let mut patience = pin!(tokio::time::sleep(service.patience.receipt));
    let derived = tokio::select! {
        derived = service.receipts.derive(receipt, call.line.clone(), key) => derived.ok(),
        () = &mut patience => None,
    };
    let Some(derived) = derived else {
        warn!("receipt lookup timed out");
        service.metrics.receipts_late.inc();
        return Ok(LookedUp::NoTime);
    };
    let mut tx = service.db.webhooks.begin_read().await?;
    let report = match reports::by_receipt(&mut tx, &derived.lookup, &call.line).await? {
        ByReceipt::Report(report) => report,
        ByReceipt::Shared => return Ok(LookedUp::Shared),
        ByReceipt::Nothing => return Ok(LookedUp::Nothing),
    };
    let earlier = earlier(&mut tx, &report, &derived).await?;
    drop(tx);
    let reply = earlier.as_ref().and_then(|earlier| earlier.reply.as_ref());
    if let (Some(reply), false) = (reply, provider.capabilities().has_voice) {
        tokio::select! {
            () = let_pass(service, &call, reply) => {}
            () = &mut patience => warn!("reply synthesis timed out"),
        }
    }
    Ok(earlier.map_or(LookedUp::Nothing, |earlier| {
        LookedUp::Report(report, earlier)
    }))
}

/// Synthesizes a reply for a provider that cannot speak, and waits for the sound. Without it the caller hears only that
/// there is a reply.
async fn let_pass(service: &Service, call: &Call, reply: &Hidden<String>) {
    if let Some(line) = service.config.line(&call.line) {
        let now = service.clock.system_now();
        let sounds = &service.sounds;
        sounds
            .let_pass(call.id, &line.languages[0], reply.expose(), now)
            .await;
    }
}

/// Returns what attempts at a receipt are counted by. On one line, all callers who withhold their number are counted
/// together.
fn asker(service: &Service, call: &Call, step: u32, event: &Event) -> Asker {
    let number = match &event.from {
        Caller::Withheld => None,
        Caller::Number(number) => Some(number.expose().as_str()),
    };
    Asker {
        call: call.id,
        step,
        line: call.line.clone(),
        number: number.map(|number| service.secret.lookup("guess", &[&call.line, number])),
    }
}

/// Returns what the holder of a report's receipt may know about it; `None` if the call did not become a report.
async fn earlier(
    tx: &mut ReadTx,
    report: &Report,
    receipt: &Derived,
) -> Result<Option<Earlier>, StoreError> {
    let Some(status) = report.status else {
        return Ok(None);
    };
    let reply = reply(tx, report, receipt).await?;
    Ok(Some(Earlier { status, reply }))
}

/// Returns the text of the latest reply whose approval counts; `None` if there is none. If its entry is not what was
/// written and approved, or cannot be read, or a row that decides about it is refused, no reply is spoken, not even an
/// older one.
async fn reply(
    tx: &mut ReadTx,
    report: &Report,
    receipt: &Derived,
) -> Result<Option<Hidden<String>>, StoreError> {
    let replies = match confirming::replies_of(tx, report).await {
        // The call goes on, and the caller hears the status alone.
        Err(StoreError::Forged(table)) => {
            error!(report = %report.id, table, "replies not spoken: a row was refused");
            return Ok(None);
        }
        replies => replies?,
    };
    let marked = replies
        .iter()
        .filter(|reply| reply.reply.approved_by.is_some());
    let marked: Vec<Uuid> = marked.map(|reply| reply.reply.entry).collect();
    let mut approved = replies
        .into_iter()
        .rev()
        .filter(|reply| reply.unconfirmed.is_none())
        .filter_map(|Judged { reply, .. }| Some((reply.entry, reply.approved_by?)));
    let Some((id, by)) = approved.next() else {
        return Ok(None);
    };
    let committed = OfReport::read(tx, report).await?;
    let rows = reports::entries(tx, report.id).await?;
    let address = Address {
        line: report.line.clone(),
        report: report.id,
        entry: id,
        kind: EntryKind::Reply,
    };
    let opened = rows
        .iter()
        .find(|row| row.id == id)
        // An entry or an approval that is hidden, or another order, could make an older reply the latest one.
        .filter(|_| committed.has_entries(&rows) && committed.has_all_approvals(&marked))
        .filter(|row| committed.has_approval(row, &by))
        .and_then(|row| open_entry(&row.sealed, &receipt.identity, &address).ok());
    let why = match opened.map(|entry| entry.body) {
        Some(Content::Known(Body::Reply(reply))) => return Ok(Some(Hidden::new(reply.text))),
        Some(_) => "this version cannot read it",
        None => "it is not what was written and approved",
    };
    error!(report = %report.id, entry = %id, why, "approved reply not spoken");
    Ok(None)
}
