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
    marked: watch::Sender<Option<Vec<u8>>>,
}

impl Proxy {
    /// A proxy to `server` (host and port).
    pub async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, marked) = (watch::Sender::new(Network::Whole), watch::Sender::new(None));
        let proxy = Self {
            address,
            state: state.clone(),
            marked: marked.clone(),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(
                    client,
                    server.clone(),
                    state.clone(),
                    marked.clone(),
                ));
            }
        });
        proxy
    }

    /// The next transaction that sends these bytes is committed, but the network stalls before anybody hears of it.
    pub fn stall_at_commit_of(&self, bytes: &[u8]) {
        self.marked.send_replace(Some(bytes.to_vec()));
    }

    /// From now on, this.
    pub fn set(&self, network: Network) {
        self.state.send_replace(network);
    }
}

async fn connect(
    client: TcpStream,
    server: String,
    state: watch::Sender<Network>,
    marked: watch::Sender<Option<Vec<u8>>>,
) {
    if *state.borrow() == Network::Cut {
        return;
    }
    let server = TcpStream::connect(server).await.expect("the test server");
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut trap = Trap {
        state: state.clone(),
        marked,
        sprung: false,
    };
    // When one direction ends, both connections are dropped.
    tokio::select! {
        () = pump(from_client, to_server, state.subscribe(), |piece| trap.springs(piece)) => {}
        () = pump(from_server, to_client, state.subscribe(), |_| false) => {}
        () = cut(state.subscribe()) => {}
    }
}

async fn cut(mut state: watch::Receiver<Network>) {
    let _ = state.wait_for(|network| *network == Network::Cut).await;
}

/// Waits for the commit of a marked transaction.
struct Trap {
    state: watch::Sender<Network>,
    marked: watch::Sender<Option<Vec<u8>>>,
    sprung: bool,
}

impl Trap {
    /// Is this piece the commit? Then nothing but it gets through from now on.
    fn springs(&mut self, piece: &[u8]) -> bool {
        let holds = |bytes: &[u8]| piece.windows(bytes.len()).any(|window| window == bytes);
        if self
            .marked
            .borrow()
            .as_ref()
            .is_some_and(|mark| holds(mark))
        {
            self.sprung = true;
        }
        if !self.sprung || !holds(b"COMMIT") {
            return false;
        }
        self.sprung = false;
        self.marked.send_replace(None);
        self.state.send_replace(Network::Stalled);
        true
    }
}

/// Passes on what comes, piece by piece. What is on its way when the network stalls waits too, unless `last` says
/// that it is to get through.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<Network>,
    mut last: impl FnMut(&[u8]) -> bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        let whole = last(&buffer[..count])
            || matches!(
                state.wait_for(|network| *network != Network::Stalled).await,
                Ok(network) if *network == Network::Whole
            );
        if !whole || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
