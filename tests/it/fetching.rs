//! Fetching, sealing and deleting recordings: an incomplete recording is never stored as a whole one, and nothing is
//! deleted at the provider that cannot be read back here.

use crate::support::queue::{self, Job};
use crate::support::sql::change;
use crate::support::standin::{Hold, Serving, StandIn};
use crate::support::webhooks::{Answered, Story, Webhook, speech};
use crate::support::{Api, DEADLINE, Database, OPEN, TestLine, client, names, pause};
use bytes::Bytes;
use chrono::TimeDelta;
use dutyline::register::verify;
use dutyline::service::Service;
use dutyline::store::recordings;
use serde_json::Value;
use uuid::Uuid;

/// A running line, and a provider controlled by the test.
struct Scene {
    line: TestLine,
    twilio: StandIn,
    /// Another provider, `second` in the configuration.
    second: StandIn,
    client: reqwest::Client,
    lead: Api,
    story: Story,
    callback: String,
}

impl Scene {
    async fn open(database: Database, prepare: fn(&mut Service)) -> Self {
        let twilio = StandIn::start().await;
        let second = StandIn::start().await;
        let (url, second_url) = (twilio.url.clone(), second.url.clone());
        let line = TestLine::prepared(prepare, database, OPEN, |toml| {
            let text = |text: &str| match text.starts_with("api_url") {
                true => format!("api_url = \"{url}\"\n"),
                false => format!("{text}\n"),
            };
            let toml: String = toml.lines().map(text).collect();
            let first = &toml[toml.find("[[provider]]").unwrap()..toml.find("[[line]]").unwrap()];
            let other = first.replace("\"twilio\"\nkind", "\"second\"\nkind");
            let other = other.replace(&url, &second_url);
            toml.replace(first, &format!("{first}{other}"))
        })
        .await;
        Self {
            lead: line.lead().await,
            line,
            twilio,
            second,
            client: client(),
            story: Story::new(),
            callback: String::new(),
        }
    }

    /// Makes a call with a recording, for which the provider serves `serving` until told otherwise.
    async fn record(&mut self, serving: Option<Serving>) {
        let menu = self.send(&self.story.incoming()).await;
        let key = self.story.key(menu.address("Gather", "action"), "1");
        let guidance = self.send(&key).await;
        self.callback = guidance.address("Record", "recordingStatusCallback");
        self.twilio.record(&self.story, &speech(), false);
        self.twilio.serve(&self.story, serving);
        let action = guidance.address("Record", "action");
        self.send(&self.story.recorded(action)).await;
    }

    async fn send(&self, webhook: &Webhook) -> Answered {
        let answer = webhook.post(&self.client, &self.line.url).await.unwrap();
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        answer
    }

    /// Waits until the only job of a kind has been tried `attempts` times and is not leased, and returns it.
    async fn tried(&self, kind: &str, attempts: i32) -> Job {
        let service = self.line.service();
        let mut worked = service.worked.subscribe();
        let waiting = async {
            loop {
                worked.borrow_and_update();
                let jobs = queue::all(&service.db.console).await;
                let job = jobs.into_iter().find(|job| job.kind == kind);
                if let Some(job) =
                    job.filter(|job| job.attempts >= attempts && job.lease_until.is_none())
                {
                    return job;
                }
                worked.changed().await.unwrap();
            }
        };
        let job = tokio::time::timeout(DEADLINE, waiting).await;
        job.unwrap_or_else(|_| panic!("no {kind} tried {attempts} times"))
    }

    /// Makes the provider serve the recording from now on.
    async fn mend(&self) {
        self.twilio.serve(&self.story, None);
        self.hurry("fetch").await;
    }

    /// Makes the jobs of a kind due at once.
    async fn hurry(&self, kind: &str) {
        queue::make_due(self.line.db(), kind).await;
        self.line.service().wake.notify_one();
    }

    async fn recording_id(&self) -> Uuid {
        let report = self.lead.only_report().await["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let mut tx = self.line.db().begin_read().await.unwrap();
        recordings::of_report(&mut tx, report).await.unwrap()[0].id
    }

    async fn recording(&self) -> Value {
        self.lead.only_report().await["recordings"][0].clone()
    }

    /// Checks that nothing of a recording is stored, neither a file nor audio to play, and that the provider still has
    /// its copy.
    async fn nothing_is_there(&self) {
        let report = self.lead.only_report().await;
        assert_eq!(report["recordings"][0]["state"], "announced");
        let id = report["id"].as_str().unwrap();
        let heard = self.lead.get(&format!("/reports/{id}/recordings/1")).await;
        assert_eq!(heard.status, 404);
        let files = names(&self.line.recordings());
        assert!(
            files.iter().all(|name| !name.ends_with(".age")),
            "{files:?}"
        );
        assert!(!self.twilio.is_gone(&self.story));
        // A partial file is removed by the task that wrote it, soon after the job was put back.
        let cleaned = async {
            while !names(&self.line.recordings()).is_empty() {
                pause().await;
            }
        };
        tokio::time::timeout(DEADLINE, cleaned)
            .await
            .expect("nothing is left behind");
    }

    /// Checks that the whole recording is stored; and once the call is over, that it is proven deleted at the provider.
    async fn all_is_well(self) {
        self.line.idle().await;
        let report = self.lead.only_report().await;
        assert_eq!(report["recordings"][0]["state"], "sealed");
        assert!(self.lead.recording(&report, 1).await == speech());
        assert_eq!(
            self.twilio.deletions(&self.story),
            [0u16; 0],
            "not while the call runs"
        );
        self.send(&self.story.status()).await;
        self.line.idle().await;
        assert_eq!(self.recording().await["deleted_at_provider"], true);
        assert_eq!(self.twilio.deletions(&self.story), [204]);
        assert!(self.twilio.is_proven_gone(&self.story));
        assert_eq!(self.trail().await, [""; 0]);
        self.line.finish().await;
    }

    /// Returns what is wrong with the audit trail and what it commits to.
    async fn trail(&self) -> Vec<String> {
        let service = self.line.service();
        let proof = verify::line(&service.db.console, &service.blobs, "fcg-5", None).await;
        proof.unwrap().wrong
    }
}

/// Declares a test on both databases. The body receives a `Scene`, and ends it; `scene: Scene = slow` prepares the
/// service first.
macro_rules! on_both_scenes {
    ($(async fn $name:ident($scene:ident: Scene $(= $prepare:expr)?) $body:block)*) => {
        $(mod $name {
            use super::*;

            #[allow(unused_mut, reason = "not every test records by itself")]
            async fn body(mut $scene: Scene) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let prepare = on_both_scenes!(@prepare $($prepare)?);
                body(Scene::open(Database::sqlite(), prepare).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let prepare = on_both_scenes!(@prepare $($prepare)?);
                body(Scene::open(Database::postgres().await, prepare).await).await;
            }
        })*
    };
    (@prepare) => { |_: &mut Service| {} };
    (@prepare $prepare:expr) => { $prepare };
}

mod later;
mod panicking;
mod slots;
mod unnamed;

/// Serves a bad answer, once or more often, then the audio.
async fn after(mut scene: Scene, serving: Serving) {
    scene.record(Some(serving)).await;
    let job = scene.tried("fetch", 1).await;
    assert!(job.failures >= 1);
    scene.nothing_is_there().await;
    scene.mend().await;
    scene.all_is_well().await;
}

on_both_scenes! {
    async fn a_recording_that_is_not_there_yet_comes_later(scene: Scene) {
        after(scene, Serving::NotYet).await;
    }

    async fn a_recording_cut_short_is_none(scene: Scene) {
        after(scene, Serving::CutShort).await;
    }

    async fn a_recording_that_lacks_its_end_is_none(scene: Scene) {
        // Complete for HTTP: only the WAV header says that more should follow.
        let most = speech().slice(..speech().len() - 1000);
        after(scene, Serving::Other("audio/x-wav", most)).await;
    }

    async fn a_page_is_no_recording(scene: Scene) {
        let page = Bytes::from_static(b"<!DOCTYPE html><title>Maintenance</title>");
        after(scene, Serving::Other("text/html", page)).await;
    }

    async fn a_page_that_says_it_is_audio_is_no_recording(scene: Scene) {
        let page = Bytes::from_static(b"<!DOCTYPE html><title>Maintenance</title>");
        after(scene, Serving::Other("audio/x-wav", page)).await;
    }

    async fn bytes_that_are_no_audio_are_no_recording(scene: Scene) {
        let noise = speech().slice(44..);
        after(scene, Serving::Other("audio/x-wav", noise)).await;
    }

    async fn nothing_at_all_is_no_recording(scene: Scene) {
        after(scene, Serving::Other("audio/x-wav", Bytes::new())).await;
    }

    async fn it_is_tried_again_after_longer_and_longer(scene: Scene) {
        let clock = scene.line.service().clock;
        let mut before = clock.system_now();
        scene.record(Some(Serving::NotYet)).await;
        let mut attempts = 0;
        while attempts < 5 {
            let asked = clock.system_now();
            let job = scene.tried("fetch", attempts + 1).await;
            attempts = job.attempts;
            let wait = TimeDelta::seconds(1 << (attempts - 1));
            let (least, most) = (job.run_after - clock.system_now(), job.run_after - before);
            // Jitter adds up to a quarter.
            assert!(least <= wait * 5 / 4 && wait <= most, "{wait}: {least} to {most}");
            // The next try may begin by itself from the moment this one was seen.
            before = asked;
            scene.hurry("fetch").await;
        }
        scene.mend().await;
        scene.all_is_well().await;
    }

    async fn a_recording_the_provider_did_not_make_ends_the_fetch(scene: Scene) {
        scene.record(Some(Serving::NotYet)).await;
        scene.tried("fetch", 1).await;
        scene.send(&scene.story.absent(scene.callback.clone())).await;
        let jobs = scene.line.jobs().await;
        assert_eq!(jobs, [], "nothing to fetch");
        scene.send(&scene.story.status()).await;
        scene.line.idle().await;
        let report = scene.lead.only_report().await;
        assert_eq!(report["recordings"].as_array().unwrap().len(), 0, "{report}");
        let metrics = &scene.line.service().metrics;
        assert_eq!(metrics.recordings_lost.get(), 0, "no alarm");
        assert_eq!(scene.twilio.deletions(&scene.story), [0u16; 0]);
        assert_eq!(scene.trail().await, [""; 0]);
        scene.line.finish().await;
    }

    async fn a_fetch_that_lost_its_lease_cannot_replace_a_committed_recording(scene: Scene) {
        scene.twilio.hold(Some(Hold::Audio));
        scene.record(None).await;
        scene.twilio.holds(1).await;
        scene.twilio.hold(None);
        let service = scene.line.service();
        let mut worked = service.worked.subscribe();
        let before = *worked.borrow();
        queue::lapse(&service.db.console).await;
        service.wake.notify_one();
        scene.line.idle().await;
        assert_eq!(scene.recording().await["state"], "sealed");
        let committed = names(&scene.line.recordings());

        scene.twilio.let_go();
        let ended = worked.wait_for(|count| *count >= before + 2);
        tokio::time::timeout(DEADLINE, ended).await.expect("the first one ends").unwrap();
        assert_eq!(scene.trail().await, [""; 0]);
        let files = names(&scene.line.recordings());
        let finished = |all: &[String]| all.iter().filter(|n| n.ends_with(".age")).cloned().collect::<Vec<_>>();
        assert_eq!(finished(&files), finished(&committed));
        scene.all_is_well().await;
    }

    async fn what_is_damaged_here_is_not_deleted_there(scene: Scene) {
        scene.record(None).await;
        scene.line.idle().await;
        assert_eq!(scene.recording().await["state"], "sealed");
        let folder = scene.line.recordings();
        let file = folder.join(&names(&folder)[0]);
        let whole = std::fs::read(&file).unwrap();
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        std::fs::write(&file, damaged).unwrap();

        scene.send(&scene.story.status()).await;
        let job = scene.tried("delete", 1).await;
        assert_eq!(scene.twilio.deletions(&scene.story), [0u16; 0]);
        assert_eq!(scene.recording().await["deleted_at_provider"], false);
        assert!(scene.line.service().metrics.recordings_damaged.get() >= 1, "told");
        assert_eq!(scene.trail().await.len(), 1, "the trail tells, too");

        // The same when the file is missing altogether.
        std::fs::remove_file(&file).unwrap();
        scene.hurry("delete").await;
        scene.tried("delete", job.attempts + 1).await;
        assert_eq!(scene.twilio.deletions(&scene.story), [0u16; 0]);
        assert!(scene.line.service().metrics.recordings_damaged.get() >= 2, "told");

        // A file restored from a copy is valid again.
        std::fs::write(&file, whole).unwrap();
        scene.hurry("delete").await;
        scene.line.idle().await;
        assert_eq!(scene.twilio.deletions(&scene.story), [204]);
        assert_eq!(scene.recording().await["deleted_at_provider"], true);
        assert_eq!(scene.trail().await, [""; 0]);
        scene.line.finish().await;
    }
}
