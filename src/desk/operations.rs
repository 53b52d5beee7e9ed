//! The state of the whole service, for operators. Nothing of what callers said, and no member's name.

use super::Result;
use super::rights::Operator;
use crate::service::Service;
use crate::store::{StoreError, calls, jobs, strays};
use chrono::TimeDelta;
use scoped_futures::ScopedFutureExt;
use std::sync::atomic::Ordering;

/// The jobs of one kind.
pub struct Jobs {
    /// The kind.
    pub kind: jobs::Kind,
    /// Number of jobs that wait for their time.
    pub waiting: i64,
    /// Number of jobs that keep failing.
    pub failing: i64,
    /// How long the oldest due job has been due.
    pub late: Option<TimeDelta>,
}

/// The state of the service.
pub struct Operations {
    /// The program's version.
    pub version: &'static str,
    /// The names of the configured providers.
    pub providers: Vec<String>,
    /// Number of calls of each line that have not ended.
    pub running: Vec<(String, i64)>,
    /// Jobs, by kind.
    pub jobs: Vec<Jobs>,
    /// Number of recordings whose call and line are not known.
    pub strays: i64,
    /// Number of times that a row or link was refused since the process started.
    pub refusals: u64,
    /// True if the database was put back to an earlier state.
    pub put_back: bool,
    /// Number of files in the folder of recordings that no recording refers to.
    pub unnamed_files: usize,
}

/// Reads the state of the service.
///
/// # Errors
///
/// When the database fails.
pub async fn of(service: &Service, _: &Operator) -> Result<Operations> {
    let now = service.clock.system_now();
    let console = &service.db.console;
    let read = console.read(|tx| {
        async move {
            let late = jobs::oldest_due(tx, now).await?;
            let mut all: Vec<Jobs> = jobs::Kind::ALL
                .iter()
                .map(|kind| Jobs {
                    kind: *kind,
                    waiting: 0,
                    failing: 0,
                    late: None,
                })
                .collect();
            for (kind, is_failing, count) in jobs::count(tx).await? {
                if let Some(of) = all.iter_mut().find(|of| of.kind.as_str() == kind.as_str()) {
                    let counted = if is_failing {
                        &mut of.failing
                    } else {
                        &mut of.waiting
                    };
                    *counted += count;
                }
            }
            for (kind, since) in late {
                if let Some(of) = all.iter_mut().find(|of| of.kind.as_str() == kind.as_str()) {
                    of.late = Some(now - since);
                }
            }
            let mut running = Vec::new();
            for line in &service.config.lines {
                let count = calls::running(tx, &line.line.id).await?;
                running.push((line.line.id.clone(), count));
            }
            let strays = strays::count(tx).await?;
            Ok::<_, StoreError>((all, running, strays))
        }
        .scope_boxed()
    });
    let (jobs, running, strays) = read.await?;
    Ok(Operations {
        version: env!("CARGO_PKG_VERSION"),
        providers: service.providers.keys().cloned().collect(),
        running,
        jobs,
        strays,
        refusals: console.proofs().refusals(),
        put_back: service.put_back.load(Ordering::Relaxed),
        unnamed_files: service.unnamed_files.load(Ordering::Relaxed),
    })
}
