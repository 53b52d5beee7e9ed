//! The actions recorded in the audit trail.

use crate::base::names::names;

names! {
    "audit.action";
    /// An audited action. [`crate::vault::chain`] hashes the name, so a name must never change.
    ///
    /// The functions by which `audit verify`, live updates and the console distinguish actions match them without a
    /// wildcard: a new variant does not compile until they handle it.
    pub enum Action {
        /// A call was answered. Commits to its report's private key, sealed to the line key.
        CallAnswered = "call_answered",
        /// A call became a report; the detail is its reference.
        ReportQueued = "report_queued",
        /// A talk with the duty inspector ended.
        TalkEnded = "talk_ended",
        /// A recording was sealed. Commits to the digests of its file.
        RecordingSealed = "recording_sealed",
        /// A recording that was streamed was lost.
        RecordingLost = "recording_lost",
        /// A lead gave up a recording that could not be fetched from the provider. It counts as lost.
        RecordingGivenUp = "recording_given_up",
        /// Two callers were told the same receipt, which opens neither report; the object is the other report.
        ReceiptShared = "receipt_shared",
        /// An entry was added; the detail is its kind. Commits to the sealed entry.
        EntryAdded = "entry_added",
        /// The caller's entry of a call that left no message was deleted after its retention period; the detail is its
        /// kind.
        EntryPurged = "entry_purged",
        /// A lead had the row of a report restored from the trail, because it was not what the service wrote.
        ReportRestored = "report_restored",
        /// A member opened a report.
        ReportOpened = "report_opened",
        /// A member opened a call that left no message.
        AbandonedOpened = "abandoned_opened",
        /// A member opened a recording to listen to it.
        RecordingOpened = "recording_opened",
        /// A member read the audit trail of a report.
        TrailOpened = "trail_opened",
        /// A member approved a reply. Commits to the sealed entry.
        ReplyApproved = "reply_approved",
        /// A member claimed a report.
        Claim = "claim",
        /// A member returned a report to the queue.
        Release = "release",
        /// A member closed a report.
        Close = "close",
        /// A closed report was returned to the queue, by a member or because its caller added to it.
        Reopen = "reopen",
        /// A member logged in.
        Login = "login",
        /// A member changed their password.
        PasswordChanged = "password_changed",
        /// A line key was sealed to a member who holds the line already: because they changed their password, or because
        /// the line got another key. Commits to the grant.
        GrantRenewed = "grant_renewed",
        /// A line's key pair was generated. Commits to the row of the line key; the detail is the public half.
        LineKeyMade = "line_key_made",
        /// The keys of reports were sealed to the line's next key, whose id is the object. Commits to the root of a
        /// Merkle tree over the sealed keys ([`crate::vault::merkle`]).
        ReportKeysResealed = "report_keys_resealed",
        /// No report is sealed to a former key of the line any more. In the line's trail the object is the line key; in
        /// the chain of the service a link removes each grant of it.
        LineKeyRetired = "line_key_retired",
        /// A lead has replaced the line's recovery key: the next key of the line, which is the object, is sealed to it.
        RecoveryRenewed = "recovery_renewed",
        /// An account was added.
        MemberAdded = "member_added",
        /// A member was given access to the line.
        Granted = "granted",
        /// A member's account was disabled.
        MemberDisabled = "member_disabled",
        /// A member's account was enabled again.
        MemberEnabled = "member_enabled",
        /// A member confirmed another member's account.
        MemberConfirmed = "member_confirmed",
        /// A member was taken off the line: their grants were removed, and the line has another key.
        TakenOff = "taken_off",
        /// A lead waived the confirmation of members' accounts by a third member: approvals on the line count without
        /// it.
        ConfirmationWaived = "confirmation_waived",
        /// The waiver has ended: approvals on the line require the confirmation by a third member again.
        ConfirmationRequired = "confirmation_required",
        /// The line was exported in sealed form.
        ExportSealed = "export_sealed",
        /// The line was exported, opened with its recovery key.
        ExportOpened = "export_opened",
        /// The service was started with `--accept-head`, although this node had seen a later link of the chain, which the
        /// detail names: number and hash.
        HeadAccepted = "head_accepted",
        /// The last link of another chain at this time, which the detail names: in a line's chain number and hash of the
        /// service's, in the chain of the service the line, number and hash.
        HeadNamed = "head_named",
    }
}

impl Action {
    /// The actions that change which members work on a line, and what is done with its recovery key.
    pub const ABOUT_MEMBERS: [Self; 10] = [
        Self::MemberAdded,
        Self::Granted,
        Self::MemberDisabled,
        Self::MemberEnabled,
        Self::MemberConfirmed,
        Self::TakenOff,
        Self::ConfirmationWaived,
        Self::ConfirmationRequired,
        Self::RecoveryRenewed,
        Self::ExportOpened,
    ];

    /// True if the detail of such a link in a line's trail is the name of a member.
    pub fn names_a_member(self) -> bool {
        matches!(
            self,
            Self::MemberAdded
                | Self::Granted
                | Self::GrantRenewed
                | Self::MemberDisabled
                | Self::MemberEnabled
                | Self::MemberConfirmed
                | Self::TakenOff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chains are kept longer than versions of this program, and their hashes cover these names.
    #[test]
    fn names_are_stable() {
        let names: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(
            names.join(" "),
            "call_answered report_queued talk_ended recording_sealed recording_lost recording_given_up receipt_shared \
             entry_added entry_purged report_restored report_opened abandoned_opened recording_opened trail_opened reply_approved claim \
             release close reopen login password_changed grant_renewed line_key_made report_keys_resealed \
             line_key_retired recovery_renewed member_added granted member_disabled member_enabled member_confirmed taken_off confirmation_waived confirmation_required export_sealed export_opened \
             head_accepted head_named"
        );
        for (action, name) in Action::ALL.iter().zip(names) {
            assert_eq!(name.parse(), Ok(*action));
        }
    }
}
