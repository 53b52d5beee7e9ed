//! ChromeDriver: one for each test, on its own port, with a folder for everything it and its browser write.

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
    /// Starts it, and waits until it is ready.
    ///
    /// ChromeDriver binds a free port of IPv4 and then the same one of IPv6; if that is in use, it ends, and is started
    /// again.
    pub async fn start() -> Self {
        let mut said = String::new();
        for _ in 0..5 {
            match Self::try_start().await {
                Ok(driver) => return driver,
                Err(output) => said.push_str(&output),
            }
        }
        panic!("chromedriver does not start: {said}");
    }

    async fn try_start() -> Result<Self, String> {
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
        let told = match tokio::time::timeout(DEADLINE, told).await {
            Ok(told) => told.expect("reading does not panic"),
            Err(_) => Err("nothing within the deadline".into()),
        };
        match told {
            Ok((port, output)) => Ok(Self {
                child,
                _output: output,
                port,
                folder,
            }),
            Err(said) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(said)
            }
        }
    }

    /// Returns its base address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns a folder that is removed with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Returns the port that its output names; if it ends without one, its output.
fn port(mut output: BufReader<ChildStdout>) -> Result<(u16, BufReader<ChildStdout>), String> {
    let mut said = String::new();
    loop {
        let start = said.len();
        match output.read_line(&mut said) {
            Ok(0) | Err(_) => return Err(said),
            Ok(_) => {}
        }
        if let Some((_, rest)) = said[start..].split_once("started successfully on port ")
            && let Ok(port) = rest.trim().trim_end_matches('.').parse()
        {
            return Ok((port, output));
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Killed, it would leave its browser behind, so it is asked to end both. It answers when the browser has ended.
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
