//! The server's media side in this process, and what it takes.

use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ringback_engine::{Codec, Config, Engine, Event, PhoneCodec, PhoneMedia, VideoMedia};

use crate::sys::{give_back_memory, keep_to, processors};

const LOCAL: [u8; 4] = [127, 0, 0, 1];
const PATIENCE: Duration = Duration::from_secs(30);
/// What the threads that carry packets are called.
const THREADS: &str = "ringback-media";

/// An engine of its own, of one worker.
pub fn start() -> io::Result<Engine> {
    start_workers(1)
}

/// An engine of its own, of so many workers.
pub fn start_workers(workers: usize) -> io::Result<Engine> {
    let local = LOCAL.into();
    Engine::start(Config {
        workers,
        webrtc_host: local,
        webrtc_port: 0,
        webrtc_advertised: vec![local],
        rtp_host: local,
        rtp_other_host: None,
        rtp_first: 20_000,
        rtp_last: 31_999,
    })
}

/// A leg for a telephone that speaks G.711 (µ-law) from `far`; where it is to send.
pub fn open_phone(engine: &Engine, room: &str, leg: &str, far: SocketAddr) -> io::Result<SocketAddrV4> {
    let port = engine.open_phone(room, leg)?;
    let codec =
        PhoneCodec { codec: Codec::Pcmu, payload_type: 0, receive_payload_type: 0, ptime: Duration::from_millis(20) };
    let media = PhoneMedia {
        remote: Some(far),
        dtmf_payload_type: Some(101),
        dtmf_receive_payload_type: Some(101),
        trusted: true,
        ..PhoneMedia::plain(codec)
    };
    engine.set_phone(leg, media);
    Ok(SocketAddrV4::new(LOCAL.into(), port))
}

/// The answer to an offer that was queued; what else the engine told meanwhile is lost.
pub fn answer_of(engine: &Engine, request: u64) -> io::Result<String> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        for event in engine.drain() {
            if let Event::Reply { request: of, result } = event
                && of == request
            {
                return result.map_err(io::Error::other);
            }
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Err(io::Error::other("no answer came"))
}

/// The program that makes pictures, beside benches and tests or where `make build` puts it.
pub fn pixel_program() -> io::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let built = exe.parent().and_then(|folder| folder.parent()).map(|folder| folder.join("ringback-pixels"));
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = built.into_iter().chain([root.join(".venv/bin/ringback-pixels")]).find(|path| path.is_file());
    found.ok_or_else(|| io::Error::other("ringback-pixels is missing: make build"))
}

/// Keep the engine's threads of this process on one processor, and the calling thread off it.
pub fn share_a_processor(number: usize) -> io::Result<()> {
    keep_to(0, (0..processors()).filter(|other| *other != number))?;
    threads("self", THREADS).into_iter().try_for_each(|(thread, _)| keep_to(thread, std::iter::once(number)))
}

/// Ports for a telephone's pictures, which it sends and takes at `far` by these terms; where it is to send.
pub fn open_video(engine: &Engine, leg: &str, far: SocketAddr, terms: VideoMedia) -> io::Result<SocketAddrV4> {
    let port = engine.open_phone_video(leg)?;
    let media = VideoMedia { remote: Some(far), trusted: true, rtcp_port: Some(far.port()), pli: true, ..terms };
    engine.set_phone_video(leg, Some(media));
    Ok(SocketAddrV4::new(LOCAL.into(), port))
}

/// CPU time that the engine's threads of this process have taken so far.
pub fn cpu_of_threads() -> Duration {
    cpu("self", THREADS)
}

/// CPU time of all threads that a process has now.
pub fn cpu_of_process(pid: u32) -> Duration {
    cpu(&pid.to_string(), "")
}

/// CPU time of those threads of a process whose names begin so.
fn cpu(process: &str, names: &str) -> Duration {
    Duration::from_nanos(threads(process, names).iter().map(|(_, ns)| ns).sum())
}

/// Those threads by number, and how many nanoseconds of CPU time each has taken.
fn threads(process: &str, names: &str) -> Vec<(i32, u64)> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let found = tasks.filter_map(|task| {
        let task = task.ok()?;
        let (path, number) = (task.path(), task.file_name().to_str()?.parse().ok()?);
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        let spent = std::fs::read_to_string(path.join("schedstat")).ok()?;
        let ns: u64 = spent.split(' ').next()?.parse().ok()?;
        name.starts_with(names).then_some((number, ns))
    });
    found.collect()
}

/// Processes of this name that were started by this one.
pub fn named_children(name: &str) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    let children: Vec<u32> =
        children.flat_map(|of| of.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect();
    let is = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name);
    children.into_iter().filter(is).collect()
}

/// Memory of this process that is its own and in use, in KiB.
pub fn memory_kib() -> u64 {
    give_back_memory();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
