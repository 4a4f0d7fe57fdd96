//! DTLS-SRTP: keys for a stream, agreed on over the port that the stream itself uses (RFC 5763, 5764).
//!
//! Who is at the other end is proved by the fingerprint of its certificate, which came by SDP; nothing else about the
//! certificate counts. The state machine is `dimpl`'s (DTLS 1.2 with ECDSA), the one that str0m brings for browsers:
//! this is the only module that knows it here. Bytes and times go in, datagrams, keys and the next wake-up come out.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};
use zeroize::Zeroizing;

use crate::srtp::{MasterKey, Suite};

/// Whether a datagram on an RTP port is DTLS (RFC 7983 §7).
pub fn is_dtls(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| (20..64).contains(first))
}

/// A certificate of our own, signed by itself.
pub struct Certificate {
    pair: DtlsCertificate,
    fingerprint: String,
}

impl Certificate {
    /// A fresh one; `None` when the system has no randomness to give.
    pub fn generate() -> Option<Certificate> {
        let pair = dimpl::certificate::generate_self_signed_certificate().ok()?;
        let digest = digest::digest(&digest::SHA256, &pair.certificate);
        let octets: Vec<String> = digest.as_ref().iter().map(|octet| format!("{octet:02X}")).collect();
        Some(Certificate { pair, fingerprint: format!("sha-256 {}", octets.join(":")) })
    }

    /// What `a=fingerprint` says of it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// What a far end's SDP says of its certificate (RFC 8122 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    hash: &'static str,
    digest: Vec<u8>,
}

impl Fingerprint {
    /// Hashes that prove something; `sha-1` and older do not any more.
    pub const HASHES: [&str; 3] = ["sha-256", "sha-384", "sha-512"];

    /// `None` for a hash that is none of [`HASHES`](Self::HASHES), or a digest that has not its length.
    pub fn new(hash: &str, octets: &[u8]) -> Option<Fingerprint> {
        let hash = Self::HASHES.into_iter().find(|name| name.eq_ignore_ascii_case(hash))?;
        (algorithm(hash).output_len() == octets.len()).then(|| Fingerprint { hash, digest: octets.to_vec() })
    }

    fn is_of(&self, certificate: &[u8]) -> bool {
        digest::digest(algorithm(self.hash), certificate).as_ref() == self.digest
    }
}

fn algorithm(hash: &str) -> &'static digest::Algorithm {
    match hash {
        "sha-512" => &digest::SHA512,
        "sha-384" => &digest::SHA384,
        _ => &digest::SHA256,
    }
}

/// Keys of both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKeys {
    /// Ours.
    pub send: MasterKey,
    /// The far end's.
    pub receive: MasterKey,
}

impl SessionKeys {
    /// Out of what DTLS agreed on: client's key, server's key, client's salt, server's salt (RFC 5764 §4.2). `None` for a
    /// profile that is not known here. `is_active`: ours is the client.
    pub fn exported(material: &[u8], profile: SrtpProfile, is_active: bool) -> Option<SessionKeys> {
        let suite = match profile {
            SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128Sha1_80,
            SrtpProfile::AEAD_AES_128_GCM => Suite::Aead128Gcm,
            SrtpProfile::AEAD_AES_256_GCM => Suite::Aead256Gcm,
            _ => return None,
        };
        let (key, salt) = (suite.key_length(), suite.salt_length());
        let both = |key_at: usize, salt_at: usize| {
            let parts = [material.get(key_at..key_at + key)?, material.get(salt_at..salt_at + salt)?];
            MasterKey::new(suite, &Zeroizing::new(parts.concat()))
        };
        let (client, server) = (both(0, 2 * key)?, both(key, 2 * key + salt)?);
        Some(if is_active {
            SessionKeys { send: client, receive: server }
        } else {
            SessionKeys { send: server, receive: client }
        })
    }
}

/// Why there will be no keys. The handshake is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DtlsError {
    /// The certificate is not the one that SDP told of.
    Stranger,
    /// Its certificate or its signature is of a kind that we do not know: RSA, or none at all.
    Unsuitable(String),
    /// The far end knows no way to protect RTP that we know.
    NoProfile,
    /// What the far end said breaks the protocol, or it stopped answering.
    Broken(String),
}

impl fmt::Display for DtlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DtlsError::Stranger => f.write_str("the certificate is not the one that SDP told of"),
            DtlsError::Unsuitable(why) => write!(f, "its certificate cannot be used: {why}"),
            DtlsError::NoProfile => f.write_str("no SRTP profile in common"),
            DtlsError::Broken(why) => write!(f, "the DTLS handshake failed: {why}"),
        }
    }
}

impl std::error::Error for DtlsError {}

/// One handshake with one address, and afterwards the answers to what its last packets may have missed.
pub struct Handshake {
    dtls: Dtls,
    is_active: bool,
    wanted: Vec<Fingerprint>,
    is_proved: bool,
    is_connected: bool,
    exported: Option<SessionKeys>,
    is_told: bool,
    wake: Option<Instant>,
}

/// A step is not due again sooner, whatever the state machine says.
const SOONEST: Duration = Duration::from_millis(10);
/// Longest datagram made: fits what the state machine is told of the path.
const LONGEST: usize = 2048;

/// Of all telephones: made once, as making it proves the whole crypto library.
fn configuration() -> Arc<Config> {
    static MADE: OnceLock<Arc<Config>> = OnceLock::new();
    // Cookies keep us from answering a forged source with more than it sent.
    let make = || Config::builder().require_client_certificate(true).use_server_cookie(true).build();
    MADE.get_or_init(|| Arc::new(make().unwrap_or_default())).clone()
}

impl Handshake {
    /// `is_active`: we speak first (`a=setup:active`). `wanted`: one of these must be the far end's certificate's.
    pub fn new(certificate: &Certificate, is_active: bool, wanted: Vec<Fingerprint>, now: Instant) -> Handshake {
        let mut dtls = Dtls::new_12(configuration(), certificate.pair.clone(), now);
        dtls.set_active(is_active);
        Handshake {
            dtls,
            is_active,
            wanted,
            is_proved: false,
            is_connected: false,
            exported: None,
            is_told: false,
            wake: Some(now),
        }
    }

    /// A datagram of the far end. What is to be sent is appended to `out`; keys come once.
    pub fn receive(
        &mut self,
        now: Instant,
        datagram: &[u8],
        out: &mut Vec<Vec<u8>>,
    ) -> Result<Option<SessionKeys>, DtlsError> {
        self.settle(now, |dtls| dtls.handle_packet(datagram), out)
    }

    /// Time has passed.
    pub fn wake(&mut self, now: Instant, out: &mut Vec<Vec<u8>>) -> Result<Option<SessionKeys>, DtlsError> {
        self.settle(now, |_| Ok(()), out)
    }

    /// When [`wake`](Self::wake) is due.
    pub fn next_wake(&self) -> Option<Instant> {
        self.wake
    }

    fn settle(
        &mut self,
        now: Instant,
        step: impl FnOnce(&mut Dtls) -> Result<(), dimpl::Error>,
        out: &mut Vec<Vec<u8>>,
    ) -> Result<Option<SessionKeys>, DtlsError> {
        let stepped = self.dtls.handle_timeout(now).and_then(|()| step(&mut self.dtls));
        let drained = self.drain(out);
        self.wake = self.wake.map(|at| at.max(now + SOONEST));
        if let Err(error) = stepped {
            self.wake = None;
            // Nothing that comes later takes back what was agreed.
            return if self.is_told { Ok(None) } else { Err(broken(&error)) };
        }
        drained?;
        if self.is_told || !(self.is_connected && self.is_proved) {
            return Ok(None);
        }
        self.is_told = true;
        self.exported.take().map(Some).ok_or(DtlsError::NoProfile)
    }

    fn drain(&mut self, out: &mut Vec<Vec<u8>>) -> Result<(), DtlsError> {
        let mut buffer = vec![0; LONGEST];
        let mut outcome = Ok(());
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => out.push(packet.to_vec()),
                Output::BufferTooSmall { needed } => buffer.resize(needed, 0),
                Output::Timeout(at) => {
                    self.wake = Some(at);
                    return outcome;
                }
                Output::Connected => self.is_connected = true,
                Output::PeerCert(certificate) => {
                    self.is_proved = self.wanted.iter().any(|wanted| wanted.is_of(certificate));
                    if !self.is_proved {
                        outcome = Err(DtlsError::Stranger);
                    }
                }
                Output::KeyingMaterial(material, profile) => {
                    self.exported = SessionKeys::exported(&material, profile, self.is_active)
                }
                // Application data is nobody's business here, and a goodbye ends no call.
                _ => {}
            }
        }
    }
}

fn broken(error: &dimpl::Error) -> DtlsError {
    match error {
        dimpl::Error::CertificateError(_) | dimpl::Error::CryptoError(_) => DtlsError::Unsuitable(error.to_string()),
        _ => DtlsError::Broken(error.to_string()),
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("is_active", &self.is_active).field("is_told", &self.is_told).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(certificate: &Certificate) -> Fingerprint {
        let (hash, digits) = certificate.fingerprint().split_once(' ').unwrap();
        let octets: Vec<u8> = digits.split(':').map(|two| u8::from_str_radix(two, 16).unwrap()).collect();
        Fingerprint::new(hash, &octets).unwrap()
    }

    type Outcome = Result<Option<SessionKeys>, DtlsError>;

    /// Both ends until nothing moves any more; every `lost`th datagram does not arrive.
    fn shaken(client: &mut Handshake, server: &mut Handshake, lost: usize) -> (Outcome, Outcome) {
        let mut now = Instant::now();
        let (mut ours, mut theirs): (Outcome, Outcome) = (Ok(None), Ok(None));
        let keep = |so_far: &mut Outcome, new: Outcome| {
            if new != Ok(None) {
                *so_far = new;
            }
        };
        let mut sent = 0;
        for _ in 0..60 {
            let (mut up, mut down) = (Vec::new(), Vec::new());
            keep(&mut ours, client.wake(now, &mut up));
            keep(&mut theirs, server.wake(now, &mut down));
            while !(up.is_empty() && down.is_empty()) {
                let (mut more_up, mut more_down) = (Vec::new(), Vec::new());
                for datagram in up {
                    sent += 1;
                    if lost == 0 || sent % lost != 0 {
                        keep(&mut theirs, server.receive(now, &datagram, &mut more_down));
                    }
                }
                for datagram in down {
                    sent += 1;
                    if lost == 0 || sent % lost != 0 {
                        keep(&mut ours, client.receive(now, &datagram, &mut more_up));
                    }
                }
                (up, down) = (more_up, more_down);
            }
            now += Duration::from_millis(250);
        }
        (ours, theirs)
    }

    #[test]
    fn both_ends_have_each_others_keys_also_when_every_fifth_datagram_is_lost() {
        for lost in [0, 5] {
            let (one, other) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
            let mut client = Handshake::new(&one, true, vec![fingerprint(&other)], Instant::now());
            let mut server = Handshake::new(&other, false, vec![fingerprint(&one)], Instant::now());

            let (ours, theirs) = shaken(&mut client, &mut server, lost);

            let (ours, theirs) = (ours.unwrap().unwrap(), theirs.unwrap().unwrap());
            assert_eq!((&ours.send, &ours.receive), (&theirs.receive, &theirs.send));
            assert_ne!(ours.send, ours.receive);
        }
    }

    #[test]
    fn a_certificate_that_sdp_did_not_tell_of_gives_no_keys() {
        let (one, other, third) =
            (Certificate::generate().unwrap(), Certificate::generate().unwrap(), Certificate::generate().unwrap());
        let mut client = Handshake::new(&one, true, vec![fingerprint(&other)], Instant::now());
        let mut server = Handshake::new(&other, false, vec![fingerprint(&third)], Instant::now());

        let (_, theirs) = shaken(&mut client, &mut server, 0);

        assert_eq!(theirs, Err(DtlsError::Stranger));
    }

    #[test]
    fn an_old_hash_or_a_digest_cut_short_is_no_fingerprint() {
        assert!(Fingerprint::new("SHA-256", &[7; 32]).is_some());
        assert!(Fingerprint::new("sha-256", &[7; 20]).is_none());
        assert!(Fingerprint::new("sha-1", &[7; 20]).is_none());
    }

    #[test]
    fn garbage_neither_ends_a_handshake_nor_gives_keys() {
        let (one, other) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
        let mut client = Handshake::new(&one, true, vec![fingerprint(&other)], Instant::now());
        let mut server = Handshake::new(&other, false, vec![fingerprint(&one)], Instant::now());
        let mut out = Vec::new();
        for n in 0..200u8 {
            let garbage: Vec<u8> = (0..n).map(|at| at.wrapping_mul(n) ^ 0x16).collect();
            assert_eq!(server.receive(Instant::now(), &garbage, &mut out), Ok(None));
        }

        let (ours, theirs) = shaken(&mut client, &mut server, 0);

        assert!(ours.unwrap().is_some() && theirs.unwrap().is_some());
    }
}
