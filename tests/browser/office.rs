//! An office with the console: a line, reports on it, and inspectors in their browsers.

use super::Window;
use crate::support::console::Desk;
use crate::support::{Database, LEAD, NUMBER, OPEN, TestLine};
use bytes::Bytes;
use dutyline::report::role::Role;

/// Name and password of another inspector.
pub const LI: (&str, &str) = ("li", "a long password");
/// Number of the caller. The keys pressed and the words spoken do not matter to the console.
const CALLER: &str = "+8613800138000";

/// Starts a line whose console is opened over plain HTTP, like the demo's.
pub async fn office() -> TestLine {
    office_with(std::convert::identity).await
}

/// Starts such a line with the configuration modified by `change`.
pub async fn office_with(change: fn(String) -> String) -> TestLine {
    let plain = |toml: String| change(toml.replace("https://duty.example.org", "http://127.0.0.1"));
    TestLine::with(Database::sqlite(), OPEN, plain).await
}

/// Returns a recording of this many seconds: a tone, unlike silence.
pub fn tone(seconds: u32) -> Bytes {
    let samples = (0..seconds * 8_000).map(|i| if i % 20 < 10 { 3_000i16 } else { -3_000 });
    let sound: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let length = u32::try_from(sound.len()).unwrap();
    let mut wav = Vec::from(&crate::support::wav(b"..")[..44]);
    wav[4..8].copy_from_slice(&(36 + length).to_le_bytes());
    wav[40..44].copy_from_slice(&length.to_le_bytes());
    wav.extend(sound);
    wav.into()
}

impl TestLine {
    /// Leaves a report. Once it can be heard, returns the path of its page.
    pub async fn reported(&self, said: &Bytes) -> String {
        self.leave(CALLER, NUMBER, said).await;
        self.idle().await;
        self.newest().await
    }

    /// Returns the path of the newest report's page.
    pub async fn newest(&self) -> String {
        let all = self.lead().await.reports().await;
        let newest = all
            .iter()
            .max_by_key(|report| report["reference"].to_string());
        let id = newest.expect("a report")["id"].as_str().unwrap().to_owned();
        format!("/console/reports/{id}")
    }

    /// Creates the other inspector, with a separate console session.
    pub async fn li(&self) -> Desk {
        self.make_member(LI.0, Role::Inspector, LI.1, &["fcg-5"])
            .await;
        Desk::sign_in(&self.url, LI.0, LI.1).await
    }
}

impl Window {
    /// Signs a member in at the console, and waits for the queue.
    pub async fn sign_in(&self, url: &str, (name, password): (&str, &str)) {
        self.goto(&format!("{url}/console/sign-in")).await;
        self.write("input[name=name]", name).await;
        self.write("input[name=password]", password).await;
        self.follow("main button.main").await;
        self.wait_for(".filters").await;
    }

    /// Signs the first lead in.
    pub async fn sign_in_lead(&self, url: &str) {
        self.sign_in(url, LEAD).await;
    }

    /// Plays the first recording, and checks that it is playing.
    pub async fn play(&self) {
        self.wait_for(".player[data-ready]").await;
        let listen = "const audio = document.querySelector('audio');
            window.played = new Promise((done) => audio.addEventListener('playing', () => done(true), { once: true }));";
        self.script(listen).await;
        // A real click: browsers play no sound without a user's action.
        self.click(".play").await;
        assert_eq!(self.script("return window.played;").await, true);
    }

    /// Writes a note and saves it; the page stays, and its field is empty afterwards.
    pub async fn save_note(&self, text: &str) {
        self.write("#note-form textarea", text).await;
        self.click("#note-form button").await;
        self.note_saved().await;
    }

    /// Waits until the note is saved.
    pub async fn note_saved(&self) {
        self.until("return document.querySelector('#note-form textarea').value === '';")
            .await;
    }

    /// Ends the browser. Its log may only have lines that contain one of `expected`.
    pub async fn finish_with(self, expected: &[&str]) {
        let log = self.log().await;
        let known = |line: &&String| expected.iter().any(|part| line.contains(part));
        let unknown: Vec<_> = log.iter().filter(|line| !known(line)).collect();
        assert_eq!(unknown, [""; 0]);
        // Not by `finish`, which reads the log once more: an expected line may have been added to it meanwhile.
        self.close().await;
    }
}
