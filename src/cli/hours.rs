//! `dutyline hours`: prints for each day the windows in which a line is staffed, and why the day is worked or not.

use super::{Failure, Outcome, one_line};
use crate::config::Config;
use chrono::{Datelike, NaiveDate};
use clap::Args;
use std::path::Path;

/// Maximum number of days from `--from` to `--to`: ten years.
const MAX_DAYS: i64 = 3653;

#[derive(Args)]
pub(super) struct Hours {
    /// The first day, e.g. 2024-04-01 [default: the first day of the inspection]
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// The last day, e.g. 2024-04-14 [default: the last day of the inspection]
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// The line [default: the configuration's only line]
    #[arg(long, value_name = "ID")]
    line: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Hours {
    pub fn run(self, config: Option<&Path>) -> Outcome {
        let config = Config::load(config)?;
        let line = one_line(&config, self.line.as_deref())?;
        let period = &line.schedule.inspection;
        let from = day("--from", self.from.as_deref(), period.from)?;
        let to = day("--to", self.to.as_deref(), period.to)?;
        if to < from {
            return Err(Failure::Usage(format!("--to {to} is before --from {from}")));
        }
        if (to - from).num_days() > MAX_DAYS {
            return Err(Failure::Usage("at most ten years at once".into()));
        }
        let rows = line.schedule.days(from, to);
        for (calendar, year) in line.schedule.calendars.missing_years(from, to) {
            eprintln!(
                "the calendar {calendar} has no data for {year}: Monday to Friday is assumed"
            );
        }
        if self.json {
            let text =
                serde_json::to_string(&rows).map_err(|error| Failure::Failed(error.to_string()))?;
            println!("{text}");
            return Ok(());
        }
        for row in rows {
            let windows: Vec<String> = row.windows.iter().map(ToString::to_string).collect();
            let windows = if windows.is_empty() {
                "closed".to_owned()
            } else {
                windows.join(" ")
            };
            println!(
                "{} {}  {windows:<24} {}",
                row.date,
                row.date.weekday(),
                row.reason
            );
        }
        Ok(())
    }
}

fn day(name: &str, text: Option<&str>, default: NaiveDate) -> Result<NaiveDate, Failure> {
    let Some(text) = text else {
        return Ok(default);
    };
    text.parse().map_err(|_| {
        Failure::Usage(format!(
            "{name} {text}: not a date; write it like 2024-04-07"
        ))
    })
}
