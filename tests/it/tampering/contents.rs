//! Which columns of a row the program's MAC covers, in its order, read with SQL of its own: so that a changed row can be
//! given the MAC that the program would make.

use dutyline::store::{Db, On, WriteTx};
use dutyline::vault::proof::Content;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

/// How a column is encoded.
#[derive(Clone, Copy)]
pub enum Kind {
    Id,
    Text,
    Bytes,
    Number,
    Flag,
    Time,
}

use Kind::{Bytes, Flag, Id, Number, Text, Time};

/// The value of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Id(Option<Uuid>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Number(Option<i64>),
    Flag(bool),
    Time(chrono::DateTime<chrono::Utc>),
}

impl Cell {
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::Id(id) => *id,
            _ => panic!("{self:?} is no id"),
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Text(Some(text)) => text,
            _ => panic!("{self:?} is no text"),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(Some(bytes)) => bytes,
            _ => panic!("{self:?} are no bytes"),
        }
    }

    pub fn number(&self) -> i64 {
        match self {
            Self::Number(Some(number)) => *number,
            _ => panic!("{self:?} is no number"),
        }
    }

    fn is_null(&self) -> bool {
        matches!(
            self,
            Self::Id(None) | Self::Text(None) | Self::Bytes(None) | Self::Number(None)
        )
    }
}

/// A MAC in a row, and the columns that it covers.
pub struct Mac {
    /// The table.
    pub table: &'static str,
    /// What the content says is the table.
    name: &'static str,
    /// The column of the MAC.
    pub column: &'static str,
    /// Expressions for what it covers.
    covers: &'static [(Kind, &'static str)],
    /// True if the row has the number of a link.
    pub has_link: bool,
}

const fn mac(table: &'static str, covers: &'static [(Kind, &'static str)]) -> Mac {
    Mac {
        table,
        name: table,
        column: "mac",
        covers,
        has_link: false,
    }
}

const fn set_by_link(table: &'static str, covers: &'static [(Kind, &'static str)]) -> Mac {
    Mac {
        has_link: true,
        ..mac(table, covers)
    }
}

/// The report of the row, by its id.
const REPORT: &str = "(SELECT id FROM reports AS its WHERE its.n = it.report)";

/// All MACs of rows.
pub const MACS: [Mac; 14] = [
    set_by_link(
        "members",
        &[
            (Id, "id"),
            (Text, "name"),
            (Text, "role"),
            (Text, "recipient"),
            (Text, "verifying"),
            (Bytes, "wrapped"),
            (Flag, "disabled"),
            (Id, "made_by"),
            (Id, "confirmed_by"),
        ],
    ),
    set_by_link(
        "line_keys",
        &[
            (Id, "id"),
            (Text, "line"),
            (Number, "CAST(epoch AS BIGINT)"),
            (Text, "recipient"),
            (Bytes, "recovery"),
            (Text, "recovery_recipient"),
            (Text, "recovery_verifying"),
        ],
    ),
    set_by_link(
        "grants",
        &[
            (Id, "line_key"),
            (Id, "member"),
            (
                Text,
                "(SELECT line FROM line_keys AS its WHERE its.id = it.line_key)",
            ),
            (Bytes, "sealed"),
        ],
    ),
    set_by_link("waivers", &[(Text, "line"), (Id, "member")]),
    mac(
        "sessions",
        &[
            (Bytes, "hash"),
            (Id, "member"),
            (Bytes, "wrapped"),
            (Time, "created_at"),
            (Time, "proved_at"),
        ],
    ),
    mac(
        "reports",
        &[(Id, "id"), (Text, "line"), (Text, "recipient")],
    ),
    set_by_link(
        "report_keys",
        &[
            (Id, REPORT),
            (Number, "CAST(epoch AS BIGINT)"),
            (Text, "holder"),
            (Id, "sealed_to"),
            (Bytes, "sealed"),
            (Bytes, "path"),
        ],
    ),
    mac(
        "receipts",
        &[
            (Bytes, "lookup"),
            (Text, "line"),
            (Id, REPORT),
            (Text, "recipient"),
            (Flag, "shared"),
        ],
    ),
    mac(
        "replies",
        &[
            (Id, "entry"),
            (Id, REPORT),
            (Id, "author"),
            (Id, "approved_by"),
        ],
    ),
    mac(
        "blobs",
        &[
            (Id, "id"),
            (Id, REPORT),
            (Id, "object"),
            (Bytes, "sha256"),
            (Bytes, "header_sha256"),
        ],
    ),
    mac(
        "recordings",
        &[
            (Id, "id"),
            (Id, REPORT),
            (Bytes, "lookup"),
            (Bytes, "source"),
            (Number, "CAST(step AS BIGINT)"),
        ],
    ),
    mac(
        "calls",
        &[
            (Id, "id"),
            (Bytes, "lookup"),
            (Text, "line"),
            (Id, REPORT),
            (
                Id,
                "(SELECT id FROM reports AS its WHERE its.n = it.addition_to)",
            ),
            (Number, "CAST(addition_from AS BIGINT)"),
            (Number, "CAST(addition_offset AS BIGINT)"),
        ],
    ),
    Mac {
        name: "calls.addition_caller",
        column: "addition_mac",
        ..mac(
            "calls",
            &[
                (Id, "id"),
                (Id, "addition_entry"),
                (Bytes, "addition_caller"),
            ],
        )
    },
    mac(
        "strays",
        &[
            (Id, "id"),
            (Bytes, "sid"),
            (Bytes, "call"),
            (Flag, "whole_call"),
        ],
    ),
];

/// Entries have no MAC: links alone commit to them.
pub const ENTRIES: Mac = Mac {
    column: "CAST(NULL AS BYTEA)",
    ..mac(
        "entries",
        &[(Id, "id"), (Id, REPORT), (Text, "kind"), (Bytes, "sealed")],
    )
};

/// Content, MAC and number of the link of a row, as read.
pub struct Found {
    pub cells: Vec<Cell>,
    pub mac: Option<Vec<u8>>,
    pub link: Option<i64>,
}

impl Mac {
    /// Returns the content of a row with these cells.
    pub fn content(&self, cells: &[Cell]) -> Content {
        let add = |content: Content, cell: &Cell| match cell {
            Cell::Id(id) => content.id(*id),
            Cell::Text(text) => content.text(text.as_deref()),
            Cell::Bytes(bytes) => content.bytes(bytes.as_deref()),
            Cell::Number(number) => content.integer(*number),
            Cell::Flag(flag) => content.boolean(*flag),
            Cell::Time(time) => content.time(*time),
        };
        cells.iter().fold(Content::of(self.name), add)
    }

    /// True if a row with these cells has this MAC: the caller of a call that adds to no report has none.
    pub fn is_there(&self, cells: &[Cell]) -> bool {
        self.column == "mac" || !cells[1..].iter().any(Cell::is_null)
    }

    /// Returns what the MAC covers of the rows for which the condition holds.
    pub async fn read(&self, tx: &mut WriteTx, condition: &str) -> Vec<Found> {
        let named = self.covers.iter().enumerate();
        let named: Vec<String> = named
            .map(|(i, (_, sql))| format!("{sql} AS c{i}"))
            .collect();
        let link = if self.has_link {
            "link"
        } else {
            "CAST(NULL AS BIGINT)"
        };
        let sql = format!(
            "SELECT {}, {} AS mac_there, {link} AS link_there FROM {} AS it WHERE {condition}",
            named.join(", "),
            self.column,
            self.table,
        );
        macro_rules! found {
            ($rows:expr) => {
                $rows
                    .iter()
                    .map(|row| {
                        let kinds = self.covers.iter().enumerate();
                        let cells = kinds.map(|(i, (kind, _))| {
                            let name = format!("c{i}");
                            let name = name.as_str();
                            match kind {
                                Id => Cell::Id(row.get(name)),
                                Text => Cell::Text(row.get(name)),
                                Bytes => Cell::Bytes(row.get(name)),
                                Number => Cell::Number(row.get(name)),
                                Flag => Cell::Flag(row.get(name)),
                                Time => Cell::Time(row.get(name)),
                            }
                        });
                        Found {
                            cells: cells.collect(),
                            mac: row.get("mac_there"),
                            link: row.get("link_there"),
                        }
                    })
                    .collect()
            };
        }
        let sql = AssertSqlSafe(sql);
        match tx.on() {
            On::Sqlite(tx) => found!(sqlx::query(sql).fetch_all(&mut **tx).await.unwrap()),
            On::Postgres(tx) => found!(sqlx::query(sql).fetch_all(&mut **tx).await.unwrap()),
        }
    }
}

/// Runs a statement that writes one row. Returns the condition for that row from then on; `None` when the database
/// refuses the statement.
pub async fn write_one(db: &Db, tx: &mut WriteTx, sql: &str) -> Option<String> {
    let (place, is_there) = match db {
        Db::Sqlite { .. } => ("CAST(rowid AS TEXT)", "rowid = "),
        Db::Postgres { .. } => ("'''' || ctid::TEXT || '''::tid'", "ctid = "),
    };
    let returning = AssertSqlSafe(format!("{sql} RETURNING {place}"));
    let places: Vec<String> = match tx.on() {
        On::Sqlite(tx) => sqlx::query_scalar(returning)
            .fetch_all(&mut **tx)
            .await
            .ok()?,
        On::Postgres(tx) => sqlx::query_scalar(returning)
            .fetch_all(&mut **tx)
            .await
            .ok()?,
    };
    assert_eq!(places.len(), 1, "{sql}");
    Some(format!("{is_there}{}", places[0]))
}

/// Returns the value that a query selects as `c`, NULL if it selects no row.
pub async fn read_one(tx: &mut WriteTx, kind: Kind, sql: &str) -> Cell {
    let sql = AssertSqlSafe(sql.to_owned());
    macro_rules! cell {
        ($row:expr) => {
            match ($row, kind) {
                (Some(row), Id) => Cell::Id(row.get("c")),
                (Some(row), Text) => Cell::Text(row.get("c")),
                (Some(row), Bytes) => Cell::Bytes(row.get("c")),
                (Some(row), Number) => Cell::Number(row.get("c")),
                (_, Id) => Cell::Id(None),
                (_, Text) => Cell::Text(None),
                _ => Cell::Bytes(None),
            }
        };
    }
    match tx.on() {
        On::Sqlite(tx) => cell!(sqlx::query(sql).fetch_optional(&mut **tx).await.unwrap()),
        On::Postgres(tx) => cell!(sqlx::query(sql).fetch_optional(&mut **tx).await.unwrap()),
    }
}

/// Returns an id as it is written in SQL.
pub fn id_literal(db: &Db, id: Uuid) -> String {
    match db {
        Db::Sqlite { .. } => literal(db, id.as_bytes()),
        Db::Postgres { .. } => format!("'{id}'::uuid"),
    }
}

/// Returns bytes as they are written in SQL.
pub fn literal(db: &Db, bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match db {
        Db::Sqlite { .. } => format!("x'{hex}'"),
        Db::Postgres { .. } => format!("'\\x{hex}'::bytea"),
    }
}
