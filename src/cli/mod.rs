//! The command line: one file for each command, except `call`, whose arguments are here and whose code is in
//! `simulator/phone.rs`.

/// Writes a line to standard output without the panic of `std::println!`; see [`output`].
macro_rules! println {
    () => { $crate::cli::output::line(format_args!("")) };
    ($($text:tt)*) => { $crate::cli::output::line(format_args!($($text)*)) };
}
/// Writes a line to standard error without the panic of `std::eprintln!`.
macro_rules! eprintln {
    ($($text:tt)*) => { $crate::cli::output::error_line(format_args!($($text)*)) };
}

mod audit;
mod check;
mod demo;
mod export;
mod hear;
mod hours;
mod init;
mod jobs;
mod member;
mod output;
mod prompts;
mod recordings;
mod recovery;
mod serve;
mod webhook;

use crate::app::StartError;
use crate::app::installation;
use crate::base::clock::Clock;
use crate::base::hidden::Hidden;
use crate::config::{Config, ConfigError, ConfigErrors};
use crate::simulator::phone;
use crate::store::Db;
use crate::vault::blobs::Blobs;
use crate::vault::passwords::NewPassword;
use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

/// Answers the duty line of an inspection team: takes down what callers say, sealed for its inspectors.
#[derive(Parser)]
#[command(name = "dutyline", version, max_term_width = 100)]
struct Cli {
    /// The configuration file [default: dutyline.toml in the working folder, or else the embedded one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A line to try on this machine, with nothing else needed
    #[command(
        after_help = "Example:\n  dutyline demo\n  dutyline call        (in a second terminal)"
    )]
    Demo(demo::Demo),
    /// A telephone in the terminal, to call the line of a running `dutyline demo`
    #[command(after_help = "Example:\n  dutyline call\n  dutyline call --script 1,speak,#,1")]
    Call(Call),
    /// Make the service secret, the first lead, and the keys of the lines
    #[command(after_help = "Example:\n  dutyline init --lead wang --password-file wang.txt")]
    Init(init::Init),
    /// Run the service
    #[command(after_help = "Example:\n  dutyline serve --config /etc/dutyline/dutyline.toml")]
    Serve(serve::Serve),
    /// Check configuration, calendars, providers, database and folder of recordings
    #[command(
        after_help = "Example:\n  dutyline check\n  dutyline check --webhook /hooks/twilio/call"
    )]
    Check(check::Check),
    /// What a caller would hear
    #[command(after_help = "Example:\n  dutyline hear --at 2024-04-07T09:00 --keys 3")]
    Hear(hear::Hear),
    /// When a line is staffed, day by day, and why
    #[command(after_help = "Example:\n  dutyline hours --from 2024-04-01 --to 2024-04-14")]
    Hours(hours::Hours),
    /// What the lines say, as a script for recording it
    #[command(subcommand)]
    Prompts(prompts::PromptsCommand),
    /// Members and the lines they work on
    #[command(subcommand)]
    Member(member::MemberCommand),
    /// The recovery keys of lines
    #[command(subcommand)]
    Recovery(recovery::RecoveryCommand),
    /// The audit trail
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Jobs that are still to be done after calls
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    /// The folder of sealed recordings
    #[command(subcommand)]
    Recordings(recordings::RecordingsCommand),
    /// Write reports out, sealed or opened with a recovery key
    #[command(
        after_help = "Example:\n  dutyline export --sealed backup-2024-04\n  dutyline export --recovery-key-file recovery.txt --line fcg-5 opened"
    )]
    Export(export::Export),
}

#[derive(Args)]
struct Call {
    /// The URL at which `dutyline demo` listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    at: String,
    /// The number to dial
    #[arg(default_value = "18877009155")]
    to: String,
    /// The number that calls [default: withheld]
    #[arg(long)]
    from: Option<String>,
    /// The caller's actions, instead of the keyboard: keys, `speak`, `silence`, `hangup`, separated by commas
    #[arg(long, value_name = "ACTS")]
    script: Option<String>,
    /// A WAV file with what the caller says at `speak` [default: a sample]
    #[arg(long, value_name = "FILE")]
    wav: Option<PathBuf>,
}

/// Why a command failed, which determines its exit code.
enum Failure {
    /// The configuration or the arguments are wrong: exit code 2.
    Usage(String),
    /// Something the command needs failed: exit code 1.
    Failed(String),
}

impl From<ConfigErrors> for Failure {
    /// Joins the errors, each on a line of its own that begins with the program's name.
    fn from(errors: ConfigErrors) -> Self {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Self::Usage(errors.join("\ndutyline: "))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        ConfigErrors::from(error).into()
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Config(error) => error.into(),
            StartError::Failed(message) => Self::Failed(message),
        }
    }
}

impl From<crate::members::MemberError> for Failure {
    fn from(error: crate::members::MemberError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

type Outcome = Result<(), Failure>;

/// Parses the command line and runs its command.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    log();
    #[cfg(unix)]
    if let Err(error) = crate::base::private::forbid_memory_dumps() {
        tracing::warn!(%error, "core dumps cannot be switched off; a crash may write callers' words to the disk");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(cli)),
        Err(error) => Err(Failure::Failed(format!("cannot start: {error}"))),
    };
    match done.and_then(|()| output::outcome()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("dutyline: {message}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("dutyline: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(cli: Cli) -> Outcome {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Demo(demo) => demo.run(config).await,
        Command::Call(call) => phone::run(phone::CallOptions {
            at: call.at,
            from: call.from,
            to: call.to,
            script: call.script,
            wav: call.wav,
        })
        .await
        .map_err(Failure::Failed),
        Command::Init(init) => init.run(config).await,
        Command::Serve(serve) => serve.run(config).await,
        Command::Check(check) => check.run(config).await,
        Command::Hear(hear) => hear.run(config),
        Command::Hours(hours) => hours.run(config),
        Command::Prompts(prompts) => prompts.run(config),
        Command::Member(member) => member.run(config).await,
        Command::Recovery(recovery) => recovery.run(config).await,
        Command::Audit(audit) => audit.run(config).await,
        Command::Jobs(jobs) => jobs.run(config).await,
        Command::Recordings(recordings) => recordings.run(config).await,
        Command::Export(export) => export.run(config).await,
    }
}

/// Sets up logging: lines go to standard error, as sentences with ids as fields. `DUTYLINE_LOG` sets the level:
/// error, warn, info (the default), debug. Libraries log at warn and above only, because their other messages may
/// contain addresses and values.
fn log() {
    let level = std::env::var("DUTYLINE_LOG")
        .ok()
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::INFO);
    let targets = tracing_subscriber::filter::Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        .with_target("dutyline", level)
        .with_target("security", level);
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // Fails if a subscriber is set already, as in tests; the first one stays.
    let _ = tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .try_init();
}

/// Returns the clock that starts at the value of `--clock`; without one, the system's clock.
fn clock(start: Option<&str>) -> Result<Clock, Failure> {
    let Some(start) = start else {
        return Ok(Clock::system());
    };
    let start = DateTime::parse_from_rfc3339(start).map_err(|_| {
        Failure::Usage(format!(
            "--clock {start}: not a date and time with an offset; write it like 2024-03-06T09:00:00+08:00"
        ))
    })?;
    let clock = Clock::starting_at(start.with_timezone(&Utc));
    tracing::warn!(line_time = %start, "the clock is shifted: this is not a line for real callers");
    Ok(clock)
}

/// Reads from a file a new password for the member with this name. Fails if the file cannot be read, or if the
/// password is not suitable, e.g. because it is common or consists mostly of names and numbers of the member and the
/// lines.
fn read_new_password(path: &Path, config: &Config, name: &str) -> Result<NewPassword, Failure> {
    let text = read_secret_file(path)?;
    let known = config.known_words(name);
    NewPassword::choose_for(text.expose(), &known)
        .map_err(|unfit| Failure::Usage(format!("{}: {unfit}", path.display())))
}

/// Returns the content of a file with a password or a key, without a byte order mark.
fn read_secret_file(path: &Path) -> Result<Hidden<String>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::Usage(match error.kind() {
            std::io::ErrorKind::InvalidData => format!(
                "{} is not UTF-8 text; open it in an editor and save it as UTF-8",
                path.display()
            ),
            _ => format!("{} cannot be read: {error}", path.display()),
        })
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(Hidden::new(text.to_owned()))
}

/// Opens and migrates the configured database, which must have been set up with the configured service secret.
async fn open_db(config: &Config) -> Result<Db, Failure> {
    installation::open_proven(config)
        .await
        .map_err(Failure::Failed)
}

/// Opens the folder of recordings of the installation in `db`. Fails if the folder does not belong to it.
async fn open_blobs(config: &Config, db: &Db) -> Result<Blobs, Failure> {
    let installation = installation::read(&mut db.begin_read().await?)
        .await
        .map_err(|error| Failure::Failed(error.to_string()))?;
    let blobs = Blobs::open(&config.recordings, installation.id);
    match blobs.check_marker() {
        Ok(()) => Ok(blobs),
        Err(error) => Err(Failure::Failed(error.to_string())),
    }
}

/// Returns the configured line with this id; without an id, the only line. Fails if the id is unknown, or if without
/// one there are several lines.
fn one_line<'a>(config: &'a Config, id: Option<&str>) -> Result<&'a crate::line::Line, Failure> {
    let all: Vec<&str> = config
        .lines
        .iter()
        .map(|entry| entry.line.id.as_str())
        .collect();
    match (id, &config.lines[..]) {
        (Some(id), _) => config.line(id).ok_or_else(|| {
            Failure::Usage(format!(
                "there is no line {id}; there are {}",
                all.join(", ")
            ))
        }),
        (None, [only]) => Ok(&only.line),
        (None, _) => Err(Failure::Usage(format!(
            "which line? Choose one with --line: {}",
            all.join(", ")
        ))),
    }
}
