//! The same caller stories over every carrier: same story, same report. The table of them is printed.

mod phone;
mod stories;

use crate::support::accents::Accent;
use crate::support::pbx::Pbx;
use crate::support::{Database, OPEN, TestLine, silence, speech};
use dutyline::telephony::Capabilities;
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
    Like(Accent),
}

const CARRIERS: [Carrier; 6] = [
    Carrier::Twilio,
    Carrier::Simulator,
    Carrier::Asterisk,
    Carrier::Like(Accent::SignalWire),
    Carrier::Like(Accent::Telnyx),
    Carrier::Like(Accent::Somleng),
];

impl Carrier {
    fn name(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Simulator => "simulator",
            Self::Asterisk => "asterisk",
            Self::Like(accent) => accent.kind(),
        }
    }
}

/// What becomes of a story that a provider cannot carry as the others do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Otherwise {
    /// Silence is a recording like any other there.
    SilenceReported,
    /// The duty inspector is not offered.
    NobodyRung,
}

impl Otherwise {
    fn why(self) -> &'static str {
        match self {
            Self::SilenceReported => "a report: silence is a recording there",
            Self::NobodyRung => "not offered: nobody can be asked before they hear the caller",
        }
    }
}

/// What cannot be as everywhere, as the provider's capabilities say.
fn otherwise(story: &Story, can: Capabilities) -> Option<Otherwise> {
    if story.rings() && !can.asks_who_picks_up {
        Some(Otherwise::NobodyRung)
    } else if story.is_silent() && !can.knows_silence {
        Some(Otherwise::SilenceReported)
    } else {
        None
    }
}

/// Two people of a roster, for every carrier.
pub const ROSTER: [&str; 2] = ["+8613800000001", "+8613800000002"];

fn with_roster(toml: &str) -> String {
    let [first, second] = ROSTER;
    format!(
        "{toml}\n[[line.roster]]\nname = \"甲\"\nnumber = \"{first}\"\n[[line.roster]]\nname = \"乙\"\nnumber = \"{second}\"\n"
    )
}

/// Plays a story on a line of its own. What the inspectors then have of it, and what had to be otherwise.
async fn play(story: &Story, carrier: Carrier) -> (Value, Option<Otherwise>) {
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
        Carrier::Like(accent) => {
            let line = TestLine::over(accent, database, OPEN, |toml| with_roster(&toml)).await;
            (line, None)
        }
    };
    let can = line
        .service()
        .providers
        .values()
        .next()
        .unwrap()
        .capabilities();
    let otherwise = otherwise(story, can);
    let mut phone = Phone::new(&line, pbx.as_ref(), can);
    phone.everything_twice();
    match otherwise {
        Some(Otherwise::NobodyRung) => phone.is_not_offered_duty().await,
        Some(Otherwise::SilenceReported) => phone.is_silent_to_the_end().await,
        None => (story.play)(phone).await,
    }
    let reports = match otherwise {
        Some(Otherwise::NobodyRung) => false,
        Some(Otherwise::SilenceReported) => true,
        None => story.report,
    };
    if reports {
        line.until_reports(1).await;
    } else {
        line.until_abandoned(1).await;
    }
    line.until_settled().await;
    let found = found(&line, can).await;
    assert_eq!(found["reports"].as_array().unwrap().is_empty(), !reports);
    if let Some(pbx) = &pbx {
        assert_eq!(pbx.stored(), Vec::<String>::new(), "left at the provider");
    }
    line.finish().await;
    (found, otherwise)
}

/// All there is of reports and calls, without what differs from run to run.
async fn found(line: &TestLine, can: Capabilities) -> Value {
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
            let whole = if said == 0 { silence() } else { speech(said) };
            assert_eq!(audio, whole, "every byte of it");
            assert_eq!(recording["deleted_at_provider"], can.deletes);
            recordings.push(json!({
                "n": recording["n"], "said": said, "replaced": recording["replaced"],
                "state": recording["state"],
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
    let names = CARRIERS.map(Carrier::name).join(" | ");
    let mut table = format!(
        "\n| story | {names} |\n|---|{}\n",
        "---|".repeat(CARRIERS.len())
    );
    let mut wrong = Vec::new();
    for story in STORIES {
        let cells = join_all(CARRIERS.map(|carrier| play(story, carrier))).await;
        let _ = write!(table, "| {} |", story.name);
        for (carrier, (found, otherwise)) in CARRIERS.iter().zip(&cells) {
            let same = *found == cells[0].0;
            let cell = match otherwise {
                Some(otherwise) => otherwise.why(),
                None if same => "same",
                None => "DIFFERS",
            };
            let _ = write!(table, " {cell} |");
            if otherwise.is_none() && !same {
                wrong.push(format!(
                    "{} over {}:\n{found:#}\nbut\n{:#}",
                    story.name,
                    carrier.name(),
                    cells[0].0
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
