//! The console without a mouse.

use super::Window;
use super::office::{office, tone};
use crate::support::LEAD;
use serde_json::json;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const LEFT: &str = "\u{e012}";
const RIGHT: &str = "\u{e014}";
const CONTROL: &str = "\u{e009}";

/// Records which elements get the focus, and whether it is visible. A group of radio buttons is one stop.
const WATCH: &str = "window.stops = new Set();
    window.unseen = [];
    window.stop = (it) => it.type === 'radio' ? it.form.id + it.name : it;
    window.all = () => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex=\"0\"]')]
      .filter((it) => it.checkVisibility({ visibilityProperty: true }));
    document.querySelector('.skip').focus();
    window.stops.add(document.activeElement);
    document.addEventListener('focusin', ({ target }) => {
      window.stops.add(window.stop(target));
      const seen = target.closest('.track') ?? target;
      const style = getComputedStyle(seen);
      if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) window.unseen.push(target.outerHTML);
    });";
/// Controls that never had the focus.
const MISSED: &str = "return window.all().filter((it) => !window.stops.has(window.stop(it))).map((it) => it.outerHTML);";

/// Checks that Tab reaches every control, through each part of a date on the page, and that the focus is visible.
async fn tab_reaches_everything(window: &Window, page: &str) {
    window.script(WATCH).await;
    let stops = window
        .script("return new Set(window.all().map(window.stop)).size + 6 * document.querySelectorAll('[type=datetime-local]').length;")
        .await;
    let stops = usize::try_from(stops.as_u64().unwrap()).unwrap();
    window.keys(&TAB.repeat(stops - 1)).await;
    assert_eq!(window.script(MISSED).await, json!([]), "{page}");
    assert_eq!(
        window.script("return window.unseen;").await,
        json!([]),
        "{page}"
    );
}

async fn position(window: &Window) -> f64 {
    let at =
        "const audio = document.querySelector('audio'); return [audio.paused, audio.currentTime];";
    let at = window.script(at).await;
    assert_eq!(at[0], true, "it stands still");
    at[1].as_f64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_signing_in_to_a_saved_note() {
    let line = office().await;
    line.reported(&tone(30)).await;
    line.reported(&tone(2)).await;
    let window = Window::open().await;
    window.goto(&format!("{}/console/", line.url)).await;
    window.keys(&format!("{}{TAB}{}", LEAD.0, LEAD.1)).await;
    window.keys_follow(ENTER).await;

    // Down the list and up again, and not past its ends.
    for (key, reference) in [
        ("j", "2024-0001"),
        ("j", "2024-0002"),
        ("j", "2024-0002"),
        ("k", "2024-0001"),
        ("k", "2024-0001"),
    ] {
        window.keys(key).await;
        let focused = window
            .script("return document.activeElement.textContent;")
            .await;
        assert_eq!(focused, reference, "{key}");
    }
    window.keys("?").await;
    window.wait_for("#keys[open]").await;
    // Keys go to the topmost dialog.
    window.keys("n").await;
    window.keys(ESCAPE).await;
    window.wait_for("#keys:not([open])").await;
    assert_eq!(window.path().await, "/console/");

    window.keys_follow("n").await;
    window.wait_for("main h1 + .state.claimed").await;
    assert_eq!(window.text("h1").await, "2024-0001");
    window.wait_for(".player[data-ready]").await;
    window.keys("p").await;
    window
        .until("return document.querySelector('audio').currentTime > 0;")
        .await;
    window.keys("p").await;
    let begun = position(&window).await;
    window.keys(&RIGHT.repeat(2)).await;
    assert!((position(&window).await - begun - 10.0).abs() < 0.01);
    window.keys(LEFT).await;
    assert!((position(&window).await - begun - 5.0).abs() < 0.01);
    window.keys(&LEFT.repeat(2)).await;
    assert_eq!(position(&window).await, 0.0);

    window.keys("w").await;
    // In a field the keys are letters.
    window.keys("npw?").await;
    let typed = "return [document.activeElement.value, document.querySelector('audio').paused];";
    assert_eq!(window.script(typed).await, json!(["npw?", true]));
    window.keys(ESCAPE).await;
    assert_eq!(
        window
            .script("return document.activeElement === document.body;")
            .await,
        true
    );
    window.keys("w").await;
    window.keys(&format!("{CONTROL}{ENTER}")).await;
    window.note_saved().await;
    window
        .wait_for_path("//li[@class='note']/p[.='npw?']")
        .await;
    window.keys(ESCAPE).await;
    window.keys_follow("q").await;
    assert_eq!(window.path().await, "/console/");
    window.finish().await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_can_be_reached() {
    let line = office().await;
    let at = line.reported(&tone(2)).await;
    line.li().await;
    let window = Window::open().await;
    window.goto(&format!("{}/console/sign-in", line.url)).await;
    tab_reaches_everything(&window, "sign-in").await;
    window.sign_in_lead(&line.url).await;
    tab_reaches_everything(&window, "queue").await;
    window.follow("button[data-key=n]").await;
    window.wait_for(".player[data-ready]").await;
    tab_reaches_everything(&window, "report").await;
    for page in [
        "/console/abandoned",
        "/console/calendar?month=2024-04",
        "/console/hear",
        "/console/members",
        "/console/password",
        "/console/help",
    ] {
        window.goto(&format!("{}{page}", line.url)).await;
        tab_reaches_everything(&window, page).await;
    }
    window.goto(&format!("{}{at}/trail", line.url)).await;
    tab_reaches_everything(&window, "trail").await;
    window.finish().await;
    line.finish().await;
}
