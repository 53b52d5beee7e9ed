use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

mod index;

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
    // A country without a plan here: only the international digits match.
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
        assert!(error.to_string().contains("ISO 3166"), "{error}");
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

#[test]
fn a_number_without_its_plus_is_refused_where_it_could_be_two() {
    for (number, country, plus, national) in [
        ("8618877009155", "CN", "+8618877009155", "018877009155"),
        ("86 770 1234567", "CN", "+867701234567", "07701234567"),
        ("852 9123 4567", "HK", "+85291234567", "91234567"),
        ("442071234567", "GB", "+442071234567", "02071234567"),
        ("6591234567", "SG", "+6591234567", "91234567"),
    ] {
        let error = LineNumber::parse(number, country).unwrap_err();
        assert!(
            matches!(error, NumberError::WithoutPlus { .. }),
            "{number}: {error}"
        );
        let told = error.to_string();
        assert!(told.contains(plus) && told.contains(national), "{told}");
        // Both corrections that the text names are accepted, and give the same number.
        let one = LineNumber::parse(plus, country).unwrap();
        assert_eq!(one, LineNumber::parse(national, country).unwrap());
        assert_eq!(one.to_string(), plus);
    }
    // A number too short to be international is a national one; a trunk prefix also makes it national.
    for (number, country, is) in [
        ("65123456", "SG", "+6565123456"),
        ("85212345", "HK", "+85285212345"),
        ("04911234567", "DE", "+494911234567"),
        ("86123", "CN", "+8686123"),
        ("18877009155", "US", "+18877009155"),
        ("8877009155", "US", "+18877009155"),
    ] {
        let line = LineNumber::parse(number, country).unwrap();
        assert_eq!(line.to_string(), is, "{number}");
    }
    assert!(matches!(
        LineNumber::parse("08618877009155", "CN"),
        Err(NumberError::Malformed(_))
    ));
}

#[test]
fn every_country_has_a_calling_code() {
    let rows: Vec<_> = countries().collect();
    assert_eq!(rows.len(), 242, "ISO 3166-1 has 249, of which 7 have none");
    assert!(
        rows.is_sorted_by(|one, next| one.0 < next.0),
        "each once, in order"
    );
    for (country, code) in &rows {
        let letters = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
        assert!(letters, "{country}");
        assert!(
            is_number(code, 1, 3) && !code.starts_with('0'),
            "{country} {code}"
        );
        // No code is a prefix of another (ITU-T E.164), so the country code of an international number is unambiguous.
        let begins = |(_, other): &(&str, &str)| other != code && other.starts_with(code);
        assert!(!rows.iter().any(begins), "{country} {code}");
        let number = format!("+{code}2345678");
        assert!(LineNumber::parse(&number, country).is_ok(), "{country}");
    }
    for plan in &PLANS {
        assert!(rows.iter().any(|(_, code)| *code == plan.code));
    }
    // Copied from the ITU's list, a few of each zone.
    for (country, code) in [
        ("US", "1"),
        ("JM", "1"),
        ("EG", "20"),
        ("ZA", "27"),
        ("NG", "234"),
        ("GR", "30"),
        ("VA", "39"),
        ("IE", "353"),
        ("FI", "358"),
        ("GB", "44"),
        ("DE", "49"),
        ("MX", "52"),
        ("BR", "55"),
        ("EC", "593"),
        ("AU", "61"),
        ("ID", "62"),
        ("FJ", "679"),
        ("RU", "7"),
        ("KZ", "7"),
        ("JP", "81"),
        ("VN", "84"),
        ("CN", "86"),
        ("MO", "853"),
        ("LA", "856"),
        ("TW", "886"),
        ("TR", "90"),
        ("MM", "95"),
        ("LB", "961"),
        ("UZ", "998"),
    ] {
        assert_eq!(calling_code(country), Some(format!("+{code}")), "{country}");
    }
    assert_eq!(calling_code("AQ"), None, "no code of its own");
}

#[test]
fn a_number_of_a_country_without_a_known_trunk_prefix_is_matched_internationally() {
    let line = LineNumber::parse("+84 912 345 678", "VN").unwrap();
    for dialled in ["+84912345678", "84912345678", "0084912345678"] {
        assert!(line.matches(dialled), "{dialled}");
    }
    for dialled in ["912345678", "0912345678", "+840912345678"] {
        assert!(!line.matches(dialled), "{dialled}");
    }
    assert_eq!(line, LineNumber::e164("+84912345678").unwrap());
    let error = LineNumber::parse("0912345678", "VN").unwrap_err();
    assert!(matches!(error, NumberError::NationalUnknown { .. }));
    assert!(error.to_string().contains("\"+84\""), "{error}");
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

    /// The rule: with a plus the digits must be the whole number; without it, one of four spellings.
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
