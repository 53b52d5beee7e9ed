//! Pages for requests that no page answers: the frame of the other pages, and a sentence.

use crate::support::console::{Desk, PageAnswer};
use crate::support::{LEAD, NUMBER, TestLine, on_both, wav};
use reqwest::{Method, StatusCode};

/// Addresses that only accept a posted form, below a report or a member.
const POSTED: [&str; 14] = [
    "/console/sign-out",
    "/console/language",
    "/console/claim-next",
    "/console/members/seen",
    "/console/members/waiver",
    "/console/members/x/confirm",
    "/console/members/x/disable",
    "/console/members/x/enable",
    "/console/members/x/line",
    "/console/members/x/take-off",
    "/console/reports/x/claim",
    "/console/reports/x/close",
    "/console/reports/x/note",
    "/console/reports/x/replies/x/approve",
];
/// Addresses of pages.
const SHOWN: [&str; 4] = [
    "/console/",
    "/console/calendar",
    "/console/reports/x",
    "/console/help",
];

/// Checks that a page has a member's frame and contains this sentence.
fn assert_framed(page: &PageAnswer, status: StatusCode, sentence: &str, what: &str) {
    assert_eq!(page.status, status, "{what}");
    let html = page.text();
    assert!(
        page.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html"),
        "{what}"
    );
    assert!(
        html.contains("/console/sign-out") && html.contains(LEAD.0),
        "{what}: {html}"
    );
    assert!(html.contains(sentence), "{what}: {html}");
}

on_both! {
    async fn a_request_with_the_wrong_method_keeps_the_frame(line: TestLine) {
        for (language, sentence) in [
            ("zh-CN", "此地址不支持这种访问方式"),
            ("en", "This address does not answer this kind of request"),
        ] {
            let desk = line.desk().await.speaking(language);
            for path in POSTED {
                let page = desk.get(path).await;
                assert_framed(&page, StatusCode::METHOD_NOT_ALLOWED, sentence, path);
                assert_eq!(page.headers["allow"], "POST", "{path}");
            }
            for path in SHOWN {
                let page = desk.post(path, &[]).await;
                assert_framed(&page, StatusCode::METHOD_NOT_ALLOWED, sentence, path);
            }
            // A request by a script is answered without a page.
            let script = desk.any(Method::GET, POSTED[0], &[("hx-request", "true")], &[]).await;
            assert_eq!((script.status, script.body.len()), (StatusCode::METHOD_NOT_ALLOWED, 0));
        }
        // Without a session: the same sentence, in a page without a frame.
        let page = Desk::anybody(&line.url).get(POSTED[0]).await;
        assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
        assert!(page.text().contains("此地址不支持这种访问方式"));
    }

    async fn what_is_too_long_to_be_sent_keeps_the_frame(line: TestLine) {
        line.leave("+8613800138000", NUMBER, &wav(b"said")).await;
        line.idle().await;
        let id = line.lead().await.reports().await[0]["id"].as_str().unwrap().to_owned();
        let note = format!("/console/reports/{id}/note");
        for (language, sentence) in [
            ("zh-CN", "提交的内容过长"),
            ("en", "What was sent is too long"),
        ] {
            let desk = line.desk().await.speaking(language);
            for (path, length) in [
                (note.as_str(), 160 * 1024 + 1),
                (note.as_str(), 4 * 1024 * 1024),
                ("/console/password", 64 * 1024 + 1),
                ("/console/members", 64 * 1024 + 1),
            ] {
                let text = "x".repeat(length);
                let page = desk.post(path, &[("text", &text)]).await;
                assert_framed(&page, StatusCode::PAYLOAD_TOO_LARGE, sentence, path);
            }
        }
        let text = "x".repeat(64 * 1024 + 1);
        let page = Desk::anybody(&line.url).post("/console/sign-in", &[("name", &text)]).await;
        assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(page.text().contains("提交的内容过长"));
    }

    async fn a_request_that_cannot_be_read_keeps_the_frame(line: TestLine) {
        for language in ["zh-CN", "en"] {
            let desk = line.desk().await.speaking(language);
            // The same answer as for a page that does not exist.
            let missing = desk.get("/console/none").await.text();
            let (_, sentence) = missing.split_once("<h1>").unwrap();
            let (sentence, _) = sentence.split_once("</section>").unwrap();
            for path in [
                "/console/reports/%ff",
                "/console/reports/%ff/trail",
                "/console/reports/x/recordings/none",
            ] {
                let page = desk.get(path).await;
                assert_framed(&page, StatusCode::NOT_FOUND, sentence, path);
            }
        }
    }

    async fn a_refused_post_of_another_site_is_explained(line: TestLine) {
        let desk = line.desk().await;
        let headers = [("sec-fetch-site", "cross-site")];
        for (language, sentence) in [("zh-CN", "此操作不是从本系统页面发出的"), ("en", "not sent from a page of this console")] {
            let desk = desk.clone().speaking(language);
            let page = desk.any(Method::POST, "/console/claim-next", &headers, &[]).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN);
            assert!(page.text().contains(sentence), "{}", page.text());
        }
    }
}
