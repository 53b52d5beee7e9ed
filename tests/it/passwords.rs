//! Passwords: equality of spellings, and the ones refused when a password is set.

use crate::support::console::Desk;
use crate::support::{Api, LEAD, TOKEN, TestLine, configuration, on_both, wrote};
use dutyline::config::{Config, ProviderSettings};
use dutyline::report::role::Role;
use reqwest::StatusCode;
use serde_json::json;

/// A password with a composed letter, and spellings that a keyboard, an input method or an editor makes of it:
/// decomposed, full-width, after a byte order mark, with line ends.
const PLAIN: &str = "Lärche 4711 über";
const SPELLINGS: [&str; 5] = [
    PLAIN,
    "La\u{308}rche 4711 u\u{308}ber",
    "Ｌärche\u{3000}４７１１\u{3000}über",
    "\u{feff}Lärche 4711 über\r\n",
    "Lärche 4711 über\n\n",
];

on_both! {
    async fn a_password_is_the_same_however_it_was_typed(line: TestLine) {
        // Set in each interface in another spelling.
        line.make_member("harness", Role::Lead, SPELLINGS[1], &["fcg-5"]).await;
        let lead = Desk::sign_in(&line.url, LEAD.0, LEAD.1).await;
        let form = [("name", "console"), ("password", SPELLINGS[2]), ("role", "lead"), ("line", "fcg-5"), ("own_password", LEAD.1)];
        let added = lead.post("/console/members", &form).await;
        assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text());
        for (n, spelling) in SPELLINGS.iter().enumerate() {
            std::fs::write(line.path().join(format!("p{n}")), spelling).unwrap();
        }
        std::fs::write(line.path().join("wang"), LEAD.1).unwrap();
        let add = ["member", "add", "terminal", "--role", "lead", "--password-file", "p3", "--as", LEAD.0, "--as-password-file", "wang"];
        let output = line.cli(&add).await;
        assert!(output.status.success(), "{}", wrote(&output));

        for (n, spelling) in SPELLINGS.iter().enumerate() {
            // A form's field never holds a line end, but a script may send one.
            Api::log_in(&line.url, "terminal", spelling).await;
            let desk = Desk::sign_in(&line.url, "console", spelling).await;
            let file = format!("p{n}");
            let grant = ["member", "grant", "console", "--line", "fcg-5", "--as", "harness", "--as-password-file", &file];
            let output = line.cli(&grant).await;
            assert!(output.status.success(), "{spelling:?}: {}", wrote(&output));
            let next = SPELLINGS[(n + 1) % SPELLINGS.len()];
            let form = [("old", *spelling), ("new", next), ("again", *spelling)];
            let changed = desk.post("/console/password", &form).await;
            assert_eq!(changed.status, StatusCode::OK, "{spelling:?}: {}", changed.text());
        }
        let other = line.anybody().post("/session", json!({ "name": "terminal", "password": "Larche 4711 uber" })).await;
        assert_eq!(other.status, StatusCode::UNAUTHORIZED);
    }

    async fn a_short_or_common_password_is_set_at_no_door(line: TestLine) {
        std::fs::write(line.path().join("wang"), LEAD.1).unwrap();
        let lead = Desk::sign_in(&line.url, LEAD.0, LEAD.1).await.speaking("en");
        for (password, web, terminal) in [
            ("elf letters", "12 characters or more", "12 characters or more"),
            ("\u{feff}elf letters\n\n\n\n", "12 characters or more", "12 characters or more"),
            ("1qaz2wsx3edc", "often used", "often used"),
            ("P@ssw0rd2024!!", "often used", "often used"),
            ("Ｐａｓｓｗｏｒｄ１２３４", "often used", "often used"),
            ("dutyline-dutyline", "often used", "often used"),
            ("111111111111111", "often used", "often used"),
            ("qwertyuiop[]\u{200b}", "often used", "often used"),
            ("fcg-5-20240306", "often used", "often used"),
        ] {
            let form = [("name", "li"), ("password", password), ("role", "inspector"), ("line", "fcg-5")];
            let refused = lead.post("/console/members", &form).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{password:?}");
            assert!(refused.text().contains(web), "{password:?}: {}", refused.text());
            let form = [("old", LEAD.1), ("new", password), ("again", password)];
            let refused = lead.post("/console/password", &form).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{password:?}");
            assert!(refused.text().contains(web), "{password:?}: {}", refused.text());
            std::fs::write(line.path().join("short"), password).unwrap();
            let add = ["member", "add", "li", "--role", "inspector", "--password-file", "short", "--as", LEAD.0, "--as-password-file", "wang"];
            let init = ["init", "--lead", "li", "--password-file", "short"];
            for arguments in [&add[..], &init] {
                let output = line.cli(arguments).await;
                assert_eq!(output.status.code(), Some(2), "{}", wrote(&output));
                assert!(wrote(&output).contains(terminal), "{}", wrote(&output));
                assert!(!wrote(&output).contains(password), "a password is never shown");
            }
        }
        // The encoding that Windows' editor calls Unicode is named in the error.
        let utf16: Vec<u8> = "\u{feff}a long password".encode_utf16().flat_map(u16::to_le_bytes).collect();
        std::fs::write(line.path().join("utf16"), utf16).unwrap();
        let output = line.cli(&["init", "--lead", LEAD.0, "--password-file", "utf16"]).await;
        assert_eq!(output.status.code(), Some(2));
        assert!(wrote(&output).contains("save it as UTF-8"), "{}", wrote(&output));
    }
}

/// An editor's line end, a blank or a byte order mark would invalidate every signature without an explanation.
#[test]
fn white_space_around_a_token_in_a_file_is_not_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let toml = configuration("sqlite:x.db", "http://127.0.0.1:1");
    let given = format!("auth_token = \"{TOKEN}\"");
    assert!(toml.contains(&given));
    let toml = toml.replace(&given, "auth_token_file = \"token\"");
    let config = Config::parse(&toml, "test.toml", folder.path()).unwrap();
    let ProviderSettings::Twilio { auth_token, .. } = &config.providers[0].settings else {
        panic!("the test's provider is of another kind");
    };
    for written in [
        "{}",
        "{}\n\n",
        "\u{feff}{}\r\n",
        " \t{} \n",
        "\u{3000}{}\u{3000}",
    ] {
        std::fs::write(folder.path().join("token"), written.replace("{}", TOKEN)).unwrap();
        let read = auth_token.read().unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].expose(), TOKEN, "{written:?}");
    }
    for empty in ["", "\n", "\u{feff} \n"] {
        std::fs::write(folder.path().join("token"), empty).unwrap();
        assert!(
            auth_token
                .read()
                .unwrap_err()
                .to_string()
                .contains("the secret is empty")
        );
    }
}
