//! The console as inspectors use it: a report from the call to its closing, two inspectors who want the same one, and
//! inputs that stay unchanged while the page around them is updated.

use super::Window;
use super::office::{LI, office, tone};
use serde_json::json;

/// Elements that could only come from the texts below, if these were not escaped.
const STRANGERS: &str = "return [...document.querySelectorAll('body *')].filter((it) =>
    it.matches('script, img, iframe, style, link, meta, base, math, details[open], [hx-get]:not(main), [onerror], [onload], [onmouseover]')
    || (it.matches('svg') && !it.closest('.track'))).map((it) => it.outerHTML);";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_from_the_telephone_to_its_end() {
    let line = office().await;
    let window = Window::open().await;
    window.sign_in_lead(&line.url).await;
    window.script("window.same = true;").await;

    let desk = window.new_tab().await;
    window.goto(&format!("{}/phone", line.url)).await;
    window.click("#dial .main").await;
    window.wait_for("#phone[data-state=keys]").await;
    window.click("[data-key='1']").await;
    window.wait_for("#phone[data-state=speech]").await;
    window.click("#sample").await;
    window.wait_for("#phone[data-state=spoken]").await;
    window.click("[data-key='#']").await;
    window.wait_for("#phone[data-state=keys]").await;
    window.click("[data-key='1']").await;
    window.wait_for("#phone[data-state=over]").await;

    window.to_tab(desk).await;
    window.wait_for_path("//a[@data-row][.='2024-0001']").await;
    assert_eq!(
        window.script("return window.same;").await,
        true,
        "nobody has loaded the page again"
    );
    window.follow("button[data-key=n]").await;
    window.wait_for("main h1 + .state.claimed").await;
    window.wait_for(".player[data-ready]").await;
    window.play().await;

    window.save_note("食堂采购，来电人愿意面谈。").await;
    window
        .wait_for_path("//li[@class='note']/p[.='食堂采购，来电人愿意面谈。']")
        .await;
    for choice in [
        "[name=scope][value=in]",
        "[name=discipline][value=廉洁纪律]",
        "[name=focus]",
    ] {
        window
            .click(&format!("#classification-form {choice}"))
            .await;
    }
    window.follow("#classification-form button").await;
    window.wait_for("li.classification").await;
    // The form starts with the saved values.
    window
        .wait_for("[name=discipline][value=廉洁纪律]:checked")
        .await;
    window.click("#close-form [value=referred]").await;
    window
        .write("#close-form [name=destination]", "派驻纪检组")
        .await;
    window.follow("#close-form button.main").await;
    window.wait_for("main h1 + .state.closed").await;
    let page = window.text("main").await;
    let focus = &line.service().config.lines[0].line.focuses[0];
    for words in [
        "2024-0001",
        "已办结",
        "wang",
        "录音 1",
        "食堂采购",
        "属于受理范围",
        "廉洁纪律",
        focus,
        "已转交",
        "派驻纪检组",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    window.finish().await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_claim_one_is_told_that_it_is_gone() {
    let line = office().await;
    let at = line.reported(&tone(2)).await;
    line.li().await;
    let (lead, li) = tokio::join!(Window::open(), Window::open());
    lead.sign_in_lead(&line.url).await;
    li.sign_in(&line.url, LI).await;
    for window in [&lead, &li] {
        window.goto(&format!("{}{at}", line.url)).await;
        window.wait_for("button[data-key=c]").await;
        // Neither page receives the other's change before its key is pressed.
        window
            .script("document.getElementById('live').remove();")
            .await;
    }
    tokio::join!(
        lead.click("button[data-key=c]"),
        li.click("button[data-key=c]")
    );
    let mut told = 0;
    for window in [&lead, &li] {
        window.wait_for("main h1 + .state.claimed").await;
        let page = window.text("main").await;
        told += page
            .matches("这件反映的状态已经改变，可能是其他人刚刚处理过。")
            .count();
    }
    assert_eq!(told, 1);
    lead.finish_with(&["409"]).await;
    li.finish_with(&["409"]).await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_is_at_stays_while_the_page_changes() {
    let line = office().await;
    let at = line.reported(&tone(60)).await;
    let li = line.li().await;
    let window = Window::open().await;
    window.sign_in_lead(&line.url).await;
    window.goto(&format!("{}{at}", line.url)).await;
    window.wait_for(".player[data-ready]").await;
    window.play().await;
    window.write("#note-form textarea", "正在写的一句话").await;
    window.click("#classification-form [value=廉洁纪律]").await;
    // Two characters to the left.
    window.click("#note-form textarea").await;
    window.keys("\u{e010}\u{e012}\u{e012}").await;
    let state = "const audio = document.querySelector('audio');
        const text = document.querySelector('#note-form textarea');
        window.audio ??= audio;
        window.field ??= text;
        return [window.audio === audio && window.field === text, audio.paused, document.activeElement === text,
          text.value, text.selectionStart, document.querySelector('[value=廉洁纪律]').checked, audio.currentTime];";
    let before = window.script(state).await;
    assert_eq!(
        before.as_array().unwrap()[..6],
        json!([true, false, true, "正在写的一句话", 5, true])
            .as_array()
            .unwrap()[..]
    );

    // Another inspector opens the report, writes a note, and claims it.
    let page = li.get(&at).await.ok();
    let present = li.follow(&page).await;
    window.wait_for_text("others", "li").await;
    li.post(&format!("{at}/note"), &[("text", "另一个人的记录")])
        .await;
    window
        .wait_for_path("//li[@class='note']/p[.='另一个人的记录']")
        .await;
    li.post(&format!("{at}/claim"), &[]).await;
    window.wait_for("main h1 + .state.claimed").await;
    drop(present);
    window.wait_for("#others[hidden]").await;
    let after = window.script(state).await;
    assert_eq!(
        after.as_array().unwrap()[..6],
        before.as_array().unwrap()[..6]
    );
    let heard = after[6].as_f64();
    assert!(heard > before[6].as_f64(), "{before} {after}");
    window
        .until(&format!(
            "return document.querySelector('audio').currentTime > {};",
            heard.unwrap()
        ))
        .await;

    // More can be written at the same position.
    window.keys("又").await;
    window.keys("\u{e009}\u{e007}").await;
    window.note_saved().await;
    window
        .wait_for_path("//li[@class='note']/p[.='正在写的一又句话']")
        .await;
    window.finish().await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_never_becomes_part_of_the_page() {
    let payloads = [
        "<img src=x onerror=window.x=1>",
        "</p></textarea><script>window.x=1</script>",
        "<b hx-get=/console/ hx-trigger=load>",
        "\"'><svg onload=window.x=1>",
    ];
    let line = office().await;
    let li = line.li().await;
    let at = line.reported(&tone(2)).await;
    let window = Window::open().await;
    window.sign_in_lead(&line.url).await;
    window.goto(&format!("{}{at}", line.url)).await;
    let own = window.script(STRANGERS).await;
    for (n, payload) in payloads.into_iter().enumerate() {
        window.save_note(payload).await;
        window
            .until(&format!(
                "return document.querySelectorAll('.note').length === {};",
                n + 1
            ))
            .await;
    }
    window.follow("button[data-key=c]").await;
    window.click("#close-form [value=referred]").await;
    window
        .write("#close-form [name=destination]", &payloads.concat())
        .await;
    window.follow("#close-form button.main").await;
    window.wait_for("main h1 + .state.closed").await;
    let shown = "return [...document.querySelectorAll('.note p, .outcome p:last-child')].map((p) => p.textContent);";
    let mut expected: Vec<String> = payloads.map(str::to_owned).into();
    expected.push(payloads.concat());
    assert_eq!(window.script(shown).await, json!(expected));
    assert_eq!(window.script(STRANGERS).await, own);

    // Also when it arrives by itself, with a name, in an open page.
    for payload in payloads {
        li.post(&format!("{at}/note"), &[("text", payload)]).await;
    }
    window
        .until("return document.querySelectorAll('.note').length === 8;")
        .await;
    assert_eq!(window.script(STRANGERS).await, own);
    window.follow(".changes button").await;
    // No member can be given such a name, but a row of the database may hold one.
    window.goto(&format!("{}/console/members", line.url)).await;
    let own = window.script(STRANGERS).await;
    for payload in payloads {
        line.write_member(payload, &["fcg-5"]).await;
    }
    window.goto(&format!("{}/console/members", line.url)).await;
    let names = "return [...document.querySelectorAll('tbody td:first-child bdi')].map((name) => name.textContent);";
    let names = window.script(names).await;
    for payload in payloads {
        assert!(
            names.as_array().unwrap().contains(&json!(payload)),
            "{payload}: {names}"
        );
    }
    window.follow(".changes button").await;
    window.goto(&format!("{}/console/members", line.url)).await;
    assert_eq!(window.script(STRANGERS).await, own);
    assert_eq!(window.script("return window.x === undefined;").await, true);
    window.finish().await;
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_banner_keeps_the_focus_while_the_page_renews_itself() {
    let line = office().await;
    let li = line.li().await;
    let at = line.reported(&tone(2)).await;
    let window = Window::open().await;
    window.sign_in_lead(&line.url).await;
    window.goto(&format!("{}{at}", line.url)).await;
    let focus = "document.querySelector('.changes button').focus();";
    window.script(focus).await;
    li.post(&format!("{at}/note"), &[("text", "of another member")])
        .await;
    window
        .until("return document.querySelectorAll('.note').length === 1;")
        .await;
    let kept = "return document.activeElement.matches('.changes button');";
    assert_eq!(window.script(kept).await, true);
    window.finish().await;
    line.finish().await;
}

/// An unsaved text is not discarded by a form for something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsaved_note_is_left_only_after_a_question() {
    /// Records whether the page would have asked; the driver answers such a question itself.
    const LISTEN: &str = "addEventListener('beforeunload', (event) => { localStorage.asked = event.defaultPrevented; });";
    let line = office().await;
    let window = Window::open().await;
    window.sign_in_lead(&line.url).await;
    let at = line.reported(&tone(1)).await;
    for (write, follow, asks) in [
        ("", "main .actions button", false),
        ("#note-form textarea", "main .actions button", true),
        ("#note-form textarea", "header .tools form button", true),
        ("#reply-form textarea", "#reply-form button", false),
        (
            "#classification-form [value=in]",
            "main .actions button",
            true,
        ),
        (
            "#classification-form [value=in]",
            "header .tools form button",
            true,
        ),
        (
            "#classification-form [value=in]",
            "#classification-form button",
            false,
        ),
        (
            "#classification-form [value=out]",
            "main .actions button",
            true,
        ),
        ("", "main .actions button", false),
        ("#close-form [value=handled]", "main .actions button", true),
    ] {
        window.goto(&format!("{}{at}", line.url)).await;
        if write.ends_with("textarea") {
            window.write(write, "unsaved").await;
        } else if !write.is_empty() {
            window.click(write).await;
        }
        window.script(LISTEN).await;
        window.follow(follow).await;
        let asked = window.script("return localStorage.asked;").await;
        assert_eq!(asked, json!(asks.to_string()), "{write} {follow}");
    }
    window.finish().await;
    line.finish().await;
}

/// A click on the waveform seeks to that position, even before any of the recording is loaded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_click_on_the_wave_counts() {
    let line = office().await;
    let window = Window::open().await;
    window.sign_in_lead(&line.url).await;
    let at = line.reported(&tone(4)).await;
    window.goto(&format!("{}{at}", line.url)).await;
    window.wait_for(".player[data-ready]").await;
    window.click(".player input[type=range]").await;
    window
        .until(
            "const audio = document.querySelector('audio');
            return audio.readyState > 0 && Math.abs(audio.currentTime - 2) < 0.3;",
        )
        .await;
    window.finish().await;
    line.finish().await;
}
