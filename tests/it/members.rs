//! Members: their names, who may disable whom, which actions ask for the password again, and whose approval counts.

use crate::support::console::Desk;
use crate::support::{
    Api, LEAD, LINES, NUMBER, TestLine, chosen, on_both, sql, two_lines, until_one_waits, wav,
    wrote,
};
use chrono::TimeDelta;
use dutyline::base::clock::random_id;
use dutyline::members::{Maker, MemberError, MemberName, add, grant, new_member, unlock};
use dutyline::report::role::Role;
use dutyline::store::audit::{self, Act};
use dutyline::store::keys;
use dutyline::store::members::{self, Member};
use dutyline::store::sessions;
use dutyline::vault::action::Action;
use reqwest::StatusCode;

const PASSWORD: &str = "a long password";

/// Returns the id of the member with this name.
async fn id(line: &TestLine, name: &str) -> String {
    let mut tx = line.db().begin_read().await.unwrap();
    let member = members::by_name(&mut tx, name).await.unwrap();
    member.expect("a member").id.to_string()
}

/// Makes it `ago` that the password was given in a session.
async fn prove(line: &TestLine, desk: &Desk, ago: TimeDelta) {
    let mut tx = line.db().begin().await.unwrap();
    let at = line.service().clock.system_now() - ago;
    let hash = desk.token_hash();
    sessions::prove(&mut tx, &hash, at).await.unwrap();
    tx.commit().await.unwrap();
}

/// True if this member can log in.
async fn gets_in(line: &TestLine, name: &str, password: &str) -> bool {
    let form = [("name", name), ("password", password)];
    let answer = Desk::anybody(&line.url)
        .post("/console/sign-in", &form)
        .await;
    answer.status == StatusCode::SEE_OTHER
}

/// Returns the form that adds a member to the first line.
fn new<'a>(name: &'a str, role: &'a str, own: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("name", name),
        ("password", PASSWORD),
        ("role", role),
        ("line", LINES[0]),
        ("own_password", own),
    ]
}

/// Actor, action and detail of a link.
type Link = (Option<String>, Action, Option<String>);

/// Returns every link of a line's trail.
async fn links(line: &TestLine, id: &str) -> Vec<Link> {
    let mut tx = line.db().begin_read().await.unwrap();
    let links = audit::links(&mut tx, id, 0).await.unwrap();
    links
        .into_iter()
        .map(|link| (link.actor, link.action, link.detail))
        .collect()
}

fn link(actor: &str, action: Action, detail: &str) -> Link {
    (Some(actor.into()), action, Some(detail.into()))
}

/// Writes the password file of the first lead, and the recovery key of line `of`.
fn on_paper(line: &TestLine, of: usize) {
    std::fs::write(line.path().join("wang.txt"), LEAD.1).unwrap();
    std::fs::write(line.path().join("new.txt"), PASSWORD).unwrap();
    let key = line.keys[of].1.recovery.to_secret();
    std::fs::write(line.path().join("recovery.txt"), key.expose().as_str()).unwrap();
}

const AS_LEAD: [&str; 4] = ["--as", LEAD.0, "--as-password-file", "wang.txt"];

on_both! {
    async fn of_two_password_changes_at_once_one_counts(line: TestLine) {
        let desk = line.desk().await;
        let change = async |new: &str| {
            let form = [("old", LEAD.1), ("new", new), ("again", new)];
            desk.post("/console/password", &form).await.status
        };
        let first = "grey herons over cold water";
        let second = "cold herons over grey water";
        let both = tokio::join!(change(first), change(second));
        let in_first = gets_in(line, LEAD.0, first).await;
        assert!(in_first != gets_in(line, LEAD.0, second).await);
        // The other change was refused, or its session had ended.
        assert!((both.0 == StatusCode::OK) == in_first, "{both:?}");
        assert!((both.1 == StatusCode::OK) != in_first, "{both:?}");
    }

    async fn what_a_lead_proved_counts_no_more_once_their_password_is_changed(line: TestLine) {
        let mut tx = line.db().begin_read().await.unwrap();
        let before = members::by_name(&mut tx, LEAD.0).await.unwrap().unwrap();
        drop(tx);
        let new = "grey herons over cold water";
        let form = [("old", LEAD.1), ("new", new), ("again", new)];
        line.desk().await.post("/console/password", &form).await.ok();
        let mut tx = line.db().begin().await.unwrap();
        let now = members::by_name(&mut tx, LEAD.0).await.unwrap().unwrap();
        let acting = dutyline::members::rights::acting(&mut tx, &before).await;
        assert!(matches!(acting, Err(MemberError::NoLead(_))));
        assert!(dutyline::members::rights::acting(&mut tx, &now).await.is_ok());
    }
}

on_both! {
    async fn keys_that_changed_since_they_were_sealed_are_not_passed_on(line: TestLine) {
        let (clock, db) = (line.service().clock, line.db());
        let lead = unlock(db, LEAD.0, LEAD.1).await.unwrap();
        let maker = Maker::Member(lead.0.id);
        let name = MemberName::parse("zhao").unwrap();
        let member = new_member(&name, Role::Inspector, chosen(PASSWORD), maker).await.unwrap().0;
        let keys = line.sealed_keys(&member, &LINES[..1]).await;

        // The line gets another key meanwhile, which the member would not receive.
        let mut tx = db.begin().await.unwrap();
        let key = keys::current_key(&mut tx, LINES[0]).await.unwrap().unwrap();
        let next = keys::LineKey { id: random_id(), epoch: 2, ..key };
        let act = Act { object: Some(next.id), ..Act::new(clock.line_now(), Action::LineKeyMade) };
        keys::insert_line_key(&mut tx, &next, clock.system_now(), act).await.unwrap();
        let refused = add(&mut tx, &clock, &keys, &member).await.unwrap_err();
        assert!(matches!(refused, MemberError::KeysChanged(line) if line == LINES[0]));
        drop(tx);

        // The member has another key than the one that was sealed to.
        let mut tx = db.begin().await.unwrap();
        let other = Member { recipient: lead.0.recipient.clone(), ..member.clone() };
        let refused = add(&mut tx, &clock, &keys, &other).await.unwrap_err();
        assert!(matches!(refused, MemberError::KeysChanged(line) if line == LINES[0]));
        drop(tx);

        let mut tx = db.begin().await.unwrap();
        add(&mut tx, &clock, &keys, &member).await.unwrap();
        tx.commit().await.unwrap();
        let api = Api::log_in(&line.url, "zhao", PASSWORD).await;
        assert!(api.reports().await.is_empty());

        // The lead has lost the line.
        sql::run(db, "DELETE FROM grants", &[]).await;
        let mut tx = db.begin().await.unwrap();
        let refused = grant(&mut tx, &clock, &keys, &member).await.unwrap_err();
        assert!(matches!(refused, MemberError::NotHeld(..)));
    }

    async fn a_lead_locks_out_only_members_all_of_whose_lines_they_hold(line: TestLine = two_lines) {
        // zhao leads the second line, li works on both: only wang and li hold the first line's key.
        line.make_member("zhao", Role::Lead, PASSWORD, &LINES[1..]).await;
        line.make_member("li", Role::Inspector, PASSWORD, &LINES).await;
        let zhao = Desk::sign_in(&line.url, "zhao", PASSWORD).await.speaking("en");
        for name in ["li", LEAD.0] {
            let path = format!("/console/members/{}/disable", id(line, name).await);
            let refused = zhao.post(&path, &[("own_password", PASSWORD)]).await;
            assert_eq!(refused.status, StatusCode::CONFLICT, "{name}: {}", refused.text());
            assert!(refused.text().contains("also works on a line that is not yours"), "{}", refused.text());
        }
        assert!(gets_in(line, "li", PASSWORD).await && gets_in(line, LEAD.0, LEAD.1).await);
        // The same rule holds on the command line.
        on_paper(line, 0);
        let zhao = ["member", "disable", "li", "--as", "zhao", "--as-password-file", "new.txt"];
        let output = line.cli(&zhao).await;
        assert_eq!(output.status.code(), Some(1), "{}", wrote(&output));
        assert!(wrote(&output).contains("zhao does not hold the key of line fcg-5"), "{}", wrote(&output));
        let disable = ["member", "disable", "li"];
        let output = line.cli(&[&disable[..], &AS_LEAD].concat()).await;
        assert!(output.status.success(), "{}", wrote(&output));
    }

    async fn the_last_lead_and_the_last_holder_of_a_key_are_never_locked_out(line: TestLine = two_lines) {
        on_paper(line, 0);
        let disable = |name: &'static str| ["member", "disable", name];
        let output = line.cli(&[&disable(LEAD.0)[..], &AS_LEAD].concat()).await;
        assert_eq!(output.status.code(), Some(1), "{}", wrote(&output));
        assert!(wrote(&output).contains("wang is the last lead of line fcg-5"), "{}", wrote(&output));
        // Neither an inspector with the key nor a disabled lead counts as a lead.
        line.make_member("li", Role::Inspector, PASSWORD, &LINES).await;
        line.make_member("zhao", Role::Lead, PASSWORD, &LINES).await;
        let output = line.cli(&[&disable("zhao")[..], &AS_LEAD].concat()).await;
        assert!(output.status.success(), "{}", wrote(&output));
        let output = line.cli(&[&disable(LEAD.0)[..], &AS_LEAD].concat()).await;
        assert_eq!(output.status.code(), Some(1), "{}", wrote(&output));
        assert!(gets_in(line, LEAD.0, LEAD.1).await);
    }

    async fn of_two_leads_who_lock_each_other_out_one_stays(line: TestLine) {
        line.make_member("zhao", Role::Lead, PASSWORD, &LINES[..1]).await;
        let (wang, zhao) = (line.desk().await, Desk::sign_in(&line.url, "zhao", PASSWORD).await);
        let [of_wang, of_zhao] = [id(line, LEAD.0).await, id(line, "zhao").await].map(|id| format!("/console/members/{id}/disable"));
        let [of_wang_form, of_zhao_form] = [[("own_password", PASSWORD)], [("own_password", LEAD.1)]];
        let both = tokio::join!(wang.post(&of_zhao, &of_zhao_form), zhao.post(&of_wang, &of_wang_form));
        let left = [gets_in(line, LEAD.0, LEAD.1).await, gets_in(line, "zhao", PASSWORD).await];
        assert_eq!(left.iter().filter(|left| **left).count(), 1, "{} {}", both.0.status, both.1.status);
    }

    async fn a_name_that_could_be_taken_for_another_is_refused(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let desk = line.desk().await.speaking("en");
        on_paper(line, 0);
        for (name, words) in [
            ("l\u{200b}i", "A name has 1 to 40 characters"),
            ("\u{202e}il", "A name has 1 to 40 characters"),
            ("li\u{fe00}", "A name has 1 to 40 characters"),
            ("l\u{3164}i", "A name has 1 to 40 characters"),
            ("l\u{456}", "looks like the name of another member"),
            ("Li", "looks like the name of another member"),
            ("1i", "looks like the name of another member"),
            ("ｌｉ", "There is a member of this name already"),
            (" li ", "There is a member of this name already"),
            ("(li)", "letters and digits"),
            ("li\u{2800}", "letters and digits"),
            ("li\u{332}", "letters and digits"),
            ("-", "letters and digits"),
            ("li.", "looks like the name of another member"),
            ("vvang", "looks like the name of another member"),
            ("system", "stands for something else"),
            ("sys-tem", "stands for something else"),
            ("系统消息", "stands for something else"),
            ("ｄｕｔｙｌｉｎｅ", "stands for something else"),
            ("Recovery", "stands for something else"),
            ("recovery key", "stands for something else"),
            ("c\u{430}ller", "stands for something else"),
        ] {
            let answer = desk.post("/console/members", &new(name, "inspector", LEAD.1)).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?}");
            assert!(answer.text().contains(words), "{name:?}: {}", answer.text());
            let add = ["member", "add", name, "--role", "inspector", "--password-file", "new.txt"];
            let output = line.cli(&[&add[..], &AS_LEAD].concat()).await;
            assert!(!output.status.success(), "{name:?}: {}", wrote(&output));
        }
        // Names of roles are valid names, and so are merely unusual ones.
        for name in ["lead", "inspector", "auditor", "买买提·艾力", "O'Brien 2"] {
            let answer = desk.post("/console/members", &new(name, "inspector", LEAD.1)).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{name}: {}", answer.text());
        }
        // The name is stored in its compared form, and found however it is typed.
        let answer = desk.post("/console/members", &new("ｃｈｅｎ", "inspector", LEAD.1)).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert!(gets_in(line, "chen", PASSWORD).await && gets_in(line, "ｃｈｅｎ", PASSWORD).await);
    }

    async fn a_stolen_session_changes_no_members(line: TestLine = two_lines) {
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let desk = line.desk().await.speaking("en");
        let li = id(line, "li").await;
        let before = links(line, LINES[0]).await.len();
        prove(line, &desk, TimeDelta::minutes(6)).await;
        for (own, says) in [("", "enter it once more"), ("not the password", "Your own password is not this one.")] {
            for (path, form) in [
                ("/console/members".to_owned(), new("chen", "lead", own).to_vec()),
                (format!("/console/members/{li}/line"), vec![("line", LINES[1]), ("own_password", own)]),
                (format!("/console/members/{li}/disable"), vec![("own_password", own)]),
                (format!("/console/members/{li}/enable"), vec![("own_password", own)]),
                ("/console/members/waiver".to_owned(), vec![("line", LINES[0]), ("waive", "1"), ("own_password", own)]),
            ] {
                let answer = desk.post(&path, &form).await;
                assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
                assert!(answer.text().contains(says), "{path}: {}", answer.text());
                assert!(!answer.text().contains("not the password"), "a password is never shown again");
            }
        }
        assert_eq!(links(line, LINES[0]).await.len(), before);
        let page = desk.get("/console/members").await.ok();
        assert!(!page.contains(">chen<"), "{page}");
        assert!(gets_in(line, "li", PASSWORD).await);
    }

    async fn the_own_password_counts_for_five_minutes(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let desk = line.desk().await;
        let li = id(line, "li").await;
        let act = async |what: &str, own: &str| {
            let path = format!("/console/members/{li}/{what}");
            desk.post(&path, &[("own_password", own)]).await.status
        };
        let asks = async || desk.get("/console/members").await.ok().contains("name=\"own_password\"");
        // After the login.
        assert!(!asks().await);
        assert_eq!(act("disable", "").await, StatusCode::SEE_OTHER);
        assert_eq!(act("enable", "not the password").await, StatusCode::UNPROCESSABLE_ENTITY, "what is given is checked");
        prove(line, &desk, TimeDelta::minutes(6)).await;
        assert!(asks().await);
        assert_eq!(act("enable", "").await, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(act("enable", LEAD.1).await, StatusCode::SEE_OTHER);
        // After the password was given again, in this session only.
        let other = line.desk().await;
        prove(line, &other, TimeDelta::minutes(6)).await;
        assert!(!asks().await);
        assert_eq!(act("disable", "").await, StatusCode::SEE_OTHER);
        let path = format!("/console/members/{li}/enable");
        assert_eq!(other.post(&path, &[]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        // A time that a wrong clock has written.
        prove(line, &desk, TimeDelta::minutes(-2)).await;
        assert_eq!(act("enable", "").await, StatusCode::UNPROCESSABLE_ENTITY);
        // The database alone does not make a session fresh.
        sql::run(line.db(), "UPDATE sessions SET proved_at = created_at", &[]).await;
        assert_eq!(act("enable", "").await, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!gets_in(line, "li", PASSWORD).await);
    }

    async fn a_password_that_is_given_while_it_is_changed_leaves_the_session_whole(line: TestLine) {
        let (desk, db) = (line.desk().await, line.db());
        let (hash, now) = (desk.token_hash(), line.service().clock.system_now());
        let mut tx = db.begin_read().await.unwrap();
        let session = sessions::get(&mut tx, &hash).await.unwrap().unwrap();
        drop(tx);
        let mut changing = db.begin().await.unwrap();
        sessions::end_others(&mut changing, session.member, &hash, &[1; 40]).await.unwrap();
        let db_of_other = db.clone();
        let proving = tokio::spawn(async move {
            let mut tx = db_of_other.begin().await.unwrap();
            sessions::prove(&mut tx, &hash, now).await.unwrap();
            tx.commit().await.unwrap();
        });
        until_one_waits(db).await;
        changing.commit().await.unwrap();
        proving.await.unwrap();
        let mut tx = db.begin_read().await.unwrap();
        let after = sessions::get(&mut tx, &hash).await.unwrap().unwrap();
        assert_eq!((after.wrapped, after.proved_at), (vec![1; 40], now));
    }

    async fn leads_see_who_changed_the_members(line: TestLine = two_lines) {
        line.make_member("zhao", Role::Lead, PASSWORD, &LINES[..1]).await;
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        line.make_member("sun", Role::Lead, PASSWORD, &LINES[1..]).await;
        let wang = line.desk().await.speaking("en");
        let [zhao, li, sun] = [
            Desk::sign_in(&line.url, "zhao", PASSWORD).await.speaking("en"),
            Desk::sign_in(&line.url, "li", PASSWORD).await.speaking("en"),
            Desk::sign_in(&line.url, "sun", PASSWORD).await.speaking("en"),
        ];
        let answer = wang.post("/console/members", &new("chen", "inspector", LEAD.1)).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let told = "wang added the member chen";
        for (desk, sees) in [(&wang, true), (&zhao, true), (&li, false), (&sun, false)] {
            for page in ["/console/", "/console/banners"] {
                assert_eq!(desk.get(page).await.ok().contains(told), sees, "{page}");
            }
        }
        // A member dismisses the notice for themselves alone; later changes are shown.
        let page = zhao.get("/console/").await.ok();
        let (_, seen) = page.split_once("name=\"seen\" value=\"").expect("a form to put it away");
        let seen = seen.split('"').next().unwrap();
        let answer = zhao.post("/console/members/seen", &[("seen", seen)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let page = zhao.get("/console/").await.ok();
        assert!(!page.contains("name=\"seen\""), "nothing of it is left: {page}");
        assert!(wang.get("/console/").await.ok().contains(told));
        // Future changes cannot be dismissed.
        let far = format!("{}:{}", LINES[0], i64::MAX);
        zhao.post("/console/members/seen", &[("seen", &far)]).await;
        let path = format!("/console/members/{}/disable", id(line, "chen").await);
        assert_eq!(wang.post(&path, &[("own_password", LEAD.1)]).await.status, StatusCode::SEE_OTHER);
        let page = zhao.get("/console/").await.ok();
        assert!(page.contains("wang locked out the member chen") && !page.contains(told));
    }

    async fn only_the_changes_that_were_shown_are_put_away(line: TestLine) {
        let names: Vec<String> = ('a'..='y').map(|c| format!("{c}{c}{c}")).collect();
        for name in &names {
            line.write_member(name, &LINES[..1]).await;
        }
        let desk = line.desk().await.speaking("en");
        let told = |page: &str| -> Vec<bool> {
            names.iter().map(|name| page.contains(&format!("wang gave {name} this line"))).collect()
        };
        let seen = |page: &str| -> String {
            let (_, seen) = page.split_once("name=\"seen\" value=\"").expect("a form to put it away");
            seen.split('"').next().unwrap().to_owned()
        };
        // Twenty at once, the older ones first, and the number of the rest.
        let page = desk.get("/console/").await.ok();
        let shown = |of: std::ops::Range<usize>| (0..names.len()).map(|n| of.contains(&n)).collect::<Vec<_>>();
        assert_eq!(told(&page), shown(0..20));
        assert!(page.contains("5 more after these"), "{page}");
        desk.post("/console/members/seen", &[("seen", &seen(&page))]).await;
        let page = desk.get("/console/").await.ok();
        assert_eq!(told(&page), shown(20..25));
        assert!(!page.contains("more after these"), "{page}");
        desk.post("/console/members/seen", &[("seen", &seen(&page))]).await;
        let page = desk.get("/console/").await.ok();
        assert!(!page.contains("name=\"seen\""), "nothing of it is left: {page}");
    }

    async fn a_member_who_was_locked_out_comes_back(line: TestLine) {
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        line.make_member("zhao", Role::Lead, PASSWORD, &LINES[..1]).await;
        let desk = line.desk().await;
        let path = format!("/console/members/{}", id(line, "li").await);
        let own = [("own_password", LEAD.1)];
        assert_eq!(desk.post(&format!("{path}/disable"), &own).await.status, StatusCode::SEE_OTHER);
        assert!(!gets_in(line, "li", PASSWORD).await);
        assert!(desk.get("/console/members").await.ok().contains(&format!("{path}/enable")));
        assert_eq!(desk.post(&format!("{path}/enable"), &own).await.status, StatusCode::SEE_OTHER);
        assert!(gets_in(line, "li", PASSWORD).await);
        on_paper(line, 0);
        for act in ["disable", "enable"] {
            let output = line.cli(&[&["member", act, "li"][..], &AS_LEAD].concat()).await;
            assert!(output.status.success(), "{}", wrote(&output));
            assert_eq!(gets_in(line, "li", PASSWORD).await, act == "enable");
        }
        let links = links(line, LINES[0]).await;
        let enabled = links.iter().filter(|own| **own == link(LEAD.0, Action::MemberEnabled, "li"));
        assert_eq!(enabled.count(), 2, "{links:?}");
    }

    async fn a_recovery_key_makes_a_lead_who_opens_everything_of_its_line(line: TestLine = two_lines) {
        line.leave("+8613800138001", NUMBER, &wav(b"said before")).await;
        line.idle().await;
        on_paper(line, 0);
        let add = ["member", "add", "zhao", "--role", "lead", "--password-file", "new.txt", "--recovery-key-file", "recovery.txt", "--line"];
        let foreign = line.cli(&[&add[..], &[LINES[1]]].concat()).await;
        assert_eq!(foreign.status.code(), Some(1), "{}", wrote(&foreign));
        assert!(!gets_in(line, "zhao", PASSWORD).await);
        let output = line.cli(&[&add[..], &[LINES[0]]].concat()).await;
        assert!(output.status.success(), "{}", wrote(&output));
        let zhao = Api::log_in(&line.url, "zhao", PASSWORD).await;
        let report = zhao.only_report().await;
        assert_eq!(zhao.recording(&report, 1).await, wav(b"said before"));
        let links = links(line, LINES[0]).await;
        for action in [Action::MemberAdded, Action::Granted] {
            assert!(links.contains(&link("recovery key", action, "zhao")), "{links:?}");
        }
        assert!(Desk::sign_in(&line.url, "zhao", PASSWORD).await.get("/console/members").await.status.is_success());
        let trail = dutyline::register::verify::line(line.db(), &line.service().blobs, LINES[0], None).await.unwrap();
        assert_eq!(trail.wrong, [""; 0]);
    }

    async fn a_role_apart_is_given_no_line(line: TestLine) {
        on_paper(line, 0);
        let add = |name: &'static str, role: &'static str| ["member", "add", name, "--role", role, "--password-file", "new.txt"];
        let output = line.cli(&[&add("qian", "operator")[..], &["--line", LINES[0]], &AS_LEAD].concat()).await;
        assert!(!output.status.success() && wrote(&output).contains("they are given no line"), "{}", wrote(&output));
        let output = line.cli(&[&add("qian", "auditor")[..], &["--recovery-key-file", "recovery.txt"]].concat()).await;
        assert!(!output.status.success() && wrote(&output).contains("a lead adds members with this role"), "{}", wrote(&output));
        let output = line.cli(&[&add("qian", "cook")[..], &AS_LEAD].concat()).await;
        assert!(!output.status.success() && wrote(&output).contains("there are lead, inspector, operator"), "{}", wrote(&output));
        assert!(!gets_in(line, "qian", PASSWORD).await);
        let output = line.cli(&[&add("qian", "operator")[..], &AS_LEAD].concat()).await;
        assert!(output.status.success(), "{}", wrote(&output));
        // In the console the box of the only line is checked; it counts for no such role.
        for (name, role) in [("sun", "security_admin"), ("zhou", "auditor")] {
            let answer = line.desk().await.post("/console/members", &new(name, role, LEAD.1)).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{role}: {}", answer.text());
        }
        let apart = "SELECT COUNT(*) FROM grants JOIN members ON members.id = member WHERE name IN ('qian', 'sun', 'zhou')";
        assert_eq!(sql::number(line.db(), apart).await, 0);
        let verified = dutyline::register::verify::service(line.db(), None).await.unwrap();
        assert_eq!(verified.wrong, [""; 0]);
    }
}
