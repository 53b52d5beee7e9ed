//! A telephone on the trunk's side: SIPp signals, a [`Handset`] speaks, presses keys and listens.

use super::handset::Handset;
use super::scenario::{self, Caller};
use super::switch::{Site, TRUNK};
use crate::support::{DEADLINE, pause};
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A telephone. Its SIPp process ends with it.
pub struct Telephone {
    handset: Handset,
    sipp: Child,
    /// Address of SIPp.
    at: SocketAddr,
    /// The Call-ID, once there is a call.
    call: Option<String>,
    commands: UdpSocket,
    folder: TempDir,
}

impl Telephone {
    /// Dials the line from this number.
    pub fn dials(site: &Site, from: &str, to: &str) -> Self {
        let caller = Caller {
            from: &format!("<sip:{from}@{}>", site.address),
            to,
            credentials: Some(TRUNK),
        };
        Self::calls(site, &caller)
    }

    /// Makes the call that `caller` describes.
    pub fn calls(site: &Site, caller: &Caller<'_>) -> Self {
        let handset = Handset::at(site.address);
        let scenario = scenario::calling(caller, handset.port);
        let port = site.port();
        let call = format!("{port}@{}", site.address);
        Self::start(site, port, handset, &scenario, Some(call))
    }

    /// Starts the telephone of the inspector on duty, to which the trunk sends calls.
    pub fn on_duty(site: &Site) -> Self {
        let handset = Handset::at(site.address);
        let scenario = scenario::called(handset.port);
        Self::start(site, site.trunk, handset, &scenario, None)
    }

    fn start(
        site: &Site,
        port: u16,
        handset: Handset,
        scenario: &str,
        call: Option<String>,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("scenario.xml"), scenario).expect("a file");
        let at = SocketAddr::new(site.address, port);
        let address = site.address.to_string();
        let sipp = Command::new("sipp")
            .args(["-sf", "scenario.xml", "-m", "1", "-nostdin"])
            .args(["-i", &address, "-p", &port.to_string()])
            .args(["-cid_str", call.as_deref().unwrap_or("none")])
            .args(["-trace_logs", "-log_file", "log"])
            .args(["-trace_err", "-error_file", "errors"])
            .arg(format!("{address}:{}", site.sip))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect(
                "sipp (Debian's sip-tester) is installed; to leave these tests out, skip `sip::`",
            );
        Self {
            handset,
            sipp,
            at,
            call,
            commands: UdpSocket::bind((site.address, 0)).expect("a port"),
            folder,
        }
    }

    // --- signalling ----------------------------------------------------------------------------------

    /// Waits until the other end rings.
    pub async fn rings(&mut self) {
        self.logged("rings").await;
    }

    /// Waits until the call is answered.
    pub async fn answered(&mut self) {
        self.logged("answered").await;
        let port = self.logged("media m=audio ").await;
        let port = port.parse().expect("a port");
        self.handset.sends_to(SocketAddr::new(self.at.ip(), port));
    }

    /// Waits until the call is refused despite its credentials.
    pub async fn refused(&mut self) {
        self.ended("refused").await;
    }

    /// Waits until this telephone is called.
    pub async fn called(&mut self) {
        self.call = Some(self.logged("called ").await);
    }

    /// Answers the call.
    pub async fn answer(&mut self) {
        self.ask("ANSWER");
        self.answered().await;
    }

    /// Declines the call.
    pub async fn decline(&mut self) {
        self.ask("DECLINE");
        self.ended("declined").await;
    }

    /// Hangs up, even in the middle of a word.
    pub async fn hang_up(&mut self) {
        self.ask("HANGUP");
        self.ended("hung up").await;
    }

    /// Hangs up, unless the line has: on a busy machine it may have waited for a key long enough.
    pub async fn leave(&mut self) {
        self.ask("HANGUP");
        let said = self.over().await;
        let left = |line: &str| line == "hung up" || line == "hung up on";
        assert!(said.lines().any(left), "the call broke: {said}");
    }

    /// Waits until the other end hangs up.
    pub async fn hung_up_on(&mut self) {
        self.ended("hung up on").await;
    }

    /// Waits until the calling side gives up before an answer.
    pub async fn given_up(&mut self) {
        self.ended("given up").await;
    }

    /// Waits until the call is over, however it ends. Returns SIPp's messages.
    pub async fn over(&mut self) -> String {
        let gone = async {
            while self.sipp.try_wait().expect("a process").is_none() {
                pause().await;
            }
        };
        let gone = tokio::time::timeout(DEADLINE, gone).await;
        assert!(gone.is_ok(), "the call goes on: {}", self.said());
        self.said()
    }

    async fn ended(&mut self, how: &str) {
        let said = self.over().await;
        assert!(said.lines().any(|line| line == how), "not {how:?}: {said}");
    }

    fn ask(&self, what: &str) {
        let call = self.call.as_ref().expect("a call");
        let own = self.commands.local_addr().expect("an address");
        let request = format!(
            "{what} sip:{} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{what}\r\nFrom: <sip:test@{own}>;tag=test\r\n\
             To: <sip:telephone@{own}>;tag=test\r\nCall-ID: {call}\r\nCSeq: 1 {what}\r\nMax-Forwards: 70\r\n\
             Content-Length: 0\r\n\r\n",
            self.at
        );
        self.commands
            .send_to(request.as_bytes(), self.at)
            .expect("it is sent");
    }

    /// Waits for a line of SIPp's log that begins with this text. Returns its rest.
    async fn logged(&mut self, what: &str) -> String {
        let said = async {
            loop {
                let over = self.sipp.try_wait().expect("a process").is_some();
                let log = self.log();
                if let Some(rest) = log.lines().find_map(|line| line.strip_prefix(what)) {
                    return rest.trim().to_owned();
                }
                assert!(!over, "never {what:?}: {}", self.said());
                pause().await;
            }
        };
        let said = tokio::time::timeout(DEADLINE, said).await;
        said.unwrap_or_else(|_| panic!("not {what:?} in time: {}", self.said()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn said(&self) -> String {
        let errors = fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default();
        format!("{}{errors}", self.log())
    }

    // --- sound ---------------------------------------------------------------------------------------

    /// Starts to say this, without waiting for the end.
    pub fn begin_to_say(&self, speech: &[i16]) {
        self.handset.say(speech);
    }

    /// Says this, and waits for the end.
    pub async fn say(&self, speech: &[i16]) {
        self.handset.say(speech);
        self.done().await;
    }

    /// Presses keys, one after the other.
    pub async fn press(&self, keys: &str) {
        for key in keys.chars() {
            self.handset.press(key);
        }
        self.done().await;
    }

    async fn done(&self) {
        let done = async {
            while !self.handset.is_done() {
                pause().await;
            }
        };
        let done = tokio::time::timeout(DEADLINE, done).await;
        assert!(done.is_ok(), "nobody listens");
    }

    /// Waits until something new was heard, followed by silence of this length.
    pub async fn listen(&self, quiet: Duration) {
        let (already, _) = self.handset.quiet();
        let silence = async {
            loop {
                let (loud, since) = self.handset.quiet();
                if loud > already && since >= quiet {
                    return;
                }
                pause().await;
            }
        };
        let silence = tokio::time::timeout(DEADLINE, silence).await;
        assert!(silence.is_ok(), "it does not end, or says nothing");
    }

    /// Returns everything heard so far, without pauses in which no packet arrived.
    pub fn heard(&self) -> Vec<i16> {
        self.handset.heard()
    }
}

impl Drop for Telephone {
    fn drop(&mut self) {
        let _ = self.sipp.kill();
        let _ = self.sipp.wait();
    }
}
