//! Bounds what one session may have open at the same time, so that one browser or a stolen cookie cannot use up the
//! service.

use crate::vault::blobs::Reader;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum number of event streams that a session may have open; a further one is refused. An open page uses one.
pub const EVENT_STREAMS: usize = 8;
/// Maximum number of recordings that a session may have open; a further one closes the oldest. A browser whose player
/// still needs more of the closed one requests the missing range.
pub const RECORDINGS: usize = 4;

/// The event streams and recordings that each session has open. A session is identified by the hash of its token.
#[derive(Default)]
pub struct PerSession(Mutex<HashMap<[u8; 32], Open>>);

/// What one session has open.
#[derive(Default)]
struct Open {
    event_streams: usize,
    /// Oldest first.
    recordings: VecDeque<Arc<Mutex<Slot>>>,
}

/// An open recording.
enum Slot {
    /// No part of it is being read.
    Ready(Box<Reader>),
    /// A part of it is being read.
    Reading,
    /// The recording was closed for a newer one, or its reader is lost because a read panicked.
    Closed,
}

/// The right of a session to one open event stream, given back when this is dropped.
pub struct EventStream {
    all: Arc<PerSession>,
    session: [u8; 32],
}

/// A recording that a session has open, closed when this is dropped.
pub struct OpenRecording {
    all: Arc<PerSession>,
    session: [u8; 32],
    slot: Arc<Mutex<Slot>>,
}

impl PerSession {
    /// Returns the right to a further event stream; `None` if the session has [`EVENT_STREAMS`] open.
    pub fn event_stream(self: &Arc<Self>, session: [u8; 32]) -> Option<EventStream> {
        self.change(session, |open| {
            let fits = open.event_streams < EVENT_STREAMS;
            open.event_streams += usize::from(fits);
            fits
        })
        .then(|| EventStream {
            all: Arc::clone(self),
            session,
        })
    }

    /// Registers a recording that is opened for a session. If the session then has more than [`RECORDINGS`] open,
    /// closes the oldest.
    pub fn recording(self: &Arc<Self>, session: [u8; 32], reader: Reader) -> OpenRecording {
        let slot = Arc::new(Mutex::new(Slot::Ready(Box::new(reader))));
        let closed = self.change(session, |open| {
            open.recordings.push_back(Arc::clone(&slot));
            let is_full = open.recordings.len() > RECORDINGS;
            is_full.then(|| open.recordings.pop_front()).flatten()
        });
        if let Some(closed) = closed {
            *lock(&closed) = Slot::Closed;
        }
        OpenRecording {
            all: Arc::clone(self),
            session,
            slot,
        }
    }

    /// Calls `change` with what a session has open, returns its result, and removes a session that has nothing open.
    fn change<T>(&self, session: [u8; 32], change: impl FnOnce(&mut Open) -> T) -> T {
        let mut sessions = lock(&self.0);
        let open = sessions.entry(session).or_default();
        let changed = change(open);
        if open.event_streams == 0 && open.recordings.is_empty() {
            sessions.remove(&session);
        }
        changed
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.all
            .change(self.session, |open| open.event_streams -= 1);
    }
}

impl OpenRecording {
    /// Returns the audio from byte `start` up to, but not including, byte `end`. A thread is used only during the read.
    ///
    /// # Errors
    ///
    /// When the recording cannot be read, was closed for a newer one, or is being read by another call of this
    /// function. In the last case the recording is closed too.
    pub async fn read(&self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let closed = || io::Error::other("closed for a newer recording of the same session");
        let mut reader = {
            let mut slot = lock(&self.slot);
            match std::mem::replace(&mut *slot, Slot::Closed) {
                Slot::Ready(reader) => {
                    *slot = Slot::Reading;
                    reader
                }
                Slot::Reading | Slot::Closed => return Err(closed()),
            }
        };
        let read = tokio::task::spawn_blocking(move || {
            let piece = reader.read_range(start, end);
            (piece, reader)
        });
        let (piece, reader) = read.await.map_err(io::Error::other)?;
        let mut slot = lock(&self.slot);
        if matches!(*slot, Slot::Closed) {
            return Err(closed());
        }
        *slot = Slot::Ready(reader);
        piece
    }
}

impl Drop for OpenRecording {
    fn drop(&mut self) {
        self.all.change(self.session, |open| {
            open.recordings
                .retain(|slot| !Arc::ptr_eq(slot, &self.slot));
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_eight_event_streams_at_most() {
        let all = Arc::new(PerSession::default());
        let mut open: Vec<_> = (0..EVENT_STREAMS)
            .map(|_| all.event_stream([1; 32]).expect("a place"))
            .collect();
        assert!(all.event_stream([1; 32]).is_none());
        assert!(all.event_stream([2; 32]).is_some(), "another session");
        open.pop();
        assert!(all.event_stream([1; 32]).is_some(), "a place given back");
        drop(open);
        assert!(lock(&all.0).is_empty(), "nothing is remembered");
    }
}
