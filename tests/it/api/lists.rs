//! The list of reports: its pages, its filters, and which reports a member may see.

use super::{SECRET, assert_problem, keys};
use crate::support::team::{SECOND_NUMBER, with_second_line};
use crate::support::{Api, Database, LEAD, NUMBER, OPEN, TestLine, each_database};
use dutyline::report::role::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn list(api: &Api, query: &str) -> (Vec<Value>, Option<String>) {
    let page = api.get(&format!("/reports?{query}")).await.ok();
    assert_eq!(keys(&page), ["next", "reports"]);
    let next = page["next"].as_str().map(str::to_owned);
    (page["reports"].as_array().unwrap().clone(), next)
}

fn references(reports: &[Value]) -> Vec<&str> {
    reports
        .iter()
        .map(|report| report["reference"].as_str().unwrap())
        .collect()
}

each_database! {
    /// The list of 120 reports of two lines, for a member who sees both and for members who see one.
    async fn a_long_list(database: Database) {
        let line = TestLine::with(database, OPEN, with_second_line).await;
        for i in 0..120 {
            let to = if i % 12 < 7 { NUMBER } else { SECOND_NUMBER };
            line.report_without_audio(&format!("CA{i:032}"), to).await;
        }
        line.idle().await;
        let lead = line.lead().await;
        let li = line.member("li", Role::Inspector, &["fcg-5"]).await;
        let zhao = line.member("zhao", Role::Inspector, &["second"]).await;

        // Three pages, each report once, in order of arrival over both lines.
        let of = |id: &str, n: u32| (id.to_owned(), format!("2024-{n:04}"));
        let expected: Vec<(String, String)> = (0..10)
            .flat_map(|round| {
                let first = (1..=7).map(move |n| of("fcg-5", 7 * round + n));
                let second = (1..=5).map(move |n| of("second", 5 * round + n));
                first.chain(second)
            })
            .collect();
        let mut seen = Vec::new();
        let mut query = String::new();
        let mut sizes = Vec::new();
        loop {
            let (reports, next) = list(&lead, &query).await;
            sizes.push(reports.len());
            for report in &reports {
                assert_eq!(
                    keys(report),
                    [
                        "assignee",
                        "id",
                        "line",
                        "on_the_line",
                        "received_hour",
                        "reference",
                        "source",
                        "status"
                    ]
                );
                let text = |key: &str| report[key].as_str().unwrap().to_owned();
                assert_eq!(
                    (text("source"), text("status")),
                    ("call".into(), "queued".into())
                );
                assert_eq!(report["assignee"], Value::Null);
                assert_eq!(
                    report["received_hour"], "2024-03-06T01:00:00.000000Z",
                    "on the hour"
                );
                seen.push((text("line"), text("reference")));
            }
            match next {
                Some(next) => query = format!("cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, expected);
        assert_eq!(sizes, [50, 50, 20]);

        // A full page without a successor is the last one.
        let (reports, next) = list(&lead, "line=second").await;
        assert_eq!((reports.len(), next), (50, None));
        let (first, next) = list(&lead, "line=fcg-5&status=&cursor=").await;
        let (rest, end) = list(&lead, &format!("line=fcg-5&cursor={}", next.unwrap())).await;
        assert_eq!((first.len(), rest.len(), end), (50, 20, None));

        // Filtered by status, also while statuses change between two pages.
        for report in first.iter().step_by(10) {
            let id = report["id"].as_str().unwrap();
            lead.act(&format!("/reports/{id}/claim")).await.ok();
        }
        let (claimed, next) = list(&lead, "status=claimed").await;
        assert_eq!(
            references(&claimed),
            [
                "2024-0001",
                "2024-0011",
                "2024-0021",
                "2024-0031",
                "2024-0041"
            ]
        );
        assert!(claimed.iter().all(|report| report["assignee"] == LEAD.0) && next.is_none());
        let (queued, next) = list(&lead, "status=queued&line=fcg-5").await;
        assert_eq!(queued.len(), 50);
        let (rest, _) = list(
            &lead,
            &format!("status=queued&line=fcg-5&cursor={}", next.unwrap()),
        )
        .await;
        assert_eq!(rest.len(), 15);
        assert_eq!(list(&lead, "status=closed").await.0.len(), 0);

        // A member who holds one line's key sees that line alone.
        assert_eq!(li.reports().await.len(), 70);
        assert_eq!(zhao.reports().await.len(), 50);
        for (api, theirs, other) in [(&li, "fcg-5", "second"), (&zhao, "second", "fcg-5")] {
            assert_eq!(api.get("/session").await.ok()["lines"], json!([theirs]));
            let lines = api.get("/lines").await.ok();
            assert_eq!(lines["lines"].as_array().unwrap().len(), 1);
            // A line the member does not hold and one that does not exist are answered with the same bytes.
            for address in ["/reports?line=", "/abandoned?line=", "/lines/"] {
                let hidden = api.get(&format!("{address}{other}")).await;
                let missing = api.get(&format!("{address}k3v9")).await;
                assert_problem(&hidden, StatusCode::NOT_FOUND, address);
                assert_eq!(hidden.body, missing.body, "{address}");
            }
        }
        // A cursor of another line is refused, and so is an invented one.
        let beyond = "c2Vjb25kLzIwMjQtMDA1MA"; // second/2024-0050, the last that arrived
        assert_eq!(list(&lead, &format!("cursor={beyond}")).await.0.len(), 0);
        for cursor in [
            beyond,
            "k3v9",
            "!",
            "AA",
            "c2Vjb25kLwA",
            "ZmNnLTUvAA",
            "ZmNnLTUv",
            "ZmNnLTUvJyBPUiAxPTE",
        ] {
            let answer = li.get(&format!("/reports?cursor={cursor}")).await;
            assert_problem(&answer, StatusCode::BAD_REQUEST, cursor);
        }
        for query in [
            "status=k3v9",
            "status=Queued",
            "k3v9=1",
            "line=fcg-5&line=k3v9",
        ] {
            assert_problem(
                &li.get(&format!("/reports?{query}")).await,
                StatusCode::BAD_REQUEST,
                query,
            );
        }

        // Every address of a report of another line answers as if the report did not exist.
        let (reports, _) = list(&lead, "line=second").await;
        let theirs = reports[0]["id"].as_str().unwrap();
        let before = zhao.get(&format!("/reports/{theirs}")).await.ok();
        let nobody = "00000000-0000-4000-8000-000000000000";
        for (method, address, body) in [
            (Method::GET, "", None),
            (Method::GET, "/recordings/1", None),
            (Method::POST, "/claim", None),
            (Method::POST, "/release", None),
            (Method::POST, "/reopen", None),
            (
                Method::POST,
                "/close",
                Some(json!({ "outcome": "handled" })),
            ),
            (Method::POST, "/notes", Some(json!({ "text": SECRET }))),
            (
                Method::POST,
                "/classification",
                Some(json!({ "scope": "in" })),
            ),
        ] {
            let mut bodies = Vec::new();
            for id in [theirs, nobody, "k3v9", "%00"] {
                let path = format!("/reports/{id}{address}");
                let answer = li.request(method.clone(), &path, &[], body.clone()).await;
                assert_problem(&answer, StatusCode::NOT_FOUND, &path);
                bodies.push(answer.body);
            }
            assert!(bodies.iter().all(|body| body == &bodies[0]), "{address}");
        }
        assert_eq!(
            zhao.get(&format!("/reports/{theirs}")).await.ok(),
            before,
            "nothing was done to it"
        );
        line.finish().await;
    }
}
