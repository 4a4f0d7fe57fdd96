//! A room as the worker holds it: its legs, and who speaks in it.

use std::sync::Arc;
use std::time::Instant;

use ringback_sfu::Speaker;

use crate::worker::LegKey;

pub struct Room {
    pub id: Arc<str>,
    pub legs: Vec<LegKey>,
    /// Opened by name: it stays when its last leg goes.
    pub kept: bool,
    pub speaker: Speaker,
    /// When its next 20 ms of sound are due, while any leg needs that.
    pub next_tick: Option<Instant>,
}

impl Room {
    pub fn new(id: Arc<str>) -> Room {
        Room { id, legs: Vec::new(), kept: false, speaker: Speaker::default(), next_tick: None }
    }
}
