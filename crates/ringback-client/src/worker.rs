//! The thread of all calls: one loop over sockets, commands and timers, each with bounded work per turn.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use ringback_engine::{Broken, Mailbox, Timers, guarded, run_first};
use ringback_sfu::Identity;
use rustix::event::{Timespec, epoll};

use crate::caller::{Caller, Outcome};
use crate::callers::Command;
use crate::event::Event;

const TICK: Duration = Duration::from_millis(20);
/// Calls tick at so many moments of the 20 ms: together, so that one wake-up serves many; apart, so that it is short.
const PHASES: u32 = 4;
/// Ticks made up for after the worker was held up; beyond them time is skipped.
const CATCH_UP: u32 = 10;
/// Datagrams read from one socket, commands taken and timers fired per turn.
const AT_ONCE: usize = 64;
const LONGEST_DATAGRAM: usize = 2048;
/// Socket numbers of one call.
const SOCKETS: u64 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Peer(u64),
    Tick(u64),
}

struct Worker {
    now: Instant,
    began: Instant,
    identity: Identity,
    calls: HashMap<u64, Caller>,
    timers: Timers<Timer>,
    epoll: OwnedFd,
    commands: Receiver<Command>,
    wake: Arc<OwnedFd>,
    mailbox: Arc<Mailbox<Event>>,
    stopped: bool,
}

/// Start the thread.
pub fn spawn(
    commands: Receiver<Command>,
    wake: Arc<OwnedFd>,
    mailbox: Arc<Mailbox<Event>>,
) -> io::Result<JoinHandle<()>> {
    let identity = Identity::generate().ok_or_else(|| io::Error::other("no DTLS certificate could be made"))?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &wake, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    let now = Instant::now();
    let mut worker = Worker {
        now,
        began: now,
        identity,
        calls: HashMap::new(),
        timers: Timers::new(),
        epoll,
        commands,
        wake,
        mailbox,
        stopped: false,
    };
    std::thread::Builder::new().name("ringback-calls".into()).spawn(move || {
        // What is not of one call should not fail; if it does, no call can be trusted.
        while guarded(|| worker.run()).is_err() {
            let calls: Vec<u64> = worker.calls.keys().copied().collect();
            calls.into_iter().for_each(|call| worker.fail(call));
        }
    })
}

impl Worker {
    fn run(&mut self) {
        run_first();
        let mut ready = Vec::with_capacity(256);
        let mut more = false;
        while !self.stopped {
            ready.clear();
            let until = self.timers.next().map(|at| at.saturating_duration_since(Instant::now()));
            let timeout = if more { Some(Duration::ZERO) } else { until };
            let timeout = timeout.map(|t| Timespec { tv_sec: t.as_secs() as i64, tv_nsec: t.subsec_nanos().into() });
            let _ = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), timeout.as_ref());
            self.now = Instant::now();
            for event in &ready {
                match event.data.u64() {
                    0 => drop(rustix::io::read(&self.wake, &mut [0u8; 8])),
                    token => self.read(token / SOCKETS, (token % SOCKETS) as usize),
                }
            }
            more = self.take_commands();
            self.fire_timers();
        }
        let calls: Vec<u64> = self.calls.keys().copied().collect();
        calls.into_iter().for_each(|call| self.close(call));
    }

    fn read(&mut self, call: u64, socket: usize) {
        let mut buffer = [0; LONGEST_DATAGRAM];
        for _ in 0..AT_ONCE {
            let Some(caller) = self.calls.get_mut(&call) else { return };
            let Some(socket) = caller.sockets.get(socket) else { return };
            // An ICMP error of an earlier send is reported here, too: ICE notices what does not answer.
            match socket.recv_from(&mut buffer) {
                Ok((n, source)) => {
                    let outcome = caller.receive(source, &buffer[..n], self.now);
                    self.done(call, outcome);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {}
            }
        }
    }

    /// Take some commands; `true` when more wait.
    fn take_commands(&mut self) -> bool {
        for _ in 0..AT_ONCE {
            match self.commands.try_recv() {
                Ok(command) => self.command(command),
                Err(crossbeam_channel::TryRecvError::Empty) => return false,
                // The handle is gone, and with it everybody who could want anything.
                Err(crossbeam_channel::TryRecvError::Disconnected) => {
                    self.stopped = true;
                    return false;
                }
            }
        }
        true
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Open { call, shared } => {
                let at = self.next_grid(call);
                self.calls.insert(call, Caller::new(call, shared, &self.identity, self.now, at));
                self.timers.set(at, Timer::Tick(call));
            }
            Command::Offer { call, request, changes } => {
                let Some(caller) = self.calls.get_mut(&call) else { return };
                match guarded(|| caller.offer(&changes)) {
                    Ok(offer) => {
                        let (sdp, sending, receiving) =
                            offer.map_or_else(Default::default, |o| (o.sdp, o.sending, o.receiving));
                        let sending = sending.map(|mid| mid.to_string());
                        let receiving = receiving.iter().map(ToString::to_string).collect();
                        self.mailbox.push(Event::Offer { call, request, sdp, sending, receiving });
                        self.pass_time(call);
                    }
                    Err(_) => self.fail(call),
                }
            }
            Command::Answer { call, request, sdp } => self.answer(call, request, &sdp),
            Command::Speak { call, speaks } => {
                self.calls.get_mut(&call).into_iter().for_each(|caller| caller.speak(speaks.clone()));
            }
            Command::Close(call) => self.close(call),
            Command::Stop => self.stopped = true,
        }
    }

    fn answer(&mut self, call: u64, request: u64, sdp: &str) {
        let Some(caller) = self.calls.get_mut(&call) else { return };
        let Ok(taken) = guarded(|| caller.answered(sdp)) else { return self.fail(call) };
        for (n, socket) in (0..SOCKETS).zip(&caller.sockets) {
            let data = epoll::EventData::new_u64(call * SOCKETS + n);
            // One that is there already stays.
            let _ = epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN);
        }
        self.mailbox.push(Event::Answered { call, request, error: taken.err() });
        self.pass_time(call);
    }

    fn fire_timers(&mut self) {
        for _ in 0..AT_ONCE * 16 {
            match self.timers.pop_due(self.now) {
                Some(Timer::Peer(call)) => {
                    if let Some(caller) = self.calls.get_mut(&call) {
                        caller.wake = None;
                        self.pass_time(call);
                    }
                }
                Some(Timer::Tick(call)) => self.tick(call),
                None => return,
            }
        }
    }

    fn tick(&mut self, call: u64) {
        for made_up in 0.. {
            let Some(caller) = self.calls.get_mut(&call) else { return };
            let at = caller.next_tick;
            if at > self.now {
                return self.timers.set(at, Timer::Tick(call));
            }
            if made_up < CATCH_UP {
                caller.next_tick = at + TICK;
                let outcome = caller.tick(self.now, self.now >= at + TICK);
                self.done(call, outcome);
            } else {
                let next = self.next_grid(call);
                self.calls.get_mut(&call).into_iter().for_each(|caller| caller.next_tick = next);
            }
        }
    }

    /// The next moment at which this call ticks.
    fn next_grid(&self, call: u64) -> Instant {
        let phase = TICK / PHASES * (call % u64::from(PHASES)) as u32;
        let passed = self.now.saturating_duration_since(self.began).as_millis() / TICK.as_millis();
        self.began + TICK * (passed as u32 + 1) + phase
    }

    fn pass_time(&mut self, call: u64) {
        if let Some(caller) = self.calls.get_mut(&call) {
            let outcome = caller.pass_time(self.now);
            self.done(call, outcome);
        }
    }

    fn done(&mut self, call: u64, outcome: Result<Outcome, Broken>) {
        match outcome {
            Ok(outcome) => {
                outcome.events.into_iter().for_each(|event| self.mailbox.push(event));
                outcome.wake.into_iter().for_each(|at| self.timers.set(at, Timer::Peer(call)));
            }
            Err(Broken::Closed) => {
                self.calls.remove(&call);
                self.mailbox.push(Event::State { call, state: "closed" });
            }
            Err(Broken::Bug(_)) => self.fail(call),
        }
    }

    /// A bug of ours hit this call: it goes, the others stay.
    fn fail(&mut self, call: u64) {
        if self.calls.remove(&call).is_some() {
            self.mailbox.push(Event::State { call, state: "failed" });
        }
    }

    fn close(&mut self, call: u64) {
        if let Some(mut caller) = self.calls.remove(&call) {
            caller.close(self.now);
        }
    }
}
