//! The same caller stories over every carrier: same story, same report. The table of them is printed.

mod phone;
mod stories;

use crate::support::pbx::Pbx;
use crate::support::{Database, OPEN, TestLine, speech};
use futures_util::future::join_all;
use phone::Phone;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use stories::{STORIES, Story};

/// Who carries the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Twilio,
    Simulator,
    Asterisk,
}

const CARRIERS: [Carrier; 3] = [Carrier::Twilio, Carrier::Simulator, Carrier::Asterisk];

/// Two people of a roster, for every carrier.
pub const ROSTER: [&str; 2] = ["+8613800000001", "+8613800000002"];

fn with_roster(toml: &str) -> String {
    let [first, second] = ROSTER;
    format!(
        "{toml}\n[[line.roster]]\nname = \"甲\"\nnumber = \"{first}\"\n[[line.roster]]\nname = \"乙\"\nnumber = \"{second}\"\n"
    )
}

/// Plays a story on a line of its own. What the inspectors then have of it.
async fn play(story: &Story, carrier: Carrier) -> Value {
    let database = Database::sqlite();
    let (line, pbx) = match carrier {
        Carrier::Asterisk => {
            let pbx = Pbx::start().await;
            (pbx.line(database, OPEN).await, Some(pbx))
        }
        Carrier::Twilio => {
            let line = TestLine::with(database, OPEN, |toml| with_roster(&toml)).await;
            (line, None)
        }
        Carrier::Simulator => {
            let simulated = |toml: String| {
                with_roster(&toml.replace(r#"kind    = "twilio""#, r#"kind    = "simulator""#))
            };
            (TestLine::with(database, OPEN, simulated).await, None)
        }
    };
    let phone = Phone::new(&line, pbx.as_ref());
    phone.everything_twice();
    (story.play)(phone).await;
    if story.report {
        line.until_reports(1).await;
    } else {
        line.until_abandoned(1).await;
    }
    line.until_settled().await;
    let found = found(&line).await;
    if let Some(pbx) = &pbx {
        assert_eq!(pbx.stored(), Vec::<String>::new(), "left at the provider");
    }
    line.finish().await;
    found
}

/// All there is of reports and calls, without what differs from run to run.
async fn found(line: &TestLine) -> Value {
    let lead = line.lead().await;
    let mut reports = Vec::new();
    for listed in lead.reports().await {
        let report = lead.open(&listed).await;
        let mut recordings = Vec::new();
        for recording in report["recordings"].as_array().unwrap() {
            let audio = lead
                .recording(&report, recording["n"].as_u64().unwrap())
                .await;
            let said = *audio.last().unwrap();
            assert_eq!(audio, speech(said), "every byte of it");
            recordings.push(json!({
                "n": recording["n"], "said": said, "replaced": recording["replaced"],
                "state": recording["state"], "deleted": recording["deleted_at_provider"],
            }));
        }
        reports.push(json!({
            "reference": report["reference"], "status": report["status"], "source": report["source"],
            "recordings": recordings, "entries": entries(&report),
        }));
    }
    let abandoned = lead.get("/abandoned").await.ok();
    let abandoned: Vec<Value> = abandoned["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(entries)
        .collect();
    json!({"reports": reports, "abandoned": abandoned})
}

fn entries(report: &Value) -> Value {
    let entries = report["entries"].as_array().unwrap().iter();
    let mut entries: Vec<Value> = entries
        .map(|entry| {
            let mut body = entry["body"].clone();
            if let Some(body) = body.as_object_mut() {
                body.remove("recording");
                body.remove("answered_at");
            }
            json!({"kind": entry["kind"], "by": entry["by"], "body": body})
        })
        .collect();
    // Jobs end in any order.
    entries.sort_by_key(Value::to_string);
    json!(entries)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn same_story_same_report() {
    let mut table =
        String::from("\n| story | twilio | simulator | asterisk |\n|---|---|---|---|\n");
    let mut wrong = Vec::new();
    for story in STORIES {
        let cells = join_all(CARRIERS.map(|carrier| play(story, carrier))).await;
        let _ = write!(table, "| {} |", story.name);
        for (carrier, found) in CARRIERS.iter().zip(&cells) {
            let reports = found["reports"].as_array().unwrap().len();
            assert_eq!(reports > 0, story.report, "{} {carrier:?}", story.name);
            let same = *found == cells[0];
            table.push_str(if same { " same |" } else { " DIFFERS |" });
            if !same {
                wrong.push(format!(
                    "{} over {carrier:?}:\n{found:#}\nbut\n{:#}",
                    story.name, cells[0]
                ));
            }
        }
        table.push('\n');
    }
    // Not `println!`, which is kept from whoever runs the tests.
    writeln!(std::io::stdout(), "{table}").expect("a place to print to");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(STORIES.len() >= 12);
}
