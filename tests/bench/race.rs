//! Compares the service with two programs that do less: see [`super::yardsticks`]. All are measured in turn, in three
//! rounds of one run, and the median of the rounds is printed, because this machine's speed changes from minute to
//! minute.

use super::bare;
use super::caller::{Caller, Kind};
use super::databases::Database;
use super::served::{Served, cpu_time};
use super::yardsticks::Yardstick;
use super::{Spread, drain};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// Length of a measurement of each program in each round.
const FOR: Duration = Duration::from_secs(3);
/// Maximum time for the jobs of a load after it: a receipt takes about 25 ms, one after the other.
const UNTIL_ALL_IS_DONE: Duration = Duration::from_secs(300);
/// Number of rounds.
const ROUNDS: usize = 3;
/// Number of callers of the programs that the service is compared with.
const MANY: usize = 64;
/// Number of callers that share a steady rate.
const STEADY: usize = 32;

/// The arrival of webhooks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Load {
    /// This many callers, each sending its next webhook as soon as the last one is answered.
    Callers(usize),
    /// This many webhooks a second, whatever the answers take.
    Steady(u32),
}

/// The results of one measurement.
struct Figures {
    spread: Spread,
    /// Processor time per webhook, in microseconds; for the service including its jobs.
    cpu: f64,
    /// Transactions per webhook, including those of jobs; `None` where unknown.
    commits: Option<f64>,
}

/// The loads on the service. Those that leave the most jobs come last.
const LOADS: [Load; 6] = [
    Load::Steady(200),
    Load::Steady(1000),
    Load::Callers(1),
    Load::Callers(16),
    Load::Callers(MANY),
    Load::Callers(256),
];

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Callers(1) => f.pad("1 caller"),
            Self::Callers(callers) => f.pad(&format!("{callers} callers")),
            Self::Steady(rate) => f.pad(&format!("{rate}/s")),
        }
    }
}

/// Measures and prints. Runs only the loads on the service that `asked` names, or all when it names none.
pub fn measure(
    runtime: &tokio::runtime::Runtime,
    [served, durable]: [&Database; 2],
    [served_folder, durable_folder]: [&Path; 2],
    api_url: &str,
    asked: &[String],
) {
    let is_asked = |load: &Load| asked.contains(&load.to_string());
    let all = !LOADS.iter().any(is_asked);
    let loads: Vec<Load> = (LOADS.into_iter())
        .filter(|load| all || is_asked(load))
        .collect();
    Served::init(served, served_folder, api_url);
    let service = Served::start(served_folder);
    let constant = Yardstick::constant();
    let smallest = Yardstick::durable(durable, durable_folder);
    let mut constants = Vec::new();
    let mut smallests = Vec::new();
    // The time of one commit on this disk: no service answers sooner.
    let mut alone = Vec::new();
    let mut services: Vec<Vec<Figures>> = loads.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        let load = Load::Callers(MANY);
        let cpu = || constant.cpu();
        constants.push(figures(constant.address, load, &cpu, &|| None));
        let cpu = || smallest.cpu();
        smallests.push(figures(smallest.address, load, &cpu, &|| None));
        alone.push(figures(smallest.address, Load::Callers(1), &cpu, &|| None));
        for (load, of_load) in loads.iter().copied().zip(&mut services) {
            let cpu = || cpu_time(service.id());
            let commits = || Some(runtime.block_on(bare::count(served, served_folder)));
            of_load.push(figures(service.address, load, &cpu, &commits));
            // The jobs left by one load must not be measured with the next one.
            drain(&service, UNTIL_ALL_IS_DONE);
        }
    }
    let whole = median(&constants, |one| one.spread.per_second);
    println!(
        "                                   webhooks/s  of axum    p50 ms    p99 ms  CPU us  commits"
    );
    print(
        "axum, constant answer",
        Load::Callers(MANY),
        &constants,
        whole,
    );
    print(
        "smallest durable program",
        Load::Callers(MANY),
        &smallests,
        whole,
    );
    print("smallest durable program", Load::Callers(1), &alone, whole);
    for (load, of_load) in loads.into_iter().zip(&services) {
        print("this service", load, of_load, whole);
    }
    println!(
        "  memory of the service afterwards: {:.1} MB, {:.1} MB at most",
        service.memory("VmRSS"),
        service.memory("VmHWM")
    );
}

fn figures(
    address: SocketAddr,
    load: Load,
    cpu: &dyn Fn() -> Duration,
    commits: &dyn Fn() -> Option<u64>,
) -> Figures {
    let (cpu_before, commits_before) = (cpu(), commits());
    let spread = run(address, load);
    let webhooks = spread.count as f64;
    let commits = commits().zip(commits_before);
    Figures {
        spread,
        cpu: (cpu() - cpu_before).as_secs_f64() * 1e6 / webhooks,
        commits: commits.map(|(after, before)| (after - before) as f64 / webhooks),
    }
}

fn run(address: SocketAddr, load: Load) -> Spread {
    let callers = match load {
        Load::Callers(callers) => callers,
        Load::Steady(_) => STEADY,
    };
    let start = Instant::now();
    let caller = |n: usize| {
        let mut caller = Caller::dial(address);
        if let Load::Steady(rate) = load {
            let every = Duration::from_secs(1) * STEADY as u32 / rate;
            caller.pace(start + every * n as u32 / STEADY as u32, every);
        }
        let mut times = Vec::new();
        while start.elapsed() < FOR {
            times.extend(caller.call(Kind::Whole));
        }
        times
    };
    let times: Vec<Duration> = std::thread::scope(|scope| {
        let caller = &caller;
        let callers: Vec<_> = (0..callers)
            .map(|n| scope.spawn(move || caller(n)))
            .collect();
        callers
            .into_iter()
            .flat_map(|caller| caller.join().expect("a caller"))
            .collect()
    });
    Spread::of(times, start.elapsed())
}

fn median(figures: &[Figures], of: impl Fn(&Figures) -> f64) -> f64 {
    let mut values: Vec<f64> = figures.iter().map(of).collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(what: &str, load: Load, figures: &[Figures], whole: f64) {
    let per_second = median(figures, |one| one.spread.per_second);
    let commits = match figures.iter().all(|one| one.commits.is_some()) {
        true => format!("{:.2}", median(figures, |one| one.commits.unwrap_or(0.0))),
        false => String::new(),
    };
    println!(
        "  {what:<25} {load:>11} {per_second:>9.0} {:>8.3} {:>9.2} {:>9.2} {:>7.0} {commits:>8}",
        per_second / whole,
        median(figures, |one| one.spread.p50),
        median(figures, |one| one.spread.p99),
        median(figures, |one| one.cpu),
    );
}
