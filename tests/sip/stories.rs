//! Whole calls: an inspector hears what was said into a telephone.

use super::likeness::{find, likeness, recognise};
use super::line::{Line, ON_DUTY};
use super::speech::{RATE, speak};
use super::switch::SOCKET;
use super::telephone::Telephone;
use crate::support::{DEADLINE, NUMBER};
use reqwest::StatusCode;
use std::time::Duration;

const CALLER: &str = "13800138001";
/// Time of silence after which a prompt is over.
const PROMPT: Duration = Duration::from_secs(1);
const COMPLAINT: &str = "我要反映一个问题，学校食堂的采购有人拿回扣，金额很大。";

/// Dials the line and goes on to the recording: from then on every word counts.
async fn at_the_beep(line: &Line, from: &str) -> Telephone {
    let already = line.switch.recordings().len();
    let mut caller = Telephone::dials(&line.site, from, NUMBER);
    caller.answered().await;
    caller.press("1").await;
    line.switch.has_recordings(already + 1).await;
    caller
}

/// Ends the recording, and sends it once that is offered.
async fn send(caller: &Telephone) {
    caller.press("#").await;
    caller.listen(PROMPT).await;
    caller.press("1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_heard_as_it_was_said() {
    let line = Line::open().await;
    let said = speak(COMPLAINT);
    let mut caller = at_the_beep(&line, CALLER).await;
    caller.say(&said).await;
    send(&caller).await;
    caller.leave().await;
    let reports = line.reports(1).await;
    let found = likeness(&said, &line.recording(&reports[0]).await);
    assert!(found > 0.95, "{found}");
    let checked = tokio::task::block_in_place(|| line.service.run(&["check"]));
    let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
    for good in [
        "answers; it is Asterisk 22.",
        "the folder of recordings is there",
        "it is connected; it dials ws",
    ] {
        assert!(
            checked.contains(&format!("✓ provider pbx: {good}")),
            "{checked}"
        );
    }
    line.finish(&[CALLER]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receipt_that_was_heard_opens_the_report() {
    let line = Line::open().await;
    let first = speak(COMPLAINT);
    let mut caller = at_the_beep(&line, CALLER).await;
    caller.say(&first).await;
    send(&caller).await;
    caller.hung_up_on().await;
    // Twelve digits, twice; other digits may be spoken before.
    let heard: String = recognise(&caller.heard(), &line.digits, 0.9)
        .iter()
        .collect();
    assert!(heard.len() >= 24, "{heard}");
    let (receipt, again) = heard[heard.len() - 24..].split_at(12);
    assert_eq!(receipt, again);
    line.reports(1).await;

    let second = speak("我再补充一点，采购的人姓李。");
    let mut caller = Telephone::dials(&line.site, CALLER, NUMBER);
    caller.answered().await;
    caller.press("4").await;
    caller.listen(PROMPT).await;
    caller.press(receipt).await;
    caller.listen(PROMPT).await;
    caller.press("1").await;
    line.switch.has_recordings(1).await;
    caller.say(&second).await;
    send(&caller).await;
    caller.leave().await;
    line.switch.has_recordings(0).await;
    let reports = line.reports(1).await;
    for (n, said) in [&first, &second].into_iter().enumerate() {
        let report = &reports[0];
        let recordings = report["recordings"].as_array().expect("a list");
        let number = recordings[n]["n"].as_u64().expect("a number");
        let found = likeness(said, &line.nth_recording(report, number).await);
        assert!(found > 0.95, "{found}");
    }
    line.finish(&[CALLER, receipt]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_up_in_the_middle_of_a_word_keeps_what_was_said() {
    let line = Line::open().await;
    let said = speak(COMPLAINT);
    let mut caller = at_the_beep(&line, CALLER).await;
    let (first, rest) = said.split_at(3 * RATE);
    caller.say(first).await;
    caller.begin_to_say(rest);
    caller.hang_up().await;
    let reports = line.reports(1).await;
    let kept = line.recording(&reports[0]).await;
    let found = find(first, &kept).expect("as long at least");
    assert!(found.likeness > 0.95, "{found:?}");
    line.finish(&[CALLER]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_callers_at_once_are_kept_apart() {
    let line = Line::open().await;
    // Each caller says something else: digits are words too.
    let said = (0..20).map(|n| speak(&format!("我是第{n}个打电话的人，我要反映问题。")));
    let said: Vec<_> = said.collect();
    let mut callers: Vec<_> = (0..20)
        .map(|n| Telephone::dials(&line.site, &format!("138001380{n:02}"), NUMBER))
        .collect();
    // All have called before the first one chooses, because after the beep a caller has ten seconds to begin.
    for caller in &mut callers {
        caller.answered().await;
    }
    let talks = callers
        .into_iter()
        .zip(&said)
        .map(async |(mut caller, said)| {
            caller.press("1").await;
            line.switch.has_recordings(20).await;
            caller.say(said).await;
            send(&caller).await;
            caller.leave().await;
        });
    futures_util::future::join_all(talks).await;
    let mut heard = Vec::new();
    for report in line.reports(20).await {
        heard.push(line.recording(&report).await);
    }
    for said in &said {
        let mine = heard.iter().max_by(|one, other| {
            let like = |heard| likeness(&thinned(said), &thinned(heard));
            like(one).total_cmp(&like(other))
        });
        let found = likeness(said, mine.expect("twenty recordings"));
        assert!(found > 0.95, "{found}");
    }
    line.finish(&[]).await;
}

/// Averages groups of four samples: enough to distinguish speech, and faster.
fn thinned(sound: &[i16]) -> Vec<i16> {
    let quarters = sound.chunks(4);
    quarters
        .map(|four| four.iter().map(|sample| sample / 4).sum())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_on_duty_presses_1_and_they_talk() {
    let line = Line::open().await;
    let mut duty = Telephone::on_duty(&line.site);
    let mut caller = Telephone::dials(&line.site, CALLER, NUMBER);
    caller.answered().await;
    caller.press("2").await;
    duty.called().await;
    duty.answer().await;
    // The caller's number, and the key to press.
    duty.listen(PROMPT).await;
    duty.press("1").await;
    let question = speak("您好，我是值班的巡察干部，请讲。");
    let said = speak(COMPLAINT);
    hears(&caller, &duty, &question).await;
    hears(&duty, &caller, &said).await;
    duty.hang_up().await;
    caller.hang_up().await;
    line.service.quiet().await;
    line.finish(&[CALLER, ON_DUTY]).await;
}

/// Makes `other` repeat `said` until `one` hears it, because no event tells when the two are connected.
async fn hears(one: &Telephone, other: &Telephone, said: &[i16]) {
    let heard = async {
        loop {
            other.say(said).await;
            if find(said, &one.heard()).is_some_and(|found| found.likeness > 0.95) {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, heard)
        .await
        .expect("they hear each other");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_on_duty_takes_the_call_and_a_report_is_left() {
    let line = Line::open().await;
    let mut duty = Telephone::on_duty(&line.site);
    let mut caller = Telephone::dials(&line.site, CALLER, NUMBER);
    caller.answered().await;
    caller.press("2").await;
    duty.called().await;
    // Answered, but by a machine: it presses nothing, or a wrong key.
    duty.answer().await;
    duty.press("5").await;
    duty.hung_up_on().await;
    line.switch.has_recordings(1).await;
    let said = speak(COMPLAINT);
    caller.say(&said).await;
    caller.hang_up().await;
    let reports = line.reports(1).await;
    let found = find(&said, &line.recording(&reports[0]).await).expect("a recording");
    assert!(found.likeness > 0.95, "{found:?}");
    line.finish(&[CALLER, ON_DUTY]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declining_leads_to_the_report_and_hanging_up_ends_the_ringing() {
    let line = Line::open().await;
    let mut duty = Telephone::on_duty(&line.site);
    let mut caller = Telephone::dials(&line.site, CALLER, NUMBER);
    caller.answered().await;
    caller.press("2").await;
    duty.called().await;
    duty.decline().await;
    line.switch.has_recordings(1).await;
    caller.hang_up().await;
    drop(duty);
    let mut duty = Telephone::on_duty(&line.site);
    let mut caller = Telephone::dials(&line.site, CALLER, NUMBER);
    caller.answered().await;
    caller.press("2").await;
    duty.called().await;
    caller.hang_up().await;
    duty.given_up().await;
    line.switch.has_recordings(0).await;
    line.finish(&[CALLER, ON_DUTY]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_is_killed_while_somebody_speaks() {
    let mut line = Line::open().await;
    let said = speak(COMPLAINT);
    let caller = at_the_beep(&line, CALLER).await;
    caller.say(&said).await;
    line.switch.kill();
    drop(caller);
    line.switch.run().await;
    let reports = line.reports(1).await;
    let kept = line.recording(&reports[0]).await;
    // Asterisk writes 32 KiB at a time, which is the most that can be lost.
    assert!(
        kept.len() + 16_384 >= said.len(),
        "{} of {}",
        kept.len(),
        said.len()
    );
    let beginning = &said[..kept.len().min(said.len()) - RATE / 2];
    let found = find(beginning, &kept).expect("half a second of silence at most");
    assert!(found.likeness > 0.95, "{found:?}");
    // The line works again.
    let mut caller = at_the_beep(&line, CALLER).await;
    caller.say(&said).await;
    caller.hang_up().await;
    line.reports(2).await;
    line.finish(&[CALLER]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_killed_while_somebody_speaks() {
    let mut line = Line::open().await;
    let said = speak(COMPLAINT);
    let mut caller = at_the_beep(&line, CALLER).await;
    let (first, rest) = said.split_at(said.len() / 2);
    caller.say(first).await;
    line.service.kill().await;
    caller.say(rest).await;
    line.service.serve_again().await;
    caller.press("#").await;
    caller.hang_up().await;
    let reports = line.reports(1).await;
    let found = likeness(&said, &line.recording(&reports[0]).await);
    assert!(found > 0.95, "{found}");
    line.finish(&[CALLER]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_opens_no_socket() {
    let line = Line::open().await;
    let url = format!("{}/hooks/pbx/ari", line.service.url);
    let knock = async |password: Option<&str>| {
        let request = line.service.client.get(&url);
        let request = match password {
            Some(password) => request.basic_auth(SOCKET.0, Some(password)),
            None => request,
        };
        let request = request
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-protocol", "ari");
        request.send().await.expect("an answer").status()
    };
    assert_ne!(knock(None).await, StatusCode::SWITCHING_PROTOCOLS);
    assert_ne!(
        knock(Some("a guess")).await,
        StatusCode::SWITCHING_PROTOCOLS
    );
    // The same with the right password, to show that it was the reason.
    assert_eq!(knock(Some(SOCKET.1)).await, StatusCode::SWITCHING_PROTOCOLS);
    line.finish(&[]).await;
}
