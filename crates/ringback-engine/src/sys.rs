//! The one place for system calls that have no safe wrapper.
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, size_of_val, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// 64 bits nobody can guess, from the kernel.
pub fn random_u64() -> u64 {
    let mut bytes = [0u8; 8];
    // SAFETY: the pointer and length describe `bytes`, which lives through the call.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    assert_eq!(got, 8, "getrandom gives 8 bytes at once (its manual promises up to 256)");
    u64::from_ne_bytes(bytes)
}

/// Let this process open as many files as it may: every phone takes two, every TCP peer one.
pub fn raise_file_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit for the first call to fill and the second to read.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Let the calling thread run before others, where we may (root, or a limit that allows it): sound cannot wait.
pub fn run_first() {
    const NICENESS: libc::c_int = -10;
    // SAFETY: takes plain numbers; on Linux 0 means the calling thread.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS);
    }
}

/// Whether the calling thread has its processor until it waits (`SCHED_FIFO`, by `chrt`), whoever of the same priority is due.
pub fn runs_until_it_waits() -> bool {
    // SAFETY: takes and gives plain numbers; 0 is the calling thread.
    unsafe { libc::sched_getscheduler(0) == libc::SCHED_FIFO }
}

/// Have the kernel keep ICMP messages about what a socket sends (ip(7), `IP_RECVERR`). Without them nothing but silence
/// tells that a far end is not there, so a kernel that refuses costs only that.
pub fn tell_unreachable(socket: &UdpSocket) {
    let ipv6 = socket.local_addr().is_ok_and(|address| address.is_ipv6());
    let on: libc::c_int = 1;
    for (level, option) in [(libc::IPPROTO_IP, libc::IP_RECVERR), (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)] {
        if level == libc::IPPROTO_IPV6 && !ipv6 {
            continue;
        }
        // SAFETY: the pointer and length describe `on`, which lives through the call.
        unsafe {
            let size = size_of::<libc::c_int>() as libc::socklen_t;
            libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), size);
        }
    }
}

/// Most messages taken at once; more make the socket ready again.
const UNREACHABLE_AT_ONCE: u64 = 16;

/// Take the messages that `tell_unreachable` asked for; returns how many there were.
pub fn take_unreachable(socket: &UdpSocket) -> u64 {
    let mut space = [0u8; 512];
    for taken in 0..UNREACHABLE_AT_ONCE {
        // SAFETY: an all-zero msghdr is one without buffers.
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_control = space.as_mut_ptr().cast();
        message.msg_controllen = space.len() as _;
        // SAFETY: `message` describes `space`, which lives through the call, and no other buffer.
        let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
        if got < 0 {
            return taken;
        }
    }
    UNREACHABLE_AT_ONCE
}

/// Datagrams for one far end, all as long as the first but the last, which may be shorter. They leave as they are.
pub type Letter<'a> = &'a [(SocketAddr, Vec<u8>)];
/// Letters per system call.
pub const MOST_LETTERS: usize = 64;
/// Pieces of memory that they are in altogether.
const MOST_PIECES: usize = 1024;
/// Room for the one number that tells where to cut.
const CONTROL: usize = 32;

/// An address as the kernel has it.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// Send letters, at most `MOST_LETTERS`, by one system call; how many went, and why the one behind them did not.
pub fn send_letters(socket: &UdpSocket, letters: &[Letter<'_>]) -> (usize, Option<io::Error>) {
    // SAFETY: all-zero is a valid value of these plain structures.
    let (mut names, mut headers): ([Name; MOST_LETTERS], [libc::mmsghdr; MOST_LETTERS]) =
        unsafe { (zeroed(), zeroed()) };
    let mut controls = [Control([0; CONTROL]); MOST_LETTERS];
    let mut pieces: Vec<libc::iovec> = Vec::with_capacity(MOST_PIECES);
    let mut n = 0;
    for letter in letters.iter().take(MOST_LETTERS) {
        let Some((to, first)) = letter.first() else { continue };
        if pieces.len() + letter.len() > MOST_PIECES {
            break;
        }
        // The vector does not grow beyond what it was made with: what points into it stays.
        let begin = pieces.len();
        pieces.extend(letter.iter().map(|(_, datagram)| libc::iovec {
            iov_base: datagram.as_ptr().cast_mut().cast(),
            iov_len: datagram.len(),
        }));
        let header = &mut headers[n].msg_hdr;
        header.msg_iov = pieces[begin..].as_mut_ptr();
        header.msg_iovlen = letter.len() as _;
        header.msg_namelen = name(*to, &mut names[n]);
        header.msg_name = (&raw mut names[n]).cast();
        if letter.len() > 1 {
            cut_at(header, &mut controls[n], first.len() as u16);
        }
        n += 1;
    }
    // SAFETY: the headers point to names, pieces and control space that live through the call; the kernel reads only them.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), n as libc::c_uint, 0) };
    match usize::try_from(sent) {
        Ok(sent) => (sent, None),
        Err(_) => (0, Some(io::Error::last_os_error())),
    }
}

fn name(to: SocketAddr, name: &mut Name) -> libc::socklen_t {
    match to {
        SocketAddr::V4(to) => {
            // SAFETY: all-zero is a valid value of this plain structure.
            let mut v4: libc::sockaddr_in = unsafe { zeroed() };
            v4.sin_family = libc::AF_INET as libc::sa_family_t;
            v4.sin_port = to.port().to_be();
            v4.sin_addr.s_addr = u32::from(*to.ip()).to_be();
            name.v4 = v4;
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(to) => {
            // SAFETY: all-zero is a valid value of this plain structure.
            let mut v6: libc::sockaddr_in6 = unsafe { zeroed() };
            v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            v6.sin6_port = to.port().to_be();
            v6.sin6_addr.s6_addr = to.ip().octets();
            v6.sin6_scope_id = to.scope_id();
            name.v6 = v6;
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

/// Have the kernel cut what a header points to into datagrams of so many bytes (udp(7), `UDP_SEGMENT`).
fn cut_at(header: &mut libc::msghdr, control: &mut Control, bytes: u16) {
    header.msg_control = (&raw mut control.0).cast();
    // SAFETY: the control space is aligned and holds one message of two bytes, and the header has just been pointed to it.
    unsafe {
        header.msg_controllen = libc::CMSG_SPACE(2) as _;
        let message = libc::CMSG_FIRSTHDR(header);
        (*message).cmsg_level = libc::SOL_UDP;
        (*message).cmsg_type = libc::UDP_SEGMENT;
        (*message).cmsg_len = libc::CMSG_LEN(2) as _;
        std::ptr::write_unaligned(libc::CMSG_DATA(message).cast(), bytes);
    }
}

/// Have the kernel say when each datagram arrived (socket(7), `SO_TIMESTAMPNS`). One that refuses costs only precision.
pub fn stamp_arrivals(socket: &UdpSocket) {
    let on: libc::c_int = 1;
    let size = size_of_val(&on) as libc::socklen_t;
    // SAFETY: the pointer and length describe `on`, which lives through the call.
    unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, (&raw const on).cast(), size);
    }
}

/// Longest datagram that is taken whole.
pub const LONGEST: usize = 2048;

/// Space for a datagram that waits on a socket, and what the kernel says of it.
pub struct Taken {
    bytes: Box<[u8; LONGEST]>,
    name: libc::sockaddr_storage,
    control: [u64; 8],
    /// Of the datagram, and of the messages beside it.
    lengths: (usize, usize),
}

impl Taken {
    pub fn new() -> Taken {
        // SAFETY: all-zero is a valid value of this plain structure.
        let name = unsafe { zeroed() };
        Taken { bytes: Box::new([0; LONGEST]), name, control: [0; 8], lengths: (0, 0) }
    }

    /// Take one that waits. An error is the kernel's `EAGAIN` where none does, or an ICMP message about something that
    /// was sent.
    pub fn take(&mut self, socket: &UdpSocket) -> std::io::Result<()> {
        let mut slice = libc::iovec { iov_base: self.bytes.as_mut_ptr().cast(), iov_len: LONGEST };
        // SAFETY: an all-zero msghdr is one without buffers.
        let mut header: libc::msghdr = unsafe { zeroed() };
        header.msg_name = (&raw mut self.name).cast();
        header.msg_namelen = size_of_val(&self.name) as libc::socklen_t;
        header.msg_iov = &raw mut slice;
        header.msg_iovlen = 1;
        header.msg_control = self.control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&self.control) as _;
        // SAFETY: the header points to a name, a slice and control space that live through the call.
        let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
        let got = usize::try_from(got).map_err(|_| std::io::Error::last_os_error())?;
        self.lengths = (got.min(LONGEST), header.msg_controllen as usize);
        Ok(())
    }

    /// What was taken last: who sent it, when it arrived by the machine's clock since 1970, and what it is.
    pub fn get(&mut self) -> Option<(SocketAddr, Option<Duration>, &mut [u8])> {
        let (length, control) = self.lengths;
        let (from, stamp) = (address(&self.name)?, stamp(&self.control, control));
        Some((from, stamp, &mut self.bytes[..length]))
    }
}

fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let name: *const libc::sockaddr_storage = name;
    // SAFETY: the storage is large enough and aligned for both, and the family says which of them the kernel wrote.
    unsafe {
        match libc::c_int::from((*name).ss_family) {
            libc::AF_INET => {
                let name = &*name.cast::<libc::sockaddr_in>();
                let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
                Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(name.sin_port)))
            }
            libc::AF_INET6 => {
                let name = &*name.cast::<libc::sockaddr_in6>();
                let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
                let address = std::net::SocketAddrV6::new(
                    ip,
                    u16::from_be(name.sin6_port),
                    name.sin6_flowinfo,
                    name.sin6_scope_id,
                );
                Some(SocketAddr::V6(address))
            }
            _ => None,
        }
    }
}

/// The time that the kernel left in `control`: it is the only message that is asked for.
fn stamp(control: &[u64; 8], length: usize) -> Option<Duration> {
    const HEAD: usize = size_of::<libc::cmsghdr>();
    if length < HEAD + size_of::<libc::timespec>() {
        return None;
    }
    // SAFETY: `control` is longer than both, and aligned for them; any bits are valid values of these plain structures.
    let (head, time) = unsafe {
        let start = control.as_ptr();
        (&*start.cast::<libc::cmsghdr>(), std::ptr::read_unaligned(start.byte_add(HEAD).cast::<libc::timespec>()))
    };
    let wanted = head.cmsg_level == libc::SOL_SOCKET && head.cmsg_type == libc::SCM_TIMESTAMPNS;
    let nanoseconds = u32::try_from(time.tv_nsec).ok().filter(|ns| *ns < 1_000_000_000)?;
    wanted.then(|| Duration::new(time.tv_sec.unsigned_abs(), nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_tells_who_sent_it_and_when_in_both_ip_versions() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let (far, near) = (UdpSocket::bind(host).unwrap(), UdpSocket::bind(host).unwrap());
            stamp_arrivals(&near);
            let clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            let before = clock();
            far.send_to(b"hello", near.local_addr().unwrap()).unwrap();

            let mut taken = Taken::new();
            taken.take(&near).unwrap();

            let (from, stamp, bytes) = taken.get().unwrap();
            assert_eq!((from, &*bytes), (far.local_addr().unwrap(), &b"hello"[..]));
            assert!((before..=clock()).contains(&stamp.unwrap()), "{stamp:?}");
            assert_eq!(taken.take(&near).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        }
    }
}
