//! CPU time of the server's media thread for a call between a phone and a bot, as JSON lines: `{"name", "ms", "unit"}`.
//!
//! `cargo run --release -p ringback-client --example bench_bots`. Twenty-five phones and as many bots of the real client talk
//! without a pause, over real sockets on loopback; beside it the floor of the bare system calls for the same packets, and
//! what the bots take on their own thread.

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ringback_client::{Callers, Event};
use ringback_engine::{Codec, Config, Engine, Event as ServerEvent, PhoneCodec, PhoneMedia};
use ringback_rtp::RtpHeader;
use rustix::time::{ClockId, clock_gettime};

const LOCAL: [u8; 4] = [127, 0, 0, 1];
const TICK: Duration = Duration::from_millis(20);
const CALLS: usize = 25;
const WARM_UP: u32 = 100;
const TICKS: u32 = 300;
const RATE: u32 = 8_000;
/// Packets of a call each second: 50 each way from the phone, and from the bot.
const PACKETS: f64 = 100.0;

fn main() {
    floor();
    calls("phone and bot, same codec (G.711), one call for a second", Codec::Pcmu, 5.0);
    calls("phone (G.711) and bot (Opus), one call for a second", Codec::Opus, 9.0);
}

fn print(name: &str, ms: f64, unit: &str, target: Option<f64>) {
    // Targets are in microseconds, as the table counts.
    let target = target.map_or(String::new(), |target| format!(r#", "target": {}"#, target * 1000.0));
    println!(r#"{{"name": "bots/{name}", "ms": {ms:.3}, "unit": "{unit}"{target}}}"#);
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// Bare sends and receives of as many packets.
fn floor() {
    let (a, b) = (socket(), socket());
    let to = b.local_addr().unwrap();
    let (packet, mut buffer) = (vec![0; 180], [0; 2048]);
    let best = (0..20).map(|_| {
        let before = cpu();
        for _ in 0..1000 {
            a.send_to(&packet, to).unwrap();
            b.recv_from(&mut buffer).unwrap();
        }
        (cpu() - before).as_secs_f64()
    });
    let one_ms = best.fold(f64::MAX, f64::min);
    print("floor: the packets of one call for a second", one_ms * PACKETS, "CPU ms per call-second", None);
}

fn calls(name: &str, speaks: Codec, target: f64) {
    let (engine, bots) = (engine(), Callers::start().unwrap());
    let mut phones: Vec<Phone> = (0..CALLS).map(|n| Phone::call(&engine, n)).collect();
    let mut connected = HashSet::new();
    let joined: Vec<u64> = (0..CALLS).map(|n| join(&engine, &bots, &mut connected, n, speaks)).collect();
    until(|| {
        drain(&bots, &mut connected);
        (connected.len() == CALLS).then_some(())
    });
    let speech: Vec<i16> = (0..RATE * 12).map(|n| ((f64::from(n) * 0.3).sin() * f64::from(n % 4000)) as i16).collect();
    for bot in &joined {
        assert!(bots.push(*bot, speech.iter().copied(), None));
        bots.listen(*bot, 1, None, RATE as usize);
    }
    pace(WARM_UP, |n| phones.iter_mut().for_each(|phone| phone.tick(n)));
    let (before, own) = (engine_cpu_us(&engine), bots_cpu());
    let (sent, said) = (sent_to_phones(&engine), sent_by(&bots, &joined));
    pace(TICKS, |n| phones.iter_mut().for_each(|phone| phone.tick(WARM_UP + n)));
    let (used, own) = (engine_cpu_us(&engine) - before, bots_cpu() - own);
    // A busy machine is late with everything alike: what counts is what was carried, 50 packets for a second.
    let said = (sent_by(&bots, &joined) - said) as f64 / 50.0;
    let heard = (sent_to_phones(&engine) - sent) as f64 / 50.0;
    let (seconds, forwarded) = (said.min(heard), way(&engine));
    assert!(seconds > CALLS as f64, "{said} seconds were said, {heard} heard");
    let wanted = if speaks == Codec::Pcmu { "forward" } else { "transcode" };
    assert_eq!(forwarded, wanted, "how phones are given a bot's sound");
    print(name, used as f64 / 1000.0 / seconds, "CPU ms per call-second", Some(target));
    let name = format!("the bot's own share ({})", speaks.name());
    print(&name, own.as_secs_f64() * 1000.0 / seconds, "CPU ms per call-second", None);
}

fn engine() -> Engine {
    let local = LOCAL.into();
    Engine::start(Config {
        workers: 1,
        webrtc_host: local,
        webrtc_port: 0,
        webrtc_advertised: vec![local],
        rtp_host: local,
        rtp_other_host: None,
        rtp_first: 28_000,
        rtp_last: 29_999,
    })
    .unwrap()
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::from((LOCAL, 0))).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// A bot that joins a phone's room, up to the server's answer.
fn join(engine: &Engine, bots: &Callers, connected: &mut HashSet<u64>, n: usize, speaks: Codec) -> u64 {
    let (room, leg) = (format!("room-{n}"), format!("bot-{n}"));
    engine.open_webrtc(&room, &leg);
    let call = bots.open(RATE);
    let asked = bots.offer(call, true, 1, &[], false);
    let (sdp, sending, receiving) = until(|| {
        drain(bots, connected).into_iter().find_map(|event| match event {
            Event::Offer { request, sdp, sending, receiving, .. } if request == asked => {
                Some((sdp, sending, receiving))
            }
            _ => None,
        })
    });
    let asked = engine.webrtc_offer(&leg, &sdp);
    let answer = until(|| {
        engine.drain().into_iter().find_map(|event| match event {
            ServerEvent::Reply { request, result } if request == asked => Some(result.unwrap()),
            _ => None,
        })
    });
    engine.set_published(&leg, HashMap::from([(sending.unwrap(), "audio".into())]));
    engine.set_subscriptions(&leg, HashMap::from([(receiving[0].clone(), (format!("phone-{n}"), "audio".into()))]));
    bots.answer(call, &answer);
    bots.speak(call, &[], speaks);
    call
}

/// The bots' events, but for those that connected: these are kept.
fn drain(bots: &Callers, connected: &mut HashSet<u64>) -> Vec<Event> {
    let (states, others) = bots.drain().into_iter().partition(|event| matches!(event, Event::State { .. }));
    for state in states {
        if let Event::State { call, state: "connected" } = state {
            connected.insert(call);
        }
    }
    others
}

fn until<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(Instant::now() < deadline, "the bots do not connect");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn engine_cpu_us(engine: &Engine) -> u64 {
    // The thread tells its clock every 100 ms.
    std::thread::sleep(Duration::from_millis(120));
    engine.counters().into_iter().find(|(name, _)| *name == "cpu_us").unwrap().1
}

/// CPU time of the bots' thread, the newest of that name.
fn bots_cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let mut found: Vec<(u32, u64)> = tasks
        .filter_map(|task| {
            let path = task.ok()?.path();
            let name = std::fs::read_to_string(path.join("comm")).ok()?;
            let spent = std::fs::read_to_string(path.join("schedstat")).ok()?;
            let number = path.file_name()?.to_str()?.parse().ok()?;
            Some((number, spent.split(' ').next()?.parse().ok()?)).filter(|_| name.trim() == "ringback-calls")
        })
        .collect();
    found.sort_unstable();
    found.pop().map_or(Duration::ZERO, |(_, ns)| Duration::from_nanos(ns))
}

fn sent_to_phones(engine: &Engine) -> u64 {
    (0..CALLS).map(|n| engine.shared(&format!("phone-{n}")).unwrap().counters.packets_sent.load(Relaxed)).sum()
}

fn sent_by(bots: &Callers, joined: &[u64]) -> u64 {
    let of =
        |bot: &u64| bots.counters(*bot).into_iter().find(|(name, _)| *name == "packets_sent").map_or(0, |(_, n)| n);
    joined.iter().map(of).sum()
}

fn way(engine: &Engine) -> &'static str {
    engine.shared("phone-0").unwrap().counters.way().name()
}

/// Do something every 20 ms.
fn pace(ticks: u32, mut each: impl FnMut(u32)) {
    let start = Instant::now();
    for n in 0..ticks {
        each(n);
        std::thread::sleep((start + TICK * (n + 1)).saturating_duration_since(Instant::now()));
    }
}

/// A telephone that talks.
struct Phone {
    socket: UdpSocket,
    to: SocketAddr,
    packet: Vec<u8>,
    buffer: [u8; 2048],
}

impl Phone {
    fn call(engine: &Engine, n: usize) -> Phone {
        let socket = socket();
        let leg = format!("phone-{n}");
        let port = engine.open_phone(&format!("room-{n}"), &leg).unwrap();
        let codec = PhoneCodec { codec: Codec::Pcmu, payload_type: 0, receive_payload_type: 0, ptime: TICK };
        let media =
            PhoneMedia { remote: Some(socket.local_addr().unwrap()), trusted: true, ..PhoneMedia::plain(codec) };
        engine.set_phone(&leg, media);
        Phone { socket, to: (LOCAL, port).into(), packet: Vec::new(), buffer: [0; 2048] }
    }

    fn tick(&mut self, n: u32) {
        let header = RtpHeader { payload_type: 0, marker: false, sequence: n as u16, timestamp: n * 160, ssrc: 7 };
        let payload: Vec<u8> = (0..160).map(|at| 0x80 | ((n + at) % 0x60) as u8).collect();
        self.packet.clear();
        header.write(&payload, &mut self.packet);
        self.socket.send_to(&self.packet, self.to).unwrap();
        while self.socket.recv_from(&mut self.buffer).is_ok() {}
    }
}
