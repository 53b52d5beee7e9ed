//! Slow, silent or too many clients: none of them prevents a webhook from being answered.

use crate::support::hooks::{FORM, SIGNATURE, call_form, encode, signature};
use crate::support::{DEADLINE, Database, TOKEN, TestLine};
use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use dutyline::app::{self, server};
use dutyline::web;
use futures_util::stream;
use server::Limits;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const HALF_A_HEAD: &str = "POST /hooks/twilio/call HTTP/1.1\r\nHost: duty\r\nX-Slow: ";
const HALF_A_REQUEST: &str =
    "POST /hooks/twilio/call HTTP/1.1\r\nHost: duty\r\nContent-Length: 10\r\n\r\nHalf";
const CALL: &str = "/hooks/twilio/call";
/// A limit that is not reached in a test.
const NEVER: Duration = Duration::from_secs(3600);
/// A limit short enough to wait for.
const SHORT: Duration = Duration::from_millis(50);

/// A server with its own limits.
struct Served {
    at: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Served {
    async fn start(router: Router, limits: Limits) -> Self {
        let listener = app::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let at = app::address(&listener);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(server::serve(listener, router, limits, stopped));
        Self { at, stop, task }
    }

    /// Connects and sends this text.
    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn end(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
    }
}

/// Returns limits that are not reached, for a process that may open this many files.
fn patient(descriptors: usize) -> Limits {
    Limits {
        head: NEVER,
        body: NEVER,
        idle: NEVER,
        write: NEVER,
        ..Limits::for_descriptors(descriptors)
    }
}

/// Returns everything received until the connection ends.
async fn all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    // An error is an end as well: a connection is reset where data was not read.
    let _ = tokio::time::timeout(DEADLINE, read)
        .await
        .expect("the connection ends");
    String::from_utf8_lossy(&text).into_owned()
}

/// Returns the first line received.
async fn status(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n") {
        let byte = tokio::time::timeout(DEADLINE, stream.read_u8()).await;
        text.push(byte.expect("an answer").expect("an answer"));
    }
    String::from_utf8(text).unwrap().trim_end().to_owned()
}

/// Returns the text of a complete request.
fn whole(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: duty\r\nContent-Length: 0\r\n\r\n")
}

/// Returns the text of a complete signed webhook of a new call.
fn webhook(call: &str) -> String {
    let fields = call_form(call, &[]);
    let body = encode(&fields);
    format!(
        "POST {CALL} HTTP/1.1\r\nHost: duty\r\n{}: {}\r\n{SIGNATURE}: {}\r\nContent-Length: {}\r\n\r\n{}",
        FORM.0,
        FORM.1,
        signature(TOKEN, CALL, &fields),
        body.len(),
        String::from_utf8(body).unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_requests_do_not_silence_the_line() {
    let line = TestLine::open(Database::sqlite()).await;
    let router = web::router(Arc::clone(line.service()));
    let served = Served::start(router, patient(40)).await;
    for half in [HALF_A_HEAD, HALF_A_REQUEST, ""] {
        let mut halves = Vec::new();
        for _ in 0..30 {
            halves.push(served.send(half).await);
        }
        // At most ten are kept, the newest ones.
        for oldest in &mut halves[..20] {
            assert_eq!(all(oldest).await, "", "{half:?}");
        }
        let mut real = served.send(&webhook(&format!("CA{}", half.len()))).await;
        assert_eq!(status(&mut real).await, "HTTP/1.1 200 OK", "{half:?}");
    }
    // A client that is slow, but within the limits, is answered.
    let mut slow = served.send(HALF_A_HEAD).await;
    slow.write_all(b"1\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(status(&mut slow).await, "HTTP/1.1 403 Forbidden");
    drop(slow);
    served.end().await;
    line.forget_jobs().await;
    line.finish().await;
}

/// Returns a complete answer with `Content-Length`; the connection stays open.
async fn answered(stream: &mut TcpStream) -> String {
    let mut head = status(stream).await;
    head.push_str("\r\n");
    while !head.ends_with("\r\n\r\n") {
        let byte = tokio::time::timeout(DEADLINE, stream.read_u8()).await;
        head.push(char::from(byte.expect("an answer").expect("an answer")));
    }
    let head = head.to_ascii_lowercase();
    let (_, length) = head.split_once("content-length: ").expect("its length");
    let length = length.split("\r\n").next().and_then(|n| n.parse().ok());
    let mut body = vec![0; length.expect("a number")];
    let read = tokio::time::timeout(DEADLINE, stream.read_exact(&mut body)).await;
    read.expect("a body").expect("a body");
    head
}

/// A provider keeps its connections open between two webhooks. Incomplete requests of other clients do not close them.
#[tokio::test]
async fn half_requests_do_not_close_connections_between_two_webhooks() {
    let (answering, _) = watch::channel(0);
    let served = Served::start(router(answering), patient(40)).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut stream = served.send(&whole("POST", CALL)).await;
        answered(&mut stream).await;
        kept.push(stream);
    }
    for half in [HALF_A_HEAD, HALF_A_REQUEST, ""] {
        let mut halves = Vec::new();
        for _ in 0..30 {
            halves.push(served.send(half).await);
        }
        for oldest in &mut halves[..20] {
            assert_eq!(all(oldest).await, "", "{half:?}");
        }
        for stream in &mut kept {
            let request = whole("POST", CALL);
            stream.write_all(request.as_bytes()).await.expect(half);
            assert!(answered(stream).await.starts_with("http/1.1 200 ok"));
        }
    }
    served.end().await;
}

/// Connections that are idle between two requests do not keep new ones out: the one idle longest is closed.
#[tokio::test]
async fn connections_between_two_requests_make_room_for_new_ones() {
    let (answering, _) = watch::channel(0);
    let served = Served::start(router(answering), patient(40)).await;
    let mut kept = Vec::new();
    for _ in 0..30 {
        let mut stream = served.send(&whole("POST", CALL)).await;
        assert!(answered(&mut stream).await.starts_with("http/1.1 200 ok"));
        kept.push(stream);
    }
    for oldest in &mut kept[..20] {
        assert_eq!(all(oldest).await, "");
    }
    let youngest = kept.last_mut().unwrap();
    let request = whole("POST", CALL);
    youngest.write_all(request.as_bytes()).await.unwrap();
    assert!(answered(youngest).await.starts_with("http/1.1 200 ok"));
    served.end().await;
}

/// Returns a router with four addresses: one answers at once, one never, one with the length of the request's body, one
/// without end.
#[expect(clippy::disallowed_methods, reason = "addresses of the test alone")]
fn router(answering: watch::Sender<usize>) -> Router {
    let endless = async move || {
        answering.send_modify(|count| *count += 1);
        let counted = Counted(answering.clone());
        let piece = Bytes::from(vec![0; 64 * 1024]);
        let pieces = stream::unfold(counted, move |counted| {
            std::future::ready(Some((Ok::<_, std::io::Error>(piece.clone()), counted)))
        });
        Body::from_stream(pieces)
    };
    Router::new()
        .route("/", get("hello"))
        .route("/never", get(async || std::future::pending::<&str>().await))
        .route("/endless", get(endless))
        .route(CALL, post(async |body: Bytes| body.len().to_string()))
}

/// Counts an answer as finished when dropped.
struct Counted(watch::Sender<usize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[tokio::test]
async fn a_client_that_keeps_the_server_waiting_is_let_go() {
    let (answering, mut answered) = watch::channel(0);
    let limits = Limits {
        head: SHORT,
        ..patient(1024)
    };
    let served = Served::start(router(answering.clone()), limits).await;
    assert_eq!(all(&mut served.send("").await).await, "", "nothing at all");
    assert_eq!(all(&mut served.send(HALF_A_HEAD).await).await, "");
    // The second request of a connection too.
    let mut again = served.send(&whole("POST", CALL)).await;
    assert_eq!(status(&mut again).await, "HTTP/1.1 200 OK");
    again.write_all(HALF_A_HEAD.as_bytes()).await.unwrap();
    assert!(all(&mut again).await.ends_with("\r\n\r\n0"));
    served.end().await;

    let limits = Limits {
        body: SHORT,
        ..patient(1024)
    };
    let served = Served::start(router(answering.clone()), limits).await;
    assert_eq!(all(&mut served.send(HALF_A_REQUEST).await).await, "");
    served.end().await;

    let limits = Limits {
        idle: SHORT,
        ..patient(1024)
    };
    let served = Served::start(router(answering.clone()), limits).await;
    let text = all(&mut served.send(&whole("GET", "/")).await).await;
    assert!(text.ends_with("hello"), "{text}");
    served.end().await;

    let limits = Limits {
        write: SHORT,
        ..patient(1024)
    };
    let served = Served::start(router(answering), limits).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut reads_nothing = socket.connect(served.at).await.unwrap();
    let request = whole("GET", "/endless");
    reads_nothing.write_all(request.as_bytes()).await.unwrap();
    for count in [1, 0] {
        let waiting = answered.wait_for(|now| *now == count);
        let waited = tokio::time::timeout(DEADLINE, waiting).await;
        assert!(waited.is_ok(), "the answer begins, and is given up");
    }
    served.end().await;
}

#[tokio::test]
async fn other_requests_leave_room_for_webhooks() {
    let (answering, _) = watch::channel(0);
    let served = Served::start(router(answering), patient(8)).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        kept.push(served.send(&whole("GET", "/never")).await);
    }
    // Both have been accepted when a third one finds no room.
    loop {
        let mut third = served.send(&whole("GET", "/")).await;
        if status(&mut third).await == "HTTP/1.1 503 Service Unavailable" {
            let rest = all(&mut third).await;
            assert!(rest.contains("retry-after: 1"), "{rest}");
            // A browser shows this text.
            assert!(
                rest.contains("系统繁忙") && rest.contains("try again"),
                "{rest}"
            );
            break;
        }
    }
    for _ in 0..5 {
        let mut webhook = served.send(&whole("POST", CALL)).await;
        assert_eq!(status(&mut webhook).await, "HTTP/1.1 200 OK");
        kept.push(webhook);
    }
    // A client that disconnects frees its place.
    drop(kept);
    loop {
        let mut next = served.send(&whole("GET", "/")).await;
        if status(&mut next).await == "HTTP/1.1 200 OK" {
            break;
        }
    }
    served.end().await;
}
