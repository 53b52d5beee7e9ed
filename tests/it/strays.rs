//! Recordings announced without the line they belong to.

use crate::support::pbx::Pbx;
use crate::support::standin::{Hold, StandIn};
use crate::support::webhooks::{Story, speech};
use crate::support::{
    Binary, Database, LINES, NUMBER, OPEN, OTHER_NUMBER, TestLine, client, each_database, queue,
    two_lines,
};
use dutyline::conduct::keep_without_call;
use dutyline::store::jobs;
use dutyline::telephony::{Event, RecordingFact, RecordingOutcome};
use reqwest::Method;

const RECORDING: &str = "https://duty.example.org/hooks/twilio/recording";

/// Returns a configuration with two lines, with the stand-in as their provider.
fn at(url: &str, toml: String) -> String {
    let with_url = |text: &str| match text.starts_with("api_url") {
        true => format!("api_url = \"{url}\"\n"),
        false => format!("{text}\n"),
    };
    two_lines(toml.lines().map(with_url).collect())
}

each_database! {
    async fn a_stray_recording_is_settled_once_the_provider_names_its_line(database: Database) {
        let twilio = StandIn::start().await;
        let url = twilio.url.clone();
        let line = TestLine::with(database, OPEN, |toml| at(&url, toml)).await;
        let story = Story::new();
        twilio.record(&story, &speech(), false);
        twilio.dialled(&story, "+15550100");
        // A callback that does not name its call either.
        let mut callback = story.callback(RECORDING.into());
        callback.form.retain(|(name, _)| *name != "CallSid");
        let answer = callback.post(&client(), &line.url).await.unwrap();
        assert_eq!(answer.status, 204);
        // The number that the provider names belongs to no line: the stray stays, and is shown.
        let tried = async {
            loop {
                let jobs = queue::all(line.db()).await;
                if jobs
                    .iter()
                    .any(|job| job.kind == "stray" && job.attempts > 0)
                {
                    return;
                }
                crate::support::pause().await;
            }
        };
        tokio::time::timeout(crate::support::DEADLINE, tried)
            .await
            .expect("the provider is asked");
        assert_eq!(line.rows().await["strays"], 1);
        let metrics = line.metrics().await;
        assert!(metrics.contains("\ndutyline_strays 1\n"), "{metrics}");
        let banner = "Recordings of unknown calls: 1.";
        let desk = line.desk().await.speaking("en");
        assert!(desk.get("/console/").await.ok().contains(banner));
        assert_eq!(line.lead().await.reports().await.len(), 0);

        twilio.dialled(&story, OTHER_NUMBER);
        let settled = async {
            while line.rows().await["strays"] > 0 {
                queue::make_due(line.db(), "stray").await;
                line.service().wake.notify_one();
                crate::support::pause().await;
            }
        };
        tokio::time::timeout(crate::support::DEADLINE, settled)
            .await
            .expect("it is settled");
        line.idle().await;
        let lead = line.lead().await;
        let report = lead.only_report().await;
        assert_eq!(report["line"], LINES[1]);
        assert_eq!(
            report["entries"][0]["body"]["number"], "+8613800138000",
            "as the provider says"
        );
        assert_eq!(lead.recording(&report, 1).await, speech());
        assert!(twilio.is_gone(&story));
        assert!(
            !desk
                .get("/console/")
                .await
                .ok()
                .contains("of unknown calls")
        );
        let asked: Vec<String> = twilio
            .log()
            .iter()
            .filter(|asked| asked.method == Method::GET)
            .map(|asked| asked.path.clone())
            .collect();
        assert!(
            asked.contains(&format!("Recordings/{}.json", story.recording)),
            "{asked:?}"
        );
        line.finish().await;
    }
}

/// `check` names unsettled strays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_stray_recordings() {
    let twilio = StandIn::start().await;
    let url = twilio.url.clone();
    let binary = Binary::start(Database::sqlite(), &url, two_lines).await;
    let story = Story::new();
    twilio.dialled(&story, "+15550100");
    let none = String::from_utf8(binary.run(&["check"]).stdout).unwrap();
    assert!(!none.contains("unknown calls"), "{none}");
    let answer = story
        .callback(RECORDING.into())
        .post(&client(), &binary.url)
        .await
        .unwrap();
    assert_eq!(answer.status, 204);
    let found = String::from_utf8(binary.run(&["check"]).stdout).unwrap();
    assert!(
        found.contains("! 1 recording(s) of unknown calls"),
        "{found}"
    );
    binary.finish().await;
}

/// The address in a fallback answer names its line, and only the service can make one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_line_named_by_us_is_believed() {
    let twilio = StandIn::start().await;
    let url = twilio.url.clone();
    let line = TestLine::with(Database::sqlite(), OPEN, |toml| at(&url, toml)).await;
    // A call without an id is answered like one during an outage.
    let mut nameless = Story::new();
    nameless.call.clear();
    let mut incoming = nameless.incoming();
    for (name, value) in &mut incoming.form {
        if *name == "To" {
            *value = OTHER_NUMBER.to_owned();
        }
    }
    let fallback = incoming.post(&client(), &line.url).await.unwrap();
    let callback = fallback.address("Record", "recordingStatusCallback");
    let other_line = callback.replace(LINES[1], LINES[0]);
    assert_ne!(callback, other_line, "it names the line: {callback}");
    assert_ne!(NUMBER, OTHER_NUMBER);

    let (real, forged) = (Story::new(), Story::new());
    for story in [&real, &forged] {
        twilio.record(story, &speech(), false);
        twilio.dialled(story, "+15550100");
    }
    let told = real
        .callback(callback)
        .post(&client(), &line.url)
        .await
        .unwrap();
    assert_eq!(told.status, 204);
    let told = forged
        .callback(other_line)
        .post(&client(), &line.url)
        .await
        .unwrap();
    assert_eq!(told.status, 204);
    assert_eq!(line.rows().await["strays"], 1, "the forged one");
    line.forget_jobs_of("stray").await;
    line.idle().await;
    let report = line.lead().await.only_report().await;
    assert_eq!(report["line"], LINES[1]);
    line.finish().await;
}

each_database! {
    /// The outage outlasted every callback except the one for the end of the call.
    async fn the_recordings_of_an_unknown_call_that_is_over_are_asked_for(database: Database) {
        let twilio = StandIn::start().await;
        let url = twilio.url.clone();
        let line = TestLine::with(database, OPEN, |toml| at(&url, toml)).await;
        let (said, silent) = (Story::new(), Story::new());
        twilio.record(&said, &speech(), true);
        for story in [&said, &silent] {
            twilio.dialled(story, OTHER_NUMBER);
            twilio.end(story);
            for _ in 0..2 {
                let over = story.status().post(&client(), &line.url).await.unwrap();
                assert_eq!(over.status, 204);
            }
        }
        line.until_reports(1).await;
        let lead = line.lead().await;
        let report = lead.only_report().await;
        assert_eq!(report["line"], LINES[1]);
        assert_eq!(report["recordings"].as_array().unwrap().len(), 1);
        assert_eq!(lead.recording(&report, 1).await, speech());
        assert!(twilio.is_gone(&said));
        assert_eq!(line.rows().await["strays"], 0);
        assert_eq!(
            line.rows().await["calls"],
            1,
            "of the silent one nothing is kept"
        );
        line.finish().await;
    }
}

/// A call about which the provider is asked is not counted as a stray recording, because it is unknown whether it has
/// any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_asked_about_is_asked_about_until_the_provider_answers() {
    let twilio = StandIn::start().await;
    let url = twilio.url.clone();
    let line = TestLine::with(Database::sqlite(), OPEN, |toml| at(&url, toml)).await;
    let story = Story::new();
    twilio.record(&story, &speech(), true);
    twilio.dialled(&story, OTHER_NUMBER);
    twilio.hold(Some(Hold::Listing));
    let over = story.status().post(&client(), &line.url).await.unwrap();
    assert_eq!(over.status, 204);
    twilio.holds_one().await;
    assert_eq!(line.rows().await["strays"], 1);
    let jobs = jobs::list(&mut line.db().begin_read().await.unwrap())
        .await
        .unwrap();
    let providers: Vec<&str> = jobs.iter().map(|job| job.provider.as_str()).collect();
    assert_eq!(
        providers,
        ["twilio"],
        "it waits only for jobs that ask the same provider"
    );
    let metrics = line.metrics().await;
    assert!(metrics.contains("\ndutyline_strays 0\n"), "{metrics}");
    twilio.hold(None);
    twilio.let_go();
    line.until_reports(1).await;
    line.finish().await;
}

/// A provider that cannot say which call a recording belongs to: the recording stays a stray, and is shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stray_of_a_provider_that_cannot_be_asked_stays() {
    let pbx = Pbx::start().await;
    let line = pbx.line(Database::sqlite(), OPEN).await;
    let service = line.service();
    let provider = service.providers.values().next().unwrap();
    let event = Event {
        recording: Some(RecordingFact {
            id: "a-recording".to_owned().into(),
            outcome: RecordingOutcome::Completed {
                seconds: None,
                end: None,
            },
        }),
        ..Event::nothing()
    };
    for _ in 0..2 {
        let kept = keep_without_call(service, provider.as_ref(), &event).await;
        kept.expect("it is kept");
        line.idle().await;
        assert_eq!(line.rows().await["strays"], 1);
    }
    line.finish().await;
}
