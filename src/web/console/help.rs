//! How to do each job, in two minutes' reading.

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

/// `GET /console/help`. Members; holds nothing of anybody.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    visit: Visit,
) -> Result<Response, Stop> {
    let page = visit.page(&service, "help").await?;
    Ok(render(&Help { page }))
}
