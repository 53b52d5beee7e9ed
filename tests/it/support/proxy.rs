//! A proxy between the service and its Postgres that can be cut, stalled and restored.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does with traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Forwards everything.
    Whole,
    /// Keeps connections open and forwards nothing.
    Stalled,
    /// Closes connections, new ones at once.
    Cut,
}

/// A running proxy, stopped at the end of the test.
pub struct Proxy {
    /// Address it listens on.
    pub address: SocketAddr,
    state: watch::Sender<Network>,
    marked: watch::Sender<Option<Vec<u8>>>,
}

impl Proxy {
    /// Starts a proxy to `server` (host and port).
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

    /// Stalls the network after the commit of the next transaction that sends these bytes: it is committed, but the
    /// client receives no answer.
    pub fn stall_at_commit_of(&self, bytes: &[u8]) {
        self.marked.send_replace(Some(bytes.to_vec()));
    }

    /// Sets the state of the network.
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
    // Both connections are dropped when one direction ends.
    tokio::select! {
        () = pump(from_client, to_server, state.subscribe(), |piece| trap.springs(piece)) => {}
        () = pump(from_server, to_client, state.subscribe(), |_| false) => {}
        () = cut(state.subscribe()) => {}
    }
}

async fn cut(mut state: watch::Receiver<Network>) {
    let _ = state.wait_for(|network| *network == Network::Cut).await;
}

/// Detects the commit of a marked transaction.
struct Trap {
    state: watch::Sender<Network>,
    marked: watch::Sender<Option<Vec<u8>>>,
    sprung: bool,
}

impl Trap {
    /// True if this piece is the commit; it is then the last to be forwarded, and the network stalls.
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

/// Forwards data piece by piece. When the network stalls, a piece already read waits too, unless `last` says that it is
/// to be forwarded.
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
