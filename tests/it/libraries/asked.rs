//! The requests that the libraries check, and this program's own check of them.

use crate::support::dice::Dice;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dutyline::telephony::signature::{
    SignedBody, jambonz_fits, jambonz_sign, signalwire_fits, signalwire_sign, somleng_fits,
    somleng_sign, telnyx_fits, telnyx_public_key, twilio_settings_fits, twilio_settings_sign,
    twilio_sign, twilio_signature_fits,
};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};

/// The time of the checks, for the libraries too.
pub const NOW: i64 = 1_760_000_000;

/// The shape of a random request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A form, to any address.
    Form,
    /// A form to any address, signed with a shared key.
    Sha256,
    /// A form without repeated fields, to any address.
    Single,
    /// JSON, with its hash in the address.
    Hashed,
    /// A form, to an address with the standard port or none.
    Plain,
    /// JSON.
    Json,
    /// JSON or a form, with a time.
    Timed,
}

#[derive(Clone, Debug)]
pub struct Asked {
    pub secret: String,
    pub url: String,
    pub fields: Vec<(String, String)>,
    /// A body that is not a form.
    pub body: Option<String>,
    pub settings: Option<String>,
    pub at: i64,
}

const NAMES: &str = "abzAZ09_ é张";
const VALUES: &str = "aZ09 é张三😀&=+%'\"<>;\n";
const ADDRESS: &str = "abzAZ09-._~";
const QUERY: &str = "abzAZ09-._~'+:@/,=&";

impl Asked {
    pub fn draw(shape: Shape, dice: &mut Dice) -> Self {
        let secret = format!("s{}", dice.text(VALUES, 20));
        let url = draw_url(shape, dice);
        let mut fields: Vec<(String, String)> = Vec::new();
        for _ in 0..=dice.below(8) {
            let name = match fields.get(dice.below(fields.len())) {
                Some((again, _)) if dice.one_in(3) => again.clone(),
                _ => format!("N{}", dice.text(NAMES, 4)),
            };
            if shape != Shape::Single || fields.iter().all(|field| field.0 != name) {
                fields.push((name, dice.text(VALUES, 9)));
            }
        }
        let json = matches!(shape, Shape::Hashed | Shape::Json)
            || (shape == Shape::Timed && dice.one_in(2));
        let body = json.then(|| serde_json::to_string(&fields).expect("JSON"));
        let url = match &body {
            Some(body) if shape == Shape::Hashed => hashed(&url, body),
            _ => url,
        };
        let shared = "key=webhooks_sharedkey_01k9,algorithm=HMAC_SHA256";
        Self {
            secret,
            url,
            fields: if json { Vec::new() } else { fields },
            body,
            settings: (shape == Shape::Sha256).then(|| shared.to_owned()),
            at: NOW,
        }
    }

    /// Returns the body as it is sent.
    pub fn raw(&self) -> String {
        self.body.clone().unwrap_or_else(|| {
            form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&self.fields)
                .finish()
        })
    }

    /// Returns equivalent spellings of the request, for which the signature stays valid.
    pub fn spelled_otherwise(&self, shape: Shape) -> Vec<(Self, &'static str)> {
        let (scheme, rest) = self.url.split_once("://").expect("an address");
        let (authority, path) = rest.split_once('/').expect("a path");
        let standard = if scheme == "https" { "443" } else { "80" };
        let bare = authority.split_once(':').map(|(host, _)| host);
        let url = match (shape, bare) {
            (Shape::Json | Shape::Timed | Shape::Single, _) => return Vec::new(),
            (_, None) => format!("{scheme}://{authority}:{standard}/{path}"),
            (Shape::Plain, Some(host)) => format!("{scheme}://{host}/{path}"),
            // Twilio may have signed it without any port, but not with another.
            (_, Some(_)) => return Vec::new(),
        };
        let seen = Self {
            url,
            ..self.clone()
        };
        let mut all = vec![(seen, "with or without the standard port")];
        if shape != Shape::Plain && bare.is_none() {
            let seen = Self {
                url: format!("{scheme}://{authority}:8443/{path}"),
                ..self.clone()
            };
            all.push((seen, "signed without the port"));
        }
        all
    }

    /// Returns changed requests with the old signature, and the request with other signatures.
    pub fn tampered(
        &self,
        shape: Shape,
        signature: &str,
        other: &str,
        dice: &mut Dice,
    ) -> Vec<(Self, String, &'static str)> {
        let with = |change: &mut dyn FnMut(&mut Self), what| {
            let mut changed = self.clone();
            change(&mut changed);
            (changed, signature.to_owned(), what)
        };
        let mut all = vec![
            with(&mut |asked| asked.secret.push('x'), "another secret"),
            (self.clone(), other.to_owned(), "another's signature"),
            (self.clone(), String::new(), "no signature"),
            (
                self.clone(),
                flipped(signature, dice),
                "a flipped character",
            ),
        ];
        if shape == Shape::Timed {
            // The time in jambonz's header, or in a header of its own.
            let (at, later) = (format!("t={}", self.at), format!("t={}", self.at + 1));
            let mut changed = with(&mut |asked| asked.at += 1, "a second later");
            changed.1 = changed.1.replace(&at, &later);
            all.push(changed);
        } else {
            all.push(with(&mut |asked| asked.url.push('x'), "a longer address"));
        }
        if shape == Shape::Plain {
            let host = ["duty.example:443/", "duty.example:80/", "duty.example/"];
            let ported = |url: &str| {
                let host = host.iter().find(|host| url.contains(**host));
                url.replace(host.expect("a host"), "duty.example:8443/")
            };
            all.push(with(
                &mut |asked| asked.url = ported(&asked.url),
                "another port",
            ));
        }
        if let Some(body) = &self.body {
            let longer = Some(format!("{body} "));
            all.push(with(
                &mut |asked| asked.body.clone_from(&longer),
                "a longer body",
            ));
        } else {
            let at = dice.below(self.fields.len());
            let name = &self.fields[at].0;
            let all_of = |field: &(String, String)| field.0 != *name;
            all.push(with(
                &mut |asked| asked.fields[at].1.push('0'),
                "a longer value",
            ));
            all.push(with(
                &mut |asked| asked.fields.retain(all_of),
                "no such field",
            ));
            let more = ("Zz".to_owned(), "!".to_owned());
            all.push(with(
                &mut |asked| asked.fields.push(more.clone()),
                "one more field",
            ));
        }
        if self.settings.is_some() {
            all.push(with(
                &mut |asked| asked.settings = Some("key=x,algorithm=HMAC_SHA1".into()),
                "another algorithm",
            ));
        }
        all
    }
}

fn flipped(signature: &str, dice: &mut Dice) -> String {
    // Not among the first characters, which name the scheme, nor the last, whose bits need not all count.
    let at = 16 + dice.below(signature.len() - 20);
    let other = if signature.as_bytes()[at] == b'a' {
        "b"
    } else {
        "a"
    };
    format!("{}{other}{}", &signature[..at], &signature[at + 1..])
}

fn draw_url(shape: Shape, dice: &mut Dice) -> String {
    let (scheme, standard) = *dice.pick(&[&("https", ":443"), &("http", ":80")]);
    let port = match dice.below(4) {
        0 => standard,
        1 if shape != Shape::Plain => ":8443",
        _ => "",
    };
    let path = dice.text(ADDRESS, 9);
    let escaped = dice.pick(&["", "%E5%BC%A0", "%20", "/x"]);
    let query = match dice.below(3) {
        0 => String::new(),
        _ => format!("?q={}", dice.text(QUERY, 12)),
    };
    format!("{scheme}://duty.example{port}/hooks/{path}{escaped}{query}")
}

/// Returns the address with the hash of the body in it.
pub fn hashed(url: &str, body: &str) -> String {
    let hash = Sha256::digest(body.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}bodySHA256={hash}")
}

/// A provider's way of signing.
#[derive(Clone, Copy)]
pub enum Scheme {
    Twilio,
    Somleng,
    SignalWire,
    Telnyx,
    Jambonz,
}

impl Scheme {
    pub fn sign(self, asked: &Asked) -> String {
        let (secret, raw) = (&asked.secret, asked.raw());
        match self {
            Self::Twilio if asked.settings.is_some() => {
                twilio_settings_sign(secret, &asked.url, &asked.fields)
            }
            Self::Twilio => twilio_sign(secret, &asked.url, &asked.fields),
            Self::Somleng => somleng_sign(secret, &asked.url, &asked.fields),
            Self::SignalWire => {
                signalwire_sign(secret, &asked.url, asked.body.is_none(), raw.as_bytes())
            }
            Self::Telnyx => {
                let text = format!("{}|{raw}", asked.at);
                STANDARD.encode(key(secret).sign(text.as_bytes()).to_bytes())
            }
            Self::Jambonz => jambonz_sign(secret, raw.as_bytes(), asked.at),
        }
    }

    pub fn takes(self, asked: &Asked, signature: &str) -> bool {
        let raw = asked.raw();
        let secrets = [asked.secret.as_str()];
        let body = match &asked.body {
            Some(body) => SignedBody::Raw(body.as_bytes()),
            None => SignedBody::Form(&asked.fields),
        };
        match (self, &asked.settings) {
            (Self::Twilio, None) => twilio_signature_fits(&secrets, &asked.url, body, signature),
            (Self::Twilio, Some(settings)) => {
                twilio_settings_fits(&secrets, settings, &asked.url, body, signature)
            }
            (Self::Somleng, _) => somleng_fits(&secrets, &asked.url, &asked.fields, signature),
            (Self::SignalWire, _) => {
                let is_form = asked.body.is_none();
                signalwire_fits(&secrets, &asked.url, is_form, raw.as_bytes(), signature)
            }
            (Self::Telnyx, _) => {
                let public = STANDARD.encode(key(&asked.secret).verifying_key().as_bytes());
                let public = telnyx_public_key(&public).expect("a public key");
                let at = asked.at.to_string();
                telnyx_fits(&[public], &at, raw.as_bytes(), signature, NOW)
            }
            (Self::Jambonz, _) => jambonz_fits(&secrets, signature, raw.as_bytes(), NOW),
        }
    }
}

fn key(secret: &str) -> SigningKey {
    SigningKey::from_bytes(&Sha256::digest(secret.as_bytes()).into())
}
