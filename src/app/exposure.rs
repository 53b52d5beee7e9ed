//! Warnings about exposure: files that other users of the machine can read, addresses reachable from outside, a
//! database connection that can be intercepted.

use crate::config::{Config, DatabaseAddress};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Returns one sentence for each exposure. `dutyline check` prints them, and the service logs them at its start.
pub fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(file) = config.file.as_deref().filter(|_| config.holds_secret()) {
        warnings.extend(readable(file, "configuration, which has a secret in it"));
    }
    for provider in &config.providers {
        for file in provider
            .settings
            .secrets()
            .iter()
            .flat_map(|one| one.files())
        {
            warnings.extend(readable(file, &format!("provider {}", provider.name)));
        }
    }
    match &config.database {
        DatabaseAddress::Sqlite(file) => {
            for end in ["", "-wal", "-shm"] {
                let mut file = file.clone().into_os_string();
                file.push(end);
                warnings.extend(readable(&PathBuf::from(file), "database"));
            }
            warnings.extend(writable(file.parent(), "database"));
        }
        DatabaseAddress::Postgres(address) => warnings.extend(unverified(address.expose())),
    }
    warnings.extend(writable(config.secret_file.parent(), "service secret"));
    warnings.extend(writable(Some(&config.recordings), "recordings"));
    if is_public(config.ops_listen.ip()) {
        warnings.push(format!(
            "ops_listen {} is reachable from outside: health and metrics need no login; listen at 127.0.0.1 or a private address",
            config.ops_listen
        ));
    }
    warnings
}

/// Returns a warning if the group of a file or other users have any permission on it. `what` names the file's
/// purpose.
fn readable(file: &Path, what: &str) -> Option<String> {
    let mode = mode(file).filter(|_| file.is_file())? & 0o777;
    (mode & 0o077 != 0).then(|| {
        format!(
            "{what}: other users of this machine can get at {} (mode {mode:o}); run `chmod 600 {}`",
            file.display(),
            file.display()
        )
    })
}

/// Returns a warning if the group of a folder or other users can replace files in it. `None` and an empty path are the
/// working folder. `what` names what is in the folder.
fn writable(folder: Option<&Path>, what: &str) -> Option<String> {
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mode = mode(folder)? & 0o777;
    (mode & 0o022 != 0).then(|| {
        format!(
            "{what}: other users of this machine can replace files in {} (mode {mode:o}); run `chmod go-w {}`",
            folder.display(),
            folder.display()
        )
    })
}

/// Returns the permission bits of a file or folder; `None` if it cannot be examined or the system has no such bits.
fn mode(path: &Path) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        Some(std::fs::metadata(path).ok()?.permissions().mode())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Returns a warning if Postgres is on another machine and its certificate is not fully verified
/// (`sslmode=verify-full`).
fn unverified(address: &str) -> Option<String> {
    let options = PgConnectOptions::from_str(address).ok()?;
    let host = options.get_host();
    let is_here = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|ip: IpAddr| ip.is_loopback());
    let is_verified = matches!(options.get_ssl_mode(), PgSslMode::VerifyFull);
    (!is_here && !is_verified).then(|| {
        format!(
            "database: the connection to {host} is not proof against somebody in between; add ?sslmode=verify-full to its address"
        )
    })
}

/// True if the address is none of loopback, private and link-local. The unspecified address counts as public, because
/// a listener bound to it is reached at all addresses of the machine.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local()),
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_elsewhere_needs_a_verified_certificate() {
        for (address, exposed) in [
            ("postgres://u@127.0.0.1/d", false),
            ("postgres://u@localhost:5433/d?sslmode=disable", false),
            ("postgres://u@[::1]/d", false),
            ("postgres:///d?host=/run/postgresql", false),
            ("postgres://u@db.example.org/d", true),
            ("postgres://u:secret@10.0.0.7/d?sslmode=require", true),
            ("postgres://u@db.example.org/d?sslmode=verify-ca", true),
            ("postgres://u@db.example.org/d?sslmode=verify-full", false),
        ] {
            let warning = unverified(address);
            assert_eq!(warning.is_some(), exposed, "{address}: {warning:?}");
            assert!(!warning.unwrap_or_default().contains("secret"));
        }
    }

    #[test]
    fn an_address_that_others_reach_is_public() {
        for (ip, public) in [
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("192.168.0.4", false),
            ("::1", false),
            ("fd00::1", false),
            ("::ffff:127.0.0.1", false),
            ("0.0.0.0", true),
            ("::", true),
            ("203.0.113.9", true),
            ("2001:db8::1", true),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), public, "{ip}");
        }
    }
}
