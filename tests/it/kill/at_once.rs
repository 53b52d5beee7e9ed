//! The same webhook eight times at once.

use super::{Scene, on_both_scenes};
use crate::support::webhooks::{Story, speech};

on_both_scenes! {
    async fn eight_times_at_once_is_once(scene: Scene) {
        let story = Story::new();
        let menu = scene.send_at_once(&story.incoming(), 8).await;
        let guidance = scene.send_at_once(&story.key(menu.address("Gather", "action"), "1"), 8).await;
        scene.twilio.record(&story, &speech(), false);
        let review = scene.send_at_once(&story.recorded(guidance.address("Record", "action")), 8).await;
        let callback = guidance.address("Record", "recordingStatusCallback");
        scene.send_at_once(&story.callback(callback), 8).await;
        let send = story.key(review.address("Gather", "action"), "1");
        let receipt = scene.send_at_once(&send, 8).await;
        assert_eq!(receipt.body.matches("您的回执号是").count(), 2);
        scene.send_at_once(&story.status(), 8).await;
        scene.binary.quiet().await;
        let abandoned = scene.lead().get("/abandoned").await.ok();
        assert!(!abandoned.to_string().contains("received_hour"), "one call: {abandoned}");
        scene.one_report(&story).await;
    }
}
