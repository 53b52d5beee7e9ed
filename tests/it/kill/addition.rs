//! A whole call in which a caller adds to a report.

use super::{Scene, on_both_scenes};
use crate::support::webhooks::{Answered, Story, Webhook, speech};
use dutyline::simulator::spoken;
use serde_json::json;

/// Leaves a report without a kill. Returns its receipt.
async fn leave(scene: &Scene) -> String {
    let story = Story::new();
    let menu = scene.send(&story.incoming()).await;
    let key = story.key(menu.address("Gather", "action"), "1");
    let guidance = scene.send(&key).await;
    scene.twilio.record(&story, &speech(), false);
    let recorded = story.recorded(guidance.address("Record", "action"));
    let review = scene.send(&recorded).await;
    let send = story.key(review.address("Gather", "action"), "1");
    let end = scene.send(&send).await;
    scene.send(&story.status()).await;
    scene.binary.quiet().await;
    spoken::receipt(&end.body).expect("a receipt")
}

/// Sends a webhook, and kills the program before or after it has answered.
async fn send(scene: &mut Scene, webhook: Webhook, before: bool) -> Answered {
    if before {
        scene.kill_while_sending(&webhook).await
    } else {
        scene.send_and_kill(&webhook).await
    }
}

/// Adds to a report, with the program killed at every webhook. Both recordings are in it once.
async fn add(mut scene: Scene, before: bool) {
    let receipt = leave(&scene).await;
    let story = Story::new();
    let menu = send(&mut scene, story.incoming(), before).await;
    let key = story.key(menu.address("Gather", "action"), "4");
    let asked = send(&mut scene, key, before).await;
    let typed = story.key(asked.address("Gather", "action"), &receipt);
    let told = send(&mut scene, typed, before).await;
    assert!(told.body.contains("正在等待办理"), "{}", told.body);
    let key = story.key(told.address("Gather", "action"), "1");
    let guidance = send(&mut scene, key, before).await;
    let callback = guidance.address("Record", "recordingStatusCallback");
    scene.twilio.record(&story, &speech(), false);
    let recorded = story.recorded(guidance.address("Record", "action"));
    let review = send(&mut scene, recorded, before).await;
    send(&mut scene, story.callback(callback), before).await;
    let key = story.key(review.address("Gather", "action"), "1");
    let end = send(&mut scene, key, before).await;
    assert!(
        end.body.contains("您原来的回执号继续有效。"),
        "{}",
        end.body
    );
    send(&mut scene, story.status(), before).await;
    scene.binary.quiet().await;

    let lead = scene.lead();
    let report = lead.only_report().await;
    for n in 0..2 {
        let recording = &report["recordings"][n];
        assert_eq!(recording["state"], "sealed", "{report}");
        assert_eq!(recording["deleted_at_provider"], true, "{report}");
        assert!(lead.recording(&report, n as u64 + 1).await == speech());
    }
    assert_eq!(report["recordings"].as_array().unwrap().len(), 2);
    for kind in ["caller", "recording", "call"] {
        let entries = report["entries"].as_array().unwrap();
        let of_kind = entries.iter().filter(|entry| entry["kind"] == kind);
        assert_eq!(of_kind.count(), 2, "two of {kind} in {report}");
    }
    assert_eq!(lead.get("/abandoned").await.ok()["calls"], json!([]));
    assert!(scene.twilio.is_gone(&story));
    scene.binary.run(&["audit", "verify"]);
    scene.binary.finish().await;
}

on_both_scenes! {
    /// All copies have the same answer and count as one try: of a number's tries only six are allowed at once.
    async fn a_receipt_typed_once_and_told_of_many_times_at_once(scene: Scene) {
        let receipt = leave(&scene).await;
        let story = Story::new();
        let menu = scene.send(&story.incoming()).await;
        let key = story.key(menu.address("Gather", "action"), "4");
        let asked = scene.send(&key).await;
        let typed = story.key(asked.address("Gather", "action"), &receipt);
        let told = scene.send_at_once(&typed, 10).await;
        assert!(told.body.contains("正在等待办理"), "{}", told.body);
        scene.send(&story.status()).await;
        scene.binary.quiet().await;
        scene.binary.run(&["audit", "verify"]);
        scene.binary.finish().await;
    }

    async fn a_kill_between_every_two_webhooks_of_an_addition(scene: Scene) {
        add(scene, false).await;
    }

    async fn a_kill_before_every_answer_of_an_addition(scene: Scene) {
        add(scene, true).await;
    }
}
