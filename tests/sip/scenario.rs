//! SIPp's scenarios: a telephone controlled by the test.
//!
//! A scenario of SIPp is a fixed sequence of messages. Here it waits for the test: a request with a special method
//! (`ANSWER`, `DECLINE`, `HANGUP`), sent to SIPp with the call's Call-ID, is received like any other and makes it go
//! on; its progress is in its log. So the test decides, and nothing depends on the length of a prompt.

/// The parties of a call.
pub struct Caller<'a> {
    /// The From header: name and number as the network gives them.
    pub from: &'a str,
    /// The dialled number.
    pub to: &'a str,
    /// The trunk's credentials; a stranger has none.
    pub credentials: Option<(&'a str, &'a str)>,
}

/// Answers any request with 200.
const YES: &str = "<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
";

/// Returns the scenario of a telephone that calls, with its handset at this port.
pub fn calling(caller: &Caller<'_>, handset: u16) -> String {
    let Caller { from, to, .. } = caller;
    let request = |method: &str, turn: u8, tag: &str, headers: &str, body: &str| {
        let first = format!("{method} sip:{to}@[remote_ip]:[remote_port] SIP/2.0");
        let headers = format!(
            "From: {from};tag=[pid]\nTo: <sip:{to}@[remote_ip]>{tag}\nCall-ID: [call_id]\nCSeq: {turn} {method}\n\
             Contact: <sip:caller@[local_ip]:[local_port]>\nMax-Forwards: 70\n{headers}"
        );
        send(&first, &headers, body)
    };
    let body = sound(handset);
    let invite = |turn, headers: &str| {
        let headers = format!("{headers}Content-Type: application/sdp\n");
        request("INVITE", turn, "", &headers, &body)
    };
    let within = |method, turn| request(method, turn, "[peer_tag_param]", "", "");
    let mut steps = invite(1, "");
    let mut turn = 1;
    if let Some((name, password)) = caller.credentials {
        turn = 2;
        let proof = format!("[authentication username={name} password={password}]\n");
        steps += "<recv response=\"401\" auth=\"true\"/>\n";
        steps += &within("ACK", 1);
        steps += &invite(turn, &proof);
        steps += &recv("response=\"401\" optional=\"true\" next=\"8\"", "");
    }
    steps += "<recv response=\"100\" optional=\"true\"/>\n";
    steps += &recv("response=\"180\" optional=\"true\"", &log("rings"));
    steps += &recv("response=\"200\"", &media());
    steps += &within("ACK", turn);
    steps += &note("answered");
    steps += &talk(&within("BYE", turn + 1));
    // The credentials were refused.
    steps += &label(8);
    steps += &within("ACK", turn);
    steps += &note("refused");
    whole(&steps)
}

/// Returns the scenario of a telephone that is called: it rings at once, and then is answered, declined, or given up.
pub fn called(handset: u16) -> String {
    // Later answers belong to the INVITE, which by then is no longer the last request; and its own requests go the
    // other way, with From and To exchanged.
    let remember = |header: &str, variable: u8| {
        format!(
            "<ereg regexp=\".*\" search_in=\"hdr\" header=\"{header}:\" assign_to=\"{variable}\"/>"
        )
    };
    let reply = |status: &str, headers: &str, body: &str| {
        let headers = format!(
            "Via:[$1]\nFrom:[$2]\nTo:[$3];tag=[pid]\nCall-ID: [call_id]\nCSeq:[$4]\n{headers}"
        );
        send(&format!("SIP/2.0 {status}"), &headers, body)
    };
    let contact = "Contact: <sip:duty@[local_ip]:[local_port]>\n";
    let described = format!("{contact}Content-Type: application/sdp\n");
    let first = [
        remember("Via", 1),
        remember("From", 2),
        remember("To", 3),
        remember("CSeq", 4),
        media(),
        log("called [call_id]"),
    ]
    .concat();
    let bye = send(
        "BYE sip:asterisk@[remote_ip]:[remote_port] SIP/2.0",
        "From:[$3];tag=[pid]\nTo:[$2]\nCall-ID: [call_id]\nCSeq: 1 BYE\nMax-Forwards: 70\n",
        "",
    );
    whole(
        &[
            recv("request=\"INVITE\"", &first),
            reply("180 Ringing", contact, ""),
            recv("request=\"ANSWER\" optional=\"true\" next=\"1\"", ""),
            recv("request=\"DECLINE\" optional=\"true\" next=\"2\"", ""),
            recv("request=\"CANCEL\"", ""),
            YES.to_owned(),
            reply("487 Request Terminated", "", ""),
            recv("request=\"ACK\" next=\"9\"", &log("given up")),
            label(2),
            reply("486 Busy Here", "", ""),
            recv("request=\"ACK\" next=\"9\"", &log("declined")),
            label(1),
            reply("200 OK", &described, &sound(handset)),
            recv("request=\"ACK\"", &log("answered")),
            talk(&bye),
        ]
        .concat(),
    )
}

/// The conversation, until one side hangs up.
fn talk(bye: &str) -> String {
    [
        recv("request=\"HANGUP\" optional=\"true\" next=\"3\"", ""),
        recv("request=\"BYE\"", &log("hung up on")),
        YES.to_owned(),
        "<nop next=\"9\"/>\n".to_owned(),
        label(3),
        bye.to_owned(),
        recv("response=\"200\" next=\"9\"", &log("hung up")),
    ]
    .concat()
}

/// The description of the sound: A-law and keys, at the handset.
fn sound(handset: u16) -> String {
    format!(
        "v=0\no=telephone 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 [local_ip]\nt=0 0\nm=audio {handset} RTP/AVP 8 101\n\
         a=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=ptime:20\n"
    )
}

/// Records where the other end wants the sound.
fn media() -> String {
    let find =
        "<ereg regexp=\"m=audio [0-9]+\" search_in=\"msg\" check_it=\"true\" assign_to=\"5\"/>";
    format!("{find}{}", log("media [$5]"))
}

fn send(first: &str, headers: &str, body: &str) -> String {
    let via = if first.starts_with("SIP/") {
        ""
    } else {
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
    };
    // Repeated until there is an answer, because UDP may lose it.
    let again = match first.split(' ').next() {
        Some("INVITE" | "BYE") => " retrans=\"500\"",
        _ => "",
    };
    format!(
        "<send{again}><![CDATA[\n{first}\n{via}{headers}Content-Length: [len]\n\n{body}]]></send>\n"
    )
}

fn recv(what: &str, actions: &str) -> String {
    match actions {
        "" => format!("<recv {what}/>\n"),
        actions => format!("<recv {what}><action>{actions}</action></recv>\n"),
    }
}

fn note(what: &str) -> String {
    format!("<nop><action>{}</action></nop>\n", log(what))
}

fn log(what: &str) -> String {
    format!("<log message=\"{what}\"/>")
}

fn label(number: u8) -> String {
    format!("<label id=\"{number}\"/>\n")
}

fn whole(steps: &str) -> String {
    let end = label(9);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<scenario name=\"telephone\">\n{steps}{end}<nop/>\n</scenario>\n"
    )
}
