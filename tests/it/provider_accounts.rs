//! The account of a configured provider changes while work is left at the former one.

use crate::support::queue::Job;
use crate::support::standin::StandIn;
use crate::support::webhooks::Story;
use crate::support::{Binary, Database, each_database};
use std::fs;

/// Kills the service, replaces the provider's address and serves again.
async fn moved(binary: &mut Binary, from: &str, to: &str) {
    binary.kill().await;
    let file = binary.path().join("dutyline.toml");
    let toml = fs::read_to_string(&file).unwrap();
    assert!(toml.contains(from));
    fs::write(&file, toml.replace(from, to)).unwrap();
    binary.serve_again().await;
}

each_database! {
    async fn a_deletion_is_not_proven_by_another_account(database: Database) {
        let (twilio, other) = (StandIn::start().await, StandIn::start().await);
        let mut binary = Binary::start(database, &twilio.url, |toml| toml).await;
        let story = Story::new();
        binary.speak(&twilio, &story).await;
        binary.quiet().await;

        moved(&mut binary, &twilio.url, &other.url).await;
        binary.send(&story.status()).await;
        let has_failed = |jobs: &[Job]| jobs.iter().any(|job| job.failures > 0);
        binary.until_jobs("delete", has_failed).await;
        let asked: Vec<String> = other.log().into_iter().map(|asked| asked.path).collect();
        assert!(
            asked.iter().all(|path| !path.contains(&story.recording)),
            "{asked:?}"
        );
        let lead = binary.lead().await;
        let report = lead.only_report().await;
        assert_eq!(report["recordings"][0]["deleted_at_provider"], false);
        let listed = String::from_utf8(binary.run(&["jobs", "list"]).stdout).unwrap();
        assert!(listed.contains(&other.url), "{listed}");
        assert!(listed.contains(&twilio.url), "{listed}");

        let former = twilio.url.clone();
        moved(&mut binary, &other.url, &former).await;
        binary.hurry("delete").await;
        binary.quiet().await;
        assert!(twilio.is_gone(&story));
        let report = binary.lead().await.only_report().await;
        assert_eq!(report["recordings"][0]["deleted_at_provider"], true);
        binary.finish().await;
    }
}
