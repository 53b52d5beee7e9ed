//! Why a webhook is refused. For the log, never for the answer.

use std::fmt;

/// Why a webhook is refused before its content is used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// No signature or password, or more than one header of that name: 403.
    Unsigned,
    /// A signature whose timestamp is more than 300 seconds from system time, or is not a timestamp: 403.
    Stale,
    /// A signature or password that is not valid: 403.
    Forged,
    /// A valid signature, but an account other than the configured one: 403.
    OtherAccount,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.check())
    }
}

impl Refused {
    /// The check that failed, in a few words.
    pub fn check(&self) -> &'static str {
        match self {
            Self::Unsigned => "signature missing",
            Self::Stale => "clock",
            Self::Forged => "signature wrong",
            Self::OtherAccount => "account",
        }
    }

    /// What an operator can do about it.
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
