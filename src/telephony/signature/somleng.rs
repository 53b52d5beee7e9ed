//! Somleng's signature: a simpler form of Twilio's scheme.
//!
//! `X-Twilio-Signature` is the base64 of an HMAC-SHA1, keyed with the account's auth token, over the address and the
//! fields of the form: sorted by name, then by value, names and values concatenated. The source of the rule is the code
//! that makes the signature, `twilio_signature` of somleng/somleng (`app/workflows/twilio_api/notify_webhook.rb`,
//! status callbacks) and of somleng/somleng-switch (`components/app/app/models/twiml_endpoint.rb`, everything within a
//! call): that code signs the address as given, so there are no other spellings to try, neither of the port nor of the
//! query. A field given twice with the same value is included twice.
//!
//! From the same code, for building addresses: a fragment would be signed although it is never sent, and the switch
//! drops a port that is the scheme's standard one. So an address for Somleng must contain neither. A webhook by GET has
//! its fields in the address, and is signed like a form without fields.

use super::{Hash, base64, fits_one, hmac};

/// True if `signature` is valid for a form posted to `url`, under one of `tokens`. `fields` are the form's fields,
/// decoded, in any order.
pub fn somleng_fits(
    tokens: &[&str],
    url: &str,
    fields: &[(String, String)],
    signature: &str,
) -> bool {
    let fields = canonical(fields);
    fits_one(tokens, signature, |token| sign(token, url, &fields)).into()
}

/// Returns the signature of a form posted to `url`, for a stand-in for Somleng.
pub fn somleng_sign(token: &str, url: &str, fields: &[(String, String)]) -> String {
    sign(token, url, &canonical(fields))
}

fn sign(token: &str, url: &str, fields: &str) -> String {
    base64(&hmac(
        Hash::Sha1,
        token,
        &[url.as_bytes(), fields.as_bytes()],
    ))
}

fn canonical(fields: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort();
    sorted
        .into_iter()
        .flat_map(|(name, value)| [name.as_str(), value.as_str()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::twilio_sign;
    use super::*;
    use proptest::prelude::*;

    fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn twilio_s_own_example_fits() {
        // The example of Twilio's documentation. Without duplicate fields the two schemes are the same.
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        let fields = pairs(&[
            ("To", "+18005551212"),
            ("From", "+14158675309"),
            ("Digits", "1234"),
            ("Caller", "+14158675309"),
            ("CallSid", "CA1234567890ABCDE"),
        ]);
        let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        assert_eq!(somleng_sign("12345", url, &fields), signature);
        assert!(somleng_fits(&["12345"], url, &fields, signature));
        assert!(somleng_fits(&["other", "12345"], url, &fields, signature));
        assert!(!somleng_fits(&["other"], url, &fields, signature));
        assert!(!somleng_fits(&[], url, &fields, signature));
        assert!(!somleng_fits(&["12345"], url, &fields[1..], signature));
        assert!(!somleng_fits(&["12345"], url, &fields, ""));
    }

    #[test]
    fn the_address_is_taken_as_it_stands() {
        let url = "https://duty.example/hooks/somleng/call?q=it's";
        let signature = somleng_sign("t", url, &[]);
        assert!(somleng_fits(&["t"], url, &[], &signature));
        for other in [
            "https://duty.example:443/hooks/somleng/call?q=it's",
            "https://duty.example/hooks/somleng/call?q=it%27s",
            "https://duty.example/hooks/somleng/call?q=it's#",
            "https://Duty.example/hooks/somleng/call?q=it's",
            "http://duty.example/hooks/somleng/call?q=it's",
        ] {
            assert!(!somleng_fits(&["t"], other, &[], &signature), "{other}");
        }
    }

    #[test]
    fn a_value_counts_as_often_as_it_stands() {
        let url = "https://duty.example/";
        let once = pairs(&[("a", "1"), ("a", "0")]);
        let twice = pairs(&[("a", "1"), ("a", "0"), ("a", "1")]);
        let signature = somleng_sign("t", url, &once);
        assert!(!somleng_fits(&["t"], url, &twice, &signature));
    }

    #[test]
    fn an_empty_token_fits_nothing() {
        let signature = somleng_sign("", "https://duty.example/", &[]);
        assert!(!somleng_fits(
            &[""],
            "https://duty.example/",
            &[],
            &signature
        ));
    }

    proptest! {
        #[test]
        fn nothing_unsigned_fits(
            url in "\\PC*", token in "\\PC*", signature in "\\PC*",
            fields in proptest::collection::vec(("\\PC*", "\\PC*"), 0..5),
        ) {
            prop_assert!(!somleng_fits(&[&token], &url, &fields, &signature));
        }

        #[test]
        fn what_was_signed_fits_in_any_order_and_no_other_way(
            url in "https://[a-z]{1,9}/[a-z]{0,9}",
            fields in proptest::collection::btree_map("[A-Za-z]{1,4}", "\\PC{0,9}", 0..8),
        ) {
            let fields: Vec<_> = fields.into_iter().collect();
            let signature = somleng_sign("secret", &url, &fields);
            prop_assert_eq!(&signature, &twilio_sign("secret", &url, &fields));
            let mut turned = fields.clone();
            turned.reverse();
            prop_assert!(somleng_fits(&["secret"], &url, &turned, &signature));
            turned.push(("Zz".to_owned(), "!".to_owned()));
            prop_assert!(!somleng_fits(&["secret"], &url, &turned, &signature));
            let longer = format!("{url}x");
            prop_assert!(!somleng_fits(&["secret"], &longer, &fields, &signature));
        }
    }
}
