//! Calls over jambonz: authentication of streams, recordings kept however a stream ends, late webhooks.

mod packages;

use crate::support::feature_server::{ACCOUNT, Faults, FeatureServer, SECRET, SpeechEnds, Waiting};
use crate::support::{
    Binary, DEADLINE, Database, OPEN, PATIENT, TestLine, clock_at, names, pause, queue, speech, wav,
};
use dutyline::audio::wav::{UNTIL_THE_END, header};
use dutyline::call::flow;
use dutyline::service::Patience;
use dutyline::store::recordings;
use dutyline::telephony::jambonz::verbs::fallback_document;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const CALLER: &str = "+8613800138000";
/// Limits under which a second connection for a recording is refused at once.
const NOT_WAITING: Patience = Patience {
    stream: Duration::ZERO,
    ..PATIENT
};
const HOOKS: &str = "https://duty.example.org/hooks/jambonz";

/// Declares tests on both databases with a line and a stand-in for jambonz. `with patience` sets how long callers are
/// kept waiting.
macro_rules! on_both {
    (@patience) => { PATIENT };
    (@patience $patience:expr) => { $patience };
    ($(
        $(#[$meta:meta])*
        async fn $name:ident($line:ident, $server:ident $(, with $patience:expr)?) $body:block
    )*) => {
        $(mod $name {
            use super::*;

            $(#[$meta])*
            async fn on(database: Database) {
                let $server = FeatureServer::start().await;
                let patience = on_both!(@patience $($patience)?);
                let $line = $server.line_with_patience(patience, database, OPEN).await;
                $body
                $line.finish().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                on(Database::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                on(Database::postgres().await).await;
            }
        })*
    };
}

/// Dials, and goes on until the caller may speak.
async fn speaking(server: &FeatureServer) -> String {
    let call = server.dial(CALLER).await;
    server.press(&call, "1").await;
    assert_eq!(server.waits(&call), Waiting::Speech(240));
    call
}

/// Returns the recordings of the only report.
async fn recordings(line: &TestLine) -> Vec<Value> {
    let report = line.lead().await.only_report().await;
    report["recordings"].as_array().unwrap().clone()
}

/// Checks that neither the speech nor the caller's number is readable in any file, also during the recording.
fn nothing_in_the_clear(line: &TestLine, audio: &[u8]) {
    let mut folders = vec![line.path().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            files += 1;
            for needle in [&audio[8_000..8_064], &CALLER.as_bytes()[3..]] {
                let found = bytes.windows(needle.len()).any(|part| part == needle);
                assert!(!found, "{}", path.display());
            }
        }
    }
    assert!(files > 2, "the database and a recording are among them");
}

/// Returns a recording as it is served: with the header written before its length was known.
fn served(audio: &[u8]) -> Vec<u8> {
    [&header(UNTIL_THE_END)[..], &audio[44..]].concat()
}

on_both! {
    async fn what_is_said_is_served_byte_for_byte(line, server) {
        let call = speaking(&server).await;
        server.speak(&call, &speech(7), SpeechEnds::Key).await;
        assert_eq!(server.waits(&call), Waiting::Keys);
        server.press(&call, "1").await;
        assert_eq!(server.waits(&call), Waiting::Over);
        line.until_reports(1).await;
        line.until_settled().await;
        let lead = line.lead().await;
        let report = lead.only_report().await;
        assert_eq!(lead.recording(&report, 1).await, served(&speech(7)));
        let recording = &report["recordings"][0];
        assert_eq!(recording["state"], "sealed");
        assert_eq!(recording["deleted_at_provider"], true, "nothing rests there");
        assert_eq!(recording["bytes"], speech(7).len());
    }

    async fn a_report_is_there_with_the_first_words(line, server) {
        let call = speaking(&server).await;
        server.say(&call, &speech(1)).await;
        line.until_reports(1).await;
        assert_eq!(recordings(&line).await[0]["state"], "announced");
        nothing_in_the_clear(&line, &speech(1));
        server.hang_up(&call, None).await;
        line.until_settled().await;
        assert_eq!(recordings(&line).await[0]["state"], "sealed");
        nothing_in_the_clear(&line, &speech(1));
    }

    async fn a_socket_that_breaks_in_mid_word_loses_nothing(line, server) {
        let call = speaking(&server).await;
        server.say(&call, &speech(2)).await;
        line.until_reports(1).await;
        server.cut(&call).await;
        server.hang_up(&call, None).await;
        line.until_settled().await;
        let lead = line.lead().await;
        let report = lead.only_report().await;
        assert_eq!(lead.recording(&report, 1).await, served(&speech(2)));
    }

    async fn the_word_that_it_ended_may_come_before_the_last_sample(line, server) {
        server.set_faults(Faults { hook_first: true, twice: true, ..Faults::default() });
        let call = speaking(&server).await;
        server.speak(&call, &speech(3), SpeechEnds::Key).await;
        assert_eq!(server.waits(&call), Waiting::Keys, "to the review with it");
        server.press(&call, "1").await;
        line.until_reports(1).await;
        line.until_settled().await;
        assert_eq!(recordings(&line).await.len(), 1);
    }

    async fn nothing_said_makes_no_report(line, server) {
        let call = speaking(&server).await;
        for _ in 0..2 {
            server.keep_silent(&call).await;
        }
        assert_eq!(server.waits(&call), Waiting::Over);
        line.until_abandoned(1).await;
        line.until_settled().await;
        assert!(line.lead().await.reports().await.is_empty());
        let files = names(&line.recordings()).len();
        assert_eq!(files, 0, "nothing is kept of nothing");
    }

    async fn a_whisper_is_kept_and_makes_no_report(line, server) {
        let call = speaking(&server).await;
        let whisper = wav(&[60, 0, 196, 255]);
        server.speak(&call, &whisper, SpeechEnds::Key).await;
        assert_eq!(server.waits(&call), Waiting::Speech(240), "it is asked for again");
        server.hang_up(&call, None).await;
        line.until_abandoned(1).await;
        line.until_settled().await;
        assert!(line.lead().await.reports().await.is_empty());
        let files = names(&line.recordings()).len();
        assert_eq!(files, 1);
    }

    async fn silence_ends_it(line, server) {
        let call = speaking(&server).await;
        server.speak(&call, &speech(4), SpeechEnds::Silence).await;
        assert_eq!(server.waits(&call), Waiting::Keys);
        server.hang_up(&call, None).await;
        line.until_reports(1).await;
        line.until_settled().await;
        assert_eq!(recordings(&line).await[0]["seconds"], 14.18);
    }

    async fn no_more_is_taken_than_the_limit(line, server) {
        let call = speaking(&server).await;
        let minute: Vec<u8> = speech(5)[..44].iter().chain(speech(5)[44..].iter().cycle().take(960_000)).copied().collect();
        for _ in 0..4 {
            server.say(&call, &minute.clone().into()).await;
        }
        server.until_closed(&call, &minute.into()).await;
        server.end_listen(&call, json!({"dial_call_duration": 243})).await;
        assert_eq!(server.waits(&call), Waiting::Speech(60), "the last minute");
        server.hang_up(&call, None).await;
        line.until_reports(1).await;
        line.until_settled().await;
        assert_eq!(recordings(&line).await[0]["seconds"], 243.0);
    }

    async fn a_second_connection_is_refused(line, server, with NOT_WAITING) {
        let call = speaking(&server).await;
        let listen = server.verb(&call);
        assert_eq!(server.connect(&listen).await.map(drop), Err(409), "one is there");
        server.speak(&call, &speech(6), SpeechEnds::Key).await;
        assert_eq!(server.connect(&listen).await.map(drop), Err(409), "and was there");
        server.press(&call, "1").await;
        line.until_reports(1).await;
        line.until_settled().await;
        assert_eq!(recordings(&line).await.len(), 1);
        assert_eq!(server.connect(&listen).await.map(drop), Err(404), "no call is known");
    }

    /// The connection breaks before the caller has spoken, or before the upgrade is finished: the next one is accepted.
    async fn a_stream_whose_upgrade_failed_is_let_in_again(line, server) {
        let call = speaking(&server).await;
        let listen = server.verb(&call);
        server.close(&call).await;
        for _ in 0..3 {
            server.breaks_off(&listen).await;
        }
        let again = server.connects_again(&call).await;
        assert_eq!(again, Ok(()), "the retry");
        server.speak(&call, &speech(6), SpeechEnds::Key).await;
        server.press(&call, "1").await;
        line.until_reports(1).await;
        line.until_settled().await;
        let recordings = recordings(&line).await;
        assert_eq!(recordings.len(), 1);
        assert_eq!(recordings[0]["state"], "sealed");
    }

    async fn only_the_right_key_opens_a_stream(line, server) {
        let call = server.dial(CALLER).await;
        server.press(&call, "1").await;
        let listen = server.verb(&call);
        server.close(&call).await;
        let url = listen["url"].as_str().unwrap();
        let (address, key) = url.rsplit_once('/').unwrap();
        let (rest, silence) = address.rsplit_once('/').unwrap();
        for wrong in [
            format!("{address}/{}", "A".repeat(key.len())),
            format!("{address}/x"),
            format!("{rest}/{}/{key}", silence.parse::<u32>().unwrap() + 1),
            url.replace("/jambonz/", "/twilio/"),
            url.replace("/jambonz/", "/nobody/"),
        ] {
            let mut changed = listen.clone();
            changed["url"] = json!(wrong);
            assert_eq!(server.connect(&changed).await.map(drop), Err(404), "{wrong}");
        }
        let mut changed = listen.clone();
        changed["wsAuth"]["password"] = json!("x");
        assert_eq!(server.connect(&changed).await.map(drop), Err(404), "another password");
        let client = crate::support::client();
        let plain = format!("{}{}", line.url, url.strip_prefix("wss://duty.example.org").unwrap());
        let answer = client.get(plain).send().await.unwrap();
        assert!(answer.status().is_client_error(), "no WebSocket");
        server.hang_up(&call, None).await;
        line.until_abandoned(1).await;
        line.until_settled().await;
    }

    async fn a_key_is_heard_between_two_languages(line, server) {
        let call = server.dial(CALLER).await;
        let document = server.documents()[0].clone();
        let first = &document[0];
        assert_eq!(first["timeout"], 0.1);
        let more = json!({"reason": "dtmfDetected", "digits": "1"});
        server.end(&call, first, more).await;
        assert_eq!(server.waits(&call), Waiting::Speech(240));
        server.hang_up(&call, Some(&speech(8))).await;
        line.until_reports(1).await;
        line.until_settled().await;
    }

    async fn a_take_is_heard_again_and_forgotten(line, server) {
        let call = speaking(&server).await;
        server.speak(&call, &speech(9), SpeechEnds::Key).await;
        server.heard(&call);
        server.press(&call, "2").await;
        let heard = server.heard(&call);
        assert!(heard.contains(&format!("[{}]", speech(9).len())), "{heard}");
        server.press(&call, "1").await;
        line.until_reports(1).await;
        line.until_settled().await;
    }

    async fn a_step_whose_answer_was_lost_is_asked_for_again(line, server) {
        let call = speaking(&server).await;
        let listen = server.verb(&call);
        server.say(&call, &speech(10)).await;
        server.close(&call).await;
        // The webhook was lost: the verb after it requests the same step again, without any result.
        server.end(&call, &listen, json!({})).await;
        assert_eq!(server.waits(&call), Waiting::Keys, "to the review");
        server.hang_up(&call, None).await;
        line.until_reports(1).await;
        line.until_settled().await;
    }

    async fn a_talk_is_recorded_from_where_both_speak(line, server) {
        let call = server.dial(CALLER).await;
        server.press(&call, "2").await;
        assert_eq!(server.waits(&call), Waiting::Ringing("+8613800000001".into()));
        server.pick_up(&call).await;
        server.press_there(&call, Some('1')).await;
        assert_eq!(server.waits(&call), Waiting::Talking);
        let report = line.lead().await.only_report().await;
        assert_eq!(report["source"], "live");
        server.hang_up_there(&call).await;
        assert_eq!(server.waits(&call), Waiting::Over);
        line.until_settled().await;
    }
}

/// Webhooks with a wrong signature, an old one or another account, and invalid requests.
#[tokio::test]
async fn forged_webhooks_are_refused() {
    let server = FeatureServer::start().await;
    let line = server.line(Database::sqlite(), OPEN).await;
    let now = clock_at(OPEN).system_now().timestamp();
    let body = |account: &str| {
        json!({
            "call_sid": "c", "account_sid": account, "from": CALLER, "to": "18877009155",
            "call_status": "trying", "direction": "inbound",
        })
        .to_string()
    };
    let url = format!("{HOOKS}/call");
    let post = async |body: &str, secret: &str, at: i64| {
        let signature = FeatureServer::sign(secret, body, at);
        server.post(&url, body, &signature).await.status().as_u16()
    };
    let own = body(ACCOUNT);
    assert_eq!(post(&own, "another", now).await, 403);
    assert_eq!(post(&own, SECRET, now - 310).await, 403, "too old");
    assert_eq!(post(&own, SECRET, now + 310).await, 403, "from the future");
    assert_eq!(post(&body("another"), SECRET, now).await, 403);
    assert_eq!(post("[]", SECRET, now).await, 403, "nobody's");
    assert_eq!(server.post(&url, &own, "").await.status(), 403);
    let rotated = format!(
        "{},v1={}",
        FeatureServer::sign("another", &own, now),
        FeatureServer::sign(SECRET, &own, now)
            .split_once("v1=")
            .unwrap()
            .1
    );
    assert!(
        line.lead().await.get("/abandoned").await.ok()["calls"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(server.post(&url, &own, &rotated).await.status(), 200);
    let get = crate::support::client().get(format!("{}/hooks/jambonz/call", line.url));
    assert_eq!(get.send().await.unwrap().status(), 405, "POST only");
    line.finish().await;
}

/// The inspector's leg ends, or does anything else: the caller's call goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_telephone_ends_no_call() {
    let server = FeatureServer::start().await;
    let line = server.line(Database::sqlite(), OPEN).await;
    let call = server.dial(CALLER).await;
    server.press(&call, "2").await;
    server.pick_up(&call).await;
    server.press_there(&call, None).await;
    assert_eq!(
        server.waits(&call),
        Waiting::Ringing("+8613800000002".into()),
        "the next one"
    );
    server.nobody_picks_up(&call).await;
    assert_eq!(server.waits(&call), Waiting::Speech(240));
    server.speak(&call, &speech(1), SpeechEnds::Key).await;
    server.press(&call, "1").await;
    line.until_reports(1).await;
    line.until_settled().await;
    line.finish().await;
}

/// A recording of a process that was killed: the caller is asked to repeat it, and inspectors see that one was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_in_mid_word_is_said_and_shown() {
    let server = FeatureServer::start().await;
    let change = |toml: String| server.configure(&toml);
    let mut binary = Binary::start(Database::sqlite(), &server.api_url, change).await;
    let lead = binary.lead().await;
    server.calls_at(&binary.url);
    let call = speaking(&server).await;
    server.say(&call, &speech(1)).await;
    while lead.reports().await.is_empty() {
        pause().await;
    }
    binary.kill().await;
    server.cut(&call).await;
    binary.serve_again().await;
    let lead = lead.moved(&binary.url);
    server.calls_at(&binary.url);
    let listen = server.verb(&call);
    server.heard(&call);
    server.end(&call, &listen, json!({})).await;
    assert_eq!(
        server.waits(&call),
        Waiting::Speech(240),
        "it is asked for again"
    );
    assert!(server.heard(&call).contains("没有听到"), "and said why");
    server.speak(&call, &speech(2), SpeechEnds::Key).await;
    server.press(&call, "1").await;
    let db = binary.db().await;
    queue::age(&db, "settle", 9).await;
    queue::make_due(&db, "settle").await;
    db.close().await;
    binary.quiet().await;
    let report = lead.only_report().await;
    let recordings = report["recordings"].as_array().unwrap();
    let states: Vec<_> = recordings
        .iter()
        .map(|recording| recording["state"].clone())
        .collect();
    assert_eq!(states, ["lost", "sealed"], "{report}");
    assert_eq!(binary.files().len(), 1, "nothing unfinished is left");
    binary.finish().await;
}

/// The service is told to stop while a caller speaks: what was said so far is stored first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_while_the_service_stops_is_kept() {
    let server = FeatureServer::start().await;
    let line = server.line(Database::sqlite(), OPEN).await;
    let call = speaking(&server).await;
    server.say(&call, &speech(1)).await;
    line.until_reports(1).await;
    let report = line.lead().await.only_report().await;
    let service = line.service();
    service.closing.send_replace(true);
    let mut arriving = service.arriving.subscribe();
    arriving.wait_for(|count| *count == 0).await.unwrap();
    let mut tx = line.db().begin_read().await.unwrap();
    let id = report["id"].as_str().unwrap().parse().unwrap();
    let recordings = recordings::of_report(&mut tx, id).await.unwrap();
    assert_eq!(
        recordings[0].state,
        dutyline::store::columns::RecordingState::Sealed
    );
    drop(tx);
    line.finish().await;
}

/// With fewer blocking threads than speaking callers, blocking work is still done.
#[test]
fn callers_who_speak_hold_no_threads() {
    const THREADS: usize = 4;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = FeatureServer::start().await;
        let line = server.line(Database::sqlite(), OPEN).await;
        let mut calls = Vec::new();
        for _ in 0..2 * THREADS {
            let call = speaking(&server).await;
            server.say(&call, &speech(1)).await;
            calls.push(call);
        }
        let login = tokio::time::timeout(DEADLINE, line.lead()).await;
        let lead = login.expect("a login in time");
        for call in &calls {
            server.hang_up(call, None).await;
        }
        line.until_reports(calls.len()).await;
        for report in lead.reports().await {
            let report = lead.open(&report).await;
            assert_eq!(lead.recording(&report, 1).await, served(&speech(1)));
        }
        line.finish().await;
    });
}

/// The database is down when a call begins: the caller is told to call again soon, and not asked to say what would be
/// lost.
#[test]
fn nothing_is_asked_for_that_would_be_lost() {
    let config =
        dutyline::config::Config::parse(dutyline::config::EMBEDDED, "default", Path::new("."));
    let line = &config.unwrap().lines[0].line;
    let open = clock_at(OPEN).line_now();
    let script = flow::fallback(line, open, false);
    let document = fallback_document(&script).to_string();
    assert!(document.contains("过几分钟再打来"), "{document}");
    assert!(!document.contains("listen"), "{document}");
}
