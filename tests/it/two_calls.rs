//! Two calls that name the same recording of the provider: both keep it, and it is deleted there once both have it.

use crate::support::standin::{Serving, StandIn};
use crate::support::webhooks::{Story, Webhook, speech};
use crate::support::{Database, OPEN, TestLine, client, each_database, logs, pause, queue};
use reqwest::Client;

/// Starts a line whose provider is the stand-in.
async fn line_at(twilio: &StandIn, database: Database) -> TestLine {
    let url = twilio.url.clone();
    TestLine::with(database, OPEN, |toml| {
        let with_url = |text: &str| match text.starts_with("api_url") {
            true => format!("api_url = \"{url}\"\n"),
            false => format!("{text}\n"),
        };
        toml.lines().map(with_url).collect()
    })
    .await
}

async fn send(
    client: &Client,
    line: &TestLine,
    webhook: &Webhook,
) -> crate::support::webhooks::Answered {
    let answer = webhook.post(client, &line.url).await.unwrap();
    assert!(matches!(answer.status, 200 | 204), "{answer:?}");
    answer
}

/// Makes a call up to the end of the story's recording.
async fn record(client: &Client, line: &TestLine, story: &Story) {
    let menu = send(client, line, &story.incoming()).await;
    let key = story.key(menu.address("Gather", "action"), "1");
    let guidance = send(client, line, &key).await;
    let action = guidance.address("Record", "action");
    send(client, line, &story.recorded(action)).await;
    let callback = guidance.address("Record", "recordingStatusCallback");
    send(client, line, &story.callback(callback)).await;
}

each_database! {
    async fn two_calls_that_name_one_recording_both_keep_it(database: Database) {
        logs::keep();
        let twilio = StandIn::start().await;
        let line = line_at(&twilio, database).await;
        let client = client();
        let one = Story::new();
        let other = Story {
            recording: one.recording.clone(),
            ..Story::new()
        };
        twilio.record(&one, &speech(), false);
        record(&client, &line, &one).await;
        line.idle().await;

        // The second call names the same recording, which the provider does not serve for the time being.
        twilio.serve(&one, Some(Serving::Other("text/html", "<html>".into())));
        record(&client, &line, &other).await;
        send(&client, &line, &one.status()).await;
        send(&client, &line, &other.status()).await;
        // The first call is settled and sealed: the deletion waits for the second one.
        let waits = async {
            loop {
                let jobs = queue::all(line.db()).await;
                let tried = |kind: &str| jobs.iter().any(|job| job.kind == kind && job.attempts > 0);
                if !jobs.iter().any(|job| job.kind == "settle")
                    && tried("fetch")
                    && (tried("delete") || twilio.is_gone(&one))
                {
                    return;
                }
                pause().await;
            }
        };
        tokio::time::timeout(crate::support::DEADLINE, waits)
            .await
            .expect("a deletion that is tried");
        assert!(
            !twilio.is_gone(&one),
            "the provider's copy is the only one the second call has"
        );

        twilio.serve(&one, None);
        let sealed = async {
            loop {
                queue::make_due(line.db(), "fetch").await;
                queue::make_due(line.db(), "delete").await;
                line.service().wake.notify_one();
                if queue::all(line.db()).await.is_empty() {
                    return;
                }
                pause().await;
            }
        };
        tokio::time::timeout(crate::support::DEADLINE, sealed)
            .await
            .expect("both are sealed");
        let lead = line.lead().await;
        let reports = lead.reports().await;
        assert_eq!(reports.len(), 2, "{reports:?}");
        for report in &reports {
            let report = lead.open(report).await;
            assert_eq!(report["recordings"].as_array().unwrap().len(), 1);
            assert_eq!(
                report["recordings"][0]["deleted_at_provider"], true,
                "{report}"
            );
            assert_eq!(lead.recording(&report, 1).await, speech());
        }
        assert!(twilio.is_gone(&one));
        assert!(logs::all().contains("recording named by a second call"));
        let abandoned = lead.get("/abandoned").await.ok();
        assert_eq!(abandoned["calls"].as_array().unwrap().len(), 0);
        // Repeated webhooks of either call change nothing.
        send(
            &client,
            &line,
            &one.callback("https://duty.example.org/hooks/twilio/recording".into()),
        )
        .await;
        send(
            &client,
            &line,
            &other.callback("https://duty.example.org/hooks/twilio/recording".into()),
        )
        .await;
        line.idle().await;
        assert_eq!(lead.reports().await.len(), 2);
        line.finish().await;
    }
}
