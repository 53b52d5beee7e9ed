//! Canaries: every field that a caller or an inspector can fill is filled with a unique value, the calls are settled,
//! and everything the service has left is searched for these values in every form they could have.
//!
//! The service is the compiled program in its own process, so that its output and its files in the temporary folder are
//! searched as well. The test plays the provider, and so chooses the ids.

mod house;
mod needles;
mod provider;

use crate::support::console::Desk;
use crate::support::{self, Api, Database, LEAD, NUMBER, OPEN, TOKEN, TestLine, wav};
use dutyline::simulator::spoken;
use dutyline::work::housekeeping;
use house::{Caller, House, dump};
use needles::Needles;
use provider::Provider;
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

/// Start of the line's clock: within the hour, so that an exact time differs from one truncated to the hour.
const CLOCK: &str = "2024-03-06T09:17:23+08:00";
/// Start of that hour, in seconds since 1970.
const HOUR: u64 = 1_709_686_800;

const CALLER: &str = "13974620581";
const SECOND_CALLER: &str = "13526184079";
const NOT_OURS: &str = "+8613299018846";
const NAME: &str = "Canary Lindqvist 金丝雀";
const THIRD_CALLER: &str = "13688521907";
const CITY: &str = "Kanarievogelstad";
const FORWARDED: &str = "+8615177308264";
const NEW_FIELD: &str = "a-field-of-tomorrow-6cUv";
const KEYS: &str = "739495028416";
const CALL: &str = "CAcanary0call5b1f9e7d3c2a48806";
const SECOND_CALL: &str = "CAcanary0second61c0d9e84f7a2b3";
const UNKNOWN_CALL: &str = "CAcanary0unknown7f3e1d5c9b2a80";
const FIRST_TAKE: &str = "REcanary0first92d7c1b6e5f4a380";
const SECOND_TAKE: &str = "REcanary0again4e8b1c7d6f5a9203";
const THIRD_CALL: &str = "CAcanary0third9e2b7d4c1f8a6053";
const ADDED_TAKE: &str = "REcanary0added5c3d2b1a9f8e7460";
const STRAY_TAKE: &str = "REcanary0stray1d9c8b7e6f5a4320";
const TALKING_CALLER: &str = "13871640295";
const TALK_CALL: &str = "CAcanary0talk8d2f6b1a9c7e5034";
const LEG_CALL: &str = "CAcanary0leg3a7e1c9d5b8f2604";
const ON_DUTY: &str = "金丝雀值班员 Wachkanarie";
const ON_DUTY_NUMBER: &str = "+8613977420586";
const AUDIO: &[u8] = b"\x03\xfacanary\x81said\xc4";
const TYPED: &str = "738194620577";
const REPLY: &str = "金丝雀请再来电 Antwortkanarie";
const LI_PASSWORD: &str = "li's own canary password";
const NOTE: &str = "金丝雀说：副院长的弟弟 Zwitscherkanarie";
const DISCIPLINE: &str = "廉洁纪律";
const FOCUS: &str = "群众身边腐败问题和不正之风";
const NO_DISCIPLINE: &str = "a discipline there is none of, Qx9";
const DESTINATION: &str = "金丝雀市场监督管理局, Room 4711";
const DUPLICATE_OF: &str = "2023-9137 canary";
const WRONG_NAME: &str = "canary.intruder";
const WRONG_PASSWORD: &str = "tried canary passw0rd";
const PASSWORD: &str = "the lead's own canary password";
const NO_TOKEN: &str = "Y2FuYXJ5LXRva2VuLXRoYXQtaXMtbm9uZS1vZi1vdXJz";
const IN_A_PATH: &str = "canary-in-a-path-81c";
const IN_A_QUERY: &str = "canary-in-a-query-4fe";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    nothing_is_left_in_the_clear(Database::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    nothing_is_left_in_the_clear(Database::postgres().await).await;
}

async fn nothing_is_left_in_the_clear(database: Database) {
    let provider = Provider::open().await;
    let mut house = House::build(&database, &provider.api_url).await;
    let recovery = house.init();
    house.serve();

    let mut needles = Needles::default();
    for (what, secret) in [
        ("the caller's number", CALLER),
        ("the second caller's number", SECOND_CALLER),
        ("a number no line has", &NOT_OURS[3..]),
        ("the third caller's number", THIRD_CALLER),
        ("the third call's id", THIRD_CALL),
        ("the number of who spoke to the inspector", TALKING_CALLER),
        ("the id of the call that was taken", TALK_CALL),
        ("the id of the call that was rung", LEG_CALL),
        ("who took the call", ON_DUTY),
        ("the number that was rung", &ON_DUTY_NUMBER[3..]),
        ("the added take's id", ADDED_TAKE),
        ("digits typed for a receipt", TYPED),
        ("the reply", REPLY),
        ("another password", LI_PASSWORD),
        ("the caller's name", NAME),
        ("the caller's city", CITY),
        ("who forwarded the call", &FORWARDED[3..]),
        ("a field nobody knows", NEW_FIELD),
        ("keys beyond the menu", KEYS),
        ("the call's id", CALL),
        ("the second call's id", SECOND_CALL),
        ("the unknown call's id", UNKNOWN_CALL),
        ("the first take's id", FIRST_TAKE),
        ("the second take's id", SECOND_TAKE),
        ("the stray take's id", STRAY_TAKE),
        ("the note", NOTE),
        ("the discipline", DISCIPLINE),
        ("the focus", FOCUS),
        ("a discipline there is none of", NO_DISCIPLINE),
        ("the destination", DESTINATION),
        ("what it is a duplicate of", DUPLICATE_OF),
        ("a wrong name", WRONG_NAME),
        ("a wrong password", WRONG_PASSWORD),
        ("the password", PASSWORD),
        ("a wrong token", NO_TOKEN),
        ("a path", IN_A_PATH),
        ("a query", IN_A_QUERY),
        ("the provider's secret", TOKEN),
        ("the recovery key", &recovery),
    ] {
        needles.add(what, secret.as_bytes());
    }
    needles.add("what was said", AUDIO);
    let (_, seed) = bech32::decode(&recovery).unwrap();
    needles.add("the recovery key's bytes", &seed);
    let secret = fs::read_to_string(house.data().join("service.key")).unwrap();
    needles.add_base64("the service secret", secret.trim());

    let receipt = call_and_say(&house, &provider).await;
    needles.add("the receipt", receipt.as_bytes());
    let spaced: Vec<String> = receipt.chars().map(String::from).collect();
    needles.add("the receipt as it is spoken", spaced.join(" ").as_bytes());
    other_calls(&house, &provider).await;
    talk(&house).await;
    house.settled().await;
    for token in reply(&house).await {
        needles.add_base64("a session's token", &token);
    }
    call_back(&house, &provider, &receipt).await;
    house.settled().await;
    assert_eq!(provider.left(), 0, "recordings left at the provider");
    for token in inspect(&house).await {
        needles.add_base64("a session's token", &token);
    }

    let metrics = house.metrics().await;
    assert!(
        metrics.contains("dutyline_reports{line=\"fcg-5\",status=\"queued\"} 2"),
        "{metrics}"
    );
    house.saw("the metrics", metrics.into_bytes());
    needles.search("while it runs", &house.everything(&database).await);
    exact_times_are_sealed(&house, &database).await;
    house.stop().await;
    needles.search("after it stopped", &house.everything(&database).await);

    // The same search finds values planted where the service writes.
    fs::write(
        house.data().join("recordings/planted"),
        format!("x{CALLER}"),
    )
    .unwrap();
    let found = needles.hits(&house.everything(&database).await);
    assert!(
        found.len() == 1 && found[0].contains("the caller's number"),
        "{found:?}"
    );
    database.remove().await;
}

/// SQLite's write-ahead log keeps former contents of rows, such as exact times of finished jobs, until it is truncated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_rows_do_not_stay_in_sqlites_log() {
    let line = TestLine::with(Database::sqlite(), OPEN, |toml| toml).await;
    line.leave(CALLER, NUMBER, &wav(AUDIO)).await;
    line.idle().await;
    let log = line.path().join("data/dutyline.db-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    // A reader may prevent the truncation at that moment; in production the next hour's run does it.
    for _ in 0..100 {
        housekeeping::tidy(line.service()).await.unwrap();
        if fs::metadata(&log).unwrap().len() == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(fs::metadata(&log).unwrap().len(), 0);
    line.finish().await;
}

/// The whole conversation: a key that the menu does not offer, a take, its playback, another take, the receipt. Returns
/// the receipt.
async fn call_and_say(house: &House, provider: &Provider) -> String {
    provider.record(FIRST_TAKE, wav(AUDIO));
    provider.record(SECOND_TAKE, wav(AUDIO));
    let caller = Caller {
        house,
        call: CALL,
        from: CALLER,
    };
    let strange = format!("sip:{NUMBER}@{CITY};user=phone");
    let menu = caller.says("/hooks/twilio/call", &[("To", &strange)]).await;
    let menu = caller.says(&menu.action(), &[("Digits", KEYS)]).await;
    let record = caller.says(&menu.action(), &[("Digits", "1")]).await;
    let taken = |id| {
        [
            ("RecordingSid", id),
            ("RecordingDuration", "2"),
            ("Digits", "#"),
            ("RecordingUrl", id),
        ]
    };
    let review = caller.says(&record.action(), &taken(FIRST_TAKE)).await;
    let told = [
        ("RecordingSid", FIRST_TAKE),
        ("RecordingStatus", "completed"),
        ("RecordingUrl", FIRST_TAKE),
    ];
    caller
        .says(&record.attribute("recordingStatusCallback"), &told)
        .await;
    let playing = caller.says(&review.action(), &[("Digits", "2")]).await;
    let take = playing.element("Play");
    let heard = support::client()
        .get(house.local(&take))
        .send()
        .await
        .unwrap();
    house.saw_headers(heard.headers());
    assert_eq!(heard.bytes().await.unwrap(), wav(AUDIO));
    let record = caller.says(&playing.action(), &[("Digits", "3")]).await;
    let review = caller.says(&record.action(), &taken(SECOND_TAKE)).await;
    let goodbye = caller.says(&review.action(), &[("Digits", "1")]).await;
    caller
        .says("/hooks/twilio/status", &[("CallStatus", "completed")])
        .await;
    spoken::receipt(&goodbye.0).expect("a receipt")
}

/// One member writes a reply, and another approves it. Returns the tokens of their sessions, which stay open.
async fn reply(house: &House) -> Vec<String> {
    fs::write(house.folder.path().join("li"), LI_PASSWORD).unwrap();
    let output = house
        .program()
        .args([
            "member",
            "add",
            "li",
            "--role",
            "inspector",
            "--line",
            "fcg-5",
        ])
        .args(["--password-file", "li", "--as", LEAD.0])
        .args(["--as-password-file", "password"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", support::wrote(&output));
    house.saw("what member add logged", output.stderr);
    let lead = Api::log_in(&house.url, LEAD.0, PASSWORD).await;
    let li = Api::log_in(&house.url, "li", LI_PASSWORD).await;
    // The lead added li, and there is no third member to confirm that.
    let desk = Desk::sign_in(&house.url, LEAD.0, PASSWORD).await;
    let waive = [
        ("line", "fcg-5"),
        ("waive", "1"),
        ("own_password", PASSWORD),
    ];
    let waived = desk.post("/console/members/waiver", &waive).await;
    assert_eq!(waived.status, 303, "{}", waived.text());
    house.saw_headers(&waived.headers);
    // The first report has a receipt; the caller of the other one received none.
    for report in lead.reports().await {
        let path = |step: &str| format!("/reports/{}/{step}", report["id"].as_str().unwrap());
        let answer = li.post(&path("reply"), json!({ "text": REPLY })).await;
        let entry = answer.json()["id"].as_str().map(str::to_owned);
        match entry {
            Some(entry) => {
                let approve = path(&format!("replies/{entry}/approve"));
                assert_eq!(house.sees(li.act(&approve).await), 409);
                assert_eq!(house.sees(lead.act(&approve).await), 204);
            }
            None => assert_eq!(house.sees(answer), 409),
        }
    }
    vec![lead.token().to_owned(), li.token().to_owned()]
}

/// A caller types an invalid receipt, then the receipt, hears the reply, and records an addition.
async fn call_back(house: &House, provider: &Provider, receipt: &str) {
    provider.record(ADDED_TAKE, wav(AUDIO));
    let caller = Caller {
        house,
        call: THIRD_CALL,
        from: THIRD_CALLER,
    };
    let menu = caller.says("/hooks/twilio/call", &[("To", NUMBER)]).await;
    let asked = caller.says(&menu.action(), &[("Digits", "4")]).await;
    let asked = caller.says(&asked.action(), &[("Digits", TYPED)]).await;
    let told = caller.says(&asked.action(), &[("Digits", receipt)]).await;
    assert!(told.0.contains(REPLY), "{}", told.0);
    let record = caller.says(&told.action(), &[("Digits", "1")]).await;
    let taken = [
        ("RecordingSid", ADDED_TAKE),
        ("RecordingDuration", "2"),
        ("Digits", "#"),
    ];
    let review = caller.says(&record.action(), &taken).await;
    caller.says(&review.action(), &[("Digits", "1")]).await;
    caller
        .says("/hooks/twilio/status", &[("CallStatus", "completed")])
        .await;
}

/// A caller is connected with the duty inspector, and hangs up.
async fn talk(house: &House) {
    let caller = Caller {
        house,
        call: TALK_CALL,
        from: TALKING_CALLER,
    };
    let menu = caller.says("/hooks/twilio/call", &[("To", NUMBER)]).await;
    let rung = caller.says(&menu.action(), &[("Digits", "2")]).await;
    let leg = [
        ("CallSid", LEG_CALL),
        ("ParentCallSid", TALK_CALL),
        ("To", ON_DUTY_NUMBER),
    ];
    let whisper = caller.says(&rung.attribute("url"), &leg).await;
    let key = [&leg[..], &[("Digits", "1")]].concat();
    let taken = caller.says(&whisper.action(), &key).await;
    assert!(taken.0.ends_with("<Response></Response>"), "{}", taken.0);
    caller
        .says("/hooks/twilio/status", &[("CallStatus", "completed")])
        .await;
}

async fn other_calls(house: &House, provider: &Provider) {
    let caller = Caller {
        house,
        call: SECOND_CALL,
        from: SECOND_CALLER,
    };
    let menu = caller.says("/hooks/twilio/call", &[("To", NUMBER)]).await;
    caller.says(&menu.action(), &[("Digits", KEYS)]).await;
    caller
        .says(
            "/hooks/twilio/status",
            &[("CallStatus", "completed"), ("Digits", "hangup")],
        )
        .await;
    // A number of no line, and a recording of an unknown call.
    caller
        .says(
            "/hooks/twilio/call",
            &[("CallSid", "CAelsewhere"), ("To", NOT_OURS)],
        )
        .await;
    provider.record(STRAY_TAKE, wav(AUDIO));
    let stray = [
        ("CallSid", UNKNOWN_CALL),
        ("RecordingSid", STRAY_TAKE),
        ("RecordingStatus", "completed"),
    ];
    caller.says("/hooks/twilio/recording", &stray).await;
    // A webhook with a forged signature, and a signed one without a call.
    let form = caller.form(&[("To", NUMBER)]);
    assert_eq!(
        house.post("/hooks/twilio/call", &form, "forged").await.0,
        StatusCode::FORBIDDEN
    );
    let form = vec![
        ("CallerName".to_owned(), NAME.to_owned()),
        ("AccountSid".to_owned(), support::ACCOUNT.to_owned()),
    ];
    let signature = house.sign("/hooks/twilio/call", &form);
    assert_eq!(
        house.post("/hooks/twilio/call", &form, &signature).await.0,
        StatusCode::OK
    );
}

/// Requests of inspectors and strangers. Returns the tokens of a closed session and of an open one.
async fn inspect(house: &House) -> Vec<String> {
    let anybody = Api::anybody(&house.url);
    for (name, password) in [(WRONG_NAME, WRONG_PASSWORD), (LEAD.0, WRONG_PASSWORD)] {
        let body = json!({ "name": name, "password": password });
        let answer = house.sees(anybody.post("/session", body).await);
        assert_eq!(answer, StatusCode::UNAUTHORIZED);
    }
    let no_token = [("authorization", &*format!("Bearer {NO_TOKEN}"))];
    let answer = anybody
        .request(Method::GET, "/reports", &no_token, None)
        .await;
    assert_eq!(house.sees(answer), StatusCode::UNAUTHORIZED);

    let first = Api::log_in(&house.url, LEAD.0, PASSWORD).await;
    let all = first.reports().await;
    assert_eq!(all.len(), 3, "{all:?}");
    let mut id = String::new();
    for report in &all {
        let opened = first
            .get(&format!("/reports/{}", report["id"].as_str().unwrap()))
            .await;
        let recordings = opened.json()["recordings"].as_array().unwrap().len() as u64;
        // The canaries were stored, and members with access can read them.
        for n in 1..=recordings {
            assert_eq!(first.recording(&opened.json(), n).await, wav(AUDIO));
        }
        // Two takes and an addition.
        if recordings == 3 {
            assert!(opened.json().to_string().contains(CALLER));
            assert!(opened.json().to_string().contains(THIRD_CALLER));
            assert!(opened.json().to_string().contains(REPLY));
            id = report["id"].as_str().unwrap().to_owned();
        }
        house.saw_headers(&opened.headers);
    }
    let abandoned = first.get("/abandoned").await;
    assert!(abandoned.json().to_string().contains(SECOND_CALLER));
    house.saw_headers(&abandoned.headers);

    let api = Api::log_in(&house.url, LEAD.0, PASSWORD).await;
    let path = |step: &str| format!("/reports/{id}/{step}");
    let classification = json!({ "scope": "in", "disciplines": [DISCIPLINE], "focuses": [FOCUS] });
    let no_classification = json!({ "scope": "in", "disciplines": [NO_DISCIPLINE] });
    let referred = json!({ "outcome": "referred", "destination": DESTINATION });
    let duplicate = json!({ "outcome": "duplicate" });
    let of_none = json!({ "outcome": "duplicate", "of": DUPLICATE_OF });
    for (step, body, status) in [
        ("notes", Some(json!({ "text": NOTE })), 201),
        ("notes", Some(json!({ "text": NOTE, NEW_FIELD: NAME })), 422),
        ("notes", Some(json!({ "text": [NOTE] })), 422),
        ("notes", Some(json!(NOTE)), 422),
        ("classification", Some(classification), 201),
        ("classification", Some(no_classification), 422),
        ("claim", None, 200),
        ("close", Some(referred.clone()), 200),
        ("close", Some(referred), 409),
        ("reopen", None, 200),
        ("claim", None, 200),
        ("close", Some(json!({ "outcome": NOTE })), 422),
        ("close", Some(of_none), 409),
        ("close", Some(duplicate), 200),
    ] {
        let answer = api.request(Method::POST, &path(step), &[], body).await;
        assert_eq!(house.sees(answer), status, "{step}");
    }
    for (path, status) in [
        (format!("/reports/{IN_A_PATH}"), 404),
        (format!("/{IN_A_PATH}"), 404),
        (format!("/reports?line={IN_A_QUERY}"), 404),
        (format!("/reports?cursor={IN_A_QUERY}"), 400),
        (format!("/reports?status={IN_A_QUERY}"), 400),
        (format!("/reports?{IN_A_QUERY}=1"), 400),
        (format!("/lines/{IN_A_PATH}"), 404),
        (format!("/abandoned?line={IN_A_QUERY}"), 404),
    ] {
        assert_eq!(house.sees(api.get(&path).await), status, "{path}");
    }
    let ended = first.token().to_owned();
    assert_eq!(
        house.sees(first.request(Method::DELETE, "/session", &[], None).await),
        StatusCode::NO_CONTENT
    );
    vec![ended, api.token().to_owned()]
}

/// Rows and files caused by callers contain no time finer than the hour.
async fn exact_times_are_sealed(house: &House, database: &Database) {
    let mut seen = std::collections::BTreeMap::new();
    for cell in dump(house, database)
        .await
        .iter()
        .filter(|cell| cell.is_time)
    {
        // Times of members' own actions: creation, logins, work on reports.
        let members = matches!(
            &*cell.table,
            "members" | "sessions" | "line_keys" | "_sqlx_migrations"
        ) || cell.table == "audit" && cell.by_member;
        if members {
            continue;
        }
        let text = String::from_utf8_lossy(&cell.bytes);
        let cut = text.get(13..20);
        assert!(
            matches!(cut, Some(":00:00+" | ":00:00Z")),
            "{}.{}: {text}",
            cell.table,
            cell.column
        );
        *seen
            .entry(format!("{}.{}", cell.table, cell.column))
            .or_insert(0) += 1;
    }
    assert_eq!(seen["reports.received_hour"], 5, "{seen:?}");
    assert!(seen["audit.at"] > 10, "{seen:?}");
    let mut files = 0;
    for item in fs::read_dir(house.data().join("recordings")).unwrap() {
        let item = item.unwrap();
        // Written by `init`, before any call.
        if item.file_name() == dutyline::vault::blobs::MARKER {
            continue;
        }
        let modified = item.metadata().unwrap().modified().unwrap();
        assert_eq!(
            modified.duration_since(UNIX_EPOCH).unwrap(),
            Duration::from_secs(HOUR)
        );
        files += 1;
    }
    assert_eq!(files, 4);
}
