//! The API's contract, endpoint by endpoint.

mod lists;

use crate::support::hooks::call_form;
use crate::support::{
    Answer, Api, LEAD, LINES, NUMBER, OTHER_NUMBER, TestLine, client, on_both, sql, two_lines,
};
use dutyline::report::role::Role;
use dutyline::simulator::SAMPLE;
use dutyline::simulator::exchange::SpeechEnd;
use dutyline::simulator::faults::Faults;
use dutyline::vault::action::Action;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const SECRET: &str = "k3v9-nobody-repeats-this";

/// Checks that an answer is a problem document (RFC 9457) that repeats nothing of the request.
fn assert_problem(answer: &Answer, status: StatusCode, what: &str) -> Value {
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    assert_headers(answer, what);
    let kind = answer.headers.get("content-type");
    let kind = kind.map(|kind| kind.as_bytes()).unwrap_or_default();
    assert_eq!(kind, b"application/problem+json", "{what}");
    assert!(!answer.text().contains("k3v9"), "{what}: {}", answer.text());
    let problem = answer.json();
    assert_eq!(problem["status"], status.as_u16(), "{what}");
    for key in ["type", "title", "detail"] {
        assert!(
            problem[key].as_str().is_some_and(|text| !text.is_empty()),
            "{what}: {key}"
        );
    }
    problem
}

fn assert_headers(answer: &Answer, what: &str) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        (
            "permissions-policy",
            "microphone=(), camera=(), geolocation=()",
        ),
    ] {
        assert_eq!(answer.headers[name], value, "{what}: {name}");
    }
}

/// Returns the keys of an object, in order.
fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

/// Checks that a value is an RFC 3339 time in UTC with microseconds.
fn assert_time(value: &Value) {
    let text = value.as_str().expect("a time");
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000000Z", "{text}");
    chrono::DateTime::parse_from_rfc3339(text).expect("RFC 3339");
}

/// Makes a report without audio, the only one of its line. Returns the lead and the report's id.
async fn one_report(line: &TestLine) -> (Api, String) {
    line.report_without_audio("CA1", NUMBER).await;
    line.idle().await;
    let lead = line.lead().await;
    let id = lead.only_report().await["id"].as_str().unwrap().to_owned();
    (lead, id)
}

on_both! {
    async fn a_report_and_its_recordings(line: TestLine) {
        line.exchange.set_faults(Faults { not_yet: 1, ..Faults::default() });
        let call = line.exchange.dial("anonymous", NUMBER).await.unwrap();
        line.exchange.press(&call.id, "1").await.unwrap();
        let speech = bytes::Bytes::from_static(SAMPLE);
        line.exchange.speak(&call.id, speech, Some(SpeechEnd::Key)).await.unwrap();
        // The report can be worked on before its recording can.
        let lead = line.lead().await;
        let early = lead.only_report().await;
        let id = early["id"].as_str().unwrap().to_owned();
        let at = format!("/reports/{id}/recordings/1");
        if early["recordings"][0]["state"] == "announced" {
            assert_eq!(early["recordings"][0]["bytes"], Value::Null);
        }
        line.exchange.press(&call.id, "1").await.unwrap();
        line.idle().await;

        let report = lead.only_report().await;
        assert_eq!(
            keys(&report),
            ["assignee", "entries", "id", "line", "on_the_line", "received_hour", "recordings", "reference", "replies", "source", "status"]
        );
        let mut kinds = Vec::new();
        for entry in report["entries"].as_array().unwrap() {
            assert_eq!(keys(entry), ["at", "body", "by", "id", "kind"]);
            assert_time(&entry["at"]);
            assert_eq!(entry["by"], Value::Null, "no member wrote it");
            kinds.push(entry["kind"].as_str().unwrap());
        }
        assert_eq!(kinds[0], "caller");
        kinds.sort_unstable();
        assert_eq!(kinds, ["call", "caller", "recording"]);
        let recording = &report["recordings"][0];
        assert_eq!(
            keys(recording),
            ["bytes", "deleted_at_provider", "id", "n", "replaced", "seconds", "state"]
        );
        assert_eq!(recording["n"], 1);
        assert_eq!(recording["state"], "sealed");
        assert_eq!(recording["bytes"], SAMPLE.len());
        assert!((recording["seconds"].as_f64().unwrap() - 4.4).abs() < 0.1);

        let whole = SAMPLE.len();
        let ranged = async |range: &str| lead.request(Method::GET, &at, &[("Range", range)], None).await;
        let answer = lead.get(&at).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, SAMPLE));
        assert_eq!(answer.headers["content-type"], "audio/wav");
        assert_eq!(answer.headers["accept-ranges"], "bytes");
        assert_eq!(answer.headers["content-length"], whole.to_string());
        assert_headers(&answer, "a recording");
        for (range, start, end) in [
            ("bytes=0-9".to_owned(), 0, 10),
            ("bytes=0-0".to_owned(), 0, 1),
            (format!("bytes={}-", whole - 7), whole - 7, whole),
            ("bytes=0-".to_owned(), 0, whole),
            ("bytes=-5".to_owned(), whole - 5, whole),
            (format!("bytes=-{}", whole * 2), 0, whole),
            (format!("bytes={}-99999999", whole - 1), whole - 1, whole),
            ("bytes=4000-4999".to_owned(), 4000, 5000),
        ] {
            let answer = ranged(&range).await;
            assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
            assert_eq!(answer.body, &SAMPLE[start..end], "{range}");
            assert_eq!(answer.headers["content-range"], format!("bytes {start}-{}/{whole}", end - 1));
            assert_eq!(answer.headers["content-length"], (end - start).to_string());
            assert_headers(&answer, &range);
        }
        for range in [format!("bytes={whole}-"), "bytes=99999999-".to_owned(), "bytes=-0".to_owned()] {
            let answer = ranged(&range).await;
            assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
            // Reports and recordings state the length, and reading them leaves a link in the trail. This answer leaves
            // none, so it must not state it.
            assert!(!answer.headers.contains_key("content-range"), "{range}");
            assert!(!answer.text().contains(&whole.to_string()), "{range}");
            assert_headers(&answer, &range);
        }
        for range in ["bytes=0-1,4-5", "bytes=5-3", "seconds=0-1", "bytes=k3v9"] {
            let answer = ranged(range).await;
            assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, SAMPLE), "{range}: the whole");
        }
        for n in ["0", "2", "-1", "k3v9", "99999999999999999999999"] {
            let answer = lead.get(&format!("/reports/{id}/recordings/{n}")).await;
            assert_problem(&answer, StatusCode::NOT_FOUND, n);
        }
        // Each opening and each listening is in the trail.
        let mut tx = line.db().begin_read().await.unwrap();
        let links = dutyline::store::audit::links(&mut tx, "fcg-5", 0).await.unwrap();
        drop(tx);
        let opened = |action: Action| links.iter().filter(|link| link.action == action).count();
        assert_eq!(opened(Action::ReportOpened), 2);
        assert_eq!(opened(Action::RecordingOpened), 13);
    }

    async fn a_recording_is_not_there_until_it_is_sealed(line: TestLine) {
        // Announced by the provider, which does not serve it: it stays announced until the provider reports it absent.
        let fields = |state: &str| {
            let state = [("RecordingSid", "RE7"), ("RecordingStatus", state)];
            call_form("CA7", &state)
        };
        line.hook("/hooks/twilio/recording", &fields("completed")).await;
        let lead = line.lead().await;
        let report = lead.only_report().await;
        assert_eq!(report["recordings"][0]["state"], "announced");
        assert_eq!(report["recordings"][0]["seconds"], Value::Null);
        let at = format!("/reports/{}/recordings/1", report["id"].as_str().unwrap());
        assert_problem(&lead.get(&at).await, StatusCode::NOT_FOUND, "announced");
        line.hook("/hooks/twilio/recording", &fields("absent")).await;
        assert_problem(&lead.get(&at).await, StatusCode::NOT_FOUND, "absent");
        assert_eq!(lead.only_report().await["recordings"], json!([]), "what the provider never made is none");
    }

    async fn every_move_from_every_status(line: TestLine) {
        let (lead, id) = one_report(line).await;
        let li = line.member("li", Role::Inspector, &["fcg-5"]).await;
        let at = |step: &str| format!("/reports/{id}/{step}");
        let make = async |api: &Api, step: &str| match step {
            "close" => api.post(&at(step), json!({ "outcome": "handled" })).await,
            _ => api.act(&at(step)).await,
        };
        // For each status: the actions that lead to it from the queue, and the actions allowed there with their
        // results.
        type From = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);
        let table: [From; 3] = [
            ("queued", &[], &[("claim", "claimed")]),
            ("claimed", &["claim"], &[("release", "queued"), ("close", "closed")]),
            ("closed", &["claim", "close"], &[("reopen", "queued")]),
        ];
        for (status, way, allowed) in table {
            for step in ["claim", "release", "close", "reopen"] {
                for way in way {
                    make(&lead, way).await.ok();
                }
                let answer = make(&lead, step).await;
                match allowed.iter().find(|(name, _)| *name == step) {
                    Some((_, to)) => {
                        assert_headers(&answer, step);
                        let report = answer.ok();
                        assert_eq!(report["status"], *to, "{step} when {status}");
                        let theirs = if *to == "claimed" { json!(LEAD.0) } else { Value::Null };
                        assert_eq!(report["assignee"], theirs, "{step} when {status}");
                    }
                    None => {
                        let problem = assert_problem(&answer, StatusCode::CONFLICT, step);
                        assert!(problem["detail"].as_str().unwrap().contains(status), "{problem}");
                        let now = lead.only_report().await;
                        assert_eq!(now["status"], status, "{step} when {status} changes nothing");
                    }
                }
                // Back to the queue.
                for step in ["release", "reopen"] {
                    make(&lead, step).await;
                }
                assert_eq!(lead.only_report().await["status"], "queued");
            }
        }

        // A report claimed by one member cannot be moved by another; a lead may release it.
        make(&lead, "claim").await.ok();
        for step in ["release", "close", "claim"] {
            assert_problem(&make(&li, step).await, StatusCode::CONFLICT, step);
        }
        assert_eq!(lead.only_report().await["assignee"], LEAD.0);
        make(&lead, "release").await.ok();
        assert_eq!(make(&li, "claim").await.ok()["assignee"], "li");
        make(&lead, "release").await.ok();

        // Two claims at once: one succeeds, the other is refused.
        let (one, other) = tokio::join!(make(&lead, "claim"), make(&li, "claim"));
        let mut statuses = [one.status, other.status];
        statuses.sort();
        assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
    }

    async fn a_report_is_closed_with_its_outcome(line: TestLine) {
        let (lead, id) = one_report(line).await;
        let at = |step: &str| format!("/reports/{id}/{step}");
        lead.act(&at("claim")).await.ok();
        let long = "长".repeat(501);
        for (what, body) in [
            ("no outcome", json!({})),
            ("an unknown one", json!({ "outcome": "k3v9" })),
            ("referred to nobody", json!({ "outcome": "referred" })),
            ("referred to nothing", json!({ "outcome": "referred", "destination": "" })),
            ("referred to a space", json!({ "outcome": "referred", "destination": " \u{3000}" })),
            ("referred to a number", json!({ "outcome": "referred", "destination": 12388 })),
            ("too long", json!({ "outcome": "referred", "destination": long })),
            ("a destination of what is handled", json!({ "outcome": "handled", "destination": SECRET })),
            ("an unknown field", json!({ "outcome": "handled", "k3v9": 1 })),
            ("a wrong type", json!({ "outcome": 1 })),
            ("a list", json!(["handled"])),
            ("null", Value::Null),
        ] {
            assert_problem(&lead.post(&at("close"), body).await, StatusCode::UNPROCESSABLE_ENTITY, what);
        }
        assert_eq!(lead.only_report().await["status"], "claimed");
        line.report_without_audio("CA2", NUMBER).await;
        line.idle().await;
        let first = || async { lead.open(&lead.reports().await[0]).await };
        for outcome in [
            json!({ "outcome": "handled" }),
            json!({ "outcome": "referred", "destination": "市教育局" }),
            json!({ "outcome": "no_action" }),
            json!({ "outcome": "duplicate", "of": "2024-0002" }),
            json!({ "outcome": "duplicate" }),
        ] {
            lead.act(&at("claim")).await;
            assert_eq!(lead.post(&at("close"), outcome.clone()).await.ok()["status"], "closed");
            let report = first().await;
            let entry = report["entries"].as_array().unwrap().last().unwrap().clone();
            assert_eq!((entry["kind"].as_str(), entry["by"].as_str()), (Some("outcome"), Some(LEAD.0)));
            assert_time(&entry["at"]);
            let mut said = entry["body"].clone();
            if said["of"].is_null() {
                said.as_object_mut().unwrap().remove("of");
            }
            assert_eq!(said, outcome);
            lead.act(&at("reopen")).await.ok();
        }
    }

    async fn a_report_is_classified(line: TestLine) {
        let (lead, id) = one_report(line).await;
        let at = format!("/reports/{id}/classification");
        for (what, body, says) in [
            ("an unknown discipline", json!({ "scope": "in", "disciplines": ["k3v9"] }), "政治纪律, 组织纪律, 廉洁纪律, 群众纪律, 工作纪律, 生活纪律"),
            ("an unknown focus", json!({ "scope": "in", "focuses": ["k3v9"] }), "基层党组织建设情况"),
            ("a discipline twice", json!({ "scope": "in", "disciplines": ["廉洁纪律", "廉洁纪律"] }), "twice"),
            ("an unknown scope", json!({ "scope": "k3v9" }), ""),
            ("no scope", json!({ "disciplines": [] }), "scope"),
            ("an unknown field", json!({ "scope": "in", "k3v9": 1 }), ""),
            ("a text for a list", json!({ "scope": "in", "disciplines": "廉洁纪律" }), ""),
        ] {
            let answer = lead.post(&at, body).await;
            let problem = assert_problem(&answer, StatusCode::UNPROCESSABLE_ENTITY, what);
            assert!(problem["detail"].as_str().unwrap().contains(says), "{what}: {problem}");
        }
        let all = json!(["政治纪律", "组织纪律", "廉洁纪律", "群众纪律", "工作纪律", "生活纪律"]);
        for body in [
            json!({ "scope": "in", "disciplines": all, "focuses": ["群众身边腐败问题和不正之风"] }),
            json!({ "scope": "out", "disciplines": [], "focuses": [] }),
        ] {
            let answer = lead.post(&at, body.clone()).await;
            assert_eq!(answer.status, StatusCode::CREATED);
            assert_headers(&answer, "a classification");
            let report = lead.only_report().await;
            let entry = report["entries"].as_array().unwrap().last().unwrap().clone();
            assert_eq!(entry["id"], answer.json()["id"]);
            assert_eq!(entry["kind"], "classification");
            assert_eq!(entry["body"], body);
        }
        // A closed report can no longer be classified.
        lead.act(&format!("/reports/{id}/claim")).await.ok();
        lead.post(&format!("/reports/{id}/close"), json!({ "outcome": "handled" })).await.ok();
        let answer = lead.post(&at, json!({ "scope": "in" })).await;
        assert_problem(&answer, StatusCode::CONFLICT, "closed");
    }

    async fn a_note_is_written(line: TestLine) {
        let (lead, id) = one_report(line).await;
        let at = format!("/reports/{id}/notes");
        let long = "字".repeat(10_001);
        for (what, body) in [
            ("empty", json!({ "text": "" })),
            ("spaces", json!({ "text": " \n\t\u{3000}" })),
            ("too long", json!({ "text": long })),
            ("no text", json!({})),
            ("a number", json!({ "text": 7 })),
            ("an unknown field", json!({ "text": SECRET, "k3v9": SECRET })),
            ("a text", json!(SECRET)),
        ] {
            assert_problem(&lead.post(&at, body).await, StatusCode::UNPROCESSABLE_ENTITY, what);
        }
        for text in ["听过", "\u{1f399}".repeat(10_000).as_str(), "\0 <script>alert(1)</script>\r\n"] {
            let answer = lead.post(&at, json!({ "text": text })).await;
            assert_eq!(answer.status, StatusCode::CREATED);
            let report = lead.only_report().await;
            let entry = report["entries"].as_array().unwrap().last().unwrap().clone();
            assert_eq!(entry["body"]["text"], text);
            assert_eq!((&entry["kind"], &entry["by"]), (&json!("note"), &json!(LEAD.0)));
        }
        // A closed report accepts notes too, because later findings belong to it.
        lead.act(&format!("/reports/{id}/claim")).await.ok();
        lead.post(&format!("/reports/{id}/close"), json!({ "outcome": "handled" })).await.ok();
        assert_eq!(lead.post(&at, json!({ "text": "后记" })).await.status, StatusCode::CREATED);
    }

    async fn what_cannot_be_read_is_told_so(line: TestLine) {
        let (lead, id) = one_report(line).await;
        let before = line.rows().await;
        let base = format!("{}/api/v1", line.url);
        let raw = async |method: Method, path: &str, kind: Option<&str>, body: Vec<u8>| {
            let mut request = client().request(method, format!("{base}{path}")).bearer_auth(lead.token()).body(body);
            if let Some(kind) = kind {
                request = request.header("Content-Type", kind);
            }
            let answer = request.send().await.unwrap();
            Answer {
                status: answer.status(),
                headers: answer.headers().clone(),
                body: answer.bytes().await.unwrap(),
            }
        };
        let json = Some("application/json");
        let sound = format!("{{\"text\":\"{SECRET}\"}}").into_bytes();
        for step in ["notes", "close", "classification"] {
            let at = format!("/reports/{id}/{step}");
            for (what, body) in [
                ("nothing", &b""[..]),
                ("half", b"{\"text\":\"k3v9"),
                ("no JSON", b"text=k3v9"),
                ("two", b"{}{}"),
                ("no UTF-8", b"{\"text\":\"\xff\"}"),
                ("a lone surrogate", b"{\"text\":\"\\ud800\"}"),
            ] {
                let answer = raw(Method::POST, &at, json, body.to_vec()).await;
                assert_problem(&answer, StatusCode::BAD_REQUEST, what);
            }
            let deep = "[".repeat(10_000).into_bytes();
            let answer = raw(Method::POST, &at, json, deep).await;
            assert!(answer.status.is_client_error(), "deeper than anything: {}", answer.status);
            for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonk3v9")] {
                let answer = raw(Method::POST, &at, kind, sound.clone()).await;
                assert_problem(&answer, StatusCode::UNSUPPORTED_MEDIA_TYPE, &format!("{kind:?}"));
            }
            let large = format!("{{\"text\":\"{}\"}}", "k3v9".repeat(16 * 1024)).into_bytes();
            let answer = raw(Method::POST, &at, json, large).await;
            assert_problem(&answer, StatusCode::PAYLOAD_TOO_LARGE, step);
        }
        assert_eq!(line.rows().await, before, "nothing is stored");
        let at = format!("/reports/{id}/notes");
        let answer = raw(Method::POST, &at, Some("Application/JSON; charset=utf-8"), sound).await;
        assert_eq!(answer.status, StatusCode::CREATED);

        for path in ["", "/", "/k3v9", "/reports/", "/reports/x/k3v9", "/%ff", "/reports/%ff", "/reports/%ff/claim", "/lines/%ff", "/reports/%ff/recordings/%ff"] {
            let method = if path.ends_with("claim") { Method::POST } else { Method::GET };
            let answer = raw(method, path, None, Vec::new()).await;
            assert_problem(&answer, StatusCode::NOT_FOUND, path);
        }
        for (method, path) in [
            (Method::DELETE, format!("/reports/{id}")),
            (Method::PUT, "/session".to_owned()),
            (Method::POST, "/reports".to_owned()),
            (Method::GET, format!("/reports/{id}/claim")),
            (Method::POST, format!("/reports/{id}/recordings/1")),
            (Method::PATCH, "/lines".to_owned()),
        ] {
            let answer = raw(method, &path, None, Vec::new()).await;
            assert_problem(&answer, StatusCode::METHOD_NOT_ALLOWED, &path);
            assert!(answer.headers.contains_key("allow"), "{path}");
        }
    }

    async fn abandoned_calls_say_how_far_they_got(line: TestLine) {
        // Hung up in the menu; asked to speak and silent; hung up on a number that conceals itself.
        let menu = line.exchange.dial("+8613800138001", NUMBER).await.unwrap();
        line.exchange.hang_up(&menu.id).await.unwrap();
        let guided = line.exchange.dial("+8613800138002", NUMBER).await.unwrap();
        line.exchange.press(&guided.id, "91").await.unwrap();
        line.exchange.hang_up(&guided.id).await.unwrap();
        // A running call and one that became a report are not abandoned.
        line.exchange.dial("+8613800138003", NUMBER).await.unwrap();
        line.report_without_audio("CA9", NUMBER).await;
        line.idle().await;
        let lead = line.lead().await;
        assert_eq!(lead.reports().await.len(), 1);
        let answer = lead.get("/abandoned").await;
        assert_headers(&answer, "abandoned calls");
        let answer = answer.ok();
        assert_eq!(answer, {
            let again = lead.get("/abandoned?line=fcg-5").await.ok();
            assert_eq!(keys(&again), ["calls", "next"]);
            again
        });
        let mut got = Vec::new();
        for call in answer["calls"].as_array().unwrap() {
            assert_eq!(keys(call), ["damaged", "entries", "id", "line", "received_hour"]);
            assert_eq!(call["damaged"], false);
            assert_eq!(call["received_hour"], "2024-03-06T01:00:00.000000Z");
            let [caller, how] = call["entries"].as_array().unwrap().as_slice() else {
                panic!("who, and how far: {call}");
            };
            assert_eq!((&caller["kind"], &how["kind"]), (&json!("caller"), &json!("call")));
            assert_eq!(how["body"]["receipt_spoken"], false);
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            got.push((text(&caller["body"]["number"]), text(&how["body"]["reached"]), text(&how["body"]["language"])));
            // An abandoned call cannot be opened or claimed as a report by its id.
            let id = call["id"].as_str().unwrap();
            assert_problem(&lead.get(&format!("/reports/{id}")).await, StatusCode::NOT_FOUND, "no report");
            assert_problem(&lead.act(&format!("/reports/{id}/claim")).await, StatusCode::NOT_FOUND, "no report");
        }
        got.sort();
        assert_eq!(got, [
            ("+8613800138001".into(), "greeting".into(), "zh-CN".into()),
            ("+8613800138002".into(), "guidance".into(), "en".into()),
        ]);
        assert_problem(&lead.get("/abandoned?k3v9=1").await, StatusCode::BAD_REQUEST, "another filter");
    }

    async fn the_line_tells_how_it_stands(line: TestLine) {
        let (lead, id) = one_report(line).await;
        line.report_without_audio("CA2", NUMBER).await;
        line.exchange.dial("+8613800138003", NUMBER).await.unwrap();
        line.idle().await;
        lead.act(&format!("/reports/{id}/claim")).await.ok();
        let answer = lead.get("/lines/fcg-5").await;
        assert_headers(&answer, "a line");
        let standing = answer.ok();
        let expected = json!({
            "id": "fcg-5",
            "number": "18877009155",
            "name": "防城港市委第五巡察组",
            "inspected": "防城港职业技术学院",
            "phase": "open",
            "reopens_at": null,
            "takes_reports": true,
            "clock_shifted": true,
            "reports": { "queued": 1, "claimed": 1, "closed": 0 },
            "calls_running": 1,
            "recent_calls": { "answered": 3, "without_message": 0, "usual": 0, "flood": false },
            "jobs_given_up": 0,
        });
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&standing[key], value, "{key}");
        }
        assert_eq!(standing["disciplines"].as_array().unwrap().len(), 6);
        assert_eq!(standing["focuses"].as_array().unwrap().len(), 4);
        let now = standing["now"].as_str().unwrap();
        assert!(now.starts_with("2024-03-06T09:") && now.ends_with("+08:00"), "{now}");
        let all = lead.get("/lines").await.ok();
        assert_eq!(keys(&all), ["lines"]);
        assert_eq!(all["lines"][0]["id"], "fcg-5");
        assert_eq!(lead.get("/lines/").await.status, StatusCode::NOT_FOUND);
    }

    async fn only_who_works_on_reports_sees_any(line: TestLine) {
        let (_, id) = one_report(line).await;
        for role in [Role::Auditor, Role::Operator] {
            let api = line.member(role.as_str(), role, &[]).await;
            for path in ["/reports", "/lines", "/abandoned", "/session", &format!("/reports/{id}")] {
                assert_problem(&api.get(path).await, StatusCode::FORBIDDEN, path);
            }
            assert_problem(&api.act(&format!("/reports/{id}/claim")).await, StatusCode::FORBIDDEN, "claim");
        }
        // An inspector without any line's key sees nothing, as if no line existed.
        let api = line.member("new", Role::Inspector, &[]).await;
        assert_eq!(api.get("/reports").await.ok(), json!({ "reports": [], "next": null }));
        assert_eq!(api.get("/lines").await.ok(), json!({ "lines": [] }));
        assert_problem(&api.get(&format!("/reports/{id}")).await, StatusCode::NOT_FOUND, "no key");
    }

    /// A job that keeps failing is counted only for the line of its call or recording.
    async fn jobs_that_keep_failing_are_counted_for_their_line(line: TestLine = two_lines) {
        let caller = "+8613800138000";
        let call = line.exchange.dial(caller, OTHER_NUMBER).await.unwrap().id;
        let own = line.exchange.dial(caller, NUMBER).await.unwrap().id;
        let since = line.service().clock.system_now();
        let fails = "UPDATE jobs SET failing_since = $1, reason = 'x' WHERE kind = 'watch'
            AND subject IN (SELECT id FROM calls WHERE line = $2)";
        let values = [sql::Value::Time(since), LINES[1].into()];
        assert_eq!(sql::run(line.db(), fails, &values).await, 1);
        let answer = line.lead().await.get("/lines").await.ok();
        for shown in answer["lines"].as_array().unwrap() {
            let failing = i64::from(shown["id"] == LINES[1]);
            assert_eq!(shown["jobs_given_up"], failing, "{shown}");
        }
        line.exchange.hang_up(&call).await.unwrap();
        line.exchange.hang_up(&own).await.unwrap();
    }
}
