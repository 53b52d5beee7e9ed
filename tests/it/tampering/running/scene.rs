//! What the running service is asked while a row is changed, and what must hold of each answer: nothing is shown or
//! spoken that was not said, and nothing is sealed to a stranger.

use crate::support::queue::{self, Job};
use crate::support::{Api, DEADLINE, LEAD, TestLine, chosen, pause, wav, words};
use crate::tampering::attack::Attack;
use crate::tampering::contents::{ENTRIES, Found, Kind, MACS, Mac, read_one};
use crate::tampering::matrix::{PASSWORD, findings};
use bytes::Bytes;
use dutyline::members::confirming::set_waiver;
use dutyline::members::{self, Maker, MemberName, Source, unlock};
use dutyline::report::entries::Body;
use dutyline::report::role::Role;
use dutyline::simulator::exchange::SpeechEnd;
use dutyline::simulator::spoken;
use dutyline::store::audit::Act;
use dutyline::store::members::{Member, by_name};
use dutyline::store::{self, blobs, keys, reports};
use dutyline::vault::action::Action;
use dutyline::vault::entry::{Address, Entry, EntryKind, seal_entry_to};
use dutyline::vault::seal::{Identity, Recipient, open, open_identity};
use dutyline::vault::signing::Signer;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Lines with a report each, and the last one, which the first lead alone works on. There are several because a line looks
/// up at most twenty receipts in a short time (`src/service/guesses.rs`).
pub const LINES: [&str; 7] = [
    "fcg-5", "fcg-6", "fcg-7", "fcg-8", "fcg-9", "fcg-10", "fcg-11",
];
/// Number of lines with a report.
pub const SIDES: usize = 6;
/// The line that is given to a member.
pub const GIVEN: &str = LINES[SIDES];
/// What callers have said on them.
const SAID: [&[u8; 5]; SIDES] = [b"first", b"secnd", b"third", b"forth", b"fifth", b"sixth"];
/// What the caller of any other call says.
const LATER: &[u8; 5] = b"later";
/// Postgres numbers rows when they are inserted: at most so many may be committed after one with a higher number.
const AT_ONCE: i64 = 20;
/// A text that no member has written.
const FORGED: &str = "请带证据来某处。";

/// The text of a reply that is not approved.
const ANOTHER: &str = "另有一事。";

fn number_of(line: usize) -> String {
    (18_877_009_155 + line as u64).to_string()
}

/// Returns the text that a member has replied.
fn reply(side: usize) -> String {
    format!(
        "第{}件事已经转交。",
        ["一", "二", "三", "四", "五", "六"][side]
    )
}

/// Returns the configuration with all lines.
pub fn seven_lines(toml: String) -> String {
    let first = toml[toml.find("[[line]]").expect("a line")..].to_owned();
    let other = |n: usize| {
        let line = first.replace(&format!("{:?}", LINES[0]), &format!("{:?}", LINES[n]));
        format!("\n{}", line.replace(&number_of(0), &number_of(n)))
    };
    toml + &(1..LINES.len()).map(other).collect::<String>()
}

/// What a member or a caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// The lead opens the report of the line.
    Open,
    /// The lead listens to its recording.
    Play,
    /// The lead logs in.
    LogIn,
    /// The caller calls back and enters the receipt.
    CallBack,
    /// A caller leaves a message.
    Leave,
    /// The caller of a call that has begun says the message and sends it.
    GoOn,
    /// The lead gives a member a line.
    Give,
    /// The lead writes another reply, which is not approved.
    Reply,
}

/// A report with an approved reply.
struct Side {
    report: Uuid,
    receipt: String,
    said: Bytes,
    /// The report as the API shows it.
    shown: Value,
    /// An entry in place of the reply that says something else, sealed to the same keys.
    forged: Vec<u8>,
}

/// The service while it runs, with what is true.
pub struct Running<'a> {
    pub line: &'a TestLine,
    /// A session of the lead.
    pub lead: Api,
    stranger: Identity,
    sides: Vec<Side>,
    wang: Identity,
    zhao: (Member, Identity),
    /// The private halves of line keys and of reports' keys.
    line_keys: BTreeMap<Uuid, Identity>,
    report_keys: BTreeMap<Uuid, Identity>,
    /// The last report and the last entry that were looked at.
    seen: (i64, i64),
    callers: usize,
}

impl<'a> Running<'a> {
    /// Makes the members, the lines' reports, and the attacker whose public keys are put in place of the true ones. The
    /// approvals of the reports are by a member whom their author has added, so they count while the line has a
    /// waiver.
    pub async fn set(line: &'a TestLine) -> (Self, Attack<'a>) {
        let (db, clock) = (line.db(), line.service().clock);
        let (lead, own) = unlock(db, LEAD.0, LEAD.1).await.unwrap();
        let name = MemberName::parse("li").unwrap();
        let new = members::new_member(
            &name,
            Role::Inspector,
            chosen(PASSWORD),
            Maker::Member(lead.id),
        );
        let (li, _) = new.await.unwrap();
        let keys = line.sealed_keys(&li, &LINES[..SIDES]).await;
        let mut tx = db.begin().await.unwrap();
        tx.sign_as(Signer::new(lead.id, &own));
        members::add(&mut tx, &clock, &keys, &li).await.unwrap();
        for line in &LINES[..SIDES] {
            assert!(
                set_waiver(&mut tx, &clock, &lead, line, true)
                    .await
                    .unwrap()
            );
        }
        tx.commit().await.unwrap();
        line.make_member("zhao", Role::Inspector, PASSWORD, &[])
            .await;
        let li = Api::log_in(&line.url, "li", PASSWORD).await;
        let api = line.lead().await;
        let mut sides = Vec::new();
        for (n, said) in SAID.map(|word| wav(word)).into_iter().enumerate() {
            let exchange = &line.exchange;
            let call = exchange
                .dial(&format!("+861380013800{n}"), &number_of(n))
                .await
                .unwrap()
                .id;
            exchange.press(&call, "1").await.unwrap();
            exchange
                .speak(&call, said.clone(), Some(SpeechEnd::Key))
                .await
                .unwrap();
            let heard = words(&exchange.press(&call, "1").await.unwrap());
            exchange.hang_up(&call).await.unwrap();
            line.idle().await;
            let all = api.reports().await;
            let report = all
                .iter()
                .find(|report| report["line"] == LINES[n])
                .unwrap();
            let path = format!("/reports/{}", report["id"].as_str().unwrap());
            let reply = api
                .post(&format!("{path}/reply"), json!({ "text": reply(n) }))
                .await
                .ok();
            let approve = format!("{path}/replies/{}/approve", reply["id"].as_str().unwrap());
            assert_eq!(li.act(&approve).await.status, StatusCode::NO_CONTENT);
            sides.push(Side {
                report: report["id"].as_str().unwrap().parse().unwrap(),
                receipt: spoken::receipt(&heard).unwrap(),
                said,
                forged: Vec::new(),
                shown: api.get(&path).await.ok(),
            });
        }
        let mut tx = db.begin_read().await.unwrap();
        let grants = keys::grants(&mut tx, lead.id).await.unwrap();
        drop(tx);
        let opened = grants
            .iter()
            .map(|grant| (grant.line_key, open_identity(&grant.sealed, &own).unwrap()));
        let attack = Attack::on(line).await;
        let mut running = Self {
            line,
            lead: api,
            stranger: attack.stranger.clone(),
            sides,
            line_keys: opened.collect(),
            zhao: unlock(db, "zhao", PASSWORD).await.unwrap(),
            wang: own,
            report_keys: BTreeMap::new(),
            seen: (0, 0),
            callers: 0,
        };
        running.forge().await;
        running.nothing_is_sealed_to_a_stranger().await;
        (running, attack)
    }

    /// Seals the forged replies, to the public halves of keys that are in the database.
    async fn forge(&mut self) {
        let at = self.line.service().clock.line_now();
        let mut tx = self.line.db().begin().await.unwrap();
        for (n, side) in self.sides.iter_mut().enumerate() {
            let report = reports::get(&mut tx, side.report).await.unwrap().unwrap();
            let receipts = reports::receipts(&mut tx, side.report).await.unwrap();
            let to = receipts.iter().chain([&report.recipient]);
            let to: Vec<Recipient> = to.map(|recipient| recipient.parse().unwrap()).collect();
            let entry = side.shown["replies"][0]["entry"].as_str().unwrap();
            let address = Address {
                line: LINES[n].into(),
                report: side.report,
                entry: entry.parse().unwrap(),
                kind: EntryKind::Reply,
            };
            let (by, body) = (Some(LEAD.0.to_owned()), Body::Reply(FORGED.into()).into());
            let entry = Entry {
                address,
                at,
                by,
                body,
            };
            side.forged = seal_entry_to(&entry, &to.iter().collect::<Vec<_>>()).bytes;
        }
    }

    pub fn report(&self, side: usize) -> Uuid {
        self.sides[side].report
    }

    pub fn forged(&self, side: usize) -> &[u8] {
        &self.sides[side].forged
    }

    /// Begins a call in which a message is being recorded. Returns its id, and what was heard.
    pub async fn begin(&mut self, side: usize) -> (String, String) {
        let exchange = &self.line.exchange;
        let number = self.number();
        let dialled = exchange.dial(&number, &number_of(side)).await.unwrap();
        let pressed = exchange.press(&dialled.id, "1").await.unwrap();
        let heard = [&dialled, &pressed].map(words).concat();
        (dialled.id, heard)
    }

    fn number(&mut self) -> String {
        self.callers += 1;
        format!("+86139{:08}", self.callers)
    }

    /// Does this, and checks what is seen and heard. Returns true if it was done as without a change.
    pub async fn act(&mut self, deed: Deed, side: usize, begun: Option<&str>) -> bool {
        match deed {
            Deed::Open => self.open(side).await,
            Deed::Play => self.play(side).await,
            Deed::LogIn => {
                let body = json!({ "name": LEAD.0, "password": LEAD.1 });
                is_done(self.line.anybody().post("/session", body).await.status)
            }
            Deed::CallBack => self.call_back(side).await,
            Deed::Leave => {
                let (call, heard) = self.begin(side).await;
                let is_sent = self.send(&call, heard).await;
                self.jobs_are_tried().await;
                is_sent
            }
            Deed::GoOn => {
                let is_sent = self.send(begun.unwrap(), String::new()).await;
                self.jobs_are_tried().await;
                is_sent
            }
            Deed::Give => self.give().await.is_ok(),
            Deed::Reply => {
                let path = format!("/reports/{}/reply", self.sides[side].report);
                let body = json!({ "text": ANOTHER });
                is_done(self.lead.post(&path, body).await.status)
            }
        }
    }

    async fn open(&self, side: usize) -> bool {
        let Side { report, shown, .. } = &self.sides[side];
        let answer = self.lead.get(&format!("/reports/{report}")).await;
        if !is_done(answer.status) {
            return false;
        }
        let answer = answer.json();
        for part in ["entries", "replies"] {
            let is_true = |one: &Value| shown[part].as_array().unwrap().contains(one);
            let all = answer[part].as_array().unwrap();
            assert!(all.iter().all(is_true), "{part}: {all:?}");
        }
        ["entries", "replies", "recordings"]
            .iter()
            .all(|part| answer[part] == shown[part])
    }

    async fn play(&self, side: usize) -> bool {
        let Side { report, said, .. } = &self.sides[side];
        let answer = self
            .lead
            .get(&format!("/reports/{report}/recordings/1"))
            .await;
        let is_played = is_done(answer.status);
        assert!(
            !is_played || answer.body == *said,
            "another recording is played"
        );
        is_played
    }

    async fn call_back(&mut self, side: usize) -> bool {
        let exchange = &self.line.exchange;
        let number = self.number();
        let dialled = exchange.dial(&number, &number_of(side)).await.unwrap();
        let call = &dialled.id;
        let asked = exchange.press(call, "4").await.unwrap();
        let told = exchange
            .press(call, &self.sides[side].receipt)
            .await
            .unwrap();
        exchange.hang_up(call).await.unwrap();
        let heard = sentences([&dialled, &asked, &told].map(words).concat());
        let others = (0..SIDES).filter(|other| *other != side).map(reply);
        for text in others.chain([FORGED, ANOTHER].map(str::to_owned)) {
            assert!(!heard.contains(&text), "{heard}");
        }
        heard.contains(&reply(side))
    }

    async fn send(&self, call: &str, before: String) -> bool {
        let exchange = &self.line.exchange;
        let said = exchange
            .speak(call, wav(LATER), Some(SpeechEnd::Key))
            .await
            .unwrap();
        let sent = exchange.press(call, "1").await.unwrap();
        exchange.hang_up(call).await.unwrap();
        let told = words(&sent);
        sentences(before + &words(&said) + &told);
        spoken::receipt(&told).is_some()
    }

    /// Waits until each job that is due was tried: a call is settled, and its recording is sealed, while a row is changed.
    async fn jobs_are_tried(&self) {
        let tried = async {
            loop {
                let now = self.line.service().clock.system_now();
                let all = queue::all(self.line.db()).await;
                let waits = |job: &Job| job.lease_until.is_some() || job.run_after <= now;
                if !all.iter().any(waits) {
                    return;
                }
                self.line.service().wake.notify_one();
                pause().await;
            }
        };
        let tried = tokio::time::timeout(DEADLINE, tried).await;
        tried.expect("jobs are tried");
    }

    /// Takes what the lead has written last for true.
    pub async fn look_again(&mut self, side: usize) {
        let path = format!("/reports/{}", self.sides[side].report);
        let now = self.lead.get(&path).await.ok();
        let former = &self.sides[side].shown;
        for entry in now["entries"].as_array().unwrap() {
            let is_former = former["entries"].as_array().unwrap().contains(entry);
            assert!(is_former || entry["body"]["text"] == ANOTHER, "{entry}");
        }
        self.sides[side].shown = now;
    }

    /// Gives the line as the console does, except that the lead's key was opened with the password before.
    async fn give(&self) -> Result<(), String> {
        let service = self.line.service();
        let db = &service.db.console;
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let mut tx = db.begin_read().await.map_err(|error| failed(&error))?;
        let found = async |tx: &mut _, name| match by_name(tx, name).await {
            Ok(found) => found.ok_or_else(|| format!("no {name}")),
            Err(error) => Err(failed(&error)),
        };
        let lead = found(&mut tx, LEAD.0).await?;
        let to = found(&mut tx, "zhao").await?;
        drop(tx);
        if lead.recipient != self.wang.recipient().to_string() || lead.disabled {
            return Err("the password does not open the lead's key".into());
        }
        let from = Source::Member(&lead, &self.wang);
        let keys = members::seal_keys(db, from, &to, &[GIVEN.to_owned()]).await;
        let keys = keys.map_err(|error| failed(&error))?;
        let mut tx = db.begin().await.map_err(|error| failed(&error))?;
        let given = members::grant(&mut tx, &service.clock, &keys, &to).await;
        given.map_err(|error| failed(&error))?;
        tx.commit().await.map_err(|error| failed(&error))
    }

    /// Checks that what was sealed since the last time opens with the true keys, and not with the stranger's.
    pub async fn nothing_is_sealed_to_a_stranger(&mut self) {
        let mut tx = self.line.db().begin().await.unwrap();
        let mac = |table: &str| MACS.iter().find(|mac| mac.table == table).unwrap();
        let mut last = async |table: &str| {
            let sql = format!("SELECT COALESCE(MAX(n), 0) AS c FROM {table}");
            read_one(&mut tx, Kind::Number, &sql).await.number()
        };
        let last = (last("reports").await, last("entries").await);
        let mut read = async |mac: &Mac, condition: &str| mac.read(&mut tx, condition).await;
        // Jobs add reports meanwhile: those of entries that are read first are found.
        let entries = format!("n > {} AND n <= {}", self.seen.1, last.1);
        let entries = read(&ENTRIES, &entries).await;
        let from = self.seen.0 - AT_ONCE;
        let keys = read(mac("report_keys"), &format!("report > {from}")).await;
        let reports = read(mac("reports"), &format!("n > {from}")).await;
        let recipients = reports
            .iter()
            .map(|row| (row.cells[0].id(), row.cells[2].text()));
        let recipients: BTreeMap<Option<Uuid>, &str> = recipients.collect();
        for Found { cells, .. } in keys {
            let (report, to, sealed) = (
                cells[0].id().unwrap(),
                cells[3].id().unwrap(),
                cells[4].bytes(),
            );
            if self.report_keys.contains_key(&report) {
                continue;
            }
            assert!(
                open_identity(sealed, &self.stranger).is_err(),
                "a report's key"
            );
            let key = open_identity(sealed, &self.line_keys[&to]).expect("the line's key opens it");
            assert_eq!(
                key.recipient().to_string(),
                recipients[&Some(report)],
                "a report's key"
            );
            self.report_keys.insert(report, key);
        }
        for Found { cells, .. } in entries {
            let (report, sealed) = (cells[1].id().unwrap(), cells[3].bytes());
            assert!(open(sealed, &self.stranger).is_err(), "an entry");
            assert!(open(sealed, &self.report_keys[&report]).is_ok(), "an entry");
        }
        self.seen = last;
        for Found { cells, .. } in read(mac("grants"), "TRUE").await {
            let (key, member, sealed) = (cells[0].id().unwrap(), cells[1].id(), cells[3].bytes());
            assert!(open_identity(sealed, &self.stranger).is_err(), "a grant");
            if member == Some(self.zhao.0.id) {
                let opened =
                    open_identity(sealed, &self.zhao.1).expect("the member's key opens it");
                assert_eq!(
                    opened.recipient().to_string(),
                    self.line_keys[&key].recipient().to_string()
                );
            }
        }
    }

    /// Checks that the service reads what it has not shown: members, keys, grants, the receipt and the waiver.
    pub async fn reads(&self, side: usize) {
        let mut tx = self.line.service().db.console.begin_read().await.unwrap();
        let all = store::members::list(&mut tx).await.unwrap();
        for member in &all {
            keys::grants(&mut tx, member.id).await.unwrap();
        }
        for line in [LINES[side], GIVEN] {
            assert!(keys::current_key(&mut tx, line).await.unwrap().is_some());
        }
        let waiver = store::members::waiver(&mut tx, LINES[side]).await.unwrap();
        assert_eq!(waiver.as_deref(), Some(LEAD.0));
        let receipts = reports::receipts(&mut tx, self.report(side)).await.unwrap();
        assert_eq!(receipts.len(), 1);
    }

    /// Checks everything that is there in the end: all is done again as without a change, all chains are whole, and what
    /// later callers have said is sealed and played.
    pub async fn is_whole(&mut self) {
        self.seen = (0, 0);
        self.report_keys.clear();
        self.nothing_is_sealed_to_a_stranger().await;
        for side in 0..SIDES {
            for deed in [Deed::Open, Deed::Play, Deed::CallBack, Deed::Leave] {
                assert!(self.act(deed, side, None).await, "{deed:?} {side}");
            }
        }
        for deed in [Deed::LogIn, Deed::Give] {
            assert!(self.act(deed, 0, None).await, "{deed:?}");
        }
        self.nothing_is_sealed_to_a_stranger().await;
        self.line.idle().await;
        let db = self.line.db();
        let found = findings(self.line, &mut db.begin().await.unwrap(), &LINES).await;
        assert_eq!(found, [""; 0]);
        self.all_recordings_are_what_was_said().await;
    }

    async fn all_recordings_are_what_was_said(&self) {
        let mut tx = self.line.db().begin_read().await.unwrap();
        let said: Vec<Bytes> = SAID
            .into_iter()
            .chain([LATER])
            .map(|word| wav(word))
            .collect();
        let mut count = 0;
        for (report, key) in &self.report_keys {
            for blob in blobs::of_report(&mut tx, *report).await.unwrap().values() {
                let (store, length) = (&self.line.service().blobs, said[0].len() as u64);
                let mut reader = store
                    .reader(blob.object, &blob.digests, key, length)
                    .unwrap();
                let heard = reader.read_range(0, length).unwrap();
                assert!(
                    said.iter().any(|said| **said == *heard),
                    "another recording"
                );
                count += 1;
            }
        }
        assert!(count > 2 * SIDES, "{count} recordings");
    }

    /// Takes the member off the line that was given, with the program's functions.
    pub async fn take_back(&self) {
        let clock = self.line.service().clock;
        let mut tx = self.line.db().begin().await.unwrap();
        let grants = keys::grants(&mut tx, self.zhao.0.id).await.unwrap();
        let wang = by_name(&mut tx, LEAD.0).await.unwrap().unwrap();
        tx.sign_as(Signer::new(wang.id, &self.wang));
        let act = Act {
            actor: Some(LEAD.0),
            ..Act::new(clock.line_now(), Action::TakenOff)
        };
        keys::delete_grants(&mut tx, &grants, &act).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// True for an answer that is none of an error. Any other must be an error.
fn is_done(status: StatusCode) -> bool {
    let is_error = status.is_client_error() || status.is_server_error();
    assert!(status.is_success() || is_error, "{status}");
    status.is_success()
}

/// Returns what a caller has heard, which is at least a sentence.
fn sentences(heard: String) -> String {
    let sentences = spoken::sentences(&heard).len();
    assert!(sentences > 0, "the caller hears nothing");
    heard
}
