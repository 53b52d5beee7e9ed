//! How numbers look: who calls, and which line was dialled.
//!
//! Providers write one number in many ways. Nothing is guessed here about numbers in general: a line's own number has
//! a handful of spellings, and what was dialled is one of them or it isn't. So a table of calling codes is enough, and no
//! library of the world's numbering plans is needed: the `phonenumber` crate brings about 1 MB of metadata that changes
//! every month. A caller's number is kept as it came.

use crate::base::hidden::Hidden;
use percent_encoding::percent_decode_str;
use std::collections::HashMap;
use std::fmt;

/// How much of a caller's number is kept, in characters. The longest E.164 number has 16, a SIP address may be longer.
const CALLER_CHARS: usize = 64;

/// Words that stand where a number should, when it is withheld or the network has none. `anonymous` is RFC 3323
/// (4.1.1.3), `Restricted`, `Anonymous`, `Blocked`, `Unavailable` and `Unknown` are what Twilio documents under "Why am I
/// getting calls from these strange numbers?"; `private` and `withheld` are what telephone switches send in their stead.
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

/// The host of a caller without a name, RFC 3323 (4.1.1.3).
const WITHHELD_HOST: &str = "anonymous.invalid";

/// The same words typed on a telephone's keys, from the same Twilio page: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN,
/// UNAVAILABLE. Only with the plus, where no real number is like them: without it, 8656696 is somebody's landline in any
/// town with numbers of seven digits, and losing a number that was given is worse than showing one of these.
const WITHHELD_KEYS: [&str; 5] = [
    "+266696687",
    "+7378742833",
    "+2562533",
    "+8656696",
    "+86282452253",
];

/// Who calls, as far as the provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The number is withheld.
    Withheld,
    /// The number as the provider wrote it, bounded in length and without control characters.
    Number(Hidden<String>),
}

impl Caller {
    /// Reads what a provider says of the caller. Anything is accepted: what does not say "withheld" is kept as it was
    /// written, without characters that can't be seen or that turn the text around (a caller can put them there),
    /// trimmed, and at most 64 characters of it.
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

/// The parts of an address that matter: `"Name" <sip:user;phone-context=…:password@host:port;parameters>`, each of it
/// optional, `tel:` and bare numbers alike.
struct Address {
    user: String,
    host: String,
    /// What a local number is local to: RFC 3966 (5.1.5), a prefix like `+86` or a domain.
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

/// Percent-encoding undone; what it hid is made visible or removed like the rest.
fn decoded(text: &str) -> String {
    visible(&percent_decode_str(text).decode_utf8_lossy())
}

/// Without control characters and those of Unicode that have no width or turn the direction of what follows.
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

/// Without what people put between digits.
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

/// Countries and their calling codes, a row each; the file names its source.
const CALLING_CODES: &str = include_str!("number/calling_codes.txt");

/// How numbers are dialled inside the countries of one calling code.
struct Plan {
    /// The calling code, without a plus.
    code: &'static str,
    /// The trunk prefix: digits put before a national number when it is dialled inside the country (ITU-T E.123).
    trunk: &'static str,
    /// The most digits a national number has, without the trunk prefix.
    longest: usize,
}

/// The numbering plans whose national spellings are known. Numbers of other countries are matched by their
/// international spellings only.
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

/// A number without a plus that begins with the calling code can be a national number only when fewer digits than this
/// follow the code: a subscriber's number has at least so many.
const SUBSCRIBER_DIGITS: usize = 7;

/// Why a number in the configuration is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NumberError {
    /// Not a country with a calling code.
    #[error(
        "{0:?} is not a country with a calling code; write its two letters of ISO 3166, like \"CN\""
    )]
    UnknownCountry(String),
    /// Something else than digits, a plus in front, spaces and dashes; or too few or too many digits.
    #[error(
        "{0:?} is not a telephone number; write its digits, like \"18877009155\" or \"+8618877009155\""
    )]
    Malformed(String),
    /// A plus, and another country's code behind it.
    #[error("the number {number} does not begin with +{code}, the code of {country}")]
    OtherCountry {
        /// The number as written.
        number: String,
        /// The country as written.
        country: String,
        /// Its calling code.
        code: &'static str,
    },
    /// No plus, but the country's calling code: it may be an international number, or a national one.
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
        /// The digits after the calling code.
        national: String,
    },
    /// A national number of a country whose trunk prefix is not known here.
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
    /// A provider's number without a plus: which country's would it be?
    #[error("{0:?} should be an international number, like \"+8677012345678\"")]
    NotInternational(String),
}

/// What international numbers of a country begin with: `+86` for `CN`. `None` for what is not the ISO 3166 code of a
/// country with a calling code.
pub fn calling_code(country: &str) -> Option<String> {
    code_of(country).map(|code| format!("+{code}"))
}

/// Every country with its calling code, in the order of the file.
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
/// With a plus there is one: `+18877009155` is a number of North America and never China's 18877009155. Without a plus
/// there are five at most; see [`Self::clashes_with`]. `Display` prints the one with the plus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineNumber {
    /// All digits, the calling code first.
    international: String,
    /// What may be sent without a plus: digits alone.
    bare: Vec<String>,
}

impl LineNumber {
    /// The number of a line as the configuration has it: as dialled in `country` (two capital letters), or with a plus
    /// and the country's calling code. Spaces, dashes, dots, slashes and brackets are ignored. Short numbers from 3
    /// digits on are numbers too.
    ///
    /// The trunk prefix is known for the calling codes 86, 852, 853, 886, 65, 1, 44, 49, 33, 43, 41, 81 and 82. A
    /// number of another country is written with a plus, and matched by its international spellings: with a plus, with
    /// `00`, and with neither.
    ///
    /// # Errors
    ///
    /// [`NumberError`]. Digits that may be read both as an international number without its plus and as a national
    /// number are refused.
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

    /// A provider's number that a line is forwarded to, which then stands where the dialled number should: a plus and
    /// 7 to 15 digits (ITU-T E.164). National spellings are known for the calling codes named at [`Self::parse`].
    ///
    /// # Errors
    ///
    /// [`NumberError::NotInternational`] without a plus, [`NumberError::Malformed`] else.
    pub fn e164(number: &str) -> Result<Self, NumberError> {
        let compact = compact(number);
        let Some(digits) = compact.strip_prefix('+') else {
            return Err(NumberError::NotInternational(number.to_owned()));
        };
        let malformed = || NumberError::Malformed(number.to_owned());
        if !is_number(digits, 7, 15) || digits.starts_with('0') {
            return Err(malformed());
        }
        // No calling code begins with another, so the first that fits is the one.
        for Plan { code, .. } in &PLANS {
            if let Some(national) = digits.strip_prefix(code) {
                return Self::national(code, national).ok_or_else(malformed);
            }
        }
        Ok(Self::spelt("", None, digits))
    }

    /// The number with these digits after the calling code. `None` when it has too few or too many.
    fn national(code: &str, national: &str) -> Option<Self> {
        let Some(plan) = plan_of(code) else {
            let right = is_number(national, 3, 15 - code.len());
            return right.then(|| Self::spelt(code, None, national));
        };
        // In none of the known plans does a number begin with 0 once the trunk prefix is off.
        let right = is_number(national, 3, plan.longest) && !national.starts_with('0');
        right.then(|| Self::spelt(code, Some(plan.trunk), national))
    }

    /// The spellings of a number; those of its country only where the trunk prefix is known.
    fn spelt(code: &str, trunk: Option<&str>, national: &str) -> Self {
        let international = format!("{code}{national}");
        let mut bare = vec![
            // What is dialled for a plus in most of the world. No calling code begins with 0, so it means nothing else.
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

    /// Is this what was dialled? `dialled` is what the provider says: digits, with or without a plus, spaces and dashes,
    /// or a `tel:`, `sip:` or `sips:` address with whatever belongs to those.
    pub fn matches(&self, dialled: &str) -> bool {
        let dialled = Dialled::parse(dialled);
        self.spellings().any(|own| own == dialled.spelling) && dialled.may_be(&self.international)
    }

    /// Every spelling of the number: with a plus, and those that may be sent without.
    pub fn spellings(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.to_string()).chain(self.bare.iter().cloned())
    }

    /// Is there a spelling that matches both? Two lines with such numbers can't be told apart, and callers of one would be
    /// heard by the other. It happens to the same number written twice, and to 18877009155 in China beside +18877009155.
    pub fn clashes_with(&self, other: &Self) -> bool {
        self.bare
            .iter()
            .any(|spelling| other.bare.contains(spelling))
    }
}

/// What was dialled, as a provider says it.
struct Dialled {
    /// Digits, and a plus where the provider sends one.
    spelling: String,
    /// Without a plus: the prefix of international numbers that a local number is local to, digits alone.
    local_to: Option<String>,
}

impl Dialled {
    fn parse(dialled: &str) -> Self {
        let Address { user, context, .. } = Address::parse(dialled);
        let spelling = compact(&user);
        // A domain says nothing about where a number is local, and a number with a plus is not local.
        let prefix = context.as_deref().and_then(|c| c.strip_prefix('+'));
        let prefix = prefix.filter(|_| !spelling.starts_with('+'));
        Self {
            local_to: prefix.map(str::to_owned),
            spelling,
        }
    }

    /// False for a local number of elsewhere.
    fn may_be(&self, international: &str) -> bool {
        let mut prefix = self.local_to.iter();
        prefix.all(|prefix| international.starts_with(prefix))
    }
}

/// Numbers by every spelling that [`LineNumber::matches`] accepts, each with a value.
#[derive(Clone, Debug)]
pub struct NumberIndex<T> {
    /// The international digits of the numbers with this spelling, and their values, in the order of insertion.
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
    /// Adds a number.
    pub fn insert(&mut self, number: &LineNumber, value: T) {
        for spelling in number.spellings() {
            let numbers = self.by_spelling.entry(spelling).or_default();
            numbers.push((number.international.clone(), value.clone()));
        }
    }

    /// The value of the first number added that `dialled` matches; see [`LineNumber::matches`].
    pub fn find(&self, dialled: &str) -> Option<&T> {
        let dialled = Dialled::parse(dialled);
        let numbers = self.by_spelling.get(&dialled.spelling)?;
        let mut numbers = numbers.iter();
        let found = numbers.find(|(international, _)| dialled.may_be(international));
        found.map(|(_, value)| value)
    }

    /// The values of all numbers that [clash](LineNumber::clashes_with) with this one.
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
