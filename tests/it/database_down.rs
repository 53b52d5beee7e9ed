//! The database becomes unavailable in the middle of a call, and comes back.
//!
//! On Postgres the network is stalled or cut; on SQLite another connection holds the write lock for longer than a
//! caller can be kept waiting, as a stuck backup does.

use crate::duty::roster;
use crate::support::hooks::{address_in, call_form, path_of};
use crate::support::proxy::{Network, Proxy};
use crate::support::{
    Answer, Database, LINES, NUMBER, OPEN, OTHER_NUMBER, TestLine, logs, two_lines,
};
use dutyline::base::clock::instant;
use dutyline::service::Patience;
use dutyline::simulator::SAMPLE;
use dutyline::simulator::call::WaitingFor;
use dutyline::simulator::exchange::{PhoneView, SpeechEnd};
use dutyline::simulator::webhook::Webhook;
use reqwest::StatusCode;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use std::time::Duration;

const GREETING: &str = "您好，这里是防城港市委第五巡察组值班电话";
const GUIDANCE: &str = "请在提示音后留言";
const GOODBYE: &str = "感谢您的来电，再见";
const AFTER_HOURS: &str = "现在不是值班时间";
const REVIEW: &str = "提交留言请按1";
const CALLER: &str = "+8613800138123";
/// Maximum time until a reply, whatever the state of the database.
const LIMIT: Duration = Duration::from_secs(2);

/// How the database becomes unavailable.
#[derive(Clone, Copy)]
enum Way {
    Stalled,
    Cut,
    Locked,
}

/// A line whose database can become unavailable.
struct Fragile {
    line: TestLine,
    way: Way,
    proxy: Option<Proxy>,
    lock: Option<SqliteConnection>,
}

impl Fragile {
    async fn open(way: Way, at: &str) -> Self {
        Self::with(way, at, |toml| toml).await
    }

    /// Starts a line with the configuration modified by `change`.
    async fn with(way: Way, at: &str, change: fn(String) -> String) -> Self {
        logs::keep();
        let real = Patience::default();
        let (line, proxy) = match way {
            Way::Locked => (
                TestLine::with_patience(real, Database::sqlite(), at, change).await,
                None,
            ),
            Way::Stalled | Way::Cut => {
                let database = Database::postgres().await;
                let address = database.address(std::path::Path::new("/"));
                let (before, name) = address.rsplit_once('/').unwrap();
                let (user, server) = before.rsplit_once('@').unwrap();
                let proxy = Proxy::to(server.to_owned()).await;
                let through = format!("{user}@{}/{name}", proxy.address);
                let through = |toml: String| change(toml.replace(&address, &through));
                let line = TestLine::with_patience(real, database, at, through).await;
                (line, Some(proxy))
            }
        };
        Self {
            line,
            way,
            proxy,
            lock: None,
        }
    }

    async fn goes_away(&mut self) {
        match (self.way, &self.proxy) {
            (Way::Stalled, Some(proxy)) => proxy.set(Network::Stalled),
            (Way::Cut, Some(proxy)) => proxy.set(Network::Cut),
            _ => {
                let file = self.line.path().join("data/dutyline.db");
                let options = SqliteConnectOptions::new().filename(file);
                let mut lock = options.connect().await.unwrap();
                sqlx::raw_sql("BEGIN IMMEDIATE")
                    .execute(&mut lock)
                    .await
                    .unwrap();
                self.lock = Some(lock);
            }
        }
    }

    async fn comes_back(&mut self) {
        if let Some(proxy) = &self.proxy {
            proxy.set(Network::Whole);
        }
        if let Some(mut lock) = self.lock.take() {
            sqlx::raw_sql("ROLLBACK").execute(&mut lock).await.unwrap();
            lock.close().await.unwrap();
        }
        // The pool may first have to detect which of its connections are dead.
        let ready = self.line.ready().await;
        assert_eq!(ready, StatusCode::OK, "it comes back by itself");
    }

    /// Posts a webhook while the database is unavailable, and checks that any answer comes in time.
    async fn in_time(&self, path: &str, fields: &crate::support::hooks::Form) -> Answer {
        let asked = instant();
        let answer = self.line.hook(path, fields).await;
        let took = asked.elapsed();
        assert!(took < LIMIT, "{path} took {took:?}");
        answer
    }

    async fn speak(&self, call: &str) -> PhoneView {
        let speech = bytes::Bytes::from_static(SAMPLE);
        let end = Some(SpeechEnd::Key);
        self.line.exchange.speak(call, speech, end).await.unwrap()
    }

    /// Returns the last webhook sent to an address that contains `part`, and the status of its answer.
    fn last_sent(&self, part: &str) -> (Webhook, u16) {
        let sent = self.line.exchange.sent();
        let sent = sent
            .iter()
            .rev()
            .find(|sent| sent.webhook.url.contains(part));
        let sent = sent.unwrap_or_else(|| panic!("nothing was sent to {part}"));
        let answer = sent.answers[0].as_ref().expect("an answer");
        (sent.webhook.clone(), answer.status)
    }

    /// Sends the callbacks again that were answered with 503, as a provider does.
    async fn send_again(&self) {
        for sent in self.line.exchange.sent() {
            let refused = matches!(&sent.answers[0], Ok(answer) if answer.status == 503);
            if refused {
                let answer = self.line.exchange.deliver(&sent.webhook).await.unwrap();
                assert_eq!(answer.status, 204);
            }
        }
    }

    async fn finish(self) {
        let logged = logs::all();
        assert!(logged.contains("answered without the database"));
        assert!(!logged.contains(CALLER), "and no number with it");
        self.line.finish().await;
    }
}

fn said(view: &PhoneView) -> String {
    serde_json::to_string(&view.heard).unwrap()
}

/// Declares a test for each way in which the database can become unavailable.
macro_rules! each_way {
    ($(#[$meta:meta])* async fn $name:ident($at:expr, $line:ident: Fragile $(= $change:ident)?) $body:block) => {
        mod $name {
            use super::*;

            $(#[$meta])*
            async fn body(mut $line: Fragile) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn stalled_postgres() {
                body(each_way!(@open Way::Stalled, $at $(, $change)?)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn cut_postgres() {
                body(each_way!(@open Way::Cut, $at $(, $change)?)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn locked_sqlite() {
                body(each_way!(@open Way::Locked, $at $(, $change)?)).await;
            }
        }
    };
    (@open $way:expr, $at:expr) => { Fragile::open($way, $at).await };
    (@open $way:expr, $at:expr, $change:ident) => { Fragile::with($way, $at, $change).await };
}

each_way! {
    /// Everything of a call except its first answer falls into the outage.
    async fn what_was_said_during_an_outage_becomes_a_report(OPEN, fragile: Fragile) {
        let call = fragile.line.exchange.dial(CALLER, NUMBER).await.unwrap();
        fragile.line.idle().await;
        let rows = fragile.line.rows().await;
        fragile.goes_away().await;

        let asked = instant();
        let heard = fragile.line.exchange.press(&call.id, "1").await.unwrap();
        assert!(asked.elapsed() < LIMIT, "{:?}", asked.elapsed());
        let text = said(&heard);
        assert!(text.contains(GREETING) && text.contains(GUIDANCE), "the phase's words: {text}");
        assert!(matches!(heard.waiting, WaitingFor::Speech { .. }), "and a recording");

        // Each callback by itself is answered in time, and not acknowledged.
        let recording = [("RecordingSid", "RE1"), ("RecordingStatus", "completed")];
        let answer = fragile.in_time("/hooks/twilio/recording", &call_form(&call.id, &recording)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.body.is_empty());

        // The action of the recording, its callback and the end of the call are all lost.
        let heard = fragile.speak(&call.id).await;
        assert!(said(&heard).contains(GOODBYE), "whoever has spoken is not asked again");
        assert_eq!(heard.waiting, WaitingFor::Nothing);
        assert_eq!(fragile.last_sent("/fallback").1, 200);
        assert_eq!(fragile.last_sent("/recording").1, 503);
        assert_eq!(fragile.last_sent("/status").1, 503);

        fragile.comes_back().await;
        assert_eq!(fragile.line.rows().await, rows, "nothing of the steps that failed remains");
        fragile.send_again().await;
        fragile.line.idle().await;
        let lead = fragile.line.lead().await;
        let report = lead.only_report().await;
        assert_eq!(lead.recording(&report, 1).await, SAMPLE);
        assert_eq!(report["entries"][0]["body"]["number"], CALLER);
        assert_eq!(report["recordings"].as_array().unwrap().len(), 1);
        assert!(fragile.line.counter("webhooks_fallback").await >= 4);
        fragile.finish().await;
    }
}

each_way! {
    /// The caller is still speaking when the database comes back: the call goes on as without an outage.
    async fn a_call_goes_on_when_the_database_is_back(OPEN, fragile: Fragile) {
        let call = fragile.line.exchange.dial(CALLER, NUMBER).await.unwrap();
        fragile.goes_away().await;
        let heard = fragile.line.exchange.press(&call.id, "1").await.unwrap();
        assert!(matches!(heard.waiting, WaitingFor::Speech { .. }), "{heard:?}");
        fragile.comes_back().await;

        let heard = fragile.speak(&call.id).await;
        assert!(said(&heard).contains(REVIEW), "what was left with the provider is there to be sent");
        let end = fragile.line.exchange.press(&call.id, "1").await.unwrap();
        assert_eq!(said(&end).matches("您的回执号是").count(), 2, "with a receipt");
        fragile.line.idle().await;
        let lead = fragile.line.lead().await;
        let report = lead.only_report().await;
        assert_eq!(lead.recording(&report, 1).await, SAMPLE);
        fragile.finish().await;
    }
}

each_way! {
    /// A call that begins during the outage is unknown to the service, and its recording is not lost.
    async fn a_call_that_begins_in_an_outage_becomes_a_report(OPEN, fragile: Fragile) {
        let rows = fragile.line.rows().await;
        fragile.goes_away().await;
        let asked = instant();
        let heard = fragile.line.exchange.dial(CALLER, NUMBER).await.unwrap();
        assert!(asked.elapsed() < LIMIT, "{:?}", asked.elapsed());
        assert!(said(&heard).contains(GUIDANCE), "{heard:?}");
        assert!(matches!(heard.waiting, WaitingFor::Speech { .. }), "{heard:?}");
        // A number of no line is recognised during the outage too.
        let nobody = fragile.in_time("/hooks/twilio/call", &call_form("CAnobody", &[("To", "1")])).await;
        assert!(nobody.text().contains("未开通") && !nobody.text().contains("<Record"));

        fragile.comes_back().await;
        assert_eq!(fragile.line.rows().await, rows, "nothing of it is here");
        let heard = fragile.speak(&heard.id).await;
        assert!(said(&heard).contains(GOODBYE), "{heard:?}");
        // The action, its callback and the end of the call lead to one report.
        let (action, status) = fragile.last_sent("/fallback");
        assert_eq!((status, fragile.last_sent("/recording").1, fragile.last_sent("/status").1), (200, 204, 204));
        fragile.line.exchange.deliver(&action).await.unwrap();
        fragile.line.idle().await;
        let lead = fragile.line.lead().await;
        let report = lead.only_report().await;
        assert_eq!(lead.recording(&report, 1).await, SAMPLE);
        assert_eq!(report["entries"][0]["body"]["number"], CALLER);
        assert_eq!(report["recordings"][0]["deleted_at_provider"], true);
        fragile.finish().await;
    }
}

each_way! {
    /// The callback of a recording does not contain the dialled number, and everything else falls into the outage.
    async fn what_is_spoken_in_an_outage_is_of_the_line_that_was_dialled(OPEN, fragile: Fragile = two_lines) {
        fragile.goes_away().await;
        let heard = fragile.line.exchange.dial(CALLER, OTHER_NUMBER).await.unwrap();
        assert!(matches!(heard.waiting, WaitingFor::Speech { .. }), "{heard:?}");
        fragile.speak(&heard.id).await;
        let (callback, status) = fragile.last_sent("/recording");
        assert_eq!(status, 503);
        fragile.comes_back().await;
        let mut form = callback.form.clone();
        form.retain(|(name, _)| !["To", "Called", "From", "Caller"].contains(&name.as_str()));
        let callback = fragile.line.exchange.webhook(&callback.url, form);
        let answer = fragile.line.exchange.deliver(&callback).await.unwrap();
        assert_eq!(answer.status, 204);
        fragile.line.idle().await;
        let lead = fragile.line.lead().await;
        let report = lead.only_report().await;
        assert_eq!(report["line"], LINES[1]);
        assert_eq!(lead.recording(&report, 1).await, SAMPLE);
        assert_eq!(fragile.line.rows().await["strays"], 0);
        fragile.finish().await;
    }
}

each_way! {
    /// A closed line accepts no report during an outage either.
    async fn a_closed_line_says_so_in_an_outage("2024-03-06T20:00:00+08:00", fragile: Fragile) {
        fragile.goes_away().await;
        let heard = fragile.line.exchange.dial(CALLER, NUMBER).await.unwrap();
        let text = said(&heard);
        assert!(text.contains(AFTER_HOURS) && text.contains("上午8点30分"), "{text}");
        assert_eq!(heard.waiting, WaitingFor::Nothing, "and no recording");
        let answer = fragile.in_time("/hooks/twilio/fallback", &call_form("CAother", &[])).await;
        assert!(answer.text().contains(AFTER_HOURS) && !answer.text().contains("<Record"));
        // A take cannot be looked up: the answer is silence, so that the call goes on.
        let take = format!("/hooks/twilio/take/{}/1/{}", uuid::Uuid::nil(), "A".repeat(43));
        let asked = instant();
        let answer = fragile.line.request(reqwest::Method::GET, &take, &[], Vec::new()).await;
        assert!(asked.elapsed() < LIMIT);
        match fragile.way {
            // Readers are not held up by the write lock.
            Way::Locked => assert_eq!(answer.status, StatusCode::NOT_FOUND),
            _ => assert!(answer.body.starts_with(b"RIFF")),
        }
        fragile.comes_back().await;
        fragile.send_again().await;
        fragile.finish().await;
    }
}

each_way! {
    /// An inspector rung during an outage is hung up on, because the acceptance could not be stored; the caller is
    /// asked for a report.
    async fn nobody_takes_a_call_in_an_outage(OPEN, fragile: Fragile = roster) {
        let exchange = fragile.line.exchange.clone();
        let call = exchange.dial(CALLER, NUMBER).await.unwrap();
        exchange.press(&call.id, "2").await.unwrap();
        let sent = exchange.sent();
        let ringing = sent.last().unwrap().answers[0].as_ref().unwrap();
        let whisper = path_of(&address_in(&ringing.body, "/whisper?")).to_owned();
        let taken = whisper.replace("/whisper?", "/accepted?");
        fragile.goes_away().await;
        let key = [("CallSid", "CA0000000000000000000000000000000f"), ("Digits", "1")];
        for path in [&whisper, &taken] {
            let answer = fragile.in_time(path, &call_form(&call.id, &key)).await;
            assert_eq!(answer.status, StatusCode::OK);
            assert!(answer.text().ends_with("<Response><Hangup/></Response>"), "{}", answer.text());
        }
        // The inspector's leg is given up, and without the database the next step is not known.
        let asked = instant();
        let heard = exchange.keep_silent(&call.id).await.unwrap();
        assert!(asked.elapsed() < LIMIT, "{:?}", asked.elapsed());
        assert!(said(&heard).contains(GUIDANCE), "{heard:?}");
        assert!(matches!(heard.waiting, WaitingFor::Speech { .. }), "{heard:?}");
        // The provider's fallback address answers the same.
        let fallback = fragile.in_time("/hooks/twilio/fallback", &call_form(&call.id, &[])).await;
        assert!(fallback.text().contains(GUIDANCE) && fallback.text().contains("<Record "));

        fragile.comes_back().await;
        let heard = fragile.speak(&call.id).await;
        assert!(said(&heard).contains(REVIEW), "what was left with the provider is there to be sent: {heard:?}");
        exchange.hang_up(&call.id).await.unwrap();
        fragile.line.idle().await;
        let lead = fragile.line.lead().await;
        let report = lead.only_report().await;
        assert_eq!((&report["source"], &report["on_the_line"]), (&json!("call"), &json!(false)));
        assert_eq!(lead.recording(&report, 1).await, SAMPLE);
        let line = lead.get("/lines/fcg-5").await.ok();
        assert_eq!(line["calls_with_roster"], 0);
        fragile.finish().await;
    }
}

/// The step is committed and the service does not learn of it: the caller gets the fallback answer to a step that was
/// stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_nobody_heard_of_postgres() {
    let mut fragile = Fragile::open(Way::Stalled, OPEN).await;
    let call = fragile.line.exchange.dial(CALLER, NUMBER).await.unwrap();
    let lookup = fragile.line.service().call_lookup("twilio", &call.id);
    let proxy = fragile.proxy.as_ref().unwrap();
    proxy.stall_at_commit_of(&lookup);
    let asked = instant();
    let heard = fragile.line.exchange.press(&call.id, "1").await.unwrap();
    assert!(asked.elapsed() < LIMIT, "{:?}", asked.elapsed());
    assert!(said(&heard).contains(GREETING), "bluntly: {heard:?}");
    assert!(matches!(heard.waiting, WaitingFor::Speech { .. }));
    fragile.comes_back().await;
    let (step, _) = fragile.last_sent("/step?");
    let taken = fragile.line.exchange.deliver(&step).await.unwrap();
    assert!(
        !taken.body.contains(GREETING) && taken.body.contains(GUIDANCE),
        "it was taken"
    );

    let heard = fragile.speak(&call.id).await;
    assert!(said(&heard).contains(REVIEW), "{heard:?}");
    fragile.line.exchange.press(&call.id, "1").await.unwrap();
    fragile.line.idle().await;
    let lead = fragile.line.lead().await;
    let report = lead.only_report().await;
    assert_eq!(report["recordings"].as_array().unwrap().len(), 1);
    assert_eq!(lead.recording(&report, 1).await, SAMPLE);
    fragile.finish().await;
}
