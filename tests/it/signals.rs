//! What the service manager, or a terminal, may send.
#![cfg(unix)]

use crate::support::{Binary, Database, pause};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_up_of_the_terminal_does_not_end_the_line() {
    let mut binary = Binary::start(Database::sqlite(), "http://127.0.0.1:9", |toml| toml).await;
    for _ in 0..2 {
        binary.signal("HUP");
    }
    while !binary.log().contains("SIGHUP ignored") {
        assert!(binary.is_running(), "it goes on; {}", binary.log());
        pause().await;
    }
    let url = format!("{}/health/live", binary.ops_url);
    let answer = binary.client.get(url).send().await.expect("an answer");
    assert!(answer.status().is_success());
    // It still ends when it is told to.
    binary.signal("TERM");
    while binary.is_running() {
        pause().await;
    }
    binary.finish().await;
}
