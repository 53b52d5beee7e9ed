//! Checks what is written and converts it to types that can hold valid values only.

mod address;
mod line;
mod provider;
mod proxies;
mod roster;

use address::{public_address, web_address};

use super::error::{ConfigError, ConfigErrors, Source};
use super::file::{File, Server, Storage};
use super::{
    Config, Connections, DatabaseAddress, LineConfig, Lines, ProviderConfig, ProviderSettings,
};
use super::{keys, shape};
use crate::base::hidden::Hidden;
use crate::line::calendar::Calendar;
use crate::line::number::NumberIndex;
use crate::vault::signing::{Verifying, WrongKeyText};
use serde::Deserialize;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use toml::Spanned;
use toml::de::Deserializer;
use unicode_normalization::UnicodeNormalization;

pub(super) fn check(text: &str, name: &str, folder: &Path) -> Result<Config, ConfigErrors> {
    let source = Source { text, name };
    let readable = shape::readable(&source);
    let (table, errors) = readable.read(&source, keys::FILE);
    let file = File::deserialize(Deserializer::from(table));
    let file = match file {
        Ok(file) => file,
        // A document of the right shape can be deserialized. If a shape is described wrongly, the error is reported
        // without the reader's message, which may contain a value.
        Err(error) => {
            let here = source.here(error.span().unwrap_or(0..0));
            ConfigErrors::check(errors)?;
            return Err(here
                .error("", "cannot be read as it is written".into())
                .into());
        }
    };
    let checker = Checker {
        source,
        folder,
        errors: RefCell::new(errors),
        calendars: RefCell::default(),
    };
    let config = checker.config(&file);
    ConfigErrors::check(checker.errors.into_inner())?;
    // Every missing value was reported as an error, so `config` is `Some` here; the error below only avoids a panic.
    config.ok_or_else(|| {
        let here = source.here(0..0);
        here.error("", "cannot be read as it is written".into())
            .into()
    })
}

pub(super) struct Checker<'a> {
    source: Source<'a>,
    pub folder: &'a Path,
    /// The errors found so far.
    errors: RefCell<Vec<ConfigError>>,
    /// The calendar files read so far, by their paths as written; `None` for a file with an error, which was
    /// reported.
    calendars: RefCell<HashMap<String, Option<Calendar>>>,
}

impl Checker<'_> {
    pub fn wrong<T, R>(
        &self,
        at: &Spanned<T>,
        message: impl Into<String>,
    ) -> Result<R, ConfigError> {
        Err(self.source.here(at.span()).error("", message.into()))
    }

    /// Returns the checked value, or records the error of the check and returns `None`, so that the rest is checked
    /// as well.
    pub fn keep<T>(&self, checked: Result<T, ConfigError>) -> Option<T> {
        checked.map_err(|error| self.note(error)).ok()
    }

    pub fn note(&self, error: ConfigError) {
        self.errors.borrow_mut().push(error);
    }

    /// Checks a value, if it is given. `None` if it is not, or if it is wrong; the error is recorded then.
    fn given<T, R>(
        &self,
        value: &Option<T>,
        check: impl FnOnce(&T) -> Result<R, ConfigError>,
    ) -> Option<R> {
        value.as_ref().and_then(|value| self.keep(check(value)))
    }

    /// Checks each value and records every error; `None` if there is one.
    pub fn each<T, R>(
        &self,
        values: &[T],
        check: impl Fn(&T) -> Result<R, ConfigError>,
    ) -> Option<Vec<R>> {
        let checked: Vec<Option<R>> = values.iter().map(|value| self.keep(check(value))).collect();
        checked.into_iter().collect()
    }

    fn config(&self, file: &File) -> Option<Config> {
        let ops_default = Some(Spanned::new(0..0, "127.0.0.1:9090".to_owned()));
        let prompts = self.prompts(&file.prompts);
        let (server, storage) = (&file.server, &file.storage);
        let listen = self.given(&server.listen, |text| self.address(text));
        let ops_listen = server.ops_listen.is_some().then_some(&server.ops_listen);
        let ops_listen = self.given(ops_listen.unwrap_or(&ops_default), |text| {
            self.address(text)
        });
        self.listeners_apart(server, listen.zip(ops_listen));
        let public_url = self.given(&server.public_url, |text| self.public_url(text));
        let trusted_proxies = self.each(&server.trusted_proxies, |proxy| self.trusted_proxy(proxy));
        let database = self.given(&storage.database, |text| self.database(text));
        let connections = self.connections(storage, database.as_ref());
        let recordings = self.given(&storage.recordings, |text| self.recordings(text));
        let secret_file = storage.secret_file.as_ref();
        let lead = file.trust.lead.as_ref();
        let lead = lead.map(|text| self.keep(self.lead(text)));
        let providers = file.provider.iter();
        let providers: Vec<_> = providers.map(|provider| self.provider(provider)).collect();
        let lines = file.line.iter();
        let lines: Vec<_> = lines
            .map(|line| self.line(line.get_ref(), prompts.as_ref()))
            .collect();
        self.apart(file, &providers, &lines);
        Some(Config {
            file: None,
            listen: listen?,
            ops_listen: ops_listen?,
            public_url: public_url?,
            trusted_proxies: trusted_proxies?,
            lead: match lead {
                Some(lead) => Some(lead?),
                None => None,
            },
            database: database?,
            connections: connections?,
            recordings: recordings?,
            secret_file: self.folder.join(secret_file?.get_ref()),
            providers: providers.into_iter().collect::<Option<_>>()?,
            lines: Lines::new(lines.into_iter().collect::<Option<_>>()?),
            prompts: prompts?,
        })
    }

    /// Checks that no two providers share a name and no two lines an id or a number, that no roster contains a
    /// number of a line, and that Asterisk has a `dial` if there is a roster.
    fn apart(
        &self,
        file: &File,
        providers: &[Option<ProviderConfig>],
        lines: &[Option<LineConfig>],
    ) {
        let complain = |at: &Option<Spanned<String>>, message: &str| {
            if let Some(at) = at {
                self.note(self.source.here(at.span()).error("", message.into()));
            }
        };
        let rosters = file
            .line
            .iter()
            .any(|line| !line.get_ref().roster.is_empty());
        for (written, provider) in file.provider.iter().zip(providers) {
            let Some(provider) = provider else { continue };
            let undialled = matches!(
                provider.settings,
                ProviderSettings::Asterisk { dial: None, .. }
            );
            if rosters && undialled {
                let kind = written.get_ref().kind.as_ref().map_or(0..0, Spanned::span);
                let message = "a line has a roster: how is a number dialled? write it like PJSIP/{number}@trunk";
                self.note(self.source.here(kind).error("dial", message.into()));
            }
        }
        let same = |one: &Option<Spanned<String>>, other: &Option<Spanned<String>>| {
            let texts = one.as_ref().zip(other.as_ref());
            texts.is_some_and(|(one, other)| one.get_ref() == other.get_ref())
        };
        for (i, provider) in file.provider.iter().enumerate() {
            let name = &provider.get_ref().name;
            let mut before = file.provider[..i].iter();
            if before.any(|other| same(&other.get_ref().name, name)) {
                complain(name, "another provider has this name");
            }
        }
        let mut ids = HashSet::new();
        let mut numbers = NumberIndex::default();
        for (i, entry) in lines.iter().enumerate() {
            for number in entry.iter().flat_map(|entry| entry.line.numbers()) {
                numbers.insert(number, i);
            }
        }
        for (i, written) in file.line.iter().enumerate() {
            let written = written.get_ref();
            if let Some(id) = &written.id
                && !ids.insert(id.get_ref())
            {
                complain(&written.id, "another line has this id");
            }
            let Some(own) = &lines[i] else { continue };
            let own = &own.line;
            let texts = written.number.iter().chain(&written.answers);
            for (text, number) in texts.zip(own.numbers()) {
                // Of two lines with the same number, the error is reported at the earlier one.
                if numbers.clashing(number).any(|other| *other > i) {
                    self.note(
                        self.source
                            .here(text.span())
                            .error("", "another line has this number".into()),
                    );
                }
            }
            for (written, person) in written.roster.iter().zip(&own.roster.people) {
                if numbers.find(person.number.expose()).is_some() {
                    complain(
                        &written.get_ref().number,
                        "a line of this configuration has this number, and would ring itself",
                    );
                }
            }
        }
    }

    fn address(&self, text: &Spanned<String>) -> Result<SocketAddr, ConfigError> {
        match text.get_ref().parse() {
            Ok(address) => Ok(address),
            Err(_) => {
                let right = plain::<SocketAddr>(text.get_ref());
                let right = right.unwrap_or_else(|| "write it like 127.0.0.1:8080".into());
                self.wrong(text, format!("not an address and port; {right}"))
            }
        }
    }

    fn lead(&self, text: &Spanned<String>) -> Result<Verifying, ConfigError> {
        let key: Result<Verifying, WrongKeyText> = text.get_ref().parse();
        key.or_else(|error| self.wrong(text, format!("{error}; `dutyline init` prints it")))
    }

    /// Checks that the two listeners can be bound at the same time.
    fn listeners_apart(&self, server: &Server, both: Option<(SocketAddr, SocketAddr)>) {
        let Some((listen, ops)) = both.filter(|(listen, ops)| shares_port(*listen, *ops)) else {
            return;
        };
        let example = match listen.port() {
            9090 => "127.0.0.1:9091",
            _ => "127.0.0.1:9090",
        };
        let (at, message) = match (&server.ops_listen, &server.listen) {
            (Some(written), _) => (
                written,
                format!(
                    "listen has this port already, and health and metrics need one of their own; write it like {example}"
                ),
            ),
            (None, Some(written)) => (
                written,
                format!(
                    "health and metrics are at {ops} unless ops_listen says otherwise; choose another port, or add ops_listen = \"{example}\""
                ),
            ),
            // Not reached: `listen` is given if both addresses are known.
            (None, None) => return,
        };
        self.note(self.source.here(at.span()).error("", message));
    }

    fn public_url(&self, text: &Spanned<String>) -> Result<String, ConfigError> {
        match public_address(text.get_ref(), "https://duty.example.org") {
            Ok(_) => Ok(text.get_ref().trim_end_matches('/').to_owned()),
            Err(why) => self.wrong(text, why),
        }
    }

    fn database(&self, text: &Spanned<String>) -> Result<DatabaseAddress, ConfigError> {
        let address = text.get_ref();
        if let Some(path) = address.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.starts_with(":memory:") {
                return self.wrong(
                    text,
                    "a file is needed; write it like sqlite:data/dutyline.db",
                );
            }
            Ok(DatabaseAddress::Sqlite(self.folder.join(path)))
        } else if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            Ok(DatabaseAddress::Postgres(Hidden::new(address.clone())))
        } else {
            self.wrong(
                text,
                "not a database; write sqlite:data/dutyline.db or postgres://user@host/name",
            )
        }
    }

    /// Checks the numbers of connections, which only Postgres may have. Each part of the service has at least two,
    /// because it may need a second connection before it returns the first one.
    fn connections(
        &self,
        storage: &Storage,
        database: Option<&DatabaseAddress>,
    ) -> Option<Connections> {
        const BOUNDS: RangeInclusive<u32> = 2..=500;
        let default = Connections::default();
        let Some(written) = &storage.connections else {
            return Some(default);
        };
        if let Some(DatabaseAddress::Sqlite(_)) = database {
            let message =
                "only Postgres has these; SQLite has one writer and its readers, so leave it out";
            return self.keep(self.wrong(written, message));
        }
        let written = written.get_ref();
        let of = |written: &Option<Spanned<i64>>, default, unit| {
            self.keep(self.number_in(written.as_ref(), default, BOUNDS, unit))
        };
        let webhooks = of(
            &written.webhooks,
            default.webhooks,
            " connections for webhooks",
        );
        let jobs = of(&written.jobs, default.jobs, " connections for jobs");
        let console = of(
            &written.console,
            default.console,
            " connections for the console",
        );
        Some(Connections {
            webhooks: webhooks?,
            jobs: jobs?,
            console: console?,
        })
    }

    fn recordings(&self, text: &Spanned<String>) -> Result<PathBuf, ConfigError> {
        match text.get_ref().strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(self.folder.join(path)),
            _ => self.wrong(text, "not a folder; write it like file:data/recordings"),
        }
    }
}

/// True if the system would refuse to listen at one of the two addresses while the other is in use. Port 0 is never
/// in use: it stands for any free port.
fn shares_port(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    // A listener at an unspecified address uses the port at all addresses of its family; at that of IPv6, at those of
    // IPv4 too.
    let covers = |all: IpAddr, one: IpAddr| {
        all.is_unspecified() && (all.is_ipv6() || one.is_ipv4() == all.is_ipv4())
    };
    one.port() == other.port() && one.port() != 0 && (a == b || covers(a, b) || covers(b, a))
}

/// Returns advice on how to write a text that is invalid only because of full-width characters and blanks, as Chinese
/// keyboards produce them; `None` if the text would be invalid without them too.
fn plain<T: FromStr>(text: &str) -> Option<String> {
    let right: String = text.nfkc().filter(|c| !c.is_whitespace()).collect();
    let right = right.replace('。', ".");
    (right != text && right.parse::<T>().is_ok())
        .then(|| format!("use plain characters, as in {right}"))
}

const ID_RULE: &str = "1 to 32 of the characters a-z, 0-9 and -";

fn is_id(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
