//! Values of header lines, where they are plain: no quoted pairs, no spaces within, no IPv6 references.

/// One `;name=value`, or a flag.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// As written; it counts in lower case.
    pub name: &'a str,
    /// `None` for a flag.
    pub value: Option<&'a str>,
}

/// One hop (§20.42).
#[derive(Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// As written; it counts in upper case.
    pub transport: &'a str,
    /// A name or an IPv4 address.
    pub host: &'a str,
    /// If it is named.
    pub port: Option<u16>,
    /// In order, no name twice.
    pub parameters: Vec<Parameter<'a>>,
}

impl<'a> Via<'a> {
    /// One Via; `None` when it is not plain, or more than one.
    #[must_use]
    pub fn read(text: &'a str, most: usize) -> Option<Self> {
        let (transport, rest) = text.strip_prefix("SIP/2.0/")?.split_once(' ')?;
        let (sent_by, parameters) = split_parameters(rest);
        let (host, port) = match sent_by.split_once(':') {
            Some((host, port)) if port.len() <= 5 => (host, Some(u16::try_from(decimal(port, 65_535)?).ok()?)),
            Some(_) => return None,
            None => (sent_by, None),
        };
        if !is_token(transport) || !is_host_name(host) {
            return None;
        }
        Some(Self { transport, host, port, parameters: read_parameters(parameters, most)? })
    }
}

/// `"Name" <uri>;parameters` of From, To and Contact. Whether the URI is one is not looked at.
#[derive(Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// Display name without quotes; empty when there is none.
    pub name: &'a str,
    /// As written.
    pub uri: &'a str,
    /// In order, no name twice.
    pub parameters: Vec<Parameter<'a>>,
}

impl<'a> Address<'a> {
    /// A name-addr or addr-spec; `None` when it is not plain.
    #[must_use]
    pub fn read(text: &'a str, most: usize) -> Option<Self> {
        let (name, rest) = if let Some(quoted) = text.strip_prefix('"') {
            let (name, rest) = quoted.split_once('"')?;
            if name.contains('\\') {
                return None;
            }
            (name, rest.trim_start_matches(' ').strip_prefix('<')?)
        } else if let Some((name, rest)) = text.split_once('<') {
            let name = name.trim_matches(' ');
            if !name.bytes().all(|octet| is_token_octet(octet) || b" ()/@&#".contains(&octet)) {
                return None;
            }
            (name, rest)
        } else {
            // §20.10: without brackets, parameters belong to the header.
            let (uri, parameters) = split_parameters(text);
            if uri.contains([',', '?', ' ']) {
                return None;
            }
            return Some(Self { name: "", uri, parameters: read_parameters(parameters, most)? });
        };
        let (uri, parameters) = rest.split_once('>')?;
        Some(Self { name, uri, parameters: read_parameters(parameters, most)? })
    }
}

/// At the first semicolon, which stays with the parameters.
fn split_parameters(text: &str) -> (&str, &str) {
    text.split_at(text.find(';').unwrap_or(text.len()))
}

fn read_parameters(text: &str, most: usize) -> Option<Vec<Parameter<'_>>> {
    let mut found: Vec<Parameter<'_>> = Vec::new();
    if text.is_empty() {
        return Some(found);
    }
    for part in text.strip_prefix(';')?.split(';') {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (part, None),
        };
        let plain =
            is_token(name) && value.is_none_or(|value| !value.is_empty() && !value.contains([',', '"', ' ', '<', '>']));
        if !plain || found.len() >= most || found.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            return None;
        }
        found.push(Parameter { name, value });
    }
    Some(found)
}

/// A decimal number of at most ten digits, and at most `highest`.
pub(crate) fn decimal(text: &str, highest: u64) -> Option<u64> {
    if text.is_empty() || text.len() > 10 || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| *number <= highest)
}

pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_octet)
}

fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet)
}

fn is_host_name(text: &str) -> bool {
    text.len() <= 255
        && text.split('.').all(|label| {
            let inner = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'_' || octet == b'-';
            !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
        })
}
