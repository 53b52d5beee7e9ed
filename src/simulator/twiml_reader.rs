//! Parses TwiML text to verbs. Strict where Twilio is lenient: an element, an attribute or a value that this exchange
//! would not act upon is an error, so that the author of the document notices it. Exceptions are a `voice`, and a few
//! attributes with the value that has no effect here.
//!
//! Defaults and nesting are those of Twilio's TwiML reference. Parsing has two levels: text to elements, elements
//! to verbs.

use super::dial_reader::{Dial, dial};
use super::elements::{Element, elements};

/// Maximum length of one `<Say>`, in characters (Twilio's error 13520).
const SAY_LIMIT: usize = 4096;

/// One verb of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Speak a text.
    Say {
        /// The text.
        text: String,
        /// The language tag; Twilio's default is `en-US`.
        language: String,
    },
    /// Play audio from a URL.
    Play {
        /// The URL, as written.
        url: String,
    },
    /// Wait in silence.
    Pause {
        /// Duration of the pause, in seconds.
        seconds: u32,
    },
    /// Wait for keys.
    Gather(Gather),
    /// Record the caller.
    Record(Record),
    /// Ring a telephone and connect it to the caller.
    Dial(Dial),
    /// Continue with another document.
    Redirect {
        /// The document's URL, as written.
        url: String,
    },
    /// End the call.
    Hangup,
    /// Refuse the call if it is still ringing; otherwise end it.
    Reject {
        /// True if the caller hears a busy signal, false if a message.
        busy: bool,
    },
}

/// `<Gather>`: the prompts, and what ends the wait for keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    /// The `<Say>`, `<Play>` and `<Pause>` elements in it.
    pub prompts: Vec<Verb>,
    /// URL the keys are posted to; `None`: the URL of the current document.
    pub action: Option<String>,
    /// Number of keys that ends it; `None`: no limit.
    pub num_digits: Option<u32>,
    /// The key that ends it and is not posted; `None`: no key does.
    pub finish_on_key: Option<char>,
    /// Time to wait for the next key, in seconds.
    pub timeout: u32,
    /// True if the action is posted even when no key was pressed.
    pub action_on_empty_result: bool,
}

/// `<Record>`: what ends the recording, and where it is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// URL the recording is posted to; `None`: the URL of the current document.
    pub action: Option<String>,
    /// The keys that end it; each of them does alone.
    pub finish_on_key: String,
    /// Maximum length, in seconds.
    pub max_length: u32,
    /// Silence that ends it, in seconds.
    pub timeout: u32,
    /// True if a beep precedes it.
    pub play_beep: bool,
    /// Which of its states are posted, and where.
    pub callback: RecordingCallback,
}

/// Where the states of a recording are posted, for both `<Record>` and `<Dial>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingCallback {
    /// URL the states are posted to; `None`: they are not posted.
    pub url: Option<String>,
    /// The states that are posted: any of `in-progress`, `completed` and `absent`.
    pub events: Vec<String>,
}

/// Parses a document and returns the verbs in `<Response>`, in order. Never panics.
///
/// # Errors
///
/// Returns a sentence that says what is wrong with the document.
pub fn read(text: &str) -> Result<Vec<Verb>, String> {
    let root = elements(text)?;
    if root.name != "Response" {
        return Err(format!("the document is <{}>, not <Response>", root.name));
    }
    root.without_text()?.without_attributes()?;
    root.children.into_iter().map(verb).collect()
}

fn verb(mut element: Element) -> Result<Verb, String> {
    match element.name.as_str() {
        "Say" => {
            element.take("voice");
            let language = element.take("language").unwrap_or_else(|| "en-US".into());
            let text = element.only_text()?;
            if text.chars().count() > SAY_LIMIT {
                return Err(format!("<Say> can't have more than {SAY_LIMIT} characters"));
            }
            Ok(Verb::Say { text, language })
        }
        "Play" => Ok(Verb::Play {
            url: element.only_text()?,
        }),
        "Pause" => {
            let seconds = element.take_number("length")?.unwrap_or(1);
            element.nothing_left()?;
            Ok(Verb::Pause { seconds })
        }
        "Gather" => gather(element).map(Verb::Gather),
        "Record" => record(element).map(Verb::Record),
        "Dial" => dial(element).map(Verb::Dial),
        "Redirect" => {
            element.ignore("method", &["POST"])?;
            Ok(Verb::Redirect {
                url: element.only_text()?,
            })
        }
        "Hangup" => {
            element.nothing_left()?;
            Ok(Verb::Hangup)
        }
        "Reject" => {
            let busy = match element.take("reason").as_deref() {
                None | Some("rejected") => false,
                Some("busy") => true,
                Some(other) => return Err(element.bad("reason", other)),
            };
            element.nothing_left()?;
            Ok(Verb::Reject { busy })
        }
        other => Err(format!("unknown verb <{other}>")),
    }
}

fn gather(mut element: Element) -> Result<Gather, String> {
    element.ignore("input", &["dtmf"])?;
    element.ignore("method", &["POST"])?;
    let finish_on_key = match element.take("finishOnKey") {
        None => Some('#'),
        Some(key) => match *key.chars().collect::<Vec<_>>() {
            [] => None,
            [key] if crate::call::acts::is_key(key) => Some(key),
            _ => return Err(element.bad("finishOnKey", &key)),
        },
    };
    let mut gather = Gather {
        prompts: Vec::new(),
        action: element.take("action"),
        num_digits: element.take_number("numDigits")?,
        finish_on_key,
        timeout: element.take_number("timeout")?.unwrap_or(5),
        action_on_empty_result: element.take_bool("actionOnEmptyResult", false)?,
    };
    for child in std::mem::take(&mut element.children) {
        gather.prompts.push(match child.name.as_str() {
            "Say" | "Play" | "Pause" => verb(child)?,
            other => return Err(format!("<{other}> can't be in <Gather>")),
        });
    }
    element.nothing_left()?;
    Ok(gather)
}

fn record(mut element: Element) -> Result<Record, String> {
    element.ignore("method", &["POST"])?;
    element.ignore("trim", &["trim-silence", "do-not-trim"])?;
    element.ignore("transcribe", &["false"])?;
    let finish_on_key = element
        .take("finishOnKey")
        .unwrap_or_else(|| "1234567890*#".into());
    if finish_on_key.is_empty() || !finish_on_key.chars().all(crate::call::acts::is_key) {
        return Err(element.bad("finishOnKey", &finish_on_key));
    }
    let record = Record {
        action: element.take("action"),
        finish_on_key,
        max_length: element.take_number("maxLength")?.unwrap_or(3600),
        timeout: element.take_number("timeout")?.unwrap_or(5),
        play_beep: element.take_bool("playBeep", true)?,
        callback: recording_callback(&mut element)?,
    };
    element.nothing_left()?;
    Ok(record)
}

pub(super) fn recording_callback(element: &mut Element) -> Result<RecordingCallback, String> {
    element.ignore("recordingStatusCallbackMethod", &["POST"])?;
    let events = element
        .take("recordingStatusCallbackEvent")
        .unwrap_or_else(|| "completed".into());
    let callback = RecordingCallback {
        url: element.take("recordingStatusCallback"),
        events: events.split(' ').map(str::to_owned).collect(),
    };
    let known = |event: &String| ["in-progress", "completed", "absent"].contains(&event.as_str());
    if !callback.events.iter().all(known) {
        return Err(element.bad("recordingStatusCallbackEvent", &events));
    }
    Ok(callback)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Generated by npm twilio 6.2.0 (its `<Gather>` document, with a URL of this test).
    #[test]
    fn reads_what_a_helper_library_prints() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?><Response><Say language="cmn-CN" voice="Polly.Zhiyu-Neural">您好,这里是热线 &amp; &lt;值班&gt;&#12290;</Say><Gather input="dtmf" numDigits="1" timeout="8" finishOnKey="" actionOnEmptyResult="true" action="https://h.example/menu?c=1&amp;s=2" method="POST"><Play>https://h.example/a/menu.wav</Play></Gather><Redirect method="POST">https://h.example/none</Redirect></Response>"#;
        let verbs = read(text).unwrap();
        assert_eq!(
            verbs,
            [
                Verb::Say {
                    text: "您好,这里是热线 & <值班>。".into(),
                    language: "cmn-CN".into()
                },
                Verb::Gather(Gather {
                    prompts: vec![Verb::Play {
                        url: "https://h.example/a/menu.wav".into()
                    }],
                    action: Some("https://h.example/menu?c=1&s=2".into()),
                    num_digits: Some(1),
                    finish_on_key: None,
                    timeout: 8,
                    action_on_empty_result: true,
                }),
                Verb::Redirect {
                    url: "https://h.example/none".into()
                },
            ]
        );
    }

    #[test]
    fn defaults_are_those_of_the_reference() {
        let verbs = read("<Response><Gather/><Record/><Pause/><Reject/></Response>").unwrap();
        let [Verb::Gather(gather), Verb::Record(record), pause, reject] = &verbs[..] else {
            panic!("{verbs:?}");
        };
        assert_eq!((gather.timeout, gather.finish_on_key), (5, Some('#')));
        assert!(!gather.action_on_empty_result && gather.action.is_none());
        assert_eq!((record.timeout, record.max_length), (5, 3600));
        assert_eq!(record.finish_on_key, "1234567890*#");
        assert_eq!(record.callback.events, ["completed"]);
        assert!(record.play_beep);
        assert_eq!(*pause, Verb::Pause { seconds: 1 });
        assert_eq!(*reject, Verb::Reject { busy: false });
    }

    #[test]
    fn what_it_would_not_do_is_an_error() {
        let cases = [
            ("", "no document"),
            ("hello", "outside"),
            ("<Response>", "too early"),
            ("<Response></Reply>", "not XML"),
            ("<html/>", "not <Response>"),
            ("<Response/><Response/>", "after"),
            ("<Response>hello</Response>", "text"),
            ("<Response><Sms>1</Sms></Response>", "unknown verb <Sms>"),
            ("<Response><say>a</say></Response>", "unknown verb <say>"),
            ("<Response><Say/></Response>", "empty"),
            ("<Response><Say loop=\"2\">a</Say></Response>", "loop"),
            ("<Response><Say>a &nbsp; b</Say></Response>", "nbsp"),
            ("<Response><Say>a<b/></Say></Response>", "<b>"),
            (
                "<Response><Gather><Record/></Gather></Response>",
                "<Record>",
            ),
            (
                "<Response><Gather numDigits=\"0\"/></Response>",
                "numDigits",
            ),
            (
                "<Response><Gather finishOnKey=\"##\"/></Response>",
                "finishOnKey",
            ),
            ("<Response><Gather method=\"GET\"/></Response>", "method"),
            ("<Response><Record timeout=\"soon\"/></Response>", "timeout"),
            ("<Response><Record playBeep=\"1\"/></Response>", "playBeep"),
            (
                "<Response><Record recordingStatusCallbackEvent=\"completed,absent\"/></Response>",
                "recordingStatusCallbackEvent",
            ),
            ("<Response><Hangup>now</Hangup></Response>", "text"),
            ("<!DOCTYPE x><Response/>", "DOCTYPE"),
        ];
        for (text, part) in cases {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".*") {
            let _ = read(&text);
        }

        #[test]
        fn never_panics_on_something_like_twiml(
            parts in proptest::collection::vec(prop_oneof![
                "<(Response|Say|Play|Gather|Record|Pause)( [a-zA-Z]{1,9}=\"[^\"]{0,5}\"){0,2}/?>",
                "</(Response|Say|Play|Gather)>",
                "[a&;#<>\"' ]{0,6}",
            ], 0..12),
        ) {
            let _ = read(&parts.concat());
        }

        #[test]
        fn any_words_come_through(words in "[^\\p{C}]{1,60}") {
            prop_assume!(!words.trim().is_empty());
            let escaped = quick_xml::escape::escape(words.as_str());
            let verbs = read(&format!("<Response><Say>{escaped}</Say></Response>")).unwrap();
            prop_assert_eq!(verbs, [Verb::Say { text: words.trim().into(), language: "en-US".into() }]);
        }
    }
}
