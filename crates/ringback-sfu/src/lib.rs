//! Browsers and bots: one str0m peer each, what is forwarded between them, and who speaks. No I/O, no clock.
//!
//! [`Peer`] is the only place that knows str0m; everything else here is plain arithmetic on packets and time.

mod framing;
mod keyframes;
mod peer;
mod rewrite;
mod speaker;
mod stun;

pub use framing::{Deframer, TooLong, frame};
pub use keyframes::KeyframeThrottle;
pub use peer::{
    Changes, Extensions, Format, FormatKind, Identity, Mid, Offer, Output, Packet, Peer, PeerEvent, PeerState, Transmit,
};
pub use rewrite::Rewriter;
pub use speaker::Speaker;
pub use stun::ufrag;
