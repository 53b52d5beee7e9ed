//! A duty line with a real telephone: the program, Asterisk, and an inspector who opens the reports.

use super::speech::{PACKET, of_wav, speak, to_wav};
use super::switch::{API, SOCKET, Site, Switch};
use crate::support::{Binary, DEADLINE, Database, pause};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Number of the inspector on duty.
pub const ON_DUTY: &str = "+8613800138000";

/// A running line.
pub struct Line {
    pub site: Site,
    pub service: Binary,
    pub switch: Switch,
    /// The operator's recordings of the digits.
    pub digits: Vec<(char, Vec<i16>)>,
    _recorded: TempDir,
}

impl Line {
    /// Starts the default line, on the first morning, with one inspector on its roster.
    pub async fn open() -> Self {
        let site = Site::new();
        let recorded = tempfile::tempdir().expect("a temporary folder");
        let digits = digits(recorded.path());
        let served = |default: String| served(&default, &site, recorded.path());
        let service = Binary::start(Database::sqlite(), "http://127.0.0.1", served).await;
        let switch = Switch::start(&site).await;
        Self {
            site,
            service,
            switch,
            digits,
            _recorded: recorded,
        }
    }

    /// Waits until there are this many reports and no job is left. Returns the reports, opened.
    pub async fn reports(&self, count: usize) -> Vec<Value> {
        let lead = self.service.lead().await;
        let there = async {
            while lead.reports().await.len() < count {
                pause().await;
            }
        };
        if tokio::time::timeout(DEADLINE, there).await.is_err() {
            panic!("{}\n{}", self.service.log(), self.switch.log());
        }
        self.service.quiet().await;
        let mut opened = Vec::new();
        for report in lead.reports().await {
            let id = report["id"].as_str().expect("an id");
            opened.push(lead.get(&format!("/reports/{id}")).await.ok());
        }
        assert_eq!(opened.len(), count);
        opened
    }

    /// Returns the audio of a report's first recording, as an inspector hears it.
    pub async fn recording(&self, report: &Value) -> Vec<i16> {
        self.nth_recording(report, 1).await
    }

    /// Returns the audio of another recording.
    pub async fn nth_recording(&self, report: &Value, n: u64) -> Vec<i16> {
        of_wav(&self.service.lead().await.recording(report, n).await)
    }

    /// Ends the test: checks that Asterisk's disk has no recording, and its log none of the numbers.
    pub async fn finish(self, numbers: &[&str]) {
        assert_eq!(self.switch.recordings(), [""; 0]);
        let log = self.switch.log();
        for number in numbers {
            assert!(!log.contains(number), "{log}");
        }
        self.service.finish().await;
    }
}

/// Records the digits into a folder of recorded prompts. `1` is read as on the telephone.
fn digits(folder: &Path) -> Vec<(char, Vec<i16>)> {
    let folder = folder.join("zh-CN");
    fs::create_dir(&folder).expect("a folder");
    let spoken = "零幺二三四五六七八九".chars();
    ('0'..='9')
        .zip(spoken)
        .map(|(digit, word)| {
            let sound = speak(&word.to_string());
            let apart = vec![0; 5 * PACKET];
            let wav = to_wav(&[apart.clone(), sound.clone(), apart].concat());
            fs::write(folder.join(format!("digit-{digit}.wav")), wav).expect("a file");
            (digit, sound)
        })
        .collect()
}

/// Returns the default line's configuration, with this site's Asterisk as its provider.
fn served(default: &str, site: &Site, recorded: &Path) -> String {
    let (server, rest) = default.split_once("[[provider]]").expect("a provider");
    let (_, line) = rest.split_once("[[line]]").expect("a line");
    let listen = format!("listen     = \"{}:{}\"", site.address, site.service);
    let server = server.replacen("listen     = \"127.0.0.1:0\"", &listen, 1);
    // Synthesised once for all tests, because it takes a while.
    let sounds = concat!(env!("CARGO_TARGET_TMPDIR"), "/sounds");
    format!(
        r#"{server}
[prompts]
folder = "{}"
synthesize.zh-CN = "espeak-ng -v cmn-latn-pinyin --stdin --stdout | sox -t wav - -r 8000 -c 1 -b 16 -t wav -"
synthesize.en = "espeak-ng -v en-gb --stdin --stdout | sox -t wav - -r 8000 -c 1 -b 16 -t wav -"
cache = "{sounds}"
passing = "passing"

[[provider]]
name    = "pbx"
kind    = "asterisk"
username = "{}"
password = "{}"
api_url = "{}"
api_username = "{}"
api_password = "{}"
dial = "Local/{{number}}@roster/n"

[[line]]
{line}

[[line.roster]]
name = "duty"
number = "{ON_DUTY}"
"#,
        recorded.display(),
        SOCKET.0,
        SOCKET.1,
        site.api_url(),
        API.0,
        API.1,
    )
}
