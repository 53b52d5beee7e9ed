//! Every page of the console in every state: no text cut off, no overlapping controls, no barriers. Tests that use
//! axe-core have `axe` in their names; `DUTYLINE_TEST_AXE` names its `axe.min.js`.

use super::Window;
use super::office::{office_with, tone};
use crate::duty::{connected, roster};
use crate::support::proxy::{Network, Proxy};
use crate::support::sql::run;
use crate::support::{LEAD, NUMBER, TestLine};
use dutyline::simulator::faults::Faults;
use dutyline::store::members;

/// Controls that overlap. A line of text that wraps has several boxes.
const OVERLAPS: &str = "const top = document.querySelector('dialog[open]') ?? document;
    const all = [...top.querySelectorAll('a, button, input, select, textarea, summary')]
      .filter((it) => it.checkVisibility({ visibilityProperty: true }))
      .flatMap((it) => [...it.getClientRects()].map((box) => ({ it, box })))
      .filter(({ box }) => box.right > 0 && box.width > 0);
    const found = [];
    for (const [i, a] of all.entries()) for (const b of all.slice(i + 1)) {
      if (a.it === b.it || a.it.contains(b.it) || b.it.contains(a.it)) continue;
      const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (wide > 1 && high > 1) found.push(a.it.outerHTML + b.it.outerHTML);
    }
    return found;";
/// Violations that are serious or worse.
const AXE: &str = "return axe.run(document, { resultTypes: ['violations'], preload: false }).then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.html + ' ' + node.failureSummary).join('; ')));";

/// The check applied to each page.
trait Eye {
    async fn on(&self, window: &Window, state: &str);
}

/// Checks a page in all sizes.
struct Sizes(&'static str);

impl Eye for Sizes {
    async fn on(&self, window: &Window, state: &str) {
        for dark in [false, true] {
            for size in [(375, 812), (768, 1024), (1440, 900)] {
                window.look(size, dark).await;
                let shade = if dark { "dark" } else { "light" };
                let name = format!("console-{state}-{}-{shade}-{}", size.0, self.0);
                assert_eq!(
                    window.script(OVERLAPS).await,
                    serde_json::json!([]),
                    "{name}"
                );
                window.picture(&name).await;
            }
        }
    }
}

/// Checks a page with axe-core, in light and dark.
struct Axe(String);

impl Axe {
    fn new() -> Self {
        let path = std::env::var_os("DUTYLINE_TEST_AXE").expect(
            "DUTYLINE_TEST_AXE is not set: `tests/run` gets axe-core and sets it; to leave these tests out, skip `axe`",
        );
        Self(std::fs::read_to_string(path).expect("axe-core"))
    }
}

impl Eye for Axe {
    async fn on(&self, window: &Window, state: &str) {
        if window.script("return window.axe === undefined;").await == true {
            // For this page, and for all further pages of this tab.
            let source = serde_json::json!({ "source": self.0 });
            window
                .devtools("Page.addScriptToEvaluateOnNewDocument", source)
                .await;
            let source = serde_json::json!({ "expression": self.0 });
            window.devtools("Runtime.evaluate", source).await;
        }
        for dark in [false, true] {
            window.look((1440, 900), dark).await;
            assert_eq!(
                window.script(AXE).await,
                serde_json::json!([]),
                "{state}, dark: {dark}"
            );
        }
    }
}

/// A browser at the console in a language.
struct Tour<E> {
    line: TestLine,
    proxy: Proxy,
    window: Window,
    eye: E,
}

impl<E: Eye> Tour<E> {
    async fn begin(language: &str, eye: E) -> Self {
        let line = office_with(roster).await;
        let proxy = Proxy::to(line.url.trim_start_matches("http://").to_owned()).await;
        let window = Window::open().await;
        let tour = Self {
            line,
            proxy,
            window,
            eye,
        };
        tour.goto("/console/sign-in").await;
        if language == "en" {
            tour.window
                .follow("form[action='/console/language'] button")
                .await;
        }
        tour.window
            .wait_for(&format!("html[lang={language}]"))
            .await;
        tour
    }

    fn url(&self) -> String {
        format!("http://{}", self.proxy.address)
    }

    async fn goto(&self, path: &str) {
        self.window.goto(&format!("{}{path}", self.url())).await;
    }

    /// Checks the page as it is.
    async fn see(&self, state: &str) {
        self.eye.on(&self.window, state).await;
    }

    async fn see_at(&self, path: &str, state: &str) {
        self.goto(path).await;
        self.see(state).await;
    }

    async fn finish(self) {
        // Some of the pages are refusals.
        self.window
            .finish_with(&[
                "the server responded with a status",
                "net::ERR_",
                "network error",
                "Failed to fetch",
                "SSE reconnect failed with status 401",
            ])
            .await;
        self.line.finish().await;
    }
}

/// The pages without a session, and the queue.
async fn the_queue(language: &str, eye: impl Eye) {
    let tour = Tour::begin(language, eye).await;
    tour.see("sign-in").await;
    tour.see_at("/console/sign-in?again=1", "sign-in-again")
        .await;
    tour.window.write("[name=name]", "wang").await;
    tour.window.write("[name=password]", "wrong").await;
    tour.window.follow("main button.main").await;
    tour.see("sign-in-wrong").await;
    tour.window.sign_in_lead(&tour.url()).await;
    tour.see("queue-empty").await;
    tour.see_at("/console/abandoned", "abandoned-none").await;
    let li = tour.line.li().await;
    for turn in 0..4 {
        let at = tour.line.reported(&tone(2)).await;
        if turn < 2 {
            li.post(&format!("{at}/claim"), &[]).await;
        }
        if turn < 1 {
            li.post(&format!("{at}/close"), &[("outcome", "handled")])
                .await;
        }
    }
    tour.line.abandon("+8613800138000", NUMBER).await;
    tour.line.idle().await;
    tour.see_at("/console/", "queue").await;
    tour.see_at("/console/?status=closed", "queue-closed").await;
    tour.see_at("/console/?nothing=1&mine=1&status=claimed", "queue-nothing")
        .await;
    tour.see_at("/console/abandoned", "abandoned").await;
    tour.goto("/console/").await;
    tour.window.keys("?").await;
    tour.window.wait_for("#keys[open]").await;
    tour.see("keys").await;
    tour.proxy.set(Network::Cut);
    tour.window.wait_for("#lost:not([hidden])").await;
    tour.window.keys("\u{e00c}").await;
    tour.see("lost").await;
    tour.proxy.set(Network::Whole);
    tour.finish().await;
}

/// A report in all its states.
async fn a_report(language: &str, eye: impl Eye) {
    let tour = Tour::begin(language, eye).await;
    tour.window.sign_in_lead(&tour.url()).await;
    let li = tour.line.li().await;
    tour.line
        .leave_two_takes("+8613800138000", NUMBER, &tone(3), &tone(75))
        .await;
    tour.line.idle().await;
    let at = tour.line.newest().await;
    tour.see_at(&at, "report-waiting").await;
    let desk = tour.line.desk().await;
    desk.post(&format!("{at}/claim"), &[]).await;
    desk.post(&format!("{at}/note"), &[("text", "来电人反映食堂采购。\nhttps://example.org/averylongaddresswithoutanyplacetobreak/averylongaddresswithoutanyplacetobreak")]).await;
    li.post(
        &format!("{at}/classification"),
        &[
            ("scope", "in"),
            ("discipline", "廉洁纪律"),
            ("discipline", "群众纪律"),
        ],
    )
    .await;
    let present = li.follow(&li.get(&at).await.ok()).await;
    tour.goto(&at).await;
    tour.window.wait_for("#others:not([hidden])").await;
    tour.window.click("[value=referred]").await;
    tour.see("report-claimed").await;
    drop(present);
    desk.post(
        &format!("{at}/close"),
        &[("outcome", "referred"), ("destination", "派驻纪检组")],
    )
    .await;
    tour.see_at(&at, "report-closed").await;
    tour.see_at(&format!("{at}/trail"), "trail").await;

    // A report whose recording cannot be fetched yet, and then is given up.
    tour.line.exchange.set_faults(Faults {
        not_yet: u32::MAX,
        ..Faults::default()
    });
    tour.line.leave("anonymous", NUMBER, &tone(2)).await;
    let at = tour.line.newest().await;
    tour.see_at(&at, "report-being-fetched").await;
    let given_up = "UPDATE recordings SET state = 'lost' WHERE state = 'announced'";
    run(tour.line.db(), given_up, &[]).await;
    run(
        tour.line.db(),
        "UPDATE jobs SET failing_since = run_after",
        &[],
    )
    .await;
    tour.goto(&at).await;
    tour.window.wait_for("article[id$=-lost]").await;
    tour.see("report-lost").await;
    tour.see_at("/console/", "queue-warned").await;
    tour.line.forget_jobs().await;

    // The session ends while a text is being written.
    tour.goto(&at).await;
    tour.window
        .write("#note-form textarea", "没有保存的一句话")
        .await;
    let report = tour.window.new_tab().await;
    tour.goto("/console/").await;
    tour.window
        .follow("form[action='/console/sign-out'] button")
        .await;
    tour.see("signed-out").await;
    tour.window.to_tab(report).await;
    tour.window.wait_for("#ended[open]").await;
    tour.see("ended").await;
    tour.finish().await;
}

/// A caller is on the telephone, and notes are taken.
async fn a_talk(language: &str, eye: impl Eye) {
    let tour = Tour::begin(language, eye).await;
    tour.window.sign_in_lead(&tour.url()).await;
    tour.line.reported(&tone(2)).await;
    tour.goto("/console/").await;
    let mut caller = connected(&tour.line).await;
    // The open page shows the call without a reload.
    tour.window.wait_for("tbody .live").await;
    tour.see("queue-live").await;
    tour.goto(&tour.line.newest().await).await;
    tour.window.save_note("来电人说食堂采购没有招标。").await;
    tour.window.wait_for(".timeline .note").await;
    tour.see("report-live").await;
    tour.window.write("#note-form textarea", "负责人姓").await;
    caller.hang_up().await;
    tour.window
        .until("return document.querySelector('.live') === null;")
        .await;
    let written = "return document.querySelector('#note-form textarea').value;";
    assert_eq!(tour.window.script(written).await, "负责人姓");
    tour.finish().await;
}

/// All other pages.
async fn the_rest(language: &str, eye: impl Eye) {
    let tour = Tour::begin(language, eye).await;
    tour.window.sign_in_lead(&tour.url()).await;
    tour.see_at("/console/calendar?month=2024-04", "calendar")
        .await;
    tour.see_at("/console/calendar?month=2024-06", "calendar-intake-closed")
        .await;
    tour.see_at("/console/hear?at=2024-03-06T09:00&acts=1,speak,%23", "hear")
        .await;
    tour.see_at(
        "/console/hear?at=2024-04-07T19:00&acts=silence,hangup",
        "hear-closed",
    )
    .await;
    // Alone on the line, then with a member added in the console and a disabled one.
    tour.goto("/console/members").await;
    tour.window.click("summary").await;
    tour.see("members-few").await;
    tour.line.li().await;
    let lead = tour.line.desk().await;
    for name in ["chen", "zhou"] {
        let form = [
            ("name", name),
            ("password", "a long password"),
            ("role", "inspector"),
            ("line", "fcg-5"),
            ("own_password", LEAD.1),
        ];
        lead.post("/console/members", &form).await;
    }
    let mut tx = tour.line.db().begin_read().await.unwrap();
    let zhou = members::by_name(&mut tx, "zhou").await.unwrap().unwrap().id;
    drop(tx);
    let own = [("own_password", LEAD.1)];
    lead.post(&format!("/console/members/{zhou}/disable"), &own)
        .await;
    tour.goto("/console/members").await;
    tour.window.click("summary").await;
    tour.see("members").await;
    tour.see_at("/console/password", "password").await;
    tour.see_at("/console/help", "help").await;
    tour.see_at("/console/none", "missing").await;
    // The row of a recording is tampered with.
    let at = tour.line.reported(&tone(2)).await;
    run(tour.line.db(), "UPDATE recordings SET state = 'lost'", &[]).await;
    tour.see_at(&at, "failed").await;
    tour.finish().await;
}

macro_rules! tours {
    ($($name:ident),*) => {$(
        mod $name {
            use super::{Axe, Sizes};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn fits_in_chinese() {
                super::$name("zh-CN", Sizes("zh")).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn fits_in_english() {
                super::$name("en", Sizes("en")).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn pleases_axe_in_chinese() {
                super::$name("zh-CN", Axe::new()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn pleases_axe_in_english() {
                super::$name("en", Axe::new()).await;
            }
        }
    )*};
}
tours!(the_queue, a_report, a_talk, the_rest);
