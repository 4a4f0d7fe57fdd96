//! What phones are shown of a camera that comes in several layers, or in one that does not fit them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ringback_rtp::video::VideoCodec::{self, H264, Vp8};
use ringback_rtp::video::vp8::Descriptor;
use ringback_sfu::{Extensions, FormatKind, Mid, Packet};

use crate::command::Command;
use crate::event::Event;
use crate::shared::LegShared;
use crate::theatre::{BLUE, Camera, GREEN, Terms, Theatre, terms};
use crate::worker::LegKey;

const NEXT: Duration = Duration::from_millis(500);
/// Chromium's order of three temporal layers.
const TEMPORAL: [u8; 4] = [0, 2, 1, 2];
/// Sides and bitrates of a browser's layers, a quarter of real ones.
const LAYERS: [((u16, u16), u32); 3] = [((160, 90), 60_000), ((320, 180), 200_000), ((640, 360), 600_000)];

/// A browser whose camera comes in layers.
struct Browser {
    key: LegKey,
    shared: Arc<LegShared>,
    layers: Vec<Camera>,
    sequences: Vec<u64>,
    asked: u64,
    /// Each picture is whole, and of a temporal layer.
    is_temporal: bool,
    number: usize,
}

impl Browser {
    fn join(theatre: &mut Theatre, id: &str, colour: [u8; 3], fps: u8) -> Browser {
        let shared = Arc::new(LegShared::default());
        let (room, leg) = ("room".to_owned(), id.to_owned());
        theatre.worker.command(Command::OpenWebrtc { room, leg: leg.clone(), shared: shared.clone() });
        let tracks = [("0".to_owned(), "video".to_owned())].into();
        theatre.worker.command(Command::SetPublished { leg, tracks });
        let now = theatre.worker.now;
        let camera = |(size, bitrate_bps)| Camera::new(&Terms { size, fps, bitrate_bps, ..terms(Vp8) }, colour, now);
        Browser {
            key: theatre.worker.leg_key(id).unwrap(),
            shared,
            layers: LAYERS.map(camera).into(),
            sequences: vec![1000; LAYERS.len()],
            asked: 0,
            is_temporal: false,
            number: 0,
        }
    }

    /// Send what is due, a whole picture of each layer where one was asked for.
    fn film(&mut self, theatre: &mut Theatre) {
        let now = theatre.worker.now;
        let asked = self.shared.counters.keyframes_asked.load(Relaxed);
        let wanted = std::mem::replace(&mut self.asked, asked) != asked || self.is_temporal;
        for (layer, camera) in (0u8..).zip(&mut self.layers) {
            camera.key_wanted |= wanted;
            let Some((timestamp, payloads)) = camera.film(now, false) else { continue };
            self.number += usize::from(layer == 0);
            let last = payloads.len() - 1;
            for (index, payload) in payloads.into_iter().enumerate() {
                let sequence = &mut self.sequences[usize::from(layer)];
                *sequence += 1;
                let payload = if self.is_temporal { in_layer(&payload, TEMPORAL[self.number % 4]) } else { payload };
                let packet = Packet {
                    mid: Mid::from("0"),
                    ssrc: 5000 + u32::from(layer),
                    layer,
                    format: FormatKind::Vp8.plain(),
                    sequence: *sequence,
                    timestamp,
                    marker: index == last,
                    payload: payload.into(),
                    extensions: Extensions::default(),
                    redundant: None,
                };
                theatre.worker.published_packet(self.key, &packet);
            }
        }
    }

    fn pass(&mut self, theatre: &mut Theatre, ms: u64) {
        let end = theatre.worker.now + Duration::from_millis(ms);
        while theatre.worker.now < end {
            self.film(theatre);
            theatre.pass(5);
        }
    }
}

fn in_layer(payload: &[u8], temporal: u8) -> Vec<u8> {
    let (descriptor, data) = Descriptor::parse(payload).unwrap();
    let mut out = Vec::new();
    Descriptor { layer: Some((temporal, temporal > 0)), tl0_index: Some(0), ..descriptor }.write(&mut out);
    out.extend_from_slice(data);
    out
}

fn takes(size: (u16, u16), bitrate_bps: u32) -> Terms {
    Terms { size, bitrate_bps, ..terms(Vp8) }
}

/// Sizes that a phone saw since then, each once in a row, and bits and pictures in a second.
fn seen(theatre: &Theatre, who: usize, since: Instant) -> (Vec<(usize, usize)>, usize, usize) {
    let phone = &theatre.far[who];
    let pictures: Vec<_> = phone.seen.iter().filter(|seen| seen.at > since).collect();
    let mut sizes: Vec<(usize, usize)> = pictures.iter().map(|seen| seen.size).collect();
    sizes.dedup();
    let seconds = (theatre.worker.now - since).as_secs().max(1) as usize;
    let bits: usize = phone.received.iter().filter(|(at, _)| *at > since).map(|(_, length)| length * 8).sum();
    (sizes, bits / seconds, pictures.len() / seconds)
}

fn way(theatre: &Theatre, who: usize) -> &'static str {
    theatre.worker.legs[&theatre.far[who].key].shared.video.way()
}

/// What was asked of the browser, oldest first.
fn asked(theatre: &Theatre) -> Vec<Vec<(u8, u32, u8)>> {
    let events = theatre.worker.mailbox.drain().into_iter();
    let asked = events.filter_map(|event| match event {
        Event::EncodingAsked { leg, track, layers } => {
            assert_eq!((&*leg, &*track), ("ann", "video"));
            Some(layers)
        }
        _ => None,
    });
    asked.collect()
}

#[test]
fn each_phone_is_passed_on_the_largest_layer_within_its_size_and_bitrate() {
    let mut theatre = Theatre::open();
    let wide = theatre.call("wide", takes((1280, 720), 900_000), None);
    let small = theatre.call("small", takes((400, 300), 900_000), None);
    let thin = theatre.call("thin", takes((1280, 720), 300_000), None);
    let tiny = theatre.call("tiny", takes((160, 90), 100_000), None);
    let mut ann = Browser::join(&mut theatre, "ann", GREEN, 15);

    let came = theatre.worker.now;
    ann.pass(&mut theatre, 4000);
    let since = theatre.worker.now;
    ann.pass(&mut theatre, 6000);

    for (who, size, most) in [
        (wide, (640, 360), 900_000),
        (small, (320, 180), 900_000),
        (thin, (320, 180), 300_000),
        (tiny, (160, 90), 100_000),
    ] {
        let (sizes, bits, fps) = seen(&theatre, who, since);
        assert_eq!(sizes, [size]);
        assert!(bits <= most + most / 10 && (14..=16).contains(&fps), "{size:?}: {bits} bit/s, {fps} in a second");
        assert_eq!(way(&theatre, who), "forward");
        let took = theatre.first_seen(who, GREEN, came);
        assert!(took.is_some_and(|took| took <= NEXT), "{size:?}: {took:?}");
        assert!(theatre.longest_still(who, came + NEXT, theatre.worker.now) <= NEXT);
        assert_eq!(theatre.far[who].broken, 0);
        assert!(theatre.far[who].seen.iter().all(|seen| seen.shows(GREEN)), "nothing torn, nothing grey");
    }
    assert_eq!(theatre.worker.counters.pictures_made.load(Relaxed), 0);
}

#[test]
fn a_phone_that_no_layer_fits_is_made_a_picture_of_its_own_size() {
    let mut theatre = Theatre::open();
    let eye = theatre.call("eye", takes((128, 72), 90_000), None);
    let mut ann = Browser::join(&mut theatre, "ann", GREEN, 15);
    ann.pass(&mut theatre, 2500);

    let since = theatre.worker.now;
    ann.pass(&mut theatre, 4000);

    let (sizes, bits, fps) = seen(&theatre, eye, since);
    assert_eq!(sizes, [(128, 72)]);
    assert!(bits.abs_diff(90_000) <= 9_000 && (14..=16).contains(&fps), "{bits} bit/s, {fps} in a second");
    assert_eq!(way(&theatre, eye), "make");
}

#[test]
fn a_layer_that_stops_is_followed_by_the_next_and_comes_back_without_a_torn_picture() {
    let mut theatre = Theatre::open();
    let eye = theatre.call("eye", takes((1280, 720), 900_000), None);
    let mut ann = Browser::join(&mut theatre, "ann", GREEN, 15);
    ann.pass(&mut theatre, 5000);
    let since = theatre.worker.now;
    assert_eq!(seen(&theatre, eye, since - NEXT).0, [(640, 360)]);
    ann.layers[2].frozen = true;
    ann.pass(&mut theatre, 3000);
    ann.layers[2].frozen = false;
    ann.pass(&mut theatre, 3000);

    let (sizes, ..) = seen(&theatre, eye, since);
    assert_eq!(sizes, [(320, 180), (640, 360)]);
    let still = theatre.longest_still(eye, since, theatre.worker.now);
    assert!(still <= Duration::from_millis(700), "{still:?}");
    assert_eq!(theatre.far[eye].broken, 0);
    assert!(theatre.far[eye].seen.iter().all(|seen| seen.shows(GREEN)));
}

#[test]
fn a_layer_that_becomes_too_dear_is_left_and_its_sender_asked_for_less_until_the_phone_goes() {
    let mut theatre = Theatre::open();
    let eye = theatre.call("eye", takes((640, 360), 650_000), None);
    let mut ann = Browser::join(&mut theatre, "ann", GREEN, 15);
    ann.pass(&mut theatre, 4000);
    assert_eq!(seen(&theatre, eye, theatre.worker.now - NEXT).0, [(640, 360)]);
    let first = asked(&theatre).pop().expect("it was asked for what fits");
    assert!(matches!(first[..], [(2, 570_000..=650_000, 0)]), "{first:?}");

    ann.layers[2].encoder.set_bitrate(1_200_000);
    ann.pass(&mut theatre, 5000);
    let (sizes, bits, _) = seen(&theatre, eye, theatre.worker.now - Duration::from_secs(1));
    assert_eq!(sizes, [(320, 180)]);
    assert!(bits < 650_000);

    ann.layers[2].encoder.set_bitrate(first[0].1);
    ann.pass(&mut theatre, 9000);
    assert_eq!(seen(&theatre, eye, theatre.worker.now - NEXT).0, [(640, 360)]);
    assert_eq!(theatre.far[eye].broken, 0);
    assert_eq!(asked(&theatre), Vec::<Vec<(u8, u32, u8)>>::new(), "it was asked once");

    theatre.hang_up(eye);
    assert_eq!(asked(&theatre), [vec![]], "it is free again");
}

#[test]
fn of_thirty_pictures_in_a_second_a_phone_of_fifteen_is_passed_on_every_other() {
    let mut theatre = Theatre::open();
    let eye = theatre.call("eye", takes((160, 90), 2_000_000), None);
    let mut ann = Browser::join(&mut theatre, "ann", GREEN, 30);
    ann.is_temporal = true;
    ann.layers.truncate(1);
    ann.layers[0].encoder.set_bitrate(500_000);
    ann.pass(&mut theatre, 3000);

    let since = theatre.worker.now;
    ann.pass(&mut theatre, 4000);

    let (sizes, _, fps) = seen(&theatre, eye, since);
    assert_eq!((sizes, fps), (vec![(160, 90)], 15));
    assert_eq!(way(&theatre, eye), "forward");
    assert_eq!(theatre.far[eye].broken, 0);
    assert!(theatre.longest_still(eye, since, theatre.worker.now) <= Duration::from_millis(80), "evenly");
}

#[test]
fn another_phone_whose_picture_is_too_large_too_fast_or_too_dear_is_composed() {
    let whole = |codec: VideoCodec| Terms { size: (320, 180), fps: 15, bitrate_bps: 300_000, ..terms(codec) };
    for codec in [Vp8, H264] {
        for (what, camera) in [
            ("large", Terms { size: (640, 360), ..whole(codec) }),
            ("fast", Terms { fps: 30, ..whole(codec) }),
            ("dear", Terms { bitrate_bps: 600_000, ..whole(codec) }),
        ] {
            let mut theatre = Theatre::open();
            let eye = theatre.call("eye", whole(codec), None);
            theatre.call("ann", camera, Some(BLUE));
            theatre.pass(6000);

            let since = theatre.worker.now;
            theatre.pass(4000);

            let (sizes, bits, fps) = seen(&theatre, eye, since);
            assert_eq!(sizes, [(320, 180)], "{codec:?}, {what}");
            assert!((14..=16).contains(&fps), "{codec:?}, {what}: {fps} in a second");
            assert!(bits <= 330_000, "{codec:?}, {what}: {bits} bit/s");
            assert_eq!(way(&theatre, eye), "make", "{codec:?}, {what}");
            assert_eq!(theatre.far[eye].broken, 0);
        }
    }
}
