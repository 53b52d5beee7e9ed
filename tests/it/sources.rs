//! The client's address of a request that came through proxies.

use crate::support::{Database, TestLine};
use axum::Router;
use axum::routing::get;
use dutyline::app;
use dutyline::web::ClientAddress;
use std::sync::Arc;
use tokio::sync::watch;

fn behind_a_proxy(toml: String) -> String {
    let given = "public_url = \"https://duty.example.org\"";
    assert!(toml.contains(given));
    toml.replace(
        given,
        &format!("{given}\ntrusted_proxies = [\"127.0.0.0/8\"]"),
    )
}

/// Returns the client's address that the service derives from these `X-Forwarded-For` headers of a request over
/// loopback.
async fn seen(line: &TestLine, forwarded: &[&str]) -> String {
    #[expect(clippy::disallowed_methods, reason = "an address of the test alone")]
    let router = Router::new()
        .route("/", get(async |ClientAddress(ip)| ip.to_string()))
        .with_state(Arc::clone(line.service()));
    let listener = app::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}/", app::address(&listener));
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(app::serve(listener, router, stopped));
    let mut request = reqwest::Client::new().get(url);
    for value in forwarded {
        request = request.header("X-Forwarded-For", *value);
    }
    let seen = request.send().await.unwrap().text().await.unwrap();
    stop.send(true).unwrap();
    serving.await.unwrap();
    seen
}

#[tokio::test]
async fn the_client_behind_a_trusted_proxy_is_told_by_the_proxy() {
    let line = TestLine::with(Database::sqlite(), crate::support::OPEN, behind_a_proxy).await;
    assert_eq!(seen(&line, &[]).await, "127.0.0.1");
    assert_eq!(seen(&line, &["203.0.113.7"]).await, "203.0.113.7");
    assert_eq!(
        seen(&line, &["6.6.6.6", "203.0.113.7, 127.0.0.9"]).await,
        "203.0.113.7"
    );
    line.finish().await;
}

#[tokio::test]
async fn without_trusted_proxies_no_client_can_claim_another_address() {
    let line = TestLine::open(Database::sqlite()).await;
    assert_eq!(seen(&line, &["203.0.113.7"]).await, "127.0.0.1");
    line.finish().await;
}
