//! The operator's configuration, with the telephone but without the service: Asterisk's own behaviour.

use super::likeness::{find, likeness};
use super::scenario::Caller;
use super::speech::{PACKET, of_wav, speak, to_wav};
use super::switch::{API, Site, Switch, TRUNK};
use super::telephone::Telephone;
use crate::support::{DEADLINE, NUMBER, client, pause};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const CALLER: &str = "13800138000";

impl Switch {
    /// Waits until a call has reached the Stasis application, which happens without the service too. Returns the
    /// channel.
    async fn caller(&self) -> String {
        let there = async {
            loop {
                let channels = self.get("channels").await;
                if let Some(id) = channels[0]["id"].as_str() {
                    return id.to_owned();
                }
                pause().await;
            }
        };
        tokio::time::timeout(DEADLINE, there).await.expect("a call")
    }

    async fn post(&self, path: &str, body: Value) -> StatusCode {
        self.ask(Method::POST, path, Some(body)).await.0
    }
}

/// Only the named modules are loaded, all of them are, and no file has errors.
#[tokio::test]
async fn it_loads_whole_and_says_nothing() {
    let site = Site::new();
    let switch = Switch::start(&site).await;
    let log = switch.log();
    let wrong = ["ERROR", "WARNING", "Unable", "Could not"];
    // Neither the registrar nor the service exists here.
    let expected = |line: &str| line.contains("registration") || line.contains("websocket");
    let wrong: Vec<_> = log
        .lines()
        .filter(|line| wrong.iter().any(|word| line.contains(word)) && !expected(line))
        .collect();
    assert_eq!(wrong, [""; 0]);
    let modules = switch.console("module show");
    for absent in [
        "cdr_",
        "cel_",
        "app_voicemail",
        "app_mixmonitor",
        "res_agi",
        "bridge_native_rtp",
        "endpoint_identifier_anonymous",
        "endpoint_identifier_user",
    ] {
        assert!(!modules.contains(absent), "{absent} is not loaded");
    }
    assert!(
        switch
            .console("manager show settings")
            .contains("Manager (AMI):             No")
    );
    assert!(switch.console("cdr show status").contains("Disabled"));
}

/// A caller without the password is refused, whatever name is given.
#[tokio::test]
async fn strangers_are_refused() {
    let site = Site::new();
    let switch = Switch::start(&site).await;
    let from = format!("<sip:{CALLER}@{}>", site.address);
    let stranger = |to, credentials| Caller {
        from: &from,
        to,
        credentials,
    };
    let mut without = Telephone::calls(&site, &stranger(NUMBER, None));
    assert!(without.over().await.contains("SIP/2.0 401"));
    let wrong = Some((TRUNK.0, "a-guess"));
    let mut wrong = Telephone::calls(&site, &stranger(NUMBER, wrong));
    wrong.refused().await;
    // The trunk itself reaches no other number, neither abroad nor of the roster.
    for number in ["12345", "0012025550100", "+8613800138000"] {
        let mut other = Telephone::calls(&site, &stranger(number, Some(TRUNK)));
        assert!(other.over().await.contains("SIP/2.0 404"), "{number}");
    }
    let url = format!("{}/ari/recordings/stored", site.api_url());
    let request = client().get(&url).basic_auth(API.0, Some("a guess"));
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(switch.get("channels").await, json!([]));
}

/// Only numbers of the roster's kind can be dialled, whatever the service requests.
#[tokio::test]
async fn nobody_abroad_is_rung() {
    let site = Site::new();
    let switch = Switch::start(&site).await;
    let dial = async |leg: &str, number: &str| {
        let body = json!({
            "endpoint": format!("Local/{number}@roster/n"), "app": "dutyline", "formats": "alaw", "timeout": 20,
        });
        assert_eq!(
            switch.post(&format!("channels/{leg}"), body).await,
            StatusCode::OK
        );
    };
    for (i, number) in [
        "+12025550100",
        "0012025550100",
        "+8610086",
        "110",
        "+861380013800",
        "+86138001380001",
    ]
    .iter()
    .enumerate()
    {
        dial(&format!("abroad-{i}"), number).await;
    }
    let gone = async {
        while switch.get("channels").await != json!([]) {
            pause().await;
        }
    };
    tokio::time::timeout(DEADLINE, gone)
        .await
        .expect("they are refused");
    let mut telephone = Telephone::on_duty(&site);
    dial("duty", "+8613800138000").await;
    telephone.called().await;
    telephone.answer().await;
    telephone.hang_up().await;
}

/// A whole call over the trunk without the service: sounds are heard, keys arrive, speech is recorded unchanged, and no
/// number is in the log.
#[tokio::test]
async fn what_is_said_is_recorded_and_what_is_played_is_heard() {
    let site = Site::new();
    let switch = Switch::start(&site).await;
    let folder = tempfile::tempdir().unwrap();
    let said = speak("我要反映一个问题，学校食堂的采购有人拿回扣。");
    let prompt = speak("您好，请留言。");
    let file = folder.path().join("prompt.wav");
    // Asterisk drops the last 44 bytes of a file, the size of its header.
    let silence = vec![0; PACKET];
    std::fs::write(&file, to_wav(&[prompt.clone(), silence].concat())).unwrap();
    let mut caller = Telephone::dials(&site, CALLER, NUMBER);
    let channel = switch.caller().await;
    caller.rings().await;
    let at = |what: &str| format!("channels/{channel}/{what}");
    assert_eq!(
        switch.post(&at("answer"), json!({})).await,
        StatusCode::NO_CONTENT
    );
    caller.answered().await;

    let media = format!("sound:{}", file.with_extension("").display());
    assert_eq!(
        switch.post(&at("play"), json!({ "media": media })).await,
        StatusCode::CREATED
    );
    caller.listen(std::time::Duration::from_secs(1)).await;
    let heard = find(&prompt, &caller.heard()).expect("all of it was heard");
    assert!(heard.likeness > 0.99, "{heard:?}");

    let body =
        json!({ "name": "take", "format": "wav", "terminateOn": "#", "maxDurationSeconds": 60 });
    assert_eq!(switch.post(&at("record"), body).await, StatusCode::CREATED);
    switch.has_recordings(1).await;
    caller.say(&said).await;
    // A key that does not end the recording, and the one that does.
    caller.press("1#").await;
    let ended = async {
        while switch
            .ask(Method::GET, "recordings/live/take", None)
            .await
            .0
            == StatusCode::OK
        {
            pause().await;
        }
    };
    tokio::time::timeout(DEADLINE, ended)
        .await
        .expect("# ends it");
    caller.hang_up().await;
    let (status, recorded) = switch
        .ask(Method::GET, "recordings/stored/take/file", None)
        .await;
    assert_eq!(status, StatusCode::OK);
    let recorded = of_wav(&recorded);
    let found = likeness(&said, &recorded);
    assert!(found > 0.95, "{found}");

    assert!(!switch.log().contains(CALLER), "{}", switch.log());
    assert!(!switch.log().contains(NUMBER), "{}", switch.log());
}
