//! A proxy between the service and its Postgres, to be cut, stalled and restored.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does with what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Passes everything on.
    Whole,
    /// Connections stay, and nothing gets through.
    Stalled,
    /// Connections break, and new ones break at once.
    Cut,
}

/// A running proxy; it ends with the test.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    state: watch::Sender<Network>,
}

impl Proxy {
    /// A proxy to `server` (host and port).
    pub async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, seen) = watch::channel(Network::Whole);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, server.clone(), seen.clone()));
            }
        });
        Self { address, state }
    }

    /// From now on, this.
    pub fn set(&self, network: Network) {
        self.state.send_replace(network);
    }
}

async fn connect(client: TcpStream, server: String, state: watch::Receiver<Network>) {
    if *state.borrow() == Network::Cut {
        return;
    }
    let server = TcpStream::connect(server).await.expect("the test server");
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // When one direction ends, both connections are dropped.
    tokio::select! {
        () = pump(from_client, to_server, state.clone()) => {}
        () = pump(from_server, to_client, state) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<Network>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let network = *state.borrow_and_update();
        let passing = network == Network::Whole;
        if network == Network::Cut {
            return;
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            read = from.read(&mut buffer), if passing => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => if to.write_all(&buffer[..count]).await.is_err() { return },
            }
        }
    }
}
