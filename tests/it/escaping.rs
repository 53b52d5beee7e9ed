//! Texts that callers can choose, their number and their name, are escaped or omitted wherever they go.

use crate::support::pbx::{Faults, Pbx};
use crate::support::{Database, NUMBER, OPEN, TestLine, logs, speech};
use dutyline::simulator::exchange::SpeechEnd;

/// Returns a caller's number that no telephone has, as a caller with a SIP client may present it. `mark` makes it
/// unique.
fn presented(mark: &str) -> String {
    format!(r#""><script>{mark}</script>&'{mark}]]>"#)
}

/// Checks that the number appears in the inspectors' pages as text, and nowhere else.
async fn is_only_text(line: &TestLine, mark: &str, sent: &[String]) {
    for text in sent {
        assert!(!text.contains(mark), "{text}");
    }
    line.until_reports(1).await;
    let report = line.lead().await.only_report().await;
    let caller = &report["entries"][0]["body"]["number"];
    assert_eq!(caller, &presented(mark));
    let desk = line.desk().await;
    let at = format!("/console/reports/{}", report["id"].as_str().unwrap());
    let page = desk.get(&at).await.ok();
    assert!(page.contains(mark), "the report says who called");
    assert!(!page.contains(&format!("<script>{mark}")), "{page}");
    assert!(!page.contains(&format!("&'{mark}")), "{page}");
    let title = page.split("</title>").next().unwrap();
    assert!(!title.contains(mark), "{title}");
    let queue = desk.get("/console/").await.ok();
    assert!(!queue.contains(mark), "{queue}");
    assert!(!logs::all().contains(mark), "logged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_webhooks() {
    logs::keep();
    let mark = "canary6e1f";
    let line = TestLine::open(Database::sqlite()).await;
    let call = line
        .exchange
        .dial(&presented(mark), NUMBER)
        .await
        .unwrap()
        .id;
    line.exchange.press(&call, "1").await.unwrap();
    let said = line.exchange.speak(&call, speech(1), Some(SpeechEnd::Key));
    said.await.unwrap();
    line.exchange.press(&call, "1").await.unwrap();
    let answers = line
        .exchange
        .sent()
        .into_iter()
        .flat_map(|sent| sent.answers);
    let answers: Vec<String> = answers.map(|answer| answer.unwrap().body).collect();
    assert!(answers.len() > 3);
    is_only_text(&line, mark, &answers).await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_socket() {
    logs::keep();
    let mark = "canary9b2d";
    let pbx = Pbx::start().await;
    let line = pbx.line(Database::sqlite(), OPEN).await;
    pbx.set_faults(Faults::default());
    let call = pbx.call(&presented(mark), NUMBER).await;
    // The rung inspectors do not see the caller's number either.
    pbx.press(&call, '2').await;
    pbx.nobody_picks_up(&call).await;
    pbx.nobody_picks_up(&call).await;
    pbx.speak(&call, speech(2), true).await;
    pbx.press(&call, '1').await;
    let frames = pbx.frames();
    assert!(frames.len() > 5);
    is_only_text(&line, mark, &frames).await;
    line.finish().await;
}
