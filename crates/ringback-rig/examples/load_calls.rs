//! Telephones that call a running server by SIP, speak, listen, and hang up: what it takes, and what they hear.
//!
//! `load_calls --server 127.0.0.1:5060 --users FILE [--seconds 10] [--pid N] [--loss 0.05 --burst 2 --jitter-ms 30 --seed 1]`.
//! A line of the file is the user part of an address, a space and the number of its room. With the server's process id the
//! CPU time of all of its threads is counted. `benches/phone_legs.py` prepares the rooms.

use std::time::Duration;

use ringback_rig::{Dialler, Impairment, Phones, Row, Seat, cpu_of_process, run_first};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let number = |name: &str| option(name).map(|n| n.parse::<f64>().expect("a number"));
    let server = option("--server").expect("--server HOST:PORT").parse().expect("an address");
    let users = std::fs::read_to_string(option("--users").expect("--users FILE")).expect("a file");
    let time = Duration::from_secs_f64(number("--seconds").unwrap_or(10.0));
    let pid = number("--pid").map(|pid| pid as u32);
    let name = format!("calls/{} G.711 legs by SIP", users.lines().count());

    let mut phones = Phones::new().expect("two ports are free");
    let mut dialler = Dialler::new(server, phones.address()).expect("a port is free");
    let mut calls = Vec::new();
    for line in users.lines() {
        let (user, room) = line.split_once(' ').expect("a user and a room");
        let call = dialler.dial(user).unwrap_or_else(|why| panic!("{user}: {why}"));
        phones.sit(Seat { to: call.rtp, room: room.parse().expect("a number") });
        calls.push(call);
    }
    run_first();
    if let Some(loss) = number("--loss").or(number("--jitter-ms").map(|_| 0.0)) {
        let mut network = Impairment::new(number("--seed").unwrap_or(1.0) as u64);
        network.loss = loss;
        network.burst = number("--burst").unwrap_or(1.0);
        network.jitter = Duration::from_secs_f64(number("--jitter-ms").unwrap_or(0.0) / 1000.0);
        phones.impair(network);
    }
    phones.run(Duration::from_secs(3));
    let before = pid.map(cpu_of_process);
    let heard = phones.run(time);
    let used = pid.zip(before).map(|(pid, before)| cpu_of_process(pid).saturating_sub(before));
    for call in &calls {
        dialler.hang_up(call).expect("everybody hangs up");
    }
    if let Some(used) = used {
        let per_leg = used.as_secs_f64() * 1e3 / heard.leg_seconds();
        Row::ms(&format!("{name}: the whole server"), per_leg, "CPU ms per leg-second").print();
    }
    Row::score(&format!("{name}: late packets"), heard.late_percent(), "%").print();
    Row::score(&format!("{name}: bursts heard"), heard.found as f64 * 100.0 / heard.expected.max(1) as f64, "%")
        .print();
    let mut delays = heard.delays(|_| Duration::ZERO);
    for percent in [50, 95] {
        Row::score(&format!("{name}: ear to ear, {percent} of 100"), delays.percentile_ms(percent), "ms").print();
    }
    if let Some(wrong) = heard.wrong() {
        eprintln!("{name}: {wrong}");
    }
    assert_eq!(heard.echoes, 0, "nobody hears itself");
}
