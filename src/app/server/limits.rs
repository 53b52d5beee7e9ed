//! Limits of the number of connections and of the duration of their phases.

use std::time::Duration;

/// Maximum number of open files that the process raises its limit to, where the system permits it, and that it counts
/// on. The connections that a higher number would allow need too much memory.
const DESCRIPTORS: u64 = 16 * 1024;
/// Limit of open files assumed where the system does not report it.
#[cfg(not(unix))]
const UNKNOWN: u64 = 1024;

/// The limits of a listener's connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum number of connections without a complete request or idle between two requests. Above it, one is
    /// closed: the oldest one without a complete request, if these are more than half of the maximum or none is idle;
    /// otherwise the one idle longest.
    pub receiving: usize,
    /// Maximum number of requests, except webhooks, answered concurrently; above it, requests are answered 503.
    pub answering: usize,
    /// Maximum time to receive a request's head, from its first byte; for the first request, from the start of the
    /// connection. A WebSocket authenticates in its head.
    pub head: Duration,
    /// Maximum time to receive a request's body.
    pub body: Duration,
    /// Maximum time a connection may be idle between two requests.
    pub idle: Duration,
    /// Maximum time for which a write of an answer may be blocked because the client reads nothing.
    pub write: Duration,
}

impl Limits {
    /// Returns the limits of a process that may open this many files: a quarter of them for connections from which a
    /// request is awaited, a quarter for requests that are not webhooks. The rest is left for webhooks, the database,
    /// files and connections to providers.
    pub fn for_descriptors(descriptors: usize) -> Self {
        Self {
            receiving: (descriptors / 4).max(1),
            answering: (descriptors / 4).max(1),
            head: Duration::from_secs(5),
            body: Duration::from_secs(30),
            // Longer than reverse proxies keep idle connections (up to ten minutes): a webhook sent by a proxy
            // while its connection is being closed would be lost.
            idle: Duration::from_secs(11 * 60),
            // A browser that has buffered enough of a recording stops reading for a while.
            write: Duration::from_secs(120),
        }
    }

    /// Returns the limits for this process, by its current limit of open files.
    pub fn of_process() -> Self {
        Self::for_descriptors(descriptors())
    }

    /// Returns the limits of a second listener that has few clients: an eighth of the numbers of the main listener
    /// (`self`), so that both together fit into the process's limit.
    pub fn of_few(self) -> Self {
        Self {
            receiving: (self.receiving / 8).max(1),
            answering: (self.answering / 8).max(1),
            ..self
        }
    }
}

/// Returns this process's limit of open files, at most `DESCRIPTORS`.
#[cfg(unix)]
fn descriptors() -> usize {
    use rustix::process::{Resource, getrlimit};
    // The limit is `None` if it is infinite.
    let soft = getrlimit(Resource::Nofile).current.unwrap_or(DESCRIPTORS);
    usize::try_from(soft.min(DESCRIPTORS)).unwrap_or(usize::MAX)
}

#[cfg(not(unix))]
fn descriptors() -> usize {
    usize::try_from(UNKNOWN).unwrap_or(usize::MAX)
}

/// Raises the soft limit of open files as far as the hard limit permits, to at most 16,384. A higher soft limit is
/// left unchanged.
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

/// Does nothing: this system has no such limit.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() {}
