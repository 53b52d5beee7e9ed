//! The configuration as written, deserialized from what [`shape`](super::shape) has left of it: a value that is
//! missing or was wrong is `None` here, and its error, if there is one, is recorded already. Only the shape is
//! checked here.

use crate::line::calendar::TomlDate;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub server: Server,
    #[serde(default)]
    pub storage: Storage,
    #[serde(default)]
    pub trust: Trust,
    #[serde(default)]
    pub prompts: Prompts,
    #[serde(default)]
    pub provider: Vec<Spanned<Provider>>,
    #[serde(default)]
    pub line: Vec<Spanned<Line>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub listen: Option<Spanned<String>>,
    pub ops_listen: Option<Spanned<String>>,
    pub public_url: Option<Spanned<String>>,
    #[serde(default)]
    pub trusted_proxies: Vec<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Storage {
    pub database: Option<Spanned<String>>,
    pub recordings: Option<Spanned<String>>,
    pub secret_file: Option<Spanned<String>>,
    pub connections: Option<Spanned<Connections>>,
}

/// `[trust]`: what is not taken from the database.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Trust {
    pub lead: Option<Spanned<String>>,
}

/// `[storage] connections`: maximum numbers of connections to Postgres.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Connections {
    pub webhooks: Option<Spanned<i64>>,
    pub jobs: Option<Spanned<i64>>,
    pub console: Option<Spanned<i64>>,
}

/// `[prompts]`: folders of words and sounds, and the commands that synthesize them.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Prompts {
    pub folder: Option<Spanned<String>>,
    pub cache: Option<Spanned<String>>,
    pub passing: Option<Spanned<String>>,
    #[serde(default)]
    pub synthesize: BTreeMap<Spanned<String>, Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    pub name: Option<Spanned<String>>,
    pub kind: Option<Spanned<super::ProviderKind>>,
    pub api_url: Option<Spanned<String>>,
    pub account: Option<Spanned<String>>,
    pub auth_token: Option<Spanned<OneOrTwo>>,
    pub auth_token_file: Option<Spanned<OneOrTwo>>,
    pub username: Option<Spanned<String>>,
    pub password: Option<Spanned<OneOrTwo>>,
    pub password_file: Option<Spanned<OneOrTwo>>,
    pub api_username: Option<Spanned<String>>,
    pub api_password: Option<Spanned<OneOrTwo>>,
    pub api_password_file: Option<Spanned<OneOrTwo>>,
    pub dial: Option<Spanned<String>>,
    pub signing_key: Option<Spanned<OneOrTwo>>,
    pub signing_key_file: Option<Spanned<OneOrTwo>>,
    pub api_key: Option<Spanned<OneOrTwo>>,
    pub api_key_file: Option<Spanned<OneOrTwo>>,
    pub public_key: Option<Spanned<OneOrTwo>>,
    pub media_hosts: Option<Vec<Spanned<String>>>,
    pub webhook_secret: Option<Spanned<OneOrTwo>>,
    pub webhook_secret_file: Option<Spanned<OneOrTwo>>,
    pub take_signature: Option<Spanned<super::TakeSignature>>,
}

impl Provider {
    /// Returns the keys that are given, of those that only some kinds of provider have, with the spans of their values;
    /// `media_hosts` once for each host.
    pub fn given(&self) -> Vec<(&'static str, Range<usize>)> {
        fn at<T>(
            key: &'static str,
            value: &Option<Spanned<T>>,
        ) -> Option<(&'static str, Range<usize>)> {
            value.as_ref().map(|value| (key, value.span()))
        }
        let hosts = self.media_hosts.iter().flatten();
        let hosts = hosts.map(|host| ("media_hosts", host.span()));
        [
            at("account", &self.account),
            at("auth_token", &self.auth_token),
            at("auth_token_file", &self.auth_token_file),
            at("username", &self.username),
            at("password", &self.password),
            at("password_file", &self.password_file),
            at("api_username", &self.api_username),
            at("api_password", &self.api_password),
            at("api_password_file", &self.api_password_file),
            at("dial", &self.dial),
            at("signing_key", &self.signing_key),
            at("signing_key_file", &self.signing_key_file),
            at("api_key", &self.api_key),
            at("api_key_file", &self.api_key_file),
            at("public_key", &self.public_key),
            at("webhook_secret", &self.webhook_secret),
            at("webhook_secret_file", &self.webhook_secret_file),
            at("take_signature", &self.take_signature),
        ]
        .into_iter()
        .flatten()
        .chain(hosts)
        .collect()
    }
}

/// A text, or a list of texts: two secrets while one replaces the other, or the recordings before and after the blank
/// of a prompt. The number of texts is checked later.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrTwo {
    One(String),
    Several(Vec<String>),
}

impl OneOrTwo {
    pub fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Several(values) => values,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub id: Option<Spanned<String>>,
    pub number: Option<Spanned<String>>,
    pub country: Option<Spanned<String>>,
    pub name: Option<Spanned<String>>,
    pub timezone: Option<Spanned<String>>,
    pub calendar: Option<Vec<Spanned<String>>>,
    pub inspection: Option<Spanned<Period>>,
    pub intake: Option<Spanned<Period>>,
    pub hours: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default = "message")]
    pub after_hours: crate::line::AfterHours,
    #[serde(default)]
    pub answers: Vec<Spanned<String>>,
    pub languages: Option<Vec<Spanned<String>>>,
    pub recording_seconds: Option<Spanned<i64>>,
    #[serde(default)]
    pub record_live: bool,
    #[serde(default)]
    pub roster: Vec<Spanned<OnDuty>>,
    #[serde(default)]
    pub dial: Dial,
    pub key: Option<Spanned<String>>,
    pub inspected: Option<String>,
    pub scope: Option<String>,
    pub post: Option<String>,
    #[serde(default)]
    pub letter_boxes: Vec<String>,
    #[serde(default)]
    pub elsewhere: Vec<String>,
    pub disciplines: Option<Vec<String>>,
    pub focuses: Option<Vec<String>>,
    #[serde(default)]
    pub translations: BTreeMap<Spanned<String>, Translation>,
}

fn message() -> crate::line::AfterHours {
    crate::line::AfterHours::Message
}

/// A person on the roster, who can be rung.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnDuty {
    pub name: Option<Spanned<String>>,
    pub number: Option<Spanned<String>>,
    #[serde(default)]
    pub days: Vec<Spanned<String>>,
    #[serde(default)]
    pub hours: Vec<Spanned<String>>,
}

/// `[line.dial]`: how the persons on the roster are rung.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Dial {
    pub allowed_prefixes: Option<Vec<Spanned<String>>>,
    pub ring_seconds: Option<Spanned<i64>>,
    pub max_minutes: Option<Spanned<i64>>,
    pub at_once: Option<Spanned<i64>>,
}

/// What a line says differently in another language. A key that is not given leaves the line's own words.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Translation {
    pub name: Option<String>,
    pub inspected: Option<String>,
    pub scope: Option<String>,
    pub post: Option<String>,
    pub letter_boxes: Option<Vec<String>>,
    pub elsewhere: Option<Vec<String>>,
    pub disciplines: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Period {
    pub from: Option<TomlDate>,
    pub to: Option<TomlDate>,
}
