//! The worker thread.

use std::io;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;
use rustix::event::{EventfdFlags, eventfd};

use crate::command::Command;
use crate::event::{Event, Mailbox};

/// Wakes the worker after a command was queued.
pub struct Wake(OwnedFd);

impl Wake {
    pub fn new() -> io::Result<Wake> {
        Ok(Wake(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub fn wake(&self) {
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

#[derive(Default)]
pub struct EngineCounters {}

impl EngineCounters {
    pub fn list(&self) -> Vec<(&'static str, u64)> {
        vec![]
    }
}

#[allow(dead_code)]
pub struct Parts {
    pub udp: UdpSocket,
    pub tcp: TcpListener,
    pub advertised: Vec<IpAddr>,
    pub commands: Receiver<Command>,
    pub wake: Arc<Wake>,
    pub mailbox: Arc<Mailbox>,
    pub counters: Arc<EngineCounters>,
}

pub fn spawn(parts: Parts) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("ringback-media".into()).spawn(move || {
        for command in &parts.commands {
            match command {
                Command::Stop => return,
                Command::Offer { request, .. } => {
                    parts.mailbox.push(Event::Reply { request, result: Err("WebRTC is not built yet".into()) })
                }
                _ => {}
            }
        }
    })
}
