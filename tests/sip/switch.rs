//! Asterisk 22 in a folder, run from the configuration the operator is given.
//!
//! `tests/run` puts Debian's Asterisk into a folder that `DUTYLINE_TEST_ASTERISK` names. It is run by that folder's own
//! dynamic loader, so it needs no other root and sees the same files as everybody else. What each test changes is listed
//! in [`differences`], and nothing else is changed.

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
/// What the trunk proves itself with: user name and password. Without spaces, which SIPp would end it at.
pub const TRUNK: (&str, &str) = ("carrier", "what-the-trunk-was-given");
/// What Asterisk presents at the service's socket.
pub const SOCKET: (&str, &str) = ("asterisk", "what opens the socket");
/// What the service presents at Asterisk's HTTP address.
pub const API: (&str, &str) = ("duty", "what opens the recordings");

/// Where the parts of one test are: an address of this process alone, so that nothing running beside it can be in the way.
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
    /// Where the trunk takes calls: the port of the telephone that is rung.
    pub trunk: u16,
    /// The first of 200 ports for Asterisk's sound.
    sound: u16,
    next: Arc<AtomicU16>,
}

impl Site {
    /// Another one.
    pub fn new() -> Self {
        static SITES: AtomicU16 = AtomicU16::new(0);
        // Below the ports the system hands out by itself.
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

    /// A port for another telephone.
    pub fn port(&self) -> u16 {
        let port = self.next.fetch_add(1, Ordering::Relaxed);
        assert!(port < self.sound, "so many telephones");
        port
    }

    /// Asterisk's address for the service.
    pub fn api_url(&self) -> String {
        format!("http://{}:{}", self.address, self.http)
    }
}

/// What is different from the configuration of an operator: file, what stands there once, and what stands there instead.
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
        // Nobody is registered with: the discard service.
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
    /// Starts it; ready when this returns.
    pub async fn start(site: &Site) -> Self {
        Self::start_with(site, |_, text| text).await
    }

    /// Starts it with files changed further.
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

    /// Asterisk's program with its configuration.
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
        // It listens a while before it does what it is asked.
        let request = self.request(Method::GET, "asterisk/info");
        request
            .send()
            .await
            .is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// SIGKILL: as when the power fails, but for what is on the disk.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it is running");
        child.kill().expect("it is there to be killed");
        child.wait().expect("it is gone");
    }

    /// Asks it over HTTP, beside the service.
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

    /// The same, for what is JSON.
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

    /// What a person at its console would ask it.
    pub fn console(&self, command: &str) -> String {
        let output = self
            .program()
            .args(["-rx", command])
            .output()
            .expect("Asterisk");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The names of the recordings on its disk, those still being made too.
    pub fn recordings(&self) -> Vec<String> {
        crate::support::names(&self.folder.path().join("spool/recording"))
    }

    /// Waits until there are so many recordings.
    pub async fn has_recordings(&self, count: usize) {
        let there = async {
            while self.recordings().len() != count {
                pause().await;
            }
        };
        let there = tokio::time::timeout(DEADLINE, there).await;
        assert!(there.is_ok(), "{:?}; {}", self.recordings(), self.log());
    }

    /// Everything it has logged, and said when it started.
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

/// The folder Asterisk is in.
fn root() -> PathBuf {
    std::env::var_os("DUTYLINE_TEST_ASTERISK")
        .expect("DUTYLINE_TEST_ASTERISK names the folder tests/run makes; to leave these tests out, skip `sip::`")
        .into()
}

/// The folder of its libraries, named for the kind of machine.
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
