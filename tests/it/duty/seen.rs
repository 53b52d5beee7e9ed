//! What inspectors see of a conversation while it lasts, and how they learn of its end.

use super::*;
use crate::support::{on_both, queue};
use dutyline::simulator::faults::Faults;
use reqwest::StatusCode;

const LIVE: &str = "正在通话";
const HINT: &str = "来电人正在与值班人员通话，可以边听边记：";

on_both! {
    async fn pages_show_a_talk_and_learn_of_its_end(line: TestLine = roster) {
        answers(line, FIRST, "1");
        let desk = line.desk().await;
        let mut queue = desk.follow(&desk.get("/console/").await.ok()).await;
        let mut caller = Caller::dial(line).await;
        caller.press("2").await;
        assert!(is_talking(&caller));
        // The queue's page is notified of the report, and shows that its caller is on the telephone.
        assert_eq!(queue.next().await.unwrap().0, "changed");
        let page = desk.get("/console/").await.ok();
        assert!(page.contains(LIVE) && page.contains("人工接听"), "{page}");
        let report = line.lead().await.only_report().await;
        let at = format!("/console/reports/{}", report["id"].as_str().unwrap());
        let page = desk.get(&at).await.ok();
        assert!(page.contains(LIVE) && page.contains(HINT), "{page}");
        let note = [("text", "来电人说食堂采购没有招标。")];
        let written = desk.post(&format!("{at}/note"), &note).await;
        assert_eq!(written.status, StatusCode::SEE_OTHER);
        let page = desk.get(&at).await.ok();
        for part in ["来电人说食堂采购没有招标。", "值班人员接听", "<p>甲</p>"] {
            assert!(page.contains(part), "{part} in {page}");
        }

        let mut open = desk.follow(&page).await;
        let mut queue = desk.follow(&desk.get("/console/").await.ok()).await;
        caller.hang_up().await;
        assert_eq!(open.next().await.unwrap().0, "changed");
        assert_eq!(queue.next().await.unwrap().0, "changed");
        for path in ["/console/", &at] {
            let page = desk.get(path).await.ok();
            assert!(!page.contains(LIVE) && !page.contains(HINT), "{page}");
        }
        let trail = desk.get(&format!("{at}/trail")).await.ok();
        assert!(trail.contains("通话结束"), "{trail}");
        line.idle().await;
        let page = desk.get(&at).await.ok();
        assert!(page.contains("与值班人员通话"), "how far the caller got: {page}");
        let verified = line.cli(&["audit", "verify"]).await;
        assert!(verified.status.success(), "{}", crate::support::wrote(&verified));
    }

    /// The webhook for the end of the call is lost, and the `watch` job detects the end.
    async fn the_end_of_a_talk_nobody_told_of(line: TestLine = roster) {
        answers(line, FIRST, "1");
        let faults = Faults { drop_action: true, drop_status: true, ..Faults::default() };
        let mut caller = Caller::dial_with(line, faults).await;
        caller.press("2").await;
        let desk = line.desk().await;
        let report = line.lead().await.only_report().await;
        let at = format!("/console/reports/{}", report["id"].as_str().unwrap());
        let mut open = desk.follow(&desk.get(&at).await.ok()).await;
        caller.hang_up().await;
        assert!(desk.get(&at).await.ok().contains(LIVE), "nobody knows of it");
        queue::make_due(line.db(), "watch").await;
        line.service().wake.notify_one();
        assert_eq!(open.next().await.unwrap().0, "changed");
        assert!(!desk.get(&at).await.ok().contains(LIVE));
        line.idle().await;
        assert_eq!(only(&line.lead().await.only_report().await, "call")["reached"], "connected");
    }
}
