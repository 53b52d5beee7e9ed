//! Any bytes as a form: nothing panics, and what the strict reading takes, the lenient one reads alike.

use dutyline::telephony::form::{Form, decode_lenient};

/// The property, for any bytes.
pub fn check(body: &[u8]) {
    let fields = decode_lenient(body);
    let Ok(form) = Form::parse(body) else {
        let reason = body.contains(&b'%')
            || !body.is_ascii()
            || body.iter().filter(|byte| **byte == b'&').count() >= 200;
        assert!(reason, "a plain form is refused");
        return;
    };
    let shown = format!("Form([{} hidden])", fields.len());
    assert_eq!(format!("{form:?}"), shown, "as many fields, and none shown");
    for (name, value) in &fields {
        let of_name = || fields.iter().filter(|field| field.0 == *name);
        let first = &of_name().next().expect("the field itself").1;
        let clean = of_name().all(|field| field.1 == *first) && !first.contains(char::is_control);
        match form.get(name) {
            Ok(got) => assert!(clean && got == Some(value)),
            Err(_) => assert!(!clean),
        }
    }
    if !fields.iter().any(|field| field.0 == "CallSid") {
        assert_eq!(form.get("CallSid"), Ok(None));
    }
}
