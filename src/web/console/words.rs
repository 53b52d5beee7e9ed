//! The console's texts: one file per language, each with every key.

use crate::base::wording::wording;
use std::sync::LazyLock;

wording! {
    /// All texts of the console in one language. A file with a missing or an unknown key is an error.
    pub(crate) struct Words {
    lang, other_language, console, sign_in, sign_out, name, password, wrong_login, too_many_logins, signed_out,
    queue, abandoned, skip,
    all, all_lines, choose_line, queued, claimed, closed, status, line, age, assignee, arrived, reference, source, source_call, source_live, talk_entry, talk_recorded, on_the_line, live_hint, act_talk_ended, rings,
    nobody_waits, no_match, claim_next, nothing_to_claim, next_page, hours, days, just_now, nobody,
    claim, release, close, reopen, recordings, recording, replaced, not_there_yet, lost, seconds,
    timeline, note, add_note, note_hint, classification, classify, scope, scope_in, scope_out, disciplines, focuses,
    outcome, handled, referred, no_action, duplicate, destination, duplicate_of, save,
    caller, caller_withheld, call_entry, recording_entry, take_entry, outcome_entry, transcript_entry, reply_entry,
    phase, reached, reached_greeting, reached_called_back, reached_guidance, reached_recording, reached_connected, reached_receipt, reached_added,
    receipt_given, receipt_not_given,
    not_started, open, pause, after_hours, holiday, intake_closed, ended, opens, clock_shifted, jobs_failing, put_back, rows_refused, strays,
    no_abandoned, abandoned_hint, abandoned_count, flood, damaged, by_service,
    error_title, missing_title, missing_text, forbidden_title, forbidden_text, wrong_method_title, wrong_method_text, too_long_title, too_long_text, other_site, failed_title, failed_text,
    wrong_status, somebody_elses, report_closed, empty_note, long_note, no_destination, long_destination, bad_choice,
    back_to_queue, login_again, trail, when, who, what, show_trail,
    pages, calendar, hear, members, help, lost_connection, keys, key_next, key_play, key_seek, key_leave,
    close_box, ended_title, ended_text, ended_not_yours, resume, no_script, filters, one_report, also_open, no_recordings, play,
    pause_playing, play_failed, not_saved, back_5, speed, position, save_note, close_report, back_to_report, trail_hint,
    earlier, later, not_staffed, inspection_period, intake_period, hear_hint, call_at, call_up, first_words,
    bad_time, pressed, spoke, kept_silent, hung_up, speak_and, keep_silent, hang_up, plays_back, waits, records,
    line_hangs_up, from_start, role, lead, inspector, auditor, operator, security_admin, oneself_mark, disabled, give_line,
    disable, disable_hint, take_off, take_off_hint, add_member, first_password, leads_only, bad_name, name_taken, short_password, common_password,
    no_line, oneself, mine, working_day, weekend, act_call_answered, act_report_queued, act_recording_sealed, act_recording_lost, act_recording_given_up, act_receipt_shared, receipt_shared,
    act_entry_added, act_entry_purged, act_report_opened, act_abandoned_opened, act_recording_opened,
    act_trail_opened,
    change_password, password_hint, old_password, new_password, password_again, not_the_same, wrong_password, password_changed,
    act_reply_approved, act_report_restored, reply_hint, save_reply, approve, approved_by, not_approved, empty_reply,
    long_reply, no_receipt, own_reply, window_over_midnight,
    own_password, own_password_wrong, reserved_name, name_looks_like, others_line, last_one, no_third, enough_members, enable, added_by, added_with_recovery_key, confirmed_by, not_confirmed, confirm, confirm_hint, few_members, waive_hint, waive, waive_end, waived, changes, changes_more, changes_seen, change_added, change_granted, change_disabled, change_enabled, change_confirmed, change_taken_off, change_waived, change_required, change_recovery, change_exported, recovery_key, unconfirmed,
    entry_unreadable, act_entry_deleted, no_such_reference,
    account, own_sessions, own_sessions_hint, session_began, session_seen, this_session, end_session, end_other_sessions, accounts, accounts_hint, sessions, no_session, end_all_sessions, operations, no_problems, version, providers, unnamed_files, calls_running, jobs, job_kind, jobs_waiting, jobs_failed, jobs_late, audits, audits_hint, links_refused, out_of_hours, earlier_links, act_login, act_password_changed, act_line_key_made, act_report_keys_resealed, act_line_key_retired, act_recovery_renewed, act_confirmation_waived, act_confirmation_required, act_export_sealed, act_export_opened, act_head_accepted, act_head_named, act_member_added, act_granted, act_member_disabled, act_member_enabled, act_member_confirmed, act_taken_off, roles_apart, links_total, job_fetch, job_delete, job_settle, job_watch, job_stray, openings_here, openings_of, own_password_again,
    }
}

static FILES: LazyLock<[Words; 2]> = LazyLock::new(|| {
    [
        ("zh-CN", include_str!("words/zh-CN.toml")),
        ("en", include_str!("words/en.toml")),
    ]
    .map(|(name, text)| {
        Words::parse(text)
            .unwrap_or_else(|error| panic!("src/web/console/words/{name}.toml: {error}"))
    })
});

/// Returns the texts in English if `language` begins with `en`, else in Chinese.
pub(crate) fn words(language: &str) -> &'static Words {
    if language.starts_with("en") {
        &FILES[1]
    } else {
        &FILES[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_everything() {
        for language in ["zh-CN", "en"] {
            for (id, text) in words(language).all() {
                assert!(!text.trim().is_empty(), "{language}: {id}");
            }
        }
        assert_eq!(words("zh-CN").lang, "zh-CN");
        assert_eq!(words("en-GB").lang, "en");
    }
}
