//! Text-to-speech by a command line of the operator.

use crate::audio::format::{self, Wrong};
use std::fmt;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// Maximum length of the kept part of a command's standard error, in bytes.
const COMPLAINT: u64 = 500;

/// A command line that reads a text on standard input and writes a WAV file to standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synthesizer {
    command: String,
}

/// Why a text was not synthesized.
#[derive(Debug, thiserror::Error)]
pub enum SynthesisError {
    /// The shell could not be started, or its output could not be read.
    #[error("the command cannot be run: {0}")]
    NotRun(#[from] io::Error),
    /// The command failed. Its error output may contain the text.
    #[error("the command ended with {0}{1}")]
    Failed(ExitStatus, Complaint),
    /// The command exceeded the time limit and was killed.
    #[error("the command took longer than {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The command's output is not a usable WAV file.
    #[error("what the command wrote is not right: {0}")]
    Sound(#[from] Wrong),
}

/// The command's standard error, for display after its exit status; may be empty.
#[derive(Debug)]
pub struct Complaint(String);

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.trim() {
            "" => Ok(()),
            complaint => write!(f, ": {}", complaint.replace('\n', "; ")),
        }
    }
}

/// The shell that runs a command line. On Unix its process group is killed when this is dropped before the shell was
/// waited for.
struct Group(Child);

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        // In a pipeline only the shell is a child of this process; its group contains the other commands too. Once
        // the shell was waited for, `id` is `None`; by then the shell and the commands it waited for have ended.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(rustix::process::Pid::from_raw) {
            // The group may have ended already.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Synthesizer {
    /// Creates a synthesizer; the command line is run by `/bin/sh -c`.
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
        }
    }

    /// Returns the command line.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Synthesizes a text and returns the sound as a WAV file. The sound may last at most `longest`, and the
    /// command may run for at most `patience`.
    ///
    /// The text goes to standard input, because arguments are visible to all users of the machine and a shell would
    /// interpret them. Of the environment only `PATH` is passed on, because the rest may contain secrets.
    ///
    /// # Errors
    ///
    /// When the command cannot be run, fails, exceeds the time limit, or writes no sound that a telephone can play.
    pub async fn speak(
        &self,
        words: &str,
        longest: Duration,
        patience: Duration,
    ) -> Result<Vec<u8>, SynthesisError> {
        tokio::time::timeout(patience, self.run(words, longest))
            .await
            .unwrap_or(Err(SynthesisError::TimedOut(patience)))
    }

    async fn run(&self, words: &str, longest: Duration) -> Result<Vec<u8>, SynthesisError> {
        let path =
            std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(&self.command)
            .env_clear()
            .env("PATH", path)
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut group = Group(command.spawn()?);
        let child = &mut group.0;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        };
        let tell = async move {
            // A command that does not read its input is judged by its output and exit status, so a failed write is
            // no error.
            let _ = stdin.write_all(words.as_bytes()).await;
            let _ = stdin.write_all(b"\n").await;
            Ok(())
        };
        let hear = async move {
            let most = format::most_bytes(longest);
            let mut sound = Vec::new();
            let mut bounded = stdout.take(most as u64 + 1);
            if bounded.read_to_end(&mut sound).await? > most {
                return Err(SynthesisError::Sound(Wrong::TooLong(longest)));
            }
            Ok(sound)
        };
        let complain = async move {
            let mut kept = Vec::new();
            let mut bounded = stderr.take(COMPLAINT);
            bounded.read_to_end(&mut kept).await?;
            // The rest is read and discarded, so that the command does not block on a full pipe.
            tokio::io::copy(&mut bounded.into_inner(), &mut tokio::io::sink()).await?;
            Ok(Complaint(String::from_utf8_lossy(&kept).into_owned()))
        };
        let ((), sound, complaint) = tokio::try_join!(tell, hear, complain)?;
        let status = group.0.wait().await?;
        if !status.success() {
            return Err(SynthesisError::Failed(status, complaint));
        }
        Ok(format::tidy(&sound, longest)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::format::MAX_PIECE;
    use crate::audio::format::tests::tone;

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn spoken(command: &str, words: &str) -> Result<Vec<u8>, String> {
        let synthesizer = Synthesizer::new(command);
        let spoken = synthesizer.speak(words, MAX_PIECE, PATIENCE).await;
        spoken.map_err(|error| error.to_string())
    }

    /// Writes a WAV file and returns a command that prints it after it has read the whole text.
    fn sound(folder: &std::path::Path) -> String {
        let file = folder.join("sound.wav");
        std::fs::write(&file, tone(0.5)).unwrap();
        format!(
            "cat >'{}/words'; cat '{}'",
            folder.display(),
            file.display()
        )
    }

    #[tokio::test]
    async fn words_reach_the_command_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let command = sound(folder.path());
        for words in [
            "您好，这里是",
            "$(touch pwned); `reboot` | > & 'a' \"b\" \\ --help",
            "-v en",
        ] {
            assert_eq!(spoken(&command, words).await.unwrap(), tone(0.5));
            let read = std::fs::read_to_string(folder.path().join("words")).unwrap();
            assert_eq!(read, format!("{words}\n"));
        }
    }

    #[tokio::test]
    async fn a_failure_is_told_with_what_the_command_said() {
        for (command, error) in [
            (
                "echo no voice >&2; exit 3",
                "the command ended with exit status: 3: no voice",
            ),
            ("exec 0<&-; exit 1", "the command ended with exit status: 1"),
            (
                "cat >/dev/null",
                "what the command wrote is not right: it is empty",
            ),
            (
                "cat",
                "what the command wrote is not right: it is no whole WAV file",
            ),
            (
                "yes",
                "what the command wrote is not right: it is longer than 60 s",
            ),
        ] {
            assert_eq!(
                spoken(command, "words").await.unwrap_err(),
                error,
                "{command}"
            );
        }
        let long = spoken("yes complaint | head -c 1000000 >&2; exit 1", "words").await;
        assert!(long.unwrap_err().len() < 1000);
    }

    #[tokio::test]
    async fn secrets_in_the_environment_stay_here() {
        // Cargo sets this variable for every test.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let seen = spoken("env >&2; exit 1", "words").await.unwrap_err();
        assert!(
            seen.contains("PATH=") && !seen.contains("CARGO_MANIFEST_DIR"),
            "{seen}"
        );
    }

    /// The shell and all processes it has started are killed.
    #[tokio::test]
    async fn what_takes_too_long_is_killed_with_all_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("held");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        // The second command of the pipeline holds the fifo open for writing until it is killed.
        let command = format!(
            "true | (exec 9>'{}'; echo >&9; sleep 600) | cat",
            fifo.display()
        );
        let synthesizer = Synthesizer::new(command);
        let reader = tokio::task::spawn_blocking(move || std::fs::read(fifo).unwrap());
        let spoken = synthesizer
            .speak("words", MAX_PIECE, Duration::from_millis(300))
            .await;
        assert!(matches!(spoken, Err(SynthesisError::TimedOut(_))));
        // The fifo reaches its end only when no process holds it open for writing.
        let read = tokio::time::timeout(PATIENCE, reader).await;
        assert_eq!(read.expect("nothing is left of it").unwrap(), b"\n");
    }
}
