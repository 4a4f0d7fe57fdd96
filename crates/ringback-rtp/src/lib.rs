//! RTP without sockets and without a clock: packets, RTCP, reception statistics, the jitter buffer, telephone-events,
//! their protection, pictures in packets, and the rule that decides whose packets count (RFC 3550, 3551, 3711, 4733).
//!
//! Drive loop: parse a datagram with [`RtpPacket::parse`], ask [`Latch::receive`] whether its sender counts, feed
//! [`Reception`] and the [`JitterBuffer`]; every 20 ms pull from the buffer. `ringback_audio::Receiver` and `Sender` do
//! the last two steps with the codecs in place. Bytes from strangers give a value or an error, never a panic.

mod delay;
mod dtls;
mod dtmf_receive;
mod dtmf_send;
mod feedback;
mod ice;
mod jitter;
mod latch;
mod network;
mod packet;
mod payload_types;
mod quality;
mod reception;
mod report;
mod rtcp;
mod sequence;
mod srtp;
#[cfg(test)]
mod testing;
pub mod video;

pub use delay::DelayEstimate;
pub use dtls::{Certificate, DtlsError, Fingerprint, Handshake, SessionKeys, is_dtls};
pub use dtmf_receive::{DtmfReceiver, KeyPress};
pub use dtmf_send::{DtmfSender, EventPacket, MAX_QUEUED_DIGITS};
pub use feedback::{Feedback, missing_of, parse_feedback, write_fir, write_nack, write_pli};
pub use ice::{IceCredentials, IceLite, is_stun};
pub use jitter::{Buffered, JitterBuffer, JitterConfig, JitterStats, Pace, Pull, Pushed};
pub use latch::{Latch, LatchConfig, LatchStats, Rejection, Verdict};
pub use network::Network;
pub use packet::{Extension, RtpError, RtpHeader, RtpPacket, is_rtcp};
pub use payload_types::PayloadTypes;
pub use quality::{Impairment, mos};
pub use reception::Reception;
pub use report::{Reporter, SentTotals};
pub use rtcp::{ReportBlock, Rtcp, RtcpError, SenderInfo, parse_compound, write_compound};
pub use sequence::{Extended16, Extended32, SequenceCheck, SourceValidator};
pub use srtp::{MasterKey, Numbers, Protect, Sealer, SrtpError, Suite, Unprotect, Unused};
