use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn kept(written: &str) -> String {
    match Caller::parse(written) {
        Caller::Number(number) => number.into_shown(),
        Caller::Withheld => panic!("{written:?} is not withheld"),
    }
}

#[test]
fn withheld_numbers_are_known_in_every_spelling() {
    for written in [
        "",
        "  ",
        "anonymous",
        "Anonymous",
        "ANONYMOUS",
        " restricted ",
        "Restricted\r\n",
        "unavailable",
        "unknown",
        "private",
        "blocked",
        "withheld",
        "+266696687",
        "+7378742833",
        "+2562533",
        "+8656696",
        "+86282452253",
        " +266696687 ",
        "sip:anonymous@anonymous.invalid",
        "anonymous@anonymous.invalid",
        "SIP:Anonymous@Anonymous.Invalid",
        "sips:anonymous@10.0.0.1:5061;transport=tls",
        "tel:anonymous",
        "tel:+7378742833",
        "sip:+266696687@example.org;user=phone",
        "sip:%2B266696687@example.org",
        "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1",
        "\"+8613800138000\" <sip:anonymous@x.invalid>",
        "sip:+8613800138000@anonymous.invalid",
        "sip:anonymous.invalid",
        "sip:",
        "sip:@example.org",
        "tel:",
        "anony\u{200B}mous",
        "\u{202E}restricted",
        "%61nonymous",
        "\"anonymous\"",
        "\u{0}",
    ] {
        assert_eq!(Caller::parse(written), Caller::Withheld, "{written:?}");
    }
}

#[test]
fn numbers_are_kept_as_they_were_written() {
    for written in [
        "+8613800138000",
        "13800138000",
        "0770-2562533",
        "sip:+8613800138000@example.org",
        "2562533",
        "8656696",
        "tel:+86-138-0013-8000",
        "client:anonymously",
        "anonymous1",
        "+2666966870",
        "x",
        "sip:example.org",
    ] {
        assert_eq!(kept(written), written);
    }
    assert_eq!(kept(" +86 138\u{7}0013\u{202E}8000\n"), "+86 13800138000");
    assert_eq!(kept(&"9".repeat(100_000)), "9".repeat(64));
    assert_eq!(kept(&"𝟗".repeat(65)), "𝟗".repeat(64));
}

#[test]
fn default_line_is_reached_by_every_spelling() {
    for number in [
        "18877009155",
        "+8618877009155",
        "188-7700-9155",
        "018877009155",
        "+86 188 7700 9155",
    ] {
        let line = LineNumber::parse(number, "CN").unwrap();
        assert_eq!(line, LineNumber::e164("+8618877009155").unwrap());
        assert_eq!(line.to_string(), "+8618877009155");
        for dialled in [
            "+8618877009155",
            "8618877009155",
            "18877009155",
            "018877009155",
            "008618877009155",
            "tel:+8618877009155",
            "tel:18877009155",
            "TEL:+86-188-7700-9155",
            "tel:18877009155;phone-context=+86",
            "tel:18877009155;phone-context=example.org",
            "sip:18877009155@10.0.0.1",
            "sip:+8618877009155@x:5060",
            "sip:%2B8618877009155@x",
            "sip:%2b8618877009155@x",
            "sips:018877009155@x:5061;transport=tls;user=phone",
            "sip:+8618877009155;phone-context=+86@x;user=phone",
            "sip:18877009155:secret@x",
            "sip:18877009155:5060",
            "SIP:18877009155@x?Subject=a",
            "<sip:18877009155@x>;tag=7",
            "\"Line\" <sip:+8618877009155@x;lr>",
            "+86 188 7700 9155",
            "188-7700-9155",
            " 18877009155 ",
            "+86 (188) 7700.9155",
            "188\u{A0}7700\u{2011}9155",
            "\u{202A}+8618877009155\u{202C}",
            "18877009155@x",
            "18877009155;user=phone",
        ] {
            assert!(line.matches(dialled), "{dialled:?}");
        }
    }
}

#[test]
fn other_numbers_do_not_reach_it() {
    let line = LineNumber::parse("18877009155", "CN").unwrap();
    for dialled in [
        "",
        "+",
        "0",
        "+18877009155",
        "+1 8877009155",
        "+1 (887) 700-9155",
        "sip:+18877009155@x",
        "sip:%2B18877009155@x",
        "tel:+18877009155",
        "0018877009155",
        "8877009155",
        "118877009155",
        "tel:18877009155;phone-context=+1",
        "tel:8877009155;phone-context=+1",
        "+018877009155",
        "+86018877009155",
        "86018877009155",
        "0018877009155",
        "++8618877009155",
        "+008618877009155",
        "18877009156",
        "188770091550",
        "1887700915",
        "18877009155x",
        "sip:x@18877009155",
        "sip:18877009156@18877009155",
        "18877009155,1",
        "１８８７７００９１５５",
        "%%2B8618877009155",
        "anonymous",
        "client:18877009155",
    ] {
        assert!(!line.matches(dialled), "{dialled:?}");
    }
}

#[test]
fn forwarding_numbers_match_alike() {
    let landline = LineNumber::e164("+86 770 2562533").unwrap();
    for dialled in [
        "+867702562533",
        "867702562533",
        "07702562533",
        "0770-2562533",
        "sip:07702562533@x",
    ] {
        assert!(landline.matches(dialled), "{dialled:?}");
    }
    assert!(!landline.matches("2562533"), "the area is part of it");
    // A country that is not in the table: nothing is known of its numbers but the digits.
    let italian = LineNumber::e164("+39 06 1234567").unwrap();
    assert!(italian.matches("+39061234567") && italian.matches("39061234567"));
    assert!(!italian.matches("061234567"));
    let american = LineNumber::e164("+18877009155").unwrap();
    for dialled in ["+18877009155", "18877009155", "8877009155", "0018877009155"] {
        assert!(american.matches(dialled), "{dialled:?}");
    }
    assert!(!american.matches("+8618877009155"));
}

#[test]
fn numbers_that_cannot_be_told_apart_clash() {
    let line = LineNumber::parse("18877009155", "CN").unwrap();
    let clashes = |other: Result<LineNumber, NumberError>| {
        let other = other.unwrap();
        assert_eq!(line.clashes_with(&other), other.clashes_with(&line));
        line.clashes_with(&other)
    };
    assert!(clashes(LineNumber::e164("+8618877009155")));
    assert!(clashes(LineNumber::parse("8877009155", "US")));
    assert!(!clashes(LineNumber::parse("18877009156", "CN")));
    assert!(!clashes(LineNumber::e164("+8618877009156")));
}

#[test]
fn wrong_numbers_are_refused_in_words() {
    use NumberError::*;
    let refusal = |number, country| LineNumber::parse(number, country).unwrap_err();
    for number in [
        "",
        "+86",
        "12",
        "0",
        "+860",
        "001234",
        "1887700915５",
        "sip:18877009155@x",
        "18877009155;1",
        "+",
    ] {
        let error = refusal(number, "CN");
        let named = matches!(&error, Malformed(n) | OtherCountry { number: n, .. } if n == number);
        assert!(named, "{number}: {error}");
    }
    assert_eq!(
        refusal("12345678901234", "CN"),
        Malformed("12345678901234".to_owned())
    );
    assert_eq!(
        refusal("+18877009155", "CN").to_string(),
        "the number +18877009155 does not begin with +86, the code of CN"
    );
    for country in ["", "cn", "XX", "China"] {
        let error = refusal("18877009155", country);
        assert_eq!(error, UnknownCountry(country.to_owned()));
        assert!(
            error
                .to_string()
                .ends_with("known are CN, HK, MO, TW, SG, US, CA, GB, DE, FR, AT, CH, JP, KR")
        );
    }
    let e164 = |number| LineNumber::e164(number).unwrap_err();
    assert_eq!(
        e164("8618877009155"),
        NotInternational("8618877009155".to_owned())
    );
    for number in [
        "+",
        "+123456",
        "+1234567890123456",
        "+0123456789",
        "+86x",
        "+86 0770 2562533",
    ] {
        assert_eq!(e164(number), Malformed(number.to_owned()));
    }
    assert!(LineNumber::parse("12388", "CN").unwrap().matches("12388"));
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(18_877_009_155),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_input_is_survived_and_bounded(
        written in prop_oneof![
            any::<String>(),
            "(sip:|tel:|<|\"|%|%2|%2B|%ff|@|;|:|\\+|anonymous|1887|phone-context=|é|\u{202E}|>| ){0,12}",
        ],
    ) {
        let line = LineNumber::parse("18877009155", "CN").unwrap();
        line.matches(&written);
        let _ = LineNumber::e164(&written);
        if let Caller::Number(number) = Caller::parse(&written) {
            let number = number.into_shown();
            prop_assert!(!number.is_empty() && number.chars().count() <= 64);
            let unseen = |c: char| c.is_control() || ('\u{202A}'..='\u{202E}').contains(&c);
            prop_assert!(!number.chars().any(unseen));
        }
    }

    /// The rule in one line of its own: the digits after a plus are the whole number; without it one of five.
    #[test]
    fn digits_match_by_the_rule(
        plus in any::<bool>(),
        start in prop::sample::select(vec!["", "0", "00", "1", "86", "+86", "0086", "001", "085", "860"]),
        rest in prop::sample::select(vec!["18877009155", "8877009155", "18877009156", "8618877009155"]),
    ) {
        let digits = format!("{start}{rest}");
        let dialled = format!("{}{digits}", if plus { "+" } else { "" });
        let expected = match dialled.strip_prefix('+') {
            Some(digits) => digits == "8618877009155",
            None => ["18877009155", "018877009155", "8618877009155", "008618877009155"]
                .contains(&dialled.as_str()),
        };
        prop_assert_eq!(LineNumber::parse("18877009155", "CN").unwrap().matches(&dialled), expected);
    }
}
