//! Replies: who approves one, and when a caller hears it.

use super::*;
use dutyline::report::entries::Body;
use dutyline::report::role::Role;
use dutyline::store::members;
use dutyline::store::reports::{self, EntryRow};
use dutyline::vault::action::Action;
use dutyline::vault::entry::{Address, Entry, EntryKind, seal_entry_to};
use dutyline::vault::seal::Recipient;

const MENU: &str = "补充内容请按1，再听一遍请按2。";
const REPLY: &str = "您反映的情况已转有关部门，请补充具体时间。";

on_both! {
    async fn a_reply_is_heard_once_another_has_approved_it(line: TestLine) {
        let receipt = leave(line, &wav(b"first")).await;
        let lead = line.lead().await;
        let li = line.member("li", Role::Inspector, &LINES[..1]).await;
        let report = lead.only_report().await;
        let at = |path: &str| format!("/reports/{}/{path}", report["id"].as_str().unwrap());
        let first = lead.post(&at("reply"), json!({ "text": REPLY })).await.ok();
        let approve = |entry: &Value| at(&format!("replies/{}/approve", entry["id"].as_str().unwrap()));
        let shown = || async { lead.only_report().await["replies"].clone() };
        assert_eq!(shown().await, json!([{ "entry": first["id"], "approved_by": null }]));
        let silent = format!("{QUEUED}{MENU}");
        assert_eq!(asks(line, "+8613700000001", &receipt).await, silent, "nobody else has seen it");

        let answer = lead.act(&approve(&first)).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(answer.json()["detail"].as_str().unwrap().contains("You wrote this reply"));
        assert_eq!(li.act(&approve(&first)).await.status, StatusCode::NO_CONTENT);
        assert_eq!(li.act(&approve(&first)).await.status, StatusCode::NO_CONTENT, "once more");
        assert_eq!(shown().await, json!([{ "entry": first["id"], "approved_by": "li" }]));
        let heard = format!("{QUEUED}给您的答复如下。{REPLY}{MENU}");
        assert_eq!(asks(line, "+8613700000002", &receipt).await, heard);

        // In the line's first language, whichever language the caller chose.
        let mut caller = Caller::dial_from(line, "+8613700000003", NUMBER, Faults::default()).await;
        caller.press("94").await;
        let words = caller.press(&receipt).await;
        assert!(words.starts_with("Your report is registered"), "{words}");
        let spoken_in = |text: &str| caller.view.heard.iter().find_map(|heard| match heard {
            Heard::Say { say, language } if say == text => Some(language.clone()),
            _ => None,
        });
        assert_eq!(spoken_in(REPLY).as_deref(), Some("cmn-CN"));
        caller.hang_up().await;

        // The next reply replaces it once it is approved, and not before.
        let second = li.post(&at("reply"), json!({ "text": "已经办结。" })).await.ok();
        assert_eq!(asks(line, "+8613700000004", &receipt).await, heard);
        assert_eq!(li.act(&approve(&second)).await.status, StatusCode::CONFLICT);
        assert_eq!(lead.act(&approve(&second)).await.status, StatusCode::NO_CONTENT);
        let heard = format!("{QUEUED}给您的答复如下。已经办结。{MENU}");
        assert_eq!(asks(line, "+8613700000005", &receipt).await, heard);
        is_whole(line).await;
        let mut tx = line.db().begin_read().await.unwrap();
        let id = report["id"].as_str().unwrap().parse().unwrap();
        let links = audit::of_report(&mut tx, LINES[0], id).await.unwrap();
        let approved = links.iter().filter(|link| link.action == Action::ReplyApproved);
        assert_eq!(approved.map(|link| link.actor.as_deref()).collect::<Vec<_>>(), [Some("li"), Some("wang")]);
    }

    async fn who_has_no_receipt_is_not_replied_to(line: TestLine) {
        let mut caller = Caller::dial_from(line, FIRST, NUMBER, Faults::default()).await;
        caller.press("1").await;
        caller.says(&wav(b"first")).await;
        caller.hang_up().await;
        line.idle().await;
        let lead = line.lead().await;
        let report = lead.only_report().await;
        let at = |path: &str| format!("/reports/{}/{path}", report["id"].as_str().unwrap());
        let answer = lead.post(&at("reply"), json!({ "text": REPLY })).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(answer.json()["detail"], "The caller has no receipt, so nobody could hear a reply.");
        for text in ["", " \n", &"字".repeat(501)] {
            let answer = lead.post(&at("reply"), json!({ "text": text })).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        }
        let entry = report["entries"][0]["id"].as_str().unwrap();
        let answer = lead.act(&at(&format!("replies/{entry}/approve"))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "that is no reply");
        assert_eq!(lead.only_report().await["replies"], json!([]));
    }

    async fn a_reply_in_the_console(line: TestLine) {
        let receipt = leave(line, &wav(b"first")).await;
        line.make_member("li", Role::Inspector, "a long password", &LINES[..1]).await;
        let report = line.lead().await.only_report().await;
        let page = format!("/console/reports/{}", report["id"].as_str().unwrap());
        let lead = Desk::sign_in(&line.url, LEAD.0, LEAD.1).await;
        let long = "字".repeat(501);
        let answer = lead.post(&format!("{page}/reply"), &[("text", &long)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text().contains("答复超过500字。") && answer.text().contains(&long));
        let answer = lead.post(&format!("{page}/reply"), &[("text", REPLY)]).await;
        assert_eq!(answer.location(), page);
        let shown = lead.get(&page).await.ok();
        assert!(shown.contains(REPLY) && shown.contains("尚未核对，不会播报。"), "{shown}");
        assert!(!shown.contains("已核对，可以播报"), "not for whoever wrote it");
        let entry = line.lead().await.only_report().await["replies"][0]["entry"].clone();
        let approve = format!("{page}/replies/{}/approve", entry.as_str().unwrap());
        assert_eq!(lead.post(&approve, &[]).await.status, StatusCode::CONFLICT);
        let li = Desk::sign_in(&line.url, "li", "a long password").await;
        let shown = li.get(&page).await.ok();
        assert!(shown.contains(&approve) && shown.contains("已核对，可以播报"), "{shown}");
        assert_eq!(li.post(&approve, &[]).await.location(), page);
        let shown = lead.get(&page).await.ok();
        assert!(shown.contains("li已核对，可以播报。") && !shown.contains(&approve), "{shown}");
        assert!(lead.get(&format!("{page}/trail")).await.ok().contains("核对答复"));
        assert!(asks(line, SECOND, &receipt).await.contains(REPLY));
    }

    /// A lead's second account, added by the lead, is not a second person.
    async fn an_approval_between_a_member_and_who_added_them_waits_for_a_third(line: TestLine) {
        let receipt = leave(line, &wav(b"first")).await;
        line.make_member("zhao", Role::Inspector, "zhao's password", &LINES[..1]).await;
        let lead = line.desk().await.speaking("en");
        let form = [("name", "li"), ("password", "li's password"), ("role", "lead"), ("line", LINES[0]), ("own_password", LEAD.1)];
        assert_eq!(lead.post("/console/members", &form).await.status, StatusCode::SEE_OTHER);
        let li = Desk::sign_in(&line.url, "li", "li's password").await.speaking("en");
        let report = line.lead().await.only_report().await;
        let page = format!("/console/reports/{}", report["id"].as_str().unwrap());
        let silent = format!("{QUEUED}{MENU}");
        let heard = format!("{QUEUED}给您的答复如下。{REPLY}{MENU}");
        let number = |n: u32| format!("+861370000{n:04}");
        lead.post(&format!("{page}/reply"), &[("text", REPLY)]).await;
        let entry = line.lead().await.only_report().await["replies"][0]["entry"].clone();
        let approve = format!("{page}/replies/{}/approve", entry.as_str().unwrap());
        assert_eq!(li.post(&approve, &[]).await.location(), page);
        assert_eq!(asks(line, &number(1), &receipt).await, silent, "it does not count yet");
        let shown = lead.get(&page).await.ok();
        assert!(shown.contains("It is not spoken yet: a member of another origin has to confirm the account li"), "{shown}");
        let replies = line.lead().await.only_report().await["replies"].clone();
        assert_eq!(replies, json!([{ "entry": entry, "approved_by": "li", "unconfirmed": "li" }]));

        // Neither of the two can confirm the account, and with three members on the line the confirmation cannot be
        // waived.
        let mut tx = line.db().begin_read().await.unwrap();
        let id = members::by_name(&mut tx, "li").await.unwrap().unwrap().id;
        drop(tx);
        let confirm = format!("/console/members/{id}/confirm");
        for desk in [&lead, &li] {
            assert_eq!(desk.post(&confirm, &[]).await.status, StatusCode::CONFLICT);
        }
        let waive = [("line", LINES[0]), ("waive", "1"), ("own_password", LEAD.1)];
        assert_eq!(lead.post("/console/members/waiver", &waive).await.status, StatusCode::CONFLICT);
        assert_eq!(asks(line, &number(2), &receipt).await, silent);

        // A third member confirms with one click, on a page that inspectors see too.
        let zhao = Desk::sign_in(&line.url, "zhao", "zhao's password").await.speaking("en");
        assert!(zhao.get("/console/members").await.ok().contains(&confirm));
        assert_eq!(zhao.post(&confirm, &[]).await.status, StatusCode::SEE_OTHER);
        assert_eq!(asks(line, &number(3), &receipt).await, heard);
        assert!(lead.get(&page).await.ok().contains("Checked by li; it is spoken."));
        let mut tx = line.db().begin_read().await.unwrap();
        let links = audit::links(&mut tx, LINES[0], 0).await.unwrap();
        let by = |action: Action| links.iter().rfind(|link| link.action == action).map(|link| (link.actor.clone().unwrap(), link.object));
        assert_eq!(by(Action::MemberAdded), Some((LEAD.0.into(), Some(id))));
        assert_eq!(by(Action::MemberConfirmed), Some(("zhao".into(), Some(id))));
        drop(tx);
        is_whole(line).await;
    }

    async fn on_a_line_of_two_the_lead_may_do_without_a_third(line: TestLine) {
        let receipt = leave(line, &wav(b"first")).await;
        let lead = line.desk().await.speaking("en");
        let form = [("name", "li"), ("password", "li's password"), ("role", "inspector"), ("line", LINES[0]), ("own_password", LEAD.1)];
        assert_eq!(lead.post("/console/members", &form).await.status, StatusCode::SEE_OTHER);
        let li = Desk::sign_in(&line.url, "li", "li's password").await.speaking("en");
        let report = line.lead().await.only_report().await;
        let page = format!("/console/reports/{}", report["id"].as_str().unwrap());
        li.post(&format!("{page}/reply"), &[("text", REPLY)]).await;
        let entry = line.lead().await.only_report().await["replies"][0]["entry"].clone();
        lead.post(&format!("{page}/replies/{}/approve", entry.as_str().unwrap()), &[]).await;
        let number = |n: u32| format!("+861370000{n:04}");
        let (silent, heard) = (format!("{QUEUED}{MENU}"), format!("{QUEUED}给您的答复如下。{REPLY}{MENU}"));
        assert_eq!(asks(line, &number(1), &receipt).await, silent);
        let waive = |value| [("line", LINES[0]), ("waive", value), ("own_password", LEAD.1)];
        assert_eq!(li.post("/console/members/waiver", &waive("1")).await.status, StatusCode::FORBIDDEN);
        assert_eq!(lead.post("/console/members/waiver", &waive("1")).await.status, StatusCode::SEE_OTHER);
        assert_eq!(asks(line, &number(2), &receipt).await, heard);
        for desk in [&lead, &li] {
            let told = "wang decided that approvals here count without a third member";
            assert!(desk.get("/console/").await.ok().contains(told));
        }
        assert_eq!(lead.post("/console/members/waiver", &waive("0")).await.status, StatusCode::SEE_OTHER);
        assert_eq!(asks(line, &number(3), &receipt).await, silent);
        // The waiver ends by itself once there are three members.
        assert_eq!(lead.post("/console/members/waiver", &waive("1")).await.status, StatusCode::SEE_OTHER);
        assert_eq!(asks(line, &number(4), &receipt).await, heard);
        line.make_member("zhao", Role::Inspector, "zhao's password", &LINES[..1]).await;
        assert_eq!(asks(line, &number(5), &receipt).await, silent);
        let mut tx = line.db().begin_read().await.unwrap();
        let links = audit::links(&mut tx, LINES[0], 0).await.unwrap();
        let (waived, required) = (Action::ConfirmationWaived, Action::ConfirmationRequired);
        let noted = links.iter().map(|link| link.action).filter(|action| [waived, required].contains(action));
        assert_eq!(noted.collect::<Vec<_>>(), [waived, required, waived, required]);
    }

    /// An attacker who can write to the database knows every public key, but a reply swapped in is not spoken.
    async fn a_reply_that_was_swapped_is_not_spoken(line: TestLine) {
        let receipt = leave(line, &wav(b"first")).await;
        let lead = line.lead().await;
        let li = line.member("li", Role::Inspector, &LINES[..1]).await;
        let report = lead.only_report().await;
        let id: Uuid = report["id"].as_str().unwrap().parse().unwrap();
        let reply = async |text: &str, approved: bool| -> EntryRow {
            let body = json!({ "text": text });
            let entry = lead.post(&format!("/reports/{id}/reply"), body).await.ok();
            let entry: Uuid = entry["id"].as_str().unwrap().parse().unwrap();
            if approved {
                let answer = li.act(&format!("/reports/{id}/replies/{entry}/approve")).await;
                assert_eq!(answer.status, StatusCode::NO_CONTENT);
            }
            let mut tx = line.db().begin_read().await.unwrap();
            let all = reports::entries(&mut tx, id).await.unwrap();
            all.into_iter().find(|row| row.id == entry).unwrap()
        };
        let older = reply("旧的答复。", true).await;
        let newer = reply(REPLY, true).await;
        let number = |n: u32| format!("+861370000{n:04}");
        let silent = format!("{QUEUED}{MENU}");
        let heard = format!("{QUEUED}给您的答复如下。{REPLY}{MENU}");
        assert_eq!(asks(line, &number(0), &receipt).await, heard);

        let mut tx = line.db().begin_read().await.unwrap();
        let row = reports::get(&mut tx, id).await.unwrap().unwrap();
        let receipts = reports::receipts(&mut tx, id).await.unwrap();
        drop(tx);
        let to: Vec<Recipient> = [&row.recipient, &receipts[0]].iter().map(|own| own.parse().unwrap()).collect();
        let address = Address { line: LINES[0].into(), report: id, entry: newer.id, kind: EntryKind::Reply };
        let at = line.service().clock.line_now();
        let body = Body::Reply("伪造的答复。".into()).into();
        let forged = Entry { address, at, by: Some("wang".into()), body };
        let forged = seal_entry_to(&forged, &to.iter().collect::<Vec<_>>()).bytes;
        const SET_SEALED: &str = "UPDATE entries SET sealed = $2 WHERE id = $1";
        for (n, sealed) in (1..).zip([&forged, &older.sealed]) {
            change(line.db(), SET_SEALED, &[newer.id.into(), sealed.into()]).await;
            assert_eq!(asks(line, &number(n), &receipt).await, silent);
            assert_ne!(lead.get(&format!("/reports/{id}")).await.status, StatusCode::OK);
            change(line.db(), SET_SEALED, &[newer.id.into(), (&newer.sealed).into()]).await;
        }
        assert_eq!(asks(line, &number(3), &receipt).await, heard);

        // In another order an older reply would be the latest one.
        change(line.db(), "UPDATE entries SET n = n - 1000000 WHERE id = $1", &[newer.id.into()]).await;
        assert_eq!(asks(line, &number(5), &receipt).await, silent);
        change(line.db(), "UPDATE entries SET n = n + 1000000 WHERE id = $1", &[newer.id.into()]).await;
        assert_eq!(asks(line, &number(6), &receipt).await, heard);

        // An unapproved reply, marked as approved in the database.
        let third = reply("没有人核对过。", false).await;
        let marked = "UPDATE replies SET approved_by = (SELECT id FROM members WHERE name = 'li') WHERE entry = $1";
        change(line.db(), marked, &[third.id.into()]).await;
        assert_eq!(asks(line, &number(4), &receipt).await, silent);
        assert_ne!(lead.get(&format!("/reports/{id}")).await.status, StatusCode::OK);
        let recordings = &line.service().blobs;
        let wrong = verify::line(line.db(), recordings, LINES[0], None).await.unwrap().wrong;
        let refused = "the database holds a row that this service did not write, in the table replies";
        assert_eq!(wrong, [format!("report {id}: {refused}")]);
    }
}
