//! `ringback-pixels`: works for the server at the other end of its standard input, and has no other way to the world.

mod confine;

use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;

use ringback_pictures::{Order, Yield};
use ringback_pixels::{Studio, libvpx_version, prepare};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::time::{ClockId, clock_gettime};

/// Most answers that wait to be read by the server; one that does not read is not worked for.
const MOST_WAITING: usize = 8 << 20;
/// Without anything due it looks up this often.
const IDLE_US: u64 = 500_000;

fn main() -> ExitCode {
    let ready = prepare();
    if std::env::args().nth(1).as_deref() == Some("--check") {
        return check(&ready);
    }
    if let Err(reason) = confine::confine() {
        eprintln!("ringback-pixels could not give up its rights: {reason}");
        return ExitCode::from(2);
    }
    match serve(ready) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(1),
    }
}

/// Say on one line what this machine lets it do: its version, and a word for each codec. 2: it cannot give up its rights.
fn check(ready: &Yield) -> ExitCode {
    let Yield::Ready { vp8, h264 } = *ready else { return ExitCode::from(1) };
    let words = [("h264".to_owned(), h264), (format!("vp8 (libvpx {})", libvpx_version()), vp8)];
    let able: Vec<String> = words.into_iter().filter(|(_, is)| *is).map(|(word, _)| word).collect();
    // Before its rights are given up: among them is to write to files.
    println!("ringback-pixels {}: {}", env!("CARGO_PKG_VERSION"), able.join(", "));
    match confine::confine() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(2)
        }
    }
}

/// Work until the server closes its end.
fn serve(ready: Yield) -> io::Result<()> {
    let stdin = io::stdin();
    let socket = stdin.as_fd();
    let mut studio = Studio::default();
    let (mut incoming, mut outgoing, mut answers) = (Vec::new(), Vec::new(), vec![ready]);
    loop {
        for answer in answers.drain(..) {
            let is_picture = matches!(answer, Yield::Picture { .. });
            if !is_picture || outgoing.len() < MOST_WAITING {
                answer.write(&mut outgoing);
            }
        }
        send(socket, &mut outgoing)?;
        let due_us = studio.next_wake_us().unwrap_or(u64::MAX).min(now_us() + IDLE_US);
        wait(socket, due_us.saturating_sub(now_us()), !outgoing.is_empty())?;
        if !receive(socket, &mut incoming)? {
            return Ok(());
        }
        let mut read = 0;
        while let Some((order, length)) = Order::read(&incoming[read..]).map_err(|_| io::ErrorKind::InvalidData)? {
            read += length;
            studio.order(order, now_us(), &mut answers);
            // Pictures that are due do not wait for all that was sent.
            studio.wake(now_us(), &mut answers);
        }
        incoming.drain(..read);
        studio.wake(now_us(), &mut answers);
    }
}

fn wait(socket: impl AsFd, for_us: u64, and_write: bool) -> io::Result<()> {
    let flags = if and_write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
    let timeout = Timespec { tv_sec: (for_us / 1_000_000) as i64, tv_nsec: (for_us % 1_000_000 * 1000) as i64 };
    match poll(&mut [PollFd::new(&socket, flags)], Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// `false`: the server is gone.
fn receive(socket: impl AsFd, incoming: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = vec![0; 256 << 10];
    match rustix::net::recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) {
        Ok((_, 0)) => Ok(false),
        Ok((_, n)) => {
            incoming.extend_from_slice(&buffer[..n]);
            Ok(true)
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn send(socket: impl AsFd, outgoing: &mut Vec<u8>) -> io::Result<()> {
    let mut written = 0;
    while written < outgoing.len() {
        match rustix::net::send(&socket, &outgoing[written..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(n) => written += n,
            Err(Errno::AGAIN) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    outgoing.drain(..written);
    Ok(())
}

/// The clock that server and process share.
fn now_us() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_nsec.unsigned_abs() / 1000
}
