//! Captures the log of the process, so that a test can assert that something is not in it.

use std::io::Write;
use std::sync::{Mutex, Once, PoisonError};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Starts to keep the log of all tests of this process, down to the service's trace level.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let targets = Targets::new()
            .with_default(LevelFilter::WARN)
            .with_target("dutyline", LevelFilter::TRACE)
            .with_target("security", LevelFilter::TRACE);
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(|| Log);
        tracing_subscriber::registry()
            .with(targets)
            .with(lines)
            .init();
    });
}

/// Returns the log of all tests of the process since [`keep`]: search only for what one test alone can have logged.
pub fn all() -> String {
    let logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&logged).into_owned()
}
