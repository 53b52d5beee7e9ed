//! The page of instructions for each task. It can be read in about two minutes.

use super::page::{Page, Stop, Visit, render};
use crate::service::Service;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "help.html", config = "src/web/askama.toml")]
struct Help {
    page: Page,
}

/// `GET /console/help`, for members. The instructions contain no data of callers or members.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    visit: Visit,
) -> Result<Response, Stop> {
    let page = visit.page(&service, "help").await?;
    Ok(render(&Help { page }))
}
