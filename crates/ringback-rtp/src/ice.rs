//! The little that a server with an address of its own has to know of ICE: answering checks (RFC 8445 "lite", RFC 8489).
//!
//! Whoever knows our password is who SDP told it to; its address is where its packets come from. It names the pair that
//! is used (`USE-CANDIDATE`), and sound goes there. A message that does not prove itself changes nothing and is not
//! answered.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;

const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;
const REQUEST: [u8; 2] = [0x00, 0x01];
const SUCCESS: [u8; 2] = [0x01, 0x01];
const USERNAME: u16 = 0x0006;
const INTEGRITY: u16 = 0x0008;
const XOR_ADDRESS: u16 = 0x0020;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const FINGERPRINT_XOR: u32 = 0x5354_554e;
/// Addresses that have proved themselves and are remembered.
const CHECKED: usize = 8;
/// Genuine checks answered in a second: a full agent sends one in 50 ms for each pair.
const ANSWERS: u32 = 100;

/// Whether a datagram on an RTP port is STUN (RFC 7983 §7).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] < 4 && datagram[4..8] == MAGIC
}

/// What both sides' SDP said.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// Our `a=ice-ufrag`.
    pub ufrag: String,
    /// Our `a=ice-pwd`.
    pub password: String,
    /// The far end's `a=ice-ufrag`.
    pub remote_ufrag: String,
}

impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// One port of ours, as the far end checks it.
#[derive(Debug)]
pub struct IceLite {
    credentials: IceCredentials,
    checked: Vec<SocketAddr>,
    nominated: Option<SocketAddr>,
    answered: (Option<Instant>, u32),
}

impl IceLite {
    /// Nobody has checked anything yet.
    pub fn new(credentials: IceCredentials) -> IceLite {
        IceLite { credentials, checked: Vec::new(), nominated: None, answered: (None, 0) }
    }

    /// What it was made with.
    pub fn credentials(&self) -> &IceCredentials {
        &self.credentials
    }

    /// Whether packets have proved that the far end is at this address.
    pub fn has_checked(&self, address: SocketAddr) -> bool {
        self.checked.contains(&address)
    }

    /// Where the far end wants its packets.
    pub fn nominated(&self) -> Option<SocketAddr> {
        self.nominated
    }

    /// A STUN message; what to answer it with, to where it came from.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.credentials.password.as_bytes());
        let check = Check::read(datagram, &key)?;
        let (ours, theirs) = check.username.split_once(':')?;
        if ours != self.credentials.ufrag || theirs != self.credentials.remote_ufrag || !self.may_answer(now) {
            return None;
        }
        if !self.checked.contains(&from) {
            if self.checked.len() >= CHECKED {
                let at = self.checked.iter().position(|address| Some(*address) != self.nominated).unwrap_or(0);
                self.checked.remove(at);
            }
            self.checked.push(from);
        }
        if check.nominates || self.nominated.is_none() {
            self.nominated = Some(from);
        }
        Some(answer(&datagram[8..HEADER], from, &key))
    }

    fn may_answer(&mut self, now: Instant) -> bool {
        let (since, count) = &mut self.answered;
        if since.is_none_or(|since| now.saturating_duration_since(since) >= Duration::from_secs(1)) {
            (*since, *count) = (Some(now), 0);
        }
        *count += 1;
        *count <= ANSWERS
    }
}

struct Check<'a> {
    username: &'a str,
    nominates: bool,
}

impl<'a> Check<'a> {
    /// A binding request that was made with our password.
    fn read(datagram: &'a [u8], key: &hmac::Key) -> Option<Check<'a>> {
        if !is_stun(datagram) || datagram[..2] != REQUEST {
            return None;
        }
        let end = HEADER + usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
        let body = datagram.get(..end)?;
        let (mut username, mut nominates, mut at) = (None, false, HEADER);
        while at + 4 <= end {
            let kind = u16::from_be_bytes([body[at], body[at + 1]]);
            let size = usize::from(u16::from_be_bytes([body[at + 2], body[at + 3]]));
            let value = body.get(at + 4..at + 4 + size)?;
            match kind {
                USERNAME => username = std::str::from_utf8(value).ok(),
                USE_CANDIDATE => nominates = true,
                INTEGRITY => {
                    // What comes behind is not proved, and not read.
                    let signed = signed(body, at);
                    hmac::verify(key, &signed, value).ok()?;
                    return Some(Check { username: username?, nominates });
                }
                _ => {}
            }
            at += 4 + size.next_multiple_of(4);
        }
        None
    }
}

/// What `MESSAGE-INTEGRITY` at `at` is made of: all before it, with a length that counts it (RFC 8489 §14.5).
fn signed(message: &[u8], at: usize) -> Vec<u8> {
    let mut signed = message[..at].to_vec();
    let length = (at + 24 - HEADER) as u16;
    signed[2..4].copy_from_slice(&length.to_be_bytes());
    signed
}

/// A success response that says where the request came from.
fn answer(transaction: &[u8], from: SocketAddr, key: &hmac::Key) -> Vec<u8> {
    let mut out = [&SUCCESS[..], &[0, 0], &MAGIC, transaction].concat();
    let mask = [&MAGIC[..], transaction].concat();
    let (family, octets) = match from.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let port = (from.port() ^ 0x2112).to_be_bytes();
    let mut value = vec![0, family, port[0], port[1]];
    value.extend(octets.iter().zip(&mask).map(|(octet, mask)| octet ^ mask));
    attribute(&mut out, XOR_ADDRESS, &value);
    let tag = hmac::sign(key, &signed(&out, out.len()));
    attribute(&mut out, INTEGRITY, tag.as_ref());
    set_length(&mut out, 8);
    let sum = crc32(&out) ^ FINGERPRINT_XOR;
    attribute(&mut out, FINGERPRINT, &sum.to_be_bytes());
    set_length(&mut out, 0);
    out
}

fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend(kind.to_be_bytes());
    out.extend((value.len() as u16).to_be_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn set_length(out: &mut [u8], more: usize) {
    let length = (out.len() - HEADER + more) as u16;
    out[2..4].copy_from_slice(&length.to_be_bytes());
}

/// ISO 3309's, as in Ethernet.
fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |sum, octet| {
        (0..8).fold(sum ^ u32::from(*octet), |sum, _| (sum >> 1) ^ ((sum & 1) * 0xedb8_8320))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> IceCredentials {
        IceCredentials { ufrag: "mine".into(), password: "a-password-of-22-chars".into(), remote_ufrag: "far".into() }
    }

    fn request(username: &str, password: &str, nominates: bool) -> Vec<u8> {
        let mut out = [&REQUEST[..], &[0, 0], &MAGIC, &[9; 12]].concat();
        attribute(&mut out, USERNAME, username.as_bytes());
        if nominates {
            attribute(&mut out, USE_CANDIDATE, &[]);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let tag = hmac::sign(&key, &signed(&out, out.len()));
        attribute(&mut out, INTEGRITY, tag.as_ref());
        set_length(&mut out, 0);
        out
    }

    fn place(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[test]
    fn the_sums_are_those_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    /// RFC 5769 §2.1 and §2.2: a request of a known password, and the address in the answer to it.
    #[test]
    fn a_published_request_is_believed_and_answered_as_published() {
        let hex = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff\
                   80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b5\
                   71a280280004e57a3bcf";
        let message: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let password = "VOkJxbRl1RmTxUk/WvJxBt";
        let mut ice = IceLite::new(IceCredentials {
            ufrag: "evtj".into(),
            password: password.into(),
            remote_ufrag: "h6vY".into(),
        });

        let answer = ice.receive(Instant::now(), place(32853), &message).unwrap();

        assert_eq!(answer[..2], SUCCESS);
        assert_eq!(answer[HEADER..HEADER + 12], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
    }

    #[test]
    fn only_who_knows_the_password_and_both_names_is_answered_and_believed() {
        let mut ice = IceLite::new(credentials());
        let now = Instant::now();
        let mut changed = request("mine:far", "a-password-of-22-chars", true);
        changed[30] ^= 1;

        for message in [
            request("mine:far", "another", true),
            request("mine:other", "a-password-of-22-chars", true),
            request("theirs:far", "a-password-of-22-chars", true),
            changed,
        ] {
            assert_eq!(ice.receive(now, place(1), &message), None);
        }

        assert!(!ice.has_checked(place(1)));
        assert_eq!(ice.nominated(), None);
    }

    #[test]
    fn sound_goes_where_the_far_end_says_and_before_that_where_it_came_from_first() {
        let mut ice = IceLite::new(credentials());
        let now = Instant::now();
        let mut check = |port, nominates| {
            let message = request("mine:far", "a-password-of-22-chars", nominates);
            assert!(ice.receive(now, place(port), &message).is_some());
            ice.nominated()
        };

        assert_eq!(check(1, false), Some(place(1)));
        assert_eq!(check(2, false), Some(place(1)));
        assert_eq!(check(3, true), Some(place(3)));
        assert_eq!(check(2, true), Some(place(2)));
    }

    #[test]
    fn a_flood_of_genuine_checks_is_not_answered_to_its_end_and_takes_no_room() {
        let mut ice = IceLite::new(credentials());
        let now = Instant::now();
        let message = request("mine:far", "a-password-of-22-chars", false);

        let answered = (0..1000).filter(|n| ice.receive(now, place(1000 + n), &message).is_some()).count();

        assert_eq!(answered, 100);
        assert_eq!(ice.checked.len(), CHECKED);
        assert!(ice.receive(now + Duration::from_secs(1), place(7), &message).is_some());
    }

    #[test]
    fn messages_cut_or_changed_at_random_are_not_answered() {
        let mut ice = IceLite::new(credentials());
        let whole = request("mine:far", "a-password-of-22-chars", true);
        let mut seed = 5u64;
        let mut next = |end: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % end
        };
        for _ in 0..20_000 {
            let mut changed = whole.clone();
            let at = next(changed.len());
            changed[at] ^= 1 + next(255) as u8;
            changed.truncate(1 + next(changed.len()));
            let answer = ice.receive(Instant::now(), place(1), &changed);
            // The transaction and what integrity covers must be whole.
            assert!(answer.is_none(), "{changed:02x?}");
        }
    }
}
