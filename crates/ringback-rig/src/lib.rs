//! What Ringback is measured with: telephones and browsers by the hundred, and what they saw of the server.
//!
//! [`Phones`] are far ends of phone legs on one socket, whose kernel stamps every arrival: each says bursts of a tone of
//! its own and looks in what it hears for the tones of the others, so that a packet counts only with the right sound in
//! it, and every burst found is a measurement of the way through the server. [`Farm`] is browsers in a process of
//! their own, so that the memory of this one is the server's. Nothing here is part of the product.

mod browser;
mod bursts;
mod farm;
mod figures;
mod impair;
mod phones;
mod server;
mod sip;
mod sys;
mod video;

pub use browser::{Browser, Flow, Sends};
pub use bursts::{Ears, Onset, frequency, quiet, tone};
pub use farm::{FarOffer, Farm, Shown, farm_main};
pub use figures::{Delays, Row};
pub use impair::Impairment;
pub use phones::{Heard, Phones, Seat};
pub use server::{
    answer_of, cpu_of_process, cpu_of_threads, memory_kib, named_children, open_phone, open_video, pixel_program,
    share_a_processor, start, start_workers,
};
pub use sip::{Dialled, Dialler};
pub use sys::{Stamped, echo, echo_ports, now_ns, run_first, stamp_arrivals};
pub use video::{Film, VideoPhones, VideoSeat, Watched};
