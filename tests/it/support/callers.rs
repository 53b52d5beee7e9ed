//! Callers of a [`TestLine`], and the audio they record.

use super::{NUMBER, TestLine};
use bytes::Bytes;
use dutyline::simulator::SAMPLE;
use dutyline::simulator::call::{Heard, WaitingFor};
use dutyline::simulator::exchange::{PhoneView, SpeechEnd};
use dutyline::simulator::faults::Faults;
use std::process::{Command, Output};

/// Returns a WAV file of two seconds whose data is `word` repeated.
pub fn wav(word: &[u8]) -> Bytes {
    const BYTES: u32 = 32_000;
    let mut wav = Vec::with_capacity(44 + BYTES as usize);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + BYTES).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16u32.to_le_bytes());
    wav.extend_from_slice(&[1, 0, 1, 0]); // PCM, one channel
    wav.extend_from_slice(&8_000u32.to_le_bytes());
    wav.extend_from_slice(&16_000u32.to_le_bytes());
    wav.extend_from_slice(&[2, 0, 16, 0]);
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&BYTES.to_le_bytes());
    wav.extend(word.iter().cycle().take(BYTES as usize));
    wav.into()
}

/// A caller at the simulator. Every webhook of the call is posted twice.
pub struct Caller<'a> {
    line: &'a TestLine,
    pub view: PhoneView,
}

/// Returns audio that differs from other such audio in its last byte, `n`.
pub fn speech(n: u8) -> Bytes {
    let mut audio = SAMPLE.to_vec();
    *audio.last_mut().unwrap() = n;
    audio.into()
}

/// Returns audio of the same length as [`speech`], with all samples zero.
pub fn silence() -> Bytes {
    let mut audio = SAMPLE.to_vec();
    // The 44 bytes of the WAV header stay.
    audio[44..].fill(0);
    audio.into()
}

impl<'a> Caller<'a> {
    pub async fn dial(line: &'a TestLine) -> Self {
        Self::dial_with(line, Faults::default()).await
    }

    /// Dials with these faults, in addition to every webhook being posted twice.
    pub async fn dial_with(line: &'a TestLine, faults: Faults) -> Self {
        Self::dial_from(line, "+8613800138000", NUMBER, faults).await
    }

    /// Dials from one number to another with these faults.
    pub async fn dial_from(line: &'a TestLine, from: &str, to: &str, faults: Faults) -> Self {
        line.exchange.set_faults(Faults {
            twice: true,
            ..faults
        });
        let view = line.exchange.dial(from, to).await.unwrap();
        Self { line, view }
    }

    pub async fn press(&mut self, keys: &str) -> String {
        self.view = self.line.exchange.press(&self.view.id, keys).await.unwrap();
        self.words()
    }

    /// Records [`speech`] `n`. Returns the words heard next.
    pub async fn say(&mut self, n: u8, end: SpeechEnd) -> String {
        self.speak(speech(n), Some(end)).await
    }

    /// Records `said` and presses the hash key. Returns the words heard next.
    pub async fn says(&mut self, said: &Bytes) -> String {
        self.speak(said.clone(), Some(SpeechEnd::Key)).await
    }

    async fn speak(&mut self, said: Bytes, end: Option<SpeechEnd>) -> String {
        let exchange = &self.line.exchange;
        self.view = exchange.speak(&self.view.id, said, end).await.unwrap();
        self.words()
    }

    /// Starts to record [`speech`] `n` and hangs up.
    pub async fn say_and_hang_up(&mut self, n: u8) {
        self.speak(speech(n), None).await;
        self.hang_up().await;
    }

    pub async fn keep_silent(&mut self) -> String {
        self.view = self.line.exchange.keep_silent(&self.view.id).await.unwrap();
        self.words()
    }

    pub async fn hang_up(&mut self) {
        self.view = self.line.exchange.hang_up(&self.view.id).await.unwrap();
        assert!(self.is_over());
    }

    pub fn words(&self) -> String {
        words(&self.view)
    }

    pub fn is_over(&self) -> bool {
        self.view.waiting == WaitingFor::Nothing
    }

    /// Maximum length of the running recording, in seconds; `None` if none is running.
    pub fn may_speak(&self) -> Option<u32> {
        match self.view.waiting {
            WaitingFor::Speech { max_seconds, .. } => Some(max_seconds),
            _ => None,
        }
    }
}

impl TestLine {
    /// Dials `to`, records `said` and sends it. Returns the provider's id of the call.
    pub async fn leave(&self, from: &str, to: &str, said: &Bytes) -> String {
        let call = self.exchange.dial(from, to).await.unwrap().id;
        self.exchange.press(&call, "1").await.unwrap();
        self.say(&call, said).await;
        self.exchange.press(&call, "1").await.unwrap();
        call
    }

    /// Records `first`, then records `second` in its place, and sends that.
    pub async fn leave_two_takes(&self, from: &str, to: &str, first: &Bytes, second: &Bytes) {
        let call = self.exchange.dial(from, to).await.unwrap().id;
        self.exchange.press(&call, "1").await.unwrap();
        self.say(&call, first).await;
        self.exchange.press(&call, "3").await.unwrap();
        self.say(&call, second).await;
        self.exchange.press(&call, "1").await.unwrap();
    }

    async fn say(&self, call: &str, said: &Bytes) {
        let end = Some(SpeechEnd::Key);
        self.exchange.speak(call, said.clone(), end).await.unwrap();
    }

    /// Dials `to` and hangs up.
    pub async fn abandon(&self, from: &str, to: &str) {
        let call = self.exchange.dial(from, to).await.unwrap().id;
        self.exchange.hang_up(&call).await.unwrap();
    }

    /// Runs the compiled program on the line's configuration.
    pub async fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dutyline"));
        command
            .current_dir(self.path())
            .env_remove("DUTYLINE_LOG")
            .args(["--config", "test.toml"])
            .args(arguments);
        tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .expect("the program starts")
    }
}

/// Returns the words the caller heard last.
pub fn words(view: &PhoneView) -> String {
    let said = view.heard.iter().filter_map(|heard| match heard {
        Heard::Say { say, .. } => Some(say.as_str()),
        _ => None,
    });
    said.collect()
}

/// Returns what a program wrote to standard output and standard error.
pub fn wrote(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}
