//! The same webhook eight times at once.

use super::{Scene, on_both_scenes};
use crate::support::webhooks::{Answered, Story, Webhook, speech};
use futures_util::future::join_all;

/// Sends a webhook eight times at once; all must be answered the same.
async fn eight(scene: &Scene, webhook: &Webhook) -> Answered {
    let answers = join_all((0..8).map(|_| scene.send(webhook))).await;
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
    answers.into_iter().next().unwrap()
}

on_both_scenes! {
    async fn eight_times_at_once_is_once(scene: Scene) {
        let story = Story::new();
        let menu = eight(&scene, &story.incoming()).await;
        let guidance = eight(&scene, &story.key(menu.address("Gather", "action"), "1")).await;
        scene.twilio.record(&story, &speech(), false);
        let review = eight(&scene, &story.recorded(guidance.address("Record", "action"))).await;
        let callback = guidance.address("Record", "recordingStatusCallback");
        eight(&scene, &story.callback(callback)).await;
        let send = story.key(review.address("Gather", "action"), "1");
        let receipt = eight(&scene, &send).await;
        assert_eq!(receipt.body.matches("您的回执号是").count(), 2);
        eight(&scene, &story.status()).await;
        scene.binary.quiet().await;
        let abandoned = scene.lead().get("/abandoned").await.ok();
        assert!(!abandoned.to_string().contains("received_hour"), "one call: {abandoned}");
        scene.one_report(&story).await;
    }
}
