//! Changes, sent to open pages as server-sent events.
//!
//! | event | data |
//! |---|---|
//! | `changed` | none: the page reloads its contents |
//! | `present` | names of other members who have the report open, as JSON |
//! | `minute` | none: a minute has passed, and the state of a line may have changed |
//! | `logged-out` | none: the session has ended |

use super::page::{Stop, Visit};
use crate::desk::DeskError;
use crate::desk::live::{self, Following, News};
use crate::service::Service;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use futures_util::stream;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tracing::error;
use uuid::Uuid;

type App = State<Arc<Service>>;

/// Interval of comments while there is no event, so that a lost connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize, Default)]
pub(super) struct Since {
    #[serde(default)]
    after: i64,
}

/// `GET /console/events`. Members; tells that something changed on their lines; opens nothing.
pub(super) async fn queue(
    State(service): App,
    visit: Visit,
    headers: HeaderMap,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Response, Stop> {
    tell(&service, &visit, None, &headers, since).await
}

/// `GET /console/reports/{id}/events`. Members of its line; tells that the report changed, and which other members have
/// it open; opens nothing.
pub(super) async fn report(
    State(service): App,
    Path(id): Path<String>,
    visit: Visit,
    headers: HeaderMap,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Response, Stop> {
    let id: Uuid = id.parse().map_err(|_| visit.stop(DeskError::Missing))?;
    tell(&service, &visit, Some(id), &headers, since).await
}

/// Streams the events of a page. At most [`EVENT_STREAMS`](crate::service::per_session::EVENT_STREAMS) streams per
/// session; a further one gets 429, which the page shows as a lost connection before it tries again.
async fn tell(
    service: &Arc<Service>,
    visit: &Visit,
    report: Option<Uuid>,
    headers: &HeaderMap,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Response, Stop> {
    let since = since.map(|Query(since)| since.after).unwrap_or_default();
    // After an interruption the browser sends the id of the last event it received.
    let after = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(since);
    let Some(place) = service.per_session.event_stream(visit.inspector.session()) else {
        return Ok((StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "60")]).into_response());
    };
    let following = live::follow(service, &visit.inspector, report, after)
        .await
        .map_err(|error| visit.stop(error))?;
    let events = stream::unfold((following, place), async |(following, place)| {
        let (event, following) = next(following).await?;
        Some((event, (following, place)))
    });
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // Tells nginx not to buffer the stream, because a buffered event would arrive late.
    Ok(([("x-accel-buffering", "no")], events).into_response())
}

async fn next(mut following: Following) -> Option<(Result<Event, Infallible>, Following)> {
    let news = match following.next().await {
        Ok(news) => news?,
        Err(error) => {
            // The browser reconnects, and then receives what it missed.
            error!(%error, "event stream closed: database error");
            return None;
        }
    };
    let event = match news {
        News::Changed { at } => Event::default()
            .event("changed")
            .id(at.to_string())
            .data(""),
        News::Present(names) => {
            let names = serde_json::to_string(&names).unwrap_or_default();
            Event::default().event("present").data(names)
        }
        News::Minute => Event::default().event("minute").data(""),
        News::LoggedOut => Event::default().event("logged-out").data(""),
    };
    Some((Ok(event), following))
}
