//! The configuration: what an operator writes, checked and converted to types that can hold valid values only.
//!
//! [`Config::load`] reads a file (or the embedded default) and reports all errors in it by file, line and key. The
//! secrets of providers are read later, by [`Secret::read`], so that `dutyline hear` and `dutyline hours` need none.

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
use crate::vault::signing::Verifying;
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
    /// The file it was read from; `None` for the embedded configuration and for a text given to [`Config::parse`].
    pub file: Option<PathBuf>,
    /// Address at which webhooks, console and API are served. Port 0 means any free port.
    pub listen: SocketAddr,
    /// Address at which health and metrics are served. Port 0 means any free port.
    pub ops_listen: SocketAddr,
    /// Base URL that providers call, without a trailing slash.
    pub public_url: String,
    /// The reverse proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The database.
    pub database: DatabaseAddress,
    /// Maximum numbers of connections to Postgres; not used with SQLite.
    pub connections: Connections,
    /// The folder of sealed recordings.
    pub recordings: PathBuf,
    /// The file of the service secret.
    pub secret_file: PathBuf,
    /// The public half of the first lead's signing key, which `init` prints; `None` if it is not pinned.
    pub lead: Option<Verifying>,
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
    /// Those for webhooks.
    pub webhooks: u32,
    /// Those for jobs, housekeeping and metrics.
    pub jobs: u32,
    /// Those for the console and the API.
    pub console: u32,
}

impl Default for Connections {
    /// 20 in total. A node needs up to 3 more: 2 for notifications of changes, and 1 to find out why there is no
    /// connection. So four nodes fit into Postgres' default limit of 100 connections, 3 of which are reserved for
    /// superusers.
    fn default() -> Self {
        Self {
            webhooks: 6,
            jobs: 6,
            console: 8,
        }
    }
}

impl DatabaseAddress {
    /// True if this is the URL of a Postgres database and contains a password.
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
    /// The public key that the operator expects in the database for this line; `None`: any key is accepted.
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
    /// Its name, which is the `{provider}` in the paths of its webhooks, `/hooks/{provider}/…`.
    pub name: String,
    /// Its kind.
    pub kind: ProviderKind,
    /// Base URL of its REST API, without a trailing slash.
    pub api_url: String,
    /// The settings of its kind.
    pub settings: ProviderSettings,
    /// Whether its requests for a take must be signed.
    pub take_signature: TakeSignature,
    /// Where in the configuration file its kind is written; for errors about it.
    kind_here: error::Here,
}

/// The settings that depend on the kind of a provider.
#[derive(Debug, Clone)]
pub enum ProviderSettings {
    /// The simulated provider.
    Simulator {
        /// The account's id.
        account: String,
        /// The account's auth token; two while it is being rotated, the current one first.
        auth_token: Secret,
    },
    /// Twilio.
    Twilio {
        /// The account's id.
        account: String,
        /// The account's auth token; two while it is being rotated, the current one first.
        auth_token: Secret,
        /// The secret of the shared key with which the account has its webhooks signed, two while it is being
        /// rotated; `None` if they are signed with the auth token.
        signing_key: Option<Secret>,
    },
    /// SignalWire.
    SignalWire {
        /// The project's id.
        account: String,
        /// The token of the project's REST API; two while it is being rotated, the current one first.
        auth_token: Secret,
        /// The key with which the project's webhooks are signed; two while it is being rotated.
        signing_key: Secret,
    },
    /// Telnyx.
    Telnyx {
        /// The account's id.
        account: String,
        /// The key with which this service authenticates at the provider's API.
        api_key: Secret,
        /// The public key by which the signatures of webhooks are verified, in base64; two while it is being rotated.
        public_keys: Vec<String>,
        /// Hosts from which recordings may be fetched.
        media_hosts: Vec<String>,
    },
    /// Somleng.
    Somleng {
        /// The account's id.
        account: String,
        /// The account's auth token; two while it is being rotated, the current one first.
        auth_token: Secret,
        /// Hosts from which recordings may be fetched, besides the API's; may be empty.
        media_hosts: Vec<String>,
    },
    /// jambonz.
    Jambonz {
        /// The account's id.
        account: String,
        /// The key with which this service authenticates at the provider's API.
        api_key: Secret,
        /// The secret with which webhooks are signed; two while it is being rotated.
        webhook_secret: Secret,
    },
    /// Asterisk.
    Asterisk {
        /// The user name with which Asterisk authenticates at this service's WebSocket.
        username: String,
        /// The password for `username`; two while it is being rotated.
        password: Secret,
        /// The user name with which this service authenticates at Asterisk's REST API.
        api_username: String,
        /// The password for `api_username`.
        api_password: Secret,
        /// How Asterisk dials a number of the roster: an endpoint that contains `{number}`. `None` only if no line
        /// has a roster.
        dial: Option<String>,
    },
}

/// A secret that is not read yet: where it comes from, and where in the configuration file errors about it are
/// reported.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Where it comes from.
    source: SecretSource,
    /// The key it is configured by, e.g. `auth_token`, without `_file`.
    key: &'static str,
    /// Where in the configuration file an error about it is reported.
    here: error::Here,
}

/// Where a secret comes from.
#[derive(Debug, Clone)]
enum SecretSource {
    /// Written into the configuration itself.
    Given(Vec<Hidden<String>>),
    /// In these files.
    Files(Vec<PathBuf>),
    /// In the environment variable of this name, which may not be set.
    Environment(String),
}

impl Config {
    /// Reads `path`, or without one `dutyline.toml` in the working folder, or else the embedded default.
    ///
    /// # Errors
    ///
    /// Returns all errors found, by file, line and key, and how to correct them.
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
    /// Returns all errors found, by `name`, line and key, and how to correct them.
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

    /// Returns the line with this id; `None` if there is none.
    pub fn line(&self, id: &str) -> Option<&Line> {
        self.lines.by_id(id).map(|(_, entry)| &entry.line)
    }

    /// Returns the line one of whose numbers is `dialled`, in any of its spellings; `None` if there is none.
    pub fn line_dialled(&self, dialled: &str) -> Option<&Line> {
        self.lines.dialled(dialled)
    }

    /// Returns the line a call is for: the line with the dialled number that the provider reports or, if it reports
    /// none (`dialled` is empty), the only line. `None` if no line has the number, or if it is empty and there are
    /// several lines.
    pub fn line_called(&self, dialled: &str) -> Option<&Line> {
        match (dialled, &self.lines[..]) {
            ("", [only]) => Some(&only.line),
            _ => self.line_dialled(dialled),
        }
    }

    /// Returns what is known about the lines and the member with this name: the member's name, and ids, numbers and
    /// names of lines and of those inspected. A password must not consist of these.
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

    /// Returns what an operator should know that is not an error, one sentence each: years for which a calendar has
    /// no data. `dutyline check` prints them, and the service logs them at its start.
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
    /// Returns the simulated provider of a demo, with its API at this URL, and `token` as auth token.
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

    /// Returns an error for each secret of the provider that cannot be read, by file, line and key; none if all can.
    pub fn unreadable_secrets(&self) -> Vec<ConfigError> {
        let secrets = self.settings.secrets();
        let secrets = secrets.into_iter();
        secrets.filter_map(|secret| secret.read().err()).collect()
    }

    /// Returns an error with this message about the provider's kind, by file, line and key.
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
    /// True if the secret is written in the configuration itself.
    fn is_given(&self) -> bool {
        matches!(self.source, SecretSource::Given(_))
    }

    /// Returns the files that the secret is read from; none if it is given in the configuration or the environment.
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
    /// Returns an error by file, line and key when the secret is missing or empty, or its file or variable cannot be
    /// read.
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
