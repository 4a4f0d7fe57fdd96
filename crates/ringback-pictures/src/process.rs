//! The other process: started over a socket pair, never waited for, given up when it does not answer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::wire::{LONGEST, Order, Yield};

/// Most bytes that wait to be read by the process; what is encoded for it beyond that is dropped.
const MOST_WAITING: usize = 4 << 20;
/// It is asked this often whether it is there.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// One that has not answered for so long is stuck in a stranger's picture.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// Room in the socket's own queues, for key frames.
const SOCKET_ROOM: usize = 1 << 20;

/// The process is gone, or has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It ended.
    Ended,
    /// It said something that nobody says.
    Garbled,
    /// It does not answer.
    Stuck,
}

/// What is known of the program itself, between its keeper and us.
#[derive(Default)]
enum Program {
    /// Its keeper is about to start it.
    #[default]
    Awaited,
    /// It runs, under this number and this handle, which no later program can be taken for.
    Runs(u32, OwnedFd),
    /// It ended, or is not wanted any more.
    Over,
}

/// A running pixel process. Dropping it kills it.
pub struct Process {
    program: Arc<Mutex<Program>>,
    socket: OwnedFd,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    asked: Instant,
    answered: Instant,
}

impl Process {
    /// Start it from its program, without waiting for that: a thread does, and stays until it ends. One that cannot be
    /// started is one that ended. The only descriptor that it has is one end of a socket pair.
    pub fn start(path: &Path, now: Instant) -> io::Result<Process> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        for end in [&ours, &theirs] {
            rustix::net::sockopt::set_socket_send_buffer_size(end, SOCKET_ROOM)?;
        }
        let program = Arc::new(Mutex::new(Program::Awaited));
        let (path, kept) = (path.to_owned(), program.clone());
        thread::Builder::new().name("pixels".into()).spawn(move || keep(path, theirs, &kept))?;
        Ok(Process { program, socket: ours, outgoing: Vec::new(), incoming: Vec::new(), asked: now, answered: now })
    }

    /// Its number as the system knows it, while it runs.
    pub fn id(&self) -> Option<u32> {
        match *self.program.lock().unwrap_or_else(|e| e.into_inner()) {
            Program::Runs(id, _) => Some(id),
            _ => None,
        }
    }

    /// Whether more waits to be written than the socket takes now.
    pub fn is_behind(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Say something. `false`: it is a picture, and was dropped because the process does not keep up.
    pub fn say(&mut self, order: &Order) -> bool {
        if let Order::Frame { data, .. } = order
            && (data.len() > LONGEST / 2 || self.outgoing.len() + data.len() > MOST_WAITING)
        {
            return false;
        }
        order.write(&mut self.outgoing);
        true
    }

    /// Write what waits, as far as the socket takes it.
    pub fn flush(&mut self) -> Result<(), Broken> {
        let mut written = 0;
        let result = loop {
            if written == self.outgoing.len() {
                break Ok(());
            }
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match rustix::net::send(&self.socket, &self.outgoing[written..], flags) {
                Ok(n) => written += n,
                Err(Errno::AGAIN) => break Ok(()),
                Err(Errno::INTR) => {}
                Err(_) => break Err(Broken::Ended),
            }
        };
        self.outgoing.drain(..written);
        result
    }

    /// Everything it has said since.
    pub fn hear(&mut self, now: Instant) -> Result<Vec<Yield>, Broken> {
        let mut heard = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match rustix::net::recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err(Broken::Ended),
                Ok((_, n)) => self.incoming.extend_from_slice(&buffer[..n]),
                Err(Errno::AGAIN) => return Ok(heard),
                Err(Errno::INTR) => {}
                Err(_) => return Err(Broken::Ended),
            }
            let mut read = 0;
            while let Some((answer, length)) = Yield::read(&self.incoming[read..]).map_err(|_| Broken::Garbled)? {
                read += length;
                self.answered = now;
                heard.push(answer);
            }
            self.incoming.drain(..read);
        }
    }

    /// Ask whether it is there, where that is due. Call it about once a second.
    pub fn watch(&mut self, now: Instant) -> Result<(), Broken> {
        if now.saturating_duration_since(self.asked) < ASK_EVERY {
            return Ok(());
        }
        // It has had its turn and said nothing: what was asked the time before is not answered.
        if self.asked.saturating_duration_since(self.answered) > ANSWERS_WITHIN {
            return Err(Broken::Stuck);
        }
        self.asked = now;
        self.say(&Order::Ping { number: 0 });
        self.flush()
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut program = self.program.lock().unwrap_or_else(|e| e.into_inner());
        if let Program::Runs(_, handle) = std::mem::replace(&mut *program, Program::Over) {
            let _ = pidfd_send_signal(handle, Signal::KILL);
        }
    }
}

/// Start the program and wait for its end. It dies with the thread that started it, so that thread is this one.
fn keep(path: PathBuf, socket: OwnedFd, program: &Mutex<Program>) {
    let set = |state| {
        let mut program = program.lock().unwrap_or_else(|e| e.into_inner());
        let over = matches!(*program, Program::Over);
        *program = if over { Program::Over } else { state };
        !over
    };
    let mut command = Command::new(path);
    command.stdin(socket).stdout(Stdio::null()).stderr(Stdio::null()).env_clear().current_dir("/");
    // Unusual installations say where libvpx is.
    if let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", path);
    }
    let child = command.spawn();
    // Ours: it has its own, and an end that stays open here would hide that it is gone.
    drop(command);
    let Ok(mut child) = child else {
        set(Program::Over);
        return;
    };
    let handle = Pid::from_raw(child.id() as i32).and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok());
    let wanted = handle.is_some_and(|handle| set(Program::Runs(child.id(), handle)));
    if !wanted {
        let _ = child.kill();
    }
    let _ = child.wait();
    set(Program::Over);
}
