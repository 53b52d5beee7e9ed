//! A recovery key that is replaced: the former one opens and signs nothing any more, and all members of the line are told.

use super::scene::{PASSWORD, held, is_whole, opens_all, unlocked};
use crate::support::console::Desk;
use crate::support::sql::number;
use crate::support::{LEAD, LINES, NUMBER, TestLine, on_both, wav, wrote};
use dutyline::report::role::Role;
use dutyline::vault::seal::Identity;
use reqwest::StatusCode;
use std::fs;

on_both! {
    async fn a_replaced_recovery_key_opens_nothing(line: TestLine) {
        line.leave("+8613800138001", NUMBER, &wav(b"first")).await;
        line.idle().await;
        line.make_member("li", Role::Inspector, PASSWORD, &LINES[..1]).await;
        let former = line.keys[0].1.recovery.to_secret();
        let write = |name: &str, text: &str| fs::write(line.path().join(name), text).unwrap();
        write("former.txt", former.expose().as_str());
        write("wang.txt", LEAD.1);
        write("new.txt", PASSWORD);
        let renew = ["recovery", "renew", "--line", LINES[0], "--as", LEAD.0, "--as-password-file", "wang.txt"];
        let renewed = line.cli(&renew).await;
        assert!(renewed.status.success(), "{}", wrote(&renewed));
        let said = wrote(&renewed);
        assert!(said.contains("1 reports and calls sealed to the line's new key"), "{said}");
        let key = said.split_whitespace().find(|word| word.starts_with("AGE-SECRET-KEY-1")).unwrap();
        write("recovery.txt", key);
        is_whole(line, "after the change").await;
        line.leave("+8613800138002", NUMBER, &wav(b"second")).await;
        line.idle().await;

        let export = async |file: &str, to: &str| line.cli(&["export", "--recovery-key-file", file, to]).await;
        let refused = export("former.txt", "one").await;
        assert!(!refused.status.success() && wrote(&refused).contains("not the recovery key"), "{}", wrote(&refused));
        let opened = export("recovery.txt", "two").await;
        assert!(opened.status.success() && wrote(&opened).contains("2 reports and calls"), "{}", wrote(&opened));
        // A line key of the former recovery key is sealed to nothing any more.
        let former: Identity = former.expose().parse().unwrap();
        let sealed_to_former = "SELECT COUNT(*) FROM report_keys JOIN line_keys ON line_keys.id = sealed_to WHERE line_keys.epoch = 1";
        assert_eq!(number(line.db(), sealed_to_former).await, 0);
        assert_ne!(former.recipient(), key.parse::<Identity>().unwrap().recipient());
        // Members open everything, and the former recovery key adds no member.
        let (wang, own) = unlocked(line.db(), LEAD.0).await;
        let held = held(line.db(), &wang, &own).await;
        opens_all(line.db(), &held, LEAD.0).await;
        let add = async |name: &str, file: &str| {
            let add = ["member", "add", name, "--role", "inspector", "--line", LINES[0], "--password-file", "new.txt"];
            line.cli(&[&add[..], &["--recovery-key-file", file]].concat()).await
        };
        assert!(!add("zhao", "former.txt").await.status.success());
        let added = add("qian", "recovery.txt").await;
        assert!(added.status.success(), "{}", wrote(&added));
        is_whole(line, "at the end").await;

        // Everybody who works on the line is told, and puts it away for themselves.
        let li = Desk::sign_in(&line.url, "li", PASSWORD).await;
        let page = li.get("/console/").await.ok();
        assert!(page.contains("wang更换了恢复密钥"), "{page}");
        assert!(page.contains("恢复密钥持有人打开并导出了本线路的全部内容"), "{page}");
        let (_, seen) = page.split_once("name=\"seen\" value=\"").unwrap();
        let seen = seen.split('"').next().unwrap();
        let answer = li.post("/console/members/seen", &[("seen", seen)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert!(!li.get("/console/").await.ok().contains("更换了恢复密钥"));
        let page = line.desk().await.get("/console/").await.ok();
        assert!(page.contains("更换了恢复密钥") && page.contains("恢复密钥持有人"), "{page}");
    }
}
