//! Numbers in any spelling. Three lines of input: a line's number, another line's, and the dialled one.

use dutyline::line::number::{Caller, LineNumber};

const COUNTRIES: [&str; 6] = ["CN", "HK", "US", "GB", "JP", "XX"];

/// The property, for any bytes.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\n');
    let mut part = || parts.next().unwrap_or_default();
    let (one, another, dialled) = (part(), part(), part());
    a_caller(&text);
    a_caller(dialled);
    let mut lines = vec![
        LineNumber::parse("18877009155", "CN").expect("the default line"),
        LineNumber::e164("+18877009155").expect("a number of North America"),
        LineNumber::parse("077012345", "CN").expect("a landline"),
    ];
    for written in [one, another] {
        lines.extend(LineNumber::e164(written));
        lines.extend(
            COUNTRIES
                .iter()
                .filter_map(|c| LineNumber::parse(written, c).ok()),
        );
    }
    for line in &lines {
        let shown = line.to_string();
        assert!(line.matches(&shown), "its own name");
        if let Ok(again) = LineNumber::e164(&shown) {
            assert_eq!(again.to_string(), shown, "one number, one name");
        }
        for spelling in spellings(&shown, dialled) {
            assert!(line.matches(&spelling), "{spelling:?} is {shown}");
            told_apart(&lines, &spelling);
        }
    }
    told_apart(&lines, dialled);
}

fn a_caller(written: &str) {
    if let Caller::Number(number) = Caller::parse(written) {
        let number = number.expose();
        assert!(!number.is_empty() && number.chars().count() <= 64);
        assert!(!number.contains(char::is_control));
    }
}

/// Two lines whose numbers do not clash never both match.
fn told_apart(lines: &[LineNumber], dialled: &str) {
    let meant: Vec<_> = lines.iter().filter(|line| line.matches(dialled)).collect();
    for (at, line) in meant.iter().enumerate() {
        for other in &meant[at + 1..] {
            assert!(
                line.clashes_with(other),
                "{dialled:?} is {line} and {other}"
            );
        }
    }
}

/// Returns spellings of a number as providers write it, with the separators in `taste` between the digits.
fn spellings(shown: &str, taste: &str) -> Vec<String> {
    let separators: Vec<char> = taste
        .chars()
        .filter(|c| " -.()/\u{2011}\u{200b}\t".contains(*c))
        .collect();
    let spread: String = shown
        .chars()
        .enumerate()
        .flat_map(|(at, digit)| {
            let separator = separators.get(at % (separators.len() + 1)).copied();
            [Some(digit), separator]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        })
        .collect();
    vec![
        format!("tel:{spread}"),
        format!("sip:{shown}@provider.example:5060;transport=tls"),
        format!("\"Somebody\" <SIP:{shown};user=phone@provider.example>"),
        format!("00{}", &spread[1..]),
        spread,
    ]
}
