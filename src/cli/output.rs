//! Standard output and standard error of the commands.
//!
//! The standard library's `println!` panics when the output is a closed pipe or a full disk. In `cli` these functions stand
//! behind `println!` and `eprintln!`: a command goes on with what it does, and says at the end that its output failed.

use super::Failure;
use std::fmt::Arguments;
use std::io::{self, Write};
use std::sync::OnceLock;

/// The first error of standard output; nothing is written after it.
static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Writes a line to standard output.
pub(super) fn line(text: Arguments<'_>) {
    if FAILED.get().is_some() {
        return;
    }
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
        // Only the first one counts.
        let _ = FAILED.set(error);
    }
}

/// Writes a line to standard error. Where that fails there is no place left to say so.
pub(super) fn error_line(text: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// What became of standard output. A reader that has closed its end, as `head` does, has read what it wanted.
pub(super) fn outcome() -> Result<(), Failure> {
    match FAILED.get() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Failed(format!(
            "standard output cannot be written: {error}"
        ))),
        _ => Ok(()),
    }
}
