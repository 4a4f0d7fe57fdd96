//! CPU time of forwarding to many browsers, of a join (from the first offer until the last of them is connected), and the memory each takes, beside the floor of bare sends.
//!
//! `cargo run --release -p ringback-rig --example bench_browsers [-- --pictures 100 --sound 300 --seconds 10]`. The browsers
//! are str0m, in a process of their own, and answer with real reports; the engine's threads alone are measured.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use ringback_engine::{Engine, Event};
use ringback_rig::{
    Browser, Delays, Ears, Farm, Phones, Row, Seat, Sends, Shown, cpu_of_threads, farm_main, memory_kib, open_phone,
    run_first, start,
};
use rustix::time::{ClockId, clock_gettime};

/// The time in which paths are looked at, and which is not measured with the rest.
const FIRST: Duration = Duration::from_secs(2);
const MUST_US: f64 = 15.0;
const UNIT: &str = "CPU us per forwarded packet";

fn main() {
    farm_main();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let number = |name: &str, otherwise: u64| option(name).map_or(otherwise, |n| n.parse().expect("a number"));
    let time = Duration::from_secs(number("--seconds", 4));
    if !run_first() {
        eprintln!("without the right to run first (root), what is late is whoever else runs on this machine");
    }
    floor();
    let wanted = |name: &str| option("--only").is_none_or(|only| name.contains(only.as_str()));
    if wanted("pictures") {
        fan_out(number("--pictures", 100) as usize, Shown::Pictures, time);
    }
    if wanted("sound") {
        fan_out(number("--sound", 300) as usize, Shown::Sound, time);
    }
    if wanted("delay") {
        delay(number("--calls", 40) as usize, time);
    }
}

/// The bare sends of as many packets, and the one receive that so many listeners share.
fn floor() {
    let (a, b) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (to, packet, mut buffer) = (b.local_addr().unwrap(), [0; 1100], [0; 2048]);
    let best = (0..20).map(|_| {
        let mut spent = Duration::ZERO;
        for _ in 0..1000 {
            let begun = cpu();
            a.send_to(&packet, to).unwrap();
            spent += cpu() - begun;
            b.recv_from(&mut buffer).unwrap();
        }
        spent.as_secs_f64() * 1e6 / 1000.0
    });
    Row::us("browsers/floor: a bare send", best.fold(f64::MAX, f64::min), UNIT).print();
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

fn fan_out(listeners: usize, shown: Shown, time: Duration) {
    let engine = start().expect("the engine starts");
    let empty = memory_kib();
    let mut farm = Farm::start(listeners, shown).expect("this program can be started again");
    let begun = cpu_of_threads();
    let mut joined = 0;
    while let Some(offer) = farm.offer().expect("the browsers live") {
        let leg = format!("browser-{joined}");
        engine.open_webrtc("room", &leg);
        let request = engine.webrtc_offer(&leg, &offer.sdp);
        let answer = answer(&engine, request);
        let mids = [Some((offer.audio, "audio")), offer.video.map(|mid| (mid, "video"))].into_iter().flatten();
        if joined == 0 {
            engine.set_published(&leg, mids.map(|(mid, track)| (mid, track.to_owned())).collect());
        } else {
            let from = |track: &str| ("browser-0".to_owned(), track.to_owned());
            engine.set_subscriptions(&leg, mids.map(|(mid, track)| (mid, from(track))).collect::<HashMap<_, _>>());
        }
        farm.answer(&answer).expect("the browsers live");
        joined += 1;
    }
    let join = cpu_of_threads() - begun;
    let name = match shown {
        Shown::Pictures => format!("browsers/pictures, 1 to {listeners}"),
        Shown::Sound => format!("browsers/sound, 1 to {listeners}"),
    };
    Row::ms(&format!("{name}: join (SDP, ICE, DTLS)"), join.as_secs_f64() * 1e3 / f64::from(joined), "CPU ms per join")
        .at_most(4000.0)
        .print();
    let begun = cpu_of_threads();
    farm.publish(FIRST).expect("the browsers live");
    let first = (cpu_of_threads() - begun).as_secs_f64() * 1e3 / f64::from(joined);
    Row::ms(&format!("{name}: the first two seconds of media"), first, "CPU ms per browser").print();
    let begun = cpu_of_threads();
    let received = farm.publish(time).expect("the browsers live");
    let used = cpu_of_threads() - begun;
    let rate = if shown == Shown::Pictures { 350.0 } else { 50.0 };
    let arrived = received as f64 * 100.0 / (rate * time.as_secs_f64() * listeners as f64);
    assert!(arrived > 50.0, "{name}: {arrived:.0} % arrived");
    Row::us(&name, used.as_secs_f64() * 1e6 / received as f64, UNIT).at_most(MUST_US).print();
    Row::score(&format!("{name}: arrived"), arrived, "%").print();
    let memory = (memory_kib() - empty) as f64 / f64::from(joined);
    Row::score(&format!("{name}: memory"), memory, "KiB a peer").at_most(1024.0).print();
}

fn answer(engine: &Engine, request: u64) -> String {
    loop {
        for event in engine.drain() {
            if let Event::Reply { request: of, result } = event
                && of == request
            {
                return result.expect("the offer is good");
            }
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// From a telephone to a browser that takes its codec: how long the engine has a packet.
fn delay(calls: usize, time: Duration) {
    let engine = start().expect("the engine starts");
    let mut phones = Phones::new().expect("two ports are free");
    let far = phones.address();
    let mut browsers = Vec::new();
    for call in 0..calls {
        let (room, leg) = (format!("room-{call}"), format!("browser-{call}"));
        let to = open_phone(&engine, &room, &format!("phone-{call}"), far).expect("a port is free");
        phones.sit(Seat { to, room: call });
        let (mut browser, offer) = Browser::new(Sends::Nothing, false).expect("a port is free");
        engine.open_webrtc(&room, &leg);
        let request = engine.webrtc_offer(&leg, &offer);
        browser.accept(&answer(&engine, request)).expect("the answer is good");
        let table = HashMap::from([(browser.audio.to_string(), (format!("phone-{call}"), "audio".to_owned()))]);
        engine.set_subscriptions(&leg, table);
        browsers.push((browser, Ears::default()));
    }
    let said = phones.said();
    let mut delays = Delays::default();
    std::thread::scope(|scope| {
        let speaking = scope.spawn(move || phones.run(Duration::from_secs(3) + time));
        let begun = Instant::now();
        while !speaking.is_finished() {
            for (call, (browser, ears)) in browsers.iter_mut().enumerate() {
                browser.run(|at_ns, payload| {
                    let Some(onset) = ears.hear(at_ns, payload) else { return };
                    let way = onset.at_ns as i64 - said.lock().expect("nobody panics with it")[call] as i64;
                    if begun.elapsed() > Duration::from_secs(3) && (0..100_000_000).contains(&way) {
                        delays.add(way);
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    assert!(delays.len() > calls, "{} bursts were heard", delays.len());
    for (percent, must) in [(50, None), (95, Some(2.0))] {
        let name = format!("browsers/delay of a phone's packets, forwarded, {percent} of 100");
        let row = Row::score(&name, delays.percentile_ms(percent), "ms");
        must.map_or(row.clone(), |must| row.at_most(must)).print();
    }
}
