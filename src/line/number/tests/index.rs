//! [`NumberIndex`] compared with a scan of all numbers.

use super::*;

/// Numbers that are easily confused: one number written in two ways, and numbers of different countries with the same
/// digits.
const NUMBERS: [(&str, &str); 12] = [
    ("18877009155", "CN"),
    ("+8618877009155", "CN"),
    ("+18877009155", "US"),
    ("8877009155", "US"),
    ("0770-12345678", "CN"),
    ("+85212345678", "HK"),
    ("12345678", "HK"),
    ("+390612345678", "IT"),
    ("12388", "CN"),
    ("+4930123456", "DE"),
    ("030 123456", "DE"),
    ("+861238812388", "CN"),
];

fn number(n: usize) -> LineNumber {
    let (number, country) = NUMBERS[n];
    LineNumber::parse(number, country).unwrap()
}

/// The rule for one number, without the index.
fn is_dialled(number: &LineNumber, dialled: &str) -> bool {
    let Address { user, context, .. } = Address::parse(dialled);
    let dialled = compact(&user);
    if let Some(digits) = dialled.strip_prefix('+') {
        return digits == number.international;
    }
    if let Some(elsewhere) = context.as_deref().and_then(|c| c.strip_prefix('+'))
        && !number.international.starts_with(elsewhere)
    {
        return false;
    }
    number.bare.contains(&dialled)
}

/// What a provider may send: a right or wrong spelling of one of the numbers, in an address of any form.
fn dialled() -> impl Strategy<Value = String> {
    let digits = (0..NUMBERS.len()).prop_map(|n| NUMBERS[n].0.trim_start_matches('+').to_owned());
    let before = prop::sample::select(vec!["", "+", "00", "0", "1", "86", "+86", "0086", "++"]);
    let scheme = prop::sample::select(vec!["", "sip:", "tel:", "\"x\" <sip:", "SIPS: "]);
    let context = "(|;phone-context=(\\+?[0-9]{0,3}|%2B86|\\+1|example\\.org))";
    let after = prop::sample::select(vec!["", "@example.org", ">", "@86", ";user=phone"]);
    let spelt = (scheme, before, digits, context, after)
        .prop_map(|(a, b, c, d, e)| format!("{a}{b}{c}{d}{e}"));
    prop_oneof![6 => spelt, 1 => any::<String>(), 1 => "\\+?[0-9]{0,15}"]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        rng_seed: RngSeed::Fixed(18_877_009_155),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_index_finds_the_first_number_that_a_scan_finds(
        numbers in prop::collection::vec(0..NUMBERS.len(), 0..12),
        dialled in dialled(),
    ) {
        let numbers: Vec<LineNumber> = numbers.into_iter().map(number).collect();
        let mut index = NumberIndex::default();
        for (at, number) in numbers.iter().enumerate() {
            index.insert(number, at);
        }
        let scanned = numbers.iter().position(|number| is_dialled(number, &dialled));
        prop_assert_eq!(index.find(&dialled).copied(), scanned, "{}", dialled);
        for number in &numbers {
            prop_assert_eq!(number.matches(&dialled), is_dialled(number, &dialled));
            let clashing: Vec<usize> = (0..).zip(&numbers)
                .filter(|(_, other)| other.clashes_with(number))
                .map(|(at, _)| at)
                .collect();
            let mut found: Vec<usize> = index.clashing(number).copied().collect();
            found.sort_unstable();
            found.dedup();
            prop_assert_eq!(found, clashing);
        }
    }
}

/// Ensures that the property is not vacuous: the scan finds a number for each spelling, local ones included.
#[test]
fn each_spelling_of_each_number_is_found() {
    for n in 0..NUMBERS.len() {
        let number = number(n);
        let mut index = NumberIndex::default();
        index.insert(&number, n);
        for spelling in number.spellings() {
            assert!(is_dialled(&number, &spelling), "{spelling}");
            assert_eq!(index.find(&spelling), Some(&n), "{spelling}");
        }
    }
    let mut index = NumberIndex::default();
    index.insert(&number(6), "HK");
    index.insert(&number(4), "CN");
    assert_eq!(index.find("12345678;phone-context=+852"), Some(&"HK"));
    assert_eq!(index.find("12345678;phone-context=+86"), None);
    assert_eq!(index.find("077012345678;phone-context=+86"), Some(&"CN"));
}
