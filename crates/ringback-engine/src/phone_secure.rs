//! How a phone leg comes by its keys and its address on the wire: DTLS and ICE on its own ports (RFC 5764, 8445).
//!
//! Each of the two ports agrees on its own keys, unless RTP and RTCP share one (RFC 5764 §4.1). DTLS is believed to be
//! the far end's only from where the far end is known to be: where ICE has checked, or what SDP and trunk say.

use std::net::SocketAddr;

use ringback_rtp::{IceLite, is_dtls, is_stun};

use crate::config::PhoneMedia;
use crate::crypto::{Crypto, PhoneCrypto};
use crate::dtls::{Datagrams, Progress};
use crate::event::Event;
use crate::phone::PhoneLeg;
use crate::ports::PhoneSocket;
use crate::shared::LegCounters;
use crate::worker::{LegKey, Timer, Worker};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    Rtp,
    Rtcp,
}

/// What one port knows beside its socket.
#[derive(Debug, Default)]
pub struct Guard {
    pub crypto: Option<Crypto>,
    pub ice: Option<IceLite>,
}

impl Guard {
    /// Whether what is sent here may leave: it is to be in the clear, or there are keys.
    pub fn is_ready(&self) -> bool {
        self.crypto.as_ref().is_none_or(Crypto::is_ready)
    }

    fn set_ice(&mut self, media: &PhoneMedia) {
        let stays = self.ice.as_ref().map(IceLite::credentials) == media.ice.as_ref();
        if !stays {
            self.ice = media.ice.clone().map(IceLite::new);
        }
    }
}

impl PhoneLeg {
    fn guard(&mut self, port: Port) -> (&mut Guard, &PhoneSocket) {
        match port {
            Port::Rtp => (&mut self.guard, &self.rtp),
            Port::Rtcp => (&mut self.rtcp_guard, &self.rtcp),
        }
    }

    /// What opens and seals RTCP: its own keys where it has a port and DTLS of its own.
    pub fn rtcp_crypto(&mut self) -> Option<&mut Crypto> {
        self.rtcp_guard.crypto.as_mut().or(self.guard.crypto.as_mut())
    }

    /// Whether the far end is known to be at `from`.
    fn is_expected_from(&self, port: Port, from: SocketAddr) -> bool {
        let guard = if port == Port::Rtp { &self.guard } else { &self.rtcp_guard };
        if let Some(ice) = &guard.ice {
            return ice.has_checked(from);
        }
        let Some(media) = &self.media else { return false };
        media.remote.is_some_and(|remote| remote.ip() == from.ip() && !media.hold_fire)
            || media.signalling_host == Some(from.ip())
            || media.networks.iter().any(|network| network.contains(from.ip()))
    }

    /// Where this port's packets go.
    fn destination(&self, port: Port) -> Option<SocketAddr> {
        match port {
            Port::Rtp => self.latch.destination(),
            Port::Rtcp => self.rtcp_destination(),
        }
    }
}

impl Worker {
    /// Whether a datagram was neither RTP nor RTCP, and has been dealt with.
    pub fn took_apart(&mut self, key: LegKey, port: Port, from: SocketAddr, datagram: &[u8]) -> bool {
        if is_stun(datagram) {
            self.stun_packet(key, port, from, datagram);
            return true;
        }
        if is_dtls(datagram) {
            self.dtls_packet(key, port, from, datagram);
            return true;
        }
        false
    }

    fn stun_packet(&mut self, key: LegKey, port: Port, from: SocketAddr, datagram: &[u8]) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let shared = leg.shared.clone();
        let Some(phone) = leg.phone() else { return };
        if phone.is_own(from) {
            return;
        }
        let (guard, socket) = phone.guard(port);
        let Some(ice) = &mut guard.ice else { return };
        let Some(answer) = ice.receive(now, from, datagram) else {
            LegCounters::add(&shared.counters.packets_rejected, 1);
            return;
        };
        let _ = socket.send_to(&answer, from);
        match (port, ice.nominated()) {
            (Port::Rtp, Some(named)) => phone.latch.name(named),
            (Port::Rtcp, named) => phone.rtcp_from = named,
            _ => {}
        }
        self.shake_hands(key);
    }

    fn dtls_packet(&mut self, key: LegKey, port: Port, from: SocketAddr, datagram: &[u8]) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let shared = leg.shared.clone();
        let Some(phone) = leg.phone() else { return };
        if phone.media.is_none() && port == Port::Rtp {
            // It knows us by our offer already, and we not yet it by its answer.
            phone.early = Some((from, datagram.to_vec()));
            return;
        }
        let is_expected = phone.is_expected_from(port, from);
        let (guard, _) = phone.guard(port);
        let is_checked = guard.ice.is_none() || is_expected;
        let Some(crypto) = guard.crypto.as_mut().filter(|_| is_checked) else {
            LegCounters::add(&shared.counters.packets_rejected, 1);
            return;
        };
        let mut out = Datagrams::new();
        let progress = crypto.receive(now, from, is_expected, datagram, &mut out);
        self.shaken(key, port, progress, &out);
    }

    /// What an offer/answer says of keys and addresses.
    pub fn set_guards(&mut self, key: LegKey, media: &PhoneMedia) {
        let (now, certificate) = (self.now, self.certificate.clone());
        let Some(phone) = self.legs.get_mut(&key).and_then(|leg| leg.phone()) else { return };
        let apart = !media.is_muxed();
        let ports = [(&mut phone.guard, true), (&mut phone.rtcp_guard, apart)];
        for (at, (guard, is_used)) in ports.into_iter().enumerate() {
            guard.set_ice(media);
            let is_dtls = matches!(media.crypto, Some(PhoneCrypto::Dtls(_)));
            // Keys that SDP told are the same for both ports.
            let terms = media.crypto.clone().filter(|_| is_used && (at == 0 || is_dtls));
            guard.crypto = match (guard.crypto.take(), terms) {
                (Some(mut crypto), Some(terms)) => {
                    crypto.set(now, terms);
                    Some(crypto)
                }
                (_, terms) => terms.map(|terms| Crypto::new(now, terms, &certificate)),
            };
        }
    }

    /// Go on with handshakes after an offer/answer or a nomination.
    pub fn shake_hands(&mut self, key: LegKey) {
        let now = self.now;
        let early = self.legs.get_mut(&key).and_then(|leg| leg.phone()).and_then(|phone| phone.early.take());
        if let Some((from, datagram)) = early {
            self.dtls_packet(key, Port::Rtp, from, &datagram);
        }
        for port in [Port::Rtp, Port::Rtcp] {
            let Some(phone) = self.legs.get_mut(&key).and_then(|leg| leg.phone()) else { return };
            let ice_waits = phone.guard(port).0.ice.as_ref().is_some_and(|ice| ice.nominated().is_none());
            let Some(with) = phone.destination(port).filter(|_| !ice_waits) else { continue };
            let (guard, _) = phone.guard(port);
            let Some(crypto) = &mut guard.crypto else { continue };
            let mut out = Datagrams::new();
            let progress = crypto.begin(now, with, &mut out);
            self.shaken(key, port, progress, &out);
        }
    }

    /// Handshakes are due.
    pub fn wake_handshake(&mut self, key: LegKey) {
        let now = self.now;
        for port in [Port::Rtp, Port::Rtcp] {
            let Some(phone) = self.legs.get_mut(&key).and_then(|leg| leg.phone()) else { return };
            phone.handshake_at = None;
            let (guard, _) = phone.guard(port);
            let Some(crypto) = &mut guard.crypto else { continue };
            let mut out = Datagrams::new();
            let progress = crypto.wake(now, &mut out);
            self.shaken(key, port, progress, &out);
        }
    }

    /// Send what a handshake wants sent, note what it brought, and set its alarm.
    fn shaken(&mut self, key: LegKey, port: Port, progress: Progress, out: &Datagrams) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let (shared, id) = (leg.shared.clone(), leg.id.clone());
        let Some(phone) = leg.phone() else { return };
        let (_, socket) = phone.guard(port);
        for (to, datagram) in out {
            let _ = socket.send_to(datagram, *to);
        }
        match progress {
            Progress::Going => {}
            Progress::Keyed(_, from) => {
                shared.counters.set_srtp(phone.guard.crypto.as_ref().and_then(Crypto::suite));
                match port {
                    Port::Rtp if phone.guard.ice.is_none() => phone.latch.name(from),
                    Port::Rtp => {}
                    Port::Rtcp => phone.rtcp_from = Some(from),
                }
            }
            Progress::Failed(reason) => {
                if !std::mem::replace(&mut phone.unprotected_told, true) {
                    self.mailbox.push(Event::LegUnprotected { leg: id.to_string(), reason });
                }
            }
        }
        let Some(phone) = self.legs.get_mut(&key).and_then(|leg| leg.phone()) else { return };
        let crypto = [&phone.guard.crypto, &phone.rtcp_guard.crypto];
        let Some(at) = crypto.into_iter().flatten().filter_map(Crypto::next_wake).min() else { return };
        if phone.handshake_at.is_none_or(|set| at < set) {
            phone.handshake_at = Some(at);
            self.timers.set(at, Timer::Handshake(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;
    use std::time::{Duration, Instant};

    use ringback_audio::Codec;
    use ringback_rtp::{Certificate, Fingerprint, Handshake, IceCredentials, Protect, RtpHeader, RtpPacket, Unprotect};

    use super::*;
    use crate::command::Command;
    use crate::config::PhoneCodec;
    use crate::dtls::DtlsTerms;
    use crate::ports;
    use crate::shared::LegShared;
    use crate::testing;

    fn fingerprint(certificate: &Certificate) -> Fingerprint {
        let (hash, digits) = certificate.fingerprint().split_once(' ').unwrap();
        let octets: Vec<u8> = digits.split(':').map(|two| u8::from_str_radix(two, 16).unwrap()).collect();
        Fingerprint::new(hash, &octets).unwrap()
    }

    /// A far end with one socket and, once it has shaken hands, keys.
    struct Far {
        socket: UdpSocket,
        handshake: Handshake,
        keys: Option<(Protect, Unprotect)>,
        /// What came that was neither DTLS nor opened.
        strange: usize,
        heard: usize,
    }

    struct Line {
        worker: Worker,
        key: LegKey,
        far: Far,
        to: SocketAddr,
    }

    impl Line {
        /// A leg whose SDP says that its far end has `told`'s fingerprint; it has `has`'s.
        fn new(is_active: bool, told: &Certificate, has: &Certificate) -> Line {
            let mut worker = testing::worker();
            let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
            let to = rtp.local_addr().unwrap();
            let (room, leg) = ("room".to_owned(), "ann".to_owned());
            worker.command(Command::OpenPhone { room, leg, rtp, rtcp, shared: Arc::new(LegShared::default()) });
            let key = worker.leg_key("ann").unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            let wanted = vec![fingerprint(&worker.certificate)];
            let handshake = Handshake::new(has, !is_active, wanted, worker.now);
            let mut line = Line { worker, key, far: Far { socket, handshake, keys: None, strange: 0, heard: 0 }, to };
            line.agree(is_active, told, None);
            line
        }

        fn agree(&mut self, is_active: bool, told: &Certificate, ice: Option<IceCredentials>) {
            let terms = DtlsTerms { fingerprints: vec![fingerprint(told)], is_active };
            let remote = self.far.socket.local_addr().ok();
            let media = PhoneMedia {
                remote,
                rtcp_port: remote.map(|remote| remote.port()),
                crypto: Some(PhoneCrypto::Dtls(terms)),
                ice,
                ..media()
            };
            self.worker.set_phone("ann", media);
        }

        /// Time passes, and packets go both ways.
        fn run(&mut self, time: Duration) {
            let end = self.worker.now + time;
            while self.worker.now < end {
                testing::pass(&mut self.worker, Duration::from_millis(20));
                for _ in 0..4 {
                    self.far.turn(self.worker.now, self.to);
                    for _ in 0..8 {
                        self.worker.read_rtp(self.key, false);
                    }
                }
            }
        }

        fn say(&mut self, sequence: u16) {
            let mut packet = Vec::new();
            let timestamp = u32::from(sequence) * 160;
            RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: 7 }.write(&[0xff; 160], &mut packet);
            let (protect, _) = self.far.keys.as_mut().expect("there are keys");
            assert!(protect.rtp(&mut packet));
            self.far.socket.send_to(&packet, self.to).unwrap();
        }

        fn received(&self) -> u64 {
            self.worker.legs[&self.key].shared.counters.packets_received.load(Relaxed)
        }

        fn unprotected(&self) -> bool {
            self.worker.mailbox.drain().iter().any(|event| matches!(event, Event::LegUnprotected { .. }))
        }
    }

    impl Far {
        fn turn(&mut self, now: Instant, to: SocketAddr) {
            let (mut out, mut buffer) = (Vec::new(), [0; 2048]);
            let mut outcomes = vec![self.handshake.wake(now, &mut out)];
            while let Ok((n, _)) = self.socket.recv_from(&mut buffer) {
                if is_dtls(&buffer[..n]) {
                    outcomes.push(self.handshake.receive(now, &buffer[..n], &mut out));
                    continue;
                }
                let opened = self.keys.as_mut().is_some_and(|(_, open)| match ringback_rtp::is_rtcp(&buffer[..n]) {
                    true => open.rtcp(&mut buffer[..n]).is_ok(),
                    false => open.rtp(&mut buffer[..n]).is_ok_and(|n| RtpPacket::parse(&buffer[..n]).is_ok()),
                });
                self.heard += usize::from(opened);
                self.strange += usize::from(!opened);
            }
            for keys in outcomes.into_iter().flatten().flatten() {
                self.keys = Some((Protect::new(keys.send), Unprotect::new(keys.receive, b"")));
            }
            for datagram in out {
                self.socket.send_to(&datagram, to).unwrap();
            }
        }
    }

    fn media() -> PhoneMedia {
        let ptime = Duration::from_millis(20);
        PhoneMedia::plain(PhoneCodec { codec: Codec::Pcmu, payload_type: 0, receive_payload_type: 0, ptime })
    }

    fn certificate() -> Certificate {
        Certificate::generate().unwrap()
    }

    #[test]
    fn keys_are_agreed_on_in_either_role_and_nothing_ever_leaves_in_the_clear() {
        for is_active in [false, true] {
            let far = certificate();
            let mut line = Line::new(is_active, &far, &far);

            line.run(Duration::from_secs(2));
            line.say(1);
            line.say(2);
            line.run(Duration::from_secs(1));

            assert_eq!(line.far.strange, 0, "active {is_active}");
            assert!(line.far.heard >= 40, "heard {}", line.far.heard);
            assert_eq!(line.received(), 2);
            assert!(line.worker.legs[&line.key].shared.counters.srtp().is_some());
        }
    }

    #[test]
    fn a_reinvite_with_the_same_certificate_goes_on_with_the_same_keys() {
        let far = certificate();
        let mut line = Line::new(false, &far, &far);
        line.run(Duration::from_secs(1));
        line.say(65_535);
        line.say(0);
        line.run(Duration::from_millis(100));

        line.agree(false, &far, None);
        line.say(1);
        line.run(Duration::from_secs(1));

        assert_eq!(line.received(), 3);
        assert_eq!(line.far.strange, 0);
    }

    /// E7.
    #[test]
    fn a_far_end_with_another_certificate_than_its_sdp_told_of_is_reported_and_gets_no_sound() {
        for is_active in [false, true] {
            let mut line = Line::new(is_active, &certificate(), &certificate());

            line.run(Duration::from_secs(3));

            assert!(line.unprotected());
            assert_eq!((line.far.strange, line.far.heard), (0, 0));
        }
    }

    /// E10.
    #[test]
    fn a_far_end_that_speaks_in_the_clear_where_keys_are_to_be_agreed_on_is_not_heard_and_hears_nothing() {
        let far = certificate();
        let mut line = Line::new(false, &far, &certificate());
        for sequence in 0..100 {
            let mut packet = Vec::new();
            RtpHeader { payload_type: 0, marker: false, sequence, timestamp: 0, ssrc: 7 }
                .write(&[0xff; 160], &mut packet);
            line.far.socket.send_to(&packet, line.to).unwrap();
            testing::pass(&mut line.worker, Duration::from_millis(20));
            line.worker.read_rtp(line.key, false);
        }

        assert_eq!(line.received(), 0);
        let mut buffer = [0; 2048];
        while let Ok((n, _)) = line.far.socket.recv_from(&mut buffer) {
            assert!(is_dtls(&buffer[..n]), "nothing but DTLS");
        }
    }

    /// E6 with ICE: only an address that has been checked may shake hands.
    #[test]
    fn where_ice_was_offered_dtls_counts_only_from_a_checked_address() {
        let far = certificate();
        let mut line = Line::new(false, &far, &far);
        let ice = IceCredentials { ufrag: "us".into(), password: "p".repeat(22), remote_ufrag: "them".into() };
        line.agree(false, &far, Some(ice));

        line.run(Duration::from_secs(3));

        assert!(line.far.keys.is_none());
        assert!(!line.unprotected());
    }
}
