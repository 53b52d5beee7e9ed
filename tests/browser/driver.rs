//! ChromeDriver: one for each test, on a port of its own, with a folder for everything it and its browser write.

use crate::support::DEADLINE;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// A running ChromeDriver. Its browser ends with it, however the test ends.
pub struct Driver {
    child: Child,
    /// Held open, so that it can go on writing.
    _output: BufReader<ChildStdout>,
    port: u16,
    folder: TempDir,
}

impl Driver {
    /// Starts it; ready when this returns.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver (Debian's chromium-driver) is installed; to leave these tests out, skip `browser::`");
        let output = BufReader::new(child.stdout.take().unwrap());
        let told = tokio::task::spawn_blocking(move || port(output));
        let Ok(Ok(Some((port, output)))) = tokio::time::timeout(DEADLINE, told).await else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("chromedriver does not start");
        };
        Self {
            child,
            _output: output,
            port,
            folder,
        }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A folder that goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The port it says it listens on.
fn port(mut output: BufReader<ChildStdout>) -> Option<(u16, BufReader<ChildStdout>)> {
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some((_, rest)) = line.split_once("started successfully on port ") {
            let port = rest.trim().trim_end_matches('.').parse().ok()?;
            return Some((port, output));
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Killed, it would leave its browser behind: it is asked to end both. Its answer comes when the browser is gone.
        let asked = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(DEADLINE))?;
            stream.write_all(
                b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            )?;
            stream.read_to_end(&mut Vec::new())
        });
        if let Err(error) = asked {
            eprintln!("chromedriver did not end by itself: {error}");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
