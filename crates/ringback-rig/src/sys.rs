//! The one place for system calls that have no safe wrapper: arrival times from the kernel, and many datagrams a call.
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, size_of_val, zeroed};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// Let the calling thread, and those it starts, run before everything else of the machine where we may, so that what is
/// measured is the server and not who else was running. Answers whether it does.
pub fn run_first() -> bool {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the pointer is to a valid value that lives through the call; 0 is the calling thread.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) == 0 }
}

/// Let a thread (0: the calling one) run on these processors alone.
pub fn keep_to(thread: i32, processors: impl Iterator<Item = usize>) -> io::Result<()> {
    // SAFETY: all-zero is an empty set, and the macro's function keeps within it.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: as above; the set lives through both.
    let done = unsafe {
        processors.for_each(|number| libc::CPU_SET(number, &mut set));
        libc::sched_setaffinity(thread, size_of_val(&set), &raw const set)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How many processors the machine has, whatever this thread may use.
pub fn processors() -> usize {
    // SAFETY: takes and gives a number.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).unwrap_or(1)
}

/// Datagrams per system call.
const BATCH: usize = 64;
const LONGEST: usize = 2048;
const SOCKET_BUFFER: libc::c_int = 16 << 20;

/// A datagram that arrived.
#[derive(Debug, Clone, Copy)]
pub struct Stamped<'a> {
    /// Who sent it.
    pub from: SocketAddrV4,
    /// When the kernel had it, in nanoseconds of the machine's clock.
    pub at_ns: u64,
    /// What.
    pub bytes: &'a [u8],
}

/// Give memory that is free back to the system, so that what is in use can be told from it.
pub fn give_back_memory() {
    // SAFETY: takes a number and touches nothing of ours.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The machine's clock, the one arrivals are stamped by, in nanoseconds.
pub fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Have the kernel stamp what arrives (socket(7), `SO_TIMESTAMPNS`), with room for what many far ends send at once.
pub fn stamp_arrivals(socket: &UdpSocket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    option(socket, libc::SO_TIMESTAMPNS, 1)?;
    for (forced, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
        if option(socket, forced, SOCKET_BUFFER).is_err() {
            option(socket, plain, SOCKET_BUFFER)?;
        }
    }
    Ok(())
}

fn option(socket: &UdpSocket, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the pointer and length describe `value`, which lives through the call.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, (&raw const value).cast(), size) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Space for one batch.
struct Space {
    bytes: Vec<[u8; LONGEST]>,
    control: Vec<[u64; 8]>,
}

impl Space {
    fn new() -> Space {
        Space { bytes: vec![[0; LONGEST]; BATCH], control: vec![[0; 8]; BATCH] }
    }
}

/// Takes what waits on sockets.
pub struct Taker(Space);

impl Default for Taker {
    fn default() -> Taker {
        Taker(Space::new())
    }
}

impl Taker {
    /// Up to 64 datagrams that wait; returns how many there were.
    pub fn take(&mut self, socket: &UdpSocket, mut each: impl FnMut(Stamped<'_>)) -> usize {
        let Space { bytes, control } = &mut self.0;
        // SAFETY: all-zero is a valid value of these plain structures.
        let (mut names, mut headers): ([libc::sockaddr_in; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { (zeroed(), zeroed()) };
        let mut slices: [libc::iovec; BATCH] =
            std::array::from_fn(|n| libc::iovec { iov_base: bytes[n].as_mut_ptr().cast(), iov_len: LONGEST });
        for (n, header) in headers.iter_mut().enumerate() {
            header.msg_hdr.msg_name = (&raw mut names[n]).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            header.msg_hdr.msg_iov = &raw mut slices[n];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control[n].as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of_val(&control[n]) as _;
        }
        // SAFETY: every header points to a name, a slice and control space that live through the call.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let got = usize::try_from(got).unwrap_or(0);
        for n in 0..got {
            let from = SocketAddrV4::new(
                Ipv4Addr::from(u32::from_be(names[n].sin_addr.s_addr)),
                u16::from_be(names[n].sin_port),
            );
            let at_ns = stamp(&headers[n].msg_hdr).unwrap_or_else(now_ns);
            each(Stamped { from, at_ns, bytes: &bytes[n][..headers[n].msg_len as usize] });
        }
        got
    }
}

fn stamp(header: &libc::msghdr) -> Option<u64> {
    // SAFETY: the header was filled by the kernel, and its control space is still there.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(found) = message.as_ref() {
            if found.cmsg_level == libc::SOL_SOCKET && found.cmsg_type == libc::SCM_TIMESTAMPNS {
                let time: libc::timespec = std::ptr::read_unaligned(libc::CMSG_DATA(message).cast());
                return Some(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs());
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

/// Send datagrams, many a call. What the kernel does not take is lost, and counted as sent, as on a network.
pub fn send_all(socket: &UdpSocket, datagrams: &[(SocketAddrV4, Vec<u8>)]) {
    for batch in datagrams.chunks(BATCH) {
        // SAFETY: all-zero is a valid value of these plain structures.
        let (mut names, mut headers): ([libc::sockaddr_in; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { (zeroed(), zeroed()) };
        let mut slices = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
        for (n, (to, bytes)) in batch.iter().enumerate() {
            names[n].sin_family = libc::AF_INET as libc::sa_family_t;
            names[n].sin_port = to.port().to_be();
            names[n].sin_addr.s_addr = u32::from(*to.ip()).to_be();
            slices[n] = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            headers[n].msg_hdr.msg_name = (&raw mut names[n]).cast();
            headers[n].msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            headers[n].msg_hdr.msg_iov = &raw mut slices[n];
            headers[n].msg_hdr.msg_iovlen = 1;
        }
        let mut at = 0;
        while at < batch.len() {
            let left = (batch.len() - at) as libc::c_uint;
            // SAFETY: the headers point to names and slices that live through the call; the kernel only reads those.
            let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers[at..].as_mut_ptr(), left, 0) };
            at += usize::try_from(sent).unwrap_or(1).max(1);
        }
    }
}

/// Give back everything that comes to a socket, 64 datagrams a call, until told to stop: what no server on one port can
/// be cheaper than.
pub fn echo(socket: &UdpSocket, stop: &AtomicBool) {
    let mut taker = Taker::default();
    let mut back = Vec::new();
    while !stop.load(Relaxed) {
        back.clear();
        if taker.take(socket, |datagram| back.push((datagram.from, datagram.bytes.to_vec()))) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        send_all(socket, &back);
    }
}

/// The same with a port for each far end, as telephones need: what no server of theirs can be cheaper than.
pub fn echo_ports(sockets: &[UdpSocket], stop: &AtomicBool) {
    use rustix::event::{Timespec, epoll};
    let watched = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll can be made");
    for (n, socket) in sockets.iter().enumerate() {
        let data = epoll::EventData::new_u64(n as u64);
        epoll::add(&watched, socket, data, epoll::EventFlags::IN).expect("a fresh socket can be watched");
    }
    let mut ready = Vec::with_capacity(256);
    let mut buffer = [0; LONGEST];
    while !stop.load(Relaxed) {
        ready.clear();
        let wait = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        let _ = epoll::wait(&watched, rustix::buffer::spare_capacity(&mut ready), Some(&wait));
        for event in &ready {
            let socket = &sockets[event.data.u64() as usize];
            if let Ok((n, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&buffer[..n], from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_tells_who_sent_it_and_when() {
        let (a, b) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        stamp_arrivals(&b).unwrap();
        let std::net::SocketAddr::V4(to) = b.local_addr().unwrap() else { unreachable!("it was bound to IPv4") };
        let before = now_ns();

        let sent: Vec<_> = (0..100u8).map(|n| (to, vec![n; 1 + usize::from(n)])).collect();
        send_all(&a, &sent);

        let mut seen = Vec::new();
        let mut taker = Taker::default();
        while taker.take(&b, |datagram| seen.push((datagram.from, datagram.at_ns, datagram.bytes.to_vec()))) > 0 {}
        assert_eq!(seen.len(), 100);
        for ((from, at, bytes), (_, said)) in seen.iter().zip(&sent) {
            assert_eq!((std::net::SocketAddr::V4(*from), bytes), (a.local_addr().unwrap(), said));
            assert!((before..=now_ns()).contains(at));
        }
    }
}
