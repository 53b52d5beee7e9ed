//! Playing recordings: the number open at once, and the resources they hold.

use crate::support::{Api, DEADLINE, Database, LEAD, NUMBER, TestLine};
use dutyline::simulator::exchange::SpeechEnd;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Maximum number of recordings open in one session; a further one closes the oldest.
const OPEN_AT_ONCE: usize = 4;
/// Number of threads for blocking work: fewer than paused players.
const THREADS: usize = 6;

/// Returns a WAV file of five minutes, larger than the sockets' buffers.
fn long() -> bytes::Bytes {
    const BYTES: u32 = 300 * 16_000;
    let mut wav = dutyline::audio::wav::header(BYTES).to_vec();
    wav.extend((0..BYTES).map(|n| (n % 251) as u8));
    wav.into()
}

/// Starts a player that has requested a recording and reads nothing of it.
async fn paused(line: &TestLine, token: &str, path: &str) -> TcpStream {
    let at: SocketAddr = line.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = format!(
        "GET /api/v1{path} HTTP/1.1\r\nHost: duty\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // The head has arrived: the recording is open.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(DEADLINE, stream.read_u8()).await;
        head.push(byte.expect("an answer in time").expect("an answer"));
    }
    assert!(
        head.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    stream
}

/// Returns what can still be read of the recording.
async fn rest(mut player: TcpStream) -> Vec<u8> {
    let mut audio = Vec::new();
    let read = player.read_to_end(&mut audio);
    let _ = tokio::time::timeout(DEADLINE, read).await.expect("an end");
    audio
}

#[test]
fn paused_players_hold_no_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let line = TestLine::open(Database::sqlite()).await;
        let call = line.exchange.dial("+8613800138000", NUMBER).await.unwrap();
        line.exchange.press(&call.id, "1").await.unwrap();
        line.exchange
            .speak(&call.id, long(), Some(SpeechEnd::Key))
            .await
            .unwrap();
        line.exchange.press(&call.id, "1").await.unwrap();
        line.exchange.hang_up(&call.id).await.unwrap();
        line.until_reports(1).await;
        let lead = line.lead().await;
        let report = lead.reports().await.remove(0);
        let path = format!("/reports/{}/recordings/1", report["id"].as_str().unwrap());

        let mut players = Vec::new();
        for _ in 0..2 * THREADS {
            players.push(paused(&line, lead.token(), &path).await);
        }
        // Blocking work is still done: another login, which derives a key from a password.
        let login = Api::log_in(&line.url, LEAD.0, LEAD.1);
        let other = tokio::time::timeout(DEADLINE, login).await;
        let other = other.expect("a login in time");

        // The newest players continue; the ones before them were closed, and may request it again.
        for (n, player) in players.into_iter().rev().enumerate() {
            let audio = rest(player).await;
            let is_whole = audio[..] == long()[..];
            assert_eq!(is_whole, n < OPEN_AT_ONCE, "{n}: {} bytes", audio.len());
        }
        // Recordings of another session stay open, and one read to its end frees its place.
        for _ in 0..=OPEN_AT_ONCE {
            assert_eq!(other.get(&path).await.body, long());
        }
        line.finish().await;
    });
}
