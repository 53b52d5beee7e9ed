//! Parses `<Dial>` and its `<Number>`.

use super::elements::Element;
use super::twiml_reader::{RecordingCallback, recording_callback};

/// Maximum `timeout` of a `<Dial>`, in seconds.
const MAX_RINGING: u32 = 600;
/// Maximum `timeLimit` of a `<Dial>`, in seconds: four hours, which is also the default.
const MAX_TALK: u32 = 14_400;

/// `<Dial>`: the number rung, the document played to it, and where the result is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// The number to ring.
    pub number: String,
    /// URL of the document played to the called party before it is connected to the caller; `None`: it is connected
    /// at once.
    pub url: Option<String>,
    /// URL the result is posted to; `None`: the current document continues.
    pub action: Option<String>,
    /// Maximum time the telephone rings, in seconds.
    pub timeout: u32,
    /// Maximum length of the conversation, in seconds.
    pub time_limit: u32,
    /// The number shown to the called party; `None`: the caller's.
    pub caller_id: Option<String>,
    /// Where the states of the conversation's recording are posted; `None`: the conversation is not recorded.
    pub record: Option<RecordingCallback>,
}

/// Parses a `<Dial>`. It must have exactly one `<Number>`, because this exchange rings one telephone at a time.
pub(super) fn dial(mut element: Element) -> Result<Dial, String> {
    element.ignore("method", &["POST"])?;
    element.ignore("trim", &["trim-silence", "do-not-trim"])?;
    let callback = recording_callback(&mut element)?;
    let record = match element.take("record").as_deref() {
        None | Some("do-not-record") => None,
        Some("record-from-answer") => Some(callback),
        Some(other) => return Err(element.bad("record", other)),
    };
    let timeout = at_most(&mut element, "timeout", MAX_RINGING)?.unwrap_or(30);
    let time_limit = at_most(&mut element, "timeLimit", MAX_TALK)?.unwrap_or(MAX_TALK);
    let (action, caller_id) = (element.take("action"), element.take("callerId"));
    let mut children = std::mem::take(&mut element.children);
    element.nothing_left()?;
    let mut number = match (children.pop(), children.pop()) {
        (Some(only), None) if only.name == "Number" => only,
        (Some(_), _) => return Err("this exchange rings one <Number> at a time".to_owned()),
        (None, _) => return Err("<Dial> has no <Number>".to_owned()),
    };
    number.ignore("method", &["POST"])?;
    Ok(Dial {
        url: number.take("url"),
        number: number.only_text()?,
        action,
        timeout,
        time_limit,
        caller_id,
        record,
    })
}

fn at_most(element: &mut Element, name: &str, most: u32) -> Result<Option<u32>, String> {
    match element.take_number(name)? {
        Some(number) if number > most => Err(element.bad(name, &number.to_string())),
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::twiml_reader::{Verb, read};

    fn dial(text: &str) -> Result<Dial, String> {
        match read(&format!("<Response>{text}</Response>"))?.pop() {
            Some(Verb::Dial(dial)) => Ok(dial),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn defaults_are_those_of_the_reference() {
        let expected = Dial {
            number: "+8613800138000".into(),
            url: None,
            action: None,
            timeout: 30,
            time_limit: 14_400,
            caller_id: None,
            record: None,
        };
        assert_eq!(
            dial("<Dial><Number>+8613800138000</Number></Dial>"),
            Ok(expected)
        );
    }

    #[test]
    fn everything_it_acts_upon() {
        let text = r#"<Dial action="/after" method="POST" timeout="20" timeLimit="1800" callerId="+861" record="record-from-answer" trim="do-not-trim" recordingStatusCallback="/kept" recordingStatusCallbackMethod="POST" recordingStatusCallbackEvent="completed absent"><Number url="/whisper" method="POST">+862</Number></Dial>"#;
        let expected = Dial {
            number: "+862".into(),
            url: Some("/whisper".into()),
            action: Some("/after".into()),
            timeout: 20,
            time_limit: 1800,
            caller_id: Some("+861".into()),
            record: Some(RecordingCallback {
                url: Some("/kept".into()),
                events: vec!["completed".into(), "absent".into()],
            }),
        };
        assert_eq!(dial(text), Ok(expected));
    }

    #[test]
    fn what_it_would_not_do_is_an_error() {
        let number = "<Number>+861</Number>";
        let cases = [
            ("<Dial/>".to_owned(), "no <Number>"),
            ("<Dial>+861</Dial>".to_owned(), "text"),
            ("<Dial><Sip>a@b</Sip></Dial>".to_owned(), "one <Number>"),
            (format!("<Dial>{number}{number}</Dial>"), "one <Number>"),
            (format!("<Dial timeout=\"0\">{number}</Dial>"), "timeout"),
            (format!("<Dial timeout=\"601\">{number}</Dial>"), "timeout"),
            (
                format!("<Dial timeLimit=\"14401\">{number}</Dial>"),
                "timeLimit",
            ),
            (format!("<Dial method=\"GET\">{number}</Dial>"), "method"),
            (
                format!("<Dial record=\"record-from-ringing-dual\">{number}</Dial>"),
                "record",
            ),
            (
                format!("<Dial hangupOnStar=\"true\">{number}</Dial>"),
                "hangupOnStar",
            ),
            ("<Dial><Number/></Dial>".to_owned(), "empty"),
            (
                "<Dial><Number sendDigits=\"1\">+861</Number></Dial>".to_owned(),
                "sendDigits",
            ),
        ];
        for (text, part) in cases {
            let error = dial(&text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
