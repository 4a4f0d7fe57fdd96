//! The client's side of a call: what a bot says goes out at its pace, what the room says comes in as samples.
//!
//! One thread serves every call of a process ([`Callers`]); each has a peer and UDP sockets of its own. Commands go in,
//! events come out of a mailbox with one descriptor, and sound is fetched from queues: no packet is ever handed out.

mod caller;
mod callers;
mod converter;
mod counters;
mod ears;
mod event;
mod hearing;
mod speech;
mod voice;
mod worker;

pub use callers::Callers;
pub use counters::Counters;
pub use event::Event;
pub use ringback_audio::Codec;
pub use speech::{Cut, Flushed};
