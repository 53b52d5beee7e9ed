//! jambonz's signature. Three lines of input: the rest of the header, a body, another body.

use dutyline::telephony::signature::{jambonz_fits, jambonz_sign};

const SECRET: &str = "the webhook secret";
const NOW: i64 = 1_760_000_000;

/// The property, for any bytes.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (more, body, other) = (String::from_utf8_lossy(part()), part(), part());

    let header = jambonz_sign(SECRET, body, NOW);
    let fits =
        |secrets: &[&str], header: &str, body: &[u8], now| jambonz_fits(secrets, header, body, now);
    assert!(fits(&[SECRET], &header, body, NOW));
    assert!(fits(&["the next secret", SECRET], &header, body, NOW - 300));
    assert!(!fits(&[SECRET], &header, body, NOW + 301));
    assert!(!fits(&["another's secret", ""], &header, body, NOW));
    assert_eq!(fits(&[SECRET], &header, other, NOW), other == body);

    // The rest of the header may be anything except a second time, or too many signatures.
    let items = |name: &str| {
        more.split(',')
            .filter(|item| item.starts_with(name))
            .count()
    };
    let harmless = items("t=") == 0 && items("v1=") < 8;
    assert_eq!(
        fits(&[SECRET], &format!("{header},{more}"), body, NOW),
        harmless
    );
    assert_eq!(
        fits(&[SECRET], &format!("{more},{header}"), body, NOW),
        harmless
    );

    // Whatever is sent as a signature.
    assert!(!fits(&[SECRET], &more, body, NOW));
    assert!(!fits(&[SECRET], &format!("t={NOW},v1={more}"), body, NOW));
    assert!(!fits(&[SECRET], &format!("t={NOW},{more}"), body, NOW));
}
