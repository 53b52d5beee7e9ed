//! The audit hash chain of a line: each entry's hash covers the previous one. Pure.
//!
//! A hash of the chain that was printed or sent elsewhere shows whether an entry up to it has been changed, removed,
//! added or reordered since.
//!
//! `hash` is SHA-256 over the concatenation of:
//!
//! | what | how |
//! |---|---|
//! | the words `dutyline audit link v1` | text |
//! | the hash before, or [`genesis`] | 32 bytes |
//! | line | text |
//! | seq | i64, big-endian |
//! | at | microseconds since 1970 UTC, i64, big-endian |
//! | actor | optional text |
//! | action | text, [`Action::as_str`] |
//! | report, object | optional 16 bytes each |
//! | digest | optional 32 bytes |
//! | detail | optional text |
//!
//! *text* is its length in bytes (u64, big-endian) and then its UTF-8; *optional* is a byte 0 for nothing, or a byte 1
//! and then the value. So different links have different encodings.

use super::action::Action;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::fmt;
use uuid::Uuid;

/// One entry of the audit trail, as hashed in the chain.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// The line's id.
    pub line: String,
    /// The entry's number in the line's chain.
    pub seq: i64,
    /// Line time of the action. Hashed in microseconds, the precision of both databases.
    pub at: DateTime<Utc>,
    /// Name of the member, or `recovery key` for an export with that key; `None` for an action of the service.
    pub actor: Option<String>,
    /// The action.
    pub action: Action,
    /// The report that the action concerns, if any.
    pub report: Option<Uuid>,
    /// Another object that the action concerns, if any: an entry, a recording, a member, a line key, a report.
    pub object: Option<Uuid>,
    /// Hash of the sealed data that the entry commits to, if any; see [`Action`].
    pub digest: Option<[u8; 32]>,
    /// What else belongs to the action, if anything; see [`Action`].
    pub detail: Option<String>,
}

impl fmt::Debug for Link {
    /// Shows the line, the number and the action only: the other fields may identify a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("line", &self.line)
            .field("seq", &self.seq)
            .field("action", &self.action)
            .finish_non_exhaustive()
    }
}

/// Returns the hash that precedes the first link of a line. Different for each line, so that one line's chain cannot be
/// presented as another's.
pub fn genesis(line: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    text(&mut hasher, "dutyline audit genesis v1");
    text(&mut hasher, line);
    hasher.finalize().into()
}

/// Returns the hash of `link`, which follows the link whose hash is `previous`.
pub fn hash(previous: &[u8; 32], link: &Link) -> [u8; 32] {
    // Destructured so that a field added later cannot be omitted here.
    let Link {
        line,
        seq,
        at,
        actor,
        action,
        report,
        object,
        digest,
        detail,
    } = link;
    let mut hasher = Sha256::new();
    text(&mut hasher, "dutyline audit link v1");
    hasher.update(previous);
    text(&mut hasher, line);
    hasher.update(seq.to_be_bytes());
    hasher.update(at.timestamp_micros().to_be_bytes());
    optional(&mut hasher, actor.as_deref(), text);
    text(&mut hasher, action.as_str());
    optional(&mut hasher, report.as_ref(), |hasher, id| {
        hasher.update(id.as_bytes());
    });
    optional(&mut hasher, object.as_ref(), |hasher, id| {
        hasher.update(id.as_bytes());
    });
    optional(&mut hasher, digest.as_ref(), |hasher, digest| {
        hasher.update(digest);
    });
    optional(&mut hasher, detail.as_deref(), text);
    hasher.finalize().into()
}

fn text(hasher: &mut Sha256, value: &str) {
    hasher.update((value.len() as u64).to_be_bytes());
    hasher.update(value);
}

fn optional<T: ?Sized>(hasher: &mut Sha256, value: Option<&T>, put: impl Fn(&mut Sha256, &T)) {
    hasher.update([u8::from(value.is_some())]);
    if let Some(value) = value {
        put(hasher, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn full() -> Link {
        Link {
            line: "fcg-5".into(),
            seq: 7,
            at: "2024-04-07T01:02:03.456789Z".parse().unwrap(),
            actor: Some("lin".into()),
            action: Action::EntryAdded,
            report: Some(Uuid::from_bytes([1; 16])),
            object: Some(Uuid::from_bytes([2; 16])),
            digest: Some([3; 32]),
            detail: Some("d".into()),
        }
    }

    /// Chains are kept longer than versions of this program. Computed with Python's hashlib from the table above.
    #[test]
    fn hashes_are_stable() {
        let hex =
            |bytes: [u8; 32]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        assert_eq!(
            hex(genesis("fcg-5")),
            "1527215f45f4d7c0d7ae2ea5117dfdb09991e328c8afffc166b3e2fb05b50778"
        );
        assert_eq!(
            hex(hash(&genesis("fcg-5"), &full())),
            "5810412be23868a39c2f317699dd18fab747d0d4746c1788695c968137fcc901"
        );
        let bare = Link {
            actor: None,
            report: None,
            object: None,
            digest: None,
            detail: None,
            ..full()
        };
        assert_eq!(
            hex(hash(&genesis("fcg-5"), &bare)),
            "0f2b284c98c23d9b725a0ec08e4244a30edce770bee45642fdfdd5164b268ad8"
        );
    }

    #[test]
    fn every_field_and_the_link_before_count() {
        let before = genesis("fcg-5");
        let right = hash(&before, &full());
        let changes: [fn(&mut Link); 17] = [
            |link| link.line = "fcg-6".into(),
            |link| link.seq = 8,
            |link| link.at += chrono::TimeDelta::microseconds(1),
            |link| link.actor = None,
            |link| link.actor = Some(String::new()),
            |link| link.actor = Some("wang".into()),
            |link| link.action = Action::EntryPurged,
            |link| link.report = None,
            |link| link.report = link.object,
            |link| link.object = None,
            |link| link.object = link.report,
            |link| std::mem::swap(&mut link.report, &mut link.object),
            |link| link.digest = None,
            |link| link.digest = Some([4; 32]),
            |link| link.detail = None,
            |link| link.detail = Some(String::new()),
            |link| link.detail = Some("e".into()),
        ];
        for (i, change) in changes.iter().enumerate() {
            let mut link = full();
            change(&mut link);
            assert_ne!(hash(&before, &link), right, "change {i}");
        }
        assert_ne!(hash(&genesis("fcg-6"), &full()), right);
    }

    #[test]
    fn what_the_databases_cut_off_does_not_count() {
        let mut link = full();
        link.at += chrono::TimeDelta::nanoseconds(999);
        assert_eq!(hash(&[0; 32], &link), hash(&[0; 32], &full()));
    }

    #[test]
    fn debug_names_nobody() {
        let shown = format!("{:?}", full());
        assert!(
            !shown.contains("lin\"") && !shown.contains("detail"),
            "{shown}"
        );
    }

    fn any_link() -> impl Strategy<Value = Link> {
        let id = || prop::option::of(any::<u128>().prop_map(Uuid::from_u128));
        let word = "[ab\0]{0,3}";
        (
            (word, 0i64..3, 0i64..3),
            (
                prop::option::of(word),
                prop::sample::select(Action::ALL),
                prop::option::of(word),
            ),
            (id(), id(), prop::option::of(any::<[u8; 32]>())),
        )
            .prop_map(
                |((line, seq, micros), (actor, action, detail), (report, object, digest))| Link {
                    line,
                    seq,
                    at: DateTime::from_timestamp_micros(micros).unwrap(),
                    actor,
                    action,
                    report,
                    object,
                    digest,
                    detail,
                },
            )
    }

    proptest! {
        #[test]
        fn different_links_have_different_hashes(a in any_link(), b in any_link()) {
            prop_assert_eq!(hash(&[0; 32], &a) == hash(&[0; 32], &b), a == b);
        }

        #[test]
        fn a_change_anywhere_changes_the_head(
            mut links in prop::collection::vec(any_link(), 2..8), at: prop::sample::Index, other in any_link(),
        ) {
            let head = |links: &[Link]| links.iter().fold(genesis("x"), |before, link| hash(&before, link));
            let right = head(&links);
            let at = at.index(links.len());
            prop_assert_ne!(head(&[&links[..at], &links[at + 1..]].concat()), right);
            prop_assert_ne!(head(&[&links[..at], std::slice::from_ref(&other), &links[at..]].concat()), right);
            let same = links[at] == other;
            links[at] = other;
            prop_assert_eq!(head(&links) == right, same);
        }
    }
}
