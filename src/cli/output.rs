//! Standard output and standard error of the commands.
//!
//! The standard library's `println!` panics when the output is a closed pipe or a full disk. In `cli`, macros named
//! `println!` and `eprintln!` call the functions of this module instead: a command continues its work, and reports at
//! the end that its output failed.

use super::Failure;
use std::fmt::Arguments;
use std::io::{self, Write};
use std::sync::OnceLock;

/// The first error of standard output; nothing is written after it.
static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Writes a line to standard output, unless an earlier line could not be written.
pub(super) fn line(text: Arguments<'_>) {
    if FAILED.get().is_some() {
        return;
    }
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
        // Only the first error is kept.
        let _ = FAILED.set(error);
    }
}

/// Writes a line to standard error. A failure is ignored, because it cannot be reported.
pub(super) fn error_line(text: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Returns the first failure of writing to standard output. A closed pipe is no failure: its reader, e.g. `head`, has
/// read what it wanted.
pub(super) fn outcome() -> Result<(), Failure> {
    match FAILED.get() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Failed(format!(
            "standard output cannot be written: {error}"
        ))),
        _ => Ok(()),
    }
}
