//! Streams of server-sent events, with which open pages follow changes.
//!
//! | event | data |
//! |---|---|
//! | `changed` | none: something that the report or, for other pages, the queue shows has changed |
//! | `present` | names of the other members who have the report open on this node, as a JSON array |
//! | `minute` | none: a minute of line time has begun, and the state of a line may have changed |
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

/// Time without an event after which a comment is sent, so that a lost connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize, Default)]
pub(super) struct Since {
    #[serde(default)]
    after: i64,
}

/// `GET /console/events`, for members. Tells of changes on their lines that the queue shows. Opens nothing.
pub(super) async fn queue(
    State(service): App,
    visit: Visit,
    headers: HeaderMap,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Response, Stop> {
    tell(&service, &visit, None, &headers, since).await
}

/// `GET /console/reports/{id}/events`, for members of the report's line. Tells that the report changed, and which other
/// members have it open. Opens nothing.
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

/// Streams the events of a page: of one report, or of all the member's lines if `report` is `None`. At most
/// [`EVENT_STREAMS`](crate::service::per_session::EVENT_STREAMS) streams per session; a further one gets 429, which the
/// page shows as a lost connection before it tries again.
async fn tell(
    service: &Arc<Service>,
    visit: &Visit,
    report: Option<Uuid>,
    headers: &HeaderMap,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Response, Stop> {
    let since = since.map(|Query(since)| since.after).unwrap_or_default();
    // After an interruption the page sends the id of the last event it received.
    let after = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(since);
    let Some(place) = service.per_session.event_stream(visit.who.session()) else {
        return Ok((StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "60")]).into_response());
    };
    let following = live::follow(service, &visit.who, report, after)
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
            // The page connects again, and is then told what it missed.
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
