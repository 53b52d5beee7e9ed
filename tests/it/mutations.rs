//! Changed versions of requests that a provider signed: all are refused.
//!
//! A mutant counts only if the change affects what is signed; [`requests::Scheme::same`] decides that, and shares no
//! code with the checks.

mod mutants;
mod requests;
mod service;
mod unreadable;

use super::support::dice::Dice;
use mutants::mutate;
use requests::{NOW, Scheme};

/// Number of mutants in each scheme: 100,100 in all.
const EACH: usize = 14_300;

#[test]
fn no_changed_request_is_taken_in_any_scheme() {
    let mut counts = Vec::new();
    for (seed, scheme) in (1..).zip(Scheme::ALL) {
        let mut dice = Dice::of(seed);
        let (mut refused, mut unchanged) = (0, 0);
        while refused < EACH {
            let signed = scheme.signed(NOW, &mut dice);
            let other = scheme.signed(NOW, &mut dice);
            assert!(scheme.takes(&signed), "{scheme:?}: {signed:?}");
            // Signing a request costs more than changing one.
            for _ in 0..20 {
                let mutant = mutate(&signed, &other, &mut dice);
                if scheme.same(&signed, &mutant) || scheme.same(&other, &mutant) {
                    unchanged += 1;
                } else {
                    assert!(
                        !scheme.takes(&mutant),
                        "{scheme:?}: {signed:?} became {mutant:?}"
                    );
                    refused += 1;
                }
            }
        }
        // If most mutants were unchanged, the test would prove little. Where the address is not signed, many are.
        assert!(unchanged < refused, "{scheme:?}: {unchanged} unchanged");
        counts.push(format!(
            "{scheme:?}: {refused} refused, {unchanged} unchanged"
        ));
    }
    println!("{}", counts.join("\n"));
}

#[test]
fn no_request_of_another_time_is_taken_where_the_time_is_signed() {
    let mut dice = Dice::of(99);
    for scheme in [Scheme::Telnyx, Scheme::Jambonz] {
        for off in [0, 1, 299, 300] {
            assert!(scheme.takes(&scheme.signed(NOW - off, &mut dice)));
            assert!(scheme.takes(&scheme.signed(NOW + off, &mut dice)));
        }
        for off in [301, 302, 3600, 86_400, 1_000_000_000] {
            assert!(!scheme.takes(&scheme.signed(NOW - off, &mut dice)));
            assert!(!scheme.takes(&scheme.signed(NOW + off, &mut dice)));
        }
    }
}

#[test]
fn no_signature_of_one_scheme_is_taken_in_another() {
    let mut dice = Dice::of(7);
    for one in Scheme::ALL {
        for other in Scheme::ALL {
            let signed = one.signed(NOW, &mut dice);
            assert_eq!(other.takes(&signed), one == other, "{one:?}, {other:?}");
        }
    }
}
