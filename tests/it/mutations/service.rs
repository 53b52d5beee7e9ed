//! Changed requests, posted to a service with all providers that sign their webhooks: all are refused, and none changes
//! the database.

use super::mutants::mutate;
use super::requests::{ACCOUNT, Scheme, Signed};
use crate::support::dice::Dice;
use crate::support::{Database, OPEN, TestLine, client};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use dutyline::base::clock::Clock;
use futures_util::stream::{self, StreamExt};
use reqwest::{StatusCode, Url};

/// Number of mutants in each scheme: 100,100 in all.
const EACH: usize = 14_300;
/// Base address of the service, as providers know it.
pub(super) const PUBLIC: &str = "https://duty.example.org";

/// Returns the name of the provider with this scheme.
pub(super) fn provider(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Twilio | Scheme::TwilioSettings => "tw",
        Scheme::SignalWireForm | Scheme::SignalWireRaw => "sw",
        Scheme::Somleng => "so",
        Scheme::Telnyx => "te",
        Scheme::Jambonz => "ja",
    }
}

/// Returns the configuration with all of them in place of its one provider.
pub(super) fn all_providers(toml: String) -> String {
    let (start, end) = (
        toml.find("[[provider]]").unwrap(),
        toml.find("[[line]]").unwrap(),
    );
    let api = "api_url = \"http://127.0.0.1:9\"";
    let (twilio, shared) = (Scheme::Twilio.secret(), Scheme::TwilioSettings.secret());
    let (one, other) = (
        Scheme::SignalWireForm.secret(),
        Scheme::SignalWireRaw.secret(),
    );
    let (somleng, jambonz) = (Scheme::Somleng.secret(), Scheme::Jambonz.secret());
    let key = Scheme::Telnyx.public_key();
    let blocks = [
        format!(
            "name = \"tw\"\nkind = \"twilio\"\nauth_token = \"{twilio}\"\nsigning_key = \"{shared}\""
        ),
        format!(
            "name = \"sw\"\nkind = \"signalwire\"\nauth_token = \"t\"\nsigning_key = [\"{one}\", \"{other}\"]"
        ),
        format!("name = \"so\"\nkind = \"somleng\"\nauth_token = \"{somleng}\""),
        format!(
            "name = \"te\"\nkind = \"telnyx\"\napi_key = \"k\"\npublic_key = \"{key}\"\nmedia_hosts = [\"127.0.0.1\"]"
        ),
        format!(
            "name = \"ja\"\nkind = \"jambonz\"\napi_key = \"k\"\nwebhook_secret = \"{jambonz}\""
        ),
    ];
    let blocks =
        blocks.map(|block| format!("[[provider]]\naccount = \"{ACCOUNT}\"\n{api}\n{block}\n\n"));
    format!("{}{}{}", &toml[..start], blocks.concat(), &toml[end..])
}

/// Returns the request as the service receives it; `None` if it cannot be sent.
pub(super) fn sendable(mutant: &Signed, at: &str) -> Option<(Signed, Url, HeaderMap)> {
    let path = mutant.url.split_once("://")?.1;
    let path = &path[path.find('/')?..];
    let url = Url::parse(&format!("{at}{path}")).ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in &mutant.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    let mut seen = mutant.clone();
    let query = url.query().map(|query| format!("?{query}"));
    seen.url = format!("{PUBLIC}{}{}", url.path(), query.unwrap_or_default());
    Some((seen, url, headers))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_changed_request_leaves_anything_behind() {
    let line = TestLine::with(Database::sqlite(), OPEN, all_providers).await;
    let before = line.rows().await;
    let client = client();
    let now = Clock::system().system_now().timestamp();
    for (seed, scheme) in (1..).zip(Scheme::ALL) {
        let mut dice = Dice::of(seed);
        let mut mutants = Vec::new();
        let paths = [
            "call",
            "status",
            "recording",
            "fallback",
            "step?call=1&line=fcg-5&step=1",
        ];
        while mutants.len() < EACH {
            let path = dice.pick(&paths).to_owned();
            let url = format!("{PUBLIC}/hooks/{}/{path}", provider(scheme));
            let signed = scheme.signed_to(url.clone(), now, &mut dice);
            let other = scheme.signed_to(url, now, &mut dice);
            for _ in 0..20 {
                let mutant = mutate(&signed, &other, &mut dice);
                let Some((seen, url, headers)) = sendable(&mutant, &line.url) else {
                    continue;
                };
                if !scheme.same(&signed, &seen) && !scheme.same(&other, &seen) {
                    mutants.push((url, headers, mutant.body));
                }
            }
        }
        let answers = stream::iter(mutants).map(|(url, headers, body)| {
            let request = client.post(url.clone()).headers(headers).body(body);
            async move { (url, request.send().await.expect("an answer").status()) }
        });
        let mut answers = answers.buffer_unordered(8);
        while let Some((url, status)) = answers.next().await {
            // A changed address may not exist in the service, or only answer other methods.
            let none = [
                StatusCode::FORBIDDEN,
                StatusCode::NOT_FOUND,
                StatusCode::METHOD_NOT_ALLOWED,
            ];
            assert!(none.contains(&status), "{scheme:?} {url}: {status}");
        }
    }
    assert_eq!(line.rows().await, before);

    // Unchanged requests are accepted, so that the changes were the reason for the refusals.
    let mut dice = Dice::of(8);
    for scheme in [
        Scheme::Twilio,
        Scheme::TwilioSettings,
        Scheme::SignalWireForm,
        Scheme::Somleng,
        Scheme::Telnyx,
    ] {
        let url = format!("{PUBLIC}/hooks/{}/call", provider(scheme));
        let signed = scheme.signed_to(url, now, &mut dice);
        let (_, url, headers) = sendable(&signed, &line.url).expect("it can be sent");
        let answer = client.post(url).headers(headers).body(signed.body).send();
        assert_eq!(
            answer.await.expect("an answer").status(),
            StatusCode::OK,
            "{scheme:?}"
        );
    }
    line.finish().await;
}
