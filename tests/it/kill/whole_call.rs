//! A whole call, in order.

use super::{Scene, on_both_scenes};
use crate::support::webhooks::{Story, speech};

on_both_scenes! {
    async fn a_kill_between_every_two_webhooks_loses_and_doubles_nothing(scene: Scene) {
        let story = Story::new();
        let menu = scene.send_and_kill(&story.incoming()).await;
        let key = story.key(menu.address("Gather", "action"), "1");
        let guidance = scene.send_and_kill(&key).await;
        let callback = guidance.address("Record", "recordingStatusCallback");
        scene.twilio.record(&story, &speech(), false);
        let recorded = story.recorded(guidance.address("Record", "action"));
        let review = scene.send_and_kill(&recorded).await;
        assert_eq!(scene.send_and_kill(&story.callback(callback)).await.status, 204);
        let send = story.key(review.address("Gather", "action"), "1");
        let receipt = scene.send_and_kill(&send).await;
        assert_eq!(receipt.body.matches("您的回执号是").count(), 2, "{}", receipt.body);
        assert!(receipt.body.ends_with("<Hangup/></Response>"), "{}", receipt.body);
        scene.binary.quiet().await;
        assert_eq!(scene.twilio.deletions(&story), [0u16; 0], "not while the call runs");
        assert_eq!(scene.send_and_kill(&story.status()).await.status, 204);
        scene.one_report(&story).await;
    }

    async fn a_kill_before_the_answer_is_out_loses_and_doubles_nothing(scene: Scene) {
        let story = Story::new();
        let menu = scene.kill_while_sending(&story.incoming()).await;
        let key = story.key(menu.address("Gather", "action"), "1");
        let guidance = scene.kill_while_sending(&key).await;
        let callback = guidance.address("Record", "recordingStatusCallback");
        scene.twilio.record(&story, &speech(), false);
        let recorded = story.recorded(guidance.address("Record", "action"));
        let review = scene.kill_while_sending(&recorded).await;
        scene.kill_while_sending(&story.callback(callback)).await;
        let send = story.key(review.address("Gather", "action"), "1");
        scene.kill_while_sending(&send).await;
        scene.kill_while_sending(&story.status()).await;
        scene.one_report(&story).await;
    }

    async fn a_webhook_signed_with_another_token_changes_nothing(scene: Scene) {
        let mut webhook = Story::new().incoming();
        webhook.form.push(("Unknown", "ignored".into()));
        let mut forged = webhook.clone();
        forged.form[4].1 = "outbound".into();
        let request = scene.binary.client.post(format!("{}/hooks/twilio/call", scene.binary.url));
        let answer = request
            .header("X-Twilio-Signature", forged.signature())
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(webhook.body())
            .send().await.unwrap();
        assert_eq!(answer.status(), 403);
        let metrics = scene.binary.metrics().await;
        assert!(metrics.contains("dutyline_calls_total 0"), "{metrics}");
        scene.send_and_kill(&webhook).await;
        scene.binary.finish().await;
    }
}
