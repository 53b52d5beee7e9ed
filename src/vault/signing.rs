//! Signatures of links. A member's signing key is derived from their age identity, so there is no second key to keep.
//! Pure.
//!
//! The signature of a link is Ed25519 ([RFC 8032](https://www.rfc-editor.org/rfc/rfc8032)) over the 32 bytes of the
//! link's hash. The private key is HKDF-SHA256 of the identity's 32 bytes, without salt, with the info `dutyline signing
//! key v1`.

use super::seal::Identity;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;
use zeroize::Zeroizing;

const INFO: &[u8] = b"dutyline signing key v1";
const PREFIX: bech32::Hrp = bech32::Hrp::parse_unchecked("dutykey");

/// Who signs the links of a transaction, with their private key. Zeroized on drop.
#[derive(Clone)]
pub struct Signer {
    id: Uuid,
    key: SigningKey,
}

impl Signer {
    /// Returns the signer for a member (`id` is the member's) or a line's recovery key (`id` is that of the line key which
    /// is sealed to it).
    pub fn new(id: Uuid, identity: &Identity) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        let hkdf = Hkdf::<Sha256>::new(None, identity.secret_bytes().as_slice());
        hkdf.expand(INFO, seed.as_mut_slice())
            .expect("32 bytes are a valid length");
        Self {
            id,
            key: SigningKey::from_bytes(&seed),
        }
    }

    /// Returns the id of the member or line key.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns the public half.
    pub fn verifying(&self) -> Verifying {
        Verifying(self.key.verifying_key())
    }

    /// Returns the signature of the link with this hash.
    pub fn sign(&self, hash: &[u8; 32]) -> [u8; 64] {
        self.key.sign(hash).to_bytes()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer([hidden])")
    }
}

/// The public half of a signing key. Text form: `dutykey1…`, bech32 of the 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifying(VerifyingKey);

/// The text is not the public half of a signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the public half of a signing key (\"dutykey1\" and 58 more letters and digits)")]
pub struct WrongKeyText;

impl Verifying {
    /// True if `signature` is that of the link with this hash.
    pub fn has_signed(&self, hash: &[u8; 32], signature: &[u8]) -> bool {
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.0.verify_strict(hash, &signature).is_ok())
    }
}

impl FromStr for Verifying {
    type Err = WrongKeyText;

    fn from_str(text: &str) -> Result<Self, WrongKeyText> {
        let (prefix, bytes) = bech32::decode(text).map_err(|_| WrongKeyText)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| WrongKeyText)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| WrongKeyText)?;
        // Any signature would hold under a key of low order.
        match prefix == PREFIX && !key.is_weak() {
            true => Ok(Self(key)),
            false => Err(WrongKeyText),
        }
    }
}

impl fmt::Display for Verifying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = bech32::encode::<bech32::Bech32>(PREFIX, self.0.as_bytes());
        f.write_str(&text.map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Verifying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chains are kept longer than versions of this program. Computed with Python's cryptography 48.
    #[test]
    fn keys_and_signatures_are_stable() {
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        let signer = Signer::new(Uuid::nil(), &Identity::from_seed([1; 32]));
        assert_eq!(
            hex(signer.verifying().0.as_bytes()),
            "58caf08e1ed3d1a8f7c35a40a70f1f2bbb568f387e89b334c7fe91576e562114"
        );
        let signature = signer.sign(&[9; 32]);
        assert_eq!(
            hex(&signature),
            "1cf3677b6b7b27af6fab2c7c80ca8abce5a76c5a628e2130e3741fa35a0396ea\
             1313c07f8b53d26652d4e74ed28fc4cbc973d0d2b6573e11ef9f11cf79d55e08"
        );
        assert!(signer.verifying().has_signed(&[9; 32], &signature));
        assert!(!signer.verifying().has_signed(&[8; 32], &signature));
        assert!(!signer.verifying().has_signed(&[9; 32], &signature[..63]));
        let other = Signer::new(Uuid::nil(), &Identity::from_seed([2; 32]));
        assert!(!other.verifying().has_signed(&[9; 32], &signature));
    }

    #[test]
    fn the_text_of_a_key_is_read_again_and_no_other_text() {
        let key = Signer::new(Uuid::nil(), &Identity::generate()).verifying();
        let text = key.to_string();
        assert_eq!(text.len(), 66);
        assert_eq!(text.parse(), Ok(key));
        let other_end = if text.ends_with('q') { "p" } else { "q" };
        let low_order = bech32::encode::<bech32::Bech32>(PREFIX, &[0; 32]).unwrap();
        for wrong in [
            String::new(),
            text[..65].to_owned() + other_end,
            text.replace("dutykey", "age"),
            Identity::generate().recipient().to_string(),
            low_order,
        ] {
            assert_eq!(wrong.parse::<Verifying>(), Err(WrongKeyText), "{wrong}");
        }
    }
}
