//! Any order of changes of members and keys: every report opens for exactly those who should open it, and with the recovery
//! key. The sequences are drawn by a generator with a fixed start, so that each run has the same ones.

use super::scene::{LINE, PASSWORD, held, is_whole, member, opens_all, rest, rows, unlocked};
use crate::support::{LEAD, NUMBER, TestLine, chosen, on_both, wav};
use dutyline::members::{
    self, Maker, MemberName, Source, next_key, next_recovery_key, renew_recovery, renewal, take_off,
};
use dutyline::report::role::Role;
use dutyline::store::keys;
use dutyline::store::members::Member;
use dutyline::vault::seal::{Identity, open_identity};
use dutyline::vault::session::Token;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const NAMES: [&str; 3] = ["qian", "sun", "zhou"];
/// Number of sequences.
const SEQUENCES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    Add,
    Grant,
    TakeOff,
    Disable,
    Enable,
    ChangePassword,
    RenewRecovery,
    Call,
}

const STEPS: [Step; 8] = [
    Step::Add,
    Step::Grant,
    Step::TakeOff,
    Step::Disable,
    Step::Enable,
    Step::ChangePassword,
    Step::RenewRecovery,
    Step::Call,
];

/// A member as they should be.
struct Expected {
    /// True if they open the line's reports.
    works: bool,
    disabled: bool,
    own: Identity,
}

struct World<'a> {
    line: &'a TestLine,
    wang: (Member, Identity),
    members: BTreeMap<&'static str, Expected>,
    recovery: Identity,
    former: Vec<Identity>,
    calls: usize,
}

impl World<'_> {
    /// Does a step, unless it cannot be done now.
    async fn take(&mut self, step: Step, name: &'static str) {
        let (db, clock) = (self.line.db(), self.line.service().clock);
        let (wang, own) = (&self.wang.0, &self.wang.1);
        let from = Source::Member(wang, own);
        let lines = [LINE.to_owned()];
        let is_disabled = self.members.get(name).map(|member| member.disabled);
        let works = self.members.get(name).is_some_and(|member| member.works);
        match (step, is_disabled) {
            (Step::Add, None) => {
                let parsed = MemberName::parse(name).unwrap();
                let maker = Maker::Member(wang.id);
                let new = members::new_member(&parsed, Role::Inspector, chosen(PASSWORD), maker);
                let (new, _) = new.await.unwrap();
                let keys = members::seal_keys(db, from, &new, &lines).await.unwrap();
                let mut tx = db.begin().await.unwrap();
                members::add(&mut tx, &clock, &keys, &new).await.unwrap();
                tx.commit().await.unwrap();
                let expected = Expected {
                    works: true,
                    disabled: false,
                    own: unlocked(db, name).await.1,
                };
                self.members.insert(name, expected);
            }
            (Step::Grant, Some(_)) if !works => {
                let to = member(db, name).await;
                let keys = members::seal_keys(db, from, &to, &lines).await.unwrap();
                let mut tx = db.begin().await.unwrap();
                members::grant(&mut tx, &clock, &keys, &to).await.unwrap();
                tx.commit().await.unwrap();
                self.members.get_mut(name).unwrap().works = true;
            }
            (Step::TakeOff, Some(_)) if works => {
                let of = member(db, name).await;
                let next = next_key(db, wang, own, &of, LINE).await.unwrap();
                let mut tx = db.begin().await.unwrap();
                take_off(&mut tx, &clock, wang, &of, &next).await.unwrap();
                tx.commit().await.unwrap();
                self.members.get_mut(name).unwrap().works = false;
                self.next_epoch().await;
            }
            (Step::Disable, Some(false)) | (Step::Enable, Some(true)) => {
                let of = member(db, name).await;
                let mut tx = db.begin().await.unwrap();
                tx.sign_as(dutyline::vault::signing::Signer::new(wang.id, own));
                let disables = matches!(step, Step::Disable);
                match disables {
                    true => members::disable(&mut tx, &clock, wang, &of).await.unwrap(),
                    false => members::enable(&mut tx, &clock, wang, &of).await.unwrap(),
                };
                tx.commit().await.unwrap();
                self.members.get_mut(name).unwrap().disabled = disables;
            }
            (Step::ChangePassword, Some(false)) => {
                let of = member(db, name).await;
                let token = Token::generate();
                let own = self.members[name].own.clone();
                let wrapping = token.wrapping();
                let renewed = renewal::renew(db, &of, own, chosen(PASSWORD), &wrapping);
                let renewed = renewed.await.unwrap();
                let mut tx = db.begin().await.unwrap();
                renewal::store(&mut tx, &clock, &of, &renewed, &token.hash())
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
                self.members.get_mut(name).unwrap().own = unlocked(db, name).await.1;
            }
            (Step::RenewRecovery, _) => {
                let (next, recovery) = next_recovery_key(db, wang, own, LINE).await.unwrap();
                let mut tx = db.begin().await.unwrap();
                renew_recovery(&mut tx, &clock, wang, &next).await.unwrap();
                tx.commit().await.unwrap();
                let former = std::mem::replace(&mut self.recovery, recovery);
                self.former.push(former);
                self.next_epoch().await;
            }
            (Step::Call, _) => {
                self.calls += 1;
                let number = format!("+86138001380{:02}", self.calls);
                self.line.leave(&number, NUMBER, &wav(b"said!")).await;
                self.line.idle().await;
            }
            _ => {}
        }
    }

    /// The rest of a change of the line's key. Members who are locked out get no grant of the next key.
    async fn next_epoch(&mut self) {
        rest(self.line, self.line.db(), LEAD.0).await;
        for member in self.members.values_mut() {
            member.works &= !member.disabled;
        }
    }

    async fn check(&self, when: &str) {
        let db = self.line.db();
        let count = opens_all(db, &held(db, &self.wang.0, &self.wang.1).await, LEAD.0).await;
        assert_eq!(count, self.calls, "{when}");
        for (name, expected) in &self.members {
            let row = member(db, name).await;
            assert_eq!(row.disabled, expected.disabled, "{when}: {name}");
            let held = held(db, &row, &expected.own).await;
            match expected.works {
                true => assert_eq!(
                    opens_all(db, &held, name).await,
                    self.calls,
                    "{when}: {name}"
                ),
                false => assert!(held.is_empty(), "{when}: {name}"),
            }
        }
        let mut tx = db.begin_read().await.unwrap();
        let all = keys::line_keys(&mut tx).await.unwrap();
        drop(tx);
        let opened_with = |recovery: &Identity| -> BTreeMap<Uuid, Identity> {
            let opened = all.iter().filter_map(|key| {
                let opened = open_identity(&key.recovery, recovery).ok()?;
                Some((key.id, opened))
            });
            opened.collect()
        };
        opens_all(db, &opened_with(&self.recovery), "the recovery key").await;
        let rows = rows(db).await;
        let sealed_to = rows
            .iter()
            .flat_map(|(_, keys)| keys)
            .map(|key| key.sealed_to);
        let sealed_to: BTreeSet<Uuid> = sealed_to.collect();
        for former in &self.former {
            let opened = opened_with(former);
            assert!(
                opened.keys().all(|key| !sealed_to.contains(key)),
                "{when}: a former recovery key"
            );
        }
        is_whole(self.line, when).await;
    }
}

/// Returns the sequence with this number.
fn sequence(number: usize) -> Vec<(Step, &'static str)> {
    let step = (
        prop::sample::select(&STEPS[..]),
        prop::sample::select(&NAMES[..]),
    );
    let steps = prop::collection::vec(step, 9);
    let mut runner = TestRunner::deterministic();
    let drawn = (0..=number).map(|_| steps.new_tree(&mut runner).unwrap().current());
    // Without a member and a report there is nothing to see.
    let first = [(Step::Add, NAMES[0]), (Step::Call, NAMES[0])];
    first.into_iter().chain(drawn.last().unwrap()).collect()
}

on_both! {
    async fn every_report_opens_for_exactly_those_who_should(line: TestLine) {
        let mut world = World {
            wang: unlocked(line.db(), LEAD.0).await,
            line,
            members: BTreeMap::new(),
            recovery: line.keys[0].1.recovery.clone(),
            former: Vec::new(),
            calls: 0,
        };
        let mut done = String::new();
        for number in 0..SEQUENCES {
            for (step, name) in sequence(number) {
                done += &format!("{step:?} {name}, ");
                world.take(step, name).await;
                world.check(&done).await;
            }
        }
    }
}
