//! Fetching a call's next document, handling its failure, and ending a call.

use super::call::{Call, Waiting};
use super::exchange::{Inner, Trouble, lock, now};
use super::recordings::whole_seconds;
use super::twiml_reader::{self, Verb};
use super::webhook;
use std::collections::VecDeque;

/// Maximum number of documents, fallback included, that are fetched for a call without an action of the caller. More
/// are considered a loop.
const DOCUMENT_LIMIT: u32 = 50;
/// What Twilio says to the caller when the fallback fails too.
const APPLICATION_ERROR: &str = "We are sorry, an application error has occurred. Goodbye.";

impl Inner {
    /// Returns the fields common to the webhooks about a call (callbacks about recordings have others), followed by
    /// `more`. The geographic fields are sent empty, because the location of a number is unknown.
    pub(super) fn form(&self, call: &Call, more: &[(&str, String)]) -> Vec<(String, String)> {
        let mut form = vec![
            ("CallSid", call.sid.as_str()),
            ("AccountSid", &self.settings.account),
            ("From", &call.from),
            ("To", &call.to),
            ("Caller", &call.from),
            ("Called", &call.to),
            ("Direction", call.direction()),
            ("CallStatus", call.status),
            ("ApiVersion", "2010-04-01"),
        ];
        if let Some(parent) = &call.parent {
            form.push(("ParentCallSid", parent));
        }
        for place in [
            "FromCity",
            "FromState",
            "FromZip",
            "FromCountry",
            "ToCity",
            "ToState",
            "ToZip",
            "ToCountry",
        ] {
            form.push((place, ""));
        }
        form.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
        form.into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Fetches the document at `reference`, posting the fields `more`, and makes its verbs the call's next ones. If
    /// that fails, the fallback is fetched once; if that fails too, an apology is said and the call ends. Twilio's
    /// reference does not define what happens when the document for a dialled leg fails; here the leg is hung up,
    /// because a called party that heard nothing cannot have accepted the call.
    pub(super) async fn go_to(&self, call: &mut Call, reference: String, more: &[(&str, String)]) {
        let failed = match webhook::resolve(&call.document, &reference) {
            Ok(url) => match self.document(call, url, more).await {
                Ok(()) => return,
                Err(trouble) => trouble,
            },
            Err(reason) => Trouble {
                code: 11100,
                url: reference,
                reason,
            },
        };
        let error = [
            ("ErrorCode", failed.code.to_string()),
            ("ErrorUrl", failed.url.clone()),
        ];
        self.trouble(failed);
        if call.parent.is_some() {
            call.verbs = VecDeque::from([Verb::Hangup]);
            return;
        }
        let fallback = self.outgoing.hook("fallback");
        if let Err(failed) = self.document(call, fallback, &error).await {
            self.trouble(failed);
            self.set_status(call, "in-progress");
            call.say(APPLICATION_ERROR.to_owned(), "en-US".to_owned());
            call.verbs = VecDeque::from([Verb::Hangup]);
        }
    }

    async fn document(
        &self,
        call: &mut Call,
        url: String,
        more: &[(&str, String)],
    ) -> Result<(), Trouble> {
        let trouble = |code, reason| Trouble {
            code,
            url: url.clone(),
            reason,
        };
        call.documents += 1;
        if call.documents > DOCUMENT_LIMIT {
            return Err(trouble(11215, "too many documents in a row".to_owned()));
        }
        let form = self.form(call, more);
        let answer = self
            .send(self.webhook(&url, form))
            .await
            .map_err(|reason| trouble(11205, reason))?;
        if !(200..300).contains(&answer.status) {
            return Err(trouble(11200, format!("answered {}", answer.status)));
        }
        let media_type = answer.content_type.split(';').next().unwrap_or_default();
        if !["text/xml", "application/xml"].contains(&media_type.trim()) {
            return Err(trouble(
                12300,
                format!("it is {media_type:?}, not text/xml"),
            ));
        }
        let verbs = twiml_reader::read(&answer.body).map_err(|reason| trouble(12100, reason))?;
        if call.parent.is_some() && verbs.iter().any(|verb| matches!(verb, Verb::Dial(_))) {
            let reason = "whoever was rung can't ring anybody else".to_owned();
            return Err(trouble(13201, reason));
        }
        call.verbs = verbs.into();
        call.document = url;
        Ok(())
    }

    pub(super) fn set_status(&self, call: &mut Call, status: &'static str) {
        call.status = status;
        if let Some(facts) = lock(&self.facts).get_mut(&call.sid) {
            facts.status = status;
        }
    }

    /// Ends a call: posts the status webhook, unless the faults drop it, then the callbacks held back until now. For
    /// a dialled leg no status webhook is sent, because the action of its `<Dial>` reports the result.
    pub(super) async fn finish(&self, call: &mut Call, status: &'static str) {
        call.verbs.clear();
        call.waiting = Waiting::Nothing;
        self.set_status(call, status);
        let seconds = if status == "completed" {
            whole_seconds(call.elapsed)
        } else {
            0
        };
        if let Some(facts) = lock(&self.facts).get_mut(&call.sid) {
            facts.duration = Some(seconds);
        }
        let told = call.parent.is_none() && !lock(&self.faults).drop_status;
        if told {
            let form = self.form(
                call,
                &[
                    ("CallDuration", seconds.to_string()),
                    // Minutes, rounded up, as they are billed.
                    ("Duration", seconds.div_ceil(60).to_string()),
                    ("Timestamp", now()),
                    ("CallbackSource", "call-progress-events".to_owned()),
                    ("SequenceNumber", "0".to_owned()),
                ],
            );
            let status = self.outgoing.hook("status");
            let _ = self.send(self.webhook(&status, form)).await;
        }
        for callback in std::mem::take(&mut call.late) {
            let _ = self.send(callback).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::simulator::call::{Heard, WaitingFor};
    use crate::simulator::exchange::{Exchange, ExchangeSettings};
    use crate::simulator::testing::{ACCOUNT, Service};

    const CALL: &str = "/hooks/sim/call";
    const FALLBACK: &str = "/hooks/sim/fallback";

    #[tokio::test]
    async fn a_failure_goes_to_the_fallback() {
        let failures = [
            ("!500", "11200"),
            ("hello", "12100"),
            ("<Response><Sms>1</Sms></Response>", "12100"),
        ];
        for (answer, code) in failures {
            let service = Service::start().await;
            service.raw(CALL, answer);
            service.at(FALLBACK, "<Say>Call again.</Say>");
            let view = service.exchange().dial("1", "2").await.unwrap();
            assert!(matches!(&view.heard[..], [Heard::Say { say, .. }] if say == "Call again."));
            assert_eq!(view.waiting, WaitingFor::Nothing);
            let told = service.told();
            assert_eq!(told[1].0, FALLBACK);
            assert_eq!(told[1].1["ErrorCode"], code);
            assert_eq!(
                told[1].1["ErrorUrl"],
                "https://duty.example.org/hooks/sim/call"
            );
        }
    }

    #[tokio::test]
    async fn no_content_is_no_document() {
        let service = Service::start().await;
        let exchange = service.exchange();
        exchange.dial("1", "2").await.unwrap();
        let codes: Vec<_> = exchange.troubles().iter().map(|t| t.code).collect();
        assert_eq!(codes, [12300, 12300]);
    }

    #[tokio::test]
    async fn a_fallback_that_fails_ends_with_an_apology() {
        let service = Service::start().await;
        service.at(CALL, r#"<Gather action="/broken" numDigits="1"/>"#);
        service.raw("/broken", "!500");
        service.raw(FALLBACK, "!500");
        let exchange = service.exchange();
        let id = exchange.dial("1", "2").await.unwrap().id;
        let view = exchange.press(&id, "1").await.unwrap();
        assert!(
            matches!(&view.heard[..], [Heard::Say { say, .. }] if say.contains("application error"))
        );
        assert_eq!(view.waiting, WaitingFor::Nothing);
        assert_eq!(
            service.paths(),
            [CALL, "/broken", FALLBACK, "/hooks/sim/status"]
        );
        let reasons: Vec<_> = exchange.troubles().into_iter().map(|t| t.reason).collect();
        assert_eq!(reasons, ["answered 500", "answered 500"]);
    }

    #[tokio::test]
    async fn nobody_at_home() {
        // A port that was free when the listener was bound.
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let exchange = Exchange::new(ExchangeSettings {
            account: ACCOUNT.to_owned(),
            auth_token: "t".to_owned().into(),
            hooks_url: format!("http://127.0.0.1:{port}/hooks/sim"),
            api_url: "https://api.example".to_owned(),
            public_url: "https://duty.example.org".to_owned(),
        })
        .unwrap();
        let view = exchange.dial("1", "2").await.unwrap();
        assert_eq!(view.waiting, WaitingFor::Nothing);
        let troubles = exchange.troubles();
        assert_eq!((troubles.len(), troubles[0].code), (2, 11205));
    }

    #[tokio::test]
    async fn a_loop_comes_to_an_end() {
        let service = Service::start().await;
        service.at(CALL, "<Redirect>/hooks/sim/call</Redirect>");
        let view = service.exchange().dial("1", "2").await.unwrap();
        assert_eq!(view.waiting, WaitingFor::Nothing);
        assert_eq!(service.paths().len(), 51);
    }
}
