//! What is plain enough to be read, and what is left to the reference. That both agree is tested in Python.

use ringback_sip::{Address, Message, Parameter, Row, Rules, Start, read};

const INVITE: &str = "INVITE sip:123@host;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/UDP sbc.example:5060;branch=z9hG4bK1;rport\r\n\
    v: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK2\r\n\
    From: \"Ann (Home)\" <sip:ann@host>;Tag=a\r\n\
    To: sip:123@host\r\n\
    Call-ID: one@host\r\n\
    CSeq: 7 INVITE\r\n\
    Max-Forwards: 70\r\n\
    Contact: <sip:ann@host>\r\n\
    Subject :  hello \r\n\
    Content-Length: 2\r\n\r\nhi, and more";

fn rules() -> Rules {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Rules {
        head: 16_384,
        lines: 128,
        vias: 64,
        uri: 4096,
        call_id: 256,
        parameters: 64,
        body: 32_768,
        single: names(&["from", "to", "call-id", "cseq", "max-forwards", "content-length", "subject"]),
        compact: vec![(b'v', "via".into()), (b'f', "from".into()), (b't', "to".into()), (b's', "subject".into())],
    }
}

fn read_text(text: &str) -> Option<Message<'_>> {
    read(text.as_bytes(), &rules())
}

fn is_left(old: &str, new: &str) -> bool {
    assert!(INVITE.contains(old), "{old:?} is in the message");
    read_text(&INVITE.replacen(old, new, 1)).is_none()
}

#[test]
fn a_plain_invite_is_read_whole() {
    let message = read_text(INVITE).expect("it is plain");

    assert_eq!(message.start, Start::Request("INVITE", "sip:123@host;user=phone"));
    assert_eq!((message.via.transport, message.via.host, message.via.port), ("UDP", "sbc.example", Some(5060)));
    let flag = Parameter { name: "rport", value: None };
    assert_eq!(message.via.parameters, [Parameter { name: "branch", value: Some("z9hG4bK1") }, flag]);
    assert_eq!((message.from.name, message.from.uri), ("Ann (Home)", "sip:ann@host"));
    assert_eq!(message.from.parameters, [Parameter { name: "Tag", value: Some("a") }]);
    assert_eq!(message.to, Address { name: "", uri: "sip:123@host", parameters: vec![] });
    assert_eq!(message.contact.map(|contact| contact.uri), Some("sip:ann@host"));
    assert_eq!(message.rows[8], Row { name: "Subject", value: "hello" });
    assert_eq!(message.rows.len(), 10);
    assert_eq!(message.body, b"hi");
}

#[test]
fn a_response_needs_no_contact_and_may_lack_a_reason() {
    let text = INVITE.replacen("INVITE sip:123@host;user=phone SIP/2.0", "SIP/2.0 486", 1);
    assert_eq!(read_text(&text).expect("it is plain").start, Start::Response(486, ""));
    assert!(read_text(&text.replacen("SIP/2.0 486", "SIP/2.0 099", 1)).is_none());
}

#[test]
fn what_is_not_plain_is_left_to_the_reference() {
    assert!(is_left("Subject :  hello", "Subject: a\r\n fold"));
    assert!(is_left("hello", "h\u{e9}llo"));
    assert!(is_left("hello", "a\tb"));
    assert!(is_left("\"Ann (Home)\"", "\"Ann \\\"Home\\\"\""));
    assert!(is_left("sbc.example:5060", "[2001:db8::1]:5060"));
    assert!(is_left("sip:123@host;user=phone", "sip:123@host?a=b"));
    assert!(is_left("UDP sbc", "UDP  sbc"));
}

#[test]
fn what_is_wrong_is_left_to_the_reference() {
    assert!(is_left("Subject :  hello", "s: again\r\nSubject: hello"));
    assert!(is_left("CSeq: 7 INVITE", "CSeq: 7 BYE"));
    assert!(is_left("CSeq: 7", "CSeq: 2147483648"));
    assert!(is_left("Max-Forwards: 70", "Max-Forwards: 256"));
    assert!(is_left("Contact: <sip:ann@host>", "Contact: *"));
    assert!(is_left("Contact: <sip:ann@host>", "X: y"));
    assert!(is_left("Content-Length: 2", "Content-Length: 20"));
    assert!(is_left(";branch=z9hG4bK1;rport", ";branch=1;BRANCH=2"));
    assert!(is_left("Via: SIP/2.0/UDP sbc.example", "Via: SIP/2.0/UDP -sbc.example"));
    assert!(is_left("Call-ID: one@host", "Call-ID: one two"));
}

#[test]
fn no_cut_of_a_message_is_read_beyond_its_end() {
    let end = INVITE.len() - ", and more".len();
    for cut in 0..INVITE.len() {
        assert_eq!(read_text(&INVITE[..cut]).is_some(), cut >= end, "cut at {cut}");
    }
}

#[test]
fn limits_hold() {
    let many = |line: &str, count: usize| INVITE.replacen("Subject :  hello \r\n", &line.repeat(count), 1);
    assert!(read_text(&many("X: y\r\n", 119)).is_some());
    assert!(read_text(&many("X: y\r\n", 120)).is_none());
    assert!(read_text(&many("Via: SIP/2.0/UDP h\r\n", 62)).is_some());
    assert!(read_text(&many("Via: SIP/2.0/UDP h\r\n", 63)).is_none());
    assert!(is_left("Call-ID: one@host", &format!("Call-ID: {}", "a".repeat(257))));
    assert!(is_left("hello", &"a".repeat(16_384)));
    let parameters: String = (0..65).map(|number| format!(";p{number}")).collect();
    assert!(is_left(";Tag=a", &parameters));
}
