//! Asterisk 22 in a folder, run with the configuration given to the operator.
//!
//! `tests/run` puts Debian's Asterisk into a folder that `DUTYLINE_TEST_ASTERISK` names. It is run by that folder's own
//! dynamic loader, so that it needs no other root and sees the same files as other processes. All changes to the
//! configuration are listed in [`differences`].

use crate::support::{DEADLINE, client, pause};
use bytes::Bytes;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tempfile::TempDir;

/// The files an operator copies to `/etc/asterisk`.
pub const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/deploy/asterisk");
/// User name and password of the trunk. Without spaces, at which SIPp would end the password.
pub const TRUNK: (&str, &str) = ("carrier", "what-the-trunk-was-given");
/// Credentials of Asterisk at the service's socket.
pub const SOCKET: (&str, &str) = ("asterisk", "what opens the socket");
/// Credentials of the service at Asterisk's HTTP API.
pub const API: (&str, &str) = ("duty", "what opens the recordings");

/// Addresses of one test: an address of this process alone, so that other processes do not interfere.
#[derive(Clone, Debug)]
pub struct Site {
    /// A loopback address.
    pub address: IpAddr,
    /// Asterisk's port for SIP.
    pub sip: u16,
    /// Asterisk's port for HTTP.
    pub http: u16,
    /// The service's port, the same after a restart.
    pub service: u16,
    /// Destination of the trunk's outgoing calls: the port of the telephone that is rung.
    pub trunk: u16,
    /// The first of 200 ports for Asterisk's sound.
    sound: u16,
    next: Arc<AtomicU16>,
}

impl Site {
    /// Returns a new site.
    pub fn new() -> Self {
        static SITES: AtomicU16 = AtomicU16::new(0);
        // Below the system's ephemeral ports.
        let base = 10_000 + 500 * SITES.fetch_add(1, Ordering::Relaxed);
        assert!(base < 32_000, "so many sites");
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        Self {
            address: Ipv4Addr::new(127, 64 + high % 64, middle, low).into(),
            sip: base,
            http: base + 1,
            service: base + 2,
            trunk: base + 3,
            sound: base + 300,
            next: Arc::new(AtomicU16::new(base + 10)),
        }
    }

    /// Returns a free port for another telephone.
    pub fn port(&self) -> u16 {
        let port = self.next.fetch_add(1, Ordering::Relaxed);
        assert!(port < self.sound, "so many telephones");
        port
    }

    /// Returns the address of Asterisk's HTTP API.
    pub fn api_url(&self) -> String {
        format!("http://{}:{}", self.address, self.http)
    }
}

/// Returns the differences from an operator's configuration: file, the text that occurs there once, and its
/// replacement.
pub fn differences(site: &Site) -> Vec<(&'static str, &'static str, String)> {
    let (address, sip, trunk) = (site.address, site.sip, site.trunk);
    let last = site.sound + 199;
    vec![
        // Addresses and ports.
        (
            "http.conf",
            "bindaddr = 127.0.0.1",
            format!("bindaddr = {address}"),
        ),
        (
            "http.conf",
            "bindport = 8088",
            format!("bindport = {}", site.http),
        ),
        (
            "rtp.conf",
            "rtpstart = 16000",
            format!("rtpstart = {}", site.sound),
        ),
        ("rtp.conf", "rtpend = 16199", format!("rtpend = {last}")),
        (
            "pjsip.conf",
            "match = sip.example.net",
            format!("match = {address}"),
        ),
        (
            "pjsip.conf",
            "contact = sip:sip.example.net;transport=tls",
            format!("contact = sip:{address}:{trunk}"),
        ),
        // The registrar is the discard service, which does not answer.
        (
            "pjsip.conf",
            "server_uri = sip:sip.example.net;transport=tls",
            format!("server_uri = sip:{address}:9"),
        ),
        // SIPp has neither TLS nor SRTP.
        (
            "pjsip.conf",
            "protocol = tls\nbind = 0.0.0.0:5061",
            format!("protocol = udp\nbind = {address}:{sip}"),
        ),
        (
            "pjsip.conf",
            "media_encryption = sdes",
            format!(
                "media_encryption = no\nmedia_address = {address}\nbind_rtp_to_media_address = yes"
            ),
        ),
        // The service without its proxy.
        (
            "websocket_client.conf",
            "uri = wss://duty.example.org/",
            format!("uri = ws://{address}:{}/", site.service),
        ),
        (
            "websocket_client.conf",
            "tls_enabled = yes",
            "tls_enabled = no".into(),
        ),
    ]
}

/// A running Asterisk. It ends with the test, however that ends.
pub struct Switch {
    site: Site,
    folder: TempDir,
    child: Option<Child>,
    client: reqwest::Client,
}

impl Switch {
    /// Starts it, and waits until it is ready.
    pub async fn start(site: &Site) -> Self {
        Self::start_with(site, |_, text| text).await
    }

    /// Starts it with further changes to the files.
    pub async fn start_with(site: &Site, change: impl Fn(&str, String) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        configure(site, folder.path(), change);
        let mut switch = Self {
            site: site.clone(),
            folder,
            child: None,
            client: client(),
        };
        switch.run().await;
        switch
    }

    /// Starts it again after [`Switch::kill`].
    pub async fn run(&mut self) {
        let said = fs::File::options()
            .append(true)
            .create(true)
            .open(self.folder.path().join("said"))
            .expect("a file");
        let child = self
            .program()
            .arg("-f")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("the same file"))
            .stderr(said)
            .spawn()
            .expect("Asterisk");
        self.child = Some(child);
        let booted = async {
            while !self.is_booted().await {
                pause().await;
            }
        };
        if tokio::time::timeout(DEADLINE, booted).await.is_err() {
            panic!("Asterisk does not start: {}", self.log());
        }
    }

    /// Returns a command that runs Asterisk with its configuration.
    fn program(&self) -> Command {
        let root = root();
        let libraries = libraries(&root);
        let loader = fs::read_dir(&libraries)
            .expect("its libraries")
            .map(|item| item.expect("a file").path())
            .find(|path| {
                let name = path.file_name().unwrap_or_default();
                name.to_string_lossy().starts_with("ld-linux")
            })
            .expect("its dynamic loader");
        let mut program = Command::new(loader);
        program
            .arg("--library-path")
            .arg(&libraries)
            .arg(root.join("usr/sbin/asterisk"))
            .arg("-C")
            .arg(self.folder.path().join("etc/asterisk.conf"));
        program
    }

    async fn is_booted(&self) -> bool {
        // It listens a while before it executes requests.
        let request = self.request(Method::GET, "asterisk/info");
        request
            .send()
            .await
            .is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// Sends SIGKILL: like a power failure, except that written files survive.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it is running");
        child.kill().expect("it is there to be killed");
        child.wait().expect("it is gone");
    }

    /// Sends a request to its HTTP API, beside the service.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Bytes) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("Asterisk answers");
        (answer.status(), answer.bytes().await.expect("a body"))
    }

    /// Requests a JSON document.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body:?}");
        serde_json::from_slice(&body).expect("JSON")
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/ari/{path}", self.site.api_url());
        self.client
            .request(method, url)
            .basic_auth(API.0, Some(API.1))
    }

    /// Runs a command of its console.
    pub fn console(&self, command: &str) -> String {
        let output = self
            .program()
            .args(["-rx", command])
            .output()
            .expect("Asterisk");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Returns the names of the recordings on its disk, including running ones.
    pub fn recordings(&self) -> Vec<String> {
        crate::support::names(&self.folder.path().join("spool/recording"))
    }

    /// Waits until there are exactly this many recordings.
    pub async fn has_recordings(&self, count: usize) {
        let there = async {
            while self.recordings().len() != count {
                pause().await;
            }
        };
        let there = tokio::time::timeout(DEADLINE, there).await;
        assert!(there.is_ok(), "{:?}; {}", self.recordings(), self.log());
    }

    /// Returns its log and its output.
    pub fn log(&self) -> String {
        let read =
            |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        read("log/messages.log") + &read("said")
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Returns the folder that contains Asterisk.
fn root() -> PathBuf {
    std::env::var_os("DUTYLINE_TEST_ASTERISK")
        .expect("DUTYLINE_TEST_ASTERISK names the folder tests/run makes; to leave these tests out, skip `sip::`")
        .into()
}

/// Returns the folder of its libraries, named for the machine's architecture.
fn libraries(root: &Path) -> PathBuf {
    let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
    root.join("usr/lib").join(machine)
}

/// Writes its configuration, and makes the folders it works in.
fn configure(site: &Site, folder: &Path, change: impl Fn(&str, String) -> String) {
    let root = root();
    for name in ["etc/secrets", "run", "log", "lib", "spool/recording"] {
        fs::create_dir_all(folder.join(name)).expect("a folder");
    }
    let differences = differences(site);
    let mut applied = 0;
    for item in fs::read_dir(CONFIGURATION).expect("the configuration") {
        let path = item.expect("a file").path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".conf") {
            continue;
        }
        let mut text = fs::read_to_string(&path).expect("a text");
        for (_, from, to) in differences.iter().filter(|(file, ..)| *file == name) {
            let times = text.matches(from).count();
            assert_eq!(times, 1, "{from:?} stands in {name} once");
            text = text.replace(from, to);
            applied += 1;
        }
        if name == "asterisk.conf" {
            let (own, modules) = (folder.display(), libraries(&root).join("asterisk/modules"));
            text = format!(
                "[directories]\nastetcdir => {own}/etc\nastmoddir => {}\nastvarlibdir => {own}/lib\nastdbdir => {own}/lib\n\
                 astkeydir => {own}/lib\nastdatadir => {}/usr/share/asterisk\nastspooldir => {own}/spool\n\
                 astrundir => {own}/run\nastlogdir => {own}/log\nastcachedir => {own}/lib\n\n{text}",
                modules.display(),
                root.display(),
            );
        }
        let text = change(&name, text);
        fs::write(folder.join("etc").join(name), text).expect("a file");
    }
    assert_eq!(applied, differences.len(), "every difference is in a file");
    let secrets = [
        ("api", API.1),
        ("socket", SOCKET.1),
        ("trunk-in", TRUNK.1),
        ("trunk-out", "ours"),
    ];
    for (name, secret) in secrets {
        let file = folder.join(format!("etc/secrets/{name}.conf"));
        fs::write(file, format!("password = {secret}\n")).expect("a file");
    }
}
