//! Signals of the service manager or of a terminal.
#![cfg(unix)]

use crate::support::{Binary, DEADLINE, Database, pause};
use std::process::{Command, Stdio};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_up_of_the_terminal_does_not_end_the_line() {
    let mut binary = Binary::start(Database::sqlite(), "http://127.0.0.1:9", |toml| toml).await;
    for _ in 0..2 {
        binary.signal("HUP");
    }
    let ignored = async {
        while !binary.log().contains("SIGHUP ignored") {
            assert!(binary.is_running(), "it goes on; {}", binary.log());
            pause().await;
        }
    };
    let ignored = timeout(DEADLINE, ignored).await;
    ignored.expect("the log says that it was ignored");
    let url = format!("{}/health/live", binary.ops_url);
    let answer = binary.client.get(url).send().await.expect("an answer");
    assert!(answer.status().is_success());
    // SIGTERM still ends it.
    binary.signal("TERM");
    binary.ended().await;
    binary.finish().await;
}

/// The signal arrives while the configuration is read: nothing of the service runs yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_up_while_it_starts_does_not_end_the_line() {
    let binary = Binary::start(Database::sqlite(), "http://127.0.0.1:9", |toml| toml).await;
    for command in ["serve", "demo"] {
        // Opening a named pipe for writing waits until the program opens it for reading.
        let pipe = binary.path().join(format!("{command}.toml"));
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_dutyline"))
            .current_dir(binary.path())
            .arg(command)
            .arg("--config")
            .arg(&pipe)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program");
        let writing = tokio::task::spawn_blocking(move || {
            std::fs::File::options().write(true).open(pipe).unwrap()
        });
        let writing = timeout(DEADLINE, writing).await;
        let mut writing = writing.expect("the configuration is read").unwrap();
        let kill = Command::new("kill")
            .args(["-HUP", &child.id().expect("it runs").to_string()])
            .status();
        assert!(kill.expect("kill").success());
        // The program goes on reading, and ends by itself because the text is no valid configuration.
        let wrote = std::io::Write::write_all(&mut writing, b"[serve]\n");
        drop(writing);
        let ended = timeout(DEADLINE, child.wait()).await;
        let ended = ended.expect("it ends in time").expect("its status");
        assert_eq!(ended.code(), Some(2), "{command}: {ended}; {wrote:?}");
    }
    binary.finish().await;
}
