//! Sealing to public keys: age files to X25519 recipients.
//!
//! The format is plain age (<https://c2sp.org/age>), so that in an emergency a key on paper and a stock `age` command
//! are enough. An age file is authenticated but not signed: any program that has the recipient can create one. A forged
//! entry is detected by the audit chain, not here.

use crate::base::clock;
use crate::base::hidden::Hidden;
use age::secrecy::ExposeSecret;
use age::stream::{StreamReader, StreamWriter};
use age::x25519;
use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::str::FromStr;
use zeroize::Zeroizing;

/// Why sealed data was not opened. Contains nothing of the plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The file does not exist.
    #[error("there is nothing sealed here")]
    Missing,
    /// The header of the sealed data is missing or damaged, or the data is too short.
    #[error("this is not a sealed file, or its header is damaged")]
    NotSealed,
    /// This key does not open the data. With a symmetric [`Key`](super::secret::Key) this also means that the data was
    /// changed, or sealed for another place.
    #[error("this key does not open it")]
    WrongKey,
    /// The content was changed or cut off.
    #[error("the sealed content was changed, cut off or damaged")]
    Damaged,
    /// The data opens, but belongs elsewhere. The text says which part of the place differs.
    #[error("the sealed content belongs to another {0}")]
    Misplaced(&'static str),
    /// The operating system could not read the file.
    #[error("the sealed file could not be read: {0}")]
    Io(io::ErrorKind),
}

impl From<io::Error> for OpenError {
    /// age reports a damaged stream as an I/O error of the kind `InvalidData` or `UnexpectedEof`: these are about the
    /// content, not the disk.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Damaged,
            kind => Self::Io(kind),
        }
    }
}

/// The text is not a key of the expected kind. Does not contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// The text is not of the form `age1…`.
    #[error("not an age recipient (\"age1\" and 58 more letters and digits)")]
    Recipient,
    /// The text is of the form `age1…`, but a point of low order, whose shared secret is publicly known.
    #[error("this age recipient is not a usable public key")]
    WeakRecipient,
    /// The text is not of the form `AGE-SECRET-KEY-1…`.
    #[error("not an age identity (\"AGE-SECRET-KEY-1\" and 58 more letters and digits)")]
    Identity,
}

/// The public half of a key pair, to which data is sealed. Text form: `age1…`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Recipient(x25519::Recipient);

impl FromStr for Recipient {
    type Err = KeyTextError;

    /// Parses `age1…`. Points of low order are rejected: age panics when it seals to one, and a key in the
    /// configuration must not be able to stop the line.
    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let key = x25519::Recipient::from_str(text).map_err(|_| KeyTextError::Recipient)?;
        let (_, mut point) = bech32::decode(text).map_err(|_| KeyTextError::Recipient)?;
        if let Some(last) = point.last_mut() {
            *last &= 0x7f; // X25519 ignores the highest bit (RFC 7748, section 5)
        }
        if LOW_ORDER.iter().any(|low| point == low) {
            return Err(KeyTextError::WeakRecipient);
        }
        Ok(Self(key))
    }
}

/// The u-coordinates of low order on Curve25519, in the encodings below 2^255: their product with any secret is zero.
/// Source: <https://cr.yp.to/ecdh.html#validate>.
const LOW_ORDER: [[u8; 32]; 7] = {
    const fn tail(first: u8, middle: u8, last: u8) -> [u8; 32] {
        let mut point = [middle; 32];
        point[0] = first;
        point[31] = last;
        point
    }
    [
        tail(0, 0, 0),
        tail(1, 0, 0),
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
            0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16,
            0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83,
            0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd,
            0xd0, 0x9f, 0x11, 0x57,
        ],
        tail(0xec, 0xff, 0x7f),
        tail(0xed, 0xff, 0x7f),
        tail(0xee, 0xff, 0x7f),
    ]
};

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The private half of a key pair, which opens what was sealed to its [`Recipient`]. Zeroized on drop.
#[derive(Clone)]
pub struct Identity(x25519::Identity);

impl Identity {
    /// Generates a key pair.
    pub fn generate() -> Self {
        Self::from_seed(*Zeroizing::new(clock::random()))
    }

    /// Returns the key pair for 32 secret bytes; the same bytes always give the same pair.
    ///
    /// age's library constructs an identity only from text, so the bytes are converted to text first.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        let text = Zeroizing::new(
            bech32::encode_upper::<bech32::Bech32>(SECRET_PREFIX, seed.as_slice())
                .expect("74 characters are within bech32's limit of 90"),
        );
        text.parse()
            .expect("32 bytes under age's prefix are an identity")
    }

    /// Returns the public half.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// Returns the 32 secret bytes: see [`Identity::from_seed`].
    pub(super) fn secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let secret = self.to_secret();
        let (_, bytes) = bech32::decode(secret.expose()).expect("age writes bech32");
        Zeroizing::new(bytes)
    }

    /// Returns the text form, `AGE-SECRET-KEY-1…`.
    pub fn to_secret(&self) -> Hidden<Zeroizing<String>> {
        let text = self.0.to_string();
        Hidden::new(Zeroizing::new(text.expose_secret().to_owned()))
    }
}

const SECRET_PREFIX: bech32::Hrp = bech32::Hrp::parse_unchecked("AGE-SECRET-KEY-");

impl FromStr for Identity {
    type Err = KeyTextError;

    /// Parses `AGE-SECRET-KEY-1…`; white space around it is ignored, because it may be typed from paper.
    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        text.trim()
            .parse()
            .map(Self)
            .map_err(|_| KeyTextError::Identity)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity([hidden])")
    }
}

/// Seals `plain` so that the identity of each recipient opens it.
///
/// # Panics
///
/// Without a recipient, because the result could never be opened.
pub fn seal(plain: &[u8], to: &[&Recipient]) -> Vec<u8> {
    // A header with one recipient has about 200 bytes.
    let sealed = Vec::with_capacity(plain.len() + plain.len() / 4096 + 256 * (to.len() + 1));
    sealing(to, sealed)
        .and_then(|mut stream| {
            stream.write_all(plain)?;
            stream.finish()
        })
        .expect("writing to memory does not fail")
}

/// Opens data sealed to `identity`: returns all of it, or an error.
pub fn open(sealed: &[u8], identity: &Identity) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut stream = opening(sealed, identity)?;
    // Allocated at full length: a buffer that is reallocated leaves copies that are not zeroized.
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
    stream.read_to_end(&mut plain)?;
    Ok(plain)
}

/// Does the same as [`seal`] as a stream: data written to the stream is sealed into `out`, which is only complete after
/// `finish`. Panics without a recipient.
pub(super) fn sealing<W: Write>(to: &[&Recipient], out: W) -> io::Result<StreamWriter<W>> {
    age::Encryptor::with_recipients(to.iter().map(|one| &one.0 as &dyn age::Recipient))
        .expect("there is a recipient, and X25519 ones never conflict")
        .wrap_output(out)
}

/// Does the same as [`open`] as a stream. A part of the content that was changed gives an error when it is read.
pub(super) fn opening<R: BufRead>(
    sealed: R,
    identity: &Identity,
) -> Result<StreamReader<R>, OpenError> {
    age::Decryptor::new_buffered(sealed)
        .and_then(|file| file.decrypt(std::iter::once(&identity.0 as &dyn age::Identity)))
        .map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => OpenError::WrongKey,
            age::DecryptError::Io(error) => match error.into() {
                OpenError::Damaged => OpenError::NotSealed,
                other => other,
            },
            _ => OpenError::NotSealed,
        })
}

/// Seals the private half of a key pair to these recipients. The plaintext is exactly the line `AGE-SECRET-KEY-1…` and
/// a newline, so that stock `age` opens it to an identity file for the next `age -d -i`.
///
/// # Panics
///
/// Without a recipient, as [`seal`].
pub fn seal_identity(identity: &Identity, to: &[&Recipient]) -> Vec<u8> {
    seal(identity_line(identity).as_bytes(), to)
}

/// Opens what [`seal_identity`] sealed. Other content gives [`OpenError::Misplaced`].
pub fn open_identity(sealed: &[u8], with: &Identity) -> Result<Identity, OpenError> {
    read_identity_line(&open(sealed, with)?)
}

/// Returns the text form of an identity, `AGE-SECRET-KEY-1…`, and a newline.
pub(super) fn identity_line(identity: &Identity) -> Zeroizing<String> {
    let secret = identity.to_secret();
    let mut line = Zeroizing::new(String::with_capacity(secret.expose().len() + 1));
    line.push_str(secret.expose());
    line.push('\n');
    line
}

/// Parses what [`identity_line`] returns; anything else gives [`OpenError::Misplaced`].
pub(super) fn read_identity_line(line: &[u8]) -> Result<Identity, OpenError> {
    std::str::from_utf8(line)
        .ok()
        .and_then(|text| text.strip_suffix('\n'))
        .and_then(|text| text.parse().ok())
        .ok_or(OpenError::Misplaced("kind of thing"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::stock;
    use proptest::prelude::*;

    // Generated with age-keygen 1.1.1 and an independent bech32: the bytes 0, 1, … 31.
    const SECRET: &str =
        "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SWRYDWG";
    const PUBLIC: &str = "age13aqvttdk3ujkyjh9kg2w5an6dmy5mq5a84a4uxk3hfhnugfc9p0sy5p2wh";

    fn fixed() -> Identity {
        Identity::from_seed(std::array::from_fn(|i| i as u8))
    }

    #[test]
    fn a_seed_always_gives_the_same_pair() {
        assert_eq!(fixed().to_secret().expose().as_str(), SECRET);
        assert_eq!(fixed().recipient().to_string(), PUBLIC);
        assert_eq!(
            SECRET.parse::<Identity>().unwrap().recipient(),
            PUBLIC.parse().unwrap()
        );
        assert_eq!(
            format!(" {SECRET}\r\n")
                .parse::<Identity>()
                .unwrap()
                .recipient(),
            PUBLIC.parse().unwrap()
        );
    }

    #[test]
    fn two_generated_pairs_differ() {
        assert_ne!(
            Identity::generate().recipient(),
            Identity::generate().recipient()
        );
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "age1", SECRET, &PUBLIC[1..], "age1é"] {
            assert_eq!(text.parse::<Recipient>(), Err(KeyTextError::Recipient));
        }
        for text in ["", PUBLIC, &SECRET[1..], "AGE-SECRET-KEY-1"] {
            assert_eq!(
                text.parse::<Identity>().unwrap_err(),
                KeyTextError::Identity
            );
        }
    }

    #[test]
    fn a_recipient_everybody_knows_the_secret_of_is_refused() {
        for mut point in LOW_ORDER {
            for high in [0, 0x80] {
                point[31] ^= high;
                let text =
                    bech32::encode::<bech32::Bech32>(bech32::Hrp::parse("age").unwrap(), &point)
                        .unwrap();
                assert_eq!(text.parse::<Recipient>(), Err(KeyTextError::WeakRecipient));
            }
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?} {:?}", fixed(), fixed().to_secret());
        assert!(!shown.contains("AGE-SECRET"), "{shown}");
    }

    #[test]
    fn any_recipient_opens_and_nobody_else() {
        let [a, b, c] = [(); 3].map(|()| Identity::generate());
        let sealed = seal(b"what was said", &[&a.recipient(), &b.recipient()]);
        assert_eq!(open(&sealed, &a).unwrap().as_slice(), b"what was said");
        assert_eq!(open(&sealed, &b).unwrap().as_slice(), b"what was said");
        assert_eq!(open(&sealed, &c).unwrap_err(), OpenError::WrongKey);
    }

    #[test]
    #[should_panic(expected = "there is a recipient")]
    fn sealing_to_nobody_is_a_mistake() {
        seal(b"x", &[]);
    }

    #[test]
    fn an_identity_can_be_sealed_and_only_an_identity_is_taken_for_one() {
        let (outer, inner) = (Identity::generate(), Identity::generate());
        let sealed = seal_identity(&inner, &[&outer.recipient()]);
        let opened = open_identity(&sealed, &outer).unwrap();
        assert_eq!(opened.recipient(), inner.recipient());
        assert_eq!(
            open_identity(&sealed, &inner).unwrap_err(),
            OpenError::WrongKey
        );
        let other = seal(b"AGE-SECRET-KEY-1\n", &[&outer.recipient()]);
        assert_eq!(
            open_identity(&other, &outer).unwrap_err(),
            OpenError::Misplaced("kind of thing")
        );
    }

    #[test]
    fn stock_age_opens_a_sealed_identity_to_an_identity_file() {
        let (line, report) = (fixed(), Identity::generate());
        let sealed = seal_identity(&report, &[&line.recipient()]);
        let identity_file = stock::age_opens_bytes(&sealed, format!("{SECRET}\n").as_bytes());
        assert_eq!(
            identity_file,
            format!("{}\n", report.to_secret().expose().as_str()).as_bytes()
        );
        let below = seal("说了什么".as_bytes(), &[&report.recipient()]);
        assert_eq!(
            stock::age_opens_bytes(&below, &identity_file),
            "说了什么".as_bytes()
        );
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let key = fixed();
        let sealed = seal(b"short", &[&key.recipient()]);
        for at in 0..sealed.len() {
            for bit in 0u8..8 {
                let mut bad = sealed.clone();
                bad[at] ^= 1 << bit;
                assert!(open(&bad, &key).is_err(), "byte {at} bit {bit}");
            }
            assert!(open(&sealed[..at], &key).is_err(), "cut at {at}");
        }
        let mut longer = sealed.clone();
        longer.push(0);
        assert_eq!(open(&longer, &key).unwrap_err(), OpenError::Damaged);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn what_is_sealed_opens(plain in prop::collection::vec(any::<u8>(), 0..2000), seed: [u8; 32]) {
            let key = Identity::from_seed(seed);
            let sealed = seal(&plain, &[&key.recipient()]);
            prop_assert!(open(&sealed, &key).unwrap().as_slice() == plain.as_slice());
        }

        #[test]
        fn chunk_boundaries_open_and_cuts_there_do_not(chunks in 1usize..4, more in -1isize..2) {
            let plain = vec![7; (chunks * 65536).checked_add_signed(more).unwrap()];
            let key = fixed();
            let sealed = seal(&plain, &[&key.recipient()]);
            prop_assert!(open(&sealed, &key).unwrap().as_slice() == plain.as_slice());
            // Not a fixed length: age adds a stanza of random length, which readers must ignore.
            let header = sealed.len() - plain.len() - 16 * plain.len().div_ceil(65536);
            for kept in 0..chunks {
                let cut = &sealed[..header + kept * (65536 + 16)];
                if cut.len() < sealed.len() {
                    prop_assert_eq!(open(cut, &key).unwrap_err(), OpenError::Damaged);
                }
            }
        }

        #[test]
        fn text_forms_come_back(seed: [u8; 32]) {
            let key = Identity::from_seed(seed);
            let again: Identity = key.to_secret().expose().parse().unwrap();
            prop_assert_eq!(again.recipient(), key.recipient());
            prop_assert_eq!(key.recipient().to_string().parse::<Recipient>().unwrap(), key.recipient());
        }
    }
}
