//! The console while sessions end, connections break, and the language changes.

use super::Window;
use super::office::{LI, office, tone};
use crate::support::proxy::{Network, Proxy};
use crate::support::{LEAD, TestLine};

/// The language of a page.
const LANGUAGE: &str = "return document.documentElement.lang;";

/// Opens a browser with a report and an unsaved text in its first tab, and the queue in a second one.
async fn with_a_draft(line: &TestLine, at: &str) -> (Window, [fantoccini::wd::WindowHandle; 2]) {
    let window = Window::open().await;
    window.sign_in_lead(&line.url).await;
    window.goto(&format!("{}{at}", line.url)).await;
    window
        .write("#note-form textarea", "没有保存的一句话")
        .await;
    let first = window.new_tab().await;
    window.goto(&format!("{}/console/", line.url)).await;
    let second = window.tab().await;
    (window, [first, second])
}

/// Checks that the page shows a cover and nothing of the report, and still has the unsaved text.
async fn is_covered(window: &Window) {
    window.wait_for("#ended[open]").await;
    let seen = window.text("body").await;
    assert!(seen.contains("登录已结束"), "{seen}");
    for words in ["2024-0001", "没有保存的一句话", "wang", "录音"] {
        assert!(!seen.contains(words), "{words}: {seen}");
    }
    let kept = window
        .script("return document.querySelector('textarea').value;")
        .await;
    assert_eq!(kept, "没有保存的一句话");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_outlasts_the_session() {
    let line = office().await;
    let at = line.reported(&tone(2)).await;
    let (window, [first, second]) = with_a_draft(&line, &at).await;
    window
        .follow("form[action='/console/sign-out'] button")
        .await;
    assert_eq!(window.path().await, "/console/sign-in");

    window.to_tab(first.clone()).await;
    is_covered(&window).await;
    // Without a session neither a key nor the button removes the cover.
    window.keys("\u{e00c}").await;
    window.script("window.told = new Promise((done) => { const own = window.fetch;
        window.fetch = async (...all) => { const answer = await own(...all); setTimeout(() => done(true)); return answer; }; });").await;
    window.click("#resume").await;
    assert_eq!(window.script("return window.told;").await, true);
    is_covered(&window).await;

    window.click("#ended a.button").await;
    window.to_opened_tab(&[&first, &second]).await;
    window.write("input[name=name]", LEAD.0).await;
    window.write("input[name=password]", LEAD.1).await;
    window.follow("main button.main").await;
    window.to_tab(first).await;
    window.click("#resume").await;
    window.wait_for("#ended:not([open])").await;
    // Other members' changes are shown again.
    let li = line.li().await;
    li.post(&format!("{at}/note"), &[("text", "另一个人的记录")])
        .await;
    window
        .wait_for_path("//li[@class='note']/p[.='另一个人的记录']")
        .await;
    window.click("#note-form button").await;
    window.note_saved().await;
    window
        .wait_for_path("//li[@class='note']/p[.='没有保存的一句话']")
        .await;
    window.finish_with(&["401"]).await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_sees_what_is_behind_the_curtain() {
    let line = office().await;
    let at = line.reported(&tone(2)).await;
    line.li().await;
    let (window, [first, _]) = with_a_draft(&line, &at).await;
    window
        .follow("form[action='/console/sign-out'] button")
        .await;
    window.sign_in(&line.url, LI).await;
    window.to_tab(first).await;
    is_covered(&window).await;
    window.click("#resume").await;
    window.wait_for("#not-yours:not([hidden])").await;
    is_covered(&window).await;
    window.finish_with(&["409"]).await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_without_drafts_goes_when_the_session_ends() {
    let line = office().await;
    let at = line.reported(&tone(2)).await;
    let window = Window::open().await;
    window.sign_in_lead(&line.url).await;
    window.goto(&format!("{}{at}", line.url)).await;
    let report = window.new_tab().await;
    window.goto(&format!("{}/console/", line.url)).await;
    window
        .follow("form[action='/console/sign-out'] button")
        .await;
    window.to_tab(report).await;
    window
        .wait_for_path("//*[@role='alert'][.='登录已过期，请重新登录。']")
        .await;
    assert_eq!(window.path().await, "/console/sign-in");
    window.finish_with(&["401"]).await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_language_is_remembered() {
    let line = office().await;
    let window = Window::open().await;
    window.sign_in_lead(&line.url).await;
    assert_eq!(window.script(LANGUAGE).await, "zh-CN");
    window
        .goto(&format!("{}/console/calendar?month=2024-04", line.url))
        .await;
    let other = "form[action='/console/language'] button";
    assert_eq!(window.text(other).await, "English");
    window.follow(other).await;
    // The same page, in the other language.
    assert_eq!(window.script(LANGUAGE).await, "en");
    let title = window.text("h1").await;
    assert!(title.contains("April 2024"), "{title}");
    window
        .follow("form[action='/console/sign-out'] button")
        .await;
    assert_eq!(window.script(LANGUAGE).await, "en");
    window.new_tab().await;
    window.goto(&format!("{}/console/", line.url)).await;
    assert_eq!(window.script(LANGUAGE).await, "en");
    window.sign_in_lead(&line.url).await;
    assert_eq!(window.script(LANGUAGE).await, "en");
    window.follow(other).await;
    assert_eq!(window.script(LANGUAGE).await, "zh-CN");
    window.finish().await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_told_and_what_was_missed_is_shown() {
    let line = office().await;
    let proxy = Proxy::to(line.url.trim_start_matches("http://").to_owned()).await;
    let window = Window::open().await;
    window
        .sign_in_lead(&format!("http://{}", proxy.address))
        .await;
    window.wait_for("#lost[hidden]").await;
    proxy.set(Network::Cut);
    window.wait_for("#lost:not([hidden])").await;
    line.reported(&tone(2)).await;
    proxy.set(Network::Whole);
    window.wait_for("#lost[hidden]").await;
    window.wait_for_path("//a[@data-row][.='2024-0001']").await;
    window
        .finish_with(&["net::ERR_", "network error", "Failed to fetch"])
        .await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_was_left_holds_no_connection() {
    let line = office().await;
    let at = line.reported(&tone(2)).await;
    let li = line.li().await;
    let mut told = li.follow(&li.get(&at).await.ok()).await;
    let window = Window::open().await;
    window.sign_in_lead(&line.url).await;
    window.goto(&format!("{}{at}", line.url)).await;
    let present = |names: &str| ("present".to_owned(), names.to_owned());
    assert_eq!(told.next().await.unwrap(), present("[\"wang\"]"));
    window.goto(&format!("{}/console/help", line.url)).await;
    assert_eq!(told.next().await.unwrap(), present("[]"));
    window.script("history.back();").await;
    assert_eq!(told.next().await.unwrap(), present("[\"wang\"]"));
    li.post(&format!("{at}/note"), &[("text", "另一个人的记录")])
        .await;
    window
        .wait_for_path("//li[@class='note']/p[.='另一个人的记录']")
        .await;
    window.finish().await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_never_got_its_news_says_so_and_gets_them() {
    let line = office().await;
    let window = Window::open().await;
    window.sign_in_lead(&line.url).await;
    let news = serde_json::json!({"urls": ["*/console/events*"]});
    window
        .devtools("Network.enable", serde_json::json!({}))
        .await;
    window.devtools("Network.setBlockedURLs", news).await;
    window.goto(&format!("{}/console/", line.url)).await;
    window.wait_for("#lost:not([hidden])").await;
    line.reported(&tone(2)).await;
    window
        .devtools("Network.setBlockedURLs", serde_json::json!({"urls": []}))
        .await;
    window.wait_for("#lost[hidden]").await;
    window.wait_for_path("//a[@data-row][.='2024-0001']").await;
    window
        .finish_with(&["net::ERR_", "htmx:error", "Failed to fetch"])
        .await;
    line.finish().await;
}
