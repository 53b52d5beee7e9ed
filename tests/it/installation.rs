//! The parts of an installation: database, service secret, folder of recordings, and the recovery keys that were shown.

use crate::cli::dutyline;
use crate::support::queue::Job;
use crate::support::standin::StandIn;
use crate::support::team::with_second_line;
use crate::support::webhooks::{Story, speech};
use crate::support::{Binary, Database, LEAD, NUMBER, TestLine, configuration, wav};
use chrono::TimeDelta;
use dutyline::base::clock::Clock;
use dutyline::vault::blobs::MARKER;
use reqwest::StatusCode;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Waits until a job of this kind keeps failing; checks that `check` and the metrics say so and that it is retried
/// within a minute.
async fn keeps_failing(binary: &Binary, kind: &str) {
    let has_failed = |job: &Job| job.lease_until.is_none() && job.failures > 0;
    let jobs = binary.until_jobs(kind, |jobs| jobs.iter().any(has_failed));
    let job = jobs.await.into_iter().find(has_failed).unwrap();
    assert!(job.run_after < Clock::system().system_now() + TimeDelta::seconds(60));
    let metrics = binary.metrics().await;
    let failing = format!("dutyline_jobs{{kind=\"{kind}\",state=\"failing\"}} 1");
    assert!(metrics.contains(&failing), "{metrics}");
    let check = binary.try_run(&["check"]);
    assert_eq!(check.status.code(), Some(1));
    let said = String::from_utf8_lossy(&check.stdout).into_owned() + &stderr(&check);
    assert!(
        said.contains(&format!("✗ jobs: 1 of kind {kind} keep failing")),
        "{said}"
    );
}

/// Tries a job again, and waits until no job is left.
async fn done_at_last(binary: &Binary, kind: &str) {
    binary.hurry(kind).await;
    binary.until_jobs(kind, <[Job]>::is_empty).await;
    binary.quiet().await;
}

/// The file system with the recordings is not mounted: its path does not exist, then is an empty mount point. Calls go
/// on, nothing is sealed there, and nothing is deleted at the provider.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_mount_is_not_filled() {
    let twilio = StandIn::start().await;
    let mut binary = Binary::start(Database::sqlite(), &twilio.url, |toml| toml).await;
    assert_eq!(binary.ready().await, StatusCode::OK);
    binary.kill().await;
    let folder = binary.path().join("data/recordings");
    let elsewhere = binary.path().join("data/unmounted");
    fs::rename(&folder, &elsewhere).unwrap();
    binary.serve().await;
    assert_eq!(binary.ready().await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!folder.exists(), "serve makes no folder");
    fs::create_dir(&folder).unwrap();
    assert_eq!(binary.ready().await, StatusCode::SERVICE_UNAVAILABLE);

    let story = Story::new();
    binary.speak(&twilio, &story).await;
    keeps_failing(&binary, "fetch").await;
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    assert!(binary.log().contains("is its file system mounted?"));

    fs::remove_dir(&folder).unwrap();
    fs::rename(&elsewhere, &folder).unwrap();
    assert_eq!(binary.ready().await, StatusCode::OK);
    done_at_last(&binary, "fetch").await;
    assert_eq!(binary.files().len(), 1);

    // The folder is missing again when the call ends: a missing recording is not counted as damaged.
    fs::rename(&folder, &elsewhere).unwrap();
    fs::create_dir(&folder).unwrap();
    binary.send(&story.status()).await;
    keeps_failing(&binary, "delete").await;
    assert!(!twilio.is_gone(&story));
    assert!(
        binary
            .metrics()
            .await
            .contains("dutyline_recordings_damaged_total 0")
    );
    // Commands do not report the recordings as missing either, and `init` does not write to the mount point.
    let verified = binary.try_run(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(
        stderr(&verified).contains("is its file system mounted?"),
        "{verified:?}"
    );
    let again = binary.try_run(&["init", "--lead", LEAD.0, "--password-file", "password"]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);

    fs::remove_dir(&folder).unwrap();
    fs::rename(&elsewhere, &folder).unwrap();
    done_at_last(&binary, "delete").await;
    assert!(twilio.is_gone(&story));
    let report = binary.lead().await.only_report().await;
    assert!(binary.lead().await.recording(&report, 1).await == speech());
    binary.finish().await;
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes a folder with a configuration and the lead's password.
fn folder(toml: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("dutyline.toml"), toml).unwrap();
    fs::write(folder.path().join("password"), LEAD.1).unwrap();
    folder
}

fn on_sqlite() -> String {
    configuration("sqlite:data/dutyline.db", "http://127.0.0.1:9")
}

/// Runs a command that has to end by itself within 30 s.
fn ended(folder: &Path, arguments: &[&str]) -> Output {
    let program = dutyline(folder);
    let mut command = Command::new("timeout");
    command
        .arg("30")
        .arg(program.get_program())
        .args(arguments)
        .current_dir(folder);
    command.output().expect("the program timeout")
}

const INIT: [&str; 5] = ["init", "--lead", LEAD.0, "--password-file", "password"];

fn recovery_keys(output: &Output) -> usize {
    stdout(output).matches("AGE-SECRET-KEY-1").count()
}

#[test]
fn a_service_key_of_another_installation_is_refused() {
    let (one, other) = (folder(&on_sqlite()), folder(&on_sqlite()));
    for folder in [&one, &other] {
        let made = ended(folder.path(), &INIT);
        assert!(made.status.success(), "{made:?}");
    }
    let key = one.path().join("data/service.key");
    let right = fs::read(&key).unwrap();
    fs::copy(other.path().join("data/service.key"), &key).unwrap();
    for command in [&["serve"][..], &["check"], &INIT] {
        let refused = ended(one.path(), command);
        assert_eq!(refused.status.code(), Some(1), "{command:?}: {refused:?}");
        let said = stdout(&refused) + &stderr(&refused);
        assert!(
            said.contains("not the service secret this database was set up with"),
            "{said}"
        );
    }
    // A lost service secret is not made anew.
    fs::remove_file(&key).unwrap();
    let refused = ended(one.path(), &INIT);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(!key.exists());
    fs::write(&key, right).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let again = ended(one.path(), &INIT);
    assert!(again.status.success(), "{again:?}");
}

/// Returns a pipe whose reading end is closed.
fn closed_pipe() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

/// Returns a file on which every write fails.
fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

#[test]
fn recovery_keys_that_could_not_be_shown_were_not_made() {
    let folder = folder(&on_sqlite());
    // A closed standard output is /dev/null to the program.
    for out in [closed_pipe(), full(), Stdio::null()] {
        let mut command = dutyline(folder.path());
        let unread = command.args(INIT).stdout(out).stderr(Stdio::piped());
        let unread = unread.output().unwrap();
        assert_eq!(unread.status.code(), Some(1), "{unread:?}");
        assert!(stderr(&unread).contains("no keys were made"), "{unread:?}");
    }
    let shown = ended(folder.path(), &INIT);
    assert!(shown.status.success(), "{shown:?}");
    assert_eq!(recovery_keys(&shown), 1);
    assert_eq!(recovery_keys(&ended(folder.path(), &INIT)), 0);
}

/// `dutyline hours | head -1` ends as if everything had been read; a full disk is reported.
#[test]
fn no_command_panics_when_its_output_is_closed() {
    let folder = folder(&on_sqlite());
    assert!(ended(folder.path(), &INIT).status.success());
    for command in [
        &["hours"][..],
        &["hours", "--json"],
        &["hear"],
        &["hear", "--json"],
        &["prompts", "list"],
        &["member", "list"],
        &["audit", "verify"],
        &["export", "--sealed", "exported"],
    ] {
        let run = |out: Stdio| {
            let mut program = dutyline(folder.path());
            let program = program.args(command).stdout(out).stderr(Stdio::piped());
            let output = program.output().unwrap();
            let _ = fs::remove_dir_all(folder.path().join("exported"));
            output
        };
        let closed = run(closed_pipe());
        assert!(closed.status.success(), "{command:?}: {closed:?}");
        assert_eq!(stderr(&closed), "", "{command:?}");
        let full = run(full());
        assert_eq!(full.status.code(), Some(1), "{command:?}: {full:?}");
        assert!(
            stderr(&full).contains("standard output cannot be written"),
            "{full:?}"
        );
    }
    // The exit code depends on the findings, even when nothing reads the output.
    let mut check = dutyline(folder.path());
    check
        .arg("check")
        .stdout(closed_pipe())
        .stderr(closed_pipe());
    assert_eq!(check.status().unwrap().code(), Some(1));
}

/// The file system with the database is not mounted: its mount point is an empty folder, or does not exist.
#[test]
fn only_init_makes_a_database_file() {
    let toml = on_sqlite().replace("data/dutyline.db", "mount/dutyline.db");
    let folder = folder(&toml);
    let folder = folder.path();
    assert!(ended(folder, &INIT).status.success());
    let mount = folder.join("mount");
    fs::rename(&mount, folder.join("unmounted")).unwrap();
    for mount_point in [true, false] {
        if mount_point {
            fs::create_dir(&mount).unwrap();
        }
        for command in [
            &["serve"][..],
            &["check"],
            &["member", "list"],
            &["jobs", "list"],
            &["jobs", "retry", "--all"],
            &["recordings", "unnamed"],
            &["audit", "verify"],
            &["export", "--sealed", "backup"],
        ] {
            let refused = ended(folder, command);
            assert_eq!(refused.status.code(), Some(1), "{command:?}: {refused:?}");
            let said = stdout(&refused) + &stderr(&refused);
            let sentence = "there is no database ./mount/dutyline.db; is its file system mounted?";
            assert!(said.contains(sentence), "{command:?}: {said}");
            let made = match mount_point {
                true => fs::read_dir(&mount).unwrap().count() > 0,
                false => mount.exists(),
            };
            assert!(!made, "{command:?} made something at the mount point");
        }
        if mount_point {
            fs::remove_dir(&mount).unwrap();
        }
    }
    fs::rename(folder.join("unmounted"), &mount).unwrap();
    assert!(ended(folder, &["member", "list"]).status.success());
}

#[test]
fn only_a_lead_makes_the_key_of_a_new_line() {
    let folder = folder(&on_sqlite());
    let folder = folder.path();
    assert!(ended(folder, &INIT).status.success());
    let add = [
        "member",
        "add",
        "li",
        "--role",
        "inspector",
        "--password-file",
        "password",
        "--as",
        LEAD.0,
        "--as-password-file",
        "password",
    ];
    let added = ended(folder, &add);
    assert!(added.status.success(), "{added:?}");
    fs::write(folder.join("dutyline.toml"), with_second_line(on_sqlite())).unwrap();
    let by_li = ended(
        folder,
        &["init", "--lead", "li", "--password-file", "password"],
    );
    assert_eq!(by_li.status.code(), Some(1), "{by_li:?}");
    assert!(stderr(&by_li).contains("li is no lead"), "{by_li:?}");
    assert_eq!(recovery_keys(&by_li), 0);
    let by_lead = ended(folder, &INIT);
    assert!(by_lead.status.success(), "{by_lead:?}");
    assert_eq!(recovery_keys(&by_lead), 1);
}

#[test]
fn what_others_could_get_at_is_refused_or_named() {
    let toml = on_sqlite().replace(
        "auth_token = \"test-token-of-the-provider\"",
        "auth_token_file = \"token\"",
    );
    let toml = toml.replace("ops_listen = \"127.0.0.1:0\"", "ops_listen = \"0.0.0.0:0\"");
    let folder = folder(&toml);
    let folder = folder.path();
    fs::write(folder.join("token"), "test-token").unwrap();
    assert!(ended(folder, &INIT).status.success());
    let mode = |file: &str, mode: u32| {
        fs::set_permissions(folder.join(file), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("data/service.key", 0o644);
    for command in [&["serve"][..], &["check"], &INIT] {
        let refused = ended(folder, command);
        assert_eq!(refused.status.code(), Some(1), "{command:?}: {refused:?}");
        let said = stdout(&refused) + &stderr(&refused);
        assert!(said.contains("run `chmod 600"), "{said}");
    }
    mode("data/service.key", 0o600);
    let named = [
        ("token", 0o644, "token (mode 644)"),
        ("data/dutyline.db", 0o664, "dutyline.db (mode 664)"),
        ("data/recordings", 0o777, "data/recordings (mode 777)"),
        ("data", 0o775, "data (mode 775)"),
    ];
    for (file, bits, _) in named {
        mode(file, bits);
    }
    let checked = stdout(&ended(folder, &["check"]));
    // `serve` prints the same; then it fails, because the second line has no key.
    fs::write(folder.join("dutyline.toml"), with_second_line(toml)).unwrap();
    let started = stderr(&ended(folder, &["serve"]));
    for said in [checked, started] {
        for (.., sentence) in named {
            assert!(said.contains(sentence), "{sentence}: {said}");
        }
        assert!(
            said.contains("ops_listen 0.0.0.0:0 is reachable from outside"),
            "{said}"
        );
    }
}

#[test]
fn a_configuration_that_holds_a_secret_and_others_can_read_is_named() {
    let folder = folder(&on_sqlite());
    let folder = folder.path();
    let file = folder.join("dutyline.toml");
    let inline = "auth_token = \"test-token-of-the-provider\"";
    let elsewhere = on_sqlite().replace(inline, "auth_token_file = \"token\"");
    let on_postgres = |address: &str| elsewhere.replace("sqlite:data/dutyline.db", address);
    fs::write(folder.join("token"), "test-token").unwrap();
    fs::set_permissions(folder.join("token"), fs::Permissions::from_mode(0o600)).unwrap();
    let sentence = "dutyline.toml (mode 644)";
    for (toml, mode, named) in [
        (on_sqlite(), 0o644, true),
        (on_sqlite(), 0o600, false),
        (elsewhere.clone(), 0o644, false),
        (
            on_postgres("postgres://u:hunter2@127.0.0.1:1/d"),
            0o644,
            true,
        ),
        (
            on_postgres("postgres://u@127.0.0.1:1/d?password=hunter2"),
            0o644,
            true,
        ),
        (
            on_postgres("postgres://u:hunter2@127.0.0.1:1/d"),
            0o600,
            false,
        ),
        (on_postgres("postgres://u@127.0.0.1:1/d"), 0o644, false),
    ] {
        fs::write(&file, &toml).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let checked = ended(folder, &["check"]);
        let checked = stdout(&checked) + &stderr(&checked);
        assert_eq!(
            checked.contains(sentence),
            named,
            "{toml} {mode:o}: {checked}"
        );
        assert!(!checked.contains("hunter2"), "{checked}");
    }
    // `serve` prints the same; then it fails, because the second line has no key.
    let toml = with_second_line(on_sqlite());
    fs::write(&file, on_sqlite()).unwrap();
    assert!(ended(folder, &INIT).status.success());
    fs::write(&file, toml).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let started = stderr(&ended(folder, &["serve"]));
    assert!(started.contains(sentence), "{started}");
}

/// Where the folder of recordings has no marker, `init` prints the id that belongs there, and keeps it when it is run
/// again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_id_that_init_names_is_the_installation_s() {
    let line = TestLine::open(Database::sqlite()).await;
    line.leave("+8613800138000", NUMBER, &wav(b"said")).await;
    line.until_reports(1).await;
    // The folder with recordings has lost its marker.
    let marker = line.recordings().join(MARKER);
    fs::remove_file(&marker).unwrap();
    fs::write(line.path().join("password"), LEAD.1).unwrap();
    let init = ["init", "--lead", LEAD.0, "--password-file", "password"];
    let refused = line.cli(&init).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = stderr(&refused);
    let (_, rest) = said.split_once("write the line ").expect("an id");
    let id = rest.split(' ').next().unwrap();
    fs::write(&marker, format!("{id}\n")).unwrap();
    let made = line.cli(&init).await;
    assert!(made.status.success(), "{made:?}");
    line.finish().await;
}
