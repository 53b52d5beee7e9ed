//! The API's description of itself, compared with its behaviour.

use crate::support::{Database, LINES, NUMBER, TestLine, on_both, wav, wrote};
use dutyline::report::role::Role;
use dutyline::web;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

/// Returns the description, as served without a session.
async fn description(line: &TestLine) -> Value {
    let answer = line.anybody().get("/openapi.json").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    answer.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_changes_only_on_purpose() {
    let line = TestLine::open(Database::sqlite()).await;
    let text = serde_json::to_string_pretty(&description(&line).await).unwrap();
    insta::assert_snapshot!("openapi", text);
    line.finish().await;
}

/// A router lists its paths only in its `Debug` output: this fails if that format changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_address_is_described_and_no_other() {
    let line = TestLine::open(Database::sqlite()).await;
    let description = description(&line).await;
    let described = description["paths"].as_object().expect("paths");
    let router = format!("{:?}", web::router(Arc::clone(line.service())));
    let mut served: BTreeSet<&str> = router
        .split('"')
        .filter_map(|text| text.strip_prefix("/api/v1"))
        .collect();
    // Routes of the fallback that answers 404.
    served.retain(|path| !["", "/", "/{*__private__axum_fallback}"].contains(path));
    let paths: BTreeSet<&str> = described.keys().map(String::as_str).collect();
    assert_eq!(served, paths);

    // An unknown method is answered with the allowed ones.
    let other = Method::from_bytes(b"MKCOL").unwrap();
    for (path, item) in described {
        let methods = item.as_object().expect("operations").keys();
        let mut methods: BTreeSet<String> = methods.map(|name| name.to_uppercase()).collect();
        if methods.contains("GET") {
            methods.insert("HEAD".into());
        }
        let answer = line.anybody().request(other.clone(), path, &[], None).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = answer.headers["allow"].to_str().unwrap();
        let allowed: BTreeSet<String> = allowed.split(',').map(str::to_owned).collect();
        assert_eq!(allowed, methods, "{path}");
    }
    line.finish().await;
}

on_both! {
    async fn schemathesis_finds_nothing(line: TestLine) {
        let said = wav(b"schemathesis");
        line.leave("anonymous", NUMBER, &said).await;
        line.leave_two_takes("+8613800138001", NUMBER, &said, &said).await;
        line.abandon("+8613800138002", NUMBER).await;
        line.idle().await;
        let lead = line.lead().await;
        let reports = lead.reports().await;
        let ids = reports.iter().map(|report| report["id"].to_string());
        let config = CONFIG.replace("\"REPORTS\"", &ids.collect::<Vec<_>>().join(", "));
        // A reply of another member may be approved, one's own may not.
        let li = line.member("li", Role::Inspector, &LINES[..1]).await;
        let mut replies = Vec::new();
        for (report, author) in reports.iter().zip([&li, &lead]) {
            let path = format!("/reports/{}/reply", report["id"].as_str().unwrap());
            let reply = author.post(&path, json!({ "text": "x" })).await.ok();
            replies.push(reply["id"].to_string());
        }
        let config = config.replace("\"REPLIES\"", &replies.join(", "));
        std::fs::write(line.path().join("schemathesis.toml"), config).unwrap();
        // The operations that begin and end sessions get a separate login, which is invalid afterwards.
        let session = ["session_begin", "session_end"];
        let others = session.map(|id| format!("--exclude-operation-id={id}"));
        schemathesis(line, lead.token(), &others).await;
        let only = session.map(|id| format!("--include-operation-id={id}"));
        schemathesis(line, line.lead().await.token(), &only).await;
    }
}

/// Configuration of schemathesis.
const CONFIG: &str = include_str!("../schemathesis.toml");

/// Runs schemathesis on the line with a session's token.
async fn schemathesis(line: &TestLine, token: &str, which: &[String]) {
    let program = std::env::var_os("DUTYLINE_TEST_SCHEMATHESIS");
    let mut command = Command::new(program.unwrap_or("schemathesis".into()));
    command
        .current_dir(line.path())
        // Not through the proxy that other requests on this machine may use.
        .env("NO_PROXY", "127.0.0.1")
        .args(["--no-color", "--config-file", "schemathesis.toml", "run"])
        .arg(format!("{}/api/v1/openapi.json", line.url))
        .arg(format!("--header=Authorization: Bearer {token}"))
        .args(which);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .expect("schemathesis starts: `tests/run` installs it; to leave this test out, skip `schemathesis`");
    assert!(output.status.success(), "{}", wrote(&output));
}
