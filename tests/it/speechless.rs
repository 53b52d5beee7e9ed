//! A reply, told by a provider that has no voice: as the sound of it, or as the word that there is one.

use crate::support::{LINES, NUMBER, TestLine, on_both, wav};
use chrono::{DateTime, Utc};
use dutyline::call::script::Script;
use dutyline::conduct::{Hook, Reply, StepRef, conduct};
use dutyline::line::number::Caller;
use dutyline::login::Role;
use dutyline::simulator::call::Heard;
use dutyline::simulator::exchange::SpeechEnd;
use dutyline::simulator::spoken;
use dutyline::telephony::{
    CallStanding, Capabilities, Download, Event, FallbackLine, Finding, Links, Listing, Provider,
    ProviderError, ProviderRecordingId, RawRequest, Refused, Rendered,
};
use futures_util::future::BoxFuture;
use serde_json::json;
use std::sync::Arc;

const REPLY: &str = "已经转交有关部门。";
const TOLD: &str = "您反映的问题已有答复，请在值班时间来电，由值班人员告知您。";

/// A provider like another one, but for its voice.
struct Speechless(Arc<dyn Provider>);

impl Provider for Speechless {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn account(&self) -> String {
        self.0.account()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            has_voice: false,
            ..self.0.capabilities()
        }
    }

    fn authenticate(&self, request: &RawRequest) -> Result<(), Refused> {
        self.0.authenticate(request)
    }

    fn signature_headers(&self) -> &'static [&'static str] {
        self.0.signature_headers()
    }

    fn parse(&self, request: &RawRequest) -> Result<Event, Refused> {
        self.0.parse(request)
    }

    fn render(&self, script: &Script, links: &Links) -> Rendered {
        self.0.render(script, links)
    }

    fn render_whisper(&self, script: &Script, links: &Links) -> Rendered {
        self.0.render_whisper(script, links)
    }

    fn render_taken(&self, taken: bool) -> Rendered {
        self.0.render_taken(taken)
    }

    fn render_blunt(&self, script: &Script, line: Option<&FallbackLine>) -> Rendered {
        self.0.render_blunt(script, line)
    }

    fn fetch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Download, ProviderError>> {
        self.0.fetch(id)
    }

    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.0.delete(id)
    }

    fn is_gone<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, ProviderError>> {
        self.0.is_gone(id)
    }

    fn ask<'a>(&'a self, call: &'a str) -> BoxFuture<'a, Result<CallStanding, ProviderError>> {
        self.0.ask(call)
    }

    fn recordings_of<'a>(
        &'a self,
        call: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecordingId>, ProviderError>> {
        self.0.recordings_of(call)
    }

    fn list(&self, since: DateTime<Utc>) -> BoxFuture<'_, Result<Listing, ProviderError>> {
        self.0.list(since)
    }

    fn look<'a>(&'a self, public_url: &'a str) -> BoxFuture<'a, Vec<Finding>> {
        self.0.look(public_url)
    }
}

/// A call that comes in by such a provider.
struct Call<'a> {
    line: &'a TestLine,
    provider: Arc<dyn Provider>,
    at: Option<StepRef>,
}

impl<'a> Call<'a> {
    async fn dial(line: &'a TestLine) -> Self {
        let mut call = Self {
            line,
            provider: Arc::new(Speechless(Arc::clone(&line.service().providers["twilio"]))),
            at: None,
        };
        call.tells(Hook::Call, None, false).await;
        call
    }

    /// Presses keys; what is said to it.
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
        let query = rendered.body.split("/step?").nth(1);
        self.at = query
            .and_then(|query| query.split(['"', '#']).next())
            .map(|query| {
                let query = query.replace("&amp;", "&");
                let value = |name: &str| {
                    let mut pairs = form_urlencoded::parse(query.as_bytes());
                    let found = pairs.find(|(key, _)| key == name);
                    found.expect("it is in every address").1.into_owned()
                };
                StepRef {
                    call: value("call").parse().unwrap(),
                    line: value("line"),
                    step: value("step").parse().unwrap(),
                    nothing: None,
                }
            });
        rendered.body
    }
}

/// Somebody leaves a report, and is replied to. The receipt.
async fn replied(line: &TestLine) -> String {
    let call = line.exchange.dial("+8613800138000", NUMBER).await.unwrap();
    line.exchange.press(&call.id, "1").await.unwrap();
    let end = Some(SpeechEnd::Key);
    let said = line.exchange.speak(&call.id, wav(b"first"), end).await;
    let sent = line.exchange.press(&said.unwrap().id, "1").await.unwrap();
    line.idle().await;
    let words = sent.heard.iter().filter_map(|heard| match heard {
        Heard::Say { say, .. } => Some(say.as_str()),
        _ => None,
    });
    let receipt = spoken::receipt(&words.collect::<String>()).expect("a receipt");

    let lead = line.lead().await;
    let li = line.member("li", Role::Inspector, &LINES[..1]).await;
    let report = lead.only_report().await;
    let at = |path: &str| format!("/reports/{}/{path}", report["id"].as_str().unwrap());
    let entry = lead.post(&at("reply"), json!({ "text": REPLY })).await.ok();
    let id = entry["id"].as_str().unwrap();
    li.act(&at(&format!("replies/{id}/approve"))).await.ok();
    receipt
}

/// A command that says a second of something, whatever the words.
fn speaking(toml: String) -> String {
    let seconds = "head -c 16000 /dev/zero";
    let header = r"RIFF\\244\\076\\000\\000WAVEfmt \\020\\000\\000\\000\\001\\000\\001\\000\\100\\037\\000\\000\\200\\076\\000\\000\\002\\000\\020\\000data\\200\\076\\000\\000";
    format!(
        "{toml}\n[prompts]\npassing = \"passing\"\nsynthesize.zh-CN = \"cat >/dev/null; printf '{header}'; {seconds}\"\n"
    )
}

/// How many sounds of replies there are.
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

        // Its sound is lost in the middle of the call: it is not passed over in silence.
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
