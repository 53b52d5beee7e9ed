//! The program is killed at every step of the change of a line's key, while callers leave messages, and members who hold
//! the line's keys go on, each on another process where the database allows several.
//!
//! On Postgres two processes of the service share the database. On SQLite there is one, and beside it the command
//! `dutyline member take-off`.

use super::callers::Callers;
use super::gate::{Before, Gate, RESEALED};
use super::scene::{FORMER_GRANTS, FORMER_KEYS, LINE, PASSWORD, held, open, rows, unlocked};
use crate::load::fill::fill;
use crate::support::console::Desk;
use crate::support::sql::number;
use crate::support::standin::StandIn;
use crate::support::{
    Api, Binary, DEADLINE, Database, LEAD, Node, each_database, kill, pause, wav,
};
use bytes::Bytes;
use dutyline::store::members::Member;
use dutyline::store::{Db, audit, keys};
use dutyline::vault::action::Action;
use dutyline::vault::seal::{Identity, open_identity};
use reqwest::StatusCode;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::AtomicUsize;
use tokio::sync::watch;
use uuid::Uuid;

/// Number of reports before the first call: two pieces.
const FILLED: usize = 400;
/// The members who are left on the line.
const HOLDERS: [&str; 3] = [LEAD.0, "zhao", "qian"];
const KEYS: &str = "SELECT COUNT(*) FROM line_keys";

/// How far the change of the line's key is, as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    /// Number of the line's keys.
    keys: i64,
    /// Number of report keys that are sealed again.
    resealed: i64,
    /// Number of report keys that are sealed to the former line key.
    former: i64,
    /// Number of grants of the former line key.
    grants: i64,
}

impl State {
    async fn read(db: &Db) -> Self {
        Self {
            keys: number(db, KEYS).await,
            resealed: number(db, RESEALED).await,
            former: number(db, FORMER_KEYS).await,
            grants: number(db, FORMER_GRANTS).await,
        }
    }

    /// Returns the state in which the program is before a step, when `all` reports are sealed to the former key.
    fn before(step: Before, all: i64) -> Self {
        let (keys, resealed, former, grants) = match step {
            Before::NextKey => (1, 0, 0, 0),
            Before::Sealing(after) => (2, after, all, 3),
            Before::Dropping(after) => (2, all, all - after, 3),
            Before::Retiring => (2, all, 0, 3),
        };
        Self {
            keys,
            resealed,
            former,
            grants,
        }
    }
}

/// The processes of the service, their provider, and what is expected of them.
struct Scene {
    binary: Binary,
    second: Option<Node>,
    twilio: StandIn,
    db: Db,
    /// The addresses of the processes that run. Callers' webhooks are sent to them in turn.
    urls: watch::Sender<Vec<String>>,
    /// What was said in messages whose receipts were told.
    said: Vec<Bytes>,
    /// The members who are left on the line, with their private keys.
    holders: Vec<(Member, Identity)>,
    /// The member who is taken off.
    li: (Member, Identity),
    /// The line keys that this member had before.
    stolen: BTreeMap<Uuid, Identity>,
    /// Number of reports that are sealed to the former key when the line gets its next one.
    all: i64,
}

impl Scene {
    async fn open(database: Database) -> Self {
        let has_two = matches!(database, Database::Postgres { .. });
        let twilio = StandIn::start().await;
        let binary = Binary::start(database, &twilio.url, std::convert::identity).await;
        let second = match has_two {
            true => Some(binary.another().await),
            false => None,
        };
        fs::write(binary.path().join("new"), PASSWORD).unwrap();
        for (name, role) in [("zhao", "lead"), ("qian", "inspector"), ("li", "inspector")] {
            let add = format!(
                "member add {name} --role {role} --password-file new --as wang --as-password-file password"
            );
            binary.run(&add.split(' ').collect::<Vec<_>>());
        }
        let end = "2024-03-06T00:00:00Z".parse().unwrap();
        fill(&binary.config(), LEAD.0, FILLED, end, false).await;
        let db = binary.db().await;
        let li = unlocked(&db, "li").await;
        let mut holders = Vec::new();
        for name in HOLDERS {
            holders.push(unlocked(&db, name).await);
        }
        let mut scene = Self {
            stolen: held(&db, &li.0, &li.1).await,
            li,
            holders,
            second,
            twilio,
            db,
            urls: watch::Sender::new(Vec::new()),
            said: Vec::new(),
            all: 0,
            binary,
        };
        scene.callers().leave(&wav(b"before")).await;
        scene.said.push(wav(b"before"));
        scene
    }

    /// Returns the address of the process with this number, or of the only one.
    fn url(&self, process: usize) -> String {
        match &self.second {
            Some(second) if process == 1 => second.url.clone(),
            _ => self.binary.url.clone(),
        }
    }

    fn callers(&self) -> Callers {
        let mut urls = vec![self.binary.url.clone()];
        urls.extend(self.second.as_ref().map(|second| second.url.clone()));
        self.urls.send_replace(urls);
        Callers {
            client: self.binary.client.clone(),
            twilio: self.twilio.clone(),
            urls: self.urls.subscribe(),
            log: self.binary.path().join("log"),
            turn: AtomicUsize::new(0),
        }
    }

    fn kill(&mut self, process: usize) {
        match &mut self.second {
            Some(second) if process == 1 => second.kill(),
            _ => self.binary.kill_alone(),
        }
    }

    async fn restart(&mut self, process: usize) {
        match &mut self.second {
            Some(second) if process == 1 => *second = self.binary.another().await,
            _ => self.binary.serve().await,
        }
        // The callers learn the new address.
        self.callers();
    }

    /// Waits until the database has this state.
    async fn until(&self, is_it: impl Fn(State) -> bool) {
        let waiting = async {
            while !is_it(State::read(&self.db).await) {
                pause().await;
            }
        };
        if tokio::time::timeout(DEADLINE, waiting).await.is_err() {
            let state = State::read(&self.db).await;
            panic!("{state:?}; {}", self.binary.log());
        }
    }

    /// Lets members go on up to a step, each with a login on a process, kills these processes there, and starts them
    /// again. Callers leave messages meanwhile.
    async fn kill_before(&mut self, step: Before, who: &[(&str, usize)]) {
        self.while_calling(async |scene| {
            let mut gate = Gate::put(&scene.binary.config(), step).await;
            // A second login would wait for the first member's piece on SQLite.
            let at_once = if scene.second.is_some() { who.len() } else { 1 };
            for (name, process) in &who[..at_once] {
                scene.goes_on(name, *process).await;
            }
            let expected = State::before(step, scene.all);
            scene.until(|state| state == expected).await;
            gate.holds().await;
            let killed: BTreeSet<usize> = match scene.second {
                Some(_) => who.iter().map(|(_, process)| *process).collect(),
                None => BTreeSet::from([0]),
            };
            killed.iter().for_each(|process| scene.kill(*process));
            gate.remove().await;
            assert_eq!(State::read(&scene.db).await, expected, "{step:?}");
            for process in killed {
                scene.restart(process).await;
            }
        })
        .await;
        self.check(step).await;
    }

    async fn goes_on(&self, name: &str, process: usize) {
        let password = if name == LEAD.0 { LEAD.1 } else { PASSWORD };
        Api::log_in(&self.url(process), name, password).await;
    }

    /// Does something while a caller leaves messages.
    async fn while_calling(&mut self, work: impl AsyncFnOnce(&mut Self)) {
        let (stop, stopped) = watch::channel(false);
        let calling = self.callers().leave_many(self.said.len(), stopped);
        let calling = tokio::spawn(calling);
        work(self).await;
        stop.send_replace(true);
        self.said.extend(calling.await.unwrap());
    }

    /// Checks who opens what, and that the chains are whole.
    async fn check(&self, step: Before) {
        let (db, when) = (&self.db, format!("{step:?}"));
        let all = rows(db).await;
        assert_eq!(all.len(), FILLED + self.said.len(), "{when}");
        let recovery: Identity = self.binary.recovery.parse().unwrap();
        let mut tx = db.begin_read().await.unwrap();
        let line_keys = keys::line_keys(&mut tx).await.unwrap();
        drop(tx);
        let of_recovery = line_keys.iter().map(|key| {
            let opened = open_identity(&key.recovery, &recovery).unwrap();
            (key.id, opened)
        });
        let of_recovery: BTreeMap<_, _> = of_recovery.collect();
        open(&all, &of_recovery, &when);
        // The members hold those of these keys that reports are sealed to, and so open the same reports.
        let sealed_to = all
            .iter()
            .flat_map(|(_, keys)| keys)
            .map(|key| key.sealed_to);
        let sealed_to: BTreeSet<Uuid> = sealed_to.collect();
        for (member, own) in &self.holders {
            let held = held(db, member, own).await;
            for key in &sealed_to {
                assert_eq!(
                    held[key].recipient(),
                    of_recovery[key].recipient(),
                    "{when}"
                );
            }
        }
        if step == Before::NextKey {
            open(&all, &self.stolen, "li");
        } else {
            let newest = line_keys.last().unwrap().id;
            assert!(held(db, &self.li.0, &self.li.1).await.is_empty(), "{when}");
            let rows = all.iter().flat_map(|(_, keys)| keys);
            for row in rows.filter(|row| row.sealed_to == newest) {
                for stolen in self.stolen.values() {
                    assert!(open_identity(&row.sealed, stolen).is_err(), "{when}");
                }
            }
            let li = Api::log_in(&self.url(0), "li", PASSWORD).await;
            assert!(li.reports().await.is_empty(), "{when}");
        }
        self.binary.run(&["audit", "verify"]);
    }
}

each_database! {
    async fn killed_at_every_step_while_callers_leave_messages(database: Database) {
        let mut scene = Scene::open(database).await;
        let take_off = ["member", "take-off", "li", "--line", LINE, "--as", LEAD.0, "--as-password-file", "password"];
        scene.while_calling(async |scene| {
            let mut gate = Gate::put(&scene.binary.config(), Before::NextKey).await;
            let mut command = scene.binary.spawn(&take_off);
            gate.holds().await;
            kill(&mut command);
            gate.remove().await;
            assert_eq!(State::read(&scene.db).await, State::before(Before::NextKey, 0));
        }).await;
        scene.check(Before::NextKey).await;

        // Done again, it is committed before any report key is sealed again. The process that keeps running has the former
        // key in memory.
        scene.while_calling(async |scene| {
            let mut gate = Gate::put(&scene.binary.config(), Before::Sealing(0)).await;
            if scene.second.is_some() {
                let wang = Desk::sign_in(&scene.url(0), LEAD.0, LEAD.1).await;
                let path = format!("/console/members/{}/take-off", scene.li.0.id);
                let answer = wang.post(&path, &[("line", LINE), ("own_password", LEAD.1)]).await;
                assert_eq!(answer.status, StatusCode::SEE_OTHER);
                gate.holds().await;
                scene.kill(0);
            } else {
                let mut command = scene.binary.spawn(&take_off);
                scene.until(|state| state.keys == 2).await;
                gate.holds().await;
                kill(&mut command);
            }
            gate.remove().await;
            scene.all = number(&scene.db, FORMER_KEYS).await;
            assert_eq!(State::read(&scene.db).await, State::before(Before::Sealing(0), scene.all));
            if scene.second.is_some() {
                scene.restart(0).await;
            }
        }).await;
        assert!(scene.all > 400, "three pieces at least");
        scene.check(Before::Sealing(0)).await;

        scene.kill_before(Before::Sealing(200), &[("zhao", 1)]).await;
        scene.kill_before(Before::Sealing(400), &[("qian", 0)]).await;
        // Two at once, of which one stores the last piece.
        scene.kill_before(Before::Dropping(0), &[("zhao", 0), ("wang", 1)]).await;
        scene.kill_before(Before::Dropping(200), &[("wang", 1)]).await;
        scene.kill_before(Before::Retiring, &[("qian", 0)]).await;
        scene.while_calling(async |scene| {
            scene.goes_on("zhao", 1).await;
            scene.until(|state| state.grants == 0).await;
            scene.kill(1);
            scene.restart(1).await;
        }).await;
        scene.finish().await;
    }
}

impl Scene {
    /// Checks that nothing of the former key is left and nothing that was said is lost, and ends the scene.
    async fn finish(mut self) {
        let last = Before::Retiring;
        let done = State {
            grants: 0,
            ..State::before(last, self.all)
        };
        assert_eq!(State::read(&self.db).await, done);
        // Nothing is left to do.
        self.goes_on("qian", 0).await;
        self.check(last).await;
        for (_, keys) in rows(&self.db).await {
            assert_eq!(keys.len(), 1);
        }
        let mut tx = self.db.begin_read().await.unwrap();
        let mut links = Vec::new();
        while let more = audit::links(&mut tx, LINE, links.len() as i64)
            .await
            .unwrap()
            && !more.is_empty()
        {
            links.extend(more);
        }
        drop(tx);
        let pieces = links
            .iter()
            .filter(|link| link.action == Action::ReportKeysResealed);
        let pieces: Vec<_> = pieces.map(|link| link.detail.as_deref().unwrap()).collect();
        let mut expected = Vec::new();
        let mut left = self.all;
        while left > 0 {
            expected.push(left.min(200).to_string());
            left -= 200;
        }
        assert_eq!(pieces, expected, "each piece once");

        // The jobs that killed processes had begun are done by others.
        if let Some(second) = &mut self.second {
            second.kill();
        }
        self.binary.kill_alone();
        self.binary.serve_again().await;
        self.binary.quiet().await;
        let zhao = Api::log_in(&self.binary.url, "zhao", PASSWORD).await;
        let mut heard = Vec::new();
        for listed in zhao.reports().await.split_off(FILLED) {
            let report = zhao.open(&listed).await;
            heard.push(zhao.recording(&report, 1).await);
        }
        heard.sort();
        self.said.sort();
        assert!(heard == self.said, "every message, once");
        self.binary.run(&["audit", "verify"]);
        self.db.close().await;
        self.binary.finish().await;
    }
}
