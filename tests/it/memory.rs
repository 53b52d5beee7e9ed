//! What is left of callers in the memory of the running program, once their calls are settled and no member is logged
//! in.
//!
//! Reads `/proc/PID/mem`, which the program allows only to root. Other users have to skip `memory`.

use crate::support::{Binary, DEADLINE, Database, TOKEN, pause};
use dutyline::app;
use dutyline::simulator;
use dutyline::simulator::exchange::{Exchange, ExchangeSettings, SpeechEnd};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use tokio::sync::watch;

const CALLS: usize = 20;
/// Text contained in each recording.
const SAID: &[u8] = b"what the caller said";

/// Returns a caller's number whose digits appear nowhere else.
fn number(call: usize) -> String {
    format!("+86139{:08}", 70_415_926 + call * 1_357_911)
}

/// A writable region of the program's memory.
struct Region {
    from: u64,
    to: u64,
    name: String,
}

fn regions(pid: u32) -> Vec<Region> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))
        .expect("the memory map: run as root, or skip `memory`");
    let regions = maps.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (from, to) = words.next()?.split_once('-')?;
        let is_written = words.next()?.starts_with("rw");
        let name = words.nth(3).unwrap_or("anonymous").to_owned();
        is_written.then(|| Region {
            from: u64::from_str_radix(from, 16).unwrap(),
            to: u64::from_str_radix(to, 16).unwrap(),
            name,
        })
    });
    regions.collect()
}

/// Returns the stack pointer of each thread with the thread's name.
fn stacks(pid: u32) -> Vec<(u64, String)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let threads = tasks.filter_map(|task| {
        let task = task.unwrap().path();
        let name = fs::read_to_string(task.join("comm")).ok()?;
        let syscall = fs::read_to_string(task.join("syscall")).ok()?;
        let pointer = syscall.split_whitespace().rev().nth(1)?;
        let pointer = u64::from_str_radix(pointer.strip_prefix("0x")?, 16).ok()?;
        Some((pointer, name.trim().to_owned()))
    });
    threads.collect()
}

/// Returns how often `needles` were found, by kind of region.
fn found(pid: u32, needles: &[Vec<u8>]) -> BTreeMap<String, usize> {
    let memory = File::open(format!("/proc/{pid}/mem")).expect("the memory: run as root");
    let stacks = stacks(pid);
    assert!(!stacks.is_empty());
    let mut starts = [false; 256];
    for needle in needles {
        starts[usize::from(needle[0])] = true;
    }
    let mut hits = BTreeMap::new();
    for region in regions(pid) {
        let mut bytes = vec![0; usize::try_from(region.to - region.from).unwrap()];
        if memory.read_exact_at(&mut bytes, region.from).is_err() {
            // The kernel's own pages ([vvar]) cannot be read.
            continue;
        }
        let mut count = 0;
        for (at, byte) in bytes.iter().enumerate() {
            // A cheap test first: this build is not optimised, and the memory is some hundred megabytes.
            if starts[usize::from(*byte)]
                && needles.iter().any(|needle| bytes[at..].starts_with(needle))
            {
                count += 1;
            }
        }
        if count > 0 {
            let thread = stacks
                .iter()
                .find(|(at, _)| (region.from..region.to).contains(at));
            let kind = match thread {
                Some((_, name)) => format!("stack of {name}"),
                None => format!("heap ({})", region.name),
            };
            *hits.entry(kind).or_default() += count;
        }
    }
    hits
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_settled_call_is_left_in_memory() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test reads another process's memory: run it as root, or skip `memory`"
    );
    let api = app::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let api_url = format!("http://{}", app::address(&api));
    let line = Binary::start(Database::sqlite(), &api_url, |toml| toml).await;
    let pid = line.pid();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(
        core.split_whitespace().skip(4).collect::<Vec<_>>(),
        ["0", "0", "bytes"]
    );

    let exchange = Exchange::new(ExchangeSettings {
        account: crate::support::ACCOUNT.into(),
        auth_token: TOKEN.to_owned().into(),
        hooks_url: format!("{}/hooks/twilio", line.url),
        api_url,
        public_url: "https://duty.example.org".into(),
    })
    .unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(app::serve(api, exchange.rest_router(), stopped));
    let _phone = simulator::telephone(exchange.clone());
    let said = crate::support::wav(SAID);
    for call in 0..CALLS {
        let view = exchange
            .dial(&number(call), crate::support::NUMBER)
            .await
            .unwrap();
        exchange.press(&view.id, "1").await.unwrap();
        let key = Some(SpeechEnd::Key);
        exchange.speak(&view.id, said.clone(), key).await.unwrap();
        exchange.press(&view.id, "1").await.unwrap();
    }
    // A running call has a `watch` job; a settled one does not.
    let settled = async {
        while line.metrics().await.contains(r#"dutyline_jobs{"#) {
            pause().await;
        }
    };
    let settled = tokio::time::timeout(DEADLINE, settled).await;
    assert!(
        settled.is_ok(),
        "calls are not settled: {}",
        line.metrics().await
    );
    drop(exchange);
    stop.send(true).unwrap();
    serving.await.unwrap();

    let mut needles: Vec<_> = (0..CALLS)
        .map(|call| number(call).as_bytes()[3..].to_vec())
        .collect();
    needles.push(SAID.to_vec());
    // A text that is there, to prove that the search finds anything.
    let there = found(pid, &[b"https://duty.example.org".to_vec()]);
    assert!(
        there.keys().any(|kind| kind.starts_with("heap")),
        "{there:?}"
    );
    let audio = needles.pop().expect("what was said");
    let hits = [found(pid, &needles), found(pid, &[audio])];
    assert!(
        hits.iter().all(BTreeMap::is_empty),
        "numbers, and what was said: {hits:?}"
    );
    line.finish().await;
}
