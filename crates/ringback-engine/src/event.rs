//! What the engine reports: a mailbox that many threads may fill and one reader empties, woken by an eventfd.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use rustix::event::{EventfdFlags, eventfd};

/// Something that happened, in the words of `src/ringback/core.py`.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The answer to a request that was queued.
    Reply {
        /// Number given out when it was queued.
        request: u64,
        /// The SDP answer, or one sentence saying what is wrong with the offer.
        result: Result<String, String>,
    },
    /// ICE or DTLS of a browser changed.
    WebrtcState {
        /// Leg id.
        leg: String,
        /// `connected`, `disconnected` or `closed`.
        state: &'static str,
    },
    /// The first media packet of a track arrived.
    MediaStarted {
        /// Leg id.
        leg: String,
        /// Track name.
        track: String,
    },
    /// One key press, by RFC 4733 or found in the sound.
    Digit {
        /// Leg id.
        leg: String,
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
        /// How long it was held.
        duration_ms: u32,
        /// Power level in dBm0 without its sign, 0..63.
        volume: u8,
        /// Whether it was found in the sound.
        in_band: bool,
    },
    /// A phone is to be asked for a whole picture, as its RTCP cannot.
    PictureWanted {
        /// Leg id.
        leg: String,
    },
    /// A phone with a screen is shown something else, or in another way.
    PicturesShown {
        /// Leg id.
        leg: String,
        /// `none`, `one`, `speaker` (the first large) or `grid`.
        layout: &'static str,
        /// Leg ids and track names of those who are shown, the most important first.
        of: Vec<(String, String)>,
        /// How it is given pictures, as `VideoWay::NAMES`.
        way: &'static str,
    },
    /// A browser is to encode some layers of a picture so that phones can be passed them on.
    EncodingAsked {
        /// Leg id.
        leg: String,
        /// Track name.
        track: String,
        /// Layer (0 the lowest), the most bits in a second, the most pictures in a second (0: any): the whole table;
        /// what is not in it is its sender's own choice again.
        layers: Vec<(u8, u32, u8)>,
    },
    /// What a phone was played came to its end.
    Played {
        /// Leg id.
        leg: String,
        /// The clip's id.
        sound: String,
    },
    /// Somebody else speaks now.
    ActiveSpeaker {
        /// Room id.
        room: String,
        /// Leg id.
        leg: String,
    },
    /// A phone that should be sending has sent neither RTP nor RTCP for 60 s.
    LegSilent {
        /// Leg id.
        leg: String,
    },
    /// A phone that is to be protected cannot be: nothing is sent to it or taken of it.
    LegUnprotected {
        /// Leg id.
        leg: String,
        /// One sentence.
        reason: String,
    },
    /// The engine gave a leg up; it is already closed.
    LegFailed {
        /// Leg id.
        leg: String,
        /// One sentence.
        reason: String,
    },
}

/// Most events that wait for a reader that does not come; later ones are dropped and counted.
const MOST_WAITING: usize = 100_000;

struct Waiting<E> {
    events: Vec<E>,
    dropped: u64,
}

/// The mailbox. One write to the eventfd covers everything that waits when the reader comes.
pub struct Mailbox<E = Event> {
    waiting: Mutex<Waiting<E>>,
    wake: OwnedFd,
}

impl<E> Mailbox<E> {
    /// An empty mailbox.
    pub fn new() -> std::io::Result<Mailbox<E>> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Mailbox { waiting: Mutex::new(Waiting { events: Vec::new(), dropped: 0 }), wake })
    }

    /// The descriptor that is readable while events wait.
    pub fn fd(&self) -> RawFd {
        self.wake.as_fd().as_raw_fd()
    }

    /// Put an event in; never waits for the reader.
    pub fn push(&self, event: E) {
        let mut waiting = self.waiting.lock().unwrap_or_else(|e| e.into_inner());
        if waiting.events.len() >= MOST_WAITING {
            waiting.dropped += 1;
            return;
        }
        waiting.events.push(event);
        if waiting.events.len() == 1 {
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
    }

    /// Take everything out, oldest first.
    pub fn drain(&self) -> Vec<E> {
        let mut waiting = self.waiting.lock().unwrap_or_else(|e| e.into_inner());
        let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
        std::mem::take(&mut waiting.events)
    }

    /// Events lost because nobody read.
    pub fn dropped(&self) -> u64 {
        self.waiting.lock().unwrap_or_else(|e| e.into_inner()).dropped
    }
}
