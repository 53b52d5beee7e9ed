//! A provider's webhooks over one connection kept alive, and how long each answer took.

use dutyline::hidden::Hidden;
use dutyline::simulator::signer;
use dutyline::simulator::twiml_reader::{self, Verb};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::served::{ACCOUNT, PUBLIC, TOKEN};

/// Every call and recording has its own id.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What is done in a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A note is left and sent: six webhooks.
    Whole,
    /// The call comes in and two wrong keys are pressed: three webhooks that leave no job behind.
    Pressing,
}

/// One connection.
pub struct Caller {
    stream: BufReader<TcpStream>,
    token: Hidden<String>,
}

impl Caller {
    /// Connects.
    pub fn dial(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the service listens");
        stream.set_nodelay(true).expect("no delay");
        Self {
            stream: BufReader::new(stream),
            token: TOKEN.to_owned().into(),
        }
    }

    /// One call, and how long each of its webhooks took.
    pub fn call(&mut self, kind: Kind) -> Vec<Duration> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut call = Call {
            caller: self,
            sid: format!("CA{number:032x}"),
            times: Vec::new(),
        };
        let hook = |name: &str| format!("{PUBLIC}/hooks/twilio/{name}");
        let menu = call.script(&hook("call"), "ringing", &[]);
        if kind == Kind::Pressing {
            let again = call.script(&menu.action, "in-progress", &[("Digits", "7")]);
            call.script(&again.action, "in-progress", &[("Digits", "7")]);
            return call.times;
        }
        let beep = call.script(&menu.action, "in-progress", &[("Digits", "1")]);
        let sid = format!("RE{number:032x}");
        let recording = [("RecordingSid", &sid[..]), ("RecordingDuration", "5")];
        let ended = [recording[0], recording[1], ("Digits", "#")];
        let review = call.script(&beep.action, "in-progress", &ended);
        let callback = [recording[0], recording[1], ("RecordingStatus", "completed")];
        call.post(&beep.callback, "in-progress", &callback);
        let end = call.script(&review.action, "in-progress", &[("Digits", "1")]);
        assert!(end.over, "the note is sent and the call ends");
        call.post(&hook("status"), "completed", &[]);
        call.times
    }

    /// Sends a request and reads the answer: status and body.
    pub fn request(&mut self, head: &str, body: &str) -> (u16, String) {
        let request = format!(
            "{head}\r\nHost: duty.example.org\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream
            .get_mut()
            .write_all(request.as_bytes())
            .expect("it is sent");
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("an answer");
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(code) = line.strip_prefix("http/1.1 ") {
                status = code[..3].parse().expect("a status");
            } else if let Some(bytes) = line.strip_prefix("content-length: ") {
                length = bytes.parse().expect("a length");
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a whole answer");
        (status, String::from_utf8(body).expect("text"))
    }
}

struct Call<'a> {
    caller: &'a mut Caller,
    sid: String,
    times: Vec<Duration>,
}

/// What a script waits for.
#[derive(Default)]
struct Next {
    action: String,
    callback: String,
    over: bool,
}

impl Call<'_> {
    fn script(&mut self, url: &str, status: &str, more: &[(&str, &str)]) -> Next {
        let mut next = Next::default();
        for verb in twiml_reader::read(&self.post(url, status, more)).expect("TwiML") {
            match verb {
                Verb::Gather(gather) => next.action = gather.action.expect("an address"),
                Verb::Record(record) => {
                    next.action = record.action.expect("an address");
                    next.callback = record.callback.url.expect("an address");
                }
                Verb::Hangup => next.over = true,
                _ => {}
            }
        }
        next
    }

    fn post(&mut self, url: &str, status: &str, more: &[(&str, &str)]) -> String {
        let fields: Vec<_> = [
            ("CallSid", &self.sid[..]),
            ("AccountSid", ACCOUNT),
            ("From", "+8613800138000"),
            ("To", "18877009155"),
            ("Direction", "inbound"),
            ("CallStatus", status),
            ("ApiVersion", "2010-04-01"),
        ]
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
        let signature = signer::sign(&self.caller.token, url, &fields);
        let path = url.strip_prefix(PUBLIC).expect("an address of the service");
        let head = format!(
            "POST {path} HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nX-Twilio-Signature: {signature}"
        );
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&fields)
            .finish();
        let start = Instant::now();
        let (status, answer) = self.caller.request(&head, &body);
        self.times.push(start.elapsed());
        assert!(matches!(status, 200 | 204), "answered {status}");
        answer
    }
}
