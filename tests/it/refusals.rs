//! The reason for refusing a webhook is in the log, once a minute for each provider and check, and nowhere else.

use crate::support::Binary;
use crate::support::Database;
use crate::support::hooks::{Form, call_form, encode, signature};
use crate::support::{ACCOUNT, TOKEN};
use dutyline::base::clock::Clock;
use dutyline::telephony::signature::jambonz_sign;
use reqwest::header::HeaderMap;
use std::process::Command;

/// Text put wherever a request has content, which may not be logged.
const MARK: &str = "13977123456";

const PROVIDERS: &str = r#"
[[provider]]
name = "space"
kind = "signalwire"
account = "7b6f1c2e-0000-4000-8000-000000000001"
auth_token = "t"
signing_key = "s"
api_url = "http://127.0.0.1:9"

[[provider]]
name = "tx"
kind = "telnyx"
account = "7b6f"
api_key = "k"
public_key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
media_hosts = ["s3.amazonaws.com"]
api_url = "http://127.0.0.1:9"

[[provider]]
name = "som"
kind = "somleng"
account = "7b6f"
auth_token = "t"
api_url = "http://127.0.0.1:9"

[[provider]]
name = "jam"
kind = "jambonz"
account = "7b6f"
api_key = "k"
webhook_secret = "w"
api_url = "http://127.0.0.1:9"

[[provider]]
name = "pbx"
kind = "asterisk"
username = "asterisk"
password = "p"
api_username = "duty"
api_password = "q"
api_url = "http://127.0.0.1:9"

[[line]]
id       = "fcg-5""#;

fn with_providers(toml: String) -> String {
    toml.replacen("[[line]]\nid       = \"fcg-5\"", PROVIDERS.trim_start(), 1)
}

/// Posts a request, or opens the WebSocket of that provider. Returns the status, and checks that the answer explains
/// nothing.
async fn send(binary: &Binary, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> u16 {
    let url = format!("{}{path}", binary.url);
    let request = match path.contains("/ari") {
        true => binary.client.get(url),
        false => binary.client.post(url).body(body),
    };
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        let name: reqwest::header::HeaderName = name.parse().unwrap();
        all.append(name, value.parse().unwrap());
    }
    let answer = request.headers(all).send().await.expect("an answer");
    let status = answer.status().as_u16();
    assert!(answer.bytes().await.unwrap().is_empty(), "{path}");
    status
}

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A provider, the check that fails, the status; path, headers and body of the request.
type Refused<'a> = (
    &'a str,
    &'a str,
    u16,
    String,
    Vec<(&'a str, &'a str)>,
    Vec<u8>,
);

#[tokio::test]
async fn a_refusal_is_explained_in_the_log_once_a_minute() {
    let binary = Binary::start(Database::sqlite(), "http://127.0.0.1:9", with_providers).await;
    let now = Clock::system().system_now().timestamp();
    let old = (now - 3_600).to_string();
    let (now_text, forged) = (now.to_string(), MARK);
    let form = |more: &[(&str, &str)]| call_form(&format!("CA{MARK}"), more);
    let marked = encode(&form(&[("From", MARK)]));
    let path = |name: &str| format!("/hooks/{name}/step?call={MARK}&{MARK}&line=fcg-5");
    let (call, pbx) = ("/hooks/twilio/call", "/hooks/pbx/ari?app=dutyline");
    let other: Form = form(&[("AccountSid", "AC22222222222222222222222222222222")]);
    let other_fits = signature(TOKEN, call, &other);
    let stale = jambonz_sign("w", b"{}", now - 3_600);
    let wrong = jambonz_sign("another", b"{}", now);
    let another_account = format!("{{\"account_sid\":\"{MARK}\"}}");
    let another = jambonz_sign("w", another_account.as_bytes(), now);
    let ed =
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
    let basic = "Basic YXN0ZXJpc2s6d3Jvbmc=";
    let refused: &[Refused<'_>] = &[
        (
            "twilio",
            "signature missing",
            403,
            path("twilio"),
            vec![FORM],
            marked.clone(),
        ),
        (
            "twilio",
            "signature wrong",
            403,
            path("twilio"),
            vec![FORM, ("X-Twilio-Signature", forged)],
            marked.clone(),
        ),
        (
            "twilio",
            "account",
            403,
            call.into(),
            vec![FORM, ("X-Twilio-Signature", &other_fits)],
            encode(&other),
        ),
        (
            "space",
            "signature missing",
            403,
            path("space"),
            vec![FORM],
            marked.clone(),
        ),
        (
            "space",
            "signature wrong",
            403,
            path("space"),
            vec![FORM, ("X-SignalWire-Signature", forged)],
            marked.clone(),
        ),
        (
            "som",
            "signature missing",
            403,
            path("som"),
            vec![FORM],
            marked.clone(),
        ),
        (
            "som",
            "signature wrong",
            403,
            path("som"),
            vec![FORM, ("X-Twilio-Signature", forged)],
            marked.clone(),
        ),
        (
            "tx",
            "signature missing",
            403,
            path("tx"),
            vec![FORM],
            marked.clone(),
        ),
        (
            "tx",
            "signature wrong",
            403,
            path("tx"),
            vec![
                FORM,
                ("telnyx-timestamp", &now_text),
                ("telnyx-signature-ed25519", ed),
            ],
            marked.clone(),
        ),
        (
            "tx",
            "clock",
            403,
            path("tx"),
            vec![
                FORM,
                ("telnyx-timestamp", &old),
                ("telnyx-signature-ed25519", ed),
            ],
            marked.clone(),
        ),
        (
            "jam",
            "signature missing",
            403,
            path("jam"),
            vec![JSON],
            marked.clone(),
        ),
        (
            "jam",
            "signature wrong",
            403,
            path("jam"),
            vec![JSON, ("Jambonz-Signature", &wrong)],
            b"{}".to_vec(),
        ),
        (
            "jam",
            "clock",
            403,
            path("jam"),
            vec![JSON, ("Jambonz-Signature", &stale)],
            b"{}".to_vec(),
        ),
        (
            "jam",
            "account",
            403,
            path("jam"),
            vec![JSON, ("Jambonz-Signature", &another)],
            another_account.clone().into_bytes(),
        ),
        (
            "pbx",
            "signature missing",
            403,
            pbx.into(),
            vec![],
            Vec::new(),
        ),
        (
            "pbx",
            "signature wrong",
            403,
            pbx.into(),
            vec![("Authorization", basic)],
            Vec::new(),
        ),
        (
            "",
            "provider",
            404,
            format!("/hooks/{MARK}/call"),
            vec![FORM],
            marked.clone(),
        ),
    ];
    for (_, check, status, path, headers, body) in refused {
        for _ in 0..3 {
            let answer = send(&binary, path, headers, body.clone()).await;
            assert_eq!(answer, *status, "{path}: {check}");
        }
    }
    let log = binary.log();
    for (provider, check, ..) in refused {
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| {
                line.contains("WARN")
                    && line.contains("webhook refused")
                    && line.contains(&format!("provider=\"{provider}\""))
                    && line.contains(&format!("check=\"{check}\""))
            })
            .collect();
        let [line] = lines[..] else {
            panic!("{provider}, {check}: once, and not {lines:#?} of {log}");
        };
        let shown = match (*provider, *check) {
            ("", _) => "https://duty.example.org/hooks/…".to_owned(),
            ("twilio", "account") => format!("https://duty.example.org{call}"),
            ("pbx", _) => "https://duty.example.org/hooks/pbx/ari?…".to_owned(),
            _ => format!("https://duty.example.org/hooks/{provider}/step?call=…&…&line=…"),
        };
        assert!(line.contains(&format!("address=\"{shown}\"")), "{line}");
        assert!(line.contains("advice="), "{line}");
    }
    let refusals = log.lines().filter(|line| line.contains("webhook refused"));
    assert_eq!(refusals.count(), refused.len(), "one line each: {log}");
    for value in [MARK, ACCOUNT, TOKEN, "fcg-5&", &other_fits, &stale, basic] {
        let told = log.lines().filter(|line| line.contains("webhook refused"));
        for line in told {
            assert!(!line.contains(value), "{line}");
        }
    }
    binary.finish().await;
}

fn check_webhook(folder: &tempfile::TempDir, path: &str) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dutyline"))
        .current_dir(folder.path())
        .args(["check", "--config", "line.toml", "--webhook", path])
        .output()
        .expect("the program");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn check_prints_the_address_whose_signature_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let toml = crate::support::configuration("sqlite:data/dutyline.db", "http://127.0.0.1:9");
    // An address with a path, and a final slash that must not be doubled.
    let toml = with_providers(toml).replace(
        "\"https://duty.example.org\"",
        "\"https://duty.example.org/line/\"",
    );
    std::fs::write(folder.path().join("line.toml"), toml).unwrap();
    for (path, note) in [
        ("/hooks/twilio/call", ""),
        ("/hooks/twilio/step?call=a&line=fcg-5&step=2", ""),
        ("/hooks/space/status", ""),
        ("/hooks/som/fallback", ""),
        ("/hooks/tx/call", "not the address"),
        ("/hooks/jam/call", "not the address"),
        ("/hooks/pbx/ari", "signs nothing"),
    ] {
        let (code, stdout, stderr) = check_webhook(&folder, path);
        assert_eq!(code, Some(0), "{path}: {stderr}");
        assert_eq!(stdout, format!("https://duty.example.org/line{path}\n"));
        assert_eq!(stderr.is_empty(), note.is_empty(), "{path}: {stderr}");
        assert!(stderr.contains(note), "{path}: {stderr}");
    }
    for (path, says) in [
        ("hooks/twilio/call", "like /hooks/twilio/call"),
        (
            "https://duty.example.org/hooks/twilio/call",
            "like /hooks/twilio/call",
        ),
        (
            "/hooks/telnyx/call",
            "there are twilio, space, tx, som, jam, pbx",
        ),
        ("/hooks/twilio", "comes call, status"),
        ("/hooks/twilio/ari", "comes call, status"),
        ("/hooks/pbx/call", "comes ari"),
        ("/hooks/twilio/call#rc=2", "fragment"),
    ] {
        let (code, stdout, stderr) = check_webhook(&folder, path);
        assert_eq!(code, Some(2), "{path}: {stdout}");
        assert!(
            stdout.is_empty() && stderr.contains(says),
            "{path}: {stderr}"
        );
    }
}
