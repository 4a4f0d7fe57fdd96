//! Five telephones with cameras and five browsers in one room, everybody seen and heard by everybody, for ten minutes.
//!
//! The browsers are str0m and the telephones the rig's: ten real ones would take more of the machine than the server does.
//! Three telephones speak VP8 as the browsers do and two H.264, so that pictures are passed on and made at the same time.
//! `RINGBACK_SOAK_MINUTES` is how long.

#[path = "../../ringback-pixels/tests/common/mod.rs"]
mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{BLUE, GREEN, GREY, RED, camera};
use ringback_audio::{OpusEncoder, OpusSettings};
use ringback_engine::{Engine, Event, VideoCodec, VideoMedia};
use ringback_pictures::Coding;
use ringback_pixels::{Encoder, Quality};
use ringback_rig::{
    Browser, Film, Phones, Seat, VideoPhones, VideoSeat, answer_of, cpu_of_process, cpu_of_threads, memory_kib,
    named_children, open_phone, open_video, pixel_program, run_first, start,
};

const FIVE: usize = 5;
const FPS: u32 = 15;
/// A screen that stands still for longer is frozen.
const FROZEN: Duration = Duration::from_secs(5);
/// Memory may grow by so much after the first minute: of all this, not of the server alone.
const MORE_KIB: u64 = 30 << 10;
const COLOURS: [[u8; 3]; FIVE] = [GREEN, BLUE, RED, GREY, GREEN];

#[test]
#[ignore = "ten minutes"]
fn five_telephones_with_cameras_and_five_browsers_meet_for_ten_minutes() {
    let minutes = std::env::var("RINGBACK_SOAK_MINUTES").ok().and_then(|minutes| minutes.parse().ok()).unwrap_or(10);
    if !run_first() {
        eprintln!("without the right to run first (root), what is slow is whoever else runs on this machine");
    }
    let engine = start().expect("the engine starts");
    engine.set_pixels(pixel_program().expect("it was built"));
    let (mut phones, mut screens) = (Phones::new().expect("ports"), VideoPhones::new().expect("a port"));
    for (number, colour) in COLOURS.into_iter().enumerate() {
        come_in(&engine, number, &mut screens, film(VideoCodec::Vp8, colour));
    }
    for (number, colour) in COLOURS.into_iter().enumerate() {
        let codec = if number < 3 { VideoCodec::Vp8 } else { VideoCodec::H264 };
        let leg = format!("phone-{number}");
        let to = open_phone(&engine, "room", &leg, phones.address()).expect("a port is free");
        phones.sit(Seat { to, room: 0 });
        let to = open_video(&engine, &leg, screens.address(), VideoMedia::plain(codec, 96)).expect("a port is free");
        let film = Some(film(codec, colour));
        screens.sit(VideoSeat { to, film, watches: codec, passed_on: None, keeps: false });
    }

    std::thread::scope(|scope| {
        let speaking = scope.spawn(move || phones.run(Duration::from_secs(60 * minutes + 5)));
        screens.run(Duration::from_secs(5));
        let mut first = None;
        for minute in 1..=minutes {
            a_minute(&engine, &mut screens, minute);
            first.get_or_insert_with(memory_kib);
        }
        let heard = speaking.join().expect("the telephones hang up");
        assert!(heard.received * 10 > heard.sent * 9, "of {} packets of sound {} came", heard.sent, heard.received);
        let (first, last) = (first.expect("there was a minute"), memory_kib());
        println!("memory after the first minute {first} KiB, at the end {last} KiB");
        assert!(last < first + MORE_KIB, "memory grew from {first} to {last} KiB");
    });
}

/// Everybody is seen by everybody all the time, and no leg is lost.
fn a_minute(engine: &Engine, screens: &mut VideoPhones, minute: u64) {
    let pixels = named_children("ringback-pixels");
    let before = (cpu_of_threads(), pixels.iter().map(|pid| cpu_of_process(*pid)).sum::<Duration>());
    let watched = screens.run(Duration::from_secs(60));
    let after = (cpu_of_threads(), pixels.iter().map(|pid| cpu_of_process(*pid)).sum::<Duration>());
    let share = |a: Duration, b: Duration| (a.saturating_sub(b)).as_secs_f64() / 0.6;
    let (engine_share, pixel_share) = (share(after.0, before.0), share(after.1, before.1));
    let memory = memory_kib();
    println!(
        "minute {minute}: engine {engine_share:.1} % of a core, pixels {pixel_share:.1} %, {memory} KiB; \
         {} pictures at least, {:?} still at most",
        watched.least, watched.longest_still
    );
    assert_eq!(pixels, named_children("ringback-pixels"), "the pixel process is the same");
    assert!(watched.longest_still < FROZEN, "a screen stood still for {:?}", watched.longest_still);
    assert!(watched.least > 60 * u64::from(FPS) / 2, "a screen was shown {} pictures", watched.least);
    let gone = |event: &Event| {
        matches!(event, Event::LegFailed { .. } | Event::LegSilent { .. })
            || matches!(event, Event::WebrtcState { state, .. } if *state != "connected")
    };
    let lost: Vec<Event> = engine.drain().into_iter().filter(gone).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let now = Instant::now();
    for (browser, flows) in screens.flows().enumerate() {
        let live = flows.values().filter(|flow| now < flow.last + FROZEN).count();
        assert!(live >= 2 * (2 * FIVE - 1), "browser {browser} is sent {live} streams: {flows:?}");
    }
}

/// A browser joins, films, speaks softly, and takes sound and pictures of the nine others.
fn come_in(engine: &Engine, number: usize, screens: &mut VideoPhones, film: Arc<Film>) {
    let leg = format!("browser-{number}");
    let (mut browser, offer) = Browser::among(2 * FIVE - 1).expect("a port is free");
    engine.open_webrtc("room", &leg);
    let request = engine.webrtc_offer(&leg, &offer);
    browser.accept(&answer_of(engine, request).expect("the offer is good")).expect("the answer is good");
    let video = browser.video.expect("it was asked for").to_string();
    engine.set_published(&leg, HashMap::from([(browser.audio.to_string(), "audio".into()), (video, "video".into())]));
    let everybody = ["browser", "phone"].into_iter().flat_map(|kind| (0..FIVE).map(move |n| format!("{kind}-{n}")));
    let others = everybody.filter(|other| *other != leg).zip(&browser.takes);
    let table = others.flat_map(|(other, (audio, video))| {
        [(audio.to_string(), (other.clone(), "audio".to_owned())), (video.to_string(), (other, "video".to_owned()))]
    });
    engine.set_subscriptions(&leg, table.collect());
    browser.learn(murmur());
    browser.connect(Duration::from_secs(30)).expect("it connects");
    screens.film_by(browser, film);
}

/// Four seconds of a camera.
fn film(codec: VideoCodec, colour: [u8; 3]) -> Arc<Film> {
    let coding = if codec == VideoCodec::Vp8 { Coding::Vp8 } else { Coding::H264 };
    let quality = Quality { coding, longest_unit: 1000, width: 640, height: 360, rate: FPS, bitrate_bps: 400_000 };
    let mut encoder = Encoder::new(quality).expect("libvpx is here: make peers installs it");
    let mut frame = |number: usize| {
        let at_us = number as u64 * 1_000_000 / u64::from(FPS);
        encoder.encode(&camera(640, 360, colour, number), at_us, number == 0).expect("a picture").data
    };
    Arc::new(Film { codec, mode: 0, fps: FPS, frames: (0..60).map(&mut frame).collect() })
}

/// A second of hardly anything, in Opus: the telephones' tones are to be heard through it.
fn murmur() -> Vec<Vec<u8>> {
    let mut encoder = OpusEncoder::new(48_000, OpusSettings::default()).expect("Opus is here");
    let packet = |n: usize| {
        let (pcm, mut out): (Vec<i16>, _) = ((0..960).map(|at| ((at * 7 + n) % 13) as i16).collect(), Vec::new());
        encoder.encode(&pcm, &mut out).expect("20 ms are encoded");
        out
    };
    (0..50).map(packet).collect()
}
