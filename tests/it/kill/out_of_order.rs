//! Webhooks out of order, late, or lost; each sent twice, with a kill in between.

use super::{Scene, on_both_scenes};
use crate::support::queue;
use crate::support::webhooks::{Answered, Story, speech};

/// Makes a call up to the guidance, with the caller's recording at the provider.
async fn spoken(scene: &mut Scene, story: &Story, listed: bool) -> Answered {
    let menu = scene.send_and_kill(&story.incoming()).await;
    let key = story.key(menu.address("Gather", "action"), "1");
    let guidance = scene.send_and_kill(&key).await;
    scene.twilio.record(story, &speech(), listed);
    guidance
}

fn action(guidance: &Answered) -> String {
    guidance.address("Record", "action")
}

fn callback(guidance: &Answered) -> String {
    guidance.address("Record", "recordingStatusCallback")
}

on_both_scenes! {
    async fn the_callback_before_the_action(scene: Scene) {
        let story = Story::new();
        let guidance = spoken(&mut scene, &story, false).await;
        scene.send_and_kill(&story.callback(callback(&guidance))).await;
        let review = scene.send_and_kill(&story.recorded(action(&guidance))).await;
        let send = story.key(review.address("Gather", "action"), "1");
        scene.send_and_kill(&send).await;
        scene.send_and_kill(&story.status()).await;
        scene.one_report(&story).await;
    }

    async fn the_action_after_the_end_of_the_call(scene: Scene) {
        let story = Story::new();
        let guidance = spoken(&mut scene, &story, false).await;
        scene.send_and_kill(&story.status()).await;
        // Once the call is settled its answers are deleted, and every step is answered with goodbye.
        scene.binary.quiet().await;
        let goodbye = scene.send_and_kill(&story.recorded(action(&guidance))).await;
        assert!(goodbye.body.ends_with("<Hangup/></Response>"), "{}", goodbye.body);
        scene.send_and_kill(&story.callback(callback(&guidance))).await;
        scene.one_report(&story).await;
    }

    async fn the_end_of_the_call_before_its_beginning(scene: Scene) {
        let story = Story::new();
        scene.send_and_kill(&story.status()).await;
        let guidance = spoken(&mut scene, &story, false).await;
        let review = scene.send_and_kill(&story.recorded(action(&guidance))).await;
        scene.send_and_kill(&story.callback(callback(&guidance))).await;
        let send = story.key(review.address("Gather", "action"), "1");
        scene.send_and_kill(&send).await;
        // No further webhook says that the call is over. After ten minutes of silence the provider is asked.
        scene.twilio.end(&story);
        scene.binary.kill().await;
        let db = scene.binary.db().await;
        queue::make_due(&db, "watch").await;
        db.close().await;
        scene.binary.serve_again().await;
        scene.gone_at_provider(&story).await;
        scene.one_report(&story).await;
    }

    async fn nothing_but_the_callback_of_the_recording(scene: Scene) {
        let story = Story::new();
        let guidance = spoken(&mut scene, &story, false).await;
        scene.send_and_kill(&story.callback(callback(&guidance))).await;
        scene.send_and_kill(&story.status()).await;
        scene.one_report(&story).await;
    }

    async fn nothing_but_the_end_of_the_call(scene: Scene) {
        let story = Story::new();
        spoken(&mut scene, &story, true).await;
        scene.send_and_kill(&story.status()).await;
        let twilio = scene.twilio.clone();
        scene.one_report(&story).await;
        let list = format!("Calls/{}/Recordings.json", story.call);
        assert!(twilio.log().iter().any(|asked| asked.path == list), "{:?}", twilio.log());
    }

    async fn a_callback_of_a_call_nobody_answered(scene: Scene) {
        // The first webhook and all others were lost with the connection; the provider has recorded nevertheless.
        let story = Story::new();
        scene.twilio.record(&story, &speech(), false);
        let mut callback = story.callback("https://duty.example.org/hooks/twilio/recording".into());
        callback.form.push(("CallStatus", "completed".into()));
        scene.send_and_kill(&callback).await;
        scene.binary.quiet().await;
        let report = scene.lead().only_report().await;
        assert_eq!(report["recordings"].as_array().unwrap().len(), 1);
        assert!(scene.lead().recording(&report, 1).await == speech());
        assert!(scene.twilio.is_gone(&story));
        scene.binary.run(&["audit", "verify"]);
        scene.binary.finish().await;
    }
}
