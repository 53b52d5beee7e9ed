//! A provider's webhooks over one persistent connection, with the time each answer took.

use dutyline::base::hidden::Hidden;
use dutyline::simulator::signer;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::served::{ACCOUNT, PUBLIC, TOKEN};

/// Number of the next call; every call and recording has its own id.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// An answer with everything a whole call requests, for the programs the service is compared with.
pub const ANSWER: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?><Response>"#,
    r#"<Gather action="https://duty.example.org/hooks/twilio/step?call=1&amp;step=1" numDigits="1">"#,
    r#"<Say language="zh-CN">您好，这里是值班电话。您的来电和反映内容严格保密。反映问题，请按1。</Say></Gather>"#,
    r#"<Record action="https://duty.example.org/hooks/twilio/step?call=1&amp;step=2" "#,
    r#"recordingStatusCallback="https://duty.example.org/hooks/twilio/recording?call=1&amp;step=2"/>"#,
    r#"<Hangup/></Response>"#,
);

/// The course of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A note is left and sent: six webhooks.
    Whole,
    /// The call comes in and ends, and nothing is said: two webhooks.
    Silent,
    /// The call comes in and two wrong keys are pressed: three webhooks that leave no job behind.
    Pressing,
}

/// One connection.
pub struct Caller {
    stream: BufReader<TcpStream>,
    token: Hidden<String>,
    pace: Option<Pace>,
    accepts_late: bool,
}

/// Webhooks at fixed times, however long answers take.
struct Pace {
    next: Instant,
    every: Duration,
}

impl Caller {
    /// Connects.
    pub fn dial(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the service listens");
        stream.set_nodelay(true).expect("no delay");
        Self {
            stream: BufReader::new(stream),
            token: TOKEN.to_owned().into(),
            pace: None,
            accepts_late: false,
        }
    }

    /// Accepts answers that the service gives without the database, when that takes too long. The service counts them.
    pub fn accept_late(&mut self) {
        self.accepts_late = true;
    }

    /// Sends a webhook every `every` from `first` on, and measures answers from the scheduled time: a webhook delayed
    /// by a slow answer counts as late too.
    pub fn pace(&mut self, first: Instant, every: Duration) {
        self.pace = Some(Pace { next: first, every });
    }

    /// Makes one call. Returns the time each of its webhooks took.
    pub fn call(&mut self, kind: Kind) -> Vec<Duration> {
        let times = self.timed_call(kind).into_iter();
        times.map(|(_, took)| took).collect()
    }

    /// Makes one call. Returns when each of its webhooks was sent, and the time it took.
    pub fn timed_call(&mut self, kind: Kind) -> Vec<(Instant, Duration)> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut call = Call {
            caller: self,
            sid: format!("CA{number:032x}"),
            times: Vec::new(),
        };
        let was_whole = call.make(kind, number).is_some();
        let times = call.times;
        assert!(was_whole || self.accepts_late, "answered too late");
        times
    }

    /// Requests a path of the API or the console with a session's token.
    pub fn look(&mut self, path: &str, token: &str) -> (u16, String) {
        let session = format!("Authorization: Bearer {token}\r\nCookie: __Host-dutyline={token}");
        self.request(&format!("GET {path} HTTP/1.1\r\n{session}"), "")
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
    times: Vec<(Instant, Duration)>,
}

/// Returns the last address after `attribute`, or an empty string. Its fragment is removed, because it tells the
/// provider how often to try and is not sent. The text is searched without an XML parser, which would take processor
/// time from the measured program.
fn address(answer: &str, attribute: &str) -> String {
    let found = answer.rsplit_once(attribute);
    let text = found.and_then(|(_, rest)| rest.split_once('"'));
    let text = text.and_then(|(text, _)| text.split('#').next());
    text.map_or(String::new(), |text| text.replace("&amp;", "&"))
}

/// The addresses that a script's answer names.
#[derive(Default)]
struct Next {
    action: String,
    callback: String,
    over: bool,
}

impl Call<'_> {
    /// Makes the call. Returns `None` if it ends early, because an answer was given without the database.
    fn make(&mut self, kind: Kind, number: u64) -> Option<()> {
        let hook = |name: &str| format!("{PUBLIC}/hooks/twilio/{name}");
        if kind == Kind::Silent {
            self.post(&hook("call"), "ringing", &[]);
            self.post(&hook("status"), "completed", &[]);
            return Some(());
        }
        let menu = self.step(&hook("call"), "ringing", &[])?;
        if kind == Kind::Pressing {
            let again = self.step(&menu.action, "in-progress", &[("Digits", "7")])?;
            self.script(&again.action, "in-progress", &[("Digits", "7")]);
            return Some(());
        }
        let beep = self.step(&menu.action, "in-progress", &[("Digits", "1")])?;
        if beep.callback.is_empty() {
            return None;
        }
        let sid = format!("RE{number:032x}");
        let recording = [("RecordingSid", &sid[..]), ("RecordingDuration", "5")];
        let ended = [recording[0], recording[1], ("Digits", "#")];
        let review = self.step(&beep.action, "in-progress", &ended)?;
        let callback = [recording[0], recording[1], ("RecordingStatus", "completed")];
        self.post(&beep.callback, "in-progress", &callback);
        let end = self.script(&review.action, "in-progress", &[("Digits", "1")]);
        self.post(&hook("status"), "completed", &[]);
        // The note is sent and the call ends.
        end.over.then_some(())
    }

    /// Posts a webhook and reads the script. Returns `None` if the call cannot go on after it.
    fn step(&mut self, url: &str, status: &str, more: &[(&str, &str)]) -> Option<Next> {
        let next = self.script(url, status, more);
        (!next.action.is_empty()).then_some(next)
    }

    fn script(&mut self, url: &str, status: &str, more: &[(&str, &str)]) -> Next {
        let answer = self.post(url, status, more);
        Next {
            action: address(&answer, " action=\""),
            callback: address(&answer, " recordingStatusCallback=\""),
            over: answer.contains("<Hangup"),
        }
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
        let start = match &mut self.caller.pace {
            Some(pace) => {
                let due = pace.next;
                pace.next += pace.every;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                due
            }
            None => Instant::now(),
        };
        let (status, answer) = self.caller.request(&head, &body);
        self.times.push((start, start.elapsed()));
        let is_late = status == 503 && self.caller.accepts_late;
        assert!(matches!(status, 200 | 204) || is_late, "answered {status}");
        answer
    }
}
