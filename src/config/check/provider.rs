//! Who carries the calls: each kind has keys of its own, and a key of another kind is an error.

use super::{Checker, ID_RULE, http_url, is_id, is_loopback};
use crate::config::error::ConfigError;
use crate::config::file::{OneOrTwo, Provider};
use crate::config::{
    ProviderConfig, ProviderKind, ProviderSettings, Secret, SecretSource, TakeSignature,
};
use crate::hidden::Hidden;
use crate::telephony::rest::is_id as is_provider_id;
use crate::telephony::signature::telnyx_public_key;
use toml::Spanned;

/// A secret as it may be written.
struct Written<'a> {
    key: &'static str,
    given: Option<&'a Spanned<OneOrTwo>>,
    files: Option<&'a Spanned<OneOrTwo>>,
}

impl Checker<'_> {
    pub(super) fn provider(&self, at: &Spanned<Provider>) -> Result<ProviderConfig, ConfigError> {
        let written = at.get_ref();
        let name = written.name.get_ref();
        if !is_id(name) {
            return self.wrong(&written.name, ID_RULE);
        }
        let kind = *written.kind.get_ref();
        self.only_its_own(written, kind)?;
        let settings = match kind {
            ProviderKind::Twilio => ProviderSettings::Twilio {
                account: self.account(written)?,
                auth_token: self.auth_token(written)?,
                signing_key: match written.signing_key.is_some()
                    || written.signing_key_file.is_some()
                {
                    true => Some(self.signing_key(written)?),
                    false => None,
                },
            },
            ProviderKind::Simulator => ProviderSettings::Simulator {
                account: self.account(written)?,
                auth_token: self.auth_token(written)?,
            },
            ProviderKind::SignalWire => ProviderSettings::SignalWire {
                account: self.account(written)?,
                auth_token: self.auth_token(written)?,
                signing_key: self.signing_key(written)?,
            },
            ProviderKind::Telnyx => ProviderSettings::Telnyx {
                account: self.account(written)?,
                api_key: self.api_key(written)?,
                public_keys: self.public_keys(written)?,
                media_hosts: match self.media_hosts(written)? {
                    hosts if hosts.is_empty() => {
                        let here = self.source.here(written.kind.span());
                        return Err(here.error(
                            "media_hosts",
                            "recordings are fetched from hosts that are listed only; write it like [\"s3.amazonaws.com\"]".into(),
                        ));
                    }
                    hosts => hosts,
                },
            },
            ProviderKind::Somleng => ProviderSettings::Somleng {
                account: self.account(written)?,
                auth_token: self.auth_token(written)?,
                media_hosts: self.media_hosts(written)?,
            },
            ProviderKind::Jambonz => ProviderSettings::Jambonz {
                account: self.account(written)?,
                api_key: self.api_key(written)?,
                webhook_secret: self.secret(
                    written,
                    &Written {
                        key: "webhook_secret",
                        given: written.webhook_secret.as_ref(),
                        files: written.webhook_secret_file.as_ref(),
                    },
                )?,
            },
            ProviderKind::Asterisk => self.asterisk(written)?,
        };
        let needs = |example: &str| {
            format!("this kind of provider needs an api_url; write it like {example}")
        };
        let api_url = match (&written.api_url, kind) {
            (Some(url), kind) => self.api_url(url, kind)?,
            (None, ProviderKind::Twilio) => "https://api.twilio.com".to_owned(),
            (None, ProviderKind::Telnyx) => "https://api.telnyx.com".to_owned(),
            (None, ProviderKind::Somleng) => "https://api.somleng.org".to_owned(),
            (None, ProviderKind::SignalWire) => {
                return self.wrong(&written.name, needs("https://example.signalwire.com"));
            }
            (None, ProviderKind::Jambonz) => {
                return self.wrong(&written.name, needs("https://api.jambonz.example.org"));
            }
            (None, ProviderKind::Simulator) => {
                return self.wrong(
                    &written.name,
                    "a simulator needs an api_url on this machine",
                );
            }
            (None, ProviderKind::Asterisk) => {
                return self.wrong(
                    &written.name,
                    "Asterisk needs an api_url; write it like http://127.0.0.1:8088",
                );
            }
        };
        Ok(ProviderConfig {
            name: name.clone(),
            kind,
            api_url,
            settings,
            take_signature: match &written.take_signature {
                Some(written) => *written.get_ref(),
                None => TakeSignature::default(),
            },
            kind_here: self.source.here(written.kind.span()),
        })
    }

    fn account(&self, written: &Provider) -> Result<String, ConfigError> {
        let account = self.needed(written, written.account.as_ref(), "account")?;
        if !is_provider_id(account.get_ref()) {
            return self.wrong(account, "the account's id at the provider is needed");
        }
        Ok(account.get_ref().clone())
    }

    fn auth_token(&self, written: &Provider) -> Result<Secret, ConfigError> {
        self.secret(
            written,
            &Written {
                key: "auth_token",
                given: written.auth_token.as_ref(),
                files: written.auth_token_file.as_ref(),
            },
        )
    }

    fn signing_key(&self, written: &Provider) -> Result<Secret, ConfigError> {
        self.secret(
            written,
            &Written {
                key: "signing_key",
                given: written.signing_key.as_ref(),
                files: written.signing_key_file.as_ref(),
            },
        )
    }

    /// One only: it is presented, and nothing is compared with it.
    fn api_key(&self, written: &Provider) -> Result<Secret, ConfigError> {
        for given in [&written.api_key, &written.api_key_file]
            .into_iter()
            .flatten()
        {
            if given.get_ref().values().len() > 1 {
                return self.wrong(
                    given,
                    "one key: nothing is compared with it while it is replaced",
                );
            }
        }
        self.secret(
            written,
            &Written {
                key: "api_key",
                given: written.api_key.as_ref(),
                files: written.api_key_file.as_ref(),
            },
        )
    }

    /// No secret: whoever knows them can check a signature, and make none.
    fn public_keys(&self, written: &Provider) -> Result<Vec<String>, ConfigError> {
        let keys = self.needed(written, written.public_key.as_ref(), "public_key")?;
        self.at_most_two(keys)?;
        let given = keys.get_ref().values();
        if given.iter().any(|key| telnyx_public_key(key).is_none()) {
            return self.wrong(
                keys,
                "not a public key; copy it from the account, 32 bytes in base64",
            );
        }
        Ok(given.to_vec())
    }

    fn media_hosts(&self, written: &Provider) -> Result<Vec<String>, ConfigError> {
        let hosts = written.media_hosts.iter().flatten();
        for host in hosts.clone() {
            let name = host.get_ref().strip_prefix("*.").unwrap_or(host.get_ref());
            // What is no name as the address of a recording would have it could never be met.
            let plain =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
            let url = http_url(&format!("https://{name}/"));
            let same = url.is_some_and(|url| url.host_str() == Some(name));
            if !same || !name.contains('.') || !name.chars().all(plain) {
                return self.wrong(
                    host,
                    "not a host; write it like s3.amazonaws.com, or *.example.org",
                );
            }
        }
        Ok(hosts.map(|host| host.get_ref().clone()).collect())
    }

    fn asterisk(&self, written: &Provider) -> Result<ProviderSettings, ConfigError> {
        let username = self.user(written, written.username.as_ref(), "username")?;
        let api_username = self.user(written, written.api_username.as_ref(), "api_username")?;
        let dial = written.dial.as_ref();
        if let Some(dial) = dial
            && (dial.get_ref().matches("{number}").count() != 1
                || !dial.get_ref().contains('/')
                || dial
                    .get_ref()
                    .chars()
                    .any(|c| c.is_control() || c.is_whitespace() || c == '&'))
        {
            return self.wrong(dial, "not an endpoint; write it like PJSIP/{number}@trunk");
        }
        Ok(ProviderSettings::Asterisk {
            username,
            password: self.secret(
                written,
                &Written {
                    key: "password",
                    given: written.password.as_ref(),
                    files: written.password_file.as_ref(),
                },
            )?,
            api_username,
            api_password: self.secret(
                written,
                &Written {
                    key: "api_password",
                    given: written.api_password.as_ref(),
                    files: written.api_password_file.as_ref(),
                },
            )?,
            dial: dial.map(|dial| dial.get_ref().clone()),
        })
    }

    /// A user's name as HTTP's Basic scheme can carry it: without a colon (RFC 7617).
    fn user(
        &self,
        written: &Provider,
        given: Option<&Spanned<String>>,
        key: &str,
    ) -> Result<String, ConfigError> {
        let user = self.needed(written, given, key)?;
        let text = user.get_ref();
        if text.is_empty() || text.contains(':') || text.chars().any(char::is_control) {
            return self.wrong(user, "a name without a colon is needed");
        }
        Ok(text.clone())
    }

    fn needed<'a, T>(
        &self,
        written: &Provider,
        given: Option<&'a Spanned<T>>,
        key: &str,
    ) -> Result<&'a Spanned<T>, ConfigError> {
        match given {
            Some(given) => Ok(given),
            None => {
                let here = self.source.here(written.kind.span());
                Err(here.error(key, "this kind of provider needs it".into()))
            }
        }
    }

    /// A key of another kind is most likely a mistake about the kind.
    fn only_its_own(&self, written: &Provider, kind: ProviderKind) -> Result<(), ConfigError> {
        let own: &[&str] = match kind {
            ProviderKind::Twilio | ProviderKind::SignalWire => &[
                "account",
                "auth_token",
                "auth_token_file",
                "signing_key",
                "signing_key_file",
            ],
            ProviderKind::Simulator => &["account", "auth_token", "auth_token_file"],
            ProviderKind::Somleng => &["account", "auth_token", "auth_token_file", "media_hosts"],
            ProviderKind::Telnyx => &[
                "account",
                "api_key",
                "api_key_file",
                "public_key",
                "media_hosts",
            ],
            ProviderKind::Jambonz => &[
                "account",
                "api_key",
                "api_key_file",
                "webhook_secret",
                "webhook_secret_file",
            ],
            ProviderKind::Asterisk => &[
                "username",
                "password",
                "password_file",
                "api_username",
                "api_password",
                "api_password_file",
                "dial",
            ],
        };
        // Asterisk plays its own files, and fetches nothing.
        let plays_files = kind == ProviderKind::Asterisk;
        match written
            .given()
            .into_iter()
            .find(|(key, _)| !own.contains(key) && (*key != "take_signature" || plays_files))
        {
            Some((key, span)) => {
                let here = self.source.here(span);
                Err(here.error(key, "this kind of provider has no such key".into()))
            }
            None => Ok(()),
        }
    }

    /// A value or a file, never both; without either, the environment has it.
    fn secret(&self, provider: &Provider, written: &Written<'_>) -> Result<Secret, ConfigError> {
        let key = written.key;
        let name = provider.name.get_ref();
        let (source, span) = match (written.given, written.files) {
            (Some(_), Some(files)) => {
                return self.wrong(files, format!("give {key} or {key}_file, not both"));
            }
            (Some(given), None) => {
                self.at_most_two(given)?;
                let secrets = given.get_ref().values().iter();
                let secrets = secrets.cloned().map(Hidden::new).collect();
                (SecretSource::Given(secrets), given.span())
            }
            (None, Some(files)) => {
                self.at_most_two(files)?;
                let paths = files.get_ref().values().iter();
                let paths = paths.map(|file| self.folder.join(file)).collect();
                (SecretSource::Files(paths), files.span())
            }
            (None, None) => {
                let variable = format!("DUTYLINE_{name}_{key}").to_uppercase();
                let variable = variable.replace('-', "_");
                (SecretSource::Environment(variable), provider.name.span())
            }
        };
        Ok(Secret {
            source,
            key,
            here: self.source.here(span),
        })
    }

    fn at_most_two(&self, values: &Spanned<OneOrTwo>) -> Result<(), ConfigError> {
        match values.get_ref().values().len() {
            1 | 2 => Ok(()),
            _ => self.wrong(values, "one secret, or a list of two while rotating"),
        }
    }

    fn api_url(&self, text: &Spanned<String>, kind: ProviderKind) -> Result<String, ConfigError> {
        let Some(url) = http_url(text.get_ref()) else {
            return self.wrong(
                text,
                "not a web address; write it like https://api.twilio.com",
            );
        };
        if url.scheme() == "http" && !is_loopback(&url) {
            return self.wrong(
                text,
                "recordings would cross the network unprotected: use https:// (http:// is for this machine only)",
            );
        }
        if kind == ProviderKind::Simulator && !(url.scheme() == "http" && is_loopback(&url)) {
            return self.wrong(
                text,
                "the simulator runs on this machine; write it like http://127.0.0.1:8081",
            );
        }
        Ok(text.get_ref().trim_end_matches('/').to_owned())
    }
}
