//! Protected calls that last until their sequence numbers begin again, re-INVITEs and losses around that: the rollover
//! counter is in no packet, and who loses it hears nothing any more.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ringback_audio::{Codec, g711};
use ringback_rtp::{MasterKey, Protect, RtpHeader, RtpPacket, Suite, Unprotect, is_rtcp};

use crate::command::Command;
use crate::config::{PhoneCodec, PhoneMedia};
use crate::crypto::{PhoneCrypto, SdesKeys};
use crate::ports;
use crate::shared::{LegShared, PcmQueues};
use crate::testing;
use crate::worker::{LegKey, Worker};

const TICK: Duration = Duration::from_millis(20);
const OURS: u8 = 1;
const THEIRS: u8 = 2;

fn key(suite: Suite, seed: u8) -> MasterKey {
    MasterKey::new(suite, &vec![seed; suite.key_length() + suite.salt_length()]).unwrap()
}

/// A protected telephone in a room with somebody who listens at 8 kHz.
struct Call {
    worker: Worker,
    phone: LegKey,
    socket: UdpSocket,
    suite: Suite,
    listener: Arc<LegShared>,
    seal: Protect,
    open: Unprotect,
    sequence: u16,
    timestamp: u32,
    heard: Vec<i16>,
    /// Packets of ours that it could open, and not.
    opened: u64,
    refused: u64,
}

impl Call {
    fn new(suite: Suite, sequence: u16) -> Call {
        let mut worker = testing::worker();
        let listener = Arc::new(LegShared { pcm: Some(PcmQueues::new(8000)), ..LegShared::default() });
        let room = || "room".to_owned();
        worker.command(Command::OpenPcm { room: room(), leg: "ear".into(), shared: listener.clone() });
        let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
        let shared = Arc::new(LegShared::default());
        worker.command(Command::OpenPhone { room: room(), leg: "phone".into(), rtp, rtcp, shared });
        let phone = worker.leg_key("phone").unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let (seal, open) = (Protect::new(key(suite, THEIRS)), Unprotect::new(key(suite, OURS), b""));
        let (timestamp, heard) = (0, Vec::new());
        let mut call = Call {
            worker,
            phone,
            socket,
            suite,
            listener,
            seal,
            open,
            sequence,
            timestamp,
            heard,
            opened: 0,
            refused: 0,
        };
        call.reinvite();
        call
    }

    /// Another offer and answer with the keys that there are.
    fn reinvite(&mut self) {
        let codec = PhoneCodec { codec: Codec::Pcmu, payload_type: 0, receive_payload_type: 0, ptime: TICK };
        let (send, receive) = (key(self.suite, OURS), key(self.suite, THEIRS));
        let crypto = Some(PhoneCrypto::Sdes(SdesKeys { send, receive, receive_mki: Vec::new() }));
        let remote = self.socket.local_addr().ok();
        self.worker.set_phone("phone", PhoneMedia { remote, trusted: true, crypto, ..PhoneMedia::plain(codec) });
    }

    /// 20 ms of a tone, which arrive or do not.
    fn talk(&mut self, arrives: bool) {
        let pcm: Vec<i16> = (0..160u32)
            .map(|n| {
                let at = f64::from(self.timestamp.wrapping_add(n)) / 8000.0;
                ((at * 400.0 * std::f64::consts::TAU).sin() * 8000.0) as i16
            })
            .collect();
        let (mut payload, mut datagram) = (Vec::new(), Vec::new());
        g711::encode_mu(&pcm, &mut payload);
        let (sequence, timestamp) = (self.sequence, self.timestamp);
        RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: 9 }.write(&payload, &mut datagram);
        assert!(self.seal.rtp(&mut datagram));
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        if arrives {
            let from: SocketAddr = self.socket.local_addr().unwrap();
            self.worker.rtp_packet(self.phone, from, &mut datagram);
        }
        testing::pass(&mut self.worker, TICK);
        self.heard.extend(self.listener.pcm.as_ref().unwrap().read());
    }

    /// What we sent meanwhile; `arrives` says it of each sequence number.
    fn listen(&mut self, arrives: &dyn Fn(u16) -> bool) {
        let mut buffer = [0; 2048];
        while let Ok(n) = self.socket.recv(&mut buffer) {
            let datagram = &mut buffer[..n];
            if is_rtcp(datagram) || !arrives(RtpPacket::parse(datagram).unwrap().sequence) {
                continue;
            }
            match self.open.rtp(datagram) {
                Ok(_) => self.opened += 1,
                Err(_) => self.refused += 1,
            }
        }
    }

    fn forged(&self) -> u64 {
        self.worker.legs[&self.phone].shared.counters.packets_forged.load(Relaxed)
    }

    fn received(&self) -> u64 {
        self.worker.legs[&self.phone].shared.counters.packets_received.load(Relaxed)
    }

    /// The longest silence heard, in milliseconds.
    fn longest_gap(&self) -> usize {
        let loud: Vec<bool> = self.heard.chunks(8).map(|ms| ms.iter().any(|s| s.abs() > 1500)).collect();
        loud.split(|loud| *loud).map(<[bool]>::len).max().unwrap_or(0)
    }
}

#[test]
fn a_phone_whose_numbers_begin_again_between_two_reinvites_is_heard_without_a_gap() {
    for suite in Suite::ALL {
        let mut call = Call::new(suite, 65_436);
        for n in 0..250 {
            // Before the wrap, right at it, and behind it.
            if [50, 99, 100, 101, 150].contains(&n) {
                call.reinvite();
            }
            call.talk(true);
            if n == 20 {
                call.heard.clear();
            }
        }

        assert_eq!((call.received(), call.forged()), (250, 0), "{suite:?}");
        assert!(call.longest_gap() <= 6, "{suite:?}: {} ms", call.longest_gap());
    }
}

#[test]
fn a_phone_that_loses_what_lies_around_its_wrap_is_heard_from_the_next_packet_on() {
    // Lost: from so many packets before its numbers begin again to so many behind.
    for (before, behind) in [(1, 0), (0, 1), (10, 10), (50, 100), (0, 300)] {
        for reinvited in [false, true] {
            let mut call = Call::new(Suite::AesCm128Sha1_80, 65_436);
            for n in 0..600 {
                let lost = (100 - before..100 + behind).contains(&n);
                if reinvited && [90, 110, 100 + behind].contains(&n) {
                    call.reinvite();
                }
                call.talk(!lost);
                if n == 100 + behind + 20 {
                    call.heard.clear();
                }
            }

            let what = format!("{before} lost before and {behind} behind, re-INVITEs: {reinvited}");
            let arrived = 600 - (before + behind) as u64;
            assert_eq!((call.received(), call.forged()), (arrived, 0), "{what}");
            assert!(call.longest_gap() <= 6, "{what}: {} ms", call.longest_gap());
        }
    }
}

#[test]
fn what_we_send_can_be_opened_over_our_own_wrap_through_reinvites_and_loss() {
    let mut call = Call::new(Suite::AesCm128Sha1_80, 0);
    // Every tenth packet is lost, and all from a second before our numbers begin again to a second behind.
    let arrives = |sequence: u16| sequence % 10 != 3 && (50..65_486).contains(&sequence);
    for n in 0..66_000u32 {
        if n.is_multiple_of(5_000) {
            call.reinvite();
        }
        testing::pass(&mut call.worker, TICK);
        call.listen(&arrives);
    }

    assert_eq!(call.refused, 0);
    assert!((59_200..59_500).contains(&call.opened), "{}", call.opened);
}
