//! Reports of calls that were settled long ago, written directly into the database: the tables' contents after that
//! many calls, with the stored counts, the reference numbers and the trail of each line.
//!
//! The key of each report is sealed to its line's key, so that a member can claim it as any other. Entries hold random
//! bytes, and all recordings share one sealed file: neither can be opened. Ids and keyed hashes increase with the
//! number of the report instead of being random, because a database inserts millions of random ones slowly; looking one
//! up costs the same.

use super::bulk::{Bulk, Rows, Value};
use chrono::{DateTime, TimeDelta, Utc};
use dutyline::base::clock::hour;
use dutyline::config::Config;
use dutyline::report::reference::Reference;
use dutyline::store::keys;
use dutyline::store::{Db, audit, installation, members};
use dutyline::vault::action::Action;
use dutyline::vault::blobs::{Blobs, Digests};
use dutyline::vault::chain::{self, Link};
use dutyline::vault::proof::{Content, ProofKeys};
use dutyline::vault::seal::{Identity, Recipient, seal, seal_identity};
use dutyline::vault::secret::ServiceSecret;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use uuid::Uuid;

/// Number of reports in one transaction.
const AT_ONCE: usize = 10_000;
/// Sizes of sealed entries in bytes, as in calls with a short note.
const CALLER: usize = 520;
const RECORDING: usize = 1030;
const CALL: usize = 780;
/// Size of the recording with its padding, in bytes.
const PADDED: usize = 4096;
/// Number of closed reports out of 20; one more is claimed.
const CLOSED_OF_20: usize = 18;

/// The progress of a line.
struct Line {
    id: String,
    key: Uuid,
    /// Public half of the reports' key; its private half, sealed to the line's key, is in `sealed`. All reports of a
    /// line share it.
    recipient: String,
    sealed: Vec<u8>,
    number: i32,
    seq: i64,
    hash: [u8; 32],
}

/// The rows of all tables that are written.
struct Tables {
    reports: Rows,
    report_keys: Rows,
    entries: Rows,
    blobs: Rows,
    recordings: Rows,
    calls: Rows,
    receipts: Rows,
    audit: Rows,
}

impl Tables {
    fn new() -> Self {
        Self {
            reports: Rows::new(
                "reports",
                &[
                    "n",
                    "id",
                    "line",
                    "recipient",
                    "source",
                    "status",
                    "year",
                    "number",
                    "assignee",
                    "received_hour",
                    "mac",
                ],
            ),
            report_keys: Rows::new(
                "report_keys",
                &["report", "epoch", "holder", "sealed_to", "sealed", "mac"],
            ),
            entries: Rows::new("entries", &["n", "id", "report", "kind", "sealed"]),
            blobs: Rows::new(
                "blobs",
                &[
                    "n",
                    "id",
                    "report",
                    "kind",
                    "state",
                    "padded",
                    "sha256",
                    "header_sha256",
                    "object",
                    "mac",
                ],
            ),
            recordings: Rows::new(
                "recordings",
                &[
                    "n", "id", "report", "lookup", "source", "step", "state", "blob", "deleted",
                    "mac",
                ],
            ),
            calls: Rows::new(
                "calls",
                &[
                    "report", "id", "lookup", "line", "ended", "settled", "added", "at_duty", "mac",
                ],
            ),
            receipts: Rows::new(
                "receipts",
                &["lookup", "line", "report", "recipient", "shared", "mac"],
            ),
            audit: Rows::new(
                "audit",
                &[
                    "line", "seq", "at", "actor", "action", "report", "object", "digest", "detail",
                    "hash", "mac",
                ],
            ),
        }
    }

    /// Returns the tables in an order in which references are satisfied.
    fn all(&mut self) -> [&mut Rows; 8] {
        [
            &mut self.reports,
            &mut self.report_keys,
            &mut self.entries,
            &mut self.blobs,
            &mut self.recordings,
            &mut self.calls,
            &mut self.receipts,
            &mut self.audit,
        ]
    }
}

/// Pseudorandom bytes, the same in every run (SplitMix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// Returns an id greater than those made before.
    fn id(&mut self, n: i64, what: u8) -> Uuid {
        let place = u128::from(n.cast_unsigned()) << 72 | u128::from(what) << 64;
        Uuid::from_u128(place | u128::from(self.next()))
    }

    /// Returns a keyed hash greater than those made before.
    fn lookup(&mut self, n: i64) -> Vec<u8> {
        let mut hash = self.bytes(32);
        hash[..8].copy_from_slice(&n.to_be_bytes());
        hash
    }
}

/// The state of a fill, and the values that all generated reports share.
struct Fill {
    noise: Noise,
    keys: ProofKeys,
    tables: Tables,
    lead: (Uuid, String),
    /// The sealed file of all recordings.
    file: (Uuid, Digests),
    /// The numbers of the last report and entry.
    last: (i64, i64),
    counts: BTreeMap<(String, &'static str), i64>,
    hours: BTreeMap<(String, DateTime<Utc>), i64>,
}

/// Adds `count` reports to the lines of `config` in turn; `dutyline init` must have made the lines' keys. The last
/// report was made in the hour before `end`.
pub async fn fill(config: &Config, lead: &str, count: usize, end: DateTime<Utc>, alone: bool) {
    let db = Db::open(&config.database).await.expect("the database");
    let secret = ServiceSecret::load(&config.secret_file).expect("the service secret");
    let mut tx = db.begin_read().await.expect("a transaction");
    let installation = installation::get(&mut tx).await.expect("the database");
    let installation = installation.expect("it is set up").id;
    db.prove_with(&secret, installation, None);
    let lead = members::by_name(&mut tx, lead).await.expect("a member");
    let lead = lead.expect("the lead is there");
    let mut lines = Vec::new();
    for entry in &config.lines {
        let id = entry.line.id.clone();
        let key = keys::current_key(&mut tx, &id).await.expect("a key");
        let key = key.expect("the line has a key");
        let identity = Identity::generate();
        let to: Recipient = key.recipient.parse().expect("a public key");
        let (seq, hash) = audit::head(&mut tx, &id)
            .await
            .expect("a head")
            .expect("a trail");
        lines.push(Line {
            key: key.id,
            recipient: identity.recipient().to_string(),
            sealed: seal_identity(&identity, &[&to]),
            number: 0,
            seq,
            hash,
            id,
        });
    }
    drop(tx);
    db.close().await;
    let mut fill = Fill {
        noise: Noise(1),
        keys: ProofKeys::new(&secret, installation),
        tables: Tables::new(),
        lead: (lead.id, lead.name),
        file: recording(&config.recordings),
        last: (0, 0),
        counts: BTreeMap::new(),
        hours: BTreeMap::new(),
    };
    let mut bulk = Bulk::connect(&config.database, alone).await;
    let in_turn = lines.len();
    for n in 0..count {
        if n % AT_ONCE == 0 {
            bulk.run("BEGIN").await;
        }
        // Three weeks of hours with an equal number of calls each.
        let hours = 500 * (count - n) / count + 1;
        let at = end - TimeDelta::hours(i64::try_from(hours).expect("a number"));
        fill.report(&mut lines[n % in_turn], n, at);
        if (n + 1) % AT_ONCE == 0 || n + 1 == count {
            for rows in fill.tables.all() {
                bulk.write(rows).await;
            }
            bulk.run("COMMIT").await;
        }
    }
    fill.totals(&mut bulk, &lines).await;
    bulk.close().await;
}

/// Returns the file of all recordings.
fn recording(folder: &Path) -> (Uuid, Digests) {
    let key = Identity::generate().recipient();
    let object = Uuid::from_u128(1);
    let sealed = seal(&Noise(2).bytes(PADDED), &[&key]);
    std::fs::write(folder.join(format!("{object}.age")), sealed).expect("a file");
    let digests = Blobs::open(folder, Uuid::nil()).digests(object);
    (object, digests.expect("what was written"))
}

impl Fill {
    fn report(&mut self, line: &mut Line, n: usize, at: DateTime<Utc>) {
        let hour = hour(at);
        self.last.0 += 1;
        line.number += 1;
        let number = self.last.0;
        let status = match n % 20 {
            place if place < CLOSED_OF_20 => "closed",
            CLOSED_OF_20 => "claimed",
            _ => "queued",
        };
        let id = self.noise.id(number, 0);
        let reference = Reference {
            year: 2024,
            number: line.number,
        }
        .to_string();
        let claimed = status == "claimed";
        let reports = Content::of("reports")
            .id(id)
            .text(&*line.id)
            .text(&*line.recipient);
        self.tables.reports.push([
            Value::Int(number),
            Value::Id(id),
            Value::Text(line.id.clone()),
            Value::Text(line.recipient.clone()),
            Value::Text("call".to_owned()),
            Value::Text(status.to_owned()),
            Value::Int(2024),
            Value::Int(line.number.into()),
            if claimed {
                Value::Id(self.lead.0)
            } else {
                Value::Nothing
            },
            Value::Time(hour),
            self.mac(reports),
        ]);
        let key = Content::of("report_keys")
            .id(id)
            .integer(1)
            .text("line")
            .id(line.key)
            .bytes(&*line.sealed)
            .bytes(None);
        self.tables.report_keys.push([
            Value::Int(number),
            Value::Int(1),
            Value::Text("line".to_owned()),
            Value::Id(line.key),
            Value::Bytes(line.sealed.clone()),
            self.mac(key),
        ]);
        let call = self.noise.id(number, 1);
        let lookup = self.noise.lookup(number);
        let row = Content::of("calls")
            .id(call)
            .bytes(&*lookup)
            .text(&*line.id)
            .id(id)
            .id(None)
            .integer(None)
            .integer(None);
        self.tables.calls.push([
            Value::Int(number),
            Value::Id(call),
            Value::Bytes(lookup),
            Value::Text(line.id.clone()),
            Value::Yes(true),
            Value::Yes(true),
            Value::Yes(false),
            Value::Yes(false),
            self.mac(row),
        ]);
        let lookup = self.noise.lookup(number);
        let row = Content::of("receipts")
            .bytes(&*lookup)
            .text(&*line.id)
            .id(id)
            .text(&*line.recipient)
            .boolean(false);
        self.tables.receipts.push([
            Value::Bytes(lookup),
            Value::Text(line.id.clone()),
            Value::Int(number),
            Value::Text(line.recipient.clone()),
            Value::Yes(false),
            self.mac(row),
        ]);
        let of = Link {
            line: line.id.clone(),
            seq: 0,
            at: hour,
            actor: None,
            action: Action::ReportQueued,
            report: Some(id),
            object: None,
            digest: None,
            detail: None,
        };
        let digest = Sha256::digest(&line.sealed).into();
        let answered = Link {
            action: Action::CallAnswered,
            object: Some(line.key),
            digest: Some(digest),
            detail: Some(line.recipient.clone()),
            ..of.clone()
        };
        self.link(line, number, answered);
        self.entry(line, &of, ("caller", CALLER, None));
        let recording = self.recording(number, id);
        let sealed = Link {
            action: Action::RecordingSealed,
            object: Some(recording),
            digest: Some(self.file.1.committed()),
            ..of.clone()
        };
        self.entry(line, &of, ("recording", RECORDING, None));
        self.link(line, number, sealed);
        let queued = Link {
            action: Action::ReportQueued,
            detail: Some(reference),
            ..of.clone()
        };
        self.link(line, number, queued);
        self.entry(line, &of, ("call", CALL, None));
        // Links and entries that a member causes are signed, and nothing here has the lead's password: so reports are claimed
        // and closed without them.
        *self.counts.entry((line.id.clone(), status)).or_default() += 1;
        *self.hours.entry((line.id.clone(), hour)).or_default() += 1;
    }

    /// Adds the next link about a report to the line's chain.
    fn link(&mut self, line: &mut Line, report: i64, mut link: Link) {
        line.seq += 1;
        link.seq = line.seq;
        line.hash = chain::hash(&line.hash, &link);
        let text = |text: Option<String>| text.map_or(Value::Nothing, Value::Text);
        self.tables.audit.push([
            Value::Text(link.line),
            Value::Int(link.seq),
            Value::Time(link.at),
            text(link.actor),
            Value::Text(link.action.as_str().to_owned()),
            Value::Int(report),
            link.object.map_or(Value::Nothing, Value::Id),
            link.digest
                .map_or(Value::Nothing, |digest| Value::Bytes(digest.to_vec())),
            text(link.detail),
            Value::Bytes(line.hash.to_vec()),
            Value::Bytes(self.keys.of_link(&line.hash).to_vec()),
        ]);
    }

    /// Returns the MAC of a row.
    fn mac(&self, content: Content) -> Value {
        Value::Bytes(self.keys.of_row(content, None).to_vec())
    }

    fn entry(&mut self, line: &mut Line, of: &Link, new: (&str, usize, Option<String>)) {
        let (kind, length, actor) = new;
        self.last.1 += 1;
        let (number, report) = (self.last.1, self.last.0);
        let id = self.noise.id(number, 2);
        let sealed = self.noise.bytes(length);
        let link = Link {
            actor,
            action: Action::EntryAdded,
            object: Some(id),
            digest: Some(Sha256::digest(&sealed).into()),
            detail: Some(kind.to_owned()),
            ..of.clone()
        };
        self.tables.entries.push([
            Value::Int(number),
            Value::Id(id),
            Value::Int(report),
            Value::Text(kind.to_owned()),
            Value::Bytes(sealed),
        ]);
        self.link(line, report, link);
    }

    fn recording(&mut self, report: i64, of: Uuid) -> Uuid {
        let id = self.noise.id(report, 3);
        let (lookup, source) = (self.noise.lookup(report), self.noise.lookup(report));
        let (object, digests) = self.file;
        if report == 1 {
            let row = Content::of("blobs")
                .id(object)
                .id(of)
                .id(object)
                .bytes(&digests.whole[..])
                .bytes(&digests.header[..]);
            let mac = self.mac(row);
            self.tables.blobs.push([
                Value::Int(1),
                Value::Id(object),
                Value::Int(report),
                Value::Text("recording".to_owned()),
                Value::Text("stored".to_owned()),
                Value::Int(PADDED.try_into().expect("a size")),
                Value::Bytes(digests.whole.to_vec()),
                Value::Bytes(digests.header.to_vec()),
                Value::Id(object),
                mac,
            ]);
        }
        let row = Content::of("recordings")
            .id(id)
            .id(of)
            .bytes(&*lookup)
            .bytes(&*source)
            .integer(2);
        let mac = self.mac(row);
        self.tables.recordings.push([
            Value::Int(report),
            Value::Id(id),
            Value::Int(report),
            Value::Bytes(lookup),
            Value::Bytes(source),
            Value::Int(2),
            Value::Text("sealed".to_owned()),
            Value::Int(1),
            Value::Yes(true),
            mac,
        ]);
        id
    }

    /// Writes the totals of all reports, and the numbers from which the next ones continue.
    async fn totals(self, bulk: &mut Bulk, lines: &[Line]) {
        let mut counts = Rows::new("report_counts", &["line", "status", "count"]);
        for ((line, status), count) in self.counts {
            counts.push([
                Value::Text(line),
                Value::Text(status.to_owned()),
                Value::Int(count),
            ]);
        }
        let mut hours = Rows::new(
            "call_hours",
            &["line", "hour", "answered", "without_message"],
        );
        for ((line, hour), count) in self.hours {
            hours.push([
                Value::Text(line),
                Value::Time(hour),
                Value::Int(count),
                Value::Int(0),
            ]);
        }
        let mut numbers = Rows::new("report_numbers", &["line", "year", "last"]);
        let mut heads = Rows::new("audit_heads", &["line", "seq", "hash"]);
        for line in lines {
            numbers.push([
                Value::Text(line.id.clone()),
                Value::Int(2024),
                Value::Int(line.number.into()),
            ]);
            heads.push([
                Value::Text(line.id.clone()),
                Value::Int(line.seq),
                Value::Bytes(line.hash.to_vec()),
            ]);
        }
        bulk.run("BEGIN; DELETE FROM audit_heads WHERE line <> '*'")
            .await;
        for rows in [&mut counts, &mut hours, &mut numbers, &mut heads] {
            bulk.write(rows).await;
        }
        bulk.run("COMMIT").await;
        if let Bulk::Postgres(_) = bulk {
            for table in ["reports", "entries", "blobs", "recordings"] {
                let last = format!("(SELECT MAX(n) FROM {table})");
                let set = format!("SELECT setval(pg_get_serial_sequence('{table}', 'n'), {last})");
                bulk.run(&set).await;
            }
            // As autovacuum does in time. SQLite has no statistics, here as in a service.
            bulk.run("VACUUM ANALYZE").await;
        }
    }
}
