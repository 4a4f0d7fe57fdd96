//! Sound past str0m: it is sealed here under the keys of str0m's DTLS, with the SSRC that str0m declared, and sent where
//! str0m sends its own.
//!
//! str0m goes through ICE, SCTP, all streams and its pacer for each packet; sound needs none of that. It keeps what
//! takes time: ICE, DTLS, reports. A packet goes its way instead when it is not known where that leads at present (after
//! anything of ICE, and over TCP), and to who sees pictures. Both ways spend numbers of one stock ([`Numbers`]), so that no
//! two packets are sealed under one. Reports are str0m's, under str0m's index; what they say of a stream is written anew
//! ([`Straight::correct`]).

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use ringback_rtp::{Numbers, Sealer, Unused};
use str0m::media::{Mid, Pt};

use crate::crypto::Keys;
use crate::peer::{Extensions, Format, Transmit};

/// RFC 8285 §4.2: header extensions of one octet each have these numbers.
const SHORT_IDS: std::ops::RangeInclusive<u8> = 1..=14;
/// RFC 3550 §6.4.1.
const SENDER_REPORT: u8 = 200;
/// Octets of a sender report up to the end of what is said of the sender.
const SENDER_INFO: usize = 28;

/// What of a peer's sound goes past str0m.
pub struct Straight {
    keys: Keys,
    sealer: Option<Sealer>,
    /// Where str0m sends what is not ICE's, if sound may go there without it.
    path: Option<SocketAddr>,
    /// By the m-line it is sent on.
    streams: HashMap<Mid, Stream>,
    /// Sealed, to be sent.
    ready: VecDeque<Transmit>,
}

/// SSRC and header extensions (m-line, audio level) of a stream.
pub type Declared = (u32, (Option<u8>, Option<u8>));

/// One stream of sound that is sent.
pub struct Stream {
    /// As str0m declared it.
    pub ssrc: u32,
    /// Header extensions agreed on: m-line and audio level.
    pub ids: (Option<u8>, Option<u8>),
    /// What was sent last, and the payload types for it: plain, and with earlier sound in it.
    pub agreed: Option<(Format, Pt, Option<Pt>)>,
    numbers: Numbers,
    packets: u32,
    octets: u32,
    /// Timestamp of the last packet, when it was written, and ticks per second.
    last: Option<(u32, Instant, u32)>,
}

/// A packet of sound as it goes out.
pub struct Sound<'a> {
    pub mid: Mid,
    pub pt: Pt,
    pub sequence: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub extensions: Extensions,
    pub payload: &'a [u8],
}

impl Stream {
    fn new(ssrc: u32, ids: (Option<u8>, Option<u8>)) -> Stream {
        Stream { ssrc, ids, agreed: None, numbers: Numbers::default(), packets: 0, octets: 0, last: None }
    }

    /// Note what is sent, by whichever way; `None` when its number has been used, and it must not be.
    fn note(&mut self, sound: &Sound, clock: u32, now: Instant) -> Option<Unused> {
        let unused = self.numbers.claim(sound.sequence)?;
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(sound.payload.len() as u32);
        self.last = Some((sound.timestamp, now, clock));
        Some(unused)
    }

    fn datagram(&self, sealer: &Sealer, sound: &Sound, number: Unused) -> Option<Vec<u8>> {
        let mut packet = Vec::with_capacity(12 + 28 + sound.payload.len() + sealer.tag_length());
        packet.extend([0x80, u8::from(sound.marker) << 7 | *sound.pt & 0x7f]);
        packet.extend((sound.sequence as u16).to_be_bytes());
        packet.extend(sound.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        self.extend(sound, &mut packet);
        packet.extend_from_slice(sound.payload);
        sealer.rtp(number, &mut packet).then_some(packet)
    }

    /// Header extensions (RFC 8285 §4.2), as many as were agreed on.
    fn extend(&self, sound: &Sound, packet: &mut Vec<u8>) {
        let begin = packet.len();
        packet.extend([0xbe, 0xde, 0, 0]);
        let (mid, level) = self.ids;
        if let Some(id) = mid {
            packet.push(id << 4 | (sound.mid.len() as u8 - 1));
            packet.extend_from_slice(sound.mid.as_bytes());
        }
        if let (Some(id), Some(level), Some(voice)) = (level, sound.extensions.audio_level, sound.extensions.voice) {
            packet.extend([id << 4, u8::from(voice) << 7 | level.unsigned_abs() & 0x7f]);
        }
        if packet.len() == begin + 4 {
            return packet.truncate(begin);
        }
        packet.resize(packet.len().next_multiple_of(4), 0);
        packet[begin + 3] = ((packet.len() - begin) / 4 - 1) as u8;
        packet[0] |= 0x10;
    }

    /// Write what is true of this stream at `now` into a report on it.
    fn correct(&self, report: &mut [u8], now: Instant) {
        let Some((timestamp, at, clock)) = self.last else { return };
        let passed = now.saturating_duration_since(at).as_micros() * u128::from(clock) / 1_000_000;
        let values = [timestamp.wrapping_add(passed as u32), self.packets, self.octets];
        let places = report[16..SENDER_INFO].chunks_exact_mut(4);
        places.zip(values).for_each(|(place, value)| place.copy_from_slice(&value.to_be_bytes()));
    }
}

impl Straight {
    pub fn new(keys: Keys) -> Straight {
        Straight { keys, sealer: None, path: None, streams: HashMap::new(), ready: VecDeque::new() }
    }

    /// str0m sent something that is not ICE's there; `None`: sound is to go by str0m.
    pub fn goes(&mut self, to: Option<SocketAddr>) {
        self.path = to;
    }

    /// It may go elsewhere now.
    pub fn is_in_doubt(&mut self) {
        self.path = None;
    }

    /// DTLS may have agreed on keys.
    pub fn look_for_keys(&mut self) {
        if let Some(master) = self.keys.take() {
            self.sealer = Some(Sealer::new(master));
        }
    }

    /// The stream of an m-line, if anything was sent on it.
    pub fn stream(&mut self, mid: Mid) -> Option<&mut Stream> {
        self.streams.get_mut(&mid)
    }

    /// The highest number sent on an m-line.
    pub fn newest(&self, mid: Mid) -> Option<u64> {
        self.streams.get(&mid)?.numbers.newest()
    }

    /// What is agreed on has changed: payload types, header extensions, perhaps the path.
    pub fn agree_anew(&mut self) {
        self.is_in_doubt();
        self.streams.values_mut().for_each(|stream| stream.agreed = None);
    }

    /// The stream of an m-line as str0m declares it. While its SSRC stays, so do its numbers.
    pub fn declare(&mut self, mid: Mid, (ssrc, ids): Declared) -> &mut Stream {
        let stream = self.streams.entry(mid).or_insert_with(|| Stream::new(ssrc, ids));
        match stream.ssrc == ssrc {
            true => stream.ids = ids,
            false => *stream = Stream::new(ssrc, ids),
        }
        stream
    }

    /// Seal a packet, and keep it until it is taken; the number for str0m to send it with if it cannot go this way.
    /// `None`: it is done with, or its number was used before.
    pub fn write(&mut self, sound: &Sound, clock: u32, now: Instant) -> Option<u64> {
        let stream = self.streams.get_mut(&sound.mid)?;
        let number = stream.note(sound, clock, now)?;
        let (Some(sealer), Some(destination)) = (&self.sealer, self.path) else { return Some(number.spend()) };
        if let Some(contents) = stream.datagram(sealer, sound, number) {
            self.ready.push_back(Transmit { tcp: false, destination, contents });
        }
        None
    }

    /// The next datagram to be sent.
    pub fn take(&mut self) -> Option<Transmit> {
        self.ready.pop_front()
    }

    /// Write into str0m's reports what was sent past it: packets, octets, and which moment of the sound is now.
    pub fn correct(&self, datagram: &mut [u8], now: Instant) {
        // Reports of senders come first in a compound, and the first packet's type is not encrypted.
        let is_report = datagram.get(1) == Some(&SENDER_REPORT) && !self.streams.is_empty();
        let Some(sealer) = self.sealer.as_ref().filter(|_| is_report) else { return };
        sealer.rtcp_again(datagram, |compound| {
            let mut rest = compound;
            while let Some(length) = report_length(rest) {
                let (report, behind) = rest.split_at_mut(length);
                if report[1] == SENDER_REPORT && length >= SENDER_INFO {
                    let of = |stream: &&Stream| report[4..8] == stream.ssrc.to_be_bytes();
                    let stream = self.streams.values().find(of);
                    stream.into_iter().for_each(|stream| stream.correct(report, now));
                }
                rest = behind;
            }
        });
    }
}

/// The header extension's number, if it can be written in the short form.
pub fn short(id: Option<u8>) -> Option<u8> {
    id.filter(|id| SHORT_IDS.contains(id))
}

/// Octets of the first packet of a compound.
fn report_length(compound: &[u8]) -> Option<usize> {
    let words = compound.get(2..4)?;
    let length = 4 * (1 + usize::from(u16::from_be_bytes([words[0], words[1]])));
    (compound.len() >= length && length >= 8).then_some(length)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringback_rtp::{
        MasterKey, Protect, Rtcp, RtpPacket, SenderInfo, Suite, Unprotect, parse_compound, write_compound,
    };

    use super::*;
    use crate::peer::FormatKind;

    const SSRC: u32 = 0x0102_0304;

    fn key(suite: Suite) -> MasterKey {
        MasterKey::new(suite, &vec![7; suite.key_length() + suite.salt_length()]).unwrap()
    }

    /// With keys and a path, and one stream on the m-line "a1".
    fn ready(suite: Suite, ids: (Option<u8>, Option<u8>)) -> Straight {
        let keys = Keys::default();
        keys.leave(key(suite));
        let mut straight = Straight::new(keys);
        straight.look_for_keys();
        straight.goes(Some(([10, 0, 0, 1], 4000).into()));
        straight.declare("a1".into(), (SSRC, ids));
        straight
    }

    fn sound(sequence: u64) -> Sound<'static> {
        let extensions = Extensions { audio_level: Some(-30), voice: Some(true), orientation: None };
        let timestamp = (sequence as u32).wrapping_mul(960);
        let mid = "a1".into();
        Sound { mid, pt: 111.into(), sequence, timestamp, marker: true, extensions, payload: &[9; 60] }
    }

    fn write(straight: &mut Straight, sequence: u64, now: Instant) -> Option<u64> {
        straight.write(&sound(sequence), FormatKind::Opus.clock_rate(), now)
    }

    #[test]
    fn a_packet_has_the_header_extensions_that_were_agreed_on_and_is_sealed_for_the_far_end() {
        let agreed = [
            ((Some(4), Some(1)), Some(vec![0x41, b'a', b'1', 0x10, 0x80 | 30, 0, 0, 0])),
            ((Some(4), None), Some(vec![0x41, b'a', b'1', 0])),
            ((None, Some(14)), Some(vec![0xe0, 0x80 | 30, 0, 0])),
            ((None, None), None),
        ];
        for suite in [Suite::AesCm128Sha1_80, Suite::Aead128Gcm, Suite::Aead256Gcm] {
            for (ids, extensions) in agreed.clone() {
                let mut straight = ready(suite, ids);

                assert_eq!(write(&mut straight, 500, Instant::now()), None);

                let Transmit { tcp, destination, mut contents } = straight.take().unwrap();
                assert_eq!((tcp, destination), (false, ([10, 0, 0, 1], 4000).into()));
                let length = Unprotect::new(key(suite), b"").rtp(&mut contents).unwrap();
                let packet = RtpPacket::parse(&contents[..length]).unwrap();
                assert_eq!((packet.payload_type, packet.marker, packet.sequence), (111, true, 500));
                assert_eq!((packet.timestamp, packet.ssrc, packet.payload), (480_000, SSRC, &[9; 60][..]));
                assert_eq!(packet.extension.map(|e| (e.profile, e.data.to_vec())), extensions.map(|e| (0xbede, e)));
            }
        }
    }

    #[test]
    fn a_number_is_sent_once_whichever_way_it_went() {
        let (mut straight, now) = (ready(Suite::Aead128Gcm, (None, None)), Instant::now());

        straight.is_in_doubt();
        let by_str0m: Vec<_> = [10, 11, 10].map(|n| write(&mut straight, n, now)).into();
        straight.goes(Some(([10, 0, 0, 1], 4000).into()));
        for number in [11, 12, 12, 10] {
            assert_eq!(write(&mut straight, number, now), None);
        }

        assert_eq!(by_str0m, [Some(10), Some(11), None]);
        assert_eq!(std::iter::from_fn(|| straight.take()).count(), 1);
    }

    #[test]
    fn without_keys_or_over_tcp_str0m_sends_it() {
        let now = Instant::now();
        let mut over_tcp = ready(Suite::Aead128Gcm, (None, None));
        over_tcp.goes(None);
        let mut early = Straight::new(Keys::default());
        early.goes(Some(([10, 0, 0, 1], 4000).into()));
        early.declare("a1".into(), (SSRC, (None, None)));

        assert_eq!([write(&mut over_tcp, 1, now), write(&mut early, 1, now)], [Some(1), Some(1)]);
        assert!(over_tcp.take().is_none() && early.take().is_none());
    }

    #[test]
    fn a_report_says_what_was_sent_and_which_moment_of_it_is_now() {
        let begun = Instant::now();
        for suite in [Suite::AesCm128Sha1_80, Suite::Aead256Gcm] {
            let mut straight = ready(suite, (None, None));
            (0..250)
                .for_each(|n| assert_eq!(write(&mut straight, n, begun + Duration::from_millis(20) * n as u32), None));
            let info = SenderInfo { ntp: 77, rtp_timestamp: 1, packets: 5, octets: 6 };
            let said = |ssrc, info| Rtcp::SenderReport { ssrc, info, blocks: vec![] };
            let name = Rtcp::SourceDescription(vec![(SSRC, Some("us".into()))]);
            let (mut str0m, mut far) = (Protect::new(key(suite)), Unprotect::new(key(suite), b""));
            for reports in [[said(SSRC, info), name.clone(), said(8, info)], [said(8, info), name, said(SSRC, info)]] {
                let mut compound = Vec::new();
                write_compound(&reports, &mut compound);
                assert!(str0m.rtcp(&mut compound));

                straight.correct(&mut compound, begun + Duration::from_millis(249 * 20 + 5));

                let length = far.rtcp(&mut compound).unwrap();
                let heard = parse_compound(&compound[..length]).unwrap();
                let sent = SenderInfo { ntp: 77, rtp_timestamp: 249 * 960 + 240, packets: 250, octets: 250 * 60 };
                assert_eq!(heard.iter().filter(|report| **report == said(SSRC, sent)).count(), 1, "{heard:?}");
                assert!(heard.contains(&said(8, info)), "of another stream nothing is known here");
            }
        }
    }

    #[test]
    fn a_stream_that_is_declared_anew_begins_anew_and_one_that_stays_goes_on() {
        let (mut straight, now) = (ready(Suite::Aead128Gcm, (None, None)), Instant::now());
        assert_eq!(write(&mut straight, 40, now), None);

        straight.agree_anew();
        straight.declare("a1".into(), (SSRC, (Some(3), None)));
        assert_eq!([40, 41].map(|number| write(&mut straight, number, now)), [None, Some(41)]);
        straight.declare("a1".into(), (SSRC + 1, (None, None)));

        assert_eq!((straight.newest("a1".into()), write(&mut straight, 40, now)), (None, Some(40)));
    }
}
