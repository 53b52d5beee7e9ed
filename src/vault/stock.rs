//! The stock `age` command, for tests that sealed data can be opened without this program.

use std::path::Path;
use std::process::Command;

/// Returns the output of `age -d -i IDENTITY_FILE SEALED_FILE`.
pub fn age_opens(sealed: &Path, identity_file: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("identity");
    std::fs::write(&identity, identity_file).unwrap();
    let out = Command::new("age")
        .arg("-d")
        .arg("-i")
        .arg(&identity)
        .arg(sealed)
        .output()
        .expect("this test needs the `age` command; Debian's package is called age");
    assert!(
        out.status.success(),
        "age: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    out.stdout
}

/// Returns the output of `age -d -i IDENTITY_FILE` for data sealed in memory.
pub fn age_opens_bytes(sealed: &[u8], identity_file: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sealed.age");
    std::fs::write(&file, sealed).unwrap();
    age_opens(&file, identity_file)
}
