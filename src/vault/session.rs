//! Session tokens. The browser has the token; the database has its hash and the member's identity wrapped under it. So
//! every node can serve every request, and no member's key is stored in the clear.

use super::seal::{self, Identity, OpenError};
use super::secret::Key;
use crate::base::clock;
use crate::base::hidden::Hidden;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// A session token: 32 random bytes, written as 43 characters of base64url. Zeroized on drop.
pub struct Token(Key);

/// The text is not a token. Does not contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a session token")]
pub struct WrongToken;

impl Token {
    /// Returns a new token.
    pub fn generate() -> Self {
        Self(Key::new(*Zeroizing::new(clock::random())))
    }

    /// Returns the text for the cookie or the API's answer.
    pub fn text(&self) -> Hidden<String> {
        self.0.bytes_base64url()
    }

    /// Returns SHA-256 of the token, under which the database stores the session. No slow hash is needed, because the
    /// token is random.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.bytes()).into()
    }

    /// Wraps the member's identity so that only this token opens it.
    pub fn wrap(&self, identity: &Identity) -> Vec<u8> {
        self.wrapping().wrap(identity)
    }

    /// Returns what wraps another identity for this token.
    pub fn wrapping(&self) -> Wrapping {
        Wrapping(self.wrapping_key())
    }

    /// Opens what [`Token::wrap`] wrapped with the same token.
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<Identity, OpenError> {
        seal::read_identity_line(&self.wrapping_key().open(wrapped, &[])?)
    }

    /// Derives the wrapping key. It differs from the token and cannot be computed from the token's hash.
    fn wrapping_key(&self) -> Key {
        self.0.derive("session identity")
    }
}

/// Wraps identities so that only one token opens them.
pub struct Wrapping(Key);

impl Wrapping {
    /// Wraps an identity, as [`Token::wrap`].
    pub fn wrap(&self, identity: &Identity) -> Vec<u8> {
        self.0.seal(seal::identity_line(identity).as_bytes(), &[])
    }
}

impl FromStr for Token {
    type Err = WrongToken;

    fn from_str(text: &str) -> Result<Self, WrongToken> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map(Zeroizing::new)
            .map_err(|_| WrongToken)?;
        let bytes = bytes.as_slice().try_into().map_err(|_| WrongToken)?;
        Ok(Self(Key::new(bytes)))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_token_opens_what_it_wrapped_and_no_other() {
        let (token, identity) = (Token::generate(), Identity::generate());
        let wrapped = token.wrap(&identity);
        let again: Token = token.text().expose().parse().unwrap();
        assert_eq!(again.hash(), token.hash());
        assert_eq!(
            again.unwrap(&wrapped).unwrap().recipient(),
            identity.recipient()
        );
        assert_eq!(
            Token::generate().unwrap(&wrapped).unwrap_err(),
            OpenError::WrongKey
        );
        assert_ne!(Token::generate().hash(), token.hash());
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_refused() {
        let token = Token::generate();
        let wrapped = token.wrap(&Identity::generate());
        for at in 0..wrapped.len() {
            assert!(token.unwrap(&wrapped[..at]).is_err());
            for bit in 0u8..8 {
                let mut bad = wrapped.clone();
                bad[at] ^= 1 << bit;
                assert!(token.unwrap(&bad).is_err());
            }
        }
    }

    #[test]
    fn the_hash_is_sha256_of_the_bytes() {
        let token: Token = "A".repeat(43).parse().unwrap();
        assert_eq!(token.hash(), <[u8; 32]>::from(Sha256::digest([0; 32])));
    }

    #[test]
    fn only_the_exact_text_is_a_token() {
        let right = "A".repeat(43);
        for text in [
            String::new(),
            "A".repeat(42),
            "A".repeat(44),
            format!("{right}="),
            format!(" {}", &right[1..]),
            format!("{}+", &right[1..]),
            format!("{}B", &right[1..]), // unused bits set: another text for the same bytes
        ] {
            assert_eq!(text.parse::<Token>().unwrap_err(), WrongToken);
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let token = Token::generate();
        assert_eq!(
            format!("{token:?} {:?}", token.text()),
            "Token([hidden]) [hidden]"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_token_or_refused(text in "\\PC{0,60}") {
            if let Ok(token) = text.parse::<Token>() {
                prop_assert!(token.text().expose() == &text);
            }
        }
    }
}
