//! Answering: the first webhook of a call makes everything a report will need, in one transaction.

use super::Conducting;
use crate::call::flow;
use crate::call::state::State;
use crate::clock::{hour, random, random_id};
use crate::filing::{NewEntry, add_entry};
use crate::line::Line;
use crate::line::number::Caller;
use crate::report::entries::CallerBody;
use crate::report::receipt::Receipt;
use crate::store::StoreError;
use crate::store::audit::{self, Act};
use crate::store::calls::{self, Call};
use crate::store::jobs::Kind;
use crate::store::reports::{self, Report, ReportKeyRow};
use crate::store::{hours, members};
use crate::vault::entry::EntryKind;
use crate::vault::seal::{Identity, Recipient, seal_identity};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};

/// How long a call may be silent before the provider is asked about it.
pub const SILENT: TimeDelta = TimeDelta::minutes(10);

impl Conducting<'_> {
    /// Opens a call: its report's key, the caller's entry, the conversation at its beginning, and the answer to step 0.
    pub(super) async fn open_call(
        &mut self,
        line: &Line,
        lookup: &[u8; 32],
    ) -> Result<Call, StoreError> {
        let receipt = Receipt::from_random(random());
        let now = self.service.clock.line_now();
        let rings = self.provider.capabilities().asks_who_picks_up;
        let turn = flow::answer(line, now, receipt.digits().to_owned(), rings);
        let call = self.new_call(line, lookup, Some(&turn.state)).await?;
        let rendered = self
            .provider
            .render(&turn.script, &self.links(call.id, line, turn.state.step));
        self.keep_answer(call.id, 0, &rendered).await?;
        let silent = self.service.clock.system_now() + SILENT;
        self.enqueue(Kind::Watch, call.id, silent).await?;
        Ok(call)
    }

    /// Who calls, as an entry.
    pub(super) fn caller(&self, at: DateTime<Utc>) -> NewEntry<'static> {
        let number = match &self.event.from {
            Caller::Withheld => None,
            Caller::Number(number) => Some(number.show().as_str()),
        };
        NewEntry {
            kind: EntryKind::Caller,
            at,
            by: None,
            body: json!(CallerBody {
                number,
                withheld: number.is_none(),
            }),
        }
    }

    /// A call and the report it may become. Without a state it is one we never spoke to.
    pub(super) async fn new_call(
        &mut self,
        line: &Line,
        lookup: &[u8; 32],
        state: Option<&State>,
    ) -> Result<Call, StoreError> {
        let now = self.service.clock.line_now();
        let line_key = members::current_key(self.tx, &line.id)
            .await?
            .ok_or(StoreError::Unreadable("line key"))?;
        let line_recipient: Recipient = line_key
            .recipient
            .parse()
            .map_err(|_| StoreError::Unreadable("line key"))?;
        // Looked at before every call: a key changed under the running service would let a stranger read.
        let lines = &self.service.config.lines;
        let entry = lines.iter().find(|entry| entry.line.id == line.id);
        if let Some(pinned) = entry.and_then(|entry| entry.pinned_key.as_ref())
            && *pinned != line_recipient
        {
            return Err(StoreError::Unreadable("pinned line key"));
        }
        let identity = Identity::generate();
        let report = Report {
            id: random_id(),
            line: line.id.clone(),
            recipient: identity.recipient().to_string(),
            source: "call".to_owned(),
            status: None,
            reference: None,
            assignee: None,
            assignee_name: None,
            received_hour: hour(now),
            live: false,
        };
        let sealed = seal_identity(&identity, &[&line_recipient]);
        drop(identity);
        let digest = Sha256::digest(&sealed).into();
        reports::insert(
            self.tx,
            &report,
            &ReportKeyRow {
                report: report.id,
                sealed_to: line_key.id,
                sealed,
            },
        )
        .await?;
        audit::append(
            self.tx,
            &line.id,
            Act {
                at: hour(now),
                action: "call_answered",
                report: Some(report.id),
                object: Some(line_key.id),
                digest: Some(digest),
                // The public half too: whoever changed it in the row could read what is added from then on.
                detail: Some(&report.recipient),
                ..Act::default()
            },
        );
        hours::add_answered(self.tx, &line.id, report.received_hour);
        add_entry(self.tx, &report, self.caller(now)).await?;
        let call = Call {
            id: random_id(),
            line: line.id.clone(),
            report: report.id,
            sid: Some(
                self.service
                    .seal_sid(self.provider.name(), self.event.call.show()),
            ),
            state: state.map(|state| self.seal_state(state)).transpose()?,
            ended: false,
            settled: false,
            addition_to: None,
            addition_from: None,
            addition_offset: None,
            added: false,
            at_duty: false,
            taken_step: None,
        };
        calls::insert(self.tx, &call, lookup).await?;
        Ok(call)
    }
}
