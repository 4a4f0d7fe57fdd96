//! The process as the server has it: started, fed, killed, stuck; and what it gave up before its first order.

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{GREEN, camera};
use ringback_pictures::{Arrangement, Broken, Coding, Order, Process, Tile, View, Yield};
use ringback_pixels::{Decoder, Encoder, Quality};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// No clock of a test is ahead of it: nothing is too old to be decoded.
const AT: u64 = u64::MAX;
const PATIENCE: Duration = Duration::from_secs(30);

fn start() -> Process {
    Process::start(Path::new(env!("CARGO_BIN_EXE_ringback-pixels")), Instant::now()).expect("it starts")
}

fn id(process: &Process) -> u32 {
    process.id().expect("it runs")
}

/// Everything it says until `enough`; its end is an error.
fn hear(process: &mut Process, enough: impl Fn(&Yield) -> bool) -> Result<Vec<Yield>, Broken> {
    let begun = Instant::now();
    let mut heard = Vec::new();
    while begun.elapsed() < PATIENCE {
        process.flush()?;
        let wait = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        let _ = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&wait));
        heard.extend(process.hear(Instant::now())?);
        if heard.iter().any(&enough) {
            return Ok(heard);
        }
    }
    panic!("it said {heard:?} and no more");
}

fn view(coding: Coding) -> View {
    View {
        coding,
        longest_unit: 1150,
        width: 320,
        height: 180,
        rate: 15,
        bitrate_bps: 300_000,
        arrangement: Arrangement::Grid,
        tiles: vec![Tile { source: Some(1), name: "Ann".into(), muted: false, whole: false }],
    }
}

fn key_frame(coding: Coding) -> Vec<u8> {
    let quality = Quality { coding, longest_unit: 0, width: 320, height: 180, rate: 15, bitrate_bps: 300_000 };
    let mut encoder = Encoder::new(quality).expect("libvpx is here: make peers installs it");
    encoder.encode(&camera(320, 180, GREEN, 0), 0, true).expect("a picture").data
}

#[test]
fn a_view_of_one_camera_is_made_in_both_codings_at_once() {
    let mut process = start();
    process.say(&Order::View { view: 1, what: view(Coding::Vp8) });
    process.say(&Order::View { view: 2, what: view(Coding::H264) });
    let heard = hear(&mut process, |said| *said == Yield::WantKey { source: 1 }).expect("it lives");
    assert_eq!(heard[0], Yield::Ready { vp8: true, h264: true });
    process.say(&Order::Frame { source: 1, coding: Coding::H264, at_us: AT, data: key_frame(Coding::H264) });
    let mut decoders = [Coding::Vp8, Coding::H264].map(|coding| Decoder::new(coding).expect("a decoder"));
    let mut shown = [false; 2];
    let begun = Instant::now();
    let mut said = heard;
    while shown != [true; 2] && begun.elapsed() < PATIENCE {
        for answer in said {
            let Yield::Picture { view, newest_us, data, .. } = answer else { continue };
            let picture = decoders[view as usize - 1].decode(&data).expect("it is ours").expect("a picture");
            let [_, u, v] = picture.mean(100, 60, 100, 60);
            let green = u.abs_diff(GREEN[1]) < 24 && v.abs_diff(GREEN[2]) < 24;
            assert_eq!(green, newest_us == AT);
            shown[view as usize - 1] |= green;
        }
        said = hear(&mut process, |_| true).expect("it lives");
    }
    assert_eq!(shown, [true; 2]);
}

#[test]
fn a_killed_process_is_known_at_once_and_a_new_one_goes_on() {
    let mut process = start();
    process.say(&Order::View { view: 1, what: view(Coding::H264) });
    hear(&mut process, |said| matches!(said, Yield::Picture { .. })).expect("it lives");

    let pid = rustix::process::Pid::from_raw(id(&process) as i32).expect("a number");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is ours");
    assert_eq!(hear(&mut process, |_| false), Err(Broken::Ended));

    let mut process = start();
    process.say(&Order::View { view: 1, what: view(Coding::H264) });
    let heard = hear(&mut process, |said| matches!(said, Yield::Picture { .. })).expect("it lives");
    assert!(heard.iter().any(|said| matches!(said, Yield::Picture { key: true, .. })));
}

#[test]
fn a_process_that_does_not_answer_is_given_up() {
    let mut process = start();
    hear(&mut process, |said| matches!(said, Yield::Ready { .. })).expect("it lives");
    let pid = rustix::process::Pid::from_raw(id(&process) as i32).expect("a number");
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("it is ours");

    // The clock of whoever watches is an argument: no second passes here.
    let begun = Instant::now();
    let watched: Vec<_> = (0..10).map(|second| process.watch(begun + Duration::from_secs(second))).collect();
    assert!(watched.contains(&Err(Broken::Stuck)), "{watched:?}");
    assert_eq!(watched[..3], [Ok(()), Ok(()), Ok(())], "not at the first silence");
}

#[test]
fn one_that_answers_is_kept() {
    let mut process = start();
    let begun = Instant::now();
    for second in 1..8 {
        let now = begun + Duration::from_secs(second);
        process.watch(now).expect("it answers");
        loop {
            let wait = Timespec { tv_sec: 20, tv_nsec: 0 };
            let _ = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&wait));
            if process.hear(now).expect("it lives").contains(&Yield::Pong { number: 0 }) {
                break;
            }
        }
    }
}

#[test]
fn a_garbled_order_ends_the_process_and_nothing_else() {
    let mut process = start();
    hear(&mut process, |said| matches!(said, Yield::Ready { .. })).expect("it lives");
    rustix::net::send(&process, &[0xff; 64], rustix::net::SendFlags::NOSIGNAL).expect("it is sent");
    assert_eq!(hear(&mut process, |_| false), Err(Broken::Ended));
}

#[test]
fn a_program_that_is_not_there_is_one_that_ended() {
    let mut process = Process::start(Path::new("/nowhere/ringback-pixels"), Instant::now()).expect("a socket pair");
    assert_eq!(hear(&mut process, |_| false), Err(Broken::Ended));
}

#[test]
fn who_is_dropped_is_gone() {
    let mut process = start();
    hear(&mut process, |said| matches!(said, Yield::Ready { .. })).expect("it lives");
    let id = id(&process);
    drop(process);
    let begun = Instant::now();
    while Path::new(&format!("/proc/{id}")).exists() {
        assert!(begun.elapsed() < PATIENCE, "it is killed, and nobody's zombie");
        std::thread::yield_now();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn it_has_no_rights_when_the_first_order_comes() {
    let mut process = start();
    hear(&mut process, |said| matches!(said, Yield::Ready { .. })).expect("it lives");

    let of = |what: &str| fs::read_to_string(format!("/proc/{}/{what}", id(&process))).unwrap_or_default();
    let status = of("status");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert!(status.contains("Seccomp:\t2"), "filtered: {status}");
    let limits = of("limits");
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line[name.len()..].split_whitespace().next().unwrap_or_default().to_owned()
    };
    if !limits.is_empty() {
        assert_eq!([limit("Max file size"), limit("Max open files"), limit("Max core file size")], ["0", "8", "0"]);
        assert_ne!(limit("Max address space"), "unlimited");
    }
}
