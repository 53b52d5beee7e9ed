//! Inspectors' actions at the desk, also when two act at once, and pages for unknown content.

use crate::support::console::Desk;
use crate::support::{
    LINES, NUMBER, OTHER_NUMBER, TestLine, on_both, two_lines, until_one_waits, wav,
};
use dutyline::report::role::Role;
use dutyline::report::status::Status;
use dutyline::store::audit::Act;
use dutyline::store::{WriteTx, audit, members, reports};
use dutyline::vault::action::Action;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

const PASSWORD: &str = "a long password";

/// Leaves a report on the line of this number. Returns its id.
async fn left(line: &TestLine, number: &str) -> Uuid {
    let before = line.lead().await.reports().await;
    line.leave("+8613800138001", number, &wav(b"said")).await;
    line.idle().await;
    let after = line.lead().await.reports().await;
    let new = after.iter().find(|report| {
        let id = &report["id"];
        before.iter().all(|old| old["id"] != *id)
    });
    new.unwrap()["id"].as_str().unwrap().parse().unwrap()
}

/// Changes a report's status in a transaction that is still open.
async fn moved(tx: &mut WriteTx, id: Uuid, from: Status, to: Status, assignee: Option<Uuid>) {
    let moved = reports::change_status(tx, id, from, to, assignee).await;
    assert!(moved.unwrap());
}

on_both! {
    async fn a_report_that_is_somebody_elses_by_now_is_not_closed(line: TestLine) {
        let id = left(line, NUMBER).await;
        let zhao = line.member("zhao", Role::Inspector, &LINES[..1]).await;
        line.member("li", Role::Inspector, &LINES[..1]).await;
        zhao.act(&format!("/reports/{id}/claim")).await.ok();
        // While zhao closes it, it is released and claimed by li.
        let mut tx = line.db().begin().await.unwrap();
        let li = members::by_name(&mut tx, "li").await.unwrap().unwrap().id;
        reports::lock(&mut tx, id).await.unwrap();
        let close = tokio::spawn(zhao.clone().post_to(format!("/reports/{id}/close"), json!({ "outcome": "handled" })));
        until_one_waits(line.db()).await;
        moved(&mut tx, id, Status::Claimed, Status::Queued, None).await;
        moved(&mut tx, id, Status::Queued, Status::Claimed, Some(li)).await;
        tx.commit().await.unwrap();
        assert_eq!(close.await.unwrap(), StatusCode::CONFLICT);
        let report = line.lead().await.only_report().await;
        assert_eq!((&report["status"], &report["assignee"]), (&json!("claimed"), &json!("li")));
    }

    async fn nothing_is_classified_after_the_close(line: TestLine) {
        let id = left(line, NUMBER).await;
        let lead = line.lead().await;
        lead.act(&format!("/reports/{id}/claim")).await.ok();
        let mut tx = line.db().begin().await.unwrap();
        reports::lock(&mut tx, id).await.unwrap();
        let classify = tokio::spawn(lead.clone().post_to(format!("/reports/{id}/classification"), json!({ "scope": "out" })));
        until_one_waits(line.db()).await;
        moved(&mut tx, id, Status::Claimed, Status::Closed, None).await;
        tx.commit().await.unwrap();
        assert_eq!(classify.await.unwrap(), StatusCode::CONFLICT);
        let report = lead.only_report().await;
        assert!(report["entries"].as_array().unwrap().iter().all(|entry| entry["kind"] != "classification"));
    }

    async fn a_duplicate_is_one_of_a_report_that_is_there(line: TestLine = two_lines) {
        let (id, _) = (left(line, NUMBER).await, left(line, NUMBER).await);
        for _ in 0..3 {
            left(line, OTHER_NUMBER).await;
        }
        let lead = line.lead().await;
        let close = format!("/reports/{id}/close");
        lead.act(&format!("/reports/{id}/claim")).await.ok();
        // A reference that does not exist, the report's own, one that only the other line has, and no reference at all.
        for of in ["2024-0099", "2024-0001", "2024-0003", "anything"] {
            let answer = lead.post(&close, json!({ "outcome": "duplicate", "of": of })).await;
            assert_eq!(answer.status, StatusCode::CONFLICT, "{of}");
            assert!(answer.json()["detail"].as_str().unwrap().contains("no other report with this reference"), "{of}");
        }
        let desk = line.desk().await.speaking("en");
        let answer = desk.post(&format!("/console{close}"), &[("outcome", "duplicate"), ("of", "2024-0099")]).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(answer.text().contains("no other report with this reference"), "{}", answer.text());
        let answer = lead.post(&close, json!({ "outcome": "duplicate", "of": "2024-0002" })).await.ok();
        assert_eq!(answer["status"], "closed");
    }

    async fn claiming_the_next_takes_the_longest_waiting_of_all_lines(line: TestLine = two_lines) {
        // The line that comes first in the configuration has the report that arrived last.
        let mut waiting = Vec::new();
        for number in [OTHER_NUMBER, NUMBER, OTHER_NUMBER] {
            waiting.push(left(line, number).await);
        }
        let desk = line.desk().await;
        for id in waiting {
            let answer = desk.post("/console/claim-next", &[("line", "")]).await;
            assert_eq!(answer.location(), format!("/console/reports/{id}"));
        }
        let answer = desk.post("/console/claim-next", &[("line", "")]).await;
        assert!(answer.location().contains("nothing=1"));
    }

    async fn a_form_that_names_no_choice_changes_nothing(line: TestLine) {
        let id = left(line, NUMBER).await;
        let desk = line.desk().await;
        let at = format!("/console/reports/{id}");
        desk.post(&format!("{at}/claim"), &[]).await;
        for (form, name) in [("close", "outcome"), ("classification", "scope")] {
            for value in ["", "vanished", "Handled"] {
                let answer = desk.post(&format!("{at}/{form}"), &[(name, value)]).await;
                assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name} {value:?}");
            }
        }
        let report = line.lead().await.only_report().await;
        assert_eq!(report["status"], "claimed");
        assert!(report["entries"].as_array().unwrap().iter().all(|entry| entry["by"] == Value::Null));
    }

    async fn what_was_deleted_is_named_as_what_it_was(line: TestLine) {
        let id = left(line, NUMBER).await;
        let mut tx = line.db().begin().await.unwrap();
        for detail in [None, Some("caller"), Some("note")] {
            let act = Act { report: Some(id), detail, ..Act::new(line.service().clock.line_now(), Action::EntryPurged) };
            audit::append(&mut tx, LINES[0], act);
        }
        tx.commit().await.unwrap();
        let page = line.desk().await.speaking("en").get(&format!("/console/reports/{id}/trail")).await.ok();
        // Deletions without a kind date from the time when only numbers were deleted.
        assert_eq!(page.matches("Number deleted after its time").count(), 2, "{page}");
        assert!(page.contains("Deleted · Note"), "{page}");
    }

    async fn a_refusal_keeps_the_frame_of_the_page(line: TestLine = two_lines) {
        let foreign = left(line, OTHER_NUMBER).await;
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let li = Desk::sign_in(&line.url, "li", PASSWORD).await.speaking("en");
        let missing = li.get("/console/none").await;
        let foreign = li.get(&format!("/console/reports/{foreign}")).await;
        let forbidden = li.post("/console/members", &[]).await;
        for (answer, status) in [(missing, StatusCode::NOT_FOUND), (foreign, StatusCode::NOT_FOUND), (forbidden, StatusCode::FORBIDDEN)] {
            assert_eq!(answer.status, status);
            let page = answer.text();
            for part in ["<nav", "/console/sign-out", ">li</a>", "class=\"banner", "id=\"live\""] {
                assert!(page.contains(part), "{status}: {part} is not in {page}");
            }
        }
        // Without a session the page has no frame, and discloses nothing.
        let page = Desk::anybody(&line.url).get("/console/none").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert!(!page.text().contains("<nav"));
    }

    async fn a_page_asked_for_over_http_leads_to_the_right_address(line: TestLine) {
        let desk = Desk::anybody(&line.url);
        let to = |answer: &crate::support::console::PageAnswer| (answer.status, answer.location().to_owned());
        for headers in [&[("x-forwarded-proto", "http")][..], &[("host", "10.1.2.3:8080")], &[("host", "duty.example.org"), ("x-forwarded-proto", "http")]] {
            for path in ["/console/", "/console/sign-in?again=1", "/console/reports/x"] {
                let answer = desk.any(Method::GET, path, headers, &[]).await;
                assert_eq!(to(&answer), (StatusCode::TEMPORARY_REDIRECT, format!("https://duty.example.org{path}")), "{headers:?}");
            }
        }
        // Behind the proxy, with its own name or another, and on this machine nothing changes.
        for headers in [
            &[("x-forwarded-proto", "https"), ("host", "10.1.2.3:8080")][..],
            &[("host", "duty.example.org")],
            &[("host", "duty.example.org:443")],
            &[("host", "duty.example.org.")],
            &[("host", "duty.example.org"), ("x-forwarded-proto", "http,https")],
            &[("host", "10.1.2.3:8080"), ("sec-fetch-site", "none")],
            &[("host", "localhost:8080")],
            &[],
        ] {
            let answer = desk.any(Method::GET, "/console/sign-in", headers, &[]).await;
            assert_eq!(answer.status, StatusCode::OK, "{headers:?}");
        }
    }
}
