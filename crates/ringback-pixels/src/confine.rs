//! What the process gives up before it reads a stranger's first byte.
//!
//! It keeps memory, time and the one socket. Files, the network, other programs and new rights are gone; a system call
//! that is not on the list answers "not permitted" and harms nobody.

use std::io;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};

/// Memory that it may have: some decoders of the largest pictures and their references.
const MOST_MEMORY: u64 = 2 << 30;

/// Give up everything that is not needed.
pub fn confine() -> io::Result<()> {
    let limit = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    limit(Resource::As, MOST_MEMORY)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nofile, 8)?;
    // The thread that started it carries sound and comes first; this is one among others.
    let _ = rustix::process::setpriority_process(None, 0);
    #[cfg(target_os = "linux")]
    linux()?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn linux() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior, set_parent_process_death_signal};

    // It never outlives the server, and nobody but root looks into it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::thread::set_no_new_privs(true)?;
    filter().map_err(io::Error::other)
}

#[cfg(target_os = "linux")]
fn filter() -> Result<(), String> {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

    const ALLOWED: &[libc::c_long] = &[
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_ppoll,
        libc::SYS_close,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_getrandom,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_rt_sigreturn,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];
    let arch = std::env::consts::ARCH.try_into().map_err(|e| format!("{e:?}"))?;
    let rules = ALLOWED.iter().map(|&call| (call, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, refused, SeccompAction::Allow, arch).map_err(|e| e.to_string())?;
    let program: BpfProgram = filter.try_into().map_err(|e: seccompiler::BackendError| e.to_string())?;
    apply_filter(&program).map_err(|e| e.to_string())
}
