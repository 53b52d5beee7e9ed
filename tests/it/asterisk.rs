//! Calls over Asterisk: the stand-in connects to the service's WebSocket and executes its requests.

use crate::support::pbx::{Faults, Pbx, Waiting};
use crate::support::{DEADLINE, Database, NUMBER, OPEN, TOKEN, TestLine, pause, sql, wav};
use bytes::Bytes;
use serde_json::{Value, json};

/// Declares a test on SQLite and on Postgres, with a connected stand-in.
macro_rules! on_both_with_pbx {
    ($(async fn $name:ident($line:ident, $pbx:ident) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn body($line: &TestLine, $pbx: &Pbx) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                on(Database::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                on(Database::postgres().await).await;
            }

            async fn on(database: Database) {
                let pbx = Pbx::start().await;
                let line = pbx.line(database, OPEN).await;
                body(&line, &pbx).await;
                line.finish().await;
            }
        })*
    };
}

const CALLER: &str = "13800138000";

fn speech(n: u8) -> Bytes {
    wav(&[n, 1, n, 2])
}

/// Returns a fifth of a second of audio, which is what Asterisk leaves of a recording without speech.
fn breath() -> Bytes {
    const BYTES: u32 = 3200;
    let mut wav = wav(b"ab").slice(..44 + BYTES as usize).to_vec();
    wav[4..8].copy_from_slice(&(36 + BYTES).to_le_bytes());
    wav[40..44].copy_from_slice(&BYTES.to_le_bytes());
    wav.into()
}

/// Checks that there is one report with these recordings, and returns it.
async fn report(line: &TestLine, said: &[Bytes]) -> Value {
    line.until_reports(1).await;
    let lead = line.lead().await;
    let report = lead.only_report().await;
    let recordings = report["recordings"].as_array().unwrap();
    assert_eq!(recordings.len(), said.len(), "{report}");
    for (recording, said) in recordings.iter().zip(said) {
        assert_eq!(recording["state"], "sealed");
        assert_eq!(recording["deleted_at_provider"], true);
        let n = recording["n"].as_u64().unwrap();
        assert_eq!(lead.recording(&report, n).await, *said, "{n}");
    }
    report
}

fn entry<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let entries = report["entries"].as_array().unwrap();
    let found = entries.iter().find(|entry| entry["kind"] == kind);
    &found.unwrap_or_else(|| panic!("no {kind}: {report}"))["body"]
}

on_both_with_pbx! {
    async fn a_note(line, pbx) {
        pbx.set_faults(Faults { twice: true, ..Faults::default() });
        let call = pbx.call(CALLER, NUMBER).await;
        assert_eq!(pbx.waits(&call).await, Waiting::Keys);
        pbx.press(&call, '1').await;
        assert_eq!(pbx.waits(&call).await, Waiting::Speech(240));
        pbx.speak(&call, speech(1), true).await;
        assert_eq!(pbx.waits(&call).await, Waiting::Keys);
        pbx.press(&call, '1').await;
        assert_eq!(pbx.waits(&call).await, Waiting::Over);
        let report = report(line, &[speech(1)]).await;
        assert_eq!(entry(&report, "call")["reached"], "receipt");
        assert_eq!(entry(&report, "caller")["number"], CALLER);
        assert_eq!(pbx.stored(), Vec::<String>::new(), "nothing is left there");
    }

    async fn a_wrong_password_is_refused(line, pbx) {
        let refused = pbx.dial_service(&line.url, "wrong").await;
        assert_eq!(refused, Err(403));
        let other = reqwest_status(&format!("{}/hooks/twilio/ari", line.url)).await;
        let nobody = reqwest_status(&format!("{}/hooks/nobody/ari", line.url)).await;
        assert_eq!((other, nobody), (404, 404), "there is no socket for others");
    }

    async fn silence_is_no_report_and_is_kept(line, pbx) {
        let call = pbx.call(CALLER, NUMBER).await;
        pbx.keep_silent(&call).await;
        pbx.keep_silent(&call).await;
        assert_eq!(pbx.waits(&call).await, Waiting::Speech(240));
        // A fifth of a second: too short to count as speech.
        let breath = breath();
        pbx.speak(&call, breath.clone(), false).await;
        assert_eq!(pbx.waits(&call).await, Waiting::Speech(240), "asked once more");
        pbx.keep_silent(&call).await;
        assert_eq!(pbx.waits(&call).await, Waiting::Over);
        line.until_abandoned(1).await;
        let lead = line.lead().await;
        assert_eq!(lead.reports().await, Vec::<Value>::new());
        let listed = lead.get("/abandoned").await.ok();
        let kinds: Vec<&Value> = listed["calls"][0]["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| &entry["kind"])
            .collect();
        assert!(kinds.contains(&&json!("recording")), "the breath is kept: {kinds:?}");
        assert_eq!(pbx.stored(), Vec::<String>::new());
    }

    async fn hanging_up_while_speaking(line, pbx) {
        pbx.until_looked().await;
        let call = pbx.call(CALLER, NUMBER).await;
        pbx.press(&call, '1').await;
        pbx.hang_up(&call, Some(speech(2)));
        let report = report(line, &[speech(2)]).await;
        assert_eq!(entry(&report, "call")["reached"], "recording");
        assert!(!pbx.has_looked(), "the recording was noted, so the disk need not be looked at");
    }

    async fn a_recording_told_of_after_the_end(line, pbx) {
        pbx.set_faults(Faults { recording_after_end: true, not_yet: 1, twice: true, ..Faults::default() });
        let call = pbx.call(CALLER, NUMBER).await;
        pbx.press(&call, '1').await;
        pbx.hang_up(&call, Some(speech(3)));
        report(line, &[speech(3)]).await;
    }

    async fn the_duty_inspector_takes_the_call(line, pbx) {
        let call = pbx.call(CALLER, NUMBER).await;
        pbx.press(&call, '2').await;
        let endpoint = "PJSIP/+8613800000001@trunk".to_owned();
        assert_eq!(pbx.waits(&call).await, Waiting::Ringing(endpoint));
        let leg = pbx.pick_up(&call).await;
        pbx.press_there(&call, &leg, '1').await;
        assert_eq!(pbx.waits(&call).await, Waiting::Talking);
        let lead = line.lead().await;
        let now = lead.only_report().await;
        assert_eq!(now["source"], "live");
        assert_eq!(entry(&now, "talk")["on_duty"], "甲");
        pbx.hang_up_there(&call, &leg).await;
        assert_eq!(pbx.waits(&call).await, Waiting::Over, "the receipt was spoken");
        let report = report(line, &[]).await;
        assert_eq!(entry(&report, "call")["reached"], "receipt");
    }

    async fn a_voicemail_swallows_nobody(line, pbx) {
        let call = pbx.call(CALLER, NUMBER).await;
        pbx.press(&call, '2').await;
        let leg = pbx.pick_up(&call).await;
        pbx.press_nothing_there(&call).await;
        let endpoint = "PJSIP/+8613800000002@trunk".to_owned();
        assert_eq!(pbx.waits(&call).await, Waiting::Ringing(endpoint));
        assert_ne!(pbx.leg(&call), Some(leg));
        pbx.nobody_picks_up(&call).await;
        assert_eq!(pbx.waits(&call).await, Waiting::Speech(240));
        pbx.speak(&call, speech(4), true).await;
        pbx.hang_up(&call, None);
        let report = report(line, &[speech(4)]).await;
        assert_eq!(report["source"], "call");
    }

    async fn the_caller_leaves_while_it_rings(line, pbx) {
        let call = pbx.call(CALLER, NUMBER).await;
        pbx.press(&call, '2').await;
        pbx.hang_up(&call, None);
        line.until_abandoned(1).await;
        let lead = line.lead().await;
        assert_eq!(lead.reports().await, Vec::<Value>::new());
        assert_eq!(pbx.leg(&call), None, "nobody is left ringing");
    }

    async fn a_connection_that_breaks_loses_nothing(line, pbx) {
        let speaking = pbx.call(CALLER, NUMBER).await;
        pbx.press(&speaking, '1').await;
        let spoken = pbx.call(CALLER, NUMBER).await;
        pbx.press(&spoken, '1').await;
        let gone = pbx.call(CALLER, NUMBER).await;
        pbx.press(&gone, '1').await;
        let menu = pbx.call(CALLER, NUMBER).await;
        pbx.disconnect();
        // Events during the disconnection are lost.
        let name = pbx.recording(&spoken).unwrap();
        pbx.finish_recording(&name, speech(6));
        pbx.hang_up(&gone, Some(speech(7)));
        pbx.dial_service(&line.url, TOKEN).await.unwrap();
        assert_eq!(pbx.waits_now(&spoken).await, Waiting::Keys);
        pbx.hang_up(&spoken, None);
        pbx.speak(&speaking, speech(5), true).await;
        pbx.hang_up(&speaking, None);
        pbx.hang_up(&menu, None);
        line.until_reports(3).await;
        let lead = line.lead().await;
        let mut heard = Vec::new();
        for report in lead.reports().await {
            let whole = lead.open(&report).await;
            heard.push(lead.recording(&whole, 1).await);
        }
        heard.sort();
        let mut said = [speech(5), speech(6), speech(7)];
        said.sort();
        assert_eq!(heard, said);
    }

    async fn a_talk_outlasts_the_connection(line, pbx) {
        let call = pbx.call(CALLER, NUMBER).await;
        pbx.press(&call, '2').await;
        let leg = pbx.pick_up(&call).await;
        pbx.press_there(&call, &leg, '1').await;
        // Another caller's inspector is ringing when the connection breaks; that leg no longer belongs to a call
        // afterwards.
        let other = pbx.call(CALLER, NUMBER).await;
        pbx.press(&other, '2').await;
        pbx.disconnect();
        pbx.dial_service(&line.url, TOKEN).await.unwrap();
        assert!(matches!(pbx.waits_now(&other).await, Waiting::Ringing(_)), "the next one is rung");
        pbx.hang_up(&other, None);
        assert_eq!(pbx.leg(&call), Some(leg.clone()), "they still speak");
        pbx.hang_up_there(&call, &leg).await;
        assert_eq!(pbx.waits(&call).await, Waiting::Over);
        let report = report(line, &[]).await;
        assert_eq!(entry(&report, "call")["reached"], "receipt");
    }

    async fn a_recording_nobody_was_told_of_is_found_by_its_name(line, pbx) {
        pbx.disconnect();
        let nil = uuid::Uuid::nil();
        pbx.leave_behind(&format!("duty.{NUMBER}.{nil}.0.1795.9"), speech(8));
        pbx.leave_behind("somebody-elses", speech(9));
        pbx.dial_service(&line.url, TOKEN).await.unwrap();
        report(line, &[speech(8)]).await;
        assert_eq!(pbx.stored(), ["somebody-elses"]);
    }

    async fn a_recording_that_could_not_be_looked_into_is_looked_into_again_soon(line, pbx) {
        pbx.disconnect();
        pbx.set_faults(Faults { live_unknown: 2, ..Faults::default() });
        let nil = uuid::Uuid::nil();
        pbx.leave_behind(&format!("duty.{NUMBER}.{nil}.0.1795.9"), speech(8));
        pbx.dial_service(&line.url, TOKEN).await.unwrap();
        report(line, &[speech(8)]).await;
    }

    async fn a_recording_told_of_while_the_database_fails_is_noted_soon_after(line, pbx) {
        let nil = uuid::Uuid::nil();
        let name = format!("duty.{NUMBER}.{nil}.0.1795.9");
        pbx.until_looked().await;
        pbx.leave_behind(&name, speech(8));
        sql::run(line.db(), "ALTER TABLE recordings RENAME TO recordings_away", &[]).await;
        // The service knows no call of this recording: only this event announces it.
        pbx.finish_recording(&name, speech(8));
        // Longer than the first pauses between attempts, which are 1, 2, 4 and 8 s.
        until_refused(line, 8).await;
        sql::run(line.db(), "ALTER TABLE recordings_away RENAME TO recordings", &[]).await;
        report(line, &[speech(8)]).await;
    }

    async fn a_recording_answered_without_the_database_is_noted_soon_after(line, pbx) {
        pbx.until_looked().await;
        let call = pbx.call(CALLER, NUMBER).await;
        pbx.press(&call, '1').await;
        sql::run(line.db(), "ALTER TABLE recordings RENAME TO recordings_away", &[]).await;
        pbx.speak(&call, speech(8), true).await;
        // The answer, and the first listing of recordings.
        until_refused(line, 2).await;
        sql::run(line.db(), "ALTER TABLE recordings_away RENAME TO recordings", &[]).await;
        until_noted(line).await;
        // On the next connection the service finds that the call has ended.
        pbx.disconnect();
        pbx.dial_service(&line.url, TOKEN).await.unwrap();
        report(line, &[speech(8)]).await;
    }
}

/// Waits until a recording is stored in the database.
async fn until_noted(line: &TestLine) {
    let noted = async {
        while sql::number(line.db(), "SELECT count(*) FROM recordings").await == 0 {
            pause().await;
        }
    };
    let waited = tokio::time::timeout(DEADLINE, noted).await;
    assert!(waited.is_ok(), "no recording was noted");
}

/// Waits until at least `count` webhooks could not be stored.
async fn until_refused(line: &TestLine, count: u64) {
    let refused = async {
        while line.counter("webhooks_fallback").await < count {
            pause().await;
        }
    };
    let waited = tokio::time::timeout(DEADLINE, refused).await;
    assert!(waited.is_ok(), "fewer than {count} webhooks were refused");
}

async fn reqwest_status(url: &str) -> u16 {
    let client = crate::support::client();
    client.get(url).send().await.unwrap().status().as_u16()
}
