//! Any bytes as a form: nothing panics, every field that can be read is read as the signature reads it, and one that
//! cannot be read takes no other with it.

use dutyline::telephony::form::{Form, decode_lenient};

/// The property, for any bytes.
pub fn check(body: &[u8]) {
    let fields = decode_lenient(body);
    let form = Form::new(body.to_vec().into());
    let shown = format!("Form([{} bytes hidden])", body.len());
    assert_eq!(format!("{form:?}"), shown, "nothing is shown");
    for (name, value) in &fields {
        // Two names, or two values, that are not UTF-8 may look alike here and be different.
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
