//! A caller's audio, sent over the WebSocket of a `listen`.

use super::{FeatureServer, PUBLIC, merge};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// The WebSocket of a `listen`.
pub type Socket = WebSocketStream<TcpStream>;

/// Length of a frame in bytes: a fiftieth of a second.
const FRAME: usize = 320;

impl FeatureServer {
    /// Opens the WebSocket of a `listen` and sends the call's metadata. Returns the status when it is refused.
    pub(super) async fn open(&self, id: &str, listen: &Value) -> Result<(), u16> {
        let mut socket = self.connect(listen).await?;
        let mut metadata =
            json!({"sampleRate": listen["sampleRate"], "mixType": listen["mixType"]});
        let from = self.with(id, |call| call.from.clone());
        merge(&mut metadata, json!({"callSid": id, "from": from}));
        let sent = socket.send(Message::text(metadata.to_string())).await;
        sent.expect("it takes the metadata");
        self.sockets.lock().await.insert(id.to_owned(), socket);
        Ok(())
    }

    /// Opens the WebSocket again for a call that lost it while it waits in its `listen`.
    pub async fn connects_again(&self, id: &str) -> Result<(), u16> {
        let listen = self.verb(id);
        self.open(id, &listen).await
    }

    /// Requests the WebSocket of a `listen` and disconnects before the answer.
    pub async fn breaks_off(&self, listen: &Value) {
        let (host, rest) = self.address_of(listen);
        let user = listen["wsAuth"]["username"].as_str().expect("a user");
        let password = listen["wsAuth"]["password"].as_str().expect("a password");
        let pair = STANDARD.encode(format!("{user}:{password}"));
        let request = format!(
            "GET {rest} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: audio.jambonz.org\r\nAuthorization: Basic {pair}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(host).await.expect("the service listens");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it is sent");
    }

    /// Returns host and path of a `listen`.
    fn address_of(&self, listen: &Value) -> (String, String) {
        let url = listen["url"].as_str().expect("an address");
        let secure = PUBLIC.replacen("https", "wss", 1);
        let rest = url.strip_prefix(&secure).expect("an address of ours");
        let service = self.service.lock().unwrap().clone();
        let host = service.strip_prefix("http://").unwrap();
        (host.to_owned(), rest.to_owned())
    }

    /// Connects as a `listen` says. Returns the status when it is refused.
    pub async fn connect(&self, listen: &Value) -> Result<Socket, u16> {
        let (host, rest) = self.address_of(listen);
        let mut request = format!("ws://{host}{rest}").into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static("audio.jambonz.org"),
        );
        if let Some(user) = listen["wsAuth"]["username"].as_str() {
            let password = listen["wsAuth"]["password"].as_str().unwrap();
            let pair = STANDARD.encode(format!("{user}:{password}"));
            let basic = HeaderValue::from_str(&format!("Basic {pair}")).unwrap();
            headers.insert(header::AUTHORIZATION, basic);
        }
        let stream = TcpStream::connect(host).await.expect("the service listens");
        match client_async(request, stream).await {
            Ok((socket, response)) => {
                let protocol = &response.headers()[header::SEC_WEBSOCKET_PROTOCOL];
                assert_eq!(protocol, "audio.jambonz.org");
                Ok(socket)
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Streams a WAV file of 16 bits, one channel and 8,000 samples a second.
    pub async fn say(&self, id: &str, audio: &Bytes) {
        let mut sockets = self.sockets.lock().await;
        let socket = sockets.get_mut(id).expect("a recording runs");
        for frame in audio[44..].chunks(FRAME) {
            let sent = socket.send(Message::binary(Bytes::copy_from_slice(frame)));
            sent.await.expect("it takes what is said");
        }
    }

    /// Streams silence until the service closes the WebSocket.
    pub(super) async fn until_it_is_closed(&self, id: &str, most_seconds: usize) {
        let silence = Bytes::from(vec![0; 44 + most_seconds * 50 * FRAME]);
        self.until_closed(id, &silence).await;
    }

    /// Streams a WAV file until the service closes the WebSocket.
    pub async fn until_closed(&self, id: &str, audio: &Bytes) {
        let socket = self.sockets.lock().await.remove(id);
        let (mut sink, mut incoming) = socket.expect("a recording runs").split();
        let sending = async {
            for frame in audio[44..].chunks(FRAME) {
                let frame = Message::binary(Bytes::copy_from_slice(frame));
                if sink.send(frame).await.is_err() {
                    break;
                }
            }
        };
        let closed = async { while let Some(Ok(_)) = incoming.next().await {} };
        let both = async { tokio::join!(sending, closed) };
        let closed = tokio::time::timeout(super::super::DEADLINE, both).await;
        assert!(closed.is_ok(), "the service ends a recording");
    }

    /// Closes the WebSocket, as jambonz does when a `listen` ends, and waits until the service has closed it too.
    pub async fn close(&self, id: &str) {
        let Some(mut socket) = self.sockets.lock().await.remove(id) else {
            return;
        };
        // It may be closed already.
        let _ = socket.close(None).await;
        let closed = async { while let Some(Ok(_)) = socket.next().await {} };
        let closed = tokio::time::timeout(super::super::DEADLINE, closed).await;
        assert!(closed.is_ok(), "the service closes it too");
    }

    /// Drops the connection without a close frame.
    pub async fn cut(&self, id: &str) {
        self.sockets.lock().await.remove(id);
    }
}
