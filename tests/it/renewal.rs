//! A changed password brings another key pair: who has a former copy of the database and the former password opens what
//! was sealed to the member then, and nothing that they are given later.

use crate::support::console::Desk;
use crate::support::sql::change;
use crate::support::{Api, LEAD, LINES, NUMBER, TestLine, on_both, two_lines, wav, wrote};
use dutyline::members;
use dutyline::register::verify;
use dutyline::report::role::Role;
use dutyline::store::keys::grants;
use dutyline::store::members::by_name;
use dutyline::vault::seal::open_identity;
use dutyline::vault::signing::Signer;
use reqwest::StatusCode;
use std::fs;

const OLD: &str = "nine geese above still reeds";
const NEW: &str = "four cranes beside warm stones";

/// Checks that nothing is wrong with the chains.
async fn is_whole(line: &TestLine) {
    let service = verify::service(line.db(), None).await.unwrap();
    assert_eq!(service.wrong, [""; 0]);
    for id in LINES {
        let proof = verify::line(line.db(), &line.service().blobs, id, None)
            .await
            .unwrap();
        assert_eq!(proof.wrong, [""; 0]);
    }
}

on_both! {
    async fn a_former_password_opens_nothing_that_is_given_later(line: TestLine = two_lines) {
        let line = &line;
        line.leave("+8613800138001", NUMBER, &wav(b"first")).await;
        line.idle().await;
        line.make_member("li", Role::Inspector, OLD, &LINES[..1]).await;
        let desk = Desk::sign_in(&line.url, "li", OLD).await;
        let elsewhere = Api::log_in(&line.url, "li", OLD).await;
        let (former, stolen) = members::unlock(line.db(), "li", OLD).await.unwrap();
        let mut tx = line.db().begin_read().await.unwrap();
        let before = grants(&mut tx, former.id).await.unwrap();
        drop(tx);
        assert!(open_identity(&before[0].sealed, &stolen).is_ok());

        let form = [("old", OLD), ("new", NEW), ("again", NEW)];
        desk.post("/console/password", &form).await.ok();
        assert_eq!(elsewhere.get("/reports").await.status, StatusCode::UNAUTHORIZED);
        assert!(desk.get("/console/").await.ok().contains("2024-0001"), "this session goes on");
        let mut tx = line.db().begin_read().await.unwrap();
        let now = by_name(&mut tx, "li").await.unwrap().unwrap();
        drop(tx);
        assert_ne!(now.recipient, former.recipient);
        is_whole(line).await;

        // What the member is given from now on.
        fs::write(line.path().join("wang.txt"), LEAD.1).unwrap();
        let grant = ["member", "grant", "li", "--line", LINES[1], "--as", LEAD.0, "--as-password-file", "wang.txt"];
        let output = line.cli(&grant).await;
        assert!(output.status.success(), "{}", wrote(&output));
        let mut tx = line.db().begin_read().await.unwrap();
        let after = grants(&mut tx, now.id).await.unwrap();
        drop(tx);
        assert_eq!(after.len(), 2);
        assert!(members::unlock(line.db(), "li", OLD).await.is_err());
        let (_, own) = members::unlock(line.db(), "li", NEW).await.unwrap();
        for grant in &after {
            assert!(open_identity(&grant.sealed, &stolen).is_err(), "{}", grant.line);
            assert!(open_identity(&grant.sealed, &own).is_ok(), "{}", grant.line);
        }
        let li = Api::log_in(&line.url, "li", NEW).await;
        let report = li.only_report().await;
        assert_eq!(li.recording(&report, 1).await, wav(b"first"));
        is_whole(line).await;
    }

    async fn a_key_that_is_not_the_members_lets_nobody_in(line: TestLine) {
        // As if the row had been written by who has the service secret: with a MAC that holds.
        line.make_member("li", Role::Inspector, OLD, &LINES[..1]).await;
        let li = Api::log_in(&line.url, "li", OLD).await;
        let mut tx = line.db().begin().await.unwrap();
        let row = by_name(&mut tx, "li").await.unwrap().unwrap();
        let stranger = dutyline::vault::seal::Identity::generate();
        let next = dutyline::store::members::NextKey {
            recipient: stranger.recipient().to_string(),
            verifying: Signer::new(row.id, &stranger).verifying().to_string(),
            wrapped: row.wrapped.clone(),
        };
        let (_, own) = members::unlock(line.db(), "li", OLD).await.unwrap();
        tx.sign_as(Signer::new(row.id, &own));
        let act = dutyline::store::audit::Act {
            actor: Some("li"),
            object: Some(row.id),
            ..dutyline::store::audit::Act::new(line.service().clock.line_now(), dutyline::vault::action::Action::PasswordChanged)
        };
        dutyline::store::members::set_key(&mut tx, &row, &next, act).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(li.get("/reports").await.status, StatusCode::UNAUTHORIZED);
        assert!(members::unlock(line.db(), "li", OLD).await.is_err());
        let login = line.anybody().post("/session", serde_json::json!({ "name": "li", "password": OLD })).await;
        assert_eq!(login.status, StatusCode::UNAUTHORIZED);
    }

    async fn a_line_that_is_given_meanwhile_stops_the_change(line: TestLine = two_lines) {
        use dutyline::members::{MemberError, renewal};
        use dutyline::vault::passwords::NewPassword;
        use dutyline::vault::session::Token;
        line.make_member("li", Role::Inspector, OLD, &LINES[..1]).await;
        let (li, own) = members::unlock(line.db(), "li", OLD).await.unwrap();
        let new = NewPassword::choose(NEW).unwrap();
        let token = Token::generate();
        let renewed = renewal::renew(line.db(), &li, own, new, &token.wrapping()).await.unwrap();
        change(line.db(), "UPDATE members SET granted = granted + 1 WHERE name = $1", &["li".into()]).await;
        let mut tx = line.db().begin().await.unwrap();
        let clock = line.service().clock;
        let refused = renewal::store(&mut tx, &clock, &li, &renewed, &token.hash()).await;
        assert!(matches!(refused, Err(MemberError::KeysChanged(_))));
    }
}
