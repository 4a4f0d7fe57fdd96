//! A peer of ours and a client made of str0m, joined in memory on a clock that jumps.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use ringback_sfu::{
    Extensions, FormatKind, Identity, Mid, Output, Packet, Peer, PeerEvent, PeerState, Transmit, ufrag,
};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, SeqNo};
use str0m::{Candidate, Event, Input, Rtc, RtcConfig};

const STEP: Duration = Duration::from_millis(5);

fn server() -> SocketAddr {
    ([127, 0, 0, 1], 7882).into()
}

fn client_address() -> SocketAddr {
    ([127, 0, 0, 1], 50_000).into()
}

struct Pair {
    now: Instant,
    peer: Peer,
    client: Rtc,
    /// Datagrams of the client that have not reached the peer.
    towards_peer: Vec<Vec<u8>>,
    events: Vec<PeerEvent>,
    seen: Vec<Event>,
    /// One in so many datagrams is lost, each way; 0: none.
    lossy: u32,
    seed: u32,
}

impl Pair {
    /// A client that offers one m-line for each of these, connected.
    fn connected(media: &[(MediaKind, Direction)]) -> (Pair, Vec<Mid>) {
        Pair::connected_with(media, None)
    }

    fn connected_with(media: &[(MediaKind, Direction)], layers: Option<Simulcast>) -> (Pair, Vec<Mid>) {
        Pair::of(Rtc::builder().set_rtp_mode(true), media, layers)
    }

    fn of(client: RtcConfig, media: &[(MediaKind, Direction)], layers: Option<Simulcast>) -> (Pair, Vec<Mid>) {
        let now = Instant::now();
        let peer = Peer::new(&Identity::generate().unwrap(), &[server()], now);
        let mut client = client.build(now);
        client.add_local_candidate(Candidate::host(client_address(), Protocol::Udp).unwrap());
        let mut api = client.sdp_api();
        let mids = media.iter().map(|(kind, way)| api.add_media(*kind, *way, None, None, layers.clone())).collect();
        let (offer, pending) = api.apply().unwrap();
        let mut pair =
            Pair { now, peer, client, towards_peer: vec![], events: vec![], seen: vec![], lossy: 0, seed: 7 };
        let answer = pair.peer.offer(&offer.to_sdp_string()).unwrap();
        let answer = SdpAnswer::from_sdp_string(&answer).unwrap();
        pair.client.sdp_api().accept_answer(pending, answer).unwrap();
        for _ in 0..400 {
            pair.step();
            if pair.client.is_connected() && pair.has(PeerState::Connected) {
                return (pair, mids);
            }
        }
        panic!("they do not connect: {:?}", pair.events);
    }

    fn has(&self, state: PeerState) -> bool {
        self.events.iter().any(|event| matches!(event, PeerEvent::State(s) if *s == state))
    }

    /// Time passes, datagrams pass both ways.
    fn step(&mut self) {
        self.now += STEP;
        self.client.handle_input(Input::Timeout(self.now)).unwrap();
        self.drain_client();
        for datagram in std::mem::take(&mut self.towards_peer) {
            if self.loses() {
                continue;
            }
            assert!(self.peer.receive(false, client_address(), &datagram, self.now).unwrap());
            self.drain_peer();
        }
        self.peer.timeout(self.now).unwrap();
        self.drain_peer();
    }

    fn loses(&mut self) -> bool {
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.lossy > 0 && (self.seed >> 8).is_multiple_of(self.lossy)
    }

    fn drain_client(&mut self) {
        loop {
            match self.client.poll_output().unwrap() {
                str0m::Output::Timeout(_) => return,
                str0m::Output::Transmit(t) if t.destination == server() => self.towards_peer.push(t.contents.to_vec()),
                str0m::Output::Transmit(_) => {}
                str0m::Output::Event(event) => self.seen.push(event),
            }
        }
    }

    fn drain_peer(&mut self) {
        for transmit in self.poll_peer() {
            if self.loses() {
                continue;
            }
            let receive = Receive::new(Protocol::Udp, server(), client_address(), &transmit.contents).unwrap();
            self.client.handle_input(Input::Receive(self.now, receive)).unwrap();
            self.drain_client();
        }
    }

    fn poll_peer(&mut self) -> Vec<Transmit> {
        let mut sent = Vec::new();
        loop {
            match self.peer.poll().unwrap() {
                Output::Wait(_) => return sent,
                Output::Transmit(transmit) => sent.push(transmit),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn received(&self) -> Vec<(u16, usize)> {
        let packet = |event: &Event| match event {
            Event::RtpPacket(packet) => Some((packet.header.sequence_number, packet.payload.len())),
            _ => None,
        };
        self.seen.iter().filter_map(packet).collect()
    }

    fn publish_nackable(&mut self, mid: Mid, sequence: u64, payload: &[u8]) {
        let pt = self.client.media(mid).unwrap().remote_pts()[0];
        let mut api = self.client.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).unwrap();
        let write = RtpWrite::new(pt, SeqNo::from(sequence), sequence as u32 * 3000, self.now, payload.to_vec());
        stream.write_rtp(write.nackable(true));
    }

    fn publish(&mut self, mid: Mid, sequence: u64, payload: &[u8]) {
        let pt = self.client.media(mid).unwrap().remote_pts()[0];
        let mut api = self.client.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).unwrap();
        let time = sequence as u32 * 960;
        stream.write_rtp(RtpWrite::new(pt, SeqNo::from(sequence), time, self.now, payload.to_vec()));
        self.step();
    }
}

fn packet(kind: FormatKind, payload: &[u8]) -> Packet {
    Packet {
        mid: Mid::from("x"),
        ssrc: 1,
        layer: 0,
        format: kind.plain(),
        sequence: 0,
        timestamp: 0,
        marker: false,
        payload: payload.into(),
        redundant: None,
        extensions: Extensions::default(),
    }
}

#[test]
fn several_packets_may_be_written_before_one_drain() {
    let (mut pair, mids) = Pair::connected(&[(MediaKind::Audio, Direction::RecvOnly)]);

    for n in 1..=10u64 {
        let packet = packet(FormatKind::Opus, &[7; 80]);
        assert!(pair.peer.write(mids[0], &packet, n, n as u32 * 960, pair.now));
    }
    pair.step();
    pair.step();

    assert_eq!(pair.received(), (1..=10).map(|n| (n, 80)).collect::<Vec<_>>());
}

#[test]
fn a_format_the_client_did_not_agree_to_is_not_written() {
    let (mut pair, mids) = Pair::connected(&[(MediaKind::Audio, Direction::RecvOnly)]);

    assert!(pair.peer.takes(mids[0], FormatKind::Opus.plain()));
    assert!(!pair.peer.takes(mids[0], FormatKind::Pcmu.plain()));
    assert!(!pair.peer.write(mids[0], &packet(FormatKind::Pcmu, &[0; 160]), 1, 160, pair.now));
    assert!(!pair.peer.takes(Mid::from("no"), FormatKind::Opus.plain()));
}

#[test]
fn what_the_client_sends_comes_out_with_its_m_line_and_format() {
    let (mut pair, mids) =
        Pair::connected(&[(MediaKind::Audio, Direction::SendOnly), (MediaKind::Video, Direction::SendOnly)]);

    pair.publish(mids[0], 1, &[1; 60]);
    pair.publish(mids[1], 1, &[2; 900]);
    pair.step();

    let packets: Vec<_> = pair
        .events
        .iter()
        .filter_map(|event| match event {
            PeerEvent::Packet(p) => Some((p.mid, p.format.kind, p.payload.len())),
            _ => None,
        })
        .collect();
    assert_eq!(packets, [(mids[0], FormatKind::Opus, 60), (mids[1], FormatKind::Vp8, 900)]);
}

#[test]
fn the_layers_of_a_camera_are_told_apart_by_the_order_of_the_offer() {
    let mut layers = Simulcast::new();
    ["l", "m", "h"].into_iter().for_each(|rid| layers.add_send_layer(SimulcastLayer::new(rid)));
    let (mut pair, mids) = Pair::connected_with(&[(MediaKind::Video, Direction::SendOnly)], Some(layers));

    for (rid, size) in [("h", 900), ("l", 100), ("m", 400)] {
        let pt = pair.client.media(mids[0]).unwrap().remote_pts()[0];
        let mut api = pair.client.direct_api();
        let stream = api.stream_tx_by_mid(mids[0], Some(Rid::from(rid))).unwrap();
        stream.write_rtp(RtpWrite::new(pt, SeqNo::from(5), 9000, pair.now, vec![0x10; size]));
        pair.step();
        pair.step();
    }

    let packets = pair.events.iter().filter_map(|event| match event {
        PeerEvent::Packet(p) => Some((p.layer, p.payload.len())),
        _ => None,
    });
    assert_eq!(packets.collect::<Vec<_>>(), [(2, 900), (0, 100), (1, 400)]);
}

#[test]
fn sound_with_earlier_sound_in_it_is_passed_on_to_who_agreed_on_it_and_taken_apart_for_others() {
    let redundant = || Rtc::builder().set_rtp_mode(true).clear_codecs().enable_opus(true, true);
    let (mut talker, mics) = Pair::of(redundant(), &[(MediaKind::Audio, Direction::SendOnly)], None);
    let (mut agreed, theirs) = Pair::of(redundant(), &[(MediaKind::Audio, Direction::RecvOnly)], None);
    let (mut plain, others) = Pair::connected(&[(MediaKind::Audio, Direction::RecvOnly)]);
    let params = talker.client.codec_config().params()[0];
    let (opus, red) = (*params.pt(), params.red().expect("it was agreed on"));
    let blocks = [&[0x80 | opus, 0x0f, 0x00, 40, opus][..], &[1; 40], &[2; 50]].concat();

    for n in 1..=3u64 {
        let mut api = talker.client.direct_api();
        let stream = api.stream_tx_by_mid(mics[0], None).unwrap();
        stream.write_rtp(RtpWrite::new(red, SeqNo::from(n), n as u32 * 960, talker.now, blocks.clone()));
        talker.step();
    }
    talker.step();
    let packets =
        talker.events.iter().filter_map(|event| if let PeerEvent::Packet(p) = event { Some(p) } else { None });
    for (n, packet) in (1..).zip(packets) {
        assert_eq!((packet.format.kind, &*packet.payload), (FormatKind::Opus, &[2; 50][..]));
        assert!(agreed.peer.write(theirs[0], packet, n, n as u32 * 960, agreed.now));
        assert!(plain.peer.write(others[0], packet, n, n as u32 * 960, plain.now));
        agreed.step();
        plain.step();
    }
    agreed.step();
    plain.step();

    assert_eq!(agreed.received(), (1..=3).map(|n| (n, blocks.len())).collect::<Vec<_>>());
    assert_eq!(plain.received(), (1..=3).map(|n| (n, 50)).collect::<Vec<_>>());
}

#[test]
fn pictures_are_whole_both_ways_though_one_packet_in_ten_is_lost() {
    let (mut pair, mids) =
        Pair::connected(&[(MediaKind::Video, Direction::SendOnly), (MediaKind::Video, Direction::RecvOnly)]);
    pair.publish(mids[0], 1, &[2; 900]);
    pair.step();
    pair.lossy = 10;

    // Half a second in which nothing new is sent is time to mend the end.
    for n in 2..=300u64 {
        pair.publish_nackable(mids[0], n, &[2; 900]);
        let packet = packet(FormatKind::Vp8, &[0x10; 900]);
        assert!(pair.peer.write(mids[1], &packet, n, n as u32 * 3000, pair.now));
        pair.step();
    }
    pair.lossy = 0;
    for n in 301..=303u64 {
        pair.publish_nackable(mids[0], n, &[2; 900]);
        assert!(pair.peer.write(mids[1], &packet(FormatKind::Vp8, &[0x10; 900]), n, n as u32 * 3000, pair.now));
        (0..100).for_each(|_| pair.step());
    }

    let mut received: Vec<u16> = pair.received().into_iter().map(|(n, _)| n).collect();
    let sequence = |event: &PeerEvent| if let PeerEvent::Packet(p) = event { Some(p.sequence as u16) } else { None };
    let mut published: Vec<u16> = pair.events.iter().filter_map(sequence).collect();
    for numbers in [&mut received, &mut published] {
        numbers.sort_unstable();
        numbers.dedup();
    }
    assert_eq!(published, (1..=303).collect::<Vec<u16>>());
    assert_eq!(received, (2..=303).collect::<Vec<u16>>());
}

#[test]
fn feedback_on_arrivals_is_agreed_on_for_pictures_and_not_for_sound() {
    let mut client = Rtc::builder().set_rtp_mode(true).build(Instant::now());
    let mut api = client.sdp_api();
    for kind in [MediaKind::Audio, MediaKind::Video] {
        api.add_media(kind, Direction::SendRecv, None, None, None);
    }
    let offer = api.apply().unwrap().0.to_sdp_string();
    let mut peer = Peer::new(&Identity::generate().unwrap(), &[server()], Instant::now());

    let answer = peer.offer(&offer).unwrap();

    let (sound, pictures) = answer[answer.find("m=audio").unwrap()..].split_once("m=video").unwrap();
    assert!(offer.split("m=video").all(|part| part.contains("transport-wide-cc")), "{offer}");
    assert!(!sound.contains("transport-wide-cc") && !sound.contains("transport-cc"), "{sound}");
    assert!(pictures.contains("transport-wide-cc") && pictures.contains("transport-cc"), "{pictures}");
    assert!(sound.contains("ssrc-audio-level"), "{sound}");
}

#[test]
fn sound_leaves_at_once_and_nothing_is_to_do_until_the_next_packet() {
    let (mut pair, mids) = Pair::connected(&[(MediaKind::Audio, Direction::RecvOnly)]);
    let (sound, mut idle) = (packet(FormatKind::Opus, &[1; 80]), 0);
    for n in 0..100 {
        pair.now += Duration::from_millis(20);
        assert!(pair.peer.write(mids[0], &sound, n, n as u32 * 960, pair.now));
        pair.peer.timeout(pair.now).unwrap();
        let mut left = 0;
        let wait = loop {
            match pair.peer.poll().unwrap() {
                Output::Wait(at) => break at,
                Output::Transmit(transmit) => left += usize::from(transmit.contents.len() > 100),
                Output::Event(_) => {}
            }
        };
        assert_eq!(left, 1, "packet {n}");
        idle += usize::from(wait >= pair.now + Duration::from_millis(20));
    }
    // Now and then a report is due.
    assert!(idle >= 95, "{idle} of 100");
}

#[test]
fn a_peer_that_is_sent_nothing_is_rarely_woken_and_says_little_until_its_path_is_looked_at() {
    let (mut pair, _) =
        Pair::connected(&[(MediaKind::Audio, Direction::RecvOnly), (MediaKind::Video, Direction::RecvOnly)]);
    pair.peer.set_desired_bitrate(64_000);
    // What looks for the path's limit at first.
    (0..600).for_each(|_| pair.step());
    let idle = |pair: &mut Pair| {
        let (end, mut wakes, mut said) = (pair.now + Duration::from_secs(10), 0, 0);
        while pair.now < end {
            pair.client.handle_input(Input::Timeout(pair.now)).unwrap();
            pair.drain_client();
            for datagram in std::mem::take(&mut pair.towards_peer) {
                pair.peer.receive(false, client_address(), &datagram, pair.now).unwrap();
            }
            pair.peer.timeout(pair.now).unwrap();
            wakes += 1;
            let wait = loop {
                match pair.peer.poll().unwrap() {
                    Output::Wait(at) => break at,
                    Output::Transmit(transmit) => {
                        said += transmit.contents.len();
                        let receive = Receive::new(Protocol::Udp, server(), client_address(), &transmit.contents);
                        pair.client.handle_input(Input::Receive(pair.now, receive.unwrap())).unwrap();
                        pair.drain_client();
                    }
                    Output::Event(_) => {}
                }
            };
            pair.now = wait.max(pair.now + Duration::from_micros(100));
        }
        (wakes, said)
    };

    let (wakes, said) = idle(&mut pair);
    pair.peer.set_desired_bitrate(2_000_000);
    let (_, looking) = idle(&mut pair);

    assert!(wakes < 150 && said < 12_000, "{wakes} wakes, {said} bytes in ten seconds");
    assert!(looking > 25_000, "{looking} bytes to find what the path carries");
}

#[test]
fn a_path_is_estimated_and_a_narrow_one_is_noticed() {
    let (mut pair, mids) = Pair::connected(&[(MediaKind::Video, Direction::RecvOnly)]);
    pair.peer.set_desired_bitrate(5_000_000);
    let estimates = |pair: &Pair| -> Vec<u64> {
        pair.events.iter().filter_map(|e| if let PeerEvent::Estimate(bps) = e { Some(*bps) } else { None }).collect()
    };

    let send = |pair: &mut Pair, from: u64| {
        for n in from..from + 1000 {
            pair.peer.write(mids[0], &packet(FormatKind::Vp8, &[0x10; 1000]), n, n as u32 * 450, pair.now);
            pair.step();
        }
    };
    send(&mut pair, 1);
    let wide = estimates(&pair).last().copied().unwrap();
    pair.lossy = 3;
    send(&mut pair, 1001);
    let narrow = estimates(&pair).last().copied().unwrap();

    assert!(wide > 1_500_000 && narrow < wide / 2, "{wide} {narrow}");
}

#[test]
fn a_key_frame_is_asked_for_and_wanted_by_its_stream() {
    let (mut pair, mids) =
        Pair::connected(&[(MediaKind::Video, Direction::SendOnly), (MediaKind::Video, Direction::RecvOnly)]);
    pair.publish(mids[0], 1, &[2; 900]);
    pair.step();
    let ssrc = pair.events.iter().find_map(|e| if let PeerEvent::Packet(p) = e { Some(p.ssrc) } else { None }).unwrap();
    assert!(pair.peer.write(mids[1], &packet(FormatKind::Vp8, &[3; 500]), 1, 0, pair.now));
    pair.step();

    pair.peer.request_keyframe(ssrc);
    pair.client.direct_api().stream_rx_by_mid(mids[1], None).unwrap().request_keyframe(KeyframeRequestKind::Pli);
    (0..20).for_each(|_| pair.step());

    assert!(pair.seen.iter().any(|event| matches!(event, Event::KeyframeRequest(r) if r.mid == mids[0])));
    assert!(pair.events.iter().any(|event| matches!(event, PeerEvent::KeyframeWanted(mid) if *mid == mids[1])));
}

#[test]
fn only_a_request_with_the_right_password_proves_a_peer() {
    let (mut pair, _) = Pair::connected(&[(MediaKind::Audio, Direction::SendOnly)]);
    let request = loop {
        pair.now += STEP;
        pair.client.handle_input(Input::Timeout(pair.now)).unwrap();
        pair.drain_client();
        if let Some(at) = pair.towards_peer.iter().position(|d| ufrag(d).is_some()) {
            break pair.towards_peer.swap_remove(at);
        }
        pair.towards_peer.clear();
    };
    let mut forged = request.clone();
    let last = forged.len() - 10;
    forged[last] ^= 1;
    let elsewhere: SocketAddr = ([127, 0, 0, 9], 9).into();
    let other = Peer::new(&Identity::generate().unwrap(), &[server()], pair.now);

    assert_eq!(ufrag(&request), Some(&*pair.peer.ufrag()));
    assert!(pair.peer.proves(false, elsewhere, &request, pair.now));
    assert!(!pair.peer.proves(false, elsewhere, &forged, pair.now));
    assert!(!other.proves(false, elsewhere, &request, pair.now));
    assert!(!pair.peer.proves(false, elsewhere, &[0x16; 100], pair.now), "a stranger's DTLS");
}

#[test]
fn no_bytes_from_a_stranger_hurt_a_peer() {
    let (mut pair, mids) = Pair::connected(&[(MediaKind::Audio, Direction::SendOnly)]);
    let mut seed = 1u32;
    let mut random = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };

    for n in 0..2000usize {
        let mut garbage: Vec<u8> = (0..n % 200).map(|_| random()).collect();
        if let Some(first) = garbage.first_mut() {
            *first = [0x00, 0x14, 0x16, 0x80, 0x90, 0xbf][n % 6];
        }
        let _ = pair.peer.receive(false, client_address(), &garbage, pair.now).unwrap();
        pair.drain_peer();
    }
    pair.events.clear();
    pair.publish(mids[0], 1, &[1; 60]);
    pair.step();

    assert!(pair.events.iter().any(|event| matches!(event, PeerEvent::Packet(_))));
}

#[test]
fn offers_that_cannot_be_are_refused_in_a_sentence() {
    let mut peer = Peer::new(&Identity::generate().unwrap(), &[server()], Instant::now());

    for bad in ["", "v=0", "hello", "v=0\r\no=- 1 1 IN IP4 0\r\ns=-\r\nt=0 0\r\n"] {
        assert!(peer.offer(bad).unwrap_err().starts_with("the offer"), "{bad:?}");
    }
    let endless = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(501);
    assert!(peer.offer(&endless).unwrap_err().contains("more than 500"));
}

#[test]
fn sound_leaves_without_a_drain_but_after_a_word_of_ice_and_is_one_stream() {
    let (mut pair, mids) = Pair::connected(&[(MediaKind::Audio, Direction::RecvOnly)]);
    let mut at_once = 0;

    for n in 1..=500u64 {
        (0..3).for_each(|_| pair.step());
        let sound = packet(FormatKind::Opus, &[1; 80]);
        assert!(pair.peer.write(mids[0], &sound, 65_400 + n, n as u32 * 960, pair.now));
        if let Some(transmit) = pair.peer.take_straight() {
            at_once += 1;
            let receive = Receive::new(Protocol::Udp, server(), client_address(), &transmit.contents).unwrap();
            pair.client.handle_input(Input::Receive(pair.now, receive)).unwrap();
            pair.drain_client();
        }
        pair.step();
    }
    pair.step();

    assert_eq!(pair.received(), (1..=500).map(|n| ((65_400 + n) as u16, 80)).collect::<Vec<_>>());
    assert!((450..500).contains(&at_once), "{at_once} of 500");
    assert_eq!(pair.peer.newest(mids[0]), Some(65_900));
}

/// Lips follow voices by these reports (RFC 3550 §6.4.1).
#[test]
fn reports_tell_of_all_sound_and_which_moment_of_it_belongs_to_the_clock() {
    let (mut pair, mids) = Pair::connected(&[(MediaKind::Audio, Direction::RecvOnly)]);
    let mut told: Vec<(SystemTime, u32, u32, u64)> = Vec::new();

    for n in 1..=1200u64 {
        let sound = packet(FormatKind::Opus, &[1; 80]);
        assert!(pair.peer.write(mids[0], &sound, n, 5000 + n as u32 * 960, pair.now));
        (0..4).for_each(|_| pair.step());
        let mut info = pair.seen.drain(..).filter_map(|event| match event {
            Event::RtpPacket(packet) => packet.last_sender_info,
            _ => None,
        });
        let info = info.next_back().map(|info| (info.ntp_time, info.rtp_time.numer() as u32, info.sender_packet_count));
        if let Some((clock, moment, packets)) = info
            && told.last().is_none_or(|(_, before, ..)| *before != moment)
        {
            told.push((clock, moment, packets, n));
        }
    }

    assert!(told.len() >= 4, "{told:?}");
    for (_, moment, packets, n) in &told {
        // It was made within the 20 ms after one of the last two packets.
        let last = 5000 + *n as u32 * 960;
        assert!((last - 2 * 960..=last).contains(moment), "{moment} at packet {n}");
        assert!((n - 2..=*n).contains(&u64::from(*packets)), "{packets} at packet {n}");
    }
    for pair in told.windows(2) {
        let passed = pair[1].0.duration_since(pair[0].0).unwrap().as_secs_f64();
        let sounded = f64::from(pair[1].1 - pair[0].1) / 48_000.0;
        assert!((passed - sounded).abs() < 0.001, "{passed} s of the clock, {sounded} s of sound");
    }
}
