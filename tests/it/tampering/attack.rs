//! What an attacker with the service secret can write for a changed row: its MAC, and a link that commits to it, signed in
//! each way that is open to them.

use super::LINE;
use super::contents::{Cell, Kind, MACS, Mac, id_literal, literal, read_one, write_one};
use super::forger::Forger;
use super::matrix::{self, Table, UNIQUE, another, begin, fresh, one, set_scene};
use crate::support::{Caller, LEAD, LINES, NUMBER, TestLine, wav};
use dutyline::base::clock::{random, random_id};
use dutyline::members::resealing::finish;
use dutyline::members::{next_key, take_off, unlock};
use dutyline::report::role::Role;
use dutyline::store::audit::SERVICE;
use dutyline::store::members::Member;
use dutyline::store::{Db, Proofs, WriteTx, installation, keys, members, reports};
use dutyline::vault::action::Action;
use dutyline::vault::blobs::{Digests, Stored};
use dutyline::vault::chain::Link;
use dutyline::vault::merkle;
use dutyline::vault::seal::Identity;
use dutyline::vault::secret::ServiceSecret;
use dutyline::vault::signers::RECOVERY_KEY;
use dutyline::vault::signing::Signer;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Who signs a forged link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// It has no actor, as what the service itself causes.
    Service,
    /// It names the lead, without a signature.
    Unsigned,
    /// It names the lead, with the signature of a stranger.
    AsLead,
    /// It names the inspector, with the signature of a stranger.
    AsInspector,
    /// It names the recovery key of the line, with the signature of a stranger.
    AsRecovery,
    /// The inspector, with their own key.
    Inspector,
}

impl By {
    pub const ALL: [Self; 6] = [
        Self::Service,
        Self::Unsigned,
        Self::AsLead,
        Self::AsInspector,
        Self::AsRecovery,
        Self::Inspector,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "without an actor",
            Self::Unsigned => "naming the lead, unsigned",
            Self::AsLead => "by a stranger as the lead",
            Self::AsInspector => "by a stranger as the inspector",
            Self::AsRecovery => "by a stranger as the recovery key",
            Self::Inspector => "by the inspector",
        }
    }
}

/// The name of the case that adds a copy of a row.
pub const COPY: &str = "a copy";
/// The name of the case that puts another file in place of a recording's, with its digests.
pub const FILE: &str = "the file";

/// The attacker.
pub struct Attack<'a> {
    line: &'a TestLine,
    pub forger: Forger,
    secret: ServiceSecret,
    installation: Uuid,
    wang: Member,
    li: Member,
    /// The key that is put in place of others.
    pub stranger: Identity,
    /// Signs as the inspector.
    own: Signer,
    /// The current key of the line.
    line_key: Uuid,
    /// A file of another recording, sealed to the key of the report that has the newest one.
    file: Stored,
}

impl<'a> Attack<'a> {
    pub async fn on(line: &'a TestLine) -> Self {
        let (wang, _) = unlock(line.db(), LEAD.0, LEAD.1).await.unwrap();
        let (li, identity) = unlock(line.db(), "li", matrix::PASSWORD).await.unwrap();
        let mut tx = line.db().begin_read().await.unwrap();
        let line_key = keys::current_key(&mut tx, LINE).await.unwrap().unwrap().id;
        let installation = installation::get(&mut tx).await.unwrap().unwrap().id;
        let (all, _) = reports::all_of_line(&mut tx, LINE).await.unwrap();
        drop(tx);
        let sealed = all.iter().rfind(|report| report.reference.is_some());
        let recipient = sealed.unwrap().recipient.parse().unwrap();
        let mut writer = line.service().blobs.writer(&recipient).unwrap();
        writer.write(&wav(b"never said")).unwrap();
        let finished = writer.finish(line.service().clock.line_now()).unwrap();
        Self {
            file: finished.keep(),
            line,
            forger: Forger::of(line).await,
            secret: ServiceSecret::load(&line.service().config.secret_file).unwrap(),
            installation,
            own: Signer::new(li.id, &identity),
            wang,
            li,
            stranger: Identity::generate(),
            line_key,
        }
    }

    /// Sets the scene of the other tests, in which a third member was taken off the line before: so the line has a former
    /// key, and a report whose key was sealed again. Returns the attacker there, and the callers.
    pub async fn after_a_change(line: &'a TestLine) -> (Self, [Caller<'a>; 2]) {
        let (db, clock) = (line.db(), line.service().clock);
        line.leave("+8613800138002", NUMBER, &wav(b"early")).await;
        line.idle().await;
        line.make_member("zhao", Role::Lead, matrix::PASSWORD, &[LINE])
            .await;
        let (wang, own) = unlock(db, LEAD.0, LEAD.1).await.unwrap();
        let mut tx = db.begin_read().await.unwrap();
        let zhao = members::by_name(&mut tx, "zhao").await.unwrap().unwrap();
        drop(tx);
        let next = next_key(db, &wang, &own, &zhao, LINE).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        take_off(&mut tx, &clock, &wang, &zhao, &next)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(
            finish(db, &clock, &wang, &own, LINE, || false)
                .await
                .unwrap()
                .sealed,
            1
        );
        let callers = set_scene(line).await;
        (Self::on(line).await, callers)
    }

    pub fn db(&self) -> &'a Db {
        self.line.db()
    }

    /// Begins a transaction of a process that has read nothing yet, as after a start, with the lead's key pinned.
    pub async fn begin(&self) -> WriteTx {
        let mut db = self.db().clone();
        match &mut db {
            Db::Sqlite { proofs, .. } | Db::Postgres { proofs, .. } => *proofs = Proofs::default(),
        }
        let tx = begin(&db).await;
        let pinned = self.wang.verifying.parse().unwrap();
        db.prove_with(&self.secret, self.installation, Some(&pinned));
        tx
    }

    /// Returns an expression for another value of a column: where the column holds a key, the stranger's.
    pub fn another(&self, table: &str, column: &str, kind: &str) -> String {
        let text = |text: String| format!("'{text}'");
        let by_name = |name: &str| format!("(SELECT id FROM members WHERE name = '{name}')");
        let [wang, li] = [LEAD.0, "li"].map(by_name);
        let other_member = format!("CASE {column} WHEN {li} THEN {wang} ELSE {li} END");
        let key_of = |line: &str| {
            format!("(SELECT id FROM line_keys WHERE line = '{line}' ORDER BY epoch LIMIT 1)")
        };
        let [first, second] = [LINE, LINES[1]].map(key_of);
        let other_key = format!("CASE {column} WHEN {second} THEN {first} ELSE {second} END");
        match (table, column) {
            (_, "recipient" | "recovery_recipient") => text(self.stranger.recipient().to_string()),
            (_, "verifying" | "recovery_verifying") => {
                let signer = Signer::new(Uuid::nil(), &self.stranger);
                text(signer.verifying().to_string())
            }
            (_, "line") => format!(
                "CASE line WHEN '{LINE}' THEN '{}' ELSE '{LINE}' END",
                LINES[1]
            ),
            ("members", "made_by") => {
                let zhao = by_name("zhao");
                format!("CASE made_by WHEN {zhao} THEN {wang} ELSE {zhao} END")
            }
            ("members", "confirmed_by") => format!("CASE confirmed_by WHEN {wang} THEN {li} ELSE {wang} END"),
            ("grants" | "waivers" | "sessions", "member")
            | ("replies", "author" | "approved_by") => other_member,
            ("grants", "line_key") | ("report_keys", "sealed_to") => other_key,
            ("calls", "report") => "-1".into(),
            ("recordings", "report") => {
                let [first, last] = ["MIN", "MAX"].map(|end| format!("(SELECT {end}(n) FROM reports)"));
                format!("CASE report WHEN {last} THEN {first} ELSE {last} END")
            }
            // To the end of its report; the last entry to the beginning.
            ("entries", "n") => "CASE WHEN n = (SELECT MAX(n) FROM entries AS its WHERE its.report = entries.report) THEN -1
                ELSE 1000000 END"
                .into(),
            ("blobs", "sha256" | "header_sha256") | ("audit", "digest") => match self.db() {
                Db::Sqlite { .. } => "randomblob(32)".into(),
                Db::Postgres { .. } => "sha256('another')".into(),
            },
            _ => another(self.db(), table, column, kind),
        }
    }

    /// Returns the conditions for the rows of a table that are changed, one each.
    pub fn rows(&self, table: &str) -> Vec<String> {
        let key = |epoch: u32| format!("line = '{LINE}' AND epoch = {epoch}");
        match table {
            "members" => [LEAD.0, "li"].map(|name| format!("name = '{name}'")).into(),
            "line_keys" => [1, 2].map(key).into(),
            "grants" => {
                let of = |name: &str| {
                    let key = key(2);
                    format!(
                        "line_key = (SELECT id FROM line_keys WHERE {key})
                        AND member = (SELECT id FROM members WHERE name = '{name}')"
                    )
                };
                [LEAD.0, "li"].map(of).into()
            }
            "sessions" => vec!["member = (SELECT id FROM members WHERE name = 'li')".into()],
            // Of the report, and of the call that runs.
            "reports" => ["MIN", "MAX"]
                .map(|end| format!("n = (SELECT {end}(n) FROM reports)"))
                .into(),
            "report_keys" | "calls" => ["MIN", "MAX"]
                .map(|end| format!("report = (SELECT {end}(n) FROM reports)"))
                .into(),
            // A reply, and the first and the last entry of a report to which no member has added any.
            "entries" => vec![
                "kind = 'reply'".into(),
                "n = (SELECT MIN(n) FROM entries WHERE report = (SELECT MIN(n) FROM reports))"
                    .into(),
                "n = (SELECT MAX(n) FROM entries WHERE report = (SELECT MIN(n) FROM reports))"
                    .into(),
            ],
            _ => vec![one(self.db(), table)],
        }
    }

    /// Returns the statements that change the row for which the condition holds, each with the name of its column: one
    /// for each column, and one that adds a copy of the row.
    pub fn cases(&self, table: &Table, condition: &str) -> Vec<(String, String)> {
        let name = table.name.as_str();
        let another = |(column, kind): &(String, String)| self.another(name, column, kind);
        let update = |of: &(String, String)| {
            let (column, value) = (&of.0, another(of));
            let is_other = format!("{column} IS DISTINCT FROM {value}");
            let sql =
                format!("UPDATE {name} SET {column} = {value} WHERE {condition} AND {is_other}");
            (column.clone(), sql)
        };
        let mut cases: Vec<_> = table.columns.iter().map(update).collect();
        let is_unique = |column: &str| match name {
            // The grant of another line, and the waiver of one.
            "grants" => column == "line_key",
            "waivers" => column == "line",
            _ => UNIQUE
                .iter()
                .any(|(of, columns)| *of == name && columns.contains(&column)),
        };
        let value = |of: &(String, String)| match (name, is_unique(&of.0)) {
            (_, false) => of.0.clone(),
            ("grants" | "waivers", true) => another(of),
            // After the last link of its chain.
            ("audit", true) => {
                "(SELECT MAX(seq) + 1 FROM audit AS its WHERE its.line = audit.line)".into()
            }
            (_, true) => fresh(self.db(), &of.0, &of.1),
        };
        let values: Vec<String> = table.columns.iter().map(value).collect();
        let columns: Vec<&str> = table
            .columns
            .iter()
            .map(|(column, _)| column.as_str())
            .collect();
        let (columns, values) = (columns.join(", "), values.join(", "));
        let copy =
            format!("INSERT INTO {name} ({columns}) SELECT {values} FROM {name} WHERE {condition}");
        cases.push((COPY.to_owned(), copy));
        if name == "blobs" {
            let Digests { whole, header } = self.file.digests;
            let [whole, header] = [whole, header].map(|digest| literal(self.db(), &digest));
            let object = id_literal(self.db(), self.file.object);
            let sql = format!(
                "UPDATE blobs SET object = {object}, sha256 = {whole}, header_sha256 = {header} WHERE {condition}"
            );
            cases.push((FILE.to_owned(), sql));
        }
        let drawn = cases
            .into_iter()
            .map(|(column, sql)| (column, drawn(self.db(), &sql)));
        drawn.collect()
    }

    /// Returns the links that can commit to a row with these cells, one of each action, without actor.
    pub async fn links(
        &self,
        tx: &mut WriteTx,
        mac: &Mac,
        condition: &str,
        cells: &[Cell],
    ) -> Vec<Link> {
        let digest = mac.content(cells).digest();
        let of_service = |action, object: Option<Uuid>, detail: &str| Link {
            object,
            detail: Some(detail.to_owned()),
            digest: Some(digest),
            ..link(SERVICE, action)
        };
        match mac.table {
            "members" => {
                let (id, name, role, key) = (
                    cells[0].id(),
                    cells[1].text(),
                    cells[2].text(),
                    cells[4].text(),
                );
                vec![
                    of_service(Action::MemberAdded, id, &format!("{role} {key} {name}")),
                    of_service(Action::PasswordChanged, id, &format!("{key} {name}")),
                    of_service(Action::MemberDisabled, id, name),
                    of_service(Action::MemberEnabled, id, name),
                    of_service(Action::MemberConfirmed, id, name),
                ]
            }
            "line_keys" => {
                let detail = format!("{} {}", cells[1].text(), cells[6].text());
                vec![of_service(Action::LineKeyMade, cells[0].id(), &detail)]
            }
            "grants" => {
                let (key, member) = (cells[0].id().unwrap().to_string(), cells[1].id());
                let actions = [
                    Action::Granted,
                    Action::GrantRenewed,
                    Action::TakenOff,
                    Action::LineKeyRetired,
                ];
                actions
                    .map(|action| of_service(action, member, &key))
                    .into()
            }
            "waivers" => {
                let actions = [Action::ConfirmationWaived, Action::ConfirmationRequired];
                actions
                    .map(|action| of_service(action, None, cells[0].text()))
                    .into()
            }
            _ => self.links_of_line(tx, mac, condition, cells).await,
        }
    }

    /// Like [`Attack::links`], for the trail of a line. Returns none for a row that no link commits to.
    async fn links_of_line(
        &self,
        tx: &mut WriteTx,
        mac: &Mac,
        condition: &str,
        cells: &[Cell],
    ) -> Vec<Link> {
        let mut of = async |kind, sql: &str| {
            let sql = format!(
                "SELECT {sql} AS c FROM {} AS it WHERE {condition}",
                mac.table
            );
            read_one(tx, kind, &sql).await
        };
        let its_report = |column: &str| match mac.table {
            "reports" => column.to_owned(),
            _ => format!("(SELECT {column} FROM reports AS its WHERE its.n = it.report)"),
        };
        if matches!(mac.table, "sessions" | "strays" | "calls" | "receipts") {
            return Vec::new();
        }
        let report = of(Kind::Id, &its_report("id")).await.id();
        let Cell::Text(Some(chain)) = of(Kind::Text, &its_report("line")).await else {
            // The row names no report any more.
            return Vec::new();
        };
        let commits = |action, object: Option<Uuid>, digest: [u8; 32], detail: Option<&str>| Link {
            report,
            object,
            digest: Some(digest),
            detail: detail.map(str::to_owned),
            ..link(&chain, action)
        };
        let sha256 = |bytes: &[u8]| -> [u8; 32] { Sha256::digest(bytes).into() };
        match mac.table {
            "reports" => {
                let key = |column: &str| {
                    format!(
                        "(SELECT {column} FROM report_keys AS its WHERE its.report = it.n LIMIT 1)"
                    )
                };
                let to = of(Kind::Id, &key("sealed_to")).await.id();
                let Cell::Bytes(Some(sealed)) = of(Kind::Bytes, &key("sealed")).await else {
                    return Vec::new();
                };
                let recipient = Some(cells[2].text());
                vec![commits(
                    Action::CallAnswered,
                    to,
                    sha256(&sealed),
                    recipient,
                )]
            }
            "report_keys" => {
                let (to, sealed) = (cells[3].id(), cells[4].bytes());
                let recipient = of(Kind::Text, &its_report("recipient")).await;
                let (root, _) =
                    merkle::tree(&[merkle::leaf_of_key(report.unwrap(), sealed)]).unwrap();
                vec![
                    commits(
                        Action::CallAnswered,
                        to,
                        sha256(sealed),
                        Some(recipient.text()),
                    ),
                    Link {
                        report: None,
                        ..commits(Action::ReportKeysResealed, to, root, None)
                    },
                ]
            }
            "replies" | "entries" => {
                let sealed = match mac.table {
                    "entries" => "sealed",
                    _ => "(SELECT sealed FROM entries AS its WHERE its.id = it.entry)",
                };
                let Cell::Bytes(Some(sealed)) = of(Kind::Bytes, sealed).await else {
                    return Vec::new();
                };
                let (entry, digest) = (cells[0].id(), sha256(&sealed));
                let kind = match mac.table {
                    "entries" => cells[2].text(),
                    _ => "reply",
                };
                let added = commits(Action::EntryAdded, entry, digest, Some(kind));
                match kind {
                    "reply" => vec![added, commits(Action::ReplyApproved, entry, digest, None)],
                    _ => vec![added],
                }
            }
            "blobs" | "recordings" => {
                let (recording, file) = match mac.table {
                    "blobs" => (
                        "(SELECT id FROM recordings AS its WHERE its.blob = it.n)",
                        None,
                    ),
                    _ => ("id", Some("blobs AS its WHERE its.n = it.blob")),
                };
                let of_file = |column: &str| match file {
                    Some(file) => format!("(SELECT {column} FROM {file})"),
                    None => column.to_owned(),
                };
                let recording = of(Kind::Id, recording).await.id();
                let whole = of(Kind::Bytes, &of_file("sha256")).await;
                let header = of(Kind::Bytes, &of_file("header_sha256")).await;
                let (Cell::Bytes(Some(whole)), Cell::Bytes(Some(header))) = (whole, header) else {
                    return Vec::new();
                };
                let digests = Digests {
                    whole: whole.try_into().unwrap(),
                    header: header.try_into().unwrap(),
                };
                vec![commits(
                    Action::RecordingSealed,
                    recording,
                    digests.committed(),
                    None,
                )]
            }
            table => panic!("{table}: which links commit to its rows?"),
        }
    }

    /// Returns the actor of a forged link, and who signs it.
    pub fn signer(&self, by: By) -> (Option<&'static str>, Option<Signer>) {
        match by {
            By::Service => (None, None),
            By::Unsigned => (Some(LEAD.0), None),
            By::AsLead => (
                Some(LEAD.0),
                Some(Signer::new(self.wang.id, &self.stranger)),
            ),
            By::AsInspector => (Some("li"), Some(Signer::new(self.li.id, &self.stranger))),
            By::AsRecovery => {
                let signer = Signer::new(self.line_key, &self.stranger);
                (Some(RECOVERY_KEY), Some(signer))
            }
            By::Inspector => (Some("li"), Some(self.own.clone())),
        }
    }

    /// Adds the link, gives the row its number if the link sets the row, and makes the row's MACs anew.
    pub async fn commit(&self, tx: &mut WriteTx, mac: &Mac, condition: &str, link: Link, by: By) {
        let (actor, signer) = self.signer(by);
        let actor = actor.map(str::to_owned);
        let link = Link { actor, ..link };
        let action = link.action;
        let seq = self.forger.link(tx, link, signer.as_ref()).await;
        let mut condition = condition.to_owned();
        if mac.has_link {
            let set = match action {
                // The first key of a report, to which the link of the call commits, has no number.
                Action::CallAnswered => "link = NULL, path = NULL".to_owned(),
                // The tree over one leaf has the leaf as its root.
                Action::ReportKeysResealed => {
                    format!("link = {seq}, path = {}", literal(self.db(), &[]))
                }
                _ => format!("link = {seq}"),
            };
            let sql = format!("UPDATE {} SET {set} WHERE {condition}", mac.table);
            condition = write_one(self.db(), tx, &sql).await.unwrap();
        }
        self.renew(tx, mac.table, &condition).await;
    }

    /// Makes the MACs of a row anew.
    pub async fn renew(&self, tx: &mut WriteTx, table: &str, condition: &str) {
        let mut set = Vec::new();
        for mac in MACS.iter().filter(|mac| mac.table == table) {
            let found = mac.read(tx, condition).await.remove(0);
            if mac.is_there(&found.cells) {
                let new = self
                    .forger
                    .keys
                    .of_row(mac.content(&found.cells), found.link);
                set.push(format!("{} = {}", mac.column, literal(self.db(), &new)));
            }
        }
        if !set.is_empty() {
            let sql = format!("UPDATE {table} SET {} WHERE {condition}", set.join(", "));
            write_one(self.db(), tx, &sql).await.unwrap();
        }
    }
}

/// Draws the random values of a statement, so that it writes the same row each time: the digest in a link is that of a
/// row which an earlier transaction has written.
fn drawn(db: &Db, sql: &str) -> String {
    let sql = sql.replace("randomblob(16)", &id_literal(db, random_id()));
    let sql = sql.replace("randomblob(32)", &literal(db, &random::<32>()));
    sql.replace("gen_random_uuid()", &id_literal(db, random_id()))
}

/// Checks that a table of `docs/security.md` has a row that begins with these words.
pub fn is_documented(why: &str) {
    let text = include_str!("../../../docs/security.md");
    let mut lines = text.lines();
    assert!(
        lines.any(|line| line.starts_with(&format!("| {why} |"))),
        "{why}"
    );
}

/// Returns a link without anything but its chain and its action.
fn link(chain: &str, action: Action) -> Link {
    Link {
        line: chain.to_owned(),
        seq: 0,
        at: chrono::DateTime::UNIX_EPOCH,
        actor: None,
        action,
        report: None,
        object: None,
        digest: None,
        detail: None,
    }
}
