//! Conversations with the duty inspector: who is rung, who accepts the call, and what inspectors see of it. The
//! provider sends every webhook twice.

mod at_once;
mod nobody;
mod refused;
mod seen;
mod talk;

use crate::support::{Caller, TestLine};
use dutyline::simulator::call::WaitingFor;
use dutyline::simulator::dial_verb::Answering;
use dutyline::simulator::webhook::Webhook;
use serde_json::{Value, json};

/// Telephone numbers of the roster, in its order.
pub const FIRST: &str = "+8613800000001";
const SECOND: &str = "+8613800000002";

const CONNECTING: &str = "正在为您接通值班人员，请稍候。";
const RECORDED: &str = "通话将被录音，录音同样严格保密。";
const ABSENT: &str = "值班人员暂时无法接听，请您留言。";
pub const BUSY: &str = "值班人员正在通话，请您留言。";
const RECEIPT: &str = "您的回执号是：";

/// Returns the configuration with a roster of two, and `more` for the line itself.
fn with_roster(toml: &str, more: &str, days: &str) -> String {
    let roster = format!(
        r#"[[line.roster]]
name = "甲"
number = "{FIRST}"
{days}
[[line.roster]]
name = "乙"
number = "{SECOND}"
{days}
{more}
[line.translations.en]"#
    );
    let changed = toml.replace("[line.translations.en]", &roster);
    assert_ne!(changed, toml);
    changed
}

/// Two people on duty at any time.
pub fn roster(toml: String) -> String {
    with_roster(&toml, "", "")
}

/// Only one call may be with the roster at a time.
pub fn one_at_once(toml: String) -> String {
    with_roster(&toml, "[line.dial]\nat_once = 1", "")
}

/// The roster excludes the day of the test, a Wednesday.
fn off_duty(toml: String) -> String {
    with_roster(&toml, "", "days = [\"thu-tue\"]")
}

/// Conversations are recorded.
pub fn recorded(toml: String) -> String {
    let changed = toml.replace("record_live = false", "record_live = true");
    assert_ne!(changed, toml);
    roster(changed)
}

/// Makes the telephone with this number answer and press these keys.
pub fn answers(line: &TestLine, number: &str, keys: &str) {
    let keys = keys.to_owned();
    let answering = Answering::PicksUp { keys };
    line.exchange.set_answering(number, answering);
}

/// Makes a call that the first inspector of the roster accepts.
pub async fn connected(line: &TestLine) -> Caller<'_> {
    answers(line, FIRST, "1");
    let mut caller = Caller::dial(line).await;
    caller.press("2").await;
    assert!(is_talking(&caller), "{:?}", caller.view);
    caller
}

/// True if the caller is connected with an inspector.
fn is_talking(caller: &Caller<'_>) -> bool {
    matches!(caller.view.waiting, WaitingFor::Talking { .. })
}

/// Returns the entries of a kind.
fn entries<'a>(report: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = report["entries"].as_array().unwrap();
    all.iter().filter(|entry| entry["kind"] == kind).collect()
}

/// Returns the body of the only entry of a kind.
fn only<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let found = entries(report, kind);
    assert_eq!(found.len(), 1, "one {kind} in {report}");
    &found[0]["body"]
}

/// Returns the webhooks sent to an address that contains `part`, in order.
fn sent_to(line: &TestLine, part: &str) -> Vec<Webhook> {
    let sent = line.exchange.sent().into_iter().map(|sent| sent.webhook);
    sent.filter(|webhook| webhook.url.contains(part)).collect()
}

/// Returns the numbers that were rung, in order, as the documents name them.
fn rung(line: &TestLine) -> Vec<String> {
    let documents = line.exchange.sent().into_iter();
    documents
        .filter_map(|sent| sent.answers[0].clone().ok())
        .filter_map(|answer| {
            let (_, number) = answer.body.split_once("<Number ")?;
            let (_, number) = number.split_once('>')?;
            Some(number.split_once('<')?.0.to_owned())
        })
        .collect()
}

/// Checks all answers: both copies of a webhook have the same one, only the roster is rung, its telephones show the
/// line's number, and the caller's number appears nowhere.
fn assert_discreet(line: &TestLine) {
    for sent in line.exchange.sent() {
        let [first, second] = &sent.answers[..] else {
            panic!("everything is sent twice");
        };
        let (first, second) = (first.as_ref().unwrap(), second.as_ref().unwrap());
        assert_eq!(first.body, second.body, "the same answer");
        assert!(!first.body.contains("13800138000"), "{}", first.body);
        if let Some((_, dial)) = first.body.split_once("<Dial ") {
            assert!(dial.contains(r#" callerId="+8618877009155""#), "{dial}");
            let rings = |number: &str| dial.contains(&format!(">{number}</Number></Dial>"));
            assert!(rings(FIRST) || rings(SECOND), "{dial}");
        }
    }
}

/// Checks that the caller is asked for a report, and leaves one, which is like any other.
async fn leaves_a_report(line: &TestLine, caller: &mut Caller<'_>) {
    assert!(caller.may_speak().is_some(), "{:?}", caller.view);
    caller
        .say(1, dutyline::simulator::exchange::SpeechEnd::Key)
        .await;
    let words = caller.press("1").await;
    assert_eq!(words.matches(RECEIPT).count(), 2, "{words}");
    line.idle().await;
    let report = line.lead().await.only_report().await;
    assert_eq!(report["source"], "call");
    assert_eq!(report["on_the_line"], false);
    assert_eq!(report["recordings"].as_array().unwrap().len(), 1);
    assert_eq!(entries(&report, "talk"), Vec::<&Value>::new());
    assert_eq!(only(&report, "call")["reached"], "receipt");
    assert_eq!(with_roster_now(line).await, json!(0));
    assert_discreet(line);
}

/// Returns the number of calls with the roster, from the API.
async fn with_roster_now(line: &TestLine) -> Value {
    let lead = line.lead().await;
    lead.get("/lines/fcg-5").await.ok()["calls_with_roster"].clone()
}
