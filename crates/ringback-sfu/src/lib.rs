//! Browsers and bots: one str0m peer each, what is forwarded between them, and who speaks. No I/O, no clock.
//!
//! [`Peer`] is the only place that knows str0m; everything else here is plain arithmetic on packets and time.

mod crypto;
mod framing;
mod keyframes;
mod layers;
mod offer;
mod peer;
mod picture;
mod red;
mod rewrite;
mod speaker;
mod straight;
mod stun;
mod viewer;

pub use framing::{Deframer, TooLong, frame};
pub use keyframes::KeyframeThrottle;
pub use layers::{Layers, MOST_LAYERS};
pub use peer::{
    Changes, Extensions, Format, FormatKind, Identity, Mid, Offer, Output, Packet, Peer, PeerEvent, PeerState, Transmit,
};
pub use picture::{Picture, PictureNumbers};
pub use red::Redundant;
pub use rewrite::Rewriter;
pub use speaker::Speaker;
pub use stun::ufrag;
pub use viewer::{Place, Viewer, Wish, share};
