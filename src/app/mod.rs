//! Builds the service from the configuration, binds its listeners, runs it and stops it gracefully.

pub(crate) mod exposure;
pub mod installation;
mod providers;
pub mod server;
pub mod setup;

pub use installation::accept_heads;
pub use providers::make_provider;

use crate::base::clock::{Clock, RealTimers, Timers};
use crate::config::{Config, ConfigError, ConfigErrors, LineConfig, Lines};
use crate::service::attempts::Logins;
use crate::service::fetches::Fetches;
use crate::service::guesses::Guesses;
use crate::service::health::Health;
use crate::service::held::HeldLines;
use crate::service::line_keys::LineKeys;
use crate::service::metrics::Metrics;
use crate::service::presence::Live;
use crate::service::refusals::Refusals;
use crate::service::resealing::Resealing;
use crate::service::slots::Slots;
use crate::service::webhooks::Batches;
use crate::service::{Patience, Service, Slowest};
use crate::sounds::Sounds;
use crate::store::keys;
use crate::store::{Databases, Db, StoreError};
use crate::telephony::{Provider, Voice};
use crate::vault::blobs::Blobs;
use crate::vault::receipts::ReceiptDeriver;
use crate::vault::secret::ServiceSecret;
use crate::{desk, web, work};
use axum::Router;
use server::Limits;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// Maximum time, after the service was told to stop, for requests and jobs that have begun to finish; then again for
/// the database to close.
const GRACE: Duration = Duration::from_secs(10);

/// Why the service does not start, as a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong: exit code 2.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// Something the service needs is not available: exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error.into())
    }
}

/// The listeners, bound but not yet served.
pub struct Bound {
    main: TcpListener,
    ops: TcpListener,
}

impl Bound {
    /// Binds the configured addresses.
    ///
    /// # Errors
    ///
    /// Returns a sentence when one of the addresses cannot be bound, e.g. because its port is in use or it does not
    /// belong to this machine.
    pub async fn bind(listen: SocketAddr, ops_listen: SocketAddr) -> Result<Self, StartError> {
        Ok(Self {
            main: bind(listen).await?,
            ops: bind(ops_listen).await?,
        })
    }

    /// Returns the address of webhooks, console and API.
    pub fn main_address(&self) -> SocketAddr {
        address(&self.main)
    }

    /// Returns the address of health and metrics.
    pub fn ops_address(&self) -> SocketAddr {
        address(&self.ops)
    }
}

/// Binds one address.
///
/// # Errors
///
/// Returns a sentence when the address cannot be bound, e.g. because its port is in use or it does not belong to this
/// machine.
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

/// Returns the address a listener is bound to.
pub fn address(listener: &TcpListener) -> SocketAddr {
    // A bound listener always has an address; the fallback only avoids a panic.
    listener
        .local_addr()
        .unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
}

/// Builds the service from its parts: providers, service secret, database, folder of recordings, sounds. Checks that
/// the secret belongs to the database, that Postgres syncs to disk, and that every line has a key: the pinned one, if
/// one is pinned.
///
/// # Errors
///
/// Returns [`StartError`] when the configuration is wrong, a part is not available, or one of the checks fails.
pub async fn build(config: Config, clock: Clock) -> Result<Arc<Service>, StartError> {
    build_with(config, clock, Arc::new(RealTimers)).await
}

/// Like [`build`], with these timers, by which calls of a provider that holds a connection wait for callers.
///
/// # Errors
///
/// Returns [`StartError`] when the configuration is wrong, a part is not available, or one of the checks fails.
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
    let db = installation::open_databases(&config)
        .await
        .map_err(StartError::Failed)?;
    check_durability(&db, &clock).await?;
    // Examined before `tidy_recordings` makes the folder of recordings private, because that would hide that it was
    // not.
    let exposed = exposure::warnings(&config);
    for warning in config.warnings().into_iter().chain(exposed) {
        tracing::warn!("{warning}");
    }
    let installation = installation::id(&db.webhooks, &config, &secret).await?;
    db.webhooks
        .prove_with(&secret, installation, config.lead.as_ref());
    db.webhooks.check_lead().await?;
    let file = installation::heads_file(&config);
    db.webhooks.check_heads(&file).await?;
    let blobs = Blobs::open(&config.recordings, installation);
    tidy_recordings(&blobs)?;
    check_keys(&db.webhooks, &config.lines).await?;
    let receipts = ReceiptDeriver::start()
        .map_err(|error| StartError::Failed(format!("no thread can be started: {error}")))?;
    if providers.values().any(|p| !p.capabilities().has_voice) {
        sounds.fill(&config).await;
    }
    Ok(Arc::new(Service {
        sid_key: secret.derive("provider ids"),
        config,
        clock,
        timers,
        batches: Batches::new(&db.webhooks),
        db,
        health: Health::default(),
        secret,
        blobs,
        sounds,
        providers,
        wake: Notify::new(),
        worked: watch::Sender::new(0),
        logins: Logins::default(),
        receipts,
        guesses: Guesses::default(),
        line_keys: LineKeys::default(),
        held_lines: HeldLines::default(),
        take_fetches: Fetches::default(),
        live: Live::default(),
        per_session: Arc::default(),
        arriving: watch::Sender::new(0),
        resealing: Resealing::default(),
        closing: watch::Sender::new(false),
        unnamed_files: AtomicUsize::new(0),
        put_back: AtomicBool::new(false),
        metrics: Metrics::default(),
        refusals: Refusals::default(),
        patience: Patience::default(),
        slowest: Slowest::default(),
        asking: Slots::new(work::settle_asks),
    }))
}

/// Makes the folder of recordings private, and deletes unfinished recordings that killed processes left there, if they
/// ran on this machine. If the folder is missing, cannot be read or is not the installation's, only logs an error: the
/// service starts nevertheless, so that calls are answered, and recordings stay at the provider.
///
/// # Errors
///
/// When the folder is the installation's, but cannot be tidied.
fn tidy_recordings(blobs: &Blobs) -> Result<(), StartError> {
    if let Err(error) = blobs.check_marker() {
        tracing::error!(%error, "recordings stay at the provider until the folder of recordings is available");
        return Ok(());
    }
    blobs.tidy().map(drop).map_err(|error| {
        StartError::Failed(format!(
            "the folder of recordings cannot be tidied: {error}"
        ))
    })
}

/// Sentence for the operator about a Postgres server that runs with `fsync = off`.
pub const NO_FSYNC: &str = "the Postgres server runs with fsync = off: it loses reports it has acknowledged when its machine loses power; set fsync = on in postgresql.conf and restart it";

/// Checks that the database syncs to disk, because callers must not be told that a report is kept before it is. If
/// the clock is shifted, a warning is logged instead of an error, because the service then has no real callers.
async fn check_durability(db: &Databases, clock: &Clock) -> Result<(), StartError> {
    match (db.syncs_to_disk().await, clock.shift()) {
        (Ok(true), _) => Ok(()),
        (Ok(false), None) => Err(StartError::Failed(NO_FSYNC.into())),
        (Ok(false), Some(_)) => {
            tracing::warn!("{NO_FSYNC}");
            Ok(())
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// Checks that every line has a key, and the pinned one if one is pinned. Without a key, what a caller says could
/// not be sealed; with another key than the pinned one, it would be sealed to an unknown party.
async fn check_keys(db: &Db, lines: &Lines) -> Result<(), StartError> {
    let keys = async { keys::line_keys_but_refused(&mut db.begin_read().await?).await };
    let (keys, refused) = keys
        .await
        .map_err(|error: StoreError| StartError::Failed(error.to_string()))?;
    // Of several keys of a line the map keeps the first one, from which the later ones descend.
    let keys = keys.into_iter().rev().map(|key| (key.line, key.recipient));
    let keys: BTreeMap<String, String> = keys.collect();
    for LineConfig { line, pinned_key } in lines {
        let id = &line.id;
        if refused.iter().any(|key| key.line == *id) {
            // The other lines are served nevertheless.
            tracing::error!(line = %id, "line key refused: callers of this line get the fallback answer");
            continue;
        }
        let Some(recipient) = keys.get(id) else {
            return Err(StartError::Failed(format!(
                "line {id} has no key yet; run `dutyline init --lead NAME --password-file FILE`"
            )));
        };
        if pinned_key
            .as_ref()
            .is_some_and(|pinned| pinned.to_string() != *recipient)
        {
            return Err(StartError::Failed(format!(
                "line {id} has another key in the database than the one pinned in the configuration; find out who changed it before anybody calls"
            )));
        }
    }
    Ok(())
}

/// The running service: the tasks of its two listeners, of jobs, housekeeping and live updates.
pub struct Running {
    /// The service's state.
    pub service: Arc<Service>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts the service's tasks. `extra`, e.g. the simulator's telephone, is merged into the routes of the main
    /// listener.
    pub fn start(service: Arc<Service>, bound: Bound, extra: Option<Router>) -> Self {
        let stop = service.closing.clone();
        let main = web::router(Arc::clone(&service)).merge(extra.unwrap_or_default());
        let ops = web::ops_router(Arc::clone(&service));
        let limits = Limits::of_process();
        let tasks = vec![
            tokio::spawn(server::serve(bound.main, main, limits, stop.subscribe())),
            tokio::spawn(server::serve(
                bound.ops,
                ops,
                limits.of_few(),
                stop.subscribe(),
            )),
            tokio::spawn(work::runner::run(Arc::clone(&service), stop.subscribe())),
            tokio::spawn(desk::live::run(Arc::clone(&service), stop.subscribe())),
            tokio::spawn(exchange_changes(Arc::clone(&service), stop.subscribe())),
            tokio::spawn(work::housekeeping::run(
                Arc::clone(&service),
                stop.subscribe(),
            )),
            tokio::spawn(work::trust::run(Arc::clone(&service), stop.subscribe())),
            tokio::spawn(work::housekeeping::checkpoints(
                Arc::clone(&service),
                stop.subscribe(),
            )),
        ];
        Self { service, tasks }
    }

    /// Stops accepting requests, waits up to 10 seconds for those that have begun, running jobs and recordings being
    /// streamed, and closes the database, for which it waits up to 10 seconds too.
    pub async fn stop(self) {
        self.service.closing.send_replace(true);
        let all = async {
            for task in self.tasks {
                let _ = task.await;
            }
            // Recordings being streamed are stored before the service stops. `wait_for` fails only if the counter was
            // dropped.
            let mut arriving = self.service.arriving.subscribe();
            let _ = arriving.wait_for(|count| *count == 0).await;
            let mut resealing = self.service.resealing.count.subscribe();
            let _ = resealing.wait_for(|count| *count == 0).await;
        };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!(
                "stopped with requests or jobs unfinished; jobs go on at the next start"
            );
        }
        // A job that hangs keeps its connection, so the database does not close; nothing of its open transaction is
        // kept.
        let _ = tokio::time::timeout(GRACE, self.service.db.close()).await;
    }
}

/// Serves a router until `stop` is true, with the limits for this process.
pub async fn serve(listener: TcpListener, router: Router, stop: watch::Receiver<bool>) {
    server::serve(listener, router, Limits::of_process(), stop).await;
}

/// Notifies other nodes of changes and receives theirs, until `stop` is true.
async fn exchange_changes(service: Arc<Service>, stop: watch::Receiver<bool>) {
    service.db.exchange_changes(stop).await;
}
