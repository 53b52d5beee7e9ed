//! The program is killed in the middle of a job.

use super::{Scene, on_both_scenes};
use crate::support::standin::Hold;
use crate::support::webhooks::{Story, speech};
use crate::support::{DEADLINE, pause};

/// Makes a call up to its recording, which is fetched, before the end of the call.
async fn recorded(scene: &mut Scene, story: &Story) {
    let menu = scene.send(&story.incoming()).await;
    let guidance = scene
        .send(&story.key(menu.address("Gather", "action"), "1"))
        .await;
    scene.twilio.record(story, &speech(), false);
    scene
        .send(&story.recorded(guidance.address("Record", "action")))
        .await;
}

async fn killed_while_deleting(mut scene: Scene, hold: Hold) {
    let story = Story::new();
    recorded(&mut scene, &story).await;
    scene.twilio.hold(Some(hold));
    scene.send(&story.status()).await;
    scene.twilio.holds_one().await;
    let report = scene.lead().only_report().await;
    assert_eq!(report["recordings"][0]["state"], "sealed");
    assert_eq!(
        report["recordings"][0]["deleted_at_provider"], false,
        "not proven yet"
    );
    scene.binary.kill().await;
    let files = scene.binary.files();
    assert!(files.len() == 1 && files[0].ends_with(".age"), "{files:?}");
    scene.twilio.hold(None);
    scene.binary.serve_again().await;
    let twilio = scene.twilio.clone();
    scene.one_report(&story).await;
    let expected: &[u16] = match hold {
        Hold::AfterDeleting => &[0, 404],
        _ => &[0, 204],
    };
    assert_eq!(twilio.deletions(&story), expected);
}

on_both_scenes! {
    async fn of_a_fetch(scene: Scene) {
        let story = Story::new();
        scene.twilio.hold(Some(Hold::Audio));
        recorded(&mut scene, &story).await;
        scene.twilio.holds_one().await;
        // The half that was sent is being written to the disk.
        let begun = async {
            while !scene.binary.files().iter().any(|name| name.ends_with(".part")) {
                pause().await;
            }
        };
        tokio::time::timeout(DEADLINE, begun).await.expect("the fetch has begun");
        scene.binary.kill().await;
        let files = scene.binary.files();
        assert!(files.iter().all(|name| name.ends_with(".part")), "no recording: {files:?}");

        scene.binary.serve_again().await;
        // The provider holds the fetch again, so the state is the one the restart left.
        let report = scene.lead().only_report().await;
        assert_eq!(report["recordings"][0]["state"], "announced");
        let id = report["id"].as_str().unwrap();
        let heard = scene.lead().get(&format!("/reports/{id}/recordings/1")).await;
        assert_eq!(heard.status, 404, "half a recording is none");
        let files = scene.binary.files();
        assert!(files.len() <= 1, "what the kill left was swept: {files:?}");
        scene.binary.kill().await;
        scene.twilio.hold(None);
        scene.binary.serve_again().await;
        scene.send(&story.status()).await;
        scene.one_report(&story).await;
    }

    async fn of_a_deletion_the_provider_has_not_made(scene: Scene) {
        killed_while_deleting(scene, Hold::BeforeDeleting).await;
    }

    async fn of_a_deletion_the_provider_has_made(scene: Scene) {
        killed_while_deleting(scene, Hold::AfterDeleting).await;
    }
}
