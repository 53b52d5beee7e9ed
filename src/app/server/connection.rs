//! One connection: its phase, and what tells the phase from what is read and written.

use super::Limits;
use crate::clock;
use crate::log_pace::LogPace;
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

/// The connections that have not sent a whole request, the oldest first.
pub(super) struct Receiving {
    most: usize,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    next: u64,
    taken: BTreeMap<u64, AbortHandle>,
}

impl Receiving {
    pub fn new(most: usize) -> Self {
        Self {
            most,
            places: Mutex::default(),
        }
    }

    /// Takes a place; when there are too many, the oldest connection is closed.
    fn enter(&self, handle: &AbortHandle) -> u64 {
        static CLOSED: LogPace = LogPace::new();
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.next;
        places.next += 1;
        places.taken.insert(place, handle.clone());
        if places.taken.len() > self.most
            && let Some((_, oldest)) = places.taken.pop_first()
        {
            oldest.abort();
            if let Some(held_back) = CLOSED.due() {
                let most = self.most;
                warn!(
                    most,
                    held_back, "too many connections without a whole request: closed the oldest"
                );
            }
        }
        place
    }

    fn leave(&self, place: u64) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.taken.remove(&place);
    }
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A request's head is on its way, or the first one is awaited.
    Head,
    /// The request's body is on its way.
    Body,
    /// The request is being answered.
    Answering,
    /// Another request is awaited.
    Idle,
    /// It is no HTTP connection any more.
    Upgraded,
}

/// A connection's standing. It is changed by the one task that serves the connection; the lock is for the compiler.
pub(super) struct Connection {
    receiving: Arc<Receiving>,
    handle: AbortHandle,
    standing: Mutex<Standing>,
}

struct Standing {
    phase: Phase,
    since: Instant,
    /// The client has read nothing since.
    unread_since: Option<Instant>,
    /// The place among those without a whole request.
    place: Option<u64>,
}

impl Connection {
    /// A new connection, and what the task that serves it is aborted by.
    pub fn begin(receiving: &Arc<Receiving>) -> (Arc<Self>, AbortRegistration) {
        let (handle, registration) = AbortHandle::new_pair();
        let place = receiving.enter(&handle);
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

    /// When it has taken too long, as it stands.
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

    /// A whole head has come, of a request with or without a body.
    pub fn has_head(&self, whole: bool) {
        self.enter(if whole { Phase::Answering } else { Phase::Body });
    }

    /// The answer has switched protocols.
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
        standing.phase = phase;
        standing.since = clock::instant();
        let receives = matches!(phase, Phase::Head | Phase::Body | Phase::Idle);
        match (receives, standing.place) {
            (true, None) => standing.place = Some(self.receiving.enter(&self.handle)),
            (false, Some(place)) => {
                self.receiving.leave(place);
                standing.place = None;
            }
            _ => {}
        }
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

/// A connection's bytes.
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

/// A request's body on its way in. Once it is whole, or no longer wanted, the request is being answered.
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

/// An answer's body on its way out. It goes when all of it has been handed on, and the permit with it.
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
