//! Logins and guessing.

use crate::support::{Answer, Api, Database, LEAD, TestLine, logs, on_both};
use dutyline::base::clock::instant;
use dutyline::report::role::Role;
use dutyline::store::audit::Act;
use dutyline::vault::action::Action;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

const WRONG: &str = "a-wrong-password-x81z";

async fn log_in(api: &Api, name: &str, password: &str) -> (Answer, Duration) {
    let asked = instant();
    let answer = api
        .post("/session", json!({ "name": name, "password": password }))
        .await;
    (answer, asked.elapsed())
}

fn assert_wrong(answer: &Answer) -> &[u8] {
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    assert_eq!(answer.headers["cache-control"], "no-store");
    &answer.body
}

on_both! {
    async fn a_session_from_the_future_is_over(line: TestLine) {
        let lead = line.lead().await;
        assert_eq!(lead.get("/reports").await.status, StatusCode::OK);
        // As written by a clock that was 399 days ahead at the login.
        let far = line.service().clock.system_now() + chrono::TimeDelta::days(399);
        line.age_session(lead.token(), far, far).await;
        assert_eq!(lead.get("/reports").await.status, StatusCode::UNAUTHORIZED);
    }

    async fn a_wrong_login_says_nothing_of_why(line: TestLine) {
        logs::keep();
        line.member("dismissed", Role::Inspector, &["fcg-5"]).await;
        let dismissed = line.member("auditing", Role::Auditor, &[]).await;
        assert_eq!(dismissed.get("/reports").await.status, StatusCode::FORBIDDEN);
        let service = line.service();
        let mut tx = service.db.console.begin().await.unwrap();
        let member = dutyline::store::members::by_name(&mut tx, "dismissed").await.unwrap().unwrap();
        line.sign(&mut tx).await;
        let act = Act { actor: Some(LEAD.0), object: Some(member.id), ..Act::new(service.clock.line_now(), Action::MemberDisabled) };
        dutyline::store::members::disable(&mut tx, member.id, act).await.unwrap();
        tx.commit().await.unwrap();

        let before = line.rows().await;
        let anybody = line.anybody();
        let (known, _) = log_in(&anybody, LEAD.0, WRONG).await;
        let wrong = assert_wrong(&known);
        let long = "x".repeat(10_000);
        for (name, password) in [
            ("nobody-x81z", WRONG),
            ("nobody-x81z", LEAD.1),
            ("", ""),
            (LEAD.0, ""),
            (LEAD.0, "seven herons over grey water "),
            ("Wang", LEAD.1),
            ("wang\0", LEAD.1),
            ("\0", WRONG),
            (long.as_str(), WRONG),
            ("dismissed", "dismissed's-password"),
            ("' OR '1'='1", WRONG),
        ] {
            let (answer, _) = log_in(&anybody, name, password).await;
            assert_eq!(assert_wrong(&answer), wrong, "{name:?}");
        }
        assert_eq!(line.rows().await, before, "no session, nothing in the trail");
        assert_eq!(line.counter("logins_wrong").await, 12);
        let logged = logs::all();
        assert!(!logged.contains("x81z"), "neither names nor passwords are logged");
    }

    async fn what_is_no_login_is_told_so(line: TestLine) {
        let anybody = line.anybody();
        for (body, status) in [
            (json!({ "name": "wang" }), StatusCode::UNPROCESSABLE_ENTITY),
            (json!({ "name": "wang", "password": 7 }), StatusCode::UNPROCESSABLE_ENTITY),
            (json!({ "name": "wang", "password": "x", "admin": true }), StatusCode::UNPROCESSABLE_ENTITY),
            (json!("wang"), StatusCode::UNPROCESSABLE_ENTITY),
        ] {
            let answer = anybody.post("/session", body).await;
            assert_eq!(answer.status, status);
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            assert!(!answer.text().contains("wang") && !answer.text().contains("admin"));
        }
        // A client may already send a second factor, which is ignored.
        let (name, password) = LEAD;
        let code = json!({ "name": name, "password": password, "code": "123456" });
        assert_eq!(anybody.post("/session", code).await.status, StatusCode::OK);
    }

    async fn a_session_is_its_tokens_and_ends(line: TestLine) {
        let lead = line.lead().await;
        let whoami = lead.get("/session").await.ok();
        assert_eq!(whoami, json!({ "name": LEAD.0, "role": "lead", "lines": ["fcg-5"] }));
        let anybody = line.anybody();
        let token = lead.token().to_owned();
        let right = format!("Bearer {token}");
        let lower = format!("bearer {token}");
        let other_session = line.lead().await;
        for (what, headers) in [
            ("none", vec![]),
            ("another scheme", vec![format!("Basic {token}")]),
            ("no scheme", vec![token.clone()]),
            ("no token", vec!["Bearer ".to_owned()]),
            ("cut short", vec![right[..right.len() - 1].to_owned()]),
            ("longer", vec![format!("{right}A")]),
            ("of nobody", vec![format!("Bearer {}", "A".repeat(token.len()))]),
            ("two", vec![right.clone(), right.clone()]),
        ] {
            let headers: Vec<_> = headers.iter().map(|value| ("Authorization", value.as_str())).collect();
            for path in ["/session", "/reports", "/lines", "/abandoned"] {
                let answer = anybody.request(Method::GET, path, &headers, None).await;
                assert_wrong(&answer);
                assert!(!answer.text().contains(&token), "{what}");
            }
        }
        for spelling in [&right, &lower] {
            let headers = [("Authorization", spelling.as_str())];
            assert_eq!(anybody.request(Method::GET, "/session", &headers, None).await.status, StatusCode::OK);
        }
        let ended = lead.request(Method::DELETE, "/session", &[], None).await;
        assert_eq!(ended.status, StatusCode::NO_CONTENT);
        assert_wrong(&lead.get("/session").await);
        assert_eq!(other_session.get("/session").await.status, StatusCode::OK, "only this one");
    }

    async fn each_login_is_in_the_trail(line: TestLine) {
        line.lead().await;
        let mut tx = line.db().begin_read().await.unwrap();
        let links = dutyline::store::audit::links(&mut tx, "fcg-5", 0).await.unwrap();
        drop(tx);
        let logins: Vec<_> = links.iter().filter(|link| link.action == Action::Login).collect();
        assert_eq!(logins.len(), 1);
        assert_eq!(logins[0].actor.as_deref(), Some(LEAD.0));
    }
}

/// Returns the median of five times.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Three tries after the sixth wrong one would wait 2, 4 and 8 seconds: a limit that no busy machine comes near.
const SLOWED: Duration = Duration::from_secs(2 + 4 + 8);

async fn three_tries(api: &Api, name: &str) -> Duration {
    let asked = instant();
    for _ in 0..3 {
        assert_wrong(&log_in(api, name, WRONG).await.0);
    }
    asked.elapsed()
}

/// Nearly all of a login's time is Argon2: without it, the answer for an unknown name would come about fifty times as
/// fast. A test on a busy machine can detect only such a difference, so the limit is wide, and medians of alternating
/// tries are compared. Five wrong tries are free; from the sixth on guessing is slowed, for both names alike, and a
/// right password is slowed once more and then free again. The waits are real time, so all of it is one test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_takes_as_long_at_a_name_nobody_has_and_is_slowed() {
    let line = TestLine::open(Database::sqlite()).await;
    let anybody = line.anybody();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        for (name, times) in [(LEAD.0, &mut known), ("nobody", &mut unknown)] {
            let (answer, time) = log_in(&anybody, name, WRONG).await;
            assert_wrong(&answer);
            times.push(time);
        }
    }
    let (known, unknown) = (median(known), median(unknown));
    assert!(
        known < unknown * 3 && unknown < known * 3,
        "{known:?} where there is such a name, {unknown:?} where there is none"
    );

    let (one, other) = tokio::join!(
        log_in(&anybody, LEAD.0, WRONG),
        log_in(&anybody, "nobody", WRONG)
    );
    for (answer, time) in [one, other] {
        assert_wrong(&answer);
        assert!(time >= Duration::from_secs(1), "the sixth waits: {time:?}");
    }
    // Another name is not slowed: only guesses at the same name are.
    assert!(three_tries(&anybody, "somebody-else").await < SLOWED);

    let (answer, time) = log_in(&anybody, LEAD.0, LEAD.1).await;
    let answer: Value = answer.ok();
    assert!(answer["token"].is_string(), "the right one still works");
    assert!(time >= Duration::from_secs(2), "after its wait: {time:?}");
    // Five tries are free again.
    assert!(three_tries(&anybody, LEAD.0).await < SLOWED);
    line.finish().await;
}
