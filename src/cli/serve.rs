//! `dutyline serve`: runs the service until a signal ends it.

use super::{Failure, Outcome, clock};
use crate::app::{self, Bound, Running, server};
use crate::config::{Config, ProviderConfig, ProviderKind, ProviderSettings};
use crate::simulator;
use crate::simulator::exchange::{Exchange, ExchangeSettings};
use axum::Router;
use clap::Args;
use std::path::Path;
use tokio::net::TcpListener;
use tokio::sync::watch;

#[derive(Args)]
pub(super) struct Serve {
    /// Start the line's clock at this time, e.g. 2024-03-06T09:00:00+08:00; for trying things out
    #[arg(long, value_name = "TIME")]
    clock: Option<String>,
    /// Serve a simulated provider that the configuration names; for trying things out
    #[arg(long)]
    allow_simulator: bool,
    /// Start although the database was put back to an earlier state than this machine has seen, as after a restored
    /// backup; the audit trail says so from then on
    #[arg(long)]
    accept_head: bool,
}

impl Serve {
    pub async fn run(self, config: Option<&Path>) -> Outcome {
        // Called first, because a signal that arrives before its handler is installed ends the process.
        let told = until_told();
        let config = Config::load(config)?;
        let simulated: Vec<ProviderConfig> = config
            .providers
            .iter()
            .filter(|provider| provider.kind == ProviderKind::Simulator)
            .cloned()
            .collect();
        if let (Some(provider), false) = (simulated.first(), self.allow_simulator) {
            return Err(provider
                .wrong_kind(
                    "a simulator: anybody on this machine could call; add --allow-simulator if that is what you want"
                        .into(),
                )
                .into());
        }
        let clock = clock(self.clock.as_deref())?;
        server::raise_descriptor_limit();
        if self.accept_head {
            let accepted = app::accept_heads(&config, &clock).await;
            accepted.map_err(Failure::Failed)?;
        }
        let service = app::build(config, clock).await?;
        let bound = Bound::bind(service.config.listen, service.config.ops_listen).await?;
        let main = bound.main_address();
        println!("listening on http://{main}  webhooks and API, for the proxy");
        println!(
            "listening on http://{}  health and metrics",
            bound.ops_address()
        );
        let mut simulators = Vec::new();
        for provider in simulated {
            simulators.push(Simulator::open(&provider, &service.config.public_url, main).await?);
        }
        let phone = simulators.first().map(Simulator::phone);
        let (stop_simulators, stopped) = watch::channel(false);
        for simulator in simulators {
            tokio::spawn(app::serve(
                simulator.listener,
                simulator.exchange.rest_router(),
                stopped.clone(),
            ));
        }
        let running = Running::start(service, bound, phone);
        told.await;
        running.stop().await;
        // Fails if the receivers were dropped already.
        let _ = stop_simulators.send(true);
        Ok(())
    }
}

/// A simulated provider: the exchange, and the listener of its REST API.
pub(super) struct Simulator {
    /// The exchange.
    pub exchange: Exchange,
    /// Listener bound at the provider's `api_url`.
    pub listener: TcpListener,
}

impl Simulator {
    /// Creates the exchange of a configured simulator and binds the address in its `api_url`. `main` is the address
    /// of the service's listener, to which webhooks are sent.
    pub async fn open(
        provider: &ProviderConfig,
        public_url: &str,
        main: std::net::SocketAddr,
    ) -> Result<Self, Failure> {
        let address = reqwest::Url::parse(&provider.api_url)
            .ok()
            .and_then(|url| url.socket_addrs(|| None).ok())
            .and_then(|addresses| addresses.first().copied())
            .ok_or_else(|| Failure::Usage(format!("{}: not an address", provider.api_url)))?;
        Self::at(app::bind(address).await?, provider, public_url, main)
    }

    /// Like [`Simulator::open`], with a listener that is bound at the `api_url` already.
    pub fn at(
        listener: TcpListener,
        provider: &ProviderConfig,
        public_url: &str,
        main: std::net::SocketAddr,
    ) -> Result<Self, Failure> {
        let ProviderSettings::Simulator {
            account,
            auth_token,
        } = &provider.settings
        else {
            return Err(Failure::Usage(format!(
                "{}: not a simulator",
                provider.name
            )));
        };
        let exchange = Exchange::new(ExchangeSettings {
            account: account.clone(),
            auth_token: auth_token.read()?.into_iter().next().unwrap_or_default(),
            hooks_url: format!("http://{main}/hooks/{}", provider.name),
            api_url: provider.api_url.clone(),
            public_url: public_url.to_owned(),
        })
        .map_err(Failure::Failed)?;
        Ok(Self { exchange, listener })
    }

    /// Returns the routes of a telephone connected to this exchange.
    pub fn phone(&self) -> Router {
        simulator::telephone(self.exchange.clone())
    }
}

/// Waits for SIGINT (Ctrl-C) or SIGTERM. The handlers are installed when this is called, so that a signal that
/// arrives while the service is starting is not lost. SIGHUP, which a closed terminal sends, is logged and
/// otherwise ignored.
#[cfg(unix)]
pub(super) fn until_told() -> impl Future<Output = ()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    async fn told(signal: &mut std::io::Result<Signal>) {
        match signal {
            Ok(signal) => {
                signal.recv().await;
            }
            // A handler that could not be installed never reports; the other signals are still handled.
            Err(_) => std::future::pending().await,
        }
    }
    let mut interrupt = signal(SignalKind::interrupt());
    let mut terminate = signal(SignalKind::terminate());
    let mut hang_up = signal(SignalKind::hangup());
    async move {
        loop {
            tokio::select! {
                () = told(&mut interrupt) => return,
                () = told(&mut terminate) => return,
                () = told(&mut hang_up) => tracing::info!(
                    "SIGHUP ignored; a changed configuration takes effect at the next start"
                ),
            }
        }
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub(super) async fn until_told() {
    drop(tokio::signal::ctrl_c().await);
}
