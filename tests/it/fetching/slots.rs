//! A slow provider delays no other work.

use super::*;
use dutyline::service::Slowest;
use std::time::Duration;

/// Sets a limit at which a provider that sends few bytes is soon given up.
fn impatient(service: &mut Service) {
    service.slowest = Slowest {
        bytes: 1024,
        time: Duration::from_millis(300),
    };
}

/// Number of fetches held at once: more than there are slots.
const SLOW: usize = 6;

impl Scene {
    /// Waits until every call that is over is settled, whatever other jobs run.
    async fn settles(&self) {
        let settled = async {
            let mut worked = self.line.service().worked.subscribe();
            let jobs = async || queue::all(self.line.db()).await;
            while jobs().await.iter().any(|job| job.kind == "settle") {
                worked.changed().await.unwrap();
            }
        };
        let settled = tokio::time::timeout(Duration::from_secs(10), settled).await;
        assert!(settled.is_ok(), "settled while fetches are slow");
    }

    /// Returns the number of settled calls that left no message.
    async fn without_message(&self) -> u64 {
        self.line.counted("calls_without_message").await
    }
}

on_both_scenes! {
    async fn settling_waits_behind_no_fetch(scene: Scene) {
        for _ in 0..SLOW {
            scene.story = Story::new();
            scene.record(Some(Serving::Trickle)).await;
        }
        scene.twilio.holds(4).await;
        // The call after them leaves no message: none of its jobs waits for the provider.
        scene.story = Story::new();
        scene.send(&scene.story.incoming()).await;
        scene.send(&scene.story.status()).await;
        scene.settles().await;
        scene.line.forget_jobs().await;
        scene.twilio.let_go();
        scene.line.finish().await;
    }

    async fn settling_waits_behind_no_list_of_recordings(scene: Scene) {
        scene.twilio.hold(Some(Hold::Listing));
        for _ in 0..SLOW * 2 {
            // A call that ends during its recording, without a webhook about the recording's outcome.
            scene.story = Story::new();
            let menu = scene.send(&scene.story.incoming()).await;
            let key = scene.story.key(menu.address("Gather", "action"), "1");
            scene.send(&key).await;
            scene.send(&scene.story.status()).await;
        }
        scene.twilio.holds(4).await;
        let before = scene.without_message().await;
        scene.story = Story::new();
        scene.send(&scene.story.incoming()).await;
        scene.send(&scene.story.status()).await;
        let mut worked = scene.line.service().worked.subscribe();
        let settled = async {
            while scene.without_message().await == before {
                worked.changed().await.unwrap();
            }
        };
        let settled = tokio::time::timeout(Duration::from_secs(10), settled).await;
        assert!(settled.is_ok(), "settled while lists are slow");
        scene.line.forget_jobs().await;
        scene.twilio.let_go();
        scene.line.finish().await;
    }

    async fn a_slow_provider_keeps_no_other_waiting(scene: Scene) {
        for _ in 0..SLOW {
            scene.story = Story::new();
            scene.record(Some(Serving::Trickle)).await;
        }
        scene.twilio.holds(4).await;
        let story = Story::new();
        let mut incoming = story.incoming();
        incoming.url = incoming.url.replace("/twilio/", "/second/");
        let menu = scene.send(&incoming).await;
        let guidance = scene.send(&story.key(menu.address("Gather", "action"), "1")).await;
        scene.second.record(&story, &speech(), false);
        scene.send(&story.recorded(guidance.address("Record", "action"))).await;
        let service = scene.line.service();
        let mut worked = service.worked.subscribe();
        let fetched = async {
            while service.metrics.recordings_sealed.get() == 0 {
                worked.changed().await.unwrap();
            }
        };
        let fetched = tokio::time::timeout(Duration::from_secs(10), fetched).await;
        assert!(fetched.is_ok(), "fetched while another provider is slow");
        scene.line.forget_jobs().await;
        scene.twilio.let_go();
        scene.line.finish().await;
    }

    async fn a_fetch_without_progress_gives_its_slot_back(scene: Scene = impatient) {
        scene.record(Some(Serving::Trickle)).await;
        scene.tried("fetch", 1).await;
        scene.nothing_is_there().await;
        scene.mend().await;
        scene.all_is_well().await;
    }
}
