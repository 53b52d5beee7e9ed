//! Who may fetch a take, and how often.

use crate::support::hooks::{SIGNATURE, address_in, path_of, signature};
use crate::support::{Answer, NUMBER, TOKEN, TestLine, on_both};
use dutyline::simulator::SAMPLE;
use dutyline::simulator::exchange::SpeechEnd;
use reqwest::{Method, StatusCode};

/// Maximum number of fetches of an address.
const MOST: usize = 8;

/// A caller who listens to their recording.
struct Listening<'a> {
    line: &'a TestLine,
    call: String,
}

impl<'a> Listening<'a> {
    async fn begin(line: &'a TestLine) -> Self {
        let exchange = &line.exchange;
        let call = exchange.dial("+8613800138000", NUMBER).await.unwrap().id;
        exchange.press(&call, "1").await.unwrap();
        let speech = bytes::Bytes::from_static(SAMPLE);
        let end = Some(SpeechEnd::Key);
        exchange.speak(&call, speech, end).await.unwrap();
        Self { line, call }
    }

    /// Listens, and returns the address of the take that is played.
    async fn listen(&self) -> String {
        let exchange = &self.line.exchange;
        exchange.press(&self.call, "2").await.unwrap();
        let sent = exchange.sent();
        let document = &sent.last().unwrap().answers[0].as_ref().unwrap().body;
        path_of(&address_in(document, "/take/")).to_owned()
    }

    /// Fetches a take with these headers.
    async fn fetch(&self, take: &str, headers: &[(&str, &str)]) -> Answer {
        self.line
            .request(Method::GET, take, headers, Vec::new())
            .await
    }

    async fn end(self) {
        self.line.exchange.press(&self.call, "1").await.unwrap();
        self.line.exchange.hang_up(&self.call).await.unwrap();
        self.line.until_settled().await;
    }
}

fn signatures_required(toml: String) -> String {
    toml.replace(
        "kind    = \"twilio\"",
        "kind    = \"twilio\"\ntake_signature = \"required\"",
    )
}

on_both! {
    async fn the_address_of_a_take_holds_for_the_step_that_plays_it(line: TestLine) {
        let listening = Listening::begin(line).await;
        let first = listening.listen().await;
        assert_eq!(listening.fetch(&first, &[]).await.body, SAMPLE);
        let second = listening.listen().await;
        assert_ne!(first, second);
        let old = listening.fetch(&first, &[]).await;
        assert_eq!(old.status, StatusCode::NOT_FOUND, "the call has gone on");
        assert!(old.body.is_empty());
        assert_eq!(listening.fetch(&second, &[]).await.body, SAMPLE);
        listening.end().await;
    }

    async fn the_address_of_a_take_is_fetched_a_bounded_number_of_times(line: TestLine) {
        let listening = Listening::begin(line).await;
        let take = listening.listen().await;
        // The provider has fetched it once.
        for n in 2..=MOST {
            assert_eq!(listening.fetch(&take, &[]).await.body, SAMPLE, "fetch {n}");
        }
        let more = listening.fetch(&take, &[]).await;
        assert_eq!(more.status, StatusCode::NOT_FOUND);
        assert!(more.body.is_empty());
        // Listening once more uses another address.
        let again = listening.listen().await;
        assert_eq!(listening.fetch(&again, &[]).await.body, SAMPLE);
        listening.end().await;
    }

    async fn a_signature_beside_the_address_of_a_take_must_be_right(line: TestLine) {
        let listening = Listening::begin(line).await;
        let take = listening.listen().await;
        let right = signature(TOKEN, &take, &Vec::new());
        let wrong = signature("another-token", &take, &Vec::new());
        assert_eq!(listening.fetch(&take, &[(SIGNATURE, &right)]).await.body, SAMPLE);
        for headers in [
            vec![(SIGNATURE, wrong.as_str())],
            vec![(SIGNATURE, "")],
            vec![(SIGNATURE, &right), (SIGNATURE, &right)],
            vec![(SIGNATURE, &wrong), (SIGNATURE, &right)],
        ] {
            let answer = listening.fetch(&take, &headers).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
            assert!(answer.body.is_empty());
        }
        listening.end().await;
    }

    async fn where_signatures_are_required_a_take_is_not_fetched_without_one(line: TestLine = signatures_required) {
        let listening = Listening::begin(line).await;
        let take = listening.listen().await;
        assert_eq!(listening.fetch(&take, &[]).await.status, StatusCode::FORBIDDEN);
        let right = signature(TOKEN, &take, &Vec::new());
        assert_eq!(listening.fetch(&take, &[(SIGNATURE, &right)]).await.body, SAMPLE);
        listening.end().await;
    }
}
