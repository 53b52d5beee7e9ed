//! The main use: a caller leaves a note, an inspector hears it and closes the report.

use crate::support::{LEAD, NUMBER, TestLine, on_both};
use dutyline::simulator::SAMPLE;
use dutyline::simulator::exchange::SpeechEnd;
use reqwest::StatusCode;
use serde_json::json;

on_both! {
    async fn a_note_is_left_heard_and_closed(line: TestLine) {
        let call = line.exchange.dial("+8613800138000", NUMBER).await.unwrap();
        line.exchange.press(&call.id, "1").await.unwrap();
        let speech = bytes::Bytes::from_static(SAMPLE);
        line.exchange.speak(&call.id, speech, Some(SpeechEnd::Key)).await.unwrap();
        let end = line.exchange.press(&call.id, "1").await.unwrap();
        let said = serde_json::to_string(&end.heard).unwrap();
        assert_eq!(said.matches("您的回执号是").count(), 2, "the receipt is spoken twice: {said}");
        line.idle().await;

        let lead = line.lead().await;
        let report = lead.only_report().await;
        assert_eq!(report["reference"], "2024-0001");
        assert_eq!(report["status"], "queued");
        assert_eq!(report["entries"][0]["body"]["number"], "+8613800138000");
        assert_eq!(report["recordings"][0]["state"], "sealed");
        assert_eq!(report["recordings"][0]["deleted_at_provider"], true);
        assert_eq!(lead.recording(&report, 1).await, SAMPLE, "the very bytes that were said");

        let id = report["id"].as_str().unwrap();
        let at = |step: &str| format!("/reports/{id}/{step}");
        assert_eq!(lead.act(&at("claim")).await.ok()["assignee"], LEAD.0);
        assert_eq!(lead.act(&at("claim")).await.status, StatusCode::CONFLICT);
        lead.post(&at("notes"), json!({ "text": "听过" })).await.ok();
        let classified = json!({ "scope": "in", "disciplines": ["廉洁纪律"] });
        lead.post(&at("classification"), classified).await.ok();
        let referred = json!({ "outcome": "referred", "destination": "市教育局" });
        assert_eq!(lead.post(&at("close"), referred).await.ok()["status"], "closed");
    }
}
