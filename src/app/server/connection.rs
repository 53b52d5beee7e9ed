//! One connection: its phase, and the observed reads and writes that determine it.

use super::Limits;
use crate::base::clock;
use crate::service::log_pace::LogPace;
use axum::body::Body;
use bytes::Bytes;
use futures_util::future::{AbortHandle, AbortRegistration};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tracing::warn;

/// The connections from which a request, or the rest of one, is awaited.
///
/// Attackers send incomplete requests, whereas a connection that is idle after an answer is likely a provider's or
/// a proxy's, and a webhook sent while it is being closed would be lost. So connections with incomplete requests
/// are closed first, as long as they are more than half of the maximum.
pub(super) struct Receiving {
    /// Maximum number of connections, with an incomplete request and idle together.
    most: usize,
    /// Number of connections with an incomplete request up to which an idle connection is closed instead of one of
    /// them: half of `most`, rounded up.
    halves: usize,
    places: Mutex<Places>,
}

/// The registered connections by number; numbers are given in ascending order, so the smallest one is the oldest.
#[derive(Default)]
struct Places {
    next: u64,
    /// Connections that have sent no complete request yet, or only a part of the next one.
    half: BTreeMap<u64, AbortHandle>,
    /// Connections between two requests.
    idle: BTreeMap<u64, AbortHandle>,
}

impl Receiving {
    pub fn new(most: usize) -> Self {
        Self {
            most,
            halves: most.div_ceil(2),
            places: Mutex::default(),
        }
    }

    /// Registers a connection as idle or as one with an incomplete request, and returns its number. If there are then
    /// more than `most` connections, one is closed.
    fn enter(&self, handle: &AbortHandle, idle: bool) -> u64 {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.next;
        places.next += 1;
        let taken = if idle {
            &mut places.idle
        } else {
            &mut places.half
        };
        taken.insert(place, handle.clone());
        if places.half.len() + places.idle.len() > self.most {
            self.close_one(&mut places);
        }
        place
    }

    /// Closes the oldest connection with an incomplete request, if there are more than `halves` of these or none is
    /// idle; otherwise the one idle longest.
    fn close_one(&self, places: &mut Places) {
        static HALF: LogPace = LogPace::new();
        static IDLE: LogPace = LogPace::new();
        let most = self.most;
        if places.half.len() > self.halves || places.idle.is_empty() {
            if let Some((_, oldest)) = places.half.pop_first() {
                oldest.abort();
            }
            if let Some(held_back) = HALF.due() {
                warn!(
                    most,
                    held_back, "too many connections without a whole request: closed the oldest"
                );
            }
        } else {
            if let Some((_, oldest)) = places.idle.pop_first() {
                oldest.abort();
            }
            if let Some(held_back) = IDLE.due() {
                warn!(
                    most,
                    held_back, "too many idle connections: closed the one idle longest"
                );
            }
        }
    }

    fn leave(&self, place: u64) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.half.remove(&place).is_none() {
            places.idle.remove(&place);
        }
    }
}

/// The phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A request's head is being received, or the first one is awaited.
    Head,
    /// The request's body is being received.
    Body,
    /// The request is being answered.
    Answering,
    /// The next request is awaited.
    Idle,
    /// The protocol was switched; HTTP has ended.
    Upgraded,
}

/// State of a connection. It is changed by the task that serves the connection, and by the bodies of its requests and
/// answers, which a handler may move to another task.
pub(super) struct Connection {
    receiving: Arc<Receiving>,
    handle: AbortHandle,
    standing: Mutex<Standing>,
}

struct Standing {
    phase: Phase,
    since: Instant,
    /// Time since which writes have been blocked because the client reads nothing; `None` if the last write was not
    /// blocked.
    unread_since: Option<Instant>,
    /// Number in [`Receiving`]; `None` while neither a request nor the rest of one is awaited.
    place: Option<u64>,
}

impl Connection {
    /// Registers a new connection. Returns it, and the registration that lets [`Receiving`] abort the task that
    /// serves it.
    pub fn begin(receiving: &Arc<Receiving>) -> (Arc<Self>, AbortRegistration) {
        let (handle, registration) = AbortHandle::new_pair();
        let place = receiving.enter(&handle, false);
        let connection = Self {
            receiving: Arc::clone(receiving),
            handle,
            standing: Mutex::new(Standing {
                phase: Phase::Head,
                since: clock::instant(),
                unread_since: None,
                place: Some(place),
            }),
        };
        (Arc::new(connection), registration)
    }

    /// Returns the time at which the current phase or a blocked write exceeds its limit, whichever is first; `None`
    /// if neither has a limit now.
    pub fn deadline(&self, limits: &Limits) -> Option<tokio::time::Instant> {
        let standing = self.standing();
        let phase = match standing.phase {
            Phase::Head => Some(limits.head),
            Phase::Body => Some(limits.body),
            Phase::Idle => Some(limits.idle),
            Phase::Answering | Phase::Upgraded => None,
        };
        let phase = phase.map(|limit| standing.since + limit);
        let unread = standing.unread_since.map(|since| since + limits.write);
        phase.into_iter().chain(unread).min().map(Into::into)
    }

    /// Records that a request's head was received; `whole` is true if the request has no body.
    pub fn has_head(&self, whole: bool) {
        self.enter(if whole { Phase::Answering } else { Phase::Body });
    }

    /// Records that the answer switches protocols.
    pub fn is_upgraded(&self) {
        self.enter(Phase::Upgraded);
    }

    fn has_bytes(&self) {
        if self.standing().phase == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    fn has_body(&self) {
        if self.standing().phase == Phase::Body {
            self.enter(Phase::Answering);
        }
    }

    fn has_answered(&self) {
        if self.standing().phase != Phase::Upgraded {
            self.enter(Phase::Idle);
        }
    }

    fn writes(&self, blocked: bool) {
        let mut standing = self.standing();
        standing.unread_since = match blocked {
            true => standing.unread_since.or_else(|| Some(clock::instant())),
            false => None,
        };
    }

    fn enter(&self, phase: Phase) {
        let mut standing = self.standing();
        let before = std::mem::replace(&mut standing.phase, phase);
        standing.since = clock::instant();
        let idle = match phase {
            // The number is kept, so that the age of an incomplete request counts from its head.
            Phase::Body if before == Phase::Head => return,
            Phase::Head | Phase::Body => Some(false),
            Phase::Idle => Some(true),
            Phase::Answering | Phase::Upgraded => None,
        };
        if let Some(place) = standing.place.take() {
            self.receiving.leave(place);
        }
        standing.place = idle.map(|idle| self.receiving.enter(&self.handle, idle));
    }

    fn standing(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(place) = self.standing().place {
            self.receiving.leave(place);
        }
    }
}

/// A connection's stream, which reports reads and blocked writes to its [`Connection`].
pub(super) struct Io {
    stream: TcpStream,
    connection: Arc<Connection>,
}

impl Io {
    pub fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        Self { stream, connection }
    }

    fn written<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.connection.writes(written.is_pending());
        written
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.connection.has_bytes();
        }
        read
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A request's body being received. When it is complete, fails or is dropped, the phase changes from `Body` to
/// `Answering`.
pub(super) struct Received {
    body: Incoming,
    connection: Arc<Connection>,
}

impl Received {
    pub fn new(body: Incoming, connection: Arc<Connection>) -> Self {
        Self { body, connection }
    }
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if self.body.is_end_stream() || matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.connection.has_body();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.connection.has_body();
    }
}

/// An answer's body being sent. It is dropped when all of it was handed to the connection, or the connection has
/// ended; the permit is released then, and the phase becomes `Idle` unless the protocol was switched.
pub(super) struct Answer {
    body: Body,
    connection: Arc<Connection>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Answer {
    pub fn new(
        body: Body,
        connection: Arc<Connection>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            body,
            connection,
            _permit: permit,
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.has_answered();
    }
}
