//! How many connections there may be, and how long each may take.

use std::time::Duration;

/// The process's limit of open files is raised to this, where the system lets it. More connections than this share
/// allows would need too much memory.
const DESCRIPTORS: u64 = 16 * 1024;
/// The limit of open files that is reckoned with where the system does not tell it.
#[cfg(not(unix))]
const UNKNOWN: u64 = 1024;

/// The limits of a listener's connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections may be without a whole request, or between two requests. Beyond, the oldest one without a
    /// whole request is closed while there are more than half as many of these; else the one idle longest.
    pub receiving: usize,
    /// How many requests, webhooks not counted, may be answered at once: beyond, one is answered 503.
    pub answering: usize,
    /// How long a request's head may take from its first byte, and the first one from the beginning of the connection. A
    /// WebSocket authenticates in its head.
    pub head: Duration,
    /// How long a request's body may take.
    pub body: Duration,
    /// How long a connection may wait for another request.
    pub idle: Duration,
    /// How long a client may read nothing of an answer.
    pub write: Duration,
}

impl Limits {
    /// For a process that may have so many files open: a quarter is for connections of which a request is awaited, a quarter
    /// for requests that are no webhooks. What is left is for webhooks, the database, files and connections to providers.
    pub fn for_descriptors(descriptors: usize) -> Self {
        Self {
            receiving: (descriptors / 4).max(1),
            answering: (descriptors / 4).max(1),
            head: Duration::from_secs(5),
            body: Duration::from_secs(30),
            // Longer than reverse proxies keep theirs (up to ten minutes): a webhook that a proxy sends just when its
            // connection is being closed would be lost.
            idle: Duration::from_secs(11 * 60),
            // A browser that has enough of a recording for now reads nothing for a while.
            write: Duration::from_secs(120),
        }
    }

    /// For this process.
    pub fn of_process() -> Self {
        Self::for_descriptors(descriptors())
    }

    /// For a listener that few use beside the main one: an eighth of its connections, so that both fit.
    pub fn of_few(self) -> Self {
        Self {
            receiving: (self.receiving / 8).max(1),
            answering: (self.answering / 8).max(1),
            ..self
        }
    }
}

/// How many files this process may have open, but no more than `DESCRIPTORS`.
#[cfg(unix)]
fn descriptors() -> usize {
    use rustix::process::{Resource, getrlimit};
    // No limit is told as none.
    let soft = getrlimit(Resource::Nofile).current.unwrap_or(DESCRIPTORS);
    usize::try_from(soft.min(DESCRIPTORS)).unwrap_or(usize::MAX)
}

#[cfg(not(unix))]
fn descriptors() -> usize {
    usize::try_from(UNKNOWN).unwrap_or(usize::MAX)
}

/// Raises the soft limit of open files as far as the hard limit allows, up to 16,384. A soft limit that is higher
/// already is left alone.
#[cfg(unix)]
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current else {
        return;
    };
    let wanted = limit.maximum.unwrap_or(DESCRIPTORS).min(DESCRIPTORS);
    if current >= wanted {
        return;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, current, wanted, "cannot raise the limit of open files");
    }
}

/// The system has no such limit.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() {}
