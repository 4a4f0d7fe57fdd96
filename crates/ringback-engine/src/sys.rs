//! The one place for system calls that have no safe wrapper.
#![allow(unsafe_code)]

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
