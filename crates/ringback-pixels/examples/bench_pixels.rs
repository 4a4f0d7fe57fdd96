//! What composing costs: four cameras in, one picture out, beside the codecs alone. Times are of one second of pictures.

#[path = "../tests/common/mod.rs"]
mod common;

use common::{BLUE, GREEN, GREY, RED, camera};
use ringback_pictures::{Arrangement, Coding, Order, Tile, View, Yield};
use ringback_pixels::{Encoder, Picture, Quality, Studio};
use rustix::time::{ClockId, clock_gettime};

const SECONDS: usize = 6;
const RATE: usize = 15;
const FRAMES: usize = SECONDS * RATE;

fn main() {
    let film: Vec<Picture> = (0..30).map(|n| camera(1280, 720, GREY, n)).collect();
    for coding in [Coding::Vp8, Coding::H264] {
        let (cost, bits) = encoding(coding, &film);
        line(&format!("floor: encode 720p15 at 900 kbit/s, {coding:?} alone ({} kbit/s)", bits / 1000), cost, None);
    }
    let small: Vec<Vec<Vec<u8>>> = [GREEN, BLUE, RED, GREY].map(|colour| stream(colour, 640, 360, 500_000)).into();
    line("floor: decode four 360p15 VP8", decoding(&small), None);
    for coding in [Coding::Vp8, Coding::H264] {
        for arrangement in [Arrangement::Grid, Arrangement::Speaker] {
            let cost = composing(coding, arrangement, &small);
            line(
                &format!("four tiles to 720p15 {coding:?}, {arrangement:?}: decode, compose, encode"),
                cost,
                Some(400_000.0),
            );
        }
    }
    let phone = stream(GREEN, 1280, 720, 900_000);
    line("one 720p15 VP8 made H264", composing(Coding::H264, Arrangement::Alone, &[phone]), None);
}

/// Processor time for a second of pictures.
fn line(name: &str, us: f64, target: Option<f64>) {
    let target = target.map_or(String::new(), |target| format!(", \"target\": {target}"));
    println!("{{\"name\": \"{name}\", \"us\": {us:.0}, \"unit\": \"second\"{target}}}");
}

fn quality(coding: Coding, width: usize, height: usize, bitrate_bps: u32) -> Quality {
    Quality { coding, longest_unit: 0, width, height, rate: RATE as u32, bitrate_bps }
}

fn measure(work: impl FnOnce()) -> f64 {
    let begun = processor_us();
    work();
    (processor_us() - begun) / SECONDS as f64
}

fn encoding(coding: Coding, film: &[Picture]) -> (f64, usize) {
    let mut encoder = Encoder::new(quality(coding, 1280, 720, 900_000)).expect("libvpx is here");
    let mut bytes = 0;
    let cost = measure(|| {
        for n in 0..FRAMES {
            // There and back: no jump where the film ends.
            let at = n % (2 * film.len());
            let picture = &film[if at < film.len() { at } else { 2 * film.len() - 1 - at }];
            bytes += encoder.encode(picture, (n * 1_000_000 / RATE) as u64, false).map_or(0, |made| made.data.len());
        }
    });
    (cost, bytes * 8 / SECONDS)
}

fn stream(colour: [u8; 3], width: usize, height: usize, bitrate_bps: u32) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(quality(Coding::Vp8, width, height, bitrate_bps)).expect("libvpx is here");
    let picture = |n| camera(width, height, colour, n);
    (0..FRAMES).map(|n| encoder.encode(&picture(n), (n * 1_000_000 / RATE) as u64, false).expect("one").data).collect()
}

fn decoding(streams: &[Vec<Vec<u8>>]) -> f64 {
    let mut decoders: Vec<_> =
        streams.iter().map(|_| ringback_pixels::Decoder::new(Coding::Vp8).expect("libvpx is here")).collect();
    measure(|| {
        for n in 0..FRAMES {
            for (decoder, stream) in decoders.iter_mut().zip(streams) {
                assert!(matches!(decoder.decode(&stream[n]), Ok(Some(_))));
            }
        }
    })
}

fn composing(coding: Coding, arrangement: Arrangement, streams: &[Vec<Vec<u8>>]) -> f64 {
    let tile = |n: usize| Tile { source: Some(n as u64), name: format!("Camera {n}"), muted: n == 1, whole: false };
    let what = View {
        coding,
        longest_unit: 0,
        width: 1280,
        height: 720,
        rate: RATE as u8,
        bitrate_bps: 900_000,
        arrangement,
        tiles: (0..streams.len()).map(tile).collect(),
    };
    let (mut studio, mut answers, mut pictures) = (Studio::default(), Vec::new(), 0);
    studio.order(Order::View { view: 1, what }, 1, &mut answers);
    let cost = measure(|| {
        for n in 0..FRAMES {
            let now_us = 1 + (n * 1_000_000 / RATE) as u64;
            for (source, stream) in streams.iter().enumerate() {
                let data = stream[n].clone();
                let order = Order::Frame { source: source as u64, coding: Coding::Vp8, at_us: now_us, data };
                studio.order(order, now_us, &mut answers);
            }
            studio.wake(now_us, &mut answers);
            pictures += answers.drain(..).filter(|answer| matches!(answer, Yield::Picture { .. })).count();
        }
    });
    assert!(pictures + 2 >= FRAMES, "{pictures} of {FRAMES}");
    cost
}

fn processor_us() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
