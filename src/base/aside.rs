//! Work that takes processor time and that no caller waits for.

use std::thread;
use tokio::sync::oneshot;

/// Sets the lowest priority (nice 19) for the calling thread. On Linux the priority belongs to the thread; elsewhere it
/// would be that of the whole process, so nothing is changed there.
pub(crate) fn yield_to_callers() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        tracing::warn!(%error, "cannot lower the priority of a thread");
    }
}

/// Runs `work` on a thread of its own, on Linux at the lowest priority. A thread of tokio's blocking pool would keep the
/// priority, and other work of the pool would get it. Returns `None` if the thread cannot be started, or `work` panics.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (send, result) = oneshot::channel();
    let thread = thread::Builder::new().name("aside".to_owned());
    let started = thread.spawn(move || {
        yield_to_callers();
        // Fails if the result is not waited for any more.
        let _ = send.send(work());
    });
    if let Err(error) = started {
        tracing::error!(%error, "cannot start a thread");
    }
    result.await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_has_no_result() {
        assert_eq!(run(|| 1).await, Some(1));
        assert_eq!(run(|| -> u8 { panic!("on purpose") }).await, None);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_the_work_has_the_lowest_priority() {
        let priority = || rustix::process::getpriority_process(None);
        let before = priority();
        assert_eq!(run(priority).await, Some(Ok(19)));
        assert_eq!(priority(), before);
    }
}
