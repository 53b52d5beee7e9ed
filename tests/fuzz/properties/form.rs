//! Any bytes as a form: nothing panics, every readable field is decoded as for the signature, and an unreadable one
//! does not affect the others.

use dutyline::telephony::form::{Form, decode_lenient};

/// The property, for any bytes.
pub fn check(body: &[u8]) {
    let fields = decode_lenient(body);
    let form = Form::new(body.to_vec().into());
    let shown = format!("Form([{} bytes hidden])", body.len());
    assert_eq!(format!("{form:?}"), shown, "nothing is shown");
    for (name, value) in &fields {
        // Two different names or values that are not UTF-8 may decode to the same text.
        if name.contains('\u{fffd}') {
            continue;
        }
        let of_name = || fields.iter().filter(|field| field.0 == *name);
        let alike = of_name().all(|field| field.1 == *value);
        let clean = alike && !value.contains(char::is_control);
        match form.get(name) {
            Some(got) => assert!(clean && got == *value),
            None => assert!(!clean || value.contains('\u{fffd}')),
        }
        if let Some(got) = form.get_lossy(name) {
            assert!(alike && got == *value);
        }
    }
    if !fields.iter().any(|field| field.0 == "CallSid") {
        assert_eq!(form.get("CallSid"), None);
    }
}
