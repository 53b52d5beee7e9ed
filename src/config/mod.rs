//! The configuration: what an operator writes, checked and converted to types that can hold valid values only.
//!
//! [`Config::load`] reads a file (or the embedded default) and reports all errors in it by file, line and key.
//! Secrets are read later, by [`Secret::read`], so that `hear` and `hours` need none.

mod check;
mod error;
mod file;
mod keys;
mod lines;
mod mend;
mod prompts;
mod shape;

pub use error::{ConfigError, ConfigErrors};
pub use lines::Lines;
pub use prompts::PromptsConfig;

use crate::base::hidden::Hidden;
use crate::line::Line;
use crate::vault::seal::Recipient;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The configuration embedded in the program: the default line, complete and commented.
pub const EMBEDDED: &str = include_str!("../../config/dutyline.toml");
/// Name of the embedded configuration in errors.
pub const EMBEDDED_NAME: &str = "(embedded dutyline.toml)";

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from; `None` for the embedded one and for a text.
    pub file: Option<PathBuf>,
    /// Address of webhooks, console and API. Port 0 means any free port.
    pub listen: SocketAddr,
    /// Address of health and metrics.
    pub ops_listen: SocketAddr,
    /// Base URL that providers call, without a trailing slash.
    pub public_url: String,
    /// The reverse proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The database.
    pub database: DatabaseAddress,
    /// Maximum numbers of connections to Postgres.
    pub connections: Connections,
    /// The folder of sealed recordings.
    pub recordings: PathBuf,
    /// The file of the service secret.
    pub secret_file: PathBuf,
    /// Words and sounds that the lines play.
    pub prompts: PromptsConfig,
    /// The providers. At least one.
    pub providers: Vec<ProviderConfig>,
    /// The lines. At least one.
    pub lines: Lines,
}

/// The address of the database.
#[derive(Debug, Clone)]
pub enum DatabaseAddress {
    /// Path of an SQLite file.
    Sqlite(PathBuf),
    /// URL of a Postgres database; it may contain a password.
    Postgres(Hidden<String>),
}

/// Maximum number of connections that a process opens to Postgres for each part of the service. SQLite uses one
/// writer and its readers instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// For webhooks.
    pub webhooks: u32,
    /// For jobs, housekeeping and metrics.
    pub jobs: u32,
    /// For the console and the API.
    pub console: u32,
}

impl Default for Connections {
    /// 20 in total, so that five nodes fit into Postgres' default limit of 100 connections.
    fn default() -> Self {
        Self {
            webhooks: 6,
            jobs: 6,
            console: 8,
        }
    }
}

impl DatabaseAddress {
    /// True if the URL contains a password.
    fn has_password(&self) -> bool {
        let Self::Postgres(address) = self else {
            return false;
        };
        reqwest::Url::parse(address.expose()).is_ok_and(|url| {
            let mut query = url.query_pairs();
            url.password().is_some() || query.any(|(key, _)| key == "password")
        })
    }
}

/// A line, and the key pinned for it.
#[derive(Debug, Clone)]
pub struct LineConfig {
    /// The line itself.
    pub line: Line,
    /// The public key that the operator expects in the database for this line.
    pub pinned_key: Option<Recipient>,
}

/// The kind of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// Twilio, or a service compatible with it.
    Twilio,
    /// The simulated provider of this program.
    Simulator,
    /// Asterisk, run by the operator.
    Asterisk,
    /// SignalWire.
    #[serde(rename = "signalwire")]
    SignalWire,
    /// Telnyx.
    Telnyx,
    /// Somleng, hosted or self-hosted.
    Somleng,
    /// jambonz, hosted or self-hosted.
    Jambonz,
}

/// Whether a provider's requests for a take, which is played back to its caller, must be signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TakeSignature {
    /// A signature must be valid if there is one; it may be missing, because not all providers sign these requests.
    #[default]
    IfPresent,
    /// Requests without a valid signature are refused.
    Required,
}

/// A provider as configured. Its secrets are read by [`Secret::read`].
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// The `{provider}` of `/hooks/{provider}/…`.
    pub name: String,
    /// Its kind.
    pub kind: ProviderKind,
    /// Base URL of its REST API, without a trailing slash.
    pub api_url: String,
    /// The settings of its kind.
    pub settings: ProviderSettings,
    /// Whether its requests for a take must be signed.
    pub take_signature: TakeSignature,
    /// Where in the configuration file its kind is written.
    kind_here: error::Here,
}

/// The settings of a kind of provider, besides name and URL.
#[derive(Debug, Clone)]
pub enum ProviderSettings {
    /// The simulated provider.
    Simulator {
        /// The account at the provider.
        account: String,
        /// Its tokens, the current one first.
        auth_token: Secret,
    },
    /// Twilio.
    Twilio {
        /// The account's id.
        account: String,
        /// Its tokens, the current one first.
        auth_token: Secret,
        /// The secrets of shared keys, if the account has its webhooks signed with those.
        signing_key: Option<Secret>,
    },
    /// SignalWire.
    SignalWire {
        /// The project's id.
        account: String,
        /// The tokens of its REST API, the current one first.
        auth_token: Secret,
        /// The keys its webhooks are signed with.
        signing_key: Secret,
    },
    /// Telnyx.
    Telnyx {
        /// The account's id.
        account: String,
        /// The key of its API.
        api_key: Secret,
        /// The public keys its webhooks are signed with, in base64.
        public_keys: Vec<String>,
        /// Hosts from which recordings may be fetched.
        media_hosts: Vec<String>,
    },
    /// Somleng.
    Somleng {
        /// The account's id.
        account: String,
        /// Its tokens, the current one first.
        auth_token: Secret,
        /// Hosts from which recordings may be fetched, besides the API.
        media_hosts: Vec<String>,
    },
    /// jambonz.
    Jambonz {
        /// The account's id.
        account: String,
        /// The key of its API.
        api_key: Secret,
        /// The secrets its webhooks are signed with.
        webhook_secret: Secret,
    },
    /// Asterisk.
    Asterisk {
        /// The user name with which Asterisk authenticates at this service's WebSocket.
        username: String,
        /// The password for it; two while it is being rotated.
        password: Secret,
        /// The user name with which this service authenticates at Asterisk's REST API.
        api_username: String,
        /// The password for it.
        api_password: Secret,
        /// How a number of the roster is dialled: an endpoint that contains `{number}`.
        dial: Option<String>,
    },
}

/// A secret, and where it is written in the configuration file.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Where it comes from.
    source: SecretSource,
    /// The key it is configured by.
    key: &'static str,
    /// Where in the configuration file a missing secret is reported.
    here: error::Here,
}

/// Where a secret comes from.
#[derive(Debug, Clone)]
enum SecretSource {
    /// Written into the configuration.
    Given(Vec<Hidden<String>>),
    /// In these files.
    Files(Vec<PathBuf>),
    /// In this environment variable, if it is set.
    Environment(String),
}

impl Config {
    /// Reads `path`, or without one `dutyline.toml` in the working folder, or else the embedded default.
    ///
    /// # Errors
    ///
    /// Returns all errors, by file, line and key, and how to correct them.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigErrors> {
        let default = Path::new("dutyline.toml");
        let path = path.or_else(|| default.exists().then_some(default));
        let Some(path) = path else {
            return Self::parse(EMBEDDED, EMBEDDED_NAME, Path::new("."));
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::unreadable(&path.display().to_string(), &error))?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut config = Self::parse(&text, &path.display().to_string(), folder)?;
        config.file = Some(path.to_owned());
        Ok(config)
    }

    /// Parses a configuration. `name` stands for the file in errors; relative paths start at `folder`.
    ///
    /// # Errors
    ///
    /// See [`Config::load`].
    pub fn parse(text: &str, name: &str, folder: &Path) -> Result<Self, ConfigErrors> {
        check::check(text, name, folder)
    }

    /// True if the configuration itself contains a secret: one of a provider, or the password of the database.
    pub fn holds_secret(&self) -> bool {
        let of_provider = self.providers.iter().any(|provider| {
            let secrets = provider.settings.secrets();
            secrets.iter().any(|secret| secret.is_given())
        });
        of_provider || self.database.has_password()
    }

    /// Returns the line with this id.
    pub fn line(&self, id: &str) -> Option<&Line> {
        self.lines.by_id(id).map(|(_, entry)| &entry.line)
    }

    /// Returns the line with this number, in any of its spellings.
    pub fn line_dialled(&self, dialled: &str) -> Option<&Line> {
        self.lines.dialled(dialled)
    }

    /// Returns the line a call is for, by the dialled number that the provider reports. If the provider reports
    /// none (`dialled` is empty), the call is for the only line, if there is just one.
    pub fn line_called(&self, dialled: &str) -> Option<&Line> {
        match (dialled, &self.lines[..]) {
            ("", [only]) => Some(&only.line),
            _ => self.line_dialled(dialled),
        }
    }

    /// Returns words known about the lines and the member with this name, which a password must not consist of:
    /// ids, names and numbers.
    pub fn known_words(&self, member: &str) -> Vec<String> {
        let mut known = vec![member.to_owned()];
        for LineConfig { line, .. } in &self.lines {
            known.push(line.id.clone());
            known.extend(line.numbers().map(ToString::to_string));
            for words in line.words.values() {
                known.push(words.name.clone());
                known.extend(words.inspected.clone());
            }
        }
        known
    }

    /// Returns what an operator should know that is not an error, one sentence each; used by `check` and in the
    /// log.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for LineConfig { line, .. } in &self.lines {
            let period = &line.schedule.inspection;
            for (calendar, year) in line
                .schedule
                .calendars
                .missing_years(period.from, period.to)
            {
                warnings.push(format!(
                    "line {}: the calendar {calendar} has no data for {year}; until it has, Monday to Friday are working days",
                    line.id
                ));
            }
        }
        warnings
    }
}

impl ProviderConfig {
    /// Returns the simulated provider of a demo, with its API at this URL.
    pub fn simulator(api_url: &str, token: Hidden<String>) -> Self {
        Self {
            name: "simulator".to_owned(),
            kind: ProviderKind::Simulator,
            api_url: api_url.to_owned(),
            settings: ProviderSettings::Simulator {
                account: "AC00000000000000000000000000000000".to_owned(),
                auth_token: Secret {
                    source: SecretSource::Given(vec![token]),
                    key: "auth_token",
                    here: error::Here::nowhere(),
                },
            },
            take_signature: TakeSignature::default(),
            kind_here: error::Here::nowhere(),
        }
    }

    /// Returns an error for each of its secrets that cannot be read, by file, line and key.
    pub fn unreadable_secrets(&self) -> Vec<ConfigError> {
        let secrets = self.settings.secrets();
        let secrets = secrets.into_iter();
        secrets.filter_map(|secret| secret.read().err()).collect()
    }

    /// Returns an error about its kind, by file, line and key.
    pub fn wrong_kind(&self, message: String) -> ConfigError {
        self.kind_here.error("kind", message)
    }
}

impl ProviderSettings {
    /// Returns all secrets of the provider.
    pub fn secrets(&self) -> Vec<&Secret> {
        match self {
            Self::Simulator { auth_token, .. } | Self::Somleng { auth_token, .. } => {
                vec![auth_token]
            }
            Self::Twilio {
                auth_token,
                signing_key,
                ..
            } => [auth_token].into_iter().chain(signing_key).collect(),
            Self::SignalWire {
                auth_token,
                signing_key,
                ..
            } => vec![auth_token, signing_key],
            Self::Telnyx { api_key, .. } => vec![api_key],
            Self::Jambonz {
                api_key,
                webhook_secret,
                ..
            } => vec![api_key, webhook_secret],
            Self::Asterisk {
                password,
                api_password,
                ..
            } => vec![password, api_password],
        }
    }
}

impl Secret {
    /// True if it is written in the configuration.
    fn is_given(&self) -> bool {
        matches!(self.source, SecretSource::Given(_))
    }

    /// Returns the files it is read from; empty if it is given in the configuration or the environment.
    pub fn files(&self) -> &[PathBuf] {
        match &self.source {
            SecretSource::Files(files) => files,
            SecretSource::Given(_) | SecretSource::Environment(_) => &[],
        }
    }

    /// Reads the secret: one value, or two while it is being rotated. White space around a value in a file or in
    /// the environment is removed, and so is a byte order mark in a file.
    ///
    /// # Errors
    ///
    /// When a secret is missing, unreadable or empty: by file, line and key.
    pub fn read(&self) -> Result<Vec<Hidden<String>>, ConfigError> {
        let key = self.key;
        let wrong = |key: &str, message: String| Err(self.here.error(key, message));
        let secrets = match &self.source {
            SecretSource::Given(secrets) => secrets.clone(),
            SecretSource::Files(files) => {
                let mut secrets = Vec::new();
                for file in files {
                    match std::fs::read_to_string(file) {
                        Ok(text) => {
                            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
                            secrets.push(text.trim().to_owned().into());
                        }
                        Err(error) => {
                            let why = error::plainly(&error);
                            let message = format!("cannot read {}: {why}", file.display());
                            return wrong(&format!("{key}_file"), message);
                        }
                    }
                }
                secrets
            }
            SecretSource::Environment(variable) => match std::env::var(variable) {
                Ok(secret) => vec![Hidden::new(secret.trim().to_owned())],
                Err(_) => {
                    let message =
                        format!("no secret; give {key}_file, or set {variable} in the environment");
                    return wrong(key, message);
                }
            },
        };
        if secrets.is_empty()
            || secrets
                .iter()
                .any(|secret| secret.expose().trim().is_empty())
        {
            return wrong(key, "the secret is empty".into());
        }
        Ok(secrets)
    }
}
