//! `cargo bench`: whole signed calls against the built program, compared with the bare database on this machine.
//!
//! A call is six webhooks: it comes in, `1` is pressed, a note is spoken and ended with `#`, the recording is reported,
//! `1` sends it, the call is over. The provider's REST side is a stand-in in this process, so that fetching, sealing,
//! deleting and settling run beside the calls as in production.
//!
//! Then the service is compared with two programs that do less: see [`race`]. Then a flood: see [`flood`]. On request a
//! line's key is changed under load: see [`epochs`].
//!
//! SQLite always; Postgres when `DUTYLINE_TEST_POSTGRES` names a server (`tests/run --bench` starts one).

#![expect(
    clippy::disallowed_methods,
    reason = "what is measured is this machine's time"
)]

mod bare;
#[path = "../load/bulk.rs"]
mod bulk;
mod caller;
#[path = "../it/support/databases.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod databases;
mod epochs;
#[path = "../load/fill.rs"]
mod fill;
mod flood;
mod provider;
mod race;
mod served;
mod yardsticks;

use caller::{Caller, Kind};
use databases::Database;
use served::Served;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time during which calls come in, for each number of callers.
const LOAD: Duration = Duration::from_secs(5);
/// Maximum time for the jobs afterwards.
const DRAIN: Duration = Duration::from_secs(15);
/// Number of webhooks of a whole call.
const WEBHOOKS: usize = 6;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = &arguments[..]
        && first == "--yardstick"
    {
        return yardsticks::serve(rest);
    }
    // `cargo test --benches` would run it too.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let api_url = runtime.block_on(provider::start());
    println!("dutyline {} on {}", env!("CARGO_PKG_VERSION"), machine());
    // `cargo bench -- epochs` runs only the change of a line's key, with `60/s rounds=3` under this load.
    // `cargo bench -- race` runs only the comparison with programs that do less; with `postgres`, only on Postgres;
    // with loads such as `200/s` or `64 callers`, only under those.
    let asked = |name: &str| arguments.iter().any(|argument| argument == name);
    let mut databases = Vec::new();
    if !asked("postgres") {
        databases.push(("SQLite", [(); 5].map(|()| Database::sqlite())));
    }
    if std::env::var_os("DUTYLINE_TEST_POSTGRES").is_some() {
        let five = [(); 5].map(|()| runtime.block_on(Database::postgres_with("")));
        databases.push(("Postgres", five));
    }
    for (name, [bare, served, flooded, raced, durable]) in databases {
        // In the target folder: a temporary folder may be in memory, where a sync to the disk costs nothing.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        println!("\n{name}{}", runtime.block_on(bare::durability(&bare)));
        if asked("epochs") {
            epochs::measure(&runtime, &bare, folder.path(), &api_url, &arguments);
        }
        let whole = !asked("race") && !asked("epochs");
        if whole {
            let commits = runtime.block_on(bare::commits(&bare, &folder.path().join("bare")));
            measure(&runtime, &served, folder.path(), &api_url, commits);
        }
        let [other, race, smallest] =
            [(); 3].map(|()| tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder"));
        if !asked("epochs") {
            let folders = [race.path(), smallest.path()];
            race::measure(&runtime, [&raced, &durable], folders, &api_url, &arguments);
        }
        if whole {
            Served::init(&flooded, other.path(), &api_url);
            flood::measure(&runtime, &flooded, other.path());
        }
        for database in [bare, served, flooded, raced, durable] {
            runtime.block_on(database.remove());
        }
    }
}

fn measure(
    runtime: &tokio::runtime::Runtime,
    database: &Database,
    folder: &Path,
    api_url: &str,
    bare: [Spread; 2],
) {
    Served::init(database, folder, api_url);
    let mut starts: Vec<_> = (0..11).map(|_| Served::start(folder).took).collect();
    starts.sort_unstable();
    println!(
        "  start-up: {:.0} ms, the slowest of {} {:.0} ms",
        millis(starts[starts.len() / 2]),
        starts.len(),
        millis(starts[starts.len() - 1]),
    );
    let served = Served::start(folder);
    println!("  memory at rest: {:.1} MB", served.memory("VmRSS"));
    let commits = || runtime.block_on(bare::count(database, folder));

    // Only webhooks that leave no job behind, so that every commit is a webhook's.
    let (before, calls) = (commits(), 20);
    let mut caller = Caller::dial(served.address);
    (0..calls).for_each(|_| drop(caller.call(Kind::Pressing)));
    let of_webhooks = (commits() - before) as f64 / (calls * 3) as f64;
    println!("  commits per webhook: {of_webhooks:.2}");

    println!("                          per second     p50 ms     p99 ms");
    for (at_once, bare) in [1, 16].into_iter().zip(bare) {
        let before = served.metric("reports_total");
        let (calls, spread) = load(&served, at_once);
        println!("  {at_once:>2} at once, bare commits {bare}");
        println!("              webhooks     {spread}");
        println!(
            "              a webhook takes {:.2} bare commits at the median; {:.0} calls per second",
            spread.p50 / bare.p50,
            calls / LOAD.as_secs_f64(),
        );
        let (took, left) = drain(&served, DRAIN);
        let settled = served.metric("reports_total") - before;
        println!(
            "              {settled:.0} of {calls:.0} calls settled when calls had stopped for {took:.1} s, {left:.0} jobs left"
        );
    }
    println!(
        "  memory: {:.1} MB after the calls, {:.1} MB at most",
        served.memory("VmRSS"),
        served.memory("VmHWM")
    );
    assert_eq!(
        served.metric("webhooks_fallback_total"),
        0.0,
        "every webhook was written down"
    );
    assert_eq!(
        served.metric("jobs_failed_total"),
        0.0,
        "every job was done"
    );
}

/// Makes whole calls from `at_once` callers. Returns the number of calls, and the times of their webhooks.
fn load(served: &Served, at_once: usize) -> (f64, Spread) {
    let calls = AtomicU64::new(0);
    let end = Instant::now() + LOAD;
    let caller = || {
        let mut caller = Caller::dial(served.address);
        let mut times = Vec::new();
        while Instant::now() < end {
            times.extend(caller.call(Kind::Whole));
            calls.fetch_add(1, Ordering::Relaxed);
        }
        times
    };
    let start = Instant::now();
    let times: Vec<Duration> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..at_once).map(|_| scope.spawn(caller)).collect();
        callers
            .into_iter()
            .flat_map(|caller| caller.join().expect("a caller"))
            .collect()
    });
    let took = start.elapsed();
    let calls = calls.into_inner();
    assert_eq!(times.len() as u64, calls * WEBHOOKS as u64);
    (calls as f64, Spread::of(times, took))
}

/// Waits until no job is left, for `within` at most.
fn drain(served: &Served, within: Duration) -> (f64, f64) {
    let start = Instant::now();
    loop {
        let left = served.waiting_jobs();
        let took = start.elapsed();
        if left == 0.0 || took > within {
            return (took.as_secs_f64(), left);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Statistics of measured times.
#[derive(Clone, Copy)]
pub struct Spread {
    count: usize,
    per_second: f64,
    p50: f64,
    p99: f64,
}

impl Spread {
    /// Computes the statistics of operations that took `took` altogether.
    pub fn of(mut times: Vec<Duration>, took: Duration) -> Self {
        times.sort_unstable();
        let at = |share: usize| millis(times[times.len() * share / 100]);
        Self {
            count: times.len(),
            per_second: times.len() as f64 / took.as_secs_f64(),
            p50: at(50),
            p99: at(99),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:>9.0} {:>10.2} {:>10.2}",
            self.per_second, self.p50, self.p99
        )
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unknown processor", |(_, model)| model);
    format!("{cpus} cores of {model}")
}
