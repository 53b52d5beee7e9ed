//! The service in its own process, a caller described by the provider's webhooks, and everything that may hold a trace.

use super::needles::Place;
use super::{
    CITY, CLOCK, DISCIPLINE, FORWARDED, NAME, NEW_FIELD, ON_DUTY, ON_DUTY_NUMBER, PASSWORD,
};
use crate::support::{self, Database, LEAD, TOKEN};
use reqwest::StatusCode;
use sqlx::{AssertSqlSafe, Row};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A caller as the provider's webhooks describe one, with every field filled.
pub struct Caller<'a> {
    pub house: &'a House,
    pub call: &'a str,
    pub from: &'a str,
}

/// The line's answer, in TwiML.
pub struct Script(pub String);

impl Caller<'_> {
    pub fn form(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let from = format!("+86{}", self.from);
        let usual = [
            ("CallSid", self.call),
            ("AccountSid", support::ACCOUNT),
            ("From", &from),
            ("Caller", &from),
            ("CallStatus", "in-progress"),
            ("CallerName", NAME),
            ("FromCity", CITY),
            ("FromState", CITY),
            ("FromZip", CITY),
            ("FromCountry", CITY),
            ("CallerCity", CITY),
            ("ToCity", CITY),
            ("ForwardedFrom", FORWARDED),
            ("StirVerstat", NEW_FIELD),
            (NEW_FIELD, NEW_FIELD),
        ];
        let given = |name: &str| more.iter().any(|(own, _)| *own == name);
        let usual = usual.into_iter().filter(|(name, _)| !given(name));
        let all = usual.chain(more.iter().copied());
        all.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    pub async fn says(&self, path: &str, more: &[(&str, &str)]) -> Script {
        let form = self.form(more);
        let signature = self.house.sign(path, &form);
        let (status, body) = self.house.post(path, &form, &signature).await;
        assert!(status.is_success(), "{path}: {status}");
        Script(body)
    }
}

impl Script {
    /// Returns the path and query of the next step's address.
    pub fn action(&self) -> String {
        self.attribute("action")
    }

    pub fn attribute(&self, name: &str) -> String {
        let (_, rest) = self
            .0
            .split_once(&format!(" {name}=\""))
            .unwrap_or_else(|| panic!("no {name}"));
        path_of(rest.split(['"', '#']).next().unwrap())
    }

    pub fn element(&self, name: &str) -> String {
        let (_, rest) = self
            .0
            .split_once(&format!("<{name}>"))
            .unwrap_or_else(|| panic!("no {name}"));
        path_of(rest.split(['<', '#']).next().unwrap())
    }

    /// Returns every address in the document.
    fn addresses(&self) -> String {
        let parts = self.0.split(PUBLIC).skip(1);
        parts
            .map(|part| part.split(['"', '<', '#']).next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

const PUBLIC: &str = "https://duty.example.org";

fn path_of(address: &str) -> String {
    address
        .strip_prefix(PUBLIC)
        .expect("our address")
        .replace("&amp;", "&")
}

/// The folder and database that may hold a trace, and the process that writes them.
pub struct House {
    pub folder: tempfile::TempDir,
    pub url: String,
    ops_url: String,
    process: Option<(Child, BufReader<ChildStdout>)>,
    seen: std::sync::Mutex<Vec<Place>>,
}

impl House {
    pub async fn build(database: &Database, api_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let toml = support::configuration(&database.address(folder.path()), api_url);
        let roster = format!(
            "[[line.roster]]\nname = \"{ON_DUTY}\"\nnumber = \"{ON_DUTY_NUMBER}\"\n\n[line.translations.en]"
        );
        let toml = toml.replace("[line.translations.en]", &roster);
        fs::write(folder.path().join("dutyline.toml"), toml).unwrap();
        fs::write(folder.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        fs::create_dir(folder.path().join("temporary")).unwrap();
        Self {
            folder,
            url: String::new(),
            ops_url: String::new(),
            process: None,
            seen: Default::default(),
        }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dutyline"));
        command
            .current_dir(self.folder.path())
            .env("DUTYLINE_LOG", "debug")
            .env("TMPDIR", self.folder.path().join("temporary"))
            .env("RUST_BACKTRACE", "1");
        command
    }

    /// Makes the keys. Returns the recovery key, which is printed once and may appear nowhere else.
    pub fn init(&self) -> String {
        let output = self
            .program()
            .args(["init", "--lead", LEAD.0, "--password-file", "password"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", support::wrote(&output));
        self.saw("what init logged", output.stderr);
        let printed = String::from_utf8(output.stdout).unwrap();
        let key = printed
            .split_whitespace()
            .find(|word| word.starts_with("AGE-SECRET-KEY-1"));
        key.expect("a recovery key").to_owned()
    }

    pub fn serve(&mut self) {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let mut process = self
            .program()
            .args(["serve", "--clock", CLOCK])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut printed = BufReader::new(process.stdout.take().unwrap());
        let mut address = || {
            let mut line = String::new();
            printed.read_line(&mut line).unwrap();
            let rest = line
                .strip_prefix("listening on ")
                .unwrap_or_else(|| panic!("{line:?}"));
            self.saw("what it printed", line.clone().into_bytes());
            rest.split(' ').next().unwrap().to_owned()
        };
        let (url, ops_url) = (address(), address());
        (self.url, self.ops_url) = (url, ops_url);
        self.process = Some((process, printed));
    }

    /// Ends the service as a service manager does.
    pub async fn stop(&mut self) {
        let (process, _) = self.process.as_mut().unwrap();
        let told = Command::new("kill")
            .args(["-TERM", &process.id().to_string()])
            .status()
            .unwrap();
        assert!(told.success());
        assert!(support::ended(process).await.success());
        let (_, mut printed) = self.process.take().unwrap();
        let mut rest = Vec::new();
        printed.read_to_end(&mut rest).unwrap();
        self.saw("what it printed", rest);
    }

    pub fn local(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub fn sign(&self, path: &str, form: &[(String, String)]) -> String {
        dutyline::simulator::signer::sign(
            &TOKEN.to_owned().into(),
            &format!("{PUBLIC}{path}"),
            form,
        )
    }

    pub async fn post(
        &self,
        path: &str,
        form: &[(String, String)],
        signature: &str,
    ) -> (StatusCode, String) {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let answer = support::client()
            .post(self.local(path))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-twilio-signature", signature)
            .body(body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        self.saw_headers(answer.headers());
        let script = Script(answer.text().await.unwrap());
        self.saw("the addresses in a script", script.addresses().into_bytes());
        (status, script.0)
    }

    pub async fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.ops_url);
        support::client()
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }

    /// Waits until no job is left and no call is running.
    pub async fn settled(&self) {
        let wait = async {
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            loop {
                tick.tick().await;
                let metrics = self.metrics().await;
                if !metrics.contains("dutyline_jobs{")
                    && metrics.contains("calls_running{line=\"fcg-5\"} 0")
                {
                    return;
                }
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), wait)
            .await
            .is_err()
        {
            panic!("{}", self.metrics().await);
        }
    }

    pub fn saw(&self, what: &str, bytes: Vec<u8>) {
        self.seen.lock().unwrap().push(Place {
            what: what.to_owned(),
            bytes,
        });
    }

    pub fn saw_headers(&self, headers: &reqwest::header::HeaderMap) {
        self.saw("headers", format!("{headers:?}").into_bytes());
        for value in headers.values() {
            self.saw("a header", value.as_bytes().to_vec());
        }
    }

    /// Records an answer of the API for the search: its headers, and its body if it is an error.
    pub fn sees(&self, answer: support::Answer) -> StatusCode {
        self.saw_headers(&answer.headers);
        if !answer.status.is_success() {
            // The configuration lists the disciplines, so their names may appear; which one was chosen is sealed.
            let problem = String::from_utf8_lossy(&answer.body).replace(DISCIPLINE, "");
            self.saw("a problem", problem.into_bytes());
        }
        answer.status
    }

    /// Returns everything to search: files with their names, the database row by row, output, log and answers.
    pub async fn everything(&self, database: &Database) -> Vec<Place> {
        let mut places = self.seen.lock().unwrap().clone();
        let log = fs::read(self.folder.path().join("log")).unwrap();
        assert!(
            String::from_utf8_lossy(&log).contains("DEBUG"),
            "the log is as talkative as it can be"
        );
        places.push(Place {
            what: "the log".into(),
            bytes: log,
        });
        for folder in [self.data(), self.folder.path().join("temporary")] {
            files(&folder, &mut places);
        }
        for cell in dump(self, database).await {
            places.push(Place {
                what: format!("{}.{}", cell.table, cell.column),
                bytes: cell.bytes,
            });
        }
        if matches!(database, Database::Sqlite) {
            let count = |end: &str| {
                places
                    .iter()
                    .filter(|place| place.what.ends_with(end))
                    .count()
            };
            assert_eq!(count("dutyline.db"), 1);
            assert_eq!(
                count("dutyline.db-wal"),
                usize::from(self.process.is_some())
            );
        }
        places
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some((mut process, _)) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Collects every file below a folder except the service secret's.
fn files(folder: &Path, places: &mut Vec<Place>) {
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            files(&path, places);
        } else if !path.ends_with("service.key") {
            let what = path.display().to_string();
            places.push(Place {
                what: "a file's name".into(),
                bytes: what.clone().into_bytes(),
            });
            places.push(Place {
                what,
                bytes: fs::read(&path).unwrap(),
            });
        }
    }
}

/// One value in the database.
pub struct Cell {
    pub table: String,
    pub column: String,
    pub is_time: bool,
    /// True if the row names a member as its actor.
    pub by_member: bool,
    pub bytes: Vec<u8>,
}

/// Returns every column of every row of every table.
pub async fn dump(house: &House, database: &Database) -> Vec<Cell> {
    let address = database.address(house.folder.path());
    let mut cells = Vec::new();
    macro_rules! dump {
        ($connection:expr, $columns:expr, $select:expr) => {{
            let connection = $connection;
            let columns: Vec<(String, String, String)> = sqlx::query_as($columns)
                .fetch_all(&mut *connection)
                .await
                .unwrap();
            let has = |table: &str, column: &str| {
                columns.iter().any(|(t, c, _)| t == table && c == column)
            };
            for (table, column, kind) in &columns {
                let actor = if has(table, "actor") {
                    "actor IS NOT NULL"
                } else {
                    "1 = 0"
                };
                let sql = format!("SELECT {}, {actor} FROM \"{table}\"", $select(column, kind));
                for row in sqlx::query(AssertSqlSafe(sql))
                    .fetch_all(&mut *connection)
                    .await
                    .unwrap()
                {
                    let Some(bytes) = row.get::<Option<Vec<u8>>, _>(0) else {
                        continue;
                    };
                    cells.push(Cell {
                        table: table.clone(),
                        column: column.clone(),
                        is_time: kind.to_lowercase().starts_with("timestamp"),
                        by_member: row.get(1),
                        bytes,
                    });
                }
            }
        }};
    }
    match database {
        Database::Sqlite => {
            use sqlx::{ConnectOptions, Connection};
            let path = house.data().join("dutyline.db");
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = options.connect().await.unwrap();
            dump!(
                &mut connection,
                "SELECT m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'",
                |column: &str, _: &str| format!("CAST(\"{column}\" AS BLOB)")
            );
            connection.close().await.unwrap();
        }
        Database::Postgres { .. } => {
            use sqlx::Connection;
            let mut connection = sqlx::PgConnection::connect(&address).await.unwrap();
            dump!(
                &mut connection,
                "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
                 WHERE table_schema = 'public'",
                |column: &str, kind: &str| match kind {
                    "bytea" => format!("\"{column}\""),
                    _ => format!("convert_to(\"{column}\"::text, 'UTF8')"),
                }
            );
            connection.close().await.unwrap();
        }
    }
    assert!(cells.len() > 200, "{} values", cells.len());
    cells
}
