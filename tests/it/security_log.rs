//! Log lines about login attempts and changes of rights, which never contain a name that was typed, a number or a
//! password.

use crate::support::console::Desk;
use crate::support::hooks::{FORM, SIGNATURE, call_form, encode};
use crate::support::{Api, LEAD, TestLine, logs, on_both};
use dutyline::report::role::Role;
use dutyline::store::members;
use reqwest::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

/// Returns the security log lines that name this member.
fn about(member: Uuid) -> String {
    let log = logs::all();
    let lines = log.lines().filter(|line| line.contains(" security: "));
    lines
        .filter(|line| line.contains(&member.to_string()))
        .collect::<Vec<_>>()
        .join("\n")
}

async fn id_of(line: &TestLine, name: &str) -> Uuid {
    let mut tx = line.db().begin_read().await.unwrap();
    members::by_name(&mut tx, name).await.unwrap().unwrap().id
}

on_both! {
    async fn sign_outs_and_changes_of_rights_are_logged(line: TestLine) {
        logs::keep();
        let lead = line.desk().await;
        let form = [
            ("name", "li"), ("role", "inspector"), ("password", "a long password"), ("line", "fcg-5"),
            ("own_password", LEAD.1),
        ];
        lead.post("/console/members", &form).await;
        let (wang, li) = (id_of(line, "wang").await, id_of(line, "li").await);
        assert!(about(li).contains("member added"), "{}", about(li));
        assert!(about(li).contains(&format!("by={wang}")), "{}", about(li));
        assert!(about(li).contains("line given"), "{}", about(li));

        Desk::sign_in(&line.url, "li", "a long password").await.post("/console/sign-out", &[]).await;
        assert!(about(li).contains("signed out"), "{}", about(li));
        let api = Api::log_in(&line.url, "li", "a long password").await;
        let signed_out = || about(li).matches("signed out").count();
        let before = signed_out();
        api.request(Method::DELETE, "/session", &[], None).await.ok();
        assert_eq!(signed_out(), before + 1);

        lead.post(&format!("/console/members/{li}/disable"), &[("own_password", LEAD.1)]).await;
        assert!(about(li).contains("member disabled"), "{}", about(li));
        lead.post(&format!("/console/members/{li}/enable"), &[("own_password", LEAD.1)]).await;
        assert!(about(li).contains("member enabled"), "{}", about(li));
        for (waive, told) in [("1", "confirmation of accounts waived"), ("0", "confirmation of accounts required")] {
            let form = [("line", "fcg-5"), ("waive", waive), ("own_password", LEAD.1)];
            lead.post("/console/members/waiver", &form).await;
            assert!(about(wang).contains(told), "{}", about(wang));
        }
        line.make_member("zhao", Role::Inspector, "a long password", &["fcg-5"]).await;
        let zhao = Desk::sign_in(&line.url, "zhao", "a long password").await;
        zhao.post(&format!("/console/members/{li}/confirm"), &[]).await;
        assert!(about(li).contains("member confirmed"), "{}", about(li));
        let form = [("line", "fcg-5"), ("own_password", LEAD.1)];
        lead.post(&format!("/console/members/{li}/take-off"), &form).await;
        assert!(about(li).contains("line taken away"), "{}", about(li));
    }

    async fn attempts_are_logged_without_what_was_typed(line: TestLine) {
        logs::keep();
        line.make_member("zhao", Role::Inspector, "a long password", &["fcg-5"]).await;
        let typed = "tq7-typed-by-mistake";
        let login = json!({ "name": typed, "password": typed });
        let answer = line.anybody().post("/session", login).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let fields = call_form("CAtq7", &[("From", typed)]);
        let headers = [FORM, (SIGNATURE, typed)];
        let answer = line.request(Method::POST, "/hooks/twilio/call", &headers, encode(&fields)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        // Other tests of this process cause such lines too, and each kind is logged once a minute: one of each kind is
        // there.
        let log = logs::all();
        assert!(log.contains(" security: name or password refused"));
        assert!(log.contains(" security: webhook refused"));
        assert!(!log.contains(typed));
    }
}
