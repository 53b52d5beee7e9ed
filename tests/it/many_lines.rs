//! A member with more lines than a page shows details of.

use crate::support::sql::change;
use crate::support::{TestLine, on_both, wav};
use reqwest::StatusCode;

const LINES: usize = 20;

fn number(n: usize) -> String {
    format!("0770{:07}", 2_000_000 + n)
}

fn twenty(toml: String) -> String {
    let line = &toml[toml.find("[[line]]").unwrap()..];
    let others = (1..LINES).map(|n| {
        line.replace("\"fcg-5\"", &format!("\"line-{n}\""))
            .replace("18877009155", &number(n))
    });
    std::iter::once(toml.clone()).chain(others).collect()
}

/// Returns the numbers of the lines in a page's banners.
fn told_of(page: &str) -> Vec<String> {
    let banners = page.split("<strong>").skip(1);
    let numbers = banners.filter_map(|banner| banner.split_once(' '));
    numbers.map(|(number, _)| number.to_owned()).collect()
}

on_both! {
    async fn pages_tell_of_the_chosen_line_and_of_those_that_need_attention(line: TestLine = twenty) {
        for n in [3, 7] {
            line.leave("+8613800138000", &number(n), &wav(b"said")).await;
        }
        line.idle().await;
        let desk = line.desk().await;
        let all = desk.get("/console/").await.ok();
        assert_eq!(told_of(&all), Vec::<String>::new());
        assert_eq!(all.matches("<tr id=").count(), 2);
        assert!(all.contains("name=\"line\" value=\"\"") && !all.contains("line=line-3"), "{all}");
        assert!(!all.contains("class=\"count\""), "nothing is counted: {all}");

        let chosen = desk.get("/console/?line=line-3").await.ok();
        assert_eq!(told_of(&chosen), [number(3)]);
        assert_eq!(chosen.matches("<tr id=").count(), 1);
        assert!(chosen.contains("<span class=\"count\">1</span>"), "{chosen}");
        assert_eq!(desk.get("/console/?line=line-20").await.status, StatusCode::NOT_FOUND);

        // A flood is shown on every page.
        let flood = "INSERT INTO call_hours (line, hour, answered, without_message)
            SELECT $1, hour, 30, 30 FROM call_hours WHERE line = $2";
        change(line.db(), flood, &["line-5".into(), "line-3".into()]).await;
        assert_eq!(told_of(&desk.get("/console/").await.ok()), [number(5)]);
        assert_eq!(told_of(&desk.get("/console/?line=line-3").await.ok()), [number(3), number(5)]);

        // Claims the report that has waited longest on any line.
        for _ in 0..2 {
            let claimed = desk.post("/console/claim-next", &[("line", "")]).await;
            assert!(claimed.location().starts_with("/console/reports/"), "{}", claimed.location());
        }
        let none = desk.post("/console/claim-next", &[("line", "")]).await;
        assert!(none.location().ends_with("nothing=1"), "{}", none.location());
    }

    async fn an_open_queue_is_told_of_a_new_report_on_any_of_them(line: TestLine = twenty) {
        let desk = line.desk().await;
        let page = desk.get("/console/").await.ok();
        let mut events = desk.follow(&page).await;
        line.leave("+8613800138000", &number(9), &wav(b"said")).await;
        loop {
            let (event, _) = events.next().await.unwrap();
            if event == "changed" {
                break;
            }
        }
        line.idle().await;
    }
}
