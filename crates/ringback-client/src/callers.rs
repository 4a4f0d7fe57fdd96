//! The caller's side of the worker: commands in, events out, never waiting for the network.

use std::collections::HashMap;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use ringback_audio::Codec;
use ringback_engine::{Mailbox, raise_file_limit};
use ringback_sfu::{Changes, Mid};
use rustix::event::{EventfdFlags, eventfd};

use crate::caller::Speaks;
use crate::counters::Counters;
use crate::ears::Ears;
use crate::event::Event;
use crate::speech::{Flushed, Speech};
use crate::worker;

/// What both sides hold of a call.
pub struct Shared {
    pub rate: u32,
    pub speech: Speech,
    pub ears: Ears,
    pub counters: Counters,
}

/// One thing to do. A command for an unknown call does nothing.
pub enum Command {
    Open { call: u64, shared: Arc<Shared> },
    Offer { call: u64, request: u64, changes: Changes },
    Answer { call: u64, request: u64, sdp: String },
    Speak { call: u64, speaks: Speaks },
    Close(u64),
    Stop,
}

/// All calls of a process. Dropping it ends them.
pub struct Callers {
    commands: Sender<Command>,
    wake: Arc<OwnedFd>,
    mailbox: Arc<Mailbox<Event>>,
    calls: Mutex<HashMap<u64, Arc<Shared>>>,
    last: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Callers {
    /// Start the thread.
    pub fn start() -> io::Result<Callers> {
        raise_file_limit();
        let (commands, receiver) = crossbeam_channel::unbounded();
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let mailbox = Arc::new(Mailbox::new()?);
        let thread = worker::spawn(receiver, wake.clone(), mailbox.clone())?;
        let (calls, last) = (Mutex::default(), AtomicU64::new(0));
        Ok(Callers { commands, wake, mailbox, calls, last, thread: Mutex::new(Some(thread)) })
    }

    /// Readable while events wait.
    pub fn event_fd(&self) -> RawFd {
        self.mailbox.fd()
    }

    /// All waiting events, oldest first.
    pub fn drain(&self) -> Vec<Event> {
        self.mailbox.drain()
    }

    /// End every call and the thread. Doing it twice does nothing.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(thread) = thread {
            self.send(Command::Stop);
            let _ = thread.join();
            self.calls().clear();
        }
    }

    /// A call that has not begun; `rate` (8000, 16000, 24000 or 48000) is of all its samples.
    pub fn open(&self, rate: u32) -> u64 {
        let call = self.number();
        let shared = Shared { rate, speech: Speech::new(rate), ears: Ears::new(rate), counters: Counters::default() };
        let shared = Arc::new(shared);
        self.calls().insert(call, shared.clone());
        self.send(Command::Open { call, shared });
        call
    }

    /// Queue an offer: `Event::Offer` with the returned number brings it.
    pub fn offer(&self, call: u64, send: bool, receive: usize, stop: &[String], restart: bool) -> u64 {
        let request = self.number();
        let stop = stop.iter().map(|mid| Mid::from(mid.as_str())).collect();
        self.send(Command::Offer { call, request, changes: Changes { send, receive, stop, restart } });
        request
    }

    /// Queue the answer to it: `Event::Answered` with the returned number says whether it was taken.
    pub fn answer(&self, call: u64, sdp: &str) -> u64 {
        let request = self.number();
        self.send(Command::Answer { call, request, sdp: sdp.into() });
        request
    }

    /// Speak the codec of the first of these m-lines that was heard, or else this one.
    pub fn speak(&self, call: u64, follows: &[String], otherwise: Codec) {
        let follows = follows.iter().map(|mid| Mid::from(mid.as_str())).collect();
        self.send(Command::Speak { call, speaks: Speaks { follows, otherwise } });
    }

    /// Queue speech, with a mark behind it; `false` when too much waits, and nothing was queued.
    pub fn push(&self, call: u64, samples: impl ExactSizeIterator<Item = i16>, mark: Option<u64>) -> bool {
        self.shared(call).is_some_and(|shared| shared.speech.push(samples, mark))
    }

    /// Samples that wait to be said.
    pub fn waiting(&self, call: u64) -> usize {
        self.shared(call).map_or(0, |shared| shared.speech.waiting())
    }

    /// Drop what waits.
    pub fn flush(&self, call: u64) -> Flushed {
        self.shared(call).map(|shared| shared.speech.flush()).unwrap_or_default()
    }

    /// Listen to an m-line, or to everybody together.
    pub fn listen(&self, call: u64, ear: u64, of: Option<String>, wants: usize) {
        self.shared(call).into_iter().for_each(|shared| shared.ears.listen(ear, of.clone(), wants));
    }

    /// Listen no longer.
    pub fn rest(&self, call: u64, ear: u64) {
        self.shared(call).into_iter().for_each(|shared| shared.ears.rest(ear));
    }

    /// What an ear heard since the last time, in whole pieces of what was wanted.
    pub fn read(&self, call: u64, ear: u64) -> Vec<i16> {
        self.shared(call).map(|shared| shared.ears.read(ear)).unwrap_or_default()
    }

    /// Counters of a call by name; empty for an unknown one.
    pub fn counters(&self, call: u64) -> Vec<(&'static str, u64)> {
        self.shared(call).map(|shared| shared.counters.list()).unwrap_or_default()
    }

    /// End a call.
    pub fn hang_up(&self, call: u64) {
        self.calls().remove(&call);
        self.send(Command::Close(call));
    }

    fn number(&self) -> u64 {
        self.last.fetch_add(1, Relaxed) + 1
    }

    fn shared(&self, call: u64) -> Option<Arc<Shared>> {
        self.calls().get(&call).cloned()
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<u64, Arc<Shared>>> {
        self.calls.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn send(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        self.close();
    }
}
