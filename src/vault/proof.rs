//! Proof that the service wrote a row or a link of the trail: a MAC under a key derived from the service secret, which
//! the database does not have. Pure.
//!
//! The MAC of a link is HMAC-SHA256 of the link's hash. The MAC of a row is HMAC-SHA256 of its [`Content`]: the table's
//! name and those columns that say or choose a key or a right; after it comes the number of the link that set the row,
//! as one more column, NULL for rows that no link sets. Both databases give the same content.
//!
//! | part of the content | how |
//! |---|---|
//! | version | the byte 1 |
//! | table | length in bytes (u64, big-endian), then UTF-8 |
//! | each column | a byte 0 for NULL; otherwise a byte 1, the length of the value in bytes (u64, big-endian), the value |
//!
//! The value of a text is its UTF-8, of an id its 16 bytes, of an integer its i64 in big-endian order, of a boolean a
//! byte 0 or 1, of a time its microseconds since 1970 UTC as an integer.

use super::secret::ServiceSecret;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use uuid::Uuid;

/// Version of [`Content`]; its first byte.
const VERSION: u8 = 1;

/// The keys of the MACs of rows and links.
#[derive(Clone)]
pub struct ProofKeys {
    rows: Hmac<Sha256>,
    links: Hmac<Sha256>,
}

impl ProofKeys {
    /// Derives the keys from the service secret for one installation: the rows of another database that was set up with
    /// the same secret do not hold.
    pub fn new(secret: &ServiceSecret, installation: Uuid) -> Self {
        let keyed = |label| {
            let key = secret.derive(label).derive(&installation.to_string());
            Hmac::new_from_slice(key.bytes()).expect("HMAC takes a key of any length")
        };
        Self {
            rows: keyed("mac of rows"),
            links: keyed("mac of links"),
        }
    }

    /// Returns the MAC of a row. `link` is the number of the link that set it; `None` if no link sets such rows.
    pub fn of_row(&self, content: Content, link: Option<i64>) -> [u8; 32] {
        mac(&self.rows, &content.integer(link).0)
    }

    /// True if `mac` is that of a row with this content, set by this link. Takes the same time whichever byte differs.
    pub fn has_row(&self, content: Content, link: Option<i64>, mac: &[u8]) -> bool {
        is_mac(&self.rows, &content.integer(link).0, mac)
    }

    /// Returns the MAC of the link with this hash.
    pub fn of_link(&self, hash: &[u8; 32]) -> [u8; 32] {
        mac(&self.links, hash)
    }

    /// True if `mac` is that of the link with this hash. Takes the same time whichever byte differs.
    pub fn has_link(&self, hash: &[u8; 32], mac: &[u8]) -> bool {
        is_mac(&self.links, hash, mac)
    }
}

fn mac(keyed: &Hmac<Sha256>, data: &[u8]) -> [u8; 32] {
    let mut mac = keyed.clone();
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn is_mac(keyed: &Hmac<Sha256>, data: &[u8], expected: &[u8]) -> bool {
    let mut mac = keyed.clone();
    mac.update(data);
    mac.verify_slice(expected).is_ok()
}

impl fmt::Debug for ProofKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofKeys([hidden])")
    }
}

/// The columns of a row that its MAC covers, encoded as the table above says. Columns are added in a fixed order for
/// each table.
#[derive(Clone, PartialEq, Eq)]
pub struct Content(Vec<u8>);

impl Content {
    /// Returns the content of a row of this table, without columns.
    pub fn of(table: &str) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(VERSION);
        bytes.extend_from_slice(&(table.len() as u64).to_be_bytes());
        bytes.extend_from_slice(table.as_bytes());
        Self(bytes)
    }

    /// Adds a text, or NULL.
    #[must_use]
    pub fn text<'a>(self, value: impl Into<Option<&'a str>>) -> Self {
        let value: Option<&str> = value.into();
        self.column(value.map(str::as_bytes))
    }

    /// Adds bytes, or NULL.
    #[must_use]
    pub fn bytes<'a>(self, value: impl Into<Option<&'a [u8]>>) -> Self {
        self.column(value.into())
    }

    /// Adds an id, or NULL.
    #[must_use]
    pub fn id(self, value: impl Into<Option<Uuid>>) -> Self {
        let value: Option<Uuid> = value.into();
        self.column(value.as_ref().map(|id| id.as_bytes().as_slice()))
    }

    /// Adds an integer, or NULL.
    #[must_use]
    pub fn integer(self, value: impl Into<Option<i64>>) -> Self {
        let value: Option<[u8; 8]> = value.into().map(i64::to_be_bytes);
        self.column(value.as_ref().map(<[u8; 8]>::as_slice))
    }

    /// Adds a boolean.
    #[must_use]
    pub fn boolean(self, value: bool) -> Self {
        self.column(Some(&[u8::from(value)]))
    }

    /// Adds a time, to the microsecond.
    #[must_use]
    pub fn time(self, value: DateTime<Utc>) -> Self {
        self.integer(value.timestamp_micros())
    }

    /// Returns SHA-256 of the content, to which the link that sets the row commits.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    fn column(mut self, value: Option<&[u8]>) -> Self {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            self.0
                .extend_from_slice(&(value.len() as u64).to_be_bytes());
            self.0.extend_from_slice(value);
        }
        self
    }
}

impl fmt::Debug for Content {
    /// Shows the length only: the columns may identify a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content([{} bytes])", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys() -> ProofKeys {
        ProofKeys::new(&ServiceSecret::of([9; 32]), Uuid::from_bytes([7; 16]))
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn full() -> Content {
        Content::of("things")
            .id(Uuid::from_bytes([1; 16]))
            .text("线")
            .bytes(&[2, 3][..])
            .integer(-4)
            .boolean(true)
            .time("2024-04-07T01:02:03.456789Z".parse().unwrap())
            .text(None)
    }

    /// Rows are kept longer than versions of this program. Computed with Python's hashlib, hmac and the table above.
    #[test]
    fn macs_are_stable() {
        assert_eq!(
            hex(&full().digest()),
            "680471b5d743d3e3f820c99563128a053d48ddaa9604ddc692f5a90c96830b8f"
        );
        assert_eq!(
            hex(&keys().of_row(full(), Some(7))),
            "b12d3a7f9a4303b81131c06dadb9da7426621c8e6408e40ab6a73995c9b55aea"
        );
        assert_eq!(
            hex(&keys().of_link(&[3; 32])),
            "45881036f743f5cd38c1cbf0ee1a179d4190365cc9757140ec954d4bf47a5104"
        );
    }

    #[test]
    fn null_is_not_empty_and_columns_do_not_run_into_each_other() {
        let all = [
            Content::of("t"),
            Content::of("t").text(None),
            Content::of("t").text(""),
            Content::of("t").text("").text(""),
            Content::of("t").text("ab").text("c"),
            Content::of("t").text("a").text("bc"),
            Content::of("ta").text("b").text("c"),
            Content::of("t").integer(0),
            Content::of("t").integer(None),
            Content::of("t").boolean(false),
            Content::of("t").boolean(true),
        ];
        for (i, one) in all.iter().enumerate() {
            for (j, other) in all.iter().enumerate() {
                // NULL has no type: the columns of a table always have the same ones.
                let same = i == j || matches!((i, j), (1, 8) | (8, 1));
                assert_eq!(one == other, same, "{i} {j}");
            }
        }
    }

    #[test]
    fn another_key_another_use_and_every_changed_byte_are_refused() {
        let (keys, content) = (keys(), full());
        let mac = keys.of_row(content.clone(), None);
        assert!(keys.has_row(content.clone(), None, &mac));
        assert!(!keys.has_row(content.clone(), Some(0), &mac));
        let id = Uuid::from_bytes([7; 16]);
        assert!(!ProofKeys::new(&ServiceSecret::of([8; 32]), id).has_row(
            content.clone(),
            None,
            &mac
        ));
        let other = ProofKeys::new(&ServiceSecret::of([9; 32]), Uuid::nil());
        assert!(
            !other.has_row(content.clone(), None, &mac),
            "another installation"
        );
        assert!(!keys.has_row(content.clone().text("x"), None, &mac));
        assert!(!keys.has_row(content.clone(), None, &mac[..31]));
        assert!(!keys.has_row(content.clone(), None, &[]));
        for at in 0..mac.len() {
            let mut bad = mac;
            bad[at] ^= 1;
            assert!(!keys.has_row(content.clone(), None, &bad));
        }
        let hash = [3; 32];
        assert!(keys.has_link(&hash, &keys.of_link(&hash)));
        assert!(!keys.has_link(&[4; 32], &keys.of_link(&hash)));
        assert_ne!(mac, keys.of_link(&content.digest()));
    }

    #[test]
    fn debug_shows_nothing() {
        let shown = format!("{:?} {:?}", keys(), Content::of("t").text("canary"));
        assert_eq!(shown, "ProofKeys([hidden]) Content([25 bytes])");
    }

    proptest! {
        #[test]
        fn different_columns_are_different_contents(
            a in prop::collection::vec(prop::option::of("[ab\0]{0,3}"), 0..4),
            b in prop::collection::vec(prop::option::of("[ab\0]{0,3}"), 0..4),
        ) {
            let content = |columns: &[Option<String>]| {
                columns.iter().fold(Content::of("t"), |content, column| content.text(column.as_deref()))
            };
            prop_assert_eq!(content(&a) == content(&b), a == b);
        }
    }
}
