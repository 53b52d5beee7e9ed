//! Builds the service from the configuration, binds, runs, stops gracefully.

mod providers;

pub use providers::make_provider;

use crate::clock::{Clock, RealTimers, Timers};
use crate::conduct::guesses::Guesses;
use crate::config::{Config, ConfigError, ConfigErrors, LineConfig};
use crate::counters::Counters;
use crate::desk::{self, live::Live};
use crate::login::Logins;
use crate::refusals::Refusals;
use crate::service::{Patience, Service};
use crate::sounds::Sounds;
use crate::store::{Db, members};
use crate::telephony::{Provider, Voice};
use crate::vault::receipts::Bench;
use crate::vault::recordings::Recordings;
use crate::vault::secret::ServiceSecret;
use crate::{web, work};
use axum::Router;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// How long requests that have begun may take once the service is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Why the service does not start. One sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong: exit code 2.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// Something it needs is not there: exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error.into())
    }
}

/// The listeners, bound but not served yet.
pub struct Bound {
    main: TcpListener,
    ops: TcpListener,
}

impl Bound {
    /// Binds the configured addresses.
    ///
    /// # Errors
    ///
    /// A sentence, when a port is taken or an address is not this machine's.
    pub async fn bind(listen: SocketAddr, ops_listen: SocketAddr) -> Result<Self, StartError> {
        Ok(Self {
            main: bind(listen).await?,
            ops: bind(ops_listen).await?,
        })
    }

    /// Where webhooks and the API are.
    pub fn main_address(&self) -> SocketAddr {
        address(&self.main)
    }

    /// Where health and metrics are.
    pub fn ops_address(&self) -> SocketAddr {
        address(&self.ops)
    }
}

/// Binds one address.
///
/// # Errors
///
/// A sentence.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        StartError::Failed(match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("{address} is taken by another program; stop that, or choose another port")
            }
            _ => format!("cannot listen at {address}: {error}"),
        })
    })
}

/// The address a listener got.
pub fn address(listener: &TcpListener) -> SocketAddr {
    // A bound listener has an address; the configured one is no better answer.
    listener
        .local_addr()
        .unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
}

/// Builds the service: secret, database, folder, providers, and the check that every line has a key.
///
/// # Errors
///
/// See [`StartError`].
pub async fn build(config: Config, clock: Clock) -> Result<Arc<Service>, StartError> {
    build_with(config, clock, Arc::new(RealTimers)).await
}

/// The same, waiting for callers with these timers.
///
/// # Errors
///
/// See [`StartError`].
pub async fn build_with(
    config: Config,
    clock: Clock,
    timers: Arc<dyn Timers>,
) -> Result<Arc<Service>, StartError> {
    let sounds = Arc::new(Sounds::new(&config.prompts));
    let secrets = config.providers.iter();
    let unreadable = secrets.flat_map(|provider| provider.unreadable_secrets());
    ConfigErrors::check(unreadable.collect())?;
    let mut providers: BTreeMap<String, Arc<dyn Provider>> = BTreeMap::new();
    for provider in &config.providers {
        providers.insert(
            provider.name.clone(),
            make_provider(
                provider,
                &config.public_url,
                Arc::clone(&sounds) as Arc<dyn Voice>,
            )?,
        );
    }
    let secret = ServiceSecret::load(&config.secret_file)
        .map_err(|error| StartError::Failed(error.to_string()))?;
    let recordings = Recordings::open_folder(&config.recordings).map_err(|error| {
        StartError::Failed(format!(
            "the folder {} cannot be written: {error}",
            config.recordings.display()
        ))
    })?;
    recordings.sweep().map_err(|error| {
        StartError::Failed(format!(
            "the folder {} cannot be tidied: {error}",
            config.recordings.display()
        ))
    })?;
    let db = Db::open(&config.database)
        .await
        .map_err(StartError::Failed)?;
    for line in &config.lines {
        check_key(&db, line).await?;
    }
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    if providers.values().any(|p| !p.capabilities().has_voice) {
        sounds.fill(&config).await;
    }
    Ok(Arc::new(Service {
        sid_key: secret.derive("provider ids"),
        config,
        clock,
        timers,
        db,
        secret,
        recordings,
        sounds,
        providers,
        wake: Notify::new(),
        worked: watch::Sender::new(0),
        logins: Logins::default(),
        receipts: Bench::default(),
        guesses: Guesses::default(),
        live: Live::default(),
        arriving: watch::Sender::new(0),
        closing: watch::Sender::new(false),
        counters: Counters::default(),
        refusals: Refusals::default(),
        patience: Patience::default(),
    }))
}

/// Without a key nothing a caller says could be sealed; with another one than pinned, it would be sealed to a stranger.
async fn check_key(db: &Db, entry: &LineConfig) -> Result<(), StartError> {
    let failed = |error: crate::store::StoreError| StartError::Failed(error.to_string());
    let mut tx = db.read().await.map_err(failed)?;
    let key = members::current_key(&mut tx, &entry.line.id)
        .await
        .map_err(failed)?;
    let id = &entry.line.id;
    let Some(key) = key else {
        return Err(StartError::Failed(format!(
            "line {id} has no key yet; run `dutyline init --lead NAME --password-file FILE`"
        )));
    };
    match &entry.pinned_key {
        Some(pinned) if pinned.to_string() != key.recipient => Err(StartError::Failed(format!(
            "line {id} has another key in the database than the one pinned in the configuration; find out who changed it before anybody calls"
        ))),
        _ => Ok(()),
    }
}

/// The service at work: two listeners, the job runner, housekeeping.
pub struct Running {
    /// What it works with.
    pub service: Arc<Service>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts serving. `extra` is mounted beside the service's own addresses (the simulator's phone).
    pub fn start(service: Arc<Service>, bound: Bound, extra: Option<Router>) -> Self {
        let stop = service.closing.clone();
        let main = web::router(Arc::clone(&service)).merge(extra.unwrap_or_default());
        let ops = web::ops_router(Arc::clone(&service));
        let tasks = vec![
            tokio::spawn(serve(bound.main, main, stop.subscribe())),
            tokio::spawn(serve(bound.ops, ops, stop.subscribe())),
            tokio::spawn(work::runner::run(Arc::clone(&service), stop.subscribe())),
            tokio::spawn(desk::live::run(Arc::clone(&service), stop.subscribe())),
            tokio::spawn(work::housekeeping::run(
                Arc::clone(&service),
                stop.subscribe(),
            )),
        ];
        Self { service, tasks }
    }

    /// Stops taking requests, finishes those that have begun and the jobs at work, and closes the database.
    pub async fn stop(self) {
        self.service.closing.send_replace(true);
        let all = async {
            for task in self.tasks {
                let _ = task.await;
            }
            // What was being said is written down first. An error means that nobody is left to count.
            let mut arriving = self.service.arriving.subscribe();
            let _ = arriving.wait_for(|count| *count == 0).await;
        };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!(
                "stopped with requests or jobs unfinished; jobs go on at the next start"
            );
        }
        // A job that hangs keeps its connection; what it has not committed does not count.
        let _ = tokio::time::timeout(GRACE, self.service.db.close()).await;
    }
}

/// Serves a router until `stop` says so.
pub async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let stopped = async move {
        // An error means that whoever could say so is gone.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, router)
        .with_graceful_shutdown(stopped)
        .await
    {
        tracing::error!(%error, "a listener failed");
    }
}
