//! The one thing needed of a STUN message before its peer is known: whom it is for (RFC 8489 §5, §14.3).

const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: u16 = 0x0006;

/// The receiver's ufrag in a binding request's `USERNAME` (`receiver:sender`, RFC 8445 §7.2.2); `None` for all else.
///
/// Nothing is proved by it: the peer checks the message's integrity before anything else happens.
pub fn ufrag(datagram: &[u8]) -> Option<&str> {
    if datagram.len() < 20 || datagram[..2] != BINDING_REQUEST || datagram[4..8] != MAGIC_COOKIE {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
    let mut rest = datagram[20..].get(..length)?;
    while rest.len() >= 4 {
        let kind = u16::from_be_bytes([rest[0], rest[1]]);
        let size = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        let value = rest[4..].get(..size)?;
        if kind == USERNAME {
            return std::str::from_utf8(value).ok()?.split_once(':').map(|(receiver, _)| receiver);
        }
        rest = rest[4..].get(size.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(username: &[u8]) -> Vec<u8> {
        let mut attributes = vec![0x80, 0x22, 0, 3, b'a', b'b', b'c', 0];
        attributes.extend([0, 6, 0, username.len() as u8]);
        attributes.extend(username);
        attributes.resize(attributes.len().next_multiple_of(4), 0);
        let mut message = vec![0, 1, 0, attributes.len() as u8];
        message.extend(MAGIC_COOKIE);
        message.extend([7; 12]);
        message.extend(attributes);
        message
    }

    #[test]
    fn the_receivers_ufrag_is_the_part_before_the_colon() {
        assert_eq!(ufrag(&request(b"mine:theirs")), Some("mine"));
    }

    #[test]
    fn anything_cut_short_or_else_is_nobodys() {
        let whole = request(b"mine:theirs");

        for n in 0..whole.len() {
            assert_eq!(ufrag(&whole[..n]), None, "{n} bytes");
        }
        assert_eq!(ufrag(&request(b"no-colon")), None);
        assert_eq!(ufrag(&request(b"\xff\xfe:x")), None);
        assert_eq!(ufrag(&[0x80; 200]), None);
    }

    #[test]
    fn requests_changed_at_random_name_somebody_or_nobody() {
        let whole = request(b"receiver:sender");
        let mut seed = 3u64;
        let mut next = |end: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % end
        };
        for _ in 0..300_000 {
            let mut changed = whole.clone();
            for _ in 0..1 + next(4) {
                let at = next(changed.len());
                changed[at] = next(256) as u8;
            }
            changed.truncate(1 + next(changed.len()));
            assert!(ufrag(&changed).is_none_or(|name| name.len() <= changed.len()));
        }
    }
}
