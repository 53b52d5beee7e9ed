//! Scripts in TwiML, Twilio's language for a call.
//!
//! Only verbs and attributes of Twilio's own list are used, always in the same order, so that the same script gives
//! the same bytes. What is said straight before a `Gather` stands inside it: only there a key interrupts.

use super::Links;
use crate::call::script::{Script, Verb};
use quick_xml::escape::{escape, partial_escape};
use std::fmt::Write;

/// The `Content-Type` of a TwiML document.
pub const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

/// Characters one `Say` holds. Twilio takes 4,096; beyond that it says nothing at all.
const LONGEST_SAY: usize = 2000;

/// Seconds Twilio lets a telephone ring, at most.
const LONGEST_RINGING: u32 = 600;

/// Seconds Twilio lets a talk last, at most.
const LONGEST_TALK: u32 = 14_400;

/// Where a document without a call of ours sends its answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BluntLinks {
    /// Where the provider goes on when a recording has ended.
    pub recorded: String,
    /// Where it tells what became of a recording.
    pub recording: String,
}

/// A script of a running call.
///
/// Behind a `Record` stands a `Redirect`: on an empty recording Twilio asks no action and goes on with the next verb.
/// Verbs behind one that ends the script are not written.
pub fn document(script: &Script, links: &Links) -> String {
    let mut twiml = Twiml::new();
    let mut spoken = Vec::new();
    for verb in &script.0 {
        match verb {
            Verb::Say { .. } | Verb::Play { .. } => spoken.push(verb),
            Verb::Gather { seconds, .. } => {
                twiml.open_gather(1, "", *seconds, &links.step());
                twiml.speak(&mut spoken, Some(links));
                twiml.0.push_str("</Gather>");
                break;
            }
            Verb::Digits { most, seconds } => {
                twiml.open_gather(*most, "#", *seconds, &links.step());
                twiml.speak(&mut spoken, Some(links));
                twiml.0.push_str("</Gather>");
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
                twiml.element("Redirect", &[("method", "POST")], &links.nothing());
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
                twiml.dial(number.show(), *ring_seconds, *max_seconds, *record, links);
                break;
            }
            Verb::HangUp => {
                twiml.speak(&mut spoken, Some(links));
                twiml.0.push_str("<Hangup/>");
                break;
            }
        }
    }
    twiml.speak(&mut spoken, Some(links));
    twiml.done()
}

/// What whoever was rung hears. Whichever key they press, or none, is posted to [`Links::taken`].
pub fn whisper(script: &Script, links: &Links) -> String {
    let mut twiml = Twiml::new();
    let mut spoken = Vec::new();
    for verb in &script.0 {
        match verb {
            Verb::Gather { seconds, .. } => {
                twiml.open_gather(1, "", *seconds, &links.taken());
                twiml.speak(&mut spoken, None);
                twiml.0.push_str("</Gather>");
                break;
            }
            verb => spoken.push(verb),
        }
    }
    twiml.0.push_str("<Hangup/>");
    twiml.done()
}

/// The answer to the key of whoever was rung. A document that does nothing lets Twilio put the two together.
pub fn taken(taken: bool) -> String {
    let mut twiml = Twiml::new();
    if !taken {
        twiml.0.push_str("<Hangup/>");
    }
    twiml.done()
}

/// A script where there is no call to come back to: the database is down, or the number is no line's.
///
/// It deviates where an answer would have to be remembered. A `Gather` is left out, its words are said and the call
/// goes on. Takes can't be played. And behind a `Record` stands no `Redirect`: it could only lead back to this very
/// document, and a caller who says nothing would hear it for ever. Instead what the script says after the `Record`
/// is said, then the call ends. A recording that did come about is posted to [`BluntLinks::recorded`], which must
/// answer it with a goodbye, not with the same document. The document always ends with `Hangup`.
pub fn blunt_document(script: &Script, links: &BluntLinks) -> String {
    let mut twiml = Twiml::new();
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
    twiml.0.push_str("<Hangup/>");
    twiml.done()
}

/// A document being written.
struct Twiml(String);

impl Twiml {
    fn new() -> Self {
        Self(r#"<?xml version="1.0" encoding="UTF-8"?><Response>"#.to_owned())
    }

    fn done(mut self) -> String {
        self.0.push_str("</Response>");
        self.0
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.0.push('<');
        self.0.push_str(name);
        for (attribute, value) in attributes {
            // Writing to a string cannot fail.
            let _ = write!(self.0, r#" {attribute}="{}""#, escape(*value));
        }
    }

    fn element(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.open(name, attributes);
        let _ = write!(self.0, ">{}</{name}>", partial_escape(text));
    }

    /// `finish` ends it besides the last of `digits`; what was pressed is posted without it.
    fn open_gather(&mut self, digits: u32, finish: &str, seconds: u32, action: &str) {
        self.open(
            "Gather",
            &[
                ("input", "dtmf"),
                ("numDigits", &digits.max(1).to_string()),
                ("timeout", &seconds.max(1).to_string()),
                ("finishOnKey", finish),
                ("actionOnEmptyResult", "true"),
                ("action", action),
                ("method", "POST"),
            ],
        );
        self.0.push('>');
    }

    fn record(&mut self, max_seconds: u32, silence_seconds: u32, action: &str, callback: &str) {
        self.open(
            "Record",
            &[
                ("action", action),
                ("method", "POST"),
                // Twilio wants more than one second, and no more than its shortest limit for a call.
                ("maxLength", &max_seconds.clamp(2, 14_400).to_string()),
                ("timeout", &silence_seconds.max(1).to_string()),
                ("finishOnKey", "#"),
                ("playBeep", "true"),
                ("trim", "do-not-trim"),
                ("recordingStatusCallback", callback),
                ("recordingStatusCallbackMethod", "POST"),
                ("recordingStatusCallbackEvent", "completed absent"),
            ],
        );
        self.0.push_str("/>");
    }

    /// Whoever is rung sees the line's number: without one Twilio shows them the caller's.
    fn dial(
        &mut self,
        number: &str,
        ring_seconds: u32,
        max_seconds: u32,
        record: bool,
        links: &Links,
    ) {
        let (action, recording) = (links.step(), links.recording());
        let (timeout, limit) = (
            ring_seconds.clamp(1, LONGEST_RINGING).to_string(),
            max_seconds.clamp(1, LONGEST_TALK).to_string(),
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
                ("recordingStatusCallbackEvent", "completed absent"),
            ]);
        }
        self.open("Dial", &attributes);
        self.0.push('>');
        let whisper = links.whisper();
        self.element("Number", &[("url", &whisper), ("method", "POST")], number);
        self.0.push_str("</Dial>");
    }

    /// Writes what is said and played, in order, and empties `spoken`. Without links nothing can be played.
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

/// Languages Twilio speaks under another name than ours, with a voice: without one, an account's basic voice is
/// used, and it has no Chinese.
const OUR_NAMES: &[(&str, &str, &str)] = &[
    ("zh-CN", "cmn-CN", "Polly.Zhiyu-Neural"),
    ("zh", "cmn-CN", "Polly.Zhiyu-Neural"),
    ("cmn-CN", "cmn-CN", "Polly.Zhiyu-Neural"),
    ("zh-TW", "cmn-TW", "Google.cmn-TW-Wavenet-A"),
    ("zh-HK", "yue-HK", "Polly.Hiujin-Neural"),
    ("en", "en-GB", "Polly.Amy-Neural"),
    ("en-GB", "en-GB", "Polly.Amy-Neural"),
];

/// Languages Twilio speaks under the name given, with the voice the account has for them.
const ITS_NAMES: &[&str] = &[
    "af-ZA",
    "am-ET",
    "ar-AE",
    "ar-XA",
    "arb",
    "bg-BG",
    "bn-IN",
    "ca-ES",
    "cmn-TW",
    "cs-CZ",
    "cy-GB",
    "da-DK",
    "de-AT",
    "de-DE",
    "el-GR",
    "en-AU",
    "en-CA",
    "en-GB-WLS",
    "en-IE",
    "en-IN",
    "en-NZ",
    "en-US",
    "en-ZA",
    "es-ES",
    "es-MX",
    "es-US",
    "fi-FI",
    "fil-PH",
    "fr-BE",
    "fr-CA",
    "fr-FR",
    "gu-IN",
    "he-IL",
    "hi-IN",
    "hu-HU",
    "id-ID",
    "is-IS",
    "it-IT",
    "ja-JP",
    "kn-IN",
    "ko-KR",
    "lv-LV",
    "ml-IN",
    "mr-IN",
    "ms-MY",
    "nb-NO",
    "nl-BE",
    "nl-NL",
    "pa-IN",
    "pl-PL",
    "pt-BR",
    "pt-PT",
    "ro-RO",
    "ru-RU",
    "sk-SK",
    "sr-RS",
    "sv-SE",
    "ta-IN",
    "te-IN",
    "th-TH",
    "tr-TR",
    "uk-UA",
    "vi-VN",
    "yue-HK",
];

/// What Twilio calls a language of ours, and the voice to ask for, if any; `None` when it doesn't speak it, and then
/// an account's default language is heard.
pub fn tongue(language: &str) -> Option<(&'static str, Option<&'static str>)> {
    let same = |name: &str| name.eq_ignore_ascii_case(language);
    OUR_NAMES
        .iter()
        .find(|row| same(row.0))
        .map(|row| (row.1, Some(row.2)))
        .or_else(|| ITS_NAMES.iter().find(|n| same(n)).map(|name| (*name, None)))
}

/// The words without what XML forbids, what isn't spoken, and what makes a log or a page read otherwise than it is:
/// control characters, non-characters, marks of writing direction. Line breaks and tabs become spaces.
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

/// Pieces short enough for one `Say`, cut behind the end of a sentence where there is one. No empty ones.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while let Some((limit, _)) = rest.char_indices().nth(LONGEST_SAY) {
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
