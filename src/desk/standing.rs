//! The current state of a line, and problems of the whole service.

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

/// The state of a line at one moment.
pub struct Standing {
    /// The line's phase.
    pub phase: Phase,
    /// When the line will be staffed again, in the line's time zone; `None` while it is staffed, and after its last
    /// window.
    pub reopens_at: Option<DateTime<Tz>>,
    /// The current line time, in the line's time zone.
    pub now: DateTime<Tz>,
    /// True if the line accepts new reports on the current day.
    pub intake_open: bool,
    /// True if line time is shifted against system time.
    pub clock_shifted: bool,
    /// Number of reports with the status `queued`.
    pub queued: i64,
    /// Number of reports with the status `claimed`.
    pub claimed: i64,
    /// Number of reports with the status `closed`.
    pub closed: i64,
    /// Number of the line's calls that have not ended.
    pub calls_running: i64,
    /// Number of these calls that ring the roster, or are connected to a member of it.
    pub calls_with_roster: i64,
    /// Calls of the current hour and the one before, with the usual number.
    pub recent: Recent,
    /// Number of jobs of the whole service that keep failing.
    pub jobs_failing: i64,
    /// Number of these jobs that are about this line's calls and recordings.
    pub jobs_failing_here: i64,
    /// Number of the line's receipts that two callers were told and whose report is not closed.
    pub shared_receipts: i64,
    /// Number of recordings, of the whole service, whose call and line are not known yet.
    pub strays: i64,
}

/// Problems of the whole service that need an operator.
pub struct OfService {
    /// Number of jobs that keep failing.
    pub jobs_failing: i64,
    /// Number of recordings whose call and line are not known yet.
    pub strays: i64,
}

/// Reads the problems of the whole service.
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

/// Returns the numbers of queued, claimed and closed reports, in this order, of these lines together.
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

/// Reads the state of a line.
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
