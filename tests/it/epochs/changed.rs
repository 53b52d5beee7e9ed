//! What is changed in the database after the keys of reports were sealed again is found, and the pinned key is the
//! first one.

use super::scene::{
    FORMER_GRANTS, FORMER_KEYS, LINE, PASSWORD, all_open, is_finished, is_whole, rest, rows, shown,
    step_one, unlocked,
};
use crate::support::sql::{change, number, run};
use crate::support::{Api, LEAD, LINES, NUMBER, TestLine, on_both, wav, wrote};
use dutyline::app;
use dutyline::conduct::{Hook, conduct};
use dutyline::config::Config;
use dutyline::line::number::Caller;
use dutyline::members::MemberError;
use dutyline::members::resealing::finish;
use dutyline::register::verify;
use dutyline::report::role::Role;
use dutyline::service::Service;
use dutyline::store::report_keys::ReportKeyRow;
use dutyline::store::{StoreError, installation, keys};
use dutyline::telephony::Event;
use dutyline::vault::proof::{Content, ProofKeys};
use dutyline::vault::seal::{Identity, seal_identity};
use reqwest::StatusCode;
use std::fs;
use std::sync::Arc;

/// Answers a call with this id at the provider.
async fn answered(service: &Arc<Service>, id: &str) -> Result<(), StoreError> {
    let call = Event {
        call: id.to_owned().into(),
        to: NUMBER.to_owned().into(),
        from: Caller::Withheld,
        keys: None,
        ended: false,
        recording: None,
        unnamed: None,
    };
    let provider = &service.providers["twilio"];
    conduct(service, provider, &Hook::Call, &call)
        .await
        .map(drop)
}

on_both! {
    async fn what_is_changed_afterwards_is_found(line: TestLine) {
        let line = &*line;
        for word in [b"first".as_slice(), b"secnd", b"third"] {
            line.leave("+8613800138001", NUMBER, &wav(word)).await;
        }
        line.idle().await;
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let db = line.db();
        run(db, "CREATE TABLE former_keys AS SELECT * FROM report_keys", &[]).await;
        run(db, "CREATE TABLE former_grants AS SELECT * FROM grants", &[]).await;
        step_one(line, "li").await.unwrap();
        assert_eq!(rest(line, db, LEAD.0).await, 3);
        let lead = line.lead().await;
        assert_eq!(shown(&lead).await.len(), 3);
        is_whole(line, "before").await;
        run(db, "CREATE TABLE kept_keys AS SELECT * FROM report_keys", &[]).await;
        let service = line.service();
        let mut tx = db.begin_read().await.unwrap();
        let installed = installation::get(&mut tx).await.unwrap().unwrap().id;
        drop(tx);
        let proofs = ProofKeys::new(&service.secret, installed);
        let all = rows(db).await;
        let mac = |key: &ReportKeyRow| {
            let content = Content::of("report_keys").id(key.report).integer(i64::from(key.epoch)).text("line");
            let content = content.id(key.sealed_to).bytes(&*key.sealed).bytes(key.path.as_deref());
            proofs.of_row(content, key.link).to_vec()
        };
        let refused = async |what: &str, found: &str| {
            let listed = lead.reports().await;
            let report = lead.get(&format!("/reports/{}", listed[0]["id"].as_str().unwrap())).await;
            assert_eq!(report.status, StatusCode::INTERNAL_SERVER_ERROR, "{what}");
            let proof = verify::line(db, &service.blobs, LINE, None).await.unwrap();
            assert!(proof.wrong.iter().any(|wrong| wrong.contains(found)), "{what}: {:?}", proof.wrong);
            run(db, "DELETE FROM report_keys", &[]).await;
            run(db, "INSERT INTO report_keys SELECT * FROM kept_keys", &[]).await;
            is_whole(line, what).await;
            assert_eq!(shown(&lead).await.len(), 3, "{what}");
        };
        let first = &all[0].1[0];
        let set = "UPDATE report_keys SET sealed = $2, path = $3, link = $4, mac = $5 WHERE report = (SELECT n FROM reports WHERE id = $1)";
        let changed = |what: &str, change: &dyn Fn(&mut ReportKeyRow)| {
            let mut row = first.clone();
            change(&mut row);
            (what.to_owned(), row)
        };
        let other = all[1].1[0].clone();
        let forged = Identity::generate();
        let mut tx = db.begin_read().await.unwrap();
        let current = keys::current_key(&mut tx, LINE).await.unwrap().unwrap();
        drop(tx);
        let to = current.recipient.parse().unwrap();
        for (what, row) in [
            changed("the path", &|row| row.path.as_mut().unwrap()[5] ^= 1),
            changed("the path of another report", &|row| row.path = other.path.clone()),
            changed("the key of another report", &|row| row.sealed = other.sealed.clone()),
            changed("the row of another report", &|row| (row.sealed, row.path) = (other.sealed.clone(), other.path.clone())),
            changed("another link", &|row| row.link = Some(row.link.unwrap() - 1)),
            changed("no link", &|row| (row.link, row.path) = (None, None)),
            changed("a key of a stranger", &|row| row.sealed = seal_identity(&forged, &[&to])),
        ] {
            // Without a MAC that holds, and as the owner of the service secret could write it.
            for (with, mac, found) in [("former", mac(first), "report_keys"), ("own", mac(&row), "was changed or added")] {
                let path = row.path.clone().unwrap_or_default();
                let values = [first.report.into(), (&row.sealed).into(), (&path).into(), row.link.unwrap_or_default().into(), (&mac).into()];
                change(db, set, &values).await;
                if row.path.is_none() {
                    change(db, "UPDATE report_keys SET path = NULL, link = NULL WHERE report = (SELECT n FROM reports WHERE id = $1)", &[first.report.into()]).await;
                }
                refused(&format!("{what}, with its {with} MAC"), found).await;
            }
        }
        change(db, "DELETE FROM report_keys WHERE report = (SELECT n FROM reports WHERE id = $1)", &[first.report.into()]).await;
        refused("no row", "is missing").await;

        // The rows of before are not accepted again.
        run(db, "INSERT INTO report_keys SELECT * FROM former_keys", &[]).await;
        let proof = verify::line(db, &service.blobs, LINE, None).await.unwrap();
        assert_eq!(proof.wrong.iter().filter(|wrong| wrong.contains("which was retired")).count(), 3);
        let li = Api::log_in(&line.url, "li", PASSWORD).await;
        run(db, "DELETE FROM grants", &[]).await;
        run(db, "INSERT INTO grants SELECT * FROM former_grants", &[]).await;
        assert_eq!(li.get("/reports").await.status, StatusCode::INTERNAL_SERVER_ERROR);
        let of_service = verify::service(db, None).await.unwrap();
        assert!(!of_service.wrong.is_empty());

        // The link.
        let link = first.link.unwrap();
        change(db, "UPDATE audit SET digest = $2 WHERE line = 'fcg-5' AND seq = $1", &[link.into(), (&vec![1; 32]).into()]).await;
        let listed = lead.get(&format!("/reports/{}", first.report)).await;
        assert_eq!(listed.status, StatusCode::INTERNAL_SERVER_ERROR);
        let proof = verify::line(db, &service.blobs, LINE, None).await.unwrap();
        assert!(proof.wrong.iter().any(|wrong| wrong.starts_with(&format!("link {link} was changed"))));
    }

    async fn while_a_report_key_is_refused_nothing_is_dropped(line: TestLine) {
        for word in [b"first".as_slice(), b"secnd"] {
            line.leave("+8613800138001", NUMBER, &wav(word)).await;
        }
        line.idle().await;
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let (db, clock) = (line.db(), line.service().clock);
        run(db, "CREATE TABLE kept_keys AS SELECT * FROM report_keys", &[]).await;
        let (wang, own) = unlocked(db, LEAD.0).await;
        step_one(line, "li").await.unwrap();
        for (broken, count) in [
            ("UPDATE report_keys SET epoch = 2", 2),
            ("UPDATE report_keys SET epoch = 2 WHERE report = (SELECT MAX(report) FROM report_keys)", 1),
        ] {
            run(db, broken, &[]).await;
            let stopped = finish(db, &clock, &wang, &own, LINE, || false).await;
            assert!(matches!(stopped, Err(MemberError::NotResealed(line, left)) if line == LINE && left == count));
            assert_eq!((number(db, FORMER_KEYS).await, number(db, FORMER_GRANTS).await), (2, 1));
            run(db, "DELETE FROM report_keys", &[]).await;
            run(db, "INSERT INTO report_keys SELECT * FROM kept_keys", &[]).await;
        }
        assert_eq!(rest(line, db, LEAD.0).await, 2);
        is_finished(line).await;
        assert_eq!(all_open(line, &[LEAD.0], "at the end").await, 2);
    }

    async fn a_pinned_key_is_the_first_of_its_line(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let first = line.keys[0].1.recipient.to_string();
        let pinned = |key: &str| {
            let toml = line.toml.replace("# key = \"age1…\"", &format!("key = \"{key}\""));
            fs::write(line.path().join("test.toml"), &toml).unwrap();
            Config::parse(&toml, "test.toml", line.path()).unwrap()
        };
        let service = app::build(pinned(&first), line.service().clock).await.unwrap();
        let call = async |id: &str| answered(&service, id).await;
        assert!(call("CA1").await.is_ok());
        step_one(line, "li").await.unwrap();
        assert!(call("CA2").await.is_ok(), "the key that was in memory");
        rest(line, line.db(), LEAD.0).await;
        assert!(call("CA3").await.is_ok());
        service.db.close().await;
        assert_eq!(all_open(line, &[LEAD.0], "afterwards").await, 3);
        pinned(&first);
        let output = line.cli(&["check"]).await;
        assert!(wrote(&output).contains("line fcg-5: key, as pinned"), "{}", wrote(&output));
        pinned(&Identity::generate().recipient().to_string());
        let output = line.cli(&["check"]).await;
        assert!(wrote(&output).contains("the key in the database is not the pinned one"), "{}", wrote(&output));

        let mut tx = line.db().begin_read().await.unwrap();
        let current = keys::current_key(&mut tx, LINE).await.unwrap().unwrap();
        assert_eq!(current.epoch, 2);
        assert!(keys::is_pinned(&mut tx, &current, &first).await.unwrap());
        let stranger = Identity::generate().recipient().to_string();
        for other in [&stranger, &current.recipient] {
            assert!(!keys::is_pinned(&mut tx, &current, other).await.unwrap());
            let refused = app::build(pinned(other), line.service().clock).await;
            assert!(refused.is_err_and(|error| error.to_string().contains("another key in the database than the one pinned")));
        }
        drop(tx);
        // A first key that this service did not write is no proof of descent.
        let set = "UPDATE line_keys SET recipient = $1 WHERE epoch = 1";
        change(line.db(), set, &[stranger.as_str().into()]).await;
        let mut tx = line.db().begin_read().await.unwrap();
        let refused = keys::is_pinned(&mut tx, &current, &stranger).await;
        assert!(matches!(refused, Err(StoreError::Forged("line_keys"))));
        drop(tx);
        change(line.db(), set, &[first.as_str().into()]).await;
        line.forget_jobs().await;
    }
}
