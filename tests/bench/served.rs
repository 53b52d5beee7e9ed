//! The built program in its own process.

use super::caller::Caller;
use super::databases::Database;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const ACCOUNT: &str = "AC11111111111111111111111111111111";
pub const TOKEN: &str = "test-token-of-the-provider";
pub const PUBLIC: &str = "https://duty.example.org";
const OPEN: &str = "2024-03-06T09:00:00+08:00";

/// A running service, killed when dropped.
pub struct Served {
    process: Child,
    /// Address of the webhooks.
    pub address: SocketAddr,
    ops: SocketAddr,
    /// Time from the start of the process to the first line that names its address.
    pub took: Duration,
}

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dutyline"));
    command
        .current_dir(folder)
        .args(arguments)
        .stdout(Stdio::piped());
    command
}

impl Served {
    /// Writes the configuration of the default line into `folder`, and makes its key.
    pub fn init(database: &Database, folder: &Path, api_url: &str) {
        let default = dutyline::config::EMBEDDED;
        let lines = &default[default.find("[[line]]").expect("the default has a line")..];
        Self::init_lines(database, folder, api_url, lines);
    }

    /// Like `init`, with these lines, as the configuration has them.
    pub fn init_lines(database: &Database, folder: &Path, api_url: &str, lines: &str) {
        let configuration = format!(
            r#"
[server]
listen     = "127.0.0.1:0"
ops_listen = "127.0.0.1:0"
public_url = "{PUBLIC}"

[storage]
database    = "{}"
recordings  = "file:data/recordings"
secret_file = "data/service.key"

[[provider]]
name    = "twilio"
kind    = "twilio"
account = "{ACCOUNT}"
auth_token = "{TOKEN}"
api_url = "{api_url}"

{lines}"#,
            database.address(folder)
        );
        std::fs::write(folder.join("dutyline.toml"), configuration).expect("a configuration");
        std::fs::write(folder.join("password"), "seven herons over grey water\n").expect("a file");
        let init = ["init", "--lead", "wang", "--password-file", "password"];
        Self::run(folder, &init);
    }

    /// Runs a command to its end.
    pub fn run(folder: &Path, arguments: &[&str]) {
        let done = program(folder, arguments).output().expect("it runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {said}");
    }

    /// Starts the service, and waits until it listens.
    pub fn start(folder: &Path) -> Self {
        Self::start_logging(folder, Stdio::null())
    }

    /// Like `start`, with its log written to `log`.
    pub fn start_logging(folder: &Path, log: Stdio) -> Self {
        let start = Instant::now();
        let mut process = program(folder, &["serve", "--clock", OPEN])
            .stderr(log)
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let mut listening = || {
            let line = lines
                .next()
                .expect("a line that says where it listens")
                .expect("text");
            let address = line
                .strip_prefix("listening on http://")
                .expect("an address");
            let address = address.split_whitespace().next().expect("an address");
            address.parse().expect("an address")
        };
        let address = listening();
        let took = start.elapsed();
        let ops = listening();
        let served = Self {
            process,
            address,
            ops,
            took,
        };
        assert_eq!(served.ask("/health/ready").0, 200);
        served
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Logs the lead in, and returns the session's token.
    pub fn log_in(&self) -> String {
        let head = "POST /api/v1/session HTTP/1.1\r\nContent-Type: application/json";
        let who = r#"{"name":"wang","password":"seven herons over grey water"}"#;
        let (_, answer) = Caller::dial(self.address).request(head, who);
        let token = answer.split('"').find(|text| text.len() > 30);
        token.expect("a token").to_owned()
    }

    fn ask(&self, path: &str) -> (u16, String) {
        Caller::dial(self.ops).request(&format!("GET {path} HTTP/1.1"), "")
    }

    /// Returns the value of a metric.
    pub fn metric(&self, name: &str) -> f64 {
        self.sum(&format!("dutyline_{name}"))
    }

    /// Returns the number of jobs, without `watch` jobs of running calls.
    pub fn waiting_jobs(&self) -> f64 {
        let watches = "dutyline_jobs{kind=\"watch\"";
        self.sum("dutyline_jobs{") - self.sum(watches)
    }

    fn sum(&self, start: &str) -> f64 {
        let (_, text) = self.ask("/metrics");
        let lines = text.lines().filter(|line| line.starts_with(start));
        let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        values.sum()
    }

    /// Returns a value of the kernel about the process's memory, in MB.
    pub fn memory(&self, name: &str) -> f64 {
        let file = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(file).expect("Linux tells");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        kib.and_then(|kib| kib.parse::<f64>().ok())
            .expect("a number")
            * 1024.0
            / 1e6
    }
}

/// Returns the processor time a process has used so far, in all its threads.
pub fn cpu_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("Linux tells");
    // Behind the name in parentheses, which may contain any character, user and system time are the 12th and 13th
    // field, in hundredths of a second (proc(5); `sysconf(_SC_CLK_TCK)` is 100 on Linux).
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks
        .map(|ticks| ticks.parse::<u64>().expect("a number"))
        .sum();
    Duration::from_millis(10 * ticks)
}

impl Drop for Served {
    fn drop(&mut self) {
        // The process may have ended by itself, which is reported elsewhere.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
