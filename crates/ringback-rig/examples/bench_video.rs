//! CPU time and delay of pictures for telephones: passed on, and composed by a pixel process; beside their floors.
//!
//! `cargo run --release -p ringback-rig --example bench_video [-- --seconds 10 --only composed]`, after the pixel program
//! was built (`make build`). The whole engine runs over real sockets on loopback; its threads and its pixel process are
//! measured. Cameras play films that real codecs made before, with a number in each picture.

#[path = "../../ringback-pixels/tests/common/mod.rs"]
mod common;

use std::collections::HashMap;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use common::{BLUE, GREEN, GREY, RED, camera};
use ringback_audio::{OpusEncoder, OpusSettings};
use ringback_engine::{Engine, VideoCodec, VideoMedia};
use ringback_pictures::{Arrangement, Coding, Place, places};
use ringback_pixels::{Decoder, Encoder, Picture, Quality};
use ringback_rig::{
    Browser, Delays, Film, Phones, Row, Seat, Sends, VideoPhones, VideoSeat, Watched, answer_of, cpu_of_process,
    cpu_of_threads, echo_ports, named_children, now_ns, open_phone, open_video, pixel_program, run_first, start,
};
use ringback_rtp::video::Frame;
use rustix::time::{ClockId, clock_gettime};

const LEG: &str = "CPU ms per leg-second";
const SECOND: &str = "CPU ms per second";
/// Of a core: two hundredths for a leg, forty for a picture.
const MUST_LEG_US: f64 = 20_000.0;
const MUST_PICTURE_US: f64 = 400_000.0;
const MUST_FORWARDED_MS: f64 = 5.0;
const MUST_COMPOSED_MS: f64 = 120.0;
const FPS: u32 = 15;
/// Pictures of a film: four seconds, so that a number means one of them.
const FILM: usize = 60;
/// The number is in so many squares, each a tenth of the picture wide.
const BITS: usize = 6;
const SETTLE: Duration = Duration::from_secs(3);

struct Size {
    rooms: usize,
    further: usize,
    time: Duration,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let number = |name: &str, otherwise: u64| option(name).map_or(otherwise, |n| n.parse().expect("a number"));
    let size = Size {
        rooms: number("--rooms", 10) as usize,
        further: number("--further", 10) as usize,
        time: Duration::from_secs(number("--seconds", 8)),
    };
    if !run_first() {
        eprintln!("without the right to run first (root), delays are those of whoever else runs on this machine");
    }
    let wanted = |name: &str| option("--only").is_none_or(|only| name.contains(only.as_str()));
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        let film = film(codec, 1280, 720, 900_000, GREEN);
        if wanted("forwarded") {
            if codec == VideoCodec::Vp8 {
                floor(&film, &size);
                from_browsers(&film, &size);
            }
            between_phones(&film, &size);
        }
    }
    for (cameras, watches) in [(VideoCodec::Vp8, VideoCodec::H264), (VideoCodec::H264, VideoCodec::Vp8)] {
        if wanted("composed") {
            composed(cameras, watches, &size);
        }
    }
}

/// Pictures with their number in them, encoded once.
fn film(codec: VideoCodec, width: usize, height: usize, bitrate_bps: u32, colour: [u8; 3]) -> Arc<Film> {
    let coding = coding(codec);
    let quality = Quality { coding, longest_unit: 1100, width, height, rate: FPS, bitrate_bps };
    let mut encoder = Encoder::new(quality).expect("libvpx is here: make peers installs it");
    let frame = |number: usize| {
        let mut picture = camera(width, height, colour, number);
        numbered(&mut picture, number);
        encoder.encode(&picture, (number as u64 * 1_000_000) / u64::from(FPS), number == 0).expect("a picture").data
    };
    Arc::new(Film { codec, mode: 0, fps: FPS, frames: (0..FILM).map(frame).collect() })
}

fn coding(codec: VideoCodec) -> Coding {
    if codec == VideoCodec::Vp8 { Coding::Vp8 } else { Coding::H264 }
}

/// Squares in the middle, light where the number's bit is set.
fn numbered(picture: &mut Picture, number: usize) {
    let side = (picture.width / 10) & !1;
    for bit in 0..BITS {
        let colour = if (number >> bit) & 1 == 1 { [235, 128, 128] } else { [16, 128, 128] };
        picture.fill((bit + 2) * side, (picture.height / 2) & !1, side, side, colour);
    }
}

/// The number that stands in a place of a picture.
fn number_in(picture: &Picture, place: Place) -> usize {
    let side = (place.width / 10) & !1;
    let is_light = |bit: &usize| {
        let (x, y) = (place.x + (bit + 2) * side + side / 4, place.y + place.height / 2 + side / 4);
        picture.mean(x & !1, y & !1, (side / 2) & !1, (side / 2) & !1)[0] > 126
    };
    (0..BITS).filter(is_light).map(|bit| 1 << bit).sum()
}

fn terms(codec: VideoCodec) -> VideoMedia {
    VideoMedia::plain(codec, 96)
}

/// A telephone with sound and pictures in a room; its number.
fn call(
    engine: &Engine,
    room: usize,
    leg: &str,
    phones: &mut Phones,
    screens: &mut VideoPhones,
    film: &Arc<Film>,
) -> usize {
    let to = open_phone(engine, &format!("room-{room}"), leg, phones.address()).expect("a port is free");
    phones.sit(Seat { to, room });
    let to = open_video(engine, leg, screens.address(), terms(film.codec)).expect("a port is free");
    screens.sit(VideoSeat { to, film: Some(film.clone()), watches: film.codec, passed_on: None, keeps: false })
}

/// What a run took of the processor and what was seen in it, while the telephones speak.
fn run(phones: Phones, screens: &mut VideoPhones, time: Duration) -> (Duration, Watched) {
    let mut phones = phones;
    std::thread::scope(|scope| {
        let speaking = scope.spawn(move || phones.run(SETTLE + time + Duration::from_millis(200)));
        screens.run(SETTLE);
        let before = cpu_of_threads();
        let watched = screens.run(time);
        let used = cpu_of_threads() - before;
        speaking.join().expect("the telephones hang up");
        (used, watched)
    })
}

/// Each telephone of a room of two is passed on the other's pictures and hears it.
fn between_phones(film: &Arc<Film>, size: &Size) {
    let engine = start().expect("the engine starts");
    let (mut phones, mut screens) = (Phones::new().expect("ports"), VideoPhones::new().expect("a port"));
    for room in 0..size.rooms {
        let [a, b] =
            ["a", "b"].map(|leg| call(&engine, room, &format!("{leg}-{room}"), &mut phones, &mut screens, film));
        screens.watch(a, b);
        screens.watch(b, a);
    }
    let legs = 2 * size.rooms;
    let (used, watched) = run(phones, &mut screens, size.time);
    let name = format!("video/passed on, {legs} legs of {:?} in rooms of 2, both ways, with sound", film.codec);
    passed_on(&name, used, watched, legs, size.time);
}

/// A browser films in each room, and a telephone watches it, films and speaks.
fn from_browsers(film: &Arc<Film>, size: &Size) {
    let engine = start().expect("the engine starts");
    let (mut phones, mut screens) = (Phones::new().expect("ports"), VideoPhones::new().expect("a port"));
    for room in 0..size.rooms {
        let leg = format!("browser-{room}");
        let (mut browser, offer) = Browser::new(Sends::Media, true).expect("a port is free");
        engine.open_webrtc(&format!("room-{room}"), &leg);
        let request = engine.webrtc_offer(&leg, &offer);
        browser.accept(&answer_of(&engine, request).expect("the offer is good")).expect("the answer is good");
        let video = browser.video.expect("it was asked for").to_string();
        engine
            .set_published(&leg, HashMap::from([(browser.audio.to_string(), "audio".into()), (video, "video".into())]));
        browser.learn(hum());
        browser.connect(Duration::from_secs(30)).expect("it connects");
        let camera = screens.film_by(browser, film.clone());
        let phone = call(&engine, room, &format!("phone-{room}"), &mut phones, &mut screens, film);
        screens.watch(phone, camera);
    }
    let (used, watched) = run(phones, &mut screens, size.time);
    let name = format!("video/passed on, {} rooms of a browser and a phone, the browser's part included", size.rooms);
    passed_on(&name, used, watched, size.rooms, size.time);
}

fn passed_on(name: &str, used: Duration, mut watched: Watched, legs: usize, time: Duration) {
    let seconds = time.as_secs_f64() * legs as f64;
    let shown = watched.pictures as f64 / seconds;
    let least = watched.least as f64 / time.as_secs_f64();
    assert!(least > 0.8 * f64::from(FPS), "{name}: {shown:.1} pictures a second, at least {least:.1}");
    Row::ms(name, used.as_secs_f64() * 1e3 / seconds, LEG).at_most(MUST_LEG_US).print();
    Row::score(&format!("{name}: shown"), watched.bits as f64 / seconds / 1000.0, "kbit/s a leg").print();
    assert!(
        watched.ways.len() as u64 * 2 > watched.received,
        "{} of {} are known",
        watched.ways.len(),
        watched.received
    );
    Row::score(&format!("{name}: delay, 50 of 100"), watched.ways.percentile_ms(50), "ms").print();
    Row::score(&format!("{name}: delay, 95 of 100"), watched.ways.percentile_ms(95), "ms")
        .at_most(MUST_FORWARDED_MS)
        .print();
}

/// The same packets of sound and pictures given back as they came, by a thread with a port for each.
fn floor(film: &Arc<Film>, size: &Size) {
    let legs = 2 * size.rooms;
    let sockets: Vec<UdpSocket> = (0..2 * legs).map(|_| socket()).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| {
            echo_ports(&sockets, &stop);
            thread_cpu()
        });
        let (mut phones, mut screens) = (Phones::new().expect("ports"), VideoPhones::new().expect("a port"));
        for (leg, pair) in sockets.chunks(2).enumerate() {
            phones.sit(Seat { to: address(&pair[0]), room: leg });
            let (film, watches) = (Some(film.clone()), film.codec);
            let seat = VideoSeat { to: address(&pair[1]), film, watches, passed_on: Some(leg), keeps: false };
            screens.sit(seat);
        }
        let speaking = scope.spawn(move || phones.run(size.time));
        let mut watched = screens.run(size.time);
        speaking.join().expect("the telephones hang up");
        stop.store(true, Relaxed);
        let used = serving.join().expect("the echo ends");
        let seconds = size.time.as_secs_f64() * legs as f64;
        let name = "video/floor: sound and pictures given back, a port for each, epoll, recv and send";
        Row::ms(name, used.as_secs_f64() * 1e3 / seconds, LEG).print();
        Row::score(&format!("{name}: delay, 95 of 100"), watched.ways.percentile_ms(95), "ms").print();
    });
}

/// Four cameras whose codec the telephones do not know: one picture for all of them.
fn composed(cameras: VideoCodec, watches: VideoCodec, size: &Size) {
    let engine = start().expect("the engine starts");
    engine.set_pixels(pixel_program().expect("it was built"));
    let (phones, mut screens) = (Phones::new().expect("ports"), VideoPhones::new().expect("a port"));
    let films = [GREEN, BLUE, RED, GREY].map(|colour| film(cameras, 640, 360, 500_000, colour));
    let floor = codecs_alone(&films[0], watches);
    // A camera in step with the room's picture would always be as long on its way.
    let [first, ..] = &films;
    let films = [Arc::new(Film { fps: FPS + 1, ..(**first).clone() })].into_iter().chain(films.iter().skip(1).cloned());
    let name = format!("video/4 tiles of {cameras:?} at 640x360 to 720p15 {watches:?}");
    Row::ms(&format!("{name}: floor: the codecs alone"), floor, SECOND).print();
    for (number, film) in films.enumerate() {
        let leg = format!("camera-{number}");
        open_phone(&engine, "room", &leg, phones.address()).expect("a port is free");
        let to = open_video(&engine, &leg, screens.address(), VideoMedia { send: false, ..terms(cameras) });
        let (to, film) = (to.expect("a port is free"), Some(film));
        screens.sit(VideoSeat { to, film, watches: cameras, passed_on: None, keeps: false });
        // Whoever has been here longest is large as long as nobody speaks.
        screens.run(Duration::from_millis(500));
    }
    let mut viewers = Vec::new();
    let view = |screens: &mut VideoPhones, viewers: &mut Vec<usize>| {
        let leg = format!("viewer-{}", viewers.len());
        open_phone(&engine, "room", &leg, phones.address()).expect("a port is free");
        let to = open_video(&engine, &leg, screens.address(), terms(watches)).expect("a port is free");
        let keeps = viewers.is_empty();
        viewers.push(screens.sit(VideoSeat { to, film: None, watches, passed_on: None, keeps }));
    };
    view(&mut screens, &mut viewers);
    screens.run(SETTLE);
    let pixels = pixel_process();
    let from_ns = now_ns();
    let (engine_alone, pixels_alone, alone) = spent(&mut screens, pixels, size.time);
    let kept = screens.kept(viewers[0]);
    let seconds = size.time.as_secs_f64();
    let shown = alone.pictures as f64 / seconds;
    assert!(shown > 0.8 * f64::from(FPS), "{name}: {shown:.1} pictures a second were shown");
    Row::ms(&name, (engine_alone + pixels_alone) * 1e3 / seconds, SECOND).at_most(MUST_PICTURE_US).print();
    Row::ms(&format!("{name}: the pixel process of it"), pixels_alone * 1e3 / seconds, SECOND).print();
    Row::score(&format!("{name}: shown"), alone.bits as f64 / seconds / 1000.0, "kbit/s").print();
    let mut delays = delays(&screens, kept, watches, from_ns);
    assert!(delays.len() > FPS as usize, "{name}: {} new pictures were known again", delays.len());
    Row::score(&format!("{name}: delay, 50 of 100"), delays.percentile_ms(50), "ms").print();
    Row::score(&format!("{name}: delay, 95 of 100"), delays.percentile_ms(95), "ms").at_most(MUST_COMPOSED_MS).print();
    (0..size.further).for_each(|_| view(&mut screens, &mut viewers));
    screens.run(SETTLE);
    let (engine_all, pixels_all, all) = spent(&mut screens, pixels, size.time);
    assert!(all.pictures > alone.pictures * size.further as u64, "{name}: all are shown it");
    let further = (engine_all - engine_alone).max(0.0) * 1e3 / seconds / size.further as f64;
    Row::ms(&format!("{name}: a further leg"), further, LEG).at_most(MUST_LEG_US).print();
    let grown = (pixels_all - pixels_alone) * 1e3 / seconds;
    Row::ms(&format!("{name}: what {} more legs cost the pixel process", size.further), grown, SECOND).print();
}

/// Processor time of the engine and of the pixel process in a run, in seconds.
fn spent(screens: &mut VideoPhones, pixels: u32, time: Duration) -> (f64, f64, Watched) {
    let before = (cpu_of_threads(), cpu_of_process(pixels));
    let watched = screens.run(time);
    let after = (cpu_of_threads(), cpu_of_process(pixels));
    ((after.0 - before.0).as_secs_f64(), (after.1 - before.1).as_secs_f64(), watched)
}

/// From a camera's picture to the first composed one in which it is seen large; both when their last packet was there.
fn delays(screens: &VideoPhones, kept: Vec<(u64, Frame)>, watches: VideoCodec, from_ns: u64) -> Delays {
    let large = places(Arrangement::Speaker, 4, 1280, 720)[0];
    let mut decoder = Decoder::new(coding(watches)).expect("libvpx is here");
    let (mut delays, mut last) = (Delays::default(), None);
    // A decoder begins with a key frame: what came before one was thrown away.
    for (at_ns, frame) in kept.into_iter().skip_while(|(_, frame)| !frame.key) {
        let Ok(Some(picture)) = decoder.decode(&frame.data) else { continue };
        let number = number_in(&picture, large);
        if last.replace(number) != Some(number)
            && at_ns > from_ns
            && let Some(sent) = screens.filmed(0, number, at_ns)
        {
            delays.add((at_ns - sent) as i64);
        }
    }
    delays
}

/// Four pictures of the film decoded and one of 720p encoded, fifteen times a second: CPU milliseconds of a second.
fn codecs_alone(film: &Film, watches: VideoCodec) -> f64 {
    let quality = Quality {
        coding: coding(watches),
        longest_unit: 1100,
        width: 1280,
        height: 720,
        rate: FPS,
        bitrate_bps: 900_000,
    };
    let pictures: Vec<Picture> = (0..FILM).map(|number| camera(1280, 720, GREY, number)).collect();
    let mut encoder = Encoder::new(quality).expect("libvpx is here: make peers installs it");
    let mut decoders: Vec<Decoder> =
        (0..4).map(|_| Decoder::new(coding(film.codec)).expect("libvpx is here")).collect();
    let before = thread_cpu();
    for (number, (frame, picture)) in film.frames.iter().zip(&pictures).enumerate() {
        decoders.iter_mut().for_each(|decoder| assert!(decoder.decode(frame).is_ok()));
        encoder.encode(picture, (number as u64 * 1_000_000) / u64::from(FPS), false).expect("a picture");
    }
    (thread_cpu() - before).as_secs_f64() * 1e3 * f64::from(FPS) / FILM as f64
}

/// The room's pixel process, which runs first, too: whoever else runs here would be in the delay.
fn pixel_process() -> u32 {
    let pids = named_children("ringback-pixels");
    let [pid] = pids[..] else { panic!("one pixel process runs, not {pids:?}") };
    pid
}

/// A second of a voice that hums, in Opus.
fn hum() -> Vec<Vec<u8>> {
    let mut encoder = OpusEncoder::new(48_000, OpusSettings::default()).expect("Opus is here");
    let sample = |n: usize| ((n as f64 * 220.0 * std::f64::consts::TAU / 48_000.0).sin() * 6000.0) as i16;
    let packet = |n: usize| {
        let (pcm, mut out): (Vec<i16>, _) = ((n * 960..(n + 1) * 960).map(sample).collect(), Vec::new());
        encoder.encode(&pcm, &mut out).expect("20 ms are encoded");
        out
    };
    (0..50).map(packet).collect()
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    ringback_rig::stamp_arrivals(&socket).expect("the kernel stamps arrivals");
    socket
}

fn address(socket: &UdpSocket) -> SocketAddrV4 {
    match socket.local_addr() {
        Ok(SocketAddr::V4(address)) => address,
        other => panic!("it was bound to IPv4: {other:?}"),
    }
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}
