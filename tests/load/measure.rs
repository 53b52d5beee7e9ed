//! `tests/run --load`: the cost of many reports and many lines. The built program runs in its own process with 1,000
//! and with 1,000,000 reports of one line, and with 3,000 lines whose keys the requesting member holds. All are
//! measured in turn in one run; the medians and their ratios are printed.
//!
//! SQLite always; Postgres when `DUTYLINE_TEST_POSTGRES` names a server.
//! `cargo bench --bench load -- load reports=20000 lines=50` measures smaller ones.

#![expect(
    clippy::disallowed_methods,
    reason = "what is measured is this machine's time"
)]

mod bulk;
#[path = "../bench/caller.rs"]
#[allow(dead_code, reason = "the other benchmark uses all of it")]
mod caller;
#[path = "../it/support/databases.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod databases;
mod fill;
#[path = "../bench/served.rs"]
#[allow(dead_code, reason = "the other benchmark uses all of it")]
mod served;

use caller::{Caller, Kind};
use databases::Database;
use dutyline::config::{Config, EMBEDDED};
use served::Served;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Number of rounds; in each of them every service is measured once.
const ROUNDS: usize = 5;
/// Number of measurements of each kind in a round.
const IN_A_ROUND: usize = 40;
/// A ratio above this is marked.
const WANTED: f64 = 2.0;

/// Indices of the measured operations.
const WEBHOOK: usize = 0;
const CLAIM: usize = 1;
const QUEUE: usize = 2;
const START: usize = 3;
const NAMES: [&str; 4] = [
    "first webhook of a call",
    "claiming the next",
    "first page of the queue",
    "start, until ready",
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Not with the other benchmark, because it takes minutes and gigabytes.
    if !arguments.iter().any(|argument| argument == "load") {
        return;
    }
    let given = |name: &str, default: usize| {
        let value =
            |argument: &String| argument.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
        arguments.iter().find_map(value).unwrap_or(default)
    };
    let (reports, lines) = (given("reports", 1_000_000), given("lines", 3_000));
    let asked = |name: &str| arguments.iter().any(|argument| argument == name);
    let runtime = Runtime::new().expect("a runtime");
    if !asked("postgres") {
        let databases = [(); 3].map(|()| Database::sqlite());
        measure(&runtime, "SQLite", databases, reports, lines);
    }
    if !asked("sqlite") && std::env::var_os("DUTYLINE_TEST_POSTGRES").is_some() {
        let databases = [(); 3].map(|()| runtime.block_on(Database::postgres_with("")));
        measure(&runtime, "Postgres", databases, reports, lines);
    }
}

fn measure(runtime: &Runtime, name: &str, databases: [Database; 3], reports: usize, lines: usize) {
    // In the target folder: a temporary folder may be in memory.
    let folder = || tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let folders = [(); 3].map(|()| folder());
    println!("\n{name}");
    for ((database, folder), (reports, lines)) in
        databases
            .iter()
            .zip(&folders)
            .zip([(1_000, 1), (reports, 1), (1_000.max(lines), lines)])
    {
        let begun = Instant::now();
        prepare(runtime, database, folder.path(), reports, lines);
        let took = begun.elapsed().as_secs_f64();
        println!("  {reports} reports of {lines} lines, made in {took:.0} s");
    }
    let mut times: [[Vec<Duration>; 4]; 3] = Default::default();
    let paths = folders.each_ref().map(tempfile::TempDir::path);
    for _ in 0..ROUNDS {
        for (path, times) in paths.iter().zip(&mut times) {
            let begun = Instant::now();
            drop(Served::start(path));
            times[START].push(begun.elapsed());
        }
    }
    let mut served = paths.map(|path| {
        let served = Served::start(path);
        let token = served.log_in();
        (Caller::dial(served.address), token, served)
    });
    for round in 0..=ROUNDS {
        for ((caller, token, _), times) in served.iter_mut().zip(&mut times) {
            let one = one_round(caller, token);
            // The first round only fills caches.
            if round > 0 {
                for (times, one) in times.iter_mut().zip(one) {
                    times.extend(one);
                }
            }
        }
    }
    drop(served);
    let [few, many, of_lines] = times.map(|times| times.map(median));
    println!(
        "  medians in ms                1,000 reports, 1 line   {reports} reports       ratio   {lines} lines       ratio"
    );
    for (n, what) in NAMES.iter().enumerate() {
        println!(
            "  {what:<26} {:>12.2} {:>27.2} {:>15} {:>9.2} {:>15}",
            few[n],
            many[n],
            ratio(many[n], few[n]),
            of_lines[n],
            ratio(of_lines[n], few[n]),
        );
    }
    for database in databases {
        runtime.block_on(database.remove());
    }
}

fn prepare(runtime: &Runtime, database: &Database, folder: &Path, reports: usize, lines: usize) {
    Served::init_lines(database, folder, "http://127.0.0.1:9", &configured(lines));
    let toml = std::fs::read_to_string(folder.join("dutyline.toml")).expect("it is there");
    let config = Config::parse(&toml, "dutyline.toml", folder).expect("it is right");
    // Before the start of the service's clock.
    let end = "2024-03-06T00:00:00Z".parse().expect("a time");
    runtime.block_on(fill::fill(&config, "wang", reports, end, true));
}

/// Returns the default line, and others with the required settings.
fn configured(lines: usize) -> String {
    let mut text = EMBEDDED[EMBEDDED.find("[[line]]").expect("a line")..].to_owned();
    for n in 1..lines {
        write!(
            text,
            r#"
[[line]]
id = "line-{n}"
number = "0770{:07}"
country = "CN"
name = "巡察组"
timezone = "Asia/Shanghai"
calendar = ["cn", "cn-guangxi"]
inspection = {{ from = 2024-03-06, to = 2024-06-21 }}
intake = {{ from = 2024-03-06, to = 2024-06-14 }}
hours = ["08:30-12:00", "15:00-18:00"]
"#,
            2_000_000 + n
        )
        .expect("memory");
    }
    text
}

/// Measures each kind of operation; starts are measured elsewhere.
fn one_round(caller: &mut Caller, token: &str) -> [Vec<Duration>; 3] {
    let mut times: [Vec<Duration>; 3] = Default::default();
    for _ in 0..IN_A_ROUND {
        times[WEBHOOK].push(caller.call(Kind::Pressing)[0]);
    }
    for _ in 0..IN_A_ROUND / 8 {
        let begun = Instant::now();
        let post = format!("POST /console/claim-next HTTP/1.1\r\nCookie: __Host-dutyline={token}");
        let (status, _) = caller.request(&post, "");
        times[CLAIM].push(begun.elapsed());
        assert_eq!(status, 303, "a report is claimed");
    }
    for _ in 0..IN_A_ROUND {
        let begun = Instant::now();
        let (status, page) = caller.look("/console/", token);
        times[QUEUE].push(begun.elapsed());
        assert_eq!((status, page.matches("<tr id=").count()), (200, 50));
    }
    times
}

/// Returns the median, in milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    middle.as_secs_f64() * 1000.0
}

fn ratio(many: f64, few: f64) -> String {
    let ratio = many / few;
    let mark = if ratio > WANTED { " (over)" } else { "" };
    format!("{ratio:.2}{mark}")
}
