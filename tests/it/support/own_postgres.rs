//! A Postgres server for one test, with its own settings.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A running server, stopped when dropped. `tests/run` leaves out the tests with `own_postgres` in their name where the
/// server's programs are missing.
pub struct OwnPostgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    temporary: Option<tempfile::TempDir>,
}

impl OwnPostgres {
    /// Starts a server in a temporary folder. `settings` are as in postgresql.conf: `fsync=on`.
    pub fn start(settings: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let mut server = Self::start_in(temporary.path(), settings);
        server.temporary = Some(temporary);
        server
    }

    /// Starts a server in this folder, which is given to the server's user.
    pub fn start_in(folder: &Path, settings: &[&str]) -> Self {
        let mut server = Self {
            programs: programs(),
            folder: folder.to_owned(),
            port: 0,
            temporary: None,
        };
        if rustix::process::geteuid().is_root() {
            let given = Command::new("chown").arg("postgres").arg(folder).status();
            assert!(given.expect("chown").success(), "there is a user postgres");
        }
        let made = server.run(
            "initdb",
            &[
                "-U",
                "postgres",
                "--auth=trust",
                "--no-sync",
                "--wal-segsize=1",
            ],
        );
        assert!(made.status.success(), "{made:?}");
        let settings: String = settings.iter().map(|one| format!(" -c {one}")).collect();
        for _ in 0..20 {
            // Below the system's ephemeral ports.
            server.port = 10_000 + u16::from_be_bytes(dutyline::base::clock::random()) % 20_000;
            let options = format!(
                "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c shared_buffers=16MB -c max_connections=50{settings}",
                server.port
            );
            let log = server.folder.join("log").display().to_string();
            let started = server.run("pg_ctl", &["start", "-w", "-l", &log, "-o", &options]);
            if started.status.success() {
                return server;
            }
        }
        let log = std::fs::read_to_string(server.folder.join("log"));
        panic!("Postgres does not start: {log:?}");
    }

    /// Returns a configuration with the server's first database in place of the one it names.
    pub fn configured(&self, toml: &str) -> String {
        let address = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        toml.lines()
            .map(|line| match line.starts_with("database ") {
                true => format!("database = \"{address}\"\n"),
                false => format!("{line}\n"),
            })
            .collect()
    }

    /// Runs a program of Postgres as another user if the test is root, because Postgres refuses to run as root.
    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let program = self.programs.join(program);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .args(arguments)
            .env("PGDATA", self.folder.join("data"))
            .current_dir(&self.folder)
            .stdin(std::process::Stdio::null());
        // The server inherits the open files of the process that starts it: a pipe would never be closed.
        if arguments.first() == Some(&"start") {
            command
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null());
        }
        command.output().expect("a program of Postgres")
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        self.run("pg_ctl", &["stop", "-m", "immediate", "-w"]);
    }
}

/// Returns the folder of the server's programs. Debian keeps them out of PATH, in a folder for each version.
fn programs() -> PathBuf {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&on_path).collect::<Vec<_>>();
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")));
    on_path
        .into_iter()
        .chain(versions)
        .find(|folder| folder.join("initdb").exists())
        .expect("initdb of Postgres is installed; leave this test out with --skip own_postgres")
}
