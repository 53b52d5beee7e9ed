//! Why a provider's request is refused. The reason is logged; the answer does not contain it.

use std::fmt;

/// Why a provider's request is refused before its content is used. All are answered with status 403.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// A header of the signature, or the one with the password, is missing, given more than once or not readable.
    Unsigned,
    /// The signature's timestamp is more than 300 seconds from system time, or is not a timestamp; or jambonz's header
    /// has none or several.
    Stale,
    /// The signature or password is not valid.
    Forged,
    /// The signature is valid, but the request names an account other than the configured one, or none.
    OtherAccount,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.check())
    }
}

impl Refused {
    /// Returns the check that failed, in a few words.
    pub fn check(&self) -> &'static str {
        match self {
            Self::Unsigned => "signature missing",
            Self::Stale => "clock",
            Self::Forged => "signature wrong",
            Self::OtherAccount => "account",
        }
    }

    /// Returns a sentence about the cause and what an operator can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Unsigned => {
                "the request has no signature header of this provider, or two; a proxy may remove it, or it is not the provider that calls"
            }
            Self::Stale => {
                "the signed time is more than 300 seconds from this machine's clock; set the clock, and see that requests are not held up"
            }
            Self::Forged => {
                "compare the address with the one entered at the provider, to the letter, and the configured token with the provider's"
            }
            Self::OtherAccount => {
                "compare the configured account with the one the number belongs to"
            }
        }
    }
}
