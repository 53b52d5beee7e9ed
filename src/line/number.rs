//! Telephone numbers: the caller's, and the number dialled.
//!
//! Providers write one number in many ways. Numbers in general are not parsed here: a line's own number has a few
//! spellings, and a dialled number is compared with those. So a table of calling codes suffices, and no library of the
//! world's numbering plans is needed: the `phonenumber` crate brings about 1 MB of metadata that changes every month. A
//! caller's number is kept as received, apart from [clean-up](Caller::parse).

use crate::base::hidden::Hidden;
use percent_encoding::percent_decode_str;
use std::collections::HashMap;
use std::fmt;

/// Maximum length of a caller's number, in characters; the rest is cut off. The longest E.164 number has 16; a SIP
/// address may be longer.
const CALLER_CHARS: usize = 64;

/// Words that providers send instead of a number that is withheld or not available. `anonymous` is from RFC 3323
/// (4.1.1.3); `Restricted`, `Anonymous`, `Blocked`, `Unavailable` and `Unknown` are documented by Twilio under "Why am
/// I getting calls from these strange numbers?"; `private` and `withheld` are sent by telephone switches.
const WITHHELD_WORDS: [&str; 8] = [
    "anonymous",
    "restricted",
    "blocked",
    "unavailable",
    "unknown",
    "private",
    "withheld",
    "anonymous.invalid",
];

/// Host of an anonymous caller's address, RFC 3323 (4.1.1.3).
const WITHHELD_HOST: &str = "anonymous.invalid";

/// Some of `WITHHELD_WORDS` as typed on a telephone keypad, from the same Twilio page: ANONYMOUS, RESTRICTED, BLOCKED,
/// UNKNOWN, UNAVAILABLE. They are recognised only with the plus, because no real number has this form with a plus.
/// Without it, 8656696 is a valid local number in any town with numbers of seven digits, and losing a real number is
/// worse than showing one of these.
const WITHHELD_KEYS: [&str; 5] = [
    "+266696687",
    "+7378742833",
    "+2562533",
    "+8656696",
    "+86282452253",
];

/// The caller, as reported by the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The number is withheld or not available.
    Withheld,
    /// The number as the provider wrote it, cleaned up by [`Caller::parse`].
    Number(Hidden<String>),
}

impl Caller {
    /// Parses what a provider sends as the caller's number. Any text is accepted. Text that names no number, or says
    /// that it is withheld, gives [`Caller::Withheld`]. Other text is kept as written, but trimmed, cut to 64
    /// characters, and without invisible characters and those that change the text direction, because a caller can
    /// insert them.
    pub fn parse(written: &str) -> Self {
        let address = Address::parse(written);
        let user = address.user.trim().trim_matches('"').to_lowercase();
        let withheld = user.is_empty()
            || WITHHELD_WORDS.contains(&user.as_str())
            || WITHHELD_KEYS.contains(&compact(&user).as_str())
            || address.host.eq_ignore_ascii_case(WITHHELD_HOST);
        if withheld {
            return Self::Withheld;
        }
        let kept: String = visible(written).trim().chars().take(CALLER_CHARS).collect();
        Self::Number(Hidden::new(kept))
    }
}

/// The parts of an address that are used: `"Name" <sip:user;phone-context=…:password@host:port;parameters>`, each of
/// them optional; also a `tel:` address or a bare number.
struct Address {
    user: String,
    host: String,
    /// Context of a local number (RFC 3966, 5.1.5): a prefix like `+86`, or a domain. `None` if there is none.
    context: Option<String>,
}

impl Address {
    fn parse(written: &str) -> Self {
        let text = visible(written);
        let text = match text.rsplit_once('<') {
            Some((_, bracketed)) => bracketed.split('>').next().unwrap_or_default(),
            None => &text,
        };
        let text = without_scheme(text.trim());
        let (user, host) = text.split_once('@').unwrap_or((text, ""));
        let context = user.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.eq_ignore_ascii_case("phone-context")
                .then(|| compact(&decoded(value)))
        });
        let until = |text: &str, ends: &[char]| text.split(ends).next().map(decoded);
        Self {
            user: until(user, &[';', ':', '?']).unwrap_or_default(),
            host: until(host, &[';', ':', '?']).unwrap_or_default(),
            context,
        }
    }
}

fn without_scheme(text: &str) -> &str {
    for scheme in ["sip:", "sips:", "tel:"] {
        if let Some((start, rest)) = text.split_at_checked(scheme.len())
            && start.eq_ignore_ascii_case(scheme)
        {
            return rest.trim_start();
        }
    }
    text
}

/// Decodes percent-encoding, and removes the invisible characters that were encoded.
fn decoded(text: &str) -> String {
    visible(&percent_decode_str(text).decode_utf8_lossy())
}

/// Removes control characters, and Unicode characters that have no width or change the text direction.
fn visible(text: &str) -> String {
    text.chars()
        .filter(|c| {
            let hidden = matches!(c,
                '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}');
            !(c.is_control() || hidden)
        })
        .collect()
}

/// Removes the separators that are written between digits: white space, dashes, dots, slashes and brackets.
fn compact(text: &str) -> String {
    text.chars()
        .filter(|c| {
            let dash = matches!(
                c,
                '-' | '.' | '(' | ')' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}'
            );
            !(dash || c.is_whitespace())
        })
        .collect()
}

/// Countries and their calling codes, one a row; the file names its source.
const CALLING_CODES: &str = include_str!("number/calling_codes.txt");

/// How numbers are dialled inside the countries of one calling code.
struct Plan {
    /// The calling code, without a plus.
    code: &'static str,
    /// The trunk prefix: digits dialled before a national number inside the country (ITU-T E.123).
    trunk: &'static str,
    /// Maximum number of digits in a national number, without the trunk prefix.
    longest: usize,
}

/// The numbering plans whose national spellings are known. Numbers of other countries are only matched by their
/// international spellings.
const PLANS: [Plan; 13] = [
    plan("86", "0", 12),
    plan("852", "", 11),
    plan("853", "", 8),
    plan("886", "0", 11),
    plan("65", "", 11),
    plan("1", "1", 10),
    plan("44", "0", 10),
    plan("49", "0", 13),
    plan("33", "0", 9),
    plan("43", "0", 13),
    plan("41", "0", 12),
    plan("81", "0", 13),
    plan("82", "0", 13),
];

const fn plan(code: &'static str, trunk: &'static str, longest: usize) -> Plan {
    Plan {
        code,
        trunk,
        longest,
    }
}

/// Minimum number of digits in a subscriber's number. A number without a plus and without a trunk prefix that begins
/// with the calling code is only read as a national number if fewer digits than this follow the code.
const SUBSCRIBER_DIGITS: usize = 7;

/// Why a number in the configuration is rejected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NumberError {
    /// The country is not the ISO 3166 code of a country with a calling code.
    #[error(
        "{0:?} is not a country with a calling code; write its two letters of ISO 3166, like \"CN\""
    )]
    UnknownCountry(String),
    /// The number contains other characters than digits, a leading plus and separators; it has too few or too many
    /// digits; a 0 follows the plus; or the trunk prefix of its country is known, and the national number without that
    /// prefix begins with 0.
    #[error(
        "{0:?} is not a telephone number; write its digits, like \"18877009155\" or \"+8618877009155\""
    )]
    Malformed(String),
    /// The number has a plus, but the calling code of another country.
    #[error("the number {number} does not begin with +{code}, the code of {country}")]
    OtherCountry {
        /// The number as written.
        number: String,
        /// The country as written.
        country: String,
        /// Its calling code.
        code: &'static str,
    },
    /// The number has no plus and no trunk prefix, but begins with the country's calling code, and at least 7 digits
    /// follow it: it could be an international or a national number.
    #[error(
        "the number {number} begins with {code}, the code of {country}; write it with a plus, \"+{digits}\", or as it is dialled inside the country, \"{national}\""
    )]
    WithoutPlus {
        /// The number as written.
        number: String,
        /// Its digits.
        digits: String,
        /// The country as written.
        country: String,
        /// Its calling code.
        code: &'static str,
        /// The number as dialled inside the country, with the trunk prefix.
        national: String,
    },
    /// The number has no plus, and the trunk prefix of its country is not known here.
    #[error(
        "how {number} is dialled from abroad is not known for {country}; write the international number, which begins with \"+{code}\""
    )]
    NationalUnknown {
        /// The number as written.
        number: String,
        /// The country as written.
        country: String,
        /// Its calling code.
        code: &'static str,
    },
    /// A number in `answers`, which is the provider's number that a line is forwarded to, has no plus, so its country
    /// is not known.
    #[error("{0:?} should be an international number, like \"+8677012345678\"")]
    NotInternational(String),
}

/// Returns the prefix of a country's international numbers: `+86` for `CN`. `None` if `country` is not the ISO 3166
/// code of a country with a calling code.
pub fn calling_code(country: &str) -> Option<String> {
    code_of(country).map(|code| format!("+{code}"))
}

/// Returns the ISO 3166 code and the calling code of every country, in the order of the file.
fn countries() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = CALLING_CODES.lines().filter(|row| !row.starts_with('#'));
    rows.filter_map(|row| row.split_once(' '))
}

fn code_of(country: &str) -> Option<&'static str> {
    let mut countries = countries();
    countries.find_map(|(known, code)| (known == country).then_some(code))
}

fn plan_of(code: &str) -> Option<&'static Plan> {
    PLANS.iter().find(|plan| plan.code == code)
}

/// A number that reaches a line, in every spelling a provider may send for it.
///
/// With a plus there is one spelling: `+18877009155` is a number of North America and never China's 18877009155.
/// Without a plus there are at most four: `00` and the international number, the international number, the national
/// number, and the trunk prefix with the national number. The last two only if the country's trunk prefix is known.
/// `Display` prints the spelling with the plus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineNumber {
    /// All digits of the international number, the calling code first.
    international: String,
    /// The spellings without a plus: digits only.
    bare: Vec<String>,
}

impl LineNumber {
    /// Parses the number of a line as configured: as dialled in `country` (two capital letters), or with a plus and the
    /// country's calling code. Spaces, dashes, dots, slashes and brackets are ignored. Short numbers are accepted, from
    /// 3 digits on, not counting the calling code or the trunk prefix.
    ///
    /// The trunk prefix is known for the calling codes 86, 852, 853, 886, 65, 1, 44, 49, 33, 43, 41, 81 and 82. A
    /// number of another country must be written with a plus, and is matched by its international spellings: with a
    /// plus, with `00`, and with neither.
    ///
    /// # Errors
    ///
    /// Any [`NumberError`] except [`NumberError::NotInternational`].
    pub fn parse(number: &str, country: &str) -> Result<Self, NumberError> {
        let Some(code) = code_of(country) else {
            return Err(NumberError::UnknownCountry(country.to_owned()));
        };
        let digits = compact(number);
        let malformed = || NumberError::Malformed(number.to_owned());
        if let Some(digits) = digits.strip_prefix('+') {
            let national = digits.strip_prefix(code).ok_or(NumberError::OtherCountry {
                number: number.to_owned(),
                country: country.to_owned(),
                code,
            })?;
            return Self::national(code, national).ok_or_else(malformed);
        }
        if !is_number(&digits, 3, 15) {
            return Err(malformed());
        }
        let Some(plan) = plan_of(code) else {
            return Err(NumberError::NationalUnknown {
                number: number.to_owned(),
                country: country.to_owned(),
                code,
            });
        };
        let dialled = digits.strip_prefix(plan.trunk);
        let with_trunk = dialled.filter(|_| !plan.trunk.is_empty());
        if with_trunk.is_none()
            && let Some(rest) = digits.strip_prefix(code)
            && rest.len() >= SUBSCRIBER_DIGITS
        {
            return Err(NumberError::WithoutPlus {
                number: number.to_owned(),
                country: country.to_owned(),
                code,
                national: format!("{}{rest}", plan.trunk),
                digits,
            });
        }
        Self::national(code, with_trunk.unwrap_or(&digits)).ok_or_else(malformed)
    }

    /// Parses a provider's number to which a line is forwarded, and which is then reported as the number dialled: a
    /// plus and 7 to 15 digits (ITU-T E.164). National spellings are known for the calling codes listed at
    /// [`Self::parse`].
    ///
    /// # Errors
    ///
    /// [`NumberError::NotInternational`] without a plus. [`NumberError::Malformed`] if there are not 7 to 15 digits, if
    /// the first digit is 0, or if the plan of a calling code listed at [`Self::parse`] does not allow the number.
    pub fn e164(number: &str) -> Result<Self, NumberError> {
        let compact = compact(number);
        let Some(digits) = compact.strip_prefix('+') else {
            return Err(NumberError::NotInternational(number.to_owned()));
        };
        let malformed = || NumberError::Malformed(number.to_owned());
        if !is_number(digits, 7, 15) || digits.starts_with('0') {
            return Err(malformed());
        }
        // No calling code is a prefix of another, so the first match is the only one.
        for Plan { code, .. } in &PLANS {
            if let Some(national) = digits.strip_prefix(code) {
                return Self::national(code, national).ok_or_else(malformed);
            }
        }
        Ok(Self::spelt("", None, digits))
    }

    /// Returns the number with these digits after the calling code. `None` if they are not digits only, are too few or
    /// too many, or begin with a 0 in a known plan.
    fn national(code: &str, national: &str) -> Option<Self> {
        let Some(plan) = plan_of(code) else {
            let right = is_number(national, 3, 15 - code.len());
            return right.then(|| Self::spelt(code, None, national));
        };
        // In none of the known plans does a number begin with 0 after the trunk prefix is removed.
        let right = is_number(national, 3, plan.longest) && !national.starts_with('0');
        right.then(|| Self::spelt(code, Some(plan.trunk), national))
    }

    /// Returns the number with its spellings; those for national use only if the trunk prefix is known.
    fn spelt(code: &str, trunk: Option<&str>, national: &str) -> Self {
        let international = format!("{code}{national}");
        let mut bare = vec![
            // In most of the world `00` is dialled for the plus. No calling code begins with 0, so it is unambiguous.
            format!("00{international}"),
            international.clone(),
        ];
        if let Some(trunk) = trunk {
            bare.push(national.to_owned());
            bare.push(format!("{trunk}{national}"));
        }
        bare.sort_unstable();
        bare.dedup();
        Self {
            international,
            bare,
        }
    }

    /// True if this number was dialled. `dialled` is as the provider sends it: digits, with or without a plus and
    /// separators, or a `tel:`, `sip:` or `sips:` address with its parameters. A local number does not match if its
    /// `phone-context` is the prefix of another area.
    pub fn matches(&self, dialled: &str) -> bool {
        let dialled = Dialled::parse(dialled);
        self.spellings().any(|own| own == dialled.spelling) && dialled.may_be(&self.international)
    }

    /// Returns every spelling of the number: the one with a plus, and those that may be sent without.
    pub fn spellings(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.to_string()).chain(self.bare.iter().cloned())
    }

    /// True if the two numbers have a spelling in common. Two lines with such numbers cannot be distinguished, and
    /// calls to one would be answered as the other. This is so for one number written in two ways, and for 18877009155
    /// in China and +18877009155.
    pub fn clashes_with(&self, other: &Self) -> bool {
        self.bare
            .iter()
            .any(|spelling| other.bare.contains(spelling))
    }
}

/// A dialled number, as sent by a provider.
struct Dialled {
    /// Digits, with a plus if the provider sends one.
    spelling: String,
    /// International prefix in the `phone-context`, without its plus. `None` if there is no context, if it is a domain,
    /// or if the number has a plus.
    local_to: Option<String>,
}

impl Dialled {
    fn parse(dialled: &str) -> Self {
        let Address { user, context, .. } = Address::parse(dialled);
        let spelling = compact(&user);
        // A domain as context does not locate a number. A number with a plus is not local.
        let prefix = context.as_deref().and_then(|c| c.strip_prefix('+'));
        let prefix = prefix.filter(|_| !spelling.starts_with('+'));
        Self {
            local_to: prefix.map(str::to_owned),
            spelling,
        }
    }

    /// False if the number is a local one of another area than that of the number `international`.
    fn may_be(&self, international: &str) -> bool {
        let mut prefix = self.local_to.iter();
        prefix.all(|prefix| international.starts_with(prefix))
    }
}

/// Values indexed by every spelling that [`LineNumber::matches`] accepts.
#[derive(Clone, Debug)]
pub struct NumberIndex<T> {
    /// International digits of the numbers with this spelling, and their values, in the order of insertion.
    by_spelling: HashMap<String, Vec<(String, T)>>,
}

impl<T> Default for NumberIndex<T> {
    fn default() -> Self {
        Self {
            by_spelling: HashMap::new(),
        }
    }
}

impl<T: Clone> NumberIndex<T> {
    /// Adds a number with its value.
    pub fn insert(&mut self, number: &LineNumber, value: T) {
        for spelling in number.spellings() {
            let numbers = self.by_spelling.entry(spelling).or_default();
            numbers.push((number.international.clone(), value.clone()));
        }
    }

    /// Of the numbers that `dialled` [matches](LineNumber::matches), returns the value of the one added first. `None`
    /// if it matches none.
    pub fn find(&self, dialled: &str) -> Option<&T> {
        let dialled = Dialled::parse(dialled);
        let numbers = self.by_spelling.get(&dialled.spelling)?;
        let mut numbers = numbers.iter();
        let found = numbers.find(|(international, _)| dialled.may_be(international));
        found.map(|(_, value)| value)
    }

    /// Returns the values of all numbers that [clash](LineNumber::clashes_with) with this one. A value occurs once for
    /// each spelling in common.
    pub fn clashing(&self, number: &LineNumber) -> impl Iterator<Item = &T> {
        let numbers = number
            .bare
            .iter()
            .filter_map(|own| self.by_spelling.get(own));
        numbers.flatten().map(|(_, value)| value)
    }
}

impl fmt::Display for LineNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.international)
    }
}

fn is_number(text: &str, shortest: usize, longest: usize) -> bool {
    (shortest..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests;
