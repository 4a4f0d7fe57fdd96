//! The one place for system calls that have no safe wrapper.
#![allow(unsafe_code)]

use std::mem::{size_of, zeroed};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

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
