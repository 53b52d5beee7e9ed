//! Many logins at once: their cost, and who is served besides them.

use crate::support::console::Desk;
use crate::support::sql::run;
use crate::support::{Binary, Database, LEAD, TestLine, logs, pause};
use dutyline::base::clock::instant;
use dutyline::report::role::Role;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use reqwest::StatusCode;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Memory of one Argon2 computation, in KiB.
const ARGON2_KIB: u64 = 64 * 1024;

async fn sign_in(desk: &Desk, name: &str, password: &str) -> (StatusCode, Duration) {
    let began = instant();
    let form = [("name", name), ("password", password)];
    let answer = desk.post("/console/sign-in", &form).await;
    (answer.status, began.elapsed())
}

/// A client that hangs up leaves its Argon2 computation running. It keeps its permit, so that the next ones wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_whose_client_hangs_up_stay_within_the_bound_of_memory() {
    let line = Binary::start(Database::sqlite(), "http://127.0.0.1:9", |toml| toml).await;
    let before = line.status("VmRSS");
    let address = line.url.strip_prefix("http://").unwrap().to_owned();
    for round in 0..3 {
        for n in 0..8 {
            let body = format!(r#"{{"name":"name-{round}-{n}","password":"a wrong password"}}"#);
            let request = format!(
                "POST /api/v1/session HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut stream = TcpStream::connect(&address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            pause().await;
        }
    }
    // One more, in its turn: those before it have started by now, or never will.
    let (status, _) = sign_in(&Desk::anybody(&line.url), "nobody", "a wrong password").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let most = line.status("VmHWM") - before;
    // At most three at once, and one for what else a login needs.
    assert!(most < 4 * ARGON2_KIB, "{} MiB more", most / 1024);
    line.finish().await;
}

/// An office shares one address: guesses from it must not lock its members out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_password_gets_in_beside_many_wrong_ones_from_its_address() {
    let line = TestLine::open(Database::sqlite()).await;
    let desk = Desk::anybody(&line.url);
    let mut wrong: FuturesUnordered<_> = (0..300)
        .map(|n| {
            let desk = desk.clone();
            tokio::spawn(async move {
                sign_in(&desk, &format!("invented-{n}"), "a wrong password").await
            })
        })
        .collect();
    // Once all have arrived: the queue is full, and those without a place are refused.
    let mut answered = Vec::new();
    while answered.len() < 290 {
        answered.push(wrong.next().await.unwrap().unwrap().0);
    }
    // On a busy machine the login may be refused after its 14 seconds; then the others were, too.
    let mut tries = 1;
    while sign_in(&desk, LEAD.0, LEAD.1).await.0 != StatusCode::SEE_OTHER {
        tries += 1;
        assert!(tries <= 3, "the lead does not get in");
    }
    while let Some(one) = wrong.next().await {
        answered.push(one.unwrap().0);
    }
    let refused = |status: &&StatusCode| **status == StatusCode::TOO_MANY_REQUESTS;
    assert!(
        answered.iter().filter(refused).count() > 250,
        "the queue is bounded"
    );
    line.finish().await;
}

/// Guesses at a member's name slow logins with that name down for unknown browsers. The waits are real time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_has_logged_in_before_does_not_wait_behind_guesses_at_its_name() {
    let line = TestLine::open(Database::sqlite()).await;
    line.make_member("li", Role::Inspector, "a long password", &["fcg-5"])
        .await;
    let known = Desk::sign_in(&line.url, "li", "a long password").await;
    let of_another = Desk::sign_in(&line.url, LEAD.0, LEAD.1).await;
    let stranger = Desk::anybody(&line.url);
    for _ in 0..7 {
        assert_eq!(
            sign_in(&stranger, "li", "a wrong password").await.0,
            StatusCode::UNAUTHORIZED
        );
    }
    // The next unknown browser waits 4 seconds, and so does one known for another member.
    let slowed = Duration::from_secs(4);
    let mut both = FuturesUnordered::new();
    both.push(sign_in(&stranger, "li", "a wrong password"));
    both.push(sign_in(&known, "li", "a long password"));
    // Both need the same processor time, so the order is certain however busy the machine is.
    let (status, _) = both.next().await.unwrap();
    assert_eq!(status, StatusCode::SEE_OTHER, "the known browser is first");
    let (status, waited) = both.next().await.unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(waited >= slowed, "{waited:?}");
    let (status, waited) = sign_in(&of_another, "li", "a wrong password").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(waited >= slowed, "{waited:?}");

    // Wrong passwords from the known browser are counted for that browser.
    for _ in 0..6 {
        assert_eq!(
            sign_in(&known, "li", "a wrong password").await.0,
            StatusCode::UNAUTHORIZED
        );
    }
    let (_, waited) = sign_in(&known, "li", "a long password").await;
    assert!(waited >= Duration::from_secs(2), "{waited:?}");

    // A new password makes the browser unknown.
    let form = [
        ("old", "a long password"),
        ("new", "another long one"),
        ("again", "another long one"),
    ];
    assert_eq!(
        known.post("/console/password", &form).await.status,
        StatusCode::OK
    );
    let (status, waited) = sign_in(&known, "li", "another long one").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(waited >= slowed, "{waited:?}");
    line.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_who_is_slowed_is_not_told_that_the_old_password_is_wrong() {
    let line = TestLine::open(Database::sqlite()).await;
    line.make_member("li", Role::Inspector, "a long password", &["fcg-5"])
        .await;
    let desk = Desk::sign_in(&line.url, "li", "a long password").await;
    let change = async |old: &str| {
        let form = [
            ("old", old),
            ("new", "another long one"),
            ("again", "another long one"),
        ];
        desk.post("/console/password", &form).await
    };
    for _ in 0..6 {
        let wrong = change("a wrong password").await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(wrong.text().contains("现在的密码不正确"));
    }
    // Guesses by unknown browsers and those in this session are counted apart.
    let (status, _) = sign_in(&Desk::anybody(&line.url), "li", "a long password").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let mut many: FuturesUnordered<_> = (0..12).map(|_| change("a long password")).collect();
    let first = many.next().await.unwrap();
    assert_eq!(first.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(first.text().contains("尝试次数过多") && !first.text().contains("不正确"));
    drop(many);
    line.finish().await;
}

/// An attacker with a stolen session guesses the password in the console's forms. The waits are real time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_in_a_stolen_session_end_it_and_slow_no_other() {
    logs::keep();
    let line = TestLine::open(Database::sqlite()).await;
    let (stolen, own) = (line.desk().await, line.desk().await);
    let guess = async || {
        let form = [
            ("old", "a wrong password"),
            ("new", "another long one"),
            ("again", "another long one"),
        ];
        stolen.post("/console/password", &form).await
    };
    for _ in 0..6 {
        assert_eq!(guess().await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    // The seventh guess waits 2 seconds. The lead, in another session, does not.
    let mut both = FuturesUnordered::new();
    let lead = async {
        let form = [("line", "fcg-5"), ("waive", "1"), ("own_password", LEAD.1)];
        ("the lead", own.post("/console/members/waiver", &form).await)
    };
    let guesser = async { ("the guesser", guess().await) };
    both.push(futures_util::FutureExt::boxed(guesser));
    both.push(futures_util::FutureExt::boxed(lead));
    let (first, answer) = both.next().await.unwrap();
    assert_eq!((first, answer.status), ("the lead", StatusCode::SEE_OTHER));
    let (_, answer) = both.next().await.unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert!(
        answer.location().starts_with("/console/sign-in"),
        "{}",
        answer.location()
    );
    drop(both);
    for (desk, status) in [(&stolen, StatusCode::SEE_OTHER), (&own, StatusCode::OK)] {
        assert_eq!(desk.get("/console/").await.status, status);
    }
    assert!(logs::all().contains("security: session ended after wrong passwords"));
    line.finish().await;
}

/// The row of an ended session could not be deleted: it is deleted when its cookie is used again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_over_ends_when_the_database_goes_again() {
    let line = TestLine::open(Database::sqlite()).await;
    let stolen = line.desk().await;
    let guess = async || {
        let form = [
            ("old", "a wrong password"),
            ("new", "another long one"),
            ("again", "another long one"),
        ];
        stolen.post("/console/password", &form).await.status
    };
    let refuse = "CREATE TRIGGER refused BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'refused'); END";
    run(line.db(), refuse, &[]).await;
    for _ in 0..6 {
        assert_eq!(guess().await, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(guess().await, StatusCode::INTERNAL_SERVER_ERROR);
    run(line.db(), "DROP TRIGGER refused", &[]).await;
    assert_eq!(guess().await, StatusCode::SEE_OTHER);
    assert_eq!(stolen.get("/console/").await.status, StatusCode::SEE_OTHER);
    line.finish().await;
}

/// A login reads the member's row, then waits for its turn, then opens the key. The waits are real time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_waits_while_the_password_is_changed_does_not_get_in_with_the_old_one() {
    let line = TestLine::open(Database::sqlite()).await;
    let desk = line.desk().await;
    let stranger = Desk::anybody(&line.url);
    for _ in 0..6 {
        let (status, _) = sign_in(&stranger, LEAD.0, "a wrong password").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let new = "grey herons over cold water";
    let form = [("old", LEAD.1), ("new", new), ("again", new)];
    let sign_in_form = [("name", LEAD.0), ("password", LEAD.1)];
    let (login, changed) = tokio::join!(
        stranger.post("/console/sign-in", &sign_in_form),
        desk.post("/console/password", &form)
    );
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    // On a machine so busy that the login was first, the change of password has ended its session.
    assert_eq!(desk.get("/console/").await.status, StatusCode::OK);
    if login.status == StatusCode::SEE_OTHER {
        let mut late = stranger.clone();
        late.keep(&login);
        let page = late.get("/console/").await;
        assert_eq!(
            page.status,
            StatusCode::SEE_OTHER,
            "a session of the old password lasts"
        );
    } else {
        assert_eq!(login.status, StatusCode::UNAUTHORIZED);
    }
    let (status, _) = sign_in(&stranger, LEAD.0, new).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    line.finish().await;
}
