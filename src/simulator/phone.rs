//! The telephone in the terminal, `dutyline call`: prints what the line says, reads keys, speaks a sample. It uses
//! [`super::phone_api`], as the page in the browser does.

use super::call::{Heard, WaitingFor};
use super::exchange::PhoneView;
use super::phone_api::SPEECH_LIMIT;
use super::recordings::wav_millis;
use super::spoken;
pub use crate::call::acts::{Act, parse_script};
use bytes::Bytes;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

/// Options of a simulated call.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// Base URL of the service that has the telephone, e.g. `http://127.0.0.1:8080` for `dutyline demo`.
    pub at: String,
    /// The caller's number; withheld if `None`.
    pub from: Option<String>,
    /// The number to dial.
    pub to: String,
    /// The caller's actions, in the syntax of [`parse_script`]; if `None`, lines are read from the keyboard.
    pub script: Option<String>,
    /// WAV file to speak instead of the sample.
    pub wav: Option<PathBuf>,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            at: "http://127.0.0.1:8080".to_owned(),
            from: None,
            to: "18877009155".to_owned(),
            script: None,
            wav: None,
        }
    }
}

/// Makes a call and returns when it is over.
///
/// # Errors
///
/// Returns a sentence for the terminal when the script cannot be parsed or one of its actions is refused; when the
/// file is not a WAV file of at most 16 MiB; when there is no telephone at `options.at`, or the connection to it
/// breaks; or when the keyboard cannot be read or the terminal written.
pub async fn run(options: CallOptions) -> Result<(), String> {
    let source = match &options.script {
        Some(script) => Source::Script(parse_script(script)?.into()),
        None => Source::Keyboard(VecDeque::new()),
    };
    let mut out = io::stdout();
    let colour = out.is_terminal();
    converse(&options, source, &mut out, colour).await
}

/// Where the caller's actions come from.
enum Source {
    Script(VecDeque<Act>),
    Keyboard(VecDeque<Act>),
}

/// Why an action was not carried out.
enum Failure {
    /// Refused in the current state; the call continues.
    Refused(String),
    /// The call cannot continue.
    Fatal(String),
}

struct Telephone {
    client: Client,
    calls: String,
    at: String,
    speech: Bytes,
}

async fn converse(
    options: &CallOptions,
    mut source: Source,
    out: &mut (dyn Write + Send),
    colour: bool,
) -> Result<(), String> {
    let telephone = Telephone::new(options)?;
    let mut screen = Screen { out, colour };
    screen.quiet(&format!("Calling {} …", options.to))?;
    let dialled = json!({"from": options.from, "to": options.to});
    let request = telephone.client.post(&telephone.calls).json(&dialled);
    let mut view = telephone.send(request).await.map_err(Failure::sentence)?;
    let mut receipt = None;
    loop {
        for heard in view.heard.drain(..) {
            if let Heard::Say { say, .. } = &heard {
                receipt = spoken::receipt(say).or(receipt);
            }
            screen.heard(&heard)?;
        }
        match view.waiting {
            WaitingFor::Nothing => break,
            WaitingFor::Ringing { .. } => screen.quiet("(a telephone rings)")?,
            WaitingFor::Talking { .. } => screen.quiet("(somebody is on the line)")?,
            WaitingFor::Keys { .. } | WaitingFor::Speech { .. } => {}
        }
        let act = source.next(view.waiting, &mut screen).await?;
        match telephone.act(&view.id, act).await {
            Ok(next) => view = next,
            Err(Failure::Refused(why)) if matches!(source, Source::Keyboard(_)) => {
                screen.quiet(&format!("({why})"))?;
            }
            Err(failure) => return Err(failure.sentence()),
        }
    }
    screen.quiet("The call is over.")?;
    if let Some(receipt) = receipt {
        screen.line(&format!("Receipt: {receipt}"))?;
    }
    Ok(())
}

impl Source {
    async fn next(&mut self, waiting: WaitingFor, screen: &mut Screen<'_>) -> Result<Act, String> {
        match self {
            Self::Script(acts) => {
                let act = acts.pop_front().unwrap_or(Act::HangUp);
                screen.quiet(&format!("> {act}"))?;
                Ok(act)
            }
            Self::Keyboard(acts) => loop {
                if let Some(act) = acts.pop_front() {
                    return Ok(act);
                }
                screen.quiet(hint(waiting))?;
                match parse_line(&read_line().await?) {
                    Ok(more) => acts.extend(more),
                    Err(why) => screen.quiet(&format!("({why})"))?,
                }
            },
        }
    }
}

/// Returns the keyboard help for what the line waits for.
fn hint(waiting: WaitingFor) -> &'static str {
    match waiting {
        WaitingFor::Keys { .. } => {
            "The line waits for a key: type it and press Enter. Enter alone keeps silent; h hangs up."
        }
        WaitingFor::Speech { spoken: false, .. } => {
            "The line is recording: s and Enter speaks the sample. Enter alone keeps silent; h hangs up."
        }
        WaitingFor::Speech { spoken: true, .. } => {
            "You have spoken: # and Enter ends the recording. Enter alone keeps silent; h hangs up."
        }
        WaitingFor::Ringing { .. } => {
            "A telephone rings that nobody picks up here. Enter alone lets it ring; h hangs up."
        }
        WaitingFor::Talking { .. } => {
            "You are speaking with somebody: s and Enter speaks the sample. Enter alone lets the time run out; h hangs up."
        }
        WaitingFor::Nothing => "",
    }
}

/// Parses a line from the keyboard: `h` hangs up, `s` speaks, an empty line is silence, and anything else is a
/// script. `None`, the end of input, hangs up.
fn parse_line(line: &Option<String>) -> Result<Vec<Act>, String> {
    match line.as_deref().map(str::trim) {
        None | Some("h") => Ok(vec![Act::HangUp]),
        Some("") => Ok(vec![Act::Silence]),
        Some("s") => Ok(vec![Act::Speak]),
        Some(text) => parse_script(text),
    }
}

async fn read_line() -> Result<Option<String>, String> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin()
            .read_line(&mut line)
            .map(|length| (length > 0).then_some(line))
    });
    match read.await {
        Ok(Ok(line)) => Ok(line),
        Ok(Err(error)) => Err(format!("can't read the keyboard: {error}")),
        Err(_) => Err("can't read the keyboard".to_owned()),
    }
}

impl Failure {
    fn sentence(self) -> String {
        match self {
            Self::Refused(sentence) | Self::Fatal(sentence) => sentence,
        }
    }
}

impl Telephone {
    fn new(options: &CallOptions) -> Result<Self, String> {
        let speech = match &options.wav {
            None => Bytes::from_static(super::SAMPLE),
            Some(file) => {
                let audio = std::fs::read(file)
                    .map_err(|error| format!("can't read {}: {error}", file.display()))?;
                if wav_millis(&audio).is_none() || audio.len() > SPEECH_LIMIT {
                    return Err(format!(
                        "{} is not a WAV file of at most 16 MiB",
                        file.display()
                    ));
                }
                audio.into()
            }
        };
        // Fails if a cryptography provider is already installed; that one is used then.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(120))
            .build()
            .map_err(|error| format!("no HTTP client: {error}"))?;
        let at = options.at.trim_end_matches('/').to_owned();
        Ok(Self {
            client,
            calls: format!("{at}/phone/calls"),
            at,
            speech,
        })
    }

    async fn act(&self, id: &str, act: Act) -> Result<PhoneView, Failure> {
        let deed = match act {
            Act::Key(_) => "keys",
            Act::Speak => "speech",
            Act::Silence => "silence",
            Act::HangUp => "hangup",
        };
        let request = self.client.post(format!("{}/{id}/{deed}", self.calls));
        let request = match act {
            Act::Key(key) => request.json(&json!({"keys": key.to_string()})),
            Act::Speak => request
                .header("Content-Type", "audio/wav")
                .body(self.speech.clone()),
            Act::Silence | Act::HangUp => request,
        };
        self.send(request).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<PhoneView, Failure> {
        let at = &self.at;
        let response = request.send().await.map_err(|error| {
            Failure::Fatal(if error.is_connect() {
                format!("Nobody answers at {at}: start `dutyline demo` first, in another terminal.")
            } else if error.is_builder() {
                format!("{at} is no address: it looks like http://127.0.0.1:8080.")
            } else {
                format!("The connection to {at} broke off.")
            })
        })?;
        let status = response.status();
        let body: Option<Value> = response.json().await.ok();
        let title = |body: &Value| Some(body.get("title")?.as_str()?.to_owned());
        match body {
            Some(body) if status == StatusCode::OK => serde_json::from_value(body).ok(),
            Some(body) => match title(&body) {
                Some(title) => return Err(Failure::Refused(title)),
                None => None,
            },
            None => None,
        }
        .ok_or_else(|| {
            Failure::Fatal(format!(
                "There is no telephone at {at}: only `dutyline demo` has one."
            ))
        })
    }
}

/// The output. If it is a terminal (`colour`), messages of the telephone are dimmed to distinguish them from the
/// line's words.
struct Screen<'a> {
    out: &'a mut (dyn Write + Send),
    colour: bool,
}

impl Screen<'_> {
    fn heard(&mut self, heard: &Heard) -> Result<(), String> {
        match heard {
            Heard::Say { say, .. } => spoken::sentences(say)
                .into_iter()
                .try_for_each(|sentence| self.line(sentence)),
            Heard::Beep { .. } => self.quiet("(beep)"),
            Heard::Played { played, .. } => {
                self.quiet(&format!("(a recording is played, {played:.1} seconds)"))
            }
            Heard::PlayFailed { play_failed } => {
                self.quiet(&format!("(nothing is played: {play_failed})"))
            }
        }
    }

    fn line(&mut self, text: &str) -> Result<(), String> {
        writeln!(self.out, "{text}")
            .and_then(|()| self.out.flush())
            .map_err(|error| format!("can't write: {error}"))
    }

    fn quiet(&mut self, text: &str) -> Result<(), String> {
        if self.colour {
            self.line(&format!("\x1b[2m{text}\x1b[0m"))
        } else {
            self.line(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::testing::{Service, phone_of};

    async fn printed(script: &str) -> Result<String, String> {
        let service = Service::start().await;
        service.at(
            "/hooks/sim/call",
            r#"<Gather numDigits="1" action="/one"><Say language="zh-CN">您好。请按1。</Say></Gather>"#,
        );
        service.at("/one", r##"<Record action="/two" finishOnKey="#"/>"##);
        service.at(
            "/two",
            "<Say>Your receipt is 1 2 3 4 5 6 7 8 9 0 1 2. Goodbye.</Say><Hangup/>",
        );
        let options = CallOptions {
            at: phone_of(&service.exchange()).await + "/",
            script: Some(script.to_owned()),
            ..CallOptions::default()
        };
        let mut out = Vec::new();
        let source = Source::Script(parse_script(script)?.into());
        converse(&options, source, &mut out, false).await?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[tokio::test]
    async fn a_script_from_hello_to_receipt() {
        let printed = printed("1,speak,#,1").await.unwrap();
        assert_eq!(
            printed,
            "Calling 18877009155 …\n您好。\n请按1。\n> 1\n(beep)\n> speak\n> #\n\
             Your receipt is 1 2 3 4 5 6 7 8 9 0 1 2.\nGoodbye.\nThe call is over.\nReceipt: 123456789012\n"
        );
    }

    #[tokio::test]
    async fn a_script_that_is_used_up_hangs_up() {
        let printed = printed("1").await.unwrap();
        assert!(printed.ends_with("(beep)\n> hangup\nThe call is over.\n"));
    }

    #[tokio::test]
    async fn a_script_stops_at_what_cannot_be_done() {
        let error = printed("1,speak,speak").await.unwrap_err();
        assert!(error.contains("said in this recording already"), "{error}");
    }

    #[tokio::test]
    async fn a_script_while_a_telephone_rings() {
        let service = Service::start().await;
        service.at(
            "/hooks/sim/call",
            r#"<Dial action="/after"><Number>+8613800138000</Number></Dial>"#,
        );
        service.at("/after", "<Say>Nobody is there.</Say>");
        let options = CallOptions {
            at: phone_of(&service.exchange()).await,
            ..CallOptions::default()
        };
        let mut out = Vec::new();
        let source = Source::Script(parse_script("silence").unwrap().into());
        converse(&options, source, &mut out, false).await.unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Calling 18877009155 …\n(a telephone rings)\n> silence\nNobody is there.\nThe call is over.\n"
        );
    }

    #[tokio::test]
    async fn nobody_there() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let options = |at: String, script: &str| CallOptions {
            at,
            script: Some(script.to_owned()),
            ..CallOptions::default()
        };
        let error = run(options(at, "1")).await.unwrap_err();
        assert!(error.contains("start `dutyline demo` first"), "{error}");
        let error = run(options("nowhere".into(), "1")).await.unwrap_err();
        assert!(error.contains("no address"), "{error}");
        let service = Service::start().await;
        let app = axum::Router::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let error = run(options(at, "1")).await.unwrap_err();
        assert!(error.contains("no telephone"), "{error}");
        let error = run(options(service.origin, "shout")).await.unwrap_err();
        assert!(error.contains("shout"));
    }

    #[test]
    fn lines_from_the_keyboard() {
        let line = |text: &str| parse_line(&Some(format!("{text}\n")));
        assert_eq!(line("1").unwrap(), [Act::Key('1')]);
        assert_eq!(line("").unwrap(), [Act::Silence]);
        assert_eq!(line("s").unwrap(), [Act::Speak]);
        assert_eq!(line("h").unwrap(), [Act::HangUp]);
        assert_eq!(line("speak,#").unwrap(), [Act::Speak, Act::Key('#')]);
        assert!(line("what?").is_err());
        assert_eq!(parse_line(&None).unwrap(), [Act::HangUp]);
    }

    #[test]
    fn a_file_that_is_no_wav_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let options = CallOptions {
            wav: Some(file.path().to_owned()),
            ..CallOptions::default()
        };
        let error = Telephone::new(&options).err().unwrap();
        assert!(error.contains(&*file.path().to_string_lossy()));
    }
}
