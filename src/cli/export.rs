//! `dutyline export`: writes reports to files, sealed as they are or opened with a recovery key. What the trail does not
//! commit to is written too, since the trail may be what is damaged, under a name that says so. What cannot be opened is
//! written sealed. Neither ends the export.

use super::member::recovery_key;
use super::{Failure, Outcome, one_line, open_blobs, open_db};
use crate::base::clock::Clock;
use crate::config::Config;
use crate::register::trail::OfReport;
use crate::report::entries::{Body, Content, EntryKind};
use crate::report::status::{Source, Status};
use crate::store::audit::{self, Act};
use crate::store::blobs::{self, Blob};
use crate::store::columns::RecordingState;
use crate::store::keys::{self, LineKey};
use crate::store::recordings::{self};
use crate::store::report_keys::{self, ReportKeyRow};
use crate::store::reports::{self, Report};
use crate::store::{ReadTx, StoreError};
use crate::vault::action::Action;
use crate::vault::blobs::Blobs;
use crate::vault::entry::{Address, open_entry};
use crate::vault::seal::{Identity, OpenError, open_identity};
use crate::vault::signers::RECOVERY_KEY;
use crate::vault::signing::Signer;
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

#[derive(Args)]
pub(super) struct Export {
    /// Write the reports sealed, as they are stored; the `age` program can open them with the recovery key
    #[arg(
        long,
        required_unless_present = "recovery_key_file",
        conflicts_with = "recovery_key_file"
    )]
    sealed: bool,
    /// Open the reports with the line's recovery key in this file. Writes plain text and audio!
    #[arg(long, value_name = "FILE")]
    recovery_key_file: Option<PathBuf>,
    /// Only this line [default: all lines; with a recovery key, the configuration's only line]
    #[arg(long, value_name = "ID")]
    line: Option<String>,
    /// The folder to create and write to; it must not exist yet
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Export {
    pub async fn run(self, config: Option<&Path>) -> Outcome {
        let config = Config::load(config)?;
        let recovery = self
            .recovery_key_file
            .as_deref()
            .map(recovery_key)
            .transpose()?;
        let lines: Vec<String> = match (&self.line, &recovery) {
            (None, None) => config.lines.iter().map(|l| l.line.id.clone()).collect(),
            (id, _) => vec![one_line(&config, id.as_deref())?.id.clone()],
        };
        let db = open_db(&config).await?;
        let blobs = open_blobs(&config, &db).await?;
        if self.folder.exists() {
            return Err(Failure::Usage(format!(
                "{} is there already; name a new folder",
                self.folder.display()
            )));
        }
        let problems = AtomicUsize::new(0);
        for line in lines {
            let mut exporter = Exporter {
                blobs: &blobs,
                recovery: recovery.as_ref(),
                line_keys: HashMap::new(),
                folder: self.folder.join(&line),
                problems: &problems,
            };
            // Opened before anything is written, so that a wrong recovery key leaves no trace in the folder or in the
            // trail.
            exporter
                .open_line_keys(&mut db.begin_read().await?, &line)
                .await?;
            // The export is recorded in the trail before the line's first file is written.
            let mut tx = db.begin().await?;
            let current = line_keys(&mut tx, &line).await?.pop();
            let action = match &recovery {
                Some(_) => Action::ExportOpened,
                None => Action::ExportSealed,
            };
            let act = Act {
                actor: recovery.as_ref().map(|_| RECOVERY_KEY),
                ..Act::new(Clock::system().line_now(), action)
            };
            if let (Some(recovery), Some(key)) = (&recovery, current) {
                tx.sign_as(Signer::new(key.id, recovery));
            }
            audit::append(&mut tx, &line, act);
            tx.commit().await?;
            let mut tx = db.begin_read().await?;
            let count = exporter.line(&mut tx, &line).await?;
            println!(
                "{line}: {count} reports and calls written to {}",
                exporter.folder.display()
            );
        }
        db.close().await;
        match problems.into_inner() {
            0 => Ok(()),
            problems => Err(Failure::Failed(format!(
                "{problems} problems are listed above; everything else was written"
            ))),
        }
    }
}

struct Exporter<'a> {
    blobs: &'a Blobs,
    recovery: Option<&'a Identity>,
    line_keys: HashMap<Uuid, Identity>,
    folder: PathBuf,
    /// Number of things that could not be opened or proven.
    problems: &'a AtomicUsize,
}

/// Content of `report.json`.
#[derive(Serialize)]
struct About<'a> {
    id: Uuid,
    line: &'a str,
    reference: Option<&'a str>,
    status: Option<Status>,
    assignee: Option<&'a str>,
    source: Source,
    received_hour: DateTime<Utc>,
}

/// Content of the file of an opened entry. A body that this version of the program cannot read is written as it is.
#[derive(Serialize)]
struct Exported<'a> {
    kind: EntryKind,
    version: u32,
    at: DateTime<Utc>,
    by: Option<&'a str>,
    body: &'a Content,
}

async fn line_keys(tx: &mut ReadTx, line: &str) -> Result<Vec<LineKey>, Failure> {
    let mut keys = keys::line_keys(tx).await?;
    keys.retain(|key| key.line == line);
    Ok(keys)
}

impl Exporter<'_> {
    async fn open_line_keys(&mut self, tx: &mut ReadTx, line: &str) -> Outcome {
        let Some(recovery) = self.recovery else {
            return Ok(());
        };
        let keys = line_keys(tx, line).await?;
        let current = keys.last().map(|key| key.id);
        for key in keys {
            // Former keys may be sealed to a former recovery key.
            if let Ok(identity) = open_identity(&key.recovery, recovery) {
                self.line_keys.insert(key.id, identity);
            }
        }
        match current.is_none_or(|current| self.line_keys.contains_key(&current)) {
            true => Ok(()),
            false => Err(Failure::Failed(format!(
                "this is not the recovery key of line {line}"
            ))),
        }
    }

    async fn line(&self, tx: &mut ReadTx, line: &str) -> Result<usize, Failure> {
        make_folder(&self.folder)?;
        if self.recovery.is_none() {
            for key in line_keys(tx, line).await? {
                let name = format!("line-key-{}.age", key.epoch);
                write(&self.folder.join(name), &key.recovery)?;
            }
        }
        let (all, refused) = reports::all_of_line(tx, line).await?;
        for report in refused {
            let id = report.id;
            self.problem(&format!(
                "{line}: report {id} is left out: its row is not what this service wrote; see `dutyline audit restore`"
            ));
        }
        for report in &all {
            self.report(tx, report).await?;
        }
        Ok(all.len())
    }

    /// Prints something that could not be opened or proven, and counts it.
    fn problem(&self, text: &str) {
        eprintln!("{text}");
        self.problems.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the rows; none if one of them is refused, which counts as a problem.
    fn unless_refused<T>(
        &self,
        report: Uuid,
        rows: Result<Vec<T>, StoreError>,
    ) -> Result<Vec<T>, Failure> {
        match rows {
            Err(error @ StoreError::Forged(_)) => {
                self.problem(&format!("report {report}: {error}"));
                Ok(Vec::new())
            }
            rows => Ok(rows?),
        }
    }

    async fn report(&self, tx: &mut ReadTx, report: &Report) -> Result<(), Failure> {
        let name = match &report.reference {
            Some(reference) => reference.clone(),
            None => format!("call-{}", report.id),
        };
        let folder = self.folder.join(name);
        make_folder(&folder)?;
        // While the reports of a line are sealed to its next key, a report has two rows; the latest comes first.
        let keys = report_keys::of_report(tx, report.id).await;
        let keys = self.unless_refused(report.id, keys)?;
        let opens = |key: &ReportKeyRow| {
            let line_key = self.line_keys.get(&key.sealed_to)?;
            open_identity(&key.sealed, line_key).ok()
        };
        let identity = keys.iter().find_map(opens);
        if self.recovery.is_some() && identity.is_none() {
            self.problem(&damaged("report key", report.id, &OpenError::WrongKey));
        }
        if let Some(key) = keys.first().filter(|_| identity.is_none()) {
            write(&folder.join("report-key.age"), &key.sealed)?;
        }
        let committed = OfReport::read(tx, report).await?;
        let entries = self
            .entries(tx, report, identity.as_ref(), &committed, &folder)
            .await?;
        self.audio(tx, report, identity.as_ref(), &entries, &committed, &folder)
            .await?;
        let about = About {
            id: report.id,
            line: &report.line,
            reference: report.reference.as_deref(),
            status: report.status,
            assignee: report.assignee_name.as_deref(),
            source: report.source,
            received_hour: report.received_hour,
        };
        write_json(&folder.join("report.json"), &about)
    }

    /// Writes the entries of a report to files: opened with `identity`, or sealed without it. Returns the opened
    /// bodies; none without `identity`.
    async fn entries(
        &self,
        tx: &mut ReadTx,
        report: &Report,
        identity: Option<&Identity>,
        committed: &OfReport,
        folder: &Path,
    ) -> Result<Vec<Content>, Failure> {
        let mut bodies = Vec::new();
        let rows = reports::entries(tx, report.id).await?;
        if !committed.has_entries(&rows) {
            self.problem(&format!(
                "report {}: its entries are not those that the trail commits to",
                report.id
            ));
        }
        for (i, row) in rows.into_iter().enumerate() {
            let mark = mark(committed.has_entry(&row));
            let name = format!("entry-{:03}-{}{mark}", i + 1, row.kind);
            let Some(identity) = identity else {
                write(&folder.join(format!("{name}.age")), &row.sealed)?;
                continue;
            };
            let address = Address {
                line: report.line.clone(),
                report: report.id,
                entry: row.id,
                kind: row.kind,
            };
            let entry = match open_entry(&row.sealed, identity, &address) {
                Ok(entry) => entry,
                Err(error) => {
                    self.problem(&damaged("entry", row.id, &error));
                    write(&folder.join(format!("{name}.age")), &row.sealed)?;
                    continue;
                }
            };
            let exported = Exported {
                kind: row.kind,
                version: entry.body.version(),
                at: entry.at,
                by: entry.by.as_deref(),
                body: &entry.body,
            };
            write_json(&folder.join(format!("{name}.json")), &exported)?;
            bodies.push(entry.body);
        }
        Ok(bodies)
    }

    /// Writes an opened recording to a file. Returns false if it does not open, or is damaged further on: then the file
    /// has what came before.
    fn open_to(
        &self,
        target: &Path,
        id: Uuid,
        opened: Result<impl Read, OpenError>,
    ) -> Result<bool, Failure> {
        let mut reader = match opened {
            Ok(reader) => reader,
            Err(error) => {
                self.problem(&damaged("recording", id, &error));
                return Ok(false);
            }
        };
        let mut file = create(target)?;
        match std::io::copy(&mut reader, &mut file) {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidData | ErrorKind::UnexpectedEof
                ) =>
            {
                self.problem(&format!("recording {id} is damaged: {error}"));
                Ok(false)
            }
            Err(error) => Err(Failure::Failed(format!("recording {id}: {error}"))),
        }
    }

    async fn audio(
        &self,
        tx: &mut ReadTx,
        report: &Report,
        identity: Option<&Identity>,
        entries: &[Content],
        committed: &OfReport,
        folder: &Path,
    ) -> Result<(), Failure> {
        let files = blobs::of_report(tx, report.id).await?;
        let rows = recordings::of_report(tx, report.id).await;
        for row in self.unless_refused(report.id, rows)? {
            if row.state != RecordingState::Sealed {
                continue;
            }
            let failed =
                |error: std::io::Error| Failure::Failed(format!("recording {}: {error}", row.id));
            let Some(Blob { object, digests }) = files.get(&row.id).copied() else {
                self.problem(&format!("recording {}: it has no sealed file", row.id));
                continue;
            };
            let is_committed = committed.has_recording(row.id, &digests);
            if !is_committed {
                self.problem(&format!(
                    "recording {}: the trail does not commit to its file",
                    row.id
                ));
            }
            let name = format!("recording-{}{}.wav", row.id, mark(is_committed));
            let length = entries.iter().find_map(|body| match body.known()? {
                Body::Recording(facts) if facts.recording == row.id => Some(facts.bytes),
                _ => None,
            });
            match identity.zip(length) {
                Some((identity, length)) => {
                    let opened = self.blobs.reader(object, &digests, identity, length);
                    if self.open_to(&folder.join(&name), row.id, opened)? {
                        continue;
                    }
                }
                None if identity.is_some() => self.problem(&format!(
                    "recording {}: no entry that this version can read tells its length",
                    row.id
                )),
                None => {}
            }
            let target = folder.join(format!("{name}.padded.age"));
            if let Err(error) = self.blobs.copy_sealed(object, &target) {
                match error.kind() {
                    ErrorKind::NotFound => {
                        self.problem(&format!("recording {}: its sealed file is missing", row.id))
                    }
                    _ => return Err(failed(error)),
                }
            }
        }
        Ok(())
    }
}

/// Returns the part of a file's name that says that the trail does not commit to the content.
fn mark(is_committed: bool) -> &'static str {
    match is_committed {
        true => "",
        false => ".unproven",
    }
}

fn damaged(what: &str, id: Uuid, error: &OpenError) -> String {
    format!("{what} {id} does not open: {error}")
}

fn make_folder(path: &Path) -> Outcome {
    crate::base::private::make_folder(path)
        .map_err(|error| Failure::Failed(format!("{} cannot be made: {error}", path.display())))
}

fn create(path: &Path) -> Result<std::fs::File, Failure> {
    crate::base::private::new_private_file(path)
        .map_err(|error| Failure::Failed(format!("{} cannot be written: {error}", path.display())))
}

fn write_json(path: &Path, value: &impl Serialize) -> Outcome {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
    write(path, format!("{text}\n").as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Outcome {
    create(path)?
        .write_all(bytes)
        .map_err(|error| Failure::Failed(format!("{} cannot be written: {error}", path.display())))
}
