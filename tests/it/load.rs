//! The rows that the load generator of `tests/load` writes are like the program's own.

#[path = "../load/bulk.rs"]
mod bulk;
#[path = "../load/fill.rs"]
pub mod fill;

use crate::support::{LEAD, LINES, TestLine, on_both, two_lines};
use dutyline::register::verify;
use reqwest::StatusCode;
use std::collections::BTreeSet;

on_both! {
    async fn generated_reports_are_as_those_of_calls(line: TestLine = two_lines) {
        let service = line.service().clone();
        let end = service.clock.line_now();
        fill::fill(&service.config, LEAD.0, 200, end, false).await;
        let lead = line.lead().await;
        let all = lead.reports().await;
        let ids: BTreeSet<&str> = all.iter().map(|report| report["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 200);
        for id in LINES {
            let proof = verify::line(line.db(), &service.blobs, id, None).await.unwrap();
            assert_eq!(proof.wrong, Vec::<String>::new());
            assert!(proof.links > 100 * 6);
        }
        // They can be opened with the line's key, like any other.
        let queued = all.iter().filter(|report| report["status"] == "queued");
        for report in queued {
            let claim = format!("/reports/{}/claim", report["id"].as_str().unwrap());
            assert_eq!(lead.act(&claim).await.status, StatusCode::OK);
        }
        // The next call's number follows theirs.
        let call = crate::support::wav(b"said");
        line.leave("+8613800138000", crate::support::NUMBER, &call).await;
        line.idle().await;
        let newest = lead.reports().await.pop().unwrap();
        assert_eq!(newest["reference"], "2024-0101");
    }
}
