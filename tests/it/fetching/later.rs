//! A recording that cannot be fetched or deleted now is tried again for as long as the provider may have it, and
//! operators and members are told.

use super::panicking::panics;
use super::*;
use crate::support::console::Desk;
use crate::support::{LEAD, logs, wrote};
use dutyline::base::clock::instant;
use dutyline::report::role::Role;
use dutyline::store::audit;
use dutyline::vault::action::Action;
use dutyline::work::alarm;
use std::sync::Arc;
use std::time::Duration;

/// Number of the last try of the first day.
const A_DAY: i32 = 106;

impl Scene {
    /// Ages the job of this kind by a day of failures and waits for the next one, the last of that day.
    async fn has_failed_for_a_day(&self, kind: &str) {
        queue::age(self.line.db(), kind, A_DAY - 1).await;
        self.hurry(kind).await;
        self.tried(kind, A_DAY).await;
    }

    /// Returns the banners that the console shows to this member on every page.
    async fn banners(&self, name: &str, password: &str) -> String {
        let desk = Desk::sign_in(&self.line.url, name, password).await;
        desk.speaking("en").get("/console/banners").await.ok()
    }

    /// Returns the time until the next try of the only job of this kind.
    async fn waits(&self, kind: &str) -> TimeDelta {
        let now = self.line.service().clock.system_now();
        self.tried(kind, 1).await.run_after - now
    }
}

on_both_scenes! {
    async fn a_recording_that_cannot_be_fetched_for_a_day_is_not_given_up(scene: Scene) {
        scene.record(Some(Serving::NotYet)).await;
        scene.tried("fetch", 1).await;
        scene.has_failed_for_a_day("fetch").await;
        assert_eq!(scene.recording().await["state"], "announced");
        let wait = scene.waits("fetch").await;
        assert!(wait > TimeDelta::minutes(59) && wait <= TimeDelta::minutes(75), "{wait}");
        scene.mend().await;
        scene.all_is_well().await;
    }

    async fn people_are_told_of_what_keeps_failing(scene: Scene = panics) {
        logs::keep();
        scene.line.member("li", Role::Inspector, &["fcg-5"]).await;
        let service = Arc::clone(scene.line.service());
        let (mut told, now) = (alarm::Told::default(), instant());
        scene.record(Some(Serving::NotYet)).await;
        // Its first failures come within seconds; this one panics.
        let job = scene.tried("fetch", 1).await;
        assert!(job.failures >= 1, "a job that panics has failed");
        assert_eq!(alarm::look(&service, &mut told, now).await.unwrap(), 0);
        assert!(!scene.banners(LEAD.0, LEAD.1).await.contains("keep failing"));
        let output = scene.line.cli(&["check"]).await;
        assert!(wrote(&output).contains("✓ jobs: none keeps failing"), "{}", wrote(&output));

        scene.has_failed_for_a_day("fetch").await;
        let later = |minutes: u64| now + Duration::from_secs(60 * minutes);
        assert_eq!(alarm::look(&service, &mut told, now).await.unwrap(), 1);
        assert_eq!(alarm::look(&service, &mut told, later(59)).await.unwrap(), 0);
        assert_eq!(alarm::look(&service, &mut told, later(60)).await.unwrap(), 1);
        let logged = logs::all();
        let line = logged.lines().find(|line| line.contains("jobs keep failing") && line.contains("panic"));
        assert!(line.unwrap().contains("WARN") && line.unwrap().contains("job=fetch"), "{line:?}");
        assert!(scene.banners(LEAD.0, LEAD.1).await.contains("keep failing (1)"));
        assert!(!scene.banners("li", "li's-password").await.contains("keep failing"), "for leads");
        let metrics = scene.line.metrics().await;
        assert!(metrics.contains(r#"dutyline_jobs{kind="fetch",state="failing"} 1"#), "{metrics}");
        let output = scene.line.cli(&["check"]).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(wrote(&output).contains("✗ jobs: 1 of kind fetch keep failing since"), "{}", wrote(&output));
        let output = wrote(&scene.line.cli(&["jobs", "list"]).await);
        let id = output.lines().find(|line| line.contains("  fetch")).unwrap().split(' ').next().unwrap();
        assert!(output.contains("twilio") && output.contains("panic"), "{output}");

        // Once the provider serves it, an operator can retry at once instead of waiting an hour.
        scene.twilio.serve(&scene.story, None);
        let output = wrote(&scene.line.cli(&["jobs", "retry", id]).await);
        assert!(output.contains("is tried again now"), "{output}");
        scene.line.idle().await;
        assert_eq!(alarm::look(&service, &mut told, later(61)).await.unwrap(), 0);
        assert!(!scene.banners(LEAD.0, LEAD.1).await.contains("keep failing"));
        drop(service);
        scene.all_is_well().await;
    }

    async fn a_recording_that_the_provider_may_have_is_given_up_on_demand_alone(scene: Scene) {
        scene.record(Some(Serving::CutShort)).await;
        scene.tried("fetch", 1).await;
        std::fs::write(scene.line.path().join("password"), LEAD.1).unwrap();
        let listed = wrote(&scene.line.cli(&["jobs", "list"]).await);
        let fetch = listed.lines().find(|line| line.contains("  fetch")).unwrap();
        assert!(fetch.contains("  fcg-5 2024-0001  failed 1 time(s)"), "{fetch}");
        let id = fetch.split(' ').next().unwrap();
        let act = ["jobs", "give-up", id, "--as", LEAD.0, "--as-password-file", "password"];
        let output = scene.line.cli(&act).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(wrote(&output).contains("add --although-it-may-be-there"), "{}", wrote(&output));
        assert_eq!(scene.recording().await["state"], "announced");
        let act = [&act[..], &["--although-it-may-be-there"]].concat();
        let output = scene.line.cli(&act).await;
        assert!(output.status.success(), "{}", wrote(&output));
        assert_eq!(scene.recording().await["state"], "lost");
        scene.send(&scene.story.status()).await;
        scene.line.finish().await;
    }

    async fn a_lead_gives_up_a_recording_that_is_not_there_any_more(scene: Scene) {
        scene.record(Some(Serving::NotYet)).await;
        scene.tried("fetch", 1).await;
        scene.line.make_member("li", Role::Inspector, "li's-password", &["fcg-5"]).await;
        scene.line.make_member("zhao", Role::Lead, "zhao's-password", &[]).await;
        for (name, password) in [LEAD, ("li", "li's-password"), ("zhao", "zhao's-password")] {
            std::fs::write(scene.line.path().join(name), password).unwrap();
        }
        let listed = wrote(&scene.line.cli(&["jobs", "list"]).await);
        let id = |kind: &str| {
            let line = listed.lines().find(|line| line.contains(&format!("  {kind}")));
            line.unwrap().split(' ').next().unwrap().to_owned()
        };
        let (fetch, watch) = (id("fetch"), id("watch"));
        let give_up = async |job: &str, name: &str| {
            let act = ["jobs", "give-up", job, "--as", name, "--as-password-file", name];
            let output = scene.line.cli(&act).await;
            (output.status.code(), wrote(&output))
        };
        // Only a lead of the line may give up a job, and only a job for a recording.
        for (job, name) in [(&fetch, "li"), (&fetch, "zhao"), (&watch, LEAD.0)] {
            assert_eq!(give_up(job, name).await.0, Some(1), "{job} {name}");
        }
        assert_eq!(scene.recording().await["state"], "announced");

        let (code, said) = give_up(&fetch, LEAD.0).await;
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(scene.recording().await["state"], "lost");
        assert_eq!(give_up(&fetch, LEAD.0).await.0, Some(1), "there is no such job any more");
        // A callback does not restore the job.
        scene.send(&scene.story.callback(scene.callback.clone())).await;
        scene.send(&scene.story.status()).await;
        scene.line.idle().await;
        assert_eq!(scene.recording().await["state"], "lost");
        assert_eq!(scene.twilio.deletions(&scene.story), [0u16; 0]);
        let mut tx = scene.line.db().begin_read().await.unwrap();
        let links = audit::links(&mut tx, "fcg-5", 0).await.unwrap();
        drop(tx);
        let lost: Vec<_> = links.iter().filter(|link| link.action == Action::RecordingGivenUp).collect();
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].actor.as_deref(), Some(LEAD.0));
        assert_eq!(scene.trail().await, [""; 0]);
        scene.line.finish().await;
    }

    async fn a_call_is_not_settled_for_30_days_while_its_recordings_cannot_be_listed(scene: Scene) {
        // A day of tries, then one an hour.
        const THIRTY_DAYS: i32 = A_DAY + 30 * 24;
        scene.twilio.hold(Some(Hold::ListingFails));
        let menu = scene.send(&scene.story.incoming()).await;
        scene.send(&scene.story.key(menu.address("Gather", "action"), "1")).await;
        scene.twilio.record(&scene.story, &speech(), true);
        scene.send(&scene.story.status()).await;
        scene.tried("settle", 1).await;
        queue::age(scene.line.db(), "settle", THIRTY_DAYS).await;
        scene.hurry("settle").await;
        let job = scene.tried("settle", THIRTY_DAYS + 1).await;
        assert_eq!(job.failures, THIRTY_DAYS + 1, "it is still tried");

        scene.twilio.hold(None);
        scene.hurry("settle").await;
        scene.line.idle().await;
        let report = scene.lead.only_report().await;
        assert_eq!(report["recordings"][0]["state"], "sealed");
        assert!(scene.lead.recording(&report, 1).await == speech());
        scene.line.finish().await;
    }

    async fn a_later_callback_starts_the_fetch_anew(scene: Scene) {
        scene.record(Some(Serving::NotYet)).await;
        scene.tried("fetch", 1).await;
        scene.has_failed_for_a_day("fetch").await;
        scene.twilio.serve(&scene.story, None);
        scene.send(&scene.story.callback(scene.callback.clone())).await;
        scene.all_is_well().await;
    }

    async fn a_recording_of_a_provider_that_is_not_configured_is_kept(scene: Scene) {
        scene.record(Some(Serving::NotYet)).await;
        scene.tried("fetch", 1).await;
        let service = scene.line.service();
        let id = scene.recording_id().await;
        let set = "UPDATE recordings SET sid = $1";
        let renamed = service.seal_sid(id, "renamed", &scene.story.recording);
        change(&service.db.console, set, &[(&renamed).into()]).await;
        scene.has_failed_for_a_day("fetch").await;
        assert_eq!(scene.recording().await["state"], "announced");

        let back = service.seal_sid(id, "twilio", &scene.story.recording);
        change(&service.db.console, set, &[(&back).into()]).await;
        scene.mend().await;
        scene.all_is_well().await;
    }

    async fn a_deletion_that_fails_for_a_day_is_not_given_up(scene: Scene) {
        scene.record(None).await;
        scene.line.idle().await;
        let service = Arc::clone(scene.line.service());
        let id = scene.recording_id().await;
        let set = "UPDATE recordings SET sid = $1";
        let renamed = service.seal_sid(id, "renamed", &scene.story.recording);
        change(&service.db.console, set, &[(&renamed).into()]).await;
        scene.send(&scene.story.status()).await;
        scene.tried("delete", 1).await;
        scene.has_failed_for_a_day("delete").await;
        let mut told = alarm::Told::default();
        assert_eq!(alarm::look(&service, &mut told, instant()).await.unwrap(), 1);

        let back = service.seal_sid(id, "twilio", &scene.story.recording);
        change(&service.db.console, set, &[(&back).into()]).await;
        scene.hurry("delete").await;
        scene.line.idle().await;
        assert_eq!(scene.twilio.deletions(&scene.story), [204]);
        drop(service);
        scene.line.finish().await;
    }

    async fn a_provider_that_says_when_to_come_back_is_asked_no_earlier(scene: Scene) {
        scene.record(Some(Serving::Busy(429, "600".into()))).await;
        let wait = scene.waits("fetch").await;
        assert!(wait > TimeDelta::seconds(570) && wait <= TimeDelta::seconds(750), "{wait}");

        let at = scene.line.service().clock.system_now() + TimeDelta::seconds(1200);
        let date = at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        scene.twilio.serve(&scene.story, Some(Serving::Busy(503, date)));
        scene.hurry("fetch").await;
        scene.tried("fetch", 2).await;
        let wait = scene.waits("fetch").await;
        assert!(wait > TimeDelta::seconds(1140) && wait <= TimeDelta::seconds(1500), "{wait}");

        // Never longer than an hour.
        scene.twilio.serve(&scene.story, Some(Serving::Busy(429, "999999999999".into())));
        scene.hurry("fetch").await;
        scene.tried("fetch", 3).await;
        let wait = scene.waits("fetch").await;
        assert!(wait > TimeDelta::minutes(59) && wait <= TimeDelta::minutes(75), "{wait}");
        scene.mend().await;
        scene.all_is_well().await;
    }

    async fn a_job_put_off_further_than_any_backoff_is_due(scene: Scene) {
        scene.record(Some(Serving::NotYet)).await;
        scene.tried("fetch", 1).await;
        scene.twilio.serve(&scene.story, None);
        let far = scene.line.service().clock.system_now() + TimeDelta::days(399);
        let put_off = "UPDATE jobs SET run_after = $1 WHERE kind = 'fetch' AND lease IS NULL";
        change(scene.line.db(), put_off, &[far.into()]).await;
        scene.all_is_well().await;
    }

    async fn a_lease_longer_than_any_is_given_is_over(scene: Scene) {
        scene.record(Some(Serving::NotYet)).await;
        scene.tried("fetch", 1).await;
        scene.twilio.serve(&scene.story, None);
        let far = scene.line.service().clock.system_now() + TimeDelta::days(399);
        let lease = dutyline::base::clock::random_id();
        let leased = "UPDATE jobs SET lease = $1, lease_until = $2 WHERE kind = 'fetch' AND lease IS NULL";
        change(scene.line.db(), leased, &[lease.into(), far.into()]).await;
        scene.hurry("fetch").await;
        scene.all_is_well().await;
    }
}
