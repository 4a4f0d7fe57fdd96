//! What a room wishes of its telephones' sound, and what is counted of it, from the far end's packets to those who hear it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ringback_audio::{Codec, Polishing, g711, level_dbov};
use ringback_rtp::{MasterKey, RtpHeader, Suite, is_rtcp};

use crate::command::Command;
use crate::config::{PhoneCodec, PhoneMedia};
use crate::content::{CODECS, Phone, media};
use crate::crypto::{PhoneCrypto, SdesKeys};
use crate::event::Event;
use crate::leg::Kind;
use crate::ports;
use crate::shared::{LegCounters, LegShared, PcmQueues};
use crate::testing;
use crate::worker::{LegKey, Worker};

const TICK: Duration = Duration::from_millis(20);

fn sine(at: f64, hertz: f64) -> f64 {
    (at * hertz * std::f64::consts::TAU).sin()
}

/// Syllables of a voice, with a pause after 2.2 s of every 3.
fn voice(at: f64) -> f64 {
    let syllable = sine(at, 4.0).max(0.0).sqrt();
    let formants = sine(at, 280.0) + 0.8 * sine(at, 560.0) + 0.5 * sine(at, 840.0) + 0.2 * sine(at, 1400.0);
    if at % 3.0 < 2.2 { formants * syllable * 0.4 } else { 0.0 }
}

/// Noise that is the same at the same time.
fn hiss(at: f64) -> f64 {
    let mut z = ((at * 8000.0).round() as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 33) as f64 / f64::from(1u32 << 30) - 1.0
}

/// Levels of 20 ms each, the quietest first.
fn levels(sound: &[i16]) -> Vec<f32> {
    let mut levels: Vec<f32> = sound.chunks_exact(160).map(level_dbov).collect();
    levels.sort_by(f32::total_cmp);
    levels
}

/// A telephone of whose sound this is wished, and one that hears it say something for 12 seconds; what it heard in the
/// last six of them.
fn polished(polish: Polishing, sound: &dyn Fn(f64) -> f64) -> Vec<i16> {
    let mut worker = testing::worker();
    let mut talker = Phone::new(&mut worker, "talker", Codec::Pcmu);
    let mut listener = Phone::new(&mut worker, "listener", Codec::Pcmu);
    worker.set_phone("talker", PhoneMedia { polish, ..media(Codec::Pcmu, talker.address()) });
    for _ in 0..600 {
        talker.say(&mut worker, Some(sound));
        testing::pass(&mut worker, TICK);
        listener.listen();
    }
    listener.heard.split_off(listener.heard.len() - 48_000)
}

#[test]
fn a_quiet_phone_is_raised_for_who_hears_it_where_that_is_wished() {
    let quiet = |at: f64| 500.0 * voice(at);
    let loud = |polish| {
        let levels = levels(&polished(polish, &quiet));
        levels[levels.len() * 9 / 10]
    };

    let raised = loud(Polishing { gain: true, ..Polishing::default() }) - loud(Polishing::default());
    assert!(raised > 10.0, "by {raised} dB");
}

#[test]
fn noise_of_a_phone_is_taken_out_for_who_hears_it_where_that_is_wished() {
    let noisy = |at: f64| 9000.0 * voice(at) + 900.0 * hiss(at);
    let heard = |polish| {
        let levels = levels(&polished(polish, &noisy));
        (levels[levels.len() / 10], levels[levels.len() * 9 / 10])
    };

    let (pauses, speech) = heard(Polishing { noise: true, ..Polishing::default() });
    let (noisy_pauses, noisy_speech) = heard(Polishing::default());
    assert!(noisy_pauses - pauses > 12.0, "pauses fall from {noisy_pauses} to {pauses} dBov");
    assert!((noisy_speech - speech).abs() < 5.0, "speech goes from {noisy_speech} to {speech} dBov");
}

#[test]
fn what_a_line_returns_of_the_mix_does_not_come_back_to_who_said_it_where_that_is_wished() {
    let returned = |echo: bool| {
        let mut worker = testing::worker();
        let mut talker = Phone::new(&mut worker, "talker", Codec::Pcmu);
        let mut third = Phone::new(&mut worker, "third", Codec::Pcma);
        let mut line = Phone::new(&mut worker, "line", Codec::Pcmu);
        let polish = Polishing { echo, ..Polishing::default() };
        worker.set_phone("line", PhoneMedia { polish, ..media(Codec::Pcmu, line.address()) });
        for _ in 0..600 {
            talker.say(&mut worker, Some(&|at| 9000.0 * voice(at)));
            // Somebody else is there, so that the line is given a mix.
            third.say(&mut worker, Some(&|_| 0.0));
            let (sent, now) = (line.heard.clone(), line.heard.len());
            // 120 ms later, and 10 dB weaker.
            let back = |at: f64| {
                let index = (at * 8000.0).round() as usize;
                index.checked_sub(960).and_then(|n| sent.get(n.min(now))).map_or(0.0, |s| f64::from(*s) * 0.3)
            };
            line.say(&mut worker, Some(&back));
            testing::pass(&mut worker, TICK);
            for phone in [&mut talker, &mut third, &mut line] {
                phone.listen();
            }
        }
        let levels = levels(&talker.heard[48_000..]);
        levels[levels.len() * 9 / 10]
    };

    let (with, without) = (returned(true), returned(false));
    assert!(without > -45.0, "there is an echo to be kept back: {without} dBov");
    assert!(without - with > 25.0, "{without} dBov became {with}");
}

/// Packets of 20 ms and when each arrives, in milliseconds; what is counted of them.
fn counted(mut arrivals: Vec<(f64, u16)>) -> Arc<LegShared> {
    let mut worker = testing::worker();
    let ear = Arc::new(LegShared { pcm: Some(PcmQueues::new(8000)), ..LegShared::default() });
    worker.command(Command::OpenPcm { room: "room".to_owned(), leg: "ear".into(), shared: ear });
    let phone = Phone::new(&mut worker, "phone", Codec::Pcmu);
    let began = worker.now;
    arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (at, number) in arrivals {
        let due = began + Duration::from_secs_f64(at / 1000.0);
        let time = due.saturating_duration_since(worker.now);
        testing::pass(&mut worker, time);
        let begins = f64::from(number) * 0.02;
        let pcm: Vec<i16> = (0..160).map(|n| (9000.0 * voice(begins + f64::from(n) / 8000.0)) as i16).collect();
        let (mut payload, mut datagram) = (Vec::new(), Vec::new());
        g711::encode_mu(&pcm, &mut payload);
        let timestamp = u32::from(number) * 160;
        let header = RtpHeader { payload_type: 0, marker: false, sequence: number, timestamp, ssrc: 5 };
        header.write(&payload, &mut datagram);
        worker.rtp_packet(phone.key, phone.address(), &mut datagram);
    }
    testing::pass(&mut worker, TICK);
    worker.legs[&phone.key].shared.clone()
}

fn steady(packets: u16) -> impl Iterator<Item = (f64, u16)> {
    (0..packets).map(|n| (f64::from(n) * 20.0 + 5.0, n))
}

/// Lost, late; underruns by loss and by lateness; stretched and shrunk.
fn told(counters: &LegCounters) -> [u64; 6] {
    let c = counters;
    let told = [&c.packets_lost, &c.packets_late, &c.underruns_lost, &c.underruns_late];
    let [a, b, c_, d] = told.map(|counter| counter.load(Relaxed));
    [a, b, c_, d, c.frames_stretched.load(Relaxed), c.frames_shrunk.load(Relaxed)]
}

#[test]
fn a_calm_stream_has_nothing_to_count() {
    let shared = counted(steady(1000).collect());

    assert_eq!(told(&shared.counters), [0; 6]);
    assert_eq!(shared.counters.packets_received.load(Relaxed), 1000);
    assert_eq!(shared.counters.frames_concealed.load(Relaxed), 0);
    assert!(shared.counters.frames_heard.load(Relaxed) > 990);
    assert!(shared.counters.quality(Codec::Pcmu).mos.unwrap() > 4.2);
}

#[test]
fn missing_frames_are_counted_by_what_they_are_missing_for() {
    let lossy = counted(steady(1000).filter(|(_, n)| n % 20 != 7).collect());
    let [lost, late, for_loss, for_lateness, ..] = told(&lossy.counters);
    assert_eq!((lost, late), (50, 0));
    // The buffer may run dry before it sees that there is a gap.
    assert_eq!(for_loss + for_lateness, 50);
    assert_eq!(lossy.counters.frames_concealed.load(Relaxed), 50);

    // Once in four seconds nothing comes for 120 ms, and then everything.
    let stalls = |(at, n): (f64, u16)| {
        (if n % 200 < 6 && n > 100 { at.max(f64::from(n / 200 * 200) * 20.0 + 120.0) } else { at }, n)
    };
    let stalled = counted(steady(1000).map(stalls).collect());
    let [lost, _, for_loss, for_lateness, ..] = told(&stalled.counters);
    assert_eq!((lost, for_loss), (0, 0), "nothing was lost");
    assert!(for_lateness >= 3, "{for_lateness}");

    // One is overtaken by all that are sent in the 160 ms behind it.
    let overtaken = counted(steady(1000).map(|(at, n)| (if n == 500 { at + 160.0 } else { at }, n)).collect());
    let [lost, late, for_loss, for_lateness, ..] = told(&overtaken.counters);
    assert_eq!((lost, late, for_loss + for_lateness), (0, 1, 1));
}

#[test]
fn a_clock_that_runs_fast_is_counted_as_shrunk_and_one_that_runs_slow_as_stretched() {
    // One in a thousand: in five minutes what 200 in a million take half an hour for, which is 15 frames of 20 ms.
    let fast = counted(steady(15_000).map(|(at, n)| (at * 0.999, n)).collect());
    let slow = counted(steady(15_000).map(|(at, n)| (at * 1.001, n)).collect());

    let [lost, late, .., stretched, shrunk] = told(&fast.counters);
    assert_eq!((lost, late, stretched), (0, 0, 0));
    assert!((11..=16).contains(&shrunk), "{shrunk} shrunk");
    let [lost, late, _, for_lateness, stretched, shrunk] = told(&slow.counters);
    assert_eq!((lost, late), (0, 0));
    assert!(
        (11..=16).contains(&stretched) && shrunk <= 1,
        "{stretched} stretched, {shrunk} shrunk, {for_lateness} missing"
    );
    assert!(for_lateness <= 3, "{for_lateness} missing");
}

/// Two telephones' legs that are each other's far end, each in a room with somebody who talks.
struct Pair {
    worker: Worker,
    legs: [LegKey; 2],
    voices: [Arc<LegShared>; 2],
}

impl Pair {
    fn new(protected: bool) -> Pair {
        let mut worker = testing::worker();
        let mut addresses = Vec::new();
        let mut voices = Vec::new();
        for name in ["ann", "bob"] {
            let voice = Arc::new(LegShared { pcm: Some(PcmQueues::new(8000)), ..LegShared::default() });
            let room = format!("room of {name}");
            worker.command(Command::OpenPcm { room: room.clone(), leg: format!("{name}s"), shared: voice.clone() });
            let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
            addresses.push(rtp.local_addr().unwrap());
            let shared = Arc::new(LegShared::default());
            worker.command(Command::OpenPhone { room, leg: name.to_owned(), rtp, rtcp, shared });
            voices.push(voice);
        }
        let key = |seed: u8| MasterKey::new(Suite::AesCm128Sha1_80, &[seed; 30]).unwrap();
        for (at, name) in ["ann", "bob"].into_iter().enumerate() {
            let keys = SdesKeys { send: key(at as u8), receive: key(1 - at as u8), receive_mki: Vec::new() };
            let crypto = protected.then_some(PhoneCrypto::Sdes(keys));
            let codec = PhoneCodec { codec: Codec::Pcmu, payload_type: 0, receive_payload_type: 0, ptime: TICK };
            let remote = Some(addresses[1 - at]);
            worker.set_phone(name, PhoneMedia { remote, trusted: true, crypto, ..PhoneMedia::plain(codec) });
        }
        let legs = ["ann", "bob"].map(|name| worker.leg_key(name).unwrap());
        Pair { worker, legs, voices: voices.try_into().unwrap() }
    }

    fn talk(&mut self, seconds: u32) {
        for tick in 0..seconds * 50 {
            for talker in &self.voices {
                let at = |n: u32| f64::from(tick) * 0.02 + f64::from(n) / 8000.0;
                talker.pcm.as_ref().unwrap().push((0..160).map(|n| (9000.0 * voice(at(n))) as i16));
            }
            testing::pass(&mut self.worker, TICK);
            for key in self.legs {
                self.worker.read_rtcp(key);
                // Whoever is heard by nobody but its room is listened to when that ticks.
                let Kind::Phone(phone) = &self.worker.legs[&key].kind else { unreachable!("it is a phone") };
                if phone.watched {
                    self.worker.read_rtp(key, false);
                }
            }
        }
    }
}

#[test]
fn both_ends_of_a_call_know_the_round_trip_and_how_good_they_sound_to_each_other() {
    for protected in [false, true] {
        let mut pair = Pair::new(protected);
        pair.talk(30);

        for key in pair.legs {
            let counters = &pair.worker.legs[&key].shared.counters;
            let quality = counters.quality(Codec::Pcmu);
            assert!(quality.round_trip.is_some_and(|trip| trip <= TICK * 3), "{quality:?}");
            assert!(quality.mos.is_some_and(|mos| (4.0..4.5).contains(&mos)), "{quality:?}");
            assert!(quality.remote_mos.is_some_and(|mos| (4.0..4.5).contains(&mos)), "{quality:?}");
            assert_eq!((quality.loss, quality.remote_loss), (Some(0.0), Some(0.0)));
            assert!(counters.reports_on_ours.load(Relaxed) >= 3);
            assert_eq!(counters.packets_rejected.load(Relaxed), 0);
            assert!(counters.frames_speech.load(Relaxed) > 500);
        }
    }
}

#[test]
fn keys_beside_opus_are_told_and_read_by_the_clock_that_was_agreed_on() {
    for (clock, agreed) in [(48_000, None), (8_000, Some(8_000))] {
        let mut worker = testing::worker();
        let mut phone = Phone::new(&mut worker, "phone", Codec::Opus);
        let events = Some(101);
        let with_keys = PhoneMedia {
            dtmf_payload_type: events,
            dtmf_receive_payload_type: events,
            dtmf_clock_rate: agreed,
            ..media(Codec::Opus, phone.address())
        };
        worker.set_phone("phone", with_keys);
        for step in 1..=5u32 {
            let [.., high, low] = (step * 20 * clock / 1000).to_be_bytes();
            let end = if step == 5 { 0x80 } else { 0 };
            phone.send(&mut worker, 101, step == 1, &[7, end | 10, high, low]);
            testing::pass(&mut worker, TICK);
        }
        let told = worker.mailbox.drain().into_iter().find_map(|event| match event {
            Event::Digit { digit, duration_ms, .. } => Some((digit, duration_ms)),
            _ => None,
        });
        assert_eq!(told, Some(('7', 100)), "of a clock of {clock}");

        phone.drain();
        worker.send_digits("phone", "3", 100, 60);
        testing::pass(&mut worker, TICK * 20);
        let ends: Vec<u32> = phone
            .drain()
            .iter()
            .filter(|packet| packet[1] & 0x7f == 101 && packet[13] & 0x80 != 0)
            .map(|packet| u32::from(packet[14]) << 8 | u32::from(packet[15]))
            .collect();
        assert_eq!(ends, [clock / 10; 3], "of a clock of {clock}");
    }
}

#[test]
fn keys_that_are_tones_are_found_in_the_sound_once_each_in_every_codec() {
    for codec in CODECS {
        let mut worker = testing::worker();
        let mut far = Phone::new(&mut worker, "far", codec);
        let phone = Phone::new(&mut worker, "phone", codec);
        worker.set_phone("far", PhoneMedia { dtmf_tones: true, ..media(codec, far.address()) });
        worker.set_phone("phone", PhoneMedia { dtmf_detect: true, ..media(codec, phone.address()) });
        worker.send_digits("far", "159D*0#3", 100, 80);
        let mut told = Vec::new();
        for _ in 0..150 {
            testing::pass(&mut worker, TICK);
            // What the one is sent is what the other says.
            for mut datagram in far.drain().into_iter().filter(|datagram| !is_rtcp(datagram)) {
                worker.rtp_packet(phone.key, phone.address(), &mut datagram);
            }
            told.extend(worker.mailbox.drain().into_iter().filter_map(|event| match event {
                Event::Digit { leg, digit, duration_ms, in_band: true, .. } if leg == "phone" => {
                    Some((digit, duration_ms))
                }
                _ => None,
            }));
        }

        assert_eq!(told.iter().map(|(digit, _)| *digit).collect::<String>(), "159D*0#3", "{codec:?}");
        assert!(told.iter().all(|(_, ms)| (80..=130).contains(ms)), "{codec:?}: {told:?}");
    }
}
