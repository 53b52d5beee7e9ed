//! The service secret, and the symmetric keys derived from it.
//!
//! The secret is in a file beside the database, never in it: with a stolen database alone, an attacker can neither look
//! up a provider's ids nor open the state of a call in progress. The key for each use is derived with a label of its
//! own, so that no key has two uses.

use super::seal::OpenError;
use crate::base::clock;
use crate::base::hidden::Hidden;
use crate::base::private::{new_private_file, sync_folder_of};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why the service secret could not be created or read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// `create` found an existing file. Another secret would make everything sealed under the old one unreadable.
    #[error("{0} is there already; a service secret is made once and never replaced")]
    Exists(PathBuf),
    /// `load` found no file.
    #[error(
        "{0} is missing; is its file system mounted? For a new line, `dutyline init` makes it; every node needs the same one"
    )]
    Missing(PathBuf),
    /// The file exists, but does not hold 32 bytes in base64.
    #[error("{0} is not a service secret: one line of base64 for 32 bytes was expected")]
    Malformed(PathBuf),
    /// By its permissions, other users of the machine can read or change the file.
    #[error(
        "other users of this machine can get at {path} (mode {mode:o}), and with it at what the service knows of running calls; run `chmod 600 {path}`"
    )]
    Exposed {
        /// Path of the file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The operating system returned an error.
    #[error("{path}: {source}")]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

/// The service secret: 32 random bytes, generated once by `init`, and the same on every node. Zeroized on drop.
pub struct ServiceSecret(Key);

impl ServiceSecret {
    /// Generates the secret and writes it to a new file with mode 0600. When this returns, it is on stable storage.
    pub fn create(path: &Path) -> Result<Self, SecretError> {
        let failed = |source: io::Error| SecretError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = new_private_file(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => SecretError::Exists(path.to_owned()),
            _ => failed(error),
        })?;
        let bytes = Zeroizing::new(clock::random::<32>());
        let mut text = Zeroizing::new(STANDARD.encode(*bytes));
        text.push('\n');
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_folder_of(path))
            .map_err(|error| {
                // An incomplete file must not remain: the next `init` would report it as existing.
                let _ = fs::remove_file(path);
                failed(error)
            })?;
        Ok(Self(Key(bytes)))
    }

    /// Reads the secret. A file that other users of the machine can read or change is rejected (on Unix).
    ///
    /// # Errors
    ///
    /// See [`SecretError`].
    pub fn load(path: &Path) -> Result<Self, SecretError> {
        let malformed = || SecretError::Malformed(path.to_owned());
        let text = Zeroizing::new(fs::read(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => SecretError::Missing(path.to_owned()),
            _ => SecretError::Io {
                path: path.to_owned(),
                source,
            },
        })?);
        let line = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        let bytes = STANDARD
            .decode(line.trim_ascii())
            .map(Zeroizing::new)
            .map_err(|_| malformed())?;
        let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| malformed())?;
        private(path)?;
        Ok(Self(Key::new(bytes)))
    }

    /// Returns a secret with these bytes.
    #[cfg(test)]
    pub fn of(bytes: [u8; 32]) -> Self {
        Self(Key::new(bytes))
    }

    /// Derives the key for one use.
    pub fn derive(&self, label: &str) -> Key {
        self.0.expand("key", &[label])
    }

    /// Returns a keyed hash, which the database stores in place of an id that must not be readable there. The same
    /// label and parts give the same hash; the parts `["ab", "c"]` and `["a", "bc"]` give different ones.
    pub fn lookup(&self, label: &str, parts: &[&str]) -> [u8; 32] {
        let key = self.0.expand("lookup", &[label]);
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key.bytes())
            .expect("HMAC takes a key of any length");
        mac.update(&unambiguous(parts));
        mac.finalize().into_bytes().into()
    }

    /// Derives the key under which the state and the answers of a call are sealed in the database.
    pub fn call_key(&self, provider: &str, call_id: &str) -> Key {
        self.0.expand("call", &[provider, call_id])
    }
}

impl fmt::Debug for ServiceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceSecret([hidden])")
    }
}

/// Rejects a file that its group or others can read or change. A file that belongs to another user than the service's,
/// such as a file provided by a service manager, may be readable by its group, because that is how the service reads
/// it.
#[cfg(unix)]
fn private(path: &Path) -> Result<(), SecretError> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).map_err(|source| SecretError::Io {
        path: path.to_owned(),
        source,
    })?;
    let mode = metadata.mode() & 0o777;
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
    let forbidden = if is_own { 0o077 } else { 0o037 };
    match mode & forbidden {
        0 => Ok(()),
        _ => Err(SecretError::Exposed {
            path: path.to_owned(),
            mode,
        }),
    }
}

#[cfg(not(unix))]
fn private(_: &Path) -> Result<(), SecretError> {
    Ok(())
}

/// Concatenates the parts, each after its length (u64, big-endian), so that different lists give different bytes.
fn unambiguous(parts: &[&str]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::new());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

/// A symmetric key of 32 bytes. Zeroized on drop.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// Creates a key from 32 bytes that cannot be guessed.
    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the bytes of the key, for the other modules of the vault.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals `plain` with XChaCha20-Poly1305 and prepends a random nonce. `aad` is not stored but must be the same on
    /// opening: it binds the sealed bytes to their place.
    pub fn seal(&self, plain: &[u8], aad: &[u8]) -> Vec<u8> {
        let nonce = clock::random::<NONCE>();
        let sealed = self
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad })
            .expect("memory holds less than the cipher's 256 GiB");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`Key::seal`] sealed under the same key and `aad`.
    ///
    /// # Errors
    ///
    /// [`OpenError::NotSealed`] when `sealed` is shorter than a nonce, otherwise [`OpenError::WrongKey`]: another key,
    /// another `aad` and changed bytes cannot be distinguished.
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (nonce, msg) = sealed
            .split_first_chunk::<NONCE>()
            .ok_or(OpenError::NotSealed)?;
        self.cipher()
            .decrypt(XNonce::from_slice(nonce), Payload { msg, aad })
            .map(Zeroizing::new)
            .map_err(|_| OpenError::WrongKey)
    }

    /// Derives a key for one use from this one.
    pub fn derive(&self, label: &str) -> Self {
        self.expand("key", &[label])
    }

    /// Returns the key in base64url, for URLs that cannot be guessed.
    pub fn bytes_base64url(&self) -> Hidden<String> {
        Hidden::new(URL_SAFE_NO_PAD.encode(*self.0))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.as_slice().into())
    }

    /// Derives a key with HKDF-SHA256. There is no salt, because the key is uniformly random already; the info holds
    /// the program, the use of the new key, and the parts.
    fn expand(&self, what: &str, parts: &[&str]) -> Self {
        let mut info = unambiguous(&["dutyline v1", what]);
        info.extend_from_slice(&unambiguous(parts));
        let mut out = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, self.bytes())
            .expand(&info, out.as_mut_slice())
            .expect("HKDF-SHA256 gives up to 8160 bytes");
        Self(out)
    }
}

/// Length of a nonce, in bytes: long enough to draw it at random for every message.
const NONCE: usize = 24;

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fixed() -> ServiceSecret {
        ServiceSecret::of([9; 32])
    }

    #[test]
    fn it_is_made_once_private_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.key");
        assert!(matches!(
            ServiceSecret::load(&path),
            Err(SecretError::Missing(_))
        ));
        let made = ServiceSecret::create(&path).unwrap();
        let read = ServiceSecret::load(&path).unwrap();
        assert_eq!(made.derive("x").bytes(), read.derive("x").bytes());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let before = fs::read(&path).unwrap();
        assert!(matches!(
            ServiceSecret::create(&path),
            Err(SecretError::Exists(_))
        ));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.key");
        ServiceSecret::create(&path).unwrap();
        for (mode, refused) in [
            (0o600, false),
            (0o400, false),
            (0o640, true),
            (0o604, true),
            (0o620, true),
            (0o644, true),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let loaded = ServiceSecret::load(&path);
            let is_refused = matches!(loaded, Err(SecretError::Exposed { .. }));
            assert_eq!(is_refused, refused, "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.key");
        for content in [
            "",
            "canary",
            &STANDARD.encode([1; 31]),
            &STANDARD.encode([1; 33]),
        ] {
            fs::write(&path, content).unwrap();
            let error = ServiceSecret::load(&path).unwrap_err();
            assert!(matches!(error, SecretError::Malformed(_)));
            assert!(!error.to_string().contains("canary"));
        }
        let nowhere = folder.path().join("no/such/folder");
        assert!(matches!(
            ServiceSecret::create(&nowhere),
            Err(SecretError::Io { .. })
        ));
    }

    /// Every lookup in a database depends on these values, so an update of a dependency must not change them. Computed
    /// with Python's hmac.
    #[test]
    fn derivations_are_stable() {
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        assert_eq!(
            hex(fixed().derive("x").bytes()),
            "8d88ef03dad2a267625d635a016bd90943893f359f691eed72525fa8a91c7765"
        );
        assert_eq!(
            hex(&fixed().lookup("call", &["twilio", "CA1"])),
            "43a5e29a6ec39188e9470252f92dc27afbc75871058a3c7c4f60d9dae0086f7e"
        );
        assert_eq!(
            hex(fixed().call_key("twilio", "CA1").bytes()),
            "15e161185d77f83e69efe4814c023aad20f4e2c67fc94047f7f28f635a31fb8f"
        );
    }

    #[test]
    fn each_use_has_its_own_key() {
        let secret = fixed();
        let all = [
            *secret.derive("a").bytes(),
            *secret.derive("b").bytes(),
            *secret.derive("a").derive("b").bytes(),
            secret.lookup("a", &[]),
            secret.lookup("a", &[""]),
            secret.lookup("a", &["b", "c"]),
            secret.lookup("a", &["bc"]),
            secret.lookup("a", &["bc", ""]),
            secret.lookup("b", &["bc"]),
            *secret.call_key("a", "b").bytes(),
            *secret.call_key("ab", "").bytes(),
            *secret.call_key("", "ab").bytes(),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[i + 1..].contains(one), "{i}");
        }
    }

    #[test]
    fn debug_shows_nothing_and_text_is_for_addresses() {
        let key = Key::new([0xff; 32]);
        assert_eq!(
            format!("{:?} {key:?} {:?}", fixed(), key.bytes_base64url()),
            "ServiceSecret([hidden]) Key([hidden]) [hidden]"
        );
        assert_eq!(key.bytes_base64url().expose().len(), 43);
        assert!(!key.bytes_base64url().expose().contains(['+', '/', '=']));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_under_the_same_key_and_place_only(
            plain in prop::collection::vec(any::<u8>(), 0..500), aad in prop::collection::vec(any::<u8>(), 0..50),
            at: prop::sample::Index, bit in 0u8..8, cut: prop::sample::Index,
        ) {
            let key = Key::new([5; 32]);
            let sealed = key.seal(&plain, &aad);
            prop_assert!(key.open(&sealed, &aad).unwrap().as_slice() == plain.as_slice());
            prop_assert!(key.derive("other").open(&sealed, &aad).is_err());
            prop_assert!(key.open(&sealed, &[aad.as_slice(), b"x"].concat()).is_err());
            prop_assert!(key.open(&sealed[..cut.index(sealed.len())], &aad).is_err());
            let mut bad = sealed.clone();
            bad[at.index(sealed.len())] ^= 1 << bit;
            prop_assert!(key.open(&bad, &aad).is_err());
        }

        #[test]
        fn parts_are_never_confused(a in prop::collection::vec("[ab\0]{0,3}", 0..4), b in prop::collection::vec("[ab\0]{0,3}", 0..4)) {
            let refs = |parts: &[String]| -> Vec<u8> {
                unambiguous(&parts.iter().map(String::as_str).collect::<Vec<_>>()).to_vec()
            };
            prop_assert_eq!(refs(&a) == refs(&b), a == b);
        }
    }
}
