//! A flood: ten thousand calls in which nothing is said, from one number, while some callers speak and members open the
//! queue. The waiting times of these are measured before and during the flood, in the same run.

use super::caller::{Caller, Kind};
use super::databases::Database;
use super::served::Served;
use super::{Spread, bare, millis};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Number of calls in which nothing is said.
const CALLS: u64 = 10_000;
/// Number of them at once.
const AT_ONCE: usize = 8;
/// Length of the measurement before the flood.
const BEFORE: Duration = Duration::from_secs(10);
/// Pause of a caller who speaks, or of a member who opens the queue, before the next time.
const BREATH: Duration = Duration::from_millis(100);
/// Maximum time for the jobs afterwards.
const DRAIN: Duration = Duration::from_secs(120);

/// Waiting times of requests that are not part of the flood.
struct Waits {
    webhooks: Spread,
    console: Spread,
    api: Spread,
}

pub fn measure(runtime: &tokio::runtime::Runtime, database: &Database, folder: &Path) {
    let served = Served::start(folder);
    let token = served.log_in();
    let size = || runtime.block_on(bare::size(database, folder)) / 1e6;
    let quiet = wait(&served, &token, |done| {
        std::thread::sleep(BEFORE);
        done.store(true, Ordering::Relaxed);
    });
    // The current memory, not its peak: a login needs more than any call.
    let (before, memory) = (size(), served.memory("VmRSS"));
    let start = Instant::now();
    let flood = wait(&served, &token, |done| {
        pour(&served);
        done.store(true, Ordering::Relaxed);
    });
    let took = start.elapsed();
    println!(
        "  {CALLS} silent calls, {AT_ONCE} at once: {:.0} per second",
        CALLS as f64 / took.as_secs_f64()
    );
    println!("                                       p50 ms     p99 ms");
    let both = [
        (
            "a speaking caller's webhooks",
            quiet.webhooks,
            flood.webhooks,
        ),
        ("the queue page", quiet.console, flood.console),
        ("the API's list", quiet.api, flood.api),
    ];
    for (what, quiet, flood) in both {
        println!(
            "    {what:<28} without {:>8.2} {:>10.2}",
            quiet.p50, quiet.p99
        );
        println!(
            "    {:<28}  during {:>8.2} {:>10.2}",
            "", flood.p50, flood.p99
        );
    }
    let start = Instant::now();
    while served.waiting_jobs() > 0.0 && start.elapsed() < DRAIN {
        std::thread::sleep(Duration::from_millis(100));
    }
    println!(
        "    {:.0} jobs left {:.1} s after the last call; {:.1} MB of memory more; {:.1} kB of database a call",
        served.waiting_jobs(),
        start.elapsed().as_secs_f64(),
        served.memory("VmRSS") - memory,
        (size() - before) * 1e3 / CALLS as f64,
    );
    let mut desk = Caller::dial(served.address);
    for path in ["/api/v1/abandoned", "/api/v1/lines", "/console/abandoned"] {
        let asked = Instant::now();
        let (status, _) = desk.look(path, &token);
        assert_eq!(status, 200, "{path}");
        println!(
            "    {path:<20} afterwards {:>8.2} ms",
            millis(asked.elapsed())
        );
    }
    assert_eq!(
        served.metric("webhooks_fallback_total"),
        0.0,
        "every webhook was written down"
    );
}

/// Makes silent calls until there are enough.
fn pour(served: &Served) {
    let calls = AtomicU64::new(0);
    let caller = || {
        let mut caller = Caller::dial(served.address);
        while calls.fetch_add(1, Ordering::Relaxed) < CALLS {
            caller.call(Kind::Silent);
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(caller))));
}

/// Leaves notes, opens the queue and lists reports, again and again while `meanwhile` runs, and at least once.
fn wait(served: &Served, token: &str, meanwhile: impl FnOnce(&AtomicBool) + Send) -> Waits {
    let done = AtomicBool::new(false);
    let repeat = |act: &dyn Fn(&mut Caller) -> Vec<Duration>| {
        let start = Instant::now();
        let mut caller = Caller::dial(served.address);
        let mut times = act(&mut caller);
        while !done.load(Ordering::Relaxed) {
            std::thread::sleep(BREATH);
            times.extend(act(&mut caller));
        }
        Spread::of(times, start.elapsed())
    };
    let look = |path: &'static str| {
        move |caller: &mut Caller| {
            let asked = Instant::now();
            let (status, _) = caller.look(path, token);
            assert_eq!(status, 200, "{path}");
            vec![asked.elapsed()]
        }
    };
    std::thread::scope(|scope| {
        let webhooks = scope.spawn(|| repeat(&|caller| caller.call(Kind::Whole)));
        let console = scope.spawn(|| repeat(&look("/console/")));
        let api = scope.spawn(|| repeat(&look("/api/v1/reports")));
        meanwhile(&done);
        Waits {
            webhooks: webhooks.join().expect("a caller"),
            console: console.join().expect("an inspector"),
            api: api.join().expect("a script"),
        }
    })
}
