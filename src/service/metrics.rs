//! Counters and durations for operators, in Prometheus' data model. Each service has a registry of its own, so that two
//! services in one process have separate counts.
//!
//! The value of a label here is always a text of the program ([`Labelled::of`] requires `&'static str`), so nothing
//! that a caller sends can become one.

use crate::report::takes::Reached;
use crate::store::jobs::Kind;
use crate::telephony::Hook;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};
use std::time::Instant;

/// Prefix of every metric's name, before an underscore.
pub const PREFIX: &str = "dutyline";
/// The content type of [`text_of`]: Prometheus' text format, which every version of Prometheus reads.
pub use prometheus_text::CONTENT_TYPE;

/// Upper bounds of the buckets for webhooks, in seconds. A webhook that is not committed within 1.5 s gets the fallback
/// answer, or 503 if it is a status or recording callback.
const WEBHOOK_BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0,
];
/// Upper bounds of the buckets for batches of webhooks and their commits, in seconds. The lowest, 0.1 ms, is for a
/// commit on a disk with a cache that survives a loss of power.
const BATCH_BUCKETS: [f64; 14] = [
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0,
];
/// Upper bounds of the buckets for tries of jobs, in seconds: from 5 ms, a few statements, to 10 minutes, the download
/// of a long recording over a slow connection.
const JOB_BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0,
];

/// The counters and histograms of one service. They count from the start of the service.
pub struct Metrics {
    registry: Registry,
    /// Webhooks with a valid signature, and events of providers that hold a connection.
    pub webhooks: Counter,
    /// Webhooks and streams refused because of their signature, account or key.
    pub webhooks_refused: Counter,
    /// Webhooks that got the fallback answer, or 503 where there is none, because the database failed or was too slow.
    /// Also those that name no readable call id and have to be answered.
    pub webhooks_fallback: Counter,
    /// Calls that were answered and stored.
    pub calls: Counter,
    /// Calls that the duty inspector accepted.
    pub calls_accepted: Counter,
    /// Calls to a number that no line has.
    pub calls_not_in_service: Counter,
    /// Calls that became reports.
    pub reports: Counter,
    /// Recordings sealed.
    pub recordings_sealed: Counter,
    /// Recordings lost while they were streamed.
    pub recordings_lost: Counter,
    /// Times that a sealed recording was missing or differed from what was sealed, when it was to be deleted at the
    /// provider.
    pub recordings_damaged: Counter,
    /// Tries of jobs that failed. A try that only postponed the job, or lost its lease, is not one of them.
    pub jobs_failed: Counter,
    /// Wrong passwords: at logins, also with an unknown name or of a disabled member, and in sessions.
    pub logins_wrong: Counter,
    /// Receipts not looked up because there were too many tries.
    pub receipts_refused: Counter,
    /// Receipts that two callers were told, found when the second call was settled.
    pub receipts_shared: Counter,
    /// Receipts not looked up because their key was not derived in time.
    pub receipts_late: Counter,
    /// Keys that were not offered when they were pressed, and answers with more keys than the one that was expected.
    pub keys_unasked: Counter,
    /// Calls that are settled and left no message, by how far they got.
    pub calls_without_message: Labelled<Counter>,
    /// The same as `webhooks`, by kind of webhook.
    pub webhooks_by_kind: Labelled<Counter>,
    /// Seconds from a webhook's request being read to its answer, by kind of webhook. Refused webhooks are not in it.
    pub webhook_seconds: Labelled<Histogram>,
    /// Seconds that a batch of webhooks took: loading, deciding, writing and committing. Batches that failed are not in
    /// it.
    pub batch_seconds: Histogram,
    /// Seconds that the commit of a batch of webhooks took. Batches that changed nothing have no commit.
    pub batch_commit_seconds: Histogram,
    /// Number of webhooks in a batch.
    pub batch_webhooks: Histogram,
    /// Seconds that one try of a job took, by kind of job, whether or not it succeeded.
    pub job_seconds: Labelled<Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let of = &mut registry;
        // The help texts are for operators; the encoder adds a full stop to each.
        Self {
            webhooks: counter(of, "webhooks", "Webhooks with a valid signature"),
            webhooks_refused: counter(
                of,
                "webhooks_refused",
                "Webhooks refused because of their signature or account",
            ),
            webhooks_fallback: counter(
                of,
                "webhooks_fallback",
                "Webhooks answered without the database, because it failed or was too slow",
            ),
            calls: counter(of, "calls", "Calls answered"),
            calls_accepted: counter(of, "calls_accepted", "Calls the duty inspector accepted"),
            calls_not_in_service: counter(
                of,
                "calls_not_in_service",
                "Calls to a number that no line has",
            ),
            reports: counter(of, "reports", "Calls that became reports"),
            recordings_sealed: counter(of, "recordings_sealed", "Recordings sealed"),
            recordings_lost: counter(
                of,
                "recordings_lost",
                "Recordings lost while they were streamed",
            ),
            recordings_damaged: counter(
                of,
                "recordings_damaged",
                "Times that a sealed recording differed from what was sealed",
            ),
            jobs_failed: counter(of, "jobs_failed", "Tries of jobs that failed"),
            logins_wrong: counter(of, "logins_wrong", "Logins with a wrong name or password"),
            receipts_refused: counter(
                of,
                "receipts_refused",
                "Receipts not looked up because there were too many tries",
            ),
            receipts_shared: counter(of, "receipts_shared", "Receipts that two callers were told"),
            receipts_late: counter(
                of,
                "receipts_late",
                "Receipts not looked up because there was no time",
            ),
            keys_unasked: counter(
                of,
                "keys_unasked",
                "Keys that were not offered when they were pressed",
            ),
            calls_without_message: labelled(
                of,
                "calls_without_message",
                "Calls that are over and left no message, by how far they got",
                "reached",
                Reached::ALL.map(Reached::as_str),
                Counter::default,
            ),
            webhooks_by_kind: labelled(
                of,
                "webhooks_by_kind",
                "Webhooks with a valid signature, by kind",
                "kind",
                Hook::KINDS,
                Counter::default,
            ),
            webhook_seconds: labelled(
                of,
                "webhook_seconds",
                "Time from a webhook's request being read to its answer",
                "kind",
                Hook::KINDS,
                || Histogram::new(WEBHOOK_BUCKETS),
            ),
            batch_seconds: registered(
                of,
                "batch_seconds",
                "Time to load, decide, write and commit a batch of webhooks",
                Histogram::new(BATCH_BUCKETS),
            ),
            batch_commit_seconds: registered(
                of,
                "batch_commit_seconds",
                "Time to commit a batch of webhooks",
                Histogram::new(BATCH_BUCKETS),
            ),
            batch_webhooks: registered(
                of,
                "batch_webhooks",
                "Webhooks in a batch",
                // The buckets are 1, 2, 4 … 512, the largest batch.
                Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            ),
            job_seconds: labelled(
                of,
                "job_seconds",
                "Time that one try of a job took, whether or not it succeeded",
                "kind",
                Kind::ALL.iter().map(|kind| kind.as_str()),
                || Histogram::new(JOB_BUCKETS),
            ),
            registry,
        }
    }
}

impl Metrics {
    /// Returns these metrics in Prometheus' text format; its content type is [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        text_of(&self.registry)
    }
}

/// Returns a registry's metrics in Prometheus' text format 0.0.4. The texts of several registries may be concatenated
/// if they have no metric's name in common.
pub fn text_of(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a String does not fail, and no metric of this program fails to encode.
    let _ = prometheus_text::encode(&mut text, registry);
    text
}

/// Returns the seconds since an instant.
pub fn seconds_since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64()
}

/// The metrics of one name, one for each value of their label.
type ByLabel<M> = Family<[(&'static str, &'static str); 1], M, fn() -> M>;

/// Metrics of one name that differ in the value of one label.
pub struct Labelled<M> {
    label: &'static str,
    metrics: ByLabel<M>,
}

impl<M: Clone> Labelled<M> {
    /// Returns the metric for this value of the label. A value that was not given at registration appears in the text
    /// after its first use.
    pub fn of(&self, value: &'static str) -> M {
        self.metrics.get_or_create_owned(&[(self.label, value)])
    }
}

fn registered<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// Registers a counter. The text appends `_total` to its name.
fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    registered(registry, name, help, Counter::default())
}

/// Registers a metric for each of these values of a label. They are in the text from the start, because the first
/// increase of a metric that appears with its first event cannot be seen
/// (<https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics>).
fn labelled<M>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: impl IntoIterator<Item = &'static str>,
    make: fn() -> M,
) -> Labelled<M>
where
    M: Clone,
    ByLabel<M>: Metric,
{
    let metrics: ByLabel<M> = Family::new_with_constructor(make);
    for value in values {
        metrics.get_or_create_owned(&[(label, value)]);
    }
    registry.register(name, help, metrics.clone());
    Labelled { label, metrics }
}
