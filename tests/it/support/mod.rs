//! A line under test: service, provider and members.

#![allow(dead_code, reason = "each test uses a part of it")]

pub mod accents;
pub mod altered;
mod api;
mod binary;
mod callers;
pub mod console;
mod databases;
pub mod dice;
pub mod exposition;
pub mod feature_server;
pub mod hooks;
pub mod logs;
mod own_postgres;
pub mod pbx;
pub mod proxy;
pub mod queue;
mod rows;
pub mod small_disk;
pub mod sql;
pub mod standin;
pub mod team;
pub mod timers;
pub mod webhooks;

pub use api::{Answer, Api, client};
pub use binary::{Binary, Node, ended, kill, names};
pub use callers::{Caller, silence, speech, wav, words, wrote};
pub use databases::{DEADLINE, Database, pause, until_one_waits, until_wait};
pub use own_postgres::OwnPostgres;

use accents::{Accent, Interpreter};
use chrono::{DateTime, Utc};
use dutyline::app::setup;
use dutyline::app::{self, Bound, Running};
use dutyline::base::clock::{Clock, random_id};
use dutyline::config::Config;
use dutyline::members::{self, MemberName, NewLineKey, SealedKeys, Source};
use dutyline::report::role::Role;
use dutyline::service::{Patience, Service};
use dutyline::simulator;
use dutyline::simulator::exchange::{Exchange, ExchangeSettings};
use dutyline::store::audit::Act;
use dutyline::store::columns::StoredKind;
use dutyline::store::members::Member;
use dutyline::store::{self, Db, WriteTx, jobs, sessions};
use dutyline::vault::action::Action;
use dutyline::vault::passwords::{self, NewPassword};
use dutyline::vault::secret::ServiceSecret;
use dutyline::vault::session::Token;
use dutyline::vault::signing::Signer;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use timers::ByHand;
use tokio::sync::watch;

/// The name and password of the first lead.
pub const LEAD: (&str, &str) = ("wang", "seven herons over grey water");
/// Token the provider signs with.
pub const TOKEN: &str = "test-token-of-the-provider";
/// Account id at the provider.
pub const ACCOUNT: &str = "AC11111111111111111111111111111111";
/// The start of the first morning, nine o'clock: the line is open.
pub const OPEN: &str = "2024-03-06T09:00:00+08:00";
/// Limits of [`DEADLINE`], so that what a caller hears does not depend on the load of the machine that runs the tests.
/// Tests of timeouts use [`Patience::default`].
pub const PATIENT: Patience = Patience {
    webhook: DEADLINE,
    receipt: DEADLINE,
    take: DEADLINE,
    stream: DEADLINE,
};
/// Number of the default line.
pub const NUMBER: &str = "18877009155";

/// Declares a test that runs on SQLite and on Postgres. The body receives a `TestLine`; at its end the macro checks
/// that no job is left undone and that the provider understood every answer. `line: TestLine = two_lines` changes the
/// configuration first.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($line:ident: TestLine $(= $change:ident)?) $body:block)*) => {
        $(mod $name {
            use super::*;

            $(#[$meta])*
            async fn body($line: &mut TestLine) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                on($crate::support::Database::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                on($crate::support::Database::postgres().await).await;
            }

            async fn on(database: $crate::support::Database) {
                let change = on_both!(@change $($change)?);
                let mut line = TestLine::with(database, $crate::support::OPEN, change).await;
                body(&mut line).await;
                line.finish().await;
            }
        })*
    };
    (@change) => { std::convert::identity::<String> };
    (@change $change:ident) => { $change };
}
pub(crate) use on_both;

/// Declares a test that runs on SQLite and on Postgres. The body receives the database.
macro_rules! each_database {
    ($($(#[$meta:meta])* async fn $name:ident($database:ident: Database) $body:block)*) => {
        $(mod $name {
            use super::*;

            $(#[$meta])*
            async fn body($database: Database) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                body(Database::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                body(Database::postgres().await).await;
            }
        })*
    };
}
pub(crate) use each_database;

/// A running line with its provider. Dropping it removes the data folder.
pub struct TestLine {
    /// The simulated provider.
    pub exchange: Exchange,
    /// Base address of webhooks, API, console and the simulator's telephone, without a trailing slash.
    pub url: String,
    /// Base address of health and metrics.
    pub ops_url: String,
    /// Text of the configuration.
    pub toml: String,
    /// The data folder.
    pub folder: tempfile::TempDir,
    /// Line keys made at the start: line id, recovery key and public key.
    pub keys: Vec<(String, NewLineKey)>,
    running: Option<Running>,
    database: Database,
    stop_exchange: watch::Sender<bool>,
    /// The proxy between exchange and service when another provider is tested.
    interpreter: Option<Interpreter>,
}

impl TestLine {
    /// Starts the default line, open, on this database.
    pub async fn open(database: Database) -> Self {
        Self::with(database, OPEN, std::convert::identity).await
    }

    /// Starts a line whose clock starts at `at`, with the configuration modified by `change`.
    pub async fn with(database: Database, at: &str, change: impl FnOnce(String) -> String) -> Self {
        Self::prepared(|_| {}, database, at, change).await
    }

    /// Like [`Self::with`], with another provider.
    pub async fn over(
        accent: Accent,
        database: Database,
        at: &str,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        Self::make(
            |service| service.patience = PATIENT,
            ByHand::default(),
            Some(accent),
            database,
            at,
            change,
        )
        .await
    }

    /// Like [`Self::with`], with these limits on how long callers are kept waiting.
    pub async fn with_patience(
        patience: Patience,
        database: Database,
        at: &str,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let prepare = move |service: &mut Service| service.patience = patience;
        Self::make(prepare, ByHand::default(), None, database, at, change).await
    }

    /// Like [`Self::with`]; `prepare` changes the service before it starts.
    pub async fn prepared(
        prepare: impl FnOnce(&mut Service),
        database: Database,
        at: &str,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let prepare = |service: &mut Service| {
            service.patience = PATIENT;
            prepare(service);
        };
        Self::make(prepare, ByHand::default(), None, database, at, change).await
    }

    /// Like [`Self::with`], with these timers in place of the system's.
    pub async fn with_timers(
        timers: ByHand,
        database: Database,
        at: &str,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let prepare = |service: &mut Service| service.patience = PATIENT;
        Self::make(prepare, timers, None, database, at, change).await
    }

    async fn make(
        prepare: impl FnOnce(&mut Service),
        timers: ByHand,
        accent: Option<Accent>,
        database: Database,
        at: &str,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let api = app::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let api_url = format!("http://{}", app::address(&api));
        let address = database.address(folder.path());
        let mut toml = change(configuration(&address, &api_url));
        let mut between = None;
        if let Some(accent) = accent {
            let (interpreter, made_known) = Interpreter::start(accent, api_url.clone()).await;
            toml = accent.configured(&toml, &interpreter.url);
            between = Some((accent, interpreter, made_known));
        }
        std::fs::write(folder.path().join("test.toml"), &toml).expect("a file");
        let config = Config::parse(&toml, "test.toml", folder.path()).expect("a configuration");
        let clock = clock_at(at);
        let lines: Vec<String> = config.lines.iter().map(|l| l.line.id.clone()).collect();
        let keys = setup::init(&config, &clock, LEAD.0, chosen(LEAD.1), &lines)
            .await
            .expect("init");
        let mut service = app::build_with(config, clock, Arc::new(timers))
            .await
            .expect("the service");
        let prepared = Arc::get_mut(&mut service).expect("nobody else has it");
        // Pages are updated by notifications; in a test polling must not hide a missing one.
        prepared.live.poll_interval = Duration::from_secs(3600);
        prepare(prepared);
        let bound = Bound::bind(service.config.listen, service.config.ops_listen)
            .await
            .unwrap();
        let url = format!("http://{}", bound.main_address());
        let ops_url = format!("http://{}", bound.ops_address());
        let exchange = Exchange::new(ExchangeSettings {
            account: ACCOUNT.into(),
            auth_token: TOKEN.to_owned().into(),
            hooks_url: match &between {
                Some((accent, interpreter, made_known)) => {
                    made_known(&url);
                    format!("{}/hooks/{}", interpreter.url, accent.kind())
                }
                None => format!("{url}/hooks/twilio"),
            },
            api_url,
            public_url: service.config.public_url.clone(),
        })
        .expect("an exchange");
        let (stop_exchange, stopped) = watch::channel(false);
        tokio::spawn(app::serve(api, exchange.rest_router(), stopped));
        let phone = simulator::telephone(exchange.clone());
        let running = Running::start(service, bound, Some(phone));
        Self {
            exchange,
            url,
            ops_url,
            toml,
            folder,
            keys,
            running: Some(running),
            database,
            stop_exchange,
            interpreter: between.map(|(_, interpreter, _)| interpreter),
        }
    }

    /// Returns the running service.
    pub fn service(&self) -> &Arc<Service> {
        &self.running.as_ref().expect("the line is running").service
    }

    /// Returns the data folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folder of sealed recordings.
    pub fn recordings(&self) -> PathBuf {
        self.folder.path().join("data/recordings")
    }

    /// Returns the database, for access that bypasses the program.
    pub fn db(&self) -> &Db {
        &self.service().db.jobs
    }

    /// Opens the database once more, as another process does.
    pub async fn db_again(&self) -> Db {
        open_db(&self.service().config).await
    }

    /// Creates another member who works on these lines.
    pub async fn make_member(&self, name: &str, role: Role, password: &str, lines: &[&str]) {
        let clock = self.service().clock;
        let name = MemberName::parse(name).expect("a name");
        let new = members::new_member(&name, role, chosen(password), members::Maker::Init);
        let (member, _) = new.await.expect("a member");
        let keys = self.sealed_keys(&member, lines).await;
        let mut tx = self.db().begin().await.expect("the database");
        members::insert(&mut tx, &clock, &member, LEAD.0)
            .await
            .expect("a new member");
        members::grant(&mut tx, &clock, &keys, &member)
            .await
            .expect("grants");
        tx.commit().await.expect("a commit");
    }

    /// Signs the links of a transaction as the first lead.
    pub async fn sign(&self, tx: &mut WriteTx) {
        let unlocked = members::unlock(self.db(), LEAD.0, LEAD.1).await;
        let (lead, identity) = unlocked.expect("the lead");
        tx.sign_as(Signer::new(lead.id, &identity));
    }

    /// Returns the keys of these lines, sealed to a member by the first lead.
    pub async fn sealed_keys(&self, to: &Member, lines: &[&str]) -> SealedKeys {
        let (lead, identity) = members::unlock(self.db(), LEAD.0, LEAD.1)
            .await
            .expect("the lead");
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let from = Source::Member(&lead, &identity);
        let keys = members::seal_keys(self.db(), from, to, &lines).await;
        keys.expect("the keys of lines")
    }

    /// Inserts an inspector with this name without checking it, as an older version could have. No password opens the account.
    pub async fn write_member(&self, name: &str, lines: &[&str]) {
        let clock = self.service().clock;
        let mut tx = self.db().begin_read().await.expect("the database");
        let lead = members::find(&mut tx, LEAD.0).await.expect("the database");
        drop(tx);
        let member = Member {
            id: random_id(),
            name: name.to_owned(),
            role: Role::Inspector,
            wrapped: passwords::dummy().to_vec(),
            ..lead.expect("the lead")
        };
        let keys = self.sealed_keys(&member, lines).await;
        let act = Act {
            actor: Some(LEAD.0),
            object: Some(member.id),
            ..Act::new(clock.line_now(), Action::MemberAdded)
        };
        let mut tx = self.db().begin().await.expect("the database");
        store::members::insert(&mut tx, &member, clock.system_now(), act)
            .await
            .expect("a new member");
        members::grant(&mut tx, &clock, &keys, &member)
            .await
            .expect("grants");
        tx.commit().await.expect("a commit");
    }

    /// Makes a session older: as if it had been made and last used at these times.
    pub async fn age_session(&self, token: &str, made: DateTime<Utc>, seen: DateTime<Utc>) {
        let hash = token.parse::<Token>().expect("a token").hash();
        let mut tx = self.db().begin().await.expect("the database");
        let session = sessions::get(&mut tx, &hash).await;
        let mut session = session.expect("the database").expect("a session");
        sessions::end(&mut tx, &hash).await.expect("the database");
        session.created_at = made;
        sessions::insert(&mut tx, &session)
            .await
            .expect("the database");
        sessions::touch(&mut tx, &hash, seen)
            .await
            .expect("the database");
        tx.commit().await.expect("a commit");
    }

    /// Returns a client logged in as the first lead.
    pub async fn lead(&self) -> Api {
        Api::log_in(&self.url, LEAD.0, LEAD.1).await
    }

    /// Returns a client without a session.
    pub fn anybody(&self) -> Api {
        Api::anybody(&self.url)
    }

    /// Waits until every job is done that can be done now. Jobs that wait for a running call do not count.
    pub async fn idle(&self) {
        let mut worked = self.service().worked.subscribe();
        let wait = async {
            loop {
                worked.borrow_and_update();
                if self.jobs().await.is_empty() {
                    return;
                }
                self.service().wake.notify_one();
                // A failed job is retried after a second or more: check again after each job.
                worked.changed().await.expect("the service runs");
            }
        };
        if tokio::time::timeout(DEADLINE, wait).await.is_err() {
            panic!("jobs left undone: {:?}", self.jobs().await);
        }
    }

    /// Waits until there are at least `count` reports and no job is left to do.
    pub async fn until_reports(&self, count: usize) {
        let lead = self.lead().await;
        self.until(async || lead.reports().await.len() >= count)
            .await;
        self.idle().await;
    }

    /// Waits until there are at least `count` abandoned calls and no job is left to do.
    pub async fn until_abandoned(&self, count: usize) {
        let lead = self.lead().await;
        let calls = async || {
            lead.get("/abandoned").await.ok()["calls"]
                .as_array()
                .unwrap()
                .len()
        };
        self.until(async || calls().await >= count).await;
        self.idle().await;
    }

    /// Waits until every answered call is over and settled.
    pub async fn until_settled(&self) {
        // A running call has a `watch` job.
        self.until(async || self.all_jobs().await.is_empty()).await;
    }

    /// Waits for a condition that jobs bring about.
    async fn until(&self, there: impl AsyncFn() -> bool) {
        let mut worked = self.service().worked.subscribe();
        let wait = async {
            loop {
                worked.borrow_and_update();
                if there().await {
                    return;
                }
                worked.changed().await.expect("the service runs");
            }
        };
        let waited = tokio::time::timeout(DEADLINE, wait).await;
        assert!(waited.is_ok(), "it does not come about");
    }

    /// Returns the waiting jobs: kind, whether they keep failing, count. `watch` jobs of running calls are left out.
    pub async fn jobs(&self) -> Vec<(String, bool, i64)> {
        let mut counts = self.all_jobs().await;
        counts.retain(|(kind, ..)| kind != "watch");
        counts
    }

    async fn all_jobs(&self) -> Vec<(String, bool, i64)> {
        let mut tx = self.db().begin_read().await.expect("the database");
        let counts = jobs::count(&mut tx).await.expect("the jobs");
        let named =
            |(kind, failing, count): (StoredKind, bool, i64)| (kind.to_string(), failing, count);
        counts.into_iter().map(named).collect()
    }

    /// Deletes all jobs, for a test whose provider has nothing to fetch.
    pub async fn forget_jobs(&self) {
        queue::forget(self.db()).await;
    }

    /// Deletes the jobs of a kind.
    pub async fn forget_jobs_of(&self, kind: &str) {
        let forget = "DELETE FROM jobs WHERE kind = $1";
        sql::run(self.db(), forget, &[kind.into()]).await;
    }

    /// Checks that the stored counts of reports equal the number of rows.
    async fn counts_are_right(&self) {
        const WRONG: &str = "SELECT COALESCE(CAST(SUM(ABS(difference)) AS BIGINT), 0) FROM (
            SELECT SUM(count) AS difference FROM (
                SELECT line, status, count FROM report_counts
                UNION ALL SELECT line, status, -COUNT(*) FROM reports WHERE status IS NOT NULL GROUP BY line, status
            ) AS counts GROUP BY line, status) AS differences";
        let wrong = sql::number(self.db(), WRONG).await;
        assert_eq!(wrong, 0, "kept counts of reports");
    }

    /// Ends the test: checks that no job is left undone and that the provider understood every answer.
    pub async fn finish(mut self) {
        self.idle().await;
        assert_eq!(
            self.exchange.troubles(),
            [],
            "the provider did not understand"
        );
        self.counts_are_right().await;
        let running = self.running.take().expect("the line is running");
        running.stop().await;
        let _ = self.stop_exchange.send(true);
        self.database.remove().await;
    }
}

/// Opens the database of a configuration, with its service secret, which is made if the file is missing.
pub async fn open_db(config: &Config) -> Db {
    let db = Db::open(&config.database).await.expect("the database");
    let file = &config.secret_file;
    let secret = match file.exists() {
        true => ServiceSecret::load(file),
        false => {
            let folder = file.parent().expect("a folder");
            std::fs::create_dir_all(folder).expect("a folder");
            ServiceSecret::create(file)
        }
    };
    let mut tx = db.begin_read().await.expect("the database");
    let installation = store::installation::get(&mut tx).await;
    let installation = installation.expect("the database").map(|of| of.id);
    drop(tx);
    db.prove_with(
        &secret.expect("a service secret"),
        installation.unwrap_or_default(),
        config.lead.as_ref(),
    );
    db
}

/// Returns the configuration of the default line with a test's database and provider.
pub fn configuration(database: &str, api_url: &str) -> String {
    let default = dutyline::config::EMBEDDED;
    let lines = &default[default.find("[[line]]").expect("the default has a line")..];
    format!(
        r#"
[server]
listen     = "127.0.0.1:0"
ops_listen = "127.0.0.1:0"
public_url = "https://duty.example.org"

[storage]
database    = "{database}"
recordings  = "file:data/recordings"
secret_file = "data/service.key"

[[provider]]
name    = "twilio"
kind    = "twilio"
account = "{ACCOUNT}"
auth_token = "{TOKEN}"
api_url = "{api_url}"

{lines}"#
    )
}

/// Number of the second line in [`two_lines`].
pub const OTHER_NUMBER: &str = "18877009156";
/// Ids of the default line, and of the second one in [`two_lines`].
pub const LINES: [&str; 2] = ["fcg-5", "fcg-6"];

/// Returns the configuration with a second line that differs in its id and number.
pub fn two_lines(toml: String) -> String {
    let second = &toml[toml.find("[[line]]").expect("a line")..];
    let second = second
        .replace("\"fcg-5\"", "\"fcg-6\"")
        .replace(NUMBER, OTHER_NUMBER);
    format!("{toml}\n{second}")
}

/// Returns a member's password; panics if it does not meet the rules.
pub fn chosen(password: &str) -> NewPassword {
    NewPassword::choose(password).unwrap_or_else(|unfit| panic!("{password}: {unfit}"))
}

/// Returns a clock that starts at an RFC 3339 time.
pub fn clock_at(at: &str) -> Clock {
    let at = chrono::DateTime::parse_from_rfc3339(at).expect("a time");
    Clock::starting_at(at.with_timezone(&chrono::Utc))
}
