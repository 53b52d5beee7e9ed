//! A search for secrets in every form in which they could have been left.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;
use std::collections::HashMap;

/// A named sequence of bytes to search.
#[derive(Clone)]
pub struct Place {
    pub what: String,
    pub bytes: Vec<u8>,
}

/// All forms of the secrets, indexed by the first four bytes of each form.
#[derive(Default)]
pub struct Needles(HashMap<[u8; 4], Vec<(String, Vec<u8>)>>);

impl Needles {
    /// Adds a secret in every form.
    pub fn add(&mut self, what: &str, secret: &[u8]) {
        assert!(
            secret.len() >= 8,
            "{what} is too short to be told from chance"
        );
        for (form, bytes) in forms(secret) {
            assert!(bytes.len() >= 8, "{what}, {form}");
            let first = bytes[..4].try_into().unwrap();
            let name = format!("{what}, {form}");
            self.0.entry(first).or_default().push((name, bytes));
        }
    }

    /// Adds a secret given in base64: the text and the bytes it encodes.
    pub fn add_base64(&mut self, what: &str, text: &str) {
        self.add(what, text.as_bytes());
        let trimmed = text.trim_end_matches('=');
        let bytes = STANDARD_NO_PAD
            .decode(trimmed)
            .or_else(|_| URL_SAFE_NO_PAD.decode(trimmed));
        self.add(&format!("{what}'s bytes"), &bytes.expect("base64"));
    }

    /// Returns what is found, and where.
    pub fn hits(&self, places: &[Place]) -> Vec<String> {
        let mut hits = BTreeSet::new();
        for place in places {
            for (at, first) in place.bytes.windows(4).enumerate() {
                let Some(candidates) = self.0.get(first) else {
                    continue;
                };
                for (name, needle) in candidates {
                    if place.bytes[at..].starts_with(needle) {
                        hits.insert(format!("{name}: in {}", place.what));
                    }
                }
            }
        }
        hits.into_iter().collect()
    }

    /// Panics if anything is found.
    pub fn search(&self, when: &str, places: &[Place]) {
        let hits = self.hits(places);
        assert!(
            hits.is_empty(),
            "{when}: {} hits\n{}",
            hits.len(),
            hits.join("\n")
        );
    }
}

/// Returns the distinct forms of a secret.
fn forms(secret: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut forms: Vec<(String, Vec<u8>)> = vec![
        ("as it is".into(), secret.to_vec()),
        ("reversed".into(), secret.iter().rev().copied().collect()),
        ("hex".into(), hex(secret).into_bytes()),
        ("HEX".into(), hex(secret).to_uppercase().into_bytes()),
    ];
    for skip in 0..3 {
        for (name, engine) in [("base64", STANDARD_NO_PAD), ("base64url", URL_SAFE_NO_PAD)] {
            let shifted = [&[0; 2][..skip], secret].concat();
            let text = engine.encode(&shifted);
            // Characters that contain bits of the neighbouring bytes are left out.
            let from = (skip * 8).div_ceil(6);
            let to = shifted.len() * 8 / 6;
            forms.push((
                format!("{name} at {skip}"),
                text.as_bytes()[from..to].to_vec(),
            ));
        }
    }
    if let Ok(text) = std::str::from_utf8(secret) {
        let units: Vec<u16> = text.encode_utf16().collect();
        forms.push((
            "UTF-16LE".into(),
            units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        ));
        forms.push((
            "UTF-16BE".into(),
            units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        ));
        forms.push((
            "reversed text".into(),
            text.chars().rev().collect::<String>().into_bytes(),
        ));
        forms.push(("lower case".into(), text.to_lowercase().into_bytes()));
        forms.push(("UPPER CASE".into(), text.to_uppercase().into_bytes()));
        let form: String = form_urlencoded::byte_serialize(secret).collect();
        forms.push(("of a form".into(), form.into_bytes()));
        let escaped = text.chars().map(|c| match c {
            ' '..='~' => c.to_string(),
            _ => format!("\\u{:04x}", u32::from(c)),
        });
        forms.push(("JSON".into(), escaped.collect::<String>().into_bytes()));
    }
    let mut seen = BTreeSet::new();
    forms.retain(|(_, bytes)| seen.insert(bytes.clone()));
    forms
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_searcher_finds_what_is_planted() {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    let secret = "金丝雀 canary?>~ 13974620581";
    let mut needles = Needles::default();
    needles.add("it", secret.as_bytes());
    let utf16 =
        |bytes: fn(u16) -> [u8; 2]| secret.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let mut planted: Vec<Vec<u8>> = vec![
        secret.into(),
        secret.bytes().rev().collect(),
        secret.chars().rev().collect::<String>().into(),
        hex(secret.as_bytes()).into(),
        hex(secret.as_bytes()).to_uppercase().into(),
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
        serde_json::to_vec(secret).unwrap(),
        form_urlencoded::byte_serialize(secret.as_bytes())
            .collect::<String>()
            .into(),
    ];
    // As a part of something larger, at every offset and with every remainder.
    for before in 0..7 {
        for after in 0..7 {
            let larger = [
                &b"before!"[..before],
                secret.as_bytes(),
                &b"after!!"[..after],
            ]
            .concat();
            planted.push(STANDARD.encode(&larger).into());
            planted.push(URL_SAFE.encode(&larger).into());
            planted.push(hex(&larger).into());
        }
    }
    for form in planted {
        for before in 0..3 {
            let bytes = [&[0xff; 3][..before], &form, b"\0"].concat();
            let hits = needles.hits(&[Place {
                what: "here".into(),
                bytes,
            }]);
            assert!(
                !hits.is_empty(),
                "not found: {}",
                String::from_utf8_lossy(&form)
            );
        }
    }
    let others = [
        &b""[..],
        b"abc",
        "金丝雀 canary?>~ 1397462058".as_bytes(),
        &[0; 100],
    ];
    for bytes in others {
        assert!(
            needles
                .hits(&[Place {
                    what: "here".into(),
                    bytes: bytes.into()
                }])
                .is_empty()
        );
    }
}
