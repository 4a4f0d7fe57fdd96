//! A whole message: start line, header lines, body, and the values that every message must have (§8.1.1).

use crate::values::{Address, Via, decimal, is_token};

/// The most that is read of one message, and what headers are called: the reference's tables.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Octets of start line and headers.
    pub head: usize,
    /// Header lines.
    pub lines: usize,
    /// Via lines.
    pub vias: usize,
    /// Octets of the Request-URI.
    pub uri: usize,
    /// Octets of Call-ID.
    pub call_id: usize,
    /// Parameters of one value.
    pub parameters: usize,
    /// Octets of the body.
    pub body: usize,
    /// Headers that may stand only once, lower case, at most 64 of them.
    pub single: Vec<String>,
    /// One-letter names and what they stand for, both lower case.
    pub compact: Vec<(u8, String)>,
}

/// The first line.
#[derive(Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// Method and Request-URI as written.
    Request(&'a str, &'a str),
    /// Status and reason phrase.
    Response(u16, &'a str),
}

/// One header line: its name as written, its value without the spaces around it.
#[derive(Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// As written.
    pub name: &'a str,
    /// Without the spaces around it.
    pub value: &'a str,
}

/// A message that was read.
#[derive(Debug)]
pub struct Message<'a> {
    /// The first line.
    pub start: Start<'a>,
    /// Every header line, in order.
    pub rows: Vec<Row<'a>>,
    /// The first Via.
    pub via: Via<'a>,
    /// From.
    pub from: Address<'a>,
    /// To.
    pub to: Address<'a>,
    /// Contact of a request, if it has one.
    pub contact: Option<Address<'a>>,
    /// As long as Content-Length says, or all there is.
    pub body: &'a [u8],
}

/// Read one datagram. `None` when it is not plain, or not right: the reference tells which.
#[must_use]
pub fn read<'a>(data: &'a [u8], rules: &Rules) -> Option<Message<'a>> {
    let end = end_of_head(data)?;
    if end > rules.head {
        return None;
    }
    let head = std::str::from_utf8(&data[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let start = start(lines.next()?, rules)?;
    let rows = rows(lines, rules)?;
    let needed = Needed::find(&rows, rules)?;
    let via = Via::read(needed.via?, rules.parameters)?;
    let from = Address::read(needed.from?, rules.parameters)?;
    let to = Address::read(needed.to?, rules.parameters)?;
    check_call_id(needed.call_id?, rules)?;
    let method = cseq_method(needed.cseq?)?;
    if let Some(text) = needed.max_forwards {
        decimal(text, 255)?;
    }
    let contact = match start {
        Start::Request(named, _) if named != method => return None,
        Start::Request(named, _) => contact(needed.contact, named == "INVITE", rules)?,
        Start::Response(..) => None,
    };
    let body = body(&data[end + 4..], needed.content_length, rules)?;
    Some(Message { start, rows, via, from, to, contact, body })
}

/// Where the empty line begins, if all before it is printable ASCII in lines that end with CRLF.
fn end_of_head(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match data.get(at)? {
            0x20..=0x7e => at += 1,
            b'\r' if data.get(at + 1) == Some(&b'\n') => match data.get(at + 2)? {
                b'\r' if data.get(at + 3) == Some(&b'\n') => return Some(at),
                b' ' => return None, // a fold
                _ => at += 2,
            },
            _ => return None,
        }
    }
}

fn start<'a>(line: &'a str, rules: &Rules) -> Option<Start<'a>> {
    if line.get(..4)?.eq_ignore_ascii_case("SIP/") {
        let rest = line.strip_prefix("SIP/2.0 ")?;
        let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let status = if code.len() == 3 { decimal(code, 699)? } else { return None };
        return (status >= 100).then_some(Start::Response(u16::try_from(status).ok()?, reason));
    }
    let (method, rest) = line.split_once(' ')?;
    let target = rest.strip_suffix(" SIP/2.0")?;
    let plain = is_token(method) && !target.is_empty() && target.len() <= rules.uri && !target.contains([' ', '?']);
    plain.then_some(Start::Request(method, target))
}

fn rows<'a>(lines: impl Iterator<Item = &'a str>, rules: &Rules) -> Option<Vec<Row<'a>>> {
    let mut rows = Vec::with_capacity(24);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let name = name.trim_end_matches(' ');
        if !is_token(name) || rows.len() >= rules.lines {
            return None;
        }
        rows.push(Row { name, value: value.trim_matches(' ') });
    }
    Some(rows)
}

/// Values of the headers that are looked at here.
#[derive(Default)]
struct Needed<'a> {
    via: Option<&'a str>,
    from: Option<&'a str>,
    to: Option<&'a str>,
    call_id: Option<&'a str>,
    cseq: Option<&'a str>,
    max_forwards: Option<&'a str>,
    content_length: Option<&'a str>,
    contact: Option<&'a str>,
}

impl<'a> Needed<'a> {
    /// `None` when a header is given twice that may stand only once, or a list has more than one element in a line.
    fn find(rows: &[Row<'a>], rules: &Rules) -> Option<Self> {
        let mut needed = Needed::default();
        let (mut seen, mut vias) = (0_u64, 0);
        for row in rows {
            let name = rules.long(row.name);
            if let Some(bit) = rules.single.iter().position(|single| single.eq_ignore_ascii_case(name)) {
                if seen & (1 << bit) != 0 {
                    return None;
                }
                seen |= 1 << bit;
            }
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            if is("via") {
                vias += 1;
                // Later ones are not kept, but a broken one spoils the message.
                Via::read(row.value, rules.parameters)?;
                needed.via = needed.via.or(Some(row.value));
            } else if is("contact") {
                if needed.contact.replace(row.value).is_some() {
                    return None;
                }
            } else if is("from") {
                needed.from = Some(row.value);
            } else if is("to") {
                needed.to = Some(row.value);
            } else if is("call-id") {
                needed.call_id = Some(row.value);
            } else if is("cseq") {
                needed.cseq = Some(row.value);
            } else if is("max-forwards") {
                needed.max_forwards = Some(row.value);
            } else if is("content-length") {
                needed.content_length = Some(row.value);
            }
        }
        (vias <= rules.vias).then_some(needed)
    }
}

impl Rules {
    /// The long form of a header name, which may be of either case.
    #[must_use]
    pub fn long<'b>(&'b self, name: &'b str) -> &'b str {
        match name.as_bytes() {
            [letter] => {
                let letter = letter.to_ascii_lowercase();
                self.compact.iter().find(|(short, _)| *short == letter).map_or(name, |(_, long)| long)
            }
            _ => name,
        }
    }
}

fn check_call_id(text: &str, rules: &Rules) -> Option<()> {
    (!text.is_empty() && text.len() <= rules.call_id && !text.contains(' ')).then_some(())
}

fn cseq_method(text: &str) -> Option<&str> {
    let (number, method) = text.split_once(' ')?;
    decimal(number, (1 << 31) - 1)?;
    let method = method.trim_start_matches(' ');
    is_token(method).then_some(method)
}

/// §8.1.1.8: an INVITE has exactly one.
fn contact<'a>(value: Option<&'a str>, invite: bool, rules: &Rules) -> Option<Option<Address<'a>>> {
    match value {
        None => (!invite).then_some(None),
        Some(text) if text.contains(',') || text == "*" => None,
        Some(text) => Address::read(text, rules.parameters).map(Some),
    }
}

/// §18.3: octets past Content-Length are dropped.
fn body<'a>(rest: &'a [u8], length: Option<&str>, rules: &Rules) -> Option<&'a [u8]> {
    let length = length.map_or(Some(rest.len()), |text| usize::try_from(decimal(text, 1 << 31)?).ok())?;
    (length <= rules.body).then_some(())?;
    rest.get(..length)
}
