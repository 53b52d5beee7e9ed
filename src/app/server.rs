//! The HTTP server: accepts connections, and limits their number and the duration of their phases.
//!
//! A slow or silent client must not keep other clients out. Therefore the number of connections from which a request is
//! awaited is limited: for a new one the oldest with an incomplete request is closed or, if at most half of the limit
//! are such, the one idle longest. Requests being answered need a permit from a pool, except webhooks, because callers
//! wait for those. Each phase in which the client is awaited has a time limit.

mod connection;
mod limits;

pub use limits::{Limits, raise_descriptor_limit};

use crate::service::log_pace::LogPace;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use connection::{Answer, Connection, Io, Received, Receiving};
use futures_util::future::Abortable;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tracing::{debug, warn};

/// Time to wait after an error of the listener, as opposed to one of a single connection, before the next connection
/// is accepted.
const AFTER_AN_ERROR: Duration = Duration::from_millis(100);
/// Maximum size of a connection's buffers, and so of a request's head, in bytes.
const HEAD_BYTES: usize = 64 * 1024;
/// Prefix of the paths of webhooks: requests to them need no permit.
const WEBHOOKS: &str = "/hooks/";

/// Body of the refusal of a request that found no permit, in the languages of the console.
const BUSY: &str = "系统繁忙，请稍后再试。\nToo many requests at once; try again in a moment.\n";

/// State shared by all connections of a listener.
struct Shared {
    router: TowerToHyperService<Router>,
    limits: Limits,
    receiving: Arc<Receiving>,
    answering: Arc<Semaphore>,
}

/// Serves a router until `stop` is true, then finishes the requests that have begun and returns. Handlers receive the
/// peer's address as `ConnectInfo<SocketAddr>`.
pub async fn serve(
    mut listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: watch::Receiver<bool>,
) {
    let shared = Arc::new(Shared {
        router: TowerToHyperService::new(router),
        receiving: Arc::new(Receiving::new(limits.receiving)),
        answering: Arc::new(Semaphore::new(limits.answering)),
        limits,
    });
    let mut connections = JoinSet::new();
    let mut stopping = pin!(stopped(stop.clone()));
    loop {
        tokio::select! {
            (stream, peer) = accept(&mut listener) => {
                // Registered here rather than in the task, so that the oldest connection is the one accepted first.
                let (connection, registration) = Connection::begin(&shared.receiving);
                let served = converse(Arc::clone(&shared), connection, stream, peer, stop.clone());
                connections.spawn(Abortable::new(served, registration));
            }
            // Tasks that have ended are removed from the set.
            Some(_) = connections.join_next() => {}
            () = &mut stopping => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender was dropped, and the service with it.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Returns the next connection and its peer's address. Waits and tries again after errors of the listener, such as
/// "too many open files", because they are temporary; logs them at most once a minute.
async fn accept(listener: &mut TcpListener) -> (TcpStream, SocketAddr) {
    static ERRORS: LogPace = LogPace::new();
    loop {
        let error = match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => error,
        };
        // These errors are those of one connection, which ended before it was accepted.
        if matches!(
            error.kind(),
            ErrorKind::ConnectionAborted
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionRefused
        ) {
            continue;
        }
        if let Some(held_back) = ERRORS.due() {
            warn!(%error, held_back, "cannot accept a connection");
        }
        tokio::time::sleep(AFTER_AN_ERROR).await;
    }
}

/// Serves one connection until it ends or exceeds a time limit.
async fn converse(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    stream: TcpStream,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
) {
    let limits = shared.limits;
    let io = TokioIo::new(Io::new(stream, Arc::clone(&connection)));
    let service = service_fn({
        let connection = Arc::clone(&connection);
        move |request| answer(Arc::clone(&shared), Arc::clone(&connection), peer, request)
    });
    let mut served = pin!(
        http1::Builder::new()
            // The head has a time limit like the other phases of the connection, below.
            .header_read_timeout(None)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(io, service)
            .with_upgrades()
    );
    let mut stopping = pin!(stopped(stop));
    let mut told = false;
    let mut timer = pin!(tokio::time::sleep(limits.head));
    let ended = poll_fn(|cx| {
        if !told && stopping.as_mut().poll(cx).is_ready() {
            told = true;
            served.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(result) = served.as_mut().poll(cx) {
            return Poll::Ready(result.map_err(|error| error.to_string()));
        }
        // The poll above may have changed the phase, and with it the deadline.
        let Some(deadline) = connection.deadline(&limits) else {
            return Poll::Pending;
        };
        if timer.deadline() != deadline {
            timer.as_mut().set(sleep_until(deadline));
        }
        timer
            .as_mut()
            .poll(cx)
            .map(|()| Err("it took too long".to_owned()))
    });
    if let Err(reason) = ended.await {
        debug!(reason, "a connection ended early");
    }
}

async fn answer(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    peer: SocketAddr,
    request: hyper::Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    connection.has_head(request.body().is_end_stream());
    let permit = if request.uri().path().starts_with(WEBHOOKS) {
        None
    } else {
        match Arc::clone(&shared.answering).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => return Ok(busy().map(|body| Answer::new(body, connection, None))),
        }
    };
    let mut request: Request = request.map(|body| {
        let body = Received::new(body, Arc::clone(&connection));
        Body::new(body)
    });
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = shared.router.call(request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        connection.is_upgraded();
    }
    Ok(response.map(|body| Answer::new(body, connection, permit)))
}

/// Returns the answer 503 to a request that found no permit, and logs a warning at most once a minute.
fn busy() -> Response {
    static REFUSED: LogPace = LogPace::new();
    if let Some(held_back) = REFUSED.due() {
        warn!(
            held_back,
            "too many requests at once; a request other than a webhook was refused"
        );
    }
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, BUSY).into_response();
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
