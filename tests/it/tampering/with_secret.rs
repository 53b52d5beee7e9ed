//! An attacker who can write to the database and has the service secret too, so that every MAC they write holds, but
//! neither a member's password nor the pinned lead's key.

use super::LINE;
use super::forger::Forger;
use crate::support::sql::{change, run};
use crate::support::{Api, LEAD, NUMBER, TestLine, on_both, wav, wrote};
use dutyline::app;
use dutyline::config::Config;
use dutyline::members::{Source, seal_keys, unlock};
use dutyline::register::trail::OfReport;
use dutyline::register::verify;
use dutyline::report::role::Role;
use dutyline::store::audit::SERVICE;
use dutyline::store::members::{self, Member};
use dutyline::store::{Db, keys, reports};
use dutyline::vault::action::Action;
use dutyline::vault::chain::Link;
use dutyline::vault::proof::Content;
use dutyline::vault::seal::Identity;
use dutyline::vault::signing::Signer;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use uuid::Uuid;

const PASSWORD: &str = "nine geese above still reeds";

/// The forger, with the database whose transactions it commits.
struct Attack<'a> {
    line: &'a TestLine,
    forger: Forger,
}

impl<'a> Attack<'a> {
    async fn on(line: &'a TestLine) -> Self {
        let forger = Forger::of(line).await;
        Self { line, forger }
    }

    /// Adds a link to the end of its chain, signed by `by`, and returns its number.
    async fn link(&self, link: Link, by: Option<&Signer>) -> i64 {
        let mut tx = self.line.db().begin().await.unwrap();
        let number = self.forger.link(&mut tx, link, by).await;
        tx.commit().await.unwrap();
        number
    }

    /// Writes the row of a member, as set by the link with this number.
    async fn member(&self, row: &Member, link: i64) {
        let mac = self.forger.keys.of_row(content_of(row), Some(link));
        let sql =
            "UPDATE members SET recipient = $2, verifying = $3, link = $4, mac = $5 WHERE id = $1";
        let values = [
            row.id.into(),
            row.recipient.as_str().into(),
            row.verifying.as_str().into(),
            link.into(),
            mac[..].into(),
        ];
        change(self.line.db(), sql, &values).await;
    }
}

fn content_of(row: &Member) -> Content {
    Content::of("members")
        .id(row.id)
        .text(&*row.name)
        .text(row.role.as_str())
        .text(&*row.recipient)
        .text(&*row.verifying)
        .bytes(&*row.wrapped)
        .boolean(row.disabled)
        .id(row.made_by)
        .id(row.confirmed_by)
}

fn link(chain: &str, action: Action, actor: &str, object: Uuid, digest: [u8; 32]) -> Link {
    Link {
        line: chain.to_owned(),
        seq: 0,
        at: chrono::DateTime::UNIX_EPOCH,
        actor: Some(actor.to_owned()),
        action,
        report: None,
        object: Some(object),
        digest: Some(digest),
        detail: None,
    }
}

async fn member(db: &Db, name: &str) -> Member {
    let mut tx = db.begin_read().await.unwrap();
    members::by_name(&mut tx, name).await.unwrap().unwrap()
}

on_both! {
    async fn a_members_key_is_not_replaced(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &[]).await;
        let (db, attack) = (line.db(), Attack::on(line).await);
        let (li, wang) = (member(db, "li").await, member(db, LEAD.0).await);
        let stranger = Identity::generate();
        let lead = Signer::new(wang.id, &stranger);
        let own = Signer::new(li.id, &stranger);
        let forged = Member {
            recipient: stranger.recipient().to_string(),
            verifying: own.verifying().to_string(),
            ..li.clone()
        };
        run(db, "CREATE TABLE kept AS SELECT * FROM audit", &[]).await;
        run(db, "CREATE TABLE kept_heads AS SELECT * FROM audit_heads", &[]).await;
        // As li, and as the lead who would have added them anew, with keys that are not theirs, or without a signature.
        let detail = format!("{} li", own.verifying());
        let changed = Link { detail: Some(detail), ..link(SERVICE, Action::PasswordChanged, "li", li.id, forged.digest()) };
        let detail = format!("inspector {} li", own.verifying());
        let added = Link { detail: Some(detail), ..link(SERVICE, Action::MemberAdded, LEAD.0, li.id, forged.digest()) };
        let by_nobody = Link { actor: None, ..changed.clone() };
        for (link, by) in [(changed.clone(), Some(&own)), (added, Some(&lead)), (changed, None), (by_nobody, None)] {
            let number = attack.link(link, by).await;
            attack.member(&forged, number).await;
            for node in [db, &line.db_again().await] {
                let mut tx = node.begin_read().await.unwrap();
                assert!(members::by_name(&mut tx, "li").await.is_err());
            }
            let wrong = verify::service(db, None).await.unwrap().wrong;
            let not_signed = format!("link {number} is not signed by a member who may cause it");
            assert!(wrong.contains(&not_signed), "{wrong:?}");
            // Nothing is sealed to the stranger.
            let fresh = line.db_again().await;
            let (lead, identity) = match unlock(&fresh, LEAD.0, LEAD.1).await {
                Ok(unlocked) => unlocked,
                Err(_) => (wang.clone(), Identity::generate()),
            };
            let given = seal_keys(&fresh, Source::Member(&lead, &identity), &forged, &[LINE.to_owned()]).await;
            assert!(given.is_err());
            fresh.close().await;
            for sql in ["DELETE FROM audit", "DELETE FROM audit_heads", "INSERT INTO audit SELECT * FROM kept", "INSERT INTO audit_heads SELECT * FROM kept_heads"] {
                run(db, sql, &[]).await;
            }
        }
        // The forged links are gone again: other members are as they were.
        assert!(members::by_name(&mut db.begin_read().await.unwrap(), LEAD.0).await.unwrap().is_some());
    }

    async fn no_grant_and_no_waiver_is_written(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &[]).await;
        let (db, attack) = (line.db(), Attack::on(line).await);
        let (li, wang) = (member(db, "li").await, member(db, LEAD.0).await);
        let key = keys::current_key(&mut db.begin_read().await.unwrap(), LINE).await.unwrap().unwrap();
        // An inspector has a key of their own, and is no lead.
        let (_, identity) = unlock(db, "li", PASSWORD).await.unwrap();
        let own = Signer::new(li.id, &identity);
        let sealed = vec![1; 40];
        let content = Content::of("grants").id(key.id).id(li.id).text(LINE).bytes(&sealed[..]);
        let granted = Link { detail: Some(key.id.to_string()), ..link(SERVICE, Action::Granted, "li", li.id, content.digest()) };
        let number = attack.link(granted, Some(&own)).await;
        let mac = attack.forger.keys.of_row(content, Some(number));
        let sql = "INSERT INTO grants (line_key, member, sealed, link, mac) VALUES ($1, $2, $3, $4, $5)";
        change(db, sql, &[key.id.into(), li.id.into(), (&sealed).into(), number.into(), mac[..].into()]).await;
        assert!(keys::grants(&mut db.begin_read().await.unwrap(), li.id).await.is_err());

        let content = Content::of("waivers").text(LINE).id(wang.id);
        let waived = Link { detail: Some(LINE.to_owned()), ..link(SERVICE, Action::ConfirmationWaived, "li", wang.id, content.digest()) };
        let number = attack.link(waived, Some(&own)).await;
        let mac = attack.forger.keys.of_row(content, Some(number));
        let sql = "INSERT INTO waivers (line, member, link, mac) VALUES ($1, $2, $3, $4)";
        change(db, sql, &[LINE.into(), wang.id.into(), number.into(), mac[..].into()]).await;
        for node in [db, &line.db_again().await] {
            assert!(members::waiver(&mut node.begin_read().await.unwrap(), LINE).await.is_err());
        }
        let wrong = verify::service(db, None).await.unwrap().wrong;
        assert_eq!(wrong.iter().filter(|sentence| sentence.contains("is not signed by a member")).count(), 2, "{wrong:?}");
    }

    async fn no_reply_is_approved(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &[LINE]).await;
        line.leave("+8613800138001", NUMBER, &wav(b"first")).await;
        line.idle().await;
        let (db, attack, lead) = (line.db(), Attack::on(line).await, line.lead().await);
        let id = lead.only_report().await["id"].as_str().unwrap().to_owned();
        let reply = lead.post(&format!("/reports/{id}/reply"), json!({ "text": "请带证据来。" })).await.ok();
        let entry: Uuid = reply["id"].as_str().unwrap().parse().unwrap();
        let report: Uuid = id.parse().unwrap();
        let li = member(db, "li").await;
        let mut tx = db.begin_read().await.unwrap();
        let row = reports::entries(&mut tx, report).await.unwrap().into_iter().find(|row| row.id == entry).unwrap();
        let whole = reports::get(&mut tx, report).await.unwrap().unwrap();
        drop(tx);
        let digest = Sha256::digest(&row.sealed).into();
        let approved = Link { report: Some(report), ..link(LINE, Action::ReplyApproved, "li", entry, digest) };
        let stranger = Signer::new(li.id, &Identity::generate());
        let number = attack.link(approved, Some(&stranger)).await;
        let committed = OfReport::read(&mut db.begin_read().await.unwrap(), &whole).await.unwrap();
        assert!(!committed.has_approval(&row, "li"));
        let proof = verify::line(db, &line.service().blobs, LINE, None).await.unwrap();
        assert!(proof.wrong.contains(&format!("link {number} is not signed by whom it names")), "{:?}", proof.wrong);
        // The same approval, by li.
        let li = Api::log_in(&line.url, "li", PASSWORD).await;
        assert_eq!(li.act(&format!("/reports/{id}/replies/{entry}/approve")).await.status, 204);
        let committed = OfReport::read(&mut db.begin_read().await.unwrap(), &whole).await.unwrap();
        assert!(committed.has_approval(&row, "li"));
    }

    async fn a_report_has_one_key_and_its_entries_one_writer(line: TestLine) {
        line.leave("+8613800138001", NUMBER, &wav(b"first")).await;
        line.idle().await;
        let (db, attack) = (line.db(), Attack::on(line).await);
        let id = line.lead().await.only_report().await["id"].as_str().unwrap().parse().unwrap();
        let mut tx = db.begin_read().await.unwrap();
        let report = reports::get(&mut tx, id).await.unwrap().unwrap();
        let key = keys::current_key(&mut tx, LINE).await.unwrap().unwrap();
        drop(tx);
        // A second answered call of the same report, with another key.
        let stranger = Identity::generate().recipient().to_string();
        let answered = Link {
            actor: None,
            report: Some(id),
            detail: Some(stranger.clone()),
            ..link(LINE, Action::CallAnswered, "", key.id, [1; 32])
        };
        let first = attack.link(answered, None).await;
        // A reply that no member has signed.
        let entry = Uuid::from_bytes([5; 16]);
        let reply = Link {
            actor: None,
            report: Some(id),
            detail: Some("reply".to_owned()),
            ..link(LINE, Action::EntryAdded, "", entry, [2; 32])
        };
        let second = attack.link(reply, None).await;
        let committed = OfReport::read(&mut db.begin_read().await.unwrap(), &report).await.unwrap();
        assert!(committed.has_recipient(&report));
        let forged = reports::Report { recipient: stranger, ..report };
        assert!(!committed.has_recipient(&forged));
        assert!(!committed.has_writer(entry, None));
        let wrong = verify::line(db, &line.service().blobs, LINE, None).await.unwrap().wrong;
        for sentence in [
            format!("link {first} answers a call that was answered before"),
            format!("link {second} is not signed by whom it names"),
        ] {
            assert!(wrong.contains(&sentence), "{sentence}: {wrong:?}");
        }
    }

    async fn another_lead_comes_first(line: TestLine) {
        let wang = member(line.db(), LEAD.0).await;
        let pinned = |key: &str| {
            let toml = line.toml.replacen("[storage]", &format!("[trust]\nlead = \"{key}\"\n\n[storage]"), 1);
            (Config::parse(&toml, "test.toml", line.path()).unwrap(), toml)
        };
        let (config, toml) = pinned(&wang.verifying);
        app::build(config, line.service().clock).await.unwrap().db.close().await;
        fs::write(line.path().join("test.toml"), toml).unwrap();
        let verified = line.cli(&["audit", "verify", "--public"]).await;
        assert!(verified.status.success(), "{}", wrote(&verified));
        let said = wrote(&verified);
        assert!(said.contains("✓ the service:") && said.contains("✓ fcg-5:"), "{said}");

        let stranger = Signer::new(wang.id, &Identity::generate()).verifying().to_string();
        let (config, toml) = pinned(&stranger);
        let Err(error) = app::build(config, line.service().clock).await else {
            panic!("a service starts with a lead who is not pinned");
        };
        assert!(error.to_string().contains("the database begins with another lead"), "{error}");
        fs::write(line.path().join("test.toml"), toml).unwrap();
        let verified = line.cli(&["audit", "verify", "--public"]).await;
        assert!(!verified.status.success());
        assert!(wrote(&verified).contains("✗ the service: link 1 is not signed by a member who may cause it"));
        let listed = line.cli(&["member", "list"]).await;
        assert!(wrote(&listed).contains("the database begins with another lead"), "{}", wrote(&listed));
        fs::write(line.path().join("test.toml"), &line.toml).unwrap();
    }
}
