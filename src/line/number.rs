//! How numbers look: who calls, and which line was dialled.
//!
//! Providers write one number in many ways. Nothing is guessed here about numbers in general: a line's own number has
//! a handful of spellings, and what was dialled is one of them or it isn't. That is also why there is no library of
//! the world's numbering plans in here: the `phonenumber` crate brings about 1 MB of metadata, changing every month, to
//! answer a question nobody asks of a caller's number, which is kept as it came.

use crate::hidden::Hidden;
use percent_encoding::percent_decode_str;
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

/// Countries a line can be in: ISO code, calling code (ITU-T E.164 annex), and the digits put before a national number
/// when dialled inside the country (ITU-T E.123's trunk prefix).
const COUNTRIES: [(&str, &str, &str); 14] = [
    ("CN", "86", "0"),
    ("HK", "852", ""),
    ("MO", "853", ""),
    ("TW", "886", "0"),
    ("SG", "65", ""),
    ("US", "1", "1"),
    ("CA", "1", "1"),
    ("GB", "44", "0"),
    ("DE", "49", "0"),
    ("FR", "33", "0"),
    ("AT", "43", "0"),
    ("CH", "41", "0"),
    ("JP", "81", "0"),
    ("KR", "82", "0"),
];

/// Why a number in the configuration is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NumberError {
    /// A country that is not in the table of calling codes.
    #[error("the country {0:?} is not known here; known are {known}", known = known_countries())]
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
    /// A provider's number without a plus: which country's would it be?
    #[error("{0:?} should be an international number, like \"+8677012345678\"")]
    NotInternational(String),
}

/// What international numbers of a country begin with: `+86` for CN. None for a country that is not known here.
pub fn calling_code(country: &str) -> Option<String> {
    let known = COUNTRIES.iter().find(|(name, ..)| *name == country);
    known.map(|(_, code, _)| format!("+{code}"))
}

fn known_countries() -> String {
    let names: Vec<_> = COUNTRIES.iter().map(|(name, ..)| *name).collect();
    names.join(", ")
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
    /// # Errors
    ///
    /// [`NumberError`]. The countries known are CN, HK, MO, TW, SG, US, CA, GB, DE, FR, AT, CH, JP and KR; another is
    /// one row more in the table above.
    pub fn parse(number: &str, country: &str) -> Result<Self, NumberError> {
        let known = COUNTRIES.iter().find(|(name, ..)| *name == country);
        let Some(&(_, code, trunk)) = known else {
            return Err(NumberError::UnknownCountry(country.to_owned()));
        };
        let digits = compact(number);
        let national = match digits.strip_prefix('+') {
            Some(digits) => digits.strip_prefix(code).ok_or(NumberError::OtherCountry {
                number: number.to_owned(),
                country: country.to_owned(),
                code,
            })?,
            None => digits.strip_prefix(trunk).unwrap_or(&digits),
        };
        // In none of these countries does a number begin with 0 once the trunk prefix is off.
        if !is_number(national, 3, 15 - code.len()) || national.starts_with('0') {
            return Err(NumberError::Malformed(number.to_owned()));
        }
        Ok(Self::spelt(code, trunk, national))
    }

    /// A provider's number that a line is forwarded to, which then stands where the dialled number should: a plus and
    /// 7 to 15 digits (ITU-T E.164). Spellings without the calling code are known for the countries of [`Self::parse`].
    ///
    /// # Errors
    ///
    /// [`NumberError::NotInternational`] without a plus, [`NumberError::Malformed`] else.
    pub fn e164(number: &str) -> Result<Self, NumberError> {
        let compact = compact(number);
        let Some(digits) = compact.strip_prefix('+') else {
            return Err(NumberError::NotInternational(number.to_owned()));
        };
        if !is_number(digits, 7, 15) || digits.starts_with('0') {
            return Err(NumberError::Malformed(number.to_owned()));
        }
        // No calling code begins with another, so the first that fits is the one.
        for (country, code, _) in COUNTRIES {
            if digits.starts_with(code) {
                return Self::parse(number, country);
            }
        }
        Ok(Self::spelt("", "", digits))
    }

    fn spelt(code: &str, trunk: &str, national: &str) -> Self {
        let international = format!("{code}{national}");
        let mut bare = vec![
            national.to_owned(),
            format!("{trunk}{national}"),
            // What is dialled for a plus in most of the world. No calling code begins with 0, so it means nothing else.
            format!("00{international}"),
            international.clone(),
        ];
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
        let Address { user, context, .. } = Address::parse(dialled);
        let dialled = compact(&user);
        if let Some(digits) = dialled.strip_prefix('+') {
            return digits == self.international;
        }
        // A local number of elsewhere. A domain says nothing about that.
        if let Some(elsewhere) = context.as_deref().and_then(|c| c.strip_prefix('+'))
            && !self.international.starts_with(elsewhere)
        {
            return false;
        }
        self.bare.contains(&dialled)
    }

    /// Is there a spelling that matches both? Two lines with such numbers can't be told apart, and callers of one would be
    /// heard by the other. It happens to the same number written twice, and to 18877009155 in China beside +18877009155.
    pub fn clashes_with(&self, other: &Self) -> bool {
        self.bare
            .iter()
            .any(|spelling| other.bare.contains(spelling))
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
