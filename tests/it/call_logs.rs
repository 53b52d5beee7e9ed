//! The log lines of a call, which can be found by the service's own id of the call.

use crate::support::hooks::call_form;
use crate::support::{LINES, NUMBER, TestLine, logs, on_both, speech, sql, words};
use dutyline::simulator::exchange::SpeechEnd;
use dutyline::simulator::spoken;
use dutyline::store::calls::{self, Call};
use reqwest::StatusCode;
use uuid::Uuid;

/// Returns the only running call.
async fn running(line: &TestLine) -> Call {
    let mut tx = line.db().begin_read().await.unwrap();
    let mut calls = calls::of_line_running(&mut tx, LINES[0]).await.unwrap();
    assert_eq!(calls.len(), 1);
    calls.remove(0)
}

/// Returns the log lines that have the call's id in their `call` field.
fn about(call: Uuid) -> Vec<String> {
    let field = format!("call={call}");
    let log = logs::all();
    let lines = log.lines().filter(|line| line.contains(&field));
    lines.map(str::to_owned).collect()
}

async fn set_state(line: &TestLine, call: Uuid, state: &[u8]) {
    let statement = "UPDATE calls SET state = $1 WHERE id = $2";
    sql::change(line.db(), statement, &[state.into(), call.into()]).await;
}

on_both! {
    async fn log_lines_of_a_webhook_carry_the_id_of_its_call(line: TestLine) {
        logs::keep();
        let provider_id = line.exchange.dial("+8613800138000", NUMBER).await.unwrap().id;
        let call = running(line).await;
        let state = call.state.clone().unwrap();
        // With a damaged state, webhooks of the call cannot be decided until it is restored.
        set_state(line, call.id, b"damaged").await;
        // The address of this webhook contains the call's id.
        line.exchange.press(&provider_id, "1").await.unwrap();
        let lines = about(call.id);
        let logged = |lines: &[String], kind: &str, words: &str| {
            let hook = format!("hook=\"{kind}\"");
            lines.iter().filter(|line| line.contains(&hook) && line.contains(words)).count()
        };
        assert_eq!(logged(&lines, "step", "cannot be decided"), 1, "{lines:#?}");
        assert_eq!(logged(&lines, "step", "answered without the database"), 1, "{lines:#?}");
        // The address of this webhook does not: the call is known only once it is loaded.
        let noted = call_form(&provider_id, &[("CallStatus", "in-progress")]);
        let answer = line.hook("/hooks/twilio/status", &noted).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let lines = about(call.id);
        assert_eq!(logged(&lines, "status", "cannot be decided"), 1, "{lines:#?}");
        set_state(line, call.id, &state).await;
        line.exchange.hang_up(&provider_id).await.unwrap();
        line.until_settled().await;
        assert!(!logs::all().contains(&provider_id), "the provider's id is not logged");
    }

    async fn log_lines_of_a_job_carry_the_id_of_its_call(line: TestLine) {
        logs::keep();
        let provider_id = line.exchange.dial("+8613800138000", NUMBER).await.unwrap().id;
        let call = running(line).await.id;
        line.exchange.press(&provider_id, "1").await.unwrap();
        line.exchange.speak(&provider_id, speech(1), Some(SpeechEnd::Key)).await.unwrap();
        line.exchange.press(&provider_id, "1").await.unwrap();
        line.exchange.hang_up(&provider_id).await.unwrap();
        line.until_reports(1).await;
        line.until_settled().await;
        let lines = about(call);
        for kind in ["fetch", "settle", "delete"] {
            let of_job = |line: &&String| line.contains("job done") && line.contains(&format!("kind={kind}"));
            assert_eq!(lines.iter().filter(of_job).count(), 1, "{kind}: {lines:#?}");
        }
        // A log line has an exact time, which for a call must be sealed.
        let above_debug = |line: &&String| ["ERROR", "WARN", "INFO"].iter().any(|level| line.contains(level));
        assert_eq!(lines.iter().find(above_debug), None, "a normal call is not logged above debug");
        assert!(!logs::all().contains(&provider_id), "the provider's id is not logged");
    }

    async fn log_lines_of_a_job_for_an_addition_carry_the_id_of_the_call_that_added(line: TestLine) {
        logs::keep();
        let provider_id = line.exchange.dial("+8613800138000", NUMBER).await.unwrap().id;
        line.exchange.press(&provider_id, "1").await.unwrap();
        line.exchange.speak(&provider_id, speech(1), Some(SpeechEnd::Key)).await.unwrap();
        let told = line.exchange.press(&provider_id, "1").await.unwrap();
        let receipt = spoken::receipt(&words(&told)).unwrap();
        line.until_settled().await;

        let provider_id = line.exchange.dial("+8613900139000", NUMBER).await.unwrap().id;
        let call = running(line).await.id;
        for keys in ["4", &receipt, "1"] {
            line.exchange.press(&provider_id, keys).await.unwrap();
        }
        line.exchange.speak(&provider_id, speech(2), Some(SpeechEnd::Key)).await.unwrap();
        line.exchange.press(&provider_id, "1").await.unwrap();
        line.until_settled().await;
        let lines = about(call);
        for kind in ["fetch", "settle", "delete"] {
            let of_job = |line: &&String| line.contains("job done") && line.contains(&format!("kind={kind}"));
            assert_eq!(lines.iter().filter(of_job).count(), 1, "{kind}: {lines:#?}");
        }
    }
}
