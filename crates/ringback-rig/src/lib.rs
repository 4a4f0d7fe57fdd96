//! What Ringback is measured with: telephones and browsers by the hundred, and what they saw of the server.
//!
//! [`Phones`] are far ends of phone legs on one socket, whose kernel stamps every arrival: each says bursts of a tone of
//! its own and looks in what it hears for the tones of the others, so that a packet counts only with the right sound in
//! it, and every burst found is a measurement of the way through the server.

mod bursts;
mod figures;
mod impair;
mod phones;
mod server;
mod sys;

pub use bursts::{Ears, Onset, frequency, quiet, tone};
pub use figures::{Delays, Row};
pub use impair::Impairment;
pub use phones::{Heard, Phones, Seat};
pub use server::{cpu_of_threads, memory_kib, open_phone, start};
pub use sys::{Stamped, echo, echo_ports, now_ns, run_first, stamp_arrivals};
