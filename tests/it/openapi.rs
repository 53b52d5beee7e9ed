//! What the API says about itself, and whether it is true.

use crate::support::{Database, TestLine};
use dutyline::web;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The description, as anybody gets it.
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

/// A router shows its addresses only for debugging: should that look different one day, this fails.
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
    // What is answered with "there is no such thing here".
    served.retain(|path| !["", "/", "/{*__private__axum_fallback}"].contains(path));
    let paths: BTreeSet<&str> = described.keys().map(String::as_str).collect();
    assert_eq!(served, paths);

    // An address tells what it does when asked for something it does not.
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
