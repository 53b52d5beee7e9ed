//! `dutyline demo` and `dutyline call` as a newcomer uses them: processes, the printed commands, Ctrl-C.

use crate::cli::dutyline;
use crate::support::{Api, client, ended};
use dutyline::base::clock::instant;
use dutyline::simulator::SAMPLE;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The last line a demo prints before it waits.
const READY: &str = "Ctrl-C ends it.";
/// Maximum time of a start. The promise is 2 seconds; this allows for a loaded machine and an unoptimised build.
const LONG: Duration = Duration::from_secs(10);

/// A running demo. Its own files go into `temporary`.
struct Demo {
    child: Child,
    output: BufReader<ChildStdout>,
    greeting: String,
    temporary: TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let temporary = TempDir::new().unwrap();
        let begun = instant();
        let mut child = dutyline(temporary.path())
            .env("TMPDIR", temporary.path())
            .args([
                "demo",
                "--listen",
                "127.0.0.1:0",
                "--ops-listen",
                "127.0.0.1:0",
            ])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.ends_with(&format!("{READY}\n")) {
            assert!(
                output.read_line(&mut greeting).unwrap() > 0,
                "it ended early: {greeting}"
            );
        }
        assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
        Self {
            child,
            output,
            greeting,
            temporary,
        }
    }

    /// Returns the value that the greeting prints after `word`.
    fn told(&self, word: &str) -> &str {
        let line = self
            .greeting
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(word));
        line.unwrap_or_else(|| panic!("{word}: {}", self.greeting))
            .trim()
    }

    fn url(&self) -> &str {
        self.told("listening on ")
            .split_whitespace()
            .next()
            .unwrap()
    }

    async fn log_in(&self) -> Api {
        Api::log_in(self.url(), self.told("name "), self.told("password ")).await
    }

    /// Runs `dutyline call` with a script, and returns its output.
    fn call(&self, script: &str) -> String {
        let output = dutyline(self.temporary.path())
            .args(["call", "--at", self.url(), "--script", script])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sends SIGINT (Ctrl-C) and waits for the end.
    async fn interrupt(mut self) -> (ExitStatus, TempDir) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        let status = ended(&mut self.child).await;
        let mut last_words = String::new();
        self.output.read_to_string(&mut last_words).unwrap();
        assert_eq!(last_words, "Stopping.\n");
        let temporary = TempDir::new().unwrap();
        (status, std::mem::replace(&mut self.temporary, temporary))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // The process has ended already, unless a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

/// Waits until the only report's recording can be heard. The jobs run in the other process, so the report is polled.
async fn report_with_its_recording(api: &Api) -> Value {
    let begun = instant();
    loop {
        let reports = api.reports().await;
        assert_eq!(reports.len(), 1, "{reports:?}");
        let report = api.only_report().await;
        if report["recordings"][0]["state"] == "sealed" {
            return report;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{report}");
    }
}

#[tokio::test]
async fn from_the_first_command_to_the_callers_voice() {
    let demo = Demo::start(&[]);
    assert!(demo.url().starts_with("http://127.0.0.1:"));
    assert_eq!(demo.told("name "), "lead");
    assert_eq!(demo.told("password ").len(), 19, "four groups of four");
    assert_eq!(
        demo.told("clock "),
        "2024-03-06 09:00 +08:00 (the first morning of the line's inspection, so that it is open)"
    );
    assert!(
        demo.greeting
            .contains(&format!("call --at {}\n", demo.url()))
    );

    // Opens the addresses that the greeting names.
    let open = async |word: &str| {
        let url = demo.told(word).split_whitespace().next().unwrap();
        assert!(url.starts_with(demo.url()), "{url}");
        client().get(url).send().await.unwrap()
    };
    let telephone = open("telephone ").await.text().await.unwrap();
    assert!(telephone.contains("模拟电话"), "{telephone}");
    let console = open("console ").await;
    let sign_in = console.headers()["location"].to_str().unwrap();
    assert!(sign_in.starts_with("/console/sign-in"), "{sign_in}");

    let printed = demo.call("1,speak,#,1");
    assert!(
        printed.starts_with("Calling 18877009155 …\n您好，这里是防城港市委第五巡察组值班电话。\n"),
        "{printed}"
    );
    let receipt = printed
        .lines()
        .last()
        .unwrap()
        .strip_prefix("Receipt: ")
        .unwrap();
    assert!(
        receipt.len() == 12 && receipt.bytes().all(|byte| byte.is_ascii_digit()),
        "{printed}"
    );
    let spaced = receipt
        .chars()
        .map(String::from)
        .collect::<Vec<_>>()
        .join(" ");
    assert_eq!(
        printed
            .matches(&format!("您的回执号是：{spaced}。"))
            .count(),
        2
    );

    let api = demo.log_in().await;
    let report = report_with_its_recording(&api).await;

    // Runs the commands that the greeting prints.
    let commands = ["TOKEN=", "REPORT=", "curl "];
    let typed: Vec<&str> = demo
        .greeting
        .lines()
        .map(str::trim_start)
        .filter(|line| commands.iter().any(|command| line.starts_with(command)))
        .collect();
    assert_eq!(typed.len(), 5, "{}", demo.greeting);
    let folder = TempDir::new().unwrap();
    let shell = Command::new("sh")
        .current_dir(folder.path())
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .args([
            "-e",
            "-c",
            &format!("aplay() {{ :; }}\n{}", typed.join("\n")),
        ])
        .output()
        .unwrap();
    assert!(
        shell.status.success(),
        "{}",
        String::from_utf8_lossy(&shell.stderr)
    );
    let mut answers = serde_json::Deserializer::from_slice(&shell.stdout).into_iter::<Value>();
    let list = answers.next().unwrap().unwrap();
    assert_eq!(list["reports"][0]["reference"], "2024-0001");
    let opened = answers.next().unwrap().unwrap();
    assert_eq!(opened["id"], report["id"]);
    assert_eq!(opened["recordings"][0]["n"], 1);
    assert_eq!(
        std::fs::read(folder.path().join("note.wav")).unwrap(),
        SAMPLE
    );

    let (status, temporary) = demo.interrupt().await;
    assert_eq!(status.code(), Some(0));
    assert!(is_empty(temporary.path()), "it leaves nothing behind");
}

#[tokio::test]
async fn kept_data_is_there_the_next_time() {
    let folder = TempDir::new().unwrap();
    let kept = folder.path().join("kept").to_str().unwrap().to_owned();
    let first = Demo::start(&["--keep", &kept]);
    let password = first.told("password ").to_owned();
    first.call("1,speak,#,1");
    let report = report_with_its_recording(&first.log_in().await).await;
    let (status, temporary) = first.interrupt().await;
    assert_eq!(status.code(), Some(0));
    assert!(is_empty(temporary.path()));

    let second = Demo::start(&["--keep", &kept, "--clock", "2024-04-04T09:00:00+08:00"]);
    assert_eq!(second.told("password "), password);
    assert_eq!(
        second.told("clock "),
        "2024-04-04 09:00 +08:00 (as --clock says)"
    );
    let api = second.log_in().await;
    let again = api.only_report().await;
    assert_eq!(again["id"], report["id"]);
    assert_eq!(api.recording(&again, 1).await, SAMPLE);
    let printed = second.call("silence,silence");
    assert!(printed.contains("4月7日星期日上午8点30分"), "{printed}");
    assert!(!printed.contains("Receipt"));
    assert_eq!(second.interrupt().await.0.code(), Some(0));
}

#[tokio::test]
async fn two_demos_do_not_disturb_each_other() {
    let (one, two) = (Demo::start(&[]), Demo::start(&[]));
    assert_ne!(one.url(), two.url());
    assert_ne!(one.told("password "), two.told("password "));
    one.call("1,speak,#,1");
    assert_eq!(two.log_in().await.reports().await.len(), 0);
    two.call("1,speak,hangup");
    for demo in [one, two] {
        report_with_its_recording(&demo.log_in().await).await;
        let (status, temporary) = demo.interrupt().await;
        assert_eq!(status.code(), Some(0));
        assert!(is_empty(temporary.path()));
    }
}

#[test]
fn a_port_that_is_taken_is_told_in_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for arguments in [
        ["--listen", &taken, "--ops-listen", "127.0.0.1:0"],
        ["--listen", "127.0.0.1:0", "--ops-listen", &taken],
    ] {
        let temporary = TempDir::new().unwrap();
        let output = dutyline(temporary.path())
            .env("TMPDIR", temporary.path())
            .arg("demo")
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(output.stdout, b"");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(
            error.contains(&taken) && error.contains("is taken") && error.contains("--listen"),
            "{error}"
        );
        assert!(is_empty(temporary.path()));
    }
}

#[test]
fn calling_nobody_says_what_to_do() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let folder = TempDir::new().unwrap();
    let output = dutyline(folder.path())
        .args(["call", "--at", &format!("http://{closed}"), "--script", "1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("start `dutyline demo` first"), "{error}");
}
