//! Batches of any size decide the same as single webhooks. The tests keep in memory what would be in the database.

use super::batch::decide_all;
use super::decide::{Decided, open_answer, seal_answer};
use super::prepare::{open, prepare};
use super::{Hook, Reply, StepRef};
use crate::app::{self, setup};
use crate::base::clock::Clock;
use crate::config::{Config, EMBEDDED};
use crate::line::number::Caller;
use crate::service::Service;
use crate::service::webhooks::Prepared;
use crate::store::cases::{Answers, Case, Loaded};
use crate::store::keys::{self, LineKey};
use crate::telephony::Rendered;
use crate::telephony::{Event, RecordingFact, RecordingOutcome};
use crate::vault::passwords::NewPassword;
use crate::vault::secret::ServiceSecret;
use chrono::DateTime;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};
use uuid::Uuid;

/// Number of calls that webhooks are about.
const CALLS: u32 = 3;
/// The number of the line in the embedded configuration.
const NUMBER: &str = "18877009155";

/// The service, and every webhook that a test may choose from.
struct World {
    service: Arc<Service>,
    line_key: LineKey,
    webhooks: Vec<Prepared>,
    _folder: tempfile::TempDir,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(world());
    // The service's connections belong to the runtime, which must not be dropped.
    std::mem::forget(runtime);
    world
});

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let lines = &EMBEDDED[EMBEDDED.find("[[line]]").unwrap()..];
    let toml = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\npublic_url = \"https://duty.example.org\"\n
         [storage]\ndatabase = \"sqlite:data/duty.db\"\nrecordings = \"file:data/recordings\"\nsecret_file = \"data/key\"\n
         [[provider]]\nname = \"twilio\"\nkind = \"twilio\"\naccount = \"AC{:032}\"\nauth_token = \"a token of the test\"
         api_url = \"http://127.0.0.1:9\"\n\n{lines}",
        0
    );
    let config = Config::parse(&toml, "test.toml", folder.path()).unwrap();
    let open = DateTime::parse_from_rfc3339("2024-03-06T09:00:00+08:00").unwrap();
    let clock = Clock::starting_at(open.to_utc());
    let password = NewPassword::choose("seven herons over grey water").unwrap();
    let line = config.lines[0].line.id.clone();
    setup::init(
        &config,
        &clock,
        "wang",
        password,
        std::slice::from_ref(&line),
    )
    .await
    .unwrap();
    let service = app::build(config, clock).await.unwrap();
    let mut tx = service.db.webhooks.begin_read().await.unwrap();
    let line_key = keys::current_key(&mut tx, &line).await.unwrap().unwrap();
    drop(tx);
    let mut webhooks = Vec::new();
    for n in 0..CALLS {
        webhooks.extend(webhooks_of(&service, &line, n).await);
    }
    World {
        service,
        line_key,
        webhooks,
        _folder: folder,
    }
}

/// Webhooks of one call: its steps, with takes that are recorded again, recordings that are named twice or turn out
/// absent, and its end.
async fn webhooks_of(service: &Arc<Service>, line: &str, n: u32) -> Vec<Prepared> {
    let provider = Arc::clone(&service.providers["twilio"]);
    let event = || Event {
        call: format!("CA{n:032}").into(),
        to: NUMBER.to_owned().into(),
        from: Caller::Withheld,
        ..Event::nothing()
    };
    let keys = |keys: &str| Event {
        keys: Some(keys.to_owned().into()),
        ..event()
    };
    let recorded = |id: &str, outcome| Event {
        recording: Some(RecordingFact {
            id: format!("RE{n}{id}").into(),
            outcome,
        }),
        ..event()
    };
    let there = RecordingOutcome::Completed {
        seconds: Some(4),
        end: None,
    };
    let over = Event {
        ended: true,
        ..event()
    };
    let first = prepare(service, &provider, &Hook::Call, &event())
        .await
        .unwrap();
    let call = first.opening.as_ref().unwrap().call.id;
    let step = |step| StepRef {
        call,
        line: line.to_owned(),
        step,
        nothing: None,
    };
    let told = [
        (Hook::Step(step(1)), keys("1")),
        (Hook::Step(step(1)), keys("")),
        (Hook::Step(step(2)), recorded("a", there)),
        (Hook::Step(step(3)), keys("3")),
        (Hook::Step(step(3)), keys("1")),
        (Hook::Step(step(4)), recorded("b", there)),
        (Hook::Step(step(5)), keys("1")),
        (Hook::Step(step(9)), keys("1")),
        (Hook::Recording(None), recorded("a", there)),
        (
            Hook::Recording(Some(step(4))),
            recorded("b", RecordingOutcome::Absent),
        ),
        (
            Hook::Recording(Some(step(2))),
            recorded("c", RecordingOutcome::Silent),
        ),
        (Hook::Fallback, event()),
        (Hook::Fallback, recorded("d", there)),
        (Hook::Status, over),
    ];
    let mut webhooks = Vec::new();
    for (hook, event) in told {
        let mut one = prepare(service, &provider, &hook, &event).await.unwrap();
        // The test's schedule decides which of a call's webhooks opens it, so each of them is prepared to open the same
        // call.
        let spoken = matches!(hook, Hook::Step(_)) || (hook == Hook::Fallback && !one.is_of_end());
        open(service, &mut one, spoken).await.unwrap();
        let opening = one.opening.as_mut().unwrap();
        let known = first.opening.as_ref().unwrap();
        (opening.call.id, opening.call.report) = (call, known.call.report);
        opening.new.report = known.new.report.clone();
        webhooks.push(one);
    }
    webhooks.push(first);
    webhooks
}

/// What the database would hold, and the answers given.
#[derive(Default)]
struct Memory {
    cases: HashMap<[u8; 32], Case>,
    /// Report ids of the calls that became reports, in the order in which they did.
    queued: Vec<Uuid>,
    replies: Vec<Option<Reply>>,
}

impl Memory {
    /// Loads what these webhooks need, as a batch does.
    fn load(&self, world: &World, batch: &[&Prepared]) -> Loaded {
        let mut loaded = Loaded::default();
        let line = world.line_key.line.clone();
        loaded.line_keys.insert(line, world.line_key.clone());
        for (lookup, kept) in &self.cases {
            let wanted = batch.iter().filter(|one| one.lookup == *lookup);
            let wanted: Vec<_> = wanted.map(|one| one.wanted(&world.service)).collect();
            if wanted.is_empty() {
                continue;
            }
            let mut case = kept.clone();
            case.answers.retain(|step, _| {
                let wants = |answers| answers == Answers::All || answers == Answers::Of(*step);
                wanted.iter().any(|one| wants(one.answers))
            });
            if !wanted.iter().any(|one| one.recordings) {
                case.recordings.clear();
            }
            loaded.put(case);
        }
        loaded
    }

    fn decide(&mut self, world: &World, batch: &[&Prepared]) {
        let mut loaded = self.load(world, batch);
        let (decided, changes) = decide_all(
            &world.service,
            batch.iter().map(|one| Some(*one)),
            &mut loaded,
        );
        self.queued.extend(changes.queued());
        for decided in decided {
            self.replies.push(match decided.unwrap() {
                Decided::Reply(reply, _) | Decided::Stray(reply) => Some(reply),
                Decided::Open { .. } => panic!("it has been prepared"),
                Decided::Gone => panic!("nobody is gone"),
            });
        }
        for one in batch {
            let Some(after) = loaded.case(&one.call).unwrap() else {
                continue;
            };
            let kept = self.cases.entry(one.lookup).or_insert_with(|| {
                let mut new = after.clone();
                (new.answers, new.recordings) = (BTreeMap::new(), Vec::new());
                new
            });
            kept.call = after.call.clone();
            kept.answers.extend(after.answers.clone());
            for row in &after.recordings {
                kept.recordings.retain(|old| old.id != row.id);
                kept.recordings.push(row.clone());
            }
            kept.own = after.own.clone();
        }
    }

    /// Returns the opened content of all cases, sorted.
    fn opened(&self, world: &World) -> Vec<String> {
        let mut all = Vec::new();
        for (lookup, case) in &self.cases {
            let webhooks = &world.webhooks;
            let key = &webhooks
                .iter()
                .find(|one| one.lookup == *lookup)
                .unwrap()
                .key;
            let state = case.call.state.as_ref().map(|sealed| {
                let plain = key.open(sealed, b"state").unwrap();
                // The receipt and the time of the answer come from the webhook that opens the call, which is the same
                // one in both runs.
                String::from_utf8(plain.to_vec()).unwrap()
            });
            let answers = case.answers.iter();
            let answers: Vec<_> = answers
                .map(|(step, sealed)| (*step, open_answer(key, *step, sealed).unwrap().body))
                .collect();
            let mut recordings: Vec<_> = case
                .recordings
                .iter()
                .map(|row| (row.lookup.clone(), row.report, row.step, row.state))
                .collect();
            recordings.sort();
            let call = &case.call;
            all.push(format!(
                "{} {} {} {:?} {state:?} {answers:?} {recordings:?}",
                call.id, call.ended, call.at_duty, case.own.status
            ));
        }
        all.sort();
        all
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        // `PROPTEST_CASES` can ask for more.
        cases: ProptestConfig::default().cases.max(2_000),
        ..ProptestConfig::default()
    })]

    #[test]
    fn batches_of_any_size_decide_as_one_by_one(
        schedule in prop::collection::vec(any::<prop::sample::Index>(), 1..10),
        sizes in prop::collection::vec(1usize..6, 10),
    ) {
        let world = &*WORLD;
        let webhooks: Vec<&Prepared> = schedule.iter().map(|index| index.get(&world.webhooks)).collect();
        let mut single = Memory::default();
        for one in &webhooks {
            single.decide(world, &[one]);
        }
        let mut batched = Memory::default();
        let mut rest = webhooks.as_slice();
        for size in sizes {
            let (batch, later) = rest.split_at(size.min(rest.len()));
            batched.decide(world, batch);
            rest = later;
        }
        prop_assert!(rest.is_empty());
        prop_assert_eq!(&single.replies, &batched.replies);
        prop_assert_eq!(&single.queued, &batched.queued);
        prop_assert_eq!(single.opened(world), batched.opened(world));
    }
}

#[test]
fn an_answer_opens_for_its_own_step_only() {
    let key = ServiceSecret::of([1; 32]).call_key("twilio", "CA1");
    let rendered = Rendered {
        content_type: "text/xml".into(),
        body: "<Response/>".into(),
    };
    let sealed = seal_answer(&key, 1, &rendered).unwrap();
    assert_eq!(open_answer(&key, 1, &sealed).unwrap().body, rendered.body);
    assert!(open_answer(&key, 2, &sealed).is_err());
}
