//! Who carries the calls: each kind has keys of its own, and a key of another kind is an error.

use super::{Checker, ID_RULE, http_url, is_id, is_loopback};
use crate::config::error::ConfigError;
use crate::config::file::{OneOrTwo, Provider};
use crate::config::{ProviderConfig, ProviderKind, ProviderSettings, Secret, SecretSource};
use crate::hidden::Hidden;
use crate::telephony::rest::is_id as is_provider_id;
use std::ops::Range;
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
        let settings = match kind {
            ProviderKind::Twilio | ProviderKind::Simulator => self.account(written)?,
            ProviderKind::Asterisk => self.asterisk(written)?,
        };
        let api_url = match (&written.api_url, kind) {
            (Some(url), kind) => self.api_url(url, kind)?,
            (None, ProviderKind::Twilio) => "https://api.twilio.com".to_owned(),
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
            kind_here: self.source.here(written.kind.span()),
        })
    }

    fn account(&self, written: &Provider) -> Result<ProviderSettings, ConfigError> {
        self.none_of(&[
            ("username", written.username.as_ref().map(Spanned::span)),
            ("password", written.password.as_ref().map(Spanned::span)),
            (
                "password_file",
                written.password_file.as_ref().map(Spanned::span),
            ),
            (
                "api_username",
                written.api_username.as_ref().map(Spanned::span),
            ),
            (
                "api_password",
                written.api_password.as_ref().map(Spanned::span),
            ),
            (
                "api_password_file",
                written.api_password_file.as_ref().map(Spanned::span),
            ),
            ("dial", written.dial.as_ref().map(Spanned::span)),
        ])?;
        let account = self.needed(written, written.account.as_ref(), "account")?;
        if !is_provider_id(account.get_ref()) {
            return self.wrong(account, "the account's id at the provider is needed");
        }
        Ok(ProviderSettings::Account {
            account: account.get_ref().clone(),
            auth_token: self.secret(
                written,
                &Written {
                    key: "auth_token",
                    given: written.auth_token.as_ref(),
                    files: written.auth_token_file.as_ref(),
                },
            )?,
        })
    }

    fn asterisk(&self, written: &Provider) -> Result<ProviderSettings, ConfigError> {
        self.none_of(&[
            ("account", written.account.as_ref().map(Spanned::span)),
            ("auth_token", written.auth_token.as_ref().map(Spanned::span)),
            (
                "auth_token_file",
                written.auth_token_file.as_ref().map(Spanned::span),
            ),
        ])?;
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

    fn needed<'a>(
        &self,
        written: &Provider,
        given: Option<&'a Spanned<String>>,
        key: &str,
    ) -> Result<&'a Spanned<String>, ConfigError> {
        match given {
            Some(given) => Ok(given),
            None => {
                let here = self.source.here(written.kind.span());
                Err(here.error(key, "this kind of provider needs it".into()))
            }
        }
    }

    fn none_of(&self, keys: &[(&str, Option<Range<usize>>)]) -> Result<(), ConfigError> {
        for (key, span) in keys {
            if let Some(span) = span {
                let here = self.source.here(span.clone());
                return Err(here.error(key, "this kind of provider has no such key".into()));
            }
        }
        Ok(())
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
