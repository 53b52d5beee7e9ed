//! The sound of a call: RTP sent and received by the test.
//!
//! SIPp signals but cannot record, and its speech and keys come from files with fixed times, so that a key pressed
//! twice counts as one. So this handset sends and receives the sound of its calls: one stream as a telephone sends it,
//! every 20 milliseconds, including silence, with keys according to RFC 4733.

use super::speech::{PACKET, from_alaw, to_alaw};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// RTP payload types of A-law (RFC 3551), and of keys as agreed.
const ALAW: u8 = 8;
const KEYS: u8 = 101;
/// Size of the header of a packet without extensions (RFC 3550), in bytes.
const HEADER: usize = 12;
/// Level from which a packet counts as loud: above A-law's silence, far below speech.
const LOUD: u16 = 200;
/// Duration of a packet.
const TICK: Duration = Duration::from_millis(20);
/// Number of packets for which a key is held, and of packets that repeat its end.
const HELD: u16 = 8;
const ENDS: u16 = 3;
/// Number of packets between two keys.
const BETWEEN: usize = 5;

/// The content of a packet.
#[derive(Clone)]
enum Packet {
    Sound(Vec<u8>),
    /// The event, its duration in packets, and whether it has ended.
    Key(u8, u16, bool),
}

#[derive(Default)]
struct State {
    /// Address to which Asterisk wants the sound.
    to: Option<SocketAddr>,
    /// Packets still to be sent; silence is sent when it is empty.
    queue: VecDeque<Packet>,
    heard: Vec<i16>,
    /// Number of loud packets; the time of the last one is in `last_loud`.
    loud: usize,
    last_loud: Option<Instant>,
    over: bool,
}

/// A handset. It listens, and sends once it knows the destination, until it is dropped.
pub struct Handset {
    /// Port that receives and sends the sound.
    pub port: u16,
    state: Arc<Mutex<State>>,
    threads: Vec<JoinHandle<()>>,
}

impl Handset {
    /// Opens a handset on a free port of this address.
    pub fn at(address: IpAddr) -> Self {
        let socket = UdpSocket::bind((address, 0)).expect("a port");
        socket.set_read_timeout(Some(TICK)).expect("a timeout");
        let port = socket.local_addr().expect("its port").port();
        let state = Arc::<Mutex<State>>::default();
        let own = socket.try_clone().expect("the same socket");
        let (hearing, speaking) = (Arc::clone(&state), Arc::clone(&state));
        let threads = vec![
            std::thread::spawn(move || hear(&own, &hearing)),
            std::thread::spawn(move || speak(&socket, &speaking)),
        ];
        Self {
            port,
            state,
            threads,
        }
    }

    /// Sets the destination of the sound.
    pub fn sends_to(&self, to: SocketAddr) {
        lock(&self.state).to = Some(to);
    }

    /// Appends sound to what is being sent.
    pub fn say(&self, samples: &[i16]) {
        let packets = samples
            .chunks(PACKET)
            .map(|samples| Packet::Sound(samples.iter().copied().map(to_alaw).collect()));
        lock(&self.state).queue.extend(packets);
    }

    /// Appends a key to what is being sent.
    pub fn press(&self, key: char) {
        let event = match key {
            '*' => 10,
            '#' => 11,
            digit => digit.to_digit(10).expect("a key").try_into().unwrap(),
        };
        let mut state = lock(&self.state);
        let held = (1..=HELD).map(|lasted| Packet::Key(event, lasted, false));
        state.queue.extend(held);
        state
            .queue
            .extend((0..ENDS).map(|_| Packet::Key(event, HELD, true)));
        state.queue.extend((0..BETWEEN).map(|_| silence()));
    }

    /// True if everything has been sent.
    pub fn is_done(&self) -> bool {
        lock(&self.state).queue.is_empty()
    }

    /// Returns everything heard so far, without pauses in which no packet arrived.
    pub fn heard(&self) -> Vec<i16> {
        lock(&self.state).heard.clone()
    }

    /// Returns the number of loud packets so far, and the time since the last one (zero if there was none).
    #[expect(clippy::disallowed_methods, reason = "a listener's own time")]
    pub fn quiet(&self) -> (usize, Duration) {
        let state = lock(&self.state);
        let now = Instant::now();
        let since = state.last_loud.map(|last| now.duration_since(last));
        (state.loud, since.unwrap_or_default())
    }
}

fn silence() -> Packet {
    Packet::Sound(vec![to_alaw(0); PACKET])
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "a listener's own time")]
fn hear(socket: &UdpSocket, state: &Mutex<State>) {
    let mut packet = [0; 2_048];
    loop {
        let length = socket.recv(&mut packet).unwrap_or(0);
        let samples = sound(&packet[..length]);
        let mut state = lock(state);
        if state.over {
            return;
        }
        if samples.iter().any(|sample| sample.unsigned_abs() >= LOUD) {
            state.loud += 1;
            state.last_loud = Some(Instant::now());
        }
        state.heard.extend(samples);
    }
}

/// Returns the sound in a packet; empty for a packet of another kind.
fn sound(packet: &[u8]) -> Vec<i16> {
    match packet {
        [0x80, kind, ..] if kind & 0x7F == ALAW && packet.len() > HEADER => {
            packet[HEADER..].iter().copied().map(from_alaw).collect()
        }
        _ => Vec::new(),
    }
}

#[expect(clippy::disallowed_methods, reason = "packets leave in real time")]
fn speak(socket: &UdpSocket, state: &Mutex<State>) {
    let (mut sequence, mut time) = (0u16, 0u32);
    let mut event_began = 0u32;
    // The source of the stream: arbitrary, but constant.
    let source = socket.local_addr().map_or(1, |own| u32::from(own.port()));
    let mut due = Instant::now();
    loop {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due += TICK;
        let (to, next) = {
            let mut state = lock(state);
            if state.over {
                return;
            }
            let Some(to) = state.to else { continue };
            (to, state.queue.pop_front().unwrap_or_else(silence))
        };
        let (kind, stamp, payload) = match next {
            Packet::Sound(payload) => (ALAW, time, payload),
            Packet::Key(event, lasted, over) => {
                let mut kind = KEYS;
                // All packets of a key carry the time of its beginning; the first one is marked.
                if lasted == 1 {
                    event_began = time;
                    kind |= 0x80;
                }
                let [high, low] = (lasted * PACKET as u16).to_be_bytes();
                let payload = vec![event, u8::from(over) << 7 | 10, high, low];
                (kind, event_began, payload)
            }
        };
        let mut packet = vec![0x80, kind];
        packet.extend(sequence.to_be_bytes());
        packet.extend(stamp.to_be_bytes());
        packet.extend(source.to_be_bytes());
        packet.extend(payload);
        // Fails if the other end has closed its port.
        let _ = socket.send_to(&packet, to);
        sequence = sequence.wrapping_add(1);
        time = time.wrapping_add(PACKET as u32);
    }
}

impl Drop for Handset {
    fn drop(&mut self) {
        lock(&self.state).over = true;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
