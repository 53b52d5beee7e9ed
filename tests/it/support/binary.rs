//! The compiled program: configured, served, killed and started again as on an operator's machine.

use super::databases::Database;
use super::queue::Job;
use super::standin::StandIn;
use super::webhooks::{Answered, Story, Webhook, speech};
use super::{Api, DEADLINE, LEAD, OPEN, configuration, pause, queue};
use dutyline::config::Config;
use dutyline::store::Db;
use dutyline::vault::blobs::MARKER;
use reqwest::StatusCode;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

/// The program with its folder and database.
pub struct Binary {
    /// Base address of webhooks and API, without a trailing slash. It changes with each start.
    pub url: String,
    /// Base address of health and metrics.
    pub ops_url: String,
    /// HTTP client for requests to the program.
    pub client: reqwest::Client,
    /// The recovery key of the first line, as `init` shows it.
    pub recovery: String,
    folder: tempfile::TempDir,
    toml: String,
    database: Database,
    child: Option<Child>,
}

/// A process of the service beside that of a [`Binary`], on the same database and in the same folder. Killed when
/// dropped.
pub struct Node {
    /// Base address of webhooks and API, without a trailing slash.
    pub url: String,
    child: Child,
}

impl Binary {
    /// Writes a configuration modified by `change`, runs `dutyline init` and starts the service.
    pub async fn start(
        database: Database,
        api_url: &str,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let toml = change(configuration(&database.address(folder.path()), api_url));
        fs::write(folder.path().join("dutyline.toml"), &toml).unwrap();
        fs::write(folder.path().join("password"), LEAD.1).unwrap();
        let mut binary = Self {
            url: String::new(),
            ops_url: String::new(),
            client: super::client(),
            recovery: String::new(),
            folder,
            toml,
            database,
            child: None,
        };
        let password = binary.folder.path().join("password");
        let password = password.to_str().unwrap();
        let made = binary.run(&["init", "--lead", LEAD.0, "--password-file", password]);
        let made = String::from_utf8(made.stdout).expect("text");
        let mut words = made.split_whitespace();
        let recovery = words.find(|word| word.starts_with("AGE-SECRET-KEY-1"));
        binary.recovery = recovery.expect("a recovery key").to_owned();
        binary.serve().await;
        binary
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dutyline"));
        command
            .current_dir(self.folder.path())
            .args(["--config", "dutyline.toml"])
            .args(arguments)
            .env("DUTYLINE_LOG", "debug");
        command
    }

    /// Runs a command to its end; panics unless it succeeds.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().expect("the program");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }

    /// Runs a command to its end, whether it succeeds or not.
    pub fn try_run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program")
    }

    /// Starts a command. The caller of the function kills it or waits for its end.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(self.log_file());
        command.spawn().expect("the program")
    }

    fn log_file(&self) -> File {
        let log = self.folder.path().join("log");
        File::options().append(true).create(true).open(log).unwrap()
    }

    /// Starts the service and waits until it is ready.
    pub async fn serve(&mut self) {
        self.serve_with(&[]).await;
    }

    /// Like [`Binary::serve`], with further arguments.
    pub async fn serve_with(&mut self, arguments: &[&str]) {
        let (child, [url, ops_url]) = self.started(arguments).await;
        (self.url, self.ops_url) = (url, ops_url);
        self.child = Some(child);
    }

    /// Starts another process of the service.
    pub async fn another(&self) -> Node {
        let (child, [url, _]) = self.started(&[]).await;
        Node { url, child }
    }

    /// Starts the service. Returns the process, and its addresses.
    async fn started(&self, arguments: &[&str]) -> (Child, [String; 2]) {
        let mut child = self
            .command(&["serve", "--clock", OPEN])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(self.log_file())
            .spawn()
            .expect("the program");
        let stdout = child.stdout.take().unwrap();
        let addresses = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::new(stdout).lines();
            [(); 2].map(|()| lines.next().and_then(Result::ok).unwrap_or_default())
        });
        let addresses = tokio::time::timeout(DEADLINE, addresses).await;
        let addresses = addresses.expect("it says where it listens").unwrap();
        (child, addresses.map(|line| self.address(&line)))
    }

    fn address(&self, line: &str) -> String {
        line.strip_prefix("listening on ")
            .and_then(|rest| rest.split(' ').next())
            .unwrap_or_else(|| panic!("an address in {line:?}; {}", self.log()))
            .to_owned()
    }

    /// Sends SIGKILL and waits until the process has ended and its last statements at the database server have too.
    pub async fn kill(&mut self) {
        self.kill_alone();
        self.database.deserted().await;
    }

    /// Sends SIGKILL and waits until the process has ended.
    pub fn kill_alone(&mut self) {
        kill(&mut self.child.take().expect("it is running"));
    }

    /// Starts the service again after a kill, with the killed process's job leases expired as if a minute had passed.
    pub async fn serve_again(&mut self) {
        let db = self.db().await;
        queue::lapse(&db).await;
        db.close().await;
        self.serve().await;
    }

    /// Returns the program's configuration.
    pub fn config(&self) -> Config {
        Config::parse(&self.toml, "dutyline.toml", self.folder.path()).unwrap()
    }

    /// Opens the program's database from the test.
    pub async fn db(&self) -> Db {
        super::open_db(&self.config()).await
    }

    /// Logs the lead in. The session outlives the process; see [`Api::moved`].
    pub async fn lead(&self) -> Api {
        Api::log_in(&self.url, LEAD.0, LEAD.1).await
    }

    /// Returns the text of the metrics.
    pub async fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.ops_url);
        let answer = self.client.get(url).send().await.expect("metrics");
        answer.text().await.expect("metrics")
    }

    /// Returns the status of the readiness endpoint.
    pub async fn ready(&self) -> StatusCode {
        let url = format!("{}/health/ready", self.ops_url);
        let asked = self.client.get(url).send();
        asked.await.expect("an answer").status()
    }

    /// Waits until no job is left except `watch` jobs of running calls. Panics if a job keeps failing.
    pub async fn quiet(&self) {
        let waiting = async {
            loop {
                let metrics = self.metrics().await;
                assert!(
                    !metrics.contains("\"failing\""),
                    "{metrics}\n{}",
                    self.log()
                );
                let is_left = |line: &&str| {
                    line.starts_with("dutyline_jobs{") && !line.contains(r#"kind="watch""#)
                };
                if metrics.lines().find(is_left).is_none() {
                    return;
                }
                pause().await;
            }
        };
        if tokio::time::timeout(DEADLINE, waiting).await.is_err() {
            panic!("jobs left: {}\n{}", self.metrics().await, self.log());
        }
    }

    /// Posts a webhook; panics unless the status is 200 or 204.
    pub async fn send(&self, webhook: &Webhook) -> Answered {
        let answer = webhook.post(&self.client, &self.url).await.unwrap();
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        answer
    }

    /// Makes a call up to the end of its recording: the audio is [`speech`], served by `twilio`. The call stays open.
    pub async fn speak(&self, twilio: &StandIn, story: &Story) {
        let menu = self.send(&story.incoming()).await;
        let key = story.key(menu.address("Gather", "action"), "1");
        let guidance = self.send(&key).await;
        twilio.record(story, &speech(), false);
        let recorded = story.recorded(guidance.address("Record", "action"));
        self.send(&recorded).await;
    }

    /// Makes the waiting jobs of a kind due.
    pub async fn hurry(&self, kind: &str) {
        let db = self.db().await;
        queue::make_due(&db, kind).await;
        db.close().await;
    }

    /// Waits until the jobs of a kind satisfy `are_right`, and returns them.
    pub async fn until_jobs(&self, kind: &str, are_right: impl Fn(&[Job]) -> bool) -> Vec<Job> {
        let db = self.db().await;
        let waiting = async {
            loop {
                let mut jobs = queue::all(&db).await;
                jobs.retain(|job| job.kind == kind);
                if are_right(&jobs) {
                    return jobs;
                }
                pause().await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, waiting).await;
        db.close().await;
        waited.unwrap_or_else(|_| panic!("jobs of kind {kind}; {}", self.log()))
    }

    /// Returns the folder the program runs in, which holds its configuration and `data`.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the names of the files in the folder of recordings.
    pub fn files(&self) -> Vec<String> {
        names(&self.folder.path().join("data/recordings"))
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it is running").id()
    }

    /// Returns a field of `/proc/PID/status`, in KiB.
    pub fn status(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("Linux");
        let line = status.lines().find(|line| line.starts_with(field));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        value.and_then(|kib| kib.parse().ok()).expect("a number")
    }

    /// Returns the log written so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Sends a signal, given by name, to the process.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("it was started").id();
        let kill = Command::new("kill")
            .args([format!("-{name}"), pid.to_string()])
            .status();
        assert!(kill.expect("kill").success());
    }

    /// True if the process has not ended.
    pub fn is_running(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().expect("its status").is_none()
    }

    /// Waits until the process has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        ended(self.child.as_mut().expect("it was started")).await
    }

    /// Ends the test: kills the process and removes the database.
    pub async fn finish(mut self) {
        self.kill().await;
        let Self { database, .. } = &mut self;
        std::mem::replace(database, Database::Sqlite).remove().await;
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Node {
    /// Sends SIGKILL and waits until the process has ended.
    pub fn kill(&mut self) {
        kill(&mut self.child);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends SIGKILL to a process and waits until it has ended.
pub fn kill(child: &mut Child) {
    child.kill().expect("it is there to be killed");
    child.wait().expect("it is gone");
}

/// Waits until a process has ended that was told to end, for [`DEADLINE`] at most. On a timeout the test fails, and the
/// owner of the process kills it.
pub async fn ended(child: &mut Child) -> ExitStatus {
    let ending = async {
        loop {
            if let Some(status) = child.try_wait().expect("its status") {
                return status;
            }
            pause().await;
        }
    };
    let ended = tokio::time::timeout(DEADLINE, ending).await;
    ended.expect("the process ends in time")
}

/// Returns the names of the files in a folder, sorted, without the marker file of the folder of recordings.
pub fn names(folder: &PathBuf) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("the folder")
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != MARKER)
        .collect();
    names.sort();
    names
}
