//! The other process: started over a socket pair, never waited for, given up when it does not answer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

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

/// A running pixel process. Dropping it kills it.
pub struct Process {
    child: Child,
    socket: OwnedFd,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    asked: Instant,
    answered: Instant,
}

impl Process {
    /// Start it from its program. The only descriptors that it has are one end of the socket pair and its errors' end.
    pub fn start(program: &Path, now: Instant) -> io::Result<Process> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        for end in [&ours, &theirs] {
            rustix::net::sockopt::set_socket_send_buffer_size(end, SOCKET_ROOM)?;
        }
        let mut command = Command::new(program);
        command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null()).env_clear().current_dir("/");
        // Tests and unusual installations say where libvpx is.
        if let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
            command.env("LD_LIBRARY_PATH", path);
        }
        let child = command.spawn()?;
        Ok(Process { child, socket: ours, outgoing: Vec::new(), incoming: Vec::new(), asked: now, answered: now })
    }

    /// Its number, as the system knows it.
    pub fn id(&self) -> u32 {
        self.child.id()
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
        let _ = self.child.kill();
        // Killed, it is gone within its next turn: waiting for it leaves no zombie behind.
        let _ = self.child.wait();
    }
}
