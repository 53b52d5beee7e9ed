//! `dutyline demo`: runs the service and a simulated provider on this machine; nothing else is needed.

use super::serve::{Simulator, until_told};
use super::{Failure, Outcome};
use crate::app::setup::init;
use crate::app::{self, Bound, Running, StartError, server};
use crate::base::clock::{Clock, random};
use crate::base::hidden::Hidden;
use crate::config::{Config, DatabaseAddress, ProviderConfig};
use crate::line::Line;
use crate::vault::passwords::NewPassword;
use chrono::{Datelike, TimeZone, Utc};
use clap::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// Name of the member that the demo creates, a lead.
const MEMBER: &str = "lead";
/// Name of the file with that member's password, in the demo's folder.
const PASSWORD_FILE: &str = "demo-password";

#[derive(Args)]
pub(super) struct Demo {
    /// Keep the demo's data in this folder, and go on with it next time [default: a folder that is removed at the end]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Address and port of webhooks, console, API and telephone
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Address and port of health and metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    ops_listen: SocketAddr,
    /// Start the lines' clock at this time, e.g. 2024-03-06T09:00:00+08:00 [default: the first morning on which the
    /// first line takes reports]
    #[arg(long, value_name = "TIME")]
    clock: Option<String>,
}

impl Demo {
    pub async fn run(self, config: Option<&Path>) -> Outcome {
        // Called first, because a signal that arrives before its handler is installed ends the process.
        let told = until_told();
        let folder = Folder::make(self.keep.as_deref())?;
        let mut config = Config::load(config)?;
        server::raise_descriptor_limit();
        let bound = Bound::bind(self.listen, self.ops_listen)
            .await
            .map_err(elsewhere)?;
        let main = bound.main_address();
        let api = app::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let provider = ProviderConfig::simulator(
            &format!("http://{}", app::address(&api)),
            Hidden::new(token()),
        );
        config.public_url = format!("http://{main}");
        config.database = DatabaseAddress::Sqlite(folder.path.join("dutyline.db"));
        config.recordings = folder.path.join("recordings");
        config.secret_file = folder.path.join("service.key");
        config.providers = vec![provider.clone()];
        config.lines.unpin_keys();
        let (clock, why) = match &self.clock {
            Some(_) => (super::clock(self.clock.as_deref())?, "as --clock says"),
            None => (
                first_morning(&config.lines[0].line),
                "the first morning of the line's inspection, so that it is open",
            ),
        };
        let password = folder.password()?;
        let lines: Vec<String> = config.lines.iter().map(|l| l.line.id.clone()).collect();
        let chosen = NewPassword::choose(&password)
            .map_err(|unfit| Failure::Failed(format!("{PASSWORD_FILE}: {unfit}")))?;
        init(&config, &clock, MEMBER, chosen, &lines).await?;
        let simulator = Simulator::at(api, &provider, &config.public_url, main)?;
        let service = app::build(config, clock).await?;
        let phone = simulator.phone();
        let (stop_simulator, stopped) = watch::channel(false);
        tokio::spawn(app::serve(
            simulator.listener,
            simulator.exchange.rest_router(),
            stopped,
        ));
        let running = Running::start(service, bound, Some(phone));
        greet(&running, main, &password, why);
        told.await;
        println!("Stopping.");
        running.stop().await;
        // Fails if the receiver was dropped already.
        let _ = stop_simulator.send(true);
        drop(folder);
        Ok(())
    }
}

/// Returns the failure of a listener, with a hint to choose other ports: a port in use, e.g. by a second demo, is the
/// most frequent reason why a demo does not start.
fn elsewhere(error: StartError) -> Failure {
    match error {
        StartError::Failed(message) => Failure::Failed(format!(
            "{message}, e.g. with --listen 127.0.0.1:0 --ops-listen 127.0.0.1:0"
        )),
        error => error.into(),
    }
}

fn greet(running: &Running, main: SocketAddr, password: &str, why: &str) {
    let config = &running.service.config;
    let line = &config.lines[0].line;
    let now = running.service.clock.line_now();
    let now = now.with_timezone(&line.schedule.timezone);
    let url = format!("http://{main}");
    let call = if main.port() == 8080 {
        "cargo run --release -- call".to_owned()
    } else {
        format!("cargo run --release -- call --at {url}")
    };
    println!("listening on {url}  webhooks, console and API");
    println!();
    println!("Open both in a browser:");
    println!(
        "  telephone  {url}/phone      dial {} and leave a report",
        line.dial
    );
    println!("  console    {url}/console/   sign in, and find it in the queue");
    println!("  name       {MEMBER}");
    println!("  password   {password}");
    println!("  clock      {} ({why})", now.format("%Y-%m-%d %H:%M %:z"));
    println!();
    println!("Or in a second terminal, call the line:");
    println!("  {call}");
    println!("Press 1 to leave a report, s to speak the sample, # to finish, 1 to send.");
    println!();
    println!("Then log in, list, open and play what was left:");
    println!(
        "  TOKEN=$(curl -s {url}/api/v1/session -H 'Content-Type: application/json' -d '{{\"name\":\"{MEMBER}\",\"password\":\"{password}\"}}' | sed 's/.*\"token\":\"\\([^\"]*\\)\".*/\\1/')"
    );
    println!("  curl -s -H \"Authorization: Bearer $TOKEN\" {url}/api/v1/reports");
    println!(
        "  REPORT=$(curl -s -H \"Authorization: Bearer $TOKEN\" {url}/api/v1/reports | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/')"
    );
    println!("  curl -s -H \"Authorization: Bearer $TOKEN\" {url}/api/v1/reports/$REPORT");
    println!(
        "  curl -s -H \"Authorization: Bearer $TOKEN\" {url}/api/v1/reports/$REPORT/recordings/1 -o note.wav && aplay note.wav"
    );
    println!();
    println!("Ctrl-C ends it.");
}

/// Returns a clock that starts at nine o'clock on the first day of the intake period that has opening hours or, if the
/// line takes no reports then, at its next opening, if there is one. Returns the system's clock if there is no such
/// day, or no nine o'clock on it.
fn first_morning(line: &Line) -> Clock {
    let schedule = &line.schedule;
    let first = schedule
        .days(schedule.intake.from, schedule.intake.to)
        .into_iter()
        .find(|day| !day.windows.is_empty());
    let Some(day) = first else {
        return Clock::system();
    };
    let nine = schedule
        .timezone
        .with_ymd_and_hms(day.date.year(), day.date.month(), day.date.day(), 9, 0, 0)
        .earliest()
        .map(|at| at.with_timezone(&Utc));
    match nine {
        Some(nine) if schedule.accepts_reports(nine) => Clock::starting_at(nine),
        Some(nine) => Clock::starting_at(
            schedule
                .reopens_at(nine)
                .map_or(nine, |at| at.with_timezone(&Utc)),
        ),
        None => Clock::system(),
    }
}

/// The folder of the demo's data, removed on drop if `thrown_away`.
struct Folder {
    path: PathBuf,
    thrown_away: bool,
}

impl Folder {
    fn make(keep: Option<&Path>) -> Result<Self, Failure> {
        let (path, thrown_away) = match keep {
            Some(path) => (path.to_owned(), false),
            None => {
                let name = format!("dutyline-demo-{}", crate::base::clock::random_id());
                (std::env::temp_dir().join(name), true)
            }
        };
        crate::base::private::make_folder(&path).map_err(|error| {
            Failure::Failed(format!(
                "the folder {} cannot be made: {error}",
                path.display()
            ))
        })?;
        Ok(Self { path, thrown_away })
    }

    /// Returns the member's password: the one stored in the folder, or else a new one, which is stored there.
    fn password(&self) -> Result<String, Failure> {
        let file = self.path.join(PASSWORD_FILE);
        if let Ok(password) = std::fs::read_to_string(&file) {
            return Ok(password.trim().to_owned());
        }
        let password = token();
        std::fs::write(&file, &password).map_err(|error| {
            Failure::Failed(format!("{} cannot be written: {error}", file.display()))
        })?;
        Ok(password)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.thrown_away {
            // Files that cannot be removed stay in the system's temporary folder.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Returns 16 random letters and digits, in groups of four joined by hyphens. Easily confused ones (l, o, 0, 1) are
/// left out.
fn token() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let letters: Vec<char> = random::<16>()
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect();
    letters
        .chunks(4)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join("-")
}
