//! Sealed entries: the pieces of a report. Entries are added and not changed; only the caller's entry of a call that
//! left no message is deleted, after its retention period.
//!
//! The plaintext of an entry names its line, report, entry id and kind. So a database row that was moved, swapped or
//! relabelled is rejected on opening, and not shown as another entry.

pub use crate::report::entries::EntryKind;

use super::seal::{self, Identity, OpenError, Recipient};
use crate::report::entries::Content;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The plaintext is padded with spaces to a multiple of this many bytes, so that the size of a sealed entry reveals the
/// length of its content only roughly.
pub const PADDING: usize = 256;

/// The place that an entry belongs to. It is in the clear in the database, and again inside the sealed entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The line's id.
    pub line: String,
    /// The report's id.
    pub report: Uuid,
    /// The entry's own id.
    pub entry: Uuid,
    /// The kind of entry.
    pub kind: EntryKind,
}

/// One piece of a report, opened.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// The place it belongs to.
    pub address: Address,
    /// Exact time. If the service wrote the entry, only the hour of it is in the clear in the database.
    pub at: DateTime<Utc>,
    /// Name of the member who wrote it; `None` if the service did.
    pub by: Option<String>,
    /// Its content.
    pub body: Content,
}

impl fmt::Debug for Entry {
    /// Shows the address and nothing of the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Sealed data, and the hash that the audit chain commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedThing {
    /// The age file.
    pub bytes: Vec<u8>,
    /// SHA-256 of `bytes`.
    pub sha256: [u8; 32],
}

/// The plaintext of an entry: a flat JSON object that is readable after stock `age` has opened it. `body` is a
/// [`Content`] when written, and unparsed JSON when opened.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain<'a, B> {
    line: Cow<'a, str>,
    report: Uuid,
    entry: Uuid,
    kind: EntryKind,
    /// Version of the shape of the body.
    version: u32,
    at: DateTime<Utc>,
    by: Option<Cow<'a, str>>,
    body: B,
}

/// Seals an entry to its report's key.
pub fn seal_entry(entry: &Entry, to: &Recipient) -> SealedThing {
    seal_entry_to(entry, &[to])
}

/// Seals an entry to several keys, its report's among them. The identity of each opens it.
pub fn seal_entry_to(entry: &Entry, to: &[&Recipient]) -> SealedThing {
    let address = &entry.address;
    let plain = Plain {
        line: Cow::Borrowed(&address.line),
        report: address.report,
        entry: address.entry,
        kind: address.kind,
        version: entry.body.version(),
        at: entry.at,
        by: entry.by.as_deref().map(Cow::Borrowed),
        body: &entry.body,
    };
    // Large enough for nearly every entry: a buffer that is reallocated leaves copies that are not zeroized.
    let mut text = Zeroizing::new(Vec::with_capacity(16 * 1024));
    serde_json::to_writer(&mut *text, &plain).expect("an entry is always JSON");
    let padded = text.len().next_multiple_of(PADDING);
    text.resize(padded, b' ');
    let bytes = seal::seal(&text, to);
    let sha256 = Sha256::digest(&bytes).into();
    SealedThing { bytes, sha256 }
}

/// Opens an entry, which must be the one at `address`.
///
/// # Errors
///
/// [`OpenError::Misplaced`] when what opens names another line, report, entry or kind, or is not an entry. Otherwise as
/// [`seal::open`].
pub fn open_entry(sealed: &[u8], with: &Identity, address: &Address) -> Result<Entry, OpenError> {
    let text = seal::open(sealed, with)?;
    let plain: Plain<'_, &RawValue> =
        serde_json::from_slice(&text).map_err(|_| OpenError::Misplaced("kind of thing"))?;
    if plain.line != address.line {
        return Err(OpenError::Misplaced("line"));
    }
    if plain.report != address.report {
        return Err(OpenError::Misplaced("report"));
    }
    if plain.entry != address.entry {
        return Err(OpenError::Misplaced("entry"));
    }
    if plain.kind != address.kind {
        return Err(OpenError::Misplaced("kind of entry"));
    }
    Ok(Entry {
        address: address.clone(),
        at: plain.at,
        by: plain.by.map(Cow::into_owned),
        body: Content::read(plain.kind, plain.version, plain.body),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::random_id;
    use crate::report::entries::Body;
    use crate::vault::stock;
    use proptest::prelude::*;
    use serde_json::json;

    fn entry(text: &str) -> Entry {
        Entry {
            address: Address {
                line: "fcg-5".into(),
                report: random_id(),
                entry: random_id(),
                kind: EntryKind::Note,
            },
            at: "2024-04-07T01:02:03.456789Z".parse().unwrap(),
            by: Some("张三".into()),
            body: Body::Note(text.into()).into(),
        }
    }

    #[test]
    fn any_other_address_is_refused() {
        let key = Identity::generate();
        let entry = entry("已核实");
        let sealed = seal_entry(&entry, &key.recipient());
        let right = &entry.address;
        assert_eq!(open_entry(&sealed.bytes, &key, right).unwrap(), entry);
        let wrong = [
            (
                "line",
                Address {
                    line: "fcg-6".into(),
                    ..right.clone()
                },
            ),
            (
                "report",
                Address {
                    report: random_id(),
                    ..right.clone()
                },
            ),
            (
                "entry",
                Address {
                    entry: random_id(),
                    ..right.clone()
                },
            ),
            (
                "kind of entry",
                Address {
                    kind: EntryKind::Reply,
                    ..right.clone()
                },
            ),
        ];
        for (what, address) in wrong {
            assert_eq!(
                open_entry(&sealed.bytes, &key, &address).unwrap_err(),
                OpenError::Misplaced(what)
            );
        }
        assert_eq!(
            open_entry(&sealed.bytes, &Identity::generate(), right).unwrap_err(),
            OpenError::WrongKey
        );
    }

    #[test]
    fn something_else_sealed_to_the_same_key_is_no_entry() {
        let key = Identity::generate();
        let address = entry("").address;
        for plain in ["", "{}", "RIFF", "{\"line\":\"fcg-5\",\"line\":\"x\"}"] {
            let sealed = seal::seal(plain.as_bytes(), &[&key.recipient()]);
            assert_eq!(
                open_entry(&sealed, &key, &address).unwrap_err(),
                OpenError::Misplaced("kind of thing")
            );
        }
    }

    #[test]
    fn debug_shows_nothing_it_says() {
        let shown = format!("{:?}", entry("canary"));
        for hidden in ["canary", "张三", "2024"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }

    #[test]
    fn stock_age_opens_an_entry_to_plain_json() {
        let key = Identity::generate();
        let entry = entry("出车");
        let sealed = seal_entry(&entry, &key.recipient());
        let plain =
            stock::age_opens_bytes(&sealed.bytes, key.to_secret().expose().as_str().as_bytes());
        assert_eq!(plain.len() % PADDING, 0);
        let json: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        assert_eq!(
            json,
            json!({
                "line": "fcg-5",
                "report": entry.address.report,
                "entry": entry.address.entry,
                "kind": "note",
                "version": 1,
                "at": "2024-04-07T01:02:03.456789Z",
                "by": "张三",
                "body": {"text": "出车"},
            })
        );
    }

    /// An entry whose body this version cannot read is kept unchanged, whatever its content.
    #[test]
    fn a_body_of_another_version_is_kept_as_it_is() {
        let key = Identity::generate();
        let json = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        for (version, text) in [
            (2, r#"{"text":"x","language":"en"}"#),
            (2, r#"{"text":"x"}"#),
            (0, "null"),
            // Not in the shape of version 1.
            (1, r#"{"words":"x"}"#),
            (1, r#"[{"text" : 1.50}]"#),
        ] {
            let mut later = entry("");
            let json = json(text);
            later.body = Content::Unknown { version, json };
            let sealed = seal_entry(&later, &key.recipient());
            let opened = open_entry(&sealed.bytes, &key, &later.address).unwrap();
            assert!(matches!(opened.body, Content::Unknown { .. }), "{text}");
            assert_eq!(opened, later);
            assert_eq!(serde_json::to_string(&opened.body).unwrap(), text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn what_is_sealed_opens_and_is_padded(text in ".{0,600}", by in prop::option::of(".{0,20}"), micros in 0i64..4_000_000_000_000_000) {
            let key = Identity::from_seed([3; 32]);
            let mut entry = entry(&text);
            entry.at = DateTime::from_timestamp_micros(micros).unwrap();
            entry.by = by;
            let sealed = seal_entry(&entry, &key.recipient());
            prop_assert_eq!(sealed.sha256, <[u8; 32]>::from(Sha256::digest(&sealed.bytes)));
            prop_assert_eq!(seal::open(&sealed.bytes, &key).unwrap().len() % PADDING, 0);
            prop_assert_eq!(open_entry(&sealed.bytes, &key, &entry.address).unwrap(), entry);
        }

        #[test]
        fn a_flipped_bit_is_refused(at: prop::sample::Index, bit in 0u8..8) {
            let key = Identity::from_seed([3; 32]);
            let entry = entry("x");
            let mut bad = seal_entry(&entry, &key.recipient()).bytes;
            let at = at.index(bad.len());
            bad[at] ^= 1 << bit;
            prop_assert!(open_entry(&bad, &key, &entry.address).is_err());
        }
    }
}
