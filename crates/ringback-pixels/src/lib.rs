//! The pixel process: encoded pictures in, composed and encoded pictures out, with no other way to the world.
//!
//! [`Studio`] does the work: sources are decoded while a view shows them, each view is composed and encoded once for
//! everybody who wants it. The binary around it reads and writes one socket and gives up every right it does not need
//! before it reads the first byte of a stranger.

mod canvas;
mod coder;
mod label;
mod limits;
mod picture;
mod scale;
mod studio;
mod sys;

pub use canvas::Canvas;
pub use coder::{Decoder, Encoded, Encoder, Quality};
pub use limits::{Fault, Header, LONGEST_FRAME, MOST_PIXELS, inspect};
pub use picture::Picture;
pub use studio::{Studio, prepare};
pub use sys::vpx::version as libvpx_version;
