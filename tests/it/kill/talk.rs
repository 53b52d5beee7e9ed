//! A call that the duty inspector accepts.

use super::{Scene, on_both_scenes};
use crate::duty::{recorded, roster};
use crate::support::webhooks::{Answered, Story, Webhook, speech};
use serde_json::json;

/// Sends a webhook, and kills the program before or after it has answered.
async fn send(scene: &mut Scene, webhook: Webhook, before: bool) -> Answered {
    if before {
        scene.kill_while_sending(&webhook).await
    } else {
        scene.send_and_kill(&webhook).await
    }
}

/// The caller presses 2, the first inspector does not answer, the second one presses 1: up to the conversation. Returns
/// the document that rang the inspector who accepted.
async fn connected(scene: &mut Scene, story: &Story, before: bool) -> Answered {
    let menu = send(scene, story.incoming(), before).await;
    let key = story.key(menu.address("Gather", "action"), "2");
    let ringing = send(scene, key, before).await;
    assert!(
        ringing.body.contains(">+8613800000001<"),
        "{}",
        ringing.body
    );
    let nobody = story.dialled(ringing.address("Dial", "action"), "no-answer");
    let ringing = send(scene, nobody, before).await;
    assert!(
        ringing.body.contains(">+8613800000002<"),
        "{}",
        ringing.body
    );
    let picked_up = story.rung(ringing.address("Number", "url"), None);
    let whisper = send(scene, picked_up, before).await;
    assert!(whisper.body.contains("接听请按1"), "{}", whisper.body);
    let key = story.rung(whisper.address("Gather", "action"), Some("1"));
    let taken = send(scene, key, before).await;
    assert!(
        taken.body.ends_with("<Response></Response>"),
        "{}",
        taken.body
    );
    let report = scene.lead().only_report().await;
    assert_eq!(report["on_the_line"], true, "{report}");
    ringing
}

/// A conversation, with the program killed at every webhook. It leads to one report, with everything once.
async fn talk(mut scene: Scene, before: bool) {
    let story = Story::new();
    let ringing = connected(&mut scene, &story, before).await;
    // The end of the conversation, which the provider would also post for a voicemail.
    let over = story.dialled(ringing.address("Dial", "action"), "completed");
    let end = send(&mut scene, over, before).await;
    assert_eq!(end.body.matches("您的回执号是").count(), 2, "{}", end.body);
    send(&mut scene, story.status(), before).await;
    scene.binary.quiet().await;
    let report = scene.lead().only_report().await;
    assert_eq!(report["on_the_line"], false);
    assert_eq!(report["source"], "live");
    assert_eq!(report["recordings"], json!([]));
    for kind in ["caller", "talk", "call"] {
        let entries = report["entries"].as_array().unwrap();
        let of_kind = entries.iter().filter(|entry| entry["kind"] == kind);
        assert_eq!(of_kind.count(), 1, "one {kind} in {report}");
    }
    scene.binary.run(&["audit", "verify"]);
    scene.binary.finish().await;
}

on_both_scenes! {
    async fn a_kill_between_every_two_webhooks_of_a_talk(scene: Scene = roster) {
        talk(scene, false).await;
    }

    async fn a_kill_before_every_answer_of_a_talk(scene: Scene = roster) {
        talk(scene, true).await;
    }

    async fn a_kill_between_every_two_webhooks_of_a_talk_that_is_recorded(scene: Scene = recorded) {
        let story = Story::new();
        let ringing = connected(&mut scene, &story, false).await;
        scene.twilio.record(&story, &speech(), true);
        let callback = ringing.address("Dial", "recordingStatusCallback");
        let over = story.dialled(ringing.address("Dial", "action"), "completed");
        scene.send_and_kill(&over).await;
        scene.send_and_kill(&story.callback(callback)).await;
        scene.send_and_kill(&story.status()).await;
        let report = scene.one_report(&story).await;
        assert_eq!(report["source"], "live");
    }

    /// The caller hangs up during the conversation, and only the end of the call is announced.
    async fn nothing_but_the_end_of_a_call_with_a_recorded_talk(scene: Scene = recorded) {
        let story = Story::new();
        connected(&mut scene, &story, false).await;
        scene.twilio.record(&story, &speech(), true);
        scene.send_and_kill(&story.status()).await;
        let report = scene.one_report(&story).await;
        assert_eq!(report["source"], "live");
        assert_eq!(report["on_the_line"], false);
    }
}
