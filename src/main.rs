//! The command line, nothing else.

#![forbid(unsafe_code)]

use std::alloc::System;
use std::process::ExitCode;
use zeroizing_alloc::ZeroAlloc;

/// Memory is overwritten with zeros when it is freed, so that what callers said is not left in it.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    dutyline::cli::run()
}
