//! The same callers' stories over every carrier must lead to the same reports. A table of the results is printed.

mod phone;
mod stories;

use crate::support::accents::Accent;
use crate::support::feature_server::FeatureServer;
use crate::support::pbx::Pbx;
use crate::support::{Database, OPEN, TestLine, silence, speech};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dutyline::audio::wav::{LARGEST, UNTIL_THE_END, WavCheck, header};
use dutyline::telephony::Capabilities;
use futures_util::future::join_all;
use phone::{Far, Phone};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;
use stories::{STORIES, Story};

/// The provider that carries the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Twilio,
    Simulator,
    Asterisk,
    Jambonz,
    Like(Accent),
}

const CARRIERS: [Carrier; 7] = [
    Carrier::Twilio,
    Carrier::Simulator,
    Carrier::Asterisk,
    Carrier::Like(Accent::SignalWire),
    Carrier::Like(Accent::Telnyx),
    Carrier::Like(Accent::Somleng),
    Carrier::Jambonz,
];

impl Carrier {
    fn name(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Simulator => "simulator",
            Self::Asterisk => "asterisk",
            Self::Jambonz => "jambonz*",
            Self::Like(accent) => accent.kind(),
        }
    }
}

/// The different result of a story that a provider cannot carry as the others do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Otherwise {
    /// Silence is a recording like any other at this provider.
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

/// Returns the different result that the provider's capabilities lead to, if any.
fn otherwise(story: &Story, can: Capabilities) -> Option<Otherwise> {
    if story.rings() && !can.asks_who_picks_up {
        Some(Otherwise::NobodyRung)
    } else if story.is_silent() && !can.knows_silence {
        Some(Otherwise::SilenceReported)
    } else {
        None
    }
}

/// Numbers of the two people on the roster, for every carrier.
pub const ROSTER: [&str; 2] = ["+8613800000001", "+8613800000002"];

fn with_roster(toml: &str) -> String {
    let [first, second] = ROSTER;
    format!(
        "{toml}\n[[line.roster]]\nname = \"甲\"\nnumber = \"{first}\"\n[[line.roster]]\nname = \"乙\"\nnumber = \"{second}\"\n"
    )
}

/// Plays a story on its own line. Returns the inspectors' view of it, and the different result, if any.
async fn play(story: &Story, carrier: Carrier) -> (Value, Option<Otherwise>) {
    let database = Database::sqlite();
    let (mut pbx, mut server) = (None, None);
    let line = match carrier {
        Carrier::Asterisk => {
            let pbx = pbx.insert(Pbx::start().await);
            pbx.line(database, OPEN).await
        }
        Carrier::Jambonz => {
            let server = server.insert(FeatureServer::start().await);
            server.line(database, OPEN).await
        }
        Carrier::Twilio => TestLine::with(database, OPEN, |toml| with_roster(&toml)).await,
        Carrier::Simulator => {
            let simulated = |toml: String| {
                with_roster(&toml.replace(r#"kind    = "twilio""#, r#"kind    = "simulator""#))
            };
            TestLine::with(database, OPEN, simulated).await
        }
        Carrier::Like(accent) => {
            TestLine::over(accent, database, OPEN, |toml| with_roster(&toml)).await
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
    let far = match (&pbx, &server) {
        (Some(pbx), _) => Far::Pbx(pbx),
        (_, Some(server)) => Far::Jambonz(server),
        (None, None) => Far::Usual,
    };
    let mut phone = Phone::new(&line, far, can);
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
    let found = found(&line, carrier, can).await;
    assert_eq!(found["reports"].as_array().unwrap().is_empty(), !reports);
    if let Some(pbx) = &pbx {
        assert_eq!(pbx.stored(), Vec::<String>::new(), "left at the provider");
    }
    line.finish().await;
    (found, otherwise)
}

/// Returns all reports and calls, without values that differ from run to run.
async fn found(line: &TestLine, carrier: Carrier, can: Capabilities) -> Value {
    let lead = line.lead().await;
    let mut reports = Vec::new();
    for listed in lead.reports().await {
        let mut report = lead.open(&listed).await;
        let mut recordings = Vec::new();
        for recording in report["recordings"].as_array().unwrap().clone() {
            let audio = lead
                .recording(&report, recording["n"].as_u64().unwrap())
                .await;
            let said = match carrier {
                Carrier::Jambonz => streamed(&audio),
                _ => *audio.last().unwrap(),
            };
            let whole = if said == 0 { silence() } else { speech(said) };
            if carrier != Carrier::Jambonz {
                assert_eq!(audio, whole, "every byte of it");
            }
            as_recorded_elsewhere(&mut report, &audio, &whole);
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

/// Returns the number of the speech in a streamed recording. Such a recording differs from one that a provider made in
/// two things only: its header says "until the end" instead of a length, and it contains the silence that ended it, if
/// silence did, because that was streamed before the end was known.
fn streamed(audio: &[u8]) -> u8 {
    let (own_header, sound) = audio.split_at(44);
    assert_eq!(own_header, header(UNTIL_THE_END));
    let (spoken, silence) = sound.split_at(speech(0).len() - 44);
    let said = *spoken.last().unwrap();
    assert_eq!(spoken, &speech(said)[44..], "every byte of it");
    let seconds = silence.len() / 16_000;
    assert!(
        silence.is_empty() || seconds == 9 || seconds == 10,
        "{seconds}"
    );
    assert!(silence.iter().all(|byte| *byte == 0));
    said
}

/// Checks the stored facts of a streamed recording, then replaces them by those another carrier would have caused.
fn as_recorded_elsewhere(report: &mut Value, audio: &[u8], elsewhere: &[u8]) {
    let own = facts(audio);
    let entries = report["entries"].as_array_mut().unwrap().iter_mut();
    let mut bodies = entries.map(|entry| &mut entry["body"]);
    let body = bodies.find(|body| body["sha256"] == own["sha256"]);
    let body = body.expect("an entry with its hash");
    for (name, value) in own.as_object().unwrap() {
        assert_eq!(body[name], *value, "{name}");
    }
    for (name, value) in facts(elsewhere).as_object().unwrap() {
        body[name] = value.clone();
    }
}

/// Returns the facts that an entry has of a recording.
fn facts(audio: &[u8]) -> Value {
    let mut check = WavCheck::new(LARGEST, Some(audio.len() as u64));
    check.feed(audio).unwrap();
    let peaks = STANDARD.encode(check.peaks(600));
    let sha256 = Sha256::digest(audio);
    let sha256: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "bytes": audio.len(), "sha256": sha256, "milliseconds": check.finish().unwrap().duration_ms,
        "peaks": peaks, "type": "audio/wav",
    })
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
    table.push_str(
        "\n* over jambonz a recording's header gives no length, and the silence that ended it is in it; see `streamed`.\n",
    );
    // Not `println!`, whose output the test harness captures.
    writeln!(std::io::stdout(), "{table}").expect("a place to print to");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(STORIES.len() >= 12);
}
