//! Scripts in TwiML, Twilio's markup for calls, and in the dialects of other providers.
//!
//! Only verbs and attributes that the provider documents are used, always in the same order, so that the same script
//! gives the same bytes. What is said immediately before a `Gather` is nested in it, because a key interrupts only what
//! is nested.

mod dialect;
mod tongue;

pub use dialect::{Dialect, SIGNALWIRE, SOMLENG, TELNYX, TWILIO};
pub use tongue::tongue;

use super::{FallbackLine, Links};
use crate::call::script::{Script, Verb};
use quick_xml::escape::{escape, partial_escape};
use std::fmt::Write;

/// The `Content-Type` of a TwiML document.
pub const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

/// Maximum length of one `Say`, in characters. Twilio accepts 4,096 and says nothing at all of a longer text.
const MAX_SAY: usize = 2000;

/// The addresses in a document that belongs to no step ([`fallback_document`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackLinks {
    /// Where the provider continues when a recording has ended. The address has a query.
    pub recorded: String,
    /// Where the provider reports the outcome of a recording. The address has no query.
    pub recording: String,
}

impl FallbackLinks {
    /// Returns these addresses with the line's parameters appended; without a line, unchanged.
    pub fn of_line(&self, line: Option<&FallbackLine>) -> Self {
        let Some(line) = line else {
            return self.clone();
        };
        let query = line.query();
        Self {
            recorded: format!("{}&{query}", self.recorded),
            recording: format!("{}?{query}", self.recording),
        }
    }
}

/// The document of a script in a running call.
///
/// If the provider requests no action after an empty recording and continues with the next verb, a `Redirect` follows
/// the `Record`; likewise for a `Gather` without input. Verbs after one that ends the script are left out.
pub fn document(dialect: &'static Dialect, script: &Script, links: &Links) -> String {
    let mut twiml = Twiml::new(dialect);
    let mut spoken = Vec::new();
    for verb in &script.0 {
        match verb {
            Verb::Say { .. } | Verb::Play { .. } => spoken.push(verb),
            Verb::Gather { seconds, .. } => {
                twiml.open_gather(1, "", *seconds, &links.step());
                twiml.speak(&mut spoken, Some(links));
                twiml.close_gather(&links.step());
                break;
            }
            Verb::Digits { most, seconds } => {
                twiml.open_gather(*most, "#", *seconds, &links.step());
                twiml.speak(&mut spoken, Some(links));
                twiml.close_gather(&links.step());
                break;
            }
            Verb::Record {
                max_seconds,
                silence_seconds,
            } => {
                twiml.speak(&mut spoken, Some(links));
                twiml.record(
                    *max_seconds,
                    *silence_seconds,
                    &links.step(),
                    &links.recording(),
                );
                if dialect.goes_on_after_record {
                    twiml.redirect(&links.nothing());
                }
                break;
            }
            Verb::Connect {
                number,
                ring_seconds,
                max_seconds,
                record,
                ..
            } => {
                twiml.speak(&mut spoken, Some(links));
                twiml.dial(number.expose(), *ring_seconds, *max_seconds, *record, links);
                break;
            }
            Verb::HangUp => {
                twiml.speak(&mut spoken, Some(links));
                twiml.text.push_str("<Hangup/>");
                break;
            }
        }
    }
    twiml.speak(&mut spoken, Some(links));
    twiml.done()
}

/// The document for the called inspector. The key pressed, or none, is posted to [`Links::accepted`].
pub fn whisper(dialect: &'static Dialect, script: &Script, links: &Links) -> String {
    let mut twiml = Twiml::new(dialect);
    let mut spoken = Vec::new();
    for verb in &script.0 {
        match verb {
            Verb::Gather { seconds, .. } => {
                twiml.open_gather(1, "", *seconds, &links.accepted());
                twiml.speak(&mut spoken, None);
                twiml.text.push_str("</Gather>");
                break;
            }
            verb => spoken.push(verb),
        }
    }
    twiml.text.push_str("<Hangup/>");
    twiml.done()
}

/// The answer to the called inspector's key: a document without verbs if the call was `accepted`, after which the
/// provider connects the inspector to the caller; else a hang-up.
pub fn accepted(dialect: &'static Dialect, accepted: bool) -> String {
    let mut twiml = Twiml::new(dialect);
    if !accepted {
        twiml.text.push_str("<Hangup/>");
    }
    twiml.done()
}

/// The document of a script that belongs to no step: the database is down, the number is of no line, or the call is
/// over.
///
/// It differs from [`document`] where an answer would have to be stored. A `Gather` is left out: its text is said and
/// the script continues. Nothing is dialled, and takes cannot be played. No `Redirect` follows a `Record`, because it
/// could only lead to this document again, and a caller who says nothing would hear it in a loop. Instead, if the
/// provider continues after an empty recording, the text after the `Record` is said and the call ends. A recording that
/// was made is posted to [`FallbackLinks::recorded`], which must answer with a goodbye, not with the same document. The
/// document always ends with `Hangup`.
pub fn fallback_document(
    dialect: &'static Dialect,
    script: &Script,
    links: &FallbackLinks,
) -> String {
    let mut twiml = Twiml::new(dialect);
    for verb in &script.0 {
        match verb {
            Verb::Say { .. } => twiml.speak(&mut vec![verb], None),
            Verb::Play { .. }
            | Verb::Gather { .. }
            | Verb::Digits { .. }
            | Verb::Connect { .. } => {}
            Verb::Record {
                max_seconds,
                silence_seconds,
            } => twiml.record(
                *max_seconds,
                *silence_seconds,
                &links.recorded,
                &links.recording,
            ),
            Verb::HangUp => break,
        }
    }
    twiml.text.push_str("<Hangup/>");
    twiml.done()
}

/// A document being written.
struct Twiml {
    dialect: &'static Dialect,
    text: String,
}

impl Twiml {
    fn new(dialect: &'static Dialect) -> Self {
        Self {
            dialect,
            text: r#"<?xml version="1.0" encoding="UTF-8"?><Response>"#.to_owned(),
        }
    }

    fn done(mut self) -> String {
        self.text.push_str("</Response>");
        self.text
    }

    /// Returns an address that the provider will request, with the dialect's overrides appended.
    fn ask(&self, url: &str) -> String {
        format!("{url}{}", self.dialect.overrides)
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.text.push('<');
        self.text.push_str(name);
        for (attribute, value) in attributes {
            // Writing to a string cannot fail.
            let _ = write!(self.text, r#" {attribute}="{}""#, escape(*value));
        }
    }

    fn element(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.open(name, attributes);
        let _ = write!(self.text, ">{}</{name}>", partial_escape(text));
    }

    /// Opens a `Gather`. Input ends after `digits` digits, after `seconds` without a key, or with the key `finish`,
    /// which is not posted; an empty `finish` is no key.
    fn open_gather(&mut self, digits: u32, finish: &str, seconds: u32, action: &str) {
        let (digits, seconds) = (digits.max(1).to_string(), seconds.max(1).to_string());
        let action = self.ask(action);
        let mut attributes = vec![
            ("input", "dtmf"),
            ("numDigits", digits.as_str()),
            ("timeout", seconds.as_str()),
            ("finishOnKey", finish),
        ];
        if !self.dialect.goes_on_after_gather {
            attributes.push(("actionOnEmptyResult", "true"));
        }
        attributes.extend([("action", action.as_str()), ("method", "POST")]);
        self.open("Gather", &attributes);
        self.text.push('>');
    }

    fn close_gather(&mut self, action: &str) {
        self.text.push_str("</Gather>");
        if self.dialect.goes_on_after_gather {
            self.redirect(action);
        }
    }

    fn redirect(&mut self, to: &str) {
        let to = self.ask(to);
        self.element("Redirect", &[("method", "POST")], &to);
    }

    fn record(&mut self, max_seconds: u32, silence_seconds: u32, action: &str, callback: &str) {
        // Twilio requires more than 1 second. More than 14,400 seconds are not needed: that is the shortest of the
        // limits for a whole call.
        let most = max_seconds.clamp(2, 14_400).to_string();
        let silence = match self.dialect.hears_silence {
            true => silence_seconds.max(1).to_string(),
            false => "0".to_owned(),
        };
        let (action, callback) = (self.ask(action), self.ask(callback));
        let mut attributes = vec![
            ("action", action.as_str()),
            ("method", "POST"),
            ("maxLength", most.as_str()),
            ("timeout", silence.as_str()),
            ("finishOnKey", "#"),
            ("playBeep", "true"),
        ];
        attributes.extend(self.dialect.recorded_whole);
        attributes.extend([
            ("recordingStatusCallback", callback.as_str()),
            ("recordingStatusCallbackMethod", "POST"),
        ]);
        attributes.extend(self.dialect.recording_events);
        self.open("Record", &attributes);
        self.text.push_str("/>");
    }

    /// Writes a `Dial`. The called inspector sees the line's number; without `callerId` Twilio would show the caller's.
    ///
    /// Used only for a provider that can ask the called inspector for a key first; over other providers no inspector is
    /// dialled.
    fn dial(
        &mut self,
        number: &str,
        ring_seconds: u32,
        max_seconds: u32,
        record: bool,
        links: &Links,
    ) {
        let (action, recording) = (self.ask(&links.step()), self.ask(&links.recording()));
        let (timeout, limit) = (
            within(ring_seconds, self.dialect.ringing).to_string(),
            within(max_seconds, self.dialect.talking).to_string(),
        );
        let mut attributes = vec![
            ("action", action.as_str()),
            ("method", "POST"),
            ("timeout", &timeout),
            ("timeLimit", &limit),
            ("callerId", &links.line_number),
        ];
        if record {
            attributes.extend([
                ("record", "record-from-answer"),
                ("trim", "do-not-trim"),
                ("recordingStatusCallback", &recording),
                ("recordingStatusCallbackMethod", "POST"),
            ]);
            attributes.extend(self.dialect.recording_events);
        }
        self.open("Dial", &attributes);
        self.text.push('>');
        let whisper = self.ask(&links.whisper());
        self.element("Number", &[("url", &whisper), ("method", "POST")], number);
        self.text.push_str("</Dial>");
    }

    /// Writes what the verbs in `spoken` say and play, in order, and empties `spoken`. Without links, takes are left
    /// out.
    fn speak(&mut self, spoken: &mut Vec<&Verb>, links: Option<&Links>) {
        for verb in spoken.drain(..) {
            match (verb, links) {
                (Verb::Say { text, language }, _) => {
                    let tongue = tongue(language);
                    let attributes: Vec<_> = tongue
                        .iter()
                        .map(|tongue| ("language", tongue.0))
                        .chain(tongue.and_then(|t| t.1).map(|voice| ("voice", voice)))
                        .collect();
                    for piece in pieces(&sayable(&text.to_string())) {
                        self.element("Say", &attributes, piece);
                    }
                }
                (Verb::Play { take }, Some(links)) => self.element("Play", &[], &links.take(*take)),
                _ => {}
            }
        }
    }
}

/// Limits a number of seconds to the range the provider allows.
fn within(seconds: u32, (least, most): (u32, u32)) -> u32 {
    seconds.clamp(least, most)
}

/// Removes the characters that XML forbids, that are not spoken, or that change how a log or a page is read: control
/// characters, byte order marks, the non-characters U+FFFE and U+FFFF, marks of writing direction. Line breaks and tabs
/// become spaces.
pub(super) fn sayable(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\t' | '\n' | '\r' => Some(' '),
            '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => None,
            '\u{feff}' | '\u{fffe}' | '\u{ffff}' => None,
            c if c.is_control() => None,
            c => Some(c),
        })
        .collect()
}

/// Splits a text into pieces of at most [`MAX_SAY`] characters, at the end of a sentence where there is one. No piece
/// is empty.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while let Some((limit, _)) = rest.char_indices().nth(MAX_SAY) {
        let cut = rest[..limit]
            .rfind(['。', '！', '？', '；', '.', '!', '?', ';'])
            .and_then(|at| Some(at + rest[at..].chars().next()?.len_utf8()))
            .unwrap_or(limit);
        pieces.push(rest[..cut].trim());
        rest = rest[cut..].trim_start();
    }
    pieces.push(rest);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests;
