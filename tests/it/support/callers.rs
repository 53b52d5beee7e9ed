//! Callers, and the words they say.

use super::TestLine;
use bytes::Bytes;
use dutyline::simulator::exchange::SpeechEnd;
use std::process::{Command, Output};

/// A WAV file of two seconds in which `word` is said over and over.
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

impl TestLine {
    /// Somebody calls `to`, says `said` and sends it. Gives the provider's id of the call.
    pub async fn leave(&self, from: &str, to: &str, said: &Bytes) -> String {
        let call = self.exchange.dial(from, to).await.unwrap().id;
        self.exchange.press(&call, "1").await.unwrap();
        self.say(&call, said).await;
        self.exchange.press(&call, "1").await.unwrap();
        call
    }

    /// Somebody says `first`, then says it again as `second`, and sends that.
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

    /// Somebody calls and hangs up.
    pub async fn abandon(&self, from: &str, to: &str) {
        let call = self.exchange.dial(from, to).await.unwrap().id;
        self.exchange.hang_up(&call).await.unwrap();
    }

    /// Runs the program itself on the line's configuration.
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

/// What a program wrote, for a person.
pub fn wrote(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}
