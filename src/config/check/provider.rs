//! Checks providers: each kind has keys of its own, and a key of another kind is an error.

use super::{Checker, ID_RULE, is_id, is_loopback, web_address};
use crate::base::hidden::Hidden;
use crate::config::error::ConfigError;
use crate::config::file::{OneOrTwo, Provider};
use crate::config::{
    ProviderConfig, ProviderKind, ProviderSettings, Secret, SecretSource, TakeSignature,
};
use crate::telephony::http_client::is_id as is_provider_id;
use crate::telephony::signature::telnyx_public_key;
use toml::Spanned;

/// A secret as it is written under `key` (values) or `key` and `_file` (files).
struct Written<'a> {
    key: &'static str,
    given: Option<&'a Spanned<OneOrTwo>>,
    files: Option<&'a Spanned<OneOrTwo>>,
}

impl Checker<'_> {
    /// Checks a provider; `None` if there is an error in it, which is recorded. Most keys depend on the kind, so if
    /// that is missing or wrong, only the name is checked.
    pub(super) fn provider(&self, at: &Spanned<Provider>) -> Option<ProviderConfig> {
        let written = at.get_ref();
        let name = self.given(&written.name, |name| match is_id(name.get_ref()) {
            true => Ok(name.get_ref().clone()),
            false => self.wrong(name, ID_RULE),
        });
        let kind = written.kind.as_ref()?;
        let kind_here = self.source.here(kind.span());
        let kind = *kind.get_ref();
        self.only_its_own(written, kind);
        let settings = self.settings(written, kind);
        let api_url = match &written.api_url {
            Some(url) => self.keep(self.api_url(url, kind)),
            None => self.keep(usual_api_url(kind).map_err(|message| {
                let here = written.name.as_ref().map_or(at.span(), Spanned::span);
                self.source.here(here).error("api_url", message)
            })),
        };
        Some(ProviderConfig {
            name: name?,
            kind,
            api_url: api_url?,
            settings: settings?,
            take_signature: match &written.take_signature {
                Some(written) => *written.get_ref(),
                None => TakeSignature::default(),
            },
            kind_here,
        })
    }

    /// Checks the settings that depend on the kind of the provider; `None` if there is an error, which is recorded.
    fn settings(&self, written: &Provider, kind: ProviderKind) -> Option<ProviderSettings> {
        let account = || self.keep(self.account(written));
        let auth_token = || self.keep(self.auth_token(written));
        Some(match kind {
            ProviderKind::Twilio => {
                let (account, auth_token) = (account(), auth_token());
                let signed = written.signing_key.is_some() || written.signing_key_file.is_some();
                let signing_key = match signed {
                    true => self.keep(self.signing_key(written)).map(Some),
                    false => Some(None),
                };
                ProviderSettings::Twilio {
                    account: account?,
                    auth_token: auth_token?,
                    signing_key: signing_key?,
                }
            }
            ProviderKind::Simulator => {
                let (account, auth_token) = (account(), auth_token());
                ProviderSettings::Simulator {
                    account: account?,
                    auth_token: auth_token?,
                }
            }
            ProviderKind::SignalWire => {
                let (account, auth_token) = (account(), auth_token());
                let signing_key = self.keep(self.signing_key(written));
                ProviderSettings::SignalWire {
                    account: account?,
                    auth_token: auth_token?,
                    signing_key: signing_key?,
                }
            }
            ProviderKind::Telnyx => {
                let account = account();
                let api_key = self.keep(self.api_key(written));
                let public_keys = self.keep(self.public_keys(written));
                let media_hosts = self.media_hosts(written);
                if written.media_hosts.iter().flatten().next().is_none() {
                    let here = written.kind.as_ref().map_or(0..0, Spanned::span);
                    let message = "recordings are fetched from hosts that are listed only; write it like [\"s3.amazonaws.com\"]";
                    self.note(self.source.here(here).error("media_hosts", message.into()));
                    return None;
                }
                ProviderSettings::Telnyx {
                    account: account?,
                    api_key: api_key?,
                    public_keys: public_keys?,
                    media_hosts: media_hosts?,
                }
            }
            ProviderKind::Somleng => {
                let (account, auth_token) = (account(), auth_token());
                let media_hosts = self.media_hosts(written);
                ProviderSettings::Somleng {
                    account: account?,
                    auth_token: auth_token?,
                    media_hosts: media_hosts?,
                }
            }
            ProviderKind::Jambonz => {
                let account = account();
                let api_key = self.keep(self.api_key(written));
                let webhook_secret = self.keep(self.secret(
                    written,
                    &Written {
                        key: "webhook_secret",
                        given: written.webhook_secret.as_ref(),
                        files: written.webhook_secret_file.as_ref(),
                    },
                ));
                ProviderSettings::Jambonz {
                    account: account?,
                    api_key: api_key?,
                    webhook_secret: webhook_secret?,
                }
            }
            ProviderKind::Asterisk => return self.asterisk(written),
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

    /// Checks the API key. A list of two is refused, because the key is sent, and nothing received is compared with
    /// it.
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

    /// Checks the public keys. They need not be kept secret: with them a signature can be verified, but not made.
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

    fn media_hosts(&self, written: &Provider) -> Option<Vec<String>> {
        let hosts = written.media_hosts.as_deref().unwrap_or_default();
        self.each(hosts, |host| {
            let name = host.get_ref().strip_prefix("*.").unwrap_or(host.get_ref());
            // A recording's host is compared as a URL spells it, so a name that a URL spells differently would never
            // match.
            let plain =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
            let url = web_address(&format!("https://{name}/"), "");
            let same = url.is_ok_and(|url| url.host_str() == Some(name));
            if !same || !name.contains('.') || !name.chars().all(plain) {
                return self.wrong(
                    host,
                    "not a host; write it like s3.amazonaws.com, or *.example.org",
                );
            }
            Ok(host.get_ref().clone())
        })
    }

    fn asterisk(&self, written: &Provider) -> Option<ProviderSettings> {
        let username = self.keep(self.user(written, written.username.as_ref(), "username"));
        let api_username = written.api_username.as_ref();
        let api_username = self.keep(self.user(written, api_username, "api_username"));
        let password = self.keep(self.secret(
            written,
            &Written {
                key: "password",
                given: written.password.as_ref(),
                files: written.password_file.as_ref(),
            },
        ));
        let api_password = self.keep(self.secret(
            written,
            &Written {
                key: "api_password",
                given: written.api_password.as_ref(),
                files: written.api_password_file.as_ref(),
            },
        ));
        let dial = written.dial.as_ref();
        let endpoint = |dial: &Spanned<String>| {
            let text = dial.get_ref();
            let sign = |c: char| c.is_control() || c.is_whitespace() || c == '&';
            let right = text.matches("{number}").count() == 1
                && text.contains('/')
                && !text.chars().any(sign);
            match right {
                true => Ok(text.clone()),
                false => self.wrong(dial, "not an endpoint; write it like PJSIP/{number}@trunk"),
            }
        };
        let dial = self.keep(dial.map(endpoint).transpose());
        Some(ProviderSettings::Asterisk {
            username: username?,
            password: password?,
            api_username: api_username?,
            api_password: api_password?,
            dial: dial?,
        })
    }

    /// Checks a user name. It is sent by HTTP's Basic scheme, which permits neither a colon nor control characters in
    /// it (RFC 7617).
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
                let kind = written.kind.as_ref().map_or(0..0, Spanned::span);
                let here = self.source.here(kind);
                Err(here.error(key, "this kind of provider needs it".into()))
            }
        }
    }

    /// Reports keys that only other kinds of provider have. Most likely the kind is wrong then.
    fn only_its_own(&self, written: &Provider, kind: ProviderKind) {
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
        // Asterisk plays files of its own machine and fetches no takes.
        let fetches = kind != ProviderKind::Asterisk;
        let mut told = Vec::new();
        for (key, span) in written.given() {
            let is_own = own.contains(&key) || (key == "take_signature" && fetches);
            if !is_own && !told.contains(&key) {
                told.push(key);
                let here = self.source.here(span);
                self.note(here.error(key, "this kind of provider has no such key".into()));
            }
        }
    }

    /// Checks a secret: its values or its files are given, not both. If neither are, it is read from the environment
    /// variable `DUTYLINE_{name}_{key}`, in capitals and with `_` for `-`.
    fn secret(&self, provider: &Provider, written: &Written<'_>) -> Result<Secret, ConfigError> {
        let key = written.key;
        let name = provider.name.as_ref().map_or("", |name| name.get_ref());
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
                let here = provider.name.as_ref().map_or(0..0, Spanned::span);
                (SecretSource::Environment(variable), here)
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
        let url = match web_address(text.get_ref(), "https://api.twilio.com") {
            Ok(url) => url,
            Err(why) => return self.wrong(text, why),
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

/// Returns the API URL of a kind of provider at which it is the same for all accounts; for other kinds, the error
/// that an `api_url` is needed.
fn usual_api_url(kind: ProviderKind) -> Result<String, String> {
    let example = match kind {
        ProviderKind::Twilio => return Ok("https://api.twilio.com".into()),
        ProviderKind::Telnyx => return Ok("https://api.telnyx.com".into()),
        ProviderKind::Somleng => return Ok("https://api.somleng.org".into()),
        ProviderKind::SignalWire => "https://example.signalwire.com",
        ProviderKind::Jambonz => "https://api.jambonz.example.org",
        ProviderKind::Simulator => "http://127.0.0.1:8081",
        ProviderKind::Asterisk => "http://127.0.0.1:8088",
    };
    Err(format!(
        "this kind of provider needs an api_url; write it like {example}"
    ))
}
