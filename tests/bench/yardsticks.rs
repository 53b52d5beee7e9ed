//! Two programs to compare the service with, each in its own process: this benchmark's binary, started with
//! `--yardstick`. They accept the same signed webhooks and give an answer of about the same size.
//!
//! | name | what it does for a webhook |
//! |---|---|
//! | `constant` | axum alone: a constant answer |
//! | `durable` | checks the signature and writes one row of about the size of a webhook's; one commit, synced to the disk, for all webhooks that wait |

use super::caller::{ANSWER, Caller};
use super::databases::Database;
use super::served::{ACCOUNT, PUBLIC, TOKEN, cpu_time};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use dutyline::base::hidden::Hidden;
use dutyline::simulator::signer;
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Executor};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::sync::{mpsc, oneshot};

/// About the size of a webhook's rows in the service, in bytes.
const ROW: usize = 1024;
/// Maximum number of webhooks in one commit.
const BATCH: usize = 512;

/// A running yardstick, killed when dropped.
pub struct Yardstick {
    process: Child,
    /// Address of its webhooks.
    pub address: SocketAddr,
}

impl Yardstick {
    /// Starts axum with a constant answer.
    pub fn constant() -> Self {
        Self::start(&["constant"])
    }

    /// Starts the smallest durable program, with a database in `folder` or on the test server.
    pub fn durable(database: &Database, folder: &Path) -> Self {
        let address = match database {
            Database::Sqlite => folder.join("durable.db").display().to_string(),
            Database::Postgres { .. } => database.address(folder),
        };
        Self::start(&["durable", &address])
    }

    fn start(arguments: &[&str]) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut process = Command::new(program)
            .arg("--yardstick")
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("a line with its address");
        let address = line.trim().parse().expect("an address");
        // Connects once, so that the first caller does not wait for it.
        drop(Caller::dial(address));
        Self { process, address }
    }

    /// Returns the processor time it has used so far.
    pub fn cpu(&self) -> Duration {
        cpu_time(self.process.id())
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A webhook that waits for its commit.
struct Waiting {
    row: Vec<u8>,
    committed: oneshot::Sender<()>,
}

/// Serves a yardstick until the process is killed.
pub fn serve(arguments: &[String]) {
    // Like the service: two worker threads on two cores.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let router = match arguments {
            [name] if name == "constant" => Router::new().fallback(async || answer()),
            [name, address] if name == "durable" => {
                let (sender, waiting) = mpsc::channel(4 * BATCH);
                write(address, waiting).await;
                Router::new().fallback(durable).with_state(Arc::new(sender))
            }
            other => panic!("there is no yardstick {other:?}"),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        axum::serve(listener, router).await.expect("it serves");
    });
}

fn answer() -> Response {
    ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], ANSWER).into_response()
}

async fn durable(
    State(sender): State<Arc<mpsc::Sender<Waiting>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let fields: Vec<_> = form_urlencoded::parse(&body).into_owned().collect();
    let token = Hidden::from(TOKEN.to_owned());
    let expected = signer::sign(&token, &format!("{PUBLIC}{path}"), &fields);
    let given = headers.get("X-Twilio-Signature");
    let fits = given.is_some_and(|given| given.as_bytes().ct_eq(expected.as_bytes()).into());
    let account = fields.iter().find(|(name, _)| name == "AccountSid");
    if !fits || account.is_none_or(|(_, account)| account != ACCOUNT) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut row = body.to_vec();
    row.resize(ROW, 7);
    let (committed, written) = oneshot::channel();
    let waiting = Waiting { row, committed };
    if sender.send(waiting).await.is_err() || written.await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    answer()
}

/// Writes the waiting rows, all in one commit, in a separate task.
async fn write(address: &str, mut waiting: mpsc::Receiver<Waiting>) {
    if address.starts_with("postgres") {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .connect(address)
            .await
            .expect("a database");
        let mut connection: PgConnection = pool.acquire().await.expect("a connection").detach();
        let create = "CREATE TABLE durable (n BIGSERIAL PRIMARY KEY, content BYTEA NOT NULL)";
        connection.execute(create).await.expect("a table");
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while waiting.recv_many(&mut batch, BATCH).await > 0 {
                let rows: Vec<&[u8]> = batch.iter().map(|one| &one.row[..]).collect();
                let insert = "INSERT INTO durable (content) SELECT unnest($1::BYTEA[])";
                sqlx::query(insert)
                    .bind(&rows)
                    .execute(&mut connection)
                    .await
                    .expect("it is written");
                answer_all(&mut batch);
            }
        });
        return;
    }
    let options = SqliteConnectOptions::new()
        .filename(address)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .expect("a database");
    let create = "CREATE TABLE durable (n INTEGER PRIMARY KEY, content BLOB NOT NULL)";
    connection.execute(create).await.expect("a table");
    tokio::spawn(async move {
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, BATCH).await > 0 {
            let mut insert = sqlx::QueryBuilder::new("INSERT INTO durable (content) ");
            insert.push_values(&batch, |mut row, one| {
                row.push_bind(one.row.clone());
            });
            insert
                .build()
                .persistent(false)
                .execute(&mut connection)
                .await
                .expect("it is written");
            answer_all(&mut batch);
        }
    });
}

fn answer_all(batch: &mut Vec<Waiting>) {
    for one in batch.drain(..) {
        // The request may have been cancelled.
        let _ = one.committed.send(());
    }
}
