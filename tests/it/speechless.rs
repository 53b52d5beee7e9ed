//! A reply for a caller of a provider without a voice: played as a sound, or announced to exist.

use crate::support::altered::Altered;
use crate::support::hooks::step_in;
use crate::support::{LINES, NUMBER, TestLine, on_both, wav, words};
use dutyline::conduct::{Hook, StepRef, conduct};
use dutyline::line::number::Caller;
use dutyline::report::role::Role;
use dutyline::service::webhooks::Reply;
use dutyline::simulator::exchange::SpeechEnd;
use dutyline::simulator::spoken;
use dutyline::telephony::{Event, Provider};
use serde_json::json;
use std::sync::Arc;

const REPLY: &str = "已经转交有关部门。";
const TOLD: &str = "您反映的问题已有答复，请在值班时间来电，由值班人员告知您。";

/// A call over such a provider.
struct Call<'a> {
    line: &'a TestLine,
    provider: Arc<dyn Provider>,
    at: Option<StepRef>,
}

impl<'a> Call<'a> {
    async fn dial(line: &'a TestLine) -> Self {
        let mut call = Self {
            line,
            provider: Altered::speechless(&line.service().providers["twilio"]),
            at: None,
        };
        call.tells(Hook::Call, None, false).await;
        call
    }

    /// Presses keys, and returns the words of the answer.
    async fn presses(&mut self, keys: &str) -> String {
        let at = self.at.clone().expect("a step is awaited");
        self.tells(Hook::Step(at), Some(keys), false).await
    }

    async fn hangs_up(mut self) {
        self.tells(Hook::Status, None, true).await;
    }

    async fn tells(&mut self, hook: Hook, keys: Option<&str>, ended: bool) -> String {
        let event = Event {
            call: "CA0000000000000000000000000000beef".to_owned().into(),
            to: NUMBER.to_owned().into(),
            from: Caller::Withheld,
            keys: keys.map(|keys| keys.to_owned().into()),
            ended,
            recording: None,
            unnamed: None,
        };
        let service = self.line.service();
        let reply = conduct(service, &self.provider, &hook, &event).await;
        let Reply::Script(rendered) = reply.unwrap() else {
            return String::new();
        };
        self.at = step_in(&rendered.body);
        rendered.body
    }
}

/// Leaves a report and approves a reply to it. Returns the receipt.
async fn replied(line: &TestLine) -> String {
    let call = line.exchange.dial("+8613800138000", NUMBER).await.unwrap();
    line.exchange.press(&call.id, "1").await.unwrap();
    let end = Some(SpeechEnd::Key);
    let said = line.exchange.speak(&call.id, wav(b"first"), end).await;
    let sent = line.exchange.press(&said.unwrap().id, "1").await.unwrap();
    line.idle().await;
    let receipt = spoken::receipt(&words(&sent)).expect("a receipt");

    let lead = line.lead().await;
    let li = line.member("li", Role::Inspector, &LINES[..1]).await;
    let report = lead.only_report().await;
    let at = |path: &str| format!("/reports/{}/{path}", report["id"].as_str().unwrap());
    let entry = lead.post(&at("reply"), json!({ "text": REPLY })).await.ok();
    let id = entry["id"].as_str().unwrap();
    li.act(&at(&format!("replies/{id}/approve"))).await.ok();
    receipt
}

/// Returns the configuration with a command that synthesises a second of silence for any words.
fn speaking(toml: String) -> String {
    let seconds = "head -c 16000 /dev/zero";
    let header = r"RIFF\\244\\076\\000\\000WAVEfmt \\020\\000\\000\\000\\001\\000\\001\\000\\100\\037\\000\\000\\200\\076\\000\\000\\002\\000\\020\\000data\\200\\076\\000\\000";
    format!(
        "{toml}\n[prompts]\npassing = \"passing\"\nsynthesize.zh-CN = \"cat >/dev/null; printf '{header}'; {seconds}\"\n"
    )
}

/// Returns the number of sounds of replies.
fn passing(line: &TestLine) -> usize {
    std::fs::read_dir(line.path().join("passing"))
        .unwrap()
        .count()
}

on_both! {
    async fn a_reply_is_a_sound_until_its_call_is_settled(line: TestLine = speaking) {
        let receipt = replied(line).await;
        line.service().sounds.fill(&line.service().config).await;
        let mut call = Call::dial(line).await;
        call.presses("4").await;
        assert_eq!(passing(line), 0);
        let heard = call.presses(&receipt).await;
        assert!(heard.contains(REPLY) && !heard.contains(TOLD), "{heard}");
        assert_eq!(passing(line), 1);
        assert!(call.presses("2").await.contains(REPLY), "once more");

        // Its sound is lost in the middle of the call: the caller is told that there is a reply.
        let id = call.at.as_ref().unwrap().call;
        line.service().sounds.forget(id);
        let heard = call.presses("2").await;
        assert!(heard.contains(TOLD) && !heard.contains(REPLY), "{heard}");

        line.service().sounds.let_pass(id, "zh-CN", REPLY, line.service().clock.system_now()).await;
        assert_eq!(passing(line), 1);
        call.hangs_up().await;
        line.idle().await;
        assert_eq!(passing(line), 0);
    }

    async fn a_reply_without_a_sound_is_left_to_people(line: TestLine) {
        let receipt = replied(line).await;
        let mut call = Call::dial(line).await;
        call.presses("4").await;
        let heard = call.presses(&receipt).await;
        assert!(heard.contains(TOLD) && !heard.contains(REPLY), "{heard}");
        call.hangs_up().await;
    }
}
