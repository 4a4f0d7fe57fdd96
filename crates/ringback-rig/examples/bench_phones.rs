//! CPU time, lateness, delay and memory of phone legs in rooms, beside the floor of the bare system calls.
//!
//! `cargo run --release -p ringback-rig --example bench_phones [-- --legs 1000 --seconds 20]`. The whole engine runs, over
//! real sockets on loopback; its threads alone are measured. Every far end checks that it hears the others of its room.
//! `--workers 2` has the rooms on two threads, and `--core 0` keeps these on one processor and the far ends off it.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use ringback_engine::Engine;
use ringback_rig::{
    Heard, Phones, Row, Seat, cpu_of_threads, echo, echo_ports, memory_kib, open_phone, run_first, share_a_processor,
    start_workers,
};
use rustix::time::{ClockId, clock_gettime};

const UNIT: &str = "CPU ms per leg-second";
const MUST: f64 = 800.0;

/// How much is measured.
struct Size {
    legs: usize,
    time: Duration,
    only: Option<String>,
    workers: usize,
    /// The processor of the server's threads; `None`: any.
    core: Option<usize>,
}

/// Telephones in rooms.
struct Rooms {
    name: &'static str,
    legs: usize,
    members: usize,
    workers: usize,
    core: Option<usize>,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let number = |name: &str, otherwise: u64| option(name).map_or(otherwise, |n| n.parse().expect("a number"));
    let size = Size {
        legs: number("--legs", 200) as usize,
        time: Duration::from_secs(number("--seconds", 5)),
        only: option("--only").cloned(),
        workers: number("--workers", 1) as usize,
        core: option("--core").map(|core| core.parse().expect("the number of a processor")),
    };
    if !run_first() {
        eprintln!("without the right to run first (root), what is late is whoever else runs on this machine");
    }
    let wanted = |name: &str| size.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    if wanted("floor") {
        floors(&size);
    }
    let (workers, core) = (size.workers, size.core);
    let all = |name, legs, members| Rooms { name, legs: legs / members * members, members, workers, core };
    let shapes = [
        all("rooms of 2", size.legs, 2),
        all("rooms of 3", size.legs, 3),
        all("100 in one room", 100, 100),
        // What a thousand legs are measured by: two threads that share a processor.
        Rooms { name: "rooms of 3 on two threads of a processor", legs: 999, members: 3, workers: 2, core: Some(0) },
    ];
    shapes.iter().filter(|shape| wanted(shape.name)).for_each(|shape| rooms(shape, size.time));
}

fn rooms(shape: &Rooms, time: Duration) {
    let Rooms { name, legs, members, workers, core } = *shape;
    let engine = start_workers(workers).expect("the engine starts");
    if let Some(error) = core.and_then(|core| share_a_processor(core).err()) {
        eprintln!("{name}: threads are where the system puts them: {error}");
    }
    let mut phones = Phones::new().expect("two ports are free");
    let far = phones.address();
    let empty = memory_kib();
    for leg in 0..legs {
        let to = open_phone(&engine, &format!("room-{}", leg / members), &format!("leg-{leg}"), far);
        phones.sit(Seat { to: to.expect("a port is free"), room: leg / members });
    }
    phones.run(Duration::from_secs(2));
    let (cpu, late) = (cpu_of_threads(), counter(&engine, "ticks_late"));
    let heard = phones.run(time);
    let used = cpu_of_threads() - cpu;
    let late = counter(&engine, "ticks_late") - late;
    let name = format!("phones/{legs} G.711 legs, {name}");
    if let Some(wrong) = heard.wrong() {
        eprintln!(
            "{name}: {wrong}; {} sent, {} came, {} lost, {} late",
            heard.sent, heard.received, heard.lost, heard.late
        );
    }
    assert!(heard.echoes == 0, "nobody hears itself");
    assert!(heard.found * 2 > heard.expected, "most are heard");
    Row::ms(&name, used.as_secs_f64() * 1e3 / heard.leg_seconds(), UNIT).at_most(MUST).print();
    Row::score(&format!("{name}: late packets"), heard.late_percent(), "%").at_most(0.1).print();
    Row::score(&format!("{name}: late rounds of a room"), late as f64, "of them").print();
    Row::score(&format!("{name}: bursts heard"), heard.found as f64 * 100.0 / heard.expected.max(1) as f64, "%")
        .print();
    delays(&name, &engine, &heard, members);
    Row::score(&format!("{name}: memory"), (memory_kib() - empty) as f64 / legs as f64, "KiB a leg")
        .at_most(150.0)
        .print();
}

/// Beyond what the jitter buffer of who spoke aims at.
fn delays(name: &str, engine: &Engine, heard: &Heard, members: usize) {
    let target = |leg: usize| {
        let us = engine.shared(&format!("leg-{leg}")).map_or(0, |shared| shared.counters.buffer_us.load(Relaxed));
        Duration::from_micros(us)
    };
    let mut delays = heard.delays(target);
    let musts = if members == 3 { [12.0, 24.0] } else { [f64::MAX; 2] };
    for (percent, must) in [50, 95].into_iter().zip(musts) {
        let row = Row::score(
            &format!("{name}: delay beyond the buffer's aim, {percent} of 100"),
            delays.percentile_ms(percent),
            "ms",
        );
        if must == f64::MAX { row } else { row.at_most(must) }.print();
    }
}

fn counter(engine: &Engine, name: &str) -> u64 {
    engine.counters().into_iter().find(|(known, _)| *known == name).map_or(0, |(_, n)| n)
}

/// The same packets given back as they came.
fn floors(size: &Size) {
    let legs = size.legs;
    let one = vec![socket()];
    floor("floor: recvmmsg and sendmmsg on one port", legs, size.time, &one, |sockets, stop| echo(&sockets[0], stop));
    let ports: Vec<UdpSocket> = (0..legs).map(|_| socket()).collect();
    floor("floor: a port for each leg, epoll, recv and send", legs, size.time, &ports, echo_ports);
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    ringback_rig::stamp_arrivals(&socket).expect("the kernel stamps arrivals");
    socket
}

fn floor(name: &str, legs: usize, time: Duration, sockets: &[UdpSocket], serve: fn(&[UdpSocket], &AtomicBool)) {
    let stop = AtomicBool::new(false);
    let address = |socket: &UdpSocket| match socket.local_addr() {
        Ok(SocketAddr::V4(address)) => address,
        other => panic!("it was bound to IPv4: {other:?}"),
    };
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| {
            serve(sockets, &stop);
            cpu()
        });
        let mut phones = Phones::new().expect("two ports are free");
        let seats: Vec<SocketAddrV4> = sockets.iter().map(address).collect();
        for leg in 0..legs {
            phones.sit(Seat { to: seats[leg % seats.len()], room: leg });
        }
        let heard = phones.run(time);
        stop.store(true, Relaxed);
        let used = serving.join().expect("the echo ends");
        Row::ms(&format!("phones/{name}"), used.as_secs_f64() * 1e3 / heard.leg_seconds(), UNIT).print();
    });
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}
