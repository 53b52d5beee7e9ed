//! Signatures compared with the providers' own libraries: what they sign is accepted here, what is signed here they
//! accept, and what was changed neither accepts.
//!
//! The libraries are in a folder that `DUTYLINE_TEST_SIGNATURES` names; `tests/signatures` has the list of them, and
//! for each a script that answers questions on its standard input.
//!
//! Where a library decides differently from this program:
//!
//! | library | what it does | what this program does |
//! |---|---|---|
//! | `twilio` for Node | sorts names and values by UTF-16 units | by characters, as Twilio's other libraries; different only where emoji meet U+E000 to U+FFFF |
//! | `twilio` for Node | tries the address as `new URL()` writes it | only the query as a browser writes it |
//! | `twilio`, both | accepts settings without an algorithm for SHA-1 | refuses them |
//! | `signalwire-sdk` | accepts a signature over the address alone for any body | only for an empty one |
//! | `telnyx` | skips what is no base64 in a signature | refuses it |
//! | `@jambonz/node-client` | accepts a time in the future | refuses it from 301 seconds on |

mod asked;
mod library;

use crate::support::dice::Dice;
use asked::{Asked, NOW, Scheme, Shape, hashed};
use library::Library;

const ROUNDS: u64 = 300;

/// Compares both directions, with requests as they are and with changed ones.
fn compare(library: &mut Library, scheme: Scheme, shapes: &[Shape]) {
    let mut tampered = 0;
    for round in 0..ROUNDS {
        let mut dice = Dice::of(round);
        let shape = shapes[dice.below(shapes.len())];
        let asked = Asked::draw(shape, &mut dice);
        let (theirs, ours) = (library.sign(&asked), scheme.sign(&asked));
        assert!(scheme.takes(&asked, &theirs), "{asked:?}, {theirs}");
        assert!(library.takes(&asked, &ours), "{asked:?}, {ours}");
        for (seen, what) in asked.spelled_otherwise(shape) {
            assert!(scheme.takes(&seen, &theirs), "{what}: {seen:?}, {theirs}");
            assert!(library.takes(&seen, &ours), "{what}: {seen:?}, {ours}");
        }
        let other = scheme.sign(&Asked::draw(shape, &mut dice));
        for (changed, signature, what) in asked.tampered(shape, &ours, &other, &mut dice) {
            let found = [
                scheme.takes(&changed, &signature),
                library.takes(&changed, &signature),
            ];
            assert_eq!(found, [false; 2], "{what}: {asked:?}, {changed:?}");
            tampered += 1;
        }
    }
    println!("{ROUNDS} requests both ways, {tampered} changed ones");
}

const TWILIO: [Shape; 3] = [Shape::Form, Shape::Sha256, Shape::Hashed];

#[test]
fn twilio_s_library_for_python_judges_as_we_do() {
    compare(&mut Library::python("twilio"), Scheme::Twilio, &TWILIO);
}

#[test]
fn twilio_s_library_for_node_judges_as_we_do() {
    compare(&mut Library::node("twilio"), Scheme::Twilio, &TWILIO);
}

#[test]
fn twilio_s_libraries_take_settings_without_an_algorithm() {
    for mut library in [Library::python("twilio"), Library::node("twilio")] {
        let mut asked = Asked::draw(Shape::Form, &mut Dice::of(1));
        let signature = Scheme::Twilio.sign(&asked);
        asked.settings = Some("key=webhooks_sharedkey_1".into());
        assert!(library.takes(&asked, &signature));
        assert!(!Scheme::Twilio.takes(&asked, &signature));
        // An algorithm unknown to both is refused by both.
        asked.settings = Some("key=webhooks_sharedkey_1,algorithm=HMAC_SHA512".into());
        assert!(!library.takes(&asked, &signature));
        assert!(!Scheme::Twilio.takes(&asked, &signature));
    }
}

/// Somleng has no library: its customers use Twilio's.
#[test]
fn twilio_s_libraries_judge_somleng_s_requests_as_we_do() {
    for mut library in [Library::python("twilio"), Library::node("twilio")] {
        compare(&mut library, Scheme::Somleng, &[Shape::Single]);
    }
}

#[test]
fn signalwire_s_library_judges_as_we_do() {
    let shapes = [Shape::Plain, Shape::Json];
    compare(
        &mut Library::python("signalwire"),
        Scheme::SignalWire,
        &shapes,
    );
}

#[test]
fn signalwire_s_library_takes_a_hash_in_the_address() {
    let mut library = Library::python("signalwire");
    let scheme = Scheme::SignalWire;
    for round in 0..ROUNDS {
        let mut dice = Dice::of(round);
        let asked = Asked::draw(Shape::Json, &mut dice);
        let body = asked.body.clone().unwrap();
        let asked = Asked {
            url: hashed(&asked.url, &body),
            ..asked
        };
        // Signed as if there were no body, which its hash represents.
        let bare = Asked {
            body: None,
            fields: Vec::new(),
            ..asked.clone()
        };
        let (theirs, ours) = (library.sign(&bare), scheme.sign(&bare));
        assert!(scheme.takes(&asked, &theirs), "{asked:?}");
        assert!(library.takes(&asked, &ours), "{asked:?}");
        let changed = Asked {
            body: Some(format!("{body} ")),
            ..asked
        };
        assert!(!scheme.takes(&changed, &theirs), "{changed:?}");
        assert!(!library.takes(&changed, &ours), "{changed:?}");
    }
}

#[test]
fn signalwire_s_library_takes_any_body_for_a_signature_over_the_address() {
    let mut library = Library::python("signalwire");
    let mut dice = Dice::of(1);
    let asked = Asked {
        fields: Vec::new(),
        ..Asked::draw(Shape::Form, &mut dice)
    };
    let signature = Scheme::SignalWire.sign(&asked);
    for body in [Shape::Form, Shape::Json] {
        let other = Asked {
            url: asked.url.clone(),
            secret: asked.secret.clone(),
            ..Asked::draw(body, &mut dice)
        };
        assert!(library.takes(&other, &signature));
        assert!(!Scheme::SignalWire.takes(&other, &signature));
    }
}

#[test]
fn telnyx_s_library_judges_as_we_do() {
    let mut library = Library::python("telnyx");
    compare(&mut library, Scheme::Telnyx, &[Shape::Timed]);
    for off in [-86_400, -301, -300, -1, 0, 1, 300, 301, 86_400] {
        let asked = Asked {
            at: NOW + off,
            ..Asked::draw(Shape::Timed, &mut Dice::of(1))
        };
        let signature = Scheme::Telnyx.sign(&asked);
        let found = [
            Scheme::Telnyx.takes(&asked, &signature),
            library.takes(&asked, &signature),
        ];
        assert_eq!(found, [off.abs() <= 300; 2], "{off}");
    }
    let asked = Asked::draw(Shape::Timed, &mut Dice::of(1));
    let loose = Scheme::Telnyx.sign(&asked).replacen("==", " ==", 1);
    assert!(library.takes(&asked, &loose));
    assert!(!Scheme::Telnyx.takes(&asked, &loose));
}

#[test]
fn jambonz_s_library_judges_as_we_do() {
    let mut library = Library::node("jambonz");
    compare(&mut library, Scheme::Jambonz, &[Shape::Timed]);
    for off in [-86_400, -301, -300, -1, 0, 1, 300, 301, 86_400] {
        let asked = Asked {
            at: NOW + off,
            ..Asked::draw(Shape::Timed, &mut Dice::of(1))
        };
        let signature = Scheme::Jambonz.sign(&asked);
        assert_eq!(Scheme::Jambonz.takes(&asked, &signature), off.abs() <= 300);
        assert_eq!(library.takes(&asked, &signature), off >= -300);
    }
    // Two secrets during a rotation: one valid signature is enough.
    let asked = Asked::draw(Shape::Timed, &mut Dice::of(2));
    let both = format!("{},v1={}", Scheme::Jambonz.sign(&asked), "0".repeat(64));
    assert!(Scheme::Jambonz.takes(&asked, &both));
    assert!(library.takes(&asked, &both));
}
