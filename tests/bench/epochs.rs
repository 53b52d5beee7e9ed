//! The key of a line is changed under load: a lead takes a member off a line with 5,000 reports, in the console, and the
//! service seals the keys of the reports again. The waiting times of webhooks are measured without the change and during
//! it, in turn, in several rounds of one run, because this machine's speed changes from minute to minute.
//!
//! The load is whole calls at a steady rate, with all their jobs. An answer is late from the time at which the webhook
//! was due, and a webhook counts if it was due while the key was changed: from before the lead's form was sent until
//! nothing was sealed to the former key.

use super::caller::{Caller, Kind};
use super::databases::Database;
use super::fill::fill;
use super::served::Served;
use super::{Spread, WEBHOOKS, drain, millis};
use dutyline::config::Config;
use dutyline::store::Db;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Number of reports before the first call.
const REPORTS: usize = 5_000;
/// Number of rounds, unless the arguments name another one; in each of them the line's key is changed once.
const ROUNDS: usize = 10;
/// Number of callers that share the rate.
const CALLERS: usize = 32;
/// Webhooks a second, unless the arguments name other rates.
const RATE: u32 = 60;
/// Length of the measurement without the change.
const FOR: Duration = Duration::from_secs(5);
/// Time during which calls come in before what is measured begins. At the rate [`RATE`] a call takes 3.2 s; until then not
/// all callers have begun.
const WARM_UP: Duration = Duration::from_secs(4);
/// Maximum time for a change, and for the jobs after it.
const AT_MOST: Duration = Duration::from_secs(120);
/// Pause between two looks at whether a change is done.
const POLL: Duration = Duration::from_millis(50);
const PASSWORD: &str = "nine geese above still reeds";

/// Number of grants of a line's former keys: none is left when a change is done.
const FORMER: &str = "SELECT COUNT(*) FROM grants JOIN line_keys ON line_keys.id = line_key
    WHERE line_keys.epoch < (SELECT MAX(epoch) FROM line_keys)";

/// The results of one round.
struct Round {
    quiet: Vec<Duration>,
    during: Vec<Duration>,
    /// Number of webhooks that were answered without the database, without the change and during it.
    late: [f64; 2],
    /// Time from the answer to the form until nothing was sealed to the former key, in seconds.
    took: f64,
}

/// Returns the median, and the time that 99 of 100 do not exceed, in milliseconds.
fn spread(times: impl IntoIterator<Item = Duration>) -> (f64, f64) {
    let times: Vec<Duration> = times.into_iter().collect();
    let spread = Spread::of(times, FOR);
    (spread.p50, spread.p99)
}

fn print(name: &str, quiet: (f64, f64), during: (f64, f64), rest: &str) {
    println!(
        "    {name:<10} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>8.2}  {rest}",
        quiet.0,
        quiet.1,
        during.0,
        during.1,
        during.1 / quiet.1,
    );
}

pub fn measure(
    runtime: &tokio::runtime::Runtime,
    database: &Database,
    folder: &Path,
    api_url: &str,
    asked: &[String],
) {
    Served::init(database, folder, api_url);
    std::fs::write(folder.join("new"), PASSWORD).expect("a file");
    let rates = asked.iter().filter_map(|rate| rate.strip_suffix("/s"));
    let mut rates: Vec<u32> = rates.filter_map(|rate| rate.parse().ok()).collect();
    if rates.is_empty() {
        rates.push(RATE);
    }
    let rounds = asked
        .iter()
        .find_map(|given| given.strip_prefix("rounds=")?.parse().ok());
    let in_all = rounds.unwrap_or(ROUNDS);
    for n in 0..rates.len() * in_all {
        let name = format!("li{n}");
        let add = [
            "member",
            "add",
            &name,
            "--role",
            "inspector",
            "--password-file",
            "new",
        ];
        let acting = ["--as", "wang", "--as-password-file", "password"];
        Served::run(folder, &[&add[..], &acting].concat());
    }
    let toml = std::fs::read_to_string(folder.join("dutyline.toml")).expect("it is there");
    let config = Config::parse(&toml, "dutyline.toml", folder).expect("it is right");
    let end = "2024-03-06T00:00:00Z".parse().expect("a time");
    runtime.block_on(fill(&config, "wang", REPORTS, end, true));

    let db = runtime.block_on(Db::open(&config.database));
    let db = db.expect("the database");

    let log = std::fs::File::create(folder.join("log")).expect("a file");
    let served = Served::start_logging(folder, log.into());
    let token = served.log_in();
    let mut changes = 0;
    for rate in rates {
        let mut rounds = Vec::new();
        println!(
            "  {:<12} {:>9} {:>9} {:>9} {:>9} {:>8} {:>7} late, during",
            format!("{rate}/s"),
            "p50 ms",
            "p99 ms",
            "during",
            "p99 ms",
            "ratio",
            "s"
        );
        for round in 0..in_all {
            let late = || served.metric("webhooks_fallback_total");
            let quiet = || {
                let before = late();
                let (_, times) = run(&served, rate, || std::thread::sleep(FOR));
                let times: Vec<Duration> = times.into_iter().map(|(_, took)| took).collect();
                (times, late() - before)
            };
            // Alternately, so that what a machine does in between does not always meet the same one.
            let before = round.is_multiple_of(2).then(quiet);
            drain(&served, AT_MOST);
            let name = format!("li{changes}");
            let id = runtime.block_on(id_of(&db, &name));
            let late_before = late();
            let (took, during) = run(&served, rate, || {
                take_off(runtime, &db, &served, &token, &id)
            });
            let late_during = late() - late_before;
            let mut slowest = during.clone();
            slowest.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
            let slowest = slowest
                .iter()
                .take(5)
                .map(|(at, took)| format!("{:.1}@{:.1}", millis(*took), at.as_secs_f64()));
            let slowest = slowest.collect::<Vec<_>>().join(" ");
            let during: Vec<Duration> = during.into_iter().map(|(_, took)| took).collect();
            changes += 1;
            drain(&served, AT_MOST);
            let (quiet, late_quiet) = before.unwrap_or_else(quiet);
            let late = [late_quiet, late_during];
            drain(&served, AT_MOST);
            let log = std::fs::read_to_string(folder.join("log")).expect("the log");
            let logged = log.lines().rfind(|line| line.contains("longest_write_ms"));
            let logged = logged.and_then(|line| line.split_once("next key"));
            let logged = logged.expect("the service logs the change").1;
            print(
                &format!("round {round}"),
                spread(quiet.iter().copied()),
                spread(during.iter().copied()),
                &format!(
                    "{took:>6.2} {:>3} {:>3}  {}; slowest {slowest}",
                    late[0],
                    late[1],
                    logged.trim()
                ),
            );
            rounds.push(Round {
                quiet,
                during,
                late,
                took,
            });
        }
        let all = |of: fn(&Round) -> &[Duration]| rounds.iter().flat_map(of).copied();
        let mut took: Vec<f64> = rounds.iter().map(|round| round.took).collect();
        took.sort_by(f64::total_cmp);
        print(
            "all",
            spread(all(|round| &round.quiet)),
            spread(all(|round| &round.during)),
            &format!(
                "{:>6.2} {:>3} {:>3}",
                took[took.len() / 2],
                rounds.iter().map(|round| round.late[0]).sum::<f64>(),
                rounds.iter().map(|round| round.late[1]).sum::<f64>()
            ),
        );
    }
}

/// Makes whole calls at this rate while `meanwhile` runs. Returns its result, and for each webhook that was due meanwhile,
/// when that was, from the beginning, and the time it took.
fn run<T>(
    served: &Served,
    rate: u32,
    meanwhile: impl FnOnce() -> T,
) -> (T, Vec<(Duration, Duration)>) {
    let done = AtomicBool::new(false);
    let start = Instant::now();
    let caller = |n: usize| {
        let mut caller = Caller::dial(served.address);
        caller.accept_late();
        let every = Duration::from_secs(1) * CALLERS as u32 / rate;
        // Spread over the length of a call: otherwise all calls would end, and the next ones come in, at the same times,
        // and a short change of the key could fall between two of these times.
        let first = every * WEBHOOKS as u32 * n as u32 / CALLERS as u32;
        let apart = every * (n as u32 % 2) / CALLERS as u32;
        caller.pace(start + first + apart, every);
        let mut times = Vec::new();
        while !done.load(Ordering::Relaxed) {
            times.extend(caller.timed_call(Kind::Whole));
        }
        times
    };
    std::thread::scope(|scope| {
        let caller = &caller;
        let callers: Vec<_> = (0..CALLERS)
            .map(|n| scope.spawn(move || caller(n)))
            .collect();
        std::thread::sleep(WARM_UP);
        let from = Instant::now();
        let result = meanwhile();
        let until = Instant::now();
        done.store(true, Ordering::Relaxed);
        let times = callers
            .into_iter()
            .flat_map(|caller| caller.join().expect("a caller"));
        let during = times.filter(|(due, _)| (from..until).contains(due));
        let during = during.map(|(due, took)| (due - from, took)).collect();
        (result, during)
    })
}

/// Takes a member off the line and waits until the change is done. Returns how long that took after the answer, in
/// seconds.
fn take_off(
    runtime: &tokio::runtime::Runtime,
    db: &Db,
    served: &Served,
    token: &str,
    id: &str,
) -> f64 {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("line", "fcg-5")
        .append_pair("own_password", "seven herons over grey water")
        .finish();
    let head = format!(
        "POST /console/members/{id}/take-off HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nCookie: __Host-dutyline={token}"
    );
    let (status, answer) = Caller::dial(served.address).request(&head, &form);
    assert_eq!(status, 303, "{answer}");
    let begun = Instant::now();
    while runtime.block_on(former_grants(db)) > 0 {
        assert!(begun.elapsed() < AT_MOST, "the change ends");
        std::thread::sleep(POLL);
    }
    begun.elapsed().as_secs_f64()
}

async fn former_grants(db: &Db) -> i64 {
    match db {
        Db::Sqlite { reader, .. } => sqlx::query_scalar(FORMER).fetch_one(reader).await,
        Db::Postgres { pool, .. } => sqlx::query_scalar(FORMER).fetch_one(pool).await,
    }
    .expect("a number")
}

/// Returns the id of the member with this name.
async fn id_of(db: &Db, name: &str) -> String {
    const ID: &str = "SELECT id FROM members WHERE name = $1";
    let id: Uuid = match db {
        Db::Sqlite { reader, .. } => sqlx::query_scalar(ID).bind(name).fetch_one(reader).await,
        Db::Postgres { pool, .. } => sqlx::query_scalar(ID).bind(name).fetch_one(pool).await,
    }
    .expect("a member");
    id.to_string()
}
