//! The program is killed between any two steps, and every webhook is sent twice: the result is one report, with the
//! same bytes that were said.
//!
//! The compiled program is driven over HTTP by a stand-in for Twilio that was written from Twilio's documentation
//! alone.

mod addition;
mod at_once;
mod in_the_middle;
mod out_of_order;
mod talk;
mod whole_call;

use crate::support::standin::StandIn;
use crate::support::webhooks::{Answered, Story, Webhook, speech};
use crate::support::{Api, Binary, DEADLINE, Database, pause};
use futures_util::future::join_all;
use serde_json::Value;

/// The program, its provider, and a lead who logged in before anything happened.
pub struct Scene {
    pub binary: Binary,
    pub twilio: StandIn,
    lead: Api,
}

impl Scene {
    /// Starts the program with the configuration modified by `change`.
    pub async fn open(database: Database, change: impl FnOnce(String) -> String) -> Self {
        let twilio = StandIn::start().await;
        let binary = Binary::start(database, &twilio.url, change).await;
        let lead = binary.lead().await;
        Self {
            binary,
            twilio,
            lead,
        }
    }

    /// Sends a webhook `times` times at once; all answers must be the same.
    ///
    /// The program waits a second and a half for its database, then answers without it. On a machine too busy for that,
    /// the webhook is sent again, as a provider would.
    pub async fn send_at_once(&self, webhook: &Webhook, times: usize) -> Answered {
        for _ in 0..20 {
            let too_slow = self.too_slow();
            let one = || webhook.post(&self.binary.client, &self.binary.url);
            let answers = join_all((0..times).map(|_| one())).await;
            if self.too_slow() > too_slow {
                continue;
            }
            let mut answers = answers.into_iter().map(|answer| {
                answer.unwrap_or_else(|error| panic!("{error}; {}", self.binary.log()))
            });
            let first = answers.next().expect("one at least");
            assert!(matches!(first.status, 200 | 204), "{first:?}");
            assert!(answers.all(|answer| answer == first), "different answers");
            return first;
        }
        panic!("this machine is too slow: {}", self.binary.log());
    }

    /// Returns how often the database was too slow for a webhook. Other failures are not counted, because no test may
    /// overlook them.
    fn too_slow(&self) -> usize {
        self.binary.log().matches("webhook timed out").count()
    }

    /// Sends a webhook once.
    pub async fn send(&self, webhook: &Webhook) -> Answered {
        self.send_at_once(webhook, 1).await
    }

    /// Sends a webhook, kills the program as soon as it has answered, starts it and sends the webhook again.
    pub async fn send_and_kill(&mut self, webhook: &Webhook) -> Answered {
        let first = self.send(webhook).await;
        self.kill_and_restart().await;
        let second = self.send(webhook).await;
        assert_eq!(first, second, "the same question, the same answer");
        first
    }

    /// Sends a webhook, kills the program while it processes it or has just answered, starts it and sends the webhook
    /// again. If the first one was answered, the second answer is the same.
    pub async fn kill_while_sending(&mut self, webhook: &Webhook) -> Answered {
        let (client, at) = (self.binary.client.clone(), self.binary.url.clone());
        let (sent, too_slow) = (webhook.clone(), self.too_slow());
        let first = tokio::spawn(async move { sent.post(&client, &at).await });
        // Whether the webhook has reached the database by then is left to chance; the result must be right in both
        // cases.
        tokio::task::yield_now().await;
        self.binary.kill().await;
        let first = first.await.expect("the first was sent");
        self.binary.serve_again().await;
        let second = self.send(webhook).await;
        if let (Ok(first), true) = (first, self.too_slow() == too_slow) {
            assert_eq!(first, second, "the same question, the same answer");
        }
        second
    }

    pub async fn kill_and_restart(&mut self) {
        self.binary.kill().await;
        self.binary.serve_again().await;
    }

    /// Returns the lead's client at the program's current address.
    pub fn lead(&self) -> Api {
        self.lead.moved(&self.binary.url)
    }

    /// Waits until the provider has been asked about the call, and its recording is deleted there.
    pub async fn gone_at_provider(&self, story: &Story) {
        let waiting = async {
            while !self.twilio.is_proven_gone(story) {
                pause().await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, waiting).await;
        waited.unwrap_or_else(|_| panic!("still there; {}", self.binary.log()));
    }

    /// Checks that the call led to one report, with the bytes that were said stored once, and the recording proven
    /// deleted at the provider. Ends the scene.
    pub async fn one_report(self, story: &Story) -> Value {
        self.binary.quiet().await;
        let report = self.lead().only_report().await;
        assert_eq!(report["reference"], "2024-0001");
        assert_eq!(report["status"], "queued");
        let recordings = report["recordings"].as_array().unwrap();
        assert_eq!(recordings.len(), 1, "{report}");
        assert_eq!(recordings[0]["state"], "sealed");
        assert_eq!(recordings[0]["deleted_at_provider"], true);
        assert!(
            self.lead().recording(&report, 1).await == speech(),
            "the very bytes"
        );
        for kind in ["caller", "recording", "call"] {
            let entries = report["entries"].as_array().unwrap();
            let of_kind = entries.iter().filter(|entry| entry["kind"] == kind);
            assert_eq!(of_kind.count(), 1, "one {kind} in {report}");
        }
        let files = self.binary.files();
        // A kill between a file's last fsync and its commit leaves a file that no row names.
        let finished = |name: &String| name.ends_with(".age");
        assert!(!files.is_empty() && files.iter().all(finished), "{files:?}");
        assert!(self.twilio.is_gone(story));
        assert!(self.twilio.is_proven_gone(story), "{:?}", self.twilio.log());
        self.binary.run(&["audit", "verify"]);
        self.binary.finish().await;
        report
    }
}

/// Declares a test on both databases. The body receives a `Scene`, and ends it; `scene: Scene = roster` changes the
/// configuration first.
macro_rules! on_both_scenes {
    ($($(#[$meta:meta])* async fn $name:ident($scene:ident: Scene $(= $change:ident)?) $body:block)*) => {
        $(mod $name {
            use super::*;

            $(#[$meta])*
            #[allow(unused_mut, reason = "not every test kills")]
            async fn body(mut $scene: Scene) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let change = on_both_scenes!(@change $($change)?);
                body(Scene::open($crate::support::Database::sqlite(), change).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let database = $crate::support::Database::postgres().await;
                let change = on_both_scenes!(@change $($change)?);
                body(Scene::open(database, change).await).await;
            }
        })*
    };
    (@change) => { std::convert::identity::<String> };
    (@change $change:ident) => { $change };
}
pub(crate) use on_both_scenes;
