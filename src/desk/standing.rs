//! How a line stands.

use super::Result;
use super::flood::{self, Recent};
use crate::line::Line;
use crate::line::hours::Phase;
use crate::report::status::Status;
use crate::service::Service;
use crate::store::{calls, jobs, reports, strays};
use chrono::DateTime;
use chrono_tz::Tz;
use scoped_futures::ScopedFutureExt;

/// A line at this moment.
pub struct Standing {
    /// Its phase.
    pub phase: Phase,
    /// When it is staffed next, in its own time; none while it is, and when it never is again.
    pub reopens_at: Option<DateTime<Tz>>,
    /// Line time, in the line's zone.
    pub now: DateTime<Tz>,
    /// New reports are accepted these days.
    pub intake_open: bool,
    /// Line time is not the real one.
    pub clock_shifted: bool,
    /// Reports that wait, are worked on, are closed.
    pub queued: i64,
    /// See `queued`.
    pub claimed: i64,
    /// See `queued`.
    pub closed: i64,
    /// Calls that run.
    pub calls_running: i64,
    /// Those of them that are with the roster, ringing or speaking.
    pub calls_with_roster: i64,
    /// Calls of the last hours.
    pub recent: Recent,
    /// Jobs of the whole service that keep failing; an operator should look.
    pub jobs_failing: i64,
    /// Those of them that are for this line's calls and recordings.
    pub jobs_failing_here: i64,
    /// Receipts that two callers were told, of reports that are not closed.
    pub shared_receipts: i64,
    /// Recordings of the whole service of which it is not known yet which line they are for.
    pub strays: i64,
}

/// What waits in the whole service, for whoever looks after it.
pub struct OfService {
    /// Jobs that keep failing.
    pub jobs_failing: i64,
    /// Recordings of which it is not known yet which line they are for.
    pub strays: i64,
}

/// Looks at the whole service.
///
/// # Errors
///
/// When the database fails.
pub async fn of_service(service: &Service) -> Result<OfService> {
    let console = &service.db.console;
    let read = console.read(|tx| {
        async move {
            Ok(OfService {
                jobs_failing: jobs::count_failing(tx).await?,
                strays: strays::count(tx).await?,
            })
        }
        .scope_boxed()
    });
    read.await
}

/// How many reports of these lines wait, are worked on, are closed.
///
/// # Errors
///
/// When the database fails.
pub async fn counts(service: &Service, lines: &[&Line]) -> Result<[i64; 3]> {
    let mut tx = service.db.console.begin_read().await?;
    let mut sums = [0; 3];
    for line in lines {
        let counts = reports::count(&mut tx, &line.id).await?;
        for (sum, status) in sums
            .iter_mut()
            .zip([Status::Queued, Status::Claimed, Status::Closed])
        {
            let own = counts.iter().filter(|(name, _)| *name == status);
            *sum += own.map(|(_, count)| count).sum::<i64>();
        }
    }
    Ok(sums)
}

/// Looks at a line.
///
/// # Errors
///
/// When the database fails.
pub async fn of(service: &Service, line: &Line) -> Result<Standing> {
    let now = service.clock.line_now();
    let schedule = &line.schedule;
    let mut tx = service.db.console.begin_read().await?;
    let counts = reports::count(&mut tx, &line.id).await?;
    let count = |status: Status| {
        counts
            .iter()
            .find(|(name, _)| *name == status)
            .map_or(0, |(_, count)| *count)
    };
    Ok(Standing {
        phase: schedule.phase(now),
        reopens_at: schedule.reopens_at(now),
        now: now.with_timezone(&schedule.timezone),
        intake_open: schedule.intake_open(now),
        clock_shifted: service.clock.shift().is_some(),
        queued: count(Status::Queued),
        claimed: count(Status::Claimed),
        closed: count(Status::Closed),
        calls_running: calls::running(&mut tx, &line.id).await?,
        calls_with_roster: calls::at_duty(&mut tx, &line.id).await?,
        recent: flood::recent(&mut tx, &line.id, now).await?,
        jobs_failing: jobs::count_failing(&mut tx).await?,
        jobs_failing_here: jobs::count_failing_of(&mut tx, &line.id).await?,
        shared_receipts: reports::shared_receipts(&mut tx, &line.id).await?,
        strays: strays::count(&mut tx).await?,
    })
}
